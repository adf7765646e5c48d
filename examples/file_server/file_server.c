// A server of files: HTTP/1.1 on a folder, until SIGINT or SIGTERM.
//
//     file_server FOLDER [PORT [SECONDS]]
//
// Connections are kept, and a range of a file can be had. SECONDS is how long a
// client may take for a request, or for a piece of the answer: 30, if nothing
// is said. On a signal requests that are under way are answered, within that
// time.
//
// A client is a task: it reads requests and answers them, one after the other,
// and nobody else has to know how far it is. What it keeps in memory is
// bounded, whatever the client does: a head, a piece of a file, and what the
// stream holds below its mark.

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <asyncio.h>

#include "request.h"

#define PIECE_SIZE 16384 // with room for the longest path in it
#define SEND_SIZE  ((size_t)256 * 1024)
#define SPARES     8

// What is served: a folder, and descriptors that are kept for its files where
// connections would take all that there are.
struct site {
    int folder;
    double seconds; // how long somebody may wait for something here
    int spares[SPARES];
    int spare_count;
};

struct answer {
    int status;
    int file; // open to be read for 200 and 206, or negative
    const char *type;
    uint64_t size, first, count; // of the file, and of what is wanted of it
};

struct client {
    struct asyncio_stream *stream;
    struct site *site;
    struct request request;
    size_t len; // bytes in `head`: a request, and the beginning of the next
    char head[REQUEST_HEAD_MAX];
};

// ---- Finding files ----------------------------------------------------------

static void keep_spares(struct site *site)
{
    for (int fd; site->spare_count < SPARES; site->spare_count++) {
        if ((fd = fcntl(site->folder, F_DUPFD_CLOEXEC, 0)) < 0) return;
        site->spares[site->spare_count] = fd;
    }
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

static int judge_file(const struct request *request, struct answer *answer)
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

// The status for what is asked for, with the file of it; or -ECANCELED.
static int judge(struct site *site, const struct request *request,
                 struct answer *answer)
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

// ---- Answering --------------------------------------------------------------

static const char *reason_of(int status)
{
    switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 503: return "Service Unavailable";
    default: return "Refused";
    }
}

static bool is_of_file(const struct answer *answer)
{
    return answer->status == 200 || answer->status == 206;
}

static void write_range(char *at, size_t size, const struct answer *answer)
{
    at[0] = '\0';
    if (answer->status == 206)
        snprintf(at, size, "Content-Range: bytes %ju-%ju/%ju\r\n",
                 answer->first, answer->first + answer->count - 1,
                 answer->size);
    if (answer->status == 416)
        snprintf(at, size, "Content-Range: bytes */%ju\r\n", answer->size);
}

// The head, and for what is not of a file a line of text. Returns its length.
static size_t write_head(char at[PIECE_SIZE], const struct request *request,
                         const struct answer *answer)
{
    const char *reason = reason_of(answer->status);
    bool of_file = is_of_file(answer), moved = answer->status == 301;
    char range[96], date[32] = "";
    struct tm now;
    time_t seconds = time(NULL);
    if (gmtime_r(&seconds, &now))
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &now);
    write_range(range, sizeof range, answer);
    bool words = !of_file && !request_is(request->method, "HEAD");
    return (size_t)snprintf(
        at, PIECE_SIZE,
        "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\nAllow: GET, HEAD\r\n"
        "Accept-Ranges: bytes\r\n%s%s%.*s%sContent-Type: %s\r\n"
        "Content-Length: %ju\r\n\r\n%s%s",
        answer->status, reason, date,
        request->keep_alive ? "keep-alive" : "close", range,
        moved ? "Location: " : "", moved ? (int)request->path.len : 0,
        moved ? request->path.at : "", moved ? "/\r\n" : "",
        of_file ? answer->type : "text/plain",
        of_file ? answer->count : (uint64_t)strlen(reason) + 1,
        words ? reason : "", words ? "\n" : "");
}

// What does not fit beside the head goes from the disk to the network by
// itself, so many bytes at a time that a client which reads is never too slow.
static int send_rest(struct client *client, const struct answer *answer,
                     uint64_t sent)
{
    while (sent < answer->count) {
        uint64_t left = answer->count - sent;
        int n = asyncio_wait_for(
            asyncio_stream_sendfile(
                client->stream, answer->file, (off_t)(answer->first + sent),
                left < SEND_SIZE ? (size_t)left : SEND_SIZE),
            client->site->seconds);
        // It is shorter by now than we have promised.
        if (n <= 0) return n < 0 ? n : -EIO;
        sent += (uint64_t)n;
    }
    return 0;
}

