// How a queue keeps its items: what goes in, and which one comes out next. No
// waiting here, and no promises.
#pragma once

#include <asyncio/queue.h>

#include <assert.h>

enum asyncio__queue_order {
    ASYNCIO__FIRST_IN_FIRST_OUT, // a ring from head_ on
    ASYNCIO__LAST_IN_FIRST_OUT,  // a stack
    ASYNCIO__BY_PRIORITY,        // a heap of asyncio_priority_slot
};

// Makes a queue with no room left grow. 0 or -ENOMEM.
int asyncio__queue_grow(struct asyncio_queue *queue);

// Sees to it that one more item fits: 0, or -ENOMEM if the queue has to grow
// for that and cannot. Nothing else has changed then.
static inline int asyncio__queue_make_room(struct asyncio_queue *queue)
{
    return queue->count_ < queue->capacity_ ? 0 : asyncio__queue_grow(queue);
}

// What the two functions below do in a stack or a heap.
void asyncio__queue_add_in_order(struct asyncio_queue *queue, void *item);
void *asyncio__queue_take_in_order(struct asyncio_queue *queue);

// Adds an item, for which there is room.
static inline void asyncio__queue_add(struct asyncio_queue *queue, void *item)
{
    assert(queue->count_ < queue->capacity_);
    if (queue->order_ != ASYNCIO__FIRST_IN_FIRST_OUT) {
        asyncio__queue_add_in_order(queue, item);
        return;
    }
    size_t at = queue->head_ + queue->count_++;
    if (at >= queue->capacity_) at -= queue->capacity_;
    queue->slots_[at] = item;
}

// Takes out the item that is next. There is one.
static inline void *asyncio__queue_take(struct asyncio_queue *queue)
{
    assert(queue->count_ > 0);
    if (queue->order_ != ASYNCIO__FIRST_IN_FIRST_OUT)
        return asyncio__queue_take_in_order(queue);
    void *item = queue->slots_[queue->head_++];
    if (queue->head_ == queue->capacity_) queue->head_ = 0;
    queue->count_--;
    return item;
}

// Frees the slots of a queue that grows.
void asyncio__queue_free_slots(struct asyncio_queue *queue);
