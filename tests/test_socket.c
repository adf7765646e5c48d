// Sockets: what POSIX says of each call, while others run; and what a cancel, a
// close and a limit leave behind.

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include <asyncio/socket.h>

#include "runner/runner.h"
#include "sockets.h"

#define MEGABYTE ((size_t)1 << 20)

static bool open_pair(struct asyncio_socket pair[2], int type)
{
    return EXPECT_EQ(asyncio_socket_pair(&pair[0], &pair[1], AF_UNIX, type, 0),
                     0);
}

static void close_pair(struct asyncio_socket pair[2])
{
    asyncio_socket_close(&pair[0]);
    asyncio_socket_close(&pair[1]);
}

// --- open and close ---------------------------------------------------------

TEST(a_zeroed_socket_is_closed)
{
    struct asyncio_socket s = {0};
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t len = sizeof address;
    char byte;
    EXPECT_EQ(asyncio_socket_fileno(&s), -EBADF);
    EXPECT_EQ(asyncio_socket_detach(&s), -EBADF);
    EXPECT_EQ(asyncio_socket_bind(&s, any, len), -EBADF);
    EXPECT_EQ(asyncio_socket_listen(&s, 1), -EBADF);
    EXPECT_EQ(asyncio_socket_shutdown(&s, SHUT_WR), -EBADF);
    EXPECT_EQ(asyncio_socket_getsockname(&s, any, &len), -EBADF);
    EXPECT_EQ(asyncio_socket_getpeername(&s, any, &len), -EBADF);
    EXPECT_EQ(asyncio_socket_connect(&s, any, len), -EBADF);
    EXPECT_EQ(asyncio_socket_accept(&s, &s, NULL, NULL), -EBADF);
    EXPECT_EQ(asyncio_socket_recv(&s, &byte, 1, 0), -EBADF);
    EXPECT_EQ(asyncio_socket_send(&s, &byte, 1, 0), -EBADF);
    EXPECT_EQ(asyncio_socket_send_all(&s, &byte, 1), -EBADF);
    EXPECT_EQ(asyncio_socket_sendfile(&s, 0, 0, 1), -EBADF);
    asyncio_socket_close(&s);
    asyncio_socket_close(NULL);
}

TEST_PLAIN(outside_a_task_nothing_is_done)
{
    struct asyncio_socket s = {0};
    char byte;
    EXPECT_EQ(asyncio_socket_open(&s, AF_INET, SOCK_STREAM, 0), -EPERM);
    EXPECT_EQ(asyncio_socket_recv(&s, &byte, 1, 0), -EPERM);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", 1), -EPERM);
    EXPECT_EQ(asyncio_recv(0, &byte, 1, 0), -EPERM);
    EXPECT_EQ(asyncio_accept(0, NULL, NULL), -EPERM);
    EXPECT_EQ(asyncio_sendfile(0, 1, NULL, 1), -EPERM);
    EXPECT_EQ(asyncio_splice(0, NULL, 1, NULL, 1, 0), -EPERM);
}

TEST(a_socket_is_made_and_gone)
{
    struct asyncio_socket s;
    EXPECT_EQ(asyncio_socket_open(&s, AF_INET, 77, 0), -EINVAL);
    EXPECT_EQ(asyncio_socket_fileno(&s), -EBADF);
    EXPECT_OR_RETURN(
        EXPECT_EQ(asyncio_socket_open(&s, AF_INET, SOCK_STREAM, 0), 0));
    int fd = asyncio_socket_fileno(&s);
    EXPECT_GE(fd, 0);
    EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);

    int on = 1, value = 0;
    socklen_t len = sizeof value;
    EXPECT_EQ(
        asyncio_socket_setsockopt(&s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on),
        0);
    EXPECT_EQ(
        asyncio_socket_getsockopt(&s, SOL_SOCKET, SO_REUSEADDR, &value, &len),
        0);
    EXPECT_EQ(value, 1);
    asyncio_socket_close(&s);
    EXPECT_EQ(asyncio_socket_fileno(&s), -EBADF);
    EXPECT_EQ(fcntl(fd, F_GETFD), -1);
    asyncio_socket_close(&s);
}

