// Cancel scopes: a piece of code, with all tasks in it, that can be ended.
//
// A request to a task ends one wait. A scope that is cancelled ends each wait
// inside, also those to come, until it is left: nobody in it gets away. Move-on
// scopes then go on with what there is, fail scopes return -ETIMEDOUT. What
// must be done even so, such as a good-bye, has a scope of its own that is
// shielded, and a limit for it.
//
//     cc 15_cancel_scopes.c $(pkg-config --cflags --libs libasyncio)
//
// expect: 0.2 s: the second answer
// expect: 0.3 s: the third gives up
// expect: 0.3 s: and tries to hide
// expect: 0.4 s: good-bye is said
// expect: 0.4 s: 2 answers in time
// expect: 0.9 s: one that must be there: Connection timed out

#include <stdio.h>

#include <asyncio.h>

static double start;

static void say(const char *text)
{
    printf("%.1f s: %s\n", asyncio_time() - start, text);
}

static int answers;

static int say_good_bye(void)
{
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 1, .shield = true);
    int err = asyncio_sleep(0.1);
    if (err == 0) say("good-bye is said");
    return asyncio_cancel_scope_exit(&scope, err);
}

static int quick(void *arg)
{
    int err = asyncio_sleep(*(double *)arg);
    if (err == 0 && ++answers == 2) say("the second answer");
    return err;
}

static int slow(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(3600);
    if (err == -ECANCELED) say("the third gives up");
    if (asyncio_sleep(3600) == -ECANCELED) say("and tries to hide");
    int said = say_good_bye();
    return said < 0 ? said : err;
}

static int ask_three(void)
{
    double seconds[] = {0.1, 0.2};
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 0.3);
    ASYNCIO_WITH_TASK_GROUP(group); // in the scope, and so are its children
    asyncio_task_group_create_task(&group, quick, &seconds[0]);
    asyncio_task_group_create_task(&group, quick, &seconds[1]);
    asyncio_task_group_create_task(&group, slow, NULL);
    int err = asyncio_task_group_exit(&group, 0);
    return asyncio_cancel_scope_exit(&scope, err);
}

static int ask_one(void)
{
    ASYNCIO_WITH_FAIL_AFTER(scope, 0.5);
    int err = asyncio_sleep(3600);
    return asyncio_cancel_scope_exit(&scope, err);
}

static int async_main(void *arg)
{
    (void)arg;
    start = asyncio_time();
    int err = ask_three();
    if (err < 0) return err;
    say("2 answers in time");
    err = ask_one();
    printf("%.1f s: one that must be there: %s\n", asyncio_time() - start,
           asyncio_strerror(err));
    return err == -ETIMEDOUT ? 0 : err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
