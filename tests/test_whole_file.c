// Files as a whole: what is read is all of it or an error, what is written
// replaces the old file in one step, and a copy is the same bytes.

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <asyncio/error.h>
#include <asyncio/file.h>
#include <asyncio/whole_file.h>

#include "files.h"

#define LARGE ((size_t)5 * 1024 * 1024 + 17) // more than is copied at once

static void put_large(const char *name)
{
    static char some[LARGE];
    for (size_t i = 0; i < LARGE; i++)
        some[i] = (char)(i * 31 + i / 4096);
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    EXPECT_OR_RETURN(fd >= 0);
    EXPECT_EQ(write(fd, some, LARGE), (ssize_t)LARGE);
    close(fd);
}

static bool is_large(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != (char)(i * 31 + i / 4096)) return false;
    return len == LARGE;
}

// ---- Reading ----------------------------------------------------------------

TEST(a_file_is_read_with_a_zero_behind_it)
{
    char *data = NULL;
    size_t len = 77;
    put_file("a", "hello", 0600);
    put_file("empty", "", 0600);
    EXPECT_EQ(asyncio_read_file(in_folder("a"), &data, &len), 0);
    EXPECT_EQ(len, 5);
    EXPECT_STR(data, "hello");
    asyncio_free_file(data);
    data = NULL;
    EXPECT_EQ(asyncio_read_file(in_folder("empty"), &data, &len), 0);
    EXPECT_EQ(len, 0);
    EXPECT_STR(data, "");
    asyncio_free_file(data);
    asyncio_free_file(NULL);
    empty_folder();
}

TEST(a_file_is_read_up_to_a_bound)
{
    char *data = NULL;
    size_t len = 77;
    put_file("a", "12345678", 0600);
    EXPECT_EQ(asyncio_read_file(in_folder("a"), &data, &len, .max_size = 7),
              -EFBIG);
    EXPECT_CONTAINS(asyncio_strerror(-EFBIG), "/a: it is longer than 7 bytes");
    EXPECT_EQ(len, 77);
    EXPECT_SAME(data, NULL);
    EXPECT_EQ(asyncio_read_file(in_folder("a"), &data, &len, .max_size = 8), 0);
    EXPECT_EQ(len, 8);
    asyncio_free_file(data);
    data = NULL;
    EXPECT_EQ(
        asyncio_read_file(in_folder("a"), &data, &len, .max_size = SIZE_MAX),
        0);
    asyncio_free_file(data);
    empty_folder();
}

// It says that it is 0 bytes long.
TEST(a_file_may_be_longer_than_it_says)
{
    if (is_simulated()) {
        SKIP("each simulated file says how long it is");
        return;
    }
    char *data = NULL;
    size_t len = 0;
    EXPECT_EQ(
        asyncio_read_file("/proc/kallsyms", &data, &len, .max_size = 10000),
        -EFBIG);
    int err = asyncio_read_file("/proc/self/maps", &data, &len);
    EXPECT_EQ(err, 0);
    if (err < 0) return;
    EXPECT_GT(len, 1000);
    EXPECT_CONTAINS(data, "[stack]");
    asyncio_free_file(data);
}

TEST(a_large_file_is_read_whole)
{
    char *data = NULL;
    size_t len = 0;
    put_large("a");
    EXPECT_EQ(asyncio_read_file(in_folder("a"), &data, &len), 0);
    EXPECT(is_large(data, len));
    asyncio_free_file(data);
    empty_folder();
}

TEST(what_is_no_file_is_not_read)
{
    char *data;
    size_t len;
    EXPECT_EQ(mkfifo(in_folder("pipe"), 0600), 0);
    EXPECT_EQ(asyncio_read_file(in_folder("none"), &data, &len), -ENOENT);
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "cannot read ");
    EXPECT_EQ(asyncio_read_file(test_folder(), &data, &len), -EISDIR);
    EXPECT_EQ(asyncio_read_file(in_folder("pipe"), &data, &len), -EINVAL);
    EXPECT_CONTAINS(asyncio_strerror(-EINVAL), "/pipe: it is no regular file");
    EXPECT_EQ(asyncio_read_file("/dev/zero", &data, &len), -EINVAL);
    EXPECT_EQ((asyncio_read_file)(NULL, &data, &len, NULL), -EINVAL);
    empty_folder();
}

