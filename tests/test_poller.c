// The poller's operations on sockets and vectors: the same on each backend, and
// whatever mode a descriptor is in.

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "faults.h"
#include "platform/clock.h"
#include "platform/poller.h"
#include "platform/sys.h"
#include "runner/runner.h"

#define MEGABYTE ((size_t)1 << 20)

static struct asyncio__poller *poller;
static int ended; // operations whose `done` was called

static void note_end(struct asyncio__op *op)
{
    (void)op;
    ended++;
}

static bool open_poller(void)
{
    ended = 0;
    return EXPECT_EQ(asyncio__poller_open(&poller, ASYNCIO__BACKEND_AUTO), 0);
}

static bool start(struct asyncio__op *op)
{
    op->done = note_end;
    return EXPECT_EQ(asyncio__poller_submit(poller, op), 0);
}

static bool is_over(const struct asyncio__op *op)
{
    return op->state == ASYNCIO__OP_IDLE;
}

static void finish(struct asyncio__op *op)
{
    while (!is_over(op))
        EXPECT_EQ(asyncio__poller_wait(poller, -1), 0);
}

static int perform(struct asyncio__op *op)
{
    if (!start(op)) return -EIO;
    finish(op);
    return op->result;
}

// Lets the kernel have what is queued, and time to answer.
static void look(void)
{
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(asyncio__poller_wait(poller, 0), 0);
}

static int cancel(struct asyncio__op *op)
{
    asyncio__poller_cancel(poller, op);
    finish(op);
    return op->result;
}

static bool came_short(const struct asyncio__op *op)
{
    return op->result < 0 ||
           (op->flags & MSG_WAITALL && (uint32_t)op->result < op->len);
}

// Waits for two that need each other.
static void finish_both(struct asyncio__op *a, struct asyncio__op *b)
{
    while (!is_over(a) && !is_over(b))
        EXPECT_EQ(asyncio__poller_wait(poller, -1), 0);
    if (is_over(a) && came_short(a)) cancel(b);
    if (is_over(b) && came_short(b)) cancel(a);
    finish(a);
    finish(b);
}

static struct asyncio__op op_recv(int fd, void *buffer, size_t len, int flags)
{
    return (struct asyncio__op){.code = ASYNCIO__OP_RECV,
                                .fd = fd,
                                .buffer = buffer,
                                .len = (uint32_t)len,
                                .flags = (uint32_t)flags};
}

static struct asyncio__op op_send(int fd, const void *buffer, size_t len,
                                  int flags)
{
    struct asyncio__op op = op_recv(fd, (void *)(uintptr_t)buffer, len, flags);
    op.code = ASYNCIO__OP_SEND;
    return op;
}

static struct asyncio__op op_of(enum asyncio__op_code code, int fd,
                                void *buffer, size_t len)
{
    return (struct asyncio__op){.code = (uint8_t)code,
                                .fd = fd,
                                .buffer = buffer,
                                .len = (uint32_t)len};
}

// --- both modes -------------------------------------------------------------

// What every test of two connected sockets begins and ends with.
static bool open_pair(int type, int fds[2])
{
    fds[0] = fds[1] = -1;
    if (!open_poller()) return false;
    if (EXPECT_EQ(asyncio__sys_socketpair(AF_UNIX, type, 0, fds), 0))
        return true;
    asyncio__poller_close(poller);
    return false;
}

static void close_pair(const int fds[2])
{
    if (fds[0] >= 0) asyncio__sys_close(fds[0]);
    if (fds[1] >= 0) asyncio__sys_close(fds[1]);
    asyncio__poller_close(poller);
}

static void in_both_modes(int type, void (*test)(int fds[2]))
{
    for (int mode = 0; mode < 2; mode++) {
        int fds[2];
        if (!open_pair(type | (mode ? SOCK_NONBLOCK : 0), fds)) return;
        test(fds);
        close_pair(fds);
    }
}

static void receive_what_comes(int fds[2])
{
    char text[16] = "";
    struct asyncio__op first = op_recv(fds[0], text, sizeof text, 0);
    EXPECT_OR_RETURN(start(&first));
    look();
    EXPECT_EQ(ended, 0);
    struct asyncio__op send = op_send(fds[1], "hello", 5, 0);
    if (!start(&send)) send.result = -EIO;
    finish_both(&send, &first);
    EXPECT_EQ(send.result, 5);
    EXPECT_EQ(first.result, 5);
    EXPECT_STR(text, "hello");
    EXPECT_EQ(asyncio__poller_pending(poller), 0);
}

