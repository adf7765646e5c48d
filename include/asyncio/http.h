// An HTTP/1.1 client on the loop (library libasyncio-http).
//
// One client serves any number of tasks of its loop and keeps connections for
// reuse. Names are resolved on the loop, redirects followed here, each hop
// connects only to the addresses that were resolved for it. Bodies pass through
// in chunks: memory is bounded whatever the server sends.
//
//     struct asyncio_http_client *client;
//     int err = asyncio_http_client_create(&client);
//     if (err < 0) return err;
//     err = asyncio_http_download(client, url, path, .timeout = 10);
//     asyncio_http_client_free(client);
//
// A URL is http or https, without user name and password. A redirect from https
// to http is refused. Certificates are verified. http_proxy and its like in the
// environment are ignored: a proxy would connect to what was never resolved
// here.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio_http_client;
struct asyncio_resolver;

struct asyncio_http_client_options {
    ASYNCIO__OPTIONS_HEAD
    // From asyncio/dns.h, to outlive the client; else one of its own.
    struct asyncio_resolver *resolver ASYNCIO__UNSET;
    void *reserved_[4] ASYNCIO__UNSET;
};

// Makes a client for the running loop.
//
// returns   0; -EPERM without a running loop; -ENOMEM
// suspends  never
// owns      asyncio_http_client_free, before the loop is closed
ASYNCIO_API int(asyncio_http_client_create)(
    struct asyncio_http_client **client,
    const struct asyncio_http_client_options *options);
#define asyncio_http_client_create(...)                                        \
    ASYNCIO__HTTP_CLIENT_CREATE(__VA_ARGS__, )
#define ASYNCIO__HTTP_CLIENT_CREATE(client, ...)                               \
    (asyncio_http_client_create)(                                              \
        client, ASYNCIO__OPTIONS(asyncio_http_client_options, __VA_ARGS__))

// Closes its connections and frees it. Requests should have ended; those that
// are under way end with -ESHUTDOWN, and the last one frees it. Accepts NULL.
ASYNCIO_API void asyncio_http_client_free(struct asyncio_http_client *client);

struct asyncio_http_options {
    ASYNCIO__OPTIONS_HEAD
    double timeout ASYNCIO__UNSET;     // seconds, redirects included; else none
    int max_redirects ASYNCIO__UNSET;  // else 10; -1 for none
    uint64_t max_bytes ASYNCIO__UNSET; // of the body, else no bound
    void *reserved_[4] ASYNCIO__UNSET;
};

// Fetches `url` into the file `path`, which appears whole or not at all: the
// body goes into a draft (asyncio/draft.h), which takes the name when it is
// complete, and is not synced to disk. What had the name before is replaced, if
// it was a regular file, and leaves its permissions.
//
// returns   0, or a negative errno with words that name the URL, or the file:
//           -EPROTO        an answer that is not 2xx (with its status), a
//                          forbidden redirect, or no sound HTTP
//           -ENOENT        an unknown host
//           -ECONNREFUSED  nobody listens there, or what connecting failed with
//           -ECONNRESET    the server hung up, also in the middle of the body
//           -ETIMEDOUT     not complete within `timeout`
//           -EKEYREJECTED  the server's certificate is not to be trusted
//           -ELOOP         too many redirects
//           -EFBIG         longer than max_bytes
//           -EINVAL        the URL, the options, or `path` is no regular file
//           -EXDEV         the client of another loop; -ESHUTDOWN if it was
//                          freed; -EPERM outside a task; -ENOMEM
//           and what the file system says, as -ENOSPC or -EACCES
// cancel    ends the transfer at once; nothing is left in the folder
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_http_download)(
    struct asyncio_http_client *client, const char *url, const char *path,
    const struct asyncio_http_options *options);
#define asyncio_http_download(...) ASYNCIO__HTTP_DOWNLOAD(__VA_ARGS__, )
#define ASYNCIO__HTTP_DOWNLOAD(client, url, path, ...)                         \
    (asyncio_http_download)(                                                   \
        client, url, path,                                                     \
        ASYNCIO__OPTIONS(asyncio_http_options, __VA_ARGS__))

// Fetches `url` into `body`, at most `size` - 1 bytes and a zero byte.
//
// returns   the length of the body; -EMSGSIZE if it does not fit; else as
//           asyncio_http_download
// cancel    ends the transfer at once
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_http_get)(
    struct asyncio_http_client *client, const char *url, char *body,
    size_t size, const struct asyncio_http_options *options);
#define asyncio_http_get(...) ASYNCIO__HTTP_GET(__VA_ARGS__, )
#define ASYNCIO__HTTP_GET(client, url, body, size, ...)                        \
    (asyncio_http_get)(client, url, body, size,                                \
                       ASYNCIO__OPTIONS(asyncio_http_options, __VA_ARGS__))

ASYNCIO__END
