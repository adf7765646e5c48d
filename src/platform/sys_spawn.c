// Programs that are started: a child that shares our memory until it becomes
// the program.
//
//     parent thread: clone ----- stands still -----> pid, pidfd, or an errno
//     child:           signals, group, folder, descriptors, exec
//
// Nothing is copied, however large this process is, and the thread goes on when
// the child has become the program or has failed; then what it says of that is
// simply there. The child stands on a stack of its own and makes system calls
// only, past the hooks, the sanitizers and whatever else the C library does
// around a call, since all of that would happen in our memory. No signal
// reaches it before our handlers are gone from it.

#include "platform/sys.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/sys_call.h"

#define STACK_SIZE  ((size_t)64 * 1024)
#define PATH_SIZE   4096
#define EXIT_FAILED 127 // as a shell says it; nobody sees it

// The kernel's own form of a signal set, and of what is done about a signal:
// only the handler is looked at here.
typedef uint64_t kernel_set;
struct kernel_action {
    void (*handler)(int signal);
    unsigned long rest[3];
};

#define IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))

// --- in the child -----------------------------------------------------------

IN_CHILD static _Noreturn void fail(struct asyncio__spawn *spawn,
                                    enum asyncio__spawn_step step, int code)
{
    spawn->failed = step;
    spawn->error = -code;
    for (;;)
        syscall(SYS_exit_group, EXIT_FAILED);
}

// What the program handles is about things that are not in the child. What it
// ignores stays ignored, as nohup counts on; but for the two that are ignored
// for a program's own sake, by those who would rather look at codes.
IN_CHILD static void reset_signals(void)
{
    struct kernel_action action;
    for (int signal = 1; signal < NSIG; signal++) {
        if (syscall(SYS_rt_sigaction, signal, NULL, &action,
                    sizeof(kernel_set)) < 0)
            continue;
        bool own = signal == SIGPIPE || signal == SIGXFSZ;
        if (action.handler == SIG_DFL || (action.handler == SIG_IGN && !own))
            continue;
        action.handler = SIG_DFL;
        for (int i = 0; i < 3; i++)
            *(volatile unsigned long *)&action.rest[i] = 0;
        syscall(SYS_rt_sigaction, signal, &action, NULL, sizeof(kernel_set));
    }
}

IN_CHILD static void join_group(struct asyncio__spawn *spawn)
{
    if (spawn->group == 0) return;
    long result =
        spawn->group == ASYNCIO__SPAWN_SESSION
            ? syscall(SYS_setsid)
            : syscall(SYS_setpgid, 0, spawn->group > 0 ? spawn->group : 0);
    if (result < 0) fail(spawn, ASYNCIO__SPAWN_AT_GROUP, errno);
}

// Those below 3 that are to become another one are first moved out of the way.
IN_CHILD static void set_standard_fds(struct asyncio__spawn *spawn)
{
    int from[3];
    for (int i = 0; i < 3; i++) {
        from[i] = spawn->fds[i];
        if (from[i] < 0 || from[i] > 2 || from[i] == i) continue;
        from[i] = (int)syscall(SYS_fcntl, from[i], F_DUPFD_CLOEXEC, 3);
        if (from[i] < 0) fail(spawn, ASYNCIO__SPAWN_AT_FD, errno);
    }
    for (int i = 0; i < 3; i++) {
        if (from[i] < 0) continue;
        long result = from[i] == i ? syscall(SYS_fcntl, i, F_SETFD, 0)
                                   : syscall(SYS_dup3, from[i], i, 0);
        if (result < 0) fail(spawn, ASYNCIO__SPAWN_AT_FD, errno);
    }
}

// Others close as the program begins, however they were opened.
IN_CHILD static void close_others(struct asyncio__spawn *spawn)
{
    struct rlimit limit = {.rlim_cur = 0};
    if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) {
        syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
        for (long fd = 3; fd < (long)limit.rlim_cur; fd++)
            syscall(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    }
    for (const int *fd = spawn->kept; fd && *fd >= 0; fd++)
        if (syscall(SYS_fcntl, *fd, F_SETFD, 0) < 0)
            fail(spawn, ASYNCIO__SPAWN_AT_FD, errno);
}

IN_CHILD static void execute(const struct asyncio__spawn *spawn,
                             const char *file)
{
    syscall(SYS_execve, file, spawn->argv, spawn->env);
}

