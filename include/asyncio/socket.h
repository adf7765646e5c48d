// Sockets: TCP, UDP and Unix, with POSIX's calls, that let other tasks run.
//
//     struct asyncio_socket s = {0}; // all zero is closed
//     int err = asyncio_socket_create_connection(&s, "debian.org", 80);
//     if (err < 0) return err;
//     err = asyncio_socket_send_all(&s, request, len);
//     int n = err < 0 ? err : asyncio_socket_recv(&s, text, sizeof text, 0);
//     asyncio_socket_close(&s);
//
// A socket lies in your memory, stays where it is while it is open, and belongs
// to the loop on whose thread it was opened. For descriptors that you have
// opened yourself there are the calls below, with POSIX's names and arguments.
// Streams (asyncio/stream.h) add buffers and lines, and are what most programs
// want. What is said here holds for all calls that may suspend:
//
// returns   what the system call returns, or a negative errno, its own or
//           -ECANCELED: it did not happen; -EBADF if the socket is or was
//           closed meanwhile; -EPERM outside a task
// suspends  until it has ended; buffers, addresses and messages have to stay
//           until then. Any number of tasks may wait for one socket
// cancel    takes nothing off the wire and puts nothing on it. What had
//           happened before the cancel came is the result, and the request
//           stays for the next wait
// like      POSIX, loop.sock_recv and its kin
// unlike    POSIX: a call waits in either mode of a descriptor, unless it is
//           given MSG_DONTWAIT: then it is -EAGAIN. Nothing raises SIGPIPE, and
//           every descriptor closes on exec
#pragma once

#include <asyncio/task.h>

#include <sys/types.h>

// Not <sys/socket.h>, so that whoever includes <asyncio.h> may call functions
// send or listen. A length of an address is `unsigned`, which Linux's socklen_t
// is.
struct msghdr;
struct sockaddr;

ASYNCIO__BEGIN

// A socket, or none: all zero is closed.
struct asyncio_socket {
    int fd_ ASYNCIO__UNSET; // plus one; 0: closed
    int reserved_int_ ASYNCIO__UNSET;
    struct asyncio_link waiters_ ASYNCIO__UNSET; // tasks
    void *reserved_[2] ASYNCIO__UNSET;
};

// --- open and close ---------------------------------------------------------

// Makes a socket of these: AF_INET, SOCK_STREAM, 0. Or two that are connected
// with each other, of AF_UNIX. What the struct held before is overwritten, here
// and wherever a call opens one; after a failure it is closed.
//
// returns   0, or a negative errno; -EPERM on a thread without a loop
// suspends  never
// owns      asyncio_socket_close
ASYNCIO_API int asyncio_socket_open(struct asyncio_socket *socket, int family,
                                    int type, int protocol);
ASYNCIO_API int asyncio_socket_pair(struct asyncio_socket *a,
                                    struct asyncio_socket *b, int family,
                                    int type, int protocol);

struct asyncio_create_connection_options {
    ASYNCIO__OPTIONS_HEAD
    const char *service ASYNCIO__UNSET;    // its name or number, and not `port`
    int family ASYNCIO__UNSET;             // AF_INET or AF_INET6, else both
    const char *local_host ASYNCIO__UNSET; // from this address
    int local_port ASYNCIO__UNSET;         // and this port
    // Until the next address is tried beside those that have not answered,
    // else 0.25 seconds; ASYNCIO_FOREVER: each only after the one before
    double happy_eyeballs_delay ASYNCIO__UNSET;
    void *reserved_[3] ASYNCIO__UNSET;
};

// Makes a TCP connection to the first address of a host that answers. All are
// tried, IPv6 and IPv4 in turns, each a while after the one before or when that
// has failed; the first connection wins and the others are dropped. `host` is a
// name, an address or NULL for this machine.
//
// returns   0; -ENOENT for a host or a service that does not exist, or a host
//           without an address; the code of the best address if none answered;
//           -EINVAL for a port, a family or a delay that cannot be
// like      socket.create_connection, loop.create_connection
// unlike    the latter: happy eyeballs (RFC 8305) need not be asked for
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_socket_create_connection)(
    struct asyncio_socket *socket, const char *host, int port,
    const struct asyncio_create_connection_options *options);
#define asyncio_socket_create_connection(...)                                  \
    ASYNCIO__SOCKET_CREATE_CONNECTION(__VA_ARGS__, )
#define ASYNCIO__SOCKET_CREATE_CONNECTION(socket, host, port, ...)             \
    (asyncio_socket_create_connection)(                                        \
        socket, host, port,                                                    \
        ASYNCIO__OPTIONS(asyncio_create_connection_options, __VA_ARGS__))

