// Streams: lines, exact amounts and the end of file, over pairs, pipes, a file
// and sockets; and writers that are faster than their readers.
//
//     cc stream.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <asyncio.h>

// Everything that reads, on what the peer has written.
static int read_letter(struct asyncio_stream *stream)
{
    char line[64], size[8], body[8], rest[64];
    size_t partial = 0;
    int err = asyncio_stream_set_limit(stream, 60); // for lines, before both
    if (err < 0) return err;
    int len = asyncio_stream_readline(stream, line, sizeof line);
    if (len < 0) return len;
    printf("a line of %d: %s", len, line);

    const struct iovec ends[] = {{";", 1}, {"\n", 1}};
    len = asyncio_stream_readuntil(stream, size, sizeof size, "=", 1);
    if (len < 0) return len;
    len = asyncio_stream_readuntil_any(stream, size, sizeof size, ends, 2);
    if (len < 0) return len;
    err = asyncio_stream_readexactly(stream, body, 4);
    if (err < 0) return err;
    printf("size %.*s body %.4s\n", len - 1, size, body);

    err = asyncio_stream_readexactly(stream, rest, 60, .partial = &partial);
    printf("and %zu bytes more, then the end: %s\n", partial,
           asyncio_stream_at_eof(stream) ? "yes" : "no");
    return err == -ENODATA ? asyncio_stream_read(stream, rest, 1) : err;
}

static int write_letter(struct asyncio_stream *stream)
{
    const struct iovec parts[] = {{"size=", 5}, {"4;", 2}};
    int err = asyncio_stream_write(stream, "Dear reader,\n", 13);
    if (err == 0) err = asyncio_stream_writev(stream, parts, 2);
    if (err == 0) err = asyncio_stream_write_nowait(stream, "body", 4);
    if (err == 0) err = asyncio_stream_writev_nowait(stream, parts, 1);
    if (err == 0 && asyncio_stream_can_write_eof(stream))
        err = asyncio_stream_write_eof(stream);
    return err;
}

static int exchange(void)
{
    struct asyncio_stream *one, *other;
    int err = asyncio_open_pair(&one, &other);
    if (err < 0) return err;
    err = write_letter(one);
    if (err == 0) err = read_letter(other);
    asyncio_stream_close(one);
    int closed = asyncio_stream_wait_closed(one);
    printf("closed: %d, %s\n", closed,
           asyncio_stream_is_closing(one) ? "closing" : "open");
    asyncio_stream_free(one);
    asyncio_stream_abort(other); // nothing is left to be sent
    asyncio_stream_free(other);
    return err < 0 ? err : closed;
}

// A writer waits for its reader between the marks.
static int write_much(void *arg)
{
    struct asyncio_stream *writer = arg;
    static const char some[50000];
    size_t high, low;
    int err = asyncio_stream_set_write_limits(writer, 20000, 10000);
    asyncio_stream_get_write_limits(writer, &high, &low);
    for (int i = 0; i < 10 && err == 0; i++) {
        err = asyncio_stream_write(writer, some, sizeof some);
        if (err == 0) err = asyncio_stream_drain(writer);
        if (asyncio_stream_write_buffer_size(writer) > high) return -EPROTO;
    }
    asyncio_stream_close(writer);
    return err;
}

static int fill_pipe(void)
{
    struct asyncio_stream *reader, *writer;
    char some[4096];
    long total = 0;
    int err = asyncio_open_pipe(&reader, &writer);
    if (err < 0) return err;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, write_much, writer);
    while ((err = asyncio_stream_read(reader, some, sizeof some)) > 0)
        total += err;
    err = asyncio_task_group_exit(&group, err);
    printf("%ld bytes through a pipe\n", total);
    asyncio_stream_free(writer);
    asyncio_stream_close(reader);
    asyncio_stream_free(reader);
    return err;
}

// A file goes by itself; who reads does not see the difference.
static int send_file(void)
{
    struct asyncio_stream *reader, *writer;
    char line[32] = "";
    FILE *from = tmpfile();
    if (!from) return -EIO;
    fputs("from a file\n", from);
    fflush(from);
    int err = asyncio_open_pair(&reader, &writer);
    if (err < 0) goto close_file;
    err = asyncio_stream_sendfile(writer, fileno(from), 0, 0);
    printf("%d bytes sent\n", err);
    if (err > 0) err = asyncio_stream_readline(reader, line, sizeof line);
    printf("%s", line);
    asyncio_stream_close(writer);
    asyncio_stream_free(writer);
    asyncio_stream_close(reader);
    asyncio_stream_free(reader);
close_file:
    fclose(from);
    return err < 0 ? err : 0;
}

// A file is read line by line in the same way; here two of them are one stream.
static int copy_file(void)
{
    char line[64];
    FILE *from = tmpfile(), *to = tmpfile();
    struct asyncio_stream *stream, *copy;
    if (!from || !to) return -EIO;
    fputs("first\nsecond\n", from);
    rewind(from);
    int in = dup(fileno(from)), out = dup(fileno(to));
    int err = asyncio_stream_open_two(&stream, in, out);
    if (err < 0) return err;
    while ((err = asyncio_stream_readline(stream, line, sizeof line)) > 0)
        if (asyncio_stream_write(stream, line, (size_t)err) < 0) break;
    asyncio_stream_close(stream);
    if (err == 0) err = asyncio_stream_wait_closed(stream);
    asyncio_stream_free(stream);

    if (lseek(fileno(to), 0, SEEK_SET) < 0) return -EIO;
    if (err == 0)
        err = asyncio_stream_open(&copy, fileno(to), .keep_open = true);
    if (err < 0) return err;
    while ((err = asyncio_stream_readline(copy, line, sizeof line)) > 0)
        printf("copied %s", line);
    asyncio_stream_close(copy);
    asyncio_stream_free(copy);
    fclose(from);
    fclose(to);
    return err;
}

// Nobody listens at port 1, or at that path.
static int knock(void)
{
    struct asyncio_stream *stream;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    int tcp = asyncio_open_connection(&stream, "127.0.0.1", 1);
    int path = asyncio_open_unix_connection(&stream, "/nowhere");
    printf("refused: %d, missing: %d\n", tcp == -ECONNREFUSED, path == -ENOENT);
    int err = asyncio_open_stdio(&stream);
    if (err < 0) return err;
    err = asyncio_stream_getsockname(stream, (void *)&address, &len);
    if (asyncio_stream_getpeername(stream, (void *)&address, &len) == err)
        printf("descriptor %d\n", asyncio_stream_fileno(stream));
    fflush(stdout); // what comes next passes it by
    err = asyncio_stream_write(stream, "standard output\n", 16);
    asyncio_stream_close(stream);
    if (err == 0) err = asyncio_stream_wait_closed(stream);
    asyncio_stream_free(stream);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = exchange();
    if (err == 0) err = fill_pipe();
    if (err == 0) err = send_file();
    if (err == 0) err = copy_file();
    return err == 0 ? knock() : err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: a line of 13: Dear reader,
// expect: size 4 body body
// expect: and 5 bytes more, then the end: yes
// expect: closed: 0, closing
// expect: 500000 bytes through a pipe
// expect: 12 bytes sent
// expect: from a file
// expect: copied first
// expect: copied second
// expect: refused: 1, missing: 1
// expect: descriptor 0
// expect: standard output
