// The channel of c-ares on the loop: sockets, timer, and sockets without
// SIGPIPE.
//
// c-ares may open and close sockets inside any call, also inside the one that a
// watch makes: a callback reads what it needs of its watch first, and does not
// look at it afterwards.

#include "io/resolver.h"

#include <asyncio/error.h>

#include <stdlib.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <threads.h>
#include <unistd.h>

// One socket that c-ares wants watched.
struct watch {
    struct watch *next;
    struct asyncio_resolver *resolver;
    ares_socket_t fd;
    bool readable, writable;
};

// ---- What the loop calls ----------------------------------------------------

static int on_readable(void *arg)
{
    const struct watch *watch = arg;
    struct asyncio_resolver *resolver = watch->resolver;
    ares_process_fd(resolver->channel, watch->fd, ARES_SOCKET_BAD);
    asyncio__resolver_turn(resolver);
    return 0;
}

static int on_writable(void *arg)
{
    const struct watch *watch = arg;
    struct asyncio_resolver *resolver = watch->resolver;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, watch->fd);
    asyncio__resolver_turn(resolver);
    return 0;
}

static int on_time(void *arg)
{
    struct asyncio_resolver *resolver = arg;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    asyncio__resolver_turn(resolver);
    return 0;
}

static int arm_timer(struct asyncio_resolver *resolver)
{
    asyncio_handle_cancel(&resolver->timer);
    struct timeval room;
    const struct timeval *left = ares_timeout(resolver->channel, NULL, &room);
    if (!left) return 0;
    // At least a millisecond, by which c-ares rounds: no busy waiting.
    double seconds = (double)left->tv_sec + (double)left->tv_usec / 1e6;
    return asyncio_call_later(seconds < 1e-3 ? 1e-3 : seconds, on_time,
                              resolver, .handle = &resolver->timer);
}

void asyncio__resolver_turn(struct asyncio_resolver *resolver)
{
    if (arm_timer(resolver) < 0) resolver->blind = true;
    if (!resolver->blind) return;
    ares_cancel(resolver->channel);
    asyncio_handle_cancel(&resolver->timer);
    resolver->blind = false;
}

// ---- What c-ares calls ------------------------------------------------------

static struct watch **find_watch(struct asyncio_resolver *resolver, int fd)
{
    struct watch **place = &resolver->watches;
    while (*place && (*place)->fd != fd)
        place = &(*place)->next;
    return place;
}

static void drop_watch(struct watch **place)
{
    struct watch *watch = *place;
    *place = watch->next;
    if (watch->readable) (void)asyncio_remove_reader(watch->fd);
    if (watch->writable) (void)asyncio_remove_writer(watch->fd);
    free(watch);
}

static int set_watch(struct watch *watch, bool readable, bool writable)
{
    int err = 0;
    if (readable && !watch->readable)
        err = asyncio_add_reader(watch->fd, on_readable, watch);
    else if (!readable && watch->readable)
        (void)asyncio_remove_reader(watch->fd);
    watch->readable = readable && err == 0;
    if (err < 0) return err;

    if (writable && !watch->writable)
        err = asyncio_add_writer(watch->fd, on_writable, watch);
    else if (!writable && watch->writable)
        (void)asyncio_remove_writer(watch->fd);
    watch->writable = writable && err == 0;
    return err;
}

// c-ares calls this with neither before it closes a socket.
static void watch_socket(void *arg, ares_socket_t fd, int readable,
                         int writable)
{
    struct asyncio_resolver *resolver = arg;
    struct watch **place = find_watch(resolver, fd);
    if (!readable && !writable) {
        if (*place) drop_watch(place);
        return;
    }
    if (!*place) *place = calloc(1, sizeof **place);
    if (!*place) {
        resolver->blind = true;
        return;
    }
    (*place)->resolver = resolver;
    (*place)->fd = fd;
    if (set_watch(*place, readable != 0, writable != 0) < 0)
        resolver->blind = true;
}

