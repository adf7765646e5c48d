// Asio without Boost: C++20 coroutines, which have no stack, on one thread.
//
//     asio WORKLOAD [PORT]

#define PEER "asio"
#include "peer_http.h"

#include <asio.hpp>
#include <asio/experimental/channel.hpp>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using asio::awaitable;
using asio::co_spawn;
using asio::detached;
using asio::use_awaitable;
using asio::ip::tcp;
using std::chrono::milliseconds;
using std::chrono::seconds;

static asio::io_context loop(1);
static long counted, left;

static awaitable<void> yield()
{
    co_await asio::post(loop, use_awaitable);
}

static awaitable<void> wait_for_rest()
{
    while (left > 0)
        co_await asio::post(loop, use_awaitable);
}

// ---- W1, W2, W3 -------------------------------------------------------------

static awaitable<void> yield_many(long times)
{
    for (long i = 0; i < times; i++)
        co_await asio::post(loop, use_awaitable);
    left--;
}

static awaitable<void> yields()
{
    constexpr long times = 2000000;
    left = 2;
    double start = peer_now_ns();
    co_spawn(loop, yield_many(times / 2), detached);
    co_spawn(loop, yield_many(times / 2), detached);
    asio::steady_timer look(loop);
    while (left > 0) { // now and then, so as not to be a third that yields
        look.expires_after(milliseconds(5));
        co_await look.async_wait(use_awaitable);
    }
    peer_print("W1", "yield", (peer_now_ns() - start) / times, "ns");
}

static awaitable<long> count_up()
{
    co_return ++counted;
}

static awaitable<void> count_down()
{
    counted++;
    left--;
    co_return;
}

static awaitable<void> spawns()
{
    constexpr long times = 300000;
    double start = peer_now_ns();
    for (long i = 0; i < times; i++)
        co_await co_spawn(loop, count_up(), use_awaitable);
    peer_print("W2", "spawn_seq", (peer_now_ns() - start) / times, "ns");
    start = peer_now_ns();
    for (long i = 0; i < times / BATCH; i++) {
        left = BATCH;
        for (int k = 0; k < BATCH; k++)
            co_spawn(loop, count_down(), detached);
        co_await wait_for_rest();
    }
    peer_print("W2", "spawn_batch", (peer_now_ns() - start) / times, "ns");
    peer_check(counted == 2 * times, "not all have run");
}

static awaitable<void> yield_once()
{
    co_await asio::post(loop, use_awaitable);
    left--;
}

static awaitable<void> gather(const char *metric)
{
    double start = peer_now_ns();
    left = GATHERED;
    for (int i = 0; i < GATHERED; i++)
        co_spawn(loop, yield_once(), detached);
    co_await wait_for_rest();
    peer_print("W3", metric, (peer_now_ns() - start) / 1e6, "ms");
}

// ---- W4, W7, W10 ------------------------------------------------------------

static std::vector<asio::steady_timer *> timers;

static awaitable<void> sleep_long()
{
    asio::steady_timer timer(loop, seconds(1000));
    asio::error_code error;
    timers.push_back(&timer);
    co_await timer.async_wait(asio::redirect_error(use_awaitable, error));
    if (error == asio::error::operation_aborted) left--;
}

static awaitable<void> fall_asleep(size_t count)
{
    for (size_t i = 0; i < count; i++)
        co_spawn(loop, sleep_long(), detached);
    while (timers.size() < count)
        co_await yield();
}

static awaitable<void> sleepers(long count)
{
    timers.reserve(static_cast<size_t>(count));
    peer_memory before = peer_memory_before();
    co_await fall_asleep(static_cast<size_t>(count));
    peer_print_memory(before, count);
    _exit(0);
}

static awaitable<void> cancels()
{
    co_await fall_asleep(SLEEPERS);
    left = SLEEPERS;
    double start = peer_now_ns();
    for (auto *timer : timers)
        timer->cancel();
    co_await wait_for_rest();
    peer_print("W10", "cancel", (peer_now_ns() - start) / SLEEPERS, "ns");
}

static awaitable<void> nap(int ms, asio::steady_timer &all)
{
    asio::steady_timer timer(loop, milliseconds(ms));
    co_await timer.async_wait(use_awaitable);
    if (--left == 0) all.cancel();
}

static awaitable<void> naps()
{
    asio::steady_timer all(loop, seconds(1000));
    asio::error_code error;
    left = SLEEPERS;
    double start = peer_now_ns(), processor = peer_processor_ns();
    for (int i = 0; i < SLEEPERS; i++)
        co_spawn(loop, nap(peer_milliseconds(), all), detached);
    co_await all.async_wait(asio::redirect_error(use_awaitable, error));
    peer_print("W7", "sleep_wall", (peer_now_ns() - start) / 1e6, "ms");
    peer_print("W7", "sleep_cpu", (peer_processor_ns() - processor) / 1e6,
               "ms");
    peer_check(left == 0, "not all have slept");
}

