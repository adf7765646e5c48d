// The report of a stack overflow: a handler for the process, and for each
// thread with a loop a small stack on which it can run.
//
// The handler says one line when the fault lies in a guard of ours, sets the
// default action and returns: the faulting instruction runs again, and the
// process dies of it with the registers and the core that belong to the fault.
// All other faults go to the handler that was there before, or to the default
// action if there was none.
//
// AddressSanitizer has a handler and signal stacks of its own. Ours is put in
// front of it and uses its stacks, so that an overflow reads the same in such a
// build; every other fault is reported by ASan as usual.

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "platform/signal_stack.h"
#include "platform/stack.h"
#include "platform/sys.h"

typedef bool describe_fn(void *address, char *line, size_t size);

#define LINE_SIZE 512

static const int signals[] = {SIGSEGV, SIGBUS};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static _Atomic(describe_fn *) describe_fault;

// Under the lock: how many watch, which of our handlers are in place, and what
// each replaced. The handler reads `previous` without it, which is only written
// while that handler is out.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned watch_count;
static bool installed[SIGNALS];
static struct sigaction previous[SIGNALS];

// ---- In the handler ---------------------------------------------------------

static void die_on_return(int signal)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, NULL);
}

// `sent` by somebody: it will not come again by itself. It is blocked while its
// handler runs, and arrives when that returns.
static void take_default_action(int signal, bool sent)
{
    die_on_return(signal);
    if (sent) raise(signal);
}

static void pass_on(int signal, siginfo_t *info, void *machine_context)
{
    const struct sigaction *action = &previous[signal == signals[0] ? 0 : 1];
    bool sent = info->si_code <= 0;

    if (action->sa_flags & SA_SIGINFO)
        action->sa_sigaction(signal, info, machine_context);
    else if (action->sa_handler == SIG_DFL)
        take_default_action(signal, sent);
    else if (action->sa_handler != SIG_IGN)
        action->sa_handler(signal);
    else if (!sent)
        die_on_return(signal); // The kernel does not let faults be ignored.
}

// Calls the system directly: hooks of a test need not be safe here.
static void on_fault(int signal, siginfo_t *info, void *machine_context)
{
    int saved = errno;
    char line[LINE_SIZE];
    describe_fn *describe = atomic_load(&describe_fault);
    bool sent = info->si_code <= 0; // By kill: there is no address then.

    if (!sent && describe(info->si_addr, line, sizeof(line))) {
        ssize_t written = write(STDERR_FILENO, line, strnlen(line, LINE_SIZE));
        (void)written; // There is nobody left to tell.
        die_on_return(signal);
    } else {
        pass_on(signal, info, machine_context);
    }
    errno = saved;
}

// ---- The process's handlers -------------------------------------------------

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_fault;
}

static int install(size_t i)
{
    if (installed[i]) return 0;

    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = on_fault;
    // First the old one alone: ours may have to pass a signal on at once.
    int err = asyncio__sys_sigaction(signals[i], NULL, &previous[i]);
    if (err == 0) err = asyncio__sys_sigaction(signals[i], &action, NULL);
    installed[i] = err == 0;
    return err;
}

// Ours stays if another handler was put over it, since that one may call it.
static void uninstall(size_t i)
{
    struct sigaction now;
    if (!installed[i]) return;
    if (sigaction(signals[i], NULL, &now) < 0 || !is_ours(&now)) return;

    sigaction(signals[i], &previous[i], NULL);
    installed[i] = false;
}

static int watch_process(describe_fn *describe)
{
    int err = 0;
    pthread_mutex_lock(&lock);
    assert(watch_count == 0 || describe_fault == describe);
    atomic_store(&describe_fault, describe);
    for (size_t i = 0; i < SIGNALS && err == 0; i++)
        err = install(i);
    if (err == 0) watch_count++;
    for (size_t i = 0; i < SIGNALS && watch_count == 0; i++)
        uninstall(i);
    pthread_mutex_unlock(&lock);
    return err;
}

static void unwatch_process(void)
{
    pthread_mutex_lock(&lock);
    assert(watch_count > 0);
    watch_count--;
    for (size_t i = 0; i < SIGNALS && watch_count == 0; i++)
        uninstall(i);
    pthread_mutex_unlock(&lock);
}

int asyncio__overflow_watch(describe_fn *describe)
{
    int err = asyncio__signal_stack_hold();
    if (err < 0) return err;

    err = watch_process(describe);
    if (err < 0) asyncio__signal_stack_drop();
    return err;
}

void asyncio__overflow_unwatch(void)
{
    unwatch_process();
    asyncio__signal_stack_drop();
}
