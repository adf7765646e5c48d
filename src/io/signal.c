// Signals as callbacks of a loop.
//
// A handler of ours counts the signal and writes to a descriptor that the loop
// reads: all else happens on the loop, between tasks. One loop of the process
// has a signal at a time; the disposition that was there before comes back when
// the callback is removed or the loop closes.

#include "io/signal.h"

#include <asyncio/signal.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include <asyncio/error.h>

#include "loop/carry.h"
#include "loop/debug.h"
#include "platform/sys.h"
#include "task/park.h"

#define SIGNALS ASYNCIO__SIGNALS

struct entry {
    _Atomic(struct asyncio_loop *) loop; // whose it is, or NULL
    _Atomic(unsigned) received;          // not yet delivered
    int (*fn)(void *arg);
    void *arg;
    struct asyncio__variables *carried;
    struct sigaction before;
    struct asyncio__signal_hold *holder; // has it for itself, or NULL
};

// What a loop that handles signals has: the descriptor, and a place in the
// order of closing.
struct reception {
    struct asyncio__at_close at_close;
    struct asyncio_loop *loop;
    int fd;
};

static struct entry entries[SIGNALS];
static _Atomic(struct reception *) receptions[SIGNALS]; // of each signal's loop

// Handlers under way, on any thread: a reception may be in use until there are
// none.
static _Atomic(unsigned) handling;

static void on_signal(int signal)
{
    atomic_fetch_add(&handling, 1);
    atomic_fetch_add(&entries[signal].received, 1);
    struct reception *reception = atomic_load(&receptions[signal]);
    if (reception) asyncio__sys_eventfd_signal(reception->fd);
    atomic_fetch_sub(&handling, 1);
}

static void deliver(struct asyncio_loop *loop, int signal)
{
    struct entry *entry = &entries[signal];
    unsigned count = atomic_exchange(&entry->received, 0);
    // Who waits is told that it came. Were it told how often, a signal that
    // comes all the time would keep others from having their turn.
    if (entry->holder && count > 1) count = 1;
    while (count-- > 0 && atomic_load(&entry->loop) == loop) {
        asyncio__debug_calls(loop, asyncio__address_of(entry->fn), NULL);
        int code = asyncio__carry_each(entry->carried, entry->fn, entry->arg);
        if (code < 0)
            asyncio__report(loop, code, NULL, NULL,
                            "the callback of signal %d failed: %s", signal,
                            asyncio_strerror(code));
    }
}

static int on_wake(void *arg)
{
    struct reception *reception = arg;
    uint64_t count;
    // It is readable, or somebody was here before: both are fine.
    asyncio__sys_read(reception->fd, &count, sizeof count);
    for (int signal = 1; signal < SIGNALS; signal++)
        if (atomic_load(&entries[signal].loop) == reception->loop)
            deliver(reception->loop, signal);
    return 0;
}

static void restore(int signal)
{
    struct entry *entry = &entries[signal];
    asyncio__sys_sigaction(signal, &entry->before, NULL);
    atomic_store(&receptions[signal], NULL);
    while (atomic_load(&handling) > 0) // a few instructions each
        sched_yield();
    if (entry->holder) asyncio__carry_drop(&entry->holder->carried);
    asyncio__carry_drop(&entry->carried);
    entry->holder = NULL;
    atomic_store(&entry->received, 0);
    atomic_store(&entry->loop, NULL);
}

static void loop_closes(struct asyncio__at_close *hook)
{
    struct reception *reception = list_entry(hook, struct reception, at_close);
    for (int signal = 1; signal < SIGNALS; signal++)
        if (atomic_load(&entries[signal].loop) == reception->loop)
            restore(signal);
    struct asyncio_loop *current = asyncio__thread_loop;
    asyncio_set_event_loop(reception->loop);
    asyncio_remove_reader(reception->fd);
    asyncio_set_event_loop(current);
    asyncio__sys_close(reception->fd);
    asyncio__free(reception);
}

// A forked process has none of the parent's loops: there each signal does what
// it did before, and a loop may handle it. Not by the calls that can be made to
// fail: their locks may be held.
static void forget_all(void)
{
    for (int signal = 1; signal < SIGNALS; signal++) {
        struct entry *entry = &entries[signal];
        atomic_store(&receptions[signal], NULL);
        if (!atomic_exchange(&entry->loop, NULL)) continue;
        sigaction(signal, &entry->before, NULL);
        atomic_store(&entry->received, 0);
        entry->carried = NULL;
        entry->holder = NULL;
    }
    atomic_store(&handling, 0);
}

static int fork_err; // of the preparation below: 0, or -ENOMEM

static void prepare_for_forks(void)
{
    fork_err = -pthread_atfork(NULL, NULL, forget_all);
}

static struct reception *reception_of(const struct asyncio_loop *loop)
{
    list_for_each (link, &loop->at_close) {
        struct asyncio__at_close *hook =
            list_entry(link, struct asyncio__at_close, link);
        if (hook->fn == loop_closes)
            return list_entry(hook, struct reception, at_close);
    }
    return NULL;
}

static int make_reception(struct asyncio_loop *loop, struct reception **out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *out = reception_of(loop);
    if (*out) return 0;
    pthread_once(&once, prepare_for_forks);
    if (fork_err < 0) return fork_err;
    struct reception *reception = asyncio__alloc(sizeof *reception);
    if (!reception) return -ENOMEM;
    reception->loop = loop;
    reception->fd = asyncio__sys_eventfd(0, EFD_NONBLOCK);
    int err = reception->fd;
    if (err < 0) goto fail_memory;
    err = asyncio_add_reader(reception->fd, on_wake, reception);
    if (err < 0) goto fail_fd;
    reception->at_close.fn = loop_closes;
    asyncio__loop_at_close(loop, &reception->at_close);
    *out = reception;
    return 0;

fail_fd:
    asyncio__sys_close(reception->fd);
fail_memory:
    asyncio__free(reception);
    return err;
}

