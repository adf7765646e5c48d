// Reading folders: each name comes once, whatever it is made of, and neither a
// cancel nor a change of the folder loses one.

#include <asyncio/file.h>
#include <asyncio/folder.h>

#include "files.h"

// More names than the buffer has room for.
#define MANY 3000

static int many(void)
{
    return (int)test_amount(MANY, 1200);
}

static void touch(const char *name)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
}

static const char *numbered(int i)
{
    static char name[64];
    snprintf(name, sizeof name, "a name of some length, number %d", i);
    return name;
}

static void touch_many(int count)
{
    for (int i = 0; i < count; i++)
        touch(numbered(i));
}

// Reads to the end, counting; or returns what went wrong.
static int count_entries(struct asyncio_folder *folder)
{
    struct asyncio_folder_entry entry;
    int count = 0, err;
    while ((err = asyncio_readdir(folder, &entry)) > 0)
        count++;
    return err < 0 ? err : count;
}

TEST(an_empty_folder_has_no_names)
{
    struct asyncio_folder folder = {0};
    struct asyncio_folder_entry entry;
    EXPECT_EQ(asyncio_opendir(&folder, test_folder()), 0);
    EXPECT_EQ(asyncio_readdir(&folder, &entry), 0);
    EXPECT_EQ(asyncio_readdir(&folder, &entry), 0);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    empty_folder();
}

TEST(names_come_with_their_kinds)
{
    struct asyncio_folder folder = {0};
    struct asyncio_folder_entry entry;
    int files = 0, folders = 0, links = 0;
    touch("two\nlines");
    touch("...");
    EXPECT_EQ(mkdir(in_folder("sub"), 0700), 0);
    EXPECT_EQ(symlink("nowhere", in_folder("..link")), 0);

    EXPECT_EQ(asyncio_opendir(&folder, test_folder()), 0);
    while (asyncio_readdir(&folder, &entry) > 0) {
        struct stat found = {0};
        EXPECT_EQ(lstat(in_folder(entry.name), &found), 0);
        EXPECT_EQ(entry.inode, found.st_ino);
        files += entry.type == DT_REG;
        folders += entry.type == DT_DIR && strcmp(entry.name, "sub") == 0;
        links += entry.type == DT_LNK && strcmp(entry.name, "..link") == 0;
    }
    EXPECT_EQ(files, 2);
    EXPECT_EQ(folders, 1);
    EXPECT_EQ(links, 1);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    empty_folder();
}

TEST(what_is_wrong_is_said)
{
    struct asyncio_folder folder = {0};
    struct asyncio_folder_entry entry;
    touch("file");
    EXPECT_EQ(asyncio_readdir(&folder, &entry), -EBADF);
    EXPECT_EQ(asyncio_rewinddir(&folder), -EBADF);
    EXPECT_EQ(asyncio_opendir(&folder, in_folder("file")), -ENOTDIR);
    EXPECT_EQ(asyncio_opendir(&folder, in_folder("none")), -ENOENT);
    EXPECT_EQ(asyncio_opendir(&folder, ""), -ENOENT);
    EXPECT_EQ(asyncio_fdopendir(&folder, -1), -EBADF);
    EXPECT_EQ(asyncio_readdir(&folder, &entry), -EBADF);
    EXPECT_EQ(asyncio_opendir(&folder, test_folder()), 0);
    EXPECT_EQ(asyncio_opendir(&folder, test_folder()), -EBUSY);
    EXPECT_EQ(asyncio_fdopendir(&folder, 0), -EBUSY);
    EXPECT_EQ(count_entries(&folder), 1);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    empty_folder();
}

// The number alone does not tell: another thread may have it again by now.
static bool is_test_folder(int fd)
{
    struct stat found, folder;
    return fstat(fd, &found) == 0 && stat(test_folder(), &folder) == 0 &&
           found.st_dev == folder.st_dev && found.st_ino == folder.st_ino;
}

TEST(an_open_descriptor_becomes_a_folder)
{
    struct asyncio_folder folder = {0};
    int fd = asyncio_open(test_folder(), O_RDONLY | O_DIRECTORY, 0);
    EXPECT_OR_RETURN(fd >= 0);
    if (!EXPECT_EQ(asyncio_fdopendir(&folder, fd), 0)) {
        asyncio_ignore(asyncio_close(fd));
        return;
    }
    EXPECT_EQ(folder.fd, fd);
    EXPECT(is_test_folder(fd));
    EXPECT_EQ(count_entries(&folder), 0);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    EXPECT(!is_test_folder(fd));
}

TEST(a_descriptor_of_a_file_does_not)
{
    struct asyncio_folder folder = {0};
    touch("file");
    int fd = asyncio_open(in_folder("file"), O_RDONLY, 0);
    EXPECT_EQ(asyncio_fdopendir(&folder, fd), fd < 0 ? -EBADF : -ENOTDIR);
    if (fd >= 0) EXPECT_EQ(asyncio_close(fd), 0); // it stayed ours
    empty_folder();
}

TEST_PLAIN(outside_a_task_no_folder_is_read)
{
    struct asyncio_folder folder = {0};
    struct asyncio_folder_entry entry;
    EXPECT_EQ(asyncio_opendir(&folder, "/"), -EPERM);
    EXPECT_EQ(asyncio_readdir(&folder, &entry), -EPERM);
    EXPECT_EQ(asyncio_closedir(&folder), -EPERM);
}

// ---- Many names, and such that come and go ----------------------------------

