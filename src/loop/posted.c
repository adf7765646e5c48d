// Calls that other threads hand over to a loop.
//
//     posts:  [batch: 3 calls] <- [a job that has ended] <- [batch: 41 calls]
//                                                            `- open
//
// A call is no post of its own: many of them are, a batch. As long as the batch
// that is open is the newest post, a call is added to it, under a lock that is
// the posters' (loop/open.c); so it costs no allocation and wakes nobody, for
// the loop knows of the batch already. Any other post in between, or the loop
// when it takes what is there, makes the next call begin a new batch: the order
// is that of the posts. A batch that has run is kept for the next one.

#include <asyncio/error.h>

#include "loop/debug.h"
#include "loop/loop.h"
#include "platform/sys.h"

#define CALLS_MAX  126 // in a batch, which is then about two kilobytes
#define SPARES_MAX 4

// The memory of a batch comes from the loop's processor, four calls at a time:
// it is asked for so many calls ahead, so that no call waits for it.
#define AHEAD 12

struct asyncio__batch {
    struct asyncio__post post;
    struct asyncio_link spare; // asyncio__posted.spares
    struct asyncio_loop *loop;
    unsigned count; // calls; under the lock while it is open
    struct {
        int (*fn)(void *arg);
        void *arg;
    } calls[CALLS_MAX];
};

void asyncio__posted_close(struct asyncio_loop *loop)
{
    struct asyncio_link *link;
    while ((link = list_pop(&loop->posted.spares)) ||
           (link = list_pop(&loop->posted.kept)))
        asyncio__free(list_entry(link, struct asyncio__batch, spare));
}

// --- on the loop ------------------------------------------------------------

// Not under the lock: posters have it when the loop takes the next posts.
static void keep(struct asyncio__batch *batch)
{
    struct asyncio__posted *posted = &batch->loop->posted;
    if (posted->kept_count == SPARES_MAX) {
        asyncio__free(batch);
        return;
    }
    list_add_head(&posted->kept, &batch->spare);
    posted->kept_count++;
}

// Under the lock.
static void hand_out_kept(struct asyncio__posted *posted)
{
    while (posted->spare_count < SPARES_MAX && posted->kept_count > 0) {
        list_add_head(&posted->spares, list_pop(&posted->kept));
        posted->spare_count++;
        posted->kept_count--;
    }
}

static void run_batch(struct asyncio__step *step)
{
    struct asyncio__batch *batch =
        list_entry(step, struct asyncio__batch, post.step);
    struct asyncio_loop *loop = batch->loop;

    loop->calls_ran += batch->count;
    for (unsigned i = 0; i < batch->count; i++) {
        int (*fn)(void *arg) = batch->calls[i].fn;
        asyncio__debug_calls(loop, asyncio__address_of(fn), NULL);
        int code = fn(batch->calls[i].arg);
        if (code < 0)
            asyncio__report(loop, code, NULL, NULL, "a callback failed: %s",
                            asyncio_strerror(code));
    }
    keep(batch);
}

struct asyncio__post *asyncio__posted_take(struct asyncio_loop *loop)
{
    struct asyncio__post *newest = atomic_exchange(&loop->posts, NULL);
    if (!atomic_load_explicit(&loop->posted.open, memory_order_relaxed))
        return newest;
    // Whoever is adding to a batch that we took has done so after this.
    asyncio__loop_lock_posters(loop);
    atomic_store_explicit(&loop->posted.open, NULL, memory_order_relaxed);
    hand_out_kept(&loop->posted);
    asyncio__loop_let_go(loop);
    return newest;
}

// A debugger looks at each call by itself. Without memory, at many in one.
static bool queue_one_by_one(struct asyncio__batch *batch)
{
    const struct asyncio_call_options options = {.loop = batch->loop};
    unsigned done = 0;
    while (done < batch->count &&
           asyncio__callback_queue(batch->calls[done].fn,
                                   batch->calls[done].arg, &options) == 0)
        done++;
    batch->count -= done;
    for (unsigned i = 0; i < batch->count; i++)
        batch->calls[i] = batch->calls[done + i];
    return batch->count == 0;
}

