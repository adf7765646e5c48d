// The foreman: the process that forks the workers of one pool, reaps them, and
// tells the parent how they ended.
//
//     parent ---- orders ---> foreman --fork--> worker
//            <-- notices ----                     ^
//       '------------ mailbox, bell --------------'
//
// It has one thread and a copy of the program as it was when the launcher was
// forked; that is why it can fork at any time, and the parent cannot. When the
// parent closes its end of the socket, or is gone, the foreman kills and reaps
// its workers and ends; when the foreman is killed, the kernel kills them.
#pragma once

#include <asyncio/base.h>

#include <sys/types.h>

struct asyncio__worker_setup;

enum asyncio__order_kind {
    ASYNCIO__ORDER_START,  // a worker; comes with descriptors: its mailbox's,
                           // its log's end to write, its end of a socket
    ASYNCIO__ORDER_SIGNAL, // is sent to a worker
};

#define ASYNCIO__MESSAGE_FDS 3 // at most

struct asyncio__order {
    uint32_t kind;   // enum asyncio__order_kind
    uint32_t worker; // its number
    int32_t signal;
};

// Each order is answered at least once, so that a parent that found the socket
// full will hear when there is room.
enum asyncio__notice_kind {
    ASYNCIO__NOTICE_STARTED,
    ASYNCIO__NOTICE_FAILED,  // not started: `status` is a negative errno
    ASYNCIO__NOTICE_ENDED,   // and reaped: `status` is its wait status
    ASYNCIO__NOTICE_NOTHING, // a signal was sent, or there is no such worker
    ASYNCIO__NOTICE_SANDBOX, // the first one, if there is to be a sandbox: how
                             // its trial ended. `worker` is the step that
                             // failed, `status` 0 or why
};

struct asyncio__notice {
    uint32_t kind; // enum asyncio__notice_kind
    uint32_t worker;
    int32_t pid;
    int32_t status;
};

// Runs as foreman, in a process of its own.
_Noreturn void asyncio__foreman_run(int socket, int bell,
                                    const struct asyncio__worker_setup *setup);

// Sends `len` bytes and up to three descriptors as one message, or nothing.
// Returns 0 or a negative errno: -EAGAIN if `flags` has MSG_DONTWAIT.
int asyncio__message_send(int socket, const void *message, size_t len,
                          const int *fds, size_t fd_count, int flags);

// Receives one message of exactly `len` bytes. `fds` has room for three, and
// is -1 where none came; NULL accepts none: the kernel drops them. Returns 1; 0
// at the end of the stream; -EPROTO for a message of another length; or a
// negative errno.
int asyncio__message_receive(int socket, void *message, size_t len, int *fds,
                             int flags);
