// How long does cancelling a download take, whatever it waits for?
//
//     ./dev bench cancel [ROUNDS]
//
// Each round starts a download, waits until it is stuck, cancels it, and takes
// the time from the request to the moment at which the task that awaits it runs
// again: by then the transfer is torn down and its file removed. It is stuck in
// one of three ways, all in this process: a name server that never answers, a
// listener whose queue is full, a body that stops in the middle. The promise is
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
#include <time.h>
#include <unistd.h>

#include <asyncio.h>
#include <asyncio/dns.h>
#include <asyncio/http.h>

#define PROMISE_MS 10.0
#define FILLERS    8

static int rounds = 1000;
static char folder[] = "/tmp/asyncio-bench-XXXXXX";
static char path[sizeof folder + 8];
static char urls[3][64];
static int fds[4 + FILLERS], fd_count; // closed at the end
static atomic_int stalled;             // bodies that have stopped

// ---- What downloads get stuck in --------------------------------------------

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

// Serves one connection at a time: some of the body, then nothing until the
// other side hangs up.
static void *stall(void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000"
                                 "\r\n\r\nsome of it";
    int listener = *(int *)arg, fd;
    char request[4096];
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        ssize_t len = recv(fd, request, sizeof request, 0);
        if (len > 0) len = send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
        atomic_fetch_add(&stalled, 1);
        while (len > 0)
            len = recv(fd, request, sizeof request, 0);
        close(fd);
    }
    return NULL;
}

// ---- One round --------------------------------------------------------------

static struct asyncio_http_client *client;

static int download(void *arg)
{
    return asyncio_http_download(client, arg, path);
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

// Lets a download go on until it is stuck. A body is stuck when the server has
// stopped; a millisecond later the client has what came, and in the other cases
// all that it ever will.
static int wait_until_stuck(struct asyncio_task *task, bool in_body, int bodies)
{
    int err = asyncio_sleep(0.001);
    while (in_body && err == 0 && !asyncio_task_done(task) &&
           atomic_load(&stalled) < bodies)
        err = asyncio_sleep(0.001);
    return err < 0 ? err : asyncio_sleep(0.001);
}

// Returns the milliseconds, or a negative code.
static double cancel_once(char *url)
{
    int bodies = atomic_load(&stalled) + 1;
    struct asyncio_task *task = asyncio_create_task(download, url);
    int err = wait_until_stuck(task, url == urls[2], bodies);
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
static int measure(const char *what, char *url)
{
    double *taken = calloc((size_t)rounds, sizeof *taken);
    if (!taken) return -ENOMEM;
    for (int i = 0; i < rounds; i++) {
        taken[i] = cancel_once(url);
        if (taken[i] < 0) {
            int err = (int)taken[i];
            free(taken);
            return asyncio_raise(err, "%s: %s", what, asyncio_strerror(err));
        }
    }
    qsort(taken, (size_t)rounds, sizeof *taken, by_size);
    double p99 = quantile(taken, 0.99);
    printf("%-16s %9.3f %9.3f %9.3f  %s\n", what, quantile(taken, 0.5), p99,
           taken[rounds - 1], p99 <= PROMISE_MS ? "kept" : "NOT KEPT");
    free(taken);
    return p99 <= PROMISE_MS;
}

static int measure_all(void)
{
    static const char *const names[] = {"dead name server", "stalled connect",
                                        "stalled body"};
    bool kept = true;
    printf("%-16s %9s %9s %9s  p99 <= %g ms\n", "waiting in", "p50 ms",
           "p99 ms", "max ms", PROMISE_MS);
    for (int i = 0; i < 3; i++) {
        int err = measure(names[i], urls[i]);
        if (err < 0) return err;
        kept = kept && err == 1;
    }
    return kept ? 0 : asyncio_raise(-ETIME, "the promise was not kept");
}

static int async_main(void *arg)
{
    struct asyncio_resolver *resolver;
    struct utsname machine;
    uname(&machine);
    printf("%d rounds each, %s, Linux %s %s, %ld processors\n", rounds,
           asyncio_loop_backend(asyncio_get_running_loop()), machine.release,
           machine.machine, sysconf(_SC_NPROCESSORS_ONLN));

    int err = asyncio_resolver_create(&resolver, .servers = arg);
    if (err < 0) return err;
    err = asyncio_http_client_create(&client, .resolver = resolver);
    if (err == 0) err = measure_all();
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

    unsigned name_port, full_port, stall_port;
    char servers[32];
    open_socket(SOCK_DGRAM, &name_port); // is never read
    int full = open_socket(SOCK_STREAM, &full_port);
    fill_queue(full, full_port);
    int stalling = open_socket(SOCK_STREAM, &stall_port);
    listen(stalling, 16);
    snprintf(servers, sizeof servers, "127.0.0.1:%u", name_port);
    snprintf(urls[0], sizeof *urls, "http://dead.test/");
    snprintf(urls[1], sizeof *urls, "http://127.0.0.1:%u/", full_port);
    snprintf(urls[2], sizeof *urls, "http://127.0.0.1:%u/", stall_port);

    pthread_t thread;
    if (pthread_create(&thread, NULL, stall, &stalling) != 0) return 1;
    int status = asyncio_main(async_main, servers);
    shutdown(stalling, SHUT_RDWR);
    pthread_join(thread, NULL);
    for (int i = 0; i < fd_count; i++)
        close(fds[i]);
    if (rmdir(folder) < 0) {
        fprintf(stderr, "cancel: a download left something in %s\n", folder);
        status = 1;
    }
    return status;
}
