// The variables of a task: context variables, as asyncio/context.h has them.
// (platform/context.h is something else: what a switch of stacks saves.)
//
// A set of variables is immutable while it is shared, and counted. Whoever has
// one keeps it in a place, which is what a task or a thread names as current.
#pragma once

#include <asyncio/context.h>

#include <stdatomic.h>

struct asyncio_task;

// True once a variable was set by anybody: until then a spawn has nothing to
// copy.
extern _Atomic(bool) asyncio__variables_in_use;

// Whether the current ones are any: then a new task gets a copy of them.
bool asyncio__has_variables(void);

// Gives a new task its variables: those of `context`, shared, or else a copy of
// the current ones, which are some. It has room for them in `more`.
void asyncio__task_begin_variables(struct asyncio_task *task,
                                   struct asyncio_context *context);

// Lets go of what a task has, when it ends.
void asyncio__task_end_variables(struct asyncio_task *task);

// For code that runs elsewhere, as a job in a thread: makes the variables of
// `context` those of this thread, outside tasks, until they are left with what
// was there before. The owner of the job copies the context before, on the
// loop's thread, and closes it after. Returns 0; -ENOMEM in a task alone.
int asyncio__variables_enter(struct asyncio_context *context,
                             struct asyncio__variables ***before);
void asyncio__variables_leave(struct asyncio_context *context,
                              struct asyncio__variables **before);
