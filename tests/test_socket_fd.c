// Sockets that the user has opened: POSIX's calls on descriptors, sendfile and
// splice.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <asyncio/socket.h>

#include "runner/runner.h"
#include "sockets.h"

static bool open_fds(int fds[2], int type)
{
    return EXPECT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds), 0);
}

static void close_fds(const int fds[2])
{
    EXPECT_EQ(close(fds[0]), 0);
    EXPECT_EQ(close(fds[1]), 0);
}

// --- modes ------------------------------------------------------------------

TEST(in_debug_mode_a_blocking_descriptor_is_refused, .short_counts = true)
{
    CONFORMS("SOCK-01");
    struct asyncio_loop *loop = asyncio_get_running_loop();
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct sockaddr *any = (struct sockaddr *)&address;
    struct iovec part = {&address, sizeof address};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct asyncio_socket s;
    socklen_t len = sizeof address;
    char byte = 0;
    int fds[2];
    EXPECT_OR_RETURN(open_fds(fds, SOCK_STREAM));
    if (!EXPECT_EQ(asyncio_loop_set_debug(loop, true), 0)) {
        close_fds(fds);
        return;
    }
    EXPECT_EQ(asyncio_accept(fds[0], any, &len), -EINVAL);
    EXPECT_EQ(asyncio_connect(fds[0], any, len), -EINVAL);
    EXPECT_EQ(asyncio_recv(fds[0], &byte, 1, 0), -EINVAL);
    EXPECT_EQ(asyncio_recvfrom(fds[0], &byte, 1, 0, any, &len), -EINVAL);
    EXPECT_EQ(asyncio_recvmsg(fds[0], &message, 0), -EINVAL);
    EXPECT_EQ(asyncio_send(fds[0], &byte, 1, 0), -EINVAL);
    EXPECT_EQ(asyncio_sendto(fds[0], &byte, 1, 0, any, len), -EINVAL);
    EXPECT_EQ(asyncio_sendmsg(fds[0], &message, 0), -EINVAL);
    EXPECT_EQ(asyncio_sendfile(fds[0], fds[1], NULL, 1), -EINVAL);
    EXPECT_EQ(asyncio_splice(fds[0], NULL, fds[1], NULL, 1, 0), -EINVAL);
    EXPECT_EQ(asyncio_socket_adopt(&s, fds[0]), -EINVAL);
    EXPECT_EQ(asyncio_socket_fileno(&s), -EBADF);
    EXPECT_EQ(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);

    // Nothing was sent, and in the other mode it goes.
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    EXPECT_EQ(asyncio_recv(fds[1], &byte, 1, MSG_DONTWAIT), -EAGAIN);
    EXPECT_EQ(asyncio_send(fds[0], "x", 1, 0), 1);
    EXPECT_EQ(asyncio_recv(fds[1], &byte, 1, MSG_DONTWAIT), 1);
    EXPECT_EQ(asyncio_loop_set_debug(loop, false), 0);
    close_fds(fds);
}

static int receive_a_byte(void *arg)
{
    char byte = 0;
    int n = asyncio_recv(*(int *)arg, &byte, 1, 0);
    return n == 1 ? byte : n;
}

TEST(a_call_waits_in_either_mode, .short_counts = true)
{
    for (int mode = 0; mode < 2; mode++) {
        int fds[2];
        EXPECT_OR_RETURN(
            open_fds(fds, SOCK_STREAM | (mode ? SOCK_NONBLOCK : 0)));
        struct asyncio_task *task = asyncio_create_task(receive_a_byte, fds);
        let_others_wait();
        if (!EXPECT_EQ(asyncio_send(fds[1], "x", 1, 0), 1))
            asyncio_task_cancel(task);
        EXPECT_EQ(WITHIN(asyncio_await(task)), 'x');
        asyncio_task_release(task);
        close_fds(fds);
    }
}

