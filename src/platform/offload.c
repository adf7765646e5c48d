// A crew of threads around one queue of jobs, under one lock.
//
//     submit:  job -> queue,  then the idle thread that slept last is called,
//                             or a new one is started if none is idle
//     thread:  BORN -> (take a job, run it)* -> IDLE -> ... -> ENDED -> joined
//
// An idle thread sleeps on a condition of its own, so that exactly the one that
// is meant wakes up; one of them spins for a moment before it sleeps. Being
// called means leaving the idle list: whoever is not
// on it looks at the queue before it sleeps again, and so no job stays behind.
// For the same reason a thread that is about to report what it has done counts
// as free: calls made one after the other all run on one thread.
// A thread that ends lies on the ended list until somebody joins it: the next
// submit that starts a thread, or close.

#include "platform/offload.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/list.h"
#include "platform/clock.h"
#include "platform/spin.h"
#include "platform/sys.h"

#define DEFAULT_THREADS 32
#define DEFAULT_IDLE_NS ((int64_t)10 * 1000000000)

struct thread {
    struct asyncio_link link; // idle or ended; in no list while it works
    struct asyncio__offload *crew;
    pthread_t id;
    pthread_cond_t called;
    atomic_bool is_called; // the same for one that spins
    unsigned number;       // the one in its name
};

struct asyncio__offload {
    struct asyncio__offload_options options;
    pthread_mutex_t lock; // for all that follows
    pthread_cond_t ended_one;
    struct asyncio_link queue; // jobs, the oldest first
    struct asyncio_link idle;  // threads, the latest first
    struct asyncio_link ended; // threads to be joined
    size_t queued;             // jobs in the queue
    size_t running;            // threads that are at a job's work
    size_t alive;              // threads that have not ended
    unsigned started;          // threads since the beginning
    struct asyncio__spin spin; // of threads that become idle,
    bool spinning;             // of which one does at a time
    bool shut;                 // no more jobs
    bool broken;               // init failed: no job can run any more
    bool abandoned;            // the last thread frees it
};

static int default_threads(void)
{
    int n = asyncio__sys_processors() + 4;
    return n < DEFAULT_THREADS ? n : DEFAULT_THREADS;
}

// Idle threads measure their patience by the monotonic clock.
static int cond_init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int code = pthread_condattr_init(&attr);
    if (code != 0) return -code;

    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    code = pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
    return -code;
}

int asyncio__offload_open(struct asyncio__offload **crew,
                          const struct asyncio__offload_options *options)
{
    struct asyncio__offload *new = asyncio__alloc(sizeof *new);
    int err = -ENOMEM;
    if (!new) return err;

    if (options) new->options = *options;
    if (new->options.threads_max <= 0)
        new->options.threads_max = default_threads();
    if (!new->options.name) new->options.name = "asyncio";
    if (new->options.idle_ns <= 0) new->options.idle_ns = DEFAULT_IDLE_NS;

    err = asyncio__spin_lock_init(&new->lock);
    if (err < 0) goto free_crew;
    err = -pthread_cond_init(&new->ended_one, NULL);
    if (err < 0) goto destroy_lock;

    *crew = new;
    return 0;

destroy_lock:
    pthread_mutex_destroy(&new->lock);
free_crew:
    asyncio__free(new);
    return err;
}

// ---- A thread ---------------------------------------------------------------

// The kernel keeps 15 characters; the number is the part that tells apart.
static void take_name(const struct thread *thread)
{
    char number[12], name[16];
    int digits = snprintf(number, sizeof number, "-%u", thread->number);
    snprintf(name, sizeof name, "%.*s%s", (int)sizeof name - 1 - digits,
             thread->crew->options.name, number);
    pthread_setname_np(pthread_self(), name);
}

// It leaves the idle list. The lock is held.
static void call_thread(struct asyncio_link *link)
{
    struct thread *thread = list_entry(link, struct thread, link);
    list_remove(link);
    pthread_cond_signal(&thread->called);
    atomic_store(&thread->is_called, true);
}

// True if it was called meanwhile. The lock is held, but for the while.
static bool spin_until_called(struct thread *thread)
{
    struct asyncio__offload *crew = thread->crew;
    struct asyncio__spin_watch watch;
    bool called = false;
    if (crew->spinning || !asyncio__spin_begin(&crew->spin, &watch))
        return false;

    crew->spinning = true;
    pthread_mutex_unlock(&crew->lock);
    do
        for (int i = 0; i < ASYNCIO__SPIN_LOOKS && !called; i++) {
            called = atomic_load(&thread->is_called);
            asyncio__spin_pause();
        }
    while (!called && asyncio__spin_goes_on(&watch));
    pthread_mutex_lock(&crew->lock);
    crew->spinning = false;
    asyncio__spin_end(&crew->spin, &watch, called);
    return !list_linked(&thread->link);
}

