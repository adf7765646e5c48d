// Futures: an outcome, and a list of steps to queue when it is there.
//
// Tasks that await and callbacks stand in one list, in order of arrival, so
// they run in that order.

#include "task/future.h"

#include <stdio.h>

#include "loop/carry.h"
#include "loop/debug.h"
#include "platform/sys.h"
#include "task/compact.h"
#include "task/park.h"
#include "task/run.h"
#include "task/scope.h"

// A call of fn(future, arg), from add_done_callback until it has run. Its loop
// lists it, to forget it when it closes: the future may live on.
struct callback {
    struct asyncio__step step;   // in the future's waiters, then ready
    struct asyncio_link pending; // asyncio_loop.future_callbacks
    struct asyncio_future *future;
    asyncio_future_fn *fn;
    void *arg;
    struct asyncio__variables *carried;
    struct asyncio_loop *loop; // NULL: it was closed
};

static void run_callback(struct asyncio__step *step);

static struct callback *callback_of(struct asyncio__step *step)
{
    return list_entry(step, struct callback, step);
}

static void free_callback(struct callback *callback)
{
    if (list_linked(&callback->pending)) list_remove(&callback->pending);
    asyncio__carry_drop(&callback->carried);
    asyncio__free(callback);
}

// --- completing -------------------------------------------------------------

// A callback whose loop was closed before the future was done never runs.
static bool may_be_queued(struct asyncio__step *step)
{
    if (step->run != run_callback || callback_of(step)->loop) return true;
    free_callback(callback_of(step));
    return false;
}

void asyncio__future_tell(struct asyncio_future *future)
{
    int result = future->result_;
    struct asyncio_link *link;
    while ((link = list_pop(&future->waiters_))) {
        struct asyncio__step *step =
            list_entry(link, struct asyncio__step, link);
        if (asyncio__is_task_step(step))
            asyncio__wake_removed(asyncio__task_of(link), result);
        else if (may_be_queued(step))
            asyncio__loop_queue(future->loop_, step);
    }
}

void asyncio_future_init_at(struct asyncio_future *future, const char *site)
{
    *future = (struct asyncio_future){0};
    future->loop_ = asyncio_get_event_loop();
    future->site_ = site;
}

// Its loop may be gone: so the report is this thread's.
static void report_unseen(const struct asyncio_future *future)
{
    bool failed = asyncio_future_done(future) && future->result_ < 0 &&
                  future->result_ != -ECANCELED;
    if (!failed || future->flags_ & ASYNCIO__FUTURE_LOOKED_AT) return;
    if (!asyncio__debug_here()) return;
    asyncio__report(asyncio_get_event_loop(), future->result_, NULL,
                    future->site_,
                    "a future failed and nobody looked at its outcome: %s",
                    asyncio__failure_text(future->failure_, future->result_));
}

// Takes back what would call `fn` with `arg`; for no function, every callback.
static int remove_callbacks(struct asyncio_future *future,
                            asyncio_future_fn *fn, void *arg)
{
    int removed = 0;
    list_for_each_safe (link, after, &future->waiters_) {
        struct asyncio__step *step =
            list_entry(link, struct asyncio__step, link);
        if (step->run != run_callback) continue;
        struct callback *callback = callback_of(step);
        if (fn && (callback->fn != fn || callback->arg != arg)) continue;
        list_remove(link);
        free_callback(callback);
        removed++;
    }
    return removed;
}

// Whoever waits stands in its list; a task or a gather goes on behind it.
static bool is_in_use(const struct asyncio_future *future)
{
    if (!future->kind_ && list_empty(&future->waiters_)) return false;
    asyncio__report(asyncio_get_event_loop(), -EBUSY, NULL,
                    future->kind_ ? NULL : future->site_,
                    "a future that is waited for, or is that of a task or a "
                    "gather, cannot be reset");
    return true;
}

