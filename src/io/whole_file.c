// Files as a whole: reading one into memory, and the two ways to fill a draft.

#include <asyncio/whole_file.h>

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include <asyncio/error.h>
#include <asyncio/file.h>

#include "io/file.h"
#include "platform/sys.h"

#define DEFAULT_MAX ((size_t)64 * 1024 * 1024)
#define FIRST_SIZE  ((size_t)4 * 1024) // where the file does not say its own

// What the kernel copies at once: a cancel waits for the end of it.
#define COPY_SIZE   ((size_t)4 * 1024 * 1024)
#define BUFFER_SIZE ((size_t)128 * 1024)

static int explain(const char *site, int err, const char *what,
                   const char *path)
{
    if (err == -ECANCELED) return err;
    return asyncio_raise_at(site ? site : ASYNCIO_SITE, err, "cannot %s %s: %s",
                            what, path, strerror(-err));
}

// The same for reading, where -EINVAL is said of what is no file only.
static int explain_source(const char *site, int err, const char *what,
                          const char *path)
{
    if (err != -EINVAL) return explain(site, err, what, path);
    return asyncio_raise_at(site ? site : ASYNCIO_SITE, err,
                            "cannot %s %s: it is no regular file", what, path);
}

// Opens a regular file, and looks at it. To open a pipe would wait for its
// other end; non-blocking it does not, and it is closed again. A file must not
// stay so: some file systems would then let the kernel say -EAGAIN for ever.
static int open_regular(const char *path, struct stat *out)
{
    int fd = asyncio_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0) return fd;
    int err = asyncio_fstat(fd, out);
    if (err == 0 && S_ISDIR(out->st_mode)) err = -EISDIR;
    if (err == 0 && !S_ISREG(out->st_mode)) err = -EINVAL;
    if (err == 0) err = asyncio__sys_set_nonblocking(fd, false);
    if (err == 0) return fd;
    asyncio__close(fd);
    return err;
}

// ---- Reading ----------------------------------------------------------------

// What is read so far: `len` of `size` bytes, of which one is for the zero.
struct contents {
    char *data;
    size_t len;
    size_t size;
    size_t max; // bytes that `len` may come to
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Makes room for more: one byte beyond the bound, to find out that there is
// one, and one for the zero.
static int grow(struct contents *contents, size_t wanted)
{
    size_t size = least(wanted, contents->max + 2);
    void *grown =
        asyncio__realloc_array(contents->data, contents->size, size, 1);
    if (!grown) return -ENOMEM;
    contents->data = grown;
    contents->size = size;
    return 0;
}

// A file may be longer than it says, as those of /proc are, or grow meanwhile.
static int read_to_the_end(struct contents *contents, int fd)
{
    for (;;) {
        if (contents->len + 1 == contents->size) {
            int err = grow(contents, contents->size * 2);
            if (err < 0) return err;
        }
        int more = asyncio_read(fd, contents->data + contents->len,
                                contents->size - contents->len - 1);
        if (more <= 0) return more;
        contents->len += (size_t)more;
        if (contents->len > contents->max) return -EFBIG;
    }
}

static int read_contents(struct contents *contents, const char *path)
{
    struct stat there;
    int fd = open_regular(path, &there);
    if (fd < 0) return fd;
    size_t said = (size_t)there.st_size;
    int err = said > contents->max ? -EFBIG : 0;
    if (err == 0) err = grow(contents, said > 0 ? said + 2 : FIRST_SIZE);
    if (err == 0) err = read_to_the_end(contents, fd);
    asyncio__close(fd);
    return err;
}

static int explain_read(const char *site, int err, const char *path, size_t max)
{
    if (err != -EFBIG) return explain_source(site, err, "read", path);
    return asyncio_raise_at(site ? site : ASYNCIO_SITE, err,
                            "cannot read %s: it is longer than %zu bytes", path,
                            max);
}

int(asyncio_read_file)(const char *path, char **data, size_t *len,
                       const struct asyncio_read_file_options *options)
{
    static const struct asyncio_read_file_options none;
    if (!options) options = &none;
    if (!asyncio__task()) return -EPERM;
    if (!path) return -EINVAL;

    struct contents contents = {.max = options->max_size ? options->max_size
                                                         : DEFAULT_MAX};
    contents.max = least(contents.max, SSIZE_MAX - 2);
    int err = read_contents(&contents, path);
    if (err < 0) {
        asyncio__free(contents.data);
        return explain_read(options->site, err, path, contents.max);
    }
    contents.data[contents.len] = '\0';
    *data = contents.data;
    *len = contents.len;
    return 0;
}

void asyncio_free_file(char *data)
{
    asyncio__free(data);
}

// ---- Writing ----------------------------------------------------------------

int(asyncio_replace_file)(const char *path, const void *data, size_t len,
                          const struct asyncio_draft_options *options)
{
    struct asyncio_draft draft = {0};
    int err = (asyncio_draft_open)(&draft, path, options);
    if (err < 0) return err;
    err = asyncio_write_all(draft.fd, data, len);
    if (err < 0)
        err = explain(options ? options->site : NULL, err, "write", path);
    else
        err = asyncio_draft_commit(&draft);
    asyncio_draft_discard(&draft);
    return err;
}

// ---- Copying ----------------------------------------------------------------

// The kernel's own way, from position to position. 0 at what it takes for the
// end, or a negative errno.
static int copy_within_kernel(int from, int to)
{
    int copied;
    do
        copied = asyncio__file_operate(&(struct asyncio__op){
            .code = ASYNCIO__OP_COPY,
            .fd = from,
            .fd2 = to,
            .len = COPY_SIZE,
        });
    while (copied > 0);
    return copied;
}

static int copy_by_hand(int from, int to)
{
    char *buffer = asyncio__alloc(BUFFER_SIZE);
    if (!buffer) return -ENOMEM;
    int len;
    while ((len = asyncio_read(from, buffer, BUFFER_SIZE)) > 0) {
        int err = asyncio_write_all(to, buffer, (size_t)len);
        if (err == 0) continue;
        len = err;
        break;
    }
    asyncio__free(buffer);
    return len;
}

// Both go by the positions, so the second begins where the first gave up:
// between two file systems, where the disk is full, which it will say again, or
// at an end that is none, for a file of /proc.
static int copy_contents(int from, int to)
{
    int err = copy_within_kernel(from, to);
    return err == -ECANCELED ? err : copy_by_hand(from, to);
}

static int copy_into_draft(int from, mode_t mode, const char *to,
                           const struct asyncio_draft_options *options)
{
    struct asyncio_draft draft = {0};
    struct asyncio_draft_options own = *options;
    if (own.mode == 0) own.mode = mode & 0777;
    if (own.mode == 0) own.mode = S_IRUSR; // 0 would be no permissions named
    int err = (asyncio_draft_open)(&draft, to, &own);
    if (err < 0) return err;
    err = copy_contents(from, draft.fd);
    if (err < 0)
        err = explain(options->site, err, "copy to", to);
    else
        err = asyncio_draft_commit(&draft);
    asyncio_draft_discard(&draft);
    return err;
}

int(asyncio_copy_file)(const char *from, const char *to,
                       const struct asyncio_draft_options *options)
{
    static const struct asyncio_draft_options none;
    struct stat there;
    if (!options) options = &none;
    if (!asyncio__task()) return -EPERM;
    if (!from || !to) return -EINVAL;

    int fd = open_regular(from, &there);
    if (fd < 0) return explain_source(options->site, fd, "copy", from);
    int err = copy_into_draft(fd, there.st_mode, to, options);
    asyncio__close(fd);
    return err;
}
