// Child processes: run one to its end, talk to one, and end one.
//
//     cc subprocess.c $(pkg-config --cflags --libs libasyncio)

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <asyncio.h>

// From beginning to end, in one call.
static int sort_words(void)
{
    static const char words[] = "pear\napple\nfig\n";
    struct asyncio_subprocess_result sorted;
    int err = asyncio_subprocess_run(&sorted, ASYNCIO_ARGV("sort"),
                                     .stdout = ASYNCIO_PIPE, .input = words,
                                     .input_len = strlen(words));
    if (err < 0) return err;
    printf("%s", sorted.output);
    asyncio_subprocess_result_free(&sorted);

    err = asyncio_subprocess_run_shell(&sorted, "exit 3");
    if (err == 0) printf("the shell says %d\n", sorted.returncode);
    return err;
}

// Everything that it writes, and how it ended.
static int listen_to(const char *command)
{
    struct asyncio_subprocess *child;
    struct asyncio_subprocess_result said;
    int err = asyncio_create_subprocess_shell(
        &child, command, .stdin = ASYNCIO_DEVNULL, .stdout = ASYNCIO_PIPE,
        .stderr = ASYNCIO_PIPE);
    if (err < 0) return err;
    err = asyncio_subprocess_communicate(child, &said);
    if (err == 0) printf("said %s, and %s\n", said.output, said.errors);
    asyncio_subprocess_result_free(&said);
    asyncio_subprocess_free(child);
    return err;
}

// A line there, a line back.
static int ask(struct asyncio_subprocess *child)
{
    char line[32];
    struct asyncio_stream *in = asyncio_subprocess_stdin(child);
    int err = asyncio_stream_write(in, "echo\n", 5);
    if (err < 0) return err;
    err = asyncio_stream_readline(asyncio_subprocess_stdout(child), line,
                                  sizeof line);
    if (err > 0) printf("%s", line);
    return err < 0 ? err : 0;
}

static int end(struct asyncio_subprocess *child, const char *how)
{
    int code = 0;
    int err = asyncio_subprocess_wait(child, &code);
    if (err < 0) return err;
    printf("%s: %d, %d\n", how, code == -SIGTERM,
           asyncio_subprocess_kill(child) == -ESRCH &&
               asyncio_subprocess_returncode(child, &code) == 0);
    return 0;
}

static int talk(void)
{
    struct asyncio_subprocess *child;
    int err = asyncio_create_subprocess_exec(
        &child, ASYNCIO_ARGV("cat"), .stdin = ASYNCIO_PIPE,
        .stdout = ASYNCIO_PIPE, .process_group = ASYNCIO_NEW_GROUP);
    if (err < 0) return err;
    printf("alone: %d\n", asyncio_subprocess_pid(child) > 0 &&
                              !asyncio_subprocess_stderr(child));
    err = ask(child);
    if (err == 0) err = asyncio_subprocess_send_signal(child, SIGCONT);
    if (err == 0) err = asyncio_subprocess_signal_group(child, SIGCONT);
    if (err == 0) err = asyncio_subprocess_terminate(child);
    if (err == 0) err = end(child, "terminated");
    asyncio_subprocess_free(child); // would kill it if it still ran
    return err;
}

static int leave_one(void)
{
    struct asyncio_subprocess *child;
    int err = asyncio_create_subprocess_exec(&child, ASYNCIO_ARGV("true"));
    if (err == 0) asyncio_subprocess_detach(child); // may go on without us
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = sort_words();
    if (err == 0) err = listen_to("printf this; printf that >&2");
    if (err == 0) err = talk();
    if (err == 0) err = leave_one();
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: apple
// expect: fig
// expect: pear
// expect: the shell says 3
// expect: said this, and that
// expect: alone: 1
// expect: echo
// expect: terminated: 1, 1
