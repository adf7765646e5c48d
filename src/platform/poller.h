// The poller: what the kernel is asked to do, and what it says has happened.
//
// An operation block describes one request. Whoever owns it fills it in,
// submits it and keeps it, and every buffer that it names, until `done` is
// called: that happens exactly once for each submitted operation, from inside
// asyncio__poller_wait, on the loop's thread, also after a cancel. So a block
// may live in a task's control block, and a buffer in its frame. `done` may
// submit and cancel as it likes, this very block included.
//
//     fill in -> submit -> (cancel) -> ... wait ... -> done(op), op->result
//
// Two pollers stand behind this interface, with the same meaning: `uring`
// (io_uring) and `epoll` (readiness, with offload threads for files). All of it
// is called on the loop's own thread, but for wake. That thread is the one of
// the first wait; open may have been called on another. A child of fork must
// not touch a poller that it has inherited.
//
// A descriptor stays open until the operations on it are done. Where a user
// closes one too early all the same, its operations end with -EBADF or when
// cancelled, and a new descriptor of the same number is not mistaken for it.
#pragma once

#include <asyncio/base.h>

enum asyncio__op_code {
    ASYNCIO__OP_NONE,
    ASYNCIO__OP_POLL,    // wait until fd is ready for `events` (POLLIN, ...),
                         // flags: ASYNCIO__POLL_AGAIN or 0
    ASYNCIO__OP_OPEN,    // open `path` with flags and mode below folder fd
    ASYNCIO__OP_READ,    // read up to len bytes at offset, -1 is the position
    ASYNCIO__OP_WRITE,   // write up to len bytes at offset, -1 is the position
    ASYNCIO__OP_FSYNC,   // flags: IORING_FSYNC_DATASYNC or 0
    ASYNCIO__OP_CLOSE,   // never fails for good: the descriptor is gone
    ASYNCIO__OP_RENAME,  // `path` to `path2`, both below fd, flags as renameat2
    ASYNCIO__OP_UNLINK,  // `path`, flags as unlinkat
    ASYNCIO__OP_MKDIR,   // `path`, mode
    ASYNCIO__OP_STATX,   // `path` (or "" with AT_EMPTY_PATH) into buffer2, a
                         // struct statx; mode is the mask of what is wanted
    ASYNCIO__OP_READV,   // READ into the `len` struct iovec of `buffer`
    ASYNCIO__OP_WRITEV,  // WRITE from the `len` struct iovec of `buffer`
    ASYNCIO__OP_LINK,    // `path` is called `path2` as well, both below fd,
                         // flags as linkat
    ASYNCIO__OP_SYMLINK, // `path2` below fd leads to the text `path`
    ASYNCIO__OP_READLINK, // `path` into buffer2, at most len bytes, no zero
    ASYNCIO__OP_LIST,     // entries of folder fd into buffer, at most len
                          // bytes, as getdents64 has them; 0 is the end
    ASYNCIO__OP_TRUNCATE, // fd is `offset` bytes long
    ASYNCIO__OP_ALLOCATE, // `size` bytes at offset, flags as fallocate
    ASYNCIO__OP_CHMOD,    // mode of fd
    ASYNCIO__OP_SEEK,     // offset, flags: SEEK_SET and so on; the position
                          // goes into buffer2, an int64_t
    ASYNCIO__OP_COPY,     // up to len bytes of fd into fd2, at the positions
                          // of both; 0 is the end, or the kernel cannot tell
    ASYNCIO__OP_SENDFILE, // up to len bytes of file fd2 from offset, -1 is the
                          // position, to fd. Does not wait for that: -EAGAIN
    ASYNCIO__OP_SPLICE, // up to len bytes of fd, from offset, to fd2, at size;
                        // -1 each for none; flags as splice

    // From here on: of sockets.
    ASYNCIO__OP_ACCEPT,  // one connection; buffer and buffer2 are NULL or where
                         // its address and that one's length go, flags are
                         // accept4's. Its result closes on exec
    ASYNCIO__OP_CONNECT, // to the address in buffer, of len bytes
    ASYNCIO__OP_RECV,    // buffer, len, flags MSG_...
    ASYNCIO__OP_SEND,
    ASYNCIO__OP_RECVMSG, // buffer is a struct msghdr, flags
    ASYNCIO__OP_SENDMSG,
    ASYNCIO__OP_RECV_LENT, // of a stream's socket, into memory that the poller
                           // lends, of those that asyncio__poller_lends. `more`
                           // in flags: for as long as bytes come
};

// IDLE -> PENDING -> (CANCELLING) -> ENDED -> IDLE, always by way of `done`.
enum asyncio__op_state {
    ASYNCIO__OP_IDLE,
    ASYNCIO__OP_PENDING,
    ASYNCIO__OP_CANCELLING, // cancel was asked for; `done` is still to come
    ASYNCIO__OP_ENDED, // the result is there, `done` comes now or in the next
                       // wait; a cancel comes too late
};

