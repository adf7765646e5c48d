// The worker's side of its log: how it is set up, and the handler for faults.
//
// The handler runs on a stack of its own, since the job's may be used up, and
// does little: a few words on that stack, one write. First it is written that
// there was a fault and where, since walking a stack that is broken may be
// another fault; the kernel ends the process then, and that is known too.

#include "exec/worker_log.h"

#include <signal.h>
#include <stdio.h>

#include "platform/signal_stack.h"
#include "platform/sys.h"
#include "platform/unwind.h"
#include "task/failure.h"

#define EXIT_FAILED 127

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};

static struct {
    int log;
    uint64_t memory_limit;
} worker;

static void write_entry(const struct asyncio__log_entry *entry)
{
    while (asyncio__sys_write(worker.log, entry, sizeof *entry) == -EINTR)
        continue; // a log that is full has lost its meaning
}

// --- faults -----------------------------------------------------------------

static void write_stack(struct asyncio__log_entry *entry)
{
    static const struct asyncio__unwind_options interrupted = {.interrupted =
                                                                   true};
    struct asyncio__frame frames[ASYNCIO__LOG_FRAMES];
    size_t count =
        asyncio__unwind(NULL, &interrupted, frames, ASYNCIO__LOG_FRAMES);

    for (size_t i = 0; i < count; i++)
        entry->frames[i] = (uintptr_t)frames[i].address;
    entry->frame_count = (uint32_t)count;
    write_entry(entry);
}

// The default action is in place again, and ends the process when the faulting
// instruction is tried once more. A signal that was sent has to be sent again;
// so has one of the kernel's that lets the program go on.
static void on_fault(int number, siginfo_t *info, void *machine_context)
{
    (void)machine_context;
    bool sent = info->si_code <= 0;
    bool located = !sent && number != SIGSYS && number != SIGABRT;
    struct asyncio__log_entry entry = {
        .kind = ASYNCIO__LOG_FAULT,
        .code = number,
        .address = located ? (uintptr_t)info->si_addr : 0,
        .has_address = located,
        .memory_is_up = worker.memory_limit > 0 &&
                        !asyncio__sys_has_memory(worker.memory_limit / 8),
    };

    write_entry(&entry);
    write_stack(&entry);
    if ((sent || number == SIGSYS) && raise(number) != 0)
        asyncio__sys_exit(128 + number);
}

// The first walk loads what later ones need.
static int watch_faults(void)
{
    struct sigaction action = {
        .sa_flags = (int)((unsigned)SA_SIGINFO | SA_ONSTACK | SA_RESETHAND)};
    struct asyncio__unwind_options none = {0};
    struct asyncio__frame frame;

    asyncio__unwind(NULL, &none, &frame, 1);
    action.sa_sigaction = on_fault;
    int err = asyncio__signal_stack_hold();
    for (size_t i = 0; err == 0 && i < sizeof faults / sizeof *faults; i++)
        err = asyncio__sys_sigaction(faults[i], &action, NULL);
    return err;
}

// --- the beginning ----------------------------------------------------------

static _Noreturn void fail(int code, const char *what)
{
    struct asyncio__log_entry entry = {.kind = ASYNCIO__LOG_FAILED,
                                       .code = code};
    snprintf(entry.text, sizeof entry.text, "%s: %s", what,
             asyncio_strerror(code));
    write_entry(&entry);
    asyncio__sys_exit(EXIT_FAILED);
}

void asyncio__worker_set_up(const struct asyncio__worker_setup *setup, int log)
{
    int err;
    worker.log = log;
    worker.memory_limit = setup->memory_limit;

    err = watch_faults();
    if (err < 0) fail(err, "its faults cannot be watched");
    if (setup->memory_limit > 0) {
        err = asyncio__sys_limit_memory(setup->memory_limit);
        if (err < 0) fail(err, "its memory cannot be limited");
    }
    if (setup->initializer) {
        err = setup->initializer(setup->initarg);
        if (err < 0) fail(err, "the pool's initializer failed");
        fflush(NULL);
    }
    asyncio__failures_drop_thread();
    write_entry(&(struct asyncio__log_entry){
        .kind = ASYNCIO__LOG_READY,
        .processor_ns = asyncio__sys_processor_ns(asyncio__sys_getpid()),
    });
}
