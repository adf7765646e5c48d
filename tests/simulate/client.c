// A client, which uploads one file and tries again until it is told that it is
// done; and the copy job, which replaces a file by the book.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <asyncio/file.h>
#include <asyncio/stream.h>

#include "simulate/scenario.h"

#define PATIENCE 30 // seconds for one attempt

// ---- Uploading --------------------------------------------------------------

// The number after a word.
static int hear(struct asyncio_stream *stream, const char *word, size_t *number)
{
    char line[64], format[32];
    int len = asyncio_stream_readline(stream, line, sizeof line);
    if (len < 0) return len;
    if (len == 0 || line[len - 1] != '\n') return -ENODATA;
    snprintf(format, sizeof format, "%s %%zu", word);
    return sscanf(line, format, number) == 1 ? 0 : -EPROTO;
}

static int send_from(const struct scenario_job *job,
                     struct asyncio_stream *stream, int fd, size_t offset)
{
    char bytes[3000];
    for (;;) {
        size_t size = 1 + scenario_draw(job->s, sizeof bytes);
        int len = asyncio_pread(fd, bytes, size, (off_t)offset);
        if (len <= 0) return len;
        int err = asyncio_stream_write(stream, bytes, (size_t)len);
        if (err < 0) return err;
        offset += (size_t)len;
    }
}

static int converse(const struct scenario_job *job,
                    struct asyncio_stream *stream, int fd)
{
    char line[64];
    size_t size = job->s->sizes[job->number], number;
    int len = snprintf(line, sizeof line, "PUT %u %zu\n", job->number, size);
    int err = asyncio_stream_write(stream, line, (size_t)len);
    if (err == 0) err = hear(stream, "FROM", &number);
    if (err == 0 && number > size) err = -EPROTO;
    if (err == 0) err = send_from(job, stream, fd, number);
    if (err == 0) err = hear(stream, "DONE", &number);
    if (err == -EPROTO)
        scenario_blame(job->s, "stream: client %u heard nonsense", job->number);
    return err;
}

static int connect_and_send(const struct scenario_job *job, int fd)
{
    struct asyncio_stream *stream;
    int err = asyncio_open_connection(&stream, "server", 80);
    if (err < 0) return err;
    err = converse(job, stream, fd);
    asyncio_stream_free(stream);
    return err;
}

static int attempt(const struct scenario_job *job)
{
    char path[32];
    snprintf(path, sizeof path, "/client/%u", job->number);
    int fd = asyncio_open(path, O_RDONLY, 0);
    if (fd < 0) return fd;
    int err = asyncio_wait_for(connect_and_send(job, fd), PATIENCE);
    int closed = asyncio_close(fd);
    return err < 0 ? err : closed;
}

// True if `err` is a reason to try again.
static bool try_again(int err)
{
    return err < 0 && err != -ECANCELED;
}

static int pause_a_little(struct scenario *s)
{
    s->counts.retries++;
    return asyncio_sleep((1 + scenario_draw(s, 200)) / 100.0);
}

int scenario_upload(void *arg)
{
    const struct scenario_job *job = arg;
    int err;
    while (try_again(err = attempt(job))) {
        err = pause_a_little(job->s);
        if (err < 0) return err;
    }
    if (err == 0) job->s->told[job->number] = true;
    return err;
}

// ---- Copying ----------------------------------------------------------------

static int copy_bytes(struct scenario *s, int from, int to)
{
    char bytes[2000];
    int len;
    while ((len = asyncio_read(from, bytes,
                               1 + scenario_draw(s, sizeof bytes))) > 0) {
        int err = asyncio_write_all(to, bytes, (size_t)len);
        if (err < 0) return err;
    }
    return len < 0 ? len : asyncio_fsync(to);
}

static int copy_to(struct scenario *s, int from, const char *path)
{
    int to = asyncio_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (to < 0) return to;
    int err = copy_bytes(s, from, to);
    int closed = asyncio_close(to);
    return err < 0 ? err : closed;
}

static int copy_whole(const struct scenario_job *job, int folder)
{
    char path[32];
    snprintf(path, sizeof path, "/client/%u", job->number);
    int from = asyncio_open(path, O_RDONLY, 0);
    if (from < 0) return from;
    int err = copy_to(job->s, from, "/client/copy.part");
    int closed = asyncio_close(from);
    if (err == 0) err = closed;
    if (err == 0) err = asyncio_rename("/client/copy.part", "/client/copy");
    return err < 0 ? err : asyncio_fsync(folder);
}

// The folder is opened first: if the power fails between the rename and the
// sync, that one says so.
static int copy_once(const struct scenario_job *job)
{
    int folder = asyncio_open("/client", O_RDONLY, 0);
    if (folder < 0) return folder;
    int err = copy_whole(job, folder);
    int closed = asyncio_close(folder);
    return err < 0 ? err : closed;
}

// Again and again while the world is bad, and once when it has become good; at
// each moment the copy is whole or not there.
int scenario_copy(void *arg)
{
    const struct scenario_job *job = arg;
    struct scenario *s = job->s;
    unsigned rounds = 1 + scenario_draw(s, 5);
    for (unsigned i = 0; i < rounds;) {
        int err = copy_once(job);
        if (err == -ECANCELED) return err;
        s->counts.disk_errors += err < 0;
        s->counts.copies += err == 0;
        i += err == 0;
        int whole = scenario_check(s, job->number, "/client/copy");
        if (whole == -EBADMSG || (whole == 0 && s->copied))
            scenario_blame(s, "the copy is broken: %d", whole);
        s->copied |= err == 0;
        err = asyncio_sleep((1 + scenario_draw(s, 100)) / 100.0);
        if (err < 0) return err;
    }
    return 0;
}