void asyncio__posted_queue(struct asyncio_loop *loop,
                           struct asyncio__post *post)
{
    if (loop->debugger && post->step.run == run_batch) {
        struct asyncio__batch *batch =
            list_entry(post, struct asyncio__batch, post);
        if (queue_one_by_one(batch)) {
            keep(batch);
            return;
        }
    }
    asyncio__loop_queue(loop, &post->step);
}

bool asyncio__posted_drop(struct asyncio__step *step)
{
    if (step->run != run_batch) return false;
    asyncio__free(list_entry(step, struct asyncio__batch, post.step));
    return true;
}

// --- from other threads -----------------------------------------------------

static void add(struct asyncio__batch *batch, int (*fn)(void *arg), void *arg)
{
    uintptr_t place = (uintptr_t)&batch->calls[batch->count];
    __builtin_prefetch((void *)(place + AHEAD * sizeof batch->calls[0]), 1);
    batch->calls[batch->count].fn = fn;
    batch->calls[batch->count].arg = arg;
    batch->count++;
}

// A new one: `*fresh`, unless there is a spare one; or NULL.
static struct asyncio__batch *begin(struct asyncio_loop *loop,
                                    struct asyncio__batch **fresh)
{
    struct asyncio_link *link = list_pop(&loop->posted.spares);
    struct asyncio__batch *batch = *fresh;
    if (link) {
        loop->posted.spare_count--;
        batch = list_entry(link, struct asyncio__batch, spare);
    } else {
        *fresh = NULL;
    }
    if (!batch) return NULL;
    batch->post = (struct asyncio__post){.step.run = run_batch};
    batch->loop = loop;
    batch->count = 0;
    return batch;
}

// -EAGAIN: there has to be a fresh batch. The lock is held.
static int hand_over(struct asyncio_loop *loop, int (*fn)(void *arg), void *arg,
                     struct asyncio__batch **fresh)
{
    struct asyncio__batch *open =
        atomic_load_explicit(&loop->posted.open, memory_order_relaxed);
    if (open && open->count < CALLS_MAX &&
        atomic_load_explicit(&loop->posts, memory_order_acquire) ==
            &open->post) {
        add(open, fn, arg);
        return 0;
    }

    struct asyncio__batch *batch = begin(loop, fresh);
    if (!batch) return -EAGAIN;
    add(batch, fn, arg);
    atomic_store_explicit(&loop->posted.open, batch, memory_order_relaxed);
    asyncio__loop_post(loop, &batch->post);
    return 0;
}

static int hand_over_if_open(struct asyncio_loop *loop, int (*fn)(void *arg),
                             void *arg, struct asyncio__batch **fresh)
{
    if (!asyncio__loop_hold_open(loop)) return -ESHUTDOWN;
    int err = hand_over(loop, fn, arg, fresh);
    asyncio__loop_let_go(loop);
    return err;
}

int asyncio_call_soon_threadsafe(struct asyncio_loop *loop,
                                 int (*fn)(void *arg), void *arg)
{
    struct asyncio__batch *fresh = NULL;
    if (!loop || !fn) return -EINVAL;
    const struct asyncio_loop *own = asyncio__running_loop;
    if (own && asyncio__loop_lends(own, arg)) return -EFAULT;
    int err = hand_over_if_open(loop, fn, arg, &fresh);
    if (err != -EAGAIN) return err;

    // The allocator is the user's, and no lock is held while it is asked.
    fresh = asyncio__alloc(sizeof *fresh);
    if (!fresh) return -ENOMEM;
    err = hand_over_if_open(loop, fn, arg, &fresh);
    asyncio__free(fresh);
    return err;
}
