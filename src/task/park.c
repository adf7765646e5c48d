// Park and wake, and the switch from one task to the next.
//
// A task that parks looks itself for who runs next, and switches there: from
// task to task, without the loop. Only where the next step is a callback, or
// the pass is over and clock or kernel have to be asked, the thread's own stack
// goes on in the loop.

#include "task/park_here.h"

#include <assert.h>

#include "task/compact.h"
#include "task/run.h"
#include "task/scope.h"

struct asyncio__context *asyncio__begin_or_turn(struct asyncio_loop *loop,
                                                struct asyncio_task *task,
                                                struct asyncio_task *next)
{
    loop->task = NULL;
    if (next) next = asyncio__take_next_task(loop);
    if (next) return asyncio__context_of_next(loop, next);
    if (loop->debugger) asyncio__debug_suspends(loop, task);
    return &loop->context;
}

void asyncio__switch_away(struct asyncio_loop *loop, struct asyncio_task *task)
{
    if (loop->spawner)
        asyncio__return_to_spawner(loop, task);
    else if (task->compact)
        asyncio__compact_switch_away(loop, task);
    else
        asyncio__switch_to_next(loop, task);
}

// What a cancel does to a task that is parked. True if it was taken up.
bool asyncio__cancel_wait(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options)
{
    const struct asyncio__wait_kind *kind = task->wait.kind;
    if (kind->cancel_by_scope && options && options->scope_)
        return kind->cancel_by_scope(task, options);
    if (kind->cancel) return kind->cancel(task, options);
    asyncio__wake(task, -ECANCELED);
    return true;
}

void asyncio__take_cancel(struct asyncio_task *task)
{
    if (task->scope_cancelled) asyncio__scope_see_words(task);
    task->must_cancel = false;
    asyncio__failure_see(task->cancel_words);
    asyncio__forget_cancel_words(task);
}

void asyncio__forget_cancel_words(struct asyncio_task *task)
{
    asyncio__failure_unref(task->cancel_words);
    task->cancel_words = NULL;
}

// An await that did not wait: after many of these in a row, others run.
static void let_others_run(struct asyncio_task *task)
{
    struct asyncio_loop *loop = task->future.loop_;
    if (++loop->unblocked < ASYNCIO__UNBLOCKED_MAX) return;
    asyncio__task_ready(loop, task);
    asyncio__switch_away(loop, task);
}

int asyncio__begin_await(struct asyncio_task *task)
{
    if (!task->not_plain) return 0;
    return task->compact ? asyncio__compact_refuse(task)
                         : asyncio__begin_movable_await(task);
}

int asyncio__begin_movable_await(struct asyncio_task *task)
{
    if (!asyncio__cancel_pending(task)) return 0;
    // A scope ends each await, so the task may try for ever: others run too.
    if (task->scope_cancelled) let_others_run(task);
    asyncio__take_cancel(task);
    return -ECANCELED;
}

// Tells what the task is about to wait for of a request that it brings along.
static bool pass_on(struct asyncio_task *task)
{
    struct asyncio__failure *words = asyncio__failure_ref(task->cancel_words);
    if (!words) return task->wait.kind->cancel(task, NULL);
    struct asyncio_cancel_options options = {.site = words->error.site,
                                             .reason = words->error.text};
    bool taken = task->wait.kind->cancel(task, &options);
    asyncio__failure_unref(words);
    return taken;
}

bool asyncio__give_back(struct asyncio_task *task)
{
    const struct asyncio__wait_kind *kind = task->wait.kind;
    if (task->wait_result < 0) return true;
    if (kind->try_give_back) return kind->try_give_back(task);
    if (kind->give_back) kind->give_back(task);
    return true;
}

// True if nothing that waits in this way needs to be told that it is cancelled:
// the wait does not begin.
static bool refuses(const struct asyncio_task *task,
                    const struct asyncio__wait_kind *kind)
{
    if (kind->cancel) return false;
    return task->must_cancel || !kind->cancel_by_scope;
}

// True if a cancel that came by now takes back what the wait has brought. A
// scope leaves a failure what it is: nobody would hear of it else, and the next
// await ends as well.
static bool cancel_wins(const struct asyncio_task *task, int result)
{
    const struct asyncio__wait_kind *kind = task->wait.kind;
    if (kind->keeps_result && result != -ECANCELED) return false;
    if (task->must_cancel) return true;
    return result >= 0 && !kind->cancel_by_scope;
}

