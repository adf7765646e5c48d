// asyncio/context.h: whose request a line of the log belongs to is nobody's
// argument: it follows the task.
//
//     cc context.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

static struct asyncio_context_var request =
    ASYNCIO_CONTEXT_VAR_DEFAULT("request", "no request");

static void write_line(const char *text) // anywhere, at any depth
{
    const char *name = asyncio_context_var_get(&request);
    printf("%s: %s\n", name, text);
}

static int look_up(void *arg)
{
    write_line(arg);
    return asyncio_sleep(0.01);
}

// What the task sets is its own; its children begin with it.
static int serve(void *name)
{
    struct asyncio_context_token token;
    int err = asyncio_context_var_set(&request, name, .token = &token);
    if (err < 0) return err;
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, look_up, "looks up");
    err = asyncio_task_group_exit(&group, 0);
    write_line("is answered");
    int reset = asyncio_context_var_reset(&token);
    return err < 0 ? err : reset;
}

static int log_in(void *name)
{
    return asyncio_context_var_set(&request, name);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = serve("GET /");
    if (err < 0) return err;
    write_line("waits");

    // A context to hold: what one call sets, the next task sees.
    struct asyncio_context session;
    asyncio_copy_context(&session);
    err = asyncio_context_run(&session, log_in, "session 7");
    if (err >= 0) {
        struct asyncio_task *task =
            asyncio_create_task(look_up, "goes on", .context = &session);
        err = asyncio_await(task);
        asyncio_task_release(task);
    }
    const char *name = asyncio_context_get(&session, &request);
    printf("held: %s\n", name);
    int closed = asyncio_context_close(&session);
    return err < 0 ? err : closed;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
// expect: GET /: looks up
// expect: GET /: is answered
// expect: no request: waits
// expect: session 7: goes on
// expect: held: session 7
