// Asks a server on this machine, and says what an answer costs.
//
//     load echo|http PORT CONNECTIONS BYTES SECONDS PID PEER
//
// Each connection sends, waits for all of the answer, compares it, and sends
// again. It is the same client for every server, and of no library: one thread
// that is told by epoll what has come. After a fifth of a second of warming up
// it counts answers, and reads in /proc what processor time the threads of the
// server, process PID, take meanwhile.
//
// It does so slice by slice, too: a virtual machine whose processors are near
// each other for a tenth of a second, and far for the next, or whose neighbours
// take what they need, tells little about a server by its average. `calm_cpu`
// and `calm_rps` are those that a tenth of the slices are better than.
//
// Status 1 and a line on standard error say that a server did not answer, or
// not what it was asked for.

static const char *load_peer;

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP_NS   0.2e9
#define SLICE_NS     20e6
#define SLICES_MAX   4096
#define THREADS_MAX  64
#define PATIENCE_NS  5e9
#define ANSWER_MAX   65536
#define EVENTS_MAX   512
#define LATENCIES    (4 << 20)
#define HTTP_REQUEST "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define HTTP_BODY    "Hello, World!"

// One connection: a request is out, and part of its answer has come.
struct client {
    int fd;
    double sent_ns;
    uint32_t serial; // of the request, stands at its begin and its end
    size_t sent, received;
    char *answer;
};

static struct client *clients;
static bool http;
static size_t message_size; // of a request, and of an echo's answer
static char *message;

static bool stopping; // nothing more is asked
static long answers;  // since the measuring began
static long pending;  // requests without an answer
static uint32_t *latencies, latency_count;

_Noreturn static void give_up(const char *what, int err)
{
    fprintf(stderr, "load: %s: %s%s%s\n", load_peer, what, err ? ": " : "",
            err ? strerror(err) : "");
    exit(1);
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

// ---- The server's processor time --------------------------------------------

// The threads' accounts, which are open while they are measured. A thread that
// ends keeps what it last had.
static struct account {
    int fd;
    double ns;
} accounts[THREADS_MAX];
static int account_count;

static void open_account(int pid, const char *thread)
{
    char path[320];
    if (account_count == THREADS_MAX) give_up("the server's threads", E2BIG);
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) accounts[account_count++] = (struct account){.fd = fd};
}

static void open_accounts(int pid)
{
    char path[64];
    struct dirent *entry;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *folder = opendir(path);
    if (!folder) give_up("the server is gone", 0);
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.') open_account(pid, entry->d_name);
    closedir(folder);
}

static double server_ns(void)
{
    char text[96];
    double ns = 0;
    for (struct account *account = accounts; account < accounts + account_count;
         account++) {
        ssize_t len = pread(account->fd, text, sizeof text - 1, 0);
        if (len > 0) {
            text[len] = '\0';
            account->ns = strtod(text, NULL);
        }
        ns += account->ns;
    }
    return ns;
}

// ---- Slices -----------------------------------------------------------------

static struct {
    double cpu[SLICES_MAX], rps[SLICES_MAX];
    int count;
    bool open;
    double began_ns, processor_ns, looked_ns; // of the one that goes on
    long answers;
} slices;

static void begin_slice(double now, double processor_ns)
{
    slices.began_ns = now;
    slices.processor_ns = processor_ns;
    slices.looked_ns = 0;
    slices.answers = answers;
}

// Ends a slice that is due. The system writes what a thread takes down when it
// leaves the processor or a clock ticks, so a slice ends when that is seen to
// change: what it says is of that moment. The first change of all only begins.
static void look_at_slice(double now)
{
    if (!slices.open || now - slices.began_ns < SLICE_NS) return;
    double processor_ns = server_ns();
    if (slices.looked_ns == 0) slices.looked_ns = processor_ns;
    if (processor_ns == slices.looked_ns) return;
    long count = answers - slices.answers;
    if (slices.began_ns > 0 && count > 0 && slices.count < SLICES_MAX) {
        slices.cpu[slices.count] =
            (processor_ns - slices.processor_ns) / (double)count;
        slices.rps[slices.count++] = (double)count / (now - slices.began_ns);
    }
    begin_slice(now, processor_ns);
}