// READ, WRITE and their vector forms return what one call of the kernel
// returned, which may be less than was asked for, and wait where that call
// would have to (on pipes and sockets; the offset is -1 for these). WRITE to a
// pipe or socket that nobody reads raises SIGPIPE, as write(2) does.
//
// What names a path takes it below the folder fd, AT_FDCWD among them. COPY may
// be refused (-EXDEV, -EINVAL, -EOPNOTSUPP and others) where READ and WRITE do.
//
// Operations of sockets wait whether the descriptor is in blocking mode or not,
// and may leave one that accepts or connects non-blocking. With MSG_DONTWAIT
// they do not wait: -EAGAIN is their result then. RECV and SEND of a stream go
// on with MSG_WAITALL until all of `len` has moved; what had when an end, an
// error or a cancel came is the result, if it is not 0. In messages that flag
// means nothing, and datagrams are sent without. None of them raises SIGPIPE,
// and descriptors that come with a message close on exec.
//
// RECV_LENT ties up no memory while nothing has come: thousands of them share
// what a few need at a time. Each `done` takes what has come by
// asyncio__op_take_lent, which may be nothing, and gives each piece back in its
// own time. With ASYNCIO__RECV_MORE `done` is called several times: while the
// state is not IDLE in it, the operation goes on. Its end comes behind the
// bytes that are handed out with it: above 0 it may be submitted again, 0 is
// the end of the stream, -ENOBUFS says that all of the memory is lent out,
// which it may not be the next time.
struct asyncio__op {
    union {
        struct asyncio_link link; // the poller's own, while submitted
        void *job;                // likewise, while it is a lane's
    };
    void (*done)(struct asyncio__op *op);
    uint8_t code;    // enum asyncio__op_code
    uint8_t state;   // enum asyncio__op_state
    uint16_t events; // POLL only; else the poller's own
    int fd;
    int result;   // >= 0, or a negative errno; -ECANCELED: it did not happen
    uint32_t len; // bytes
    union {
        struct {
            uint32_t flags;
            union {
                uint32_t mode;
                int fd2;       // of those that have no mode
                uint32_t pace; // RECV: what the poller has learnt, 0 at first.
                               // The next one of that descriptor may be given
                               // it as it is
            };
        };
        int64_t position; // READ, WRITE, READV, WRITEV: the poller's own
    };
    union {
        int64_t offset;
        struct {            // of sockets: the poller's own
            uint32_t moved; // bytes, with MSG_WAITALL; CONNECT: it has begun
            uint32_t vain;  // tries in a row that found it ready, and were not
                            // served
        };
    };
    union {
        void *buffer; // RECV_LENT: NULL when it is submitted, then the
                      // poller's own, until asyncio__op_take_lent
        const char *path;
    };
    union {
        const char *path2;
        void *buffer2; // RECV_LENT: the poller's own
        int64_t size;
        void *private_; // for whoever owns an operation with one path or none
    };
};

// Memory that the poller has lent: of each operation a list, in order.
#define ASYNCIO__LENT_SIZE 16384
struct asyncio__lent {
    struct asyncio__lent *next;
    char *bytes;
    size_t len; // at least 1, at most ASYNCIO__LENT_SIZE
};

#define ASYNCIO__RECV_MORE 1U // in flags of RECV_LENT

// In flags of POLL, for POLLIN alone: the same is likely to be asked for again
// and again, and asyncio__poller_forget is called before the descriptor is
// closed or others get it. If it is closed earlier all the same, such a poll
// may end when cancelled only.
#define ASYNCIO__POLL_AGAIN 1U

struct asyncio__poller_kind;

// The first member of each backend's own struct. Its fields are for pollers,
// and for the inline functions below.
struct asyncio__poller {
    const struct asyncio__poller_kind *kind;
    struct asyncio_link finished; // `done` to be called: ENDED, or going on
    struct asyncio_link going_on; // those that have been called back, and do
    size_t pending;               // submitted, `done` not called yet
    uint64_t delivered; // calls of `done`, and what else is news, ever
};

enum asyncio__backend {
    ASYNCIO__BACKEND_AUTO, // uring where the kernel allows it, else epoll
    ASYNCIO__BACKEND_URING,
    ASYNCIO__BACKEND_EPOLL,
    ASYNCIO__BACKEND_SIM,  // the simulator: asyncio/simulator.h
    ASYNCIO__BACKEND_BEST, // as AUTO, whatever the environment says
};

// Makes a poller. AUTO is the simulator where this thread uses a world, else
// obeys the environment (ASYNCIO_BACKEND=uring|epoll|sim|auto), and falls back
// by itself; a backend asked for by name, here or there, that
// cannot be had is an error. Returns 0 or a negative errno; -EINVAL for an
// unknown name, -ENOSYS if the kernel lacks what is needed.
int asyncio__poller_open(struct asyncio__poller **poller,
                         enum asyncio__backend backend);

// Every operation has to be done. Accepts NULL.
void asyncio__poller_close(struct asyncio__poller *poller);

// "uring", "epoll" or "sim".
const char *asyncio__poller_name(const struct asyncio__poller *poller);