TEST(a_detached_descriptor_is_open_and_non_blocking, .short_counts = true)
{
    struct asyncio_socket pair[2], again;
    char byte = 0;
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    int fd = asyncio_socket_detach(&pair[0]);
    if (EXPECT_GE(fd, 0)) {
        EXPECT_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        EXPECT_EQ(asyncio_socket_fileno(&pair[0]), -EBADF);
        EXPECT_EQ(write(fd, "x", 1), 1);
        EXPECT_EQ(WITHIN(asyncio_socket_recv(&pair[1], &byte, 1, 0)), 1);
        EXPECT_EQ(asyncio_socket_adopt(&again, fd), 0);
        if (asyncio_socket_fileno(&again) == fd) {
            EXPECT_EQ(asyncio_socket_send(&again, "y", 1, 0), 1);
            EXPECT_EQ(asyncio_socket_recv(&pair[1], &byte, 1, MSG_DONTWAIT), 1);
            asyncio_socket_close(&again);
        } else {
            EXPECT_EQ(asyncio_close(fd), 0);
        }
    }
    EXPECT_EQ(asyncio_socket_adopt(&again, -1), -EBADF);
    close_pair(pair);
}

// --- connections ------------------------------------------------------------

TEST(a_connection_to_nobody_is_refused)
{
    CONFORMS("SOCK-02");
    struct asyncio_socket listener, s;
    struct sockaddr_in address;
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    asyncio_socket_close(&listener);
    EXPECT_EQ(connect_to(&s, &address), -ECONNREFUSED);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_EQ(asyncio_connect(fd, (struct sockaddr *)&address, sizeof address),
              -ECONNREFUSED);
    EXPECT_EQ(close(fd), 0);
}

struct acceptor {
    struct asyncio_socket *listener;
    struct asyncio_socket peer;
    struct sockaddr_in address;
    socklen_t len;
};

static int accept_one(void *arg)
{
    struct acceptor *a = arg;
    a->len = sizeof a->address;
    return asyncio_socket_accept(a->listener, &a->peer,
                                 (struct sockaddr *)&a->address, &a->len);
}

TEST(an_accept_waits_for_a_connection)
{
    struct asyncio_socket listener, s;
    struct sockaddr_in address, own;
    socklen_t len = sizeof own;
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    struct acceptor a = {.listener = &listener};
    struct asyncio_task *task = asyncio_create_task(accept_one, &a);
    let_others_wait();
    int err = connect_to(&s, &address);
    EXPECT_EQ(err, 0);
    if (err < 0) asyncio_task_cancel(task);
    int accepted = asyncio_await(task);
    EXPECT_EQ(accepted, err);
    asyncio_task_release(task);
    if (err == 0 && accepted == 0) {
        EXPECT_EQ(asyncio_socket_getsockname(&s, (struct sockaddr *)&own, &len),
                  0);
        EXPECT_EQ(a.address.sin_port, own.sin_port);
        EXPECT_EQ(asyncio_socket_send_all(&a.peer, "hello", 5), 0);
        char text[8] = "";
        EXPECT_EQ(WITHIN(asyncio_socket_recv(&s, text, 5, MSG_WAITALL)), 5);
        EXPECT_STR(text, "hello");
        EXPECT_EQ(asyncio_socket_shutdown(&a.peer, SHUT_WR), 0);
        EXPECT_EQ(WITHIN(asyncio_socket_recv(&s, text, 5, 0)), 0);
    }
    asyncio_socket_close(&a.peer);
    asyncio_socket_close(&s);
    asyncio_socket_close(&listener);
}

