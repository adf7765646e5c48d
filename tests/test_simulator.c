// The simulated world itself: what it does is what a network and a disk do, it
// breaks as it is told, and the same seed is the same run.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <asyncio/file.h>
#include <asyncio/simulator.h>

#include "io/operation.h"
#include "loop/loop.h"
#include "platform/simulated.h"
#include "platform/sys.h"
#include "runner/runner.h"

static struct asyncio_simulator *sim;

// Runs `fn` in the world, to its end.
static int run_in(int (*fn)(void *), void *arg)
{
    asyncio_simulator_use(sim);
    int err = asyncio_run(fn, arg);
    asyncio_simulator_use(NULL);
    return err;
}

static bool open_world(uint64_t seed)
{
    return EXPECT_EQ(asyncio_simulator_create(&sim, .seed = seed), 0);
}

static void close_world(void)
{
    asyncio_simulator_free(sim);
    sim = NULL;
}

// ---- Operations of sockets, awaited -----------------------------------------

static const struct asyncio__wait_kind waiting = ASYNCIO__OPERATION("a test");

// Nobody waits for ever for a partner who could not begin.
static int perform(struct asyncio__op op)
{
    return asyncio_wait_for(asyncio__operate(&op, &waiting), 10000);
}

static int await_recv(int fd, void *buffer, size_t size)
{
    return perform((struct asyncio__op){.code = ASYNCIO__OP_RECV,
                                        .fd = fd,
                                        .buffer = buffer,
                                        .len = (uint32_t)size});
}

static int await_send(int fd, const void *buffer, size_t len)
{
    return perform((struct asyncio__op){.code = ASYNCIO__OP_SEND,
                                        .fd = fd,
                                        .buffer = (void *)(uintptr_t)buffer,
                                        .len = (uint32_t)len});
}

static int await_accept(int fd)
{
    return perform((struct asyncio__op){.code = ASYNCIO__OP_ACCEPT, .fd = fd});
}

