// One hop: one easy handle, the addresses it may connect to, and a buffer.
//
//     libcurl -> | half being filled |  swap  | half being read | -> the task
//
// A body comes in pieces of at most 16 KiB. What does not fit makes libcurl
// pause, which stops it reading the socket; the task takes the full half over,
// unpauses, and libcurl fills the other one, at first from inside that very
// call. So memory is bounded and a slow disk slows the server down. The body of
// an answer that is not 2xx is dropped as it comes.

#include "adapters/http/client.h"

#include <asyncio/error.h>

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES_MAX 262144 // of all headers of one answer
#define ADDRESSES_MAX    16     // that libcurl is told of

// ---- Why it failed ----------------------------------------------------------

static const struct {
    CURLcode from;
    int to;
    const char *words;
} translations[] = {
    {CURLE_PARTIAL_FILE, -ECONNRESET, "the body was cut short"},
    {CURLE_GOT_NOTHING, -ECONNRESET, "the server hung up without an answer"},
    {CURLE_RECV_ERROR, -ECONNRESET, "the connection broke"},
    {CURLE_SEND_ERROR, -ECONNRESET, "the connection broke"},
    {CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT, "connecting took too long"},
    {CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED,
     "the server's certificate is not to be trusted"},
    {CURLE_SSL_CONNECT_ERROR, -EPROTO, "no TLS could be agreed on"},
    {CURLE_OUT_OF_MEMORY, -ENOMEM, "no memory"},
};

static int explain_connect(struct asyncio__http_transfer *transfer)
{
    long number = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
    int code = number > 0 ? -(int)number : -ECONNREFUSED;
    return asyncio_raise(code, "%s: cannot connect: %s", transfer->title,
                         strerror(-code));
}

static int explain(struct asyncio__http_transfer *transfer)
{
    const char *title = transfer->title;
    if (transfer->err < 0)
        return asyncio_raise(transfer->err, "%s: %s", title, transfer->why);
    if (transfer->code == CURLE_COULDNT_CONNECT)
        return explain_connect(transfer);
    for (size_t i = 0; i < sizeof translations / sizeof *translations; i++)
        if (translations[i].from == transfer->code)
            return asyncio_raise(translations[i].to, "%s: %s", title,
                                 translations[i].words);
    return asyncio_raise(-EPROTO, "%s: %s", title,
                         transfer->words[0]
                             ? transfer->words
                             : curl_easy_strerror(transfer->code));
}

// ---- What libcurl calls -----------------------------------------------------

static size_t refuse(struct asyncio__http_transfer *transfer, int err,
                     const char *why)
{
    transfer->err = err;
    transfer->why = why;
    return CURL_WRITEFUNC_ERROR;
}

static long status_of(struct asyncio__http_transfer *transfer)
{
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

// Keeps what stands behind the number in "HTTP/1.1 404 Not Found".
static void keep_reason(struct asyncio__http_transfer *transfer,
                        const char *line, size_t len)
{
    size_t from = 0, kept = 0;
    for (int words = 0; words < 2 && from < len; from++)
        words += line[from] == ' ';
    for (; from < len && kept < sizeof transfer->reason - 1; from++)
        if (line[from] >= ' ' && line[from] < 0x7f)
            transfer->reason[kept++] = line[from];
    transfer->reason[kept] = '\0';
}

// Each line of the headers, and the empty one behind them; also of answers such
// as 100, and of trailers.
static size_t take_header(char *line, size_t size, size_t count, void *arg)
{
    struct asyncio__http_transfer *transfer = arg;
    size_t len = size * count;
    transfer->header_bytes += len;
    if (transfer->header_bytes > HEADER_BYTES_MAX)
        return refuse(transfer, -EPROTO, "its headers have no end");
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0)
        keep_reason(transfer, line, len);
    bool last = len > 0 && (line[0] == '\r' || line[0] == '\n');
    if (last && status_of(transfer) >= 200) {
        transfer->answered = true;
        asyncio__http_transfer_wake(transfer);
    }
    return len;
}

