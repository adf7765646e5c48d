// A blocking download: one easy handle, one draft, one sentence on failure.
//
// The body of an answer that is not 2xx is never stored: libcurl gives up on an
// error status when the headers are there, and we look at any other status when
// the first bytes arrive. libcurl's own codes are translated in one
// table, with the words that a user needs; what is not in the table keeps
// libcurl's words.

#include "blocking_download.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "draft.h"

#define REDIRECTS_MAX 20

struct download {
    const char *url;
    double seconds;
    CURL *curl;
    struct draft draft;
    struct failure *why;
    int err;                     // what our own callback failed with, or 0
    char words[CURL_ERROR_SIZE]; // libcurl's, if it has any
};

static const struct {
    CURLcode from;
    int to;
    const char *words;
} translations[] = {
    {CURLE_URL_MALFORMAT, -EINVAL, "not a sound address"},
    {CURLE_UNSUPPORTED_PROTOCOL, -EINVAL, "not an http or https address"},
    {CURLE_COULDNT_RESOLVE_HOST, -ENOENT, "unknown host"},
    {CURLE_COULDNT_RESOLVE_PROXY, -ENOENT, "unknown proxy"},
    {CURLE_TOO_MANY_REDIRECTS, -ELOOP, "too many redirects"},
    {CURLE_PARTIAL_FILE, -ECONNRESET, "the body was cut short"},
    {CURLE_GOT_NOTHING, -ECONNRESET, "the server hung up without an answer"},
    {CURLE_RECV_ERROR, -ECONNRESET, "the connection broke"},
    {CURLE_SEND_ERROR, -ECONNRESET, "the connection broke"},
    {CURLE_OUT_OF_MEMORY, -ENOMEM, "no memory"},
};

static CURLcode global_state;

static void init_curl(void)
{
    global_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static CURL *make_handle(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
    return global_state == CURLE_OK ? curl_easy_init() : NULL;
}

static bool is_web_address(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0 ||
           strncasecmp(url, "https://", 8) == 0;
}

static int check_status(struct download *download)
{
    long status = 0;
    curl_easy_getinfo(download->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300) return 0;
    return failure_set(download->why, -EPROTO, "the server answered %ld for %s",
                       status, download->url);
}

// Called by libcurl with each piece of the body. A short count ends the
// transfer.
static size_t store(char *data, size_t size, size_t count, void *arg)
{
    struct download *download = arg;
    size_t len = size * count;
    download->err = check_status(download);
    if (download->err == 0)
        download->err = draft_write(&download->draft, data, len, download->why);
    return download->err < 0 ? CURL_WRITEFUNC_ERROR : len;
}

// At least 1, because 0 would be no limit to libcurl, and at most what a long
// of 32 bits holds.
static long milliseconds(double seconds)
{
    double value = seconds * 1e3;
    if (!(value > 1)) return 1;
    return value < 0x7fffffff ? (long)value : 0x7fffffff;
}

static CURLcode set_options(struct download *download)
{
    CURL *curl = download->curl;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, download->url);
#define SET(option, value)                                                     \
    if (code == CURLE_OK) code = curl_easy_setopt(curl, option, value)
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); // a dead name server outlasts any limit
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_TIMEOUT_MS, milliseconds(download->seconds));
    SET(CURLOPT_USERAGENT, "libasyncio-pictures/0.1");
    SET(CURLOPT_ERRORBUFFER, download->words);
    SET(CURLOPT_WRITEFUNCTION, store);
    SET(CURLOPT_WRITEDATA, download);
#undef SET
    return code;
}

// Which system error kept us from connecting, where libcurl knows it.
static int connect_error(struct download *download)
{
    long number = 0;
    curl_easy_getinfo(download->curl, CURLINFO_OS_ERRNO, &number);
    return number > 0 ? -(int)number : -ECONNREFUSED;
}

static int explain(struct download *download, CURLcode code)
{
    const char *url = download->url;
    if (download->err < 0) return download->err;
    if (code == CURLE_HTTP_RETURNED_ERROR) return check_status(download);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return failure_set(download->why, -ETIMEDOUT,
                           "not complete within %g seconds: %s",
                           download->seconds, url);
    if (code == CURLE_COULDNT_CONNECT) {
        int err = connect_error(download);
        return failure_set(download->why, err, "cannot connect (%s): %s",
                           strerror(-err), url);
    }
    for (size_t i = 0; i < sizeof translations / sizeof *translations; i++)
        if (translations[i].from == code)
            return failure_set(download->why, translations[i].to, "%s: %s",
                               translations[i].words, url);
    return failure_set(
        download->why, -EPROTO, "%s: %s",
        download->words[0] ? download->words : curl_easy_strerror(code), url);
}

static int transfer(struct download *download)
{
    CURLcode code = set_options(download);
    if (code == CURLE_OK) code = curl_easy_perform(download->curl);
    if (code != CURLE_OK) return explain(download, code);

    // An answer without a body has never been looked at.
    int err = check_status(download);
    return err < 0 ? err : draft_commit(&download->draft, download->why);
}

int blocking_download(const char *url, const char *path, double seconds,
                      struct failure *why)
{
    if (!is_web_address(url))
        return failure_set(why, -EINVAL, "not an http or https address: %s",
                           url);

    struct download download = {
        .url = url,
        .seconds = seconds,
        .draft = DRAFT_NONE,
        .why = why,
    };
    int err = draft_open(&download.draft, path, why);
    if (err < 0) return err;

    download.curl = make_handle();
    err = download.curl ? transfer(&download)
                        : failure_set(why, -ENOMEM, "no memory: %s", url);
    if (download.curl) curl_easy_cleanup(download.curl);
    draft_discard(&download.draft);
    return err;
}
