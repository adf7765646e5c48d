// Files: written, looked at, changed and read back while other tasks run.
//
//     cc file.c $(pkg-config --cflags --libs libasyncio)

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>

static const char text[] = "first line\nsecond line\n";

static int write_text(int fd)
{
    char *const third = (char[]){"third "}, *const line = (char[]){"line\n"};
    struct iovec pieces[] = {{third, 6}, {line, 5}};
    int err = asyncio_write_all(fd, text, strlen(text));
    if (err >= 0) err = asyncio_writev(fd, pieces, 2);
    if (err >= 0) err = asyncio_write(fd, "?", 1);
    if (err >= 0) err = asyncio_pwrite(fd, "F", 1, 0);
    if (err >= 0) err = asyncio_pwrite_all(fd, "IRST", 4, 1);
    if (err >= 0) err = asyncio_pwritev(fd, pieces, 1, 23);
    if (err >= 0) err = asyncio_ftruncate(fd, 34); // the "?" goes
    if (err >= 0) err = asyncio_fdatasync(fd);
    return err < 0 ? err : asyncio_fsync(fd);
}

static int read_text(int fd)
{
    char start[6] = "", second[8] = "", rest[64] = "";
    struct iovec pieces[] = {{second, 6}, {start, 1}};
    int err = asyncio_preadv(fd, pieces, 2, 11); // "second" and a space
    if (err >= 0) err = asyncio_pread(fd, start, 2, 0);
    if (err >= 0) err = (int)asyncio_pread_all(fd, start, 5, 0);
    if (err >= 0) err = (int)asyncio_lseek(fd, 17, SEEK_SET);
    pieces[0] = (struct iovec){rest, 1};
    if (err >= 0) err = asyncio_readv(fd, pieces, 1);
    if (err >= 0) err = asyncio_read(fd, rest, 5);
    if (err >= 0) err = (int)asyncio_read_all(fd, rest + 5, sizeof rest - 6);
    if (err >= 0) printf("%s, then %s %s", start, second, rest);
    return err < 0 ? err : 0;
}

static int use_file(const char *path)
{
    struct stat status;
    int fd = asyncio_open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0) return fd;
    int err = write_text(fd);
    if (err >= 0) err = read_text(fd);
    if (err >= 0) err = asyncio_fchmod(fd, 0600);
    if (err >= 0) err = asyncio_fstat(fd, &status);
    if (err >= 0) printf("%ld bytes\n", (long)status.st_size);
    int closed = asyncio_close(fd);
    return err < 0 ? err : closed;
}

// Names below an open folder: nobody can exchange the folder meanwhile.
static int use_folder(int folder)
{
    struct stat status;
    int err = asyncio_mkdirat(folder, "sub", 0755);
    if (err < 0) return err;
    int fd = asyncio_openat(folder, "sub/room", O_WRONLY | O_CREAT, 0644);
    if (fd >= 0) {
        err = asyncio_fallocate(fd, 0, 0, 4096); // which not every disk can do
        asyncio_ignore(asyncio_close(fd));
    }
    if (err >= 0 || err == -EOPNOTSUPP)
        err = asyncio_fstatat(folder, "sub/room", &status, 0);
    if (err >= 0) err = asyncio_unlinkat(folder, "sub/room", 0);
    int gone = asyncio_unlinkat(folder, "sub", AT_REMOVEDIR);
    return err < 0 ? err : gone;
}

// In the working directory.
static int use_names(void)
{
    struct stat status, link;
    char where[16] = "";
    int err = asyncio_rename("draft", "text");
    if (err == 0) err = asyncio_link("text", "same");
    if (err == 0) err = asyncio_symlink("text", "way");
    if (err == 0) err = asyncio_stat("way", &status);
    if (err == 0) err = asyncio_lstat("way", &link);
    if (err >= 0) err = asyncio_readlink("way", where, sizeof where - 1);
    if (err >= 0)
        printf("way is a link: %d, to %s with %d names\n",
               S_ISLNK(link.st_mode), where, (int)status.st_nlink);
    asyncio_ignore(asyncio_unlink("way"));
    asyncio_ignore(asyncio_unlink("same"));
    return err < 0 ? err : asyncio_unlink("text");
}

static int async_main(void *arg)
{
    (void)arg;
    int folder = asyncio_open(".", O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0) return folder;
    int err = asyncio_mkdir("empty", 0755);
    if (err == 0) err = asyncio_rmdir("empty");
    if (err == 0) err = use_file("draft");
    if (err == 0) err = use_folder(folder);
    if (err == 0) err = use_names();
    asyncio_ignore(asyncio_close(folder));
    return err;
}

int main(void)
{
    char folder[] = "/tmp/asyncio-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) < 0) return 1;
    int status = asyncio_main(async_main, NULL);
    rmdir(folder);
    return status;
}
// expect: FIRST, then second line
// expect: third line
// expect: 34 bytes
// expect: way is a link: 1, to text with 2 names
