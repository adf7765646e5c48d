// Arguments of tasks that lie in the stack of whoever made them.
//
// A pointer into one's own frame may be handed to a child as long as that call
// lasts until the child has ended. So the call in whose frame the argument lies
// is remembered when the child is made, and looked for among those under way
// whenever the maker is about to stand still: no child runs in between. What is
// found is reported when the step is over.

#include "run/debug.h"

#include <stdio.h>

#include "platform/frame.h"
#include "platform/stack.h"

void asyncio__frames_made(struct asyncio__debug_state *debugger,
                          struct asyncio_task *child, const void *arg)
{
    struct asyncio_task *maker = debugger->loop->task;
    if (!maker || !maker->stack || !arg) return;
    uintptr_t offset = (uintptr_t)arg - (uintptr_t)maker->stack->low;
    if (offset >= maker->stack->size) return;
    struct asyncio__frame frame;
    if (!asyncio__frame_with((uintptr_t)arg, &frame)) return;

    struct asyncio__record *lender = asyncio__record_make(debugger, maker);
    struct asyncio__record *record =
        lender ? asyncio__record_make(debugger, child) : NULL;
    if (!record) return;
    record->frame = frame;
    list_add_tail(&lender->lent, &record->borrowed);
}

static struct asyncio__record *borrower_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__record, borrowed);
}

// A frame that stands: those who borrow of it are safe.
static void find_borrowers(struct asyncio__frame frame, void *arg)
{
    struct asyncio__record *maker = arg;
    list_for_each (link, &maker->lent) {
        struct asyncio__record *child = borrower_of(link);
        if (child->frame.end == frame.end &&
            child->frame.function == frame.function)
            child->left = false;
    }
}

void asyncio__frames_look(struct asyncio__record *maker)
{
    if (list_empty(&maker->lent)) return;
    list_for_each (link, &maker->lent)
        borrower_of(link)->left = true;
    asyncio__frames_each(find_borrowers, maker);
}

static void report(const struct asyncio__record *maker,
                   const struct asyncio__record *child)
{
    char name[128];
    // Without memory, both names would be made in the same place.
    snprintf(name, sizeof name, "%s", asyncio_task_name(maker->task));
    asyncio__report(child->task->future.loop_, -EFAULT,
                    asyncio_task_name(child->task), child->task->future.site_,
                    "a frame of task %s, made at %s, was left while a child's "
                    "argument lies in it: join the child before (a group in "
                    "that frame does), or give it a .copy",
                    name, maker->task->future.site_);
}

void asyncio__frames_check(struct asyncio__record *maker)
{
    bool ended = maker->task->state == ASYNCIO__TASK_DONE;
    list_for_each_safe (link, after, &maker->lent) {
        struct asyncio__record *child = borrower_of(link);
        if (!ended && !child->left) continue;
        list_remove(link);
        report(maker, child);
    }
}
