// Nameless files that are named when they are whole.
//
//     open folder (O_TMPFILE) -> write -> link to a hidden name -> rename
//
// A file without a name is gone with the last descriptor, also that of a
// process that is killed. Where the file system has no such files, or no /proc
// is there to link them by, the file has its hidden name from the beginning.
//
// The hidden name carries the process and a count, and the file is created
// exclusively: a leftover of a process that was killed, whose number has come
// round again, is stepped over and never shared.

#include "draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// How much of `target` is its folder, the slash included; 0: it names none.
static int folder_len(const char *target)
{
    const char *slash = strrchr(target, '/');
    return slash ? (int)(slash + 1 - target) : 0;
}

static int write_hidden_name(struct draft *draft)
{
    static atomic_uint last_number;
    unsigned number = atomic_fetch_add(&last_number, 1) + 1;
    int folder = folder_len(draft->target);

    int len = snprintf(draft->hidden, sizeof draft->hidden,
                       "%.*s.%s.part-%ld-%u", folder, draft->target,
                       draft->target + folder, (long)getpid(), number);
    return (size_t)len < sizeof draft->hidden ? 0 : -ENAMETOOLONG;
}

static int create_nameless(struct draft *draft)
{
    char folder[PATH_MAX];
    int len = folder_len(draft->target);
    (void)snprintf(folder, sizeof folder, "%.*s", len ? len : 1,
                   len ? draft->target : ".");
    if (access("/proc/self/fd", X_OK) < 0) return -errno;
    draft->fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    return draft->fd < 0 ? -errno : 0;
}

static int create_hidden(struct draft *draft)
{
    for (;;) {
        int err = write_hidden_name(draft);
        if (err < 0) return err;
        draft->fd =
            open(draft->hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (draft->fd >= 0) return 0;
        if (errno == EEXIST) continue;
        err = -errno;
        draft->hidden[0] = '\0';
        return err;
    }
}

// Whatever keeps a file from being nameless, the second try has the error that
// is worth telling.
static int create(struct draft *draft)
{
    if (strlen(draft->target) >= PATH_MAX) return -ENAMETOOLONG;
    return create_nameless(draft) == 0 ? 0 : create_hidden(draft);
}

int draft_open(struct draft *draft, const char *target, struct failure *why)
{
    *draft = (struct draft){.fd = -1, .target = target};
    int err = create(draft);
    if (err == 0) return 0;
    return failure_set(why, err, "cannot create %s: %s", target,
                       strerror(-err));
}

int draft_write(struct draft *draft, const void *data, size_t size,
                struct failure *why)
{
    const char *next = data;
    while (size > 0) {
        ssize_t count = write(draft->fd, next, size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            int err = -errno;
            return failure_set(why, err, "cannot write %s: %s", draft->target,
                               strerror(-err));
        }
        next += count;
        size -= (size_t)count;
    }
    return 0;
}

// Gives a nameless file its hidden name.
static int link_hidden(struct draft *draft)
{
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", draft->fd);
    for (;;) {
        int err = write_hidden_name(draft);
        if (err < 0) return err;
        if (linkat(AT_FDCWD, link, AT_FDCWD, draft->hidden,
                   AT_SYMLINK_FOLLOW) == 0)
            return 0;
        if (errno == EEXIST) continue;
        err = -errno;
        draft->hidden[0] = '\0';
        return err;
    }
}

static int finish(struct draft *draft)
{
    int err = draft->hidden[0] ? 0 : link_hidden(draft);
    if (err < 0) return err;

    // Some file systems report a full disk only when the file is closed.
    err = close(draft->fd) < 0 ? -errno : 0;
    draft->fd = -1;
    return err;
}

int draft_commit(struct draft *draft, struct failure *why)
{
    int err = finish(draft);
    if (err < 0)
        return failure_set(why, err, "cannot write %s: %s", draft->target,
                           strerror(-err));

    if (rename(draft->hidden, draft->target) < 0) {
        err = -errno;
        return failure_set(why, err, "cannot name the finished file %s: %s",
                           draft->target, strerror(-err));
    }
    draft->hidden[0] = '\0';
    return 0;
}

void draft_discard(struct draft *draft)
{
    if (draft->fd >= 0) (void)close(draft->fd);
    draft->fd = -1;
    if (draft->hidden[0]) (void)unlink(draft->hidden);
    draft->hidden[0] = '\0';
}