TEST_PLAIN(outside_a_task_there_are_no_files)
{
    char *data;
    size_t len;
    EXPECT_EQ(asyncio_read_file("/dev/null", &data, &len), -EPERM);
    EXPECT_EQ(asyncio_replace_file("/dev/null", "x", 1), -EPERM);
    EXPECT_EQ(asyncio_copy_file("/dev/null", "/dev/null"), -EPERM);
}

// ---- Replacing --------------------------------------------------------------

TEST(a_file_is_replaced_whole)
{
    EXPECT_EQ(asyncio_replace_file(in_folder("a"), "first", 5), 0);
    EXPECT_STR(content("a"), "first");
    EXPECT_EQ(asyncio_replace_file(in_folder("a"), "second", 6, .mode = 0600),
              0);
    EXPECT_STR(content("a"), "second");
    EXPECT_EQ(mode_of("a"), 0600);
    EXPECT_EQ(asyncio_replace_file(in_folder("a"), NULL, 0, .no_sync = true),
              0);
    EXPECT_STR(content("a"), "");
    EXPECT_EQ(mode_of("a"), 0600);
    EXPECT_EQ(count_names(), 1);
    // By a link: a test as root, told that there is no such file, replaces it.
    EXPECT_EQ(symlink("/dev/full", in_folder("full")), 0);
    EXPECT_EQ(asyncio_replace_file(in_folder("full"), "x", 1), -EINVAL);
    empty_folder();
}

// A limit on the size of files stands for a disk that is full.
TEST(what_finds_no_room_leaves_the_old_file)
{
    if (is_simulated()) {
        SKIP("the system's limit is none of a simulated world");
        return;
    }
    struct rlimit old, low;
    static const char some[10000];
    put_file("a", "old", 0600);
    put_large("large");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    low = old;
    low.rlim_cur = 5000;
    setrlimit(RLIMIT_FSIZE, &low);
    EXPECT_EQ(asyncio_replace_file(in_folder("a"), some, sizeof some), -EFBIG);
    EXPECT_CONTAINS(asyncio_strerror(-EFBIG), "cannot write ");
    char large[PATH_MAX];
    snprintf(large, sizeof large, "%s", in_folder("large"));
    EXPECT_EQ(asyncio_copy_file(large, in_folder("a")), -EFBIG);
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_STR(content("a"), "old");
    EXPECT_EQ(count_names(), 2);
    empty_folder();
}

// ---- Copying ----------------------------------------------------------------

static int copy(const char *from, const char *to)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", in_folder(from));
    return asyncio_copy_file(path, in_folder(to));
}

TEST(a_copy_is_the_same_bytes_and_permissions)
{
    put_large("a");
    chmod(in_folder("a"), 0750);
    put_file("b", "old", 0600);
    EXPECT_EQ(copy("a", "b"), 0);
    EXPECT_EQ(mode_of("b"), 0750);
    char *data = NULL;
    size_t len = 0;
    EXPECT_EQ(asyncio_read_file(in_folder("b"), &data, &len), 0);
    EXPECT(is_large(data, len));
    asyncio_free_file(data);

    EXPECT_EQ(copy("b", "b"), 0); // over itself
    put_file("empty", "", 0644);
    EXPECT_EQ(copy("empty", "b"), 0);
    EXPECT_STR(content("b"), "");
    EXPECT_EQ(count_names(), 3);
    empty_folder();
}

// A file of the kernel's. The maps that an emulator shows are a file of its
// own, which anybody may write.
#ifdef ASYNCIO_EMULATED
#define SHOWN "/proc/vmstat"
#else
#define SHOWN "/proc/self/maps"
#endif

