// How long does cancelling take, whatever is waited for?
//
//     ./dev bench cancel [ROUNDS]
//
// Each round starts a task, waits until it is stuck, cancels it, and takes the
// time from the request to the moment at which the task that awaits it runs
// again. By then all is torn down: the transfer is over and its file removed,
// the name server is asked no more, the connection is aborted, the child that
// was run has ended and is reaped. What they are stuck in is all in this
// process: a name server that never answers, a listener whose queue is full, a
// body that stops in the middle, a peer that takes the first bytes of a
// handshake and says nothing; and there are children that sleep. The promise is
// 10 ms for 99 of 100; the exit status is 1 if it is not kept.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <asyncio.h>
#include <asyncio/dns.h>
#include <asyncio/http.h>
#ifdef BENCH_TLS
#include <asyncio/tls.h>
#endif

#define PROMISE_MS 10.0
#define FILLERS    8

static int rounds = 1000;
static char folder[] = "/tmp/asyncio-bench-XXXXXX";
static char path[sizeof folder + 8];
static char urls[3][64];
static int fds[4 + FILLERS], fd_count; // closed at the end

// A server that stops in the middle of what it has to say.
struct stall {
    const char *beginning; // of its answer
    int listener;
    unsigned port;
    pthread_t thread;
    atomic_int count; // of clients whose first bytes it has read
};

static struct stall body = {
    .beginning = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nsome of it",
};
static struct stall silence = {.beginning = ""};

// ---- What tasks get stuck in ------------------------------------------------

static int open_socket(int type, unsigned *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (void *)&address, len) < 0 ||
        getsockname(fd, (void *)&address, &len) < 0) {
        perror("socket");
        exit(1);
    }
    fds[fd_count++] = fd;
    *port = ntohs(address.sin_port);
    return fd;
}

// The first to connect fill the queue; whoever comes later gets no answer.
static void fill_queue(int listener, unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
    listen(listener, 0);
    for (int i = 0; i < FILLERS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fd, (void *)&address, sizeof address);
        fds[fd_count++] = fd;
    }
}

// Serves one connection at a time: the beginning, then nothing until the other
// side hangs up.
static void *serve(void *arg)
{
    struct stall *stall = arg;
    size_t size = strlen(stall->beginning);
    char request[4096];
    int fd;
    while ((fd = accept(stall->listener, NULL, NULL)) >= 0) {
        ssize_t len = recv(fd, request, sizeof request, 0);
        if (len > 0 && size > 0)
            len = send(fd, stall->beginning, size, MSG_NOSIGNAL);
        atomic_fetch_add(&stall->count, 1);
        while (len > 0)
            len = recv(fd, request, sizeof request, 0);
        close(fd);
    }
    return NULL;
}

static bool start_serving(struct stall *stall)
{
    stall->listener = open_socket(SOCK_STREAM, &stall->port);
    return listen(stall->listener, 16) == 0 &&
           pthread_create(&stall->thread, NULL, serve, stall) == 0;
}

static void stop_serving(struct stall *stall)
{
    shutdown(stall->listener, SHUT_RDWR);
    pthread_join(stall->thread, NULL);
}

// ---- What waits -------------------------------------------------------------

static struct asyncio_http_client *client;
static struct asyncio_resolver *resolver;

static int download(void *arg)
{
    return asyncio_http_download(client, arg, path);
}

static int bodies(void)
{
    return atomic_load(&body.count);
}

static int look_up(void *arg)
{
    struct asyncio_addrinfo *list;
    int err = asyncio_getaddrinfo(arg, "80", &list, .resolver = resolver);
    asyncio_freeaddrinfo(list);
    return err;
}

#ifdef BENCH_TLS
static struct asyncio_tls_context *context;

static int shake_hands(void *arg)
{
    struct asyncio_stream *stream;
    int err = asyncio_open_connection(&stream, "127.0.0.1", (int)silence.port);
    if (err < 0) return err;
    err = asyncio_stream_start_tls(stream, context, .server_hostname = arg);
    asyncio_stream_free(stream);
    return err;
}

static int handshakes(void)
{
    return atomic_load(&silence.count);
}
#endif

static const char *const sleeper[] = {"sleep", "1000", NULL};
static int started; // children whose end is waited for

// It is ended, by SIGTERM, and reaped.
static int run_child(void *arg)
{
    struct asyncio_subprocess_result result;
    (void)arg;
    int err = asyncio_subprocess_run(&result, sleeper, .stdout = ASYNCIO_PIPE);
    asyncio_subprocess_result_free(&result);
    return err;
}

