// Files: each call does what the system call of its name does, others run
// meanwhile, and a cancel never loses a descriptor or a result.

#include <signal.h>
#include <sys/resource.h>

#include <asyncio/file.h>

#include "files.h"

static int make_file(const char *path, const char *text)
{
    int fd = asyncio_open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (fd < 0) return fd;
    int err = asyncio_write_all(fd, text, strlen(text));
    if (err == 0) return fd;
    asyncio_ignore(asyncio_close(fd));
    unlink(path);
    return err;
}

TEST(what_is_written_is_read_back, .short_counts = true)
{
    const char *path = in_folder("a");
    int fd = make_file(path, "hello, world");
    EXPECT_OR_RETURN(fd >= 0);
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
    empty_folder();
}

TEST(a_descriptor_closes_on_exec)
{
    const char *path = in_folder("a");
    int fd = asyncio_open(path, O_RDWR | O_CREAT, 0600);
    EXPECT_OR_RETURN(fd >= 0);
    EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(asyncio_close(fd), 0);
    empty_folder();
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
    empty_folder();
    empty_folder();
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
    empty_folder();
}

TEST(where_nothing_can_be_told_is_a_fault)
{
    EXPECT_EQ(asyncio_stat("/", NULL), -EFAULT);
    EXPECT_EQ(asyncio_fstat(0, NULL), -EFAULT);
    EXPECT_EQ(asyncio_recvmsg(0, NULL, 0), -EFAULT);
    EXPECT_EQ(asyncio_sendmsg(0, NULL, 0), -EFAULT);
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

// ---- Pieces of memory -------------------------------------------------------

TEST(pieces_are_written_and_read_one_after_the_other, .short_counts = true)
{
    const char *path = in_folder("a");
    int fd = make_file(path, "");
    EXPECT_OR_RETURN(fd >= 0);
    char a[4] = "abcd", b[1], c[3] = "xyz";
    struct iovec out[] = {{a, 4}, {b, 0}, {c, 3}};
    EXPECT_EQ(asyncio_writev(fd, out, 3), 7);
    EXPECT_EQ(asyncio_pwritev(fd, out, 1, 7), 4);

    char start[2], rest[16] = "";
    struct iovec in[] = {{start, 2}, {rest, sizeof rest}};
    EXPECT_EQ(asyncio_preadv(fd, in, 2, 1), 10);
    EXPECT_EQ(memcmp(start, "bc", 2), 0);
    EXPECT_STR(rest, "dxyzabcd");
    EXPECT_EQ(asyncio_lseek(fd, 9, SEEK_SET), 9);
    EXPECT_EQ(asyncio_readv(fd, in, 2), 2);
    EXPECT_EQ(memcmp(start, "cd", 2), 0);
    EXPECT_EQ(asyncio_readv(fd, in, 2), 0);
    EXPECT_EQ(asyncio_close(fd), 0);
    empty_folder();
}

TEST(a_wrong_number_of_pieces_is_refused)
{
    static struct iovec many[IOV_MAX + 1];
    int fd = asyncio_open("/dev/null", O_RDWR, 0);
    EXPECT_OR_RETURN(fd >= 0);
    EXPECT_EQ(asyncio_writev(fd, many, -1), -EINVAL);
    EXPECT_EQ(asyncio_writev(fd, many, IOV_MAX + 1), -EINVAL);
    EXPECT_EQ(asyncio_writev(fd, many, IOV_MAX), 0);
    EXPECT_EQ(asyncio_readv(fd, many, 0), 0);
    EXPECT_EQ(asyncio_preadv(fd, many, 1, -1), -EINVAL);
    EXPECT_EQ(asyncio_pwritev(fd, many, 1, -1), -EINVAL);
    EXPECT_EQ(asyncio_readv(-1, many, 1), -EBADF);
    EXPECT_EQ(asyncio_close(fd), 0);
}

// ---- All of it --------------------------------------------------------------

static int write_in_bits(void *arg)
{
    const int *fd = arg;
    int err = 0;
    for (int i = 0; i < 5 && err == 0; i++) {
        err = asyncio_write_all(*fd, "ab", 2);
        if (err == 0) err = asyncio_sleep(1);
    }
    int closed = asyncio_close(*fd);
    return err < 0 ? err : closed;
}

TEST(read_all_goes_on_until_the_end)
{
    int ends[2];
    EXPECT_OR_RETURN(pipe2(ends, O_CLOEXEC) == 0);
    struct asyncio_task *task = asyncio_create_task(write_in_bits, &ends[1]);
    char text[16] = "";
    if (asyncio_task_done(task)) close(ends[1]); // it never began
    EXPECT_EQ(asyncio_read_all(ends[0], text, 3), 3);
    EXPECT_EQ(asyncio_read_all(ends[0], text, sizeof text), 7);
    EXPECT_STR(text, "bababab");
    EXPECT_EQ(asyncio_await(task), 0);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_close(ends[0]), 0);
}

