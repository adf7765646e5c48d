// The other files of /etc about names: nsswitch.conf, whose line about hosts
// either has another source than files and dns or has not, and resolv.conf,
// which c-ares reads for us.
//
// The input is either file.

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "io/name_files.h"
#include "io/name_line.h"
#include "platform/sys.h"

static void check_whole(const char *path, const uint8_t *data, size_t size)
{
    char *text;
    size_t len;
    MUST(asyncio__read_small_file(path, 1 << 20, &text, &len) == 0);
    MUST(len == size && (len == 0 || memcmp(text, data, len) == 0));
    asyncio__free(text);
    int err = asyncio__read_small_file(path, 4096, &text, &len);
    MUST(err == (size > 4096 ? -EFBIG : 0));
    asyncio__free(text);
}

// A source of its own in the last line is one, whatever stands above it.
static void check_sources(int fd, const char *path)
{
    static const char others[] = "\nhosts: files mdns\n";
    static const char none[] = "\nhosts: dns [!UNAVAIL=return] files # mdns\n";
    (void)asyncio__has_other_sources(path);
    off_t end = lseek(fd, 0, SEEK_END);
    MUST(write(fd, others, sizeof others - 1) > 0);
    bool zero = false;
    char byte;
    for (off_t at = 0; at < end && !zero; at++)
        zero = pread(fd, &byte, 1, at) == 1 && byte == '\0';
    MUST(zero || asyncio__has_other_sources(path));
    MUST(write(fd, none, sizeof none - 1) > 0);
    MUST(zero || !asyncio__has_other_sources(path));
}

static void check_servers(char *path)
{
    const struct asyncio__name_line_options options = {.resolv_conf = path};
    struct asyncio__name_line *line;
    int err = asyncio__name_line_open(&line, &options);
    MUST(err == 0 || err == -EINVAL);
    if (err == 0) asyncio__name_line_close(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("names", MFD_CLOEXEC);
    MUST(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    check_whole(path, data, size);
    check_servers(path);
    check_sources(fd, path);
    close(fd);
    return 0;
}
