// A file that takes its name when it is whole.
//
//     open folder -> open draft in it -> ... written by its user ... -> commit:
//         link to a hidden name -> sync -> close -> rename -> sync folder
//
// Everything happens below a descriptor of the folder, so that it stays one
// folder whatever becomes of its name. A file without a name is gone with its
// descriptor, also that of a process that is killed; where there are none, or
// no /proc to link them by, the draft has its hidden name from the beginning.
// It is linked before it is synced: what the disk gets is a file that has a
// name, on every file system.
//
// The rename is the point of no return. Up to there a cancel or an error leaves
// the target as it was; from there on nothing is cancelled.

#include <asyncio/draft.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <asyncio/error.h>
#include <asyncio/file.h>

#include "io/file.h"
#include "platform/sys.h"

#define NAMES_MAX   100 // that are tried
#define PERMISSIONS 0777

static const char irregular[] = "it is no regular file";

// `why` may be NULL: the code says it.
static int explain(const struct asyncio_draft *draft, const char *site, int err,
                   const char *what, const char *why)
{
    if (err == -ECANCELED) return err;
    return asyncio_raise_at(site ? site : ASYNCIO_SITE, err, "cannot %s %s: %s",
                            what, draft->path_, why ? why : strerror(-err));
}

// ---- The folder, and what is there ------------------------------------------

// Keeps the path, and behind it the folder's part of it.
static int take_path(struct asyncio_draft *draft, const char *path)
{
    size_t len = strlen(path);
    const char *slash = strrchr(path, '/');
    size_t folder_len = slash ? (size_t)(slash + 1 - path) : 0;

    draft->path_ = asyncio__alloc(len + 1 + folder_len + sizeof ".");
    if (!draft->path_) return -ENOMEM;
    memcpy(draft->path_, path, len + 1);
    memcpy(draft->path_ + len + 1, slash ? path : ".", slash ? folder_len : 1);
    draft->name_ = draft->path_ + folder_len;
    return 0;
}

static int open_folder(struct asyncio_draft *draft)
{
    const char *folder = draft->path_ + strlen(draft->path_) + 1;
    // What is not synced need not be readable.
    int flags = draft->no_sync_ ? O_PATH : O_RDONLY;
    int fd = asyncio_open(folder, flags | O_DIRECTORY, 0);
    if (fd < 0) return fd;
    draft->folder_ = fd;
    return 0;
}

// Whether a file may take the name: 1 and the permissions of one that has it, 0
// if there is none, or a negative errno.
static int look_at_target(const struct asyncio_draft *draft, mode_t *mode,
                          const char **why)
{
    struct stat there;
    const char *name = draft->name_;
    if (!*name) return *draft->path_ ? -EISDIR : -ENOENT;
    int err = asyncio_fstatat(draft->folder_, name, &there, 0);
    if (err == -ENOENT) return 0;
    if (err < 0) return err;
    if (S_ISDIR(there.st_mode)) return -EISDIR;
    if (!S_ISREG(there.st_mode)) {
        *why = irregular;
        return -EINVAL;
    }
    *mode = there.st_mode & PERMISSIONS;
    return 1;
}

// ---- The draft --------------------------------------------------------------

// Whether a file without a name can be given one here: 1 or 0; or -ECANCELED.
static int can_name_descriptors(void)
{
    static atomic_int known; // 0: not yet, 1: yes, -1: no
    struct stat there;
    int answer = atomic_load(&known);
    if (answer != 0) return answer > 0;

    int err = asyncio_stat("/proc/self/fd", &there);
    if (err == -ECANCELED) return err;
    if (err == 0 || err == -ENOENT) atomic_store(&known, err == 0 ? 1 : -1);
    return err == 0;
}

static int choose_name(struct asyncio_draft *draft)
{
    uint64_t number;
    ssize_t len = asyncio__sys_getrandom(&number, sizeof number, 0);
    if (len < 0) return (int)len;
    (void)snprintf(draft->hidden_, sizeof draft->hidden_,
                   ".asyncio-%016llx.part", (unsigned long long)number);
    return 0;
}

// Calls make() with one hidden name after the other, until one is free.
static int try_names(struct asyncio_draft *draft, mode_t mode,
                     int (*make)(struct asyncio_draft *draft, mode_t mode))
{
    int err = -EEXIST;
    for (int i = 0; err == -EEXIST && i < NAMES_MAX; i++) {
        err = choose_name(draft);
        if (err == 0) err = make(draft, mode);
    }
    if (err < 0) draft->hidden_[0] = '\0';
    return err;
}

static int open_below(struct asyncio_draft *draft, const char *name, int flags,
                      mode_t mode)
{
    int fd = asyncio_openat(draft->folder_, name, O_RDWR | flags, mode);
    if (fd < 0) return fd;
    draft->fd = fd;
    draft->opened_ = true;
    return 0;
}