TEST_PLAIN(a_receive_waits_for_what_is_sent, .short_counts = true)
{
    in_both_modes(SOCK_STREAM, receive_what_comes);
    in_both_modes(SOCK_DGRAM, receive_what_comes);
}

static void receive_after_a_cancel(int fds[2])
{
    char lost[8] = "", text[8] = "";
    struct asyncio__op first = op_recv(fds[0], lost, sizeof lost, 0);
    EXPECT_OR_RETURN(start(&first));
    look();
    EXPECT_EQ(cancel(&first), -ECANCELED);
    struct asyncio__op second = op_recv(fds[0], text, sizeof text, 0);
    EXPECT_OR_RETURN(start(&second));
    EXPECT_EQ(write(fds[1], "abc", 3), 3);
    finish(&second);
    EXPECT_EQ(second.result, 3);
    EXPECT_STR(text, "abc");
    EXPECT_STR(lost, "");
}

TEST_PLAIN(a_cancelled_receive_takes_nothing)
{
    in_both_modes(SOCK_STREAM, receive_after_a_cancel);
}

static void cancel_what_has_come(int fds[2])
{
    char text[8] = "";
    struct asyncio__op op = op_recv(fds[0], text, sizeof text, 0);
    EXPECT_OR_RETURN(start(&op));
    look();
    EXPECT_EQ(write(fds[1], "abc", 3), 3);
    int result = cancel(&op);
    char rest[8] = "";
    struct asyncio__op again = op_recv(fds[0], rest, sizeof rest, MSG_DONTWAIT);
    int second = perform(&again);
    if (result == -ECANCELED)
        EXPECT_EQ(second, 3);
    else
        EXPECT_EQ(result, 3);
    EXPECT_EQ(strlen(text) + strlen(rest), 3);
}

TEST_PLAIN(a_cancel_that_meets_data_loses_none, .short_counts = true)
{
    in_both_modes(SOCK_STREAM, cancel_what_has_come);
}

static void ask_without_waiting(int fds[2])
{
    char text[8];
    struct asyncio__op op = op_recv(fds[0], text, sizeof text, MSG_DONTWAIT);
    EXPECT_EQ(perform(&op), -EAGAIN);

    static char block[MEGABYTE];
    struct asyncio__op send =
        op_send(fds[1], block, sizeof block, MSG_DONTWAIT);
    EXPECT_GT(perform(&send), 0);
    EXPECT_EQ(perform(&send), -EAGAIN);
}

TEST_PLAIN(a_message_that_must_not_wait_is_refused, .short_counts = true)
{
    in_both_modes(SOCK_STREAM, ask_without_waiting);
}

static void move_a_megabyte(int fds[2])
{
    static char from[MEGABYTE], to[MEGABYTE];
    for (size_t i = 0; i < MEGABYTE; i++)
        from[i] = (char)(i * 7 >> 3);
    memset(to, 0, sizeof to);
    struct asyncio__op send = op_send(fds[0], from, MEGABYTE, MSG_WAITALL);
    struct asyncio__op recv = op_recv(fds[1], to, MEGABYTE, MSG_WAITALL);
    EXPECT_OR_RETURN(start(&send));
    if (!start(&recv)) {
        cancel(&send);
        return;
    }
    finish_both(&send, &recv);
    EXPECT_EQ(send.result, MEGABYTE);
    EXPECT_EQ(recv.result, MEGABYTE);
    EXPECT_EQ(memcmp(from, to, MEGABYTE), 0);
}

TEST_PLAIN(all_of_it_is_moved_if_asked_for)
{
    in_both_modes(SOCK_STREAM, move_a_megabyte);
}

static void stop_midway(int fds[2])
{
    static char block[MEGABYTE], text[8];
    struct asyncio__op recv = op_recv(fds[0], text, 8, MSG_WAITALL);
    EXPECT_OR_RETURN(start(&recv));
    EXPECT_EQ(write(fds[1], "abc", 3), 3);
    look();
    EXPECT_EQ(cancel(&recv), 3);

    struct asyncio__op send = op_send(fds[1], block, MEGABYTE, MSG_WAITALL);
    EXPECT_OR_RETURN(start(&send));
    look();
    int sent = cancel(&send);
    EXPECT_GT(sent, 0);
    EXPECT_LT(sent, MEGABYTE);

    static char received[MEGABYTE];
    recv = op_recv(fds[0], received, MEGABYTE, MSG_WAITALL);
    EXPECT_OR_RETURN(start(&recv));
    look();
    EXPECT_EQ(shutdown(fds[1], SHUT_WR), 0);
    finish(&recv);
    EXPECT_EQ(recv.result, sent);
    EXPECT_EQ(perform(&recv), 0); // at the end
}

