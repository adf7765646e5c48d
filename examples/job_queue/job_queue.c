// A job queue with back-pressure: clients send jobs, worker processes do them,
// and whoever sends faster than they work has to wait.
//
//     job_queue PORT [WORKERS [PLACES [SECONDS]]]
//
// A client sends lines, `primes 1000`, and gets a line for each, in the order
// in which they are done: `primes 1000 = 168`. It may send the next before it
// has the answer to the last, and may end its sending at once.
//
// Nothing here grows. The queue has PLACES; while it is full nobody reads from
// clients, TCP tells them to wait, and each has its turn when there is room. A
// job that finds none within SECONDS is refused, `primes 1000: busy`, so that a
// client can tell a queue that is long from one that stands. The same SECONDS
// are what a job may take (its process is killed), and what a client has to
// take an answer: one that does not read keeps nobody else waiting for long.
//
// On SIGINT or SIGTERM no more jobs are taken; those that are there are done.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asyncio.h>

#define JOB_LEN_MAX 64

static struct asyncio_queue queue;
static struct asyncio_executor *pool;
static double seconds = 10;
static struct {
    int done, failed, refused;
} count;

struct client {
    struct asyncio_stream *stream;
    struct asyncio_event idle;
    int open_jobs; // that point here
};

struct job {
    struct client *client;
    char text[JOB_LEN_MAX];
};

// ---- Work, in a process -----------------------------------------------------

struct primes {
    int upto, found;
};

static int count_primes(void *arg)
{
    struct primes *primes = arg;
    for (int n = 2; n <= primes->upto; n++) {
        int factor = 2;
        while (factor <= n / factor && n % factor != 0)
            factor++;
        primes->found += factor > n / factor;
    }
    return 0;
}
ASYNCIO_JOB(count_primes)

// Returns how many, or a negative errno.
static int do_job(const char *text)
{
    struct primes primes = {0, 0};
    char more;
    if (sscanf(text, "primes %9d%c", &primes.upto, &more) != 1)
        return asyncio_raise(-EINVAL, "not understood");
    int err = asyncio_run_in_executor(
        pool, count_primes, &primes, .size = sizeof primes, .timeout = seconds);
    return err < 0 ? err : primes.found;
}

// ---- Answers ----------------------------------------------------------------

static void answer(struct client *client, const char *text)
{
    int err = asyncio_wait_for(
        asyncio_stream_write(client->stream, text, strlen(text)), seconds);
    if (err < 0) asyncio_stream_abort(client->stream); // gone, or does not read
}

static int work(void *arg)
{
    (void)arg;
    struct job *job;
    int err;
    while ((err = asyncio_queue_get(&queue, &job)) == 0) {
        char line[JOB_LEN_MAX + 256];
        int found = do_job(job->text);
        if (found < 0)
            snprintf(line, sizeof line, "%s: %s\n", job->text,
                     asyncio_strerror(found));
        else
            snprintf(line, sizeof line, "%s = %d\n", job->text, found);
        *(found < 0 ? &count.failed : &count.done) += 1;
        answer(job->client, line);
        if (--job->client->open_jobs == 0)
            asyncio_event_set(&job->client->idle);
        free(job);
    }
    return err == -ESHUTDOWN ? 0 : err;
}

// ---- Clients ----------------------------------------------------------------

// Waits for a place in the queue. 0, or a negative errno.
static int hand_in(struct client *client, const char *text)
{
    struct job *job = malloc(sizeof *job);
    if (!job) return -ENOMEM;
    job->client = client;
    snprintf(job->text, sizeof job->text, "%s", text);
    client->open_jobs++;
    int err = asyncio_wait_for(asyncio_queue_put(&queue, job), seconds);
    if (err == 0) return 0;

    client->open_jobs--;
    free(job);
    if (err != -ETIMEDOUT) return err;
    char line[JOB_LEN_MAX + 16];
    snprintf(line, sizeof line, "%s: busy\n", text);
    count.refused++;
    answer(client, line);
    return 0;
}

static int send_all(struct asyncio_stream *stream)
{
    int err = asyncio_stream_set_write_limits(stream, 0, 0);
    return err < 0 ? err : asyncio_stream_drain(stream);
}

static int on_client(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    struct client client = {.stream = stream};
    char line[JOB_LEN_MAX];
    int len, err = 0;
    while (err == 0 &&
           (len = asyncio_stream_readline(stream, line, sizeof line)) != 0) {
        if (len > 0) line[strcspn(line, "\r\n")] = '\0';
        err = len > 0 ? hand_in(&client, line) : len;
    }
    // Its jobs point here. A cancel ends one wait, and this one begins again.
    while (client.open_jobs > 0) {
        asyncio_event_clear(&client.idle);
        int woken = asyncio_event_wait(&client.idle);
        if (woken < 0) err = woken;
    }
    if (err == 0) err = asyncio_wait_for(send_all(stream), seconds);
    if (err < 0) asyncio_stream_abort(stream);
    return err == -ECANCELED ? err : 0; // that a client fails is no failure
}

// ---- The program ------------------------------------------------------------

static int serve(int port)
{
    struct asyncio_server server;
    int err = asyncio_start_server(&server, on_client, NULL, "127.0.0.1", port);
    if (err < 0) return err;
    printf("127.0.0.1:%d\n", asyncio_server_port(&server));
    fflush(stdout);

    int signal = asyncio_wait_signal(SIGINT, SIGTERM);
    asyncio_server_close(&server);
    asyncio_server_close_clients(&server); // they read the end
    err = asyncio_server_wait_closed(&server);
    return signal < 0 ? signal : err;
}

static int serve_with(int workers, int port)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < workers; i++)
        asyncio_task_group_create_task(&group, work, NULL);
    int err = serve(port);
    asyncio_queue_shutdown(&queue);
    return asyncio_task_group_exit(&group, err);
}

static int async_main(void *arg)
{
    char **words = arg;
    int given = 0, workers = 2, places = 16;
    while (words[given])
        given++;
    if (given > 2) workers = atoi(words[2]);
    if (given > 3) places = atoi(words[3]);
    if (given > 4) seconds = atof(words[4]);
    if (workers < 1 || places < 1) return -EINVAL;

    void **slots = calloc((size_t)places, sizeof *slots);
    if (!slots) return -ENOMEM;
    asyncio_queue_init(&queue, slots, (size_t)places);
    int err = asyncio_process_pool_create(&pool, .max_workers = workers);
    if (err == 0) {
        err = serve_with(workers, atoi(words[1]));
        asyncio_executor_shutdown(pool);
        printf("%d done, %d failed, %d refused\n", count.done, count.failed,
               count.refused);
    }
    free(slots);
    return err;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 5) {
        fprintf(stderr, "usage: job_queue PORT [WORKERS [PLACES [SECONDS]]]\n");
        return 2;
    }
    return asyncio_main(async_main, argv, .processes = true);
}
