// A child's life, from the moment at which it runs: waited for by its pidfd,
// signalled by it, reaped as soon as it has ended.
//
// The poll of a pidfd says only that there is something to reap; how the child
// has ended is asked of that very child. So notices that the kernel merges lose
// nothing, and nobody else's child is reaped. Once it was reaped nothing is
// sent to its number any more.

#include "io/subprocess.h"

#include <asyncio/error.h>

#include <poll.h>
#include <signal.h>

#include "loop/debug.h"

#define THREADS_MAX 4 // that start children at the same time

// --- the poll ---------------------------------------------------------------

static void arm(struct asyncio_subprocess *process);

static void wake_waiters(struct asyncio_subprocess *process)
{
    struct asyncio_task *task;
    while ((task = asyncio__first_waiter(&process->waiters)))
        asyncio__wake(task, 0);
}

static void set_ended(struct asyncio_subprocess *process, int outcome)
{
    process->state = ASYNCIO__SUBPROCESS_ENDED;
    process->outcome = outcome < 0 ? outcome : 0;
    list_remove(&process->link);
    asyncio__timer_disarm(&process->loop->timers, &process->grace);
    wake_waiters(process);
}

static void let_go_of_pidfd(struct asyncio_subprocess *process)
{
    asyncio__sys_close(process->pidfd);
    process->pidfd = -1;
    asyncio__subprocess_unref(process);
}

static void polled(struct asyncio__op *op)
{
    struct asyncio_subprocess *process =
        list_entry(op, struct asyncio_subprocess, op);
    if (process->state == ASYNCIO__SUBPROCESS_RUNNING) {
        int outcome = asyncio__sys_pidfd_reap(process->pidfd, process->pid,
                                              false, &process->returncode);
        if (outcome == 0) {
            arm(process);
            return;
        }
        set_ended(process, outcome);
    }
    let_go_of_pidfd(process);
}

static void arm_again(struct asyncio__step *step)
{
    arm(list_entry(step, struct asyncio_subprocess, retry));
}

// What fails for want of something is tried again in the next pass: nobody else
// would reap the child.
static void arm(struct asyncio_subprocess *process)
{
    if (asyncio__poller_submit(process->loop->poller, &process->op) == 0)
        return;
    process->retry.run = arm_again;
    asyncio__loop_queue(process->loop, &process->retry);
}

void asyncio__subprocess_runs(struct asyncio_subprocess *process)
{
    process->state = ASYNCIO__SUBPROCESS_RUNNING;
    process->pid = process->spawn.pid;
    process->pidfd = process->spawn.pidfd;
    process->references++;
    process->op = (struct asyncio__op){.code = ASYNCIO__OP_POLL,
                                       .done = polled,
                                       .fd = process->pidfd,
                                       .events = POLLIN};
    arm(process);
}

// --- what a loop has --------------------------------------------------------

static void reap_at_close(struct asyncio_subprocess *process)
{
    bool armed = !list_linked(&process->retry.link);
    int outcome = asyncio__sys_pidfd_reap(
        process->pidfd, process->pid, !process->detached, &process->returncode);
    if (outcome == 0) { // it goes on, and nobody will know how it ends
        asyncio__sys_disown(process->pid);
        outcome = -ECHILD;
    }
    set_ended(process, outcome);
    process->references = 1 + !process->released; // no task waits any more
    if (armed) {
        asyncio__poller_cancel(process->loop->poller, &process->op);
    } else {
        list_remove(&process->retry.link);
        let_go_of_pidfd(process);
    }
}

// The task that is about to have it will not run any more.
static void take_from_starter(struct asyncio_subprocess *process)
{
    struct asyncio_task *starter = process->starter;
    if (!starter) return;
    for (int i = 0; i < 3; i++) {
        if (process->theirs[i] >= 0) asyncio__sys_close(process->theirs[i]);
        process->theirs[i] = -1;
    }
    starter->wait.object = NULL;
    process->starter = NULL;
    asyncio_subprocess_free(process);
}

static void loop_closes(struct asyncio__at_close *hook)
{
    struct asyncio__children *children =
        list_entry(hook, struct asyncio__children, at_close);
    asyncio__offload_close(children->crew);
    asyncio__loop_drop_posts(children->loop);
    list_for_each_safe (link, after, &children->list) {
        struct asyncio_subprocess *process =
            list_entry(link, struct asyncio_subprocess, link);
        if (process->state == ASYNCIO__SUBPROCESS_RUNNING && !process->detached)
            asyncio__subprocess_kill(process);
        take_from_starter(process);
    }
    struct asyncio_link *link;
    while ((link = list_first(&children->list)))
        reap_at_close(list_entry(link, struct asyncio_subprocess, link));
    asyncio__free(children);
}

static struct asyncio__children *find(const struct asyncio_loop *loop)
{
    list_for_each (link, &loop->at_close) {
        struct asyncio__at_close *hook =
            list_entry(link, struct asyncio__at_close, link);
        if (hook->fn == loop_closes)
            return list_entry(hook, struct asyncio__children, at_close);
    }
    return NULL;
}

static int make(struct asyncio_loop *loop, struct asyncio__children **out)
{
    *out = find(loop);
    if (*out) return 0;
    struct asyncio__children *children = asyncio__alloc(sizeof *children);
    if (!children) return -ENOMEM;
    int err = asyncio__offload_open(
        &children->crew,
        &(struct asyncio__offload_options){.threads_max = THREADS_MAX,
                                           .name = "asyncio-child"});
    if (err < 0) {
        asyncio__free(children);
        return err;
    }
    children->loop = loop;
    children->at_close.fn = loop_closes;
    asyncio__loop_at_close(loop, &children->at_close);
    *out = children;
    return 0;
}

