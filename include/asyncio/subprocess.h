// Child processes: programs that are started, talked to, and waited for.
//
//     struct asyncio_subprocess *child;
//     const char *line[] = {"sort", "-r", NULL};
//     int err = asyncio_create_subprocess_exec(
//         &child, line, .stdin = ASYNCIO_PIPE, .stdout = ASYNCIO_PIPE);
//     if (err < 0) return err;
//     struct asyncio_subprocess_result result;
//     err = asyncio_subprocess_communicate(child, &result, .input = text,
//                                          .input_len = strlen(text));
//     ...
//     asyncio_subprocess_free(child);
//
// A child is waited for by a descriptor that stands for it alone, so a signal
// never goes to another process that has got its number, and each child has its
// own status, whoever else in the program waits for children. It gets the
// descriptors that it is given, and no others, however these were opened. It
// begins with no signal blocked and none handled; what the program ignores, it
// ignores, but for SIGPIPE.
//
// Nothing is left running by accident: a child whose handle is freed is killed,
// asyncio_subprocess_detach lets it go on. Either way it leaves no zombie while
// the loop is there; a loop that closes kills those that nobody has detached.
//
// Call all of it on the loop's thread. Needs Linux 5.4.
#pragma once

#include <asyncio/stream.h>

ASYNCIO__BEGIN

struct asyncio_subprocess;

// What a child's standard descriptors may be: not given, it has ours; else one
// of these, or the number of a descriptor, which stays yours.
enum {
    ASYNCIO_PIPE = -1,    // the other end is a stream of the child's handle
    ASYNCIO_STDOUT = -2,  // of stderr only: goes where stdout goes
    ASYNCIO_DEVNULL = -3, // /dev/null
};

// The group of processes that it is in: not given, it is ours; else the number
// of one to join, or one of these.
enum {
    ASYNCIO_NEW_GROUP = -1,   // one of its own: Ctrl-C does not reach it
    ASYNCIO_NEW_SESSION = -2, // a session, without our terminal
};

struct asyncio_subprocess_options {
    ASYNCIO__OPTIONS_HEAD
    int stdin ASYNCIO__UNSET;
    int stdout ASYNCIO__UNSET;
    int stderr ASYNCIO__UNSET;
    int process_group ASYNCIO__UNSET;
    const char *cwd ASYNCIO__UNSET;        // the folder that it begins in
    const char *const *env ASYNCIO__UNSET; // "NAME=value", ..., NULL
    long limit ASYNCIO__UNSET;             // of the streams, as theirs
    const int *pass_fds ASYNCIO__UNSET;    // descriptors that it has as well,
                                           // by the same numbers, and then -1
    void *reserved_[2] ASYNCIO__UNSET;
};

// Starts a program. `argv` is its name and arguments, and NULL. A name without
// a slash is looked for in PATH, that of `.env` if this is given. A path
// with one is taken from `.cwd`.
//
// returns   0, or a negative errno with words: -ENOENT if there is no such
//           program, or folder; -EACCES, -ENOEXEC, -E2BIG and what else the
//           system says of executing it; -EINVAL for no name or an option that
//           cannot be; -EMFILE; -ENOMEM; -EAGAIN; -EPERM outside a task;
//           -ENOTSUP in a simulated world
// suspends  always; a thread of the loop stands by until the program has begun
// cancel    the child is killed, and reaped; no descriptor is left
// owns      asyncio_subprocess_free
// like      asyncio.create_subprocess_exec
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_create_subprocess_exec)(
    struct asyncio_subprocess **process, const char *const *argv,
    const struct asyncio_subprocess_options *options);
#define asyncio_create_subprocess_exec(...) ASYNCIO__SUBPROCESS(__VA_ARGS__, )
#define ASYNCIO__SUBPROCESS(process, argv, ...)                                \
    (asyncio_create_subprocess_exec)(                                          \
        process, argv,                                                         \
        ASYNCIO__OPTIONS(asyncio_subprocess_options, __VA_ARGS__))

// The same for a command of /bin/sh. Never put into one what somebody else has
// written: `argv` above takes anything.
// like      asyncio.create_subprocess_shell
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_create_subprocess_shell)(
    struct asyncio_subprocess **process, const char *command,
    const struct asyncio_subprocess_options *options);
