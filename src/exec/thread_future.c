// The future that threads share, and the tie that reflects it on a loop.
//
//     thread's future --ties--> tie --home--> loop
//                                '--> wrapped future, until it is closed
//
// Completing it posts every tie to its loop, where the reflection gets the
// outcome. A tie is counted: the thread's future (or the post under way) has
// one reference, the reflection another, its done callback a third.

#include "exec/thread_future.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "exec/home.h"
#include "exec/job.h"
#include "platform/clock.h"
#include "platform/sys.h"
#include "task/failure.h"
#include "task/future.h"

enum state {
    PENDING,
    DONE, // has a result, or a code
    CANCELLED,
};

struct asyncio_thread_future {
    pthread_mutex_t lock; // for all but the references
    pthread_cond_t ended;
    atomic_uint references;
    enum state state;
    int result;
    struct asyncio__failure *failure;       // a copy of its own, or NULL
    struct asyncio_link ties;               // tie.link, while it is pending
    struct asyncio__cancel_hook *on_cancel; // while it is pending, or NULL
    struct asyncio_loop *asked; // while jobs of this loop wait for its task,
    size_t askers;              // so many; see asyncio_loop.asking
};

struct tie {
    struct asyncio_link link; // under the lock of `future`
    unsigned references;      // the same
    struct asyncio_thread_future *future;
    struct asyncio__home *home;
    struct asyncio__post post;
    struct asyncio__guest guest;
    struct asyncio_wrapped_future *wrapped; // the loop's thread; NULL: closed
};

// --- the thread's future ----------------------------------------------------

static int init_future(struct asyncio_thread_future *future)
{
    pthread_condattr_t attr;
    int err = -pthread_mutex_init(&future->lock, NULL);
    if (err < 0) return err;
    err = -pthread_condattr_init(&attr);
    if (err == 0) {
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        err = -pthread_cond_init(&future->ended, &attr);
        pthread_condattr_destroy(&attr);
    }
    if (err < 0) pthread_mutex_destroy(&future->lock);
    return err;
}

int asyncio_thread_future_create(struct asyncio_thread_future **made)
{
    struct asyncio_thread_future *future = asyncio__alloc(sizeof *future);
    if (!future) return -ENOMEM;
    int err = init_future(future);
    if (err < 0) {
        asyncio__free(future);
        return err;
    }
    atomic_init(&future->references, 1);
    *made = future;
    return 0;
}

struct asyncio_thread_future *
asyncio_thread_future_retain(struct asyncio_thread_future *future)
{
    if (!future) return NULL;
    atomic_fetch_add(&future->references, 1);
    return future;
}

void asyncio_thread_future_release(struct asyncio_thread_future *future)
{
    if (!future || atomic_fetch_sub(&future->references, 1) > 1) return;
    asyncio__failure_unref(future->failure);
    pthread_cond_destroy(&future->ended);
    pthread_mutex_destroy(&future->lock);
    asyncio__free(future);
}

// A tie holds the future, so the lock lives until this has let go of it.
static void unref_tie(struct tie *tie)
{
    struct asyncio_thread_future *future = tie->future;
    pthread_mutex_lock(&future->lock);
    bool last = --tie->references == 0;
    pthread_mutex_unlock(&future->lock);
    if (!last) return;

    asyncio__home_unref(tie->home);
    asyncio__free(tie);
    asyncio_thread_future_release(future);
}

// A loop that is closed does not hear of it, and its guests were let go of.
static void post_ties(struct asyncio_thread_future *future)
{
    struct asyncio_link *link;
    while ((link = list_pop(&future->ties))) {
        struct tie *tie = list_entry(link, struct tie, link);
        asyncio__home_post(tie->home, &tie->post);
    }
}

// A copy of words: they are counted without locks, so that each thread, and the
// future itself, has to have its own.
static struct asyncio__failure *copy_words(const struct asyncio__failure *words)
{
    if (!words) return NULL;
    return asyncio__failure_make(words->error.code, words->error.text,
                                 words->error.site, words->error.task);
}

// What jobs of a loop wait for has come: they go on, and hold its time again,
// before it can look for how long to sleep. The lock is held.
static void answer(struct asyncio_thread_future *future)
{
    if (future->askers == 0) return;
    atomic_fetch_sub(&future->asked->asking, future->askers);
    future->askers = 0;
}

