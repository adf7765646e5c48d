// libuv: callbacks, no tasks.
//
//     libuv W7|W11|echo|http [PORT]

#define PEER "libuv"
#include "peer_http.h"

#include <uv.h>

static uv_loop_t *loop;

static void check(int err, const char *what)
{
    peer_check(err >= 0, what);
}

// ---- W7 ---------------------------------------------------------------------

static long ended;

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    ended++;
}

static uint64_t limit_ms(long i)
{
    return 30000 + (uint64_t)i % 60 * 1000;
}

static void naps(uv_timer_t *timers)
{
    double start = peer_now_ns(), processor = peer_processor_ns();
    uv_update_time(loop);
    for (int i = 0; i < SLEEPERS; i++) {
        uv_timer_init(loop, &timers[i]);
        uv_timer_start(&timers[i], on_timer, (uint64_t)peer_milliseconds(), 0);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    peer_print("W7", "sleep_wall", (peer_now_ns() - start) / 1e6, "ms");
    peer_print("W7", "sleep_cpu", (peer_processor_ns() - processor) / 1e6,
               "ms");
    peer_check(ended == SLEEPERS, "not all have slept");
}

static void timers(void)
{
    uv_timer_t *all = calloc(LIMITS, sizeof *all);
    peer_check(all != NULL, "no memory");
    naps(all);
    double start = peer_now_ns();
    for (long i = 0; i < LIMITS; i++) {
        uv_timer_start(all, on_timer, limit_ms(i), 0);
        uv_timer_stop(all);
    }
    peer_print("W7", "tmo_seq", (peer_now_ns() - start) / LIMITS, "ns");
    for (long i = 0; i < LIMITS; i++)
        uv_timer_init(loop, &all[i]);
    start = peer_now_ns();
    for (long i = 0; i < LIMITS; i++)
        uv_timer_start(&all[i], on_timer, limit_ms(i), 0);
    for (long i = 0; i < LIMITS; i++)
        uv_timer_stop(&all[i]);
    peer_print("W7", "tmo_bulk", (peer_now_ns() - start) / LIMITS, "ns");
    peer_check(ended == SLEEPERS, "a timer has fired that was stopped");
}

// ---- W11 --------------------------------------------------------------------

// uv_async_send says only that there is something; what it is lies in a list.
struct post {
    struct post *next;
};

static struct post *posts, *posted;
static long taken;
static uv_mutex_t lock;
static uv_async_t bell;

static void post_all(void *arg)
{
    (void)arg;
    for (long i = 0; i < POSTS; i++) {
        uv_mutex_lock(&lock);
        posts[i].next = posted;
        posted = &posts[i];
        uv_mutex_unlock(&lock);
        uv_async_send(&bell);
    }
}

static void on_bell(uv_async_t *async)
{
    uv_mutex_lock(&lock);
    struct post *post = posted;
    posted = NULL;
    uv_mutex_unlock(&lock);
    for (; post; post = post->next)
        taken++;
    if (taken == POSTS) uv_close((uv_handle_t *)async, NULL);
}

static void take_posts(void)
{
    uv_thread_t thread;
    posts = calloc(POSTS, sizeof *posts);
    peer_check(posts != NULL, "no memory");
    memset(posts, 1, POSTS * sizeof *posts);
    check(uv_mutex_init(&lock), "mutex");
    check(uv_async_init(loop, &bell, on_bell), "async");
    double start = peer_now_ns();
    check(uv_thread_create(&thread, post_all, NULL), "thread");
    uv_run(loop, UV_RUN_DEFAULT);
    peer_print("W11", "post", POSTS / (peer_now_ns() - start) * 1e9, "ops/s");
    uv_thread_join(&thread);
    peer_check(taken == POSTS, "posts were lost");
}

static uv_work_t work;
static long calls;

static void in_thread(uv_work_t *arg)
{
    (void)arg;
    calls++;
}

static void after_thread(uv_work_t *arg, int status)
{
    (void)arg;
    check(status, "work");
    if (calls < THREAD_CALLS)
        uv_queue_work(loop, &work, in_thread, after_thread);
}

static void call_threads(void)
{
    double start = peer_now_ns();
    uv_queue_work(loop, &work, in_thread, after_thread);
    uv_run(loop, UV_RUN_DEFAULT);
    peer_print("W11", "to_thread", (peer_now_ns() - start) / THREAD_CALLS / 1e3,
               "us");
    peer_check(calls == THREAD_CALLS, "calls were lost");
}

// ---- W8, W9 -----------------------------------------------------------------

struct connection {
    uv_tcp_t tcp;
    struct peer_heads heads;
    char bytes[65536];
};

struct rest {
    uv_write_t write;
    char bytes[];
};

static int http;

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
    struct connection *connection = (struct connection *)handle;
    (void)size;
    *buffer = uv_buf_init(connection->bytes, sizeof connection->bytes);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(write);
}

// What the socket does not take at once is copied, and written later.
static void answer(uv_stream_t *stream, const char *bytes, size_t len)
{
    uv_buf_t all = uv_buf_init((char *)bytes, (unsigned)len);
    int done = uv_try_write(stream, &all, 1);
    size_t sent = done > 0 ? (size_t)done : 0;
    if (sent == len) return;
    struct rest *rest = malloc(sizeof *rest + len - sent);
    peer_check(rest != NULL, "no memory");
    memcpy(rest->bytes, bytes + sent, len - sent);
    uv_buf_t buffer = uv_buf_init(rest->bytes, (unsigned)(len - sent));
    if (uv_write(&rest->write, stream, &buffer, 1, on_written) < 0) free(rest);
}

static void answer_heads(uv_stream_t *stream, const char *bytes, size_t len)
{
    struct peer_heads *heads = &((struct connection *)stream)->heads;
    peer_check(heads->len + len <= PEER_HEAD_MAX, "a head is too long");
    memcpy(heads->bytes + heads->len, bytes, len);
    heads->len += len;
    for (size_t left = peer_take_heads(heads); left > 0; left--)
        answer(stream, peer_hello, PEER_HELLO_LEN);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    if (len < 0)
        uv_close((uv_handle_t *)stream, on_closed);
    else if (http)
        answer_heads(stream, buffer->base, (size_t)len);
    else
        answer(stream, buffer->base, (size_t)len);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct connection *connection = calloc(1, sizeof *connection);
    check(status, "listen");
    peer_check(connection != NULL, "no memory");
    uv_tcp_init(loop, &connection->tcp);
    check(uv_accept(listener, (uv_stream_t *)&connection->tcp), "accept");
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_read_start((uv_stream_t *)&connection->tcp, on_buffer, on_read);
}

static void serve(int port)
{
    struct sockaddr_in address;
    uv_tcp_t listener;
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_tcp_init(loop, &listener);
    check(uv_tcp_bind(&listener, (void *)&address, 0), "bind");
    check(uv_listen((uv_stream_t *)&listener, 1024, on_connection), "listen");
    uv_run(loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    const char *workload = argc > 1 ? argv[1] : "";
    loop = uv_default_loop();
    http = strcmp(workload, "http") == 0;
    if (strcmp(workload, "W7") == 0) {
        timers();
    } else if (strcmp(workload, "W11") == 0) {
        take_posts();
        call_threads();
    } else if (argc == 3 && (http || strcmp(workload, "echo") == 0)) {
        serve(atoi(argv[2]));
    } else {
        return DOES_NOT;
    }
    return 0;
}
