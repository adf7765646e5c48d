// Select: wait for the first of several things that can go ahead.
//
//     struct asyncio_select_case cases[] = {
//         ASYNCIO_SELECT_RECEIVE(&jobs, &job),
//         ASYNCIO_SELECT_TASK(task),
//         ASYNCIO_SELECT_READABLE(fd),
//         ASYNCIO_SELECT_AFTER(0.5),
//     };
//     int which = asyncio_select(cases, 4);
//     if (which == 0) ...                      // cases[0].result is 0, or why
//
// Exactly one case takes effect: the one whose number is returned. Its outcome
// is in its `result`; of the others nothing has happened, and nothing of them
// is left behind. If several can go ahead at once, one of them is chosen by
// lot, so that none is passed over for long.
//
// A case whose call would fail at once can go ahead too: a channel that is over
// is chosen, with -ENODATA. A case that is all zero, is made of NULL or of a
// negative descriptor, or has `disabled` set, is never chosen; select waits for
// ever if there is no other. Call it on the loop's thread.
#pragma once

#include <asyncio/channel.h>

ASYNCIO__BEGIN

// What a case is about. The macros below say it.
enum asyncio_select_kind {
    ASYNCIO_SELECT_NOTHING,
    ASYNCIO_SELECT_SENDS,    // object: struct asyncio_sender
    ASYNCIO_SELECT_RECEIVES, // object: struct asyncio_receiver
    ASYNCIO_SELECT_FUTURES,  // object: struct asyncio_future
    ASYNCIO_SELECT_TASKS,    // object: struct asyncio_task
    ASYNCIO_SELECT_DELAYS,   // seconds: from now
    ASYNCIO_SELECT_TIMES,    // seconds: a time of the loop's clock
    ASYNCIO_SELECT_POLLS,    // fd, and events as in poll(2)
};

// Made by the macros below. `result` and `disabled` are for you.
struct asyncio_select_case {
    enum asyncio_select_kind kind;
    int result;    // of the case that was chosen; of others it means nothing
    bool disabled; // is not to be chosen
    short events;
    int fd;
    void *object;
    const void *item; // to be sent, or where to receive
    size_t size;      // of the item
    double seconds;
    void *reserved_[2];
};

// Sends *item, or receives into *item. The result is as that of
// asyncio_sender_send or asyncio_receiver_receive; 0: it happened.
#define ASYNCIO_SELECT_SEND(sender, item)                                      \
    ASYNCIO__SELECT_CHANNEL(ASYNCIO_SELECT_SENDS, sender,                      \
                            ASYNCIO__SENT(sender, item))
#define ASYNCIO_SELECT_RECEIVE(receiver, item)                                 \
    ASYNCIO__SELECT_CHANNEL(ASYNCIO_SELECT_RECEIVES, receiver,                 \
                            ASYNCIO__RECEIVED(receiver, item))

// Waits until a task or a future is done. The result is its outcome. Unlike
// await, select leaves it alone when it is cancelled itself.
#define ASYNCIO_SELECT_TASK(task)                                              \
    ASYNCIO__SELECT_CASE(ASYNCIO_SELECT_TASKS, 0, -1,                          \
                         ASYNCIO__SELECT_IS(struct asyncio_task, task), NULL,  \
                         0, 0)
#define ASYNCIO_SELECT_FUTURE(future)                                          \
    ASYNCIO__SELECT_CASE(ASYNCIO_SELECT_FUTURES, 0, -1,                        \
                         ASYNCIO__SELECT_IS(struct asyncio_future, future),    \
                         NULL, 0, 0)

// Waits for a time: `seconds` from the call of select, 0 or less is at once; or
// one of asyncio_time's clock. The result is 0.
#define ASYNCIO_SELECT_AFTER(seconds)                                          \
    ASYNCIO__SELECT_CASE(ASYNCIO_SELECT_DELAYS, 0, -1, NULL, NULL, 0, seconds)
#define ASYNCIO_SELECT_AT(when)                                                \
    ASYNCIO__SELECT_CASE(ASYNCIO_SELECT_TIMES, 0, -1, NULL, NULL, 0, when)

// Waits until the descriptor can be read (written) without waiting, or has
// failed. The result is what poll(2) says of it: POLLIN (1), POLLOUT (4),
// POLLERR (8), POLLHUP (16); or -EBADF. Readers and writers of the loop on the
// same descriptor go on undisturbed.
#define ASYNCIO_SELECT_READABLE(fd) ASYNCIO__SELECT_POLL(fd, 1)
#define ASYNCIO_SELECT_WRITABLE(fd) ASYNCIO__SELECT_POLL(fd, 4)

// Waits until one of `count` cases can go ahead, and lets it.
//
// returns   the number of the case that was chosen, from 0; -ECANCELED: nothing
//           happened; -EPERM outside a task; -EINVAL for a case that is none,
//           an item of another size, or a time that is not a number; -EXDEV for
//           a task or future of another loop; -EDEADLK for oneself; -ENOMEM,
//           or another reason why the kernel cannot wait for a descriptor
// suspends  only if none can go ahead
// cancel    a cancel that comes after the item of a SEND was received stays for
//           the next wait, and the case counts as chosen
// like      Go's select
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_select(struct asyncio_select_case *cases, size_t count);

// The same, but returns -EAGAIN instead of waiting. Needs a loop, but no task.
// like      Go's select with a default
ASYNCIO_API int asyncio_select_nowait(struct asyncio_select_case *cases,
                                      size_t count);

ASYNCIO__END

// --- what the macros stand on -----------------------------------------------

#ifndef __cplusplus
#define ASYNCIO__SELECT_CASE(kind, events, fd, object, item, size, seconds)    \
    ((struct asyncio_select_case){(kind),                                      \
                                  0,                                           \
                                  false,                                       \
                                  (events),                                    \
                                  (fd),                                        \
                                  (object),                                    \
                                  (item),                                      \
                                  (size),                                      \
                                  (seconds),                                   \
                                  {NULL, NULL}})
#define ASYNCIO__SELECT_IS(type, object) _Generic((object), type * : (object))
#else
#define ASYNCIO__SELECT_CASE(kind, events, fd, object, item, size, seconds)    \
    (asyncio_select_case{(kind),                                               \
                         0,                                                    \
                         false,                                                \
                         (events),                                             \
                         (fd),                                                 \
                         (object),                                             \
                         (item),                                               \
                         (size),                                               \
                         (double)(seconds),                                    \
                         {nullptr, nullptr}})
#define ASYNCIO__SELECT_IS(type, object) asyncio__item<type>(object)
#endif

#define ASYNCIO__SELECT_POLL(fd, events)                                       \
    ASYNCIO__SELECT_CASE(ASYNCIO_SELECT_POLLS, events, fd, NULL, NULL, 0, 0)
#define ASYNCIO__SELECT_CHANNEL(kind, end, item)                               \
    ASYNCIO__SELECT_CASE(kind, 0, -1, (void *)(end), item,                     \
                         sizeof *(end)->type_, 0)
