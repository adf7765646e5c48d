// Where a task stands: a walk up its stack, less the library's own frames at
// both ends.
//
//     asyncio__park, asyncio_sleep | boil, async_main | task_main, ...
//              left out                  shown            left out
//
// A function that ends in `return asyncio_sleep(1);` has no frame while that
// call waits, if the compiler made a jump of it. The task's own function is
// known, and stands last in any case.

#include "run/stack_trace.h"

#include <string.h>

#include "task/compact.h"
#include "task/future.h"
#include "task/run.h"

// True if the task's frames may be looked at: it stands still, or runs here.
static bool is_readable(const struct asyncio_task *task)
{
    const struct asyncio_loop *loop = task->future.loop_;
    return loop && (loop == asyncio__running_loop ||
                    loop->state != ASYNCIO__LOOP_RUNNING);
}

static size_t walk(struct asyncio_task *task, struct asyncio__frame *frames,
                   size_t limit)
{
    struct asyncio__unwind_options options = {.last = asyncio__task_entry()};
    const void *fn = (const void *)(uintptr_t)task->fn;
    size_t count = 0;
    if (task->state == ASYNCIO__TASK_DONE || !is_readable(task)) return 0;
    bool running = task == asyncio__task();
    if (asyncio__task_state(task) != ASYNCIO__TASK_NEW &&
        (running || asyncio__compact_put_in_place(task))) {
        count = asyncio__unwind(running ? NULL : &task->context, &options,
                                frames, limit);
    }
    if (count == limit || (count > 0 && frames[count - 1].function == fn))
        return count;
    frames[count] = (struct asyncio__frame){fn, fn};
    return count + 1;
}

size_t asyncio__frames_skip(struct asyncio__symbols *symbols,
                            const struct asyncio__frame *frames, size_t count)
{
    size_t first = 0;
    while (first + 1 < count &&
           asyncio__symbols_ours(symbols, frames[first].address))
        first++;
    return first;
}

size_t asyncio__stack_trace(struct asyncio_task *task,
                            struct asyncio__symbols *symbols,
                            struct asyncio__frame *frames, size_t limit)
{
    size_t count = walk(task, frames, ASYNCIO_STACK_FRAMES_MAX);
    size_t first = asyncio__frames_skip(symbols, frames, count);
    memmove(frames, frames + first, (count - first) * sizeof *frames);
    return count - first < limit ? count - first : limit;
}

void asyncio__frame_name(struct asyncio__symbols *symbols,
                         const struct asyncio__frame *frame,
                         struct asyncio_frame *named)
{
    named->address = frame->address;
    asyncio__symbols_name(symbols, frame->address, named->function,
                          sizeof named->function);
}

void asyncio__frames_line(struct asyncio__symbols *symbols,
                          const struct asyncio__frame *frames, size_t count,
                          char *line, size_t size)
{
    struct asyncio_frame frame;
    size_t len = 0;
    line[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        asyncio__frame_name(symbols, &frames[i], &frame);
        size_t more = strlen(frame.function) + (i > 0 ? 3 : 0);
        if (len + more + sizeof " < ..." > size) {
            memcpy(line + len, " < ...", sizeof " < ...");
            return;
        }
        snprintf(line + len, size - len, "%s%s", i > 0 ? " < " : "",
                 frame.function);
        len += more;
    }
}

size_t asyncio_task_get_stack(struct asyncio_task *task,
                              struct asyncio_frame *frames, size_t limit)
{
    if (!task) return 0;
    struct asyncio__frame found[ASYNCIO_STACK_FRAMES_MAX];
    struct asyncio__symbols symbols = {0};
    size_t count = asyncio__stack_trace(task, &symbols, found, limit);
    for (size_t i = 0; i < count; i++)
        asyncio__frame_name(&symbols, &found[i], &frames[i]);
    asyncio__symbols_close(&symbols);
    return count;
}

void asyncio_task_print_stack(struct asyncio_task *task, size_t limit,
                              FILE *file)
{
    if (!task) return;
    struct asyncio__frame found[ASYNCIO_STACK_FRAMES_MAX];
    struct asyncio__symbols symbols = {0};
    struct asyncio_frame frame;
    char text[512];
    if (!file) file = stderr;
    fprintf(file, "%s\n", asyncio_task_describe(task, text, sizeof text));
    if (limit == 0) limit = ASYNCIO_STACK_FRAMES_MAX;
    size_t count = asyncio__stack_trace(task, &symbols, found, limit);
    for (size_t i = 0; i < count; i++) {
        asyncio__frame_name(&symbols, &found[i], &frame);
        fprintf(file, "    %s\n", frame.function);
    }
    if (count == 0) fprintf(file, "    no stack\n");
    asyncio__symbols_close(&symbols);
}
