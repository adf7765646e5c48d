// Workers: one runner for each thread, and a crew that hears who fails first.
//
// A worker that runs is known to the crew by its loop, under the crew's lock,
// and may be posted to until it has taken its loop back. So a cancel either
// finds the loop open, or finds the worker gone. The step that it posts lies in
// the crew, which outlives all of them.
//
//     WAITING --main begins--> RUNNING --main has ended--> OVER
//        '---------- somebody has failed before -----------^

#include <asyncio/workers.h>

#include <pthread.h>

#include <asyncio/runner.h>

#include "platform/sys.h"
#include "task/failure.h"
#include "task/task.h"

struct crew;

struct worker {
    struct crew *crew;
    int number;
    pthread_t thread; // but for worker 0
    struct asyncio__post cancel;
    struct asyncio_task *task; // its main task; its own thread only
    struct asyncio_loop *loop; // under the lock; NULL unless RUNNING
};

struct crew {
    int (*fn)(void *arg);
    void *arg;
    const struct asyncio_workers_options *options;
    int count;
    pthread_mutex_t lock;           // for what follows
    int failure;                    // the first code, or 0
    struct asyncio__failure *words; // a copy of its own, or NULL
    struct worker workers[];
};

static _Thread_local struct worker *self;

int asyncio_worker_number(void)
{
    return self ? self->number : -1;
}

int asyncio_worker_count(void)
{
    return self ? self->crew->count : 0;
}

// --- a failure --------------------------------------------------------------

static void cancel_main(struct asyncio__step *step)
{
    struct worker *worker = list_entry(step, struct worker, cancel.step);
    if (worker->task)
        (asyncio_task_cancel)(
            worker->task,
            &(struct asyncio_cancel_options){.site = worker->task->future.site_,
                                             .reason = "another worker has "
                                                       "failed"});
}

// Words are counted without locks: each thread has to have its own.
static void keep_words(struct crew *crew)
{
    struct asyncio__failure *words = asyncio__failure_of(crew->failure);
    if (words)
        crew->words =
            asyncio__failure_make(words->error.code, words->error.text,
                                  words->error.site, words->error.task);
}

// The first failure ends the others, once. The lock is held.
static void fail(struct crew *crew, int code)
{
    if (crew->failure < 0) return;
    crew->failure = code;
    keep_words(crew);
    for (int i = 0; i < crew->count; i++) {
        struct worker *worker = &crew->workers[i];
        if (worker->loop) asyncio__loop_post(worker->loop, &worker->cancel);
    }
}

static void fail_locked(struct crew *crew, int code)
{
    pthread_mutex_lock(&crew->lock);
    fail(crew, code);
    pthread_mutex_unlock(&crew->lock);
}

// --- one worker -------------------------------------------------------------

// The main task. From here on it can be cancelled.
static int worker_main(void *arg)
{
    struct worker *worker = arg;
    struct crew *crew = worker->crew;
    pthread_mutex_lock(&crew->lock);
    bool begins = crew->failure == 0;
    if (begins) worker->loop = asyncio_get_running_loop();
    pthread_mutex_unlock(&crew->lock);
    if (!begins) return -ECANCELED;
    worker->task = asyncio_current_task();
    return crew->fn(crew->arg);
}

// Its loop still takes posts, so that the others end while it winds up.
static void end_worker(struct worker *worker, int result)
{
    struct crew *crew = worker->crew;
    worker->task = NULL;
    pthread_mutex_lock(&crew->lock);
    worker->loop = NULL;
    if (result < 0) fail(crew, result);
    pthread_mutex_unlock(&crew->lock);
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg, *outer = self;
    const struct asyncio_workers_options *options = worker->crew->options;
    self = worker;
    struct asyncio_runner runner;
    asyncio_runner_init(&runner, .debug = options->debug,
                        .eager = options->eager, .backend = options->backend);
    int result = (asyncio_runner_run)(&runner, worker_main, worker,
                                      &(struct asyncio_task_options){
                                          .site = options->site});
    end_worker(worker, result);
    asyncio_runner_close(&runner);
    asyncio__failures_drop_thread();
    self = outer;
    return NULL;
}

// --- the crew ---------------------------------------------------------------

// Starts all but the first, and returns how many there are then. Where one
// cannot be started, none of them is to run.
static int start_workers(struct crew *crew)
{
    for (int i = 1; i < crew->count; i++) {
        struct worker *worker = &crew->workers[i];
        int err =
            asyncio__sys_thread_start(&worker->thread, 0, run_worker, worker);
        if (err == 0) continue;
        fail_locked(crew, err);
        return i;
    }
    return crew->count;
}

static struct crew *make_crew(int (*fn)(void *arg), void *arg,
                              const struct asyncio_workers_options *options,
                              int count)
{
    struct crew *crew =
        asyncio__alloc(sizeof *crew + (size_t)count * sizeof crew->workers[0]);
    if (!crew) return NULL;
    if (pthread_mutex_init(&crew->lock, NULL) != 0) {
        asyncio__free(crew);
        return NULL;
    }
    crew->fn = fn;
    crew->arg = arg;
    crew->options = options;
    crew->count = count;
    for (int i = 0; i < count; i++) {
        struct worker *worker = &crew->workers[i];
        worker->crew = crew;
        worker->number = i;
        worker->cancel.step.run = cancel_main;
    }
    return crew;
}

static int end_crew(struct crew *crew)
{
    int failure = crew->failure;
    asyncio__failure_see(crew->words);
    asyncio__failure_unref(crew->words);
    pthread_mutex_destroy(&crew->lock);
    asyncio__free(crew);
    return failure;
}

int(asyncio_run_workers)(int (*fn)(void *arg), void *arg,
                         const struct asyncio_workers_options *options)
{
    static const struct asyncio_workers_options none = {.site = ""};
    if (!options) options = &none;
    if (asyncio__running_loop) return -EBUSY;
    if (!fn || options->workers < 0) return -EINVAL;
    int count = options->workers ? options->workers : asyncio__sys_processors();
    struct crew *crew = make_crew(fn, arg, options, count);
    if (!crew) return -ENOMEM;

    int started = start_workers(crew);
    run_worker(&crew->workers[0]);
    for (int i = 1; i < started; i++)
        asyncio__sys_thread_join(crew->workers[i].thread);
    return end_crew(crew);
}