TEST(an_accept_cut_short_holds_nothing_open)
{
    CONFORMS("SOCK-03");
    struct asyncio_socket listener, peer, s;
    struct sockaddr_in address;
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    EXPECT_EQ(asyncio_wait_for(
                  asyncio_socket_accept(&listener, &peer, NULL, NULL), 10),
              -ETIMEDOUT);
    EXPECT_EQ(asyncio_socket_fileno(&peer), -EBADF);
    asyncio_socket_close(&listener);
    EXPECT_EQ(connect_to(&s, &address), -ECONNREFUSED);
}

// Which of the two it is, is up to the kernel; no connection is lost in either.
TEST(an_accept_cancelled_as_a_connection_comes_loses_none)
{
    struct asyncio_socket listener, s;
    struct sockaddr_in address;
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    struct acceptor a = {.listener = &listener};
    struct asyncio_task *task = asyncio_create_task(accept_one, &a);
    let_others_wait();
    int err = connect_to(&s, &address);
    EXPECT_EQ(err, 0);
    asyncio_task_cancel(task);
    int accepted = asyncio_await(task);
    asyncio_task_release(task);
    EXPECT(accepted == 0 || accepted == -ECANCELED);
    if (asyncio_socket_fileno(&a.peer) < 0 && err == 0)
        EXPECT_EQ(WITHIN(asyncio_socket_accept(&listener, &a.peer, NULL, NULL)),
                  0);
    asyncio_socket_close(&a.peer);
    asyncio_socket_close(&s);
    asyncio_socket_close(&listener);
}

// --- what a cancel leaves behind --------------------------------------------

TEST(a_cancelled_receive_eats_nothing, .short_counts = true)
{
    CONFORMS("SOCK-04");
    struct asyncio_socket pair[2];
    struct receiver first, second;
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    start_receiver(&first, &pair[0]);
    let_others_wait();
    asyncio_task_cancel(first.task);
    EXPECT_EQ(end_receiver(&first), -ECANCELED);

    start_receiver(&second, &pair[0]);
    let_others_wait();
    if (!EXPECT_EQ(asyncio_socket_send(&pair[1], "hello", 5, 0), 5))
        asyncio_task_cancel(second.task);
    EXPECT_EQ(end_receiver(&second), 5);
    EXPECT_STR(second.text, "hello");
    EXPECT_STR(first.text, "");
    close_pair(pair);
}

// The same while the first is still being cancelled.
TEST(a_receive_beside_one_that_is_being_cancelled_gets_all,
     .short_counts = true)
{
    CONFORMS("SOCK-04");
    struct asyncio_socket pair[2];
    struct receiver first, second;
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    start_receiver(&first, &pair[0]);
    let_others_wait();
    asyncio_task_cancel(first.task);
    start_receiver(&second, &pair[0]);
    let_others_wait();
    if (!EXPECT_EQ(asyncio_socket_send(&pair[1], "hello", 5, 0), 5))
        asyncio_task_cancel(second.task);
    EXPECT_EQ(end_receiver(&second), 5);
    EXPECT_STR(second.text, "hello");
    EXPECT_EQ(end_receiver(&first), -ECANCELED);
    close_pair(pair);
}

static char block[MEGABYTE];

static int send_once(void *arg)
{
    return asyncio_socket_send(arg, block, sizeof block, 0);
}

// Makes a stream full, so that a send has to wait. Returns how much went.
static size_t fill(struct asyncio_socket *s)
{
    size_t sum = 0;
    int n;
    while ((n = asyncio_socket_send(s, block, 4096, MSG_DONTWAIT)) > 0)
        sum += (size_t)n;
    EXPECT_EQ(n, -EAGAIN);
    return sum;
}

static int receive_exactly(struct asyncio_socket *s, char *to, size_t size)
{
    int n = WITHIN(asyncio_socket_recv(s, to, size, MSG_WAITALL));
    return n < 0 ? n : n == (int)size ? 0 : -ENODATA;
}

static int send_second(void *arg)
{
    return asyncio_socket_send_all(arg, "the second's bytes", 18);
}

