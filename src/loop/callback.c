// Callbacks and their timers.
//
// A handle holds one core: the link by which it is queued or armed. While it is
// armed the core is a timer; when that fires, the core becomes a step of the
// same pass. A handle that nobody asked for is made here and kept for the next
// one when its callback has run.

#include "loop/loop.h"

#include <asyncio/error.h>

#include "loop/carry.h"
#include "loop/debug.h"
#include "platform/sys.h"

// IDLE -> QUEUED -> RAN; IDLE -> ARMED -> QUEUED; QUEUED, ARMED -> CANCELLED
enum handle_state {
    HANDLE_IDLE,
    HANDLE_ARMED,  // core is a timer in the wheel, or NEVER
    HANDLE_QUEUED, // core is a step in the ready queue
    HANDLE_RAN,
    HANDLE_CANCELLED,
};

_Atomic(const struct asyncio__carrier *) asyncio__carrier;

union core {
    struct asyncio__step step;
    struct asyncio__timer timer;
};
_Static_assert(sizeof(union core) <= sizeof((struct asyncio_handle *)0)->core_,
               "a core has to fit into a handle");

static union core *core_of(struct asyncio_handle *handle)
{
    return (union core *)(void *)handle->core_;
}

static struct asyncio_handle *handle_of(void *core)
{
    return list_entry(core, struct asyncio_handle, core_);
}

// A handle of ours keeps its list of spares in its core.
static void handle_done(struct asyncio_handle *handle)
{
    if (handle->owned_)
        list_add_head(&handle->loop_->spare_handles,
                      &core_of(handle)->step.link);
}

static void run_callback(struct asyncio__step *step)
{
    struct asyncio_handle *handle = handle_of(step);
    struct asyncio_loop *loop = handle->loop_;
    const char *site = handle->site_;
    int (*fn)(void *) = handle->fn_;
    void *arg = handle->arg_;
    struct asyncio__variables *carried = handle->carried_;

    // From here on the handle may be queued again, or be gone.
    handle->carried_ = NULL;
    handle->state_ = HANDLE_RAN;
    handle_done(handle);
    asyncio__debug_calls(loop, asyncio__address_of(fn), site);
    int code = asyncio__carry_call(carried, fn, arg);
    if (code < 0)
        asyncio__report(loop, code, NULL, site, "a callback failed: %s",
                        asyncio_strerror(code));
}

static void queue_handle(struct asyncio_handle *handle)
{
    handle->state_ = HANDLE_QUEUED;
    struct asyncio__step *step = &core_of(handle)->step;
    *step = (struct asyncio__step){.run = run_callback};
    asyncio__loop_queue(handle->loop_, step);
}

static void timer_fired(struct asyncio__timer *timer)
{
    queue_handle(handle_of(timer));
}

ASYNCIO__APART static struct asyncio_handle *
spare_handle(struct asyncio_loop *loop)
{
    struct asyncio_link *link = list_pop(&loop->spare_handles);
    return link ? handle_of(link)
                : asyncio__alloc(sizeof(struct asyncio_handle));
}

// The loop for a call: mostly the one that runs. Returns 0 or why there is
// none.
static inline int find_loop(const struct asyncio_call_options *options,
                            struct asyncio_loop **loop)
{
    *loop = options ? options->loop : NULL;
    if (*loop || !asyncio__running_loop) return asyncio__loop_find(loop);
    *loop = asyncio__running_loop;
    return 0;
}

// Finds the handle for a call, and sets all but its core. Returns 0 or why
// there is none.
static inline int prepare(struct asyncio_loop *loop, int (*fn)(void *),
                          void *arg, const struct asyncio_call_options *options,
                          struct asyncio_handle **out)
{
    if (!fn) return -EINVAL;
    struct asyncio_handle *handle = options ? options->handle : NULL;
    if (asyncio__loop_lends(loop, handle) || asyncio__loop_lends(loop, arg))
        return -EFAULT;
    bool owned = !handle;
    if (owned)
        handle = spare_handle(loop);
    else if (handle->state_ == HANDLE_ARMED || handle->state_ == HANDLE_QUEUED)
        return -EBUSY;
    if (!handle) return -ENOMEM;
    handle->fn_ = fn;
    handle->arg_ = arg;
    handle->loop_ = loop;
    handle->site_ = options ? options->site : NULL;
    handle->when_ = 0;
    handle->state_ = HANDLE_IDLE;
    handle->owned_ = owned;
    handle->tick_ns_ = 0;
    handle->carried_ = NULL;
    *out = handle;
    return 0;
}

int asyncio__callback_queue(int (*fn)(void *arg), void *arg,
                            const struct asyncio_call_options *options)
{
    struct asyncio_loop *loop;
    struct asyncio_handle *handle;
    int err = find_loop(options, &loop);
    if (err < 0) return err;
    err = prepare(loop, fn, arg, options, &handle);
    if (err < 0) return err;
    queue_handle(handle);
    return 0;
}

int(asyncio_call_soon)(int (*fn)(void *arg), void *arg,
                       const struct asyncio_call_options *options)
{
    struct asyncio_loop *loop;
    struct asyncio_handle *handle;
    int err = find_loop(options, &loop);
    if (err < 0) return err;
    err = prepare(loop, fn, arg, options, &handle);
    if (err < 0) return err;
    handle->carried_ = asyncio__carry();
    asyncio__loop_take_posts(loop);
    queue_handle(handle);
    return 0;
}

// Most callbacks that are due later are cancelled before, see loop/timer.h.
// Until its timer has a deadline, a handle's `when_` is how far off that is.
static void clock_read(struct asyncio__timer *timer)
{
    struct asyncio_handle *handle = handle_of(timer);
    struct asyncio__timers *timers = &handle->loop_->timers;
    int64_t begin_ns = asyncio__timer_begin_ns(timers, handle->tick_ns_);
    int64_t when_ns;
    asyncio__deadline_in(begin_ns, handle->when_, &handle->when_, &when_ns);
    timer->fire = timer_fired;
    asyncio__timer_arm(timers, timer, when_ns);
}

