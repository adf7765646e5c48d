// Hidden files that are renamed when they are whole.
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

static int write_hidden_name(struct draft *draft)
{
    static atomic_uint last_number;
    unsigned number = atomic_fetch_add(&last_number, 1) + 1;
    const char *slash = strrchr(draft->target, '/');
    const char *name = slash ? slash + 1 : draft->target;
    int folder_len = (int)(name - draft->target);

    int len =
        snprintf(draft->hidden, sizeof draft->hidden, "%.*s.%s.part-%ld-%u",
                 folder_len, draft->target, name, (long)getpid(), number);
    return (size_t)len < sizeof draft->hidden ? 0 : -ENAMETOOLONG;
}

static int create_hidden(struct draft *draft)
{
    for (;;) {
        int err = write_hidden_name(draft);
        if (err < 0) return err;
        draft->fd =
            open(draft->hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (draft->fd >= 0) return 0;
        if (errno != EEXIST) return -errno;
    }
}

int draft_open(struct draft *draft, const char *target, struct failure *why)
{
    draft->fd = -1;
    draft->target = target;
    int err = strlen(target) < PATH_MAX ? create_hidden(draft) : -ENAMETOOLONG;
    if (err == 0) return 0;

    draft->hidden[0] = '\0';
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

int draft_commit(struct draft *draft, struct failure *why)
{
    // Some file systems report a full disk only when the file is closed.
    int err = close(draft->fd) < 0 ? -errno : 0;
    draft->fd = -1;
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
