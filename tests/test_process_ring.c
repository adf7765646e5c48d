// Jobs that wait in a worker's mailbox behind another one: in order, none lost,
// none run twice, whatever happens to the one in front of them.

#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "exec/job.h"
#include "exec/ring.h"
#include "platform/sys.h"
#include "processes.h"

enum { BEHIND = 20 };

// Runs jobs until the pool knows that they are short, and gives many at a time.
static void warm_up(struct asyncio_executor *pool)
{
    for (int i = 0; i < 50; i++)
        EXPECT_GE(asyncio_run_in_executor(pool, count_call, NULL), 0);
    atomic_store(&shared->calls, 0);
}

// A job at the gate, and others that begin after it.
struct line {
    struct asyncio_executor *pool;
    struct call first, others;
    struct asyncio_task *gate, *behind[BEHIND];
};

static bool form_line(struct line *line, struct asyncio_executor *pool)
{
    line->pool = pool;
    line->first = (struct call){.pool = pool, .fn = pass_gate};
    line->others = (struct call){.pool = pool, .fn = count_call};
    warm_up(pool);
    line->gate = begin_gate(&line->first);
    if (!line->gate) return false;
    for (int i = 0; i < BEHIND; i++) {
        line->others.entered = false;
        line->behind[i] = begin_call(&line->others);
    }
    return true;
}

// Each has run once, in order: the number that it returns is that of its call.
static void expect_line(struct line *line, int from, int first)
{
    for (int i = from; i < BEHIND; i++)
        EXPECT_EQ(asyncio_await(line->behind[i]), first + i - from);
}

static void leave_line(struct line *line)
{
    for (int i = 0; i < BEHIND; i++)
        asyncio_task_release(line->behind[i]);
    asyncio_task_release(line->gate);
}

TEST(jobs_behind_one_that_dies_run_elsewhere_in_order, .ordered = true)
{
    struct line line;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (form_line(&line, pool)) {
        EXPECT_EQ(kill(atomic_load(&shared->pid), SIGKILL), 0);
        EXPECT_EQ(asyncio_await(line.gate), -EOWNERDEAD);
        expect_line(&line, 0, 0);
        leave_line(&line);
    }
    asyncio_executor_shutdown(pool);
}

TEST(jobs_behind_one_that_is_cancelled_run_elsewhere_in_order, .ordered = true)
{
    struct line line;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (form_line(&line, pool)) {
        asyncio_task_cancel(line.gate);
        EXPECT_EQ(asyncio_await(line.gate), -ECANCELED);
        expect_line(&line, 0, 0);
        leave_line(&line);
    }
    asyncio_executor_shutdown(pool);
}

static int stay_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return 0;
}
ASYNCIO_JOB(stay_for_ever)

static int stay_within_limits(void *pool)
{
    return asyncio_run_in_executor(pool, stay_for_ever, NULL, .timeout = 0.05);
}

TEST(jobs_behind_one_that_takes_too_long_run_elsewhere, .ordered = true,
     .real_time = true)
{
    struct asyncio_executor *pool = make_pool(1);
    struct asyncio_task *behind[BEHIND];
    EXPECT_OR_RETURN(pool);
    warm_up(pool);
    struct asyncio_task *late = asyncio_create_task(stay_within_limits, pool);
    EXPECT_EQ(asyncio_sleep(0), 0); // it is in its call now
    for (int i = 0; i < BEHIND; i++)
        behind[i] = asyncio_create_task(count_call, NULL, .executor = pool);
    EXPECT_EQ(asyncio_await(late), -ETIMEDOUT);
    for (int i = 0; i < BEHIND; i++) {
        EXPECT_EQ(asyncio_await(behind[i]), i);
        asyncio_task_release(behind[i]);
    }
    asyncio_task_release(late);
    asyncio_executor_shutdown(pool);
}

