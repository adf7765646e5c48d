// Executors: threads for calls that block, processes for calls that may crash.
//
// C threads run in parallel already; processes are for what threads cannot
// give: a crash is one failed call, a limit really kills, memory is their own.
//
//     err = asyncio_to_thread(read_config, &config);
//     err = asyncio_run_in_executor(pool, decode, &job, .size = sizeof job);
//
// A thread has your pointers, so a call returns when `fn` has ended, cancelled
// or not, unless you say .abandon. A process has a copy of the struct, which is
// copied back: pointers in it mean nothing there. It is a copy of the program
// as it was when the launcher was forked, without its threads, its descriptors
// (but for standard output and error) and its signal handlers; what it prints
// is shown when the job ends. Cancelling a call there kills the process.
#pragma once

#include <asyncio/shared.h>
#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio_executor; // threads, or processes

struct asyncio_job_options {
    ASYNCIO__OPTIONS_HEAD
    size_t size ASYNCIO__UNSET;  // bytes of *arg that go to a process and back
    size_t copy ASYNCIO__UNSET;  // bytes of *arg that a thread gets as its own
    bool abandon ASYNCIO__UNSET; // when cancelled, leave `fn` running
    int priority ASYNCIO__UNSET; // of those that wait, the highest goes first
    double timeout ASYNCIO__UNSET; // of this job, in place of its pool's: from
                                   // its beginning, not while it is queued
    // What `fn` will see in a process without a copy (asyncio/shared.h).
    const struct asyncio_shared *shared ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

// Runs fn(arg) in a thread of the loop's default pool and waits for it. There
// it has a copy of the caller's variables (asyncio/context.h), as whatever runs
// in a thread has: what it sets is gone with the call.
//
// returns   what fn returned; -ECANCELED if cancelled before fn began, or after
//           it ended; -EPERM outside a task; -ESHUTDOWN; -ENOMEM, -EAGAIN
// cancel    waits for `fn` to end; with .abandon returns at once, and `arg` has
//           to outlive the call or be a .copy. A cancelled scope waits, too,
//           and what fn returned counts
// like      asyncio.to_thread;   unlike it in waiting, without .abandon
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_to_thread)(
    int (*fn)(void *arg), void *arg, const struct asyncio_job_options *options);
#define asyncio_to_thread(...) ASYNCIO__TO_THREAD(__VA_ARGS__, )
#define ASYNCIO__TO_THREAD(fn, arg, ...)                                       \
    (asyncio_to_thread)(fn, arg,                                               \
                        ASYNCIO__OPTIONS(asyncio_job_options, __VA_ARGS__))

// The same in an executor of your choice; NULL is the default one. In a process
// pool, `fn` is a registered job (ASYNCIO_JOB) or a function of an object that
// was loaded when the launcher was forked. A job that has begun is never run
// again: if its worker dies, it has failed. One that has not begun goes to the
// next worker.
//
// returns   too: -EOWNERDEAD if the worker died: the words name the job, the
//           signal with its address and the functions that it was in, or the
//           exit status; the same if the pool is broken; -ETIMEDOUT if a limit
//           for the job was up; -EINVAL for a function that a process cannot
//           find, an `arg` without .size, .shared that was freed, or a limit
//           that is none; -E2BIG for an `arg` of more than 1 MiB: what is
//           larger goes into shared memory; -EXDEV if another loop uses this
//           pool of processes; -ENOTSUP for a .timeout in a thread, which
//           nothing can stop; -ESHUTDOWN after shutdown; -ECANCELED if that
//           took it back
// suspends  also while the pool's queue is full (.max_queued): cancelled there,
//           or shut down, nothing was handed in
// cancel    a process is killed, and has ended when the call returns; with
//           .abandon it goes on
// like      loop.run_in_executor;   unlike it, a worker that dies or answers
//           nonsense harms its own jobs only: the pool goes on
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_run_in_executor)(
    struct asyncio_executor *executor, int (*fn)(void *arg), void *arg,
    const struct asyncio_job_options *options);
