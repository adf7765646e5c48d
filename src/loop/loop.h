// The loop: one thread's queue of steps, its timers, its poller, and the turn
// that runs them.
//
// A step is a callback or the next stretch of a task. What is ready stands in a
// ring, and in it, behind the last step of the pass that runs, a mark: what
// becomes ready joins behind that, so that a step queued by a step runs in the
// next pass. A pass begins when the mark goes behind all that is ready:
//
//     queue -> steps of this pass -> mark -> steps of the next -> queue
//       run <--'                                    wake, call_soon --^
//
//     one turn:  kernel's news -> posts from threads -> due timers -> pass
//
// The loop does not know what a task is: a task's step switches stacks.
#pragma once

#include <asyncio/loop.h>

#include <stdatomic.h>

#include "base/list.h"
#include "loop/clock.h"
#include "loop/timer.h"
#include "platform/arena.h"
#include "platform/clock.h"
#include "platform/compiler.h"
#include "platform/context.h"
#include "platform/poller.h"
#include "platform/spin.h"
#include "platform/stack.h"

// Something that the loop runs once: a link in one of its queues and what to
// call. It belongs to whoever embeds it, again as soon as it is called.
struct asyncio__step {
    struct asyncio_link link;
    void (*run)(struct asyncio__step *step);
};

struct asyncio__failure;
struct asyncio__watch;
struct asyncio__debugger;
struct asyncio__names;
struct asyncio__io;
struct asyncio__slots;

// A step that another thread, or a signal handler, hands over.
struct asyncio__post {
    struct asyncio__step step;
    struct asyncio__post *next;
    // The loop closes and will not run it. NULL: its owner learns otherwise.
    void (*drop)(struct asyncio__post *post);
    bool urgent; // goes before what is ready
};

struct asyncio__batch;
struct asyncio__tracer;

// Calls from other threads (posted.c). Under the posters' lock, but what is
// kept, which is the loop's.
struct asyncio__posted {
    _Atomic(struct asyncio__batch *) open; // calls may be added to it, or NULL
    struct asyncio_link spares, kept;      // asyncio__batch.spare
    unsigned spare_count, kept_count;
};

// Whoever brings news through memory, which other processes write, and without
// a word to the kernel while the loop is awake.
struct asyncio__source {
    struct asyncio_link link; // asyncio_loop.sources
    // Takes what has come. True if anything has. In each turn, and while the
    // loop spins.
    bool (*look)(struct asyncio__source *source);
    // The loop is about to sleep, and wants to be woken through the poller; or
    // it has woken up. True if something has come.
    bool (*sleep)(struct asyncio__source *source, bool sleeps);
    // Where a test has the clock: when it wants to be asked at the latest, in
    // real time; or ASYNCIO__NEVER.
    int64_t due_ns;
};

// Called once when the loop closes, before its poller does, in reverse order.
struct asyncio__at_close {
    struct asyncio_link link; // asyncio_loop.at_close
    void (*fn)(struct asyncio__at_close *hook);
};

// What closing a loop needs of the floor above: the tasks that are not done,
// and what futures have queued.
struct asyncio__task_floor {
    void (*cancel_waits)(struct asyncio_loop *loop); // operations, above all
    void (*drop)(struct asyncio_loop *loop);         // the tasks, once idle
};

// Why a task that waits does not go on with the next one in a straight line.
enum asyncio__detour {
    // Who wants to know of awaits, and of wakes:
    ASYNCIO__WATCHED_BY_TEST = 1, // awaits are counted, some cancelled
    ASYNCIO__WATCHED_BY_TRACE = 2,
    ASYNCIO__WATCHED = 3, // either
    // `spawner` or `compact_stack` is not NULL.
    ASYNCIO__INDIRECT = 4,
};

#define ASYNCIO__SPARE_LISTS 4 // of blocks

enum asyncio__loop_state {
    ASYNCIO__LOOP_IDLE,
    ASYNCIO__LOOP_RUNNING,
    ASYNCIO__LOOP_CLOSED,
};

