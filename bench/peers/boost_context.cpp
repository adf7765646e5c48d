// Boost.Context: fibers that are switched to, with nothing that schedules them.
//
//     boost_context W1|W2|W3|W4a|W4b

#define PEER "boost_context"
#include "peer.h"

#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <memory>
#include <vector>

using boost::context::fiber;

static boost::context::fixedsize_stack stacks(16384);
static long counted;

static void yields()
{
    constexpr long times = 10000000;
    fiber other([](fiber &&back) {
        for (;;)
            back = std::move(back).resume();
        return std::move(back);
    });
    double start = peer_now_ns();
    for (long i = 0; i < times; i++)
        other = std::move(other).resume();
    peer_print("W1", "yield", (peer_now_ns() - start) / (2.0 * times), "ns");
    _exit(0); // the other never ends
}

static fiber make_counter()
{
    return fiber(std::allocator_arg, stacks, [](fiber &&back) {
        counted++;
        return std::move(back);
    });
}

static void spawns()
{
    constexpr long times = 500000;
    double start = peer_now_ns();
    for (long i = 0; i < times; i++) {
        fiber one = make_counter();
        one = std::move(one).resume();
    }
    peer_print("W2", "spawn_seq", (peer_now_ns() - start) / times, "ns");
    std::vector<fiber> all(BATCH);
    start = peer_now_ns();
    for (long i = 0; i < times / BATCH; i++) {
        for (auto &one : all)
            one = make_counter();
        for (auto &one : all)
            one = std::move(one).resume();
    }
    peer_print("W2", "spawn_batch", (peer_now_ns() - start) / times, "ns");
    peer_check(counted == 2 * times, "not all have run");
}

// A fiber that has begun, and waits to be resumed.
static fiber make_waiting()
{
    return fiber(std::allocator_arg, stacks,
                 [](fiber &&back) {
                     back = std::move(back).resume();
                     counted++;
                     return std::move(back);
                 })
        .resume();
}

static void gather(const char *metric)
{
    double start = peer_now_ns();
    std::vector<fiber> all(GATHERED);
    counted = 0;
    for (auto &one : all)
        one = make_waiting();
    for (auto &one : all)
        one = std::move(one).resume();
    peer_print("W3", metric, (peer_now_ns() - start) / 1e6, "ms");
    peer_check(counted == GATHERED, "not all have run");
}

static void sleepers(long count)
{
    std::vector<fiber> all(static_cast<size_t>(count));
    peer_memory before = peer_memory_before();
    for (auto &one : all)
        one = make_waiting();
    peer_print_memory(before, count);
    _exit(0);
}

int main(int argc, char **argv)
{
    const std::string workload = argc > 1 ? argv[1] : "";
    if (workload == "W1") {
        yields();
    } else if (workload == "W2") {
        spawns();
    } else if (workload == "W3") {
        gather("cold_ms");
        peer_print_peak("W3");
        gather("warm_ms");
    } else if (workload == "W4a") {
        sleepers(100000);
    } else if (workload == "W4b") {
        sleepers(1000000);
    } else {
        return DOES_NOT;
    }
    return 0;
}
