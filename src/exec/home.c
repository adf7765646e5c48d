// Homes of loops: found among what the loop does when it closes.
//
// The lock is held while a post is handed over, and taken once more when the
// loop closes: whoever posts either finds it open until the post is made, or
// finds it closed.

#include "exec/home.h"

#include "platform/spin.h"
#include "platform/sys.h"
#include "task/executor.h"

// What other threads posted and no pass has taken over joins the queue, where
// its owner can take it out.
static void queue_posts(struct asyncio_loop *loop)
{
    struct asyncio__post *post = asyncio__posted_take(loop);
    while (post) {
        struct asyncio__post *next = post->next;
        asyncio__loop_queue(loop, &post->step);
        post = next;
    }
}

static void loop_closes(struct asyncio__at_close *hook)
{
    struct asyncio__home *home =
        list_entry(hook, struct asyncio__home, at_close);
    struct asyncio_loop *loop = home->loop;

    asyncio_executor_shutdown(loop->default_executor);
    loop->default_executor = NULL;

    pthread_mutex_lock(&home->lock);
    home->loop = NULL;
    pthread_mutex_unlock(&home->lock);

    queue_posts(loop);
    struct asyncio_link *link;
    while ((link = list_pop(&home->guests))) {
        struct asyncio__guest *guest =
            list_entry(link, struct asyncio__guest, link);
        guest->leave(guest);
    }
    asyncio__home_unref(home);
}

static struct asyncio__home *find_home(struct asyncio_loop *loop)
{
    list_for_each (link, &loop->at_close) {
        struct asyncio__at_close *hook =
            list_entry(link, struct asyncio__at_close, link);
        if (hook->fn == loop_closes)
            return list_entry(hook, struct asyncio__home, at_close);
    }
    return NULL;
}

int asyncio__home_of(struct asyncio_loop *loop, struct asyncio__home **found)
{
    *found = find_home(loop);
    if (*found) return 0;

    struct asyncio__home *home = asyncio__alloc(sizeof *home);
    if (!home) return -ENOMEM;
    int err = asyncio__spin_lock_init(&home->lock);
    if (err < 0) {
        asyncio__free(home);
        return err;
    }

    atomic_init(&home->references, 1);
    home->loop = loop;
    home->at_close.fn = loop_closes;
    asyncio__loop_at_close(loop, &home->at_close);
    *found = home;
    return 0;
}

struct asyncio__home *asyncio__home_ref(struct asyncio__home *home)
{
    atomic_fetch_add(&home->references, 1);
    return home;
}

void asyncio__home_unref(struct asyncio__home *home)
{
    if (!home || atomic_fetch_sub(&home->references, 1) > 1) return;
    pthread_mutex_destroy(&home->lock);
    asyncio__free(home);
}

bool asyncio__home_post(struct asyncio__home *home, struct asyncio__post *post)
{
    pthread_mutex_lock(&home->lock);
    bool open = home->loop;
    if (open) asyncio__loop_post(home->loop, post);
    pthread_mutex_unlock(&home->lock);
    return open;
}
