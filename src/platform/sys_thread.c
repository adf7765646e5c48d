// Threads of our own. They block signals, so that a handler of the program runs
// only on threads of the program; but for those that a fault raises, which must
// reach whoever reports crashes.

#include "platform/sys.h"

#include <errno.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "platform/sys_call.h"

static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

// pthread_create returns a positive code, or 0.
static int start(pthread_t *thread, size_t stack_size, void *(*fn)(void *arg),
                 void *arg)
{
    pthread_attr_t attr;
    sigset_t blocked, old;
    int code = pthread_attr_init(&attr);
    if (code != 0) return code;

    if (stack_size > 0) code = pthread_attr_setstacksize(&attr, stack_size);
    if (code != 0) goto destroy_attr;

    // A new thread inherits the mask of the one that makes it.
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, &old);
    code = pthread_create(thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);

destroy_attr:
    pthread_attr_destroy(&attr);
    return code;
}

int(asyncio__sys_thread_start)(pthread_t *thread, size_t stack_size,
                               void *(*fn)(void *arg), void *arg,
                               const char *site)
{
    int err = asyncio__sys_denied(ASYNCIO__SYS_THREAD, site);
    if (err < 0) return err;

    int saved = errno;
    err = -start(thread, stack_size, fn, arg);
    errno = saved;
    if (err < 0) return err;

    asyncio__sys_made(ASYNCIO__THREAD, (uintptr_t)*thread, stack_size, site);
    return 0;
}

// The ledger hears of it first: once joined, the same id may be given to a new
// thread.
void asyncio__sys_thread_join(pthread_t thread)
{
    asyncio__sys_gone(ASYNCIO__THREAD, (uintptr_t)thread);
    pthread_join(thread, NULL);
}

void asyncio__sys_thread_detach(pthread_t thread)
{
    asyncio__sys_gone(ASYNCIO__THREAD, (uintptr_t)thread);
    pthread_detach(thread);
}

int asyncio__sys_thread_signal(pthread_t thread, int signal, void *value)
{
    int err = asyncio__sys_denied(ASYNCIO__SYS_OTHER, __func__);
    if (err < 0) return err;
    union sigval carried = {.sival_ptr = value};
    return -pthread_sigqueue(thread, signal, carried);
}

void asyncio__sys_rest(long ns)
{
    int saved = errno;
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
    errno = saved;
}

// The affinity mask knows of containers and taskset. More processors than it
// has room for make the call fail, and then the system is asked.
int asyncio__sys_processors(void)
{
    cpu_set_t mask;
    int saved = errno;
    long n = 0;

    if (sched_getaffinity(0, sizeof mask, &mask) == 0) n = CPU_COUNT(&mask);
    if (n <= 0) n = sysconf(_SC_NPROCESSORS_ONLN);
    errno = saved;
    return n > 0 ? (int)n : 1;
}

int asyncio__sys_processors_online(void)
{
    int saved = errno;
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    errno = saved;
    return n > 0 ? (int)n : 1;
}
