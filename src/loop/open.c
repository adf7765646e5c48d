// The loops that are open, for threads that know one by its address only.
//
// A thread may hold the address of a loop longer than the loop is there. So it
// is looked up before it is followed, and kept open by a lock until the post is
// made. The lock is the one that posters of a loop share: there are several,
// each for the loops whose addresses come to it, so that posters of different
// loops seldom meet. Its list is short: most often it has one entry or none.

#include <pthread.h>
#include <stdatomic.h>

#include "loop/loop.h"
#include "platform/spin.h"
#include "platform/sys.h"

#define GATES 16 // a power of 2

// Behind a gate a thread is for some ten nanoseconds. One that finds it shut
// for longer waits for somebody who was preempted there, and lets others run.
#define LOOKS   200
#define REST_NS 20000

static struct gate {
    _Alignas(64) atomic_bool shut;
    struct asyncio_loop *loops; // asyncio_loop.next_open
} gates[GATES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; // of the whole list
struct asyncio_link asyncio__open_loops;

static void wait_at(struct gate *gate)
{
    for (int i = 0; i < LOOKS; i++) {
        if (!atomic_load_explicit(&gate->shut, memory_order_relaxed)) return;
        asyncio__spin_pause();
    }
    asyncio__sys_rest(REST_NS);
}

static void shut(struct gate *gate)
{
    while (atomic_exchange_explicit(&gate->shut, true, memory_order_acquire))
        wait_at(gate);
}

static void let_in(struct gate *gate)
{
    atomic_store_explicit(&gate->shut, false, memory_order_release);
}

// The address may be that of freed memory: it is compared and not followed.
static struct gate *gate_of(const struct asyncio_loop *loop)
{
    uintptr_t address = (uintptr_t)loop;
    return &gates[(address >> 4 ^ address >> 12) % GATES];
}

static bool is_open(const struct gate *gate, const struct asyncio_loop *loop)
{
    const struct asyncio_loop *other = gate->loops;
    while (other && other != loop)
        other = other->next_open;
    return other;
}

void asyncio__loop_enter(struct asyncio_loop *loop)
{
    struct gate *gate = gate_of(loop);
    pthread_mutex_lock(&lock);
    list_add_tail(&asyncio__open_loops, &loop->open);
    pthread_mutex_unlock(&lock);

    shut(gate);
    loop->next_open = gate->loops;
    gate->loops = loop;
    let_in(gate);
}

void asyncio__loop_leave(struct asyncio_loop *loop)
{
    struct gate *gate = gate_of(loop);
    shut(gate);
    struct asyncio_loop **place = &gate->loops;
    while (*place && *place != loop)
        place = &(*place)->next_open;
    if (*place) *place = loop->next_open;
    let_in(gate);

    pthread_mutex_lock(&lock);
    if (list_linked(&loop->open)) list_remove(&loop->open);
    pthread_mutex_unlock(&lock);
}

void asyncio__loops_each(void (*fn)(struct asyncio_loop *loop))
{
    pthread_mutex_lock(&lock);
    list_for_each (link, &asyncio__open_loops)
        fn(list_entry(link, struct asyncio_loop, open));
    pthread_mutex_unlock(&lock);
}

bool asyncio__loop_hold_open(const struct asyncio_loop *loop)
{
    struct gate *gate = gate_of(loop);
    shut(gate);
    if (is_open(gate, loop)) return true;
    let_in(gate);
    return false;
}

void asyncio__loop_lock_posters(const struct asyncio_loop *loop)
{
    shut(gate_of(loop));
}

void asyncio__loop_let_go(const struct asyncio_loop *loop)
{
    let_in(gate_of(loop));
}

bool asyncio__loop_is_open(const struct asyncio_loop *loop)
{
    if (!asyncio__loop_hold_open(loop)) return false;
    asyncio__loop_let_go(loop);
    return true;
}

bool asyncio__loop_post_if_open(struct asyncio_loop *loop,
                                struct asyncio__post *post)
{
    if (!asyncio__loop_hold_open(loop)) return false;
    asyncio__loop_post(loop, post);
    asyncio__loop_let_go(loop);
    return true;
}

void asyncio__loops_forget(void)
{
    pthread_mutex_init(&lock, NULL);
    for (int i = 0; i < GATES; i++) {
        atomic_store(&gates[i].shut, false);
        gates[i].loops = NULL;
    }
    asyncio__open_loops = (struct asyncio_link){NULL, NULL};
}
