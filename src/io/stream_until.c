// Reading up to a separator; a line is what one newline ends.
//
// The bytes stay in the buffer until the call has all that it is to return, so
// there is nothing to undo when it is cancelled, or when there is too much.
// What was searched once is not searched again, but for the end, where a
// separator may have begun.

#include "io/stream.h"

#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PLACES_MAX 16

// What is looked for, and within what.
struct search {
    const struct iovec *separators;
    size_t count;
    size_t shortest, longest; // separators
    size_t limit;             // bytes before one
    size_t from;              // nothing ends before this
    size_t start, end;        // of the separator that was found
};

static int check(struct search *search)
{
    if (search->count == 0) return -EINVAL;
    search->shortest = SIZE_MAX;
    for (size_t i = 0; i < search->count; i++) {
        size_t len = search->separators[i].iov_len;
        if (len == 0 || len > INT_MAX) return -EINVAL;
        if (len < search->shortest) search->shortest = len;
        if (len > search->longest) search->longest = len;
    }
    return 0;
}

// For a short text memmem takes longer to begin than to look at the few places
// where a separator could be. If these are many, as in a row of newlines, it is
// memmem that does not lose its way.
static const char *find_one(const char *bytes, size_t len,
                            const struct iovec *separator)
{
    const char *what = separator->iov_base;
    size_t size = separator->iov_len;
    if (size == 1) return memchr(bytes, *what, len);
    for (int i = 0; i < PLACES_MAX && len >= size; i++) {
        const char *at = memchr(bytes, *what, len - size + 1);
        if (!at || memcmp(at, what, size) == 0) return at;
        len -= (size_t)(at + 1 - bytes);
        bytes = at + 1;
    }
    return memmem(bytes, len, what, size);
}

// True if there is a separator; of several, the one that ends first, and of
// those that end together the shortest, in whatever order they were given.
static bool find(const struct asyncio_stream *stream, struct search *search)
{
    const char *bytes = stream->buffer + stream->head;
    search->end = SIZE_MAX;
    if (stream->len < search->from + search->shortest) return false;
    for (size_t i = 0; i < search->count; i++) {
        const struct iovec *separator = &search->separators[i];
        const char *at = find_one(bytes + search->from,
                                  stream->len - search->from, separator);
        if (!at) continue;
        size_t start = (size_t)(at - bytes);
        size_t end = start + separator->iov_len;
        if (end > search->end) continue;
        if (end == search->end && start < search->start) continue;
        search->start = start;
        search->end = end;
    }
    if (search->end != SIZE_MAX) return true;
    if (stream->len + 1 > search->from + search->longest)
        search->from = stream->len + 1 - search->longest;
    return false;
}

// Waits until a separator is in the buffer. Returns 1, 0 at the end without
// one, or a negative errno; -EMSGSIZE with `end` set if there is one, but too
// far away.
static int seek(struct asyncio_stream *stream, struct asyncio_task *task,
                struct search *search)
{
    for (;;) {
        if (stream->len > 0 && find(stream, search))
            return search->start > search->limit ? -EMSGSIZE : 1;
        if (search->from > search->limit) return -EMSGSIZE;
        if (stream->eof) return 0;
        // One byte more than may be there without a separator in it.
        size_t most = search->limit + search->longest;
        size_t size = stream->size ? stream->size : 1;
        if (stream->len == size) size *= 2;
        int got = asyncio__stream_fill(stream, task, size < most ? size : most);
        if (got < 0) return got;
    }
}

static int read_until(struct asyncio_stream *stream, struct asyncio_task *task,
                      void *buffer, size_t size, struct search *search,
                      size_t *partial)
{
    // More than that does not fit, wherever the separator is.
    size_t most = size < search->shortest ? 0 : size - search->shortest;
    search->limit = most < stream->limit ? most : stream->limit;
    int err = seek(stream, task, search);
    if (err < 0) return err;
    size_t len = err > 0 ? search->end : stream->len;
    if (len > size || len > INT_MAX) return -EMSGSIZE;
    asyncio__stream_take(stream, buffer, len);
    if (partial) *partial = len;
    return err > 0 ? (int)len : -ENODATA;
}

int(asyncio_stream_readuntil_any)(struct asyncio_stream *stream, void *buffer,
                                  size_t size, const struct iovec *separators,
                                  size_t count,
                                  const struct asyncio_partial_options *options)
{
    size_t *partial = options ? options->partial : NULL;
    if (partial) *partial = 0;
    struct search search = {.separators = separators, .count = count};
    int err = check(&search);
    if (err < 0) return err;
    struct asyncio_task *task;
    err = asyncio__stream_begin_read(stream, &task);
    if (err < 0) return err;
    err = read_until(stream, task, buffer, size, &search, partial);
    return asyncio__stream_end_read(stream, err);
}

int(asyncio_stream_readuntil)(struct asyncio_stream *stream, void *buffer,
                              size_t size, const void *separator, size_t len,
                              const struct asyncio_partial_options *options)
{
    struct iovec only = {.iov_base = (void *)(uintptr_t)separator,
                         .iov_len = len};
    return (asyncio_stream_readuntil_any)(stream, buffer, size, &only, 1,
                                          options);
}

// --- lines ------------------------------------------------------------------

static int read_line(struct asyncio_stream *stream, struct asyncio_task *task,
                     char *line, size_t size)
{
    static char end[] = "\n";
    static const struct iovec newline = {.iov_base = end, .iov_len = 1};
    struct search search = {
        .separators = &newline, .count = 1, .shortest = 1, .longest = 1};
    size_t len = 0;
    int err = read_until(stream, task, line, size - 1, &search, &len);
    if (err == -ENODATA) err = (int)len;
    if (err == -EMSGSIZE) {
        // The line goes; or, if its end is not in sight, what there is of it.
        bool whole = search.end != 0 && search.end != SIZE_MAX;
        asyncio__stream_drop(stream, whole ? search.end : stream->len);
    }
    line[err > 0 ? err : 0] = '\0';
    return err;
}

int asyncio_stream_readline(struct asyncio_stream *stream, char *line,
                            size_t size)
{
    if (size == 0) return -EINVAL;
    line[0] = '\0';
    struct asyncio_task *task;
    int err = asyncio__stream_begin_read(stream, &task);
    if (err < 0) return err;
    err = read_line(stream, task, line, size);
    return asyncio__stream_end_read(stream, err);
}
