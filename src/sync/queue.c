// Queues: items, and three lines of tasks: for an item, for room, and for all
// work to be finished.
//
// A task that is woken for an item or for room has it promised, and takes it
// when it runs: so a priority queue gives it what is first by then. Promises
// count as taken for everybody else. After each change `serve` brings the lines
// up to date, so that it always holds: somebody waits for an item only if all
// are promised, and for room only if all is.

#include <asyncio/queue.h>

#include <stdint.h>
#include <string.h>

#include "base/list.h"
#include "sync/queue_items.h"
#include "task/park_here.h"

// --- making one -------------------------------------------------------------

int asyncio_queue_init(struct asyncio_queue *queue, void **slots,
                       size_t capacity)
{
    *queue = (struct asyncio_queue){.slots_ = slots,
                                    .capacity_ = capacity,
                                    .order_ = ASYNCIO__FIRST_IN_FIRST_OUT,
                                    .bounded_ = slots};
    return !slots == !capacity ? 0 : -EINVAL;
}

int asyncio_lifo_queue_init(struct asyncio_queue *queue, void **slots,
                            size_t capacity)
{
    int err = asyncio_queue_init(queue, slots, capacity);
    queue->order_ = ASYNCIO__LAST_IN_FIRST_OUT;
    return err;
}

int asyncio_priority_queue_init(struct asyncio_queue *queue,
                                struct asyncio_priority_slot *slots,
                                size_t capacity, asyncio_compare_fn *compare)
{
    *queue = (struct asyncio_queue){.heap_ = slots,
                                    .capacity_ = capacity,
                                    .compare_ = compare,
                                    .order_ = ASYNCIO__BY_PRIORITY,
                                    .bounded_ = slots};
    return !slots == !capacity && compare ? 0 : -EINVAL;
}

void asyncio_queue_destroy(struct asyncio_queue *queue)
{
    if (!queue) return;
    asyncio_queue_shutdown(queue, .immediate = true);
    asyncio__queue_free_slots(queue);
}

// In debug mode: whether those who wait are of a loop on another thread.
static bool is_elsewhere(const struct asyncio_queue *queue, const char *call)
{
    return asyncio__debug_somewhere() &&
           (asyncio__waiters_are_elsewhere(&queue->getters_, call) ||
            asyncio__waiters_are_elsewhere(&queue->putters_, call) ||
            asyncio__waiters_are_elsewhere(&queue->joiners_, call));
}

// --- promises ---------------------------------------------------------------

static inline bool is_empty(const struct asyncio_queue *queue)
{
    return queue->count_ <= queue->promised_items_;
}

static inline bool is_full(const struct asyncio_queue *queue)
{
    return queue->bounded_ &&
           queue->count_ + queue->promised_room_ >= queue->capacity_;
}

bool asyncio_queue_empty(const struct asyncio_queue *queue)
{
    return is_empty(queue);
}

bool asyncio_queue_full(const struct asyncio_queue *queue)
{
    return is_full(queue);
}

// Brings the getters up to date: all that there is to do when an item came.
ASYNCIO__INLINE void serve_getters_here(struct asyncio_queue *queue)
{
    while (!list_empty(&queue->getters_) && !is_empty(queue)) {
        queue->promised_items_++;
        asyncio__wake_first(&queue->getters_, 0);
    }
}

// The same for the putters, when an item went.
ASYNCIO__INLINE void serve_putters_here(struct asyncio_queue *queue)
{
    while (!list_empty(&queue->putters_) && !is_full(queue)) {
        queue->promised_room_++;
        asyncio__wake_first(&queue->putters_, 0);
    }
    // Also for who waited for an item that was promised to another.
    if (queue->shut_ && queue->count_ == 0)
        asyncio__wake_all(&queue->getters_, -ESHUTDOWN);
}

// The same two as the last step of a call that succeeds: 0.
ASYNCIO__APART static int serve_getters(struct asyncio_queue *queue)
{
    serve_getters_here(queue);
    return 0;
}

