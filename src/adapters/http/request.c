// A request: hop after hop until an answer is not a redirect, all of it within
// one time limit.
//
// Every hop is resolved anew and told to libcurl by address. Redirects are ours
// because each target has to pass the same gate as the first URL.

#include "adapters/http/client.h"

#include <asyncio/error.h>
#include <asyncio/timeout.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REDIRECTS_DEFAULT 10

// ---- One hop ----------------------------------------------------------------

// "GET http://a/", or "GET http://a/ (redirected to http://b/)".
static int set_title(struct asyncio__http_request *request)
{
    const char *first = request->first_url, *now = request->url.text;
    bool redirected = request->title != NULL;
    free(request->title);
    request->title = NULL;
    int len = redirected ? asprintf(&request->title,
                                    "GET %s (redirected to %s)", first, now)
                         : asprintf(&request->title, "GET %s", first);
    if (len >= 0) return 0;
    request->title = NULL;
    return -ENOMEM;
}

static int resolve(struct asyncio__http_request *request)
{
    if (request->client->freed)
        return asyncio_raise(-ESHUTDOWN, "%s: the client was freed",
                             request->title);
    int err = asyncio_getaddrinfo(request->url.host, request->url.port,
                                  &request->addresses,
                                  .resolver = request->client->resolver);
    if (err >= 0 || err == -ECANCELED) return err;
    char words[512]; // a copy, since raising may reuse the original's place
    snprintf(words, sizeof words, "%s", asyncio_strerror(err));
    return asyncio_raise(err, "%s: %s", request->title, words);
}

static void end_hop(struct asyncio__http_request *request)
{
    asyncio__http_transfer_close(request->transfer);
    asyncio_freeaddrinfo(request->addresses);
    request->transfer = NULL;
    request->addresses = NULL;
}

// Returns the status of the answer.
static int do_hop(struct asyncio__http_request *request)
{
    int err = resolve(request);
    if (err < 0) return err;
    const struct asyncio__http_hop hop = {
        .title = request->title,
        .url = &request->url,
        .addresses = request->addresses,
        .bytes_max = request->bytes_max,
        .too_long = request->too_long,
    };
    err =
        asyncio__http_transfer_open(&request->transfer, request->client, &hop);
    return err < 0 ? err : asyncio__http_transfer_status(request->transfer);
}

// ---- Redirects --------------------------------------------------------------

static const char *location_of(struct asyncio__http_request *request,
                               int status)
{
    bool redirect = status == 301 || status == 302 || status == 303 ||
                    status == 307 || status == 308;
    struct curl_header *header;
    if (!redirect || request->redirects_left < 0) return NULL;
    CURLHcode code = curl_easy_header(request->transfer->easy, "Location", 0,
                                      CURLH_HEADER, -1, &header);
    return code == CURLHE_OK ? header->value : NULL;
}

static int refuse_redirect(struct asyncio__http_request *request, int code,
                           const char *location, const char *why)
{
    char shown[ASYNCIO__HTTP_SHOWN];
    return asyncio_raise(code, "%s: redirected to '%s': %s", request->title,
                         asyncio__http_shown(location, shown), why);
}

// Makes `location` the request's URL; ends the hop that it came from.
static int follow(struct asyncio__http_request *request, const char *location)
{
    if (request->redirects_left == 0)
        return refuse_redirect(request, -ELOOP, location, "too many redirects");
    request->redirects_left--;

    struct asyncio__http_url next;
    const char *why;
    int err = asyncio__http_url_open(&next, location, request->url.text, &why);
    if (err == -EINVAL) return refuse_redirect(request, -EPROTO, location, why);
    if (err < 0) return err;
    if (request->url.secure && !next.secure) {
        err = refuse_redirect(request, -EPROTO, location,
                              "from https to http is refused");
        asyncio__http_url_close(&next);
        return err;
    }
    end_hop(request);
    asyncio__http_url_close(&request->url);
    request->url = next;
    return set_title(request);
}

// Goes on until there is a 2xx answer.
static int fetch(struct asyncio__http_request *request)
{
    for (;;) {
        int status = do_hop(request);
        if (status < 0 || status / 100 == 2) return status;
        const char *location = location_of(request, status);
        if (!location)
            return asyncio_raise(-EPROTO, "%s: %d %s", request->title, status,
                                 request->transfer->reason);
        int err = follow(request, location);
        if (err < 0) return err;
    }
}

// ---- All of it --------------------------------------------------------------

static int open_request(struct asyncio__http_request *request, const char *url)
{
    const char *why = "there is no URL";
    int err =
        url ? asyncio__http_url_open(&request->url, url, NULL, &why) : -EINVAL;
    char shown[ASYNCIO__HTTP_SHOWN];
    if (err == -EINVAL)
        return asyncio_raise(err, "GET %s: %s",
                             asyncio__http_shown(url ? url : "", shown), why);
    if (err < 0) return err;
    request->first_url = url;
    return set_title(request);
}

static void close_request(struct asyncio__http_request *request)
{
    end_hop(request);
    asyncio__http_url_close(&request->url);
    free(request->title);
}

static int perform(struct asyncio__http_request *request, const char *url,
                   int (*consume)(struct asyncio__http_request *, void *),
                   void *arg)
{
    int err = open_request(request, url);
    if (err >= 0) err = fetch(request);
    if (err >= 0) err = consume(request, arg);
    close_request(request);
    return err;
}

static int check(const struct asyncio_http_options *options)
{
    if (!(options->timeout >= 0))
        return asyncio_raise(-EINVAL, "a timeout of %g seconds cannot be",
                             options->timeout);
    if (options->max_redirects < -1)
        return asyncio_raise(-EINVAL, "%d redirects cannot be",
                             options->max_redirects);
    return 0;
}

static int limit_of_redirects(const struct asyncio_http_options *options)
{
    return options->max_redirects ? options->max_redirects : REDIRECTS_DEFAULT;
}

// Centuries are for ever, where the scope would call them out of range.
static double seconds_of(const struct asyncio_http_options *options)
{
    bool limited = options->timeout > 0 && options->timeout < 1e9;
    return limited ? options->timeout : ASYNCIO_FOREVER;
}

int asyncio__http_request(
    struct asyncio_http_client *client, const char *url,
    const struct asyncio_http_options *options, uint64_t size,
    int (*consume)(struct asyncio__http_request *request, void *arg), void *arg)
{
    static const struct asyncio_http_options defaults;
    if (!options) options = &defaults;
    int err = check(options);
    if (err == 0) err = asyncio__http_client_begin(client);
    if (err < 0) return err;

    struct asyncio__http_request request = {
        .client = client,
        .redirects_left = limit_of_redirects(options),
        .bytes_max = size,
        .too_long = -EMSGSIZE,
    };
    if (options->max_bytes && options->max_bytes < size) {
        request.bytes_max = options->max_bytes;
        request.too_long = -EFBIG;
    }
    ASYNCIO_WITH_TIMEOUT(limit, seconds_of(options));
    err = perform(&request, url, consume, arg);
    asyncio__http_client_end(client);
    err = asyncio_timeout_exit(&limit, err);
    if (err != -ETIMEDOUT || !asyncio_timeout_expired(&limit)) return err;
    return asyncio_raise(err, "GET %s: not complete within %g seconds", url,
                         options->timeout);
}
