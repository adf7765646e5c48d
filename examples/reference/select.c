// Select: the first of several things, of whatever kind.
//
//     cc select.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>
#include <unistd.h>

#include <asyncio.h>

ASYNCIO_CHANNEL_TYPE(words, const char *);

static struct words_sender out;
static struct words_receiver in;
static int pipe_fds[2];

static int speak(void *arg)
{
    const char *word = "hello";
    (void)arg;
    int err = asyncio_sleep(0.01);
    if (err == 0) err = asyncio_sender_send(&out, &word);
    if (err == 0) err = asyncio_sleep(0.01);
    if (err == 0 && write(pipe_fds[1], "!", 1) != 1) err = -EIO;
    return err < 0 ? err : 42;
}

static int listen_to(struct asyncio_task *task)
{
    const char *word = NULL;
    char mark;
    struct asyncio_select_case cases[] = {
        ASYNCIO_SELECT_RECEIVE(&in, &word),
        ASYNCIO_SELECT_READABLE(pipe_fds[0]),
        ASYNCIO_SELECT_TASK(task),
        ASYNCIO_SELECT_AFTER(5),
    };
    for (;;) {
        int which = asyncio_select(cases, 4);
        if (which < 0) return which;
        int result = cases[which].result;
        if (which == 0 && result == 0) printf("a word: %s\n", word);
        if (which == 1 && read(pipe_fds[0], &mark, 1) == 1)
            printf("a mark: %c\n", mark);
        if (which == 2) printf("it ended: %d\n", result);
        if (which == 3) printf("nothing for 5 seconds\n");
        if (which >= 2) cases[which].disabled = true; // only once
        if (which == 2) break;
    }
    int which = asyncio_select_nowait(cases, 4);
    printf("now: %s\n", which == -EAGAIN ? "EAGAIN" : "?");
    return 0;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = asyncio_channel_create(&out, &in, 0);
    if (err < 0) return err;
    struct asyncio_task *task = asyncio_create_task(speak, NULL);
    err = listen_to(task);
    if (!asyncio_task_done(task)) {
        asyncio_task_cancel(task);
        asyncio_ignore(asyncio_await(task));
    }
    asyncio_task_release(task);
    asyncio_sender_close(&out);
    asyncio_receiver_close(&in);
    return err;
}

int main(void)
{
    if (pipe(pipe_fds) < 0) return 1;
    return asyncio_main(async_main, NULL);
}
// expect: a word: hello
// expect: a mark: !
// expect: it ended: 42
// expect: now: EAGAIN