TEST(job_taken_back_from_the_middle_never_runs, .ordered = true)
{
    struct line line;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (form_line(&line, pool)) {
        pid_t worker = atomic_load(&shared->pid), after = 0;
        for (int i = 0; i < BEHIND; i += 2) {
            asyncio_task_cancel(line.behind[i]);
            EXPECT_EQ(asyncio_await(line.behind[i]), -ECANCELED);
        }
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(line.gate), 0);
        for (int i = 1; i < BEHIND; i += 2)
            EXPECT_EQ(asyncio_await(line.behind[i]), (i + 1) / 2);
        EXPECT_EQ(asyncio_run_in_executor(pool, report_pid, &after,
                                          .size = sizeof after),
                  0);
        EXPECT_EQ(after, worker);
        leave_line(&line);
    }
    asyncio_executor_shutdown(pool);
    if (line.gate) EXPECT_EQ(atomic_load(&shared->calls), 1 + BEHIND / 2);
}

TEST(places_of_jobs_that_were_taken_back_are_used_again, .ordered = true)
{
    enum { TIMES = 5 * ASYNCIO__MAILBOX_SLOTS };
    struct line line;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (form_line(&line, pool)) {
        for (int i = 0; i < TIMES; i++) {
            struct call call = {.pool = pool, .fn = count_call};
            struct asyncio_task *task = begin_call(&call);
            asyncio_task_cancel(task);
            EXPECT_EQ(asyncio_await(task), -ECANCELED);
            asyncio_task_release(task);
        }
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(line.gate), 0);
        expect_line(&line, 0, 1);
        leave_line(&line);
    }
    asyncio_executor_shutdown(pool);
}

TEST(nothing_stays_behind_a_long_job_while_another_worker_is_free)
{
    struct line line;
    struct asyncio_executor *pool = make_pool(2);
    EXPECT_OR_RETURN(pool);
    if (form_line(&line, pool)) {
        for (int i = 0; i < BEHIND; i++)
            EXPECT_GE(asyncio_await(line.behind[i]), 0);
        EXPECT_EQ(atomic_load(&shared->calls), BEHIND);
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(line.gate), BEHIND);
        leave_line(&line);
    }
    asyncio_executor_shutdown(pool);
}

static int map_over_the_line(void *pool)
{
    int items[200] = {0};
    return asyncio_executor_map(pool, count_call, items, sizeof *items, 200);
}

TEST(cancelled_map_leaves_no_job_in_a_mailbox)
{
    struct line line;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (form_line(&line, pool)) {
        struct asyncio_task *map = asyncio_create_task(map_over_the_line, pool);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        asyncio_task_cancel(map);
        EXPECT_EQ(asyncio_await(map), -ECANCELED);
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(line.gate), 0);
        for (int i = 0; i < BEHIND; i++)
            EXPECT_GE(asyncio_await(line.behind[i]), 1);
        asyncio_task_release(map);
        leave_line(&line);
    }
    asyncio_executor_shutdown(pool);
    if (line.gate) EXPECT_EQ(atomic_load(&shared->calls), 1 + BEHIND);
}

static int leave_with_a_line(void *pool)
{
    struct line line;
    if (form_line(&line, pool)) leave_line(&line);
    return 0;
}

TEST_PLAIN(loop_that_ends_lets_go_of_jobs_in_mailboxes)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    asyncio_ignore(asyncio_run(leave_with_a_line, pool));
    asyncio_executor_shutdown(pool);
    EXPECT_EQ(atomic_load(&shared->calls), 0);
}

// --- what else decides who runs where and when
// --------------------------------

static int run_urgent(void *pool)
{
    return asyncio_run_in_executor(pool, count_call, NULL, .priority = 1);
}

TEST(job_that_matters_more_goes_before_those_in_mailboxes, .ordered = true)
{
    struct line line;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (form_line(&line, pool)) {
        struct asyncio_task *first = asyncio_create_task(run_urgent, pool);
        struct asyncio_task *second = asyncio_create_task(run_urgent, pool);
        EXPECT_EQ(asyncio_sleep(0), 0);
        EXPECT_EQ(asyncio_sleep(0), 0);
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(first), 1);
        EXPECT_EQ(asyncio_await(second), 2);
        expect_line(&line, 0, 3);
        asyncio_task_release(first);
        asyncio_task_release(second);
        leave_line(&line);
    }
    asyncio_executor_shutdown(pool);
}