static struct sockaddr_in address_of(const char *host, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

static int await_connect(int fd, const char *host, unsigned port)
{
    struct sockaddr_in address = address_of(host, port);
    return perform((struct asyncio__op){.code = ASYNCIO__OP_CONNECT,
                                        .fd = fd,
                                        .buffer = &address,
                                        .len = sizeof address});
}

static int make_socket(int type)
{
    return asyncio__poller_socket(asyncio_get_running_loop()->poller, AF_INET,
                                  type, 0);
}

static int make_bound(int type, const char *host, unsigned port)
{
    struct sockaddr_in address = address_of(host, port);
    int fd = make_socket(type);
    EXPECT_EQ(
        asyncio__sys_bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int make_listener(const char *host, unsigned port)
{
    int fd = make_bound(SOCK_STREAM, host, port);
    EXPECT_EQ(asyncio__sys_listen(fd, 8), 0);
    return fd;
}

// A connection over the network: fds[0] is the client's.
static bool make_connection(int fds[2])
{
    int listener = make_listener("127.0.0.1", 80);
    fds[0] = make_socket(SOCK_STREAM);
    bool good = EXPECT_EQ(await_connect(fds[0], "127.0.0.1", 80), 0);
    fds[1] = good ? await_accept(listener) : -1;
    asyncio__sys_close(listener);
    return good && EXPECT_GE(fds[1], 0);
}

static void close_both(const int fds[2])
{
    asyncio__sys_close(fds[0]);
    asyncio__sys_close(fds[1]);
}

// ---- Time -------------------------------------------------------------------

static int ping(void *arg)
{
    int fds[2];
    char byte = 0;
    (void)arg;
    if (make_connection(fds)) {
        double begin = asyncio_time();
        EXPECT_EQ(await_send(fds[0], "x", 1), 1);
        EXPECT_EQ(await_recv(fds[1], &byte, 1), 1);
        EXPECT_EQ(byte, 'x');
        double took = asyncio_time() - begin;
        EXPECT_GE(took, 0.25);
        EXPECT_LT(took, 0.26);
    }
    close_both(fds);
    return 0;
}

TEST_PLAIN(a_packet_takes_as_long_as_it_is_told)
{
    if (!open_world(1)) return;
    asyncio_simulator_set_faults(sim, .latency = 0.25f);
    EXPECT_EQ(run_in(ping, NULL), 0);
    close_world();
}

static int tell_time(void *arg)
{
    double *time = arg;
    *time = asyncio_time();
    return asyncio_sleep(10);
}

TEST_PLAIN(time_goes_on_from_loop_to_loop)
{
    double first, second;
    if (!open_world(1)) return;
    EXPECT_EQ(run_in(tell_time, &first), 0);
    EXPECT_EQ(run_in(tell_time, &second), 0);
    EXPECT_GE(second, first + 10);
    close_world();
}

static int name_backend(void *arg)
{
    (void)arg;
    EXPECT_STR(asyncio_loop_backend(asyncio_get_running_loop()), "sim");
    EXPECT_SAME(asyncio_simulator_current(), sim);
    return 0;
}

TEST_PLAIN(a_loop_made_in_a_world_lives_there)
{
    if (!open_world(1)) return;
    EXPECT_EQ(run_in(name_backend, NULL), 0);
    EXPECT_SAME(asyncio_simulator_current(), NULL);
    close_world();
}

TEST_PLAIN(a_world_is_freed_once_and_also_if_there_is_none)
{
    asyncio_simulator_free(NULL);
    if (!open_world(1)) return;
    EXPECT_EQ(asyncio_simulator_make_folder(sim, "/a/b/c"), 0);
    EXPECT_EQ(asyncio_simulator_make_folder(sim, "/a/b/c"), 0);
    EXPECT_EQ(asyncio_simulator_make_folder(sim, "/dev/null/a"), -EEXIST);
    EXPECT_EQ(asyncio_simulator_make_folder(sim, "a"), -EINVAL);
    close_world();
}

static int leave_a_socket(void *arg)
{
    *(int *)arg = make_listener("127.0.0.1", 80);
    return 0;
}

TEST_PLAIN(a_descriptor_outlives_its_loop)
{
    int fd = -1;
    if (!open_world(1)) return;
    EXPECT_EQ(run_in(leave_a_socket, &fd), 0);
    asyncio_simulator_use(sim);
    EXPECT_GE(asyncio__sys_fd_flags(fd), 0);
    EXPECT_EQ(asyncio__sys_close(fd), 0);
    EXPECT_EQ(asyncio__sys_close(fd), -EBADF);
    asyncio_simulator_use(NULL);
    close_world();
}

// ---- Streams ----------------------------------------------------------------

static void fill(char *bytes, size_t len, unsigned from)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)((from + i) * 7 % 251);
}

#define MUCH ((size_t)300000)

static int send_much(void *arg)
{
    static char bytes[MUCH];
    int fd = *(int *)arg;
    fill(bytes, sizeof bytes, 0);
    for (size_t done = 0; done < sizeof bytes;) {
        int n = await_send(fd, bytes + done, sizeof bytes - done);
        if (n < 0) return n;
        done += (size_t)n;
    }
    return asyncio__sys_shutdown(fd, SHUT_WR);
}

// Reads to the end; how much it was, if all of it was right.
static int receive_much(int fd)
{
    static char expected[MUCH];
    char bytes[5000];
    size_t done = 0;
    fill(expected, sizeof expected, 0);
    for (;;) {
        int n = await_recv(fd, bytes, sizeof bytes);
        if (n < 0) return n;
        if (n == 0) return (int)done;
        if (done + (size_t)n > MUCH ||
            memcmp(bytes, expected + done, (size_t)n) != 0)
            return -EBADMSG;
        done += (size_t)n;
    }
}

static int send_and_receive(void *arg)
{
    int fds[2];
    int *code = arg;
    if (make_connection(fds)) {
        struct asyncio_task *task = asyncio_create_task(send_much, &fds[0]);
        *code = receive_much(fds[1]);
        int err = asyncio_await(task);
        if (*code >= 0) EXPECT_EQ(err, 0);
        asyncio_task_release(task);
    }
    close_both(fds);
    return 0;
}

TEST_PLAIN(a_stream_keeps_the_order_whatever_is_lost)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        int code = 0;
        if (!open_world(seed)) return;
        asyncio_simulator_set_faults(sim, .latency = 0.01f, .jitter = 0.1f,
                                     .loss = 0.2f, .short_reads = 0.5f,
                                     .short_writes = 0.5f);
        EXPECT_EQ(run_in(send_and_receive, &code), 0);
        EXPECT_EQ(code, MUCH);
        close_world();
    }
}

