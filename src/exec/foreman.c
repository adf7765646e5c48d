// A foreman's work: it waits for orders and for the ends of workers, and has no
// other state than who is alive.

#include "exec/foreman.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "exec/mailbox.h"
#include "exec/sandbox.h"
#include "exec/worker_log.h"
#include "platform/sys.h"

struct foreman {
    int socket;    // to the parent
    int bell;      // for the workers
    int endings;   // signalfd of SIGCHLD
    sigset_t mask; // the program's, for the workers
    const struct asyncio__worker_setup *setup;
    uint32_t count; // places in the table
    pid_t *workers; // by number; 0: there is none
};

// Nobody is there to be told: end, and the kernel ends the workers.
static void tell(struct foreman *foreman, enum asyncio__notice_kind kind,
                 uint32_t worker, pid_t pid, int status)
{
    const struct asyncio__notice notice = {kind, worker, pid, status};
    int err = asyncio__message_send(foreman->socket, &notice, sizeof notice,
                                    NULL, 0, 0);
    if (err < 0) asyncio__sys_exit(0);
}

// Here the worker begins. Its parent may be gone before it said that it wants
// to die with it.
static _Noreturn void become_worker(struct foreman *foreman,
                                    const int fds[ASYNCIO__MESSAGE_FDS],
                                    pid_t parent)
{
    asyncio__sys_die_with_parent();
    if (asyncio__sys_getppid() != parent) asyncio__sys_exit(0);

    asyncio__sys_close(foreman->socket);
    asyncio__sys_close(foreman->endings);
    asyncio__sys_set_name("asyncio-worker");
    asyncio__sys_handle(SIGTERM, SIG_DFL);
    asyncio__sys_handle(SIGHUP, SIG_DFL);
    asyncio__sys_sigprocmask(SIG_SETMASK, &foreman->mask, NULL);
    asyncio__free(foreman->workers);
    asyncio__worker_set_up(foreman->setup, fds[1]);
    asyncio__worker_run(fds[0],
                        &(struct asyncio__doors){foreman->bell, .log = fds[1],
                                                 .channel = fds[2]},
                        (uint32_t)foreman->setup->sandbox);
}

// Makes room for a worker of that number.
static int reach(struct foreman *foreman, uint32_t worker)
{
    if (worker < foreman->count) return 0;
    size_t count = (size_t)worker + 1;
    pid_t *workers = asyncio__realloc_array(foreman->workers, foreman->count,
                                            count, sizeof *workers);
    if (!workers) return -ENOMEM;
    foreman->workers = workers;
    foreman->count = (uint32_t)count;
    return 0;
}

static pid_t fork_worker(struct foreman *foreman, uint32_t worker,
                         const int fds[ASYNCIO__MESSAGE_FDS])
{
    pid_t self = asyncio__sys_getpid();
    if (fds[0] < 0 || fds[1] < 0 || fds[2] < 0) return -EPROTO;
    int err = reach(foreman, worker);
    if (err < 0) return err;

    pid_t pid = asyncio__sys_fork();
    if (pid == 0) become_worker(foreman, fds, self);
    return pid;
}

static void start_worker(struct foreman *foreman, uint32_t worker,
                         const int fds[ASYNCIO__MESSAGE_FDS])
{
    pid_t pid = fork_worker(foreman, worker, fds);

    for (int i = 0; i < ASYNCIO__MESSAGE_FDS; i++)
        if (fds[i] >= 0) asyncio__sys_close(fds[i]);
    if (pid < 0) {
        tell(foreman, ASYNCIO__NOTICE_FAILED, worker, 0, pid);
        return;
    }
    foreman->workers[worker] = pid;
    tell(foreman, ASYNCIO__NOTICE_STARTED, worker, pid, 0);
}

// What is in the table has not been reaped: its number is nobody else's.
static void signal_worker(struct foreman *foreman, uint32_t worker, int signal)
{
    if (worker < foreman->count && foreman->workers[worker] > 0)
        asyncio__sys_kill(foreman->workers[worker], signal);
    tell(foreman, ASYNCIO__NOTICE_NOTHING, worker, 0, 0);
}