// Between two file systems, one of which does not even say how long it is.
TEST(a_copy_crosses_file_systems)
{
    if (is_simulated()) {
        SKIP("a simulated world has one file system");
        return;
    }
    char *data = NULL;
    size_t len = 0;
    EXPECT_EQ(asyncio_copy_file(SHOWN, in_folder("a")), 0);
    EXPECT_EQ(mode_of("a"), 0444);
    EXPECT_EQ(asyncio_read_file(in_folder("a"), &data, &len), 0);
    EXPECT_GT(len, 1000);
    asyncio_free_file(data);
    empty_folder();
}

TEST(what_is_no_file_is_not_copied)
{
    EXPECT_EQ(mkdir(in_folder("sub"), 0700), 0);
    EXPECT_EQ(mkfifo(in_folder("pipe"), 0600), 0);
    put_file("a", "old", 0400);
    EXPECT_EQ(copy("none", "b"), -ENOENT);
    EXPECT_EQ(copy("sub", "b"), -EISDIR);
    EXPECT_EQ(copy("pipe", "b"), -EINVAL);
    EXPECT_EQ(copy("a", "sub"), -EISDIR);
    EXPECT_EQ(copy("a", "pipe"), -EINVAL);
    EXPECT_EQ((asyncio_copy_file)(NULL, "x", NULL), -EINVAL);
    EXPECT_EQ((asyncio_copy_file)("x", NULL, NULL), -EINVAL);
    EXPECT_EQ(count_names(), 3);
    chmod(in_folder("a"), 0000);
    if (geteuid() != 0 && !is_simulated()) {
        EXPECT_EQ(copy("a", "b"), -EACCES);
    } else {
        EXPECT_EQ(copy("a", "b"), 0);
        EXPECT_EQ(mode_of("b"), 0400); // never more than its own
    }
    empty_folder();
}

TEST(wherever_a_copy_is_cancelled_it_is_whole, .faulty = true)
{
    uint64_t at = 0, awaits;
    put_file("a", "new", 0644);
    do {
        put_file("b", "old", 0600);
        EXPECT_EQ(asyncio_testing_cancel_at("task", ++at), 0);
        int err = copy("a", "b");
        awaits = asyncio_testing_awaits();
        EXPECT_EQ(asyncio_testing_cancel_at("task", 0), 0);
        EXPECT_STR(content("b"), err == 0 ? "new" : "old");
        EXPECT(err == 0 || err == -ECANCELED);
        EXPECT_EQ(count_names(), 2);
        while (asyncio_sleep(0) == -ECANCELED)
            continue;
    } while (at <= awaits);
    EXPECT_GE(awaits, 10);
    empty_folder();
}

// Some of them are made good for, such as a kernel that does not copy.
TEST(whichever_call_of_a_copy_fails_it_is_whole, .faulty = true)
{
    static const int codes[] = {-EIO, -ENOSPC, -EXDEV, 0};
    put_file("a", "new", 0644);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        int at = 0, calls;
        do {
            put_file("b", "old", 0600);
            fail_file_call(++at, codes[i]);
            int err = copy("a", "b");
            calls = file_calls();
            EXPECT(err == 0 || err == codes[i]);
            const char *now = content("b");
            EXPECT(strcmp(now, "new") == 0 ||
                   (err < 0 && strcmp(now, "old") == 0));
            EXPECT_EQ(count_names(), 2);
        } while (at <= calls);
        EXPECT_GE(calls, 10);
    }
    empty_folder();
}

TEST(whichever_call_of_a_read_fails_nothing_is_handed_out, .faulty = true)
{
    int at = 0, calls;
    put_file("a", "hello", 0600);
    do {
        char *data = NULL;
        size_t len = 0;
        fail_file_call(++at, -EIO);
        int err = asyncio_read_file(in_folder("a"), &data, &len);
        calls = file_calls();
        EXPECT(err == 0 || err == -EIO);
        if (err == 0)
            EXPECT_STR(data, "hello");
        else
            EXPECT_SAME(data, NULL);
        asyncio_free_file(data);
    } while (at <= calls);
    EXPECT_GE(calls, 4);
    empty_folder();
}
