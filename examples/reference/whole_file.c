// Files in one call each: replaced so that nobody ever sees a half, copied, and
// read into memory up to a bound.
//
//     cc whole_file.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>

static int save(const char *settings)
{
    return asyncio_replace_file("settings", settings, strlen(settings),
                                .mode = 0600);
}

static int show(const char *path)
{
    char *data;
    size_t len;
    int err = asyncio_read_file(path, &data, &len, .max_size = 20);
    if (err < 0) {
        printf("%s\n", asyncio_strerror(err));
        return err;
    }
    printf("%s, %zu bytes: %s\n", path, len, data);
    asyncio_free_file(data);
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = save("colour = red");
    if (err == 0) err = asyncio_copy_file("settings", "backup");
    if (err == 0) err = save("colour = a very, very dark red");
    if (err == 0 && show("settings") == -EFBIG) err = show("backup");
    asyncio_ignore(asyncio_unlink("settings"));
    asyncio_ignore(asyncio_unlink("backup"));
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
// expect: cannot read settings: it is longer than 20 bytes
// expect: backup, 12 bytes: colour = red