// Makes a socket of a descriptor, which closes with it; and takes it out again,
// non-blocking: the socket is closed then, and the descriptor open and yours.
//
// returns   0, and the descriptor; -EBADF for none; -EINVAL in debug mode for a
//           descriptor in blocking mode
// suspends  never
ASYNCIO_API int asyncio_socket_adopt(struct asyncio_socket *socket, int fd);
ASYNCIO_API int asyncio_socket_detach(struct asyncio_socket *socket);

// The descriptor, to look at; -EBADF if it is closed.
ASYNCIO_API int asyncio_socket_fileno(const struct asyncio_socket *socket);

// Closes it. Calls that wait for it end with -EBADF. Accepts NULL, a zeroed
// struct and a second call.
//
// suspends  never
ASYNCIO_API void asyncio_socket_close(struct asyncio_socket *socket);

// --- settings ---------------------------------------------------------------

// What POSIX's calls of these names do, at once.
//
// returns   0, or a negative errno; -EBADF if it is closed
ASYNCIO_API int asyncio_socket_bind(struct asyncio_socket *socket,
                                    const struct sockaddr *address,
                                    unsigned len);
ASYNCIO_API int asyncio_socket_listen(struct asyncio_socket *socket,
                                      int backlog);
ASYNCIO_API int asyncio_socket_shutdown(struct asyncio_socket *socket, int how);
ASYNCIO_API int asyncio_socket_setsockopt(struct asyncio_socket *socket,
                                          int level, int option,
                                          const void *value, unsigned len);
ASYNCIO_API int asyncio_socket_getsockopt(const struct asyncio_socket *socket,
                                          int level, int option, void *value,
                                          unsigned *len);
ASYNCIO_API int asyncio_socket_getsockname(const struct asyncio_socket *socket,
                                           struct sockaddr *address,
                                           unsigned *len);
ASYNCIO_API int asyncio_socket_getpeername(const struct asyncio_socket *socket,
                                           struct sockaddr *address,
                                           unsigned *len);

// --- connections ------------------------------------------------------------

// Takes the next connection, which becomes the open socket `peer`; its address
// goes to `address`, unless that is NULL, and `len`.
//
// returns   0, or a negative errno
// owns      asyncio_socket_close for `peer`, on 0
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_accept(struct asyncio_socket *socket,
                      struct asyncio_socket *peer, struct sockaddr *address,
                      unsigned *len);

// Connects it. After a failure or a cancel it has to be closed. A Unix socket
// waits while the other end's backlog is full.
//
// returns   0, or a negative errno
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_connect(struct asyncio_socket *socket,
                       const struct sockaddr *address, unsigned len);

// --- data -------------------------------------------------------------------

// Receive what has come, at most `size` bytes; 0 is the end of a stream.
// MSG_WAITALL waits until a stream has brought all of it, or has ended. What
// one call moves is bounded by INT_MAX.
//
// returns   how many bytes, or a negative errno
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_recv(struct asyncio_socket *socket, void *buffer, size_t size,
                    int flags);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_recvfrom(struct asyncio_socket *socket, void *buffer,
                        size_t size, int flags, struct sockaddr *address,
                        unsigned *len);

// Send a datagram, or as much of it as a stream has room for.
//
// returns   how many bytes, or a negative errno; -EPIPE: nobody receives them
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_send(struct asyncio_socket *socket, const void *data, size_t len,
                    int flags);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_sendto(struct asyncio_socket *socket, const void *data,
                      size_t len, int flags, const struct sockaddr *address,
                      unsigned address_len);

// The same with vectors, addresses and control data. MSG_WAITALL means nothing
// here. Descriptors that come along close on exec, and are yours.
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_recvmsg(struct asyncio_socket *socket, struct msghdr *message,
                       int flags);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_sendmsg(struct asyncio_socket *socket,
                       const struct msghdr *message, int flags);

struct asyncio_send_all_options {
    ASYNCIO__OPTIONS_HEAD
    size_t *sent ASYNCIO__UNSET; // takes how many bytes went, whatever happens
    void *reserved_[4] ASYNCIO__UNSET;
};

// Sends all of it, on a stream. Two tasks that send at a time mix their bytes:
// hold a lock.
//
// returns   0, or a negative errno: `sent` bytes went before
// cancel    may have sent a part: `sent` says how much
// like      loop.sock_sendall
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_socket_send_all)(
    struct asyncio_socket *socket, const void *data, size_t len,
    const struct asyncio_send_all_options *options);
#define asyncio_socket_send_all(...) ASYNCIO__SOCKET_SEND_ALL(__VA_ARGS__, )
#define ASYNCIO__SOCKET_SEND_ALL(socket, data, len, ...)                       \
    (asyncio_socket_send_all)(                                                 \
        socket, data, len,                                                     \
        ASYNCIO__OPTIONS(asyncio_send_all_options, __VA_ARGS__))

