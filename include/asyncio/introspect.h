// Looking at tasks from within the program: where they stand, who waits for
// whom, as data and in print.
//
//     asyncio_print_task_tree(NULL, stderr);
//
//     (T) Task-1: pending, waits for the tasks of a group 0x7f0c, made at a.c:9
//     │   download_all
//     │   async_main
//     ├── (T) eggs: pending, waits for sleep, made at a.c:20
//     │       boil
//     └── (T) toast: pending, made at a.c:21
//             toast
//
// A task's stack is found by the compiler's unwind tables, so no special build
// is needed; its functions are named after the symbol tables of the files they
// came from (a stripped program has "module+0x1f" in their place). The frames
// of this library above the call that waits are left out.
//
// Nothing here waits, and none of it changes a task. Call it on the loop's
// thread: a loop that runs on another one is refused with -EPERM.
// asyncio_current_task and asyncio_all_tasks are in asyncio/task.h.
#pragma once

#include <stdio.h>

#include <asyncio/task.h>

ASYNCIO__BEGIN

// --- stacks -----------------------------------------------------------------

// One function of a stack, and where in it.
struct asyncio_frame {
    const void *address; // within the instruction that it stands in
    char function[120];  // its name, cut to fit; or "module+0x1f"
};

// The most frames that are looked at; what lies further out is not seen.
#define ASYNCIO_STACK_FRAMES_MAX 128

// Writes the innermost `limit` frames of the task, innermost first, and returns
// how many. A task that has not begun has one frame, its function; one that has
// ended, and one that stands in another thread's loop, has none.
// like      Task.get_stack
// unlike    it, the innermost frame comes first
ASYNCIO_API size_t asyncio_task_get_stack(struct asyncio_task *task,
                                          struct asyncio_frame *frames,
                                          size_t limit);

// Prints a line about the task, as asyncio_task_describe has it, and one for
// each of the innermost `limit` frames; 0 is all. A `file` of NULL is stderr.
// like      Task.print_stack
ASYNCIO_API void asyncio_task_print_stack(struct asyncio_task *task,
                                          size_t limit, FILE *file);

// --- who waits for whom -----------------------------------------------------

// The task that owns the group of which this one is a member; NULL if it is in
// none, or was, and has ended.
// like      anyio's TaskInfo.parent_id
ASYNCIO_API struct asyncio_task *
asyncio_task_parent(const struct asyncio_task *task);

// A future or task, and everybody who waits for it, directly or not. Tasks that
// wait through a gather, a group, a shield or a lock count as waiting for the
// tasks behind that.
struct asyncio_call_node {
    struct asyncio_task *task; // borrowed; NULL: a future that is no task
    struct asyncio_future *future;
    char *text;                   // as its describe has it
    struct asyncio_frame *frames; // innermost first
    size_t frame_count;
    size_t *awaiters; // who waits for it: indices of nodes
    size_t awaiter_count;
};

// Each task stands in it once. Node 0 is what was asked for.
struct asyncio_call_graph {
    struct asyncio_call_node *nodes;
    size_t count;
    void *reserved_[2];
};

struct asyncio_call_graph_options {
    ASYNCIO__OPTIONS_HEAD
    size_t limit ASYNCIO__UNSET; // frames of each task, else all
    void *reserved_[4] ASYNCIO__UNSET;
};

// Takes down how things stand now; NULL for the future is the current task.
// Tasks in it are borrowed: they are good until the loop goes on.
//
// returns   0; -EPERM without a future and outside a task, and for a loop that
//           runs on another thread; -ENOMEM
// owns      on 0 you call asyncio_call_graph_free
// like      asyncio.capture_call_graph
ASYNCIO_API int(asyncio_capture_call_graph)(
    struct asyncio_call_graph *graph, struct asyncio_future *future,
    const struct asyncio_call_graph_options *options);
#define asyncio_capture_call_graph(...)                                        \
    ASYNCIO__CAPTURE_CALL_GRAPH(__VA_ARGS__, )
#define ASYNCIO__CAPTURE_CALL_GRAPH(graph, future, ...)                        \
    (asyncio_capture_call_graph)(                                              \
        graph, future,                                                         \
        ASYNCIO__OPTIONS(asyncio_call_graph_options, __VA_ARGS__))

// Frees what it holds. Accepts a zeroed struct and a second call.
ASYNCIO_API void asyncio_call_graph_free(struct asyncio_call_graph *graph);

// Prints it: the future, its frames, and below them who awaits it. A `file` of
// NULL is stderr.
//
// returns   as asyncio_capture_call_graph
// like      asyncio.print_call_graph
ASYNCIO_API int asyncio_print_call_graph(struct asyncio_future *future,
                                         FILE *file);

// --- all tasks of a loop ----------------------------------------------------

// Prints the loop's tasks as trees: each task that nobody waits for is a root,
// and below its frames stand the tasks that it waits for. One that several wait
// for is shown in full once. Where tasks wait for each other in a circle there
// is no tree: the circles are printed instead. NULL for the loop is this
// thread's, for the file stderr.
//
// returns   0; -EDEADLK if there are circles; -EPERM without a loop, or for one
//           that runs on another thread; -ENOMEM
// like      python -m asyncio pstree
ASYNCIO_API int asyncio_print_task_tree(struct asyncio_loop *loop, FILE *file);

// A row of the table: a task, and one that waits for it. Both are borrowed.
struct asyncio_task_row {
    struct asyncio_task *task;
    struct asyncio_task *awaiter; // NULL: nobody waits for the task
};

// Puts up to `count` rows into `rows`: for each task of the loop that is not
// done, in order of their making, one for each task that waits for it, or one
// without an awaiter. NULL for the loop is this thread's.
//
// returns   how many rows there are; -EPERM and -ENOMEM as the tree
ASYNCIO_API int asyncio_task_table(struct asyncio_loop *loop,
                                   struct asyncio_task_row *rows, size_t count);

// Prints that table: name, state, where the task stands, who waits for it.
//
// returns   0; -EPERM and -ENOMEM as the tree
// like      python -m asyncio ps
ASYNCIO_API int asyncio_print_task_table(struct asyncio_loop *loop, FILE *file);

ASYNCIO__END
