// Answer to exercise 7: of five inputs one crashes the parser and one keeps it
// busy for ever. The other three come out, and each failure says which input it
// was.
//
// That is what worker processes are for. A crash ends a process, not the
// program; the limit kills what nothing else can stop; the pool replaces both
// and goes on. Each call is a task of its own, which turns its failure into a
// line: so none ends the group.
//
// expect: picture 0: 100 pixels
// expect: picture 1: the parser crashed
// expect: picture 2: 300 pixels
// expect: picture 3: took too long
// expect: picture 4: 500 pixels

#include <stdio.h>
#include <stdlib.h>

#include <asyncio.h>

struct picture {
    int number;
    int outcome;
};

static struct asyncio_executor *pool;

static int parse(void *arg) // in a worker process, on a copy
{
    volatile struct picture *picture = arg;
    if (picture->number == 1) abort();
    while (picture->number == 3)
        continue;
    return (picture->number + 1) * 100;
}
ASYNCIO_JOB(parse)

static int parse_safely(void *arg)
{
    struct picture *picture = arg;
    picture->outcome = asyncio_run_in_executor(
        pool, parse, picture, .size = sizeof *picture, .timeout = 0.5);
    return picture->outcome == -ECANCELED ? -ECANCELED : 0;
}

static int parse_all(struct picture *pictures, int count)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, parse_safely, &pictures[i]);
    return asyncio_task_group_exit(&group, 0);
}

static void print(const struct picture *picture)
{
    printf("picture %d: ", picture->number);
    switch (picture->outcome) {
    case -EOWNERDEAD: printf("the parser crashed\n"); break;
    case -ETIMEDOUT: printf("took too long\n"); break;
    default: printf("%d pixels\n", picture->outcome);
    }
}

static int async_main(void *arg)
{
    (void)arg;
    struct picture pictures[] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}};
    int err = asyncio_process_pool_create(&pool, .max_workers = 2);
    if (err < 0) return err;
    err = parse_all(pictures, 5);
    asyncio_executor_shutdown(pool);
    for (int i = 0; i < 5 && err == 0; i++)
        print(&pictures[i]);
    return err;
}

int main(void)
{
    return asyncio_main(async_main, NULL, .processes = true);
}