TEST(a_cancelled_send_leaves_nothing_in_the_way_of_the_next,
     .short_counts = true)
{
    CONFORMS("SOCK-05");
    struct asyncio_socket pair[2];
    static char sink[MEGABYTE];
    char text[19] = "";
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    size_t before = fill(&pair[0]);
    struct asyncio_task *first = asyncio_create_task(send_once, &pair[0]);
    let_others_wait();
    asyncio_task_cancel(first);
    EXPECT_EQ(WITHIN(asyncio_await(first)), -ECANCELED);
    asyncio_task_release(first);

    struct asyncio_task *second = asyncio_create_task(send_second, &pair[0]);
    let_others_wait();
    int err = receive_exactly(&pair[1], sink, before);
    EXPECT_EQ(err, 0);
    EXPECT_EQ(WITHIN(asyncio_await(second)), 0);
    asyncio_task_release(second);
    if (err == 0 && receive_exactly(&pair[1], text, 18) == 0)
        EXPECT_STR(text, "the second's bytes");
    EXPECT_EQ(asyncio_socket_recv(&pair[1], text, 1, MSG_DONTWAIT), -EAGAIN);
    close_pair(pair);
}

static size_t sent_before_the_cancel;

static int send_all_of_it(void *arg)
{
    return asyncio_socket_send_all(arg, block, sizeof block,
                                   .sent = &sent_before_the_cancel);
}

TEST(a_cancelled_send_of_all_says_how_much_went, .short_counts = true)
{
    struct asyncio_socket pair[2];
    static char sink[MEGABYTE];
    sent_before_the_cancel = 0;
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    struct asyncio_task *task = asyncio_create_task(send_all_of_it, &pair[0]);
    let_others_wait();
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    EXPECT_GT(sent_before_the_cancel, 0);
    EXPECT_EQ(asyncio_socket_shutdown(&pair[0], SHUT_WR), 0);
    EXPECT_EQ(
        WITHIN(asyncio_socket_recv(&pair[1], sink, sizeof sink, MSG_WAITALL)),
        sent_before_the_cancel);
    close_pair(pair);
}

static int try_in_a_cancelled_scope(void *arg)
{
    struct asyncio_socket *pair = arg;
    char byte;
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    asyncio_cancel_scope_cancel(&scope);
    EXPECT_EQ(asyncio_socket_send(&pair[0], "x", 1, 0), -ECANCELED);
    EXPECT_EQ(asyncio_socket_recv(&pair[1], &byte, 1, 0), -ECANCELED);
    EXPECT_EQ(asyncio_socket_send_all(&pair[0], "x", 1), -ECANCELED);
    return asyncio_cancel_scope_exit(&scope, -ECANCELED);
}

TEST(in_a_cancelled_scope_nothing_begins)
{
    struct asyncio_socket pair[2];
    char byte;
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    EXPECT_EQ(try_in_a_cancelled_scope(pair), 0);
    EXPECT_EQ(asyncio_socket_recv(&pair[1], &byte, 1, MSG_DONTWAIT), -EAGAIN);
    close_pair(pair);
}

// --- closing while somebody waits -------------------------------------------

TEST(closing_a_socket_ends_what_waits_for_it)
{
    struct asyncio_socket pair[2];
    struct receiver first, second;
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    start_receiver(&first, &pair[0]);
    start_receiver(&second, &pair[0]);
    let_others_wait();
    asyncio_socket_close(&pair[0]);
    memset(&pair[0], 0xff, sizeof pair[0]); // it may be gone at once
    EXPECT_EQ(end_receiver(&first), -EBADF);
    EXPECT_EQ(end_receiver(&second), -EBADF);
    asyncio_socket_close(&pair[1]);
}

static int receive_then_sleep(void *arg)
{
    int err = receive(arg);
    trace("received %d", err);
    return err == -EBADF ? asyncio_sleep(3600) : err;
}