static int has_child(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// It is killed with its handle, and reaped later.
static int wait_for_child(void *arg)
{
    struct asyncio_subprocess *child;
    (void)arg;
    int err = asyncio_create_subprocess_exec(&child, sleeper);
    if (err < 0) return err;
    started++;
    err = asyncio_subprocess_wait(child, NULL);
    asyncio_subprocess_free(child);
    return err;
}

static int children(void)
{
    return started;
}

static const struct wait {
    const char *in;
    int (*run)(void *arg);
    void *arg;
    int (*progress)(void); // is greater when it is stuck; NULL: it is at once
} waits[] = {
    {"download: name", download, urls[0], NULL},
    {"download: connect", download, urls[1], NULL},
    {"download: body", download, urls[2], bodies},
    {"name", look_up, (char[]){"dead.test"}, NULL},
#ifdef BENCH_TLS
    {"handshake", shake_hands, (char[]){"silent.test"}, handshakes},
#endif
    {"child, run", run_child, NULL, has_child},
    {"child, wait", wait_for_child, NULL, children},
};

// ---- One round --------------------------------------------------------------

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

// Lets a task go on until it is stuck. When the other side has stopped, the
// task has what came a millisecond later, and where there is no other side, all
// that it ever will.
static int wait_until_stuck(struct asyncio_task *task, const struct wait *wait,
                            int before)
{
    int err = asyncio_sleep(0.001);
    while (wait->progress && err == 0 && !asyncio_task_done(task) &&
           wait->progress() <= before)
        err = asyncio_sleep(0.001);
    return err < 0 ? err : asyncio_sleep(0.001);
}

// Returns the milliseconds, or a negative code.
static double cancel_once(const struct wait *wait)
{
    int before = wait->progress ? wait->progress() : 0;
    struct asyncio_task *task = asyncio_create_task(wait->run, wait->arg);
    int err = wait_until_stuck(task, wait, before);
    double start = now_ms();
    asyncio_task_cancel(task);
    if (err >= 0) err = asyncio_await(task);
    double taken = now_ms() - start;
    asyncio_task_release(task);
    return err == -ECANCELED ? taken : err < 0 ? err : -EIO;
}

// ---- The report -------------------------------------------------------------

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, double share)
{
    return sorted[(int)(share * (rounds - 1) + 0.5)];
}

// Returns 1 if the promise was kept, 0 if not, or a negative code.
static int measure(const struct wait *wait)
{
    double *taken = calloc((size_t)rounds, sizeof *taken);
    if (!taken) return -ENOMEM;
    for (int i = 0; i < rounds; i++) {
        taken[i] = cancel_once(wait);
        if (taken[i] < 0) {
            int err = (int)taken[i];
            free(taken);
            return asyncio_raise(err, "%s: %s", wait->in,
                                 asyncio_strerror(err));
        }
    }
    qsort(taken, (size_t)rounds, sizeof *taken, by_size);
    double p99 = quantile(taken, 0.99);
    printf("%-17s %9.3f %9.3f %9.3f  %s\n", wait->in, quantile(taken, 0.5), p99,
           taken[rounds - 1], p99 <= PROMISE_MS ? "kept" : "NOT KEPT");
    free(taken);
    return p99 <= PROMISE_MS;
}

static int measure_all(void)
{
    bool kept = true;
    printf("%-17s %9s %9s %9s  p99 <= %g ms\n", "waiting in", "p50 ms",
           "p99 ms", "max ms", PROMISE_MS);
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        int err = measure(&waits[i]);
        if (err < 0) return err;
        kept = kept && err == 1;
    }
    return kept ? 0 : asyncio_raise(-ETIME, "the promise was not kept");
}

static int async_main(void *arg)
{
    struct utsname machine;
    uname(&machine);
    printf("%d rounds each, %s, Linux %s %s, %ld processors\n", rounds,
           asyncio_loop_backend(asyncio_get_running_loop()), machine.release,
           machine.machine, sysconf(_SC_NPROCESSORS_ONLN));

    int err = asyncio_resolver_create(&resolver, .servers = arg);
    if (err < 0) return err;
    err = asyncio_http_client_create(&client, .resolver = resolver);
#ifdef BENCH_TLS
    if (err == 0) err = asyncio_tls_context_create(&context);
#endif
    if (err == 0) err = measure_all();
#ifdef BENCH_TLS
    asyncio_tls_context_free(context);
#endif
    asyncio_http_client_free(client);
    asyncio_resolver_free(resolver);
    return err;
}

int main(int argc, char **argv)
{
    if (argc > 1) rounds = atoi(argv[1]);
    if (rounds < 1 || argc > 2 || !mkdtemp(folder)) {
        fprintf(stderr, "usage: cancel [ROUNDS]\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/body", folder);

    unsigned name_port, full_port;
    char servers[32];
    open_socket(SOCK_DGRAM, &name_port); // is never read
    int full = open_socket(SOCK_STREAM, &full_port);
    fill_queue(full, full_port);
    if (!start_serving(&body) || !start_serving(&silence)) return 1;
    snprintf(servers, sizeof servers, "127.0.0.1:%u", name_port);
    snprintf(urls[0], sizeof *urls, "http://dead.test/");
    snprintf(urls[1], sizeof *urls, "http://127.0.0.1:%u/", full_port);
    snprintf(urls[2], sizeof *urls, "http://127.0.0.1:%u/", body.port);

    int status = asyncio_main(async_main, servers);
    stop_serving(&body);
    stop_serving(&silence);
    for (int i = 0; i < fd_count; i++)
        close(fds[i]);
    if (rmdir(folder) < 0) {
        fprintf(stderr, "cancel: a download left something in %s\n", folder);
        status = 1;
    }
    return status;
}
