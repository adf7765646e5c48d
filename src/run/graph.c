// Taking the graph down, and looking for circles in it.
//
// Tasks are asked whom they wait for (asyncio__each_awaited); futures that wait
// for others themselves, such as gathers, are not nodes but are passed through.
// Nothing recurses: how deep tasks wait for each other is up to users.

#include "run/graph.h"

#include <stdlib.h>

#include "platform/sys.h"
#include "task/future.h"
#include "task/park.h"

#define CIRCLES_MAX 64

struct asyncio__place {
    const struct asyncio_future *future;
    size_t node;
};

struct edge {
    size_t awaiter, awaited;
};

// While it is being made.
struct builder {
    struct asyncio__graph *graph;
    size_t awaiter; // whose waits are looked at
    struct edge *edges;
    size_t count, room;
    struct asyncio_future **through; // gathers that it waits for
    size_t through_count, through_room;
    int err;
};

// --- nodes ------------------------------------------------------------------

static int by_address(const void *a, const void *b)
{
    const struct asyncio__place *one = a, *other = b;
    uintptr_t x = (uintptr_t)one->future, y = (uintptr_t)other->future;
    return (x > y) - (x < y);
}

size_t asyncio__graph_node(const struct asyncio__graph *graph,
                           const struct asyncio_future *future)
{
    struct asyncio__place key = {.future = future};
    const struct asyncio__place *place = bsearch(
        &key, graph->places, graph->count, sizeof *graph->places, by_address);
    return place ? place->node : graph->count;
}

static int by_making(const void *one, const void *other)
{
    const struct asyncio_task *a = list_entry(
        *(struct asyncio_future *const *)one, struct asyncio_task, future);
    const struct asyncio_task *b = list_entry(
        *(struct asyncio_future *const *)other, struct asyncio_task, future);
    return (a->number > b->number) - (a->number < b->number);
}

static int take_nodes(struct asyncio__graph *graph, struct asyncio_loop *loop,
                      struct asyncio_future *future)
{
    size_t most = loop->tasks + 1;
    graph->nodes = asyncio__alloc_array(most, sizeof *graph->nodes);
    graph->places = asyncio__alloc_array(most, sizeof *graph->places);
    if (!graph->nodes || !graph->places) return -ENOMEM;
    bool listed = false;
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    while ((task = asyncio__task_walk(&walk))) {
        graph->nodes[graph->count++] = &task->future;
        listed |= &task->future == future;
    }
    qsort(graph->nodes, graph->count, sizeof(struct asyncio_future *),
          by_making);
    if (future && !listed) graph->nodes[graph->count++] = future;
    for (size_t i = 0; i < graph->count; i++)
        graph->places[i] = (struct asyncio__place){graph->nodes[i], i};
    qsort(graph->places, graph->count, sizeof *graph->places, by_address);
    return 0;
}

// --- edges ------------------------------------------------------------------

// Makes room for one more in an array, twice as large each time.
static void *grown(void *array, size_t count, size_t *room, size_t size)
{
    if (count < *room) return array;
    size_t more = *room ? *room * 2 : 64;
    void *larger = asyncio__realloc_array(array, *room, more, size);
    if (larger) *room = more;
    return larger;
}

static void add_edge(struct builder *builder, size_t awaiter, size_t awaited)
{
    struct edge *edges =
        grown(builder->edges, builder->count, &builder->room, sizeof *edges);
    if (!edges) {
        builder->err = -ENOMEM;
        return;
    }
    builder->edges = edges;
    edges[builder->count++] = (struct edge){awaiter, awaited};
}

// Notes a future that leads to others, once.
static void go_through(struct builder *builder, struct asyncio_future *future)
{
    for (size_t i = 0; i < builder->through_count; i++)
        if (builder->through[i] == future) return;
    struct asyncio_future **through =
        grown(builder->through, builder->through_count, &builder->through_room,
              sizeof *through);
    if (!through) {
        builder->err = -ENOMEM;
        return;
    }
    builder->through = through;
    through[builder->through_count++] = future;
}

static void visit(struct asyncio_future *future, void *arg)
{
    struct builder *builder = arg;
    size_t node = asyncio__graph_node(builder->graph, future);
    if (node < builder->graph->count) add_edge(builder, builder->awaiter, node);
    if (future->kind_ && future->kind_->each_awaited &&
        !asyncio_future_done(future))
        go_through(builder, future);
}

static void add_waits(struct builder *builder, const struct asyncio_task *task)
{
    builder->through_count = 0;
    asyncio__each_awaited(task, visit, builder);
    for (size_t i = 0; i < builder->through_count && builder->err == 0; i++) {
        struct asyncio_future *future = builder->through[i];
        future->kind_->each_awaited(future, visit, builder);
    }
}

// Who started the child waits for its word that it is ready.
static void add_starter(struct builder *builder,
                        const struct asyncio_task *child)
{
    struct asyncio_future *started = child->more ? child->more->started : NULL;
    if (!started) return;
    list_for_each (link, &started->waiters_) {
        struct asyncio__step *step =
            list_entry(link, struct asyncio__step, link);
        if (!asyncio__is_task_step(step)) continue;
        struct asyncio_task *starter = asyncio__task_of(link);
        size_t node = asyncio__graph_node(builder->graph, &starter->future);
        if (node < builder->graph->count)
            add_edge(builder, node, builder->awaiter);
    }
}

static void add_edges(struct builder *builder)
{
    struct asyncio__graph *graph = builder->graph;
    for (size_t i = 0; i < graph->count && builder->err == 0; i++) {
        const struct asyncio_task *task = asyncio__future_task(graph->nodes[i]);
        builder->awaiter = i;
        if (!task) continue;
        add_waits(builder, task);
        add_starter(builder, task);
    }
}