void asyncio_future_reset(struct asyncio_future *future)
{
    if (!future) return;
    if (asyncio__future_elsewhere(future, __func__)) return;
    if (!future->kind_) remove_callbacks(future, NULL, NULL);
    if (is_in_use(future)) return;
    report_unseen(future);
    asyncio__failure_unref(future->failure_);
    *future = (struct asyncio_future){0};
}

// One object for all loops and threads: it is never tied to one of them.
static bool is_failed_spawn(struct asyncio_future *future)
{
    struct asyncio_task *task = asyncio__future_task(future);
    return task && asyncio__task_failed_spawn(task);
}

int asyncio__future_bind(struct asyncio_future *future)
{
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (!loop) return -EPERM;
    if (is_failed_spawn(future)) return 0;
    if (!future->loop_) future->loop_ = loop;
    return future->loop_ == loop ? 0 : -EXDEV;
}

static int set_outcome(struct asyncio_future *future, int result,
                       struct asyncio__failure *words, const char *call)
{
    if (asyncio__future_elsewhere(future, call)) {
        asyncio__failure_unref(words);
        return -EPERM;
    }
    if (future->kind_) {
        asyncio__failure_unref(words);
        return -ENOTSUP;
    }
    if (future->state_ != ASYNCIO__FUTURE_PENDING) {
        asyncio__failure_unref(words);
        return -EINVAL;
    }
    asyncio__future_complete(future, result, words);
    return 0;
}

int asyncio_future_set_result(struct asyncio_future *future, int result)
{
    if (!future || (result < 0 && !future->kind_)) return -EINVAL;
    return set_outcome(future, result, NULL, __func__);
}

int asyncio_future_set_exception(struct asyncio_future *future, int code)
{
    if (!future || (code >= 0 && !future->kind_)) return -EINVAL;
    return set_outcome(future, code,
                       asyncio__failure_ref(asyncio__failure_of(code)),
                       __func__);
}

int asyncio_future_set_result_unless_cancelled(struct asyncio_future *future,
                                               int result)
{
    if (asyncio_future_cancelled(future)) return 0;
    return asyncio_future_set_result(future, result);
}

bool(asyncio_future_cancel)(struct asyncio_future *future,
                            const struct asyncio_cancel_options *options)
{
    if (!future) return false;
    if (asyncio__future_elsewhere(future, __func__)) return false;
    if (future->state_ != ASYNCIO__FUTURE_PENDING) return false;
    if (future->kind_) return future->kind_->cancel(future, options);
    // Its owner lets go of words, so there are some only if that was asked for.
    bool reason = options && options->reason;
    asyncio__future_complete(future, -ECANCELED,
                             reason ? asyncio__failure_of_cancel(options)
                                    : NULL);
    return true;
}

bool asyncio__future_cancel_awaited(
    struct asyncio_future *future, const struct asyncio_cancel_options *options)
{
    return (asyncio_future_cancel)(future, future->kind_ ? options : NULL);
}

// --- asking -----------------------------------------------------------------

bool asyncio_future_done(const struct asyncio_future *future)
{
    return future && future->state_ == ASYNCIO__FUTURE_DONE;
}

bool asyncio_future_cancelled(const struct asyncio_future *future)
{
    return asyncio_future_done(future) && future->result_ == -ECANCELED;
}

int asyncio_future_result(struct asyncio_future *future, int *result)
{
    if (!future) return -EINVAL;
    if (asyncio__future_elsewhere(future, __func__)) return -EPERM;
    if (!asyncio_future_done(future)) return -EINVAL;
    asyncio__future_look(future);
    *result = future->result_;
    return 0;
}

int asyncio_future_exception(struct asyncio_future *future, int *code)
{
    int result;
    int err = asyncio_future_result(future, &result);
    if (err < 0) return err;
    *code = result < 0 ? result : 0;
    return 0;
}

const struct asyncio_error *asyncio_future_error(struct asyncio_future *future)
{
    bool failed = asyncio_future_done(future) && future->failure_;
    return failed ? &future->failure_->error : NULL;
}

struct asyncio_loop *
asyncio_future_get_loop(const struct asyncio_future *future)
{
    return future ? future->loop_ : NULL;
}