TEST(a_cancel_after_the_close_is_not_lost)
{
    struct asyncio_socket pair[2];
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    struct receiver r = {.socket = &pair[0], .size = 1};
    r.task = asyncio_create_task(receive_then_sleep, &r);
    let_others_wait();
    asyncio_socket_close(&pair[0]);
    asyncio_task_cancel(r.task);
    EXPECT_EQ(end_receiver(&r), -ECANCELED);
    EXPECT_TRACE("received -9");
    asyncio_socket_close(&pair[1]);
}

TEST(a_cancel_before_the_close_wins)
{
    struct asyncio_socket pair[2];
    struct receiver r;
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    start_receiver(&r, &pair[0]);
    let_others_wait();
    asyncio_task_cancel(r.task);
    asyncio_socket_close(&pair[0]);
    int err = end_receiver(&r);
    EXPECT(err == -ECANCELED || err == -EBADF);
    asyncio_socket_close(&pair[1]);
}

TEST(what_had_come_before_the_close_is_delivered_or_not_taken)
{
    struct asyncio_socket pair[2];
    struct receiver r;
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    start_receiver(&r, &pair[0]);
    let_others_wait();
    EXPECT_EQ(write(asyncio_socket_fileno(&pair[1]), "abc", 3), 3);
    asyncio_socket_close(&pair[0]);
    int err = end_receiver(&r);
    EXPECT(err == 3 || err == -EBADF);
    EXPECT_STR(r.text, err == 3 ? "abc" : "");
    asyncio_socket_close(&pair[1]);
}

// --- data -------------------------------------------------------------------

static char sent_content[MEGABYTE], came_back[MEGABYTE];

static int echo(void *arg)
{
    static char buffer[16384];
    struct asyncio_socket *s = arg;
    int n;
    while ((n = asyncio_socket_recv(s, buffer, sizeof buffer, 0)) > 0) {
        int err = asyncio_socket_send_all(s, buffer, (size_t)n);
        if (err < 0) return err;
    }
    asyncio_socket_shutdown(s, SHUT_WR);
    return n;
}

static int send_content(void *arg)
{
    int err = asyncio_socket_send_all(arg, sent_content, MEGABYTE);
    asyncio_socket_shutdown(arg, SHUT_WR);
    return err;
}

static int receive_content(void *arg)
{
    size_t sum = 0;
    int n = 1;
    while (n > 0 && sum < MEGABYTE) {
        n = asyncio_socket_recv(arg, came_back + sum, MEGABYTE - sum, 0);
        if (n > 0) sum += (size_t)n;
    }
    return n < 0 ? n : sum == MEGABYTE ? 0 : -ENODATA;
}

static int echo_content(struct asyncio_socket *server,
                        struct asyncio_socket *client)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, echo, server);
    asyncio_task_group_create_task(&group, send_content, client);
    asyncio_task_group_create_task(&group, receive_content, client);
    return asyncio_task_group_exit(&group, 0);
}

TEST(a_megabyte_comes_back_intact)
{
    CONFORMS("SOCK-06");
    struct asyncio_socket listener, client, server;
    struct sockaddr_in address;
    for (size_t i = 0; i < MEGABYTE; i++)
        sent_content[i] = (char)((i * 31) ^ (i >> 9));
    memset(came_back, 0, MEGABYTE);
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    int err = connect_to(&client, &address);
    EXPECT_EQ(err, 0);
    if (err == 0) {
        err = WITHIN(asyncio_socket_accept(&listener, &server, NULL, NULL));
        EXPECT_EQ(err, 0);
    }
    if (err == 0) {
        EXPECT_EQ(WITHIN(echo_content(&server, &client)), 0);
        EXPECT_EQ(memcmp(sent_content, came_back, MEGABYTE), 0);
        asyncio_socket_close(&server);
    }
    asyncio_socket_close(&client);
    asyncio_socket_close(&listener);
}