// Queues `op`. Nothing is lost when the kernel's queue is full: it is flushed.
// Returns 0, or a negative errno for want of some resource: the operation is
// not PENDING then, and `done` will not be called. What is wrong with the
// request itself, such as -EBADF, comes by `done`. Operations on one descriptor
// may overlap in any number.
int asyncio__poller_submit(struct asyncio__poller *poller,
                           struct asyncio__op *op);

// Whether an operation that has just been submitted has ended already. Then its
// result is in it, it is idle, and `done` will not be called.
bool asyncio__poller_take(struct asyncio__poller *poller,
                          struct asyncio__op *op);

// Asks for an early end. `done` comes later, from wait: with -ECANCELED, or
// with what happened first. Never fails: room is kept back for it. A running
// file operation cannot be cut short and ends by itself; CLOSE always happens.
// A second cancel, and one of an operation that is not submitted, is ignored.
void asyncio__poller_cancel(struct asyncio__poller *poller,
                            struct asyncio__op *op);

// Nobody polls this descriptor with ASYNCIO__POLL_AGAIN any more; no such
// operation is pending.
void asyncio__poller_forget(struct asyncio__poller *poller, int fd);

// Whether it has RECV_LENT, which may say -EOPNOTSUPP all the same when it is
// submitted for the first time.
bool asyncio__poller_lends(const struct asyncio__poller *poller);

// What has come by an operation of that kind, from inside `done`; or NULL.
static inline struct asyncio__lent *
asyncio__op_take_lent(struct asyncio__op *op)
{
    struct asyncio__lent *lent = (struct asyncio__lent *)op->buffer;
    op->buffer = NULL;
    return lent;
}

// Nobody looks at this piece any more. At any time, in any order.
void asyncio__poller_give_back(struct asyncio__poller *poller,
                               struct asyncio__lent *lent);

// A new socket, a pair of them, or a pipe, of the poller's world, in the mode
// that suits it: asyncio__poller_mode, which is also for ACCEPT's flags. They
// close on exec; asyncio__sys_close undoes. Return a descriptor or 0, or a
// negative errno.
int(asyncio__poller_socket)(struct asyncio__poller *poller, int family,
                            int type, int protocol, const char *site);
#define asyncio__poller_socket(poller, family, type, protocol)                 \
    (asyncio__poller_socket)(poller, family, type, protocol, ASYNCIO_SITE)
int(asyncio__poller_socketpair)(struct asyncio__poller *poller, int family,
                                int type, int protocol, int fds[2],
                                const char *site);
#define asyncio__poller_socketpair(poller, family, type, protocol, fds)        \
    (asyncio__poller_socketpair)(poller, family, type, protocol, fds,          \
                                 ASYNCIO_SITE)
int(asyncio__poller_pipe)(struct asyncio__poller *poller, int fds[2],
                          const char *site);
#define asyncio__poller_pipe(poller, fds)                                      \
    (asyncio__poller_pipe)(poller, fds, ASYNCIO_SITE)

// SOCK_NONBLOCK, or 0 where descriptors are better left in blocking mode.
int asyncio__poller_mode(const struct asyncio__poller *poller);

// Hands queued operations to the kernel, waits until something has happened,
// but at most `timeout_ns` (0: only looks; negative: for ever), and calls
// `done` for all that has. May return early with nothing done. Returns 0 or a
// negative errno; a signal is no error. After an error all is as before: what
// had ended is done, the rest is pending, and the next wait goes on with it.
int asyncio__poller_wait(struct asyncio__poller *poller, int64_t timeout_ns);

enum asyncio__news {
    ASYNCIO__NEWS_NONE,    // wait(0) would do nothing
    ASYNCIO__NEWS_UNKNOWN, // only a system call can tell, or hand over what is
                           // queued: do it now and then
    ASYNCIO__NEWS_CERTAIN, // something has happened
};

// Whether wait(0) could have something to say, as far as that can be known
// without a system call.
enum asyncio__news
asyncio__poller_has_news(const struct asyncio__poller *poller);

// How many operations are pending; and of these, how many will end by
// themselves (files): virtual time does not jump while such a one is under way.
// Counting the latter may look at each file operation.
static inline size_t
asyncio__poller_pending(const struct asyncio__poller *poller)
{
    return poller->pending;
}
size_t asyncio__poller_working(const struct asyncio__poller *poller);

// A number that grows with each operation that ends, or gets on, to see whether
// a wait brought news: if it did, the next one may bring more.
uint64_t asyncio__poller_delivered(const struct asyncio__poller *poller);

// Ends the wait that is under way, or makes the next one only look. Any thread,
// any number of times; costs a system call.
void asyncio__poller_wake(struct asyncio__poller *poller);

// ---- A world with time of its own -------------------------------------------

// Tells the poller whose time its world has: clock(arg) is asked whenever
// something is done there. Returns the time from which on that has to go, since
// no world goes back in time; -1: this poller has none, and asks nobody.
int64_t asyncio__poller_begin(struct asyncio__poller *poller,
                              int64_t (*clock)(void *arg), void *arg);

// When the next thing happens in the poller's world, in the time of that clock;
// INT64_MAX if nothing will by itself.
int64_t asyncio__poller_next(const struct asyncio__poller *poller);
