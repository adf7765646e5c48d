// Runs a fuzz target on the files of a folder, without libFuzzer, as tests in
// TAP: `fuzz_NAME FOLDER`. Each file is given whole, and then each beginning of
// it, so that what is cut off is looked at too.
//
// Each input ends at an unreadable page.

#include <dirent.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"

#define SIZE_MAX_  65536 // of a file
#define BEGINNINGS 2048  // how many

static char *fence; // SIZE_MAX_ bytes, and then none

static int open_fence(void)
{
    fence = mmap(NULL, SIZE_MAX_ + 4096, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (fence == MAP_FAILED) return -1;
    return mprotect(fence + SIZE_MAX_, 4096, PROT_NONE);
}

static void give(const char *bytes, size_t len)
{
    char *at = fence + SIZE_MAX_ - len;
    memcpy(at, bytes, len);
    LLVMFuzzerTestOneInput((const uint8_t *)at, len);
}

static int run_file(const char *folder, const char *name)
{
    static char bytes[SIZE_MAX_];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file) return -1;
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);

    give(bytes, len);
    for (size_t i = 0; i < len && i < BEGINNINGS; i++)
        give(bytes, i);
    return 0;
}

static int is_file(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int count = argc == 2 ? scandir(argv[1], &entries, is_file, alphasort) : -1;
    if (count < 0 || open_fence() < 0) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }

    int failed = 0;
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        int err = run_file(argv[1], entries[i]->d_name);
        if (err < 0) failed = 1;
        printf("%s %d - %s\n", err < 0 ? "not ok" : "ok", i + 1,
               entries[i]->d_name);
        fflush(stdout);
        free(entries[i]);
    }
    free(entries);
    return failed;
}
