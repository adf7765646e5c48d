// What is said of a job whose worker process has ended: how the foreman saw it
// end, and what it wrote into its log about the place.

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "exec/process_pool.h"
#include "exec/worker_log.h"
#include "platform/sys.h"

#define ENTRIES_MAX 4 // that are read: no more are written in good faith

struct asyncio__failure *asyncio__job_words(const struct asyncio__job *job,
                                            int code, const char *format, ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return asyncio__failure_make(code, text, job->site, "");
}

// --- how it ended -----------------------------------------------------------

static void describe_end(int status, char *text, size_t size)
{
    int number = WTERMSIG(status);
    const char *name = sigabbrev_np(number);

    if (!WIFSIGNALED(status))
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
    else
        snprintf(text, size, "signal %d (%s%s)", number, name ? "SIG" : "",
                 name ? name : "real-time");
}

// The last that it said of this signal: a walk that came to its end follows one
// that was only begun.
static void find_fault(const struct asyncio__worker *worker, int status,
                       struct asyncio__log_entry *fault)
{
    struct asyncio__log_entry entry;
    *fault = (struct asyncio__log_entry){0};

    for (int i = 0; i < ENTRIES_MAX; i++) {
        asyncio__log_read(worker->log, &entry);
        if (entry.kind == ASYNCIO__LOG_NOTHING) return;
        if (entry.kind == ASYNCIO__LOG_FAULT && WIFSIGNALED(status) &&
            entry.code == WTERMSIG(status))
            *fault = entry;
    }
}

static void describe_limit(const struct asyncio__worker *worker,
                           const struct asyncio__log_entry *fault, char *text,
                           size_t size)
{
    unsigned long long limit = worker->pool->memory_limit;
    text[0] = '\0';
    if (fault->memory_is_up && limit > 0)
        snprintf(text, size, "; it had used up its %llu bytes of memory",
                 limit);
}

// --- its job ----------------------------------------------------------------

static struct asyncio__failure *words_of_crash(struct asyncio__worker *worker,
                                               const struct asyncio__job *job,
                                               pid_t pid, int status)
{
    struct asyncio__log_entry fault;
    char name[128], end[64], where[400], limit[80];

    find_fault(worker, status, &fault);
    asyncio__job_name(job->fn, name, sizeof name);
    describe_end(status, end, sizeof end);
    asyncio__log_describe(&fault, &worker->pool->symbols, job->fn, where,
                          sizeof where);
    describe_limit(worker, &fault, limit, sizeof limit);
    return asyncio__job_words(job, -EOWNERDEAD,
                              "%s died with its worker process %d: %s%s%s",
                              name, (int)pid, end, where, limit);
}

static struct asyncio__failure *
words_of_limit(const struct asyncio__worker *worker,
               const struct asyncio__job *job, pid_t pid)
{
    const struct asyncio__process_pool *pool = worker->pool;
    char name[128];

    asyncio__job_name(job->fn, name, sizeof name);
    if (worker->overspent)
        return asyncio__job_words(job, -ETIMEDOUT,
                                  "%s used more than %g s of a processor: its "
                                  "worker process %d was killed",
                                  name, pool->processor_limit, (int)pid);
    return asyncio__job_words(
        job, -ETIMEDOUT,
        "%s took longer than %g s: its worker process %d "
        "was killed",
        name, job->timeout > 0 ? job->timeout : pool->timeout, (int)pid);
}

static void describe_initializer(struct asyncio__worker *worker, int status,
                                 char *broken, size_t size)
{
    struct asyncio__log_entry fault;
    char end[64], where[160];
    find_fault(worker, status, &fault);
    describe_end(status, end, sizeof end);
    asyncio__log_describe(&fault, &worker->pool->symbols,
                          worker->pool->initializer, where, sizeof where);
    snprintf(broken, size, "the pool's initializer ended its process: %s%s",
             end, where);
}

// Why it never came to be, as far as that is its own fault: one that was killed
// from outside says nothing about the next.
static void describe_start(struct asyncio__worker *worker, int status,
                           char *broken, size_t size)
{
    const struct asyncio__log_entry *first = &worker->first;
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    broken[0] = '\0';
    asyncio__worker_read_first(worker);
    if (first->kind == ASYNCIO__LOG_FAILED)
        snprintf(broken, size, "a worker cannot be set up: %s", first->text);
    else if (first->kind != ASYNCIO__LOG_READY && worker->cause == 0 &&
             worker->pool->initializer && !worker->pool->closed && !killed)
        describe_initializer(worker, status, broken, size);
}

int asyncio__worker_judge(struct asyncio__worker *worker,
                          struct asyncio__job *job, pid_t pid, int status,
                          char *broken, size_t size)
{
    describe_start(worker, status, broken, size);
    if (!job) return 0;

    if (worker->cause == -ECANCELED && atomic_load(&job->cancelled))
        return -ECANCELED;
    if (worker->cause == -ETIMEDOUT) {
        job->failure = words_of_limit(worker, job, pid);
        return -ETIMEDOUT;
    }
    job->failure = broken[0]
                       ? asyncio__job_words(job, -EOWNERDEAD, "%s", broken)
                       : words_of_crash(worker, job, pid, status);
    return -EOWNERDEAD;
}
