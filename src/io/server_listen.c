// A server's sockets: how they accept, and close.
//
// A connection is accepted by one operation for each socket, which is submitted
// again as soon as it has ended. Where that ends at once there are more of them
// waiting, and some are taken one after the other before others have their
// turn. Where the system has no descriptor or memory for one, the socket goes
// hungry: it tries again when a stream of this loop has closed, or after a
// second, so that nothing spins while the backlog waits.

#include "io/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <asyncio/error.h>

#include "platform/sys.h"

// Connections of one socket that are taken one after the other.
#define AT_ONCE_MAX 64

#define MEAL_NS      1000000000
#define SAY_AGAIN_NS (60 * INT64_C(1000000000))

// --- accepting --------------------------------------------------------------

static bool is_want(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOBUFS ||
           err == -ENOMEM || err == -EAGAIN;
}

// The connection was lost before it was accepted, or forbidden: others may come
// (accept(2)).
static bool is_of_peer(int err)
{
    return err == -ECONNABORTED || err == -EPROTO || err == -EPERM ||
           err == -ENETDOWN || err == -ENOPROTOOPT || err == -EHOSTDOWN ||
           err == -ENONET || err == -EHOSTUNREACH || err == -EOPNOTSUPP ||
           err == -ENETUNREACH || err == -EINTR || err == -EIO ||
           err == -ECONNRESET || err == -ETIMEDOUT;
}

static void eat(struct asyncio__server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].hungry)
            asyncio__listener_accept(&server->listeners[i]);
}

static void meal_time(struct asyncio__timer *timer)
{
    eat(list_entry(timer, struct asyncio__server, meal));
}

void asyncio__servers_feed(struct asyncio__io *io)
{
    list_for_each (link, &io->servers) {
        struct asyncio__server *server =
            list_entry(link, struct asyncio__server, link);
        if (!asyncio__timer_armed(&server->meal)) continue;
        asyncio__timer_disarm(&server->loop->timers, &server->meal);
        eat(server);
    }
}

// Once a minute at most: it may come and go.
static void say_why(struct asyncio__server *server, int err, int64_t now_ns)
{
    if (server->said && now_ns - server->said_ns < SAY_AGAIN_NS) return;
    server->said = true;
    server->said_ns = now_ns;
    asyncio__report(server->loop, err, NULL, server->site,
                    "no connections are accepted for now: %s",
                    asyncio_strerror(err));
}

static void go_hungry(struct asyncio__listener *listener, int err)
{
    struct asyncio__server *server = listener->server;
    int64_t now_ns = asyncio__loop_now(server->loop);
    listener->hungry = true;
    if (!asyncio__timer_armed(&server->meal)) {
        server->meal = (struct asyncio__timer){.fire = meal_time};
        asyncio__timer_arm(&server->loop->timers, &server->meal,
                           now_ns + MEAL_NS);
    }
    say_why(server, err, now_ns);
}

static void stop_listening(struct asyncio__listener *listener, int err)
{
    asyncio__report(listener->server->loop, err, NULL, listener->server->site,
                    "a server listens no more at descriptor %d: %s",
                    listener->fd, asyncio_strerror(err));
    asyncio__listener_close(listener);
}

// What the operation has come to. True: the next one is under way.
static bool arrived(struct asyncio__listener *listener)
{
    struct asyncio__server *server = listener->server;
    int fd = listener->op.result;
    listener->accepting = false;
    if (server->state == ASYNCIO__SERVER_CLOSED) {
        if (fd >= 0) asyncio__sys_close(fd);
        asyncio__listener_close(listener);
        return false;
    }
    if (fd < 0 && is_want(fd)) {
        go_hungry(listener, fd);
        return false;
    }
    if (fd < 0 && !is_of_peer(fd)) {
        stop_listening(listener, fd);
        return false;
    }
    // First the next: a handler that begins at once may close the server.
    asyncio__listener_accept(listener);
    if (fd >= 0) asyncio__server_take(server, fd);
    return listener->accepting;
}

static void accepted(struct asyncio__op *op)
{
    struct asyncio__listener *listener =
        list_entry(op, struct asyncio__listener, op);
    struct asyncio__server *server = listener->server;
    struct asyncio__poller *poller = server->loop->poller;
    int left = AT_ONCE_MAX;
    server->calls++;
    while (arrived(listener) && --left > 0 &&
           asyncio__poller_take(poller, op)) {
    }
    server->calls--;
    asyncio__server_settle(server);
}

void asyncio__listener_accept(struct asyncio__listener *listener)
{
    struct asyncio__server *server = listener->server;
    if (listener->fd < 0 || listener->accepting) return;
    listener->hungry = false;
    listener->op = (struct asyncio__op){
        .code = ASYNCIO__OP_ACCEPT,
        .done = accepted,
        .fd = listener->fd,
        .flags = (uint32_t)asyncio__poller_mode(server->loop->poller),
    };
    int err = asyncio__poller_submit(server->loop->poller, &listener->op);
    listener->accepting = err == 0;
    if (err < 0) go_hungry(listener, err);
}

// --- closing ----------------------------------------------------------------

bool asyncio__listener_identify(struct asyncio__listener *listener,
                                const char *path)
{
    struct statx found = {0};
    if (asyncio__sys_statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO,
                           &found) < 0)
        return false;
    listener->device =
        (uint64_t)found.stx_dev_major << 32 | found.stx_dev_minor;
    listener->inode = found.stx_ino;
    return true;
}

// Unless something else is there now.
static void remove_path(struct asyncio__listener *listener)
{
    struct asyncio__listener now = {0};
    if (!listener->path) return;
    if (asyncio__listener_identify(&now, listener->path) &&
        now.inode == listener->inode && now.device == listener->device)
        asyncio__sys_unlinkat(AT_FDCWD, listener->path, 0);
    asyncio__free(listener->path);
    listener->path = NULL;
}

// While an operation is under way the descriptor is only made deaf; this is
// called again when that has ended.
void asyncio__listener_close(struct asyncio__listener *listener)
{
    if (listener->fd < 0) return;
    remove_path(listener);
    if (listener->accepting) {
        if (!listener->shared) asyncio__sys_shutdown(listener->fd, SHUT_RDWR);
        asyncio__poller_cancel(listener->server->loop->poller, &listener->op);
        return;
    }
    asyncio__loop_disown(listener->server->loop, listener->fd);
    asyncio__sys_close(listener->fd);
    listener->fd = -1;
}