// Who made a task that takes its first step now, eagerly, and goes on when that
// waits or ends. Lies in the frame that waits for it.
struct asyncio__spawner {
    struct asyncio__spawner *outer;
    struct asyncio__context *context;
    struct asyncio_task *task; // NULL: a callback
};

struct asyncio_loop {
    // What each switch and each pass looks at, side by side.
    struct asyncio_task *task; // the one that runs, or NULL
    struct asyncio_link queue; // asyncio__step.link, all that is ready
    struct asyncio__step mark; // in it: there the next pass begins
    unsigned unblocked;        // operations in a row that did not block
    _Atomic(uint64_t) passes;  // written here alone; the watchdog reads it
    uint64_t look_at;          // the pass before which to ask the kernel
    size_t blocks;             // control blocks that are not freed
    union {                    // looked at together, before a pass
        struct {
            bool callbacks_ready; // some step behind the mark is no task's
            bool stopping;
            bool each_pass_turns; // for a seed, or a debugger: none is quick
        };
        uint32_t turn_due; // not 0: one of them
    };
    uint8_t detour; // asyncio__detour, looked at as a task waits
    // The stack of `task`, if that is a compact one; else NULL.
    const struct asyncio__stack *compact_stack;
    // Posts from other threads: a stack, newest first, turned around when
    // taken.
    _Atomic(struct asyncio__post *) posts;
    struct asyncio__poller *poller;

    struct asyncio__spawner *spawner;  // innermost; NULL: no eager first step
    struct asyncio__context context;   // the thread's own stack
    struct asyncio__context_home home; // of that thread
    int64_t looked_ns;                 // when the kernel was last asked
    _Atomic(bool) debug;               // debug mode is on
    _Atomic(uint8_t) state; // enum asyncio__loop_state; threads that post ask

    struct asyncio__timers timers;
    struct asyncio_testing_clock *clock; // NULL: the system's
    struct asyncio_link patient; // asyncio__timer.link: when_ns is how long
                                 // nothing may run, in real time, until fired
    struct asyncio__stacks *stacks;
    uint64_t seed; // of the order of ready tasks; 0: as they became ready
    uint64_t dice; // for choices that have to be fair

    _Atomic(bool) sleeping; // the loop waits in the poller, or is about to
    struct asyncio__posted posted;
    size_t held;                 // jobs elsewhere that hold virtual time
    _Atomic(size_t) asking;      // of these, who wait for a task of this loop
    struct asyncio_link sources; // asyncio__source.link, those with jobs out
    struct asyncio__spin spin;   // before a sleep, while any job is held
    struct asyncio__spin kernel_spin; // while none is
    unsigned stream;  // looks in a row that found something at once
    size_t calls_ran; // from other threads, since `counted_ns`
    int64_t counted_ns;

    size_t tasks;             // those that are not done
    unsigned cancels_put_off; // tasks nested too deep to be cancelled yet
    unsigned cancel_depth;    // of cancels within a cancel
    struct asyncio__failure *cancel_words; // of the latest one that had a site
    uint32_t cancel_round;                 // counts those that are in no other
    struct asyncio_link future_callbacks;  // of futures, not run yet
    bool freed;           // asyncio_loop_free waits for the last of them
    uint64_t newest_task; // the number of the one made last
    struct asyncio_link *spare_blocks; // of tasks, for reuse, by `next`
    // Those that compact tasks left, the latest first: they are in these lists
    // in turn, so that it is known which the next few are.
    struct asyncio_link *spare_compact[ASYNCIO__SPARE_LISTS];
    unsigned spare_turn;               // of the list that has the latest
    struct asyncio__arena task_blocks; // those, and the ones in use
    // A stack that no task has, and where its last one has ended on it: the
    // next one may go on from there. NULL: there is none.
    struct asyncio__stack *spare_stack;
    struct asyncio__context spare_context;
    struct asyncio__slots *slots; // of compact tasks; NULL: there was none
    const struct asyncio__task_floor *floor; // NULL: nothing of it was used
    struct asyncio__debugger *debugger;      // NULL: nobody looks on
    struct asyncio_link spare_handles;       // of callbacks, for reuse
    // By descriptor; those of a simulated world, whose numbers are far from the
    // others, have a table of their own.
    struct asyncio__watch_table {
        struct asyncio__watch **at;
        size_t size; // entries in it
    } watches[2];
    uint64_t *owned;    // a bit for each descriptor that is an open stream's
    size_t owned_words; // in it
    struct asyncio__io *io;       // streams and servers; NULL: there were none
    struct asyncio_link at_close; // asyncio__at_close.link
    struct asyncio_link before_close; // the same, for those that come first
    struct asyncio_executor *default_executor;
    struct asyncio__names *names; // threads that ask libc; made when needed
    struct asyncio_resolver *resolver; // of libasyncio-dns; when needed
    struct asyncio_link open;          // in the list of open loops
    struct asyncio_loop *next_open;    // behind the same gate (open.c)
    _Atomic(uint32_t) references;      // of the memory: our own, and retained

