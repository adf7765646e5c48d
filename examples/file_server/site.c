// Finding files: names, types, and no way out of the folder.

#include "site.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- Descriptors ------------------------------------------------------------

static void keep_spares(struct site *site)
{
    for (int fd; site->spare_count < SITE_SPARES; site->spare_count++) {
        if ((fd = fcntl(site->folder, F_DUPFD_CLOEXEC, 0)) < 0) return;
        site->spares[site->spare_count] = fd;
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
        int err = 0;
        int fd = asyncio_openat(folder, name, flags | O_NOFOLLOW, 0);
        if (fd != -EMFILE || asyncio_time() >= end) return fd;
        if (site->spare_count > 0)
            close(site->spares[--site->spare_count]);
        else
            err = asyncio_sleep(0.01);
        if (err < 0) return err;
    }
}

// Opens what `path` names below the folder, one name after the other and
// through no symbolic link, so that nothing leads out of it. Cuts `path` to
// pieces. A pipe must not keep us waiting for somebody to write.
static int open_below(struct site *site, char *path)
{
    int at = site->folder;
    for (char *name; at >= 0 && (name = strsep(&path, "/"));) {
        int flags = path ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK;
        int next = open_name(site, at, name, flags);
        if (at != site->folder) close(at);
        at = next;
    }
    return at;
}

// ---- Answers ----------------------------------------------------------------

static int status_of(int err)
{
    if (err == -EACCES || err == -EPERM) return 403;
    if (err == -EMFILE || err == -ENFILE || err == -ENOMEM) return 503;
    return err == -EIO ? 500 : 404; // not there, or led to by a symbolic link
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".txt", "text/plain; charset=utf-8"},
        {".csv", "text/csv; charset=utf-8"},
        {".json", "application/json"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".svg", "image/svg+xml"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(dot, types[i][0]) == 0) return types[i][1];
    return "application/octet-stream";
}

static int judge_file(const struct request *request, struct site_answer *answer)
{
    struct stat file;
    int err = asyncio_fstat(answer->file, &file);
    if (err < 0) return err == -ECANCELED ? err : status_of(err);
    if (S_ISDIR(file.st_mode)) return 301;
    if (!S_ISREG(file.st_mode)) return 404;
    answer->size = answer->count = (uint64_t)file.st_size;
    if (!request_is(request->method, "GET")) return 200; // ranges are for GET
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
    if (answer->file >= 0) return judge_file(request, answer);
    return answer->file == -ECANCELED ? -ECANCELED : status_of(answer->file);
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
