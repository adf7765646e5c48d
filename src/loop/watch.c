// Readers and writers: a callback for as long as a descriptor is ready.
//
// Each direction of a descriptor has one poll operation. When it is done, the
// callback joins the pass; after the callback, the operation is submitted
// again. Removing only says so: the block stays until its operation has ended,
// and a new watch of the same descriptor may take it over meanwhile.

#include "loop/loop.h"

#include <poll.h>

#include <asyncio/error.h>

#include "loop/carry.h"
#include "loop/debug.h"
#include "platform/simulated.h"
#include "platform/sys.h"

struct direction {
    struct asyncio__op op;
    struct asyncio__step step;
    int (*fn)(void *arg); // NULL: not wanted
    void *arg;
    struct asyncio__variables *carried;
    bool stale;   // removed since its operation began
    bool unarmed; // `step` is queued to submit `op`, not to call
};

struct asyncio__watch {
    struct asyncio_loop *loop;
    struct direction reader, writer;
};

static struct asyncio__watch *watch_of(struct direction *direction)
{
    if (direction->op.events == POLLIN)
        return list_entry(direction, struct asyncio__watch, reader);
    return list_entry(direction, struct asyncio__watch, writer);
}

static void forget(struct direction *direction)
{
    direction->fn = NULL;
    asyncio__carry_drop(&direction->carried);
}

static bool passes(int err)
{
    return err == -ENOMEM || err == -EAGAIN || err == -EBUSY ||
           err == -ENOBUFS || err == -ENOSPC || err == -EINTR;
}

// What fails for want of something is tried again in the next pass: its owner
// counts on being called.
static void arm(struct direction *direction)
{
    struct asyncio_loop *loop = watch_of(direction)->loop;
    int err = asyncio__poller_submit(loop->poller, &direction->op);
    if (err == 0) return;
    if (passes(err)) {
        direction->unarmed = true;
        asyncio__loop_queue(loop, &direction->step);
        return;
    }
    forget(direction);
    asyncio__report(loop, err, NULL, NULL,
                    "descriptor %d is not watched any more: %s",
                    direction->op.fd, asyncio_strerror(err));
}

// The operation has ended: ready, failed (which the callback will find out by
// reading), or cancelled because nobody wants it. What a stale one says may be
// of another file that had the same number.
static void polled(struct asyncio__op *op)
{
    struct direction *direction = list_entry(op, struct direction, op);
    bool stale = direction->stale;
    direction->stale = false;
    if (!direction->fn) return;
    struct asyncio_loop *loop = watch_of(direction)->loop;
    if (stale)
        arm(direction); // it was wanted again before that was done
    else
        asyncio__loop_queue(loop, &direction->step);
}

static void run_direction(struct asyncio__step *step)
{
    struct direction *direction = list_entry(step, struct direction, step);
    struct asyncio_loop *loop = watch_of(direction)->loop;
    bool unarmed = direction->unarmed;
    direction->unarmed = false;
    if (!direction->fn) return;
    if (unarmed) {
        arm(direction);
        return;
    }

    asyncio__debug_calls(loop, asyncio__address_of(direction->fn), NULL);
    int code =
        asyncio__carry_each(direction->carried, direction->fn, direction->arg);
    if (code < 0)
        asyncio__report(loop, code, NULL, NULL,
                        "the callback of descriptor %d failed: %s",
                        direction->op.fd, asyncio_strerror(code));
    bool idle = direction->op.state == ASYNCIO__OP_IDLE &&
                !list_linked(&direction->step.link);
    if (direction->fn && idle) arm(direction);
}

static struct asyncio__watch_table *table_of(struct asyncio_loop *loop, int fd)
{
    return &loop->watches[asyncio__is_simulated(fd)];
}

static size_t place_of(int fd)
{
    return (size_t)(asyncio__is_simulated(fd) ? fd - ASYNCIO__SIM_FD : fd);
}

static int grow_table(struct asyncio__watch_table *table, size_t place)
{
    size_t size = table->size ? table->size : 64;
    while (size <= place)
        size *= 2;
    struct asyncio__watch **at = asyncio__realloc_array(
        table->at, table->size, size, sizeof(struct asyncio__watch *));
    if (!at) return -ENOMEM;
    table->at = at;
    table->size = size;
    return 0;
}

static void init_direction(struct direction *direction, int fd, int events)
{
    direction->op.code = ASYNCIO__OP_POLL;
    direction->op.events = (uint16_t)events;
    direction->op.fd = fd;
    direction->op.done = polled;
    direction->step.run = run_direction;
}

static struct asyncio__watch *find_watch(const struct asyncio_loop *loop,
                                         int fd)
{
    const struct asyncio__watch_table *table =
        &loop->watches[asyncio__is_simulated(fd)];
    if (fd < 0 || place_of(fd) >= table->size) return NULL;
    return table->at[place_of(fd)];
}

static int make_watch(struct asyncio_loop *loop, int fd,
                      struct asyncio__watch **out)
{
    struct asyncio__watch_table *table = table_of(loop, fd);
    *out = find_watch(loop, fd);
    if (*out) return 0;
    if (place_of(fd) >= table->size && grow_table(table, place_of(fd)) < 0)
        return -ENOMEM;
    struct asyncio__watch *watch = asyncio__alloc(sizeof *watch);
    if (!watch) return -ENOMEM;
    watch->loop = loop;
    init_direction(&watch->reader, fd, POLLIN);
    init_direction(&watch->writer, fd, POLLOUT);
    table->at[place_of(fd)] = *out = watch;
    return 0;
}