static int by_awaiter(const void *a, const void *b)
{
    const struct edge *one = a, *other = b;
    if (one->awaiter != other->awaiter)
        return one->awaiter < other->awaiter ? -1 : 1;
    return (one->awaited > other->awaited) - (one->awaited < other->awaited);
}

// An edge counts once, by however many ways one waits for the other.
static void sort_edges(struct builder *builder)
{
    if (builder->count == 0) return;
    qsort(builder->edges, builder->count, sizeof *builder->edges, by_awaiter);
    size_t kept = 1;
    for (size_t i = 1; i < builder->count; i++)
        if (by_awaiter(&builder->edges[kept - 1], &builder->edges[i]) != 0)
            builder->edges[kept++] = builder->edges[i];
    builder->count = kept;
}

// Lists the ends of the edges node by node; in order, since the edges are.
static int list_ends(struct asyncio__edges *lists, const struct edge *edges,
                     size_t count, size_t nodes, bool reverse)
{
    lists->first = asyncio__alloc_array(nodes + 2, sizeof *lists->first);
    lists->ends = asyncio__alloc_array(count + 1, sizeof *lists->ends);
    if (!lists->first || !lists->ends) return -ENOMEM;
    // Counted one place further on, so that filling makes it right.
    size_t *next = lists->first + 1;
    for (size_t i = 0; i < count; i++)
        next[1 + (reverse ? edges[i].awaited : edges[i].awaiter)]++;
    for (size_t n = 0; n < nodes; n++)
        next[n + 1] += next[n];
    for (size_t i = 0; i < count; i++) {
        size_t from = reverse ? edges[i].awaited : edges[i].awaiter;
        lists->ends[next[from]++] =
            reverse ? edges[i].awaiter : edges[i].awaited;
    }
    return 0;
}

int asyncio__graph_make(struct asyncio__graph *graph, struct asyncio_loop *loop,
                        struct asyncio_future *future)
{
    *graph = (struct asyncio__graph){0};
    if (!loop) return -EPERM;
    if (loop->state == ASYNCIO__LOOP_RUNNING && loop != asyncio__running_loop)
        return -EPERM;
    struct builder builder = {.graph = graph};
    builder.err = take_nodes(graph, loop, future);
    if (builder.err == 0) add_edges(&builder);
    sort_edges(&builder);
    if (builder.err == 0)
        builder.err = list_ends(&graph->awaited, builder.edges, builder.count,
                                graph->count, false);
    if (builder.err == 0)
        builder.err = list_ends(&graph->awaiters, builder.edges, builder.count,
                                graph->count, true);
    asyncio__free(builder.edges);
    asyncio__free(builder.through);
    if (builder.err < 0) asyncio__graph_free(graph);
    return builder.err;
}

void asyncio__graph_free(struct asyncio__graph *graph)
{
    asyncio__free(graph->nodes);
    asyncio__free(graph->places);
    asyncio__free(graph->awaited.first);
    asyncio__free(graph->awaited.ends);
    asyncio__free(graph->awaiters.first);
    asyncio__free(graph->awaiters.ends);
    *graph = (struct asyncio__graph){0};
}

// --- circles ----------------------------------------------------------------

// A walk in depth: `path` is the way from where it began, and a node's place in
// it is kept (from 1), so that an edge back into the path closes a circle.
struct walk {
    size_t *path, *next; // by depth: the node, and its next edge
    size_t *depth;       // by node: where it is in the path; 0: not there
    bool *done;          // by node: everything behind it was seen
};

static int make_walk(struct walk *walk, size_t count)
{
    walk->path = asyncio__alloc_array(count + 1, sizeof *walk->path);
    walk->next = asyncio__alloc_array(count + 1, sizeof *walk->next);
    walk->depth = asyncio__alloc_array(count + 1, sizeof *walk->depth);
    walk->done = asyncio__alloc_array(count + 1, sizeof *walk->done);
    bool all = walk->path && walk->next && walk->depth && walk->done;
    return all ? 0 : -ENOMEM;
}

static void free_walk(struct walk *walk)
{
    asyncio__free(walk->path);
    asyncio__free(walk->next);
    asyncio__free(walk->depth);
    asyncio__free(walk->done);
}

static size_t descend(const struct asyncio__graph *graph, struct walk *walk,
                      size_t depth, size_t node)
{
    walk->path[depth] = node;
    walk->next[depth] = graph->awaited.first[node];
    walk->depth[node] = depth + 1;
    return depth + 1;
}

static int circles_from(const struct asyncio__graph *graph, struct walk *walk,
                        size_t start, int found, asyncio__circle_fn *fn,
                        void *arg)
{
    size_t depth = descend(graph, walk, 0, start);
    while (depth > 0 && found < CIRCLES_MAX) {
        size_t node = walk->path[depth - 1];
        if (walk->next[depth - 1] == graph->awaited.first[node + 1]) {
            walk->done[node] = true;
            walk->depth[node] = 0;
            depth--;
            continue;
        }
        size_t end = graph->awaited.ends[walk->next[depth - 1]++];
        if (walk->depth[end] > 0) {
            size_t first = walk->depth[end] - 1;
            fn(graph, walk->path + first, depth - first, arg);
            found++;
        } else if (!walk->done[end]) {
            depth = descend(graph, walk, depth, end);
        }
    }
    return found;
}

int asyncio__graph_circles(const struct asyncio__graph *graph,
                           asyncio__circle_fn *fn, void *arg)
{
    struct walk walk = {0};
    int found = make_walk(&walk, graph->count);
    for (size_t i = 0; found >= 0 && found < CIRCLES_MAX && i < graph->count;
         i++)
        if (!walk.done[i])
            found = circles_from(graph, &walk, i, found, fn, arg);
    free_walk(&walk);
    return found;
}
