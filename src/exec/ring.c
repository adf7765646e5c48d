// The parent's end of a mailbox.
//
// Arguments lie one behind the other in the order of the jobs, and begin again
// at the front where the end has no room. At least one byte stays free between
// the newest and the oldest, so that a full ring never looks like an empty one.

#include "exec/ring.h"

#include <stdatomic.h>
#include <string.h>

#include "exec/harmless.h"
#include "exec/job.h"
#include "exec/objects.h"
#include "exec/shared.h"
#include "platform/spin.h"
#include "platform/sys.h"
#include "task/failure.h"

#define LINE    ((size_t)64) // no two arguments share one
#define NOWHERE SIZE_MAX

static struct asyncio__place *place_of(struct asyncio__ring *ring,
                                       uint32_t number)
{
    return &ring->places[number % ASYNCIO__MAILBOX_SLOTS];
}

static void tell_spin(struct asyncio__ring *ring)
{
    int64_t spin_ns = asyncio__spin_ns();
    if (spin_ns == ring->spin_ns) return;
    ring->spin_ns = spin_ns;
    atomic_store_explicit(&ring->box->spin_ns, spin_ns, memory_order_relaxed);
}

int asyncio__ring_open(struct asyncio__ring *ring, int *memory)
{
    void *address;
    int fd = asyncio__sys_memfd("asyncio-mailbox", sizeof *ring->box);
    if (fd < 0) return fd;

    int err = asyncio__sys_mmap_shared(&address, sizeof *ring->box, fd);
    if (err < 0) {
        asyncio__sys_close(fd);
        return err;
    }
    *ring = (struct asyncio__ring){.box = address};
    tell_spin(ring);
    *memory = fd;
    return 0;
}

void asyncio__ring_close(struct asyncio__ring *ring)
{
    if (ring->box) asyncio__sys_munmap(ring->box, sizeof *ring->box);
    ring->box = NULL;
}

// --- room -------------------------------------------------------------------

static size_t room_for(size_t size)
{
    return size > LINE ? (size + LINE - 1) & ~(LINE - 1) : LINE;
}

static size_t find_room(const struct asyncio__ring *ring, size_t size)
{
    const struct asyncio__place *places = ring->places;
    size_t need = room_for(size);
    if (ring->first == ring->next) return 0;

    size_t start = places[ring->first % ASYNCIO__MAILBOX_SLOTS].start;
    size_t end = places[(ring->next - 1) % ASYNCIO__MAILBOX_SLOTS].end;
    if (end <= start) return end + need < start ? end : NOWHERE;
    if (end + need <= ASYNCIO__MAILBOX_ROOM) return end;
    return need < start ? 0 : NOWHERE;
}

bool asyncio__ring_fits(const struct asyncio__ring *ring, size_t size)
{
    return ring->next - ring->first < ASYNCIO__MAILBOX_SLOTS &&
           find_room(ring, size) != NOWHERE;
}

// --- there ------------------------------------------------------------------

// Either the worker sees the job before it sleeps, or we see that it sleeps.
void asyncio__ring_send(struct asyncio__ring *ring, struct asyncio__job *job)
{
    struct asyncio__mailbox *box = ring->box;
    struct asyncio__slot *slot = asyncio__slot_of(box, ring->next);
    struct asyncio__place *place = place_of(ring, ring->next);

    place->start = find_room(ring, job->size);
    place->end = place->start + room_for(job->size);
    place->job = job;
    slot->fn = (uintptr_t)job->fn;
    slot->size = job->size;
    slot->offset = place->start;
    bool shares = job->block && job->place >= 0;
    slot->shared = shares ? job->block->id : 0;
    slot->place = shares ? (uint32_t)job->place : 0;
    slot->begun_ns = slot->ended_ns = 0;
    if (job->arg && job->size > 0)
        memcpy(box->bytes + place->start, job->arg, job->size);

    job->number = ring->next++;
    ring->count++;
    tell_spin(ring);
    atomic_store(&slot->state,
                 asyncio__slot_state(job->number, ASYNCIO__SLOT_QUEUED));
    if (atomic_load(&box->asleep) && atomic_exchange(&box->asleep, 0))
        asyncio__sys_futex_wake(&box->asleep);
}

// --- and back ---------------------------------------------------------------

struct asyncio__job *asyncio__ring_oldest(const struct asyncio__ring *ring)
{
    if (ring->first == ring->next) return NULL;
    return ring->places[ring->first % ASYNCIO__MAILBOX_SLOTS].job;
}

static uint32_t state_of(const struct asyncio__ring *ring, uint32_t number)
{
    return atomic_load_explicit(&asyncio__slot_of(ring->box, number)->state,
                                memory_order_acquire);
}

