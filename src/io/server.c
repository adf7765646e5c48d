// A server's life, as its user sees it.
//
// The server is freed when it is closed, nothing of it is under way and nobody
// waits in one of its calls; a handle that finds it no more means a server that
// is closed.

#include "io/server.h"

#include <assert.h>
#include <netinet/in.h>

#include "loop/debug.h"
#include "platform/sys.h"
#include "task/park.h"

int asyncio__server_new(struct asyncio__server **out, size_t listeners,
                        const struct asyncio_server_options *options)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    struct asyncio__io *io;
    int err = asyncio__io_use(loop, &io);
    if (err < 0) return err;
    struct asyncio__server *server = asyncio__alloc(sizeof *server);
    if (!server) goto fail_io;
    server->listeners =
        asyncio__alloc_array(listeners, sizeof *server->listeners);
    if (!server->listeners) goto fail_server;
    server->io = io;
    server->loop = loop;
    server->serial = ++io->serial;
    server->site = options && options->site ? options->site : "";
    server->limit = options ? options->limit : 0;
    asyncio_copy_context(&server->context);
    list_add_tail(&io->servers, &server->link);
    *out = server;
    return 0;

fail_server:
    asyncio__free(server);
fail_io:
    asyncio__io_unuse(io);
    return -ENOMEM;
}

void asyncio__server_free(struct asyncio__server *server)
{
    struct asyncio__io *io = server->io;
    for (size_t i = 0; i < server->listener_count; i++) {
        assert(!server->listeners[i].accepting);
        asyncio__listener_close(&server->listeners[i]);
    }
    list_remove(&server->link);
    asyncio_context_close(&server->context);
    asyncio__free(server->listeners);
    asyncio__free(server);
    asyncio__io_unuse(io);
}

static void start(struct asyncio__server *server)
{
    server->state = ASYNCIO__SERVER_SERVING;
    for (size_t i = 0; i < server->listener_count; i++)
        asyncio__listener_accept(&server->listeners[i]);
}

void asyncio__server_open(struct asyncio__server *server,
                          struct asyncio_server *handle, bool begins)
{
    *handle =
        (struct asyncio_server){.server_ = server, .serial_ = server->serial};
    if (begins) start(server);
}

// --- the end ----------------------------------------------------------------

static bool accepts(const struct asyncio__server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].accepting) return true;
    return false;
}

// Nothing of it is under way any more.
static bool is_over(const struct asyncio__server *server)
{
    return server->state == ASYNCIO__SERVER_CLOSED && !accepts(server) &&
           server->client_count == 0;
}

void asyncio__server_settle(struct asyncio__server *server)
{
    if (!is_over(server)) return;
    asyncio__wake_all(&server->closers, 0);
    if (server->calls == 0) asyncio__server_free(server);
}

static void leave(struct asyncio__server *server)
{
    server->calls--;
    asyncio__server_settle(server);
}

static void close_server(struct asyncio__server *server)
{
    if (server->state == ASYNCIO__SERVER_CLOSED) return;
    server->state = ASYNCIO__SERVER_CLOSED;
    server->calls++;
    asyncio__timer_disarm(&server->loop->timers, &server->meal);
    for (size_t i = 0; i < server->listener_count; i++)
        asyncio__listener_close(&server->listeners[i]);
    if (server->forever) asyncio__wake(server->forever, -ESHUTDOWN);
    server->forever = NULL;
    leave(server);
}

void asyncio__server_loop_closes(struct asyncio__server *server)
{
    server->calls = 1; // this one: the tasks of others will not run any more
    list_for_each_safe (link, after, &server->clients)
        asyncio__server_forget_handler(
            list_entry(link, struct asyncio_stream, client));
    close_server(server);
    leave(server);
}

// --- handles ----------------------------------------------------------------

// The server behind a handle; NULL if it is closed and gone.
static struct asyncio__server *find(const struct asyncio_server *handle)
{
    struct asyncio_loop *loop = asyncio_get_event_loop();
    if (!loop || !loop->io) return NULL;
    list_for_each (link, &loop->io->servers) {
        struct asyncio__server *server =
            list_entry(link, struct asyncio__server, link);
        if (server == handle->server_ && server->serial == handle->serial_)
            return server;
    }
    return NULL;
}