static inline int arm_waiting(struct asyncio_loop *loop, double delay,
                              int (*fn)(void *), void *arg,
                              const struct asyncio_call_options *options)
{
    struct asyncio_handle *handle;
    int err = prepare(loop, fn, arg, options, &handle);
    if (err < 0) return err;

    handle->when_ = delay;
    handle->tick_ns_ = asyncio__timer_tick_ns(&loop->timers);
    handle->carried_ = asyncio__carry();
    handle->state_ = HANDLE_ARMED;
    struct asyncio__timer *timer = &core_of(handle)->timer;
    *timer = (struct asyncio__timer){.fire = clock_read};
    asyncio__timer_arm_waiting(&loop->timers, timer);
    return 0;
}

static int arm(struct asyncio_loop *loop, int64_t when_ns, double when,
               int (*fn)(void *), void *arg,
               const struct asyncio_call_options *options)
{
    struct asyncio_handle *handle;
    int err = prepare(loop, fn, arg, options, &handle);
    if (err < 0) return err;

    handle->when_ = when;
    handle->state_ = HANDLE_ARMED;
    struct asyncio__timer *timer = &core_of(handle)->timer;
    *timer = (struct asyncio__timer){.fire = timer_fired};
    if (when_ns != ASYNCIO__NEVER) {
        handle->carried_ = asyncio__carry();
        asyncio__timer_arm(&loop->timers, timer, when_ns);
    } else if (handle->owned_) {
        handle_done(handle); // it never runs and nobody can name it
    }
    return 0;
}

ASYNCIO__APART static int arm_in(struct asyncio_loop *loop, double delay,
                                 int (*fn)(void *), void *arg,
                                 const struct asyncio_call_options *options)
{
    double when;
    int64_t when_ns;
    int err =
        asyncio__deadline_in(asyncio__loop_now(loop), delay, &when, &when_ns);
    if (err < 0) return err;
    return arm(loop, when_ns, when, fn, arg, options);
}

int(asyncio_call_later)(double delay, int (*fn)(void *arg), void *arg,
                        const struct asyncio_call_options *options)
{
    struct asyncio_loop *loop;
    int err = find_loop(options, &loop);
    if (err < 0) return err;
    return asyncio__loop_may_wait(loop, delay)
               ? arm_waiting(loop, delay, fn, arg, options)
               : arm_in(loop, delay, fn, arg, options);
}

int(asyncio_call_at)(double when, int (*fn)(void *arg), void *arg,
                     const struct asyncio_call_options *options)
{
    int64_t when_ns;
    struct asyncio_loop *loop;
    int err = asyncio__deadline_at(when, &when_ns);
    if (err < 0) return err;
    err = find_loop(options, &loop);
    if (err < 0) return err;
    return arm(loop, when_ns, when, fn, arg, options);
}

void asyncio_handle_cancel(struct asyncio_handle *handle)
{
    if (!handle) return;
    if (asyncio__wrong_thread(handle->loop_, __func__)) return;
    if (handle->state_ == HANDLE_ARMED)
        asyncio__timer_disarm_soon(&handle->loop_->timers,
                                   &core_of(handle)->timer);
    else if (handle->state_ == HANDLE_QUEUED)
        list_remove(&core_of(handle)->step.link);
    else if (handle->state_ != HANDLE_IDLE)
        return;
    asyncio__carry_drop(&handle->carried_);
    handle->state_ = HANDLE_CANCELLED;
}

bool asyncio_handle_cancelled(const struct asyncio_handle *handle)
{
    return handle->state_ == HANDLE_CANCELLED;
}

double asyncio_handle_when(const struct asyncio_handle *handle)
{
    const struct asyncio__timer *timer = (const void *)handle->core_;
    if (timer->fire != clock_read) return handle->when_;
    if (handle->state_ == HANDLE_ARMED) {
        (void)asyncio__loop_now(handle->loop_);
        return handle->when_;
    }
    // It was cancelled before it had a time: this would have been the latest.
    return (double)asyncio__timer_latest_begin_ns(handle->tick_ns_) / 1e9 +
           handle->when_;
}

// --- closing ----------------------------------------------------------------

static void drop_handle(struct asyncio_handle *handle)
{
    asyncio__carry_drop(&handle->carried_);
    handle->state_ = HANDLE_CANCELLED;
    handle_done(handle);
}

static bool drop_step(struct asyncio__step *step)
{
    if (asyncio__posted_drop(step)) return true;
    if (step->run == run_callback) {
        drop_handle(handle_of(step));
    } else {
        asyncio__debug_drop(step);
    }
    return true;
}

// Timers of ours that never fired are found by their function.
static void drop_timers(struct asyncio_loop *loop)
{
    while (loop->timers.count > 0) {
        struct asyncio__timer *timer = asyncio__timers_any(&loop->timers);
        asyncio__timer_disarm(&loop->timers, timer);
        if (timer->fire != timer_fired && timer->fire != clock_read) continue;
        drop_handle(handle_of(timer));
    }
}

void asyncio__callbacks_drop(struct asyncio_loop *loop)
{
    struct asyncio__post *post = asyncio__posted_take(loop);
    while (post) {
        struct asyncio__post *next = post->next;
        drop_step(&post->step);
        post = next;
    }
    asyncio__loop_sift(loop, drop_step);
    drop_timers(loop);
    struct asyncio_link *link;
    while ((link = list_pop(&loop->spare_handles)))
        asyncio__free(handle_of(link));
}
