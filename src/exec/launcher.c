// Both sides of the fork that makes the launcher.

#include "exec/launcher.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exec/foreman.h"
#include "exec/objects.h"
#include "exec/sandbox.h"
#include "exec/worker_log.h"
#include "platform/context.h"
#include "platform/stack.h"
#include "platform/sys.h"
#include "platform/trace.h"
#include "task/executor.h"
#include "task/task.h"

#define LAUNCHER_STACK ((size_t)8 * 1024 * 1024)
#define SOCKET         3 // the launcher's descriptor; below are the standard ones

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    unsigned holders;
    bool for_good; // asyncio_process_init is one of them
    pid_t pid;
    int socket;
    struct asyncio__objects objects;
} launcher;

// --- in the launcher --------------------------------------------------------

static _Noreturn void become_foreman(const struct asyncio__worker_setup *setup,
                                     const int fds[2])
{
    asyncio__sys_close(SOCKET);
    asyncio__foreman_run(fds[0], fds[1], setup);
}

static _Noreturn void launch(void)
{
    struct asyncio__worker_setup setup;
    int fds[ASYNCIO__MESSAGE_FDS];

    for (;;) {
        int n = asyncio__message_receive(SOCKET, &setup, sizeof setup, fds, 0);
        if (n <= 0) asyncio__sys_exit(0);
        // Without a foreman the parent finds the socket at its end.
        if (asyncio__sys_fork() == 0) become_foreman(&setup, fds);
        asyncio__sys_close(fds[0]);
        asyncio__sys_close(fds[1]);
    }
}

static void launch_on_stack(void *arg)
{
    (void)arg;
    launch();
}

// A fork made by a task stands on that task's small stack, and so would every
// job. No way leads back.
static _Noreturn void launch_on_larger_stack(void)
{
    static struct asyncio__context from, to;
    struct asyncio__stacks *stacks;
    if (asyncio__stacks_open(&stacks) < 0) asyncio__sys_exit(1);
    struct asyncio__stack *stack = asyncio__stack_get(stacks, LAUNCHER_STACK);
    if (!stack) asyncio__sys_exit(1);

    asyncio__context_adopt(&from);
    asyncio__context_make(&to, stack, launch_on_stack, NULL);
    asyncio__context_leave(&from, &to);
}

// Handlers of the program are about things that are not here. Foremen are not
// waited for. What a terminal or a service manager sends goes to the whole
// group, and is the parent's to decide.
static void reset_signals(void)
{
    asyncio__sys_drop_handlers();
    asyncio__sys_handle(SIGINT, SIG_IGN);
    asyncio__sys_handle(SIGTERM, SIG_IGN);
    asyncio__sys_handle(SIGHUP, SIG_IGN);
    asyncio__sys_handle(SIGCHLD, SIG_IGN);
}

// Whoever waits for the other end of a descriptor of ours to be closed must not
// wait for a copy in the launcher. Jobs read nothing from the terminal.
static void keep_only(int socket)
{
    if (socket != SOCKET && asyncio__sys_dup3(socket, SOCKET, O_CLOEXEC) < 0)
        asyncio__sys_exit(1);
    asyncio__sys_close_from(SOCKET + 1);
    int nothing = asyncio__sys_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);
    if (nothing <= 0) return;
    asyncio__sys_dup3(nothing, STDIN_FILENO, 0);
    asyncio__sys_close(nothing);
}

static _Noreturn void become_launcher(int socket)
{
    bool in_task = asyncio__task();

    asyncio__sys_set_name("asyncio-launch");
    asyncio__running_loop = asyncio__thread_loop = NULL;
    asyncio__trace_never();
    asyncio__executor_forget_all();
    launcher.holders = 0;
    launcher.for_good = false;
    pthread_mutex_init(&lock, NULL);
    reset_signals();
    keep_only(socket);
    if (in_task) launch_on_larger_stack();
    launch();
}

// --- in the parent ----------------------------------------------------------

// glibc knows at no cost; once there were threads, /proc says what is left.
static int check_alone(void)
{
    int threads = __libc_single_threaded ? 1 : asyncio__sys_threads();
    if (threads == 1) return 0;
    if (threads < 0) return threads;
    return asyncio_raise(-EBUSY,
                         "processes cannot be forked any more, there are %d "
                         "threads: pass .processes = true to asyncio_run, or "
                         "call asyncio_process_init first in main",
                         threads);
}

