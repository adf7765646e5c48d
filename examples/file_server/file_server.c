// A server of files: HTTP/1.1 on a folder, until SIGINT or SIGTERM.
//
//     file_server FOLDER [PORT [SECONDS]]
//
// Connections are kept, a range of a file can be had, and what changed since
// the last time is asked for by its date. SECONDS is how long a client may take
// for a request, or for a piece of the answer: 30, if nothing is said. On a
// signal requests that are under way are answered, within that time.
//
// A client is a task: it reads requests and answers them, one after the other,
// and nobody else has to know how far it is. What it keeps in memory is
// bounded, whatever the client does: a head, a piece of a file, and what the
// stream holds below its mark.

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "site.h"

#define PIECE_SIZE 16384
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
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 414: return "URI Too Long";
    case 416: return "Range Not Satisfiable";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Internal Server Error";
    }
}

struct text {
    char at[PIECE_SIZE];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = sizeof text->at - text->len;
    int len = vsnprintf(text->at + text->len, room, format, args);
    va_end(args);
    if (len > 0) text->len += (size_t)len < room ? (size_t)len : room - 1;
}

static bool is_of_file(const struct site_answer *answer)
{
    return answer->status == 200 || answer->status == 206;
}

// The fields, and for what is not of a file a line of text.
static void add_head(struct text *text, const struct request *request,
                     const struct site_answer *answer)
{
    const char *reason = reason_of(answer->status);
    char now[32];
    site_write_date(now, time(NULL));
    add(text, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n",
        answer->status, reason, now,
        request->keep_alive ? "keep-alive" : "close");
    if (answer->modified[0])
        add(text, "Last-Modified: %s\r\n", answer->modified);
    if (answer->status == 206)
        add(text, "Content-Range: bytes %ju-%ju/%ju\r\n", answer->first,
            answer->first + answer->count - 1, answer->size);
    if (answer->status == 416)
        add(text, "Content-Range: bytes */%ju\r\n", answer->size);
    if (answer->status == 405) add(text, "Allow: GET, HEAD\r\n");
    if (answer->status == 301)
        add(text, "Location: %.*s/\r\n", (int)request->path.len,
            request->path.at);

    if (is_of_file(answer))
        add(text,
            "Accept-Ranges: bytes\r\nContent-Type: %s\r\n"
            "Content-Length: %ju\r\n\r\n",
            answer->type, answer->count);
    else if (answer->status == 304)
        add(text, "\r\n");
    else
        add(text, "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
            strlen(reason) + 1);
    if (!is_of_file(answer) && answer->status != 304 &&
        !request_is(request->method, "HEAD"))
        add(text, "%s\n", reason);
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
    struct text text;
    uint64_t count = answer->count;
    int n = 0;
    text.len = 0;
    add_head(&text, &client->request, answer);
    if (!is_of_file(answer) || request_is(client->request.method, "HEAD"))
        count = 0;
    if (count > 0) {
        size_t room = sizeof text.at - text.len;
        n = asyncio_pread(answer->file, text.at + text.len,
                          count < room ? count : room, (off_t)answer->first);
        if (n <= 0) return n < 0 ? n : -EIO;
        text.len += (size_t)n;
    }
    int err = asyncio_wait_for(
        asyncio_stream_write(client->stream, text.at, text.len),
        client->site->seconds);
    if (err < 0 || count == 0) return err;
    return send_rest(client, answer, (uint64_t)n);
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
    int n = asyncio_wait_for(read_head(client), client->site->seconds);
    if (n == -ETIMEDOUT) n = client->len > 0 ? -408 : 0;
    if (n == 0 || (n < 0 && n > -400)) return n;

    // Bodies are not read: what comes behind this one could not be found.
    if (n < 0 || client->request.has_body) client->request.keep_alive = false;
    int err = 0;
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
    if (err == 0) err = asyncio_wait_for(read_rest(client), 1);
    return err;
}

static int on_client(struct asyncio_stream *stream, void *arg)
{
    struct client client;
    client.stream = stream;
    client.site = arg;
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

    err = asyncio_wait_signal(SIGINT, SIGTERM);
    asyncio_server_close(&server);
    asyncio_server_close_clients(&server);
    if (err >= 0)
        err = asyncio_wait_for(asyncio_server_wait_closed(&server),
                               site->seconds);
    if (err == 0) return 0;
    asyncio_server_abort_clients(&server);
    int gone = asyncio_server_wait_closed(&server);
    return err == -ETIMEDOUT ? gone : err;
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
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: file_server FOLDER [PORT [SECONDS]]\n");
        return 2;
    }
    return asyncio_main(async_main, argv);
}
