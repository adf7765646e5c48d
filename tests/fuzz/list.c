// The list of a picture program: the file that its command line names.

#include <getopt.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../app/pictures.h"
#include "fuzz.h"

static void check_list(const struct pictures *pictures)
{
    MUST(pictures->count > 0);
    for (size_t i = 0; i < pictures->count; i++) {
        const struct image *image = &pictures->images[i];
        size_t len = strnlen(image->url, sizeof image->url);
        MUST(len > 0 && len < sizeof image->url);
        MUST(image->number == (int)i + 1);
        for (size_t k = 0; k < len; k++)
            MUST((unsigned char)image->url[k] >= ' ' && image->url[k] != 0x7f);
    }
}

// Where the program makes the folders for its pictures.
static char folder[] = "/tmp/fuzz-list-XXXXXX";

static void remove_folders(void)
{
    char below[64];
    snprintf(below, sizeof below, "%s/original_images", folder);
    rmdir(below);
    snprintf(below, sizeof below, "%s/processed_images", folder);
    rmdir(below);
    rmdir(folder);
}

static void make_folder(void)
{
    static int made;
    if (made++) return;
    MUST(mkdtemp(folder));
    atexit(remove_folders);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    make_folder();
    int fd = memfd_create("list", MFD_CLOEXEC);
    if (fd < 0) return 0;
    MUST(write(fd, data, size) == (ssize_t)size);
    MUST(lseek(fd, 0, SEEK_SET) == 0);

    char path[64], program[] = "list", out[] = "--out";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    char *argv[] = {program, path, out, folder, NULL};
    struct pictures pictures;
    struct failure why = {.text = ""};
    optind = 0; // getopt begins anew
    int err = pictures_open(&pictures, 4, argv, &why);
    if (err == 0) check_list(&pictures);
    if (err < 0) MUST(why.text[0]);
    pictures_close(&pictures);
    close(fd);
    return 0;
}
