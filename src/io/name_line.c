// A channel of c-ares on the loop: sockets, timer, and sockets without SIGPIPE.
//
// c-ares may open and close sockets inside any call, also inside the one that a
// watch makes: a callback reads what it needs of its watch first, and does not
// look at it afterwards. It has closed all of them when a question is over, so
// that a spare line has none, and each question comes from ports of its own.

#include "io/name_line.h"

#include <sys/time.h>
#include <sys/uio.h>
#include <threads.h>
#include <unistd.h>

#include "loop/loop.h"
#include "platform/sys.h"

// One socket that c-ares wants watched.
struct watch {
    struct watch *next;
    struct asyncio__name_line *line;
    ares_socket_t fd;
    bool readable, writable;
};

// ---- What the loop calls ----------------------------------------------------

static int on_readable(void *arg)
{
    const struct watch *watch = arg;
    struct asyncio__name_line *line = watch->line;
    ares_process_fd(line->channel, watch->fd, ARES_SOCKET_BAD);
    asyncio__name_line_turn(line);
    return 0;
}

static int on_writable(void *arg)
{
    const struct watch *watch = arg;
    struct asyncio__name_line *line = watch->line;
    ares_process_fd(line->channel, ARES_SOCKET_BAD, watch->fd);
    asyncio__name_line_turn(line);
    return 0;
}

static int on_time(void *arg)
{
    struct asyncio__name_line *line = arg;
    ares_process_fd(line->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    asyncio__name_line_turn(line);
    return 0;
}

static int arm_timer(struct asyncio__name_line *line)
{
    struct timeval room;
    const struct timeval *left = ares_timeout(line->channel, NULL, &room);
    if (!left) return 0;
    // At least a millisecond, by which c-ares rounds: no busy waiting.
    double seconds = (double)left->tv_sec + (double)left->tv_usec / 1e6;
    return asyncio_call_later(seconds < 1e-3 ? 1e-3 : seconds, on_time, line,
                              .handle = &line->timer);
}

void asyncio__name_line_turn(struct asyncio__name_line *line)
{
    asyncio_handle_cancel(&line->timer);
    if (!line->over && arm_timer(line) < 0) line->blind = true;
    if (line->blind) ares_cancel(line->channel);
    if (!line->over) return;
    asyncio_handle_cancel(&line->timer);
    line->ended(line);
}

// ---- What c-ares calls ------------------------------------------------------

static struct watch **find_watch(struct asyncio__name_line *line, int fd)
{
    struct watch **place = &line->watches;
    while (*place && (*place)->fd != fd)
        place = &(*place)->next;
    return place;
}

static void drop_watch(struct watch **place)
{
    struct watch *watch = *place;
    *place = watch->next;
    // Whoever frees a resolver may do so when its loop does not run.
    asyncio__loop_unwatch(watch->line->loop, watch->fd);
    asyncio__free(watch);
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
    struct asyncio__name_line *line = arg;
    struct watch **place = find_watch(line, fd);
    if (!readable && !writable) {
        if (*place) drop_watch(place);
        return;
    }
    if (!*place) *place = asyncio__alloc(sizeof **place);
    if (!*place) {
        line->blind = true;
        return;
    }
    (*place)->line = line;
    (*place)->fd = fd;
    if (set_watch(*place, readable != 0, writable != 0) < 0) line->blind = true;
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

static int open_channel(struct asyncio__name_line *line,
                        const struct asyncio__name_line_options *options)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, init_library);
    if (library_state != ARES_SUCCESS) return code_of(library_state);

    struct ares_options wanted = {
        .sock_state_cb = watch_socket,
        .sock_state_cb_data = line,
        .timeout = options->try_ms,
        .tries = options->tries,
        .udp_port = (unsigned short)options->port,
        .tcp_port = (unsigned short)options->port,
        .lookups = (char[]){"b"}, // what is in files is known already
        .resolvconf_path = options->resolv_conf,
    };
    int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS | ARES_OPT_RESOLVCONF;
    if (wanted.timeout > 0) mask |= ARES_OPT_TIMEOUTMS;
    if (wanted.tries > 0) mask |= ARES_OPT_TRIES;
    if (options->port > 0) mask |= ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
    int status = ares_init_options(&line->channel, &wanted, mask);
    if (status != ARES_SUCCESS) return code_of(status);

    ares_set_socket_functions(line->channel, &socket_functions, NULL);
    if (!options->servers) return 0;
    status = ares_set_servers_ports_csv(line->channel, options->servers);
    if (status != ARES_SUCCESS) ares_destroy(line->channel);
    return code_of(status);
}

int asyncio__name_line_open(struct asyncio__name_line **out,
                            const struct asyncio__name_line_options *options)
{
    struct asyncio__name_line *line = asyncio__alloc(sizeof *line);
    if (!line) return -ENOMEM;
    line->loop = asyncio_get_running_loop();
    int err = open_channel(line, options);
    if (err < 0) {
        asyncio__free(line);
        return err;
    }
    *out = line;
    return 0;
}

void asyncio__name_line_close(struct asyncio__name_line *line)
{
    // Ends the question, with ARES_EDESTRUCTION, and closes every socket.
    ares_destroy(line->channel);
    asyncio_handle_cancel(&line->timer);
    while (line->watches)
        drop_watch(&line->watches);
    asyncio__free(line);
}