// --- descriptors of streams -------------------------------------------------

// A bit for each number, so that a connection costs no more than that. Numbers
// of a simulated world begin far away; they are counted from there.

static size_t bit_of(int fd)
{
    return 2 * place_of(fd) + asyncio__is_simulated(fd);
}

static bool owns(const struct asyncio_loop *loop, int fd)
{
    if (fd < 0) return false;
    size_t bit = bit_of(fd);
    return bit / 64 < loop->owned_words &&
           (loop->owned[bit / 64] >> bit % 64 & 1);
}

static bool is_watched(const struct asyncio_loop *loop, int fd)
{
    const struct asyncio__watch *watch = find_watch(loop, fd);
    return watch && (watch->reader.fn || watch->writer.fn);
}

int asyncio__loop_own(struct asyncio_loop *loop, int fd)
{
    if (fd < 0) return 0;
    if (owns(loop, fd) || is_watched(loop, fd)) return -EBUSY;
    size_t bit = bit_of(fd);
    if (bit / 64 >= loop->owned_words) {
        size_t words = bit / 32 + 16;
        uint64_t *grown = asyncio__realloc_array(loop->owned, loop->owned_words,
                                                 words, sizeof *grown);
        if (!grown) return -ENOMEM;
        loop->owned = grown;
        loop->owned_words = words;
    }
    loop->owned[bit / 64] |= UINT64_C(1) << bit % 64;
    return 0;
}

void asyncio__loop_disown(struct asyncio_loop *loop, int fd)
{
    if (owns(loop, fd))
        loop->owned[bit_of(fd) / 64] &= ~(UINT64_C(1) << bit_of(fd) % 64);
}

// --- calls ------------------------------------------------------------------

static int add(struct direction *direction, int (*fn)(void *), void *arg)
{
    forget(direction);
    direction->fn = fn;
    direction->arg = arg;
    direction->carried = asyncio__carry();
    if (direction->op.state != ASYNCIO__OP_IDLE ||
        list_linked(&direction->step.link))
        return 0;
    struct asyncio_loop *loop = watch_of(direction)->loop;
    int err = asyncio__poller_submit(loop->poller, &direction->op);
    if (err < 0) forget(direction);
    return err;
}

static int add_watch(int fd, int (*fn)(void *), void *arg, bool write)
{
    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err < 0) return err;
    if (!fn) return -EINVAL;
    if (asyncio__loop_lends(loop, arg)) return -EFAULT;
    if (owns(loop, fd)) return -EBUSY;
    if (fd < 0 || asyncio__sys_fd_flags(fd) < 0) return -EBADF;
    struct asyncio__watch *watch;
    err = make_watch(loop, fd, &watch);
    if (err < 0) return err;
    return add(write ? &watch->writer : &watch->reader, fn, arg);
}

static void retire(struct direction *direction)
{
    forget(direction);
    direction->unarmed = false;
    if (list_linked(&direction->step.link)) list_remove(&direction->step.link);
    if (direction->op.state == ASYNCIO__OP_IDLE) return;
    direction->stale = true;
    asyncio__poller_cancel(watch_of(direction)->loop->poller, &direction->op);
}

// Returns how many there were.
static int remove_from(struct asyncio_loop *loop, int fd, bool write)
{
    struct asyncio__watch *watch = find_watch(loop, fd);
    if (!watch) return 0;
    struct direction *direction = write ? &watch->writer : &watch->reader;
    if (!direction->fn) return 0;
    retire(direction);
    return 1;
}

static int remove_watch(int fd, bool write)
{
    struct asyncio_loop *loop = NULL;
    int err = asyncio__loop_find(&loop);
    if (err == -ESHUTDOWN) return 0; // the loop has let go of all
    if (err < 0) return err;
    return owns(loop, fd) ? -EBUSY : remove_from(loop, fd, write);
}

void asyncio__loop_unwatch(struct asyncio_loop *loop, int fd)
{
    (void)remove_from(loop, fd, false);
    (void)remove_from(loop, fd, true);
}

int asyncio_add_reader(int fd, int (*fn)(void *arg), void *arg)
{
    return add_watch(fd, fn, arg, false);
}

int asyncio_add_writer(int fd, int (*fn)(void *arg), void *arg)
{
    return add_watch(fd, fn, arg, true);
}

int asyncio_remove_reader(int fd)
{
    return remove_watch(fd, false);
}

int asyncio_remove_writer(int fd)
{
    return remove_watch(fd, true);
}

static void cancel_all(struct asyncio__watch_table *table)
{
    for (size_t i = 0; i < table->size; i++) {
        if (!table->at[i]) continue;
        retire(&table->at[i]->reader);
        retire(&table->at[i]->writer);
    }
}

static void free_all(struct asyncio__watch_table *table)
{
    for (size_t i = 0; i < table->size; i++)
        asyncio__free(table->at[i]);
    asyncio__free(table->at);
    *table = (struct asyncio__watch_table){0};
}

void asyncio__watches_cancel(struct asyncio_loop *loop)
{
    cancel_all(&loop->watches[0]);
    cancel_all(&loop->watches[1]);
}

void asyncio__watches_free(struct asyncio_loop *loop)
{
    free_all(&loop->watches[0]);
    free_all(&loop->watches[1]);
    asyncio__free(loop->owned);
    loop->owned = NULL;
    loop->owned_words = 0;
}
