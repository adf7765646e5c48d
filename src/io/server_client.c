// A server's connections: each is a stream, and a task or a protocol.
//
// The stream tells the server when it is gone, the task when it has ended, the
// protocol when it was told: whichever is last lets the connection go.

#include "io/server.h"

#include <asyncio/error.h>

#include "platform/sys.h"
#include "task/future.h"
#include "task/run.h"
#include "task/variables.h"

static void client_ended(struct asyncio_stream *stream)
{
    struct asyncio__server *server = stream->server;
    list_remove(&stream->client);
    server->client_count--;
    stream->server = NULL;
    stream->released = true;
    asyncio__stream_unref(stream);
    asyncio__server_settle(server);
}

void asyncio__server_client_gone(struct asyncio_stream *stream)
{
    if (!stream->handler && !stream->protocol) client_ended(stream);
}

void asyncio__server_client_lost(struct asyncio_stream *stream)
{
    if (!stream->handler) client_ended(stream);
}

void asyncio__server_report(struct asyncio_stream *stream, int code)
{
    struct asyncio_task *task = stream->handler;
    asyncio__report(stream->loop, code, task ? asyncio_task_name(task) : NULL,
                    stream->server->site, "serving a connection failed: %s",
                    task ? asyncio__failure_text(task->future.failure_, code)
                         : asyncio_strerror(code));
}

// The task has ended, in whatever way.
static void handled(struct asyncio__step *step)
{
    struct asyncio_stream *stream =
        list_entry(step, struct asyncio_stream, handled);
    struct asyncio_task *task = stream->handler;
    int code = task->future.result_;
    bool told = code >= 0 || code == -ECANCELED || stream->aborted_by_server;
    asyncio__future_look(&task->future);
    if (!told) asyncio__server_report(stream, code);
    stream->handler = NULL;
    asyncio_task_release(task);
    if (stream->state == ASYNCIO__STREAM_GONE)
        asyncio__server_client_gone(stream);
    else
        asyncio_stream_close(stream);
}

void asyncio__server_forget_handler(struct asyncio_stream *stream)
{
    struct asyncio_task *task = stream->handler;
    if (!task) return;
    if (list_linked(&stream->handled.link)) list_remove(&stream->handled.link);
    stream->handler = NULL;
    asyncio_task_release(task);
    if (stream->state == ASYNCIO__STREAM_GONE)
        asyncio__server_client_gone(stream);
}

static int serve(void *arg)
{
    struct asyncio_stream *stream = arg;
    return stream->server->on_client(stream, stream->server->arg);
}

static int start_handler(struct asyncio_stream *stream)
{
    struct asyncio__server *server = stream->server;
    struct asyncio__variables **before;
    int err = asyncio__variables_enter(&server->context, &before);
    if (err < 0) return err;
    struct asyncio_task *task =
        asyncio__task_new(serve, stream,
                          &(struct asyncio_task_options){.site = server->site,
                                                         .loop = server->loop});
    asyncio__variables_leave(&server->context, before);
    if (asyncio__task_failed_spawn(task)) return task->future.result_;
    stream->handler = task;
    stream->handled.run = handled;
    list_add_tail(&task->future.waiters_, &stream->handled.link);
    asyncio__task_launch(task);
    return 0;
}

void asyncio__server_take(struct asyncio__server *server, int fd)
{
    struct asyncio_stream *stream;
    int err = asyncio__stream_of_socket(server->loop, fd, server->limit,
                                        server->site, &stream);
    if (err < 0) {
        asyncio__sys_close(fd);
        asyncio__report(server->loop, err, NULL, server->site,
                        "a connection could not be served: %s",
                        asyncio_strerror(err));
        return;
    }
    stream->server = server;
    list_add_tail(&server->clients, &stream->client);
    server->client_count++;
    if (server->factory) {
        asyncio__stream_ask_factory(stream, server->factory, server->arg);
        return;
    }
    err = start_handler(stream);
    if (err == 0) return;
    asyncio__server_report(stream, err);
    asyncio_stream_abort(stream);
}
