// The process pool from within: its workers, as the parent sees them.
//
//     VACANT --start--> IDLE <--job, answer--> BUSY
//        ^                \                      |
//        `--- ended -------`------ DYING <-------'  cancel, a limit, too many
//
// A worker may end in any state: what the foreman reports decides. All of it
// belongs to the thread of one loop, the one whose task used the pool first,
// until that loop closes.
//
//     process_pool.c     its loop, its beginning
//     process_end.c      its end
//     process_queue.c    jobs that wait
//     process_jobs.c     jobs on their way to workers, and back
//     process_worker.c   workers: their places, orders to them
//     process_limits.c   what a job may take of time
//     process_news.c     what the foreman and the bell tell
//     process_death.c    what is said of a job whose worker has ended
#pragma once

#include "exec/home.h"
#include "exec/job.h"
#include "exec/ring.h"
#include "exec/shared.h"
#include "exec/worker_log.h"
#include "platform/symbols.h"

// A job whose workers have died this often before they began it is lost.
#define ASYNCIO__RETURNS_MAX 3

enum asyncio__worker_state {
    ASYNCIO__WORKER_VACANT, // a place without a process
    ASYNCIO__WORKER_IDLE,   // is in the pool's idle list
    ASYNCIO__WORKER_BUSY,   // has jobs
    ASYNCIO__WORKER_DYING,  // is to be killed; it may have jobs
};

struct asyncio__worker {
    struct asyncio_link link; // asyncio__process_pool.idle or .roomy
    struct asyncio__process_pool *pool;
    uint32_t number; // its place, as the foreman knows it
    uint8_t state;   // enum asyncio__worker_state
    bool used;       // the place had a process before
    bool overspent;  // it is dying for its use of processors
    int unsent;      // a signal that it is to get, or 0
    int memory;      // its mailbox's descriptor until the order was sent, or -1
    int log_end;     // its log's end to write, the same
    int far;         // its end of the desk's channel, the same
    int log;         // its log, or -1
    int cause;       // why it is dying: -ETIMEDOUT, -ECANCELED
    pid_t pid;       // 0 until the foreman has said
    uint32_t jobs;   // done so far
    struct asyncio__log_entry first; // in its log, once that was read
    struct asyncio__ring ring;       // its jobs, the oldest first
    struct asyncio__desk desk;       // what it has of shared memory
    uint32_t depth;              // how many it may have, by how long they take
    uint32_t timed;              // the number of the job that has `timer`
    struct asyncio__timer timer; // where a test has the loop's clock: not of
                                 // the loop, but in asyncio__process_pool.timed
    int64_t deadline_ns;         // of its oldest job, or ASYNCIO__NEVER
    int64_t processor_ns; // used before that, where it has a limit; or -1
    uint32_t named;       // the trace in which its row has a name
    int row;              // of its place, in traces; or 0
    int64_t shown_ns;     // until then the row has slices
};

struct asyncio__process_pool {
    struct asyncio_executor executor;
    struct asyncio_loop *loop; // NULL: of no loop now
    struct asyncio__guest guest;
    int socket;                  // to the foreman
    int bell;                    // the workers ring it
    bool orphan;                 // the foreman has gone
    bool silent;                 // nobody is left who could ring the bell
    bool unsent;                 // an order waits to be sent
    uint32_t unanswered;         // orders to which the foreman has not spoken
    bool closed;                 // no more jobs
    bool unattended;             // it is shut down, and no task waits for that
    bool ended;                  // the foreman was told
    bool barren;                 // no worker could be started; wait for news
    struct asyncio__step retry;  // queued to send it in the next pass
    struct asyncio__step ending; // queued to go on with the end

    int64_t timeout_ns;              // of a job, or ASYNCIO__NEVER
    double timeout;                  // as it was given
    int64_t processor_ns;            // for a job, or ASYNCIO__NEVER
    double processor_limit;          // as it was given
    uint64_t memory_limit;           // of a worker, as it was given
    uint32_t max_jobs;               // of a worker, or 0
    uint32_t max_queued;             // or 0
    int (*initializer)(void *arg);   // or NULL
    char broken[256];                // why no job can run any more, or ""
    struct asyncio__symbols symbols; // of what crashed