#define asyncio_create_subprocess_shell(...)                                   \
    ASYNCIO__SUBPROCESS_SHELL(__VA_ARGS__, )
#define ASYNCIO__SUBPROCESS_SHELL(process, command, ...)                       \
    (asyncio_create_subprocess_shell)(                                         \
        process, command,                                                      \
        ASYNCIO__OPTIONS(asyncio_subprocess_options, __VA_ARGS__))

// Lets go of the handle and its streams. A child that still runs is killed,
// with its group if it got a new one, and reaped behind your back. Accepts
// NULL.
//
// suspends  never
ASYNCIO_API void asyncio_subprocess_free(struct asyncio_subprocess *process);

// The same, but the child goes on, and what was written to it is still sent. It
// is reaped when it ends, while the loop is there, or as that closes; after
// that by nobody, so it stays a zombie until this process ends.
ASYNCIO_API void asyncio_subprocess_detach(struct asyncio_subprocess *process);

// --- what there is ----------------------------------------------------------

// Its number, also when it has ended and the number may be another's.
// like      Process.pid
ASYNCIO_API int
asyncio_subprocess_pid(const struct asyncio_subprocess *process);

// The ends of its pipes: what it reads, writes, and complains. NULL for what is
// no pipe. They are the handle's: you may close them, but not free them.
// like      Process.stdin, Process.stdout, Process.stderr
ASYNCIO_API struct asyncio_stream *
asyncio_subprocess_stdin(const struct asyncio_subprocess *process);
ASYNCIO_API struct asyncio_stream *
asyncio_subprocess_stdout(const struct asyncio_subprocess *process);
ASYNCIO_API struct asyncio_stream *
asyncio_subprocess_stderr(const struct asyncio_subprocess *process);

// How it has ended: its exit status, 0 to 255, or minus the number of the
// signal that ended it, as -SIGKILL.
//
// returns   0, and *returncode is set; -EAGAIN while it runs, as far as the
//           loop has seen; -ECHILD if it cannot be known, because somebody else
//           in the program has waited for it, or SIGCHLD is ignored
// like      Process.returncode
ASYNCIO_API int
asyncio_subprocess_returncode(const struct asyncio_subprocess *process,
                              int *returncode);

// Waits until it has ended, by any number of tasks. It may be waiting itself
// until its output is read: see communicate. Its pipes may live longer than it
// does, in its own children.
//
// returns   0, and *returncode, unless NULL, is set; -ECHILD as above; -EPERM
//           outside a task; -EXDEV in another loop
// suspends  until it has ended
// cancel    it goes on
// like      Process.wait
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_subprocess_wait(struct asyncio_subprocess *process, int *returncode);

// Sends it a signal; SIGTERM; SIGKILL.
//
// returns   0; -ESRCH if it has ended and was reaped; -EINVAL for no signal;
//           -EPERM if it is another user's by now
// like      Process.send_signal, Process.terminate, Process.kill
ASYNCIO_API int
asyncio_subprocess_send_signal(struct asyncio_subprocess *process, int signal);
ASYNCIO_API int
asyncio_subprocess_terminate(struct asyncio_subprocess *process);
ASYNCIO_API int asyncio_subprocess_kill(struct asyncio_subprocess *process);

// The same for all processes of the group that was made for it, as long as the
// child itself was not reaped.
//
// returns   also -EINVAL if it has no group of its own
// like      os.killpg
ASYNCIO_API int
asyncio_subprocess_signal_group(struct asyncio_subprocess *process, int signal);

// --- from beginning to end --------------------------------------------------

// What it has written, with a zero byte behind it, and how it has ended. NULL
// for what is no pipe.
struct asyncio_subprocess_result {
    char *output ASYNCIO__UNSET;
    size_t output_len ASYNCIO__UNSET;
    char *errors ASYNCIO__UNSET;
    size_t errors_len ASYNCIO__UNSET;
    int returncode ASYNCIO__UNSET;
    int reserved_[3] ASYNCIO__UNSET;
};

// Frees the texts and sets all to zero. Accepts NULL, and zeros.
ASYNCIO_API void
asyncio_subprocess_result_free(struct asyncio_subprocess_result *result);

struct asyncio_communicate_options {
    ASYNCIO__OPTIONS_HEAD
    const void *input ASYNCIO__UNSET;
    size_t input_len ASYNCIO__UNSET;
    size_t max_size ASYNCIO__UNSET; // of each text, in bytes; else 64 MiB
    void *reserved_[3] ASYNCIO__UNSET;
};

