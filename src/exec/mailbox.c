// The worker's end of a mailbox.

#include "exec/mailbox.h"

#include <stdatomic.h>
#include <stdio.h>

#include "exec/sandbox.h"
#include "exec/shared.h"
#include "platform/clock.h"
#include "platform/spin.h"
#include "platform/sys.h"
#include "task/failure.h"

struct worker {
    struct asyncio__mailbox *box;
    uint32_t number; // of the job that comes next
    int bell;
    uint32_t stretch; // jobs since it last waited
    struct asyncio__spin spin;
};

// Whoever sends many jobs at a time is better served by a worker that sleeps
// until there are many again, than by one that snatches each as it comes.
#define STRETCH_MAX 4

// Begins the next job; NULL if there is none. A number that was passed over was
// taken back, and its slot may be another job's by now.
static struct asyncio__slot *begin(struct worker *worker)
{
    for (;; worker->number++) {
        struct asyncio__slot *slot =
            asyncio__slot_of(worker->box, worker->number);
        uint32_t queued =
            asyncio__slot_state(worker->number, ASYNCIO__SLOT_QUEUED);
        uint32_t state = atomic_load(&slot->state);
        if ((int32_t)(state - queued) < 0) return NULL;
        if (state == queued &&
            atomic_compare_exchange_strong(
                &slot->state, &queued,
                asyncio__slot_state(worker->number, ASYNCIO__SLOT_BEGUN)))
            return slot;
    }
}

static struct asyncio__slot *begin_soon(struct worker *worker)
{
    struct asyncio__spin_watch watch;
    struct asyncio__slot *slot = NULL;
    bool many = worker->stretch > STRETCH_MAX;
    worker->stretch = 0;
    if (many ||
        !asyncio__spin_begin_for(&worker->spin, &watch, worker->box->spin_ns))
        return NULL;
    do
        for (int i = 0; i < ASYNCIO__SPIN_LOOKS && !slot; i++) {
            slot = begin(worker);
            asyncio__spin_pause();
        }
    while (!slot && asyncio__spin_goes_on(&watch));
    asyncio__spin_end(&worker->spin, &watch, slot);
    return slot;
}

// Either we see the job before we sleep, or the parent sees that we sleep.
static struct asyncio__slot *wait_for_job(struct worker *worker)
{
    struct asyncio__mailbox *box = worker->box;
    struct asyncio__slot *slot = begin_soon(worker);
    while (!slot) {
        atomic_store(&box->asleep, 1);
        slot = begin(worker);
        if (!slot) asyncio__sys_futex_wait(&box->asleep, 1);
        atomic_store(&box->asleep, 0);
        if (!slot) slot = begin(worker);
    }
    return slot;
}

static void put_words(struct asyncio__words *words, int code)
{
    const struct asyncio__failure *seen = asyncio__failure_of(code);
    const struct asyncio_error none = {.text = "", .site = "", .task = ""};
    const struct asyncio_error *error = seen ? &seen->error : &none;

    snprintf(words->text, sizeof words->text, "%s", error->text);
    snprintf(words->task, sizeof words->task, "%s", error->task);
    words->site = (uintptr_t)error->site;
}

// What the job printed is shown when it has ended, not when the worker ends:
// that is by a signal, and would lose it.
static void run_job(struct worker *worker, struct asyncio__slot *slot)
{
    struct asyncio__mailbox *box = worker->box;
    int (*fn)(void *arg) = (int (*)(void *))(uintptr_t)slot->fn;
    asyncio__desk_use(slot->place, slot->shared);
    int result = fn(slot->size > 0 ? box->bytes + slot->offset : NULL);

    if (result < 0)
        put_words(&box->words[worker->number % ASYNCIO__MAILBOX_SLOTS], result);
    asyncio__failures_drop_thread();
    fflush(NULL);
    slot->result = result;
}

// How many jobs it is given ahead depends on how long they take.
static void note_pace(struct asyncio__mailbox *box, int64_t taken_ns)
{
    uint32_t pace_ns = box->pace_ns;
    if (taken_ns > 1000000000) taken_ns = 1000000000;
    if (pace_ns > 0) taken_ns = (3 * (int64_t)pace_ns + taken_ns) / 4;
    atomic_store_explicit(&box->pace_ns, taken_ns > 0 ? (uint32_t)taken_ns : 1,
                          memory_order_relaxed);
}

static void ring(int bell)
{
    char byte = 0;
    while (asyncio__sys_write(bell, &byte, 1) == -EINTR)
        continue; // a full pipe is as good: it is readable
}

// Either the parent sees the answer before it sleeps, or we see that it
// listens.
static void answer(struct worker *worker, struct asyncio__slot *slot)
{
    struct asyncio__mailbox *box = worker->box;
    atomic_store(&slot->state,
                 asyncio__slot_state(worker->number++, ASYNCIO__SLOT_ANSWERED));
    if (atomic_load(&box->listening) && atomic_exchange(&box->listening, 0))
        ring(worker->bell);
}

// Here the worker turns into one that nobody needs to trust. What a job is to
// load or to open, an initialiser has done before.
static void confine(const struct asyncio__doors *doors, uint32_t sandbox)
{
    enum asyncio__sandbox_step step;
    if (sandbox && asyncio__sandbox_enter(doors, &step) < 0)
        asyncio__sys_exit(126);
}

_Noreturn void asyncio__worker_run(int memory,
                                   const struct asyncio__doors *doors,
                                   uint32_t sandbox)
{
    struct worker worker = {.bell = doors->bell};
    void *address;
    int err = asyncio__sys_mmap_shared(&address, sizeof *worker.box, memory);
    if (err < 0) asyncio__sys_exit(127);
    asyncio__sys_close(memory);
    worker.box = address;
    asyncio__desk_serve(doors->channel);
    confine(doors, sandbox);

    for (;;) {
        struct asyncio__slot *slot = begin(&worker);
        if (!slot) slot = wait_for_job(&worker);
        worker.stretch++;
        int64_t begun_ns = slot->begun_ns = asyncio__clock_real_ns();
        run_job(&worker, slot);
        slot->ended_ns = asyncio__clock_real_ns();
        note_pace(worker.box, slot->ended_ns - begun_ns);
        answer(&worker, slot);
    }
}