// One folder of PATH, an empty one being the current one; returns what comes
// after it, or NULL.
IN_CHILD static const char *execute_in(const struct asyncio__spawn *spawn,
                                       const char *folder)
{
    char name[PATH_SIZE];
    volatile char *out = name; // no call of memcpy is made of this
    const char *end = folder;
    size_t len = 0;
    errno = ENAMETOOLONG;
    for (; *end && *end != ':'; end++)
        if (len < PATH_SIZE) out[len++] = *end;
    if (len > 0 && len < PATH_SIZE) out[len++] = '/';
    for (const char *c = spawn->file; *c; c++)
        if (len < PATH_SIZE) out[len++] = *c;
    if (len < PATH_SIZE) {
        out[len] = '\0';
        execute(spawn, name);
    }
    return *end ? end + 1 : NULL;
}

// The first that can be executed. One that is there and may not be says more
// than folders where there is none.
IN_CHILD static int search(const struct asyncio__spawn *spawn)
{
    int code = ENOENT;
    const char *folder = spawn->path;
    while (folder) {
        folder = execute_in(spawn, folder);
        if (errno == EACCES)
            code = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG)
            return errno;
    }
    return code;
}

IN_CHILD static int child_main(void *arg)
{
    struct asyncio__spawn *spawn = arg;
    kernel_set none = 0;
    reset_signals();
    join_group(spawn);
    if (spawn->folder && syscall(SYS_chdir, spawn->folder) < 0)
        fail(spawn, ASYNCIO__SPAWN_AT_FOLDER, errno);
    set_standard_fds(spawn);
    close_others(spawn);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
    if (spawn->path) fail(spawn, ASYNCIO__SPAWN_AT_PROGRAM, search(spawn));
    execute(spawn, spawn->file);
    fail(spawn, ASYNCIO__SPAWN_AT_PROGRAM, errno);
}

// --- in the parent ----------------------------------------------------------

static int start_child(struct asyncio__spawn *spawn, char *stack)
{
    kernel_set all = ~(kernel_set)0, before;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    int pid = clone(child_main, stack + STACK_SIZE,
                    CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, spawn,
                    &spawn->pidfd);
    int code = errno;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    errno = code;
    return pid;
}

// It has not become a program, and nobody is to hear of it.
static void bury(pid_t pid, int pidfd)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    close(pidfd);
}

int(asyncio__sys_spawn)(struct asyncio__spawn *spawn, const char *site)
{
    void *stack;
    int err = asyncio__sys_mmap(&stack, STACK_SIZE, PROT_READ | PROT_WRITE,
                                MAP_STACK | MAP_NORESERVE);
    if (err < 0) return err;
    int saved = errno;
    spawn->error = 0;
    spawn->failed = ASYNCIO__SPAWN_AT_FORK;
    spawn->pid = (pid_t)asyncio__sys_try(ASYNCIO__SYS_FORK, site,
                                         start_child(spawn, stack));
    err = spawn->pid < 0 ? spawn->pid : spawn->error;
    if (spawn->pid >= 0 && err < 0) bury(spawn->pid, spawn->pidfd);
    errno = saved;
    asyncio__sys_munmap(stack, STACK_SIZE);
    if (err < 0) return err;
    asyncio__sys_made(ASYNCIO__CHILD, (uintptr_t)spawn->pid, 0, site);
    asyncio__sys_made(ASYNCIO__DESCRIPTOR, (uintptr_t)spawn->pidfd, 0, site);
    return 0;
}

// --- by its descriptor ------------------------------------------------------

int asyncio__sys_pidfd_signal(int pidfd, int signal)
{
    return (int)asyncio__sys_try(
        ASYNCIO__SYS_OTHER, __func__,
        syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

void asyncio__sys_pidfd_kill(int pidfd)
{
    int saved = errno;
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    errno = saved;
}

void asyncio__sys_kill_group(pid_t group)
{
    int saved = errno;
    kill(-group, SIGKILL);
    errno = saved;
}

void asyncio__sys_disown(pid_t child)
{
    asyncio__sys_gone(ASYNCIO__CHILD, (uintptr_t)child);
}

int asyncio__sys_pidfd_reap(int pidfd, pid_t pid, bool wait, int *returncode)
{
    siginfo_t info = {0};
    int saved = errno, result, flags = WEXITED | (wait ? 0 : WNOHANG);
    do
        result = waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, flags);
    while (result < 0 && errno == EINTR);
    int err = result < 0 ? -errno : info.si_pid != 0;
    errno = saved;
    if (err == 0) return 0;
    asyncio__sys_gone(ASYNCIO__CHILD, (uintptr_t)pid);
    *returncode = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return err;
}