#define asyncio_run_in_executor(...) ASYNCIO__RUN_IN_EXECUTOR(__VA_ARGS__, )
#define ASYNCIO__RUN_IN_EXECUTOR(executor, fn, arg, ...)                       \
    (asyncio_run_in_executor)(                                                 \
        executor, fn, arg, ASYNCIO__OPTIONS(asyncio_job_options, __VA_ARGS__))

struct asyncio_map_options {
    ASYNCIO__OPTIONS_HEAD
    int *results ASYNCIO__UNSET;           // one per item, in the order given
    bool return_exceptions ASYNCIO__UNSET; // codes are results like any other
    // What all of them will see in a process without a copy.
    const struct asyncio_shared *shared ASYNCIO__UNSET;
    void *reserved_[3] ASYNCIO__UNSET;
};

// Runs `fn` on each of `count` items of `size` bytes, side by side, and waits
// for all; no more are on their way at a time than two for each thread there
// may be, or 64 for each process. Unless failures are results, the first one
// cancels what has not begun, and the results of those are left as they were.
//
// returns   0, or the code of the first that failed; -EINVAL for no function or
//           items without a size; otherwise as asyncio_run_in_executor
// cancel    takes back what has not begun, and waits for what runs
// like      Executor.map
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_executor_map)(
    struct asyncio_executor *executor, int (*fn)(void *item), void *items,
    size_t size, size_t count, const struct asyncio_map_options *options);
#define asyncio_executor_map(...) ASYNCIO__EXECUTOR_MAP(__VA_ARGS__, )
#define ASYNCIO__EXECUTOR_MAP(executor, fn, items, size, count, ...)           \
    (asyncio_executor_map)(executor, fn, items, size, count,                   \
                           ASYNCIO__OPTIONS(asyncio_map_options, __VA_ARGS__))

// What a job in a worker process may do.
//
// ASYNCIO_SANDBOX_STRICT is for hostile input: a job computes on its struct,
// and may allocate memory, read the time, sleep and end. The kernel refuses all
// else with -EPERM (seccomp, Landlock and limits): files, sockets, threads and
// processes, signals to others, pages that can be executed. It has no
// descriptors: what it prints is lost. It can still read the copy of the
// program's memory, as that was when the launcher was forked, and write to what
// was shared then; use the processor, until .timeout; and take memory.
enum asyncio_sandbox {
    ASYNCIO_SANDBOX_NONE = 0,
    ASYNCIO_SANDBOX_STRICT,
};

struct asyncio_pool_options {
    ASYNCIO__OPTIONS_HEAD
    int max_workers ASYNCIO__UNSET;  // else min(32, processors + 4) threads, or
                                     // as many processes as processors
    int sandbox ASYNCIO__UNSET;      // enum asyncio_sandbox, of processes
    const char *name ASYNCIO__UNSET; // of the threads
    double timeout ASYNCIO__UNSET;   // of one job, from its beginning: then its
                                     // process is killed. Real seconds, also
                                     // where a test has the loop's clock
    // Called in each worker before its first job. If it returns a negative
    // code, or a process dies of it, the pool is broken for good: jobs that
    // have not begun and all that come later end with -EOWNERDEAD.
    int (*initializer)(void *arg) ASYNCIO__UNSET;
    void *initarg ASYNCIO__UNSET; // has to live as long as the pool; a process
                                  // sees it as it was when the launcher forked
    uint32_t max_queued ASYNCIO__UNSET; // jobs that have not begun; who hands
                                        // in more waits for a place
    // The rest is for processes alone.
    uint32_t max_jobs ASYNCIO__UNSET;     // of a worker, which is then replaced
    uint64_t memory_limit ASYNCIO__UNSET; // bytes that a worker may ask for,
                                          // beyond what it begins with: then
                                          // malloc returns NULL there
    double cpu_limit ASYNCIO__UNSET; // seconds of a processor for one job, all
                                     // its threads together: then it is killed
};