static int open_hidden(struct asyncio_draft *draft, mode_t mode)
{
    return open_below(draft, draft->hidden_, O_CREAT | O_EXCL, mode);
}

// Whatever keeps a file from being nameless, the second try has the error that
// is worth telling.
static int open_file(struct asyncio_draft *draft, mode_t mode)
{
    int err = can_name_descriptors();
    if (err == -ECANCELED) return err;
    if (err > 0) {
        err = open_below(draft, ".", O_TMPFILE, mode);
        if (err == 0 || err == -ECANCELED) return err;
    }
    return try_names(draft, mode, open_hidden);
}

static int make_draft(struct asyncio_draft *draft, mode_t mode,
                      const char **why)
{
    mode_t replaced = 0666;
    int err = open_folder(draft);
    if (err < 0) return err;
    draft->has_folder_ = true;
    err = look_at_target(draft, &replaced, why);
    if (err < 0) return err;

    // Where it is to be exact, the umask may have taken some away.
    bool exact = mode != 0 || err > 0;
    if (mode == 0) mode = replaced;
    err = open_file(draft, mode);
    if (err == 0 && exact) err = asyncio_fchmod(draft->fd, mode);
    return err;
}

int(asyncio_draft_open)(struct asyncio_draft *draft, const char *path,
                        const struct asyncio_draft_options *options)
{
    static const struct asyncio_draft_options none;
    if (!options) options = &none;
    if (!asyncio__task()) return -EPERM;
    if (!path || options->mode & ~(mode_t)07777) return -EINVAL;
    if (draft->path_) return -EBUSY;

    *draft = (struct asyncio_draft){.no_sync_ = options->no_sync};
    int err = take_path(draft, path);
    if (err < 0) return err;
    const char *why = NULL;
    err = make_draft(draft, options->mode, &why);
    if (err == 0) return 0;
    err = explain(draft, options->site, err, "create", why);
    asyncio_draft_discard(draft);
    return err;
}

// ---- The end of it ----------------------------------------------------------

static int link_hidden(struct asyncio_draft *draft, mode_t mode)
{
    (void)mode;
    char open_file[32];
    (void)snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", draft->fd);
    return asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_LINK,
        .fd = draft->folder_,
        .path = open_file,
        .path2 = draft->hidden_,
        .flags = AT_SYMLINK_FOLLOW,
    });
}

static int take_name(struct asyncio_draft *draft)
{
    int err = asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_RENAME,
        .fd = draft->folder_,
        .path = draft->hidden_,
        .path2 = draft->name_,
    });
    if (err == 0) draft->hidden_[0] = '\0';
    return err;
}

// Some file systems say only now that the disk is full.
static int close_file(struct asyncio_draft *draft)
{
    draft->opened_ = false;
    return asyncio__close(draft->fd);
}

static int sync_folder(const struct asyncio_draft *draft)
{
    int err = asyncio__operate_always(
        &(struct asyncio__op){.code = ASYNCIO__OP_FSYNC, .fd = draft->folder_});
    if (err == -ENOMEM || err == -EAGAIN) // no room for an operation
        err = asyncio__sys_fsync(draft->folder_);
    return err == -EINVAL ? 0 : err; // its folders need no such call
}

static int finish(struct asyncio_draft *draft)
{
    int err = draft->hidden_[0] ? 0 : try_names(draft, 0, link_hidden);
    if (err == 0 && !draft->no_sync_) err = asyncio_fsync(draft->fd);
    if (err == 0) err = close_file(draft);
    if (err == 0) err = take_name(draft);
    if (err == 0 && !draft->no_sync_) err = sync_folder(draft);
    return err;
}

int asyncio_draft_commit(struct asyncio_draft *draft)
{
    if (!asyncio__task()) return -EPERM;
    if (!draft->opened_) return -EBADF;

    int err = finish(draft);
    if (err < 0) return explain(draft, NULL, err, "write", NULL);
    asyncio_draft_discard(draft);
    return 0;
}

static void remove_hidden(const struct asyncio_draft *draft)
{
    int err = asyncio__operate_always(&(struct asyncio__op){
        .code = ASYNCIO__OP_UNLINK,
        .fd = draft->folder_,
        .path = draft->hidden_,
    });
    if (err < 0 && err != -ENOENT)
        asyncio__sys_unlinkat(draft->folder_, draft->hidden_, 0);
}

void asyncio_draft_discard(struct asyncio_draft *draft)
{
    if (!draft || !draft->path_) return;

    if (draft->opened_) asyncio__close(draft->fd);
    if (draft->hidden_[0]) remove_hidden(draft);
    if (draft->has_folder_) asyncio__close(draft->folder_);
    asyncio__free(draft->path_);
    *draft = (struct asyncio_draft){0};
}