ASYNCIO__APART static int serve_putters(struct asyncio_queue *queue)
{
    serve_putters_here(queue);
    return 0;
}

static void serve(struct asyncio_queue *queue)
{
    serve_getters(queue);
    serve_putters(queue);
}

static void give_back_item(struct asyncio_task *task)
{
    struct asyncio_queue *queue = task->wait.object;
    queue->promised_items_--;
    serve(queue);
}

static void give_back_room(struct asyncio_task *task)
{
    struct asyncio_queue *queue = task->wait.object;
    queue->promised_room_--;
    serve(queue);
}

static const struct asyncio__wait_kind getting = {
    .name = "an item of a queue",
    .give_back = give_back_item,
    .movable = true,
};

static const struct asyncio__wait_kind putting = {
    .name = "room in a queue",
    .give_back = give_back_room,
    .movable = true,
};

static const struct asyncio__wait_kind joining = {
    .name = "the work of a queue",
    .movable = true,
};

// --- put and get ------------------------------------------------------------
//
// Both have two ways. On the straight one nothing is called but as the last
// step, so that no registers are saved; all that is rare goes the other way.

// The loop whose task runs, if nothing is rare about that: nobody debugs, the
// task was not cancelled, is not compact, and others ran not long ago. Else
// NULL.
static inline struct asyncio_loop *plain_loop(void)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    bool plain = loop && loop->task && !loop->task->not_plain &&
                 loop->unblocked < ASYNCIO__UNBLOCKED_MAX - 1 &&
                 !asyncio__debug_somewhere();
    return ASYNCIO__LIKELY(plain) ? loop : NULL;
}

static inline bool is_plain(const struct asyncio_queue *queue)
{
    return queue->order_ == ASYNCIO__FIRST_IN_FIRST_OUT && !queue->shut_;
}

static inline void add_item(struct asyncio_queue *queue, const void *item)
{
    asyncio__queue_add(queue, (void *)(uintptr_t)item);
    queue->unfinished_++;
}

static inline int add(struct asyncio_queue *queue, const void *item)
{
    add_item(queue, item);
    return list_empty(&queue->getters_) ? 0 : serve_getters(queue);
}

// `item` is the address of a pointer of some type, so it is copied as bytes.
static inline void take_item(struct asyncio_queue *queue, void *item)
{
    void *taken = asyncio__queue_take(queue);
    memcpy(item, &taken, sizeof taken);
}

static inline int take(struct asyncio_queue *queue, void *item)
{
    take_item(queue, item);
    bool done = list_empty(&queue->putters_) && !queue->shut_;
    return done ? 0 : serve_putters(queue);
}

static int put(struct asyncio_queue *queue, const void *item)
{
    if (queue->shut_) return -ESHUTDOWN;
    if (is_full(queue)) return -EAGAIN;
    int err = asyncio__queue_make_room(queue);
    return err < 0 ? err : add(queue, item);
}

static int get(struct asyncio_queue *queue, void *item)
{
    if (queue->shut_ && queue->count_ == 0) return -ESHUTDOWN;
    if (is_empty(queue)) return -EAGAIN;
    return take(queue, item);
}

ASYNCIO__APART static int wait_and_put(struct asyncio_queue *queue,
                                       const void *item,
                                       struct asyncio_loop *loop)
{
    int err = asyncio__park_in(loop, &putting, queue, &queue->putters_);
    if (err < 0) return err;
    queue->promised_room_--;
    err = queue->shut_ ? -ESHUTDOWN : asyncio__queue_make_room(queue);
    if (err == 0) {
        add_item(queue, item);
        serve_getters_here(queue);
    }
    return err;
}

ASYNCIO__APART static int put_otherwise(struct asyncio_queue *queue,
                                        const void *item)
{
    if (is_elsewhere(queue, "asyncio_queue_put") || !asyncio__task())
        return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    err = put(queue, item);
    return err == -EAGAIN ? wait_and_put(queue, item, asyncio__running_loop)
                          : err;
}