// ---- Requests and answers ---------------------------------------------------

// Writes what is left of the request; a full socket goes on when epoll says so.
static void send_rest(struct client *client)
{
    while (client->sent < message_size) {
        ssize_t len = send(client->fd, message + client->sent,
                           message_size - client->sent, MSG_NOSIGNAL);
        if (len < 0 && errno == EAGAIN) return;
        if (len < 0) give_up("send", errno);
        client->sent += (size_t)len;
    }
}

// An echo has its serial in its first four bytes and its last four, so that an
// old answer is not taken for a new one. Other requests are all the same.
static void stamp(uint32_t serial)
{
    if (http) return;
    memcpy(message, &serial, sizeof serial);
    memcpy(message + message_size - sizeof serial, &serial, sizeof serial);
}

static void ask(struct client *client, double now)
{
    pending++;
    client->serial++;
    client->sent = client->received = 0;
    client->sent_ns = now;
    stamp(client->serial);
    send_rest(client);
}

static bool echo_complete(const struct client *client)
{
    if (client->received < message_size) return false;
    stamp(client->serial);
    if (client->received > message_size ||
        memcmp(client->answer, message, message_size) != 0)
        give_up("the echo is not what was sent", 0);
    return true;
}

// Finds the body by Content-Length, as a client has to.
static bool http_complete(struct client *client)
{
    static const char field[] = "\r\ncontent-length:";
    static const size_t body_len = sizeof HTTP_BODY - 1;
    client->answer[client->received] = '\0';
    const char *end = strstr(client->answer, "\r\n\r\n");
    if (!end) return false;
    const char *length = strcasestr(client->answer, field);
    if (strncmp(client->answer, "HTTP/1.1 200 ", 13) != 0 || !length ||
        length > end || atol(length + sizeof field - 1) != (long)body_len)
        give_up("the answer is no greeting", 0);
    size_t size = (size_t)(end + 4 - client->answer) + body_len;
    if (client->received < size) return false;
    if (client->received > size || memcmp(end + 4, HTTP_BODY, body_len) != 0)
        give_up("the answer has another body", 0);
    return true;
}

static void receive(struct client *client, double now)
{
    ssize_t len = recv(client->fd, client->answer + client->received,
                       ANSWER_MAX - client->received, 0);
    if (len < 0 && errno == EAGAIN) return;
    if (len <= 0) give_up("recv", len < 0 ? errno : ECONNRESET);
    client->received += (size_t)len;
    if (!(http ? http_complete(client) : echo_complete(client))) return;
    answers++;
    pending--;
    if (latency_count < LATENCIES)
        latencies[latency_count++] = (uint32_t)(now - client->sent_ns);
    if (!stopping) ask(client, now);
}

// ---- Connections ------------------------------------------------------------

// The server may still be starting.
static int connect_to(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((uint16_t)port),
    };
    double start = now_ns();
    for (;;) {
        int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) give_up("socket", errno);
        if (connect(fd, (void *)&address, sizeof address) == 0) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            return fd;
        }
        int err = errno;
        close(fd);
        if (now_ns() - start > PATIENCE_NS) give_up("connect", err);
        usleep(10000);
    }
}

// Edge-triggered: an event says that more has come since the last.
static int open_clients(int port, int count)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    clients = calloc((size_t)count, sizeof *clients);
    if (epoll < 0 || !clients) give_up("starting", errno);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                    .data.ptr = &clients[i]};
        clients[i].fd = connect_to(port);
        clients[i].answer = malloc(ANSWER_MAX + 1);
        if (!clients[i].answer) give_up("starting", ENOMEM);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event) < 0)
            give_up("epoll_ctl", errno);
    }
    return epoll;
}

