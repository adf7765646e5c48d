// The floor: what the work takes with next to nothing around it.
//
//     floor WORKLOAD
//
// With the tasks of floor_fiber.h, a page of stack for each.

#define PEER "floor"
#include "floor_fiber.h"

static long counted;
static struct fiber **fibers;

static void make_room(long count)
{
    fiber_open(count + 1);
    fibers = malloc((size_t)count * sizeof *fibers);
    peer_check(fibers != NULL, "no memory");
    memset(fibers, 1, (size_t)count * sizeof *fibers);
}

static void count_up(void *arg)
{
    (void)arg;
    counted++;
}

static void yield_once(void *arg)
{
    (void)arg;
    fiber_yield();
    counted++;
}

static void spawn_and_join(void (*fn)(void *arg), int count)
{
    for (int i = 0; i < count; i++)
        fibers[i] = fiber_spawn(fn, NULL);
    for (int i = 0; i < count; i++)
        fiber_join(fibers[i]);
}

// ---- W1 ---------------------------------------------------------------------

static void *there, *back;

static void come_back(void)
{
    for (;;)
        fiber_switch(&there, back);
}

// There and back, with no line of ready tasks.
static void bare_switch(void)
{
    enum { TIMES = 20000000 };
    static _Alignas(16) char stack[STRIDE];
    void **sp = (void **)(void *)(stack + sizeof stack);
    *--sp = NULL;
    *--sp = (void *)come_back;
    there = sp;
    double start = peer_now_ns();
    for (int i = 0; i < TIMES; i++)
        fiber_switch(&back, there);
    peer_print("W1", "switch", (peer_now_ns() - start) / (2.0 * TIMES), "ns");
}

static void yield_many(void *left)
{
    for (; *(long *)left > 0; --*(long *)left)
        fiber_yield();
}

static void yields(void)
{
    enum { TIMES = 20000000 };
    long left = TIMES;
    double start = peer_now_ns();
    struct fiber *a = fiber_spawn(yield_many, &left);
    struct fiber *b = fiber_spawn(yield_many, &left);
    fiber_join(a);
    fiber_join(b);
    peer_print("W1", "yield", (peer_now_ns() - start) / TIMES, "ns");
}

// ---- W2, W3, W4 -------------------------------------------------------------

static void spawns(void)
{
    enum { TIMES = 5000000 };
    double start = peer_now_ns();
    for (int i = 0; i < TIMES; i++)
        fiber_join(fiber_spawn(count_up, NULL));
    peer_print("W2", "spawn_seq", (peer_now_ns() - start) / TIMES, "ns");
    start = peer_now_ns();
    for (int i = 0; i < TIMES / BATCH; i++)
        spawn_and_join(count_up, BATCH);
    peer_print("W2", "spawn_batch", (peer_now_ns() - start) / TIMES, "ns");
    peer_check(counted == 2 * TIMES, "not all have run");
}

static void gather(const char *metric)
{
    double start = peer_now_ns();
    counted = 0;
    spawn_and_join(yield_once, GATHERED);
    peer_print("W3", metric, (peer_now_ns() - start) / 1e6, "ms");
    peer_check(counted == GATHERED, "not all have run");
}

static void sleep_long(void *arg)
{
    struct fiber *me = fiber_now;
    (void)arg;
    counted++;
    fiber_sleep(1000000);
    counted -= me->cancelled;
}

static void fall_asleep(long count)
{
    for (long i = 0; i < count; i++)
        fibers[i] = fiber_spawn(sleep_long, NULL);
    while (counted < count)
        fiber_yield();
}

static void sleepers(long count)
{
    make_room(count);
    struct peer_memory before = peer_memory_before();
    fall_asleep(count);
    peer_print_memory(before, count);
    exit(0);
}

// ---- W5, W6 -----------------------------------------------------------------

static struct {
    long *items, capacity, head, count, sum;
    struct fiber *getter, *putter;
} queue;

static void wake(struct fiber **waiter)
{
    if (!*waiter) return;
    fiber_add(&fiber_ready, *waiter);
    *waiter = NULL;
}

static void wait_as(struct fiber **waiter)
{
    *waiter = fiber_now;
    fiber_park();
}

static void produce(void *count)
{
    for (long i = 1; i <= *(long *)count; i++) {
        while (queue.count == queue.capacity)
            wait_as(&queue.putter);
        queue.items[(queue.head + queue.count++) & (queue.capacity - 1)] = i;
        wake(&queue.getter);
    }
}

static void consume(void *count)
{
    for (long i = 0; i < *(long *)count; i++) {
        while (queue.count == 0)
            wait_as(&queue.getter);
        queue.sum += queue.items[queue.head];
        queue.head = (queue.head + 1) & (queue.capacity - 1);
        queue.count--;
        wake(&queue.putter);
    }
}