TEST(worker_gets_no_more_jobs_than_it_may_do)
{
    enum { JOBS = 200, MOST = 30 };
    static pid_t pids[JOBS];
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(share_memory());
    int err =
        asyncio_process_pool_create(&pool, .max_workers = 2, .max_jobs = MOST);
    EXPECT_OR_RETURN(err == 0);
    EXPECT_EQ(asyncio_executor_map(pool, report_pid, pids, sizeof *pids, JOBS),
              0);
    for (int i = 0; i < JOBS; i++) {
        int same = 0;
        for (int other = 0; other < JOBS; other++)
            same += pids[other] == pids[i];
        EXPECT_LE(same, MOST);
    }
    asyncio_executor_shutdown(pool);
}

TEST(jobs_in_mailboxes_have_not_begun, .ordered = true)
{
    struct asyncio_pool_statistics now;
    struct line line;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (form_line(&line, pool)) {
        EXPECT_EQ(asyncio_executor_statistics(pool, &now), 0);
        EXPECT_EQ(now.running, 1);
        EXPECT_EQ(now.queued, BEHIND);
        sem_post(&shared->gate);
        expect_line(&line, 0, 1);
        EXPECT_EQ(asyncio_await(line.gate), 0);
        leave_line(&line);
    }
    asyncio_executor_shutdown(pool);
}

static int shut_pending(void *pool)
{
    asyncio_executor_shutdown(pool, .cancel_pending = true);
    return 0;
}

TEST(shutdown_takes_back_what_is_in_mailboxes, .ordered = true)
{
    struct line line;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (!form_line(&line, pool)) {
        asyncio_executor_shutdown(pool);
        return;
    }
    struct asyncio_task *shutter = asyncio_create_task(shut_pending, pool);
    EXPECT_EQ(asyncio_sleep(0), 0);
    sem_post(&shared->gate);
    EXPECT_EQ(asyncio_await(line.gate), 0);
    for (int i = 0; i < BEHIND; i++)
        EXPECT_EQ(asyncio_await(line.behind[i]), -ECANCELED);
    EXPECT_EQ(asyncio_await(shutter), 0);
    asyncio_task_release(shutter);
    leave_line(&line);
    asyncio_executor_shutdown(pool); // if the task was not made
}

TEST(pool_that_is_killed_runs_nothing_that_is_in_mailboxes, .ordered = true)
{
    struct line line;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (form_line(&line, pool)) {
        EXPECT_EQ(asyncio_executor_kill(pool), 0);
        EXPECT_EQ(asyncio_await(line.gate), -EOWNERDEAD);
        for (int i = 0; i < BEHIND; i++)
            EXPECT_EQ(asyncio_await(line.behind[i]), -ECANCELED);
        EXPECT_EQ(atomic_load(&shared->calls), 0);
        leave_line(&line);
    }
    asyncio_executor_shutdown(pool);
}

TEST(full_queue_counts_what_is_in_mailboxes, .ordered = true)
{
    struct asyncio_pool_statistics now;
    struct asyncio_executor *pool;
    struct asyncio_task *behind[BEHIND];
    EXPECT_OR_RETURN(share_memory());
    int err =
        asyncio_process_pool_create(&pool, .max_workers = 1, .max_queued = 5);
    EXPECT_OR_RETURN(err == 0);
    warm_up(pool);
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *gate = begin_gate(&call);
    for (int i = 0; i < BEHIND; i++)
        behind[i] = asyncio_create_task(count_call, NULL, .executor = pool);
    asyncio_ignore(asyncio_sleep(0));
    if (gate) {
        EXPECT_EQ(asyncio_executor_statistics(pool, &now), 0);
        EXPECT_EQ(now.queued, 5);
        EXPECT_EQ(now.waiting, BEHIND - 5);
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(gate), 0);
    }
    for (int i = 0; i < BEHIND; i++) {
        EXPECT_EQ(asyncio_await(behind[i]), i + !!gate);
        asyncio_task_release(behind[i]);
    }
    asyncio_task_release(gate);
    asyncio_executor_shutdown(pool);
}

// Tasks that are pending when their loop closes are reported: each of them.
static void count_report(const struct asyncio_report *report, void *count)
{
    if (report->code == -ECANCELED) ++*(int *)count;
}

