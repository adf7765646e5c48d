// Drafts: the target is the old file or the new one, whole, whatever happens
// in between, and nothing else is left in its folder.

#include <sys/wait.h>

#include <asyncio/draft.h>
#include <asyncio/error.h>
#include <asyncio/file.h>

#include "files.h"

static int write_draft(const char *path, const char *text)
{
    struct asyncio_draft draft = {0};
    int err = asyncio_draft_open(&draft, path);
    if (err == 0) err = asyncio_write_all(draft.fd, text, strlen(text));
    if (err == 0) err = asyncio_draft_commit(&draft);
    asyncio_draft_discard(&draft);
    asyncio_draft_discard(&draft);
    return err;
}

TEST(a_draft_appears_when_it_is_committed)
{
    struct asyncio_draft draft = {0};
    EXPECT_EQ(asyncio_draft_open(&draft, in_folder("a")), 0);
    EXPECT_STR(content("a"), "(none)");
    EXPECT_EQ(asyncio_write_all(draft.fd, "hello", 5), 0);
    EXPECT_STR(content("a"), "(none)");
    EXPECT_EQ(asyncio_draft_commit(&draft), 0);
    EXPECT_STR(content("a"), "hello");
    EXPECT_EQ(count_names(), 1);
    EXPECT_EQ(asyncio_draft_commit(&draft), -EBADF); // it holds nothing now
    asyncio_draft_discard(&draft);
    EXPECT_STR(content("a"), "hello");
    empty_folder();
}

TEST(a_discarded_draft_leaves_all_as_it_was)
{
    struct asyncio_draft draft = {0};
    put_file("a", "old", 0644);
    EXPECT_EQ(asyncio_draft_open(&draft, in_folder("a")), 0);
    EXPECT_EQ(asyncio_write_all(draft.fd, "new", 3), 0);
    asyncio_draft_discard(&draft);
    asyncio_draft_discard(&draft);
    asyncio_draft_discard(NULL);
    EXPECT_STR(content("a"), "old");
    EXPECT_EQ(count_names(), 1);
    empty_folder();
}

TEST(a_draft_has_the_permissions_of_what_it_replaces)
{
    mode_t before = umask(027);
    EXPECT_EQ(write_draft(in_folder("a"), "new"), 0);
    EXPECT_EQ(mode_of("a"), 0640);
    put_file("a", "old", 04755);
    EXPECT_EQ(write_draft(in_folder("a"), "new"), 0);
    EXPECT_EQ(mode_of("a"), 0755); // but it is not set-user-ID

    struct asyncio_draft draft = {0};
    EXPECT_EQ(asyncio_draft_open(&draft, in_folder("a"), .mode = 0666), 0);
    EXPECT_EQ(asyncio_draft_commit(&draft), 0);
    asyncio_draft_discard(&draft);
    EXPECT_EQ(mode_of("a"), 0666);
    EXPECT_EQ(asyncio_draft_open(&draft, in_folder("a"), .mode = 010000),
              -EINVAL);
    umask(before);
    empty_folder();
}

TEST(a_link_gives_way_and_what_it_led_to_stays)
{
    put_file("a", "old", 0600);
    EXPECT_EQ(symlink("a", in_folder("link")), 0);
    EXPECT_EQ(write_draft(in_folder("link"), "new"), 0);
    struct stat found = {0};
    EXPECT_EQ(lstat(in_folder("link"), &found), 0);
    EXPECT(S_ISREG(found.st_mode));
    EXPECT_EQ(found.st_mode & 07777, 0600);
    EXPECT_STR(content("link"), "new");
    EXPECT_STR(content("a"), "old");

    unlink(in_folder("link"));
    EXPECT_EQ(symlink("nowhere", in_folder("link")), 0);
    EXPECT_EQ(write_draft(in_folder("link"), "newer"), 0);
    EXPECT_STR(content("link"), "newer");
    empty_folder();
}

TEST(what_is_no_file_is_not_replaced)
{
    static char name[NAME_MAX + 2];
    memset(name, 'x', NAME_MAX + 1);
    put_file("a", "old", 0600);
    EXPECT_EQ(mkdir(in_folder("sub"), 0700), 0);
    EXPECT_EQ(mkfifo(in_folder("pipe"), 0600), 0);
    EXPECT_EQ(symlink("loop", in_folder("loop")), 0);
    EXPECT_EQ(symlink("/dev/null", in_folder("null")), 0);

    EXPECT_EQ(write_draft(in_folder("sub"), "x"), -EISDIR);
    EXPECT_CONTAINS(asyncio_strerror(-EISDIR), "/sub: ");
    EXPECT_EQ(write_draft(in_folder("none/"), "x"), -ENOENT);
    EXPECT_EQ(write_draft(in_folder("sub/"), "x"), -EISDIR);
    EXPECT_EQ(write_draft("/", "x"), -EISDIR);
    EXPECT_EQ(write_draft(".", "x"), -EISDIR);
    EXPECT_EQ(write_draft("", "x"), -ENOENT);
    EXPECT_EQ(write_draft(in_folder("pipe"), "x"), -EINVAL);
    EXPECT_CONTAINS(asyncio_strerror(-EINVAL), "/pipe: it is no regular file");
    EXPECT_EQ(write_draft(in_folder("null"), "x"), -EINVAL);
    EXPECT_EQ(write_draft(in_folder("loop"), "x"), -ELOOP);
    EXPECT_EQ(write_draft(in_folder("a/b"), "x"), -ENOTDIR);
    EXPECT_EQ(write_draft(in_folder("none/b"), "x"), -ENOENT);
    EXPECT_EQ(write_draft(in_folder(name), "x"), -ENAMETOOLONG);
    EXPECT_EQ(count_names(), 5);
    empty_folder();
}