// Sleeps until called, or until patience has run out. Returns false if there is
// no reason to stay. The lock is held, but while asleep.
static bool sleep_until_called(struct thread *thread)
{
    struct asyncio__offload *crew = thread->crew;
    int code = 0;

    atomic_store(&thread->is_called, false);
    list_add_head(&crew->idle, &thread->link);
    if (spin_until_called(thread)) return true;

    int64_t end = asyncio__clock_real_ns() + crew->options.idle_ns;
    struct timespec until = {.tv_sec = end / 1000000000,
                             .tv_nsec = end % 1000000000};
    while (list_linked(&thread->link) && code == 0)
        code = pthread_cond_timedwait(&thread->called, &crew->lock, &until);

    if (!list_linked(&thread->link)) return true;
    list_remove(&thread->link);
    return false;
}

// The lock is held.
static struct asyncio__offload_job *pop_job(struct asyncio__offload *crew)
{
    struct asyncio_link *link = list_pop(&crew->queue);
    if (!link) return NULL;

    crew->queued--;
    return list_entry(link, struct asyncio__offload_job, link);
}

// Takes the oldest job, waiting for one; NULL ends the thread. The lock is
// held.
static struct asyncio__offload_job *next_job(struct thread *thread)
{
    struct asyncio__offload *crew = thread->crew;

    for (;;) {
        struct asyncio__offload_job *job = pop_job(crew);
        if (job) return job;

        if (crew->shut || crew->broken) return NULL;
        if (crew->alive > (size_t)crew->options.threads_max) return NULL;
        if (!sleep_until_called(thread)) return NULL;
    }
}

// Called and left with the lock held.
static void run_job(struct asyncio__offload *crew,
                    struct asyncio__offload_job *job)
{
    // Broken by another thread: what was queued must not run any more.
    job->error = crew->broken ? -EOWNERDEAD : 0;
    if (!crew->broken) {
        crew->running++;
        pthread_mutex_unlock(&crew->lock);
        job->work(job);
        pthread_mutex_lock(&crew->lock);
        crew->running--;
    }
    pthread_mutex_unlock(&crew->lock);
    // May let go of the job's memory.
    job->done(job);
    pthread_mutex_lock(&crew->lock);
}

static void call_everybody(struct asyncio__offload *crew)
{
    while (!list_empty(&crew->idle))
        call_thread(list_first(&crew->idle));
}

// Joins what has ended. Not with the lock held: the last thing that a thread
// does is to let go of it.
static void join_ended(struct asyncio_link *ended)
{
    struct asyncio_link *link;
    while ((link = list_pop(ended))) {
        struct thread *thread = list_entry(link, struct thread, link);
        asyncio__sys_thread_join(thread->id);
        pthread_cond_destroy(&thread->called);
        asyncio__free(thread);
    }
}

static void free_crew(struct asyncio__offload *crew)
{
    pthread_cond_destroy(&crew->ended_one);
    pthread_mutex_destroy(&crew->lock);
    asyncio__free(crew);
}

// The last thread of a crew that nobody waits for any more. It is there until
// nothing of the crew is.
static void end_abandoned(struct thread *self)
{
    struct asyncio__offload *crew = self->crew;
    pthread_t id = self->id;
    list_remove(&self->link);
    join_ended(&crew->ended);
    pthread_cond_destroy(&self->called);
    asyncio__free(self);
    free_crew(crew);
    asyncio__sys_thread_detach(id);
}

static void *run_thread(void *arg)
{
    struct thread *thread = arg;
    struct asyncio__offload *crew = thread->crew;
    struct asyncio__offload_job *job;

    take_name(thread);
    int err = 0;
    if (crew->options.init) err = crew->options.init(crew->options.init_arg);

    pthread_mutex_lock(&crew->lock);
    if (err < 0) {
        // What this thread lacks, every other new one would lack too.
        crew->broken = true;
        call_everybody(crew);
    }
    while ((job = next_job(thread)))
        run_job(crew, job);
    crew->alive--;
    list_add_tail(&crew->ended, &thread->link);
    pthread_cond_signal(&crew->ended_one);
    bool last = crew->abandoned && crew->alive == 0;
    pthread_mutex_unlock(&crew->lock);
    if (last) end_abandoned(thread);
    return NULL;
}

// ---- The crew ---------------------------------------------------------------

// The lock is held: the new thread waits for it before it looks for a job.
static int start_thread(struct asyncio__offload *crew)
{
    struct thread *thread = asyncio__alloc(sizeof *thread);
    if (!thread) return -ENOMEM;

    thread->crew = crew;
    thread->number = crew->started;
    int err = cond_init_monotonic(&thread->called);
    if (err < 0) goto free_thread;
    err = asyncio__sys_thread_start(&thread->id, crew->options.stack_size,
                                    run_thread, thread);
    if (err < 0) goto destroy_cond;

    crew->started++;
    crew->alive++;
    return 0;

destroy_cond:
    pthread_cond_destroy(&thread->called);
free_thread:
    asyncio__free(thread);
    return err;
}

