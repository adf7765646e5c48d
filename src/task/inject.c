// Cancels at a chosen await, and whether each of them arrives.
//
// Awaits are counted as they begin, all tasks of this thread's loops together,
// so that an ordinal means the same one in each run of the same order. The
// request goes to the last of those who wait for one another; that one is
// remembered until it runs again, and looked at then:
//
//     await n -> cancel -> `told` ... resumed: -ECANCELED, or the request is
//                                     still there; else it was swallowed
//
// A task is remembered by its number, as its block may be another's by then.

#include "task/inject.h"

#include <string.h>

#include <asyncio/testing.h>

#include "loop/testing.h"
#include "task/future.h"
#include "task/park.h"
#include "task/scope.h"

enum how { NOT_AT_ALL, TASK, TWICE, RACE, SCOPE };

// That of a task; 0 is none's.
struct mark {
    struct asyncio_task *task;
    uint64_t number;
};

static struct {
    enum how how;
    uint64_t ordinal, awaits, swallowed;
    struct mark again;   // whose next await is cancelled too
    struct mark racer;   // who is cancelled when it is woken
    struct mark told;    // who has a request of ours and has not run since
    int told_cancelling; // its count then
    void (*on_cancel)(struct asyncio_task *task);
} at;

static struct mark mark(struct asyncio_task *task)
{
    return (struct mark){task, task->number};
}

static bool is_marked(const struct mark *mark, const struct asyncio_task *task)
{
    return mark->task == task && mark->number == task->number;
}

// The one whose wait a cancel of `task` ends. A circle is walked for a while:
// then any of it will do.
static struct asyncio_task *end_of_line(struct asyncio_task *task)
{
    struct asyncio_task *next;
    for (int i = 0; i < 1000 && asyncio__parked(task); i++) {
        next = asyncio__awaited_task(task);
        if (!next) break;
        task = next;
    }
    return task;
}

static void tell(struct asyncio_task *task)
{
    struct asyncio_task *last = end_of_line(task);
    // What comes of a cancel that is passed on is for the awaited to say.
    bool passed_on = asyncio__parked(last) && asyncio__awaits_future(last);

    if (at.on_cancel) at.on_cancel(task);
    if (!asyncio_task_cancel(task, .reason = "a test cancels here")) return;
    if (passed_on) return;
    at.told = mark(last);
    at.told_cancelling = last->future.cancelling_;
}

// A cancelled scope ends this wait and all that follow, until it is left.
static void cancel_scope(struct asyncio_task *task)
{
    struct asyncio_cancel_scope *scope = task->scope;
    if (!scope || asyncio_cancel_scope_cancelled(scope)) return;
    bool passed_on = asyncio__parked(task) && asyncio__awaits_future(task);

    if (at.on_cancel) at.on_cancel(task);
    asyncio_cancel_scope_cancel(scope, .reason = "a test cancels here");
    if (passed_on) return;
    at.told = mark(task);
    at.told_cancelling = task->future.cancelling_;
}

static void begin_cancel(struct asyncio_task *task)
{
    switch (at.how) {
    case TWICE: at.again = mark(task); break;
    case SCOPE: cancel_scope(task); return;
    case RACE:
        if (!asyncio__parked(task)) break;
        at.racer = mark(task);
        return;
    default: break;
    }
    tell(task);
}

void asyncio__inject_await(struct asyncio_task *task)
{
    // As for a callback: no task runs while another is chosen.
    task->future.loop_->task = NULL;
    at.awaits++;
    if (asyncio__testing.on_call) asyncio__testing.on_call(at.awaits, NULL);
    if (is_marked(&at.again, task)) {
        at.again.task = NULL;
        tell(task);
    } else if (at.awaits == at.ordinal) {
        begin_cancel(task);
    }
}

void asyncio__inject_woken(struct asyncio_task *task)
{
    if (!is_marked(&at.racer, task)) return;
    at.racer.task = NULL;
    if (task->wait_result != -ECANCELED) tell(task);
}

void asyncio__inject_resumed(struct asyncio_task *task, int result)
{
    if (!is_marked(&at.told, task)) return;
    at.told.task = NULL;
    bool withdrawn = task->future.cancelling_ < at.told_cancelling;
    bool pending = task->must_cancel || task->scope_cancelled;
    if (result != -ECANCELED && !pending && !withdrawn) at.swallowed++;
}

// --- what tests call --------------------------------------------------------

int asyncio_testing_cancel_at(const char *how, uint64_t ordinal)
{
    static const char *const names[] = {
        [TASK] = "task", [TWICE] = "twice", [RACE] = "race", [SCOPE] = "scope"};
    enum how found = NOT_AT_ALL;
    for (enum how i = TASK; i <= SCOPE; i++)
        if (strcmp(how, names[i]) == 0) found = i;
    if (found == NOT_AT_ALL) return -EINVAL;

    void (*on_cancel)(struct asyncio_task * task) = at.on_cancel;
    memset(&at, 0, sizeof at);
    at.on_cancel = on_cancel;
    at.how = found;
    at.ordinal = ordinal;
    asyncio__testing.watched = true;
    asyncio__testing.watching_thread = pthread_self();
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (loop) loop->detour |= ASYNCIO__WATCHED_BY_TEST;
    return 0;
}

void asyncio_testing_on_cancel(void (*fn)(struct asyncio_task *task))
{
    at.on_cancel = fn;
}

uint64_t asyncio_testing_awaits(void)
{
    return at.awaits;
}

uint64_t asyncio_testing_swallowed(void)
{
    return at.swallowed;
}
