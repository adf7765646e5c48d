// Which calls of a test are alike, so that a fault loop need not take each.
//
// A test that moves much makes the same calls from the same places again and
// again. Two calls, or awaits, are alike if they come from the same place by
// the same way (the return addresses on the stack), and if the two before them
// on that thread were alike, too. Of those that are alike the first few, the
// last few and some between them are taken; `./dev inject KIND --every` takes
// all.
//
// The run that counts writes a mark for each call to memory that it shares with
// the runner. Calls for which there is no more room are alike.

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "loop/testing.h"
#include "platform/unwind.h"
#include "runner/run.h"

#define CALLS_MAX ((uint64_t)1 << 20)
#define DEPTH     32 // return addresses that are looked at
#define FIRST     6  // of those alike
#define LAST      4
#define BETWEEN   4

static uint64_t *marks; // of call 1, 2, ...

static uint64_t mix(uint64_t a, uint64_t b)
{
    a = (a ^ b) * 0x9e3779b97f4a7c15u;
    return a ^ a >> 29;
}

// ---- The test's process -----------------------------------------------------

static const struct asyncio__unwind_options whole;

static void note_call(uint64_t ordinal, const char *site)
{
    static _Thread_local uint64_t before, before_that;
    struct asyncio__frame frames[DEPTH];
    uint64_t mark = 0;
    if (ordinal > CALLS_MAX) return;

    size_t depth = asyncio__unwind(NULL, &whole, frames, DEPTH);
    for (size_t i = 0; i < depth; i++)
        mark = mix(mark, (uintptr_t)frames[i].address);
    for (; site && *site; site++)
        mark = mix(mark, (unsigned char)*site);
    marks[ordinal - 1] = mix(mix(mark, before), before_that);
    before_that = before;
    before = mark;
}

void test__alike_watch(void)
{
    if (!marks) return;
    struct asyncio__frame frame;
    asyncio__unwind(NULL, &whole, &frame, 1); // the first time it prepares
    asyncio__testing.on_call = note_call;
}

// ---- The runner -------------------------------------------------------------

struct call {
    uint64_t mark, ordinal;
};

static int compare(const void *a, const void *b)
{
    const struct call *one = a, *other = b;
    if (one->mark != other->mark) return one->mark < other->mark ? -1 : 1;
    return one->ordinal < other->ordinal ? -1 : 1;
}

// Whether number `i` of `count` that are alike is taken.
static bool is_taken(size_t i, size_t count)
{
    if (i < FIRST || count - i <= LAST) return true;
    size_t rest = count - FIRST - LAST;
    size_t step = (rest + BETWEEN - 1) / BETWEEN;
    return (i - FIRST) % step == step / 2;
}

int test__alike_open(void)
{
    void *shared = mmap(NULL, CALLS_MAX * sizeof *marks, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED) return -errno;
    marks = shared;
    return 0;
}

bool *test__alike_choose(uint64_t count)
{
    struct call *calls = calloc(count + 1, sizeof *calls);
    bool *taken = calloc(count + 1, sizeof *taken);
    if (!calls || !taken) abort();

    for (uint64_t i = 0; i < count; i++)
        calls[i] = (struct call){i < CALLS_MAX ? marks[i] : 0, i + 1};
    qsort(calls, count, sizeof *calls, compare);
    for (uint64_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count; end++)
            if (calls[end].mark != calls[i].mark) break;
        for (uint64_t k = i; k < end; k++)
            taken[calls[k].ordinal] = is_taken(k - i, end - i);
    }
    free(calls);
    return taken;
}

void test__alike_close(void)
{
    munmap(marks, CALLS_MAX * sizeof *marks);
    marks = NULL;
}