// The head leaves together with the first piece of the file.
static int send_answer(struct client *client, const struct answer *answer)
{
    char piece[PIECE_SIZE];
    size_t len = write_head(piece, &client->request, answer);
    bool wanted = is_of_file(answer) && answer->count > 0 &&
                  !request_is(client->request.method, "HEAD");
    int n = 0;
    if (wanted) {
        size_t room = sizeof piece - len;
        n = asyncio_pread(answer->file, piece + len,
                          answer->count < room ? answer->count : room,
                          (off_t)answer->first);
        if (n <= 0) return n < 0 ? n : -EIO;
    }
    int err = asyncio_wait_for(
        asyncio_stream_write(client->stream, piece, len + (size_t)n),
        client->site->seconds);
    return err < 0 || !wanted ? err : send_rest(client, answer, (uint64_t)n);
}

// ---- A client ---------------------------------------------------------------

// Returns the length of a head, 0 at the end, a negative status of
// request_parse, or a negative errno; these are above -400.
static int read_head(struct client *client)
{
    int n;
    client->request = (struct request){.parsed = 0};
    while ((n = request_parse(&client->request, client->head, client->len)) ==
           0) {
        int got =
            asyncio_stream_read(client->stream, client->head + client->len,
                                sizeof client->head - client->len);
        if (got <= 0) return got;
        client->len += (size_t)got;
    }
    return n;
}

// Returns 1 if another request may come, 0 if none, or a negative errno.
static int serve_one(struct client *client)
{
    struct answer answer = {.file = -1};
    int n = asyncio_wait_for(read_head(client), client->site->seconds);
    if (n == -ETIMEDOUT) n = client->len > 0 ? -408 : 0;
    if (n == 0 || (n < 0 && n > -400)) return n;

    // Bodies are not read: what comes behind this one could not be found.
    if (n < 0 || client->request.has_body) client->request.keep_alive = false;
    answer.status = n < 0 ? -n : judge(client->site, &client->request, &answer);
    int err = answer.status > 0 ? send_answer(client, &answer) : answer.status;
    if (answer.file >= 0) close(answer.file);
    keep_spares(client->site);
    if (err < 0 || !client->request.keep_alive) return err;

    client->len -= (size_t)n;
    memmove(client->head, client->head + n, client->len);
    return 1;
}

static int read_rest(struct client *client)
{
    int n;
    do
        n = asyncio_stream_read(client->stream, client->head,
                                sizeof client->head);
    while (n > 0);
    return n;
}

// Sends what is unsent. Then the client has a moment to read it: a connection
// that is closed while bytes are still coming is reset, and that would overtake
// the answer.
static int part(struct client *client)
{
    struct asyncio_stream *stream = client->stream;
    int err = asyncio_stream_set_write_limits(stream, 0, 0);
    if (err == 0)
        err = asyncio_wait_for(asyncio_stream_drain(stream),
                               client->site->seconds);
    if (err == 0) err = asyncio_stream_write_eof(stream);
    return err < 0 ? err : asyncio_wait_for(read_rest(client), 1);
}

static int on_client(struct asyncio_stream *stream, void *site)
{
    struct client client;
    client.stream = stream;
    client.site = site;
    client.len = 0;
    int err;
    do
        err = serve_one(&client);
    while (err > 0);
    if (err == 0) err = part(&client);
    if (err < 0) asyncio_stream_abort(stream);
    return err == -ECANCELED ? err : 0; // that a client goes away is no failure
}

// ---- The server -------------------------------------------------------------

static int serve(struct site *site, int port)
{
    struct asyncio_server server;
    int err = asyncio_start_server(&server, on_client, site, "127.0.0.1", port,
                                   .backlog = 1024);
    if (err < 0) return err;
    printf("http://127.0.0.1:%d/\n", asyncio_server_port(&server));
    fflush(stdout);

    int signal = asyncio_wait_signal(SIGINT, SIGTERM);
    asyncio_server_close(&server);
    asyncio_server_close_clients(&server);
    err = asyncio_wait_for(asyncio_server_wait_closed(&server), site->seconds);
    if (err == -ETIMEDOUT) {
        asyncio_server_abort_clients(&server);
        err = asyncio_server_wait_closed(&server);
    }
    return signal < 0 ? signal : err;
}

static int async_main(void *arg)
{
    char **words = arg;
    int port = words[2] ? atoi(words[2]) : 8000;
    double seconds = words[2] && words[3] ? atof(words[3]) : 30;
    struct site site = {.seconds = seconds};
    site.folder = asyncio_open(words[1], O_PATH | O_DIRECTORY, 0);
    if (site.folder < 0)
        return asyncio_raise(site.folder, "%s: %s", words[1],
                             strerror(-site.folder));
    keep_spares(&site);
    int err = serve(&site, port);
    while (site.spare_count > 0)
        close(site.spares[--site.spare_count]);
    close(site.folder);
    return err;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && argc <= 4) return asyncio_main(async_main, argv);
    fprintf(stderr, "usage: file_server FOLDER [PORT [SECONDS]]\n");
    return 2;
}