TEST_PLAIN(a_reset_is_told_to_the_reader)
{
    int reset = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        int code = 0;
        if (!open_world(seed)) return;
        asyncio_simulator_set_faults(sim, .reset = 0.2f, .jitter = 0.01f);
        EXPECT_EQ(run_in(send_and_receive, &code), 0);
        EXPECT(code == (int)MUCH || code == -ECONNRESET);
        reset += code == -ECONNRESET;
        close_world();
    }
    EXPECT_GT(reset, 0);
}

// ---- The same again ---------------------------------------------------------

static uint64_t hash_of(uint64_t seed)
{
    int code;
    if (!open_world(seed)) return 0;
    asyncio_simulator_set_faults(sim, .latency = 0.01f, .jitter = 0.1f,
                                 .loss = 0.1f, .reset = 0.01f,
                                 .short_writes = 0.5f);
    run_in(send_and_receive, &code);
    uint64_t hash = asyncio_simulator_hash(sim);
    close_world();
    return hash;
}

TEST_PLAIN(a_seed_is_a_run)
{
    uint64_t first = hash_of(1);
    EXPECT_EQ(hash_of(1), first);
    EXPECT_NE(hash_of(2), first);
}

static int lines;

static void count_line(const char *line, void *arg)
{
    (void)arg;
    lines += strlen(line) > 10;
}

TEST_PLAIN(what_happens_is_told)
{
    int code;
    if (!open_world(1)) return;
    asyncio_simulator_trace(sim, count_line, NULL);
    run_in(send_and_receive, &code);
    EXPECT_GT(lines, 100);
    int before = lines;
    asyncio_simulator_trace(sim, NULL, NULL);
    run_in(send_and_receive, &code);
    EXPECT_EQ(lines, before);
    close_world();
}

// ---- Hosts ------------------------------------------------------------------

static bool add_hosts(void)
{
    return EXPECT_EQ(asyncio_simulator_add_host(sim, "server", "10.0.0.1"),
                     0) &&
           EXPECT_EQ(asyncio_simulator_add_host(sim, "client", "10.0.0.2"), 0);
}

TEST_PLAIN(what_is_no_host_or_address_is_refused)
{
    if (!open_world(1)) return;
    if (add_hosts()) {
        EXPECT_EQ(asyncio_simulator_add_host(sim, "x", "10.0.0.1"),
                  -EADDRINUSE);
        EXPECT_EQ(asyncio_simulator_add_host(sim, "x", "ten"), -EINVAL);
        EXPECT_EQ(asyncio_simulator_add_host(sim, "x", "127.0.0.3"), -EINVAL);
        EXPECT_EQ(asyncio_simulator_add_host(sim, "server", "2001:db8::1"), 0);
        EXPECT_EQ(asyncio_simulator_set_host(sim, "nobody"), -ENOENT);
        EXPECT_EQ(asyncio_simulator_partition(sim, "nobody", "server"),
                  -ENOENT);
        EXPECT_EQ(asyncio_simulator_heal(sim, "nobody", NULL), -ENOENT);
    }
    close_world();
}