int asyncio__outcome_with_cancel(struct asyncio_task *task)
{
    int result = task->wait_result;
    if (asyncio__cancel_pending(task) && cancel_wins(task, result) &&
        asyncio__give_back(task))
        result = -ECANCELED;
    task->wait.kind = NULL;
    if (result == -ECANCELED)
        asyncio__take_cancel(task);
    else if (!task->must_cancel) // what it waited for swallowed the request
        asyncio__forget_cancel_words(task);
    return result;
}

// --- loops that are watched -------------------------------------------------

void asyncio__tell_woken(struct asyncio_loop *loop, struct asyncio_task *task)
{
    if (loop->detour & ASYNCIO__WATCHED_BY_TEST) asyncio__inject_woken(task);
    if (loop->detour & ASYNCIO__WATCHED_BY_TRACE)
        asyncio__debug_woken(loop, task);
}

ASYNCIO__COLD static void tell_await(struct asyncio_loop *loop,
                                     struct asyncio_task *task)
{
    // First: the test may wake it.
    if (loop->detour & ASYNCIO__WATCHED_BY_TRACE)
        asyncio__debug_waits(loop, task);
    if (loop->detour & ASYNCIO__WATCHED_BY_TEST) asyncio__inject_await(task);
}

ASYNCIO__COLD static void tell_resumed(struct asyncio_loop *loop,
                                       struct asyncio_task *task, int result)
{
    if (loop->detour & ASYNCIO__WATCHED_BY_TEST)
        asyncio__inject_resumed(task, result);
}

int asyncio__wait_by_detour(struct asyncio_loop *loop,
                            struct asyncio_task *task)
{
    if (loop->detour & ASYNCIO__WATCHED) tell_await(loop, task);
    asyncio__switch_away(loop, task);
    int result = asyncio__outcome_of_wait(task);
    if (loop->detour & ASYNCIO__WATCHED) tell_resumed(loop, task, result);
    return result;
}

// Whether the wait may begin: 0, or the code.
static int may_begin(struct asyncio_task *task,
                     const struct asyncio__wait_kind *kind, const void *object,
                     const struct asyncio_link *list)
{
    int err = 0;
    if (task->compact)
        err = asyncio__compact_may_wait(task, kind, object, list);
    if (err < 0 || !asyncio__cancel_pending(task)) return err;
    return refuses(task, kind) ? asyncio__begin_movable_await(task) : 0;
}

// Tells what the task now waits for of all that it brings along. A wait that
// the request has ended is over for the scope, too.
static void pass_cancel_on(struct asyncio_task *task)
{
    if (task->must_cancel && pass_on(task))
        task->must_cancel = task->wait.kind->keeps_result;
    if (task->scope_cancelled && asyncio__parked(task))
        asyncio__scope_end_wait(task);
}

ASYNCIO__COLD static int begin_otherwise(struct asyncio_task *task,
                                         const struct asyncio__wait_kind *kind,
                                         void *object,
                                         struct asyncio_link *list)
{
    int err = may_begin(task, kind, object, list);
    if (err < 0) return err;
    asyncio__begin_wait(task, kind, object, list);
    pass_cancel_on(task);
    return 0;
}

int asyncio__park_otherwise(struct asyncio_loop *loop,
                            struct asyncio_task *task,
                            const struct asyncio__wait_kind *kind, void *object,
                            struct asyncio_link *list)
{
    int err = begin_otherwise(task, kind, object, list);
    if (err < 0) return err;
    if (loop->detour & ASYNCIO__WATCHED)
        return asyncio__wait_by_detour(loop, task);
    if (task->compact) return asyncio__compact_wait(loop, task);
    asyncio__switch_away(loop, task);
    return asyncio__outcome_of_wait(task);
}

int asyncio__park(const struct asyncio__wait_kind *kind, void *object,
                  struct asyncio_link *list)
{
    return asyncio__park_here(kind, object, list);
}

void asyncio__wake(struct asyncio_task *task, int result)
{
    assert(asyncio__parked(task));

    if (list_linked(&task->step.link)) list_remove(&task->step.link);
    asyncio__wake_removed(task, result);
}

