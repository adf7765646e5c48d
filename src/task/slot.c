// Slots: who is in place, who is aside, and the blocks that frames are kept in.
//
//     a slot's stack:  |  ...  | frames of the occupant | the slot's |
//                              ^ context.sp             ^ floor  top ^
//
// What is put aside is from the stack pointer to the floor; there is nothing
// below that. The processor's red zone is not used: a function that switches
// also calls others, and no compiler keeps values below the stack pointer of
// such a one. Above the floor are the frames that all tasks of a slot have in
// common: what is in them depends on the slot alone.
//
// Blocks are whole lines of the cache, side by side, and are kept for the next
// task: mostly one comes back as another one leaves, and one block goes back
// and forth between them. Each slot has one in reserve for its occupant, so
// that it can be put aside when there is no memory: no task begins without, and
// who takes it along brings it back. Only frames that outgrow it at such a time
// stay in their place, and the next task of that slot waits until there is
// memory.

#include "task/slot.h"

#include <assert.h>
#include <string.h>

#include "platform/sys.h"

#define UNIT    ((size_t)ASYNCIO__ARENA_UNIT)
#define CLASSES ASYNCIO__SLOT_CLASSES

#define RESERVE_LEAST  1024
#define RESERVE_HEADER offsetof(struct asyncio__reserve, image)

#define BUSY_SLOTS 8 // of those that are all taken

static struct asyncio__slots *slots_of(const struct asyncio_task *task)
{
    return task->future.loop_->slots;
}

// --- blocks -----------------------------------------------------------------

static size_t class_of(size_t len)
{
    return (len + UNIT - 1) / UNIT;
}

static struct asyncio__image *new_block(struct asyncio__slots *slots,
                                        size_t class)
{
    return class < CLASSES ? asyncio__arena_get(&slots->blocks, class * UNIT)
                           : asyncio__alloc(class * UNIT);
}

static struct asyncio__image *get_block(struct asyncio__slots *slots,
                                        size_t len)
{
    size_t class = class_of(len);
    struct asyncio__image *image = class < CLASSES ? slots->kept[class] : NULL;
    if (!image) return new_block(slots, class);
    slots->kept[class] = image->next;
    __builtin_prefetch(image->next, 1); // for the next one to be put aside
    return image;
}

// One that was got for so many bytes.
static void put_block(struct asyncio__slots *slots,
                      struct asyncio__image *image, size_t len)
{
    size_t class = class_of(len);
    if (class >= CLASSES) {
        asyncio__free(image);
        return;
    }
    image->next = slots->kept[class];
    slots->kept[class] = image;
}

// --- who is where -----------------------------------------------------------

// Of a task that stands still.
static size_t frames_of(const struct asyncio__slot *slot,
                        const struct asyncio_task *task)
{
    assert((char *)task->context.sp <= slot->floor);
    return (size_t)(slot->floor - (char *)task->context.sp);
}

bool asyncio__slot_enlarge(struct asyncio__slot *slot, size_t size)
{
    size_t wanted = RESERVE_LEAST;
    while (wanted < size)
        wanted *= 2;
    struct asyncio__reserve *larger = asyncio__alloc(RESERVE_HEADER + wanted);
    if (!larger) return false;
    larger->size = wanted;
    asyncio__free(slot->reserve);
    slot->reserve = larger;
    return true;
}

// The task that leaves takes the reserve along. NULL: it is too small.
static struct asyncio__image *
take_reserve(struct asyncio__slot *slot, struct asyncio_task *task, size_t len)
{
    struct asyncio__reserve *reserve = slot->reserve;
    if (!reserve || reserve->size < len) return NULL;
    slot->reserve = NULL;
    task->in_reserve = true;
    return &reserve->image;
}

// It comes back with it, or never will. Meanwhile there may be another one.
static void return_reserve(struct asyncio__slot *slot,
                           struct asyncio_task *task)
{
    struct asyncio__reserve *reserve =
        list_entry(task->image, struct asyncio__reserve, image);
    task->in_reserve = false;
    if (slot->reserve)
        asyncio__free(reserve);
    else
        slot->reserve = reserve;
}

// The task needs its image no more.
static void put_image(struct asyncio__slot *slot, struct asyncio_task *task)
{
    if (task->in_reserve)
        return_reserve(slot, task);
    else
        put_block(slots_of(task), task->image, frames_of(slot, task));
    task->image = NULL;
}

bool asyncio__slot_vacate(struct asyncio__slot *slot)
{
    struct asyncio_task *task = slot->occupant;
    if (!task) return true;
    size_t len = frames_of(slot, task);
    struct asyncio__image *image = get_block(slots_of(task), len);
    if (!image) image = take_reserve(slot, task, len);
    if (!image) return false;
    asyncio__context_copy(image->bytes, task->context.sp, len);
    task->image = image;
    asyncio__slot_leave(slot);
    return true;
}

// --- marks ------------------------------------------------------------------

#define MARK 0xc5