static int connect_across(void *arg)
{
    int *code = arg;
    double begin = asyncio_time();
    int listener = make_listener("10.0.0.1", 80);
    EXPECT_EQ(asyncio_simulator_set_host(sim, "client"), 0);
    int fd = make_socket(SOCK_STREAM);
    *code = await_connect(fd, "10.0.0.1", 80);
    if (*code == -ETIMEDOUT) EXPECT_GT(asyncio_time() - begin, 60);
    struct sockaddr_in local = {0};
    socklen_t len = sizeof local;
    EXPECT_EQ(asyncio__sys_getsockname(fd, (struct sockaddr *)&local, &len), 0);
    EXPECT_EQ(ntohl(local.sin_addr.s_addr), 0x0a000002);
    asyncio__sys_close(fd);
    asyncio__sys_close(listener);
    return 0;
}

TEST_PLAIN(a_host_connects_to_another)
{
    static int code = -1; // gcc 12 would see a frame that has gone
    if (!open_world(1)) return;
    if (add_hosts()) {
        EXPECT_EQ(run_in(connect_across, &code), 0);
        EXPECT_EQ(code, 0);
    }
    close_world();
}

TEST_PLAIN(nothing_gets_through_a_partition)
{
    static int code = -1; // gcc 12 would see a frame that has gone
    if (!open_world(1)) return;
    if (add_hosts()) {
        EXPECT_EQ(asyncio_simulator_partition(sim, "client", "server"), 0);
        EXPECT_EQ(run_in(connect_across, &code), 0);
        EXPECT_EQ(code, -ETIMEDOUT);
    }
    close_world();
}

static int heal_later(void *arg)
{
    int err = asyncio_sleep(20);
    if (err < 0) return err;
    return asyncio_simulator_heal(arg, NULL, NULL);
}

static int connect_while_it_heals(void *arg)
{
    struct asyncio_task *task = asyncio_create_task(heal_later, sim);
    double begin = asyncio_time();
    int err = connect_across(arg);
    EXPECT_GE(asyncio_time() - begin, 20);
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    return err;
}

TEST_PLAIN(what_is_healed_gets_through_again)
{
    static int code = -1; // gcc 12 would see a frame that has gone
    if (!open_world(1)) return;
    if (add_hosts()) {
        EXPECT_EQ(asyncio_simulator_partition(sim, NULL, NULL), 0);
        EXPECT_EQ(run_in(connect_while_it_heals, &code), 0);
        EXPECT_EQ(code, 0);
    }
    close_world();
}

static int connect_nowhere(void *arg)
{
    (void)arg;
    int fd = make_socket(SOCK_STREAM);
    EXPECT_EQ(await_connect(fd, "127.0.0.1", 81), -ECONNREFUSED);
    EXPECT_EQ(await_connect(fd, "192.0.2.1", 81), -ENETUNREACH);
    asyncio__sys_close(fd);
    return 0;
}

TEST_PLAIN(who_does_not_listen_refuses)
{
    if (!open_world(1)) return;
    asyncio_simulator_set_faults(sim, .latency = 0.1f);
    EXPECT_EQ(run_in(connect_nowhere, NULL), 0);
    close_world();
}

// A sender that was cut off in the middle hears of it in the end.
static int send_into_a_partition(void *arg)
{
    (void)arg;
    int listener = make_listener("10.0.0.1", 80);
    EXPECT_EQ(asyncio_simulator_set_host(sim, "client"), 0);
    int fd = make_socket(SOCK_STREAM);
    EXPECT_EQ(await_connect(fd, "10.0.0.1", 80), 0);
    int other = await_accept(listener);
    EXPECT_EQ(asyncio_simulator_partition(sim, "client", "server"), 0);
    double begin = asyncio_time();
    EXPECT_EQ(send_much(&fd), -ETIMEDOUT);
    EXPECT_GT(asyncio_time() - begin, 900);
    asyncio__sys_close(fd);
    asyncio__sys_close(other);
    asyncio__sys_close(listener);
    return 0;
}