// A walk over all tasks, but only for a task that ends with a lock in its
// hands.
void asyncio__wake_orphans(struct asyncio_task *task)
{
    struct asyncio__task_walk walk = {.loop = task->future.loop_};
    struct asyncio_task *waiter;
    while ((waiter = asyncio__task_walk(&walk))) {
        if (!asyncio__parked(waiter)) continue;
        const struct asyncio__wait_kind *kind = waiter->wait.kind;
        if (kind->dies_with_owner && kind->owner(waiter) == task)
            asyncio__wake(waiter, -EOWNERDEAD);
    }
}

struct asyncio_task *asyncio__first_waiter(const struct asyncio_link *list)
{
    struct asyncio_link *link = list_first(list);
    return link ? asyncio__task_of(link) : NULL;
}

void asyncio__wake_all(struct asyncio_link *list, int result)
{
    while (!list_empty(list))
        asyncio__wake_first(list, result);
}

bool asyncio__waiters_are_elsewhere(const struct asyncio_link *list,
                                    const char *call)
{
    const struct asyncio_task *task = asyncio__first_waiter(list);
    return task && asyncio__wrong_thread(task->future.loop_, call);
}

int asyncio__cancelled_in_yield(struct asyncio_task *task)
{
    struct asyncio_loop *loop = task->future.loop_;
    asyncio__take_cancel(task);
    if (loop->detour & ASYNCIO__WATCHED) tell_resumed(loop, task, -ECANCELED);
    return -ECANCELED;
}

ASYNCIO__COLD static int yield_by_detour(struct asyncio_loop *loop,
                                         struct asyncio_task *task)
{
    if (loop->detour & ASYNCIO__WATCHED)
        tell_await(loop, task);
    else if (task->compact)
        return asyncio__compact_yield(loop, task);
    asyncio__switch_away(loop, task);
    return asyncio__cancel_pending(task) ? asyncio__cancelled_in_yield(task)
                                         : 0;
}

int asyncio__yield(void)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    if (asyncio__cancel_pending(task))
        return asyncio__begin_movable_await(task);
    asyncio__loop_add_task(loop, &task->step);
    if (loop->detour) return yield_by_detour(loop, task);
    task = asyncio__switch_to_next(loop, task);
    return asyncio__cancel_pending(task) ? asyncio__cancelled_in_yield(task)
                                         : 0;
}

int asyncio__checkpoint_stop(struct asyncio_loop *loop)
{
    struct asyncio_task *task = loop->task;
    if (task && task->scope_cancelled)
        return asyncio__begin_movable_await(task);
    loop->unblocked = 0;
    return task ? asyncio__yield() : 0;
}

// --- sleep ------------------------------------------------------------------

static void sleep_over(struct asyncio__timer *timer)
{
    struct asyncio_task *task = list_entry(timer, struct asyncio_task, timer);
    if (task->compact && task->future.loop_->blocks >= CROWD)
        asyncio__fetch_frames(task);
    asyncio__wake(task, 0);
}

static bool cancel_sleep(struct asyncio_task *task,
                         const struct asyncio_cancel_options *options)
{
    (void)options;
    asyncio__timer_disarm(&task->future.loop_->timers, &task->timer);
    asyncio__wake(task, -ECANCELED);
    return true;
}

static const struct asyncio__wait_kind sleeping = {
    .name = "sleep",
    .cancel = cancel_sleep,
    .movable = true,
};

bool asyncio__sleeps(const struct asyncio_task *task)
{
    return asyncio__parked(task) && task->wait.kind == &sleeping;
}

// Not in place: what it needs is not to be kept while the task waits.
ASYNCIO__APART static int arm_sleep(struct asyncio_task *task, double seconds)
{
    struct asyncio_loop *loop = task->future.loop_;
    double when;
    int64_t when_ns;
    int err =
        asyncio__deadline_in(asyncio__loop_now(loop), seconds, &when, &when_ns);
    if (err < 0) return err;

    task->timer = (struct asyncio__timer){.fire = sleep_over};
    if (when_ns != ASYNCIO__NEVER)
        asyncio__timer_arm(&loop->timers, &task->timer, when_ns);
    return 0;
}

static int sleep_for(struct asyncio_task *task, double seconds)
{
    int err = arm_sleep(task, seconds);
    return err < 0 ? err : asyncio__park(&sleeping, NULL, NULL);
}

int(asyncio_sleep)(double seconds, const struct asyncio_sleep_options *options)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int result = options ? options->result : 0;
    if (result < 0) return -EINVAL;
    int err = seconds <= 0 ? asyncio__yield() : sleep_for(task, seconds);
    return err < 0 ? err : result;
}
