// Answer to exercise 3: a page out of four parts, within 0.3 s. Parts that are
// late are left out; a part that fails takes no other with it.
//
// The scope ends everything inside when its time is up, and turns that into
// success: the group lies in it, and so do its children. A part keeps its
// failure to itself: a code that it returned would end the group.
//
// expect: head: from the cache
// expect: news: fresh
// expect: ads: left out
// expect: foot: fresh
// expect: after 0.3 s

#include <stdio.h>

#include <asyncio.h>

struct part {
    const char *name;
    double seconds;
    int outcome;      // of the request
    const char *text; // NULL: left out
};

static int load(void *arg)
{
    struct part *part = arg;
    int err = asyncio_sleep(part->seconds); // stands for a request
    if (err < 0) return err;                // cancelled: not a failure
    part->text = part->outcome < 0 ? "from the cache" : "fresh";
    return 0;
}

static int load_all(struct part *parts, int count)
{
    ASYNCIO_WITH_MOVE_ON_AFTER(scope, 0.3);
    ASYNCIO_WITH_TASK_GROUP(group); // after the scope, so that it is inside
    for (int i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, load, &parts[i]);
    int err = asyncio_task_group_exit(&group, 0);
    return asyncio_cancel_scope_exit(&scope, err);
}

static int async_main(void *arg)
{
    (void)arg;
    struct part parts[] = {{"head", 0.1, -ECONNREFUSED, NULL},
                           {"news", 0.2, 0, NULL},
                           {"ads", 3600, 0, NULL},
                           {"foot", 0.05, 0, NULL}};
    double start = asyncio_time();
    int err = load_all(parts, 4);
    if (err < 0) return err;
    for (int i = 0; i < 4; i++)
        printf("%s: %s\n", parts[i].name,
               parts[i].text ? parts[i].text : "left out");
    printf("after %.1f s\n", asyncio_time() - start);
    return 0;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
