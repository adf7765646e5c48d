// The queue of what is ready, where whole lists go in or out of it: the rest is
// inline (loop.h).
//
// Posts from other threads are a lock-free stack. The loop says that it sleeps
// before it looks at the stack a last time, and whoever posts looks at that
// after pushing: so either the loop sees the post, or the poster sees that a
// wake-up is due. A wake-up costs a system call, a post to a loop that is awake
// does not.

#include "loop/loop.h"

void asyncio__loop_sift(struct asyncio_loop *loop,
                        bool (*takes)(struct asyncio__step *step))
{
    struct asyncio__step *step;
    if (asyncio__loop_has_ready(loop)) asyncio__loop_begin_pass(loop);
    while ((step = asyncio__loop_take(loop)))
        if (!takes(step)) asyncio__loop_queue(loop, step);
}

void asyncio__loop_post(struct asyncio_loop *loop, struct asyncio__post *post)
{
    struct asyncio__post *newest = loop->posts;
    do
        post->next = newest;
    while (!atomic_compare_exchange_weak(&loop->posts, &newest, post));

    if (atomic_load(&loop->sleeping) && atomic_exchange(&loop->sleeping, false))
        asyncio__poller_wake(loop->poller);
}

// Moves a callback's step, which is the last, before all others of the next
// pass.
static void move_ahead(struct asyncio_loop *loop, struct asyncio__step *step)
{
    struct asyncio_link *mark = &loop->mark.link;
    if (mark->next == &step->link) return;
    list_remove(&step->link);
    step->link.prev = mark;
    step->link.next = mark->next;
    mark->next->prev = &step->link;
    mark->next = &step->link;
}

void asyncio__loop_queue_posts(struct asyncio_loop *loop)
{
    struct asyncio__post *newest = asyncio__posted_take(loop);
    struct asyncio__post *oldest = NULL;
    while (newest) {
        struct asyncio__post *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    for (struct asyncio__post *post = oldest; post; post = oldest) {
        oldest = post->next;
        bool urgent = post->urgent;
        asyncio__posted_queue(loop, post);
        if (urgent) move_ahead(loop, &post->step);
    }
}
