// The ring of a trace, and its writer.
//
// One lock guards the ring, and is held for as long as it takes to copy an
// event. The writer writes without it: what is in the ring stays there until it
// is written.

#include "platform/trace_writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/sys.h"

#define RING_BYTES  (4u << 20)
#define CHUNK_BYTES (128u << 10) // so much is worth a write at once
#define WRITE_NS    200000000    // what is told is in the file by then
#define WAIT_NS     100000000    // for room in the ring, once

_Atomic(uint32_t) asyncio__trace_number;
struct asyncio__trace_file asyncio__trace_file = {.fd = -1};

static char ending[] = ASYNCIO__TRACE_ENDING;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work, room; // for the writer; for all others
static pthread_t thread;
static _Atomic(bool) has_thread; // changed by whoever starts and stops it

// Under the lock.
static struct {
    char *bytes; // NULL: there is no file
    size_t start, used;
    bool any;      // an event was put into this file
    bool stopping; // the writer is to end when it has written all
    bool closing;  // and that is the end of the file
    bool hurry;    // it is to write at once
    bool broken;   // the file takes nothing any more
    bool stalled;  // somebody has waited for room in vain
    uint64_t lost; // events that had none
} ring;

static struct timespec time_in(int64_t ns)
{
    int64_t at_ns = asyncio__clock_real_ns() + ns;
    return (struct timespec){at_ns / 1000000000, at_ns % 1000000000};
}

// --- the ring ---------------------------------------------------------------

static void put_bytes(const char *bytes, size_t len)
{
    size_t at = (ring.start + ring.used) % RING_BYTES;
    size_t first = len < RING_BYTES - at ? len : RING_BYTES - at;
    memcpy(ring.bytes + at, bytes, first);
    memcpy(ring.bytes, bytes + first, len - first);
    ring.used += len;
}

static void put_event(const char *text, size_t len)
{
    const char *before = ring.any ? ",\n" : "[\n";
    put_bytes(before, 2);
    put_bytes(text, len);
    ring.any = true;
}

static bool has_room(size_t len)
{
    return len + 2 <= RING_BYTES - ring.used;
}

// Once for each time that the ring is full: who comes next is not held up for
// what the first has waited for in vain.
static bool wait_for_room(size_t len)
{
    struct timespec until = time_in(WAIT_NS);
    int code = 0;
    ring.hurry = true;
    pthread_cond_signal(&work);
    while (!has_room(len) && !ring.stalled && !ring.broken && code == 0)
        code = pthread_cond_timedwait(&room, &lock, &until);
    if (!has_room(len)) ring.stalled = true;
    return has_room(len);
}

// Says how many events are missing here.
static void put_loss(void)
{
    char text[256];
    int64_t ns = asyncio__clock_real_ns() - asyncio__trace_file.began_ns;
    int len =
        snprintf(text, sizeof text,
                 "{\"ph\":\"i\",\"cat\":\"trace\",\"name\":"
                 "\"events are missing\",\"ts\":%lld.%03lld,\"pid\":%d,"
                 "\"tid\":%d,\"s\":\"p\",\"args\":{\"count\":%llu}}",
                 (long long)(ns / 1000), (long long)(ns % 1000), (int)getpid(),
                 (int)gettid(), (unsigned long long)ring.lost);
    if (!has_room((size_t)len)) return;
    put_event(text, (size_t)len);
    ring.lost = 0;
}

