// Finding files: names, types, dates, and no way out of the folder.

#include "site.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// ---- Descriptors ------------------------------------------------------------

static void keep_spares(struct site *site)
{
    while (site->spare_count < SITE_SPARES) {
        int fd = fcntl(site->folder, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) return;
        site->spares[site->spare_count++] = fd;
    }
}

int site_open(struct site *site, const char *path, double seconds)
{
    *site = (struct site){.seconds = seconds};
    site->folder = asyncio_open(path, O_PATH | O_DIRECTORY, 0);
    if (site->folder < 0) return site->folder;
    keep_spares(site);
    return 0;
}

void site_close(struct site *site)
{
    while (site->spare_count > 0)
        close(site->spares[--site->spare_count]);
    close(site->folder);
}

// Clients who are there are served although others have taken all descriptors:
// with those that are kept, or when one comes free.
static int open_name(struct site *site, int folder, const char *name, int flags)
{
    double end = asyncio_time() + site->seconds;
    for (;;) {
        int fd = asyncio_openat(folder, name, flags | O_NOFOLLOW, 0);
        if (fd != -EMFILE || asyncio_time() >= end) return fd;
        if (site->spare_count > 0) {
            close(site->spares[--site->spare_count]);
            continue;
        }
        int err = asyncio_sleep(0.01);
        if (err < 0) return err;
    }
}

// Opens what `path` names below the folder, one name after the other and
// through no symbolic link, so that nothing leads out of it. Cuts `path` to
// pieces.
static int open_below(struct site *site, char *path)
{
    int at = site->folder;
    char *name = path, *slash;
    while (at >= 0 && (slash = strchr(name, '/'))) {
        *slash = '\0';
        int next = open_name(site, at, name, O_PATH | O_DIRECTORY);
        if (at != site->folder) close(at);
        at = next;
        name = slash + 1;
    }
    if (at < 0) return at;

    // A pipe must not keep us waiting for somebody to write.
    int fd = open_name(site, at, name, O_RDONLY | O_NONBLOCK);
    if (at != site->folder) close(at);
    return fd;
}

// ---- Answers ----------------------------------------------------------------

static int status_of(int err)
{
    switch (-err) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP: // a symbolic link
    case ENXIO:
    case ENAMETOOLONG: return 404;
    case EACCES:
    case EPERM: return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return 503;
    default: return 500;
    }
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {"html", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"txt", "text/plain; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"xml", "application/xml"},
        {"json", "application/json"},
        {"pdf", "application/pdf"},
        {"wasm", "application/wasm"},
        {"gz", "application/gzip"},
        {"zip", "application/zip"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"svg", "image/svg+xml"},
        {"woff2", "font/woff2"},
        {"mp4", "video/mp4"},
        {"mp3", "audio/mpeg"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(dot + 1, types[i][0]) == 0) return types[i][1];
    return "application/octet-stream";
}

void site_write_date(char text[32], time_t when)
{
    struct tm parts;
    if (!gmtime_r(&when, &parts) ||
        strftime(text, 32, "%a, %d %b %Y %H:%M:%S GMT", &parts) == 0)
        text[0] = '\0';
}

static int judge_file(const struct request *request, struct site_answer *answer)
{
    struct stat file;
    int err = asyncio_fstat(answer->file, &file);
    if (err < 0) return err == -ECANCELED ? err : status_of(err);
    if (S_ISDIR(file.st_mode)) return 301;
    if (!S_ISREG(file.st_mode)) return 404;

    site_write_date(answer->modified, file.st_mtime);
    answer->size = answer->count = (uint64_t)file.st_size;
    if (request_is(request->if_modified_since, answer->modified)) return 304;
    // Ranges are for GET, and of the file that the client knows.
    if (!request_is(request->method, "GET") ||
        (request->if_range.at &&
         !request_is(request->if_range, answer->modified)))
        return 200;
    return request_range(request, answer->size, &answer->first, &answer->count);
}

static int judge(struct site *site, const struct request *request,
                 struct site_answer *answer)
{
    static const char index[] = "index.html";
    char path[4096];
    if (!request_is(request->method, "GET") &&
        !request_is(request->method, "HEAD"))
        return 405;
    int len = request_path(request, path, sizeof path - sizeof index);
    if (len < 0) return -len;
    if (len == 0 || path[len - 1] == '/')
        memcpy(path + len, index, sizeof index);

    answer->type = type_of(path);
    answer->file = open_below(site, path);
    if (answer->file == -ECANCELED) return -ECANCELED;
    return answer->file < 0 ? status_of(answer->file)
                            : judge_file(request, answer);
}

int site_find(struct site *site, const struct request *request,
              struct site_answer *answer)
{
    *answer = (struct site_answer){.file = -1};
    answer->status = judge(site, request, answer);
    return answer->status < 0 ? answer->status : 0;
}

void site_drop(struct site *site, struct site_answer *answer)
{
    if (answer->file >= 0) close(answer->file);
    answer->file = -1;
    keep_spares(site);
}
