// The note. A field that is added goes to the end and leaves the version; one
// that changes its meaning, or goes, makes a new version.
//
// Type 1 is the table of fields, type 2 says where the list of loops is.

#include "run/note.h"

#include "task/park.h"

#define FIELD(name, type, member)                                              \
    {                                                                          \
        name, offsetof(struct type, member),                                   \
            sizeof(((struct type *)NULL)->member)                              \
    }
#define WHOLE(name, type)                                                      \
    {                                                                          \
        name, 0, sizeof(struct type)                                           \
    }

ASYNCIO__NOTE const struct asyncio__layout asyncio__layout = {
    .head = {.name_size = sizeof "asyncio",
             .data_size = sizeof asyncio__layout - sizeof asyncio__layout.head,
             .type = 1,
             .name = "asyncio"},
    .version = ASYNCIO__LAYOUT_VERSION,
    .count = ASYNCIO__LAYOUT_FIELDS,
    .fields =
        {
            FIELD("link.next", asyncio_link, next),
            WHOLE("loop", asyncio_loop),
            FIELD("loop.open", asyncio_loop, open),
            FIELD("loop.task", asyncio_loop, task),
            FIELD("loop.passes", asyncio_loop, passes),
            FIELD("loop.state", asyncio_loop, state),
            FIELD("loop.sleeping", asyncio_loop, sleeping),
            FIELD("loop.layout", asyncio_loop, layout),
            {"task", 0, ASYNCIO__TASK_SIZE},
            FIELD("task.number", asyncio_task, number),
            FIELD("task.site", asyncio_task, future.site_),
            FIELD("task.state", asyncio_task, state),
            FIELD("task.function", asyncio_task, fn),
            FIELD("task.cancelling", asyncio_task, future.cancelling_),
            FIELD("task.group", asyncio_task, group),
            FIELD("task.wait_kind", asyncio_task, wait.kind),
            FIELD("task.wait_object", asyncio_task, wait.object),
            FIELD("task.woken", asyncio_task, woken),
            FIELD("task.future", asyncio_task, future),
            FIELD("task.stack", asyncio_task, stack),
            FIELD("task.sp", asyncio_task, context.sp),
            FIELD("task.fp", asyncio_task, context.fp),
            FIELD("task.pc", asyncio_task, context.pc),
            FIELD("wait_kind.name", asyncio__wait_kind, name),
            FIELD("future.state", asyncio_future, state_),
            FIELD("future.result", asyncio_future, result_),
            FIELD("future.kind", asyncio_future, kind_),
            FIELD("group.parent", asyncio_task_group, parent_),
            FIELD("stack.low", asyncio__stack, low),
            FIELD("stack.top", asyncio__stack, top),
            FIELD("task.more", asyncio_task, more),
            FIELD("more.name", asyncio__more, name),
            FIELD("loop.oldest_piece", asyncio_loop, task_blocks.oldest),
            FIELD("loop.next_block", asyncio_loop, task_blocks.next),
            {"piece", 0, ASYNCIO__ARENA_UNIT},
            FIELD("piece.next", asyncio__arena_piece, next),
            FIELD("piece.end", asyncio__arena_piece, end),
        },
};

ASYNCIO__NOTE_DISTANCE(2, asyncio__open_loops);
