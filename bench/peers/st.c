// State Threads: tasks with a stack each, on one thread.
//
//     st WORKLOAD [PORT]
//
// There is no call that only yields; st_usleep(0) is the documented way.

#define PEER "st"
#include "peer_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <st.h>
#include <stdbool.h>
#include <sys/socket.h>

#define STACK        16384
#define SERVER_STACK 131072

static long counted;
static st_thread_t *threads;

static st_thread_t spawn(void *(*fn)(void *arg), void *arg)
{
    st_thread_t thread = st_thread_create(fn, arg, 1, STACK);
    peer_check(thread != NULL, "no more threads");
    return thread;
}

static void spawn_and_join(void *(*fn)(void *arg), int count)
{
    for (int i = 0; i < count; i++)
        threads[i] = spawn(fn, NULL);
    for (int i = 0; i < count; i++)
        st_thread_join(threads[i], NULL);
}

static void *count_up(void *arg)
{
    counted++;
    return arg;
}

// ---- W1, W2, W3, W4, W10 ----------------------------------------------------

static void *yield_many(void *left)
{
    for (; *(long *)left > 0; --*(long *)left)
        st_usleep(0);
    return NULL;
}

static void yields(void)
{
    enum { TIMES = 1000000 };
    long left = TIMES;
    double start = peer_now_ns();
    st_thread_t a = spawn(yield_many, &left), b = spawn(yield_many, &left);
    st_thread_join(a, NULL);
    st_thread_join(b, NULL);
    peer_print("W1", "yield", (peer_now_ns() - start) / TIMES, "ns");
}

static void spawns(void)
{
    enum { TIMES = 1000000 };
    double start = peer_now_ns();
    for (int i = 0; i < TIMES; i++)
        st_thread_join(spawn(count_up, NULL), NULL);
    peer_print("W2", "spawn_seq", (peer_now_ns() - start) / TIMES, "ns");
    start = peer_now_ns();
    for (int i = 0; i < TIMES / BATCH; i++)
        spawn_and_join(count_up, BATCH);
    peer_print("W2", "spawn_batch", (peer_now_ns() - start) / TIMES, "ns");
    peer_check(counted == 2 * TIMES, "not all have run");
}

static void *yield_once(void *arg)
{
    st_usleep(0);
    counted++;
    return arg;
}

static void gather(const char *metric)
{
    double start = peer_now_ns();
    counted = 0;
    spawn_and_join(yield_once, GATHERED);
    peer_print("W3", metric, (peer_now_ns() - start) / 1e6, "ms");
    peer_check(counted == GATHERED, "not all have run");
}

static void *sleep_long(void *arg)
{
    counted++;
    if (st_sleep(1000) < 0) counted--; // interrupted
    return arg;
}

static void fall_asleep(long count)
{
    for (long i = 0; i < count; i++)
        threads[i] = spawn(sleep_long, NULL);
    while (counted < count)
        st_usleep(0);
}

static void sleepers(long count)
{
    struct peer_memory before = peer_memory_before();
    fall_asleep(count);
    peer_print_memory(before, count);
    exit(0);
}

static void cancels(void)
{
    fall_asleep(SLEEPERS);
    double start = peer_now_ns();
    for (int i = 0; i < SLEEPERS; i++)
        st_thread_interrupt(threads[i]);
    for (int i = 0; i < SLEEPERS; i++)
        st_thread_join(threads[i], NULL);
    peer_print("W10", "cancel", (peer_now_ns() - start) / SLEEPERS, "ns");
    peer_check(counted == 0, "not all were interrupted");
}

// ---- W5, W6, W7 -------------------------------------------------------------

static struct {
    long *items, capacity, head, count, sum;
    st_cond_t not_empty, not_full;
} queue;

static void *produce(void *count)
{
    for (long i = 1; i <= *(long *)count; i++) {
        while (queue.count == queue.capacity)
            st_cond_wait(queue.not_full);
        queue.items[(queue.head + queue.count++) & (queue.capacity - 1)] = i;
        st_cond_signal(queue.not_empty);
    }
    return NULL;
}

static void *consume(void *count)
{
    for (long i = 0; i < *(long *)count; i++) {
        while (queue.count == 0)
            st_cond_wait(queue.not_empty);
        queue.sum += queue.items[queue.head];
        queue.head = (queue.head + 1) & (queue.capacity - 1);
        queue.count--;
        st_cond_signal(queue.not_full);
    }
    return NULL;
}

static void pass_items(long capacity, const char *metric)
{
    long count = 2000000, items[128];
    queue.items = items;
    queue.capacity = capacity;
    queue.head = queue.count = queue.sum = 0;
    queue.not_empty = st_cond_new();
    queue.not_full = st_cond_new();
    double start = peer_now_ns();
    st_thread_t a = spawn(produce, &count), b = spawn(consume, &count);
    st_thread_join(a, NULL);
    st_thread_join(b, NULL);
    peer_print("W5", metric, (peer_now_ns() - start) / (double)count, "ns");
    peer_check(queue.sum == count * (count + 1) / 2, "items were lost");
}

