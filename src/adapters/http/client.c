// libcurl's multi handle on the loop: sockets, one timer, and who has ended.
//
// libcurl says which sockets it wants watched and when it wants to be called; a
// socket that is ready and a timer that is due call it back. It may open, close
// and forget sockets inside any call: a callback reads what it needs of its
// watch first, and does not look at it afterwards.

#include "adapters/http/client.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <threads.h>
#include <unistd.h>

// One socket that libcurl wants watched.
struct asyncio__http_watch {
    struct asyncio__http_watch *next;
    struct asyncio_http_client *client;
    curl_socket_t fd;
    bool readable, writable;
};

// ---- What the loop calls ----------------------------------------------------

static void act(struct asyncio_http_client *client, curl_socket_t fd,
                int events)
{
    int running;
    curl_multi_socket_action(client->multi, fd, events, &running);
    asyncio__http_client_collect(client);
}

static int on_readable(void *arg)
{
    const struct asyncio__http_watch *watch = arg;
    act(watch->client, watch->fd, CURL_CSELECT_IN);
    return 0;
}

static int on_writable(void *arg)
{
    const struct asyncio__http_watch *watch = arg;
    act(watch->client, watch->fd, CURL_CSELECT_OUT);
    return 0;
}

static int on_time(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
    return 0;
}

void asyncio__http_client_collect(struct asyncio_http_client *client)
{
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        if (message->msg != CURLMSG_DONE) continue;
        // The message is gone when the handle is touched.
        CURLcode code = message->data.result;
        struct asyncio__http_transfer *transfer = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        asyncio__http_transfer_done(transfer, code);
    }
}

// ---- What libcurl calls -----------------------------------------------------

// Without its sockets or its timer libcurl would wait for ever.
static void fail_transfers(struct asyncio_http_client *client, int err)
{
    struct asyncio__http_transfer *transfer = client->transfers;
    for (; transfer; transfer = transfer->next) {
        transfer->err = err;
        transfer->why = "its sockets could not be watched";
        asyncio__http_transfer_done(transfer, CURLE_ABORTED_BY_CALLBACK);
    }
}

static struct asyncio__http_watch **
find_watch(struct asyncio_http_client *client, curl_socket_t fd)
{
    struct asyncio__http_watch **place = &client->watches;
    while (*place && (*place)->fd != fd)
        place = &(*place)->next;
    return place;
}

static void drop_watch(struct asyncio_http_client *client, curl_socket_t fd)
{
    struct asyncio__http_watch **place = find_watch(client, fd);
    struct asyncio__http_watch *watch = *place;
    if (!watch) return;
    *place = watch->next;
    if (watch->readable) (void)asyncio_remove_reader(fd);
    if (watch->writable) (void)asyncio_remove_writer(fd);
    free(watch);
}

static int set_watch(struct asyncio__http_watch *watch, bool readable,
                     bool writable)
{
    int err = 0;
    if (readable && !watch->readable)
        err = asyncio_add_reader(watch->fd, on_readable, watch);
    else if (!readable && watch->readable)
        (void)asyncio_remove_reader(watch->fd);
    watch->readable = readable && err == 0;
    if (err < 0) return err;

    if (writable && !watch->writable)
        err = asyncio_add_writer(watch->fd, on_writable, watch);
    else if (!writable && watch->writable)
        (void)asyncio_remove_writer(watch->fd);
    watch->writable = writable && err == 0;
    return err;
}

// Never returns -1, which would break the multi handle for good.
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
                        void *unused)
{
    (void)easy;
    (void)unused;
    struct asyncio_http_client *client = arg;
    if (what == CURL_POLL_REMOVE) {
        drop_watch(client, fd);
        return 0;
    }
    struct asyncio__http_watch **place = find_watch(client, fd);
    if (!*place) *place = calloc(1, sizeof **place);
    if (!*place) {
        fail_transfers(client, -ENOMEM);
        return 0;
    }
    (*place)->client = client;
    (*place)->fd = fd;
    int err = set_watch(*place, (what & CURL_POLL_IN) != 0,
                        (what & CURL_POLL_OUT) != 0);
    if (err < 0) fail_transfers(client, err);
    return 0;
}

// May be called from inside any call of libcurl, so it only arms: libcurl must
// not be entered from here. -1 ms: there is nothing to wait for.
static int set_timer(CURLM *multi, long milliseconds, void *arg)
{
    (void)multi;
    struct asyncio_http_client *client = arg;
    asyncio_handle_cancel(&client->timer);
    if (milliseconds < 0) return 0;
    int err = asyncio_call_later((double)milliseconds / 1e3, on_time, client,
                                 .handle = &client->timer);
    if (err < 0) fail_transfers(client, err);
    return 0;
}

// ---- Its life ---------------------------------------------------------------

static CURLcode library_state;

static void init_library(void)
{
    library_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int open_multi(struct asyncio_http_client *client)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, init_library);
    if (library_state != CURLE_OK) return -ENOMEM;

    client->multi = curl_multi_init();
    if (!client->multi) return -ENOMEM;
    CURLMcode code = CURLM_OK;
#define SET(option, value)                                                     \
    if (code == CURLM_OK) code = curl_multi_setopt(client->multi, option, value)
    SET(CURLMOPT_SOCKETFUNCTION, watch_socket);
    SET(CURLMOPT_SOCKETDATA, client);
    SET(CURLMOPT_TIMERFUNCTION, set_timer);
    SET(CURLMOPT_TIMERDATA, client);
    SET(CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
#undef SET
    return code == CURLM_OK ? 0 : -ENOMEM;
}

// libcurl closes connections here, and says goodbye to their sockets.
static void destroy(struct asyncio_http_client *client)
{
    curl_multi_cleanup(client->multi);
    asyncio_handle_cancel(&client->timer);
    while (client->watches)
        drop_watch(client, client->watches->fd);
    if (client->own_resolver) asyncio_resolver_free(client->resolver);
    free(client);
}

int(asyncio_http_client_create)(
    struct asyncio_http_client **out,
    const struct asyncio_http_client_options *options)
{
    *out = NULL;
    if (!asyncio_get_running_loop()) return -EPERM;
    struct asyncio_http_client *client = calloc(1, sizeof *client);
    if (!client) return -ENOMEM;
    client->loop = asyncio_get_running_loop();
    client->resolver = options ? options->resolver : NULL;

    int err = open_multi(client);
    if (err == 0 && !client->resolver) {
        err = asyncio_resolver_create(&client->resolver);
        client->own_resolver = err == 0;
    }
    if (err < 0) {
        destroy(client);
        return err;
    }
    *out = client;
    return 0;
}

void asyncio_http_client_free(struct asyncio_http_client *client)
{
    if (!client || client->freed) return;
    if (client->requests == 0) {
        destroy(client);
        return;
    }
    client->freed = true;
    struct asyncio__http_transfer *transfer = client->transfers;
    for (; transfer; transfer = transfer->next)
        asyncio__http_transfer_wake(transfer);
    if (client->own_resolver) asyncio_resolver_free(client->resolver);
    client->own_resolver = false;
    client->resolver = NULL;
}

int asyncio__http_client_begin(struct asyncio_http_client *client)
{
    if (!client) return -EINVAL;
    if (!asyncio_current_task()) return -EPERM;
    if (client->loop != asyncio_get_running_loop()) return -EXDEV;
    if (client->freed) return -ESHUTDOWN;
    client->requests++;
    return 0;
}

void asyncio__http_client_end(struct asyncio_http_client *client)
{
    if (--client->requests == 0 && client->freed) destroy(client);
}
