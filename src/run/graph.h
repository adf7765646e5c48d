// Who waits for whom among the tasks of a loop, at one moment: numbers for the
// tasks, and the edges between them in both directions.
//
// A wait through gathers, groups, shields and locks is an edge to each task
// behind that. The graph is good until the loop goes on; it does not hold the
// tasks.
#pragma once

#include <asyncio/task.h>

#include <stdio.h>

// For each node, the nodes at the other end: `ends` from first[n] to
// first[n+1].
struct asyncio__edges {
    size_t *first;
    size_t *ends;
};

struct asyncio__graph {
    struct asyncio_future **nodes; // tasks in order of their making; then the
                                   // future that was asked for, if it is none
    size_t count;
    struct asyncio__edges awaited;  // whom a node waits for
    struct asyncio__edges awaiters; // who waits for a node
    struct asyncio__place *places;  // nodes by address
};

// All tasks of the loop that are not done, and `future` too, unless it is NULL.
// Returns 0; -EPERM if `loop` is NULL or runs on another thread; -ENOMEM. Then
// there is nothing to free.
int asyncio__graph_make(struct asyncio__graph *graph, struct asyncio_loop *loop,
                        struct asyncio_future *future);
void asyncio__graph_free(struct asyncio__graph *graph);

// The node's number, or graph->count if it is none of these.
size_t asyncio__graph_node(const struct asyncio__graph *graph,
                           const struct asyncio_future *future);

static inline size_t asyncio__edges_count(const struct asyncio__edges *edges,
                                          size_t node)
{
    return edges->first[node + 1] - edges->first[node];
}

// Called for nodes of which each waits for the next, and the last for the
// first.
typedef void asyncio__circle_fn(const struct asyncio__graph *graph,
                                const size_t *nodes, size_t count, void *arg);

// Calls fn for circles of nodes that wait for each other, up to some number of
// them. Returns how many there were, or -ENOMEM; 0 only if there is none.
int asyncio__graph_circles(const struct asyncio__graph *graph,
                           asyncio__circle_fn *fn, void *arg);