// Sees to it that some thread will take the job that is to be queued. The lock
// is held.
static int find_thread(struct asyncio__offload *crew)
{
    if (!list_empty(&crew->idle)) {
        call_thread(list_first(&crew->idle));
        return 0;
    }
    if (crew->queued < crew->alive - crew->running) return 0;
    if (crew->alive >= (size_t)crew->options.threads_max) return 0;

    // Where no thread can be added, those that are there do it later.
    int err = start_thread(crew);
    return crew->alive > 0 ? 0 : err;
}

// Behind all that matter as much or more.
static void enqueue(struct asyncio__offload *crew,
                    struct asyncio__offload_job *job)
{
    struct asyncio_link *before = &crew->queue;
    struct asyncio_link *last = list_last(&crew->queue);
    while (last && last != &crew->queue &&
           list_entry(last, struct asyncio__offload_job, link)->priority <
               job->priority) {
        before = last;
        last = last->prev;
    }
    if (before == &crew->queue)
        list_add_tail(&crew->queue, &job->link);
    else
        list_insert_before(before, &job->link);
    crew->queued++;
}

static int submit_locked(struct asyncio__offload *crew,
                         struct asyncio__offload_job *job)
{
    if (crew->broken) return -EOWNERDEAD;
    if (crew->shut) return -ESHUTDOWN;

    int err = find_thread(crew);
    if (err < 0) return err;

    enqueue(crew, job);
    return 0;
}

int asyncio__offload_submit(struct asyncio__offload *crew,
                            struct asyncio__offload_job *job)
{
    struct asyncio_link ended = {0};
    assert(!list_linked(&job->link));

    pthread_mutex_lock(&crew->lock);
    int err = submit_locked(crew, job);
    list_splice(&ended, &crew->ended);
    pthread_mutex_unlock(&crew->lock);

    join_ended(&ended);
    return err;
}

bool asyncio__offload_retract(struct asyncio__offload *crew,
                              struct asyncio__offload_job *job)
{
    pthread_mutex_lock(&crew->lock);
    bool queued = list_linked(&job->link);
    if (queued) {
        list_remove(&job->link);
        crew->queued--;
    }
    pthread_mutex_unlock(&crew->lock);
    return queued;
}

struct asyncio__offload_job *
asyncio__offload_retract_any(struct asyncio__offload *crew)
{
    pthread_mutex_lock(&crew->lock);
    struct asyncio__offload_job *job = pop_job(crew);
    pthread_mutex_unlock(&crew->lock);
    return job;
}

// For each job that waits there is a thread, as far as that is possible.
void asyncio__offload_resize(struct asyncio__offload *crew, int threads_max)
{
    pthread_mutex_lock(&crew->lock);
    crew->options.threads_max = threads_max;
    call_everybody(crew);
    size_t most = crew->broken ? 0 : (size_t)threads_max;
    size_t wanted = crew->running + crew->queued;
    while (crew->alive < wanted && crew->alive < most)
        if (start_thread(crew) < 0) break;
    pthread_mutex_unlock(&crew->lock);
}

void asyncio__offload_shutdown(struct asyncio__offload *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->shut = true;
    call_everybody(crew);
    pthread_mutex_unlock(&crew->lock);
}

void asyncio__offload_close(struct asyncio__offload *crew)
{
    if (!crew) return;

    asyncio__offload_shutdown(crew);
    pthread_mutex_lock(&crew->lock);
    while (crew->alive > 0)
        pthread_cond_wait(&crew->ended_one, &crew->lock);
    pthread_mutex_unlock(&crew->lock);

    join_ended(&crew->ended);
    free_crew(crew);
}

// Those that only have to end are waited for: it is a matter of a moment, and
// they are joined.
void asyncio__offload_abandon(struct asyncio__offload *crew)
{
    if (!crew) return;

    asyncio__offload_shutdown(crew);
    pthread_mutex_lock(&crew->lock);
    while (crew->alive > crew->running)
        pthread_cond_wait(&crew->ended_one, &crew->lock);
    crew->abandoned = crew->alive > 0;
    bool gone = !crew->abandoned;
    pthread_mutex_unlock(&crew->lock);
    if (!gone) return;

    join_ended(&crew->ended);
    free_crew(crew);
}

struct asyncio__offload_counts
asyncio__offload_count(struct asyncio__offload *crew)
{
    pthread_mutex_lock(&crew->lock);
    struct asyncio__offload_counts counts = {crew->queued, crew->running,
                                             crew->alive};
    pthread_mutex_unlock(&crew->lock);
    return counts;
}

size_t asyncio__offload_busy(struct asyncio__offload *crew)
{
    pthread_mutex_lock(&crew->lock);
    size_t busy = crew->queued + crew->running;
    pthread_mutex_unlock(&crew->lock);
    return busy;
}

int asyncio__offload_threads(struct asyncio__offload *crew)
{
    pthread_mutex_lock(&crew->lock);
    int alive = (int)crew->alive;
    pthread_mutex_unlock(&crew->lock);
    return alive;
}
