// Queues between tasks of one loop: first in first out, last in first out, and
// by priority.
//
//     void *slots[8];
//     struct asyncio_queue queue = ASYNCIO_QUEUE(slots);
//
//     int err = asyncio_queue_put(&queue, job);  // one task
//     err = asyncio_queue_get(&queue, &job);     // another
//
// put waits while the queue is full, get while it is empty; who waits is served
// in order of arrival. Room and items are promised to who was woken, so that no
// newcomer can take them in between; when that one is cancelled before it runs,
// the promise goes to the next. The queue carries pointers and never looks
// behind them. It lives in memory that you give it, slots included, and waiting
// allocates nothing.
//
// A queue without slots (all zero is one) has no bound: it grows as asyncio's
// without maxsize does, and asyncio_queue_destroy frees what it grew to.
//
// Call all of it on the loop's thread.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// Where a priority queue keeps an item.
struct asyncio_priority_slot {
    void *item_ ASYNCIO__UNSET;
    uint64_t arrival_ ASYNCIO__UNSET;
};

// Says which of two items comes first: below 0 for `a`, above 0 for `b`, 0 for
// the one that was put first. Must not suspend.
typedef int asyncio_compare_fn(const void *a, const void *b);

// Begins with one of the macros or functions below; all zero is a queue without
// bound, first in first out.
struct asyncio_queue {
    void **slots_ ASYNCIO__UNSET;
    struct asyncio_priority_slot *heap_ ASYNCIO__UNSET; // by priority: instead
    size_t capacity_ ASYNCIO__UNSET;                    // slots there are now
    asyncio_compare_fn *compare_ ASYNCIO__UNSET;
    int order_ ASYNCIO__UNSET; // first in, last in, or by priority
    bool bounded_ ASYNCIO__UNSET;
    bool shut_ ASYNCIO__UNSET;
    size_t head_ ASYNCIO__UNSET; // first in first out: the oldest item's slot
    size_t count_ ASYNCIO__UNSET;
    size_t unfinished_ ASYNCIO__UNSET;
    uint64_t arrivals_ ASYNCIO__UNSET;
    struct asyncio_link getters_ ASYNCIO__UNSET;
    struct asyncio_link putters_ ASYNCIO__UNSET;
    struct asyncio_link joiners_ ASYNCIO__UNSET;
    size_t promised_items_ ASYNCIO__UNSET; // to getters that have not run
    size_t promised_room_ ASYNCIO__UNSET;  // to putters that have not run
    void *reserved_[2] ASYNCIO__UNSET;
};

// --- making one -------------------------------------------------------------

// How a queue begins its life over an array: `void *slots[8]`, or for the last
// one `struct asyncio_priority_slot slots[8]`. What is no array does not
// compile.
#define ASYNCIO_QUEUE(slots)      ASYNCIO__QUEUE(slots, NULL, NULL, 0, slots)
#define ASYNCIO_LIFO_QUEUE(slots) ASYNCIO__QUEUE(slots, NULL, NULL, 1, slots)
#define ASYNCIO_PRIORITY_QUEUE(slots, compare)                                 \
    ASYNCIO__QUEUE(NULL, slots, compare, 2, slots)

// The same, later. No slots, with a capacity of 0: without bound.
//
// returns   0; -EINVAL for slots without a capacity or the reverse, or for no
//           way to compare
// owns      the slots stay yours and have to outlive the queue
// like      asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue
ASYNCIO_API int asyncio_queue_init(struct asyncio_queue *queue, void **slots,
                                   size_t capacity);
ASYNCIO_API int asyncio_lifo_queue_init(struct asyncio_queue *queue,
                                        void **slots, size_t capacity);
ASYNCIO_API int asyncio_priority_queue_init(struct asyncio_queue *queue,
                                            struct asyncio_priority_slot *slots,
                                            size_t capacity,
                                            asyncio_compare_fn *compare);

// Shuts the queue down, drops what is in it, and frees the memory of one that
// grows. Accepts NULL, a zeroed struct and a second call.
ASYNCIO_API void asyncio_queue_destroy(struct asyncio_queue *queue);

// --- using it ---------------------------------------------------------------

// Adds an item, waiting for room while the queue is full.
//
// returns   0; -ESHUTDOWN; -ECANCELED; -ENOMEM if it could not grow; -EPERM
//           outside a task. On all but 0 the item was not added.
// suspends  only while the queue is full
// owns      on 0 the item goes to whoever gets it, else it stays yours
// like      Queue.put
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_queue_put(struct asyncio_queue *queue,
                                                   const void *item);

// The same, but returns -EAGAIN instead of waiting. Never suspends.
// like      Queue.put_nowait
ASYNCIO_API int asyncio_queue_put_nowait(struct asyncio_queue *queue,
                                         const void *item);

// Takes the next item, waiting while the queue is empty. `item` is the address
// of a pointer, of any type: `struct job *job; asyncio_queue_get(&queue,
// &job)`. Anything else does not compile.
//
// returns   0; -ESHUTDOWN if it was shut down and is empty; -ECANCELED: no item
//           was taken; -EPERM outside a task. `*item` is set on 0 only.
// suspends  only while the queue is empty
// like      Queue.get
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_queue_get)(struct asyncio_queue *queue,
                                                    void *item);

// The same, but returns -EAGAIN instead of waiting. Never suspends.
// like      Queue.get_nowait
ASYNCIO_API int(asyncio_queue_get_nowait)(struct asyncio_queue *queue,
                                          void *item);