int asyncio_queue_put(struct asyncio_queue *queue, const void *item)
{
    struct asyncio_loop *loop = plain_loop();
    if (!loop || !is_plain(queue)) return put_otherwise(queue, item);
    if (is_full(queue)) return wait_and_put(queue, item, loop);
    if (queue->count_ == queue->capacity_) return put_otherwise(queue, item);
    loop->unblocked++;
    return add(queue, item);
}

int asyncio_queue_put_nowait(struct asyncio_queue *queue, const void *item)
{
    if (is_elsewhere(queue, __func__)) return -EPERM;
    return put(queue, item);
}

ASYNCIO__APART static int wait_and_get(struct asyncio_queue *queue, void *item,
                                       struct asyncio_loop *loop)
{
    int err = asyncio__park_in(loop, &getting, queue, &queue->getters_);
    if (err < 0) return err;
    queue->promised_items_--;
    if (queue->count_ == 0) return -ESHUTDOWN; // what was promised was dropped
    take_item(queue, item);
    serve_putters_here(queue);
    return 0;
}

ASYNCIO__APART static int get_otherwise(struct asyncio_queue *queue, void *item)
{
    if (is_elsewhere(queue, "asyncio_queue_get") || !asyncio__task())
        return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    err = get(queue, item);
    return err == -EAGAIN ? wait_and_get(queue, item, asyncio__running_loop)
                          : err;
}

int(asyncio_queue_get)(struct asyncio_queue *queue, void *item)
{
    struct asyncio_loop *loop = plain_loop();
    if (!loop || !is_plain(queue)) return get_otherwise(queue, item);
    if (is_empty(queue)) return wait_and_get(queue, item, loop);
    loop->unblocked++;
    return take(queue, item);
}

int(asyncio_queue_get_nowait)(struct asyncio_queue *queue, void *item)
{
    if (is_elsewhere(queue, __func__)) return -EPERM;
    return get(queue, item);
}

size_t asyncio_queue_size(const struct asyncio_queue *queue)
{
    return queue->count_;
}

size_t asyncio_queue_maxsize(const struct asyncio_queue *queue)
{
    return queue->bounded_ ? queue->capacity_ : 0;
}

size_t asyncio_queue_getters(const struct asyncio_queue *queue)
{
    return list_count(&queue->getters_);
}

size_t asyncio_queue_putters(const struct asyncio_queue *queue)
{
    return list_count(&queue->putters_);
}

// --- work that has to be finished -------------------------------------------

static void finish_one(struct asyncio_queue *queue)
{
    if (--queue->unfinished_ == 0) asyncio__wake_all(&queue->joiners_, 0);
}

int asyncio_queue_task_done(struct asyncio_queue *queue)
{
    if (is_elsewhere(queue, __func__)) return -EPERM;
    if (queue->unfinished_ == 0) return -EOVERFLOW;
    finish_one(queue);
    return 0;
}

int asyncio_queue_join(struct asyncio_queue *queue)
{
    if (is_elsewhere(queue, __func__) || !asyncio__task()) return -EPERM;
    int err = asyncio__checkpoint();
    if (err < 0) return err;
    if (queue->unfinished_ == 0) return 0;
    return asyncio__park(&joining, queue, &queue->joiners_);
}

// --- the end ----------------------------------------------------------------

// An item may have been said to be finished while it was still in here.
static void drop_all(struct asyncio_queue *queue,
                     const struct asyncio_queue_shutdown_options *options)
{
    while (queue->count_ > 0) {
        void *item = asyncio__queue_take(queue);
        if (queue->unfinished_ > 0) finish_one(queue);
        if (options->drop) options->drop(item, options->arg);
    }
}

void(asyncio_queue_shutdown)(
    struct asyncio_queue *queue,
    const struct asyncio_queue_shutdown_options *options)
{
    if (is_elsewhere(queue, __func__)) return;
    queue->shut_ = true;
    asyncio__wake_all(&queue->putters_, -ESHUTDOWN);
    if (options && options->immediate) drop_all(queue, options);
    serve(queue);
}
