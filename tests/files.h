// Helpers of the suites about files: what is there is looked at, and in the end
// removed, by calls of the system, past the loop and what fails there.
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/sys.h"
#include "runner/runner.h"

static inline const char *in_folder(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

static inline void put_file(const char *name, const char *text, mode_t mode)
{
    unlink(in_folder(name));
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    EXPECT_OR_RETURN(fd >= 0);
    EXPECT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    EXPECT_EQ(fchmod(fd, mode), 0);
    close(fd);
}

// What is in it, at most 127 bytes; "(none)" if it is not there.
static inline const char *content(const char *name)
{
    static char text[128];
    int fd = open(in_folder(name), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return "(none)";
    ssize_t len = read(fd, text, sizeof text - 1);
    text[len > 0 ? len : 0] = '\0';
    close(fd);
    return text;
}

static inline mode_t mode_of(const char *name)
{
    struct stat found = {0};
    stat(in_folder(name), &found);
    return found.st_mode & 07777;
}

static int files__names;

static inline int count_one(const char *path, const struct stat *found,
                            int kind, struct FTW *place)
{
    (void)path;
    (void)found;
    (void)kind;
    files__names += place->level == 1;
    return 0;
}

// How many names the folder has, hidden ones among them.
static inline int count_names(void)
{
    files__names = 0;
    EXPECT_EQ(nftw(test_folder(), count_one, 8, FTW_PHYS), 0);
    return files__names;
}

static inline bool is_simulated(void)
{
    return strcmp(test_backend(), "sim") == 0;
}

static inline int remove_one(const char *path, const struct stat *found,
                             int kind, struct FTW *place)
{
    (void)found;
    (void)kind;
    return place->level > 0 ? remove(path) : 0;
}

static inline void empty_folder(void)
{
    EXPECT_EQ(nftw(test_folder(), remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

// ---- Faults -----------------------------------------------------------------

// Makes one call on files fail, and no other: the loop itself goes on.
static const struct asyncio__sys_hooks *files__hooks;
static atomic_int files__calls, files__failing, files__code;

static inline int files__before(enum asyncio__sys_call call, const char *site,
                                size_t *len)
{
    bool counts = call >= ASYNCIO__SYS_OPEN && call <= ASYNCIO__SYS_SEEK;
    if (counts && atomic_fetch_add(&files__calls, 1) + 1 == files__failing) {
        if (files__code == 0 && len) --*len;
        return files__code;
    }
    return files__hooks && files__hooks->before
               ? files__hooks->before(call, site, len)
               : 0;
}

// Once, and for good: a thread that calls looks at the hooks without a lock.
static inline void files__hook(void)
{
    static struct asyncio__sys_hooks hooks;
    if (asyncio__sys_hooks == &hooks) return;
    files__hooks = asyncio__sys_hooks;
    if (files__hooks) hooks = *files__hooks;
    hooks.before = files__before;
    asyncio__sys_hooks = &hooks;
}

// The `ordinal`-th from now fails with `code`, or for 0 moves a byte less. The
// first time, before anything runs on a thread.
static inline void fail_file_call(int ordinal, int code)
{
    files__hook();
    files__code = code;
    files__failing = ordinal;
    files__calls = 0;
}

// Ends that, and returns how many calls there were.
static inline int file_calls(void)
{
    files__failing = 0;
    return files__calls;
}