// Writes `.input` to its pipe, if there is one, and closes that, reads what it
// writes to the end, and waits for it; all at once, so that none of the pipes
// can be full for ever. A child that does not want all of its input is no
// error.
//
// returns   0; -EFBIG for more than `.max_size`; -EBUSY if somebody reads the
//           pipe; -ENOMEM; and as wait. *result is all zero then
// suspends  until it has ended, and its pipes have
// cancel    the child goes on; what was read is lost
// owns      asyncio_subprocess_result_free
// like      Process.communicate
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_subprocess_communicate)(
    struct asyncio_subprocess *process,
    struct asyncio_subprocess_result *result,
    const struct asyncio_communicate_options *options);
#define asyncio_subprocess_communicate(...)                                    \
    ASYNCIO__SUBPROCESS_COMMUNICATE(__VA_ARGS__, )
#define ASYNCIO__SUBPROCESS_COMMUNICATE(process, result, ...)                  \
    (asyncio_subprocess_communicate)(                                          \
        process, result,                                                       \
        ASYNCIO__OPTIONS(asyncio_communicate_options, __VA_ARGS__))

struct asyncio_subprocess_run_options {
    ASYNCIO__OPTIONS_HEAD
    int stdin ASYNCIO__UNSET; // with `.input`: a pipe
    int stdout ASYNCIO__UNSET;
    int stderr ASYNCIO__UNSET;
    int process_group ASYNCIO__UNSET;
    const char *cwd ASYNCIO__UNSET;
    const char *const *env ASYNCIO__UNSET;
    const void *input ASYNCIO__UNSET;
    size_t input_len ASYNCIO__UNSET;
    size_t max_size ASYNCIO__UNSET;
    double grace ASYNCIO__UNSET; // seconds, else 5; below 0: none
};

// Starts a program, communicates with it, and has reaped it when it returns.
//
// returns   0, whatever the child says: look at returncode; or as create and
//           communicate; -EINVAL for a grace that is not a number
// suspends  until it has ended
// cancel    the child gets SIGTERM, and SIGKILL when it has not ended within
//           `.grace`; with its group, if it got a new one. The same where it
//           fails for another reason. It has ended when this returns
// owns      asyncio_subprocess_result_free
// like      subprocess.run, trio.run_process
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_subprocess_run)(
    struct asyncio_subprocess_result *result, const char *const *argv,
    const struct asyncio_subprocess_run_options *options);
#define asyncio_subprocess_run(...) ASYNCIO__SUBPROCESS_RUN(__VA_ARGS__, )
#define ASYNCIO__SUBPROCESS_RUN(result, argv, ...)                             \
    (asyncio_subprocess_run)(                                                  \
        result, argv,                                                          \
        ASYNCIO__OPTIONS(asyncio_subprocess_run_options, __VA_ARGS__))

// The same for a command of /bin/sh.
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_subprocess_run_shell)(
    struct asyncio_subprocess_result *result, const char *command,
    const struct asyncio_subprocess_run_options *options);
#define asyncio_subprocess_run_shell(...)                                      \
    ASYNCIO__SUBPROCESS_RUN_SHELL(__VA_ARGS__, )
#define ASYNCIO__SUBPROCESS_RUN_SHELL(result, command, ...)                    \
    (asyncio_subprocess_run_shell)(                                            \
        result, command,                                                       \
        ASYNCIO__OPTIONS(asyncio_subprocess_run_options, __VA_ARGS__))

ASYNCIO__END

// Name and arguments where they are known as they are written:
//
//     asyncio_subprocess_run(&result, ASYNCIO_ARGV("cp", "-a", from, to));
//
// The list is good as long as the statement that it stands in.
#ifndef __cplusplus
#define ASYNCIO_ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#else
extern "C++" {
template <size_t count> struct asyncio__argv {
    const char *list[count + 1];
    operator const char * const *() const
    {
        return list;
    }
};
template <class... Words>
asyncio__argv<sizeof...(Words)> asyncio__argv_of(Words... words)
{
    return {{words..., nullptr}};
}
}
#define ASYNCIO_ARGV(...) asyncio__argv_of(__VA_ARGS__)
#endif