// For a function that runs in an executor: has the call that waits for it been
// cancelled?
//
// returns   0; -ECANCELED if so; -EPERM if this thread runs no job
// suspends  never
// like      anyio's from_thread.check_cancelled
ASYNCIO_API int asyncio_check_cancelled(void);

// Makes a pool of threads, started as they are needed, and ended when they have
// had nothing to do for ten seconds.
//
// returns   0; -EINVAL for a negative number of threads; -ENOTSUP for a limit
//           or a sandbox, which are for processes; -EFAULT if `.initarg` lies
//           in the frames of the compact task that calls; or another errno
// owns      asyncio_executor_shutdown
ASYNCIO_API int(asyncio_thread_pool_create)(
    struct asyncio_executor **pool, const struct asyncio_pool_options *options);
#define asyncio_thread_pool_create(...) ASYNCIO__THREAD_POOL(__VA_ARGS__, )
#define ASYNCIO__THREAD_POOL(pool, ...)                                        \
    (asyncio_thread_pool_create)(                                              \
        pool, ASYNCIO__OPTIONS(asyncio_pool_options, __VA_ARGS__))

// Makes a pool of worker processes. They are forked by a launcher, which has to
// be forked itself before there are threads: asyncio_run with .processes does
// that, or asyncio_process_init at the start of main. A program that has
// started no thread yet may do without: the launcher is forked here. A pool
// belongs to the loop whose task uses it first, until that closes.
//
// returns   0; -EBUSY if it is too late, with words that say what to do;
//           -EINVAL for a limit that is none, or an initializer that a process
//           cannot find; -ENOTSUP, with words, if the sandbox cannot be had
//           here: a process has tried; or another negative errno
ASYNCIO_API int(asyncio_process_pool_create)(
    struct asyncio_executor **pool, const struct asyncio_pool_options *options);
#define asyncio_process_pool_create(...) ASYNCIO__PROCESS_POOL(__VA_ARGS__, )
#define ASYNCIO__PROCESS_POOL(pool, ...)                                       \
    (asyncio_process_pool_create)(                                             \
        pool, ASYNCIO__OPTIONS(asyncio_pool_options, __VA_ARGS__))

struct asyncio_shutdown_options {
    ASYNCIO__OPTIONS_HEAD
    bool cancel_pending ASYNCIO__UNSET; // jobs that have not begun never will
    bool nowait ASYNCIO__UNSET;         // jobs go on behind the call
    void *reserved_[4] ASYNCIO__UNSET;
};

// Takes no more jobs, waits for those it has, frees the pool. Accepts NULL and
// a second call. Not from a job of the same pool. Calls that wait for a place
// in a full queue end with -ESHUTDOWN; those whose jobs .cancel_pending takes
// back, with -ECANCELED.
//
// With .nowait it returns while jobs run or wait for their turn: they come to
// their ends, and whoever called for them gets the outcome. The last of them
// frees the pool on the caller's loop; if that closes first, it waits for
// threads, and kills processes, as it does for any pool.
//
// suspends  in a task, while jobs run; elsewhere it blocks. Never with .nowait,
//           but where no loop runs: there that changes nothing
// cancel    waits all the same; the request is for the task's next wait
// thread    for processes: that of the loop that uses them
// like      Executor.shutdown, cancel_futures
ASYNCIO_API void(asyncio_executor_shutdown)(
    struct asyncio_executor *executor,
    const struct asyncio_shutdown_options *options);
#define asyncio_executor_shutdown(...) ASYNCIO__SHUTDOWN(__VA_ARGS__, )
#define ASYNCIO__SHUTDOWN(executor, ...)                                       \
    (asyncio_executor_shutdown)(                                               \
        executor, ASYNCIO__OPTIONS(asyncio_shutdown_options, __VA_ARGS__))

