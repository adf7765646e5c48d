// The items of a queue: a ring, a stack, or a heap.
//
// In the heap no item comes after those below it; each carries the number of
// its arrival, which decides between equals, so that they come out in the order
// in which they were put:
//
//             1
//         3       2        slot i has its children in 2i + 1 and 2i + 2
//        5 4     9
//
// A queue without slots of its owner's doubles its memory when that is full.

#include "sync/queue_items.h"

#include <assert.h>

#include "platform/sys.h"

#define SLOTS_AT_FIRST 16

// --- the heap ---------------------------------------------------------------

static bool comes_before(const struct asyncio_queue *queue,
                         const struct asyncio_priority_slot *a,
                         const struct asyncio_priority_slot *b)
{
    int order = queue->compare_(a->item_, b->item_);
    return order ? order < 0 : a->arrival_ < b->arrival_;
}

static void heap_add(struct asyncio_queue *queue, void *item)
{
    struct asyncio_priority_slot *heap = queue->heap_;
    struct asyncio_priority_slot added = {item, queue->arrivals_++};
    size_t at = queue->count_;
    while (at > 0 && comes_before(queue, &added, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = added;
}

// The last item fills the hole at the top, and sinks to where it belongs.
static void *heap_take(struct asyncio_queue *queue)
{
    struct asyncio_priority_slot *heap = queue->heap_;
    void *item = heap[0].item_;
    size_t count = queue->count_ - 1, at = 0, child;
    struct asyncio_priority_slot last = heap[count];
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count &&
            comes_before(queue, &heap[child + 1], &heap[child]))
            child++;
        if (!comes_before(queue, &heap[child], &last)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return item;
}

// --- all three --------------------------------------------------------------

// In a ring that goes round the end, what is before the head moves behind what
// was the end.
static void unwrap(struct asyncio_queue *queue, size_t old_capacity)
{
    for (size_t i = 0; i < queue->head_; i++)
        queue->slots_[old_capacity + i] = queue->slots_[i];
}

static int grow_to(struct asyncio_queue *queue, size_t capacity)
{
    size_t old = queue->capacity_;
    if (queue->order_ == ASYNCIO__BY_PRIORITY) {
        struct asyncio_priority_slot *heap =
            asyncio__realloc_array(queue->heap_, old, capacity, sizeof *heap);
        if (!heap) return -ENOMEM;
        queue->heap_ = heap;
    } else {
        void **slots =
            asyncio__realloc_array(queue->slots_, old, capacity, sizeof *slots);
        if (!slots) return -ENOMEM;
        queue->slots_ = slots;
        unwrap(queue, old);
    }
    queue->capacity_ = capacity;
    return 0;
}

int asyncio__queue_grow(struct asyncio_queue *queue)
{
    assert(!queue->bounded_);
    return grow_to(queue,
                   queue->capacity_ ? queue->capacity_ * 2 : SLOTS_AT_FIRST);
}

void asyncio__queue_add_in_order(struct asyncio_queue *queue, void *item)
{
    if (queue->order_ == ASYNCIO__BY_PRIORITY)
        heap_add(queue, item);
    else
        queue->slots_[queue->count_] = item;
    queue->count_++;
}

void *asyncio__queue_take_in_order(struct asyncio_queue *queue)
{
    void *item = queue->order_ == ASYNCIO__BY_PRIORITY
                     ? heap_take(queue)
                     : queue->slots_[queue->count_ - 1];
    queue->count_--;
    return item;
}

void asyncio__queue_free_slots(struct asyncio_queue *queue)
{
    if (queue->bounded_) return;
    asyncio__free(queue->slots_);
    asyncio__free(queue->heap_);
    queue->slots_ = NULL;
    queue->heap_ = NULL;
    queue->capacity_ = queue->head_ = 0;
}
