// Much, and files, which go between what is written.

#include "stream_checker/pair.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int much_job(void *arg)
{
    static char bytes[50000];
    struct job *job = arg;
    size_t step = 1, size = much();
    for (size_t written = 0; written < size;) {
        size_t len = step < size - written ? step : size - written;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)((written + i) % 251);
        int err = asyncio_stream_write(job->stream, bytes, len);
        if (err < 0) {
            asyncio_stream_abort(job->stream);
            return err;
        }
        written += len;
        step = step * 7 % 49999 + 1;
    }
    asyncio_stream_close(job->stream);
    return 0;
}

CHECK(megabytes_arrive_in_order)
{
    MAKE_OR_RETURN(pair);
    struct job job = {.stream = pair.writer};
    struct asyncio_task *task = spawn(&pair, much_job, &job);
    EXPECT_EQ(read_stuff(pair.reader), much());
    EXPECT_EQ(finish(task), 0);
    unmake(maker, &pair);
}
// --- files ------------------------------------------------------------------

// A file of so many bytes, those of `stuff` from the first on.
static int make_file(size_t size)
{
    static char bytes[4096];
    char path[256];
    snprintf(path, sizeof path, "%s/sent", test_folder());
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    EXPECT_EQ(unlink(path), 0);
    for (size_t at = 0; fd >= 0 && at < size; at += sizeof bytes) {
        size_t len = size - at < sizeof bytes ? size - at : sizeof bytes;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)((at + i) % 251);
        if (write(fd, bytes, len) != (ssize_t)len) {
            close(fd);
            fd = -1;
        }
    }
    EXPECT_GE(fd, 0);
    return fd;
}

struct file_job {
    struct job job; // first
    int fd;
    off_t offset;
    size_t sent;
};

static int file_job(void *arg)
{
    struct file_job *file = arg;
    return asyncio_stream_sendfile(file->job.stream, file->fd, file->offset, 0,
                                   .sent = &file->sent);
}

static int end_job(void *arg)
{
    struct job *job = arg;
    int err = asyncio_stream_write(job->stream, "end", 3);
    asyncio_stream_close(job->stream);
    return err;
}

// The file goes on where what was written before it ends.
CHECK(file_goes_between_what_is_written)
{
    static char bytes[251 * 40];
    MAKE_OR_RETURN(pair);
    size_t size = much();
    int fd = make_file(size);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i % 251);
    EXPECT_EQ(asyncio_stream_write(pair.writer, bytes, sizeof bytes), 0);
    struct file_job file = {.job.stream = pair.writer, .fd = fd};
    struct job last = {.stream = pair.writer};
    struct asyncio_task *sends = spawn(&pair, file_job, &file.job);
    let_others_run();
    EXPECT_EQ(asyncio_stream_write_nowait(pair.writer, "x", 1), -EAGAIN);
    struct asyncio_task *ends = spawn(&pair, end_job, &last);

    static char all[sizeof bytes + MUCH + 16];
    size_t len = 0;
    for (int n = 1; n > 0 && len<sizeof all; len += n> 0 ? (size_t)n : 0)
        n = asyncio_stream_read(pair.reader, all + len, sizeof all - len);
    if (len < sizeof bytes + size + 3) asyncio_stream_abort(pair.writer);
    EXPECT_EQ(finish(sends), size);
    EXPECT_EQ(finish(ends), 0);
    EXPECT_EQ(file.sent, size);
    EXPECT_EQ(len, sizeof bytes + size + 3);
    size_t wrong = 0;
    for (size_t i = 0; i < size; i++)
        wrong += all[sizeof bytes + i] != (char)(i % 251);
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(memcmp(all, bytes, sizeof bytes), 0);
    EXPECT_EQ(memcmp(all + sizeof bytes + size, "end", 3), 0);
    if (fd >= 0) close(fd);
    unmake(maker, &pair);
}

CHECK(part_of_a_file_moves_its_position)
{
    MAKE_OR_RETURN(pair);
    char buffer[16] = "";
    int fd = make_file(1000);
    size_t sent = 0;
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, 'a', 5, .sent = &sent),
              5);
    EXPECT_EQ(sent, 5);
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 'a' + 5);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, 998, 5), 2);
    EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 1000);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, 5000, 5), 0);
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(asyncio_stream_readexactly(pair.reader, buffer, 7), 7);
    EXPECT_EQ(memcmp(buffer, "abcde", 5), 0);
    EXPECT_EQ(asyncio_stream_read(pair.reader, buffer, 1), 0);
    if (fd >= 0) close(fd);
    unmake(maker, &pair);
}

CHECK(cancelled_file_says_how_much_went)
{
    MAKE_OR_RETURN(pair);
    struct file_job file = {.job.stream = pair.writer, .fd = make_file(much())};
    struct asyncio_task *sends = spawn(&pair, file_job, &file.job);
    let_others_run();
    asyncio_task_cancel(sends);
    EXPECT_EQ(finish(sends), -ECANCELED);
    EXPECT_LT(file.sent, much());
    EXPECT_EQ(lseek(file.fd, 0, SEEK_CUR), file.sent);
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(read_stuff(pair.reader), file.sent);
    if (file.fd >= 0) close(file.fd);
    unmake(maker, &pair);
}

CHECK(abort_ends_a_file)
{
    MAKE_OR_RETURN(pair);
    struct file_job file = {.job.stream = pair.writer, .fd = make_file(much())};
    struct asyncio_task *sends = spawn(&pair, file_job, &file.job);
    let_others_run();
    asyncio_stream_abort(pair.writer);
    EXPECT_EQ(finish(sends), -EBADF);
    EXPECT_EQ(asyncio_stream_wait_closed(pair.writer), 0);
    EXPECT_LT(read_stuff(pair.reader), much());
    if (file.fd >= 0) close(file.fd);
    unmake(maker, &pair);
}

CHECK(file_that_cannot_be_sent_is_refused)
{
    MAKE_OR_RETURN(pair);
    int fd = make_file(10);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, -1, 5), -EINVAL);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, -1, 0, 5), -EBADF);
    int sent =
        asyncio_stream_sendfile(pair.writer, fd, 0, 5, .no_fallback = true);
    EXPECT(sent == 5 || sent == -ENOTSUP || sent == -EBADF);
    put(&pair, "goes on");
    asyncio_stream_close(pair.writer);
    EXPECT_EQ(asyncio_stream_sendfile(pair.writer, fd, 0, 5), -EBADF);
    EXPECT_EQ(read_stuff(pair.reader) < 0, true);
    if (fd >= 0) close(fd);
    unmake(maker, &pair);
}