struct asyncio_sendfile_options {
    ASYNCIO__OPTIONS_HEAD
    size_t *sent ASYNCIO__UNSET; // takes how many bytes went, whatever happens
    bool no_fallback ASYNCIO__UNSET; // the kernel moves the bytes, or nobody
    void *reserved_[4] ASYNCIO__UNSET;
};

// Sends `count` bytes of the file `fd` from `offset` on, or all to its end with
// a count of 0. The kernel moves them where it can, else they are read and
// sent. One call sends at most INT_MAX bytes.
//
// returns   how many bytes were sent, which is less than `count` only at the
//           end of the file; or a negative errno: then `sent` bytes went
//           before; -ENOTSUP with `.no_fallback` where the kernel cannot
// cancel    the same; in either case the file's position is where the bytes
//           that were sent end
// like      loop.sock_sendfile
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_socket_sendfile)(
    struct asyncio_socket *socket, int fd, off_t offset, size_t count,
    const struct asyncio_sendfile_options *options);
#define asyncio_socket_sendfile(...) ASYNCIO__SOCKET_SENDFILE(__VA_ARGS__, )
#define ASYNCIO__SOCKET_SENDFILE(socket, fd, offset, count, ...)               \
    (asyncio_socket_sendfile)(                                                 \
        socket, fd, offset, count,                                             \
        ASYNCIO__OPTIONS(asyncio_sendfile_options, __VA_ARGS__))

// Send copies of `count` descriptors along with data, of at least a byte, over
// a Unix socket; and receive data with at most `*count` descriptors, which are
// yours then. More that come are closed, and so are all if it is a negative
// errno.
//
// returns   how many bytes, or a negative errno; -EINVAL for more than 253
//           descriptors, or some without a byte to go along with
// like      socket.send_fds, socket.recv_fds
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_send_fds(struct asyncio_socket *socket, const void *data,
                        size_t len, const int *fds, size_t count);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_socket_recv_fds(struct asyncio_socket *socket, void *buffer,
                        size_t size, int *fds, size_t *count);

// --- descriptors of your own ------------------------------------------------

// POSIX's calls for descriptors that you have opened yourself. A socket that
// accept returns is non-blocking. Accepting, connecting, sendfile and splice
// may make a descriptor non-blocking.
//
// returns   also -EINVAL, in debug mode, for a descriptor in blocking mode: a
//           call that is not ours would block the loop with it
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_accept(int fd, struct sockaddr *address, unsigned *len);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_connect(int fd, const struct sockaddr *address, unsigned len);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_recv(int fd, void *buffer, size_t size,
                                              int flags);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_recvfrom(int fd, void *buffer,
                                                  size_t size, int flags,
                                                  struct sockaddr *address,
                                                  unsigned *len);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_recvmsg(int fd, struct msghdr *message,
                                                 int flags);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_send(int fd, const void *data,
                                              size_t len, int flags);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_sendto(int fd, const void *data,
                                                size_t len, int flags,
                                                const struct sockaddr *address,
                                                unsigned address_len);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_sendmsg(int fd, const struct msghdr *message, int flags);

// Move bytes inside the kernel: of a file to a socket or pipe, from `*offset`,
// which moves on, or from its position; between a pipe and something else.
//
// returns   how many bytes were moved, which may be less than was asked for; 0
//           at the end; or a negative errno: nothing was moved
// like      sendfile, splice of Linux
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_sendfile(int out, int in,
                                                  off_t *offset, size_t count);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_splice(int in, off_t *in_offset,
                                                int out, off_t *out_offset,
                                                size_t len, unsigned flags);

// --- names ------------------------------------------------------------------

struct asyncio_addrinfo;
struct asyncio_getaddrinfo_options;

// Looks up a host for everything that takes one, as asyncio_getaddrinfo does:
// see asyncio/dns.h. It runs in the task that wants to know, and may suspend.
typedef int
asyncio_resolve_fn(const char *host, const char *service,
                   struct asyncio_addrinfo **list,
                   const struct asyncio_getaddrinfo_options *options);

// From now on, names are looked up by `fn`, and its lists given back to
// `release`; with NULL by libc, on a thread. Linking libasyncio-dns sets its
// asyncio_getaddrinfo. A numeric address, and localhost, is nobody asked for.
// A list without an address is -ENOENT.
//
// thread    any, while nobody looks anything up
ASYNCIO_API void
asyncio_set_resolver(asyncio_resolve_fn *fn,
                     void (*release)(struct asyncio_addrinfo *list));

ASYNCIO__END