TEST_PLAIN(what_was_moved_before_an_end_or_a_cancel_is_counted)
{
    in_both_modes(SOCK_STREAM, stop_midway);
}

static void receive_a_short_datagram(int fds[2])
{
    char text[8] = "";
    struct asyncio__op recv = op_recv(fds[0], text, 8, MSG_WAITALL);
    EXPECT_OR_RETURN(start(&recv));
    EXPECT_EQ(write(fds[1], "abc", 3), 3);
    finish(&recv);
    EXPECT_EQ(recv.result, 3);
}

TEST_PLAIN(a_datagram_is_whole_however_short)
{
    in_both_modes(SOCK_DGRAM, receive_a_short_datagram);
}

static void send_to_nobody(int fds[2])
{
    asyncio__sys_close(fds[1]);
    fds[1] = -1;
    struct asyncio__op send = op_send(fds[0], "x", 1, 0);
    EXPECT_EQ(perform(&send), -EPIPE);
    struct iovec part = {.iov_base = "x", .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct asyncio__op op = op_of(ASYNCIO__OP_SENDMSG, fds[0], &message, 0);
    EXPECT_EQ(perform(&op), -EPIPE);
    char text[8];
    struct asyncio__op recv = op_recv(fds[0], text, sizeof text, 0);
    EXPECT_EQ(perform(&recv), 0);
}

TEST_PLAIN(nobody_is_killed_for_sending_to_nobody)
{
    in_both_modes(SOCK_STREAM, send_to_nobody);
}

static void pass_a_descriptor(int fds[2])
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr header;
    } sent = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                         .cmsg_level = SOL_SOCKET,
                         .cmsg_type = SCM_RIGHTS}},
      received = {0};
    memcpy(CMSG_DATA(&sent.header), &fds[0], sizeof(int));
    char head[2] = "", tail[8] = "";
    struct iovec to_send[] = {{"he", 2}, {"llo", 3}};
    struct iovec to_receive[] = {{head, 2}, {tail, 7}};
    struct msghdr out = {.msg_iov = to_send,
                         .msg_iovlen = 2,
                         .msg_control = &sent,
                         .msg_controllen = sizeof sent};
    struct msghdr in = {.msg_iov = to_receive,
                        .msg_iovlen = 2,
                        .msg_control = &received,
                        .msg_controllen = sizeof received};

    struct asyncio__op recv = op_of(ASYNCIO__OP_RECVMSG, fds[1], &in, 0);
    struct asyncio__op send = op_of(ASYNCIO__OP_SENDMSG, fds[0], &out, 0);
    EXPECT_OR_RETURN(start(&recv));
    look();
    if (!start(&send)) send.result = -EIO;
    finish_both(&send, &recv);
    EXPECT_EQ(send.result, 5);
    EXPECT_EQ(recv.result, 5);
    EXPECT_EQ(memcmp(head, "he", 2), 0);
    EXPECT_STR(tail, "llo");
    EXPECT_OR_RETURN(received.header.cmsg_type == SCM_RIGHTS);
    int fd;
    memcpy(&fd, CMSG_DATA(&received.header), sizeof fd);
    EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(close(fd), 0);
}

TEST_PLAIN(messages_carry_vectors_and_descriptors, .short_counts = true)
{
    in_both_modes(SOCK_STREAM, pass_a_descriptor);
}

static void receive_twice_at_once(int fds[2])
{
    char texts[2][4] = {"", ""};
    struct asyncio__op ops[2] = {op_recv(fds[0], texts[0], 1, 0),
                                 op_recv(fds[0], texts[1], 1, 0)};
    EXPECT_OR_RETURN(start(&ops[0]));
    if (start(&ops[1])) {
        look();
        EXPECT_EQ(write(fds[1], "ab", 2), 2);
        finish(&ops[1]);
        EXPECT_EQ(ops[1].result, 1);
    }
    if (ended > 0) {
        finish(&ops[0]);
        EXPECT_EQ(ops[0].result, 1);
        EXPECT_EQ(texts[0][0] + texts[1][0], 'a' + 'b');
    } else {
        cancel(&ops[0]);
    }
}

TEST_PLAIN(operations_on_one_socket_may_overlap)
{
    in_both_modes(SOCK_STREAM, receive_twice_at_once);
}

static void send_to_a_full_receiver(int fds[2])
{
    char byte = 0;
    int flags = MSG_DONTWAIT;
    while (send(fds[0], &byte, 1, flags) == 1)
        continue;
    struct asyncio__op op = op_send(fds[0], "x", 1, 0);
    EXPECT_OR_RETURN(start(&op));
    look();
    EXPECT_EQ(ended, 0);
    while (recv(fds[1], &byte, 1, flags) == 1)
        continue;
    finish(&op);
    EXPECT_EQ(op.result, 1);
}

