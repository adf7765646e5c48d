// Operations under way in a world: tried at once, and again whenever what they
// wait for has changed.
//
// Changes only mark the file that they concern. Those who wait for it are
// served when the world settles, at the end of each call and each event: an
// operation that is served changes the other end, which is served after it and
// not within. On one file and in one direction they are served in order of
// arrival.
//
// A disk takes its time: its operations are not tried but come about when that
// is over. Which of several comes first is up to the seed.

#include "platform/sim.h"

#include "platform/sys.h"

static struct sim_request *request_of(struct asyncio_link *link)
{
    return list_entry(link, struct sim_request, link);
}

static struct sim_request *make_request(struct sim_poller *poller,
                                        struct asyncio__op *op,
                                        struct sim_file *file)
{
    struct asyncio_link *link = list_pop(&poller->world->spare);
    struct sim_request *request =
        link ? request_of(link) : asyncio__alloc(sizeof *request);
    if (!request) return NULL;
    *request = (struct sim_request){.op = op, .poller = poller, .file = file};
    if (file) file->references++;
    op->job = request;
    return request;
}

static void tell(struct sim_poller *poller, struct asyncio__op *op, int result)
{
    asyncio__sim_note(poller->world, "done", op->code, result);
    op->link = (struct asyncio_link){0};
    asyncio__poller_finish(&poller->base, op, result);
}

static void end_request(struct sim_request *request, int result)
{
    struct sim_poller *poller = request->poller;
    struct sim_file *file = request->file;

    if (list_linked(&request->link)) list_remove(&request->link);
    asyncio__sim_disarm(&request->event);
    tell(poller, request->op, result);
    list_add_head(&poller->world->spare, &request->link);
    if (file) asyncio__sim_file_unref(poller->world, file);
}

// ---- Waiting for a file -----------------------------------------------------

static int poll_file(struct asyncio_simulator *world, struct sim_file *file,
                     const struct asyncio__op *op)
{
    uint16_t wanted = (uint16_t)(op->events | POLLERR | POLLHUP);
    int ready = file->kind->ready(world, file) & wanted;
    return ready ? ready : -EAGAIN;
}

// True if it has to wait, or wait again.
static bool attempt(struct asyncio_simulator *world, struct sim_file *file,
                    struct asyncio__op *op, int *result)
{
    if (op->code == ASYNCIO__OP_POLL) {
        *result = poll_file(world, file, op);
        return *result == -EAGAIN;
    }
    bool goes_on;
    do {
        *result = file->kind->attempt(world, file, op);
        goes_on = asyncio__op_goes_on(op, result);
    } while (goes_on && *result >= 0);
    return goes_on;
}

static bool reads(const struct asyncio__op *op)
{
    return asyncio__op_readiness(op) == POLLIN;
}

// Whether others wait already for what this one would take.
static bool comes_later(const struct sim_file *file,
                        const struct asyncio__op *op)
{
    if (op->code == ASYNCIO__OP_POLL) return false;
    list_for_each (link, &file->waiting) {
        const struct asyncio__op *other = request_of(link)->op;
        if (other->code != ASYNCIO__OP_POLL && reads(other) == reads(op))
            return true;
    }
    return false;
}

static int wait_or_tell(struct sim_poller *poller, struct sim_file *file,
                        struct asyncio__op *op)
{
    int result;
    bool later = comes_later(file, op) && !(op->flags & MSG_DONTWAIT);
    if (!later && !attempt(poller->world, file, op, &result)) {
        tell(poller, op, result);
        return 0;
    }
    struct sim_request *request = make_request(poller, op, file);
    if (!request) return -ENOMEM;
    list_add_tail(&file->waiting, &request->link);
    return 0;
}

static void serve(struct asyncio_simulator *world, struct sim_file *file)
{
    bool blocked[2] = {false, false};
    int result;
    list_for_each_safe (link, after, &file->waiting) {
        struct sim_request *request = request_of(link);
        bool poll = request->op->code == ASYNCIO__OP_POLL;
        bool *line = &blocked[reads(request->op)];
        if (*line && !poll) continue;
        if (!attempt(world, file, request->op, &result))
            end_request(request, result);
        else if (!poll)
            *line = true;
    }
}

void asyncio__sim_poke(struct asyncio_simulator *world, struct sim_file *file)
{
    if (file && !list_linked(&file->poked))
        list_add_tail(&world->poked, &file->poked);
}

void asyncio__sim_settle(struct asyncio_simulator *world)
{
    struct asyncio_link *link;
    while ((link = list_pop(&world->poked))) {
        struct sim_file *file = list_entry(link, struct sim_file, poked);
        file->references++;
        serve(world, file);
        asyncio__sim_file_unref(world, file);
    }
}

void asyncio__sim_refuse(struct asyncio_simulator *world, struct sim_file *file,
                         int code)
{
    (void)world;
    list_for_each_safe (link, after, &file->waiting)
        end_request(request_of(link), code);
}

