// A job: one call on its way through an executor, and back.
//
//     MADE --start--> QUEUED --> RUNNING --> ENDED --landed(job)-->
//                        |           |
//                     retract     interrupt, abandon
//
// Two hold it: whoever waits for it, and the pool, from start until the job has
// landed, was retracted, or (abandoned) has ended. `landed` is called on the
// loop's thread, once, with the outcome filled in; never after a retract, and
// nobody cares after an abandon. Where the loop closes first, the task that
// waits will never run again: `lost` lets go of what it holds, in place of
// `landed`.
#pragma once

#include <asyncio/context.h>
#include <asyncio/executor.h>

#include <stdatomic.h>

#include "exec/home.h"
#include "exec/thread_future.h"
#include "platform/offload.h"
#include "task/executor.h"
#include "task/failure.h"

struct asyncio__worker;

struct asyncio__job {
    atomic_uint references;
    int (*fn)(void *arg);
    void *arg;
    size_t size;    // bytes of *arg that go to a process and back
    int priority;   // of those that wait, the highest goes first
    double timeout; // of this job, as it was given, or 0
    int64_t timeout_ns;
    const char *site;             // of the call, or NULL
    struct asyncio__block *block; // of shared memory, held; or NULL
    void (*landed)(struct asyncio__job *job);
    void (*lost)(struct asyncio__job *job);
    void *owner; // whoever waits: landed knows what that is; NULL once left
    struct asyncio_loop *loop;
    struct asyncio_context context; // a copy of its maker's, for a thread
    struct asyncio__guest woken;    // whoever waited has not run since

    int result;
    struct asyncio__failure *failure; // words for a negative result, or NULL
    atomic_bool cancelled; // nobody wants the result; the job may ask
    bool wanted;           // the result is, all the same: a scope was cancelled
    // What its function waits for on a loop; `asyncio__job_asked` from the
    // moment on in which it was asked to end.
    _Atomic(struct asyncio__cancel_hook *) awaits;

    // In a trace; of a job that is in none, `trace` is 0 and the rest unset.
    uint32_t trace;      // its number
    uint32_t arrow;      // to it, which nothing has shown yet; or 0
    uint32_t arrow_back; // from where it ran; or 0
    int64_t sent_ns;
    int64_t begun_ns, ended_ns; // as a worker process says; or 0

    // The pool's own.
    struct asyncio_executor *executor;
    bool at_door; // it waits for a place in the queue
    union {
        struct { // threads
            struct asyncio__offload_job offload;
            struct asyncio__post post;
            struct asyncio__guest guest;
            struct asyncio__home *home; // the thread's reference
            bool ended;                 // under the pool's lock
            bool abandoned;             // the same
        };
        struct {                            // processes
            struct asyncio_link link;       // asyncio__process_pool.queue, door
            struct asyncio__worker *worker; // NULL while it is in one of these
            uint32_t ticket;                // in the order of arrival
            uint32_t number;                // with its worker, in its ring
            int place;                      // of its block, on its desk
            uint32_t returns; // workers that died before they began it
        };
    };
    _Alignas(max_align_t) unsigned char copy[]; // of *arg, for a thread
};

// Makes one, held once, for a call in the running task; `copy` bytes of *arg
// become its own. Returns 0, -EINVAL for a limit that is none or shared memory
// that was freed, or -ENOMEM.
int asyncio__job_make(struct asyncio__job **job,
                      struct asyncio_executor *executor, int (*fn)(void *arg),
                      void *arg, const struct asyncio_job_options *options);
static inline struct asyncio__job *asyncio__job_ref(struct asyncio__job *job)
{
    atomic_fetch_add(&job->references, 1);
    return job;
}
void asyncio__job_unref(struct asyncio__job *job);

// Asks one that has begun to end early, if there is a way.
void asyncio__job_interrupt(struct asyncio__job *job);
extern struct asyncio__cancel_hook asyncio__job_asked;

// True on a thread of a pool whose job was asked to end.
bool asyncio__job_was_asked(void);

// On a thread of a pool, around a wait for a loop: has `hook` called when the
// job that runs there is asked to end, or now if it was. The second returns
// whether the hook was not called, and will not be. Elsewhere they do nothing.
void asyncio__job_begin_await(struct asyncio__cancel_hook *hook);
bool asyncio__job_end_await(struct asyncio__cancel_hook *hook);

// The loop of the job that runs on this thread of a pool, perhaps closed; NULL
// elsewhere.
const struct asyncio_loop *asyncio__job_loop(void);

// The pools' `call`: a job that the running task waits for.
int asyncio__job_call(struct asyncio_executor *executor, int (*fn)(void *arg),
                      void *arg, const struct asyncio_job_options *options);

// The function's registered name, or what the linker knows about it: "decode",
// "edge_image", "libfoo.so+0x1234". Returns `buffer`.
char *asyncio__job_name(int (*fn)(void *arg), char *buffer, size_t size);