// Also for a number that is no signal's, which is refused later.
static bool is_held(int signal)
{
    bool valid = signal >= 1 && signal < SIGNALS;
    return valid && asyncio__thread_loop &&
           atomic_load(&entries[signal].loop) == asyncio__thread_loop &&
           entries[signal].holder;
}

static int add_handler(int signal, int (*fn)(void *arg), void *arg)
{
    struct asyncio_loop *loop = NULL, *nobody = NULL;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    if (!fn || signal < 1 || signal >= SIGNALS) return -EINVAL;
    if (asyncio__loop_lends(loop, arg)) return -EFAULT;
    if (!asyncio__sys_is_first_thread())
        return asyncio_raise(-EPERM,
                             "signal %d can be handled by a loop of "
                             "the main thread only",
                             signal);
    struct reception *reception;
    err = make_reception(loop, &reception);
    if (err < 0) return err;

    struct entry *entry = &entries[signal];
    bool taken = atomic_compare_exchange_strong(&entry->loop, &nobody, loop);
    if (!taken && nobody != loop) return -EBUSY;
    asyncio__carry_drop(&entry->carried);
    entry->carried = asyncio__carry();
    entry->fn = fn;
    entry->arg = arg;
    if (!taken) return 0; // it was ours already
    atomic_store(&receptions[signal], reception);
    struct sigaction action = {.sa_handler = on_signal,
                               .sa_flags = SA_RESTART | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    err = asyncio__sys_sigaction(signal, &action, &entry->before);
    if (err < 0) {
        asyncio__carry_drop(&entry->carried);
        atomic_store(&receptions[signal], NULL);
        atomic_store(&entry->loop, NULL);
    }
    return err;
}

int asyncio_add_signal_handler(int signal, int (*fn)(void *arg), void *arg)
{
    return is_held(signal) ? -EBUSY : add_handler(signal, fn, arg);
}

int asyncio_remove_signal_handler(int signal)
{
    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err == -ESHUTDOWN) return 0; // the loop has let go of all
    if (err < 0) return err;
    if (signal < 1 || signal >= SIGNALS) return -EINVAL;
    if (atomic_load(&entries[signal].loop) != loop) return 0;
    if (entries[signal].holder) return -EBUSY;
    restore(signal);
    return 1;
}

// --- those who have one for themselves --------------------------------------

int asyncio__signal_hold(struct asyncio__signal_hold *hold, int signal,
                         int (*fn)(void *arg), void *arg)
{
    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    if (signal < 1 || signal >= SIGNALS) return -EINVAL;
    if (is_held(signal)) return -EBUSY;
    struct entry *entry = &entries[signal];
    struct asyncio__signal_hold made = {.signal = signal};
    if (atomic_load(&entry->loop) == loop) {
        made.had_callback = true;
        made.fn = entry->fn;
        made.arg = entry->arg;
        made.carried = entry->carried;
        entry->carried = NULL;
    }
    err = add_handler(signal, fn, arg);
    if (err < 0) {
        if (made.had_callback) entry->carried = made.carried;
        return err;
    }
    *hold = made;
    entry->holder = hold;
    return 0;
}

// The loop may have closed meanwhile, and taken all of it back.
bool asyncio__signal_release(struct asyncio__signal_hold *hold)
{
    struct entry *entry = &entries[hold->signal];
    bool more = false;
    if (hold->signal == 0 || entry->holder != hold) return false;
    if (hold->had_callback) { // which hears of what has come
        asyncio__carry_drop(&entry->carried);
        entry->carried = hold->carried;
        entry->fn = hold->fn;
        entry->arg = hold->arg;
        entry->holder = NULL;
    } else {
        more = atomic_load(&entry->received) > 0;
        restore(hold->signal);
    }
    hold->signal = 0;
    return more;
}

// --- a task that waits ------------------------------------------------------

// In the frame of the task.
struct waiting {
    struct asyncio_task *task;
    struct asyncio__signal_hold holds[SIGNALS]; // by number
};

static int on_awaited(void *arg)
{
    const struct asyncio__signal_hold *hold = arg;
    struct waiting *waiting =
        list_entry(hold - hold->signal, struct waiting, holds[0]);
    if (asyncio__parked(waiting->task))
        asyncio__wake(waiting->task, hold->signal);
    return 0;
}

static int take_signal(struct waiting *waiting, int signal)
{
    if (signal < 1 || signal >= SIGNALS) return -EINVAL;
    struct asyncio__signal_hold *hold = &waiting->holds[signal];
    if (hold->signal) return 0; // listed twice
    return asyncio__signal_hold(hold, signal, on_awaited, hold);
}

static void give_signals_back(struct waiting *waiting)
{
    for (int signal = 1; signal < SIGNALS; signal++)
        asyncio__signal_release(&waiting->holds[signal]);
}

static const struct asyncio__wait_kind waiting_for_signal = {
    .name = "a signal", .keeps_result = true};

int(asyncio_wait_signal)(const int *signals, size_t count)
{
    struct waiting waiting = {.task = asyncio__task()};
    if (!waiting.task) return -EPERM;
    if (!signals || count == 0) return -EINVAL;
    int err = asyncio__begin_await(waiting.task);
    for (size_t i = 0; err == 0 && i < count; i++)
        err = take_signal(&waiting, signals[i]);
    if (err == 0) err = asyncio__park(&waiting_for_signal, NULL, NULL);
    give_signals_back(&waiting);
    return err;
}
