// The simulator's poller: a world behind the interface that io_uring and epoll
// have, and the order in which things happen there.
//
//      submit --> request: done at once, waits for a file, or takes time
//      wait   --> events that are due --> what they change ends requests
//
// What is not of the world, such as the descriptor of a signal, goes to a
// poller outside: epoll. It is where a loop sleeps, and is not even asked as
// long as nothing is under way there.

#include "platform/sim.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "platform/sys.h"

_Thread_local struct asyncio_simulator *asyncio__sim_world;

static struct sim_poller *sim_of(struct asyncio__poller *poller)
{
    return (struct sim_poller *)poller;
}

void *asyncio__sim_grow(void *p, size_t old_size, size_t size)
{
    void *grown = asyncio__sim_alloc(size);
    if (!grown) return NULL;
    if (p) memcpy(grown, p, old_size);
    asyncio__free(p);
    return grown;
}

// ---- Events -----------------------------------------------------------------

static struct sim_event *event_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_event, link);
}

// Most events are later than those that are there: the place is looked for from
// the end.
void asyncio__sim_arm(struct asyncio_simulator *world, struct sim_event *event,
                      int64_t when_ns,
                      void (*fire)(struct asyncio_simulator *,
                                   struct sim_event *))
{
    struct asyncio_link *events = &world->events, *before;
    asyncio__sim_disarm(event);
    event->when_ns = when_ns;
    event->fire = fire;
    event->number = world->event_count++;

    before = list_last(events);
    while (before && before != events && event_of(before)->when_ns > when_ns)
        before = before->prev;
    if (!before || before == events)
        list_add_head(events, &event->link);
    else if (before->next == events)
        list_add_tail(events, &event->link);
    else
        list_insert_before(before->next, &event->link);
}

void asyncio__sim_disarm(struct sim_event *event)
{
    if (list_linked(&event->link)) list_remove(&event->link);
}

// What an event arms for this very moment happens in the next wait.
static void run_events(struct asyncio_simulator *world)
{
    uint64_t end = world->event_count;
    struct asyncio_link *link;
    while ((link = list_first(&world->events))) {
        struct sim_event *event = event_of(link);
        if (event->when_ns > world->now_ns || event->number >= end) return;
        list_remove(link);
        event->fire(world, event);
    }
}

// ---- A world ----------------------------------------------------------------

static void drop_spare(struct asyncio_simulator *world)
{
    struct asyncio_link *link;
    while ((link = list_pop(&world->spare)))
        asyncio__free(list_entry(link, struct sim_request, link));
}

static void free_world(struct asyncio_simulator *world)
{
    // What is closed acts in its own world.
    struct asyncio_simulator *outer = asyncio__sim_world;
    asyncio__sim_world = world;
    for (size_t i = 0; i < world->files_size; i++)
        asyncio__sim_remove(world, ASYNCIO__SIM_FD + (int)i);
    asyncio__sim_network_close(world);
    asyncio__sim_disk_close(world);
    drop_spare(world);
    asyncio__free(world->files);
    asyncio__sim_world = outer == world ? NULL : outer;
    asyncio__free(world);
}

void asyncio__sim_let_go(struct asyncio_simulator *world)
{
    if (world->pollers > 0 || world->kept || world->files_open > 0) return;
    free_world(world);
}

int(asyncio_simulator_create)(struct asyncio_simulator **sim,
                              const struct asyncio_simulator_options *options)
{
    static const struct asyncio_simulator_options none;
    if (!options) options = &none;
    struct asyncio_simulator *world = asyncio__alloc(sizeof *world);
    if (!world) return -ENOMEM;

    world->kept = true;
    world->dice = options->seed;
    world->hash = options->seed;
    world->files_max = options->descriptors ? options->descriptors : 65536;
    world->network.buffer_size =
        options->socket_buffer ? options->socket_buffer : (size_t)128 * 1024;
    world->disk.size = options->disk_size;
    if (asyncio__sim_network_open(world) && asyncio__sim_disk_open(world)) {
        *sim = world;
        return 0;
    }
    free_world(world);
    return -ENOMEM;
}