    struct asyncio_link queue;     // asyncio__job.link, in the order to run
    struct asyncio_link door;      // the same, of those that found it full
    size_t queued, waiting;        // how many there are in each
    uint32_t ticket;               // of the next one that comes in
    struct asyncio_link idle;      // asyncio__worker.link, the latest first
    struct asyncio_link roomy;     // the same: busy, with room for more
    struct asyncio_link timed;     // asyncio__worker.timer.link, see there
    size_t given;                  // jobs that workers have
    size_t busy;                   // workers that have any
    int lowest;                    // no job that was given matters less
    struct asyncio__source source; // on the loop while any is given
    size_t alive;                  // workers that are not vacant
    size_t out;                    // jobs that were taken and have not landed
    struct asyncio_task *waiter;   // in shutdown; any event wakes it
    uint64_t finished, failed, crashed, replaced; // as in the statistics

    uint32_t limit; // workers at most
    uint32_t count; // places, some of which may be above the limit
    struct asyncio__worker **workers;
};

// --- its loop (process_pool.c) ----------------------------------------------

// Has the loop hear it, until it leaves.
int asyncio__pool_join_loop(struct asyncio__process_pool *pool,
                            struct asyncio_loop *loop);
void asyncio__pool_leave_loop(struct asyncio__process_pool *pool);

// Asks workers to ring, or not to. True if an answer is there already.
bool asyncio__pool_listen(struct asyncio__process_pool *pool, bool listen);

// --- its end (process_end.c) ------------------------------------------------

// What the pool is for those who end it (task/executor.h).
bool asyncio__pool_shut(struct asyncio_executor *executor,
                        const struct asyncio_shutdown_options *options);
void asyncio__pool_stop(struct asyncio_executor *executor, int signal);

// The loop closes under it.
void asyncio__pool_loop_closes(struct asyncio__guest *guest);

// The next step of a shutdown that nobody waits for; and has it taken in the
// next pass, if it is due.
void asyncio__pool_end(struct asyncio__step *step);
void asyncio__pool_end_soon(struct asyncio__process_pool *pool);

// --- jobs (process_queue.c) -------------------------------------------------

// What the pool is for those who hand in jobs (task/executor.h).
int asyncio__pool_start(struct asyncio_executor *executor,
                        struct asyncio__job *job);
bool asyncio__pool_retract(struct asyncio_executor *executor,
                           struct asyncio__job *job);
void asyncio__pool_interrupt(struct asyncio_executor *executor,
                             struct asyncio__job *job);
void asyncio__pool_abandon(struct asyncio_executor *executor,
                           struct asyncio__job *job);

// The job is over: it lands, and is let go of.
void asyncio__pool_land(struct asyncio__process_pool *pool,
                        struct asyncio__job *job, int result);

// The next that is to be given to a worker, or NULL; and takes it out.
struct asyncio__job *asyncio__pool_next(struct asyncio__process_pool *pool);
void asyncio__pool_take_next(struct asyncio__process_pool *pool);
// Those at the door come in while there is room.
void asyncio__pool_admit(struct asyncio__process_pool *pool);

// Puts back one that a worker had and did not begin, where it was.
void asyncio__pool_put_back(struct asyncio__process_pool *pool,
                            struct asyncio__job *job);

// Ends what waits in the queue, or at its door, with a code and, if not NULL,
// words.
void asyncio__pool_fail_queue(struct asyncio__process_pool *pool, int code,
                              const char *why);
void asyncio__pool_fail_door(struct asyncio__process_pool *pool, int code,
                             const char *why);

// Takes the next of those that wait out, whichever; NULL if there is none.
struct asyncio__job *asyncio__pool_pop(struct asyncio__process_pool *pool);

// --- jobs on their way (process_jobs.c) --------------------------------------

// Hands queued jobs to workers, starting some where there is room. Returns 0,
// or why no worker could be started.
int asyncio__pool_dispatch(struct asyncio__process_pool *pool);

// Takes the answers that are there: jobs land. True if there were any. The pool
// hands out queued jobs, too.
bool asyncio__worker_collect(struct asyncio__worker *worker);
bool asyncio__pool_collect(struct asyncio__process_pool *pool);

