// The graph of a future: everybody who waits for it, found from the graph of
// its loop by going up from the awaited to the awaiters.

#include <asyncio/introspect.h>

#include "platform/sys.h"
#include "run/graph.h"
#include "run/stack_trace.h"
#include "run/tree.h"
#include "task/future.h"

// The nodes that belong to it, in order of their distance.
struct reach {
    size_t *nodes;  // of the loop's graph
    size_t *number; // by node of the loop's graph: its place in `nodes`
    size_t count;
};

static void reach_node(struct reach *reach, size_t node)
{
    if (reach->number[node] != SIZE_MAX) return;
    reach->number[node] = reach->count;
    reach->nodes[reach->count++] = node;
}

static int find_reach(struct reach *reach, const struct asyncio__graph *graph,
                      size_t start)
{
    const struct asyncio__edges *up = &graph->awaiters;
    reach->nodes = asyncio__alloc_array(graph->count, sizeof *reach->nodes);
    reach->number = asyncio__alloc_array(graph->count, sizeof *reach->number);
    if (!reach->nodes || !reach->number) return -ENOMEM;
    for (size_t i = 0; i < graph->count; i++)
        reach->number[i] = SIZE_MAX;
    reach_node(reach, start);
    for (size_t i = 0; i < reach->count; i++)
        for (size_t at = up->first[reach->nodes[i]];
             at < up->first[reach->nodes[i] + 1]; at++)
            reach_node(reach, up->ends[at]);
    return 0;
}

static int fill_frames(struct asyncio_call_node *node,
                       struct asyncio__symbols *symbols, size_t limit)
{
    struct asyncio__frame frames[ASYNCIO_STACK_FRAMES_MAX];
    if (!node->task) return 0;
    size_t count = asyncio__stack_trace(node->task, symbols, frames, limit);
    node->frames = asyncio__alloc_array(count + 1, sizeof *node->frames);
    if (!node->frames) return -ENOMEM;
    node->frame_count = count;
    for (size_t i = 0; i < count; i++)
        asyncio__frame_name(symbols, &frames[i], &node->frames[i]);
    return 0;
}

static int fill_awaiters(struct asyncio_call_node *node,
                         const struct asyncio__graph *graph, size_t number,
                         const struct reach *reach)
{
    const struct asyncio__edges *up = &graph->awaiters;
    size_t count = asyncio__edges_count(up, number);
    node->awaiters = asyncio__alloc_array(count + 1, sizeof *node->awaiters);
    if (!node->awaiters) return -ENOMEM;
    node->awaiter_count = count;
    for (size_t i = 0; i < count; i++)
        node->awaiters[i] = reach->number[up->ends[up->first[number] + i]];
    return 0;
}

static int fill_text(struct asyncio_call_node *node)
{
    char text[512];
    node->text = asyncio__strdup(
        node->task ? asyncio_task_describe(node->task, text, sizeof text)
                   : asyncio_future_describe(node->future, text, sizeof text));
    return node->text ? 0 : -ENOMEM;
}

static int fill_nodes(struct asyncio_call_graph *out,
                      const struct asyncio__graph *graph,
                      const struct reach *reach, size_t limit)
{
    struct asyncio__symbols symbols = {0};
    out->nodes = asyncio__alloc_array(reach->count, sizeof *out->nodes);
    int err = out->nodes ? 0 : -ENOMEM;
    out->count = out->nodes ? reach->count : 0;
    for (size_t i = 0; i < out->count && err == 0; i++) {
        struct asyncio_call_node *node = &out->nodes[i];
        node->future = graph->nodes[reach->nodes[i]];
        node->task = asyncio__future_task(node->future);
        err = fill_text(node);
        if (err == 0) err = fill_frames(node, &symbols, limit);
        if (err == 0) err = fill_awaiters(node, graph, reach->nodes[i], reach);
    }
    asyncio__symbols_close(&symbols);
    return err;
}

// The future itself, or that of the current task; and the graph of its loop.
static int make_graph(struct asyncio__graph *graph,
                      struct asyncio_future **future)
{
    struct asyncio_task *task = asyncio__task();
    if (!*future && task) *future = &task->future;
    if (!*future) return -EPERM;
    struct asyncio_loop *loop = (*future)->loop_;
    if (!loop) loop = asyncio_get_event_loop();
    return asyncio__graph_make(graph, loop, *future);
}

int(asyncio_capture_call_graph)(
    struct asyncio_call_graph *graph, struct asyncio_future *future,
    const struct asyncio_call_graph_options *options)
{
    struct asyncio__graph whole;
    struct reach reach = {0};
    size_t limit = options ? options->limit : 0;
    *graph = (struct asyncio_call_graph){0};
    int err = make_graph(&whole, &future);
    if (err < 0) return err;

    err = find_reach(&reach, &whole, asyncio__graph_node(&whole, future));
    if (err == 0)
        err = fill_nodes(graph, &whole, &reach,
                         limit ? limit : ASYNCIO_STACK_FRAMES_MAX);
    if (err < 0) asyncio_call_graph_free(graph);
    asyncio__free(reach.nodes);
    asyncio__free(reach.number);
    asyncio__graph_free(&whole);
    return err;
}

void asyncio_call_graph_free(struct asyncio_call_graph *graph)
{
    if (!graph) return;
    for (size_t i = 0; i < graph->count; i++) {
        asyncio__free(graph->nodes[i].text);
        asyncio__free(graph->nodes[i].frames);
        asyncio__free(graph->nodes[i].awaiters);
    }
    asyncio__free(graph->nodes);
    *graph = (struct asyncio_call_graph){0};
}

int asyncio_print_call_graph(struct asyncio_future *future, FILE *file)
{
    struct asyncio__graph graph;
    struct asyncio__symbols symbols = {0};
    int err = make_graph(&graph, &future);
    if (err < 0) return err;
    bool *shown = asyncio__alloc_array(graph.count, sizeof *shown);
    err = shown ? asyncio__tree_draw(&graph, &graph.awaiters,
                                     asyncio__graph_node(&graph, future),
                                     "awaited by ", shown, &symbols,
                                     file ? file : stderr)
                : -ENOMEM;
    asyncio__symbols_close(&symbols);
    asyncio__free(shown);
    asyncio__graph_free(&graph);
    return err;
}
