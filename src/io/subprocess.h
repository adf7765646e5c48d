// The inside of child processes.
//
//     STARTING -> RUNNING -> ENDED
//         '-------------------^      could not be started, or was not wanted
//
// While a child runs, one poll of its pidfd is under way, which belongs to the
// handle and not to those who wait. Whoever frees the handle leaves it to that
// poll: the memory goes when the last of these has let go.
#pragma once

#include <asyncio/subprocess.h>

#include "loop/loop.h"
#include "platform/offload.h"
#include "platform/sys.h"
#include "task/park.h"

// What a loop has for its children, from the first one on.
struct asyncio__children {
    struct asyncio__at_close at_close;
    struct asyncio_loop *loop;
    struct asyncio__offload *crew; // starts them
    struct asyncio_link list;      // asyncio_subprocess.link: all not ENDED
};

enum asyncio__subprocess_state {
    ASYNCIO__SUBPROCESS_STARTING, // no process, as far as the loop knows
    ASYNCIO__SUBPROCESS_RUNNING,  // the process was not reaped
    ASYNCIO__SUBPROCESS_ENDED,    // `outcome` and `returncode` hold
};

struct asyncio_subprocess {
    struct asyncio__children *children;
    struct asyncio_loop *loop;
    struct asyncio_link link;       // asyncio__children.list
    struct asyncio_link waiters;    // asyncio_task.step.link
    struct asyncio_stream *pipe[3]; // ours of its standard descriptors, or NULL
    struct asyncio__op op;          // polls `pidfd`
    struct asyncio__step retry;     // what could not be begun
    struct asyncio__timer grace;    // when it fires, the child is killed
    unsigned references; // the user's, the poll's, and of each call that waits
    uint8_t state;       // enum asyncio__subprocess_state
    bool released;       // by the user
    bool detached;       // it may outlive the loop
    bool owns_group;     // one was made for it
    pid_t pid;
    int pidfd; // -1: none
    int outcome;
    int returncode;

    // While it starts.
    struct asyncio_task *starter; // inside the call that makes it, or NULL
    struct asyncio__offload_job job;
    struct asyncio__post post;
    struct asyncio__spawn spawn;
    int start_error;
    bool unwanted; // the starter was cancelled meanwhile
    int theirs[3]; // the child's ends of pipes and so on; -1: none
};

// --- subprocess.c -----------------------------------------------------------

// A handle without a process, of the running task's loop.
int asyncio__subprocess_new(struct asyncio_subprocess **out);

// There is a process now: waits for its end.
void asyncio__subprocess_runs(struct asyncio_subprocess *process);

// Kills it, with a group of its own.
void asyncio__subprocess_kill(struct asyncio_subprocess *process);

// Waits for the end of it, whatever cancels come meanwhile: these stay for the
// next await.
void asyncio__subprocess_join(struct asyncio_subprocess *process);

void asyncio__subprocess_unref(struct asyncio_subprocess *process);