// Enters a worker where it belongs after its jobs have changed: it is idle, or
// has room for more, or ends.
void asyncio__worker_settle(struct asyncio__worker *worker);

// Takes a job back from its worker. False if it has begun.
bool asyncio__worker_withdraw(struct asyncio__job *job);
// All that have not begun go back to the queue: those of every worker; or of
// one, but for its oldest.
void asyncio__pool_recall(struct asyncio__process_pool *pool);
void asyncio__worker_keep_oldest(struct asyncio__worker *worker);
// Where workers have nothing to do, and others have jobs waiting.
void asyncio__pool_level(struct asyncio__process_pool *pool);

// The same before a worker is killed for its oldest job. False if that one has
// ended meanwhile, and landed: others may have begun.
bool asyncio__worker_isolate(struct asyncio__worker *worker);

// Of a worker that has ended: `all` its jobs, or all but the oldest, go back to
// the queue, unless it said that they had begun.
void asyncio__worker_give_back(struct asyncio__worker *worker, bool all);
// Takes the oldest, or NULL.
struct asyncio__job *
asyncio__worker_drop_oldest(struct asyncio__worker *worker);

// --- workers (process_worker.c) ---------------------------------------------

// Makes places for so many. Returns 0 or -ENOMEM.
int asyncio__pool_make_places(struct asyncio__process_pool *pool,
                              uint32_t count);
void asyncio__pool_free_places(struct asyncio__process_pool *pool);

// Starts one more, which is idle. Returns 0, -EAGAIN if there is no room for
// it, or another negative errno.
int asyncio__worker_start(struct asyncio__process_pool *pool);

// It has no process any more, or never got one.
void asyncio__worker_vacate(struct asyncio__worker *worker);

// Sends what could not be sent before, if there is room now. Returns 0 or a
// negative errno: it cannot be started.
int asyncio__worker_send_orders(struct asyncio__worker *worker);

// Has it killed, for a reason: its oldest job is lost. Harmless if it is being
// killed already.
void asyncio__worker_kill(struct asyncio__worker *worker, int cause);
// Sends it a signal that it may survive.
void asyncio__worker_signal(struct asyncio__worker *worker, int signal);

// It has done all that it may do, or there are too many.
bool asyncio__worker_is_spent(const struct asyncio__worker *worker);
// How many jobs it may have at a time.
uint32_t asyncio__worker_room(const struct asyncio__worker *worker);

// Ends idle ones that are more than the limit.
void asyncio__pool_trim(struct asyncio__process_pool *pool);

// --- limits (process_limits.c) ----------------------------------------------

// Has the limits of its oldest job watched, and those of no other.
void asyncio__worker_watch(struct asyncio__worker *worker);

// Deals with those whose time is up, where the loop's clock does not tell. True
// if there were any.
bool asyncio__pool_look_at_limits(struct asyncio__process_pool *pool);
// The same without a loop that runs. Returns how long until the next one is to
// be dealt with; -1: there is none.
int asyncio__pool_next_limit_ms(struct asyncio__process_pool *pool);

// Reads the first entry of its log, unless that is known.
void asyncio__worker_read_first(struct asyncio__worker *worker);

// --- news (process_news.c) --------------------------------------------------

// Sends what could not be sent, and dispatches.
void asyncio__pool_go_on(struct asyncio__process_pool *pool);

// Jobs whose answers are there land.
void asyncio__pool_hear_bell(struct asyncio__process_pool *pool);
// What the foreman has to say.
void asyncio__pool_hear_foreman(struct asyncio__process_pool *pool);

// --- deaths (process_death.c) -----------------------------------------------

// What becomes of `job`, which may be NULL, as its worker has ended without an
// answer: returns the code, and gives the job its words. If the worker never
// came to be, `broken` says why, and else is "".
int asyncio__worker_judge(struct asyncio__worker *worker,
                          struct asyncio__job *job, pid_t pid, int status,
                          char *broken, size_t size);

// Words about a job.
struct asyncio__failure *asyncio__job_words(const struct asyncio__job *job,
                                            int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