TEST_PLAIN(a_datagram_waits_for_room)
{
    in_both_modes(SOCK_DGRAM, send_to_a_full_receiver);
}

// --- listening --------------------------------------------------------------

// A socket of the wanted mode that listens on a port of this machine.
static int listen_tcp(int mode, struct sockaddr_in *address)
{
    socklen_t len = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = asyncio__sys_socket(AF_INET, SOCK_STREAM | mode, 0);
    if (!EXPECT_GE(fd, 0)) return fd;
    if (EXPECT_EQ(asyncio__sys_bind(fd, (struct sockaddr *)address, len), 0) &&
        EXPECT_EQ(asyncio__sys_listen(fd, 8), 0) &&
        EXPECT_EQ(
            asyncio__sys_getsockname(fd, (struct sockaddr *)address, &len), 0))
        return fd;
    asyncio__sys_close(fd);
    return -1;
}

static void connect_and_accept(int mode)
{
    struct sockaddr_in address, peer = {0}, own = {0};
    socklen_t len = sizeof peer;
    int listener = listen_tcp(mode, &address);
    EXPECT_OR_RETURN(listener >= 0);
    int fd = asyncio__sys_socket(AF_INET, SOCK_STREAM | mode, 0);
    struct asyncio__op accept = op_of(ASYNCIO__OP_ACCEPT, listener, &peer, 0);
    accept.buffer2 = &len;
    accept.flags = SOCK_NONBLOCK;
    struct asyncio__op connect =
        op_of(ASYNCIO__OP_CONNECT, fd, &address, sizeof address);

    if (EXPECT_GE(fd, 0) && start(&accept)) {
        look();
        EXPECT_EQ(ended, 0);
        EXPECT_EQ(perform(&connect), 0);
        if (connect.result < 0)
            cancel(&accept);
        else
            finish(&accept);
        if (accept.result >= 0) {
            EXPECT_EQ(fcntl(accept.result, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
            EXPECT_EQ(fcntl(accept.result, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
            len = sizeof own;
            EXPECT_EQ(getsockname(fd, (struct sockaddr *)&own, &len), 0);
            EXPECT_EQ(peer.sin_port, own.sin_port);
            EXPECT_EQ(peer.sin_family, AF_INET);
            asyncio__sys_close(accept.result);
        }
    }
    if (fd >= 0) asyncio__sys_close(fd);
    asyncio__sys_close(listener);
}

TEST_PLAIN(a_connection_is_made_and_accepted)
{
    EXPECT_OR_RETURN(open_poller());
    connect_and_accept(0);
    ended = 0;
    connect_and_accept(SOCK_NONBLOCK);
    asyncio__poller_close(poller);
}

static void connect_to_nobody(int mode)
{
    struct sockaddr_in address;
    int listener = listen_tcp(mode, &address);
    EXPECT_OR_RETURN(listener >= 0);
    asyncio__sys_close(listener);
    int fd = asyncio__sys_socket(AF_INET, SOCK_STREAM | mode, 0);
    EXPECT_OR_RETURN(fd >= 0);
    struct asyncio__op connect =
        op_of(ASYNCIO__OP_CONNECT, fd, &address, sizeof address);
    EXPECT_EQ(perform(&connect), -ECONNREFUSED);
    asyncio__sys_close(fd);
}

TEST_PLAIN(a_connection_to_nobody_is_refused)
{
    EXPECT_OR_RETURN(open_poller());
    connect_to_nobody(0);
    connect_to_nobody(SOCK_NONBLOCK);
    asyncio__poller_close(poller);
}

static void cancel_accept(int mode)
{
    struct sockaddr_in address;
    int listener = listen_tcp(mode, &address);
    EXPECT_OR_RETURN(listener >= 0);
    struct asyncio__op accept = op_of(ASYNCIO__OP_ACCEPT, listener, NULL, 0);
    if (start(&accept)) {
        look();
        EXPECT_EQ(cancel(&accept), -ECANCELED);
    }
    asyncio__sys_close(listener);
    int fd = asyncio__sys_socket(AF_INET, SOCK_STREAM | mode, 0);
    EXPECT_OR_RETURN(fd >= 0);
    struct asyncio__op connect =
        op_of(ASYNCIO__OP_CONNECT, fd, &address, sizeof address);
    EXPECT_EQ(perform(&connect), -ECONNREFUSED);
    asyncio__sys_close(fd);
}

TEST_PLAIN(a_cancelled_accept_keeps_nothing_open)
{
    EXPECT_OR_RETURN(open_poller());
    cancel_accept(0);
    cancel_accept(SOCK_NONBLOCK);
    asyncio__poller_close(poller);
}

// An address in the test's folder.
static struct sockaddr_un unix_address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket",
             test_folder());
    return address;
}

static void connect_when_all_places_are_taken(int mode)
{
    struct sockaddr_un address = unix_address();
    int fds[3] = {-1, -1, -1};
    for (int i = 0; i < 3; i++)
        fds[i] = asyncio__sys_socket(AF_UNIX, SOCK_STREAM | mode, 0);
    if (!EXPECT_GE(fds[0], 0) || !EXPECT_GE(fds[1], 0) || !EXPECT_GE(fds[2], 0))
        goto close;
    if (!EXPECT_EQ(bind(fds[0], (struct sockaddr *)&address, sizeof address),
                   0) ||
        !EXPECT_EQ(listen(fds[0], 0), 0))
        goto close;
    struct asyncio__op first =
        op_of(ASYNCIO__OP_CONNECT, fds[1], &address, sizeof address);
    EXPECT_EQ(perform(&first), 0);
    struct asyncio__op second =
        op_of(ASYNCIO__OP_CONNECT, fds[2], &address, sizeof address);
    ended = 0;
    if (!start(&second)) goto close;

    // It cannot be told when there is room, and does not ask all the time.
    int64_t began_ns = asyncio__clock_real_ns();
    for (int i = 0; i < 20 && ended == 0; i++)
        EXPECT_EQ(asyncio__poller_wait(poller, 5000000), 0);
    EXPECT_GE(asyncio__clock_real_ns() - began_ns, 8000000);
    EXPECT_EQ(ended, 0);
    struct asyncio__op accept = op_of(ASYNCIO__OP_ACCEPT, fds[0], NULL, 0);
    int fd = perform(&accept);
    if (EXPECT_GE(fd, 0)) {
        finish(&second);
        EXPECT_EQ(second.result, 0);
        asyncio__sys_close(fd);
    } else {
        cancel(&second);
    }
close:
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0) asyncio__sys_close(fds[i]);
    unlink(address.sun_path);
}

TEST_PLAIN(a_connection_waits_for_a_place_in_the_line)
{
    EXPECT_OR_RETURN(open_poller());
    connect_when_all_places_are_taken(0);
    connect_when_all_places_are_taken(SOCK_NONBLOCK);
    asyncio__poller_close(poller);
}

// A sender that is not connected is called ready though its receiver is full.
static void send_to_a_full_address(int mode)
{
    struct sockaddr_un address = unix_address();
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen = sizeof address,
                             .msg_iov = &part,
                             .msg_iovlen = 1};
    int receiver = asyncio__sys_socket(AF_UNIX, SOCK_DGRAM | mode, 0);
    int sender = asyncio__sys_socket(AF_UNIX, SOCK_DGRAM | mode, 0);
    if (!EXPECT_GE(receiver, 0) || !EXPECT_GE(sender, 0)) goto close;
    if (!EXPECT_EQ(bind(receiver, (struct sockaddr *)&address, sizeof address),
                   0))
        goto close;
    while (sendmsg(sender, &message, MSG_DONTWAIT) == 1)
        continue;
    struct asyncio__op op = op_of(ASYNCIO__OP_SENDMSG, sender, &message, 0);
    ended = 0;
    if (!start(&op)) goto close;
    for (int i = 0; i < 20; i++)
        EXPECT_EQ(asyncio__poller_wait(poller, 1000000), 0);
    EXPECT_EQ(ended, 0);
    EXPECT_EQ(recv(receiver, &byte, 1, MSG_DONTWAIT), 1);
    finish(&op);
    EXPECT_EQ(op.result, 1);

    if (start(&op)) {
        look();
        EXPECT_EQ(cancel(&op), -ECANCELED);
    }
    // It is the message that was meant.
    byte = 0;
    while (recv(receiver, &byte, 1, MSG_DONTWAIT) == 1)
        EXPECT_EQ(byte, 'x');
close:
    if (receiver >= 0) asyncio__sys_close(receiver);
    if (sender >= 0) asyncio__sys_close(sender);
    unlink(address.sun_path);
}

