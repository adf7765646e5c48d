// What a job may take of time, and of processors.
//
// Limits are the parent's to watch: a worker has no say in them. They are those
// of the oldest job that a worker has, from when we know that it is that: the
// ones behind it have not begun. How long it took is known by a timer; what it
// used of processors is looked up when it may be too much for the first time,
// and again as long as it is not.
//
// Processes live in real time, and so do their limits, whatever clock the loop
// has. That of a test may stand still or jump: then the timers wait in a list
// of the pool, which the loop has looked at in time.

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

static int64_t real_now(const struct asyncio__process_pool *pool)
{
    return pool->loop->clock ? asyncio__clock_real_ns()
                             : asyncio__loop_now(pool->loop);
}

// --- timers -----------------------------------------------------------------

static void find_first(struct asyncio__process_pool *pool)
{
    pool->source.due_ns = ASYNCIO__NEVER;
    list_for_each (link, &pool->timed) {
        struct asyncio__timer *timer =
            list_entry(link, struct asyncio__timer, link);
        if (timer->when_ns < pool->source.due_ns)
            pool->source.due_ns = timer->when_ns;
    }
}

static void start_timer(struct asyncio__process_pool *pool,
                        struct asyncio__timer *timer, int64_t when_ns)
{
    if (!pool->loop->clock) {
        asyncio__timer_arm(&pool->loop->timers, timer, when_ns);
        return;
    }
    timer->when_ns = when_ns;
    list_add_tail(&pool->timed, &timer->link);
    find_first(pool);
}

static void stop_timer(struct asyncio__process_pool *pool,
                       struct asyncio__timer *timer)
{
    if (!pool->loop->clock) {
        asyncio__timer_disarm(&pool->loop->timers, timer);
        return;
    }
    list_remove(&timer->link);
    find_first(pool);
}

static void fire(struct asyncio__process_pool *pool,
                 struct asyncio__timer *timer)
{
    stop_timer(pool, timer);
    timer->fire(timer);
}

static struct asyncio__timer *first_due(struct asyncio__process_pool *pool,
                                        int64_t now_ns)
{
    list_for_each (link, &pool->timed) {
        struct asyncio__timer *timer =
            list_entry(link, struct asyncio__timer, link);
        if (timer->when_ns <= now_ns) return timer;
    }
    return NULL;
}

bool asyncio__pool_look_at_limits(struct asyncio__process_pool *pool)
{
    int64_t now_ns = asyncio__clock_real_ns();
    struct asyncio__timer *timer = first_due(pool, now_ns);
    bool any = timer;
    for (; timer; timer = first_due(pool, now_ns))
        fire(pool, timer);
    return any;
}

int asyncio__pool_next_limit_ms(struct asyncio__process_pool *pool)
{
    int64_t first_ns = ASYNCIO__NEVER;
    if (!pool->loop) return -1;

    int64_t now_ns = real_now(pool);
    for (uint32_t i = 0; i < pool->count; i++) {
        struct asyncio__timer *timer = &pool->workers[i]->timer;
        if (!asyncio__timer_armed(timer)) continue;
        if (timer->when_ns < first_ns) first_ns = timer->when_ns;
        if (timer->when_ns > now_ns) continue;
        fire(pool, timer);
        return 0;
    }
    if (first_ns == ASYNCIO__NEVER) return -1;
    int64_t ms = (first_ns - now_ns) / 1000000 + 1;
    return ms < 1000 ? (int)ms : 1000;
}

// --- limits -----------------------------------------------------------------

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
    if (allowance > 0 && real_now(pool) < worker->deadline_ns)
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
    struct asyncio__process_pool *pool = worker->pool;
    int64_t when = worker->deadline_ns, check;
    if (when == ASYNCIO__NEVER && allowance == ASYNCIO__NEVER) return;
    if (allowance < 1000000) allowance = 1000000;
    if (!__builtin_add_overflow(real_now(pool), allowance, &check) &&
        check < when)
        when = check;
    if (when == ASYNCIO__NEVER) return;
    worker->timer = (struct asyncio__timer){.fire = time_is_up};
    start_timer(pool, &worker->timer, when);
}

static int64_t deadline_ns(const struct asyncio__worker *worker,
                           const struct asyncio__job *job)
{
    int64_t limit =
        job->timeout > 0 ? job->timeout_ns : worker->pool->timeout_ns;
    int64_t when;
    if (limit == ASYNCIO__NEVER ||
        __builtin_add_overflow(real_now(worker->pool), limit, &when))
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

    if (armed) stop_timer(worker->pool, &worker->timer);
    if (busy) begin(worker, job);
}