TEST(any_name_that_a_file_can_have_will_do)
{
    static char name[NAME_MAX + 1];
    memset(name, 'x', NAME_MAX);
    EXPECT_EQ(write_draft(in_folder(name), "long"), 0);
    EXPECT_STR(content(name), "long");
    unlink(in_folder(name));
    EXPECT_EQ(write_draft(in_folder("two\nlines %s"), "lines"), 0);
    EXPECT_STR(content("two\nlines %s"), "lines");
    empty_folder();
}

TEST(a_name_without_a_folder_is_of_the_working_directory)
{
    if (is_simulated()) {
        SKIP("a simulated world has no working directory but its root");
        return;
    }
    char before[PATH_MAX];
    EXPECT_OR_RETURN(getcwd(before, sizeof before));
    EXPECT_EQ(chdir(test_folder()), 0);
    EXPECT_EQ(write_draft("a", "here"), 0);
    EXPECT_EQ(chdir(before), 0);
    EXPECT_STR(content("a"), "here");
    empty_folder();
}

TEST(a_draft_in_use_is_not_opened_again)
{
    struct asyncio_draft draft = {0};
    EXPECT_EQ(asyncio_draft_open(&draft, in_folder("a")), 0);
    EXPECT_EQ(asyncio_draft_open(&draft, in_folder("b")), -EBUSY);
    EXPECT_EQ((asyncio_draft_open)(&draft, NULL, NULL), -EINVAL);
    EXPECT_EQ(asyncio_draft_commit(&draft), 0);
    asyncio_draft_discard(&draft); // nothing, unless something failed
    EXPECT_EQ(asyncio_draft_open(&draft, in_folder("b"), .no_sync = true), 0);
    EXPECT_EQ(asyncio_draft_commit(&draft), 0);
    asyncio_draft_discard(&draft);
    EXPECT_EQ(count_names(), 2);
    empty_folder();
}

static struct asyncio_draft kept;

static int open_and_go(void *arg)
{
    return asyncio_draft_open(&kept, arg);
}

TEST_PLAIN(outside_a_task_a_draft_is_only_discarded)
{
    char path[PATH_MAX];
    struct asyncio_draft draft = {0};
    snprintf(path, sizeof path, "%s", in_folder("a"));
    EXPECT_EQ(asyncio_draft_open(&draft, path), -EPERM);
    EXPECT_EQ(asyncio_draft_commit(&draft), -EPERM);
    asyncio_draft_discard(&draft);

    EXPECT_EQ(asyncio_run(open_and_go, path), 0);
    EXPECT_EQ(asyncio_draft_commit(&kept), -EPERM);
    asyncio_draft_discard(&kept);
    EXPECT_EQ(count_names(), 0);
    empty_folder();
}

// The folder may be moved meanwhile: it stays the folder.
TEST(a_folder_that_is_renamed_keeps_its_draft)
{
    struct asyncio_draft draft = {0};
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(from, sizeof from, "%s/from", test_folder());
    snprintf(to, sizeof to, "%s/to", test_folder());
    EXPECT_EQ(mkdir(from, 0700), 0);
    EXPECT_EQ(asyncio_draft_open(&draft, in_folder("from/a")), 0);
    EXPECT_EQ(rename(from, to), 0);
    EXPECT_EQ(asyncio_draft_commit(&draft), 0);
    asyncio_draft_discard(&draft);
    EXPECT_STR(content("to/a"), "");
    EXPECT_EQ(access(in_folder("to/a"), F_OK), 0);
    empty_folder();
}

TEST(a_folder_that_was_removed_takes_no_draft)
{
    struct asyncio_draft draft = {0};
    EXPECT_EQ(mkdir(in_folder("sub"), 0700), 0);
    EXPECT_EQ(asyncio_draft_open(&draft, in_folder("sub/a")), 0);
    if (rmdir(in_folder("sub")) == 0) // else the draft has a name there
        EXPECT_EQ(asyncio_draft_commit(&draft), -ENOENT);
    asyncio_draft_discard(&draft);
    EXPECT_EQ(rmdir(in_folder("sub")), -1);
    empty_folder();
}

// ---- The target is the old one or the new one -------------------------------

static int replace_a(void *arg)
{
    (void)arg;
    return write_draft(in_folder("a"), "new");
}