// ---- Work of the disk -------------------------------------------------------

static bool names_path(const struct asyncio__op *op)
{
    return asyncio__op_is_one_of(
        op, ASYNCIO__OP_BIT(OPEN) | ASYNCIO__OP_BIT(RENAME) |
                ASYNCIO__OP_BIT(UNLINK) | ASYNCIO__OP_BIT(MKDIR) |
                ASYNCIO__OP_BIT(STATX) | ASYNCIO__OP_BIT(LINK) |
                ASYNCIO__OP_BIT(SYMLINK) | ASYNCIO__OP_BIT(READLINK));
}

static bool moves(const struct asyncio__op *op)
{
    return asyncio__op_is_one_of(op, ASYNCIO__OP_BIT(SENDFILE) |
                                         ASYNCIO__OP_BIT(SPLICE));
}

static int work(struct asyncio_simulator *world, struct sim_file *file,
                struct asyncio__op *op)
{
    if (moves(op)) return asyncio__sim_move(world, op);
    return file ? file->kind->attempt(world, file, op)
                : asyncio__sim_path_attempt(world, op);
}

static void work_is_done(struct asyncio_simulator *world,
                         struct sim_event *event)
{
    struct sim_request *request = list_entry(event, struct sim_request, event);
    end_request(request, work(world, request->file, request->op));
}

static int start_work(struct sim_poller *poller, struct sim_file *file,
                      struct asyncio__op *op)
{
    struct asyncio_simulator *world = poller->world;
    int64_t takes_ns = asyncio__sim_takes(world, world->faults.disk_latency,
                                          world->faults.disk_jitter);
    if (takes_ns == 0) {
        tell(poller, op, work(world, file, op));
        return 0;
    }
    struct sim_request *request = make_request(poller, op, file);
    if (!request) return -ENOMEM;
    asyncio__sim_arm(world, &request->event, world->now_ns + takes_ns,
                     work_is_done);
    return 0;
}

// ---- Requests ---------------------------------------------------------------

// What the hooks deny fails as it would in the kernel. What is interrupted or
// would have to wait is made again there, so here nothing comes of it. Bytes
// that come short are a fault of the world's own.
static bool is_denied(const struct asyncio__op *op, int *err)
{
    if (__builtin_expect(!asyncio__sys_hooks, 1)) return false;
    *err = asyncio__sys_denied(asyncio__op_call(op), __func__);
    return *err < 0 && *err != -EINTR && *err != -EAGAIN;
}

static int deny(struct sim_poller *poller, struct asyncio__op *op, int err)
{
    if (op->code == ASYNCIO__OP_POLL) return err;
    if (op->code == ASYNCIO__OP_CLOSE)
        asyncio__sim_remove(poller->world, op->fd); // as on Linux
    tell(poller, op, err);
    return 0;
}

static int begin(struct sim_poller *poller, struct asyncio__op *op)
{
    if (op->code == ASYNCIO__OP_NONE) {
        tell(poller, op, 0);
        return 0;
    }
    int err;
    if (is_denied(op, &err)) return deny(poller, op, err);
    if (names_path(op)) return start_work(poller, NULL, op);

    struct sim_file *file = asyncio__sim_file(poller->world, op->fd);
    if (!file || op->code == ASYNCIO__OP_CLOSE) {
        tell(poller, op,
             file ? asyncio__sim_remove(poller->world, op->fd) : -EBADF);
        return 0;
    }
    if (moves(op) || (file->kind->is_disk && op->code != ASYNCIO__OP_POLL))
        return start_work(poller, file, op);
    return wait_or_tell(poller, file, op);
}

int asyncio__sim_request(struct sim_poller *poller, struct asyncio__op *op)
{
    asyncio__sim_note(poller->world, "submit", op->code,
                      asyncio__is_simulated(op->fd) ? op->fd : -1);
    int err = begin(poller, op);
    asyncio__sim_settle(poller->world);
    return err;
}

// A disk that works on it may be told in time, or not.
void asyncio__sim_retract(struct sim_poller *poller, struct asyncio__op *op)
{
    struct sim_request *request = op->job;
    bool working = list_linked(&request->event.link);
    asyncio__sim_note(poller->world, "cancel", op->code, op->fd);
    if (working && asyncio__sim_below(poller->world, 2) == 0) return;
    end_request(request, -ECANCELED);
    asyncio__sim_settle(poller->world);
}

int asyncio__sim_try(struct asyncio__op *op)
{
    struct asyncio_simulator *world = asyncio__sim_world;
    struct sim_file *file = world ? asyncio__sim_file(world, op->fd) : NULL;
    if (!file && !names_path(op)) return -EBADF;
    if (!world) return -EBADF;

    asyncio__op_begin(op);
    op->flags |= asyncio__op_is_of_socket(op) ? MSG_DONTWAIT : 0;
    int result = work(world, names_path(op) ? NULL : file, op);
    asyncio__sim_note(world, "call", op->code, result);
    asyncio__sim_settle(world);
    return result;
}