TEST(each_of_many_names_comes_once)
{
    struct asyncio_folder folder = {0};
    struct asyncio_folder_entry entry;
    static char seen[MANY];
    int err, number;
    touch_many(many());
    EXPECT_EQ(asyncio_opendir(&folder, test_folder()), 0);
    while ((err = asyncio_readdir(&folder, &entry)) > 0) {
        if (EXPECT_EQ(
                sscanf(entry.name, "a name of some length, number %d", &number),
                1))
            seen[number]++;
    }
    EXPECT_EQ(err, 0);
    for (int i = 0; i < many(); i++)
        if (seen[i] != 1) FAIL("%s came %d times", numbered(i), seen[i]);

    touch("one more");
    EXPECT_EQ(asyncio_rewinddir(&folder), 0);
    EXPECT_EQ(count_entries(&folder), many() + 1);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    empty_folder();
}

// Names that stay are all found, however many others go meanwhile.
TEST(a_folder_may_change_while_it_is_read)
{
    struct asyncio_folder folder = {0};
    struct asyncio_folder_entry entry;
    int err, kept = 0, number, gone = many();
    touch_many(many());
    EXPECT_EQ(asyncio_opendir(&folder, test_folder()), 0);
    while ((err = asyncio_readdir(&folder, &entry)) > 0) {
        if (sscanf(entry.name, "a name of some length, number %d", &number) ==
                1 &&
            number < 1000)
            kept++;
        if (gone > 1000) unlink(in_folder(numbered(--gone)));
    }
    EXPECT_EQ(err, 0);
    EXPECT_EQ(kept, 1000);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    empty_folder();
}

TEST(a_folder_that_was_removed_has_no_more_names)
{
    struct asyncio_folder folder = {0};
    struct asyncio_folder_entry entry;
    EXPECT_EQ(mkdir(in_folder("sub"), 0700), 0);
    EXPECT_EQ(asyncio_opendir(&folder, in_folder("sub")), 0);
    EXPECT_EQ(rmdir(in_folder("sub")), 0);
    EXPECT_EQ(asyncio_readdir(&folder, &entry), 0);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    empty_folder();
}

// A tree is walked by descriptors, whatever its names and depth are.
static int remove_tree(int above, const char *name)
{
    struct asyncio_folder folder = {0};
    struct asyncio_folder_entry entry;
    int fd =
        asyncio_openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0) return fd;
    int err = asyncio_fdopendir(&folder, fd);
    if (err < 0) {
        asyncio_ignore(asyncio_close(fd));
        return err;
    }
    while ((err = asyncio_readdir(&folder, &entry)) > 0) {
        err = entry.type == DT_DIR ? remove_tree(folder.fd, entry.name)
                                   : asyncio_unlinkat(folder.fd, entry.name, 0);
        if (err < 0) break;
    }
    asyncio_ignore(asyncio_closedir(&folder));
    return err < 0 ? err : asyncio_unlinkat(above, name, AT_REMOVEDIR);
}

TEST(a_tree_is_removed)
{
    const char *folders[] = {"tree", "tree/a", "tree/a/b", "tree/c"};
    const char *files[] = {"tree/x", "tree/a/b/y\nz", "tree/c/z"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        mkdir(in_folder(folders[i]), 0700);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        touch(files[i]);
    EXPECT_EQ(remove_tree(AT_FDCWD, in_folder("tree")), 0);
    EXPECT_EQ(access(in_folder("tree"), F_OK), -1);
    empty_folder();
}

// ---- Cancelling -------------------------------------------------------------

static int read_while_cancelled(void *arg)
{
    struct asyncio_folder *folder = arg;
    struct asyncio_folder_entry entry;
    struct asyncio_task *me = asyncio_current_task();
    int count = 0, tries = 0, err;
    do {
        if (++tries % 2 == 0) asyncio_task_cancel(me);
        err = asyncio_readdir(folder, &entry);
        count += err > 0;
    } while (err > 0 || err == -ECANCELED);
    asyncio_task_cancel(me);
    EXPECT_EQ(asyncio_closedir(folder), 0);
    EXPECT_EQ(asyncio_sleep(0), -ECANCELED);
    EXPECT_EQ(err, 0);
    return count;
}

TEST(a_cancelled_read_loses_no_name)
{
    struct asyncio_folder folder = {0};
    touch_many(1000);
    EXPECT_EQ(asyncio_opendir(&folder, test_folder()), 0);
    struct asyncio_task *task =
        asyncio_create_task(read_while_cancelled, &folder);
    EXPECT_EQ(asyncio_await(task), 1000);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    empty_folder();
}

static int read_one(void *arg)
{
    struct asyncio_folder_entry entry;
    return asyncio_readdir(arg, &entry);
}

TEST(a_folder_serves_one_task_at_a_time, .ordered = true)
{
    struct asyncio_folder folder = {0};
    struct asyncio_folder_entry entry;
    touch("file");
    EXPECT_EQ(asyncio_opendir(&folder, test_folder()), 0);
    struct asyncio_task *task = asyncio_create_task(read_one, &folder);
    EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_readdir(&folder, &entry), -EBUSY);
    EXPECT_EQ(asyncio_rewinddir(&folder), -EBUSY);
    EXPECT_EQ(asyncio_closedir(&folder), -EBUSY);
    EXPECT_EQ(asyncio_await(task), 1);
    asyncio_task_release(task);
    EXPECT_EQ(asyncio_closedir(&folder), 0);
    empty_folder();
}
