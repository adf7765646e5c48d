// Other programs: run one to its end, talk to one line by line, and end one
// that takes too long.
//
// The arguments are a list, so nothing in them means anything to a shell.
// Cancelling the call asks the program to end, and then insists: when the limit
// is up and the call has returned, the program is gone, and no zombie is left.
//
//     cc 23_subprocess.c $(pkg-config --cflags --libs libasyncio)
//
// expect: sorted: apple fig pear
// expect: asked: 6 * 7 = 42
// expect: asked: 6 + 7 = 13
// expect: too long: Connection timed out

#include <stdio.h>
#include <string.h>

#include <asyncio.h>

static int run_to_its_end(void)
{
    static const char words[] = "pear\napple\nfig\n";
    struct asyncio_subprocess_result sorted;
    int err = asyncio_subprocess_run(&sorted, ASYNCIO_ARGV("sort"),
                                     .stdout = ASYNCIO_PIPE, .input = words,
                                     .input_len = sizeof words - 1);
    if (err < 0) return err;
    if (sorted.returncode != 0) return asyncio_raise(-EIO, "sort has failed");
    printf("sorted:");
    for (char *rest = sorted.output, *word; (word = strsep(&rest, "\n"));)
        if (*word) printf(" %s", word);
    printf("\n");
    asyncio_subprocess_result_free(&sorted);
    return 0;
}

static int ask(struct asyncio_subprocess *child, const char *question)
{
    struct asyncio_stream *in = asyncio_subprocess_stdin(child);
    struct asyncio_stream *out = asyncio_subprocess_stdout(child);
    char line[32];
    int err = asyncio_stream_write(in, question, strlen(question));
    if (err == 0) err = asyncio_stream_write(in, "\n", 1);
    if (err == 0) err = asyncio_stream_readline(out, line, sizeof line);
    if (err == 0) err = asyncio_raise(-ENODATA, "it does not answer");
    if (err < 0) return err;
    printf("asked: %s = %s", question, line);
    return 0;
}

static int talk(void)
{
    static const char calculate[] =
        "while read -r sum; do echo $(($sum)); done";
    struct asyncio_subprocess *child;
    int err = asyncio_create_subprocess_exec(
        &child, ASYNCIO_ARGV("sh", "-c", calculate), .stdin = ASYNCIO_PIPE,
        .stdout = ASYNCIO_PIPE);
    if (err < 0) return err;
    err = ask(child, "6 * 7");
    if (err == 0) err = ask(child, "6 + 7");
    asyncio_subprocess_free(child); // ends it
    return err;
}

static int end_what_takes_too_long(void)
{
    struct asyncio_subprocess_result result;
    int err = asyncio_wait_for(
        asyncio_subprocess_run(&result, ASYNCIO_ARGV("sleep", "10")), 0.1);
    printf("too long: %s\n", asyncio_strerror(err));
    return err == -ETIMEDOUT ? 0 : err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = run_to_its_end();
    if (err == 0) err = talk();
    return err < 0 ? err : end_what_takes_too_long();
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
