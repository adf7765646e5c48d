// What the suites about processes share: memory that jobs and tests talk
// through, and jobs that stop in the middle.
//
// The memory is there before the launcher is forked, so that every worker has
// it: what a job does is known by semaphores, and not by waiting a while.
#pragma once

#include <asyncio/executor.h>

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "gates.h"
#include "runner/runner.h"

static struct shared {
    sem_t begun, gate;
    atomic_int pid;     // of the worker that runs
    atomic_int foreman; // its parent
    atomic_int calls;
} * shared;

// Before the pool: only what is mapped then is in its workers.
static inline bool share_memory(void)
{
    void *memory = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!EXPECT(memory != MAP_FAILED)) return false;
    shared = memory;
    sem_init(&shared->begun, 1, 0);
    sem_init(&shared->gate, 1, 0);
    return true;
}

static inline struct asyncio_executor *make_pool(int workers)
{
    struct asyncio_executor *pool;
    if (!share_memory()) return NULL;
    int err = asyncio_process_pool_create(&pool, .max_workers = workers);
    return EXPECT_EQ(err, 0) ? pool : NULL;
}

// --- jobs -------------------------------------------------------------------

static inline int report_pid(void *arg)
{
    *(pid_t *)arg = getpid();
    return 0;
}

// Says who it is and stays until it may go on.
static inline int pass_gate(void *arg)
{
    (void)arg;
    atomic_store(&shared->pid, getpid());
    atomic_store(&shared->foreman, getppid());
    sem_post(&shared->begun);
    down(&shared->gate);
    return atomic_fetch_add(&shared->calls, 1);
}

static inline int count_call(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&shared->calls, 1);
}

// --- tasks that wait for a job ----------------------------------------------

struct call {
    struct asyncio_executor *pool;
    int (*fn)(void *arg);
    bool abandon;
    bool entered;
};

static inline int make_call(void *arg)
{
    struct call *call = arg;
    call->entered = true;
    return asyncio_run_in_executor(call->pool, call->fn, NULL,
                                   .abandon = call->abandon);
}

// A task whose job is with a worker or in the queue, or that has failed.
static inline struct asyncio_task *begin_call(struct call *call)
{
    struct asyncio_task *task = asyncio_create_task(make_call, call);
    while (!call->entered && !asyncio_task_done(task))
        asyncio_ignore(asyncio_sleep(0));
    return task;
}

static inline bool down_within_ms(sem_t *semaphore)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return sem_timedwait(semaphore, &until) == 0;
}

// Ups and downs of other processes do not wake a loop. It goes on meanwhile: an
// order that could not be sent at once goes out in its next pass. False if the
// task ends before, or nothing comes: a job that was taken back before it
// began.
static inline bool down_meanwhile(sem_t *semaphore, struct asyncio_task *task)
{
    for (int i = 0; i < 2000 && !asyncio_task_done(task); i++) {
        if (down_within_ms(semaphore)) return true;
        asyncio_ignore(asyncio_sleep(0));
    }
    return sem_trywait(semaphore) == 0;
}

// One that is in the middle of pass_gate. NULL if that failed.
static inline struct asyncio_task *begin_gate(struct call *call)
{
    struct asyncio_task *task = begin_call(call);
    if (down_meanwhile(&shared->begun, task)) return task;
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    return NULL;
}

static inline bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}
