// Streams that are made by connecting, and pairs of them.

#include "io/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "io/connect.h"
#include "loop/debug.h"
#include "platform/sys.h"
#include "task/park.h"

// The descriptor is the stream's, or closed. TCP sends small pieces at once,
// since what is written together is sent together anyway.
static int stream_on(int fd, bool tcp, long limit, const char *site,
                     struct asyncio_stream **out)
{
    const int on = 1;
    if (tcp)
        asyncio__sys_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int err =
        asyncio__stream_of_socket(asyncio__running_loop, fd, limit, site, out);
    if (err < 0) asyncio__sys_close(fd);
    return err;
}

int(asyncio_open_connection)(struct asyncio_stream **stream, const char *host,
                             int port,
                             const struct asyncio_connection_options *options)
{
    static const struct asyncio_connection_options defaults;
    if (!options) options = &defaults;
    *stream = NULL;
    if (!asyncio__task()) return -EPERM;
    if (options->limit < 0) return -EINVAL;
    int fd = asyncio__connect(&(struct asyncio__connect_options){
        .host = host,
        .port = port,
        .service = options->service,
        .family = options->family,
        .local_host = options->local_host,
        .local_port = options->local_port,
        .delay = options->happy_eyeballs_delay,
    });
    if (fd < 0) return fd;
    return stream_on(fd, true, options->limit, options->site, stream);
}

int(asyncio_open_unix_connection)(struct asyncio_stream **stream,
                                  const char *path,
                                  const struct asyncio_stream_options *options)
{
    struct asyncio__address address;
    long limit = options ? options->limit : 0;
    *stream = NULL;
    if (!asyncio__task()) return -EPERM;
    int err = limit < 0 ? -EINVAL : asyncio__address_of_path(path, &address);
    if (err < 0) return err;
    int fd = asyncio__connect_address(&address);
    if (fd < 0) return fd;
    return stream_on(fd, false, limit, options ? options->site : NULL, stream);
}

// --- protocols --------------------------------------------------------------

// Hands a new stream to the factory, which need not have kept it.
static int give_protocol(struct asyncio_stream **stream,
                         asyncio_protocol_factory *factory, void *arg)
{
    int err = factory(*stream, arg);
    if (err >= 0) return 0;
    asyncio_stream_abort(*stream);
    asyncio_stream_free(*stream);
    *stream = NULL;
    return err;
}

int(asyncio_create_connection)(struct asyncio_stream **stream,
                               asyncio_protocol_factory *factory, void *arg,
                               const char *host, int port,
                               const struct asyncio_connection_options *options)
{
    if (!factory) return -EINVAL;
    int err = (asyncio_open_connection)(stream, host, port, options);
    return err < 0 ? err : give_protocol(stream, factory, arg);
}

int(asyncio_create_unix_connection)(
    struct asyncio_stream **stream, asyncio_protocol_factory *factory,
    void *arg, const char *path, const struct asyncio_stream_options *options)
{
    if (!factory) return -EINVAL;
    int err = (asyncio_open_unix_connection)(stream, path, options);
    return err < 0 ? err : give_protocol(stream, factory, arg);
}

// --- pairs ------------------------------------------------------------------

static int open_both(struct asyncio_stream **one, struct asyncio_stream **other,
                     const int fds[2],
                     const struct asyncio_stream_options *options)
{
    struct asyncio_stream *first;
    int err = (asyncio_stream_open)(&first, fds[0], options);
    if (err < 0) goto fail_fds;
    err = (asyncio_stream_open)(other, fds[1], options);
    if (err < 0) goto fail_first;
    *one = first;
    return 0;

fail_first:
    asyncio_stream_close(first);
    asyncio_stream_free(first);
    asyncio__sys_close(fds[1]);
    return err;
fail_fds:
    asyncio__sys_close(fds[0]);
    asyncio__sys_close(fds[1]);
    return err;
}

int(asyncio_open_pipe)(struct asyncio_stream **reader,
                       struct asyncio_stream **writer,
                       const struct asyncio_stream_options *options)
{
    struct asyncio_loop *loop = NULL;
    int fds[2];
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    err = asyncio__poller_pipe(loop->poller, fds);
    return err < 0 ? err : open_both(reader, writer, fds, options);
}

int(asyncio_open_pair)(struct asyncio_stream **one,
                       struct asyncio_stream **other,
                       const struct asyncio_stream_options *options)
{
    struct asyncio_loop *loop = NULL;
    int fds[2];
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    err =
        asyncio__poller_socketpair(loop->poller, AF_UNIX, SOCK_STREAM, 0, fds);
    return err < 0 ? err : open_both(one, other, fds, options);
}

// --- addresses --------------------------------------------------------------

int asyncio_stream_getsockname(const struct asyncio_stream *stream,
                               struct sockaddr *address, socklen_t *len)
{
    if (!stream) return -EBADF;
    int fd = asyncio_stream_fileno(stream);
    return fd < 0 ? fd : asyncio__sys_getsockname(fd, address, len);
}

int asyncio_stream_getpeername(const struct asyncio_stream *stream,
                               struct sockaddr *address, socklen_t *len)
{
    if (!stream) return -EBADF;
    int fd = asyncio_stream_fileno(stream);
    return fd < 0 ? fd : asyncio__sys_getpeername(fd, address, len);
}