// Each piece of the body.
static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct asyncio__http_transfer *transfer = arg;
    size_t len = size * count;
    if (status_of(transfer) / 100 != 2) return len;
    if (len > ASYNCIO__HTTP_HALF)
        return refuse(transfer, -EIO, "more came at once than can be");
    if (len > transfer->bytes_max - transfer->body_bytes)
        return refuse(transfer, transfer->too_long, "the body is too long");
    asyncio__http_transfer_wake(transfer);
    if (len > ASYNCIO__HTTP_HALF - transfer->len) {
        transfer->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    memcpy(transfer->halves[transfer->filling] + transfer->len, data, len);
    transfer->len += len;
    transfer->body_bytes += len;
    return len;
}

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family) return false;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
        return x->sin_addr.s_addr == y->sin_addr.s_addr &&
               x->sin_port == y->sin_port;
    }
    if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
        return memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0 &&
               x->sin6_port == y->sin6_port;
    }
    return false;
}

// The door through which every connection goes: none to an address that was not
// resolved for this hop.
static curl_socket_t open_socket(void *arg, curlsocktype purpose,
                                 struct curl_sockaddr *to)
{
    struct asyncio__http_transfer *transfer = arg;
    const struct asyncio_addrinfo *address = transfer->addresses;
    while (address && !same_address(address->addr, &to->addr))
        address = address->next;
    if (purpose != CURLSOCKTYPE_IPCXN || !address) {
        refuse(transfer, -EACCES, "its address was not resolved for it");
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

// ---- Starting ---------------------------------------------------------------

// "+host:port:1.2.3.4,[::1]": the + lets libcurl forget it after a minute.
static int tell_addresses(struct asyncio__http_transfer *transfer,
                          const struct asyncio__http_hop *hop)
{
    if (hop->url->literal) return 0;
    size_t size = strlen(hop->url->host) + 16 +
                  ADDRESSES_MAX * (size_t)(INET6_ADDRSTRLEN + 3);
    char *line = malloc(size);
    if (!line) return -ENOMEM;
    size_t len =
        (size_t)snprintf(line, size, "+%s:%s:", hop->url->host, hop->url->port);

    const struct asyncio_addrinfo *address = hop->addresses;
    for (int i = 0; address && i < ADDRESSES_MAX;
         i++, address = address->next) {
        char text[INET6_ADDRSTRLEN + 1];
        int err = getnameinfo(address->addr, address->addr_len, text,
                              sizeof text, NULL, 0, NI_NUMERICHOST);
        if (err != 0 || strchr(text, '%')) continue;
        const char *form = address->family == AF_INET6 ? "[%s]" : "%s";
        if (line[len - 1] != ':') line[len++] = ',';
        len += (size_t)snprintf(line + len, size - len, form, text);
    }
    transfer->resolve = curl_slist_append(NULL, line);
    free(line);
    return transfer->resolve ? 0 : -ENOMEM;
}

static CURLcode set_options(struct asyncio__http_transfer *transfer,
                            const struct asyncio__http_hop *hop)
{
    CURLcode code = CURLE_OK;
#define SET(option, value)                                                     \
    if (code == CURLE_OK) code = curl_easy_setopt(transfer->easy, option, value)
    SET(CURLOPT_URL, hop->url->text);
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->words);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "libasyncio/0.1");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_RESOLVE, transfer->resolve);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, take_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, transfer);
#undef SET
    return code;
}

static int start(struct asyncio__http_transfer *transfer,
                 const struct asyncio__http_hop *hop)
{
    struct asyncio_http_client *client = transfer->client;
    transfer->easy = curl_easy_init();
    if (!transfer->easy) return -ENOMEM;
    int err = tell_addresses(transfer, hop);
    if (err < 0) return err;
    if (set_options(transfer, hop) != CURLE_OK) return -ENOMEM;
    // From here on it is found by whoever fails them all.
    transfer->next = client->transfers;
    client->transfers = transfer;
    CURLMcode code = curl_multi_add_handle(client->multi, transfer->easy);
    return code == CURLM_OK ? 0 : -ENOMEM;
}