static int units = SEMAPHORE;
static st_cond_t unit_free;

static void *take_turns(void *arg)
{
    for (int i = 0; i < LINE_TIMES; i++) {
        while (units == 0)
            st_cond_wait(unit_free);
        units--;
        st_usleep(0);
        counted++;
        units++;
        st_cond_signal(unit_free);
    }
    return arg;
}

static void semaphore(void)
{
    enum { TIMES = LINE_TASKS * LINE_TIMES };
    unit_free = st_cond_new();
    double start = peer_now_ns();
    spawn_and_join(take_turns, LINE_TASKS);
    peer_print("W6", "sem", (peer_now_ns() - start) / TIMES, "ns");
    peer_check(counted == TIMES && units == SEMAPHORE, "units were lost");
}

static void *nap(void *ms)
{
    st_usleep((st_utime_t)(uintptr_t)ms * 1000);
    counted++;
    return NULL;
}

static void naps(void)
{
    double start = peer_now_ns(), processor = peer_processor_ns();
    for (int i = 0; i < SLEEPERS; i++)
        threads[i] = spawn(nap, (void *)(intptr_t)peer_milliseconds());
    for (int i = 0; i < SLEEPERS; i++)
        st_thread_join(threads[i], NULL);
    peer_print("W7", "sleep_wall", (peer_now_ns() - start) / 1e6, "ms");
    peer_print("W7", "sleep_cpu", (peer_processor_ns() - processor) / 1e6,
               "ms");
    peer_check(counted == SLEEPERS, "not all have slept");
}

// ---- W8, W9 -----------------------------------------------------------------

static bool send_all(st_netfd_t fd, const char *bytes, size_t len)
{
    return st_write(fd, bytes, len, ST_UTIME_NO_TIMEOUT) == (ssize_t)len;
}

static void *serve_echo(void *fd)
{
    char bytes[65536];
    ssize_t len;
    do
        len = st_read(fd, bytes, sizeof bytes, ST_UTIME_NO_TIMEOUT);
    while (len > 0 && send_all(fd, bytes, (size_t)len));
    st_netfd_close(fd);
    return NULL;
}

static void *serve_http(void *fd)
{
    struct peer_heads heads = {.len = 0};
    ssize_t len;
    while ((len = st_read(fd, heads.bytes + heads.len,
                          PEER_HEAD_MAX - heads.len, ST_UTIME_NO_TIMEOUT)) >
           0) {
        heads.len += (size_t)len;
        for (size_t left = peer_take_heads(&heads); left > 0; left--)
            if (!send_all(fd, peer_hello, PEER_HELLO_LEN)) break;
    }
    st_netfd_close(fd);
    return NULL;
}

static void serve(void *(*fn)(void *fd), int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    peer_check(bind(fd, (void *)&address, sizeof address) == 0 &&
                   listen(fd, 1024) == 0,
               "cannot listen");
    st_netfd_t listener = st_netfd_open_socket(fd), client;
    while ((client = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT))) {
        setsockopt(st_netfd_fileno(client), IPPROTO_TCP, TCP_NODELAY, &on,
                   sizeof on);
        st_thread_create(fn, client, 0, SERVER_STACK);
    }
}

int main(int argc, char **argv)
{
    const char *workload = argc > 1 ? argv[1] : "";
    bool million = strcmp(workload, "W4b") == 0;
    st_set_eventsys(ST_EVENTSYS_ALT); // epoll
    st_init();
    threads = malloc((million ? 1000000 : GATHERED) * sizeof *threads);
    peer_check(threads != NULL, "no memory");
    memset(threads, 1, (million ? 1000000 : GATHERED) * sizeof *threads);
    if (strcmp(workload, "W1") == 0) {
        yields();
    } else if (strcmp(workload, "W2") == 0) {
        spawns();
    } else if (strcmp(workload, "W3") == 0) {
        gather("cold_ms");
        peer_print_peak("W3");
        gather("warm_ms");
    } else if (million || strcmp(workload, "W4a") == 0) {
        sleepers(million ? 1000000 : 100000);
    } else if (strcmp(workload, "W5") == 0) {
        pass_items(1, "q1");
        pass_items(128, "q128");
    } else if (strcmp(workload, "W6") == 0) {
        semaphore();
    } else if (strcmp(workload, "W7") == 0) {
        naps();
    } else if (strcmp(workload, "W10") == 0) {
        cancels();
    } else if (argc == 3 && strcmp(workload, "echo") == 0) {
        serve(serve_echo, atoi(argv[2]));
    } else if (argc == 3 && strcmp(workload, "http") == 0) {
        serve(serve_http, atoi(argv[2]));
    } else {
        return DOES_NOT;
    }
    return 0;
}
