// How a queue keeps its items: what goes in, and which one comes out next. No
// waiting here, and no promises.
#pragma once

#include <asyncio/queue.h>

enum asyncio__queue_order {
    ASYNCIO__FIRST_IN_FIRST_OUT, // a ring from head_ on
    ASYNCIO__LAST_IN_FIRST_OUT,  // a stack
    ASYNCIO__BY_PRIORITY,        // a heap of asyncio_priority_slot
};

// Sees to it that one more item fits: 0, or -ENOMEM if the queue has to grow
// for that and cannot. Nothing else has changed then.
int asyncio__queue_make_room(struct asyncio_queue *queue);

// Adds an item, for which there is room.
void asyncio__queue_add(struct asyncio_queue *queue, void *item);

// Takes out the item that is next. There is one.
void *asyncio__queue_take(struct asyncio_queue *queue);

// Frees the slots of a queue that grows.
void asyncio__queue_free_slots(struct asyncio_queue *queue);