// How many items are in it; how many it takes, 0 for no bound.
// like      Queue.qsize, maxsize
ASYNCIO_API size_t asyncio_queue_size(const struct asyncio_queue *queue);
ASYNCIO_API size_t asyncio_queue_maxsize(const struct asyncio_queue *queue);

// True if get would find no item; if put would find no room. What is promised
// to others counts as taken.
// like      Queue.empty, Queue.full
ASYNCIO_API bool asyncio_queue_empty(const struct asyncio_queue *queue);
ASYNCIO_API bool asyncio_queue_full(const struct asyncio_queue *queue);

// How many tasks wait in get; in put.
ASYNCIO_API size_t asyncio_queue_getters(const struct asyncio_queue *queue);
ASYNCIO_API size_t asyncio_queue_putters(const struct asyncio_queue *queue);

// --- work that has to be finished -------------------------------------------

// Says that the work on one of the items is finished. Each put counts one up.
//
// returns   0; -EOVERFLOW if it was called for every item before
// suspends  never
// like      Queue.task_done
ASYNCIO_API int asyncio_queue_task_done(struct asyncio_queue *queue);

// Waits until all items that were put have been said to be finished.
//
// returns   0; -ECANCELED; -EPERM outside a task
// suspends  only while some are not
// like      Queue.join
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_queue_join(struct asyncio_queue *queue);

// --- the end ----------------------------------------------------------------

struct asyncio_queue_shutdown_options {
    ASYNCIO__OPTIONS_HEAD
    // Called with each item that is dropped and with `arg`. Must not suspend.
    void (*drop)(void *item, void *arg) ASYNCIO__UNSET;
    void *arg ASYNCIO__UNSET;
    bool immediate ASYNCIO__UNSET; // drop what is in it
    void *reserved_[2] ASYNCIO__UNSET;
};

// Takes no more items: put returns -ESHUTDOWN, also to those who wait in it,
// and so does get once the queue is empty. With `.immediate = true` that is at
// once: what is in the queue is dropped and counts as finished.
//
// suspends  never
// owns      a dropped item is whose it was before: free it in `.drop`
// like      Queue.shutdown
ASYNCIO_API void(asyncio_queue_shutdown)(
    struct asyncio_queue *queue,
    const struct asyncio_queue_shutdown_options *options);
#define asyncio_queue_shutdown(...) ASYNCIO__QUEUE_SHUTDOWN(__VA_ARGS__, )
#define ASYNCIO__QUEUE_SHUTDOWN(queue, ...)                                    \
    (asyncio_queue_shutdown)(                                                  \
        queue, ASYNCIO__OPTIONS(asyncio_queue_shutdown_options, __VA_ARGS__))

ASYNCIO__END

// --- what the macros stand on -----------------------------------------------

// clang-format off
#define ASYNCIO__QUEUE(slots, heap, compare, order, array)                     \
    {(slots), (heap), ASYNCIO__LENGTH(array), (compare), (order), true, false, \
     0, 0, 0, 0, {NULL, NULL}, {NULL, NULL}, {NULL, NULL}, 0, 0, {NULL, NULL}}

#ifndef __cplusplus

// The items of an array; a pointer is refused.
#define ASYNCIO__LENGTH(array)                                                 \
    _Generic(&(array),                                                         \
        void *(*)[sizeof(array) / sizeof *(array)]:                            \
            sizeof(array) / sizeof *(array),                                   \
        struct asyncio_priority_slot (*)[sizeof(array) / sizeof *(array)]:     \
            sizeof(array) / sizeof *(array))

// Refuses at compile time what is not the address of a pointer. The compilers
// have numbers for kinds of types, of which 5 is a pointer or an array; and the
// second operand of a comma is never an array.
#define ASYNCIO__POINTER_AT(item)                                              \
    ((void)sizeof(struct {                                                     \
         _Static_assert(__builtin_classify_type(*(item)) == 5 &&               \
                            __builtin_types_compatible_p(                      \
                                __typeof__(*(item)),                           \
                                __typeof__((void)0, *(item))),                 \
                        "this has to be the address of a pointer");            \
         int some;                                                             \
     }),                                                                       \
     (item))
#define asyncio_queue_get(queue, item)                                         \
    (asyncio_queue_get)(queue, ASYNCIO__POINTER_AT(item))
#define asyncio_queue_get_nowait(queue, item)                                  \
    (asyncio_queue_get_nowait)(queue, ASYNCIO__POINTER_AT(item))

// clang-format on

#else

template <class Slot, size_t Count>
constexpr size_t ASYNCIO__LENGTH(Slot (&)[Count])
{
    return Count;
}
template <class Item>
ASYNCIO_SUSPENDS int asyncio_queue_get(asyncio_queue *queue, Item **item)
{
    return (asyncio_queue_get)(queue, static_cast<void *>(item));
}
template <class Item>
int asyncio_queue_get_nowait(asyncio_queue *queue, Item **item)
{
    return (asyncio_queue_get_nowait)(queue, static_cast<void *>(item));
}
// Refuse what is not the address of a pointer.
template <class Other>
int asyncio_queue_get(asyncio_queue *queue, Other *item) = delete;
template <class Other>
int asyncio_queue_get_nowait(asyncio_queue *queue, Other *item) = delete;

#endif