static int cancel_a_map_and_leave(void *pool)
{
    struct line line;
    bool formed = form_line(&line, pool);
    struct asyncio_task *map =
        formed ? asyncio_create_task(map_over_the_line, pool) : NULL;
    asyncio_ignore(asyncio_sleep(0));
    asyncio_loop_stop(asyncio_get_running_loop());
    if (!formed) return 0;

    asyncio_task_cancel(map); // it is woken, and will not run
    for (int i = 0; i < BEHIND; i++)
        asyncio_task_cancel(line.behind[i]);
    sem_post(&shared->gate);
    asyncio_task_release(map);
    leave_line(&line);
    return 0;
}

TEST_PLAIN(loop_that_closes_lets_go_of_callers_that_were_woken, .ordered = true)
{
    struct asyncio_loop *loop;
    struct asyncio_executor *pool = make_pool(1);
    int reports = 0;
    EXPECT_OR_RETURN(pool);
    if (asyncio_new_event_loop(&loop) == 0) {
        asyncio_set_exception_handler(count_report, &reports);
        struct asyncio_task *task =
            asyncio_create_task(cancel_a_map_and_leave, pool, .loop = loop);
        asyncio_ignore(asyncio_loop_run_until_complete(loop, task));
        asyncio_task_release(task);
        EXPECT_EQ(asyncio_loop_free(loop), 0);
        EXPECT_EQ(reports, BEHIND + 2);
    }
    asyncio_executor_shutdown(pool);
}

// --- deaths at any time -----------------------------------------------------

// The worker dies a little later: in this job, in another one, between two.
static int die_soon(void *arg)
{
    int *number = arg;
    struct itimerval soon = {.it_value.tv_usec = 1 + *number * 37 % 400};
    if (*number % 40 == 7) setitimer(ITIMER_REAL, &soon, NULL);
    *number = -*number;
    return 0;
}

static int call_again_and_again(void *pool)
{
    for (int i = 0; i < 50; i++) {
        int number = atomic_fetch_add(&shared->calls, 1) + 1, sent = number;
        int err = asyncio_run_in_executor(pool, die_soon, &number,
                                          .size = sizeof number);
        if (err == 0)
            EXPECT_EQ(number, -sent);
        else
            EXPECT_EQ(err, -EOWNERDEAD);
    }
    return 0;
}

TEST(workers_that_die_at_any_time_lose_one_job_each, .limit = 60)
{
    struct asyncio_executor *pool = make_pool(2);
    EXPECT_OR_RETURN(pool);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 16; i++)
        asyncio_task_group_create_task(&group, call_again_and_again, pool);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(atomic_load(&shared->calls), 16 * 50);
    asyncio_executor_shutdown(pool);
}

// --- cancels at any time ----------------------------------------------------

enum { CALLERS = 12, CALLS = 60 };
static atomic_uchar *runs; // of each call; there before the workers are

static int run_once(void *arg)
{
    atomic_fetch_add(&runs[*(int *)arg], 1);
    return 0;
}

struct caller {
    struct asyncio_executor *pool;
    int first;
};

static int call_many_once(void *arg)
{
    const struct caller *caller = arg;
    for (int i = 0; i < CALLS; i++) {
        int number = caller->first + i;
        int err = asyncio_run_in_executor(caller->pool, run_once, &number,
                                          .size = sizeof number);
        EXPECT(err == 0 || err == -ECANCELED || err == -EOWNERDEAD);
    }
    return 0;
}

// A cancel may meet its job as it ends, and the next one as it begins.
TEST(no_job_runs_twice_whoever_is_cancelled, .limit = 60)
{
    struct caller callers[CALLERS];
    struct asyncio_task *tasks[CALLERS];
    runs = mmap(NULL, CALLERS * CALLS, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT_OR_RETURN(runs != MAP_FAILED);
    struct asyncio_executor *pool = make_pool(2);
    EXPECT_OR_RETURN(pool);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){pool, i * CALLS};
        tasks[i] = asyncio_create_task(call_many_once, &callers[i]);
    }
    for (int i = 0; i < 10 * CALLERS; i++) {
        for (int passes = i * 7 % 5; passes >= 0; passes--)
            EXPECT_EQ(asyncio_sleep(0), 0);
        asyncio_task_cancel(tasks[i * 5 % CALLERS]);
    }
    for (int i = 0; i < CALLERS; i++) {
        asyncio_ignore(asyncio_await(tasks[i]));
        asyncio_task_release(tasks[i]);
    }
    asyncio_executor_shutdown(pool);
    for (int i = 0; i < CALLERS * CALLS; i++)
        EXPECT_LE(runs[i], 1);
    munmap(runs, CALLERS * CALLS);
}