static void pass_items(long capacity, const char *metric)
{
    long count = 5000000, items[128];
    queue.items = items;
    queue.capacity = capacity;
    queue.head = queue.count = queue.sum = 0;
    double start = peer_now_ns();
    struct fiber *a = fiber_spawn(produce, &count);
    struct fiber *b = fiber_spawn(consume, &count);
    fiber_join(a);
    fiber_join(b);
    peer_print("W5", metric, (peer_now_ns() - start) / (double)count, "ns");
    peer_check(queue.sum == count * (count + 1) / 2, "items were lost");
}

static int units = SEMAPHORE;
static struct fiber_line unit_line = {.last = &unit_line.first};

// A unit goes from hand to hand while others wait for one.
static void take_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < LINE_TIMES; i++) {
        if (units > 0) {
            units--;
        } else {
            fiber_add(&unit_line, fiber_now);
            fiber_park();
        }
        fiber_yield();
        counted++;
        struct fiber *next = fiber_take(&unit_line);
        if (next)
            fiber_add(&fiber_ready, next);
        else
            units++;
    }
}

static void semaphore(void)
{
    enum { TIMES = LINE_TASKS * LINE_TIMES };
    double start = peer_now_ns();
    spawn_and_join(take_turns, LINE_TASKS);
    peer_print("W6", "sem", (peer_now_ns() - start) / TIMES, "ns");
    peer_check(counted == TIMES && units == SEMAPHORE, "units were lost");
}

// ---- W7, W10 ----------------------------------------------------------------

static void nap(void *ms)
{
    fiber_sleep((uintptr_t)ms);
    counted++;
}

static void naps(void)
{
    double start = peer_now_ns(), processor = peer_processor_ns();
    for (int i = 0; i < SLEEPERS; i++)
        fibers[i] = fiber_spawn(nap, (void *)(intptr_t)peer_milliseconds());
    for (int i = 0; i < SLEEPERS; i++)
        fiber_join(fibers[i]);
    peer_print("W7", "sleep_wall", (peer_now_ns() - start) / 1e6, "ms");
    peer_print("W7", "sleep_cpu", (peer_processor_ns() - processor) / 1e6,
               "ms");
    peer_check(counted == SLEEPERS, "not all have slept");
}

static uint64_t limit_ms(long i)
{
    return 30000 + (uint64_t)i % 60 * 1000;
}

static void limits(void)
{
    struct fiber *all = calloc(LIMITS, sizeof *all);
    peer_check(all != NULL, "no memory");
    double start = peer_now_ns();
    for (long i = 0; i < LIMITS; i++) {
        fiber_arm(all, limit_ms(i));
        fiber_disarm(all);
    }
    peer_print("W7", "tmo_seq", (peer_now_ns() - start) / LIMITS, "ns");
    memset(all, 0, LIMITS * sizeof *all);
    start = peer_now_ns();
    for (long i = 0; i < LIMITS; i++)
        fiber_arm(&all[i], limit_ms(i));
    for (long i = 0; i < LIMITS; i++)
        fiber_disarm(&all[i]);
    peer_print("W7", "tmo_bulk", (peer_now_ns() - start) / LIMITS, "ns");
    peer_check(fiber_armed == 0, "timers were left");
}

static void cancels(void)
{
    fall_asleep(SLEEPERS);
    double start = peer_now_ns();
    for (int i = 0; i < SLEEPERS; i++)
        fiber_cancel(fibers[i]);
    for (int i = 0; i < SLEEPERS; i++)
        fiber_join(fibers[i]);
    peer_print("W10", "cancel", (peer_now_ns() - start) / SLEEPERS, "ns");
    peer_check(counted == 0, "not all were cancelled");
}

int main(int argc, char **argv)
{
    const char *workload = argc == 2 ? argv[1] : "";
    if (strcmp(workload, "W4a") == 0) sleepers(100000);
    if (strcmp(workload, "W4b") == 0) sleepers(1000000);
    make_room(GATHERED);
    if (strcmp(workload, "W1") == 0) {
        bare_switch();
        yields();
    } else if (strcmp(workload, "W2") == 0) {
        spawns();
    } else if (strcmp(workload, "W3") == 0) {
        gather("cold_ms");
        peer_print_peak("W3");
        gather("warm_ms");
    } else if (strcmp(workload, "W5") == 0) {
        pass_items(1, "q1");
        pass_items(128, "q128");
    } else if (strcmp(workload, "W6") == 0) {
        semaphore();
    } else if (strcmp(workload, "W7") == 0) {
        naps();
        limits();
    } else if (strcmp(workload, "W10") == 0) {
        cancels();
    } else {
        return DOES_NOT;
    }
    return 0;
}