void asyncio__trace_put(const char *text, size_t len)
{
    int saved = errno;
    pthread_mutex_lock(&lock);
    bool open = asyncio__tracing() && !ring.broken;
    if (open && ring.lost > 0 && !ring.stalled) put_loss();
    if (!open) {
        // It has ended meanwhile.
    } else if (has_room(len) || (!ring.stalled && wait_for_room(len))) {
        size_t before = ring.used;
        put_event(text, len);
        if (before < CHUNK_BYTES && ring.used >= CHUNK_BYTES)
            pthread_cond_signal(&work);
    } else {
        ring.lost++;
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
}

// --- the writer -------------------------------------------------------------

// The bytes from the ring, and what makes a whole of a regular file.
static int parts_of(struct iovec parts[3], size_t start, size_t len)
{
    size_t first = len < RING_BYTES - start ? len : RING_BYTES - start;
    int count = 0;
    parts[count++] = (struct iovec){ring.bytes + start, first};
    if (len > first) parts[count++] = (struct iovec){ring.bytes, len - first};
    if (asyncio__trace_file.regular)
        parts[count++] = (struct iovec){ending, sizeof ending - 1};
    return count;
}

static void skip(struct iovec **parts, int *count, size_t done)
{
    while (*count > 0 && done >= (*parts)->iov_len) {
        done -= (*parts)->iov_len;
        ++*parts;
        --*count;
    }
    if (*count == 0) return;
    (*parts)->iov_base = (char *)(*parts)->iov_base + done;
    (*parts)->iov_len -= done;
}

static bool passes(ssize_t err)
{
    return err == -EINTR || err == -EAGAIN;
}

// `done` counts what was written.
static int write_all(struct iovec *parts, int count, off_t at, size_t *done)
{
    *done = 0;
    while (count > 0) {
        off_t offset = asyncio__trace_file.regular ? at + (off_t)*done : -1;
        ssize_t n = asyncio__sys_pwritev2(asyncio__trace_file.fd, parts, count,
                                          offset, 0);
        if (n == 0) n = -EIO;
        if (n < 0 && !passes(n)) return (int)n;
        if (n < 0) continue;
        *done += (size_t)n;
        skip(&parts, &count, (size_t)n);
    }
    return 0;
}

static int write_ending(off_t at)
{
    size_t done;
    return write_all(&(struct iovec){ending, sizeof ending - 1}, 1, at, &done);
}

// Of so many bytes from the ring, how many are whole events. A line ends
// nowhere but between two of them.
static size_t whole_events(size_t start, size_t len)
{
    for (; len > 0; len--) {
        if (ring.bytes[(start + len - 1) % RING_BYTES] != '\n') continue;
        bool comma =
            len > 1 && ring.bytes[(start + len - 2) % RING_BYTES] == ',';
        return len - (comma ? 2 : 1);
    }
    return 0;
}

// The file ends with the last event that came to be in it.
static void mend(void)
{
    if (!asyncio__trace_file.regular) return;
    off_t size = asyncio__trace_file.end;
    if (size > 0 && write_ending(size) == 0) size += (off_t)sizeof ending - 1;
    asyncio__sys_ftruncate(asyncio__trace_file.fd, size);
}

// Called and left with the lock held.
static void break_off(int err)
{
    ring.broken = true;
    atomic_store(&asyncio__trace_number, 0);
    pthread_mutex_unlock(&lock);
    mend();
    asyncio__trace_file.failed(err, asyncio__trace_file.path);
    pthread_mutex_lock(&lock);
}

// The same. Writes what is there now.
static void write_some(void)
{
    struct iovec parts[3];
    size_t len = ring.used, done;
    int count = parts_of(parts, ring.start, len);
    ring.hurry = false;
    pthread_mutex_unlock(&lock);
    int err = write_all(parts, count, asyncio__trace_file.end, &done);
    pthread_mutex_lock(&lock);
    asyncio__trace_file.end +=
        (off_t)(err == 0 ? len
                         : whole_events(ring.start, done < len ? done : len));
    ring.start = (ring.start + len) % RING_BYTES;
    ring.used -= len;
    ring.stalled = false;
    if (err < 0) break_off(err);
    if (ring.broken) ring.used = 0;
    pthread_cond_broadcast(&room);
}

static void wait_for_work(void)
{
    struct timespec until = time_in(WRITE_NS);
    int code = 0;
    while (!ring.stopping && !ring.hurry && ring.used < CHUNK_BYTES &&
           code == 0)
        code = pthread_cond_timedwait(&work, &lock, &until);
}

static void *write_ring(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    do {
        wait_for_work();
        while (ring.used > 0)
            write_some();
        ring.hurry = false;
    } while (!ring.stopping);
    bool ends = ring.closing && !ring.broken && !asyncio__trace_file.regular;
    pthread_mutex_unlock(&lock);
    // On this thread, which no broken pipe can end.
    if (ends) write_ending(0);
    return NULL;
}

int asyncio__trace_writer_start(bool any)
{
    pthread_mutex_lock(&lock);
    ring.any = any;
    ring.stopping = ring.closing = ring.hurry = false;
    pthread_mutex_unlock(&lock);
    int err = asyncio__sys_thread_start(&thread, 0, write_ring, NULL);
    has_thread = err == 0;
    return err;
}

void asyncio__trace_writer_stop(bool closing)
{
    if (!has_thread) return;
    pthread_mutex_lock(&lock);
    if (closing && ring.lost > 0) put_loss();
    ring.stopping = true;
    ring.closing = closing;
    pthread_cond_signal(&work);
    pthread_mutex_unlock(&lock);
    asyncio__sys_thread_join(thread);
    has_thread = false;
}

bool asyncio__trace_writer_runs(void)
{
    return has_thread;
}

void asyncio__trace_writer_hurry(int64_t most_ns)
{
    struct timespec until = time_in(most_ns);
    int code = 0;
    pthread_mutex_lock(&lock);
    ring.hurry = true;
    pthread_cond_signal(&work);
    while (ring.used > 0 && code == 0)
        code = pthread_cond_timedwait(&room, &lock, &until);
    pthread_mutex_unlock(&lock);
}

void asyncio__trace_break_off(int err)
{
    pthread_mutex_lock(&lock);
    break_off(err);
    pthread_mutex_unlock(&lock);
}

bool asyncio__trace_is_broken(void)
{
    return ring.broken;
}

// --- its life ---------------------------------------------------------------

int asyncio__trace_ring_open(void)
{
    if (!ring.bytes) ring.bytes = asyncio__alloc(RING_BYTES);
    if (!ring.bytes) return -ENOMEM;
    pthread_mutex_lock(&lock);
    ring.any = ring.broken = ring.stalled = false;
    ring.start = ring.used = 0;
    ring.lost = 0;
    pthread_mutex_unlock(&lock);
    return 0;
}

void asyncio__trace_ring_close(void)
{
    asyncio__free(ring.bytes);
    ring.bytes = NULL;
}

void asyncio__trace_ring_init(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr); // on Linux none of these can fail
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&work, &attr);
    pthread_cond_init(&room, &attr);
    pthread_condattr_destroy(&attr);
}

void asyncio__trace_ring_lock(void)
{
    pthread_mutex_lock(&lock);
}

void asyncio__trace_ring_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

// The ring's memory is there for a trace of the child's own.
void asyncio__trace_ring_forget(void)
{
    has_thread = false;
    ring.used = 0;
    asyncio__trace_ring_init();
}
