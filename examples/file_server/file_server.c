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

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "site.h"

#define PIECE_SIZE 16384 // with room for the longest path in it
#define SEND_SIZE  ((size_t)256 * 1024)

struct client {
    struct asyncio_stream *stream;
    struct site *site;
    struct request request;
    size_t len; // bytes in `head`: a request, and the beginning of the next
    char head[REQUEST_HEAD_MAX];
};

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

static bool is_of_file(const struct site_answer *answer)
{
    return answer->status == 200 || answer->status == 206;
}

// The fields that only some answers have.
static void write_special(char *at, size_t size, const struct request *request,
                          const struct site_answer *answer)
{
    at[0] = '\0';
    if (answer->status == 206)
        snprintf(at, size, "Content-Range: bytes %ju-%ju/%ju\r\n",
                 answer->first, answer->first + answer->count - 1,
                 answer->size);
    if (answer->status == 416)
        snprintf(at, size, "Content-Range: bytes */%ju\r\n", answer->size);
    if (answer->status == 301)
        snprintf(at, size, "Location: %.*s/\r\n", (int)request->path.len,
                 request->path.at);
}

// The head, and for what is not of a file a line of text. Returns its length.
static size_t write_head(char at[PIECE_SIZE], const struct request *request,
                         const struct site_answer *answer)
{
    const char *reason = reason_of(answer->status);
    bool of_file = is_of_file(answer);
    char special[REQUEST_LINE_MAX + 64], date[32] = "";
    struct tm now;
    time_t seconds = time(NULL);
    if (gmtime_r(&seconds, &now))
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &now);
    write_special(special, sizeof special, request, answer);
    bool words = !of_file && !request_is(request->method, "HEAD");
    return (size_t)snprintf(
        at, PIECE_SIZE,
        "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\nAllow: GET, HEAD\r\n"
        "Accept-Ranges: bytes\r\n%sContent-Type: %s\r\n"
        "Content-Length: %ju\r\n\r\n%s%s",
        answer->status, reason, date,
        request->keep_alive ? "keep-alive" : "close", special,
        of_file ? answer->type : "text/plain",
        of_file ? answer->count : (uint64_t)strlen(reason) + 1,
        words ? reason : "", words ? "\n" : "");
}

// What does not fit beside the head goes from the disk to the network by
// itself, so many bytes at a time that a client which reads is never too slow.
static int send_rest(struct client *client, const struct site_answer *answer,
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
static int send_answer(struct client *client, const struct site_answer *answer)
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
    struct site_answer answer = {.file = -1};
    int n = asyncio_wait_for(read_head(client), client->site->seconds), err = 0;
    if (n == -ETIMEDOUT) n = client->len > 0 ? -408 : 0;
    if (n == 0 || (n < 0 && n > -400)) return n;

    // Bodies are not read: what comes behind this one could not be found.
    if (n < 0 || client->request.has_body) client->request.keep_alive = false;
    if (n < 0)
        answer.status = -n;
    else
        err = site_find(client->site, &client->request, &answer);
    if (err == 0) err = send_answer(client, &answer);
    site_drop(client->site, &answer);
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
    struct site site;
    int err = site_open(&site, words[1], seconds);
    if (err < 0) return asyncio_raise(err, "%s: %s", words[1], strerror(-err));
    err = serve(&site, port);
    site_close(&site);
    return err;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && argc <= 4) return asyncio_main(async_main, argv);
    fprintf(stderr, "usage: file_server FOLDER [PORT [SECONDS]]\n");
    return 2;
}