// ---- Sockets ----------------------------------------------------------------

// c-ares writes to a TCP server with writev, and a server that has hung up
// would kill the process by SIGPIPE. The functions come as a set.

static ares_socket_t open_socket(int family, int type, int protocol, void *arg)
{
    (void)arg;
    return socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

static int close_socket(ares_socket_t fd, void *arg)
{
    (void)arg;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *address,
                          ares_socklen_t len, void *arg)
{
    (void)arg;
    return connect(fd, address, len);
}

static ares_ssize_t receive(ares_socket_t fd, void *buffer, size_t size,
                            int flags, struct sockaddr *from,
                            ares_socklen_t *from_len, void *arg)
{
    (void)arg;
    return recvfrom(fd, buffer, size, flags, from, from_len);
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts,
                               int count, void *arg)
{
    (void)arg;
    struct msghdr message = {
        .msg_iov = (struct iovec *)parts,
        .msg_iovlen = (size_t)count,
    };
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
    open_socket, close_socket, connect_socket, receive, send_parts,
};

// ---- Its life ---------------------------------------------------------------

static int library_state;

static void init_library(void)
{
    library_state = ares_library_init(ARES_LIB_INIT_ALL);
}

static int code_of(int status)
{
    switch (status) {
    case ARES_SUCCESS: return 0;
    case ARES_ENOMEM: return -ENOMEM;
    default: return -EINVAL;
    }
}

static int open_channel(struct asyncio_resolver *resolver,
                        const struct asyncio_resolver_options *options)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, init_library);
    if (library_state != ARES_SUCCESS) return code_of(library_state);

    struct ares_options wanted = {
        .sock_state_cb = watch_socket,
        .sock_state_cb_data = resolver,
        .timeout = (int)(options->try_seconds * 1e3 + 0.5),
        .tries = options->tries,
    };
    int mask = ARES_OPT_SOCK_STATE_CB;
    if (wanted.timeout > 0) mask |= ARES_OPT_TIMEOUTMS;
    if (wanted.tries > 0) mask |= ARES_OPT_TRIES;
    int status = ares_init_options(&resolver->channel, &wanted, mask);
    if (status != ARES_SUCCESS) return code_of(status);

    ares_set_socket_functions(resolver->channel, &socket_functions, NULL);
    if (!options->servers) return 0;
    status = ares_set_servers_ports_csv(resolver->channel, options->servers);
    if (status != ARES_SUCCESS) ares_destroy(resolver->channel);
    return code_of(status);
}

static int check(const struct asyncio_resolver_options *options)
{
    if (!(options->try_seconds >= 0 && options->try_seconds <= 3600) ||
        options->tries < 0 || options->tries > 100)
        return asyncio_raise(-EINVAL,
                             "a resolver cannot make %d tries of %g "
                             "seconds",
                             options->tries, options->try_seconds);
    return 0;
}

int(asyncio_resolver_create)(struct asyncio_resolver **out,
                             const struct asyncio_resolver_options *options)
{
    static const struct asyncio_resolver_options defaults;
    if (!options) options = &defaults;
    *out = NULL;
    if (!asyncio_get_running_loop()) return -EPERM;
    int err = check(options);
    if (err < 0) return err;

    struct asyncio_resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver) return -ENOMEM;
    resolver->loop = asyncio_get_running_loop();
    err = open_channel(resolver, options);
    if (err < 0) {
        free(resolver);
        return err == -EINVAL && options->servers
                   ? asyncio_raise(err, "these are no name servers: '%s'",
                                   options->servers)
                   : err;
    }
    *out = resolver;
    return 0;
}

void asyncio_resolver_free(struct asyncio_resolver *resolver)
{
    if (!resolver) return;
    // Ends every lookup, with ARES_EDESTRUCTION, and closes every socket.
    ares_destroy(resolver->channel);
    asyncio_handle_cancel(&resolver->timer);
    while (resolver->watches)
        drop_watch(&resolver->watches);
    free(resolver);
}