// ---- W5 ---------------------------------------------------------------------

using channel = asio::experimental::channel<void(asio::error_code, long)>;

static awaitable<void> produce(channel &items, long count)
{
    for (long i = 1; i <= count; i++)
        co_await items.async_send(asio::error_code(), i, use_awaitable);
    left--;
}

static awaitable<void> consume(channel &items, long count)
{
    for (long i = 0; i < count; i++)
        counted += co_await items.async_receive(use_awaitable);
    left--;
}

static awaitable<void> pass_items(size_t capacity, const char *metric)
{
    constexpr long count = 500000;
    channel items(loop, capacity);
    counted = 0;
    left = 2;
    double start = peer_now_ns();
    co_spawn(loop, produce(items, count), detached);
    co_spawn(loop, consume(items, count), detached);
    co_await wait_for_rest();
    peer_print("W5", metric, (peer_now_ns() - start) / count, "ns");
    peer_check(counted == count * (count + 1) / 2, "items were lost");
}

// ---- W11 --------------------------------------------------------------------

static awaitable<void> cross_threads()
{
    counted = 0;
    double start = peer_now_ns();
    std::thread other([] {
        for (long i = 0; i < POSTS; i++)
            asio::post(loop, [] { counted++; });
    });
    while (counted < POSTS)
        co_await yield();
    peer_print("W11", "post", POSTS / (peer_now_ns() - start) * 1e9, "ops/s");
    other.join();

    asio::thread_pool pool(1);
    std::atomic<long> calls = 0;
    start = peer_now_ns();
    for (long i = 0; i < THREAD_CALLS; i++) {
        co_await asio::post(pool, use_awaitable);
        calls++;
        co_await asio::post(loop, use_awaitable);
    }
    peer_print("W11", "to_thread", (peer_now_ns() - start) / THREAD_CALLS / 1e3,
               "us");
    peer_check(calls == THREAD_CALLS, "calls were lost");
}

// ---- W8, W9 -----------------------------------------------------------------

static awaitable<void> serve_echo(tcp::socket socket)
try {
    auto bytes = std::make_unique<char[]>(65536);
    for (;;) {
        size_t len = co_await socket.async_read_some(
            asio::buffer(bytes.get(), 65536), use_awaitable);
        co_await asio::async_write(socket, asio::buffer(bytes.get(), len),
                                   use_awaitable);
    }
} catch (const std::exception &) { // the client has gone
}

static awaitable<void> serve_http(tcp::socket socket)
try {
    auto heads = std::make_unique<peer_heads>();
    for (;;) {
        heads->len += co_await socket.async_read_some(
            asio::buffer(heads->bytes + heads->len, PEER_HEAD_MAX - heads->len),
            use_awaitable);
        for (size_t count = peer_take_heads(heads.get()); count > 0; count--)
            co_await asio::async_write(socket,
                                       asio::buffer(peer_hello, PEER_HELLO_LEN),
                                       use_awaitable);
    }
} catch (const std::exception &) {
}

static awaitable<void> serve(bool http, int port)
{
    auto address = asio::ip::make_address("127.0.0.1");
    tcp::acceptor listener(
        loop, tcp::endpoint(address, static_cast<unsigned short>(port)));
    for (;;) {
        tcp::socket socket = co_await listener.async_accept(use_awaitable);
        socket.set_option(tcp::no_delay(true));
        co_spawn(loop,
                 http ? serve_http(std::move(socket))
                      : serve_echo(std::move(socket)),
                 detached);
    }
}

static awaitable<void> run(std::string workload, int port)
{
    if (workload == "W1") {
        co_await yields();
    } else if (workload == "W2") {
        co_await spawns();
    } else if (workload == "W3") {
        co_await gather("cold_ms");
        peer_print_peak("W3");
        co_await gather("warm_ms");
    } else if (workload == "W4a" || workload == "W4b") {
        co_await sleepers(workload == "W4a" ? 100000 : 1000000);
    } else if (workload == "W5") {
        co_await pass_items(1, "q1");
        co_await pass_items(128, "q128");
    } else if (workload == "W7") {
        co_await naps();
    } else if (workload == "W10") {
        co_await cancels();
    } else if (workload == "W11") {
        co_await cross_threads();
    } else if (port > 0 && (workload == "echo" || workload == "http")) {
        co_await serve(workload == "http", port);
    } else {
        _exit(DOES_NOT);
    }
    _exit(0);
}

static void ended(std::exception_ptr error)
{
    peer_check(!error, "an exception has ended it");
}

int main(int argc, char **argv)
{
    if (argc < 2) return DOES_NOT;
    co_spawn(loop, run(argv[1], argc > 2 ? atoi(argv[2]) : 0), ended);
    loop.run();
    return 1;
}