TEST(an_accepted_descriptor_is_non_blocking)
{
    struct sockaddr_in address;
    struct asyncio_socket listener, client;
    socklen_t len = sizeof address;
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    int fd = asyncio_socket_detach(&listener);
    if (EXPECT_EQ(connect_to(&client, &address), 0)) {
        int peer =
            WITHIN(asyncio_accept(fd, (struct sockaddr *)&address, &len));
        if (EXPECT_GE(peer, 0)) {
            EXPECT_EQ(fcntl(peer, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
            EXPECT_EQ(fcntl(peer, F_GETFD), FD_CLOEXEC);
            EXPECT_EQ(asyncio_close(peer), 0);
        }
        asyncio_socket_close(&client);
    }
    asyncio_socket_close(&listener); // if it could not be detached
    if (fd >= 0) EXPECT_EQ(asyncio_close(fd), 0);
}

TEST(messages_have_addresses, .short_counts = true)
{
    struct sockaddr_in address, from;
    struct asyncio_socket s;
    socklen_t len = sizeof from;
    char text[8] = "";
    struct iovec part = {text, 7};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    EXPECT_OR_RETURN(listen_here(&s, SOCK_DGRAM, &address));
    int fd = asyncio_socket_detach(&s);
    EXPECT_EQ(asyncio_sendto(fd, "one", 3, 0, (struct sockaddr *)&address,
                             sizeof address),
              3);
    EXPECT_EQ(asyncio_wait_for(asyncio_recvfrom(fd, text, 7, 0,
                                                (struct sockaddr *)&from, &len),
                               5),
              3);
    EXPECT_STR(text, "one");
    EXPECT_EQ(from.sin_port, address.sin_port);
    EXPECT_EQ(asyncio_connect(fd, (struct sockaddr *)&address, sizeof address),
              0);
    EXPECT_EQ(asyncio_sendmsg(fd, &message, 0), 7);
    EXPECT_EQ(WITHIN(asyncio_recvmsg(fd, &message, 0)), 7);
    asyncio_socket_close(&s);
    if (fd >= 0) EXPECT_EQ(asyncio_close(fd), 0);
}

// --- sendfile ---------------------------------------------------------------

#define FILE_SIZE ((size_t)3 << 20)

static char content[FILE_SIZE], received[FILE_SIZE];
static size_t received_len;

// A file without a name. -1: a call was made to fail.
static int make_file(void)
{
    for (size_t i = 0; i < FILE_SIZE; i++)
        content[i] = (char)(i * 13 >> 4);
    int fd = open(test_folder(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (!EXPECT_GE(fd, 0)) return -1;
    EXPECT_EQ(write(fd, content, FILE_SIZE), (long)FILE_SIZE);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static int receive_to_the_end(void *arg)
{
    int n;
    received_len = 0;
    while ((n = asyncio_socket_recv(arg, received + received_len,
                                    FILE_SIZE - received_len, 0)) > 0)
        received_len += (size_t)n;
    return n;
}

struct transfer {
    struct asyncio_socket pair[2];
    int fd;
    struct asyncio_task *receiver;
};

static bool open_transfer(struct transfer *t)
{
    if (!EXPECT_EQ(asyncio_socket_pair(&t->pair[0], &t->pair[1], AF_UNIX,
                                       SOCK_STREAM, 0),
                   0))
        return false;
    t->fd = make_file();
    t->receiver = asyncio_create_task(receive_to_the_end, &t->pair[1]);
    return true;
}

static void close_transfer(struct transfer *t)
{
    asyncio_socket_close(&t->pair[0]);
    EXPECT_EQ(WITHIN(asyncio_await(t->receiver)), 0);
    asyncio_task_release(t->receiver);
    asyncio_socket_close(&t->pair[1]);
    if (t->fd >= 0) close(t->fd);
}

TEST(just_these_bytes_of_a_file_are_sent)
{
    CONFORMS("SOCK-07");
    struct transfer t;
    size_t sent = 0;
    EXPECT_OR_RETURN(open_transfer(&t));
    EXPECT_EQ(WITHIN(asyncio_socket_sendfile(&t.pair[0], t.fd, 1000, 2000000,
                                             .sent = &sent)),
              2000000);
    EXPECT_EQ(sent, 2000000);
    EXPECT_EQ(lseek(t.fd, 0, SEEK_CUR), 2001000);
    close_transfer(&t);
    EXPECT_EQ(received_len, 2000000);
    EXPECT_EQ(memcmp(received, content + 1000, 2000000), 0);
}

TEST(a_file_is_sent_to_its_end)
{
    struct transfer t;
    EXPECT_OR_RETURN(open_transfer(&t));
    EXPECT_EQ(WITHIN(asyncio_socket_sendfile(&t.pair[0], t.fd, 100, 0)),
              FILE_SIZE - 100);
    EXPECT_EQ(lseek(t.fd, 0, SEEK_CUR), FILE_SIZE);
    EXPECT_EQ(asyncio_socket_sendfile(&t.pair[0], t.fd, FILE_SIZE, 10), 0);
    EXPECT_EQ(asyncio_socket_sendfile(&t.pair[0], t.fd, -1, 10), -EINVAL);
    close_transfer(&t);
    EXPECT_EQ(received_len, FILE_SIZE - 100);
    EXPECT_EQ(memcmp(received, content + 100, FILE_SIZE - 100), 0);
}

// The kernel moves nothing out of such a file: it is read and sent.
TEST(what_the_kernel_cannot_move_is_copied)
{
    struct transfer t;
    char text[256] = "";
    if (strcmp(test_backend(), "sim") == 0) {
        SKIP("there is no such file in a simulated world");
        return;
    }
    EXPECT_OR_RETURN(open_transfer(&t));
    int fd = open("/proc/version", O_RDONLY | O_CLOEXEC);
    long len = read(fd, text, sizeof text - 1);
    EXPECT_EQ(WITHIN(asyncio_socket_sendfile(&t.pair[0], fd, 0, 0)), len);
    EXPECT_EQ(asyncio_socket_sendfile(&t.pair[0], fd, 6, 4), 4);
    close(fd);
    close_transfer(&t);
    EXPECT_EQ(received_len, len + 4);
    EXPECT_EQ(memcmp(received, text, (size_t)len), 0);
    EXPECT_EQ(memcmp(received + len, text + 6, 4), 0);
}

struct sending {
    struct asyncio_socket *socket;
    int fd;
    size_t sent;
};

static int send_whole_file(void *arg)
{
    struct sending *s = arg;
    return asyncio_socket_sendfile(s->socket, s->fd, 0, 0, .sent = &s->sent);
}

TEST(a_cancelled_sendfile_says_how_much_went)
{
    struct asyncio_socket pair[2];
    EXPECT_OR_RETURN(EXPECT_EQ(
        asyncio_socket_pair(&pair[0], &pair[1], AF_UNIX, SOCK_STREAM, 0), 0));
    struct sending s = {.socket = &pair[0], .fd = make_file()};
    struct asyncio_task *task = asyncio_create_task(send_whole_file, &s);
    EXPECT_EQ(asyncio_sleep(1), 0); // by then nothing moves any more
    asyncio_task_cancel(task);
    EXPECT_EQ(WITHIN(asyncio_await(task)), -ECANCELED);
    asyncio_task_release(task);
    EXPECT_EQ(lseek(s.fd, 0, SEEK_CUR), (long)s.sent);
    EXPECT_EQ(asyncio_socket_shutdown(&pair[0], SHUT_WR), 0);
    EXPECT_EQ(
        WITHIN(asyncio_socket_recv(&pair[1], received, FILE_SIZE, MSG_WAITALL)),
        s.sent);
    EXPECT_EQ(memcmp(received, content, s.sent), 0);
    close(s.fd);
    asyncio_socket_close(&pair[0]);
    asyncio_socket_close(&pair[1]);
}

TEST(closing_the_socket_ends_a_sendfile)
{
    struct asyncio_socket pair[2];
    EXPECT_OR_RETURN(EXPECT_EQ(
        asyncio_socket_pair(&pair[0], &pair[1], AF_UNIX, SOCK_STREAM, 0), 0));
    struct sending s = {.socket = &pair[0], .fd = make_file()};
    struct asyncio_task *task = asyncio_create_task(send_whole_file, &s);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_socket_close(&pair[0]);
    EXPECT_EQ(WITHIN(asyncio_await(task)), -EBADF);
    asyncio_task_release(task);
    close(s.fd);
    asyncio_socket_close(&pair[1]);
}

TEST(sendfile_of_a_descriptor_moves_its_offset, .short_counts = true)
{
    int fds[2];
    off_t offset = 10, before_the_start = -1;
    EXPECT_OR_RETURN(open_fds(fds, SOCK_STREAM | SOCK_NONBLOCK));
    int file = make_file();
    EXPECT_EQ(asyncio_sendfile(fds[0], file, &offset, 1000), 1000);
    EXPECT_EQ(offset, 1010);
    EXPECT_EQ(lseek(file, 0, SEEK_CUR), 0);
    EXPECT_EQ(asyncio_sendfile(fds[0], file, NULL, 1000), 1000);
    EXPECT_EQ(lseek(file, 0, SEEK_CUR), 1000);
    EXPECT_EQ(asyncio_sendfile(fds[0], file, &before_the_start, 1), -EINVAL);
    EXPECT_EQ(asyncio_sendfile(-1, file, NULL, 1), -EBADF);
    EXPECT_EQ(WITHIN(asyncio_recv(fds[1], received, 2000, MSG_WAITALL)), 2000);
    EXPECT_EQ(memcmp(received, content + 10, 1000), 0);
    EXPECT_EQ(memcmp(received + 1000, content, 1000), 0);
    if (file >= 0) close(file);
    close_fds(fds);
}

// --- splice -----------------------------------------------------------------

struct splice {
    int in, out;
};

static int splice_some(void *arg)
{
    struct splice *s = arg;
    return asyncio_splice(s->in, NULL, s->out, NULL, 100, 0);
}

TEST(a_splice_waits_for_either_side, .short_counts = true)
{
    int tube[2], fds[2];
    char text[8] = "";
    EXPECT_OR_RETURN(open_fds(fds, SOCK_STREAM | SOCK_NONBLOCK));
    if (!EXPECT_EQ(pipe2(tube, O_CLOEXEC | O_NONBLOCK), 0)) {
        close_fds(fds);
        return;
    }
    struct splice s = {tube[0], fds[0]};
    struct asyncio_task *task = asyncio_create_task(splice_some, &s);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_EQ(write(tube[1], "hello", 5), 5);
    EXPECT_EQ(WITHIN(asyncio_await(task)), 5);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_recv(fds[1], text, 7, MSG_DONTWAIT), 5);
    EXPECT_STR(text, "hello");

    // Now it is the other side that has no room.
    while (write(fds[0], content, 4096) > 0)
        continue;
    EXPECT_EQ(write(tube[1], "again", 5), 5);
    task = asyncio_create_task(splice_some, &s);
    EXPECT_EQ(asyncio_sleep(1), 0);
    while (recv(fds[1], received, FILE_SIZE, MSG_DONTWAIT) > 0)
        continue;
    EXPECT_EQ(WITHIN(asyncio_await(task)), 5);
    asyncio_task_release(task);

    task = asyncio_create_task(splice_some, &s);
    EXPECT_EQ(asyncio_sleep(1), 0);
    asyncio_task_cancel(task);
    EXPECT_EQ(WITHIN(asyncio_await(task)), -ECANCELED);
    asyncio_task_release(task);
    close_fds(tube);
    close_fds(fds);
}

TEST(a_splice_out_of_a_file_moves_its_offset, .short_counts = true)
{
    int tube[2];
    off_t offset = 7;
    EXPECT_OR_RETURN(EXPECT_EQ(pipe2(tube, O_CLOEXEC | O_NONBLOCK), 0));
    int file = make_file();
    EXPECT_EQ(asyncio_splice(file, &offset, tube[1], NULL, 100, 0), 100);
    EXPECT_EQ(offset, 107);
    EXPECT_EQ(read(tube[0], received, 200), 100);
    EXPECT_EQ(memcmp(received, content + 7, 100), 0);
    EXPECT_EQ(
        asyncio_splice(tube[0], NULL, file, &offset, 100, SPLICE_F_NONBLOCK),
        -EAGAIN);
    offset = FILE_SIZE;
    EXPECT_EQ(asyncio_splice(file, &offset, tube[1], NULL, 100, 0), 0);
    if (file >= 0) close(file);
    close_fds(tube);
}