static int complete(struct asyncio_thread_future *future, enum state state,
                    int result)
{
    int err = -EINVAL;

    pthread_mutex_lock(&future->lock);
    if (future->state == PENDING) {
        future->state = state;
        future->result = result;
        if (result < 0)
            future->failure = copy_words(asyncio__failure_of(result));
        post_ties(future);
        answer(future);
        if (future->on_cancel && state == CANCELLED)
            future->on_cancel->cancelled(future->on_cancel);
        future->on_cancel = NULL;
        pthread_cond_broadcast(&future->ended);
        err = 0;
    }
    pthread_mutex_unlock(&future->lock);
    return err;
}

int asyncio_thread_future_set_result(struct asyncio_thread_future *future,
                                     int result)
{
    if (!future) return -EINVAL;
    return result < 0 ? -EINVAL : complete(future, DONE, result);
}

int asyncio_thread_future_set_exception(struct asyncio_thread_future *future,
                                        int code)
{
    if (!future || code >= 0) return -EINVAL;
    return complete(future, code == -ECANCELED ? CANCELLED : DONE, code);
}

void asyncio__thread_future_on_cancel(struct asyncio_thread_future *future,
                                      struct asyncio__cancel_hook *hook)
{
    future->on_cancel = hook;
}

bool asyncio__thread_future_end(struct asyncio_thread_future *future,
                                int result)
{
    pthread_mutex_lock(&future->lock);
    if (future->state == PENDING) future->on_cancel = NULL;
    pthread_mutex_unlock(&future->lock);
    enum state state = result == -ECANCELED ? CANCELLED : DONE;
    return complete(future, state, result) == 0;
}

static enum state state_of(struct asyncio_thread_future *future)
{
    pthread_mutex_lock(&future->lock);
    enum state state = future->state;
    pthread_mutex_unlock(&future->lock);
    return state;
}

bool asyncio_thread_future_cancel(struct asyncio_thread_future *future)
{
    if (!future) return false;
    complete(future, CANCELLED, -ECANCELED);
    return state_of(future) == CANCELLED;
}

bool asyncio_thread_future_done(struct asyncio_thread_future *future)
{
    return future && state_of(future) != PENDING;
}

bool asyncio_thread_future_cancelled(struct asyncio_thread_future *future)
{
    return future && state_of(future) == CANCELLED;
}

static void see_words(struct asyncio_thread_future *future)
{
    pthread_mutex_lock(&future->lock);
    struct asyncio__failure *words = copy_words(future->failure);
    pthread_mutex_unlock(&future->lock);
    asyncio__failure_see(words);
    asyncio__failure_unref(words);
}

int asyncio_thread_future_result(struct asyncio_thread_future *future,
                                 int *result)
{
    if (!future) return -EINVAL;
    if (state_of(future) == PENDING) return -EINVAL;
    *result = future->result; // does not change any more
    return 0;
}

// --- waiting with a thread --------------------------------------------------

static int wait_until(struct asyncio_thread_future *future, int64_t end_ns)
{
    struct timespec until = {.tv_sec = end_ns / 1000000000,
                             .tv_nsec = end_ns % 1000000000};
    int code = 0;
    while (future->state == PENDING && code == 0) {
        if (end_ns == ASYNCIO__NEVER)
            pthread_cond_wait(&future->ended, &future->lock);
        else
            code =
                pthread_cond_timedwait(&future->ended, &future->lock, &until);
    }
    return future->state == PENDING ? -ETIMEDOUT : future->result;
}

static int look_again(void *arg)
{
    (void)arg;
    return 0;
}

// A job that waits for nothing but a task of its own loop does not hold a
// test's clock: the task may be asleep. The lock is held.
static void ask(struct asyncio_thread_future *future)
{
    const struct asyncio__cancel_hook *hook = future->on_cancel;
    bool asks = future->state == PENDING && hook && hook->loop &&
                hook->loop->clock && hook->loop == asyncio__job_loop();
    if (!asks) return;
    future->asked = hook->loop;
    future->askers++;
    atomic_fetch_add(&future->asked->asking, 1);
    asyncio_call_soon_threadsafe(future->asked, look_again, NULL);
}

int asyncio_thread_future_wait(struct asyncio_thread_future *future,
                               double seconds)
{
    double when;
    int64_t end_ns;
    if (!future) return -EINVAL;
    if (asyncio__running_loop) return -EDEADLK;
    int err =
        asyncio__deadline_in(asyncio__clock_real_ns(), seconds, &when, &end_ns);
    if (err < 0) return err;

    pthread_mutex_lock(&future->lock);
    if (end_ns == ASYNCIO__NEVER) ask(future);
    int result = wait_until(future, end_ns);
    bool failed = future->state != PENDING && result < 0;
    pthread_mutex_unlock(&future->lock);
    if (failed) see_words(future);
    return result;
}

