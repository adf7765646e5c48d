// The ring calls: set up, enable, lend buffers, enter.
//
// Entering goes by liburing's plain io_uring_enter2, and publishes the queue
// itself: the comfortable functions of liburing may enter the kernel twice for
// one wait, and this is the call that a busy loop makes once per pass.

#include <liburing.h>

#include "platform/sys.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/sys_call.h"

// liburing returns negative codes, and may leave `errno` changed.
#define uring_try(kind, site, call)                                            \
    __extension__({                                                            \
        int result_ = asyncio__sys_denied(kind, site);                         \
        if (result_ == 0) {                                                    \
            int errno_ = errno;                                                \
            result_ = (call);                                                  \
            errno = errno_;                                                    \
        }                                                                      \
        result_;                                                               \
    })

int(asyncio__sys_uring_init)(unsigned entries, struct io_uring *ring,
                             struct io_uring_params *params, const char *site)
{
    int err = uring_try(ASYNCIO__SYS_URING, site,
                        io_uring_queue_init_params(entries, ring, params));
    if (err < 0) return err;

    // A child that had a ring's memory could have us open and write files.
    err = io_uring_ring_dontfork(ring);
    if (err < 0) {
        io_uring_queue_exit(ring);
        return err;
    }
    asyncio__sys_made_fd(ring->ring_fd, site);
    return 0;
}

void asyncio__sys_uring_exit(struct io_uring *ring)
{
    asyncio__sys_gone(ASYNCIO__DESCRIPTOR, (uintptr_t)ring->ring_fd);
    int saved = errno;
    io_uring_queue_exit(ring);
    errno = saved;
}

// By system call: liburing 2.3 has io_uring_enable_rings in its header and its
// archive, but its shared library does not export it.
int asyncio__sys_uring_enable(struct io_uring *ring)
{
    return (int)asyncio__sys_try(ASYNCIO__SYS_URING, __func__,
                                 syscall(__NR_io_uring_register, ring->ring_fd,
                                         IORING_REGISTER_ENABLE_RINGS, NULL,
                                         0));
}

int asyncio__sys_uring_lend(struct io_uring *ring,
                            struct io_uring_buf_ring *buffers, unsigned count)
{
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)buffers,
                                   .ring_entries = count};
    return (int)asyncio__sys_try(ASYNCIO__SYS_URING, __func__,
                                 syscall(__NR_io_uring_register, ring->ring_fd,
                                         IORING_REGISTER_PBUF_RING, &reg, 1));
}

// Shows the kernel what io_uring_get_sqe has handed out, and returns how many
// entries it has not taken yet.
static unsigned publish(struct io_uring *ring)
{
    struct io_uring_sq *sq = &ring->sq;

    sq->sqe_head = sq->sqe_tail;
    io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

int asyncio__sys_uring_enter(struct io_uring *ring, unsigned wait,
                             unsigned flags, const struct timespec *timeout)
{
    unsigned submit = publish(ring);
    struct __kernel_timespec ts;
    struct io_uring_getevents_arg arg = {0};
    void *extra = NULL;
    size_t size = _NSIG / 8;

    if (submit == 0 && wait == 0 && flags == 0) return 0;
    if (timeout) {
        ts.tv_sec = timeout->tv_sec;
        ts.tv_nsec = timeout->tv_nsec;
        arg.ts = (uintptr_t)&ts;
        flags |= IORING_ENTER_EXT_ARG;
        extra = &arg;
        size = sizeof arg;
    }
    return uring_try(ASYNCIO__SYS_URING_ENTER, __func__,
                     io_uring_enter2((unsigned)ring->ring_fd, submit, wait,
                                     flags, extra, size));
}
