// The loops that are open, for threads that know one by its address only.
//
// A thread may hold the address of a loop longer than the loop is there. So it
// is looked up before it is followed, and kept open by the lock until the post
// is made. Posters share the lock; only opening and closing a loop excludes
// them. The list is short: one entry per thread with a loop.

#include <pthread.h>

#include "loop/loop.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
struct asyncio_link asyncio__open_loops;

// The address may be that of freed memory: it is compared and not followed. The
// lock is held.
static bool is_open(const struct asyncio_loop *loop)
{
    list_for_each (link, &asyncio__open_loops) {
        if (list_entry(link, struct asyncio_loop, open) == loop) return true;
    }
    return false;
}

void asyncio__loop_enter(struct asyncio_loop *loop)
{
    pthread_rwlock_wrlock(&lock);
    list_add_tail(&asyncio__open_loops, &loop->open);
    pthread_rwlock_unlock(&lock);
}

void asyncio__loop_leave(struct asyncio_loop *loop)
{
    pthread_rwlock_wrlock(&lock);
    if (list_linked(&loop->open)) list_remove(&loop->open);
    pthread_rwlock_unlock(&lock);
}

bool asyncio__loop_is_open(const struct asyncio_loop *loop)
{
    pthread_rwlock_rdlock(&lock);
    bool open = is_open(loop);
    pthread_rwlock_unlock(&lock);
    return open;
}

bool asyncio__loop_post_if_open(struct asyncio_loop *loop,
                                struct asyncio__post *post)
{
    pthread_rwlock_rdlock(&lock);
    bool open = is_open(loop);
    if (open) asyncio__loop_post(loop, post);
    pthread_rwlock_unlock(&lock);
    return open;
}

void asyncio__loops_forget(void)
{
    pthread_rwlock_init(&lock, NULL);
    asyncio__open_loops = (struct asyncio_link){NULL, NULL};
}