// What stands in buffers now would be written by every child too.
static int fork_launcher(void)
{
    int fds[2];
    int err = asyncio__sys_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds);
    if (err < 0) return err;

    fflush(NULL);
    pid_t pid = asyncio__sys_fork();
    if (pid == 0) become_launcher(fds[1]);

    asyncio__sys_close(fds[1]);
    if (pid < 0) {
        asyncio__sys_close(fds[0]);
        return pid;
    }
    launcher.pid = pid;
    launcher.socket = fds[0];
    return 0;
}

static int start_alone(void)
{
    int err = check_alone();
    if (err < 0) return err;
    err = asyncio__objects_take(&launcher.objects);
    if (err < 0) return err;
    err = fork_launcher();
    if (err < 0) asyncio__objects_drop(&launcher.objects);
    return err;
}

// A trace makes no difference to what a program may do.
static int start_launcher(void)
{
    asyncio__trace_pause();
    int err = start_alone();
    asyncio__trace_go_on();
    return err;
}

static int hold_locked(void)
{
    int err = launcher.holders == 0 ? start_launcher() : 0;
    if (err == 0) launcher.holders++;
    return err;
}

int asyncio__launcher_hold(void)
{
    pthread_mutex_lock(&lock);
    int err = hold_locked();
    pthread_mutex_unlock(&lock);
    return err;
}

void asyncio__launcher_drop(void)
{
    pthread_mutex_lock(&lock);
    if (launcher.holders > 0 && --launcher.holders == 0) {
        asyncio__sys_close(launcher.socket);
        asyncio__sys_reap(launcher.pid);
        asyncio__objects_drop(&launcher.objects);
    }
    pthread_mutex_unlock(&lock);
}

int asyncio_process_init(void)
{
    pthread_mutex_lock(&lock);
    int err = launcher.for_good ? 0 : hold_locked();
    if (err == 0) launcher.for_good = true;
    pthread_mutex_unlock(&lock);
    return err;
}

// Hands the far ends to the launcher, which passes them on.
static int request_foreman(const struct asyncio__worker_setup *setup,
                           const int fds[2])
{
    int err =
        asyncio__message_send(launcher.socket, setup, sizeof *setup, fds, 2, 0);
    if (err == -EPIPE || err == -ECONNRESET)
        return asyncio_raise(-EOWNERDEAD,
                             "the process that forks workers (%d) "
                             "has gone",
                             (int)launcher.pid);
    return err;
}

// Waits for the outcome of the trial: no job is taken before it is known.
static int await_sandbox(int socket)
{
    struct asyncio__notice notice;
    int n = asyncio__message_receive(socket, &notice, sizeof notice, NULL, 0);
    if (n < 0) return n;
    if (n == 0 || notice.kind != ASYNCIO__NOTICE_SANDBOX)
        return asyncio_raise(-EOWNERDEAD,
                             "the process that forks the workers has gone");
    if (notice.status == 0) return 0;
    return asyncio_raise(-ENOTSUP,
                         "worker processes cannot be confined here: %s failed "
                         "(%s)",
                         asyncio__sandbox_step_name(notice.worker),
                         strerrordesc_np(-notice.status));
}

int asyncio__launcher_foreman(const struct asyncio__worker_setup *setup,
                              int *socket, int *bell)
{
    int sockets[2], bells[2];
    int err = asyncio__sys_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets);
    if (err < 0) return err;
    err = asyncio__sys_pipe(bells, O_NONBLOCK);
    if (err < 0) goto close_sockets;

    err = request_foreman(setup, (int[]){sockets[1], bells[1]});
    asyncio__sys_close(bells[1]);
    asyncio__sys_close(sockets[1]);
    if (err == 0 && setup->sandbox) err = await_sandbox(sockets[0]);
    if (err < 0) goto close_bell;
    *socket = sockets[0];
    *bell = bells[0];
    return 0;

close_bell:
    asyncio__sys_close(bells[0]);
    asyncio__sys_close(sockets[0]);
    return err;
close_sockets:
    asyncio__sys_close(sockets[1]);
    asyncio__sys_close(sockets[0]);
    return err;
}

bool asyncio__launcher_knows(int (*fn)(void *arg))
{
    pthread_mutex_lock(&lock);
    bool knows =
        launcher.holders > 0 && asyncio__objects_have(&launcher.objects, fn);
    pthread_mutex_unlock(&lock);
    return knows;
}
