// What the suites about threads share: functions that say when they run and
// stop until they may go on, and tasks that are in the middle of a call.
//
// What a thread is doing is known by semaphores, not by waiting a while:
// `begun` says that a function runs, `gate` lets it go on.
#pragma once

#include <asyncio/executor.h>

#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "gates.h"
#include "runner/runner.h"

static sem_t begun, gate;
static atomic_int calls;

static inline void make_gates(void)
{
    sem_init(&begun, 0, 0);
    sem_init(&gate, 0, 0);
    atomic_store(&calls, 0);
}

static inline int note_thread(void *arg)
{
    *(pid_t *)arg = gettid();
    return 42;
}

static inline int count_call(void *arg)
{
    (void)arg;
    return atomic_fetch_add(&calls, 1);
}

// Says that it runs, and ends when it may.
static inline int pass_gate(void *arg)
{
    sem_post(&begun);
    down(&gate);
    atomic_fetch_add(&calls, 1);
    if (arg) *(bool *)arg = true;
    return 7;
}

// --- tasks that wait for a thread -------------------------------------------

struct call {
    struct asyncio_executor *pool;
    int (*fn)(void *arg);
    void *arg;
    size_t copy;
    bool abandon;
    const char *end; // for the story
    bool entered;
};

static inline int make_call(void *arg)
{
    struct call *call = arg;
    call->entered = true;
    int err =
        asyncio_run_in_executor(call->pool, call->fn, call->arg,
                                .copy = call->copy, .abandon = call->abandon);
    if (call->end) trace("%s %d", call->end, err);
    return err;
}

// A task that is in its call when this returns, or has failed.
static inline struct asyncio_task *begin_call(struct call *call)
{
    struct asyncio_task *task = asyncio_create_task(make_call, call);
    while (!call->entered && !asyncio_task_done(task))
        asyncio_ignore(asyncio_sleep(0));
    return task;
}

// One whose function runs: it has said so. NULL if it could not begin.
static inline struct asyncio_task *begin_running(struct call *call)
{
    struct asyncio_task *task = begin_call(call);
    if (!asyncio_task_done(task) && down_soon(&begun)) return task;
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    return NULL;
}