static struct asyncio__server *find_open(const struct asyncio_server *handle)
{
    struct asyncio__server *server = find(handle);
    return server && server->state != ASYNCIO__SERVER_CLOSED ? server : NULL;
}

int asyncio_server_start(struct asyncio_server *handle)
{
    struct asyncio__server *server = find_open(handle);
    if (!server) return -ESHUTDOWN;
    if (server->state == ASYNCIO__SERVER_MADE) start(server);
    return 0;
}

bool asyncio_server_is_serving(const struct asyncio_server *handle)
{
    struct asyncio__server *server = find_open(handle);
    return server && server->state == ASYNCIO__SERVER_SERVING;
}

void asyncio_server_close(struct asyncio_server *handle)
{
    struct asyncio__server *server = find(handle);
    if (server) close_server(server);
}

// Asks each connection to end; it is not gone when `end` returns, or it may be.
static void end_clients(struct asyncio_server *handle,
                        void (*end)(struct asyncio_stream *stream))
{
    struct asyncio__server *server = find(handle);
    if (!server) return;
    struct asyncio_link all = {0}, *link;
    server->calls++;
    list_splice(&all, &server->clients);
    while ((link = list_pop(&all))) {
        list_add_tail(&server->clients, link);
        end(list_entry(link, struct asyncio_stream, client));
    }
    leave(server);
}

static void end_gently(struct asyncio_stream *stream)
{
    if (stream->handler)
        asyncio__stream_feed_eof(stream);
    else
        asyncio_stream_close(stream);
}

static void end_at_once(struct asyncio_stream *stream)
{
    stream->aborted_by_server = true;
    if (stream->handler) (asyncio_task_cancel)(stream->handler, NULL);
    asyncio_stream_abort(stream);
}

void asyncio_server_close_clients(struct asyncio_server *handle)
{
    end_clients(handle, end_gently);
}

void asyncio_server_abort_clients(struct asyncio_server *handle)
{
    end_clients(handle, end_at_once);
}

// --- waiting ----------------------------------------------------------------

static const struct asyncio__wait_kind closing = {
    .name = "a server's end",
    .movable = true,
};

// Of one that is there; it may be gone afterwards.
static int wait_closed(struct asyncio__server *server)
{
    int err = 0;
    server->calls++;
    if (!is_over(server))
        err = asyncio__park(&closing, server, &server->closers);
    leave(server);
    return err;
}

int asyncio_server_wait_closed(struct asyncio_server *handle)
{
    if (!asyncio__task()) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    struct asyncio__server *server = find(handle);
    return server ? wait_closed(server) : 0;
}

static bool stop_forever(struct asyncio_task *task,
                         const struct asyncio_cancel_options *options)
{
    (void)options;
    struct asyncio__server *server = task->wait.object;
    server->forever = NULL;
    asyncio__wake(task, -ECANCELED);
    return true;
}

static const struct asyncio__wait_kind serving = {
    .name = "a server's clients",
    .cancel = stop_forever,
    .movable = true,
};

int asyncio_server_serve_forever(struct asyncio_server *handle)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int err = asyncio_server_start(handle);
    if (err < 0) return err;
    struct asyncio__server *server = find(handle);
    if (server->forever) return -EBUSY;
    server->calls++;
    server->forever = task;
    err = asyncio__park(&serving, server, NULL);
    if (server->forever == task) server->forever = NULL;
    close_server(server);
    server->calls--;
    asyncio_ignore(wait_closed(server));
    return err;
}

// --- questions --------------------------------------------------------------

int asyncio_server_fileno(const struct asyncio_server *handle, size_t index)
{
    struct asyncio__server *server = find_open(handle);
    if (!server) return -ESHUTDOWN;
    if (index >= server->listener_count) return -ENOENT;
    return server->listeners[index].fd;
}

int asyncio_server_port(const struct asyncio_server *handle)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    int fd = asyncio_server_fileno(handle, 0);
    if (fd < 0) return fd;
    int err = asyncio__sys_getsockname(fd, (struct sockaddr *)&address, &len);
    if (err < 0) return err;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return -ENOENT;
}

size_t asyncio_server_clients(const struct asyncio_server *handle)
{
    struct asyncio__server *server = find(handle);
    return server ? server->client_count : 0;
}
