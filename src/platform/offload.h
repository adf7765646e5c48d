// Threads for calls that block: the floor under the thread pool, under files
// where the kernel has no rings, and under names that only libc can resolve.
//
// Threads are started on demand, up to a limit; an idle one is reused before a
// new one is made, the latest first; jobs of one priority wait in order of
// arrival. One crew
// serves any number of loops. A thread that has had nothing to do for a while
// ends.
#pragma once

#include <asyncio/base.h>

// One call to be made elsewhere; lives in the caller's memory until `done`.
struct asyncio__offload_job {
    struct asyncio_link link;
    int priority; // of those that wait the highest is first
    // Runs on a thread of the crew.
    void (*work)(struct asyncio__offload_job *job);
    // Runs right after it on the same thread; the crew does not touch the job
    // afterwards. Typically posts to a loop. Called once for each job that was
    // submitted and not retracted, also if the crew broke.
    void (*done)(struct asyncio__offload_job *job);
    // Set before `done`: 0, or -EOWNERDEAD: a thread's init failed while the
    // job was queued, and `work` was not called.
    int error;
};

struct asyncio__offload; // a crew of threads

struct asyncio__offload_options {
    int threads_max;        // 0: min(32, processors + 4)
    const char *name;       // of the threads, "name-0", ...; 0: "asyncio"
    int (*init)(void *arg); // once on each thread before its first job
    void *init_arg;
    size_t stack_size; // of each thread, 0: the system's default
    int64_t idle_ns;   // after which a thread ends, 0: ten seconds
};

// Makes a crew; no thread is started yet. `options` may be NULL, and is copied,
// but for what `name` points to. Returns 0 or a negative errno.
int asyncio__offload_open(struct asyncio__offload **crew,
                          const struct asyncio__offload_options *options);

// Hands a job over. Returns 0; -ESHUTDOWN after shutdown; -ENOMEM or -EAGAIN if
// there is no thread and none can be started; -EOWNERDEAD if init failed. On
// an error neither `work` nor `done` is called. Any thread.
int asyncio__offload_submit(struct asyncio__offload *crew,
                            struct asyncio__offload_job *job);

// Takes a job back that no thread has begun. True: neither `work` nor `done`
// will be called. Any thread, while the caller knows that the job's memory is
// still there.
bool asyncio__offload_retract(struct asyncio__offload *crew,
                              struct asyncio__offload_job *job);

// Takes back the job that would be the next; NULL if none waits. Any thread.
struct asyncio__offload_job *
asyncio__offload_retract_any(struct asyncio__offload *crew);

// Lets so many threads, at least one, live at a time; those that are too many
// end when they have no job. Any thread.
void asyncio__offload_resize(struct asyncio__offload *crew, int threads_max);

// No more jobs. Queued ones still run. Does not wait.
void asyncio__offload_shutdown(struct asyncio__offload *crew);

// Shuts down, joins every thread, frees the crew. Not on a thread of the crew.
// Accepts NULL.
void asyncio__offload_close(struct asyncio__offload *crew);

// The same, but does not wait for a job that has begun: what is still queued is
// taken back before, and a thread at work ends when its `done` has returned.
// The last one frees the crew.
void asyncio__offload_abandon(struct asyncio__offload *crew);

struct asyncio__offload_counts {
    size_t queued;  // jobs that have not begun
    size_t running; // jobs that have begun, and whose `done` has not
    size_t threads; // alive now
};

// Any thread.
struct asyncio__offload_counts
asyncio__offload_count(struct asyncio__offload *crew);

// Jobs handed over whose `done` has not begun. Any thread.
size_t asyncio__offload_busy(struct asyncio__offload *crew);

// Threads alive now. Any thread.
int asyncio__offload_threads(struct asyncio__offload *crew);
