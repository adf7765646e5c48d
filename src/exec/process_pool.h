// The process pool from within: its workers, as the parent sees them.
//
//     VACANT --start--> IDLE <--job, answer--> BUSY
//        ^                \                      |
//        `--- ended -------`------ DYING <-------'  cancel, timeout
//
// A worker may end in any state: what the foreman reports decides. All of it
// belongs to the thread of one loop, the one whose task used the pool first,
// until that loop closes.
#pragma once

#include "exec/home.h"
#include "exec/job.h"
#include "exec/mailbox.h"

struct asyncio__notice;

enum asyncio__worker_state {
    ASYNCIO__WORKER_VACANT, // a place without a process
    ASYNCIO__WORKER_IDLE,   // is in the pool's idle list
    ASYNCIO__WORKER_BUSY,   // has a job
    ASYNCIO__WORKER_DYING,  // is to be killed; it may have a job
};

struct asyncio__worker {
    struct asyncio_link link; // asyncio__process_pool.idle
    struct asyncio__process_pool *pool;
    uint8_t state; // enum asyncio__worker_state
    bool kill_unsent;
    int memory; // its mailbox's descriptor until the order was sent, or -1
    int cause;  // why it is dying: -ETIMEDOUT, -ECANCELED
    pid_t pid;  // 0 until the foreman has said
    struct asyncio__mailbox *box;
    struct asyncio__job *job;
    struct asyncio__timer timer;
};

struct asyncio__process_pool {
    struct asyncio_executor executor;
    struct asyncio_loop *loop; // NULL: of no loop now
    struct asyncio__guest guest;
    int socket;                 // to the foreman
    int bell;                   // the workers ring it
    bool orphan;                // the foreman has gone
    bool silent;                // nobody is left who could ring the bell
    bool unsent;                // an order waits to be sent
    struct asyncio__step retry; // queued to send it in the next pass
    int64_t timeout_ns;         // of a job, or ASYNCIO__NEVER
    double timeout;             // as it was given

    struct asyncio_link queue;   // asyncio__job.link, the oldest first
    struct asyncio_link idle;    // asyncio__worker.link, the latest first
    size_t alive;                // workers that are not vacant
    size_t out;                  // jobs that were taken and have not landed
    struct asyncio_task *waiter; // in shutdown; any event wakes it
    uint32_t count;
    struct asyncio__worker workers[];
};

// --- workers (process_worker.c) ---------------------------------------------

// Hands queued jobs to workers, starting some where there is room. Returns 0,
// or why no worker could be started.
int asyncio__pool_dispatch(struct asyncio__process_pool *pool);

// Takes the answer of a worker that has a job, if it is there. True if it was.
bool asyncio__worker_answered(struct asyncio__worker *worker);

// Has it killed, for a reason. Harmless if it is being killed already.
void asyncio__worker_kill(struct asyncio__worker *worker, int cause);

// Sends what could not be sent, and dispatches.
void asyncio__pool_go_on(struct asyncio__process_pool *pool);

// Jobs whose answers are there land.
void asyncio__pool_hear_bell(struct asyncio__process_pool *pool);
// What the foreman has to say.
void asyncio__pool_hear_foreman(struct asyncio__process_pool *pool);

// The job is over: it lands, and is let go of.
void asyncio__pool_land(struct asyncio__process_pool *pool,
                        struct asyncio__job *job, int result);
