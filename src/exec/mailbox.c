// Both ends of a mailbox.

#include "exec/mailbox.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "exec/objects.h"
#include "exec/sandbox.h"
#include "platform/clock.h"
#include "platform/sys.h"
#include "task/failure.h"

// A worker looks for its next job this long before it sleeps, if there is
// another processor for the parent.
#define SPIN_NS 20000

// --- the parent's side ------------------------------------------------------

int asyncio__mailbox_open(struct asyncio__mailbox **box, int *memory)
{
    void *address;
    int fd = asyncio__sys_memfd("asyncio-mailbox", sizeof **box);
    if (fd < 0) return fd;

    int err = asyncio__sys_mmap_shared(&address, sizeof **box, fd);
    if (err < 0) {
        asyncio__sys_close(fd);
        return err;
    }
    *box = address;
    *memory = fd;
    return 0;
}

void asyncio__mailbox_close(struct asyncio__mailbox *box)
{
    if (box) asyncio__sys_munmap(box, sizeof *box);
}

// Either the worker sees the turn before it sleeps, or we see that it sleeps.
void asyncio__mailbox_send(struct asyncio__mailbox *box, int (*fn)(void *arg),
                           const void *arg, size_t size)
{
    box->fn = (uintptr_t)fn;
    box->size = size;
    if (size > 0) memcpy(box->bytes, arg, size);
    atomic_store(&box->turn, ASYNCIO__TURN_WORKER);
    if (atomic_load(&box->asleep)) asyncio__sys_futex_wake(&box->turn);
}

bool asyncio__mailbox_answered(const struct asyncio__mailbox *box)
{
    return atomic_load_explicit(&box->turn, memory_order_acquire) ==
           ASYNCIO__TURN_PARENT;
}

// What a terminal would obey is shown as a question mark: words come from a
// process that nobody trusts, and are printed. In UTF-8, the controls above
// ASCII begin with C2.
static void make_harmless(char *text)
{
    unsigned char before = 0;
    for (unsigned char *at = (unsigned char *)text; *at; before = *at++) {
        bool high = *at >= 0x80 && *at < 0xa0 && before == 0xc2;
        bool low = *at < 0x20 && *at != '\t' && *at != '\n';
        if (high) at[-1] = at[0] = '?';
        if (low || *at == 0x7f) *at = '?';
    }
}

// The text is copied before it is looked at: it may change under our eyes.
static struct asyncio__failure *take_words(const struct asyncio__mailbox *box,
                                           int code)
{
    char text[sizeof box->text], task[sizeof box->task];
    memcpy(text, box->text, sizeof text);
    memcpy(task, box->task, sizeof task);
    text[sizeof text - 1] = task[sizeof task - 1] = '\0';
    if (!text[0]) return NULL;
    make_harmless(text);
    make_harmless(task);
    return asyncio__failure_make(code, text,
                                 asyncio__objects_constant(box->site), task);
}

int asyncio__mailbox_take(const struct asyncio__mailbox *box, void *arg,
                          size_t size, struct asyncio__failure **words)
{
    int result = *(const volatile int32_t *)&box->result;
    if (arg && size > 0) memcpy(arg, box->bytes, size);
    *words = result < 0 ? take_words(box, result) : NULL;
    return result;
}

// --- the worker's -----------------------------------------------------------

static bool has_job(struct asyncio__mailbox *box)
{
    return atomic_load(&box->turn) == ASYNCIO__TURN_WORKER;
}

static bool spin(struct asyncio__mailbox *box)
{
    int64_t end = asyncio__clock_real_ns() + SPIN_NS;
    do {
        for (int i = 0; i < 32; i++) {
            if (has_job(box)) return true;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
    } while (asyncio__clock_real_ns() < end);
    return false;
}

static void wait_for_job(struct asyncio__mailbox *box, bool may_spin)
{
    if (may_spin && spin(box)) return;

    atomic_store(&box->asleep, 1);
    while (!has_job(box))
        asyncio__sys_futex_wait(&box->turn, ASYNCIO__TURN_PARENT);
    atomic_store(&box->asleep, 0);
}

static void put_words(struct asyncio__mailbox *box, int code)
{
    const struct asyncio__failure *seen = asyncio__failure_of(code);
    const struct asyncio_error none = {.text = "", .site = "", .task = ""};
    const struct asyncio_error *error = seen ? &seen->error : &none;

    snprintf(box->text, sizeof box->text, "%s", error->text);
    snprintf(box->task, sizeof box->task, "%s", error->task);
    box->site = (uintptr_t)error->site;
}

// What the job printed is shown when it has ended, not when the worker ends:
// that is by a signal, and would lose it.
static void run_job(struct asyncio__mailbox *box)
{
    int (*fn)(void *arg) = (int (*)(void *))(uintptr_t)box->fn;
    int result = fn(box->size > 0 ? box->bytes : NULL);

    if (result < 0) put_words(box, result);
    asyncio__failures_drop_thread();
    fflush(NULL);
    box->result = result;
}

static void ring(int bell)
{
    char byte = 0;
    while (asyncio__sys_write(bell, &byte, 1) == -EINTR)
        continue; // a full pipe is as good: it is readable
}

// Here the worker turns into one that nobody needs to trust. What a job is to
// load or to open, an initialiser has done before.
static void confine(int bell, uint32_t sandbox)
{
    enum asyncio__sandbox_step step;
    if (sandbox && asyncio__sandbox_enter(bell, &step) < 0)
        asyncio__sys_exit(126);
}

_Noreturn void asyncio__worker_run(int memory, int bell, uint32_t sandbox)
{
    struct asyncio__mailbox *box;
    void *address;
    int err = asyncio__sys_mmap_shared(&address, sizeof *box, memory);
    if (err < 0) asyncio__sys_exit(127);
    asyncio__sys_close(memory);
    box = address;

    bool may_spin = asyncio__sys_processors() > 1;
    confine(bell, sandbox);
    for (;;) {
        wait_for_job(box, may_spin);
        run_job(box);
        atomic_store(&box->turn, ASYNCIO__TURN_PARENT);
        ring(bell);
    }
}