TEST_PLAIN(a_sender_that_is_told_nothing_tries_now_and_then)
{
    EXPECT_OR_RETURN(open_poller());
    send_to_a_full_address(0);
    send_to_a_full_address(SOCK_NONBLOCK);
    asyncio__poller_close(poller);
}

// --- the rest ---------------------------------------------------------------

TEST_PLAIN(what_is_no_socket_is_said_by_done, .short_counts = true)
{
    EXPECT_OR_RETURN(open_poller());
    char text[8];
    struct asyncio__op op = op_recv(-1, text, sizeof text, 0);
    EXPECT_EQ(perform(&op), -EBADF);
    op = op_of(ASYNCIO__OP_ACCEPT, 1000000, NULL, 0);
    EXPECT_EQ(perform(&op), -EBADF);
    int fd = asyncio__sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
    if (EXPECT_GE(fd, 0)) {
        op = op_send(fd, text, sizeof text, 0);
        EXPECT_EQ(perform(&op), -ENOTSOCK);
        op = op_of(ASYNCIO__OP_ACCEPT, fd, NULL, 0);
        EXPECT_EQ(perform(&op), -ENOTSOCK);
        asyncio__sys_close(fd);
    }
    asyncio__poller_close(poller);
}

// What may wait is moved without waiting: as much as there is room for, if the
// kernel can be asked for that. An emulator has no call that asks, and then one
// part is moved, as by older kernels.
#ifdef ASYNCIO_EMULATED
#define AT_ONCE 2
#else
#define AT_ONCE 5
#endif