TEST_PLAIN(a_sender_gives_up)
{
    if (!open_world(1)) return;
    if (add_hosts()) EXPECT_EQ(run_in(send_into_a_partition, NULL), 0);
    close_world();
}

// ---- Datagrams --------------------------------------------------------------

struct datagrams {
    int received, doubled, overtaken;
};

static int exchange_datagrams(void *arg)
{
    struct datagrams *count = arg;
    struct sockaddr_in to = address_of("127.0.0.1", 53);
    bool seen[200] = {false};
    uint8_t number, newest = 0;
    int in = make_bound(SOCK_DGRAM, "127.0.0.1", 53);
    int out = make_socket(SOCK_DGRAM);
    EXPECT_EQ(asyncio__sys_connect(out, (struct sockaddr *)&to, sizeof to), 0);
    for (number = 0; number < 200; number++)
        EXPECT_EQ(await_send(out, &number, 1), 1);
    EXPECT_EQ(asyncio_sleep(10), 0);
    while (asyncio__sys_recv(in, &number, 1, MSG_DONTWAIT) == 1) {
        count->received++;
        count->doubled += seen[number];
        count->overtaken += number < newest;
        seen[number] = true;
        newest = number;
    }
    asyncio__sys_close(in);
    asyncio__sys_close(out);
    return 0;
}

TEST_PLAIN(datagrams_are_lost_doubled_and_overtaken)
{
    struct datagrams count = {0};
    if (!open_world(1)) return;
    asyncio_simulator_set_faults(sim, .jitter = 0.1f, .loss = 0.3f,
                                 .duplication = 0.3f);
    EXPECT_EQ(run_in(exchange_datagrams, &count), 0);
    EXPECT_LT(count.received - count.doubled, 200);
    EXPECT_GT(count.received, 50);
    EXPECT_GT(count.doubled, 0);
    EXPECT_GT(count.overtaken, 0);
    close_world();
}

TEST_PLAIN(datagrams_of_a_sound_world_all_come_in_order)
{
    struct datagrams count = {0};
    if (!open_world(1)) return;
    EXPECT_EQ(run_in(exchange_datagrams, &count), 0);
    EXPECT_EQ(count.received, 200);
    EXPECT_EQ(count.doubled + count.overtaken, 0);
    close_world();
}

// ---- The disk ---------------------------------------------------------------

// What a test writes: how far it goes before the power fails.
enum steps { WRITE, SYNC, RENAME, SYNC_FOLDER };

#define LEN ((size_t)5000)

static int sync_path(const char *path)
{
    int fd = asyncio_open(path, O_RDONLY, 0);
    if (fd < 0) return fd;
    int err = asyncio_fsync(fd);
    int closed = asyncio_close(fd);
    return err < 0 ? err : closed;
}

static int write_file(const char *path, char byte, bool sync)
{
    char bytes[LEN];
    memset(bytes, byte, sizeof bytes);
    int fd = asyncio_open(path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) return fd;
    int err = asyncio_write_all(fd, bytes, sizeof bytes);
    if (err == 0 && sync) err = asyncio_fsync(fd);
    int closed = asyncio_close(fd);
    return err < 0 ? err : closed;
}

static int replace(void *arg)
{
    enum steps last = *(enum steps *)arg;
    int err = write_file("/data/file", 'a', true);
    if (err == 0) err = sync_path("/data");
    if (err == 0) err = write_file("/data/new", 'b', last >= SYNC);
    if (err == 0 && last >= RENAME)
        err = asyncio_rename("/data/new", "/data/file");
    if (err == 0 && last >= SYNC_FOLDER) err = sync_path("/data");
    return err;
}

