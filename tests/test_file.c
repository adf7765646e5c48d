// Files: each call does what the system call of its name does, others run
// meanwhile, and a cancel never loses a descriptor or a result.

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <asyncio/file.h>

#include "runner/runner.h"

static const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

// Whatever a test has come to, its files go.
static void remove_file(const char *path)
{
    if (unlink(path) < 0) EXPECT_EQ(access(path, F_OK), -1);
}

static int make_file(const char *path, const char *text)
{
    int fd = asyncio_open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (fd < 0) return fd;
    int err = asyncio_write_all(fd, text, strlen(text));
    if (err == 0) return fd;
    asyncio_ignore(asyncio_close(fd));
    return err;
}

TEST(what_is_written_is_read_back, .short_counts = true)
{
    const char *path = in_folder("a");
    int fd = make_file(path, "hello, world");
    if (!EXPECT(fd >= 0)) {
        remove_file(path);
        return;
    }
    char text[32] = "";
    EXPECT_EQ(asyncio_pread(fd, text, sizeof text, 7), 5);
    EXPECT_STR(text, "world");
    EXPECT_EQ(asyncio_read(fd, text, sizeof text), 0); // at the end
    EXPECT_EQ(asyncio_pwrite(fd, "HELLO", 5, 0), 5);
    EXPECT_EQ(asyncio_write(fd, "!", 1), 1); // at the position
    memset(text, 0, sizeof text);
    EXPECT_EQ(asyncio_pread(fd, text, sizeof text, 0), 13);
    EXPECT_STR(text, "HELLO, world!");
    EXPECT_EQ(asyncio_fsync(fd), 0);
    EXPECT_EQ(asyncio_fdatasync(fd), 0);
    EXPECT_EQ(asyncio_close(fd), 0);
    remove_file(path);
}

TEST(a_descriptor_closes_on_exec)
{
    const char *path = in_folder("a");
    int fd = asyncio_open(path, O_RDWR | O_CREAT, 0600);
    EXPECT_OR_RETURN(fd >= 0);
    EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(asyncio_close(fd), 0);
    remove_file(path);
}

TEST(names_are_made_looked_at_changed_and_removed)
{
    char folder[512], from[600], to[600];
    snprintf(folder, sizeof folder, "%s/sub", test_folder());
    snprintf(from, sizeof from, "%s/from", folder);
    snprintf(to, sizeof to, "%s/to", folder);
    EXPECT_EQ(asyncio_mkdir(folder, 0755), 0);
    EXPECT_EQ(asyncio_mkdir(folder, 0755), -EEXIST);
    int fd = make_file(from, "12345");
    EXPECT_GE(fd, 0);
    if (fd >= 0) EXPECT_EQ(asyncio_close(fd), 0);

    struct stat found = {0}, expected = {0};
    EXPECT_EQ(asyncio_stat(from, &found), 0);
    EXPECT_EQ(stat(from, &expected), 0);
    EXPECT_EQ(found.st_size, 5);
    EXPECT_EQ(found.st_ino, expected.st_ino);
    EXPECT_EQ(found.st_dev, expected.st_dev);
    EXPECT_EQ(found.st_mode, expected.st_mode);
    EXPECT_EQ(found.st_mtim.tv_nsec, expected.st_mtim.tv_nsec);

    EXPECT_EQ(asyncio_rename(from, to), 0);
    EXPECT_EQ(asyncio_stat(from, &found), -ENOENT);
    EXPECT_EQ(asyncio_unlink(to), 0);
    EXPECT_EQ(asyncio_unlink(to), -ENOENT);
    remove_file(from);
    remove_file(to);
    EXPECT_EQ(rmdir(folder), 0);
}

TEST(what_the_system_says_is_handed_up)
{
    char text[4];
    EXPECT_EQ(asyncio_open(in_folder("none"), O_RDONLY, 0), -ENOENT);
    EXPECT_EQ(asyncio_read(-1, text, sizeof text), -EBADF);
    EXPECT_EQ(asyncio_pread(0, text, sizeof text, -1), -EINVAL);
    EXPECT_EQ(asyncio_pwrite(0, text, sizeof text, -1), -EINVAL);
    EXPECT_EQ(asyncio_close(-1), -EBADF);
    EXPECT_EQ(asyncio_rename(in_folder("none"), "/nowhere/x"), -ENOENT);
    int fd = asyncio_open("/dev/full", O_WRONLY, 0);
    EXPECT_OR_RETURN(fd >= 0);
    EXPECT_EQ(asyncio_write_all(fd, "x", 1), -ENOSPC);
    EXPECT_EQ(asyncio_close(fd), 0);
}

TEST(what_one_call_moves_is_bounded)
{
    int fd = asyncio_open("/dev/null", O_WRONLY, 0);
    EXPECT_OR_RETURN(fd >= 0);
    static char byte;
    int moved = asyncio_write(fd, &byte, SIZE_MAX);
    EXPECT(moved > 0 || moved == -EFAULT);
    EXPECT_EQ(asyncio_close(fd), 0);
}

