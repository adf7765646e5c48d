// Task groups: tasks that end before the block in which they were made.
//
//     ASYNCIO_WITH_TASK_GROUP(group);
//     for (size_t i = 0; i < count; i++)
//         asyncio_task_group_create_task(&group, download, &images[i]);
//     return asyncio_task_group_exit(&group, 0);
//
// Exit waits for every child. The first that fails cancels the others and the
// body; all failures are kept, and exit returns the first one's code. So a
// child may be handed pointers into the frame of the block: it cannot outlive
// it. A cancelled child is no failure. Declare a group after what its children
// use. They are in the cancel scopes (asyncio/scope.h) in which the group was
// entered.
//
// Call all of it on the loop's thread; enter and exit in the same task.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// Lives in the frame of the task that opens it. All zero is not entered.
struct asyncio_task_group {
    struct asyncio_link children_ ASYNCIO__UNSET; // asyncio_task.member
    struct asyncio_link kept_ ASYNCIO__UNSET;     // ended, handle asked for
    struct asyncio_task *parent_ ASYNCIO__UNSET;
    struct asyncio__failure *failure_ ASYNCIO__UNSET; // with its children
    struct asyncio_link waiter_ ASYNCIO__UNSET;       // the parent, in exit
    const char *site_ ASYNCIO__UNSET;
    int state_ ASYNCIO__UNSET;
    int error_ ASYNCIO__UNSET;
    int flags_ ASYNCIO__UNSET;
    int cancelling_ ASYNCIO__UNSET; // the parent's count when it was entered
    size_t live_ ASYNCIO__UNSET;
    struct asyncio_cancel_scope *scope_ ASYNCIO__UNSET; // it was opened in
    struct asyncio_link scoped_ ASYNCIO__UNSET; // asyncio_cancel_scope.groups_
    void *reserved_[2] ASYNCIO__UNSET;
};

// Declares a group that is open from here to the end of the block. On any other
// way out than _exit (return, break, goto) the children are cancelled and
// joined before the block is left, and that is reported.
#define ASYNCIO_WITH_TASK_GROUP(group)                                         \
    struct asyncio_task_group group                                            \
        __attribute__((cleanup(asyncio_task_group_close))) = ASYNCIO__ZERO;    \
    const int group##_entered __attribute__((unused)) =                        \
        asyncio_task_group_enter_at(&group, ASYNCIO_SITE)

// Opens the group. If that failed, spawns into it fail too and exit returns the
// reason: none of these needs a check of its own.
//
// returns   0; -EPERM outside a task; -EBUSY if it is open, -EALREADY if it was
//           left
// suspends  never
// like      TaskGroup.__aenter__
#define asyncio_task_group_enter(group)                                        \
    asyncio_task_group_enter_at(group, ASYNCIO_SITE)
ASYNCIO_API int asyncio_task_group_enter_at(struct asyncio_task_group *group,
                                            const char *site);

// Makes a child. It is forgotten when it has ended, unless you ask for its
// handle with `.task = &t`: that one is kept until the group is closed, as the
// block ends. A spawn that fails is a failure of the group.
//
// returns   0; -EINVAL if the group was never entered, or for no function;
//           -ESHUTDOWN if it has ended or is being wound up; -EXDEV for another
//           loop than the group's; -ENOMEM
// suspends  never
// like      TaskGroup.create_task
ASYNCIO_API int(asyncio_task_group_create_task)(
    struct asyncio_task_group *group, int (*fn)(void *arg), void *arg,
    const struct asyncio_task_options *options);
#define asyncio_task_group_create_task(...)                                    \
    ASYNCIO__GROUP_CREATE_TASK(__VA_ARGS__, )
#define ASYNCIO__GROUP_CREATE_TASK(group, fn, arg, ...)                        \
    (asyncio_task_group_create_task)(                                          \
        group, fn, arg, ASYNCIO__OPTIONS(asyncio_task_options, __VA_ARGS__))

// Makes a child and waits until it says that it is ready, with
// asyncio_task_group_started. It goes on as a member of the group.
//
// returns   the value it reported; its code if it failed before, or could not
//           be made, which is then no failure of the group; -EPROTO if it ended
//           without reporting; -ECANCELED if the caller was cancelled: then the
//           child was too, and has ended unless it reported all the same; its
//           code if that clean-up failed
// like      trio's Nursery.start, anyio's TaskGroup.start
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_task_group_start)(
    struct asyncio_task_group *group, int (*fn)(void *arg), void *arg,
    const struct asyncio_task_options *options);
#define asyncio_task_group_start(...) ASYNCIO__GROUP_START(__VA_ARGS__, )
#define ASYNCIO__GROUP_START(group, fn, arg, ...)                              \
    (asyncio_task_group_start)(                                                \
        group, fn, arg, ASYNCIO__OPTIONS(asyncio_task_options, __VA_ARGS__))

// Called by a child: it is ready, with a value of 0 or more.
//
// returns   0; -EALREADY the second time; -EPERM outside a child that was begun
//           with start; -EINVAL for a negative value
// suspends  never
ASYNCIO_API int asyncio_task_group_started(int value);

// Ends the group early: children and body are cancelled, and exit returns 0 if
// nothing else went wrong. Nothing happens if it was called before or the group
// has ended; before the group is entered, it ends it as soon as that happens.
//
// suspends  never
// like      TaskGroup.cancel
ASYNCIO_API void asyncio_task_group_cancel(struct asyncio_task_group *group);

// Leaves the group with the code that the body ended with: waits for every
// child, cancelling them first if that code is negative.
//
// returns   the first failure's code: of a child, a spawn or the body;
//           else -ECANCELED if the parent was cancelled, or is in a cancelled
//           scope; else 0.
//           -EINVAL if the group is not open in this task
// suspends  while children run
// like      TaskGroup.__aexit__
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_task_group_exit(struct asyncio_task_group *group, int body);

// Every failure, in order, nested as the groups were; NULL if there was none.
// Valid until the group is closed.
// like      ExceptionGroup.exceptions
ASYNCIO_API const struct asyncio_error *
asyncio_task_group_errors(const struct asyncio_task_group *group);

// Joins whatever is left and lets go of handles and words: what the end of the
// block calls. Accepts a zeroed struct and a second call.
//
// suspends  while children run
ASYNCIO_API void asyncio_task_group_close(struct asyncio_task_group *group);

ASYNCIO__END
