// How a child comes to be: pipes and streams first, then a thread that makes
// the process and stands by until that has become its program.
//
//     task: pipes -> crew -> thread: spawn -> post -> landed -> wakes task
//
// All that the thread looks at lies in the caller's frame, which stands still:
// so a call that is cancelled waits for the thread, unless that has not begun,
// and then ends the child that it has made. The exec that it waits for is as
// long as reading the first page of a program.

#include "io/subprocess.h"

#include <asyncio/error.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PATH "/bin:/usr/bin"

// --- the thread -------------------------------------------------------------

static struct asyncio_subprocess *process_of(struct asyncio__offload_job *job)
{
    return list_entry(job, struct asyncio_subprocess, job);
}

static void spawn(struct asyncio__offload_job *job)
{
    struct asyncio_subprocess *process = process_of(job);
    process->start_error = asyncio__sys_spawn(&process->spawn);
}

static void hand_back(struct asyncio__offload_job *job)
{
    struct asyncio_subprocess *process = process_of(job);
    asyncio__loop_post(process->loop, &process->post);
}

// --- the loop's side --------------------------------------------------------

static void take_over(struct asyncio_subprocess *process)
{
    process->loop->held--;
    if (process->start_error < 0) return;
    process->owns_group = process->spawn.group < 0;
    asyncio__subprocess_runs(process);
    if (process->unwanted) asyncio__subprocess_kill(process);
}

static void land(struct asyncio__step *step)
{
    struct asyncio_subprocess *process =
        list_entry(step, struct asyncio_subprocess, post.step);
    take_over(process);
    asyncio__wake(process->starter, process->unwanted ? -ECANCELED : 0);
}

static void land_in_closed_loop(struct asyncio__post *post)
{
    take_over(list_entry(post, struct asyncio_subprocess, post));
}

static bool cancel_start(struct asyncio_task *task,
                         const struct asyncio_cancel_options *options)
{
    struct asyncio_subprocess *process = task->wait.object;
    (void)options;
    if (!process) { // the loop closes, and has taken it
        asyncio__wake(task, -ECANCELED);
        return true;
    }
    process->unwanted = true;
    if (!asyncio__offload_retract(process->children->crew, &process->job))
        return true;
    process->loop->held--;
    asyncio__wake(task, -ECANCELED);
    return true;
}

static const struct asyncio__wait_kind starting = {
    .name = "a child process to begin",
    .cancel = cancel_start,
    .keeps_result = true,
};

static int start_on_thread(struct asyncio_subprocess *process)
{
    process->job =
        (struct asyncio__offload_job){.work = spawn, .done = hand_back};
    process->post =
        (struct asyncio__post){.step.run = land, .drop = land_in_closed_loop};
    int err = asyncio__offload_submit(process->children->crew, &process->job);
    if (err < 0) return err;
    process->loop->held++;
    err = asyncio__park(&starting, process, NULL);
    return err < 0 ? err : process->start_error;
}

// --- its descriptors --------------------------------------------------------

// A stream of ours at one end; the other one is in blocking mode, as programs
// expect it.
static int make_pipe(struct asyncio_subprocess *process, int which,
                     const struct asyncio_subprocess_options *options)
{
    int fds[2], end = which == 0 ? 1 : 0;
    int err = asyncio__sys_pipe(fds, 0);
    if (err < 0) return err;
    if (asyncio__poller_mode(process->loop->poller))
        err = asyncio__sys_set_nonblocking(fds[end], true);
    if (err == 0)
        err = (asyncio_stream_open)(&process->pipe[which], fds[end],
                                    &(struct asyncio_stream_options){
                                        .site = options->site,
                                        .limit = options->limit});
    if (err < 0) {
        asyncio__sys_close(fds[0]);
        asyncio__sys_close(fds[1]);
        return err;
    }
    return process->theirs[which] = fds[1 - end];
}

static int open_nothing(struct asyncio_subprocess *process, int which)
{
    int mode = which == 0 ? O_RDONLY : O_WRONLY, fd;
    do
        fd = asyncio__sys_openat(AT_FDCWD, "/dev/null", mode, 0);
    while (fd == -EINTR);
    if (fd >= 0) process->theirs[which] = fd;
    return fd;
}

static int make_one(struct asyncio_subprocess *process, int which, int wanted,
                    const struct asyncio_subprocess_options *options)
{
    int fd = wanted;
    if (wanted == ASYNCIO_PIPE)
        fd = make_pipe(process, which, options);
    else if (wanted == ASYNCIO_DEVNULL)
        fd = open_nothing(process, which);
    else if (wanted == ASYNCIO_STDOUT && which == 2)
        fd = process->spawn.fds[1] < 0 ? 1 : process->spawn.fds[1];
    else if (wanted < 0)
        return -EINVAL;
    if (fd < 0) return fd;
    process->spawn.fds[which] = wanted == 0 ? -1 : fd;
    return 0;
}