TEST(pread_all_and_pwrite_all_go_by_offsets)
{
    const char *path = in_folder("a");
    int fd = make_file(path, "0123456789");
    EXPECT_OR_RETURN(fd >= 0);
    char text[16] = "";
    EXPECT_EQ(asyncio_pread_all(fd, text, 4, 3), 4);
    EXPECT_STR(text, "3456");
    EXPECT_EQ(asyncio_pread_all(fd, text, sizeof text, 8), 2);
    EXPECT_EQ(asyncio_pread_all(fd, text, sizeof text, 100), 0);
    EXPECT_EQ(asyncio_pwrite_all(fd, "xy", 2, 1), 0);
    EXPECT_EQ(asyncio_pread_all(fd, text, sizeof text, 0), 10);
    EXPECT_STR(text, "0xy3456789");
    EXPECT_EQ(asyncio_pread_all(fd, text, 1, -1), -EINVAL);
    EXPECT_EQ(asyncio_pread_all(fd, text, 1, INT64_MAX), -EINVAL);
    EXPECT_EQ(asyncio_pwrite_all(fd, text, 1, -1), -EINVAL);
    EXPECT_EQ(asyncio_read_all(fd, text, SIZE_MAX), -EINVAL);
    EXPECT_EQ(asyncio_close(fd), 0);
    empty_folder();
}