// --- the handle -------------------------------------------------------------

int asyncio__subprocess_new(struct asyncio_subprocess **out)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    struct asyncio__children *children;
    int err = make(loop, &children);
    if (err < 0) return err;
    struct asyncio_subprocess *process = asyncio__alloc(sizeof *process);
    if (!process) return -ENOMEM;
    process->children = children;
    process->loop = loop;
    process->references = 1;
    process->pidfd = -1;
    for (int i = 0; i < 3; i++)
        process->theirs[i] = -1;
    list_add_tail(&children->list, &process->link);
    *out = process;
    return 0;
}

void asyncio__subprocess_unref(struct asyncio_subprocess *process)
{
    if (--process->references == 0) asyncio__free(process);
}

void asyncio__subprocess_kill(struct asyncio_subprocess *process)
{
    if (process->state != ASYNCIO__SUBPROCESS_RUNNING) return;
    if (process->owns_group) asyncio__sys_kill_group(process->pid);
    asyncio__sys_pidfd_kill(process->pidfd);
}

static void release(struct asyncio_subprocess *process)
{
    process->released = true;
    for (int i = 0; i < 3; i++) {
        struct asyncio_stream *pipe = process->pipe[i];
        process->pipe[i] = NULL;
        if (process->detached)
            asyncio_stream_close(pipe);
        else
            asyncio_stream_abort(pipe);
        asyncio_stream_free(pipe);
    }
    if (process->state == ASYNCIO__SUBPROCESS_STARTING) {
        process->state = ASYNCIO__SUBPROCESS_ENDED;
        list_remove(&process->link);
    }
    asyncio__subprocess_unref(process);
}

void asyncio_subprocess_free(struct asyncio_subprocess *process)
{
    if (!process || process->released) return;
    bool ended = process->state == ASYNCIO__SUBPROCESS_ENDED;
    if (!ended && asyncio__wrong_thread(process->loop, __func__)) return;
    asyncio__subprocess_kill(process);
    release(process);
}

void asyncio_subprocess_detach(struct asyncio_subprocess *process)
{
    if (!process || process->released) return;
    bool ended = process->state == ASYNCIO__SUBPROCESS_ENDED;
    if (!ended && asyncio__wrong_thread(process->loop, __func__)) return;
    process->detached = true;
    release(process);
}

int asyncio_subprocess_pid(const struct asyncio_subprocess *process)
{
    if (!process) return -EINVAL;
    return process->pid;
}

struct asyncio_stream *
asyncio_subprocess_stdin(const struct asyncio_subprocess *process)
{
    if (!process) return NULL;
    return process->pipe[0];
}

struct asyncio_stream *
asyncio_subprocess_stdout(const struct asyncio_subprocess *process)
{
    if (!process) return NULL;
    return process->pipe[1];
}

struct asyncio_stream *
asyncio_subprocess_stderr(const struct asyncio_subprocess *process)
{
    if (!process) return NULL;
    return process->pipe[2];
}

// --- its end ----------------------------------------------------------------

int asyncio_subprocess_returncode(const struct asyncio_subprocess *process,
                                  int *returncode)
{
    if (!process) return -EINVAL;
    if (process->state != ASYNCIO__SUBPROCESS_ENDED) return -EAGAIN;
    if (process->outcome == 0) *returncode = process->returncode;
    return process->outcome;
}

static const struct asyncio__wait_kind waiting = {
    .name = "a child process",
    .movable = true,
};

static bool leave_for_later(struct asyncio_task *task,
                            const struct asyncio_cancel_options *options)
{
    (void)task;
    (void)options;
    return false;
}

static const struct asyncio__wait_kind joining = {
    .name = "the end of a child process",
    .cancel = leave_for_later,
    .keeps_result = true,
    .movable = true,
};

int asyncio_subprocess_wait(struct asyncio_subprocess *process, int *returncode)
{
    if (!process) return -EINVAL;
    int ignored;
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    if (process->state != ASYNCIO__SUBPROCESS_ENDED) {
        if (process->loop != task->future.loop_) return -EXDEV;
        process->references++;
        err = asyncio__park(&waiting, process, &process->waiters);
        if (err == 0)
            err = asyncio_subprocess_returncode(process, returncode ? returncode
                                                                    : &ignored);
        asyncio__subprocess_unref(process);
        return err;
    }
    return asyncio_subprocess_returncode(process,
                                         returncode ? returncode : &ignored);
}

void asyncio__subprocess_join(struct asyncio_subprocess *process)
{
    while (process->state == ASYNCIO__SUBPROCESS_RUNNING)
        asyncio_ignore(asyncio__park(&joining, process, &process->waiters));
}

// --- signals ----------------------------------------------------------------

int asyncio_subprocess_send_signal(struct asyncio_subprocess *process,
                                   int signal)
{
    if (!process) return -EINVAL;
    if (signal < 0 || signal >= NSIG) return -EINVAL;
    if (process->state != ASYNCIO__SUBPROCESS_RUNNING) return -ESRCH;
    return asyncio__sys_pidfd_signal(process->pidfd, signal);
}

int asyncio_subprocess_terminate(struct asyncio_subprocess *process)
{
    return asyncio_subprocess_send_signal(process, SIGTERM);
}

int asyncio_subprocess_kill(struct asyncio_subprocess *process)
{
    return asyncio_subprocess_send_signal(process, SIGKILL);
}

int asyncio_subprocess_signal_group(struct asyncio_subprocess *process,
                                    int signal)
{
    if (!process) return -EINVAL;
    if (signal < 0 || signal >= NSIG || !process->owns_group) return -EINVAL;
    if (process->state != ASYNCIO__SUBPROCESS_RUNNING) return -ESRCH;
    return asyncio__sys_kill(-process->pid, signal);
}
