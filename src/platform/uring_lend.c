// Memory that a ring lends to whoever receives.
//
// The kernel takes a buffer when bytes are there, says in the completion which
// one it took, and gets it back when these have been looked at. So as many are
// needed as are looked at between two waits, and not one for each that waits.
// They go round in a circle, and each of them is touched: so there are few to
// begin with, and twice as many whenever the kernel found none. Address space
// for all that there may be is taken at once, memory when it is used.
//
//     | entries, for the kernel | struct asyncio__lent | buffers ...      |

#include "platform/uring_lend.h"

#include <liburing.h>
#include <sys/mman.h>

#include "platform/sys.h"

#define LENT_FIRST 32
#define LENT_MOST  1024 // 16 MiB; a power of two

#define ENTRIES_SIZE (LENT_MOST * sizeof(struct io_uring_buf))
#define LENTS_SIZE   (LENT_MOST * sizeof(struct asyncio__lent))
#define WHOLE_SIZE                                                             \
    (ENTRIES_SIZE + LENTS_SIZE + LENT_MOST * (size_t)ASYNCIO__LENT_SIZE)

// Buffers lie on pages of their own.
_Static_assert((ENTRIES_SIZE + LENTS_SIZE) % 4096 == 0, "whole pages");

static void show(struct asyncio__uring_lender *lender, unsigned id)
{
    const int mask = LENT_MOST - 1;
    char *buffer = lender->memory + (size_t)id * ASYNCIO__LENT_SIZE;
    io_uring_buf_ring_add(lender->ring, buffer, ASYNCIO__LENT_SIZE,
                          (unsigned short)id, mask, 0);
    io_uring_buf_ring_advance(lender->ring, 1);
}

static int make(struct asyncio__uring_lender *lender, struct io_uring *ring)
{
    void *all;
    int err = asyncio__sys_mmap(&all, WHOLE_SIZE, PROT_READ | PROT_WRITE,
                                MAP_NORESERVE);
    if (err < 0) return err;
    err = asyncio__sys_uring_lend(ring, all, LENT_MOST);
    if (err < 0) {
        asyncio__sys_munmap(all, WHOLE_SIZE);
        return err;
    }
    char *bytes = all;
    lender->ring = all;
    lender->lents = (struct asyncio__lent *)(void *)(bytes + ENTRIES_SIZE);
    lender->memory = bytes + ENTRIES_SIZE + LENTS_SIZE;
    while (lender->count < LENT_FIRST)
        show(lender, lender->count++);
    return 0;
}

bool asyncio__uring_lender_open(struct asyncio__uring_lender *lender,
                                struct io_uring *ring)
{
    if (!lender->ring && !lender->refused)
        lender->refused = make(lender, ring) < 0;
    return !lender->refused;
}

void asyncio__uring_lender_close(struct asyncio__uring_lender *lender)
{
    if (lender->ring) asyncio__sys_munmap(lender->ring, WHOLE_SIZE);
}

struct asyncio__lent *asyncio__uring_lent(struct asyncio__uring_lender *lender,
                                          unsigned flags, size_t len)
{
    unsigned id = flags >> IORING_CQE_BUFFER_SHIFT;
    struct asyncio__lent *lent = &lender->lents[id];
    lent->bytes = lender->memory + (size_t)id * ASYNCIO__LENT_SIZE;
    lent->len = len;
    lender->lent++;
    return lent;
}

void asyncio__uring_give_back(struct asyncio__uring_lender *lender,
                              struct asyncio__lent *lent)
{
    lender->lent--;
    show(lender, (unsigned)(lent - lender->lents));
}

void asyncio__uring_lend_more(struct asyncio__uring_lender *lender)
{
    unsigned twice = 2 * lender->count;
    if (lender->lent < lender->count) return;
    while (lender->count < twice && lender->count < LENT_MOST)
        show(lender, lender->count++);
}