// A limit on the size of files makes the kernel write less than it was given.
TEST(a_short_write_goes_on_and_meets_the_error, .short_counts = true)
{
    if (strcmp(test_backend(), "sim") == 0) {
        SKIP("the system's limit is none of a simulated world");
        return;
    }
    const char *path = in_folder("a");
    int fd = make_file(path, "");
    EXPECT_OR_RETURN(fd >= 0);
    static const char some[10000];
    struct rlimit old, low;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 5000;
    setrlimit(RLIMIT_FSIZE, &low);
    EXPECT_EQ(asyncio_write(fd, some, sizeof some), 5000);
    EXPECT_EQ(asyncio_write_all(fd, some, sizeof some), -EFBIG);
    EXPECT_EQ(asyncio_pwrite_all(fd, some, sizeof some, 1), -EFBIG);
    EXPECT_EQ(asyncio_ftruncate(fd, 6000), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_EQ(asyncio_lseek(fd, 0, SEEK_END), 5000);
    EXPECT_EQ(asyncio_close(fd), 0);
    empty_folder();
}

// ---- Position, size, permissions --------------------------------------------

TEST(the_position_is_where_it_was_put)
{
    const char *path = in_folder("a");
    int fd = make_file(path, "0123456789");
    EXPECT_OR_RETURN(fd >= 0);
    EXPECT_EQ(asyncio_lseek(fd, 4, SEEK_SET), 4);
    EXPECT_EQ(asyncio_lseek(fd, 2, SEEK_CUR), 6);
    EXPECT_EQ(asyncio_lseek(fd, -1, SEEK_END), 9);
    EXPECT_EQ(asyncio_lseek(fd, 3, SEEK_DATA), 3);
    EXPECT_EQ(asyncio_lseek(fd, 3, SEEK_HOLE), 10);
    EXPECT_EQ(asyncio_lseek(fd, 10, SEEK_DATA), -ENXIO);
    EXPECT_EQ(asyncio_lseek(fd, -1, SEEK_SET), -EINVAL);
    EXPECT_EQ(asyncio_lseek(fd, 0, 77), -EINVAL);
    EXPECT_EQ(asyncio_lseek(fd, INT64_C(1) << 40, SEEK_SET), INT64_C(1) << 40);
    EXPECT_EQ(asyncio_lseek(-1, 0, SEEK_END), -EBADF);
    EXPECT_EQ(asyncio_close(fd), 0);
    empty_folder();
}

TEST(a_file_is_cut_and_made_longer)
{
    const char *path = in_folder("a");
    int fd = make_file(path, "0123456789");
    EXPECT_OR_RETURN(fd >= 0);
    struct stat found = {0};
    // A simulated file has all of its bytes in memory.
    bool simulated = strcmp(test_backend(), "sim") == 0;
    int64_t far = INT64_C(1) << (simulated ? 20 : 33);
    EXPECT_EQ(asyncio_ftruncate(fd, 4), 0);
    EXPECT_EQ(asyncio_fstat(fd, &found), 0);
    EXPECT_EQ(found.st_size, 4);
    EXPECT_EQ(asyncio_ftruncate(fd, far), 0);
    EXPECT_EQ(asyncio_fstat(fd, &found), 0);
    EXPECT_EQ(found.st_size, far);
    EXPECT_EQ(asyncio_ftruncate(fd, -1), -EINVAL);
    EXPECT_EQ(asyncio_ftruncate(fd, 0), 0);
    int err = asyncio_fallocate(fd, 0, 0, 100);
    EXPECT(err == 0 || err == -EOPNOTSUPP);
    EXPECT_EQ(asyncio_fstat(fd, &found), 0);
    EXPECT_EQ(found.st_size, err == 0 ? 100 : 0);
    EXPECT_EQ(asyncio_fallocate(fd, 0, 0, -1), -EINVAL);
    EXPECT_EQ(asyncio_fallocate(-1, 0, 0, 1), -EBADF);
    EXPECT_EQ(asyncio_fchmod(fd, 0600), 0);
    EXPECT_EQ(asyncio_fstat(fd, &found), 0);
    EXPECT_EQ(found.st_mode, S_IFREG | 0600);
    EXPECT_EQ(asyncio_fstat(-1, &found), -EBADF);
    EXPECT_EQ(asyncio_fstat(AT_FDCWD, &found), -EBADF);
    EXPECT_EQ(asyncio_close(fd), 0);
    empty_folder();
}

// ---- Links and folders ------------------------------------------------------

TEST(links_lead_to_what_they_name)
{
    char folder[512], name[600], other[600], link[600], text[64] = "";
    struct stat found = {0}, there = {0};
    snprintf(folder, sizeof folder, "%s/sub", test_folder());
    snprintf(name, sizeof name, "%s/name", folder);
    snprintf(other, sizeof other, "%s/other\nline", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    EXPECT_EQ(asyncio_mkdir(folder, 0755), 0);
    int fd = make_file(name, "12345");
    if (fd >= 0) EXPECT_EQ(asyncio_close(fd), 0);

    EXPECT_EQ(asyncio_link(name, other), 0);
    EXPECT_EQ(asyncio_link(name, other), -EEXIST);
    EXPECT_EQ(asyncio_stat(other, &there), 0);
    EXPECT_EQ(there.st_nlink, 2);
    EXPECT_EQ(asyncio_symlink("name", link), 0);
    EXPECT_EQ(asyncio_symlink("name", link), -EEXIST);
    EXPECT_EQ(asyncio_readlink(link, text, sizeof text), 4);
    EXPECT_STR(text, "name");
    EXPECT_EQ(asyncio_readlink(link, text, 2), 2);
    EXPECT_EQ(asyncio_readlink(name, text, sizeof text), -EINVAL);
    EXPECT_EQ(asyncio_stat(link, &found), 0);
    EXPECT_EQ(found.st_ino, there.st_ino);
    EXPECT_EQ(asyncio_lstat(link, &found), 0);
    EXPECT(S_ISLNK(found.st_mode));

    EXPECT_EQ(asyncio_rmdir(folder), -ENOTEMPTY);
    EXPECT_EQ(asyncio_rmdir(name), -ENOTDIR);
    EXPECT_EQ(asyncio_unlink(link), 0);
    EXPECT_EQ(asyncio_unlink(other), 0);
    EXPECT_EQ(asyncio_unlink(name), 0);
    EXPECT_EQ(asyncio_rmdir(folder), 0);
    EXPECT_EQ(asyncio_rmdir(folder), -ENOENT);
    empty_folder();
}

TEST(links_that_lead_in_a_circle_lead_nowhere)
{
    char a[600], b[600];
    struct stat found;
    snprintf(a, sizeof a, "%s/a", test_folder());
    snprintf(b, sizeof b, "%s/b", test_folder());
    EXPECT_EQ(asyncio_symlink("b", a), 0);
    EXPECT_EQ(asyncio_symlink("a", b), 0);
    EXPECT_EQ(asyncio_stat(a, &found), -ELOOP);
    EXPECT_EQ(asyncio_open(a, O_RDONLY, 0), -ELOOP);
    EXPECT_EQ(asyncio_lstat(a, &found), 0);
    empty_folder();
}

TEST(names_that_are_too_long_are_refused)
{
    static char name[PATH_MAX + 2], text[8];
    struct stat found;
    memset(name, 'x', sizeof name - 1);
    for (int len = NAME_MAX + 1; len <= PATH_MAX + 1;
         len += PATH_MAX - NAME_MAX) {
        name[len] = '\0';
        EXPECT_EQ(asyncio_stat(name, &found), -ENAMETOOLONG);
        EXPECT_EQ(asyncio_open(name, O_CREAT, 0600), -ENAMETOOLONG);
        EXPECT_EQ(asyncio_mkdir(name, 0700), -ENAMETOOLONG);
        EXPECT_EQ(asyncio_rmdir(name), -ENAMETOOLONG);
        EXPECT_EQ(asyncio_readlink(name, text, sizeof text), -ENAMETOOLONG);
        EXPECT_EQ(asyncio_symlink("x", name), -ENAMETOOLONG);
        EXPECT_EQ(asyncio_link("/dev/null", name), -ENAMETOOLONG);
        name[len] = 'x';
    }
}

TEST(calls_below_a_folder_go_by_its_descriptor)
{
    char path[600];
    struct stat found;
    snprintf(path, sizeof path, "%s/sub", test_folder());
    int folder = asyncio_open(test_folder(), O_RDONLY | O_DIRECTORY, 0);
    EXPECT_OR_RETURN(folder >= 0);
    EXPECT_EQ(asyncio_mkdirat(folder, "sub", 0755), 0);
    EXPECT_EQ(asyncio_fstatat(folder, "sub", &found, 0), 0);
    EXPECT(S_ISDIR(found.st_mode));
    int fd = asyncio_openat(folder, "sub/file", O_WRONLY | O_CREAT, 0600);
    EXPECT_GE(fd, 0);
    if (fd >= 0) EXPECT_EQ(asyncio_close(fd), 0);
    EXPECT_EQ(asyncio_unlinkat(folder, "sub/file", 0), 0);
    EXPECT_EQ(asyncio_unlinkat(folder, "sub", 0), -EISDIR);
    EXPECT_EQ(asyncio_unlinkat(folder, "sub", AT_REMOVEDIR), 0);
    EXPECT_EQ(asyncio_close(folder), 0);
    empty_folder();
}

// Others run while threads are asked what a ring cannot do.
static int look_ten_times(void *arg)
{
    char text[8];
    for (int i = 0; i < 10; i++) {
        int len = asyncio_readlink(arg, text, sizeof text);
        if (len < 0) return len;
    }
    return 0;
}

TEST(many_tasks_ask_at_once)
{
    const char *path = in_folder("link");
    EXPECT_EQ(asyncio_symlink("x", path), 0);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 100; i++)
        asyncio_task_group_create_task(&group, look_ten_times, (void *)path);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    empty_folder();
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
    struct stat ours, other;
    int fd = asyncio_open(path, O_WRONLY | O_CREAT, 0600);
    EXPECT_OR_RETURN(fd >= 0, -EIO);
    EXPECT_EQ(fstat(fd, &ours), 0);
    asyncio_task_cancel(me);
    EXPECT_EQ(asyncio_close(fd), 0);
    // Somebody else may have got the number by now.
    EXPECT(fstat(fd, &other) < 0 || other.st_ino != ours.st_ino);
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
    empty_folder();
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
    empty_folder();
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

static int read_pieces(void *arg)
{
    struct iovec piece = {arg, 1};
    return asyncio_readv(fds[0], &piece, 1);
}

TEST(a_cancelled_readv_returns_when_the_kernel_has_let_go)
{
    EXPECT_OR_RETURN(pipe2(fds, O_CLOEXEC) == 0);
    char byte = 'o';
    struct asyncio_task *task = asyncio_create_task(read_pieces, &byte);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT(asyncio_task_cancel(task));
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    write_a_byte();
    EXPECT_EQ(byte, 'o');
    EXPECT_EQ(asyncio_read(fds[0], &byte, 1), 1);
    close_pipe();
}

TEST(pieces_of_a_pipe_wait_and_are_filled)
{
    EXPECT_OR_RETURN(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
    char byte = 'o';
    struct asyncio_task *task = asyncio_create_task(read_pieces, &byte);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0), 0);
    write_a_byte();
    EXPECT_EQ(asyncio_await(task), 1);
    EXPECT_EQ(byte, 'x');
    asyncio_task_release(task);
    close_pipe();
}

static int look_and_say(void *arg)
{
    int err = asyncio_readlink(arg, (char[8]){0}, 8);
    if (err == -ECANCELED) return err;
    EXPECT_EQ(err, 1);
    return asyncio_sleep(1); // a request that came too late is for this
}

// A thread may have begun, or not.
TEST(a_cancel_of_what_threads_do_is_not_lost)
{
    const char *path = in_folder("link");
    EXPECT_EQ(asyncio_symlink("x", path), 0);
    for (int passes = 0; passes < 3; passes++) {
        struct asyncio_task *task =
            asyncio_create_task(look_and_say, (void *)path);
        for (int i = 0; i < passes; i++)
            EXPECT_EQ(asyncio_sleep(0), 0);
        if (asyncio_task_cancel(task))
            EXPECT_EQ(asyncio_await(task), -ECANCELED);
        else
            asyncio_ignore(asyncio_await(task));
        asyncio_task_release(task);
    }
    empty_folder();
}