TEST_PLAIN(outside_a_task_nothing_is_done)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    EXPECT_EQ(asyncio_open("/dev/null", O_RDONLY, 0), -EPERM);
    EXPECT_EQ(asyncio_write(fd, "x", 1), -EPERM);
    EXPECT_EQ(asyncio_close(fd), -EPERM);
    EXPECT_EQ(close(fd), 0);
}

// ---- Others run meanwhile ---------------------------------------------------

static int fds[2];

// Puts a byte into the pipe, or closes it, so that nobody reads for ever.
static void write_a_byte(void)
{
    if (EXPECT_EQ(asyncio_write(fds[1], "x", 1), 1)) return;
    close(fds[1]);
    fds[1] = -1;
}

static void close_pipe(void)
{
    close(fds[0]);
    if (fds[1] >= 0) close(fds[1]);
}

static int read_a_byte(void *arg)
{
    int err = asyncio_read(fds[0], arg, 1);
    trace("read %d", err);
    return err;
}

TEST(a_read_that_waits_lets_others_run)
{
    EXPECT_OR_RETURN(pipe2(fds, O_CLOEXEC) == 0);
    char byte = 0;
    struct asyncio_task *task = asyncio_create_task(read_a_byte, &byte);
    EXPECT_EQ(asyncio_sleep(0), 0);
    trace("write");
    write_a_byte();
    EXPECT_EQ(asyncio_await(task), 1);
    EXPECT_EQ(byte, 'x');
    EXPECT_TRACE("write", "read 1");
    asyncio_task_release(task);
    close_pipe();
}

// ---- Cancelling -------------------------------------------------------------

TEST(a_cancelled_read_returns_when_the_kernel_has_let_go)
{
    EXPECT_OR_RETURN(pipe2(fds, O_CLOEXEC) == 0);
    char byte = 'o';
    struct asyncio_task *task = asyncio_create_task(read_a_byte, &byte);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(asyncio_task_cancel(task));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT(asyncio_task_cancelled(task));
    asyncio_task_release(task);

    // The byte that comes now is not taken by it.
    write_a_byte();
    EXPECT_EQ(byte, 'o');
    EXPECT_EQ(asyncio_read(fds[0], &byte, 1), 1);
    close_pipe();
}

static int cancel_oneself(void *arg)
{
    const char *path = arg;
    struct asyncio_task *me = asyncio_current_task();
    asyncio_task_cancel(me);
    EXPECT_EQ(asyncio_open(path, O_WRONLY | O_CREAT, 0600), -ECANCELED);
    EXPECT_EQ(access(path, F_OK), -1);

    // That request is used up; the next one does not keep a close from closing.
    int fd = asyncio_open(path, O_WRONLY | O_CREAT, 0600);
    EXPECT_OR_RETURN(fd >= 0, -EIO);
    asyncio_task_cancel(me);
    EXPECT_EQ(asyncio_close(fd), 0);
    EXPECT_EQ(fcntl(fd, F_GETFD), -1);
    EXPECT_EQ(asyncio_unlink(path), -ECANCELED);
    EXPECT_EQ(asyncio_unlink(path), 0);
    return 7;
}

TEST(a_pending_cancel_ends_a_call_before_it_begins_but_for_close)
{
    const char *path = in_folder("a");
    struct asyncio_task *task =
        asyncio_create_task(cancel_oneself, (void *)path);
    EXPECT_EQ(asyncio_await(task), 7);
    asyncio_task_release(task);
    remove_file(path);
}

static int open_and_say(void *arg)
{
    int fd = asyncio_open(arg, O_WRONLY | O_CREAT, 0600);
    if (fd < 0) return fd;
    EXPECT_EQ(asyncio_sleep(1), -ECANCELED); // it was kept for this
    return asyncio_close(fd);
}

// Which of the two it is, is up to the kernel; a descriptor is lost in neither.
TEST(a_file_that_was_opened_while_cancelled_is_not_lost)
{
    const char *path = in_folder("a");
    struct asyncio_task *task = asyncio_create_task(open_and_say, (void *)path);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(asyncio_task_cancel(task));
    int err = asyncio_await(task);
    EXPECT(err == 0 || err == -ECANCELED);
    asyncio_task_release(task);
    remove_file(path);
}

static int write_for_ever(void *arg)
{
    static const char some[65536];
    (void)arg;
    return asyncio_write_all(fds[1], some, sizeof some);
}

TEST(write_all_into_a_full_pipe_can_be_cancelled)
{
    EXPECT_OR_RETURN(pipe2(fds, O_CLOEXEC) == 0);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    static const char some[65536];
    while (write(fds[1], some, sizeof some) > 0)
        continue;
    fcntl(fds[1], F_SETFL, 0);
    struct asyncio_task *task = asyncio_create_task(write_for_ever, NULL);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(asyncio_task_cancel(task));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    close(fds[0]);
    close(fds[1]);
}