// Ends a pool of processes without waiting for its jobs: no more are taken
// (-ESHUTDOWN), those that have not begun end with -ECANCELED, and every worker
// gets SIGTERM, which a job may handle. What runs ends with -EOWNERDEAD when
// its worker has died of that. The pool still wants asyncio_executor_shutdown.
//
// returns   0, also for a pool that is broken, was shut down or has started no
//           worker: then there is none to be ended; -ENOTSUP for threads
// suspends  never
// thread    that of the loop that uses the pool
// like      ProcessPoolExecutor.terminate_workers
ASYNCIO_API int asyncio_executor_terminate(struct asyncio_executor *executor);

// The same with SIGKILL, which no job can handle.
//
// like      ProcessPoolExecutor.kill_workers
ASYNCIO_API int asyncio_executor_kill(struct asyncio_executor *executor);

// Gives a pool another number of workers at most. Those that are too many end
// when they have nothing to do; jobs that run are left alone.
//
// returns   0; -EINVAL for less than 1; -ESHUTDOWN; -ENOMEM
// suspends  never
// thread    for processes: that of the loop that uses them
ASYNCIO_API int asyncio_executor_resize(struct asyncio_executor *executor,
                                        int max_workers);

// What a pool does now, and has done.
struct asyncio_pool_statistics {
    size_t workers ASYNCIO__UNSET; // threads or processes that live
    size_t idle ASYNCIO__UNSET;    // those of them without a job
    size_t queued ASYNCIO__UNSET;  // jobs that have not begun
    size_t waiting ASYNCIO__UNSET; // calls that wait for a place in the queue
    size_t running ASYNCIO__UNSET; // jobs that have begun and not ended
    uint64_t finished ASYNCIO__UNSET; // jobs that returned 0 or more
    uint64_t failed ASYNCIO__UNSET;   // that returned a negative code
    uint64_t crashed ASYNCIO__UNSET;  // that ended with their worker process:
                                      // by a crash, a limit, a cancel
    uint64_t replaced ASYNCIO__UNSET; // processes started in place of others
    void *reserved_[4] ASYNCIO__UNSET;
};

// Fills in `statistics`.
//
// returns   0; -ESHUTDOWN after shutdown; -EPERM for the default executor
//           outside a loop; -ENOMEM
// suspends  never
// thread    for processes: that of the loop that uses them; else any
ASYNCIO_API int
asyncio_executor_statistics(struct asyncio_executor *executor,
                            struct asyncio_pool_statistics *statistics);

// The loop's default pool of threads, made when first asked for. The loop shuts
// it down when it closes, and waits for the jobs in it. Never NULL: outside a
// loop, or without memory, calls that take it say so (-EPERM, -ENOMEM).
ASYNCIO_API struct asyncio_executor *asyncio_default_executor(void);
#define ASYNCIO_THREADS asyncio_default_executor()

// Forks the launcher that process pools need, before any thread or loop exists.
// Returns 0, also if it runs; a negative errno; -EBUSY if it is too late.
ASYNCIO_API int asyncio_process_init(void);

// Registers a job by name, once for every kind of executor, at file scope:
//
//     static int decode(void *arg) { ... }
//     ASYNCIO_JOB(decode)
struct asyncio_job {
    int (*fn)(void *arg) ASYNCIO__UNSET;
    const char *name ASYNCIO__UNSET;
    struct asyncio_job *next_ ASYNCIO__UNSET;
    void *reserved_ ASYNCIO__UNSET;
};
ASYNCIO_API void asyncio_job_register(struct asyncio_job *job);
ASYNCIO_API void asyncio_job_unregister(struct asyncio_job *job);
#define ASYNCIO_JOB(function)                                                  \
    static struct asyncio_job asyncio__job_##function;                         \
    __attribute__((constructor)) static void asyncio__register_##function(     \
        void)                                                                  \
    {                                                                          \
        asyncio__job_##function.fn = function;                                 \
        asyncio__job_##function.name = #function;                              \
        asyncio_job_register(&asyncio__job_##function);                        \
    }                                                                          \
    __attribute__((destructor)) static void asyncio__unregister_##function(    \
        void)                                                                  \
    {                                                                          \
        asyncio_job_unregister(&asyncio__job_##function);                      \
    }

ASYNCIO__END
