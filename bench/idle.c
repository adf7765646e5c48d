// What memory does a connection take that idles?
//
//     ./dev bench idle [ROUNDS]
//
// Ten thousand clients, in a process of their own, have sent a line of 64 bytes
// to a server and got it back; after that both sides wait. The figure is what
// the server's process has grown by, for each of them, without what the kernel
// keeps for a socket. `read` and `readline` are tasks that wait there,
// `protocol` has no task.

#include <arpa/inet.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "bench.h"

#define CLIENTS 10000
#define LINE    64

static int served;
static struct asyncio_event all_served;

static void count_one(void)
{
    if (++served == CLIENTS) asyncio_event_set(&all_served);
}

static int reads(struct asyncio_stream *stream, void *arg)
{
    char bytes[LINE];
    (void)arg;
    int err = asyncio_stream_read(stream, bytes, LINE);
    if (err >= 0) err = asyncio_stream_write(stream, bytes, LINE);
    count_one();
    return err < 0 ? err : asyncio_stream_read(stream, bytes, LINE);
}

static int reads_lines(struct asyncio_stream *stream, void *arg)
{
    char line[LINE + 1];
    (void)arg;
    int err = asyncio_stream_readline(stream, line, sizeof line);
    if (err >= 0) err = asyncio_stream_write(stream, line, LINE);
    count_one();
    return err < 0 ? err : asyncio_stream_readline(stream, line, sizeof line);
}

static void on_data(struct asyncio_stream *stream, void *arg, const void *data,
                    size_t len)
{
    (void)arg;
    if (asyncio_stream_write_nowait(stream, data, len) < 0)
        asyncio_stream_abort(stream);
    count_one();
}

static int choose(struct asyncio_stream *stream, void *arg)
{
    static const struct asyncio_protocol echo = {.data_received = on_data};
    return asyncio_stream_set_protocol(stream, &echo, arg);
}

// Connects all clients, and leaves them alone.
_Noreturn static void be_clients(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    char line[LINE];
    memset(line, '-', LINE);
    line[LINE - 1] = '\n';
    for (int i = 0; i < CLIENTS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0 ||
            write(fd, line, LINE) != LINE || read(fd, line, LINE) != LINE)
            _exit(1);
    }
    pause();
    _exit(0);
}

static double resident_bytes(void)
{
    long total, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
    if (file) fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

// Which of the three, by number.
static int idle(void *arg)
{
    int which = *(int *)arg;
    struct asyncio_server server;
    int err =
        which == 2
            ? asyncio_create_server(&server, choose, NULL, "127.0.0.1", 0)
            : asyncio_start_server(&server, which == 0 ? reads : reads_lines,
                                   NULL, "127.0.0.1", 0);
    if (err < 0) return err;
    double before = resident_bytes();
    int port = asyncio_server_port(&server); // which a child may not ask
    pid_t clients = fork();
    if (clients == 0) be_clients(port);
    err = asyncio_event_wait(&all_served);
    double each = (resident_bytes() - before) / CLIENTS;
    kill(clients, SIGKILL);
    waitpid(clients, NULL, 0);
    static const char *const names[] = {"read", "readline", "protocol"};
    printf("idle libasyncio %s %.0f bytes\n", names[which], each);
    fflush(stdout);
    return err;
}

// Each in a process of its own, which has freed nothing yet.
int main(int argc, char **argv)
{
    struct rlimit limit = {.rlim_cur = CLIENTS + 1000,
                           .rlim_max = CLIENTS + 1000};
    int status = bench_begin(argc, argv);
    if (status != 0) return status;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return 1;
    for (int which = 0; which < 3; which++) {
        pid_t process = fork();
        if (process == 0) _exit(asyncio_run(idle, &which) < 0);
        waitpid(process, &status, 0);
        if (status != 0) return 1;
    }
    return 0;
}