char *asyncio_future_describe(const struct asyncio_future *future, char *buffer,
                              size_t size)
{
    if (!future)
        snprintf(buffer, size, "nothing");
    else if (!asyncio_future_done(future))
        snprintf(buffer, size, "pending");
    else if (asyncio_future_cancelled(future))
        snprintf(buffer, size, "cancelled");
    else if (future->result_ >= 0)
        snprintf(buffer, size, "finished %d", future->result_);
    else
        snprintf(buffer, size, "failed: %s",
                 asyncio__failure_text(future->failure_, future->result_));
    return buffer;
}

// --- callbacks --------------------------------------------------------------

static int call(void *arg)
{
    const struct callback *callback = arg;
    return callback->fn(callback->future, callback->arg);
}

static void run_callback(struct asyncio__step *step)
{
    struct callback callback = *callback_of(step);
    callback_of(step)->carried = NULL;
    free_callback(callback_of(step));
    asyncio__debug_calls(callback.loop, asyncio__address_of(callback.fn), NULL);
    int code = asyncio__carry_call(callback.carried, call, &callback);
    if (code < 0)
        asyncio__report(callback.loop, code, NULL, NULL,
                        "a callback of a future failed: %s",
                        asyncio_strerror(code));
}

int asyncio_future_add_done_callback(struct asyncio_future *future,
                                     asyncio_future_fn *fn, void *arg)
{
    if (!future) return -EINVAL;
    if (asyncio__future_elsewhere(future, __func__)) return -EPERM;
    int err = asyncio__future_bind(future);
    if (err < 0) return err;
    if (!fn) return -EINVAL;
    err = asyncio__compact_may_keep(future);
    if (err == 0) err = asyncio__compact_may_keep(arg);
    if (err < 0) return err;
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (asyncio_loop_is_closed(loop)) return -ESHUTDOWN;
    struct callback *callback = asyncio__alloc(sizeof *callback);
    if (!callback) return -ENOMEM;

    *callback = (struct callback){
        .step = {.run = run_callback},
        .future = future,
        .fn = fn,
        .arg = arg,
        .carried = asyncio__carry(),
        .loop = loop,
    };
    loop->floor = &asyncio__tasks_at_close;
    list_add_tail(&loop->future_callbacks, &callback->pending);
    if (asyncio_future_done(future))
        asyncio__loop_queue(loop, &callback->step);
    else
        list_add_tail(&future->waiters_, &callback->step.link);
    return 0;
}

int asyncio_future_remove_done_callback(struct asyncio_future *future,
                                        asyncio_future_fn *fn, void *arg)
{
    if (!future) return -EINVAL;
    if (asyncio__future_elsewhere(future, __func__)) return -EPERM;
    return fn ? remove_callbacks(future, fn, arg) : 0;
}

static bool drop_callback(struct asyncio__step *step)
{
    if (step->run != run_callback) return false;
    free_callback(callback_of(step));
    return true;
}

void asyncio__future_callbacks_drop(struct asyncio_loop *loop)
{
    asyncio__loop_sift(loop, drop_callback);
    // The others wait for futures that may outlive the loop, or be gone
    // already: so these are not touched.
    struct asyncio_link *link;
    while ((link = list_pop(&loop->future_callbacks)))
        list_entry(link, struct callback, pending)->loop = NULL;
}

// --- the future of a task ---------------------------------------------------

static bool cancel_task(struct asyncio_future *future,
                        const struct asyncio_cancel_options *options)
{
    struct asyncio_task *task = asyncio__future_task(future);
    if (!options || !options->scope_)
        return (asyncio_task_cancel)(task, options);

    // The waiter's scope was cancelled. Whom a scope tells as well is not told
    // twice: it may have a shield. Another one is asked like any task.
    if (asyncio__scope_tells(task)) return true;
    struct asyncio_cancel_options request = *options;
    request.scope_ = NULL;
    return (asyncio_task_cancel)(task, &request);
}

const struct asyncio__future_kind asyncio__task_kind = {
    .name = "task",
    .cancel = cancel_task,
};
