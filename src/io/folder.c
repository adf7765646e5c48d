// Reading a folder: the kernel fills a buffer with entries, which are handed
// out one by one.
//
// To ask the kernel is one operation, so a cancelled read has filled the
// buffer, and hands out from it, or has not begun.

#include <asyncio/folder.h>

#include <fcntl.h>
#include <string.h>

#include <asyncio/file.h>

#include "io/file.h"
#include "platform/sys.h"

#define BUFFER_SIZE ((size_t)32 * 1024)

static int make_buffer(struct asyncio_folder *folder)
{
    if (folder->buffer_) return -EBUSY;
    folder->buffer_ = asyncio__alloc(BUFFER_SIZE);
    if (!folder->buffer_) return -ENOMEM;
    folder->next_ = folder->len_ = 0;
    folder->busy_ = true;
    return 0;
}

// It is open as `fd`, unless that is an error.
static int finish_open(struct asyncio_folder *folder, int fd)
{
    folder->busy_ = false;
    if (fd >= 0) {
        folder->fd = fd;
        return 0;
    }
    asyncio__free(folder->buffer_);
    folder->buffer_ = NULL;
    return fd;
}

int asyncio_opendir(struct asyncio_folder *folder, const char *path)
{
    int err = make_buffer(folder);
    if (err < 0) return err;
    return finish_open(folder, asyncio_open(path, O_RDONLY | O_DIRECTORY, 0));
}

int asyncio_fdopendir(struct asyncio_folder *folder, int fd)
{
    struct stat there;
    int err = make_buffer(folder);
    if (err < 0) return err;
    err = asyncio_fstat(fd, &there);
    if (err == 0 && !S_ISDIR(there.st_mode)) err = -ENOTDIR;
    return finish_open(folder, err < 0 ? err : fd);
}

// Whether a call may begin: 0, or a negative errno.
static int begin(struct asyncio_folder *folder)
{
    if (!folder->buffer_) return -EBADF;
    if (folder->busy_) return -EBUSY;
    return 0;
}

static int fill(struct asyncio_folder *folder)
{
    folder->busy_ = true;
    int len = asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_LIST,
        .fd = folder->fd,
        .buffer = folder->buffer_,
        .len = BUFFER_SIZE,
    });
    folder->busy_ = false;
    if (len == -ENOENT) len = 0; // it has been removed: nothing is in it
    if (len < 0) return len;
    folder->next_ = 0;
    folder->len_ = (uint32_t)len;
    return len > 0;
}

static bool is_itself_or_above(const char *name)
{
    return name[0] == '.' &&
           (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

// The next entry of the buffer, or NULL.
static const struct dirent64 *take(struct asyncio_folder *folder)
{
    while (folder->next_ < folder->len_) {
        // The kernel begins each of them at a multiple of 8.
        const struct dirent64 *found =
            (const void *)(folder->buffer_ + folder->next_);
        folder->next_ += found->d_reclen;
        if (!is_itself_or_above(found->d_name)) return found;
    }
    return NULL;
}

int asyncio_readdir(struct asyncio_folder *folder,
                    struct asyncio_folder_entry *entry)
{
    if (!asyncio__task()) return -EPERM;
    int err = begin(folder);
    if (err < 0) return err;
    const struct dirent64 *found;
    while (!(found = take(folder))) {
        err = fill(folder);
        if (err <= 0) return err;
    }
    *entry = (struct asyncio_folder_entry){
        .name = found->d_name, .inode = found->d_ino, .type = found->d_type};
    return 1;
}

int asyncio_rewinddir(struct asyncio_folder *folder)
{
    int64_t position;
    int err = begin(folder);
    if (err < 0) return err;
    folder->busy_ = true;
    err = asyncio__file_operate(&(struct asyncio__op){
        .code = ASYNCIO__OP_SEEK,
        .fd = folder->fd,
        .flags = SEEK_SET,
        .buffer2 = &position,
    });
    folder->busy_ = false;
    if (err == 0) folder->next_ = folder->len_ = 0;
    return err;
}

int asyncio_closedir(struct asyncio_folder *folder)
{
    if (!folder) return 0;
    if (!asyncio__task()) return -EPERM;
    if (!folder->buffer_) return 0;
    if (folder->busy_) return -EBUSY;
    folder->busy_ = true;
    int err = asyncio__close(folder->fd);
    asyncio__free(folder->buffer_);
    *folder = (struct asyncio_folder){0};
    return err;
}