// --- arguments --------------------------------------------------------------

struct block {
    size_t size;
    unsigned char bytes[];
};

static int invert(void *arg)
{
    struct block *block = arg;
    for (size_t i = 0; i < block->size; i++)
        block->bytes[i] = (unsigned char)~block->bytes[i];
    return 0;
}

static int send_blocks(void *pool)
{
    static unsigned seed = 1;
    for (int i = 0; i < 20; i++) {
        seed = seed * 1103515245 + 12345;
        size_t size = (seed >> 8) % (i % 5 == 0 ? 1000000 : 3000);
        unsigned char value = (unsigned char)seed;
        struct block *block = malloc(sizeof *block + size);
        if (!EXPECT(block)) return -ENOMEM;
        block->size = size;
        memset(block->bytes, value, size);
        EXPECT_EQ(asyncio_run_in_executor(pool, invert, block,
                                          .size = sizeof *block + size),
                  0);
        bool same = true;
        for (size_t k = 0; k < size; k++)
            same &= block->bytes[k] == (unsigned char)~value;
        EXPECT(same);
        free(block);
    }
    return 0;
}

TEST(arguments_of_every_size_keep_to_themselves, .limit = 60)
{
    struct asyncio_executor *pool = make_pool(2);
    EXPECT_OR_RETURN(pool);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 12; i++)
        asyncio_task_group_create_task(&group, send_blocks, pool);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    asyncio_executor_shutdown(pool);
}

// --- the ring from within ---------------------------------------------------

static void answer(struct asyncio__ring *ring, uint32_t number)
{
    atomic_store(&asyncio__slot_of(ring->box, number)->state,
                 asyncio__slot_state(number, ASYNCIO__SLOT_ANSWERED));
}

TEST_PLAIN(ring_goes_round_and_round_and_never_over_itself)
{
    static struct asyncio__job job = {.size = 700000};
    struct asyncio__ring ring;
    int memory, result;
    if (asyncio__ring_open(&ring, &memory) < 0) return;
    asyncio__sys_close(memory);
    for (uint32_t i = 0; i < 1000; i++) {
        EXPECT(asyncio__ring_fits(&ring, job.size));
        asyncio__ring_send(&ring, &job);
        EXPECT_SAME(asyncio__ring_take(&ring, &result), NULL);
        if (i % 2 == 0) continue;
        EXPECT(!asyncio__ring_fits(&ring, job.size));
        answer(&ring, i - 1);
        answer(&ring, i);
        EXPECT_SAME(asyncio__ring_take(&ring, &result), &job);
        EXPECT(i % 4 == 1 || asyncio__ring_fits(&ring, 0));
        EXPECT_SAME(asyncio__ring_take(&ring, &result), &job);
        EXPECT_EQ(ring.count, 0);
    }
    asyncio__ring_close(&ring);
}

TEST_PLAIN(answer_out_of_turn_is_nothing)
{
    static struct asyncio__job first, second, third;
    struct asyncio__ring ring;
    int memory, result;
    if (asyncio__ring_open(&ring, &memory) < 0) return;
    asyncio__sys_close(memory);
    asyncio__ring_send(&ring, &first);
    asyncio__ring_send(&ring, &second);
    asyncio__ring_send(&ring, &third);
    answer(&ring, 1);
    answer(&ring, 64);
    EXPECT_SAME(asyncio__ring_take(&ring, &result), NULL);
    EXPECT(!asyncio__ring_withdraw(&ring, &second));
    EXPECT_SAME(asyncio__ring_latest(&ring), &third);
    EXPECT(asyncio__ring_withdraw(&ring, &third));
    EXPECT_SAME(asyncio__ring_latest(&ring), &second);
    EXPECT_SAME(asyncio__ring_drop_latest(&ring), &second);
    EXPECT_EQ(ring.count, 1);
    EXPECT_SAME(asyncio__ring_drop_oldest(&ring), &first);
    EXPECT_SAME(asyncio__ring_oldest(&ring), NULL);
    asyncio__ring_close(&ring);
}
