// Chance, drawn from the world's one row of numbers, and the trace of what came
// of it.
//
// A rate of 0 draws nothing: a world without faults has the same row whether or
// not anything could have failed. Probabilities are compared as doubles made of
// 53 bits, which every compiler for a machine with IEEE arithmetic does alike.

#include "platform/sim.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

// splitmix64, as the loop's own orders.
uint64_t asyncio__sim_draw(struct asyncio_simulator *world)
{
    return mixed(world->dice += UINT64_C(0x9e3779b97f4a7c15));
}

uint64_t asyncio__sim_below(struct asyncio_simulator *world, uint64_t bound)
{
    return asyncio__sim_draw(world) % bound;
}

static double fraction(struct asyncio_simulator *world)
{
    return (double)(asyncio__sim_draw(world) >> 11) * 0x1p-53;
}

bool asyncio__sim_strikes(struct asyncio_simulator *world, float rate)
{
    return rate > 0 && fraction(world) < (double)rate;
}

int64_t asyncio__sim_takes(struct asyncio_simulator *world, float least,
                           float more)
{
    int64_t ns = least > 0 ? (int64_t)((double)least * 1e9) : 0;
    uint64_t span = more > 0 ? (uint64_t)((double)more * 1e9) : 0;
    return span > 0 ? ns + (int64_t)asyncio__sim_below(world, span + 1) : ns;
}

size_t asyncio__sim_shortened(struct asyncio_simulator *world, float rate,
                              size_t len)
{
    if (len < 2 || !asyncio__sim_strikes(world, rate)) return len;
    return 1 + (size_t)asyncio__sim_below(world, len - 1);
}

uint64_t asyncio_simulator_draw(struct asyncio_simulator *sim, uint64_t bound)
{
    return asyncio__sim_below(sim, bound);
}

// ---- The trace --------------------------------------------------------------

static void fold(struct asyncio_simulator *world, uint64_t number)
{
    world->hash = mixed((world->hash ^ number) + UINT64_C(0x9e3779b97f4a7c15));
}

static void print(struct asyncio_simulator *world, const char *what, int64_t a,
                  int64_t b)
{
    char line[128];
    int64_t ns = world->now_ns - world->start_ns;
    snprintf(line, sizeof line,
             "%" PRId64 ".%09" PRId64 " %s %" PRId64 " %" PRId64,
             ns / 1000000000, ns % 1000000000, what, a, b);
    world->trace(line, world->trace_arg);
}

void asyncio__sim_note(struct asyncio_simulator *world, const char *what,
                       int64_t a, int64_t b)
{
    uint64_t word = 0;
    for (const char *c = what; *c; c++)
        word = word * 31 + (unsigned char)*c;
    fold(world, (uint64_t)(world->now_ns - world->start_ns));
    fold(world, word);
    fold(world, (uint64_t)a);
    fold(world, (uint64_t)b);
    if (world->trace) print(world, what, a, b);
}

uint64_t asyncio_simulator_hash(const struct asyncio_simulator *sim)
{
    return sim->hash;
}

void asyncio_simulator_trace(struct asyncio_simulator *sim,
                             asyncio_simulator_trace_fn *fn, void *arg)
{
    sim->trace = fn;
    sim->trace_arg = arg;
}
