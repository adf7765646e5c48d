// What the files of the HTTP client share.
//
//     client.c            libcurl on the loop
//     url.c               what a URL may be
//     request.c           hops and redirects
//     transfer.c          one hop: one easy handle, one bounded buffer
//     download.c, get.c   where bodies go
//
// libcurl runs in callbacks of the loop, and in the calls that a task makes to
// start, resume or end a transfer. Its own callbacks only note what happened
// and wake the task; handles are removed by tasks, never from inside libcurl.
#pragma once

#include <asyncio/dns.h>
#include <asyncio/http.h>

#include <curl/curl.h>

// ---- client.c ---------------------------------------------------------------

struct asyncio__http_watch;
struct asyncio__http_transfer;

struct asyncio_http_client {
    CURLM *multi;
    struct asyncio_loop *loop;
    struct asyncio_resolver *resolver;
    bool own_resolver;
    bool freed;                  // the last request frees it
    size_t requests;             // under way
    struct asyncio_handle timer; // when libcurl wants to be called next
    struct asyncio__http_watch *watches;
    struct asyncio__http_transfer *transfers;
};

// A request begins and ends with these. begin returns 0, -EINVAL without a
// client, -EPERM, -EXDEV or -ESHUTDOWN; only then no end is due.
int asyncio__http_client_begin(struct asyncio_http_client *client);
void asyncio__http_client_end(struct asyncio_http_client *client);

// Tells the transfers that have ended. To be called after libcurl was called.
void asyncio__http_client_collect(struct asyncio_http_client *client);

// ---- url.c ------------------------------------------------------------------

struct asyncio__http_url {
    char *text; // normalised, as libcurl gets it
    char *host; // without brackets
    char *port;
    bool literal; // the host is an address
    bool secure;  // https
};

// Takes a URL apart. With `base` it is a Location, which may be relative.
// Returns 0, -ENOMEM, or -EINVAL with `why`, static words. Close it on 0.
int asyncio__http_url_open(struct asyncio__http_url *url, const char *text,
                           const char *base, const char **why);
void asyncio__http_url_close(struct asyncio__http_url *url);

// `text` for people: short, and nothing in it moves a cursor.
#define ASYNCIO__HTTP_SHOWN 256
const char *asyncio__http_shown(const char *text,
                                char shown[static ASYNCIO__HTTP_SHOWN]);

// ---- transfer.c -------------------------------------------------------------

// libcurl hands over 16 KiB at a time, so a half takes at least two of these.
#define ASYNCIO__HTTP_HALF 32768

// One hop. Bodies pass through two halves: libcurl fills one while the task has
// the other, and pauses when there is no room.
struct asyncio__http_transfer {
    struct asyncio_http_client *client;
    struct asyncio__http_transfer *next; // asyncio_http_client.transfers
    const char *title;                   // "GET http://...", for words
    CURL *easy;
    struct curl_slist *resolve;
    const struct asyncio_addrinfo *addresses; // all that it may connect to
    struct asyncio_future news;               // what the task waits for
    bool waiting;
    bool answered; // status and headers are complete
    bool paused;   // libcurl has more than there is room for
    bool done;     // libcurl has ended it, with `code`
    CURLcode code;
    int err;         // why a callback of ours ended it, or 0
    const char *why; // words for that, static
    int too_long;    // the code of a body of more than bytes_max
    uint64_t bytes_max;
    uint64_t body_bytes;
    size_t header_bytes;
    char reason[64];             // behind the status: "Not Found"
    char words[CURL_ERROR_SIZE]; // libcurl's, if it has any
    int filling;                 // the half that libcurl writes to
    size_t len;                  // bytes in it
    char halves[2][ASYNCIO__HTTP_HALF];
};

struct asyncio__http_hop {
    const char *title;
    const struct asyncio__http_url *url;
    const struct asyncio_addrinfo *addresses;
    uint64_t bytes_max;
    int too_long;
};

// Starts a transfer. What `hop` points to has to outlive it. Returns 0 or a
// code with words.
int asyncio__http_transfer_open(struct asyncio__http_transfer **transfer,
                                struct asyncio_http_client *client,
                                const struct asyncio__http_hop *hop);

// Ends it wherever it stands, and frees it. Accepts NULL.
void asyncio__http_transfer_close(struct asyncio__http_transfer *transfer);

// Waits for the headers. Returns the status, 200 or more, or a code with words.
int asyncio__http_transfer_status(struct asyncio__http_transfer *transfer);

// Waits for the next part of the body, which is good until the next call.
// Returns its length, 0 at the end, or a code with words.
int asyncio__http_transfer_read(struct asyncio__http_transfer *transfer,
                                const char **data);

// libcurl has ended it; or: wake the task, if it waits, to look.
void asyncio__http_transfer_done(struct asyncio__http_transfer *transfer,
                                 CURLcode code);
void asyncio__http_transfer_wake(struct asyncio__http_transfer *transfer);

// ---- request.c --------------------------------------------------------------

struct asyncio__http_request {
    struct asyncio_http_client *client;
    struct asyncio__http_url url; // of the hop
    struct asyncio_addrinfo *addresses;
    struct asyncio__http_transfer *transfer;
    char *title;
    const char *first_url;
    int redirects_left; // -1: none are followed
    uint64_t bytes_max;
    int too_long;
};

// Has `consume` read the body of the 2xx answer to `url`, within the limits of
// `options`, and returns what it returned; a code with words if there is no
// such answer. A body longer than `size` ends with -EMSGSIZE.
int asyncio__http_request(struct asyncio_http_client *client, const char *url,
                          const struct asyncio_http_options *options,
                          uint64_t size,
                          int (*consume)(struct asyncio__http_request *request,
                                         void *arg),
                          void *arg);