bool asyncio__ring_oldest_answered(const struct asyncio__ring *ring)
{
    return ring->first != ring->next &&
           state_of(ring, ring->first) ==
               asyncio__slot_state(ring->first, ASYNCIO__SLOT_ANSWERED);
}

bool asyncio__ring_begun(const struct asyncio__ring *ring,
                         const struct asyncio__job *job)
{
    return state_of(ring, job->number) !=
           asyncio__slot_state(job->number, ASYNCIO__SLOT_QUEUED);
}

// What was taken back leaves with its neighbours, at either end.
static void trim(struct asyncio__ring *ring)
{
    while (ring->first != ring->next && !place_of(ring, ring->first)->job)
        ring->first++;
}

static struct asyncio__job *remove_job(struct asyncio__ring *ring,
                                       uint32_t number)
{
    struct asyncio__place *place = place_of(ring, number);
    struct asyncio__job *job = place->job;
    place->job = NULL;
    ring->count--;
    trim(ring);
    return job;
}

// The text is copied before it is looked at: it may change under our eyes.
static struct asyncio__failure *take_words(const struct asyncio__words *shared,
                                           int code)
{
    struct asyncio__words words;
    memcpy(&words, shared, sizeof words);
    words.text[sizeof words.text - 1] = '\0';
    words.task[sizeof words.task - 1] = '\0';
    if (!words.text[0]) return NULL;
    asyncio__make_harmless(words.text);
    asyncio__make_harmless(words.task);
    return asyncio__failure_make(
        code, words.text, asyncio__objects_constant(words.site), words.task);
}

struct asyncio__job *asyncio__ring_take(struct asyncio__ring *ring, int *result)
{
    if (!asyncio__ring_oldest_answered(ring)) return NULL;

    struct asyncio__mailbox *box = ring->box;
    uint32_t number = ring->first;
    const struct asyncio__place *place = place_of(ring, number);
    struct asyncio__job *job = place->job;
    const volatile struct asyncio__slot *slot = asyncio__slot_of(box, number);

    *result = slot->result;
    job->begun_ns = slot->begun_ns;
    job->ended_ns = slot->ended_ns;
    if (job->arg && job->size > 0)
        memcpy(job->arg, box->bytes + place->start, job->size);
    if (*result < 0)
        job->failure =
            take_words(&box->words[number % ASYNCIO__MAILBOX_SLOTS], *result);
    return remove_job(ring, number);
}

// --- taken back -------------------------------------------------------------

static bool withdraw(struct asyncio__ring *ring, uint32_t number)
{
    uint32_t state = asyncio__slot_state(number, ASYNCIO__SLOT_QUEUED);
    return atomic_compare_exchange_strong(
        &asyncio__slot_of(ring->box, number)->state, &state,
        asyncio__slot_state(number, ASYNCIO__SLOT_WITHDRAWN));
}

struct asyncio__job *asyncio__ring_latest(const struct asyncio__ring *ring)
{
    for (uint32_t n = ring->next; n != ring->first; n--) {
        const struct asyncio__place *place =
            &ring->places[(n - 1) % ASYNCIO__MAILBOX_SLOTS];
        if (place->job) return place->job;
    }
    return NULL;
}

bool asyncio__ring_withdraw(struct asyncio__ring *ring,
                            struct asyncio__job *job)
{
    if (!withdraw(ring, job->number)) return false;
    remove_job(ring, job->number);
    return true;
}

struct asyncio__job *asyncio__ring_drop_oldest(struct asyncio__ring *ring)
{
    if (ring->count == 0) return NULL;
    const volatile struct asyncio__slot *slot =
        asyncio__slot_of(ring->box, ring->first);
    struct asyncio__job *job = remove_job(ring, ring->first);
    job->begun_ns = slot->begun_ns;
    job->ended_ns = 0;
    return job;
}

struct asyncio__job *asyncio__ring_drop_latest(struct asyncio__ring *ring)
{
    struct asyncio__job *job = asyncio__ring_latest(ring);
    return job ? remove_job(ring, job->number) : NULL;
}

// --- the bell ---------------------------------------------------------------

bool asyncio__ring_listen(struct asyncio__ring *ring)
{
    atomic_store(&ring->box->listening, 1);
    atomic_thread_fence(memory_order_seq_cst);
    return asyncio__ring_oldest_answered(ring);
}

void asyncio__ring_ignore(struct asyncio__ring *ring)
{
    if (atomic_load_explicit(&ring->box->listening, memory_order_relaxed))
        atomic_store_explicit(&ring->box->listening, 0, memory_order_relaxed);
}
