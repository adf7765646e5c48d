// Files: written, synced and read back while other tasks run.
//
//     cc file.c $(pkg-config --cflags --libs libasyncio)

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asyncio.h>

static const char text[] = "first line\nsecond line\n";

static int write_text(int fd)
{
    int err = asyncio_write_all(fd, text, strlen(text));
    if (err >= 0) err = asyncio_write(fd, "third line\n", 11);
    if (err >= 0) err = asyncio_pwrite(fd, "FIRST", 5, 0);
    if (err >= 0) err = asyncio_fdatasync(fd);
    return err < 0 ? err : asyncio_fsync(fd);
}

static int read_text(int fd)
{
    char start[6] = "", rest[64] = "";
    int err = asyncio_pread(fd, start, 5, 0);
    if (err < 0) return err;
    if (lseek(fd, 11, SEEK_SET) < 0) return -EIO;
    err = asyncio_read(fd, rest, sizeof rest - 1);
    if (err >= 0) printf("%s, then %s", start, rest);
    return err < 0 ? err : 0;
}

static int use_file(const char *draft, const char *path)
{
    int fd = asyncio_open(draft, O_RDWR | O_CREAT, 0644);
    if (fd < 0) return fd;
    int err = write_text(fd);
    if (err >= 0) err = read_text(fd);
    int closed = asyncio_close(fd);
    if (err == 0) err = closed;
    return err < 0 ? err : asyncio_rename(draft, path);
}

static int async_main(void *arg)
{
    const char *folder = arg;
    char below[64], draft[80], path[80];
    struct stat status;
    snprintf(below, sizeof below, "%s/below", folder);
    snprintf(draft, sizeof draft, "%s/draft", below);
    snprintf(path, sizeof path, "%s/text", below);

    int err = asyncio_mkdir(below, 0755);
    if (err == 0) err = use_file(draft, path);
    if (err == 0) err = asyncio_stat(path, &status);
    if (err == 0) printf("%ld bytes\n", (long)status.st_size);
    int gone = asyncio_unlink(path);
    rmdir(below);
    return err < 0 ? err : gone;
}

int main(void)
{
    char folder[] = "/tmp/asyncio-XXXXXX";
    if (!mkdtemp(folder)) return 1;
    int status = asyncio_main(async_main, folder);
    rmdir(folder);
    return status;
}
// expect: FIRST, then second line
// expect: third line
// expect: 34 bytes
