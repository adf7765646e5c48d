// Answer to exercise 5: whoever has logged in logs out, on every way out, a
// cancel included; and a server that does not answer delays that by 0.2 s at
// most.
//
// asyncio_task_cancel ends one wait, so the clean-up may wait again. But where
// the cancel is that of a scope around us, each further wait would end, too:
// the shield keeps that out, and its own limit keeps the rest short. The first
// code is the one to hand up: it says why the session ended.
//
// expect: logged in
// expect: logged out
// expect: cancelled: yes, after 0.1 s
// expect: logged in
// expect: the server does not answer; the session ends without
// expect: cancelled: yes, after 0.2 s
// expect: logged in
// expect: logged out
// expect: its scope was cancelled: it ended after 0.1 s

#include <stdio.h>

#include <asyncio.h>

struct session {
    double answers_after; // seconds
};

static int log_out(struct session *session)
{
    ASYNCIO_WITH_FAIL_AFTER(scope, 0.2, .shield = true);
    int err = asyncio_sleep(session->answers_after);
    return asyncio_cancel_scope_exit(&scope, err);
}

static int work(void *arg)
{
    struct session *session = arg;
    printf("logged in\n");
    int err = asyncio_sleep(3600); // stands for the work
    int out = log_out(session);
    printf("%s\n", out == 0 ? "logged out"
                            : "the server does not answer; the session ends "
                              "without");
    return err < 0 ? err : out;
}

static int cancel_one(struct session *session)
{
    struct asyncio_task *task =
        asyncio_create_task(work, session, .copy = sizeof *session);
    int err = asyncio_sleep(0.1);
    double start = asyncio_time();
    asyncio_task_cancel(task);
    int code = asyncio_await(task);
    printf("cancelled: %s, after %.1f s\n",
           asyncio_task_cancelled(task) ? "yes" : "no", asyncio_time() - start);
    asyncio_task_release(task);
    return code == -ECANCELED ? err : code;
}

static int cancel_its_scope(struct session *session)
{
    double end = asyncio_time() + 0.1;
    ASYNCIO_WITH_MOVE_ON_AT(scope, end);
    int err = asyncio_cancel_scope_exit(&scope, work(session));
    printf("its scope was cancelled: it ended after %.1f s\n",
           asyncio_time() - end);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    int err = cancel_one(&(struct session){0.1});
    if (err == 0) err = cancel_one(&(struct session){3600});
    return err < 0 ? err : cancel_its_scope(&(struct session){0.1});
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