static void check_whole(int err, const char *when, int at)
{
    const char *now = content("a");
    bool whole = strcmp(now, err == 0 ? "new" : "old") == 0;
    if (!whole && err != -ECANCELED) whole = strcmp(now, "new") == 0;
    if (!whole) FAIL("%s %d: %d, and '%s'", when, at, err, now);
    if (count_names() != 1) FAIL("%s %d: something is left", when, at);
}

// Only the last step may fail when the new one is there.
TEST(whichever_call_fails_the_target_is_whole, .faulty = true)
{
    static const int codes[] = {-EIO, -ENOSPC, -EINTR, -EMFILE, -EACCES, 0};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        int at = 0, calls;
        do {
            put_file("a", "old", 0600);
            fail_file_call(++at, codes[i]);
            int err = replace_a(NULL);
            calls = file_calls();
            EXPECT(err == 0 || err == codes[i]);
            check_whole(err, "call", at);
        } while (at <= calls);
        EXPECT_GE(calls, 8);
    }
    empty_folder();
}

TEST(whichever_allocation_fails_the_target_is_whole, .faulty = true)
{
    uint64_t at = 0, calls;
    do {
        put_file("a", "old", 0600);
        EXPECT_EQ(asyncio_testing_fail_at("alloc", ++at), 0);
        int err = replace_a(NULL);
        calls = asyncio_testing_calls();
        EXPECT_EQ(asyncio_testing_fail_at("alloc", 0), 0);
        EXPECT(err == 0 || err == -ENOMEM);
        check_whole(err, "alloc", (int)at);
    } while (at <= calls);
    empty_folder();
}

TEST(wherever_it_is_cancelled_the_target_is_whole, .faulty = true)
{
    static const char *const ways[] = {"task", "twice", "race"};
    for (size_t i = 0; i < 3; i++) {
        uint64_t at = 0, awaits;
        do {
            put_file("a", "old", 0600);
            EXPECT_EQ(asyncio_testing_cancel_at(ways[i], ++at), 0);
            int err = replace_a(NULL);
            awaits = asyncio_testing_awaits();
            EXPECT_EQ(asyncio_testing_cancel_at(ways[i], 0), 0);
            EXPECT(err == 0 || err == -ECANCELED);
            check_whole(err, ways[i], (int)at);
            while (asyncio_sleep(0) == -ECANCELED) // it came too late
                continue;
        } while (at <= awaits);
        EXPECT_GE(awaits, 8);
    }
    empty_folder();
}

// The first draft of a process also finds out whether files without a name can
// be given one: the answer is kept, and no later draft waits for it.
TEST(the_first_draft_of_all_heeds_each_cancel, .faulty = true)
{
    for (uint64_t at = 1; at <= 4; at++) {
        put_file("a", "old", 0600);
        EXPECT_EQ(asyncio_testing_cancel_at("task", at), 0);
        EXPECT_EQ(replace_a(NULL), -ECANCELED);
        EXPECT_EQ(asyncio_testing_cancel_at("task", 0), 0);
        EXPECT_STR(content("a"), "old");
    }
    empty_folder();
}

TEST(a_cancelled_scope_leaves_nothing_behind, .faulty = true)
{
    uint64_t at = 0, awaits;
    do {
        int err;
        put_file("a", "old", 0600);
        EXPECT_EQ(asyncio_testing_cancel_at("scope", ++at), 0);
        {
            ASYNCIO_WITH_CANCEL_SCOPE(scope);
            err = replace_a(NULL);
        }
        awaits = asyncio_testing_awaits();
        EXPECT_EQ(asyncio_testing_cancel_at("scope", 0), 0);
        check_whole(err, "scope", (int)at);
    } while (at <= awaits);
    EXPECT_GE(awaits, 8);
    empty_folder();
}

TEST(drafts_of_one_target_do_not_meet)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    put_file("a", "old", 0600);
    for (int i = 0; i < 20; i++)
        asyncio_task_group_create_task(&group, replace_a, NULL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_STR(content("a"), "new");
    EXPECT_EQ(count_names(), 1);
    empty_folder();
}

// ---- A process that ends in the middle --------------------------------------

static int write_and_die(void *arg)
{
    struct asyncio_draft draft = {0};
    int err = asyncio_draft_open(&draft, arg);
    if (err == 0) err = asyncio_write_all(draft.fd, "half", 4);
    _exit(err == 0 ? 0 : 1);
}

// Where files without a name are made.
TEST_PLAIN(a_process_that_is_killed_leaves_nothing, .real_time = true)
{
    if (is_simulated()) {
        SKIP("a simulated world goes on in the process that is killed");
        return;
    }
    int status,
        fd = open(test_folder(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0) {
        SKIP("the file system has no files without a name");
        return;
    }
    close(fd);
    put_file("a", "old", 0600);
    pid_t child = fork();
    if (child == 0) {
        asyncio_ignore(asyncio_run(write_and_die, (void *)in_folder("a")));
        _exit(2);
    }
    EXPECT_OR_RETURN(child > 0);
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_STR(content("a"), "old");
    EXPECT_EQ(count_names(), 1);
    empty_folder();
}