TEST(sending_to_nobody_is_a_code_and_no_signal)
{
    struct asyncio_socket pair[2];
    size_t sent = 7;
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    asyncio_socket_close(&pair[1]);
    EXPECT_EQ(asyncio_socket_send(&pair[0], "x", 1, 0), -EPIPE);
    EXPECT_EQ(asyncio_socket_send_all(&pair[0], "x", 1, .sent = &sent), -EPIPE);
    EXPECT_EQ(sent, 0);
    close_pair(pair);
}

TEST(datagrams_keep_their_ends_and_senders)
{
    struct asyncio_socket a, b;
    struct sockaddr_in to, own, from;
    socklen_t len = sizeof from, own_len = sizeof own;
    char text[16] = "";
    EXPECT_OR_RETURN(listen_here(&a, SOCK_DGRAM, &to));
    if (EXPECT_EQ(asyncio_socket_open(&b, AF_INET, SOCK_DGRAM, 0), 0)) {
        struct sockaddr *any = (struct sockaddr *)&to;
        EXPECT_EQ(asyncio_socket_sendto(&b, "first", 5, 0, any, sizeof to), 5);
        EXPECT_EQ(asyncio_socket_sendto(&b, "2nd", 3, 0, any, sizeof to), 3);
        EXPECT_EQ(
            WITHIN(asyncio_socket_recvfrom(&a, text, sizeof text - 1, 0,
                                           (struct sockaddr *)&from, &len)),
            5);
        EXPECT_STR(text, "first");
        EXPECT_EQ(
            asyncio_socket_getsockname(&b, (struct sockaddr *)&own, &own_len),
            0);
        EXPECT_EQ(from.sin_port, own.sin_port);
        EXPECT_EQ(len, sizeof from);
        memset(text, 0, sizeof text);
        EXPECT_EQ(WITHIN(asyncio_socket_recv(&a, text, sizeof text - 1, 0)), 3);
        EXPECT_STR(text, "2nd");
        asyncio_socket_close(&b);
    }
    asyncio_socket_close(&a);
}

TEST(a_datagram_to_nobody_does_not_break_its_sender)
{
    CONFORMS("SOCK-09");
    struct asyncio_socket s, gone, other;
    struct sockaddr_in own, nobody;
    char text[8] = "";
    EXPECT_OR_RETURN(listen_here(&gone, SOCK_DGRAM, &nobody));
    asyncio_socket_close(&gone);
    EXPECT_OR_RETURN(listen_here(&s, SOCK_DGRAM, &own));
    if (EXPECT_EQ(asyncio_socket_open(&other, AF_INET, SOCK_DGRAM, 0), 0)) {
        EXPECT_EQ(asyncio_socket_sendto(&s, "lost", 4, 0,
                                        (struct sockaddr *)&nobody,
                                        sizeof nobody),
                  4);
        let_others_wait(); // for what the network may say to that
        EXPECT_EQ(asyncio_socket_sendto(&other, "here", 4, 0,
                                        (struct sockaddr *)&own, sizeof own),
                  4);
        EXPECT_EQ(WITHIN(asyncio_socket_recv(&s, text, 7, 0)), 4);
        EXPECT_STR(text, "here");
        asyncio_socket_close(&other);
    }
    asyncio_socket_close(&s);
}

TEST(vectors_are_sent_and_received, .short_counts = true)
{
    struct asyncio_socket pair[2];
    char head[3] = "", tail[8] = "";
    struct iovec from[] = {{"he", 2}, {"llo", 3}};
    struct iovec to[] = {{head, 2}, {tail, 7}};
    struct msghdr out = {.msg_iov = from, .msg_iovlen = 2};
    struct msghdr in = {.msg_iov = to, .msg_iovlen = 2};
    EXPECT_OR_RETURN(open_pair(pair, SOCK_STREAM));
    int n = asyncio_socket_sendmsg(&pair[0], &out, 0);
    EXPECT_EQ(n, 5);
    if (n == 5 && EXPECT_EQ(asyncio_socket_recvmsg(&pair[1], &in, 0), 5)) {
        EXPECT_STR(head, "he");
        EXPECT_STR(tail, "llo");
    }
    close_pair(pair);
}