static int make_descriptors(struct asyncio_subprocess *process,
                            const struct asyncio_subprocess_options *options)
{
    int err = make_one(process, 0, options->stdin, options);
    if (err == 0) err = make_one(process, 1, options->stdout, options);
    if (err == 0) err = make_one(process, 2, options->stderr, options);
    return err;
}

static void close_theirs(struct asyncio_subprocess *process)
{
    for (int i = 0; i < 3; i++) {
        if (process->theirs[i] >= 0) asyncio__sys_close(process->theirs[i]);
        process->theirs[i] = -1;
    }
}

// --- what to execute --------------------------------------------------------

static const char *path_in(const char *const *env)
{
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0) return *env + 5;
    return NULL;
}

static int describe(struct asyncio__spawn *spawn, const char *const *argv,
                    const struct asyncio_subprocess_options *options)
{
    if (options->process_group < ASYNCIO_NEW_SESSION) return -EINVAL;
    spawn->file = argv[0];
    spawn->argv = argv;
    spawn->env = options->env ? options->env : (const char *const *)environ;
    spawn->folder = options->cwd;
    spawn->kept = options->pass_fds;
    spawn->group = options->process_group;
    if (argv[0][0] && !strchr(argv[0], '/')) {
        spawn->path = path_in(spawn->env);
        if (!spawn->path) spawn->path = DEFAULT_PATH;
    }
    return 0;
}

static int explain(const struct asyncio__spawn *spawn, const char *site,
                   int err)
{
    const char *reason = strerrordesc_np(-err);
    if (spawn->failed == ASYNCIO__SPAWN_AT_FOLDER)
        return asyncio_raise_at(site, err,
                                "%s cannot be started in the folder %s: %s",
                                spawn->file, spawn->folder, reason);
    if (spawn->failed == ASYNCIO__SPAWN_AT_GROUP)
        return asyncio_raise_at(site, err,
                                "%s cannot be put into the group of processes "
                                "%d: %s",
                                spawn->file, (int)spawn->group, reason);
    if (spawn->failed == ASYNCIO__SPAWN_AT_FD)
        return asyncio_raise_at(site, err,
                                "%s cannot be given its descriptors: %s",
                                spawn->file, reason);
    return asyncio_raise_at(site, err, "%s cannot be started: %s", spawn->file,
                            reason);
}

// --- calls ------------------------------------------------------------------

static int start(struct asyncio_subprocess *process, const char *const *argv,
                 const char *file,
                 const struct asyncio_subprocess_options *options)
{
    int err = describe(&process->spawn, argv, options);
    if (file) {
        process->spawn.file = file;
        process->spawn.path = NULL;
    }
    if (err == 0) err = make_descriptors(process, options);
    if (err == 0) err = start_on_thread(process);
    close_theirs(process);
    if (err < 0) asyncio__subprocess_join(process); // it has been killed
    if (err < 0 && err != -ECANCELED)
        err = explain(&process->spawn,
                      options->site ? options->site : ASYNCIO_SITE, err);
    return err;
}

static int create(struct asyncio_subprocess **out, const char *const *argv,
                  const char *file,
                  const struct asyncio_subprocess_options *options)
{
    static const struct asyncio_subprocess_options none;
    struct asyncio_task *task = asyncio__task();
    struct asyncio_subprocess *process;
    if (!task) return -EPERM;
    if (!argv || !argv[0]) return -EINVAL;
    if (strcmp(asyncio__poller_name(task->future.loop_->poller), "sim") == 0)
        return asyncio_raise(-ENOTSUP, "a simulated world has no processes");
    int err = asyncio__begin_await(task);
    if (err == 0) err = asyncio__subprocess_new(&process);
    if (err < 0) return err;
    process->starter = task;
    err = start(process, argv, file, options ? options : &none);
    process->starter = NULL;
    if (err == 0)
        *out = process;
    else
        asyncio_subprocess_free(process);
    return err;
}

int(asyncio_create_subprocess_exec)(
    struct asyncio_subprocess **process, const char *const *argv,
    const struct asyncio_subprocess_options *options)
{
    return create(process, argv, NULL, options);
}

int(asyncio_create_subprocess_shell)(
    struct asyncio_subprocess **process, const char *command,
    const struct asyncio_subprocess_options *options)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    if (!command) return -EINVAL;
    return create(process, argv, "/bin/sh", options);
}
