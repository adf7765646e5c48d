// The tree and the table of a loop's tasks.
//
// A tree is drawn without recursion: the way from the root to where the pencil
// is stands in an array, and a line's left edge is drawn from it. Beyond some
// depth lines are not indented further, but say how deep they are.

#include "run/tree.h"

#include <stdlib.h>

#include "platform/sys.h"
#include "run/stack_trace.h"
#include "task/future.h"

#define INDENTED_MAX 32 // levels

struct level {
    size_t node;
    size_t next; // edge to be drawn
};

struct drawing {
    const struct asyncio__graph *graph;
    const struct asyncio__edges *edges;
    const char *words;
    struct asyncio__symbols *symbols;
    FILE *file;
    struct level *way;
    size_t depth; // levels of the way
};

static bool has_more(const struct drawing *drawing, size_t level)
{
    const struct level *at = &drawing->way[level];
    return at->next < drawing->edges->first[at->node + 1];
}

// What stands left of a line that belongs to the innermost level.
static void draw_edge(const struct drawing *drawing, size_t levels)
{
    if (levels > INDENTED_MAX) {
        fprintf(drawing->file, "(%zu deep) ", levels);
        return;
    }
    for (size_t i = 0; i < levels; i++)
        fputs(has_more(drawing, i) ? "│   " : "    ", drawing->file);
}

static void draw_name(const struct drawing *drawing, size_t node, bool again)
{
    char text[512];
    struct asyncio_future *future = drawing->graph->nodes[node];
    struct asyncio_task *task = asyncio__future_task(future);
    if (task)
        fprintf(drawing->file, "(T) %s",
                again ? asyncio_task_name(task)
                      : asyncio_task_describe(task, text, sizeof text));
    else
        fprintf(drawing->file, "(F) %s %p: %s",
                future->kind_ ? future->kind_->name : "future", (void *)future,
                asyncio_future_describe(future, text, sizeof text));
    fputs(again ? ", shown above\n" : "\n", drawing->file);
}

static void draw_frames(const struct drawing *drawing, size_t node)
{
    struct asyncio__frame frames[ASYNCIO_STACK_FRAMES_MAX];
    struct asyncio_frame frame;
    struct asyncio_task *task =
        asyncio__future_task(drawing->graph->nodes[node]);
    if (!task) return;
    size_t count = asyncio__stack_trace(task, drawing->symbols, frames,
                                        ASYNCIO_STACK_FRAMES_MAX);
    for (size_t i = 0; i < count; i++) {
        asyncio__frame_name(drawing->symbols, &frames[i], &frame);
        draw_edge(drawing, drawing->depth);
        fprintf(drawing->file, "%s\n", frame.function);
    }
}

// Draws a node at the end of the way, and makes it part of the way.
static void enter(struct drawing *drawing, size_t node, bool *shown)
{
    bool again = shown[node];
    draw_name(drawing, node, again);
    shown[node] = true;
    struct level *level = &drawing->way[drawing->depth++];
    level->node = node;
    level->next = drawing->edges->first[again ? node + 1 : node];
    if (!again) draw_frames(drawing, node);
}

int asyncio__tree_draw(const struct asyncio__graph *graph,
                       const struct asyncio__edges *edges, size_t root,
                       const char *words, bool *shown,
                       struct asyncio__symbols *symbols, FILE *file)
{
    struct drawing drawing = {graph, edges, words, symbols, file, NULL, 0};
    // A way has each node once, but for its end.
    drawing.way = asyncio__alloc_array(graph->count + 2, sizeof *drawing.way);
    if (!drawing.way) return -ENOMEM;
    enter(&drawing, root, shown);
    while (drawing.depth > 0) {
        struct level *level = &drawing.way[drawing.depth - 1];
        if (!has_more(&drawing, drawing.depth - 1)) {
            drawing.depth--;
            continue;
        }
        size_t node = edges->ends[level->next++];
        draw_edge(&drawing, drawing.depth - 1);
        if (drawing.depth <= INDENTED_MAX)
            fputs(has_more(&drawing, drawing.depth - 1) ? "├── " : "└── ",
                  file);
        fputs(words, file);
        enter(&drawing, node, shown);
    }
    asyncio__free(drawing.way);
    return 0;
}

// --- the tree ---------------------------------------------------------------

static void print_circle(const struct asyncio__graph *graph,
                         const size_t *nodes, size_t count, void *arg)
{
    FILE *file = arg;
    fputs("tasks wait for each other in a circle: ", file);
    for (size_t i = 0; i <= count; i++) {
        struct asyncio_task *task =
            asyncio__future_task(graph->nodes[nodes[i % count]]);
        fprintf(file, "%s%s", i > 0 ? " -> " : "", asyncio_task_name(task));
    }
    fputs("\n", file);
}