// How many bytes of a file are `byte`; -1 for a size that is not LEN.
static int count_bytes(const char *path, char byte)
{
    char bytes[LEN + 1];
    int count = 0;
    int fd = asyncio_open(path, O_RDONLY, 0);
    if (fd < 0) return fd;
    int len = asyncio_read(fd, bytes, sizeof bytes);
    for (int i = 0; i < len; i++)
        count += bytes[i] == byte;
    asyncio_ignore(asyncio_close(fd));
    return len == (int)LEN ? count : -1;
}

static int look(void *arg)
{
    *(int *)arg = count_bytes("/data/file", 'b');
    return 0;
}

// What is in the file after a crash: how many of the new bytes.
static int survivor(uint64_t seed, enum steps last)
{
    int count = -1;
    if (!open_world(seed)) return -1;
    EXPECT_EQ(asyncio_simulator_make_folder(sim, "/data"), 0);
    EXPECT_EQ(run_in(replace, &last), 0);
    EXPECT_EQ(asyncio_simulator_crash(sim), 0);
    EXPECT_EQ(run_in(look, &count), 0);
    close_world();
    return count;
}

TEST_PLAIN(a_file_replaced_by_the_book_is_old_or_new)
{
    int old = 0, new = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        int count = survivor(seed, RENAME);
        EXPECT(count == 0 || count == (int)LEN);
        old += count == 0;
        new += count == (int)LEN;
        EXPECT_EQ(survivor(seed, SYNC_FOLDER), LEN);
        EXPECT_EQ(survivor(seed, SYNC), 0);
    }
    EXPECT_GT(old, 0);
    EXPECT_GT(new, 0);
}

static int overwrite(void *arg)
{
    (void)arg;
    int err = write_file("/data/file", 'a', true);
    if (err == 0) err = sync_path("/data");
    return err < 0 ? err : write_file("/data/file", 'b', false);
}

TEST_PLAIN(a_write_that_was_not_synced_may_be_torn)
{
    int torn = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        int count = -1;
        if (!open_world(seed)) return;
        EXPECT_EQ(asyncio_simulator_make_folder(sim, "/data"), 0);
        EXPECT_EQ(run_in(overwrite, NULL), 0);
        EXPECT_EQ(asyncio_simulator_crash(sim), 0);
        EXPECT_EQ(run_in(look, &count), 0);
        EXPECT(count >= 0 && count <= (int)LEN);
        torn += count > 0 && count < (int)LEN;
        close_world();
    }
    EXPECT_GT(torn, 10);
}

static int write_new(void *arg)
{
    (void)arg;
    return write_file("/data/file", 'b', true);
}

TEST_PLAIN(a_name_lasts_only_if_its_folder_is_synced)
{
    int there = 0, gone = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        int count = -1;
        if (!open_world(seed)) return;
        EXPECT_EQ(asyncio_simulator_make_folder(sim, "/data"), 0);
        EXPECT_EQ(run_in(write_new, NULL), 0);
        EXPECT_EQ(asyncio_simulator_crash(sim), 0);
        EXPECT_EQ(run_in(look, &count), 0);
        EXPECT(count == (int)LEN || count == -ENOENT);
        there += count == (int)LEN;
        gone += count == -ENOENT;
        close_world();
    }
    EXPECT_GT(there, 0);
    EXPECT_GT(gone, 0);
}

static int crash_meanwhile(void *arg)
{
    char byte;
    (void)arg;
    int fd = asyncio_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    EXPECT_EQ(asyncio_write_all(fd, "x", 1), 0);
    EXPECT_EQ(asyncio_simulator_crash(sim), 0);
    EXPECT_EQ(asyncio_pread(fd, &byte, 1, 0), -EIO);
    EXPECT_EQ(asyncio_write(fd, &byte, 1), -EIO);
    EXPECT_EQ(asyncio_fsync(fd), -EIO);
    EXPECT_EQ(asyncio_close(fd), 0);
    return 0;
}

