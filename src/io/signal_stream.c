// Signals as a stream: those that have come and were not read stand in a line,
// each number once, and the reader takes the first.
//
// One that comes again joins at the end. So of several that come all the time,
// each is read in its turn.

#include <asyncio/signal.h>

#include <asyncio/error.h>

#include <signal.h>
#include <string.h>

#include "io/signal.h"
#include "platform/sys.h"
#include "task/park.h"

struct asyncio__signal_stream {
    struct asyncio_loop *loop;
    struct asyncio_task *reader; // who waits, or NULL
    int line[ASYNCIO__SIGNALS];  // that have come, the oldest first
    int len;
    struct asyncio__signal_hold holds[ASYNCIO__SIGNALS]; // by number
};

// --- signals that come ------------------------------------------------------

static bool is_in_line(const struct asyncio__signal_stream *stream, int signal)
{
    for (int i = 0; i < stream->len; i++)
        if (stream->line[i] == signal) return true;
    return false;
}

static int take_first(struct asyncio__signal_stream *stream)
{
    int signal = stream->line[0];
    stream->len--;
    memmove(stream->line, stream->line + 1,
            (size_t)stream->len * sizeof *stream->line);
    return signal;
}

static void wake_reader(struct asyncio__signal_stream *stream, int result)
{
    struct asyncio_task *reader = stream->reader;
    stream->reader = NULL;
    asyncio__wake(reader, result);
}

static int on_signal(void *arg)
{
    const struct asyncio__signal_hold *hold = arg;
    struct asyncio__signal_stream *stream = list_entry(
        hold - hold->signal, struct asyncio__signal_stream, holds[0]);
    if (stream->reader)
        wake_reader(stream, hold->signal);
    else if (!is_in_line(stream, hold->signal))
        stream->line[stream->len++] = hold->signal;
    return 0;
}

// --- reading ----------------------------------------------------------------

static bool cancel_read(struct asyncio_task *task,
                        const struct asyncio_cancel_options *options)
{
    struct asyncio__signal_stream *stream = task->wait.object;
    (void)options;
    wake_reader(stream, -ECANCELED);
    return true;
}

static const struct asyncio__wait_kind reading = {
    .name = "a stream of signals",
    .cancel = cancel_read,
    .keeps_result = true,
    .movable = true,
};

// The stream may be gone when the wait is over.
int asyncio_signal_stream_read(struct asyncio_signal_stream *handle)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    struct asyncio__signal_stream *stream = handle->private_;
    if (!stream) return -EBADF;
    if (stream->loop != task->future.loop_) return -EXDEV;
    if (stream->reader) return -EBUSY;
    if (stream->len > 0) return take_first(stream);
    err = asyncio__begin_movable_await(task);
    if (err < 0) return err;
    stream->reader = task;
    return asyncio__park(&reading, stream, NULL);
}

// --- opening and closing ----------------------------------------------------

static int hold_all(struct asyncio__signal_stream *stream, const int *signals,
                    size_t count)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i < count; i++) {
        int signal = signals[i];
        if (signal < 1 || signal >= ASYNCIO__SIGNALS) return -EINVAL;
        struct asyncio__signal_hold *hold = &stream->holds[signal];
        if (hold->signal) continue; // listed twice
        err = asyncio__signal_hold(hold, signal, on_signal, hold);
    }
    return err;
}

// Those that have come and were not read come once more, for what was there
// before; but only when all of that is back.
static void release_all(struct asyncio__signal_stream *stream)
{
    bool again[ASYNCIO__SIGNALS] = {false};
    for (int signal = 1; signal < ASYNCIO__SIGNALS; signal++)
        again[signal] = asyncio__signal_release(&stream->holds[signal]) ||
                        is_in_line(stream, signal);
    for (int signal = 1; signal < ASYNCIO__SIGNALS; signal++)
        if (again[signal]) raise(signal);
}

int(asyncio_signal_stream_open)(struct asyncio_signal_stream *handle,
                                const int *signals, size_t count)
{
    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    if (!signals || count == 0) return -EINVAL;
    struct asyncio__signal_stream *stream = asyncio__alloc(sizeof *stream);
    if (!stream) return -ENOMEM;
    stream->loop = loop;
    err = hold_all(stream, signals, count);
    if (err < 0) {
        release_all(stream);
        asyncio__free(stream);
        return err;
    }
    *handle = (struct asyncio_signal_stream){.private_ = stream};
    return 0;
}

void asyncio_signal_stream_close(struct asyncio_signal_stream *handle)
{
    if (!handle || !handle->private_) return;
    struct asyncio__signal_stream *stream = handle->private_;
    handle->private_ = NULL;
    if (stream->reader) wake_reader(stream, -EBADF);
    release_all(stream);
    asyncio__free(stream);
}