static int draw_roots(const struct asyncio__graph *graph, FILE *file)
{
    struct asyncio__symbols symbols = {0};
    bool *shown = asyncio__alloc_array(graph->count + 1, sizeof *shown);
    int err = shown ? 0 : -ENOMEM;
    for (size_t i = 0; i < graph->count && err == 0; i++)
        if (asyncio__edges_count(&graph->awaiters, i) == 0)
            err = asyncio__tree_draw(graph, &graph->awaited, i, "", shown,
                                     &symbols, file);
    asyncio__symbols_close(&symbols);
    asyncio__free(shown);
    return err;
}

static int make_graph(struct asyncio__graph *graph, struct asyncio_loop *loop)
{
    if (!loop) loop = asyncio_get_event_loop();
    return asyncio__graph_make(graph, loop, NULL);
}

int asyncio_print_task_tree(struct asyncio_loop *loop, FILE *file)
{
    struct asyncio__graph graph;
    int err = make_graph(&graph, loop);
    if (err < 0) return err;
    if (!file) file = stderr;
    err = asyncio__graph_circles(&graph, print_circle, file);
    if (err > 0) err = -EDEADLK;
    if (err == 0) err = draw_roots(&graph, file);
    asyncio__graph_free(&graph);
    return err;
}

// --- the table --------------------------------------------------------------

// Calls row for each row; `awaiter` may be NULL. Returns how many there are.
static size_t each_row(const struct asyncio__graph *graph,
                       void (*row)(struct asyncio_task *task,
                                   struct asyncio_task *awaiter, void *arg),
                       void *arg)
{
    size_t rows = 0;
    for (size_t i = 0; i < graph->count; i++) {
        struct asyncio_task *task = asyncio__future_task(graph->nodes[i]);
        size_t at = graph->awaiters.first[i];
        do {
            bool awaited = at < graph->awaiters.first[i + 1];
            size_t awaiter = awaited ? graph->awaiters.ends[at] : 0;
            row(task,
                awaited ? asyncio__future_task(graph->nodes[awaiter]) : NULL,
                arg);
            rows++;
        } while (++at < graph->awaiters.first[i + 1]);
    }
    return rows;
}

struct rows {
    struct asyncio_task_row *next, *end;
};

static void store_row(struct asyncio_task *task, struct asyncio_task *awaiter,
                      void *arg)
{
    struct rows *rows = arg;
    if (rows->next == rows->end) return;
    rows->next->task = task;
    rows->next->awaiter = awaiter;
    rows->next++;
}

int asyncio_task_table(struct asyncio_loop *loop, struct asyncio_task_row *rows,
                       size_t count)
{
    struct asyncio__graph graph;
    int err = make_graph(&graph, loop);
    if (err < 0) return err;
    struct rows place = {rows, rows ? rows + count : NULL};
    int found = (int)each_row(&graph, store_row, &place);
    asyncio__graph_free(&graph);
    return found;
}

struct table {
    struct asyncio__symbols symbols;
    FILE *file;
};

static void print_row(struct asyncio_task *task, struct asyncio_task *awaiter,
                      void *arg)
{
    struct table *table = arg;
    struct asyncio__frame frames[ASYNCIO_STACK_FRAMES_MAX];
    char place[256];
    size_t count = asyncio__stack_trace(task, &table->symbols, frames,
                                        ASYNCIO_STACK_FRAMES_MAX);
    asyncio__frames_line(&table->symbols, frames, count, place, sizeof place);
    // One name at a time: it may have to be made for either.
    fprintf(table->file, "%-20s", asyncio_task_name(task));
    fprintf(table->file, " %-10s %-40s %s\n",
            asyncio_task_cancelling(task) > 0 ? "cancelling" : "pending", place,
            awaiter ? asyncio_task_name(awaiter) : "-");
}

int asyncio_print_task_table(struct asyncio_loop *loop, FILE *file)
{
    struct asyncio__graph graph;
    int err = make_graph(&graph, loop);
    if (err < 0) return err;
    struct table table = {.file = file ? file : stderr};
    fprintf(table.file, "%-20s %-10s %-40s %s\n", "task", "state", "stands in",
            "awaited by");
    each_row(&graph, print_row, &table);
    asyncio__symbols_close(&table.symbols);
    asyncio__graph_free(&graph);
    return 0;
}