    asyncio_report_fn *report;
    void *report_arg;
    int64_t slow_ns;                // what one step may take, in debug mode
    struct asyncio_link debug_link; // in a list of debug.c's, while it runs
    const void *thread;    // then: an address that is of its thread alone
    bool eager;            // its tasks begin inside the call that makes them
    bool asks_environment; // what of debug mode and traces is wanted
    struct asyncio__tracer *tracer; // or NULL: no run of it was in a trace

    // Called, if not NULL, when nothing is ready and nothing is under way that
    // could make something ready. It may change that.
    void (*stuck)(struct asyncio_loop *loop);
    uint64_t stuck_before; // what was told then, so that it is told once
    int64_t trim_ns;       // when unneeded stacks are to be given back
    int64_t watchdog_ns;   // how long a pass may take; 0: nobody asked
    const void *layout;    // of this struct, for readers from outside
    struct asyncio_testing_clock own_clock; // where `clock` is not shared
};

// The loops of the process that are open: asyncio_loop.open. Open.c alone walks
// it, under its lock; readers from outside do without.
extern struct asyncio_link asyncio__open_loops;

// The thread's loop: the one that runs, or else was made or set last.
extern ASYNCIO__THREAD_LOCAL struct asyncio_loop *asyncio__thread_loop;
// The one that runs.
extern ASYNCIO__THREAD_LOCAL struct asyncio_loop *asyncio__running_loop;

// True if a compact task runs, and the address lies in its stack: nobody may
// keep it.
static inline bool asyncio__loop_lends(const struct asyncio_loop *loop,
                                       const void *address)
{
    const struct asyncio__stack *stack = loop->compact_stack;
    return stack && (uintptr_t)address - (uintptr_t)stack->low < stack->size;
}

// --- what is ready ----------------------------------------------------------
//
// Stores are what takes the time here, and a task never leaves the ring but
// from its front. So it does without some of them: its own links are written by
// its neighbours alone, as far as these need it. A callback's are whole, and it
// may leave by list_remove wherever it stands.

// True if the next pass has something to run.
static inline bool asyncio__loop_has_ready(const struct asyncio_loop *loop)
{
    return loop->queue.prev != &loop->mark.link;
}

// Queues a task's step for the next pass.
static inline void asyncio__loop_add_task(struct asyncio_loop *loop,
                                          struct asyncio__step *step)
{
    loop->queue.prev->next = &step->link;
    loop->queue.prev = &step->link;
}

// The step that comes next, or the mark: this pass is over.
static inline struct asyncio__step *
asyncio__loop_first(const struct asyncio_loop *loop)
{
    return list_entry(loop->queue.next, struct asyncio__step, link);
}

// Takes that step, which is not the mark, out of the ring. Its links stay as
// they are.
static inline void asyncio__loop_leave_queue(struct asyncio_loop *loop,
                                             struct asyncio__step *step)
{
    struct asyncio_link *next = step->link.next;
    loop->queue.next = next;
    next->prev = &loop->queue;
}

// Puts the step back that was taken last, and by leave_queue.
static inline void asyncio__loop_put_back(struct asyncio_loop *loop,
                                          struct asyncio__step *step)
{
    step->link.next->prev = &step->link;
    loop->queue.next = &step->link;
}

