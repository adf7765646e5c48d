// The same in a group: the block does not end before its tasks, and the failure
// has somebody to come to. What must not be cut off says so, with a shielded
// scope; and that has a limit.
//
// expect: main has nothing more to do
// expect: the log is written
// expect: the group failed: the disk is full

#include <stdio.h>

#include <asyncio.h>

static int upload(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(0.1);
    return err < 0 ? err : asyncio_raise(-ENOSPC, "the disk is full");
}

static int finish_log(void)
{
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 1, .shield = true);
    int err = asyncio_sleep(0.1);
    printf("the log is %s\n", err == 0 ? "written" : "cut off");
    return asyncio_cancel_scope_exit(&scope, err);
}

static int write_log(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(0.4); // cancelled here, when the upload fails
    int finished = finish_log();
    return finished < 0 ? finished : err;
}

static int run_both(void)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, upload, NULL, .name = "upload");
    asyncio_task_group_create_task(&group, write_log, NULL, .name = "log");
    printf("main has nothing more to do\n");
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    int err = run_both();
    printf("the group failed: %s\n", asyncio_strerror(err));
    return err == -ENOSPC ? 0 : err;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