int asyncio__http_transfer_open(struct asyncio__http_transfer **out,
                                struct asyncio_http_client *client,
                                const struct asyncio__http_hop *hop)
{
    struct asyncio__http_transfer *transfer = calloc(1, sizeof *transfer);
    *out = transfer;
    if (!transfer) return asyncio_raise(-ENOMEM, "%s: no memory", hop->title);
    transfer->client = client;
    transfer->title = hop->title;
    transfer->addresses = hop->addresses;
    transfer->bytes_max = hop->bytes_max;
    transfer->too_long = hop->too_long;

    int err = start(transfer, hop);
    if (err == 0) return 0;
    asyncio__http_transfer_close(transfer);
    *out = NULL;
    return asyncio_raise(err, "%s: no memory", hop->title);
}

void asyncio__http_transfer_close(struct asyncio__http_transfer *transfer)
{
    if (!transfer) return;
    struct asyncio_http_client *client = transfer->client;
    struct asyncio__http_transfer **place = &client->transfers;
    while (*place && *place != transfer)
        place = &(*place)->next;
    if (*place) *place = transfer->next;
    // Removing what was never added is no error. Its socket is closed here,
    // unless the answer has been read to its end.
    if (transfer->easy) {
        curl_multi_remove_handle(client->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    curl_slist_free_all(transfer->resolve);
    free(transfer);
}

// ---- Waiting ----------------------------------------------------------------

void asyncio__http_transfer_wake(struct asyncio__http_transfer *transfer)
{
    if (transfer->waiting)
        asyncio_ignore(
            asyncio_future_set_result_unless_cancelled(&transfer->news, 0));
}

void asyncio__http_transfer_done(struct asyncio__http_transfer *transfer,
                                 CURLcode code)
{
    if (transfer->done) return;
    transfer->done = true;
    transfer->code = code;
    asyncio__http_transfer_wake(transfer);
}

static int wait_for_news(struct asyncio__http_transfer *transfer)
{
    if (transfer->client->freed)
        return asyncio_raise(-ESHUTDOWN, "%s: the client was freed",
                             transfer->title);
    asyncio_future_init(&transfer->news);
    transfer->waiting = true;
    int err = asyncio_await(&transfer->news);
    transfer->waiting = false;
    asyncio_future_reset(&transfer->news);
    return err;
}

static int check_length(struct asyncio__http_transfer *transfer)
{
    curl_off_t announced = -1;
    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                      &announced);
    if (announced < 0 || (uint64_t)announced <= transfer->bytes_max) return 0;
    return asyncio_raise(transfer->too_long,
                         "%s: the body has %lld bytes, and %llu are allowed",
                         transfer->title, (long long)announced,
                         (unsigned long long)transfer->bytes_max);
}

int asyncio__http_transfer_status(struct asyncio__http_transfer *transfer)
{
    while (!transfer->answered) {
        if (transfer->done) {
            if (transfer->code == CURLE_OK) transfer->code = CURLE_GOT_NOTHING;
            return explain(transfer);
        }
        int err = wait_for_news(transfer);
        if (err < 0) return err;
    }
    int status = (int)status_of(transfer);
    int err = status / 100 == 2 ? check_length(transfer) : 0;
    return err < 0 ? err : status;
}

// Libcurl hands over at once what it could not before, so the half that it
// fills has to be empty.
static void unpause(struct asyncio__http_transfer *transfer)
{
    transfer->paused = false;
    CURLcode code = curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK) asyncio__http_transfer_done(transfer, code);
    asyncio__http_client_collect(transfer->client);
}

int asyncio__http_transfer_read(struct asyncio__http_transfer *transfer,
                                const char **data)
{
    while (transfer->len == 0) {
        if (transfer->done)
            return transfer->code == CURLE_OK ? 0 : explain(transfer);
        int err = wait_for_news(transfer);
        if (err < 0) return err;
    }
    int len = (int)transfer->len;
    *data = transfer->halves[transfer->filling];
    transfer->filling ^= 1;
    transfer->len = 0;
    if (transfer->paused) unpause(transfer);
    return len;
}
