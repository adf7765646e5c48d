// Sockets: a small echo over TCP, datagrams, and a file and a descriptor on
// their way through a Unix socket.
//
//     cc socket.c $(pkg-config --cflags --libs libasyncio)

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>

static struct sockaddr_in address;
static struct sockaddr *const any = (struct sockaddr *)&address;
static const socklen_t any_len = sizeof address;

// --- a server and its client ------------------------------------------------

static int echo_once(void *arg)
{
    struct asyncio_socket *listener = arg, peer;
    char text[32];
    int n = asyncio_socket_accept(listener, &peer, NULL, NULL);
    if (n < 0) return n;
    n = asyncio_socket_recv(&peer, text, sizeof text, 0);
    if (n > 0) n = asyncio_socket_send_all(&peer, text, (size_t)n);
    asyncio_socket_close(&peer);
    return n;
}

static int be_client(int port)
{
    struct asyncio_socket s;
    char text[32] = "";
    int n = asyncio_socket_create_connection(&s, "localhost", port);
    if (n < 0) return n;
    n = asyncio_socket_send(&s, "hello", 5, 0);
    if (n > 0) n = asyncio_socket_shutdown(&s, SHUT_WR);
    if (n == 0) n = asyncio_socket_recv(&s, text, 5, MSG_WAITALL);
    printf("echo: %s\n", text);
    asyncio_socket_close(&s);
    return n;
}

