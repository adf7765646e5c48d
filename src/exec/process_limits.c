// What a job may take of time, and of processors.
//
// Limits are the parent's to watch: a worker has no say in them. They are those
// of the oldest job that a worker has, from when we know that it is that: the
// ones behind it have not begun. How long it took is known by a timer; what it
// used of processors is looked up when it may be too much for the first time,
// and again as long as it is not.

#include "exec/process_pool.h"
#include "platform/sys.h"

void asyncio__worker_read_first(struct asyncio__worker *worker)
{
    if (worker->first.kind == ASYNCIO__LOG_NOTHING)
        asyncio__log_read(worker->log, &worker->first);
}

// What it had used before its job: the first one comes after the set-up. Of a
// later one it may be unknown, and then it is as much.
static int64_t used_before_ns(struct asyncio__worker *worker)
{
    if (worker->processor_ns >= 0) return worker->processor_ns;
    asyncio__worker_read_first(worker);
    return worker->first.kind == ASYNCIO__LOG_READY ? worker->first.processor_ns
                                                    : INT64_MAX;
}

// What its job may still use of processors. Before the job has begun that is
// all of it.
static int64_t allowance_ns(struct asyncio__worker *worker)
{
    int64_t limit = worker->pool->processor_ns;
    if (limit == ASYNCIO__NEVER || worker->pid == 0) return limit;
    int64_t used = asyncio__sys_processor_ns(worker->pid);
    int64_t before = used_before_ns(worker);
    return used < before ? limit : limit - (used - before);
}

static void arm(struct asyncio__worker *worker, int64_t allowance);

static void time_is_up(struct asyncio__timer *timer)
{
    struct asyncio__worker *worker =
        list_entry(timer, struct asyncio__worker, timer);
    struct asyncio__process_pool *pool = worker->pool;

    if (asyncio__worker_collect(worker)) {
        asyncio_ignore(asyncio__pool_dispatch(pool));
        return;
    }
    int64_t allowance = allowance_ns(worker);
    worker->overspent = allowance <= 0;
    if (allowance > 0 && asyncio__loop_now(pool->loop) < worker->deadline_ns)
        arm(worker, allowance);
    else if (asyncio__worker_isolate(worker))
        asyncio__worker_kill(worker, -ETIMEDOUT);
    else
        asyncio_ignore(asyncio__pool_dispatch(pool));
}

// The timer is due when one of the limits may be reached. Those of a processor
// and of the loop are different clocks: not again at once, for a little rest.
static void arm(struct asyncio__worker *worker, int64_t allowance)
{
    struct asyncio_loop *loop = worker->pool->loop;
    int64_t when = worker->deadline_ns, check;
    if (when == ASYNCIO__NEVER && allowance == ASYNCIO__NEVER) return;
    if (allowance < 1000000) allowance = 1000000;
    if (!__builtin_add_overflow(asyncio__loop_now(loop), allowance, &check) &&
        check < when)
        when = check;
    if (when == ASYNCIO__NEVER) return;
    worker->timer = (struct asyncio__timer){.fire = time_is_up};
    asyncio__timer_arm(&loop->timers, &worker->timer, when);
}

static int64_t deadline_ns(const struct asyncio__worker *worker,
                           const struct asyncio__job *job)
{
    int64_t limit =
        job->timeout > 0 ? job->timeout_ns : worker->pool->timeout_ns;
    int64_t when;
    if (limit == ASYNCIO__NEVER ||
        __builtin_add_overflow(asyncio__loop_now(worker->pool->loop), limit,
                               &when))
        return ASYNCIO__NEVER;
    return when;
}

static void begin(struct asyncio__worker *worker,
                  const struct asyncio__job *job)
{
    int64_t limit = worker->pool->processor_ns;
    worker->timed = job->number;
    worker->deadline_ns = deadline_ns(worker, job);
    worker->processor_ns = -1;
    if (limit != ASYNCIO__NEVER && worker->jobs > 0 && worker->pid > 0)
        worker->processor_ns = asyncio__sys_processor_ns(worker->pid);
    arm(worker, limit);
}

void asyncio__worker_watch(struct asyncio__worker *worker)
{
    const struct asyncio__job *job = asyncio__ring_oldest(&worker->ring);
    bool busy = worker->state == ASYNCIO__WORKER_BUSY && job;
    bool armed = asyncio__timer_armed(&worker->timer);
    if (armed && busy && worker->timed == job->number) return;

    if (armed)
        asyncio__timer_disarm(&worker->pool->loop->timers, &worker->timer);
    if (busy) begin(worker, job);
}
