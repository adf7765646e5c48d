// What the epoll poller knows of each descriptor, and what it tells the kernel.
//
// An entry has the operations that wait; epoll knows the union of what they
// wait for. A registration carries the generation of its entry, so that an
// event of an older file with the same number (a duplicate keeps it alive) is
// known for what it is.
//
//     pages[fd / 256] -> entries[fd % 256] -> { generation, ops }
//
// Most registrations are one-shot and renewed by each submit: a kernel that
// answers "not registered" tells us that the number belongs to a new file. But
// who polls the same descriptor again and again, and says so, is spared that
// call: from the third time on the registration is level-triggered, and stays.
// It is kept for as long as each event finds somebody who waits; where one
// finds nobody, because the task has other things to do, it is made one-shot
// again, and the next polls are served in that way: 1, then 3, 7, up to 31 of
// them, where the events before were few.
//
//     ONE-SHOT -> KEPT      by a poll that is kept for, with none besides
//     KEPT -> ONE-SHOT      by an event for nobody, or by any other operation
//
// Level-triggered, it needs no proof that what was there has been taken:
// whoever left something hears of it by the next wait. But it has to be undone
// before the descriptor is closed, or the kernel would tell of its duplicates
// for ever, and of none could we say that we do not want to know: epoll is
// asked by number. Where somebody has closed one too early all the same, all
// that waits moves to a new instance of epoll.

#include "platform/epoll.h"

#include <assert.h>
#include <sys/epoll.h>

#include "platform/sys.h"

// Above the 32 bits of the descriptor: whether the registration is kept, and
// its generation, as far as there is room.
#define KEY_KEPT      (UINT64_C(1) << 32)
#define KEY_GENERATED 33

#define SHY_FIRST 1  // polls of a new descriptor, besides the first
#define SHY_MOST  31 // after events for nobody
#define MET_MANY  8  // events are a reason to forget those before

static struct asyncio__op *op_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__op, link);
}

// ---- The table --------------------------------------------------------------

static int make_page(struct asyncio__epoll *e, size_t page)
{
    if (page >= e->page_count) {
        size_t count = e->page_count ? e->page_count * 2 : 16;
        if (count <= page) count = page + 1;
        void *grown = asyncio__realloc_array(e->pages, e->page_count, count,
                                             sizeof *e->pages);
        if (!grown) return -ENOMEM;
        e->pages = grown;
        e->page_count = count;
    }
    e->pages[page] = asyncio__alloc(sizeof *e->pages[page]);
    return e->pages[page] ? 0 : -ENOMEM;
}

// Finds the entry of `fd`. The table grows only for a descriptor that exists: a
// change of what is not registered yet makes the kernel say so.
static int find_entry(struct asyncio__epoll *e, int fd,
                      struct asyncio__epoll_entry **entry)
{
    struct epoll_event nothing = {0};
    if (fd < 0) return -EBADF;

    if (!asyncio__epoll_at(e, fd)) {
        int err = asyncio__sys_epoll_ctl(e->epfd, EPOLL_CTL_MOD, fd, &nothing);
        if (err < 0 && err != -ENOENT) return err;
        err = make_page(e, (size_t)fd / ASYNCIO__EPOLL_PAGE);
        if (err < 0) return err;
    }
    *entry = asyncio__epoll_at(e, fd);
    return 0;
}

void asyncio__epoll_free_entries(struct asyncio__epoll *e)
{
    for (size_t i = 0; i < e->page_count; i++)
        asyncio__free(e->pages[i]);
    asyncio__free(e->pages);
}

// ---- What the kernel is told ------------------------------------------------

static uint64_t key_of(int fd, const struct asyncio__epoll_entry *entry)
{
    return (uint64_t)entry->generation << KEY_GENERATED |
           (entry->kept ? KEY_KEPT : 0) | (uint32_t)fd;
}

// Tells epoll what the operations of an entry wait for, and what one more does:
// until it is told otherwise (`keep`), or for one event.
static int tell(struct asyncio__epoll *e, int how, int fd,
                struct asyncio__epoll_entry *entry, uint32_t more, bool keep)
{
    struct epoll_event event = {.events =
                                    more | (keep ? 0 : (uint32_t)EPOLLONESHOT)};
    bool kept = entry->kept;

    entry->kept = keep;
    event.data.u64 = key_of(fd, entry);
    list_for_each (link, &entry->ops)
        event.events |= op_of(link)->events;
    int err = asyncio__sys_epoll_ctl(e->epfd, how, fd, &event);
    if (err < 0) entry->kept = kept;
    return err;
}

// Those answers to a change of what was registered which say that the user has
// closed the descriptor under the operations that wait for it: the number means
// nothing, something else, or a file.
static bool says_closed(int err)
{
    return err == -EBADF || err == -ENOENT || err == -EPERM;
}

void asyncio__epoll_take(struct asyncio__epoll *e, struct asyncio__op *op,
                         int result)
{
    list_remove(&op->link);
    asyncio__poller_finish(&e->base, op, result);
}

static void take_all(struct asyncio__epoll *e,
                     struct asyncio__epoll_entry *entry, int result)
{
    list_for_each_safe (link, after, &entry->ops)
        asyncio__epoll_take(e, op_of(link), result);
}