TEST_PLAIN(what_was_open_at_a_crash_is_dead)
{
    if (!open_world(1)) return;
    EXPECT_EQ(run_in(crash_meanwhile, NULL), 0);
    close_world();
}

static int fill_the_disk(void *arg)
{
    char bytes[700] = {0};
    (void)arg;
    int fd = asyncio_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    EXPECT_EQ(asyncio_write(fd, bytes, sizeof bytes), 700);
    EXPECT_EQ(asyncio_write(fd, bytes, sizeof bytes), 300);
    EXPECT_EQ(asyncio_write(fd, bytes, sizeof bytes), -ENOSPC);
    EXPECT_EQ(asyncio_pwrite(fd, bytes, 10, 0), 10);
    EXPECT_EQ(asyncio_unlink("/tmp/a"), 0);
    EXPECT_EQ(asyncio_close(fd), 0);
    fd = asyncio_open("/tmp/b", O_RDWR | O_CREAT, 0600);
    EXPECT_EQ(asyncio_fsync(fd), 0);
    EXPECT_EQ(asyncio_write(fd, bytes, sizeof bytes), 700);
    EXPECT_EQ(asyncio_close(fd), 0);
    return 0;
}

TEST_PLAIN(a_disk_is_full_when_it_is)
{
    EXPECT_OR_RETURN(asyncio_simulator_create(&sim, .disk_size = 1000) == 0);
    EXPECT_EQ(run_in(fill_the_disk, NULL), 0);
    close_world();
}

static int meet_errors(void *arg)
{
    char byte = 'x';
    (void)arg;
    int fd = asyncio_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    asyncio_simulator_set_faults(sim, .read_error = 1, .write_error = 1);
    EXPECT_EQ(asyncio_write(fd, &byte, 1), -EIO);
    EXPECT_EQ(asyncio_fsync(fd), -EIO);
    EXPECT_EQ(asyncio_mkdir("/tmp/b", 0700), -EIO);
    asyncio_simulator_set_faults(sim, .no_space = 1);
    EXPECT_EQ(asyncio_write(fd, &byte, 1), -ENOSPC);
    EXPECT_EQ(asyncio_mkdir("/tmp/b", 0700), -ENOSPC);
    asyncio_simulator_set_faults(sim, .short_writes = 1, .short_reads = 1);
    int n = asyncio_write(fd, "hello, world", 12);
    EXPECT(n > 0 && n < 12);
    asyncio_simulator_set_faults(sim);
    EXPECT_EQ(asyncio_pwrite(fd, "hello, world", 12, 0), 12);
    EXPECT_EQ(asyncio_close(fd), 0);
    return 0;
}

TEST_PLAIN(a_disk_fails_as_it_is_told)
{
    if (!open_world(1)) return;
    EXPECT_EQ(run_in(meet_errors, NULL), 0);
    close_world();
}

static int read_slowly(void *arg)
{
    (void)arg;
    double begin = asyncio_time();
    int fd = asyncio_open("/dev/zero", O_RDONLY, 0);
    EXPECT_GE(asyncio_time() - begin, 0.5);
    EXPECT_EQ(asyncio_close(fd), 0);
    return fd < 0 ? fd : 0;
}

TEST_PLAIN(a_disk_takes_its_time)
{
    if (!open_world(1)) return;
    asyncio_simulator_set_faults(sim, .disk_latency = 0.5f);
    EXPECT_EQ(run_in(read_slowly, NULL), 0);
    close_world();
}

static int open_for_ever(void *arg)
{
    (void)arg;
    return asyncio_open("/dev/null", O_RDONLY, 0);
}