void asyncio_simulator_use(struct asyncio_simulator *sim)
{
    asyncio__sim_world = sim;
}

struct asyncio_simulator *asyncio_simulator_current(void)
{
    return asyncio__sim_world;
}

// A loop that is still open keeps the world until it is closed.
void asyncio_simulator_free(struct asyncio_simulator *sim)
{
    if (!sim) return;
    sim->kept = false;
    if (sim->pollers == 0) free_world(sim);
}

void(asyncio_simulator_set_faults)(
    struct asyncio_simulator *sim,
    const struct asyncio_simulator_faults *faults)
{
    static const struct asyncio_simulator_faults none;
    sim->faults = faults ? *faults : none;
    asyncio__sim_note(sim, "faults", 0, 0);
}

bool asyncio__sim_is_here(void)
{
    return asyncio__sim_world;
}

bool asyncio__sim_has_path(int folder, const char *path)
{
    if (asyncio__is_simulated(folder)) return true;
    return asyncio__sim_world && (folder == AT_FDCWD || path[0] == '/');
}

// ---- The poller -------------------------------------------------------------

// Descriptors of this thread are those of this world from now on, and it is as
// late as the loop says, but never earlier than it was.
static void enter(struct sim_poller *sim)
{
    struct asyncio_simulator *world = sim->world;
    asyncio__sim_world = world;
    int64_t now_ns = sim->clock ? sim->clock(sim->clock_arg) : 0;
    if (world->start_ns == 0) world->start_ns = world->now_ns = now_ns;
    if (now_ns > world->now_ns) world->now_ns = now_ns;
}

// A path is of this world unless it is below a folder that is not.
static bool is_ours(const struct asyncio__op *op)
{
    if (op->code == ASYNCIO__OP_NONE || asyncio__is_simulated(op->fd))
        return true;
    switch ((enum asyncio__op_code)op->code) {
    case ASYNCIO__OP_OPEN:
    case ASYNCIO__OP_RENAME:
    case ASYNCIO__OP_UNLINK:
    case ASYNCIO__OP_MKDIR:
    case ASYNCIO__OP_STATX:
    case ASYNCIO__OP_LINK:
    case ASYNCIO__OP_SYMLINK:
    case ASYNCIO__OP_READLINK: return asyncio__sim_has_path(op->fd, op->path);
    default: return false;
    }
}

static void take_from_outside(struct sim_poller *sim)
{
    list_for_each (link, &sim->outside->finished)
        sim->outside_ops--;
    list_splice(&sim->base.finished, &sim->outside->finished);
}

static int sim_submit(struct asyncio__poller *poller, struct asyncio__op *op)
{
    struct sim_poller *sim = sim_of(poller);
    enter(sim);
    if (is_ours(op)) return asyncio__sim_request(sim, op);

    int err = sim->outside->kind->submit(sim->outside, op);
    if (err < 0) return err;
    sim->outside_ops++;
    take_from_outside(sim);
    return 0;
}

static void sim_cancel(struct asyncio__poller *poller, struct asyncio__op *op)
{
    struct sim_poller *sim = sim_of(poller);
    enter(sim);
    if (is_ours(op)) {
        asyncio__sim_retract(sim, op);
        return;
    }
    sim->outside->kind->cancel(sim->outside, op);
    take_from_outside(sim);
}

static int sim_wait(struct asyncio__poller *poller, int64_t timeout_ns)
{
    struct sim_poller *sim = sim_of(poller);
    enter(sim);
    run_events(sim->world);
    if (!list_empty(&poller->finished)) timeout_ns = 0;
    if (timeout_ns == 0 && sim->outside_ops == 0) return 0;

    int err = sim->outside->kind->wait(sim->outside, timeout_ns);
    take_from_outside(sim);
    return err;
}