static bool may_keep(struct asyncio__epoll_entry *entry,
                     const struct asyncio__op *op)
{
    if (!asyncio__epoll_comes_again(op) || !list_empty(&entry->ops))
        return false;
    if (entry->shy == 0) return true;
    entry->shy--;
    return false;
}

// The number belongs to a file that epoll has not heard of.
static int tell_anew(struct asyncio__epoll *e,
                     struct asyncio__epoll_entry *entry,
                     const struct asyncio__op *op)
{
    entry->generation++;
    entry->kept = false;
    entry->shy = SHY_FIRST;
    entry->was_shy = entry->met = 0;
    return tell(e, EPOLL_CTL_ADD, op->fd, entry, op->events, false);
}

int asyncio__epoll_add(struct asyncio__epoll *e, struct asyncio__op *op)
{
    struct asyncio__epoll_entry *entry;
    int err = find_entry(e, op->fd, &entry);
    if (err < 0) return err;

    bool keep = may_keep(entry, op);
    err = tell(e, EPOLL_CTL_MOD, op->fd, entry, op->events, keep);
    if (says_closed(err)) take_all(e, entry, -EBADF);
    if (err == -ENOENT) err = tell_anew(e, entry, op);
    if (err == 0) list_add_tail(&entry->ops, &op->link);
    return err;
}

// ---- Events -----------------------------------------------------------------

// Nobody has waited for it. What is not registered under this number any more
// will be told of again, by the key that it had.
static void calm_down(struct asyncio__epoll *e, int fd,
                      struct asyncio__epoll_entry *entry)
{
    bool many = entry->met >= MET_MANY;
    int shy = many ? 1 : 2 * entry->was_shy + 1;
    entry->shy = entry->was_shy = (uint8_t)(shy < SHY_MOST ? shy : SHY_MOST);
    entry->met = 0;
    int err = tell(e, EPOLL_CTL_MOD, fd, entry, 0, false);
    if (says_closed(err)) entry->kept = false;
}

struct asyncio__epoll_entry *asyncio__epoll_meets(struct asyncio__epoll *e,
                                                  uint64_t key)
{
    int fd = asyncio__epoll_fd(key);
    struct asyncio__epoll_entry *entry = asyncio__epoll_at(e, fd);
    if (key != key_of(fd, entry)) {
        // A kept one of an older file comes again and again.
        if (key & KEY_KEPT) e->haunted = true;
        return NULL;
    }
    if (!entry->kept) return entry;
    if (list_empty(&entry->ops))
        calm_down(e, fd, entry);
    else if (entry->met < MET_MANY)
        entry->met++;
    return entry;
}

void asyncio__epoll_go_on(struct asyncio__epoll *e, int fd,
                          struct asyncio__epoll_entry *entry)
{
    if (list_empty(&entry->ops)) return;
    int err = tell(e, EPOLL_CTL_MOD, fd, entry, 0, false);
    if (err < 0) take_all(e, entry, says_closed(err) ? -EBADF : err);
}

// ---- The end of a descriptor, and of an instance ----------------------------

void asyncio__epoll_drop(struct asyncio__epoll *e, int fd)
{
    struct epoll_event nothing = {0};
    struct asyncio__epoll_entry *entry = asyncio__epoll_at(e, fd);
    if (!entry || !entry->kept) return;
    assert(list_empty(&entry->ops));
    entry->kept = false;
    // A child of fork that closes what it has inherited shares the instance.
    if (asyncio__sys_getpid() != e->pid) return;
    asyncio__sys_epoll_ctl(e->epfd, EPOLL_CTL_DEL, fd, &nothing);
}

int asyncio__epoll_instance(struct asyncio__epoll *e)
{
    struct epoll_event wakes = {.events = EPOLLIN | (uint32_t)EPOLLET,
                                .data.u64 = ASYNCIO__EPOLL_WAKE};
    int epfd = asyncio__sys_epoll_create1(0);
    if (epfd < 0) return epfd;
    int err = asyncio__sys_epoll_ctl(epfd, EPOLL_CTL_ADD, e->wake_fd, &wakes);
    if (err == 0) return epfd;
    asyncio__sys_close(epfd);
    return err;
}

static void move(struct asyncio__epoll *e, int fd,
                 struct asyncio__epoll_entry *entry)
{
    entry->kept = false;
    if (list_empty(&entry->ops)) return;
    int err = tell(e, EPOLL_CTL_ADD, fd, entry, 0, false);
    if (err < 0) take_all(e, entry, says_closed(err) ? -EBADF : err);
}

void asyncio__epoll_move_out(struct asyncio__epoll *e)
{
    int epfd = asyncio__epoll_instance(e);
    if (epfd < 0) return;
    asyncio__sys_close(e->epfd);
    e->epfd = epfd;
    e->haunted = false;
    for (size_t i = 0; i < e->page_count; i++)
        for (size_t k = 0; e->pages[i] && k < ASYNCIO__EPOLL_PAGE; k++)
            move(e, (int)(i * ASYNCIO__EPOLL_PAGE + k),
                 &e->pages[i]->entries[k]);
}
