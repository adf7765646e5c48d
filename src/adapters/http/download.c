// A body into a file, which appears whole or not at all.
//
// The body goes to a hidden draft in the same folder; when it is complete, the
// draft takes the name. A draft that fails, or is cancelled, is removed before
// the call returns: the clean-up may be cancelled itself and does its work all
// the same.

#include "adapters/http/client.h"

#include <asyncio/error.h>
#include <asyncio/file.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 100 // that are tried for a draft

struct draft {
    const char *path; // what it will be called
    char *hidden;
    int fd;
    const char *title; // of the request, for words
};

static int explain(const struct draft *draft, int err, const char *what)
{
    if (err == -ECANCELED) return err;
    return asyncio_raise(err, "cannot %s %s: %s (%s)", what, draft->path,
                         strerror(-err), draft->title);
}

// A name next to `path` that nobody is likely to have.
static int name_draft(struct draft *draft)
{
    static atomic_uint count;
    const char *slash = strrchr(draft->path, '/');
    int folder_len = slash ? (int)(slash + 1 - draft->path) : 0;
    free(draft->hidden);
    int len = asprintf(&draft->hidden, "%.*s.asyncio-%d-%u.part", folder_len,
                       draft->path, (int)getpid(), atomic_fetch_add(&count, 1));
    if (len >= 0) return 0;
    draft->hidden = NULL;
    return -ENOMEM;
}

static int open_draft(struct draft *draft)
{
    int fd = -EEXIST;
    for (int i = 0; fd == -EEXIST && i < NAMES_MAX; i++) {
        int err = name_draft(draft);
        if (err < 0) return err;
        fd = asyncio_open(draft->hidden, O_WRONLY | O_CREAT | O_EXCL, 0666);
    }
    if (fd < 0) return explain(draft, fd, "create");
    draft->fd = fd;
    return 0;
}

static int fill_draft(struct draft *draft,
                      struct asyncio__http_request *request)
{
    for (;;) {
        const char *data;
        int len = asyncio__http_transfer_read(request->transfer, &data);
        if (len <= 0) return len;
        int err = asyncio_write_all(draft->fd, data, (size_t)len);
        if (err < 0) return explain(draft, err, "write");
    }
}

// Some file systems say only now that the disk is full.
static int close_draft(struct draft *draft)
{
    int err = asyncio_close(draft->fd);
    draft->fd = -1;
    return err < 0 ? explain(draft, err, "write") : 0;
}

// Removes it, if need be by a call that blocks. Returns `err`, or -ECANCELED if
// a cancel came meanwhile: it would be lost else.
static int discard_draft(struct draft *draft, int err)
{
    if (draft->fd >= 0) asyncio_ignore(asyncio_close(draft->fd));
    draft->fd = -1;
    int removed = asyncio_unlink(draft->hidden);
    if (removed < 0) unlink(draft->hidden);
    return removed == -ECANCELED ? removed : err;
}

// To rename over a device or a pipe would replace it.
static int check_path(const struct draft *draft)
{
    struct stat there;
    int err = asyncio_stat(draft->path, &there);
    if (err == -ENOENT) return 0;
    if (err < 0) return explain(draft, err, "write");
    if (S_ISREG(there.st_mode)) return 0;
    return asyncio_raise(S_ISDIR(there.st_mode) ? -EISDIR : -EINVAL,
                         "cannot write %s: it is no regular file (%s)",
                         draft->path, draft->title);
}

static int save(struct asyncio__http_request *request, void *arg)
{
    struct draft draft = {.path = arg, .fd = -1, .title = request->title};
    int err = check_path(&draft);
    if (err == 0) err = open_draft(&draft);
    if (err == 0) {
        err = fill_draft(&draft, request);
        if (err == 0) err = close_draft(&draft);
        if (err == 0) {
            err = asyncio_rename(draft.hidden, draft.path);
            if (err < 0) err = explain(&draft, err, "name");
        }
        if (err < 0) err = discard_draft(&draft, err);
    }
    free(draft.hidden);
    return err;
}

int(asyncio_http_download)(struct asyncio_http_client *client, const char *url,
                           const char *path,
                           const struct asyncio_http_options *options)
{
    if (!path) return -EINVAL;
    return asyncio__http_request(client, url, options, UINT64_MAX, save,
                                 (void *)(uintptr_t)path);
}
