// Transports: a stream on something of one's own. First a stream that echoes
// without any system, then letters turned round beneath a stream that is open.
//
//     cc transport.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <string.h>

#include <asyncio.h>

// What is written is there to be read; a read that finds nothing waits.
struct echo {
    char bytes[256];
    size_t len;
    void *wanted;
    size_t size;
    struct asyncio_handle handle;
    struct asyncio_stream *stream, *inner;
};

static int take(struct echo *echo, void *buffer, size_t size)
{
    size_t len = size < echo->len ? size : echo->len;
    memcpy(buffer, echo->bytes, len);
    memmove(echo->bytes, echo->bytes + len, echo->len - len);
    echo->len -= len;
    return (int)len;
}

static int echo_read(struct asyncio_stream *stream, void *arg, void *buffer,
                     size_t size)
{
    struct echo *echo = arg;
    (void)stream;
    if (echo->len > 0) return take(echo, buffer, size);
    echo->wanted = buffer;
    echo->size = size;
    return -EINPROGRESS;
}

static void echo_cancel_read(struct asyncio_stream *stream, void *arg)
{
    struct echo *echo = arg;
    if (!echo->wanted) return;
    echo->wanted = NULL;
    asyncio_stream_did_read(stream, -ECANCELED);
}

static int written(void *arg)
{
    struct echo *echo = arg;
    void *wanted = echo->wanted;
    echo->wanted = NULL;
    if (wanted)
        asyncio_stream_did_read(echo->stream, take(echo, wanted, echo->size));
    asyncio_stream_did_write(echo->stream, (int)echo->size);
    return 0;
}

static int echo_write(struct asyncio_stream *stream, void *arg,
                      const struct iovec *parts, size_t count)
{
    struct echo *echo = arg;
    (void)stream, (void)count; // one part is enough of an answer
    memcpy(echo->bytes + echo->len, parts->iov_base, parts->iov_len);
    echo->len += parts->iov_len;
    echo->size = parts->iov_len;
    int err = asyncio_call_soon(written, echo, .handle = &echo->handle);
    return err < 0 ? err : -EINPROGRESS;
}

static void echo_cancel_write(struct asyncio_stream *stream, void *arg)
{
    struct echo *echo = arg;
    asyncio_handle_cancel(&echo->handle);
    asyncio_stream_did_write(stream, -ECANCELED);
}

static int echo_closed(void *arg)
{
    asyncio_stream_did_close(arg, 0);
    return 0;
}

static int echo_close(struct asyncio_stream *stream, void *arg, bool abort)
{
    (void)arg;
    if (abort) return 0;
    int err = asyncio_call_soon(echo_closed, stream);
    return err < 0 ? 0 : -EINPROGRESS;
}

static const struct asyncio_transport echoes = {
    .name = "echo",
    .read = echo_read,
    .cancel_read = echo_cancel_read,
    .write = echo_write,
    .cancel_write = echo_cancel_write,
    .close = echo_close,
};

// --- between an open stream and its socket ----------------------------------

static int loud_write(struct asyncio_stream *stream, void *arg,
                      const struct iovec *parts, size_t count)
{
    struct echo *echo = arg;
    char loud[256];
    (void)stream, (void)count;
    size_t len = parts->iov_len < sizeof loud ? parts->iov_len : sizeof loud;
    for (size_t i = 0; i < len; i++)
        loud[i] = (char)(((const char *)parts->iov_base)[i] - 'a' + 'A');
    int err = asyncio_stream_write_nowait(echo->inner, loud, len);
    return err < 0 ? err : (int)len;
}

static int loud_close(struct asyncio_stream *stream, void *arg, bool abort)
{
    struct echo *echo = arg;
    (void)stream, (void)abort;
    asyncio_stream_close(echo->inner);
    asyncio_stream_free(echo->inner);
    return 0;
}

static const struct asyncio_transport loud = {
    .name = "loud connection",
    .read = echo_read, // it has nothing to say
    .cancel_read = echo_cancel_read,
    .write = loud_write,
    .cancel_write = echo_cancel_write,
    .close = loud_close,
};

static int finish(struct asyncio_stream *stream, int err)
{
    asyncio_stream_close(stream);
    int closed = asyncio_stream_wait_closed(stream);
    asyncio_stream_free(stream);
    return err < 0 ? err : closed;
}

static int async_main(void *arg)
{
    struct echo *echo = arg;
    struct asyncio_stream *one, *other;
    char line[32] = "";
    int err = asyncio_stream_create(&echo->stream, &echoes, echo);
    if (err < 0) return err;
    err = asyncio_stream_write(echo->stream, "hello\n", 6);
    if (err == 0)
        err = asyncio_stream_readline(echo->stream, line, sizeof line);
    printf("%s", line);
    if (asyncio_stream_get_transport(echo->stream, NULL) != &echoes)
        err = -EPROTO;
    err = finish(echo->stream, err);
    if (err == 0) err = asyncio_open_pair(&one, &other);
    if (err < 0) return err;

    err = asyncio_stream_upgrade(one, &loud, echo, &echo->inner);
    if (err == 0) err = asyncio_stream_write(one, "quiet", 5);
    if (err == 0) err = asyncio_stream_readexactly(other, line, 5);
    if (err > 0) printf("%.5s\n", line);
    err = finish(one, err);
    return finish(other, err);
}

int main(void)
{
    static struct echo echo;
    return asyncio_main(async_main, &echo);
}
// expect: hello
// expect: QUIET