void asyncio__slot_mark(struct asyncio__slot *slot)
{
    struct asyncio_task *task = slot->occupant;
    if (!task || !asyncio__slot_vacate(slot)) return;
    memset(task->context.sp, MARK, frames_of(slot, task));
    slot->marked_for = task;
}

static void report_stranger(const struct asyncio__slot *slot,
                            const unsigned char *place)
{
    const struct asyncio_task *task = slot->marked_for;
    asyncio__report(
        task->future.loop_, -EFAULT, asyncio_task_name(task),
        task->future.site_,
        "somebody else wrote into the stack of a compact task while it waited, "
        "%zu bytes below its top: what others are to reach has to lie on the "
        "heap or in static memory, or the task must not be compact",
        (size_t)((unsigned char *)slot->stack->top - place));
}

// The slot is needed: looks at what is there.
void asyncio__slot_check_marks(struct asyncio__slot *slot)
{
    const unsigned char *end = (void *)slot->floor;
    const unsigned char *place = slot->marked_for->context.sp;
    while (place < end && *place == MARK)
        place++;
    if (place < end) report_stranger(slot, place);
    slot->marked_for = NULL;
}

// --- coming and going -------------------------------------------------------

bool asyncio__slot_bring_in(struct asyncio_task *task)
{
    struct asyncio__slots *slots = slots_of(task);
    struct asyncio__slot *slot = asyncio__slot_of(task);
    assert(slot->occupant != task && !asyncio__slot_holds_caller(slot));

    if (!asyncio__slot_vacate(slot)) return false;
    if (slot->marked_for) asyncio__slot_check_marks(slot);
    asyncio__context_copy(task->context.sp, task->image->bytes,
                          frames_of(slot, task));
    put_image(slot, task);
    slot->occupant = task;
    slots->free &= ~(UINT64_C(1) << task->slot);
    return true;
}

void asyncio__slot_forget(struct asyncio_task *task)
{
    struct asyncio__slot *slot = asyncio__slot_of(task);
    if (slot->occupant == task) {
        asyncio__slot_leave(slot);
        return;
    }
    if (slot->marked_for == task) slot->marked_for = NULL;
    put_image(slot, task);
}

// --- making them ------------------------------------------------------------

static struct asyncio__slots *slots_for(struct asyncio_loop *loop)
{
    if (loop->slots) return loop->slots;
    loop->slots = asyncio__alloc(sizeof *loop->slots);
    if (loop->slots) loop->slots->loop = loop;
    return loop->slots;
}

static struct asyncio__slot *make_slot(struct asyncio__slots *slots)
{
    if (slots->count == ASYNCIO__SLOTS_MAX) return NULL;
    struct asyncio__stack *stack = asyncio__stack_get(slots->loop->stacks, 0);
    if (!stack) return NULL;
    struct asyncio__slot *slot = &slots->slots[slots->count++];
    slot->loop = slots->loop;
    slot->stack = stack;
    asyncio__slot_leave(slot); // nobody is in it
    return slot;
}

// One whose occupant can be put aside. Where many tasks take turns, few slots
// see them all, and stay in the cache; in the others, a task keeps its place.
// But not as few as one or two: a task that comes back must not find its waker
// in its slot.
static struct asyncio__slot *make_room(struct asyncio__slots *slots,
                                       bool *elsewhere)
{
    slots->next = (slots->next + 1) % BUSY_SLOTS;
    for (unsigned i = 0; i < slots->count; i++) {
        struct asyncio__slot *slot =
            &slots->slots[(slots->next + i) % slots->count];
        if (asyncio__slot_holds_caller(slot))
            *elsewhere = true;
        else if (asyncio__slot_vacate(slot))
            return slot;
    }
    return NULL;
}

static struct asyncio__slot *find_slot(struct asyncio__slots *slots,
                                       bool *elsewhere)
{
    for (uint64_t free = slots->free; free; free &= free - 1) {
        struct asyncio__slot *slot = &slots->slots[__builtin_ctzll(free)];
        if (!asyncio__slot_holds_caller(slot)) return slot;
    }
    struct asyncio__slot *slot = make_slot(slots);
    return slot ? slot : make_room(slots, elsewhere);
}

struct asyncio__slot *asyncio__slot_for_new(struct asyncio_loop *loop,
                                            bool *elsewhere)
{
    *elsewhere = false;
    struct asyncio__slots *slots = slots_for(loop);
    struct asyncio__slot *slot = slots ? find_slot(slots, elsewhere) : NULL;
    return slot && asyncio__slot_reserve(slot, 0) ? slot : NULL;
}

void asyncio__slots_close(struct asyncio_loop *loop)
{
    struct asyncio__slots *slots = loop->slots;
    if (!slots) return;
    for (unsigned i = 0; i < slots->count; i++) {
        assert(!slots->slots[i].occupant);
        asyncio__stack_put(loop->stacks, slots->slots[i].stack);
        asyncio__free(slots->slots[i].reserve);
    }
    asyncio__arena_drop(&slots->blocks);
    loop->slots = NULL;
    asyncio__free(slots);
}
