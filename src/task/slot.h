// Slots: the stacks that compact tasks share, and where their frames are kept
// meanwhile. One set for each loop, made when the first one begins.
#pragma once

#include "task/task.h"

// As many as there are bits in the word that says which are free.
#define ASYNCIO__SLOTS_MAX 64

// A place for the frames of a task that is aside.
struct asyncio__image {
    size_t size; // of `bytes`
    union {
        struct asyncio__image *next; // while nobody has it
        char bytes[8];               // `size` of them
    };
};

struct asyncio__slot {
    struct asyncio__stack *stack;
    struct asyncio_task *occupant; // who is in place, or NULL
    // For the occupant, if there should be no memory when it has to leave.
    struct asyncio__image *reserve;
    struct asyncio_task *marked_for; // see asyncio__compact_put_aside, or NULL
};

// The slot of a task that has begun.
struct asyncio__slot *asyncio__slot_of(const struct asyncio_task *task);

// A slot for a task that begins: one where nobody is, and on which the caller
// does not stand. NULL: there is none, and no memory; `*elsewhere` says that
// there is one on the thread's own stack.
struct asyncio__slot *asyncio__slot_for_new(struct asyncio_loop *loop,
                                            bool *elsewhere);

// Puts a task that has no frames yet into a slot where nobody is.
void asyncio__slot_enter(struct asyncio__slot *slot, struct asyncio_task *task);

// Its occupant has ended.
void asyncio__slot_leave(struct asyncio_loop *loop, struct asyncio__slot *slot);

// Brings the task back into its slot. False: there is no memory for whoever is
// there. Not while standing on it.
bool asyncio__slot_bring_in(struct asyncio_task *task);

// Puts the occupant, if there is one, aside. False: there is no memory.
bool asyncio__slot_vacate(struct asyncio__slot *slot);

// Whether the caller stands on its stack.
bool asyncio__slot_holds_caller(const struct asyncio__slot *slot);

// Makes sure of memory for an occupant with so many bytes of frames, and some
// in any case. False: there is none.
bool asyncio__slot_reserve(struct asyncio__slot *slot, size_t size);

// Writes a mark over the frames of the occupant, which is aside then. That its
// place is still marked is seen to when the slot is needed next.
void asyncio__slot_mark(struct asyncio__slot *slot);

// Frees what a task has that will never come back.
void asyncio__slot_forget(struct asyncio_task *task);

// Frees all slots of a loop; no task is in any. Accepts a loop without.
void asyncio__slots_close(struct asyncio_loop *loop);