// --- descriptors that come along --------------------------------------------

static int open_file(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_GE(fd, 0);
    return fd;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        EXPECT_EQ(asyncio_close(fds[i]), 0);
}

TEST(descriptors_come_along_with_data, .short_counts = true)
{
    struct asyncio_socket pair[2];
    char text[8] = "";
    int fd = open_file(), fds[4];
    size_t count = 4;
    if (!open_pair(pair, SOCK_STREAM)) {
        close(fd);
        return;
    }
    int sent = asyncio_socket_send_fds(&pair[0], "hi", 2,
                                       (const int[]){fd, fd, fd}, 3);
    EXPECT_EQ(sent, 2);
    if (sent == 2) {
        EXPECT_EQ(asyncio_socket_recv_fds(&pair[1], text, 7, fds, &count), 2);
        EXPECT_STR(text, "hi");
        EXPECT_EQ(count, 3);
        for (size_t i = 0; i < count; i++)
            EXPECT_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        close_all(fds, count);
    }
    EXPECT_EQ(asyncio_socket_send_fds(&pair[0], "hi", 2, fds, 254), -EINVAL);
    EXPECT_EQ(asyncio_socket_send_fds(&pair[0], "", 0, &fd, 1), -EINVAL);
    close(fd);
    close_pair(pair);
}

#ifdef ASYNCIO_EMULATED
#define CLOSES_THE_REST false // it asks the kernel with more room than we have
#else
#define CLOSES_THE_REST true
#endif

// What there is no room for is closed: the runner would see it open.
TEST(descriptors_that_nobody_wants_are_closed, .short_counts = true)
{
    if (!CLOSES_THE_REST) {
        SKIP("an emulator leaves them open");
        return;
    }
    for (size_t room = 0; room < 3; room++) {
        struct asyncio_socket pair[2];
        char text[8] = "";
        int fd = open_file(), fds[4];
        size_t count = room;
        if (open_pair(pair, SOCK_STREAM)) {
            int sent = asyncio_socket_send_fds(&pair[0], "hi", 2,
                                               (const int[]){fd, fd, fd}, 3);
            EXPECT_EQ(sent, 2);
            if (sent == 2) {
                EXPECT_EQ(
                    asyncio_socket_recv_fds(&pair[1], text, 7, fds, &count), 2);
                EXPECT_EQ(count, room);
                close_all(fds, count);
            }
            close_pair(pair);
        }
        close(fd);
    }
}

// --- Unix addresses ---------------------------------------------------------

TEST(unix_sockets_have_paths)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", test_folder());
    struct sockaddr *any = (struct sockaddr *)&address;
    struct asyncio_socket a, b = {0};
    char text[8] = "";
    EXPECT_OR_RETURN(
        EXPECT_EQ(asyncio_socket_open(&a, AF_UNIX, SOCK_DGRAM, 0), 0));
    int err = asyncio_socket_bind(&a, any, sizeof address);
    EXPECT_EQ(err, 0);
    if (err == 0) err = asyncio_socket_open(&b, AF_UNIX, SOCK_DGRAM, 0);
    EXPECT_EQ(err, 0);
    if (err == 0) err = asyncio_socket_connect(&b, any, sizeof address);
    EXPECT_EQ(err, 0);
    if (err == 0 && EXPECT_EQ(asyncio_socket_send(&b, "hello", 5, 0), 5)) {
        EXPECT_EQ(WITHIN(asyncio_socket_recv(&a, text, 7, 0)), 5);
        EXPECT_STR(text, "hello");
    }
    asyncio_socket_close(&a);
    if (err == 0)
        EXPECT_EQ(asyncio_socket_send(&b, "hello", 5, 0), -ECONNREFUSED);
    asyncio_socket_close(&b);
    unlink(address.sun_path);
}