// Begins a pass when one is over and there is something to run: returns the
// first of it.
static inline struct asyncio__step *
asyncio__loop_begin_pass(struct asyncio_loop *loop)
{
    struct asyncio_link *first = loop->mark.link.next;
    struct asyncio_link *last = loop->queue.prev;
    loop->queue.next = first;
    first->prev = &loop->queue;
    last->next = &loop->mark.link;
    loop->queue.prev = &loop->mark.link;
    return list_entry(first, struct asyncio__step, link);
}

// The next step of this pass, taken out of the ring; NULL: it is over.
static inline struct asyncio__step *
asyncio__loop_take(struct asyncio_loop *loop)
{
    struct asyncio__step *step = asyncio__loop_first(loop);
    if (step == &loop->mark) return NULL;
    asyncio__loop_leave_queue(loop, step);
    step->link = (struct asyncio_link){NULL, NULL};
    return step;
}

// Takes those steps out of the ring, between two passes, for which `takes`
// returns true: it sees to them.
void asyncio__loop_sift(struct asyncio_loop *loop,
                        bool (*takes)(struct asyncio__step *step));

// Queues a callback's step for the next pass.
static inline void asyncio__loop_queue(struct asyncio_loop *loop,
                                       struct asyncio__step *step)
{
    loop->callbacks_ready = true;
    step->link.prev = loop->queue.prev;
    step->link.next = &loop->queue;
    asyncio__loop_add_task(loop, step);
}

// Queues a step from any thread and wakes the loop if it sleeps. The caller
// vouches that the loop is open until this returns.
void asyncio__loop_post(struct asyncio_loop *loop, struct asyncio__post *post);

// The same for calls, which lie together in batches: what a loop needs for
// that. take: all posts, newest first; what is added later is a post of its
// own. queue: one of those for the next pass. drop: frees it without running
// it, if it is one of these.
void asyncio__posted_close(struct asyncio_loop *loop);
struct asyncio__post *asyncio__posted_take(struct asyncio_loop *loop);
void asyncio__posted_queue(struct asyncio_loop *loop,
                           struct asyncio__post *post);
bool asyncio__posted_drop(struct asyncio__step *step);

// asyncio_call_soon, but before what was posted and not taken.
int asyncio__callback_queue(int (*fn)(void *arg), void *arg,
                            const struct asyncio_call_options *options);

static inline bool asyncio__loop_has_posts(struct asyncio_loop *loop)
{
    return atomic_load_explicit(&loop->posts, memory_order_acquire);
}

// Queues what was posted before, so that a call that follows on the loop's own
// thread comes after it. queue_posts: there is some.
void asyncio__loop_queue_posts(struct asyncio_loop *loop);
static inline void asyncio__loop_take_posts(struct asyncio_loop *loop)
{
    if (asyncio__loop_has_posts(loop)) asyncio__loop_queue_posts(loop);
}

// Looks a loop up by its address, which is not followed. True: it is open, and
// stays so until let go of, by the same thread. Other posters wait meanwhile.
bool asyncio__loop_hold_open(const struct asyncio_loop *loop);
void asyncio__loop_let_go(const struct asyncio_loop *loop);
// The same lock, for the loop itself.
void asyncio__loop_lock_posters(const struct asyncio_loop *loop);

// Whether this is the address of a loop that is open; it is not followed.
bool asyncio__loop_is_open(const struct asyncio_loop *loop);

// The same post from a thread that does not know whether the loop is still
// there: looked up first, and open until this returns. False: it is not.
bool asyncio__loop_post_if_open(struct asyncio_loop *loop,
                                struct asyncio__post *post);

// Calls fn for each loop that is open; none is closed meanwhile. It must not
// make one, nor close one.
void asyncio__loops_each(void (*fn)(struct asyncio_loop *loop));

// Enters a new loop among the open ones; takes it out, and then no thread posts
// to it that way any more. A child process begins with none.
void asyncio__loop_enter(struct asyncio_loop *loop);
void asyncio__loop_leave(struct asyncio_loop *loop);
void asyncio__loops_forget(void);

static inline void asyncio__loop_set_indirect(struct asyncio_loop *loop,
                                              bool indirect)
{
    uint8_t watched = loop->detour & ASYNCIO__WATCHED;
    loop->detour = watched | (indirect ? ASYNCIO__INDIRECT : 0);
}