// --- the reflection ---------------------------------------------------------

static struct tie *tie_of(const struct asyncio_wrapped_future *wrapped)
{
    return wrapped->private_[0];
}

// Cancelling the reflection cancels what it reflects; the other way round it is
// done already, and this does nothing.
static void pass_cancel_on(struct tie *tie)
{
    if (asyncio_future_cancelled(&tie->wrapped->future))
        asyncio_thread_future_cancel(tie->future);
}

static int on_reflection_done(struct asyncio_future *reflection, void *arg)
{
    struct tie *tie = arg;
    (void)reflection;
    if (tie->wrapped) pass_cancel_on(tie);
    unref_tie(tie);
    return 0;
}

static void reflect(struct tie *tie)
{
    struct asyncio_future *reflection = &tie->wrapped->future;
    int result = tie->future->result;

    if (asyncio_future_done(reflection)) return;
    if (result >= 0) {
        asyncio_future_set_result(reflection, result);
        return;
    }
    see_words(tie->future);
    asyncio_future_set_exception(reflection, result);
    asyncio__failures_drop_thread();
}

static void on_post(struct asyncio__step *step)
{
    struct tie *tie = list_entry(step, struct tie, post.step);
    asyncio__home_exit(&tie->guest);
    if (tie->wrapped) reflect(tie);
    unref_tie(tie);
}

// Takes the tie from the thread's future. False: its post was made.
static bool untie(struct tie *tie)
{
    pthread_mutex_lock(&tie->future->lock);
    bool tied = list_linked(&tie->link);
    if (tied) list_remove(&tie->link);
    pthread_mutex_unlock(&tie->future->lock);
    return tied;
}

static void loop_closes(struct asyncio__guest *guest)
{
    struct tie *tie = list_entry(guest, struct tie, guest);
    untie(tie);
    if (list_linked(&tie->post.step.link)) list_remove(&tie->post.step.link);
    unref_tie(tie);
}

static struct tie *make_tie(struct asyncio_wrapped_future *wrapped,
                            struct asyncio_thread_future *future,
                            struct asyncio__home *home)
{
    struct tie *tie = asyncio__alloc(sizeof *tie);
    if (!tie) return NULL;
    tie->references = 3;
    tie->future = asyncio_thread_future_retain(future);
    tie->home = asyncio__home_ref(home);
    tie->post.step.run = on_post;
    tie->guest.leave = loop_closes;
    tie->wrapped = wrapped;
    return tie;
}

static void drop_tie(struct tie *tie)
{
    tie->references = 1;
    unref_tie(tie);
}

// Ties it to a future that is pending; one that is done posts at once.
static void fasten(struct tie *tie)
{
    struct asyncio_thread_future *future = tie->future;

    asyncio__home_enter(tie->home, &tie->guest);
    pthread_mutex_lock(&future->lock);
    list_add_tail(&future->ties, &tie->link);
    if (future->state != PENDING) post_ties(future);
    pthread_mutex_unlock(&future->lock);
}

int asyncio_wrap_future(struct asyncio_wrapped_future *wrapped,
                        struct asyncio_thread_future *future)
{
    if (!wrapped || !future) return -EINVAL;
    struct asyncio_loop *loop = NULL;
    struct asyncio__home *home;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    if (asyncio__loop_lends(loop, wrapped)) return -EFAULT;
    err = asyncio__home_of(loop, &home);
    if (err < 0) return err;

    struct tie *tie = make_tie(wrapped, future, home);
    if (!tie) return -ENOMEM;
    *wrapped = (struct asyncio_wrapped_future){0};
    asyncio_future_init(&wrapped->future);
    err = asyncio_future_add_done_callback(&wrapped->future, on_reflection_done,
                                           tie);
    if (err < 0) {
        drop_tie(tie);
        return err;
    }
    wrapped->private_[0] = tie;
    fasten(tie);
    return 0;
}

void asyncio_wrapped_future_close(struct asyncio_wrapped_future *wrapped)
{
    if (!wrapped) return;
    struct tie *tie = tie_of(wrapped);
    if (!tie) return;
    if (asyncio__future_elsewhere(&wrapped->future, __func__)) return;
    wrapped->private_[0] = NULL;

    pass_cancel_on(tie);
    tie->wrapped = NULL;
    if (asyncio_future_remove_done_callback(&wrapped->future,
                                            on_reflection_done, tie) > 0)
        unref_tie(tie);
    if (untie(tie)) {
        asyncio__home_exit(&tie->guest);
        unref_tie(tie);
    }
    asyncio_future_reset(&wrapped->future);
    unref_tie(tie);
}
