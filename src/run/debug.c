// The debugger: what debug mode looks at, before and after each step.
//
// It runs the steps of a loop, on the thread's own stack. So when a step
// returns, the task in it stands still or has ended, and everything about it
// can be asked at leisure: how long it took, which locks it holds, where its
// stack stands. It is made when the loop first runs, and goes when the loop
// closes or debug mode is switched off.

#include "run/debug.h"

#include <asyncio/error.h>

#include "platform/clock.h"
#include "platform/sys.h"
#include "task/compact.h"

static struct asyncio__debug_state *debugger_of(struct asyncio__debugger *hooks)
{
    return list_entry(hooks, struct asyncio__debug_state, hooks);
}

// --- records ----------------------------------------------------------------

static struct asyncio_link *bucket_of(struct asyncio__debug_state *debugger,
                                      const struct asyncio_task *task)
{
    uint64_t mixed = (uintptr_t)task * 0x9e3779b97f4a7c15u;
    return &debugger->records[(mixed >> 32) % ASYNCIO__RECORD_BUCKETS];
}

struct asyncio__record *
asyncio__record_of(struct asyncio__debug_state *debugger,
                   const struct asyncio_task *task)
{
    list_for_each (link, bucket_of(debugger, task)) {
        struct asyncio__record *record =
            list_entry(link, struct asyncio__record, link);
        if (record->task == task) return record;
    }
    return NULL;
}

struct asyncio__record *
asyncio__record_make(struct asyncio__debug_state *debugger,
                     struct asyncio_task *task)
{
    struct asyncio__record *record = asyncio__record_of(debugger, task);
    if (record) return record;
    record = asyncio__alloc(sizeof *record);
    if (!record) return NULL;
    record->task = task;
    list_add_head(bucket_of(debugger, task), &record->link);
    return record;
}

void asyncio__record_free(struct asyncio__record *record)
{
    while (list_pop(&record->lent)) {
    }
    if (list_linked(&record->borrowed)) list_remove(&record->borrowed);
    list_remove(&record->link);
    asyncio__free(record);
}

// --- slow steps -------------------------------------------------------------

static void report_slow(struct asyncio__debug_state *debugger,
                        const struct asyncio_task *task, int64_t took_ns)
{
    static const char advice[] =
        "nothing else ran on this loop meanwhile: hand such work to "
        "asyncio_to_thread, or cut it into parts with asyncio_sleep(0)";
    double took = (double)took_ns / 1e9;
    if (task) {
        asyncio__report(debugger->loop, -ETIME, asyncio_task_name(task),
                        task->future.site_,
                        "a step of a task took %.3f seconds; %s", took, advice);
        return;
    }
    char name[128] = "of the library";
    if (debugger->called)
        asyncio__symbols_name(&debugger->symbols, debugger->called, name,
                              sizeof name);
    asyncio__report(debugger->loop, -ETIME, NULL, debugger->called_site,
                    "a callback (%s) took %.3f seconds; %s", name, took,
                    advice);
}

// --- a step -----------------------------------------------------------------

// The stack is likely to be the next one that is needed. Nobody stands on it.
static void clean_stack(struct asyncio__debug_state *debugger,
                        struct asyncio__stack *stack, size_t used)
{
    asyncio__stack_wipe(stack, used);
    debugger->clean = stack;
}

static void look_at_task(struct asyncio__debug_state *debugger,
                         struct asyncio_task *task)
{
    struct asyncio__record *record = asyncio__record_of(debugger, task);
    if (!record) return;
    bool ended = task->state == ASYNCIO__TASK_DONE;
    asyncio__frames_check(record);
    if (!ended) return;
    if (record->painted) {
        size_t used = asyncio__stack_count(task);
        if (task == debugger->task)
            clean_stack(debugger, asyncio__task_stack(task), used);
    }
    asyncio__record_free(record);
}

static void free_debugger(struct asyncio__debug_state *debugger)
{
    for (size_t i = 0; i < ASYNCIO__RECORD_BUCKETS; i++) {
        struct asyncio_link *link;
        while ((link = list_first(&debugger->records[i])))
            asyncio__record_free(
                list_entry(link, struct asyncio__record, link));
    }
    asyncio__locks_forget(debugger);
    asyncio__locks_unwatch();
    asyncio__symbols_close(&debugger->symbols);
    asyncio__free(debugger);
}

// A task that ends may be gone when its step returns, so it is held here.
static void run_step(struct asyncio__debugger *hooks,
                     struct asyncio__step *step)
{
    struct asyncio__debug_state *debugger = debugger_of(hooks);
    struct asyncio_task *task =
        asyncio__is_task_step(step) ? asyncio__task_of(&step->link) : NULL;
    if (task) asyncio_task_retain(task);
    debugger->called = debugger->called_site = NULL;
    debugger->busy = true;
    debugger->task = task;
    asyncio__locks_known();
    int64_t start_ns = asyncio__clock_real_ns();
    asyncio__debug_step(hooks->next, step);
    int64_t took_ns = asyncio__clock_real_ns() - start_ns;

