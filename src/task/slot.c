// Slots: who is in place, who is aside, and the blocks that frames are kept in.
//
//     a slot's stack:  |  ...  | frames of the occupant      |
//                              ^ context.sp              top ^
//
// What is put aside is from the stack pointer to the top; there is nothing
// below that. The processor's red zone is not used: a function that switches
// also calls others, and no compiler keeps values below the stack pointer of
// such a one.
//
// Blocks have sizes that the allocator likes, and some are kept for the next
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

// Blocks are multiples of this, less what the C library puts before each.
#define UNIT     32
#define OVERHEAD 8
#define CLASSES  33  // of sizes up to 1 KiB
#define KEPT_MAX 256 // blocks of all classes together

#define RESERVE_LEAST 1024

struct asyncio__slots {
    struct asyncio_loop *loop;
    uint64_t free;  // a bit for each slot where nobody is
    unsigned count; // slots that are made
    unsigned next;  // whose occupant goes next, when all are taken
    unsigned kept_count;
    struct asyncio__image *kept[CLASSES];
    struct asyncio__slot slots[ASYNCIO__SLOTS_MAX];
};

static struct asyncio__slots *slots_of(const struct asyncio_task *task)
{
    return task->future.loop_->slots;
}

struct asyncio__slot *asyncio__slot_of(const struct asyncio_task *task)
{
    return &slots_of(task)->slots[task->slot];
}

// --- blocks -----------------------------------------------------------------

static size_t class_of(size_t len)
{
    size_t header = offsetof(struct asyncio__image, bytes);
    return (len + header + OVERHEAD + UNIT - 1) / UNIT;
}

static struct asyncio__image *new_block(size_t len)
{
    size_t header = offsetof(struct asyncio__image, bytes);
    size_t size = class_of(len) * UNIT - OVERHEAD;
    struct asyncio__image *image = asyncio__alloc(size);
    if (image) image->size = size - header;
    return image;
}

static struct asyncio__image *get_block(struct asyncio__slots *slots,
                                        size_t len)
{
    size_t class = class_of(len);
    struct asyncio__image *image = class < CLASSES ? slots->kept[class] : NULL;
    if (!image) return new_block(len);
    slots->kept[class] = image->next;
    slots->kept_count--;
    return image;
}

static void put_block(struct asyncio__slots *slots,
                      struct asyncio__image *image)
{
    size_t class = class_of(image->size);
    if (class >= CLASSES || slots->kept_count == KEPT_MAX) {
        asyncio__free(image);
        return;
    }
    image->next = slots->kept[class];
    slots->kept[class] = image;
    slots->kept_count++;
}

// --- who is where -----------------------------------------------------------

static uint64_t bit_of(const struct asyncio__slots *slots,
                       const struct asyncio__slot *slot)
{
    return UINT64_C(1) << (slot - slots->slots);
}

static void occupy(struct asyncio__slots *slots, struct asyncio__slot *slot,
                   struct asyncio_task *task)
{
    slot->occupant = task;
    slots->free &= ~bit_of(slots, slot);
}

static void clear(struct asyncio__slots *slots, struct asyncio__slot *slot)
{
    slot->occupant = NULL;
    slots->free |= bit_of(slots, slot);
}

bool asyncio__slot_holds_caller(const struct asyncio__slot *slot)
{
    return (uintptr_t)__builtin_frame_address(0) - (uintptr_t)slot->stack->low <
           slot->stack->size;
}

// Of a task that stands still.
static size_t frames_of(const struct asyncio__slot *slot,
                        const struct asyncio_task *task)
{
    return (size_t)(slot->stack->top - (char *)task->context.sp);
}

bool asyncio__slot_reserve(struct asyncio__slot *slot, size_t size)
{
    if (slot->reserve && slot->reserve->size >= size) return true;
    size_t wanted = RESERVE_LEAST;
    while (wanted < size)
        wanted *= 2;
    struct asyncio__image *larger = new_block(wanted);
    if (!larger) return false;
    asyncio__free(slot->reserve);
    slot->reserve = larger;
    return true;
}

bool asyncio__slot_vacate(struct asyncio__slot *slot)
{
    struct asyncio_task *task = slot->occupant;
    if (!task) return true;
    struct asyncio__slots *slots = slots_of(task);
    size_t len = frames_of(slot, task);
    struct asyncio__image *image = get_block(slots, len);
    if (!image) {
        if (!slot->reserve || slot->reserve->size < len) return false;
        image = slot->reserve;
        slot->reserve = NULL;
    }
    memcpy(image->bytes, task->context.sp, len);
    task->image = image;
    clear(slots, slot);
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
        task->future.loop_, -EFAULT, asyncio_task_name(task), task->site,
        "somebody else wrote into the stack of a compact task while it waited, "
        "%zu bytes below its top: what others are to reach has to lie on the "
        "heap or in static memory, or the task must not be compact",
        (size_t)((unsigned char *)slot->stack->top - place));
}

// The slot is needed: looks at what is there.
static void check_marks(struct asyncio__slot *slot)
{
    const unsigned char *end = (void *)slot->stack->top;
    const unsigned char *place = slot->marked_for->context.sp;
    while (place < end && *place == MARK)
        place++;
    if (place < end) report_stranger(slot, place);
    slot->marked_for = NULL;
}

// --- coming and going -------------------------------------------------------

void asyncio__slot_enter(struct asyncio__slot *slot, struct asyncio_task *task)
{
    struct asyncio__slots *slots = slots_of(task);
    if (slot->marked_for) check_marks(slot);
    task->stack = slot->stack;
    task->slot = (uint8_t)(slot - slots->slots);
    occupy(slots, slot, task);
}

void asyncio__slot_leave(struct asyncio_loop *loop, struct asyncio__slot *slot)
{
    clear(loop->slots, slot);
}

bool asyncio__slot_bring_in(struct asyncio_task *task)
{
    struct asyncio__slots *slots = slots_of(task);
    struct asyncio__slot *slot = asyncio__slot_of(task);
    assert(slot->occupant != task && !asyncio__slot_holds_caller(slot));

    if (!asyncio__slot_vacate(slot)) return false;
    if (slot->marked_for) check_marks(slot);
    memcpy(task->context.sp, task->image->bytes, frames_of(slot, task));
    if (slot->reserve)
        put_block(slots, task->image);
    else
        slot->reserve = task->image; // as it was, if it took that along
    task->image = NULL;
    occupy(slots, slot, task);
    return true;
}

void asyncio__slot_forget(struct asyncio_task *task)
{
    struct asyncio__slot *slot = asyncio__slot_of(task);
    if (slot->occupant == task) {
        clear(slots_of(task), slot);
        return;
    }
    if (slot->marked_for == task) slot->marked_for = NULL;
    put_block(slots_of(task), task->image);
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
    slot->stack = stack;
    clear(slots, slot);
    return slot;
}

// One whose occupant can be put aside.
static struct asyncio__slot *make_room(struct asyncio__slots *slots,
                                       bool *elsewhere)
{
    for (unsigned i = 0; i < slots->count; i++) {
        struct asyncio__slot *slot = &slots->slots[slots->next];
        slots->next = (slots->next + 1) % slots->count;
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
    for (size_t class = 0; class < CLASSES; class ++)
        for (struct asyncio__image *image; (image = slots->kept[class]);) {
            slots->kept[class] = image->next;
            asyncio__free(image);
        }
    loop->slots = NULL;
    asyncio__free(slots);
}