static int listen_here(struct asyncio_socket *s, int type)
{
    socklen_t len = any_len;
    int on = 1, found = 0, err = asyncio_socket_open(s, AF_INET, type, 0);
    socklen_t size = sizeof found;
    address = (struct sockaddr_in){.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (err < 0) return err;
    err =
        asyncio_socket_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (err == 0)
        err = asyncio_socket_getsockopt(s, SOL_SOCKET, SO_REUSEADDR, &found,
                                        &size);
    if (err == 0) err = asyncio_socket_bind(s, any, len);
    if (err == 0 && type == SOCK_STREAM) err = asyncio_socket_listen(s, 8);
    return err < 0 ? err : asyncio_socket_getsockname(s, any, &len);
}

static int echo(void)
{
    struct asyncio_socket listener;
    int err = listen_here(&listener, SOCK_STREAM);
    ASYNCIO_WITH_TASK_GROUP(group);
    if (err == 0) {
        asyncio_task_group_create_task(&group, echo_once, &listener);
        err = be_client(ntohs(address.sin_port));
    }
    err = asyncio_task_group_exit(&group, err);
    asyncio_socket_close(&listener);
    return err;
}

// --- datagrams --------------------------------------------------------------

static int send_three(struct asyncio_socket *s)
{
    struct iovec part = {"three", 5};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    socklen_t len = any_len;
    int err = asyncio_socket_sendto(s, "one", 3, 0, any, any_len);
    if (err >= 0) err = asyncio_socket_connect(s, any, any_len);
    if (err >= 0) err = asyncio_socket_getpeername(s, any, &len);
    if (err >= 0) err = asyncio_socket_send(s, "two", 3, 0);
    return err < 0 ? err : asyncio_socket_sendmsg(s, &message, 0);
}

static int datagrams(void)
{
    struct asyncio_socket a, b = {0};
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    char texts[3][8] = {""};
    struct iovec part = {texts[2], 7};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int n = listen_here(&a, SOCK_DGRAM);
    if (n == 0) n = asyncio_socket_open(&b, AF_INET, SOCK_DGRAM, 0);
    if (n == 0) n = send_three(&b);
    if (n > 0)
        n = asyncio_socket_recvfrom(&a, texts[0], 7, 0,
                                    (struct sockaddr *)&from, &len);
    if (n > 0) n = asyncio_socket_recv(&a, texts[1], 7, 0);
    if (n > 0) n = asyncio_socket_recvmsg(&a, &message, 0);
    printf("datagrams: %s, %s, %s\n", texts[0], texts[1], texts[2]);
    asyncio_socket_close(&b);
    asyncio_socket_close(&a);
    return n;
}

// --- files and descriptors --------------------------------------------------

static int pass(struct asyncio_socket *a, struct asyncio_socket *b, int file)
{
    char text[16] = "", first = 0;
    int fd = -1;
    size_t count = 1;
    int n = asyncio_socket_sendfile(a, file, 6, 5);
    if (n > 0) n = asyncio_socket_recv(b, text, 5, MSG_WAITALL);
    if (n > 0) n = asyncio_socket_send_fds(a, "f", 1, &file, 1);
    if (n > 0) n = asyncio_socket_recv_fds(b, &first, 1, &fd, &count);
    if (n < 0) return n;
    n = asyncio_pread(fd, &first, 1, 0);
    printf("file: %s, and it begins with %c\n", text, first);
    int closed = asyncio_close(fd);
    return n < 0 ? n : closed;
}

static int files(int file)
{
    struct asyncio_socket a, b;
    int err = asyncio_socket_pair(&a, &b, AF_UNIX, SOCK_STREAM, 0);
    if (err < 0) return err;
    err = pass(&a, &b, file);
    asyncio_socket_close(&a);
    asyncio_socket_close(&b);
    return err;
}

// --- descriptors of your own ------------------------------------------------

// As POSIX would have it, but for the waiting.
static int talk(int listener, int fd, int file)
{
    char text[32] = "";
    struct iovec part = {text + 7, 24};
    struct msghdr in = {.msg_iov = &part, .msg_iovlen = 1}, out = in;
    struct iovec last = {"!", 1};
    off_t offset = 0;
    int n = asyncio_connect(fd, any, any_len);
    int peer = n < 0 ? n : asyncio_accept(listener, NULL, NULL);
    if (peer < 0) return peer;
    out.msg_iov = &last;
    n = asyncio_sendfile(fd, file, &offset, 5);
    if (n > 0) n = asyncio_send(fd, " ", 1, 0);
    if (n > 0) n = asyncio_sendto(fd, "again", 5, 0, NULL, 0);
    if (n > 0) n = asyncio_sendmsg(fd, &out, 0);
    if (n > 0) n = asyncio_recv(peer, text, 5, MSG_WAITALL);
    if (n > 0) n = asyncio_recvfrom(peer, text + 5, 2, 0, NULL, NULL);
    if (n > 0) n = asyncio_recvmsg(peer, &in, 0);
    printf("descriptors: %s\n", text);
    int closed = asyncio_close(peer);
    return n < 0 ? n : closed;
}

static int descriptors(int file)
{
    struct asyncio_socket socket_of_ours;
    int err = listen_here(&socket_of_ours, SOCK_STREAM);
    if (err < 0) return err;
    int listener = asyncio_socket_detach(&socket_of_ours);
    if (listener < 0) return listener;

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    err = talk(listener, fd, file);
    close(listener);
    int adopted = asyncio_socket_adopt(&socket_of_ours, fd);
    if (adopted == 0 && asyncio_socket_fileno(&socket_of_ours) == fd)
        asyncio_socket_close(&socket_of_ours);
    return err < 0 ? err : adopted;
}

static int through_a_pipe(int file)
{
    int tube[2];
    off_t offset = 6;
    char text[8] = "";
    if (pipe2(tube, O_CLOEXEC | O_NONBLOCK) < 0) return -EMFILE;
    int n = asyncio_splice(file, &offset, tube[1], NULL, 5, 0);
    if (n > 0) n = asyncio_read(tube[0], text, 7);
    printf("pipe: %s\n", text);
    close(tube[0]);
    close(tube[1]);
    return n;
}

static int async_main(void *arg)
{
    int file = *(int *)arg;
    asyncio_set_resolver(NULL, NULL); // libc knows names: the default
    int err = echo();
    if (err >= 0) err = datagrams();
    if (err >= 0) err = files(file);
    if (err >= 0) err = descriptors(file);
    if (err >= 0) err = through_a_pipe(file);
    return err < 0 ? err : 0;
}

int main(void)
{
    char path[] = "/tmp/asyncio-XXXXXX";
    int file = mkstemp(path);
    if (file < 0 || write(file, "hello world\n", 12) != 12) return 1;
    unlink(path);
    int status = asyncio_main(async_main, &file);
    close(file);
    return status;
}
// expect: echo: hello
// expect: datagrams: one, two, three
// expect: file: world, and it begins with h
// expect: descriptors: hello again!
// expect: pipe: world