static void move_vectors(int in, int out, int64_t offset)
{
    int moved = offset < 0 ? AT_ONCE : 5;
    char head[3] = "", tail[8] = "";
    struct iovec from[] = {{"", 0}, {"he", 2}, {"llo", 3}};
    struct iovec to[] = {{head, 2}, {tail, 7}};
    struct asyncio__op write = op_of(ASYNCIO__OP_WRITEV, out, from, 3);
    struct asyncio__op read = op_of(ASYNCIO__OP_READV, in, to, 2);
    write.offset = read.offset = offset;
    EXPECT_EQ(perform(&write), moved);
    if (write.result == moved) EXPECT_EQ(perform(&read), moved);
    EXPECT_STR(head, write.result == moved ? "he" : "");
    EXPECT_STR(tail, write.result == moved && moved == 5 ? "llo" : "");
}

TEST_PLAIN(vectors_are_read_and_written, .short_counts = true)
{
    int fds[2];
    char path[600];
    snprintf(path, sizeof path, "%s/a", test_folder());
    EXPECT_OR_RETURN(open_poller());
    if (EXPECT_EQ(asyncio__poller_pipe(poller, fds), 0)) {
        move_vectors(fds[0], fds[1], -1);
        asyncio__sys_close(fds[0]);
        asyncio__sys_close(fds[1]);
    }
    if (EXPECT_EQ(
            asyncio__poller_socketpair(poller, AF_UNIX, SOCK_STREAM, 0, fds),
            0)) {
        move_vectors(fds[0], fds[1], -1);
        asyncio__sys_close(fds[0]);
        asyncio__sys_close(fds[1]);
    }
    int fd = asyncio__sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT, 0600);
    if (EXPECT_GE(fd, 0)) {
        move_vectors(fd, fd, 1000);
        asyncio__sys_close(fd);
        unlink(path);
    }
    asyncio__poller_close(poller);
}

