// Slots: the stacks that compact tasks share, and where their frames are kept
// meanwhile. One set for each loop, made when the first one begins.
#pragma once

#include "task/task.h"

// As many as there are bits in the word that says which are free.
#define ASYNCIO__SLOTS_MAX 64

// A place for the frames of a task that is aside: nothing but these, as many
// lines as they take.
struct asyncio__image {
    union {
        struct asyncio__image *next; // while nobody has it
        char bytes[8];
    };
};

// One for a task that finds no memory when it has to leave.
struct asyncio__reserve {
    size_t size; // of the image
    struct asyncio__image image;
};

struct asyncio__slot {
    struct asyncio_loop *loop;
    struct asyncio__stack *stack;
    char *floor; // where the frames of its occupants begin; set as they run
    struct asyncio_task *occupant; // who is in place, or NULL
    // For the occupant, if there should be no memory when it has to leave.
    struct asyncio__reserve *reserve;
    struct asyncio_task *marked_for; // see asyncio__compact_put_aside, or NULL
};

// All of a loop. Blocks are multiples of a line, and such of up to 1 KiB lie
// side by side.
#define ASYNCIO__SLOT_CLASSES 17
struct asyncio__slots {
    struct asyncio_loop *loop;
    uint64_t free;  // a bit for each slot where nobody is
    unsigned count; // slots that are made
    unsigned next;  // whose occupant goes next, when all are taken
    struct asyncio__arena blocks;
    struct asyncio__image *kept[ASYNCIO__SLOT_CLASSES]; // by lines, for reuse
    struct asyncio__slot slots[ASYNCIO__SLOTS_MAX];
};

// The slot of a task that has begun.
static inline struct asyncio__slot *
asyncio__slot_of(const struct asyncio_task *task)
{
    return &task->future.loop_->slots->slots[task->slot];
}

// A slot for a task that begins: one where nobody is, and on which the caller
// does not stand. NULL: there is none, and no memory; `*elsewhere` says that
// there is one on the thread's own stack.
struct asyncio__slot *asyncio__slot_for_new(struct asyncio_loop *loop,
                                            bool *elsewhere);

// Puts a task that has no frames yet into a slot where nobody is.
void asyncio__slot_check_marks(struct asyncio__slot *slot);
static inline void asyncio__slot_enter(struct asyncio__slot *slot,
                                       struct asyncio_task *task)
{
    struct asyncio__slots *slots = slot->loop->slots;
    if (slot->marked_for) asyncio__slot_check_marks(slot);
    unsigned index = (unsigned)(slot - slots->slots);
    task->slot = (uint8_t)index;
    slot->occupant = task;
    slots->free &= ~(UINT64_C(1) << index);
}

// Its occupant has ended, or was put aside.
static inline void asyncio__slot_leave(struct asyncio__slot *slot)
{
    struct asyncio__slots *slots = slot->loop->slots;
    slot->occupant = NULL;
    slots->free |= UINT64_C(1) << (slot - slots->slots);
}

// Brings the task back into its slot. False: there is no memory for whoever is
// there. Not while standing on it.
bool asyncio__slot_bring_in(struct asyncio_task *task);

// Puts the occupant, if there is one, aside. False: there is no memory.
bool asyncio__slot_vacate(struct asyncio__slot *slot);

// Whether the caller stands on its stack.
static inline bool asyncio__slot_holds_caller(const struct asyncio__slot *slot)
{
    return (uintptr_t)__builtin_frame_address(0) - (uintptr_t)slot->stack->low <
           slot->stack->size;
}

// Makes sure of memory for an occupant with so many bytes of frames, and some
// in any case. False: there is none.
bool asyncio__slot_enlarge(struct asyncio__slot *slot, size_t size);
static inline bool asyncio__slot_reserve(struct asyncio__slot *slot,
                                         size_t size)
{
    if (slot->reserve && slot->reserve->size >= size) return true;
    return asyncio__slot_enlarge(slot, size);
}

// Writes a mark over the frames of the occupant, which is aside then. That its
// place is still marked is seen to when the slot is needed next.
void asyncio__slot_mark(struct asyncio__slot *slot);

// Frees what a task has that will never come back.
void asyncio__slot_forget(struct asyncio_task *task);

// Frees all slots of a loop; no task is in any. Accepts a loop without.
void asyncio__slots_close(struct asyncio_loop *loop);
