// A folder: its names, one after the other, and then those below it.
//
//     cc folder.c $(pkg-config --cflags --libs libasyncio)

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <asyncio.h>

static int count(struct asyncio_folder *folder)
{
    struct asyncio_folder_entry entry;
    int names = 0, err;
    while ((err = asyncio_readdir(folder, &entry)) > 0)
        names++;
    return err < 0 ? err : names;
}

// Removes what is in the folder, whose entries come as they go.
static int empty(struct asyncio_folder *folder)
{
    struct asyncio_folder_entry entry;
    int err;
    while ((err = asyncio_readdir(folder, &entry)) > 0) {
        int flags = entry.type == DT_DIR ? AT_REMOVEDIR : 0;
        printf("%s goes\n", flags ? "a folder" : "a file");
        err = asyncio_unlinkat(folder->fd, entry.name, flags);
        if (err < 0) break;
    }
    return err;
}

// The folder `name` below one that is open.
static int count_below(int above, const char *name)
{
    struct asyncio_folder folder = {0};
    int fd = asyncio_openat(above, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return fd;
    int err = asyncio_fdopendir(&folder, fd);
    if (err < 0) {
        asyncio_ignore(asyncio_close(fd));
        return err;
    }
    err = count(&folder);
    asyncio_ignore(asyncio_closedir(&folder));
    return err;
}

static int look(struct asyncio_folder *folder)
{
    int names = count(folder);
    if (names < 0) return names;
    int below = count_below(folder->fd, "sub");
    if (below < 0) return below;
    printf("%d names, %d below\n", names, below);
    int err = asyncio_unlinkat(folder->fd, "file", 0);
    if (err == 0) err = asyncio_rewinddir(folder);
    return err < 0 ? err : empty(folder);
}

static int async_main(void *arg)
{
    struct asyncio_folder folder = {0};
    int err = asyncio_opendir(&folder, arg);
    if (err < 0) return err;
    err = asyncio_mkdirat(folder.fd, "sub", 0755);
    if (err == 0) {
        int fd = asyncio_openat(folder.fd, "file", O_WRONLY | O_CREAT, 0600);
        err = fd < 0 ? fd : asyncio_close(fd);
    }
    if (err == 0) err = look(&folder);
    int closed = asyncio_closedir(&folder);
    return err < 0 ? err : closed;
}

int main(void)
{
    char folder[] = "/tmp/asyncio-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    int status = asyncio_main(async_main, folder);
    rmdir(folder);
    return status;
}
// expect: 2 names, 0 below
// expect: a folder goes