static void kill_all(struct foreman *foreman)
{
    for (uint32_t i = 0; i < foreman->count; i++)
        if (foreman->workers[i] > 0)
            asyncio__sys_kill(foreman->workers[i], SIGKILL);
    for (uint32_t i = 0; i < foreman->count; i++)
        if (foreman->workers[i] > 0) asyncio__sys_reap(foreman->workers[i]);
}

static void obey(struct foreman *foreman)
{
    struct asyncio__order order;
    int fds[ASYNCIO__MESSAGE_FDS];
    int n = asyncio__message_receive(foreman->socket, &order, sizeof order, fds,
                                     MSG_DONTWAIT);
    if (n == -EAGAIN) return;
    if (n <= 0) {
        kill_all(foreman);
        asyncio__sys_exit(0);
    }
    if (order.kind == ASYNCIO__ORDER_START)
        start_worker(foreman, order.worker, fds);
    else
        signal_worker(foreman, order.worker, order.signal);
}

static void forget(struct foreman *foreman, pid_t pid, int status)
{
    for (uint32_t i = 0; i < foreman->count; i++) {
        if (foreman->workers[i] != pid) continue;
        foreman->workers[i] = 0;
        tell(foreman, ASYNCIO__NOTICE_ENDED, i, pid, status);
    }
}

static void reap_workers(struct foreman *foreman)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    while (asyncio__sys_read(foreman->endings, &info, sizeof info) > 0)
        continue;
    while ((pid = asyncio__sys_reap_any(&status)) > 0)
        forget(foreman, pid, status);
}

// SIGTERM is ignored here; one that is sent to a worker which has only just
// been forked is kept, for the time when it is a worker.
static int watch_children(struct foreman *foreman)
{
    sigset_t children, blocked;

    asyncio__sys_handle(SIGCHLD, SIG_DFL);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    blocked = children;
    sigaddset(&blocked, SIGTERM);
    asyncio__sys_sigprocmask(SIG_BLOCK, &blocked, &foreman->mask);
    foreman->endings = asyncio__sys_signalfd(&children);
    return foreman->endings;
}

// From inside, the socket is all that is left, and a notice fits into a write.
static _Noreturn void become_trial(int socket)
{
    struct asyncio__notice notice = {.kind = ASYNCIO__NOTICE_SANDBOX};
    enum asyncio__sandbox_step step;
    notice.status = asyncio__sandbox_try(socket, &step);
    notice.worker = step;
    ssize_t n = asyncio__sys_write(socket, &notice, sizeof notice);
    asyncio__sys_exit(n == (ssize_t)sizeof notice ? 0 : 1);
}

// A process of its own finds out whether there is a sandbox here: it is spent
// by that. One that ends without a word has met a kernel that kills.
static void try_sandbox(struct foreman *foreman)
{
    pid_t pid = asyncio__sys_fork();
    if (pid == 0) become_trial(foreman->socket);
    if (pid > 0 && asyncio__sys_reap_status(pid) == 0) return;
    tell(foreman, ASYNCIO__NOTICE_SANDBOX, ASYNCIO__SANDBOX_TRIAL, 0,
         pid < 0 ? pid : -ENOTRECOVERABLE);
}

_Noreturn void asyncio__foreman_run(int socket, int bell,
                                    const struct asyncio__worker_setup *setup)
{
    struct foreman foreman = {.socket = socket, .bell = bell, .setup = setup};

    asyncio__sys_set_name("asyncio-foreman");
    if (watch_children(&foreman) < 0) asyncio__sys_exit(1);
    if (setup->sandbox) try_sandbox(&foreman);

    for (;;) {
        struct pollfd fds[] = {{.fd = socket, .events = POLLIN},
                               {.fd = foreman.endings, .events = POLLIN}};
        int n = asyncio__sys_poll(fds, 2, -1);
        if (n < 0 && n != -EINTR) asyncio__sys_exit(1);
        if (n > 0 && fds[1].revents) reap_workers(&foreman);
        if (n > 0 && fds[0].revents) obey(&foreman);
    }
}