// Nobody waits for the disk's answer any more when its loop is closed.
TEST_PLAIN(a_loop_closes_over_a_disk_at_work)
{
    struct asyncio_loop *loop;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        if (!open_world(seed)) return;
        asyncio_simulator_set_faults(sim, .disk_latency = 100);
        asyncio_simulator_use(sim);
        if (EXPECT_EQ(asyncio_new_event_loop(&loop), 0)) {
            struct asyncio_task *task =
                asyncio_create_task(open_for_ever, NULL, .loop = loop);
            asyncio_loop_stop(loop);
            EXPECT_EQ(asyncio_loop_run_forever(loop), 0);
            EXPECT_EQ(asyncio_loop_free(loop), 0);
            asyncio_task_release(task);
        }
        asyncio_simulator_use(NULL);
        for (unsigned n = unexpected_reports(); n > 0; n--)
            expect_report(-ECANCELED);
        close_world();
    }
}

// ---- Names and numbers ------------------------------------------------------

static int note_address(const struct sockaddr *address, socklen_t len,
                        void *arg)
{
    char text[64] = "";
    (void)len;
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr,
                  text, sizeof text);
    else
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr,
                  text, sizeof text);
    strcat(arg, text);
    strcat(arg, " ");
    return 0;
}

TEST_PLAIN(a_host_is_found_by_its_name)
{
    char found[256] = "";
    if (!open_world(1)) return;
    if (add_hosts()) {
        asyncio_simulator_use(sim);
        asyncio_simulator_add_host(sim, "server", "2001:db8::1");
        EXPECT_EQ(asyncio__sim_resolve("SERVER", note_address, found), 0);
        EXPECT_STR(found, "10.0.0.1 2001:db8::1 ");
        EXPECT_EQ(asyncio__sim_resolve("nobody", note_address, found), -ENOENT);
        asyncio_simulator_set_faults(sim, .name_error = 1);
        EXPECT_EQ(asyncio__sim_resolve("server", note_address, found), -EAGAIN);
        EXPECT_EQ(asyncio__sim_resolve("localhost", note_address, found), 0);
        EXPECT_CONTAINS(found, "127.0.0.1 ::1");
        asyncio_simulator_use(NULL);
    }
    close_world();
}

static int open_many(void *arg)
{
    int fds[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        fds[i] = make_socket(SOCK_STREAM);
    EXPECT_GE(fds[2], 0);
    EXPECT_EQ(make_socket(SOCK_STREAM), -EMFILE);
    for (int i = 0; i < 3; i++)
        asyncio__sys_close(fds[i]);
    return 0;
}

TEST_PLAIN(descriptors_run_out)
{
    EXPECT_OR_RETURN(asyncio_simulator_create(&sim, .descriptors = 3) == 0);
    EXPECT_EQ(run_in(open_many, NULL), 0);
    close_world();
}

TEST_PLAIN(a_draw_is_below_its_bound)
{
    if (!open_world(7)) return;
    for (int i = 0; i < 100; i++)
        EXPECT_LT(asyncio_simulator_draw(sim, 10), 10);
    close_world();
}

static int tell_hash(void *arg)
{
    *(uint64_t *)arg = asyncio_simulator_hash(asyncio_simulator_current());
    return 0;
}

TEST_PLAIN(the_environment_names_a_seed)
{
    uint64_t hash[3] = {0};
    struct asyncio_simulator *outside = asyncio_simulator_current();
    asyncio_simulator_use(NULL);
    setenv("ASYNCIO_BACKEND", "sim", 1);
    for (int i = 0; i < 3; i++) {
        setenv("ASYNCIO_SIM_SEED", i < 2 ? "5" : "6", 1);
        EXPECT_EQ(asyncio_run(tell_hash, &hash[i]), 0);
        EXPECT_SAME(asyncio_simulator_current(), NULL);
    }
    EXPECT_EQ(hash[0], hash[1]);
    EXPECT_NE(hash[0], hash[2]);
    asyncio_simulator_use(outside);
}