static enum asyncio__news sim_news(const struct asyncio__poller *poller)
{
    const struct sim_poller *sim = (const struct sim_poller *)poller;
    int64_t next_ns = poller->kind->next(poller);
    bool due = sim->clock && next_ns <= sim->clock(sim->clock_arg);
    if (due) return ASYNCIO__NEWS_CERTAIN;
    if (sim->outside_ops > 0) return sim->outside->kind->news(sim->outside);
    return ASYNCIO__NEWS_NONE;
}

static size_t sim_working(const struct asyncio__poller *poller)
{
    const struct sim_poller *sim = (const struct sim_poller *)poller;
    return sim->outside->kind->working(sim->outside);
}

static void sim_wake(struct asyncio__poller *poller)
{
    struct asyncio__poller *outside = sim_of(poller)->outside;
    outside->kind->wake(outside);
}

static int64_t sim_next(const struct asyncio__poller *poller)
{
    const struct sim_poller *sim = (const struct sim_poller *)poller;
    struct asyncio_link *first = list_first(&sim->world->events);
    return first ? event_of(first)->when_ns : SIM_NEVER;
}

static int64_t sim_begin(struct asyncio__poller *poller,
                         int64_t (*clock)(void *arg), void *arg)
{
    struct sim_poller *sim = sim_of(poller);
    sim->clock = clock;
    sim->clock_arg = arg;
    return sim->world->now_ns;
}

static int sim_socket(struct asyncio__poller *poller, int family, int type,
                      int protocol)
{
    enter(sim_of(poller));
    return asyncio__sim_socket(family, type, protocol);
}

static int sim_socketpair(struct asyncio__poller *poller, int family, int type,
                          int protocol, int fds[2])
{
    enter(sim_of(poller));
    return asyncio__sim_socketpair(family, type, protocol, fds);
}

static int sim_pipe(struct asyncio__poller *poller, int fds[2], int flags)
{
    enter(sim_of(poller));
    return asyncio__sim_pipe(fds, flags);
}

static void sim_close(struct asyncio__poller *poller)
{
    struct sim_poller *sim = sim_of(poller);
    struct asyncio_simulator *world = sim->world;
    sim->outside->kind->close(sim->outside);
    asyncio__free(sim);
    world->pollers--;
    asyncio__sim_let_go(world);
}

static const struct asyncio__poller_kind kind = {
    .name = "sim",
    .close = sim_close,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .wait = sim_wait,
    .news = sim_news,
    .working = sim_working,
    .wake = sim_wake,
    .mode = SOCK_NONBLOCK,
    .socket = sim_socket,
    .socketpair = sim_socketpair,
    .pipe = sim_pipe,
    .next = sim_next,
    .begin = sim_begin,
};

// The world that is used, or else one for this loop and what is opened in it.
static int find_world(struct asyncio_simulator **world)
{
    *world = asyncio__sim_world;
    if (*world) return 0;
    const char *seed = getenv("ASYNCIO_SIM_SEED");
    int err = asyncio_simulator_create(
        world, .seed = seed ? strtoull(seed, NULL, 10) : 0);
    if (err == 0) (*world)->kept = false;
    return err;
}

int asyncio__sim_open(struct asyncio__poller **poller)
{
    struct sim_poller *sim = asyncio__alloc(sizeof *sim);
    if (!sim) return -ENOMEM;
    sim->base.kind = &kind;
    int err = asyncio__epoll_open(&sim->outside);
    if (err < 0) goto free_sim;
    err = find_world(&sim->world);
    if (err < 0) goto close_outside;

    sim->world->pollers++;
    asyncio__sim_world = sim->world;
    *poller = &sim->base;
    return 0;

close_outside:
    sim->outside->kind->close(sim->outside);
free_sim:
    asyncio__free(sim);
    return err;
}
