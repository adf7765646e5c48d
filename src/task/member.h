// Lists of awaitables, and what stands for each entry while somebody waits for
// several of them at once: gather, wait, as_completed and races.
//
// A member is a step in the waiters of its entry's future, so it runs in the
// pass after that one is done. It holds the task behind the future, if there is
// one; the task that it had made out of a coroutine object is the list's own:
// whoever made it cancels and joins it.
#pragma once

#include "task/future.h"
#include "task/park.h"

struct asyncio__member {
    struct asyncio__step step; // in future->waiters_, queued when it is done
    void *owner;               // what the list is for
    struct asyncio_future *future; // a task's is counted; NULL: let go
    bool own;                      // made here: ours to cancel and join
    bool again;                    // an earlier member has the same future
};

static inline struct asyncio__member *
asyncio__member_of(struct asyncio__step *step)
{
    return list_entry(step, struct asyncio__member, step);
}

// Looks at all entries before anything is made of one. Hands the loop out: the
// running one, else that of the first entry that has one, else the thread's.
//
// Returns 0; -EINVAL for a list or entry that is none; -EPERM without a loop,
// -EXDEV for an entry of another; -EBUSY or -EALREADY for a coroutine object
// that is awaited or was used.
int asyncio__entries_check(enum asyncio_kind kind, const void *list,
                           size_t count, struct asyncio_loop **loop);

// In debug mode, reports the coroutine objects of a list that `call` refused.
void asyncio__entries_refused(enum asyncio_kind kind, const void *list,
                              size_t count, const char *call, int code);

// True if the task itself is an entry.
bool asyncio__entries_contain(enum asyncio_kind kind, const void *list,
                              size_t count, const struct asyncio_task *task);

// Makes the member for entry `i`; its step will run `run`. A coroutine object
// becomes a task. Returns 0, or why that could not be made: then it holds
// nothing.
int asyncio__member_make(struct asyncio__member *member,
                         void (*run)(struct asyncio__step *step), void *owner,
                         enum asyncio_kind kind, const void *list, size_t i,
                         const char *site);

// The members for a list that was checked, in an array for asyncio__free. Those
// for one future are marked as `again`, but for the first; so one coroutine
// object is one task. Coroutine objects are used up by it.
//
// Returns 0, or -ENOMEM, -ESHUTDOWN: then no task has run and none will, and
// the objects are as they were.
int asyncio__members_make(struct asyncio__member **members,
                          void (*run)(struct asyncio__step *step), void *owner,
                          enum asyncio_kind kind, const void *list,
                          size_t count, const char *site);

// Lets an own task begin, once, and puts the member's step where it will run
// when its future is done, unless it is done already: an eager task may be. A
// future of no loop joins this one.
void asyncio__member_watch(struct asyncio__member *member,
                           struct asyncio_loop *loop);

// The member and its future have no more to do with each other.
void asyncio__member_part(struct asyncio__member *member);

// The next member, from index *i on, that has a future; or NULL.
struct asyncio__member *asyncio__next_member(struct asyncio__member *members,
                                             size_t count, size_t *i);

// Calls visit for the future of each member that has one, once.
void asyncio__members_visit(struct asyncio__member *members, size_t count,
                            asyncio__awaited_fn *visit, void *arg);

// Waits in `list` until own tasks have ended. A cancel that comes meanwhile
// stays for the next wait. Outside a task it does not wait.
void asyncio__members_join(struct asyncio__member *members, size_t count,
                           struct asyncio_link *list);

// Parks the running task until asyncio__wake_timed, or until `when_ns`, which
// may be ASYNCIO__NEVER. `kind` has asyncio__cancel_timed as its cancel.
//
// Returns what wake was given, 0 for the time, or -ECANCELED; -EPERM outside a
// task.
int asyncio__park_until(const struct asyncio__wait_kind *kind, void *object,
                        int64_t when_ns);

// Wakes a task that is parked there; one that was woken before is left as it
// is.
void asyncio__wake_timed(struct asyncio_task *task, int result);

bool asyncio__cancel_timed(struct asyncio_task *task,
                           const struct asyncio_cancel_options *options);
