// The tree of cancel scopes, as the rest of the runtime sees it.
//
// A scope is inside the one that was innermost of its task when it was entered.
// Three kinds of things hang in a scope: the scopes inside, the tasks whose
// innermost one it is, and the groups that were opened there, whose children
// will be in it:
//
//     scope --- tasks_   its own task, or tasks born here
//        |----- groups_  open; their children are born here
//        `----- scopes_ --- scope --- tasks_ ...
//
// A scope is in force if it is cancelled, or the one around it is in force and
// it has no shield. That is kept in the scope, and in each task as
// `scope_cancelled`, which park, yield and checkpoint look at.
#pragma once

#include <asyncio/scope.h>

#include "task/task.h"

// True if awaits inside return -ECANCELED. Accepts NULL, no scope.
bool asyncio__scope_in_force(const struct asyncio_cancel_scope *scope);

// Has a task that was just made born in `scope`, which may be NULL; before it
// begins.
void asyncio__scope_adopt(struct asyncio_cancel_scope *scope,
                          struct asyncio_task *task);

// The same for the innermost scope of the task that runs, if there is one: for
// tasks that a call makes on behalf of its caller, who joins them.
void asyncio__scope_adopt_here(struct asyncio_task *task);

// True if the scope that the task was born in cancels it: it needs no telling
// by those who wait for it and are cancelled by the same scope.
bool asyncio__scope_tells(const struct asyncio_task *task);

// A group is opened in the innermost scope of the running task; it is closed.
void asyncio__scope_add_group(struct asyncio_task_group *group);
void asyncio__scope_remove_group(struct asyncio_task_group *group);

// Makes the task remember who cancelled the scope that is in force.
void asyncio__scope_see_words(const struct asyncio_task *task);

// Ends the wait of a parked task whose scope is in force, as far as that can be
// ended.
void asyncio__scope_end_wait(struct asyncio_task *task);

// A task ends: it leaves its scopes, those it was born in and those it forgot
// to leave.
void asyncio__scope_task_ends(struct asyncio_task *task);

// The loop closes: no task of it will run again, and no scope is left.
void asyncio__scopes_drop(struct asyncio_loop *loop);

// --- between scope.c and scope_tree.c ---------------------------------------

enum asyncio__scope_flags {
    ASYNCIO__SCOPE_CANCELLED = 1,
    ASYNCIO__SCOPE_EXPIRED = 2, // by its deadline
    ASYNCIO__SCOPE_CAUGHT = 4,
    ASYNCIO__SCOPE_SHIELD = 8,
    ASYNCIO__SCOPE_FAIL = 16,     // leaving it says -ETIMEDOUT
    ASYNCIO__SCOPE_DEADLINE = 32, // deadline_ holds
    ASYNCIO__SCOPE_IN_FORCE = 64,
    ASYNCIO__SCOPE_IS_TWIN = 128, // of one in the frames of a compact task
};

static inline bool asyncio__scope_has(const struct asyncio_cancel_scope *scope,
                                      int flag)
{
    return scope->flags_ & flag;
}

// Hangs `scope` into the tree, as the innermost of `task`, the running one.
void asyncio__scope_push(struct asyncio_cancel_scope *scope,
                         struct asyncio_task *task);

// Takes it out; what is inside goes to the scope around it.
void asyncio__scope_pop(struct asyncio_cancel_scope *scope);

// To be called when a scope of the tree was cancelled, or its shield changed:
// whoever is inside hears of it.
void asyncio__scope_changed(struct asyncio_cancel_scope *scope);

// Ends the life of a scope that is, or will be, in no tree; its task will not
// look at it any more.
void asyncio__scope_drop(struct asyncio_cancel_scope *scope);