    // A report may end the debugger, too: it is there until the end of this.
    if (!debugger->over && took_ns >= debugger->loop->slow_ns)
        report_slow(debugger, task, took_ns);
    if (!debugger->over) asyncio__locks_check(debugger, task);
    if (!debugger->over && task) look_at_task(debugger, task);
    if (task) asyncio__compact_put_aside(task);
    asyncio_task_release(task);
    debugger->busy = false;
    if (debugger->over) free_debugger(debugger);
}

static void calls(struct asyncio__debugger *hooks, const void *fn,
                  const char *site)
{
    debugger_of(hooks)->called = fn;
    debugger_of(hooks)->called_site = site;
}

static void made(struct asyncio__debugger *hooks, struct asyncio_task *task,
                 const void *arg)
{
    asyncio__frames_made(debugger_of(hooks), task, arg);
}

// What is left of it is looked at when the step is over; but one that ended in
// the step of another, which started it eagerly, at once.
static void ended(struct asyncio__debugger *hooks, struct asyncio_task *task)
{
    struct asyncio__debug_state *debugger = debugger_of(hooks);
    struct asyncio__record *record = asyncio__record_of(debugger, task);
    if (!record) return;
    if (list_linked(&record->borrowed)) list_remove(&record->borrowed);
    if (task != debugger->task) look_at_task(debugger, task);
}

static void suspends(struct asyncio__debugger *hooks, struct asyncio_task *task)
{
    struct asyncio__record *record =
        asyncio__record_of(debugger_of(hooks), task);
    if (record) asyncio__frames_look(record);
}

static void begins(struct asyncio__debugger *hooks, struct asyncio_task *task)
{
    struct asyncio__debug_state *debugger = debugger_of(hooks);
    struct asyncio__record *record = asyncio__record_make(debugger, task);
    struct asyncio__stack *clean = debugger->clean;
    debugger->clean = NULL;
    if (!record) return;
    struct asyncio__stack *stack = asyncio__task_stack(task);
    if (stack != clean) asyncio__stack_paint(stack);
    record->painted = true;
}

// --- coming and going -------------------------------------------------------

static void detach(struct asyncio__debug_state *debugger)
{
    if (list_linked(&debugger->at_close.link))
        list_remove(&debugger->at_close.link);
    asyncio__look_away(debugger->loop, &debugger->hooks);
    debugger->over = true;
    if (!debugger->busy) free_debugger(debugger);
}

// Counts the stacks of those that still run. A report may end it meanwhile.
static void end(struct asyncio__debug_state *debugger)
{
    bool busy = debugger->busy;
    debugger->busy = true;
    asyncio__stacks_count(debugger);
    debugger->busy = busy;
    detach(debugger);
}

static void loop_closes(struct asyncio__at_close *hook)
{
    struct asyncio__debug_state *debugger =
        list_entry(hook, struct asyncio__debug_state, at_close);
    end(debugger);
}

struct asyncio__debug_state *asyncio__debug_find(struct asyncio_loop *loop)
{
    struct asyncio__debugger *hooks = loop->debugger;
    while (hooks && hooks->run_step != run_step)
        hooks = hooks->next;
    return hooks ? debugger_of(hooks) : NULL;
}

int asyncio__debug_attach(struct asyncio_loop *loop)
{
    if (!asyncio__debug(loop) || asyncio__debug_find(loop)) return 0;
    if (loop->state == ASYNCIO__LOOP_CLOSED) return 0;
    struct asyncio__debug_state *debugger = asyncio__alloc(sizeof *debugger);
    if (!debugger) return -ENOMEM;

    debugger->hooks = (struct asyncio__debugger){.run_step = run_step,
                                                 .calls = calls,
                                                 .made = made,
                                                 .ended = ended,
                                                 .suspends = suspends,
                                                 .begins = begins};
    debugger->loop = loop;
    debugger->at_close.fn = loop_closes;
    asyncio__loop_at_close(loop, &debugger->at_close);
    asyncio__locks_watch();
    asyncio__look_on(loop, &debugger->hooks);
    return 0;
}

static void set_flag(struct asyncio_loop *loop, bool on)
{
    atomic_store_explicit(&loop->debug, on, memory_order_relaxed);
    asyncio__debug_note(loop);
}

int asyncio_loop_set_debug(struct asyncio_loop *loop, bool on)
{
    if (!loop) return -EINVAL;
    if (loop->state == ASYNCIO__LOOP_CLOSED) return -ESHUTDOWN;
    if (asyncio__wrong_thread(loop, __func__)) return -EPERM;
    set_flag(loop, on);
    struct asyncio__debug_state *debugger = asyncio__debug_find(loop);
    if (!on && debugger) end(debugger);
    int err = asyncio__debug_attach(loop);
    if (err < 0) set_flag(loop, false);
    return err;
}