TEST_PLAIN(what_the_poller_makes_is_in_the_mode_that_it_wants)
{
    EXPECT_OR_RETURN(open_poller());
    int wanted = asyncio__poller_mode(poller) ? O_NONBLOCK : 0;
    int fds[3] = {-1, -1, -1};
    fds[0] = asyncio__poller_socket(poller, AF_INET6, SOCK_DGRAM, 0);
    EXPECT(fds[0] >= 0 || fds[0] == -EAFNOSUPPORT);
    EXPECT_EQ(asyncio__poller_pipe(poller, fds + 1), 0);
    for (int i = 0; i < 3; i++) {
        if (fds[i] < 0) continue;
        EXPECT_EQ(fcntl(fds[i], F_GETFL) & O_NONBLOCK, wanted);
        EXPECT_EQ(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        asyncio__sys_close(fds[i]);
    }
    asyncio__poller_close(poller);
}

// --- order ------------------------------------------------------------------
//
// What moves here is exact, and would not be with a fault: the fault loops are
// left to streams, which go the same ways.

// What waits for others is told to the kernel last, and may be cancelled before
// that: then it has taken nothing.
TEST_PLAIN(what_is_cancelled_at_once_has_not_begun, .faulty = true)
{
    int fds[2];
    char bytes[4] = "";
    if (!open_pair(SOCK_STREAM, fds)) return;
    EXPECT_EQ(write(fds[1], "abc", 3), 3);
    struct asyncio__op receive = op_recv(fds[0], bytes, 3, 0);
    struct asyncio__op ready = op_of(ASYNCIO__OP_POLL, fds[0], NULL, 0);
    ready.events = POLLIN;
    if (start(&receive) && start(&ready)) {
        asyncio__poller_cancel(poller, &receive);
        asyncio__poller_cancel(poller, &ready);
        asyncio__poller_cancel(poller, &receive);
        EXPECT_EQ(ended, 0); // by wait alone
        finish(&receive);
        finish(&ready);
        EXPECT_EQ(ended, 2);
        // A poller that tries first has it already.
        if (receive.result == -ECANCELED) {
            EXPECT_STR(bytes, "");
            perform(&receive);
        }
        EXPECT_EQ(receive.result, 3);
        EXPECT_STR(bytes, "abc");
    }
    close_pair(fds);
}

// Of two that receive, the one that asked first is served first, whatever was
// asked for between them, and whatever kind they are.
TEST_PLAIN(who_receives_first_is_served_first, .faulty = true)
{
    int fds[2];
    char bytes[3] = "";
    struct iovec part = {.iov_base = bytes + 1, .iov_len = 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (!open_pair(SOCK_STREAM, fds)) return;
    struct asyncio__op ops[4] = {
        op_recv(fds[0], bytes, 1, 0), op_send(fds[1], "xyz", 3, 0),
        op_of(ASYNCIO__OP_RECVMSG, fds[0], &message, 0),
        op_recv(fds[0], bytes + 2, 1, 0)};
    for (int i = 0; i < 4; i++)
        start(&ops[i]);
    for (int i = 0; i < 4; i++) {
        finish(&ops[i]);
        EXPECT_EQ(ops[i].result, i == 1 ? 3 : 1);
    }
    EXPECT_EQ(bytes[0], 'x');
    EXPECT_EQ(bytes[1], 'y');
    EXPECT_EQ(bytes[2], 'z');
    close_pair(fds);
}

// A poller may let a receive wait first that found nothing the last time. That
// is a guess, and whatever is there is not missed by it.
TEST_PLAIN(a_receive_that_waits_first_misses_nothing, .faulty = true)
{
    int fds[2];
    char bytes[4] = "";
    if (!open_pair(SOCK_STREAM, fds)) return;
    struct asyncio__op receive = op_recv(fds[0], bytes, 3, 0);
    for (int late = 1; late >= 0; late--) {
        if (!late) EXPECT_EQ(write(fds[1], "abc", 3), 3);
        if (!start(&receive)) break;
        if (late) {
            look();
            EXPECT_EQ(is_over(&receive), false);
            EXPECT_EQ(write(fds[1], "abc", 3), 3);
        }
        finish(&receive);
        EXPECT_EQ(receive.result, 3);
    }
    receive.pace = 1;
    EXPECT_EQ(start(&receive), true);
    look();
    EXPECT_EQ(cancel(&receive), -ECANCELED);

    receive.pace = 1;
    receive.flags = MSG_DONTWAIT;
    EXPECT_EQ(perform(&receive), -EAGAIN);
    receive.pace = 1;
    receive.flags = 0;
    asyncio__sys_shutdown(fds[1], SHUT_RDWR);
    EXPECT_EQ(perform(&receive), 0);
    close_pair(fds);
}

// A descriptor that is closed behind a receive, in the same turn, is not the
// one that comes to have its number.
TEST_PLAIN(a_receive_before_a_close_is_of_what_is_closed, .faulty = true)
{
    int fds[2];
    char bytes[4] = "";
    if (!open_pair(SOCK_STREAM, fds)) return;
    EXPECT_EQ(write(fds[1], "abc", 3), 3);
    struct asyncio__op receive = op_recv(fds[0], bytes, 3, 0);
    struct asyncio__op close = op_of(ASYNCIO__OP_CLOSE, fds[0], NULL, 0);
    start(&receive);
    start(&close);
    finish(&receive);
    finish(&close);
    fds[0] = -1;
    EXPECT_EQ(receive.result, 3);
    EXPECT_EQ(close.result, 0);
    EXPECT_STR(bytes, "abc");
    close_pair(fds);
}

// --- fairness ---------------------------------------------------------------

static struct asyncio__op flood[2];

static void send_again(struct asyncio__op *op)
{
    if (op->result < 0) return;
    if (asyncio__poller_submit(poller, op) < 0) op->result = -EIO;
}

TEST_PLAIN(a_flood_of_messages_keeps_nobody_from_being_seen)
{
    int fds[2], other[2];
    static char block[64];
    if (!open_pair(SOCK_STREAM, fds)) return;
    if (!EXPECT_EQ(asyncio__sys_socketpair(AF_UNIX, SOCK_STREAM, 0, other),
                   0)) {
        close_pair(fds);
        return;
    }
    flood[0] = op_send(fds[0], block, sizeof block, 0);
    flood[1] = op_recv(fds[1], block, sizeof block, 0);
    struct asyncio__op poll = {
        .code = ASYNCIO__OP_POLL, .fd = other[0], .events = POLLIN};
    bool started = start(&poll);
    for (int i = 0; i < 2; i++) {
        flood[i].done = send_again;
        EXPECT_EQ(asyncio__poller_submit(poller, &flood[i]), 0);
    }
    EXPECT_EQ(write(other[1], "x", 1), 1);
    int waits = 0;
    while (started && !is_over(&poll) && waits++ < 64)
        EXPECT_EQ(asyncio__poller_wait(poller, 0), 0);
    if (started) EXPECT_EQ(is_over(&poll), true);

    for (int i = 0; i < 2; i++) {
        flood[i].done = note_end;
        if (!is_over(&flood[i])) cancel(&flood[i]);
    }
    if (!is_over(&poll)) cancel(&poll);
    asyncio__sys_close(other[0]);
    asyncio__sys_close(other[1]);
    close_pair(fds);
}

// More than a ring has entries for, so that these are handed over early.
#define MANY 300

TEST_PLAIN(wake_up_is_heard_after_the_kernel_refused_to_look, .faulty = true)
{
    int fds[2];
    char bytes[MANY];
    struct asyncio__op ops[MANY];
    EXPECT_OR_RETURN(open_poller());
    EXPECT_OR_RETURN(asyncio__poller_pipe(poller, fds) == 0);
    look();
    asyncio__poller_wake(poller);
    EXPECT_EQ(asyncio__poller_wait(poller, 0), 0);

    EXPECT_EQ(asyncio_testing_fail_at("syscall", 1), 0);
    EXPECT_EQ(asyncio__poller_wait(poller, 0), 0);
    EXPECT_EQ(asyncio_testing_fail_at("syscall", 0), 0); // sim asks no kernel
    asyncio__poller_wake(poller);
    for (int i = 0; i < MANY; i++) {
        ops[i] = op_of(ASYNCIO__OP_READ, fds[0], &bytes[i], 1);
        ops[i].offset = -1;
        start(&ops[i]);
    }
    asyncio__poller_wake(poller);
    EXPECT_EQ(asyncio__poller_wait(poller, -1), 0);
    EXPECT_EQ(ended, 0);

    for (int i = 0; i < MANY; i++)
        EXPECT_EQ(cancel(&ops[i]), -ECANCELED);
    asyncio__sys_close(fds[0]);
    asyncio__sys_close(fds[1]);
    asyncio__poller_close(poller);
}

TEST_PLAIN(handing_over_early_is_made_again_if_interrupted, .faulty = true)
{
    int fds[2];
    char bytes[MANY];
    struct asyncio__op ops[MANY];
    EXPECT_OR_RETURN(open_poller());
    EXPECT_OR_RETURN(
        asyncio__poller_socketpair(poller, AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    look();
    fail_next(ASYNCIO__SYS_URING_ENTER, -EINTR);
    for (int i = 0; i < MANY; i++) {
        ops[i] = op_of(ASYNCIO__OP_READ, fds[0], &bytes[i], 1);
        ops[i].offset = -1;
        start(&ops[i]);
    }
    bool has_ring = strcmp(test_backend(), "uring") == 0;
    EXPECT_EQ(faults__call, has_ring ? -1 : ASYNCIO__SYS_URING_ENTER);
    for (int i = 0; i < MANY; i++)
        EXPECT_EQ(cancel(&ops[i]), -ECANCELED);
    asyncio__sys_close(fds[0]);
    asyncio__sys_close(fds[1]);
    asyncio__poller_close(poller);
}

// More than a ring has entries for, of what is handed over last.
TEST_PLAIN(more_may_receive_than_the_ring_has_entries, .faulty = true)
{
    int fds[2];
    static char bytes[MANY];
    static struct asyncio__op ops[MANY];
    if (!open_pair(SOCK_STREAM, fds)) return;
    memset(bytes, 0, sizeof bytes);
    for (int i = 0; i < MANY; i++) {
        ops[i] = op_recv(fds[0], &bytes[i], 1, 0);
        start(&ops[i]);
    }
    look();
    EXPECT_EQ(ended, 0);
    char sent[MANY];
    memset(sent, 'x', sizeof sent);
    EXPECT_EQ(write(fds[1], sent, sizeof sent), MANY);
    for (int i = 0; i < MANY; i++) {
        finish(&ops[i]);
        EXPECT_EQ(ops[i].result, 1);
    }
    EXPECT_EQ(memcmp(bytes, sent, sizeof bytes), 0);
    close_pair(fds);
}
