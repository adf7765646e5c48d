// The line that a stack overflow ends in: which task, where it was made, what
// to set. It runs in a signal handler, on a thread whose stack is used up: so
// it makes its text with nothing but stores.

#include "run/overflow.h"

#include <stdlib.h>
#include <string.h>

#include "platform/stack.h"
#include "task/task.h"

struct text {
    char *at, *end; // where the next byte goes, and one past the last
};

static void add(struct text *text, const char *words)
{
    while (*words && text->at < text->end)
        *text->at++ = *words++;
}

static void add_number(struct text *text, size_t number)
{
    char digits[24], *at = digits + sizeof digits - 1;
    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    add(text, at);
}

static bool describe(void *address, char *line, size_t size)
{
    struct asyncio_task *task = asyncio__task();
    const struct asyncio__stack *stack =
        task ? asyncio__task_stack(task) : NULL;
    if (!stack || !asyncio__stack_overflowed(stack, address)) return false;

    // As whoever spawned it counts; what sanitizers need comes on top of that.
    size_t stack_size = stack->size / ASYNCIO__STACK_FACTOR;
    struct text text = {line, line + size - 1};
    add(&text, "asyncio: the stack of task ");
    if (asyncio__task_given_name(task)) {
        add(&text, asyncio__task_given_name(task));
    } else {
        add(&text, "Task-");
        add_number(&text, task->number);
    }
    add(&text, ", made at ");
    add(&text, task->future.site_);
    add(&text, ", overflowed its ");
    add_number(&text, stack_size);
    add(&text, " bytes: set .stack_size = ");
    add_number(&text, 2 * stack_size);
    add(&text, " there\n");
    *text.at = '\0';
    return true;
}

static bool wanted(void)
{
    const char *word = getenv("ASYNCIO_OVERFLOW_REPORT");
    return !word || strcmp(word, "0") != 0;
}

bool asyncio__overflow_report_begin(void)
{
    // Without it an overflow still ends the process, only without the line.
    return wanted() && asyncio__overflow_watch(describe) == 0;
}

void asyncio__overflow_report_end(bool begun)
{
    if (begun) asyncio__overflow_unwatch();
}
