// Reading up to a separator, from a stream whose bytes come in pieces: whatever
// the pieces are, the answer is that of a search through all of it at once.
//
// The input: a limit, what draws the lengths of pieces, how many separators,
// each with its length before it, and then what the stream carries.

#include <errno.h>
#include <string.h>

#include <asyncio.h>

#include "fuzz.h"

#define SEPARATORS_MAX 3
#define SIZE           256 // of what one call may return

struct reading {
    struct asyncio_stream *stream;
    const uint8_t *coming; // what the stream has not been given yet
    size_t coming_len;
    const uint8_t *rest; // what was not returned yet
    size_t rest_len;
    struct iovec separators[SEPARATORS_MAX];
    size_t count, limit;
    unsigned dice;
    void *buffer; // of the read under way
    size_t size;
};

// ---- A transport of pieces --------------------------------------------------

static int give(struct reading *reading, void *buffer, size_t size)
{
    reading->dice = reading->dice * 1103515245 + 12345;
    size_t len = (reading->dice >> 16) % 24 + 1;
    if (len > size) len = size;
    if (len > reading->coming_len) len = reading->coming_len;
    memcpy(buffer, reading->coming, len);
    reading->coming += len;
    reading->coming_len -= len;
    return (int)len;
}

static int give_later(void *arg)
{
    struct reading *reading = arg;
    int n = give(reading, reading->buffer, reading->size);
    asyncio_stream_did_read(reading->stream, n);
    return 0;
}

// Some pieces are there at once, others come in the next pass.
static int source_read(struct asyncio_stream *stream, void *arg, void *buffer,
                       size_t size)
{
    (void)stream;
    struct reading *reading = arg;
    MUST(size > 0);
    if (reading->dice & 0x10000) return give(reading, buffer, size);
    reading->buffer = buffer;
    reading->size = size;
    MUST(asyncio_call_soon(give_later, reading) == 0);
    return -EINPROGRESS;
}

static void source_cancel(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
}

static int source_write(struct asyncio_stream *stream, void *arg,
                        const struct iovec *parts, size_t count)
{
    (void)stream;
    (void)arg;
    (void)parts;
    (void)count;
    return -EPIPE;
}

static int source_close(struct asyncio_stream *stream, void *arg, bool abort)
{
    (void)stream;
    (void)arg;
    (void)abort;
    return 0;
}

// ---- What the answer has to be ----------------------------------------------

static size_t longest_of(const struct reading *reading)
{
    size_t longest = 0;
    for (size_t i = 0; i < reading->count; i++)
        if (reading->separators[i].iov_len > longest)
            longest = reading->separators[i].iov_len;
    return longest;
}

// Where the separator that ends first ends, and begins; or SIZE_MAX.
static size_t find(const struct reading *reading, size_t *start)
{
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < reading->count; i++) {
        const struct iovec *separator = &reading->separators[i];
        const uint8_t *at = memmem(reading->rest, reading->rest_len,
                                   separator->iov_base, separator->iov_len);
        if (!at) continue;
        size_t end = (size_t)(at - reading->rest) + separator->iov_len;
        if (end >= first) continue;
        first = end;
        *start = end - separator->iov_len;
    }
    return first;
}

static void check_answer(const struct reading *reading, int answer)
{
    size_t start = 0, end = find(reading, &start);
    size_t left = reading->rest_len;
    if (end != SIZE_MAX && start <= reading->limit && end <= SIZE)
        MUST(answer == (int)end);
    else if (end != SIZE_MAX)
        MUST(answer == -EMSGSIZE);
    else if (left > SIZE || left >= reading->limit + longest_of(reading))
        MUST(answer == -EMSGSIZE || answer == -ENODATA);
    else
        MUST(answer == -ENODATA);
}

// ---- Reading ----------------------------------------------------------------

static void take(struct reading *reading, const void *bytes, size_t len)
{
    MUST(len <= reading->rest_len);
    MUST(len == 0 || memcmp(bytes, reading->rest, len) == 0);
    reading->rest += len;
    reading->rest_len -= len;
}

// Returns whether there may be more.
static bool read_one(struct reading *reading)
{
    char bytes[SIZE];
    size_t partial = 99;
    int n = asyncio_stream_readuntil_any(reading->stream, bytes, sizeof bytes,
                                         reading->separators, reading->count,
                                         .partial = &partial);
    check_answer(reading, n);
    if (n > 0) take(reading, bytes, (size_t)n);
    if (n == -ENODATA) {
        MUST(partial == reading->rest_len);
        take(reading, bytes, partial);
        MUST(asyncio_stream_at_eof(reading->stream));
        return false;
    }
    if (n == -EMSGSIZE) {
        // All of it is still there.
        n = asyncio_stream_read(reading->stream, bytes, 7);
        MUST(n > 0 && n <= 7);
        take(reading, bytes, (size_t)n);
    }
    MUST(n > 0);
    return true;
}

static int read_all(void *arg)
{
    static const struct asyncio_transport source = {
        .name = "source",
        .read = source_read,
        .cancel_read = source_cancel,
        .write = source_write,
        .cancel_write = source_cancel,
        .close = source_close,
    };
    struct reading *reading = arg;
    int err = asyncio_stream_create(&reading->stream, &source, reading,
                                    .limit = (long)reading->limit);
    if (err < 0) return err;
    while (read_one(reading))
        continue;
    asyncio_stream_free(reading->stream);
    return 0;
}

// ---- The input --------------------------------------------------------------

static unsigned take_byte(struct reading *reading)
{
    if (reading->rest_len == 0) return 0;
    reading->rest_len--;
    return *reading->rest++;
}

// Only separators that there are, and that are not empty.
static void take_separator(struct reading *reading)
{
    size_t len = take_byte(reading) % 6 + 1;
    if (len > reading->rest_len) return;
    struct iovec *separator = &reading->separators[reading->count++];
    separator->iov_base = (void *)(uintptr_t)reading->rest;
    separator->iov_len = len;
    reading->rest += len;
    reading->rest_len -= len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    setenv("ASYNCIO_BACKEND", "epoll", 1);
    struct reading reading = {.rest = data, .rest_len = size};
    reading.limit = take_byte(&reading) % 64 + 1;
    reading.dice = take_byte(&reading) * 2654435761u;
    for (unsigned i = take_byte(&reading) % SEPARATORS_MAX + 1; i > 0; i--)
        take_separator(&reading);
    if (reading.count == 0 || reading.rest_len > 2000) return 0;
    reading.coming = reading.rest;
    reading.coming_len = reading.rest_len;
    int err = asyncio_run(read_all, &reading);
    MUST(err == 0 && reading.rest_len == 0);
    return 0;
}