// ---- The measuring ----------------------------------------------------------

// Answers what comes until `end`. recv is not repeated: what it has left over,
// or what comes later, is the next event. Returns the time. With no end it
// asks nothing more, and waits for the answers that are due.
static double run_until(int epoll, double end)
{
    static struct epoll_event events[EVENTS_MAX];
    double now = now_ns(), heard = now;
    stopping = end == 0;
    while (stopping ? pending > 0 : now < end) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, 100);
        if (count < 0 && errno != EINTR) give_up("epoll_wait", errno);
        now = now_ns();
        if (count > 0) heard = now;
        if (now - heard > PATIENCE_NS) give_up("no answer came", 0);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (client->sent < message_size) {
                stamp(client->serial);
                send_rest(client);
            }
            if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
                receive(client, now);
        }
        look_at_slice(now);
    }
    return now;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(int connections, const char *what, double value,
                  const char *unit)
{
    bool kib = message_size % 1024 == 0;
    printf("%s %s ", http ? "W9" : "W8", load_peer);
    if (!http)
        printf("%zu%s_c%d_", kib ? message_size / 1024 : message_size,
               kib ? "k" : "", connections);
    printf("%s %.3f %s\n", what, value, unit);
}

static void report(int connections, double taken_ns, double processor_ns)
{
    if (answers == 0) give_up("no answer came", 0);
    qsort(latencies, latency_count, sizeof *latencies, by_size);
    print(connections, "rps", (double)answers / taken_ns * 1e9, "req/s");
    print(connections, "p50", latencies[latency_count / 2] / 1e3, "us");
    print(connections, "p99",
          latencies[(uint64_t)latency_count * 99 / 100] / 1e3, "us");
    print(connections, "cpu", processor_ns / (double)answers / 1e3, "us/req");
    print(connections, "util", 100 * processor_ns / taken_ns, "%");
    if (slices.count <= 0) return;
    int tenth = slices.count / 10;
    qsort(slices.cpu, (size_t)slices.count, sizeof *slices.cpu, by_value);
    qsort(slices.rps, (size_t)slices.count, sizeof *slices.rps, by_value);
    print(connections, "calm_cpu", slices.cpu[tenth] / 1e3, "us/req");
    print(connections, "calm_rps", slices.rps[slices.count - 1 - tenth] * 1e9,
          "req/s");
}

// The message of an echo is a row of all bytes, with the serial at its ends.
static void make_message(size_t size)
{
    message_size = http ? sizeof HTTP_REQUEST - 1 : size;
    message = malloc(message_size);
    latencies = malloc(LATENCIES * sizeof *latencies);
    if (!message || !latencies) give_up("starting", ENOMEM);
    for (size_t i = 0; i < message_size; i++)
        message[i] = http ? HTTP_REQUEST[i] : (char)(i * 7);
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: load echo|http PORT CONNECTIONS BYTES SECONDS"
                        " PID PEER\n");
        return 2;
    }
    int port = atoi(argv[2]), count = atoi(argv[3]), pid = atoi(argv[6]);
    http = strcmp(argv[1], "http") == 0;
    load_peer = argv[7];
    make_message((size_t)atol(argv[4]));
    if (count < 1 || message_size < 8 || message_size > ANSWER_MAX)
        give_up("no such load", EINVAL);

    int epoll = open_clients(port, count);
    double now = now_ns();
    for (int i = 0; i < count; i++)
        ask(&clients[i], now);
    run_until(epoll, now_ns() + WARM_UP_NS);
    answers = latency_count = 0;
    open_accounts(pid);
    double before = server_ns(), start = now_ns();
    slices.open = true;
    double end = run_until(epoll, start + atof(argv[5]) * 1e9);
    double taken = server_ns() - before;
    report(count, end - start, taken);
    run_until(epoll, 0);
    return 0;
}