// The loop's time, in nanoseconds. Timers that waited for it have deadlines
// then, as if they had been armed just before.
static inline int64_t asyncio__loop_now(struct asyncio_loop *loop)
{
    int64_t now_ns = loop->clock ? asyncio__testing_clock_now(loop->clock)
                                 : asyncio__clock_real_ns();
    loop->timers.read_ns = now_ns;
    if (!list_empty(&loop->timers.waiting))
        asyncio__timers_clock_read(&loop->timers);
    return now_ns;
}

// Whether a timer for so many seconds may wait for the clock: a test's costs
// little to read, and a compact task's is looked at more closely. Such a number
// of seconds makes a deadline that fits.
static inline bool asyncio__loop_may_wait(const struct asyncio_loop *loop,
                                          double seconds)
{
    uintptr_t special = (uintptr_t)loop->clock | (uintptr_t)loop->compact_stack;
    return seconds > 0 && seconds < 1e9 && !special;
}

static inline uint64_t asyncio__loop_passes(const struct asyncio_loop *loop)
{
    return atomic_load_explicit(&loop->passes, memory_order_relaxed);
}

// One more pass. No other thread writes the count, so it needs no locked
// addition.
static inline void asyncio__loop_count_pass(struct asyncio_loop *loop)
{
    atomic_store_explicit(&loop->passes, asyncio__loop_passes(loop) + 1,
                          memory_order_relaxed);
}

// Starts the next pass, when one is over, where that needs neither clock nor
// kernel: returns its first step. NULL: the loop itself has to turn.
static inline struct asyncio__step *
asyncio__loop_quick_pass(struct asyncio_loop *loop)
{
    uintptr_t due =
        (uintptr_t)atomic_load_explicit(&loop->posts, memory_order_acquire) |
        loop->turn_due | loop->timers.count;
    if (due || !asyncio__loop_has_ready(loop) ||
        asyncio__loop_passes(loop) >= loop->look_at)
        return NULL;
    if (asyncio__poller_pending(loop->poller) > 0 &&
        asyncio__poller_has_news(loop->poller) == ASYNCIO__NEWS_CERTAIN)
        return NULL;

    asyncio__loop_count_pass(loop);
    return asyncio__loop_begin_pass(loop);
}

// Runs turns until `stopping`.
int asyncio__loop_run(struct asyncio_loop *loop);

// Tells the owners of posts that the loop closes and will not run them: for a
// hook below, when the threads that post have ended.
void asyncio__loop_drop_posts(struct asyncio_loop *loop);

// Runs `hook` when the loop closes, the latest first.
ASYNCIO_API void asyncio__loop_at_close(struct asyncio_loop *loop,
                                        struct asyncio__at_close *hook);

// The loop that `loop` or, if NULL, this thread names. Returns 0, -EPERM if
// there is none, -ESHUTDOWN if it is closed.
int asyncio__loop_find(struct asyncio_loop **loop);

// A descriptor belongs to a stream, and nobody may watch it: 0; -EBUSY if it
// does already, or is watched; -ENOMEM. Disowning cannot fail. Neither minds a
// negative number.
int asyncio__loop_own(struct asyncio_loop *loop, int fd);
void asyncio__loop_disown(struct asyncio_loop *loop, int fd);

// Ends what add_reader and add_writer have begun, also while the loop rests, or
// another one of this thread runs. The caller has begun it.
ASYNCIO_API void asyncio__loop_unwatch(struct asyncio_loop *loop, int fd);

// Frees what add_reader and add_writer keep; their operations have to be done.
void asyncio__watches_free(struct asyncio_loop *loop);
// Asks every watch to end.
void asyncio__watches_cancel(struct asyncio_loop *loop);

// Drops a callback that will not run any more: its step is still queued.
void asyncio__callbacks_drop(struct asyncio_loop *loop);

// Frees the memory of a closed loop, once no control block refers to it.
void asyncio__loop_unref(struct asyncio_loop *loop);

// Reports on `loop`; the text is made like printf's.
void asyncio__report(struct asyncio_loop *loop, int code, const char *task,
                     const char *site, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
