// Files of a few lines in /etc. They are read on the loop's own thread: it is
// the root file system, and they are in memory after the first time.

#include "io/name_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "platform/sys.h"

static int64_t ns_of(const struct statx_timestamp *time)
{
    return time->tv_sec * 1000000000 + time->tv_nsec;
}

bool asyncio__file_changed(const char *path, struct asyncio__file_stamp *stamp)
{
    struct statx found;
    struct asyncio__file_stamp now = {0};
    int err = asyncio__sys_statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &found);
    if (err == 0)
        now = (struct asyncio__file_stamp){
            .device = (uint64_t)found.stx_dev_major << 32 | found.stx_dev_minor,
            .inode = found.stx_ino,
            .size = found.stx_size,
            .modified_ns = ns_of(&found.stx_mtime),
            .changed_ns = ns_of(&found.stx_ctime),
        };
    else if (err != -ENOENT && err != -ENOTDIR)
        return false; // it could not be seen: as far as is known, it is as it
                      // was
    bool changed = now.device != stamp->device || now.inode != stamp->inode ||
                   now.size != stamp->size ||
                   now.modified_ns != stamp->modified_ns ||
                   now.changed_ns != stamp->changed_ns;
    *stamp = now;
    return changed;
}

static ssize_t read_on(int fd, char *to, size_t size)
{
    ssize_t n;
    do
        n = asyncio__sys_read(fd, to, size);
    while (n == -EINTR);
    return n;
}

static int read_all(int fd, size_t max, char **text, size_t *len)
{
    size_t size = 0;
    for (;;) {
        if (*len + 1 >= size) {
            size_t more = size ? size * 2 : 4096;
            char *longer = asyncio__realloc_array(*text, size, more, 1);
            if (!longer) return -ENOMEM;
            *text = longer;
            size = more;
        }
        ssize_t n = read_on(fd, *text + *len, size - *len - 1);
        if (n < 0) return (int)n;
        if (n == 0) return 0;
        *len += (size_t)n;
        if (*len > max) return -EFBIG;
    }
}

int asyncio__read_small_file(const char *path, size_t max, char **text,
                             size_t *len)
{
    *text = NULL;
    *len = 0;
    int fd;
    do
        fd = asyncio__sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
    while (fd == -EINTR);
    if (fd == -ENOENT || fd == -ENOTDIR) {
        *text = asyncio__alloc(1);
        return *text ? 0 : -ENOMEM;
    }
    if (fd < 0) return fd;
    int err = read_all(fd, max, text, len);
    (void)asyncio__sys_close(fd);
    if (err < 0) {
        asyncio__free(*text);
        *text = NULL;
        *len = 0;
    }
    return err;
}

// "files mdns4_minimal [NOTFOUND=return] dns": what stands in brackets is about
// the source before it.
static bool names_another(char *sources)
{
    char *rest = NULL;
    sources[strcspn(sources, "#")] = '\0';
    for (char *at = sources; (at = strchr(at, '[')); at++) {
        size_t len = strcspn(at, "]");
        memset(at, ' ', len + (at[len] == ']'));
    }
    char *word = strtok_r(sources, " \t\r", &rest);
    for (; word; word = strtok_r(NULL, " \t\r", &rest))
        if (strcmp(word, "files") != 0 && strcmp(word, "dns") != 0) return true;
    return false;
}

bool asyncio__has_other_sources(const char *path)
{
    char *text, *rest = NULL;
    size_t len;
    bool others = false;
    if (asyncio__read_small_file(path, 1 << 20, &text, &len) < 0) return false;
    char *line = strtok_r(text, "\n", &rest);
    for (; line; line = strtok_r(NULL, "\n", &rest)) {
        line += strspn(line, " \t");
        if (strncmp(line, "hosts:", 6) == 0) others = names_another(line + 6);
    }
    asyncio__free(text);
    return others;
}
