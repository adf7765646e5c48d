// How deep stacks go, by the place where tasks are made.
//
// The table is the process's and needs no memory that could be missing: it is
// asked for when loops are gone, and a place in an object that was unloaded can
// still be told.

#include <asyncio/debug.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "platform/stack.h"
#include "run/debug.h"

#define SITES     256
#define SITE_SIZE 96 // of its text, the end of it

// What a stack of the pools has at least.
#define LEAST ((size_t)16 * 1024)

struct row {
    struct asyncio_stack_use use; // its `site` is the text below
    char site[SITE_SIZE];
    bool warned;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct row rows[SITES];
static size_t row_count;

// As whoever makes tasks counts; what sanitizers need comes on top of that.
static size_t in_users_bytes(size_t size)
{
    return (size + ASYNCIO__STACK_FACTOR - 1) / ASYNCIO__STACK_FACTOR;
}

// Stacks have 16 KiB or a double of it: the one that leaves a quarter free.
static size_t advise(size_t used)
{
    size_t size = LEAST;
    while (size / 4 * 3 < used)
        size *= 2;
    return size;
}

static const char *end_of(const char *site)
{
    size_t len = strlen(site);
    return len < SITE_SIZE ? site : site + len - (SITE_SIZE - 1);
}

// The row for a place and a size, or NULL if the table is full.
static struct row *row_of(const char *site, size_t size)
{
    for (size_t i = 0; i < row_count; i++)
        if (rows[i].use.size == size && strcmp(rows[i].site, site) == 0)
            return &rows[i];
    if (row_count == SITES) return NULL;
    struct row *row = &rows[row_count++];
    snprintf(row->site, sizeof row->site, "%s", site);
    row->use = (struct asyncio_stack_use){.site = row->site, .size = size};
    return row;
}

// Enters a task. True if this is the first of its place that went too deep.
static bool enter(const struct asyncio_task *task, size_t used, size_t size)
{
    bool warn = false;
    pthread_mutex_lock(&lock);
    struct row *row = row_of(end_of(task->future.site_), size);
    if (row) {
        row->use.tasks += task->state == ASYNCIO__TASK_DONE;
        if (row->use.used < used) row->use.used = used;
        row->use.advised = advise(row->use.used);
        warn = !row->warned && used > size / 4 * 3;
        row->warned |= warn;
    }
    pthread_mutex_unlock(&lock);
    return warn;
}

static void report(struct asyncio_task *task, size_t used, size_t size)
{
    asyncio__report(task->future.loop_, -EOVERFLOW, asyncio_task_name(task),
                    task->future.site_,
                    "a task used %zu of the %zu bytes of its stack: set "
                    ".stack_size = %zu where it is made",
                    used, size, advise(used));
}

size_t asyncio__stack_count(struct asyncio_task *task)
{
    const struct asyncio__stack *stack = asyncio__task_stack(task);
    size_t all_used = asyncio__stack_used(stack);
    size_t size = in_users_bytes(stack->size);
    size_t used = in_users_bytes(all_used);
    if (enter(task, used, size)) report(task, used, size);
    return all_used;
}

void asyncio__stacks_count(struct asyncio__debug_state *debugger)
{
    for (size_t i = 0; i < ASYNCIO__RECORD_BUCKETS; i++) {
        list_for_each (link, &debugger->records[i]) {
            struct asyncio__record *record =
                list_entry(link, struct asyncio__record, link);
            if (record->painted) asyncio__stack_count(record->task);
        }
    }
}

// --- for users --------------------------------------------------------------

static int deeper_first(const void *a, const void *b)
{
    const struct asyncio_stack_use *one = a, *other = b;
    if (one->used != other->used) return one->used < other->used ? 1 : -1;
    return strcmp(one->site, other->site);
}

// Too large for the stack of a task; under the lock.
static struct asyncio_stack_use sorted[SITES];

static void count_running(void)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    struct asyncio__debug_state *debugger =
        loop ? asyncio__debug_find(loop) : NULL;
    if (debugger) asyncio__stacks_count(debugger);
}

static void sort_rows(void)
{
    for (size_t i = 0; i < row_count; i++)
        sorted[i] = rows[i].use;
    qsort(sorted, row_count, sizeof *sorted, deeper_first);
}

size_t asyncio_debug_stacks(struct asyncio_stack_use *uses, size_t count)
{
    count_running();
    pthread_mutex_lock(&lock);
    sort_rows();
    size_t found = row_count;
    for (size_t i = 0; i < found && i < count; i++)
        uses[i] = sorted[i];
    pthread_mutex_unlock(&lock);
    return found;
}

static void print_row(FILE *out, const struct asyncio_stack_use *use)
{
    fprintf(out, "%9zu %9zu %7zu  %s", use->used, use->size, use->tasks,
            use->site);
    if (use->advised != use->size)
        fprintf(out, ": set .stack_size = %zu", use->advised);
    fputc('\n', out);
}

void asyncio_debug_print_stacks(FILE *out)
{
    count_running();
    pthread_mutex_lock(&lock);
    sort_rows();
    fprintf(out, "%9s %9s %7s  %s\n", "used", "of", "tasks", "made at");
    for (size_t i = 0; i < row_count; i++)
        print_row(out, &sorted[i]);
    pthread_mutex_unlock(&lock);
}
