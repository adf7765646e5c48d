// A draft: a file that is written out of sight, and appears when it is whole.
//
//     cc draft.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>

static void show(const char *when)
{
    char *data;
    size_t len;
    if (asyncio_read_file("list", &data, &len) < 0) {
        printf("%s: no list\n", when);
        return;
    }
    printf("%s: %s", when, data);
    asyncio_free_file(data);
}

// Writes lines one after the other, as they come; or gives up after two.
static int write_list(bool give_up)
{
    static const char *const lines[] = {"one, ", "two, ", "three\n"};
    struct asyncio_draft draft = {0};
    int err = asyncio_draft_open(&draft, "list", .mode = 0644);
    for (int i = 0; i < 3 && err == 0; i++) {
        err = asyncio_write_all(draft.fd, lines[i], strlen(lines[i]));
        if (i == 1) show("meanwhile");
        if (i == 1 && give_up) err = -EPIPE;
    }
    if (err == 0) err = asyncio_draft_commit(&draft);
    asyncio_draft_discard(&draft); // of a commit, nothing is left to discard
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = write_list(true);
    if (err != -EPIPE) return err;
    show("given up");
    err = write_list(false);
    if (err == 0) show("whole");
    int gone = asyncio_unlink("list");
    return err < 0 ? err : gone;
}

int main(void)
{
    char folder[] = "/tmp/asyncio-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder) < 0) return 1;
    int status = asyncio_main(async_main, NULL);
    rmdir(folder);
    return status;
}
// expect: meanwhile: no list
// expect: given up: no list
// expect: meanwhile: no list
// expect: whole: one, two, three
