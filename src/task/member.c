// Lists of awaitables: read, checked, and made into members.
//
// All entries are looked at before anything is made of one, and no switch
// happens until each has its member. So a mark on a future, or a name in a
// coroutine object, says that an earlier entry of the same list had it; the
// marks are gone before anybody else runs.

#include "task/member.h"

#include "platform/sys.h"
#include "task/run.h"
#include "task/scope.h"

// --- entries ----------------------------------------------------------------

static struct asyncio_any entry(enum asyncio_kind kind, const void *list,
                                size_t i)
{
    struct asyncio_any any = {kind, NULL};
    switch (kind) {
    case ASYNCIO_TASKS:
        any.object = ((struct asyncio_task *const *)list)[i];
        break;
    case ASYNCIO_FUTURES:
        any.object = ((struct asyncio_future *const *)list)[i];
        break;
    case ASYNCIO_COROUTINES:
        any.object = (struct asyncio_coroutine *)(uintptr_t)list + i;
        break;
    case ASYNCIO_ANYS: any = ((const struct asyncio_any *)list)[i]; break;
    }
    return any;
}

// The coroutine object that an entry is, or NULL.
static struct asyncio_coroutine *coroutine_of(struct asyncio_any any)
{
    return any.kind == ASYNCIO_COROUTINES ? any.object : NULL;
}

// The future that an entry has before anything is made of it, or NULL.
static struct asyncio_future *future_of(struct asyncio_any any)
{
    if (any.kind == ASYNCIO_FUTURES || !any.object) return any.object;
    return any.kind == ASYNCIO_TASKS ? asyncio_task_future(any.object) : NULL;
}

static int check_coroutine(const struct asyncio_coroutine *coroutine)
{
    if (!asyncio__running_loop) return -EPERM;
    if (!coroutine->fn) return -EINVAL;
    switch (coroutine->state_) {
    case ASYNCIO__COROUTINE_UNUSED: return 0;
    case ASYNCIO__COROUTINE_RUNNING: return -EBUSY;
    default: return -EALREADY;
    }
}

// Says what is wrong with an entry. The first that belongs to a loop decides
// which one it is, if none is running.
static int check(struct asyncio_any any, struct asyncio_loop **loop)
{
    if (coroutine_of(any)) return check_coroutine(any.object);
    struct asyncio_future *future = future_of(any);
    if (!future) return -EINVAL;
    if (!*loop) *loop = future->loop_;
    return !future->loop_ || future->loop_ == *loop ? 0 : -EXDEV;
}

int asyncio__entries_check(enum asyncio_kind kind, const void *list,
                           size_t count, struct asyncio_loop **loop)
{
    if (!list && count > 0) return -EINVAL;
    *loop = asyncio__running_loop;
    for (size_t i = 0; i < count; i++) {
        int err = check(entry(kind, list, i), loop);
        if (err < 0) return err;
    }
    if (!*loop) *loop = asyncio_get_event_loop();
    return *loop ? 0 : -EPERM;
}

void asyncio__entries_refused(enum asyncio_kind kind, const void *list,
                              size_t count, const char *call, int code)
{
    for (size_t i = 0; list && i < count; i++)
        asyncio__coroutine_refused(coroutine_of(entry(kind, list, i)), call,
                                   code);
}

bool asyncio__entries_contain(enum asyncio_kind kind, const void *list,
                              size_t count, const struct asyncio_task *task)
{
    for (size_t i = 0; i < count; i++)
        if (future_of(entry(kind, list, i)) == &task->future) return true;
    return false;
}

// --- members ----------------------------------------------------------------

struct asyncio__member *asyncio__next_member(struct asyncio__member *members,
                                             size_t count, size_t *i)
{
    while (*i < count) {
        struct asyncio__member *member = &members[(*i)++];
        if (member->future) return member;
    }
    return NULL;
}

void asyncio__member_part(struct asyncio__member *member)
{
    struct asyncio_task *task = asyncio__future_task(member->future);
    if (list_linked(&member->step.link)) list_remove(&member->step.link);
    member->future = NULL;
    asyncio_task_release(task);
}

// The future of the task for a coroutine object, with the task's reference: of
// the one made for an earlier entry with the same object, or of a new one. The
// object names it until the whole list has been read. That of a spawn that
// failed says why.
static struct asyncio_future *own_future(struct asyncio_coroutine *coroutine,
                                         const char *site)
{
    struct asyncio_future *future = coroutine->reserved_;
    if (future)
        return &asyncio_task_retain(asyncio__future_task(future))->future;
    struct asyncio_task *task = asyncio__coroutine_task_new(
        coroutine, &(struct asyncio_task_options){.site = site});
    if (!asyncio__task_failed_spawn(task)) coroutine->reserved_ = &task->future;
    asyncio__scope_adopt_here(task);
    return &task->future;
}

// Makes it, leaving the task's name in the coroutine object.
static int make_member(struct asyncio__member *member, struct asyncio_any any,
                       const char *site)
{
    struct asyncio_coroutine *coroutine = coroutine_of(any);
    struct asyncio_future *future =
        coroutine ? own_future(coroutine, site) : future_of(any);
    struct asyncio_task *task = asyncio__future_task(future);
    if (coroutine && asyncio__task_failed_spawn(task)) return future->result_;
    if (task && !coroutine) asyncio_task_retain(task);
    member->own = coroutine;
    member->future = future;
    return 0;
}

int asyncio__member_make(struct asyncio__member *member,
                         void (*run)(struct asyncio__step *step), void *owner,
                         enum asyncio_kind kind, const void *list, size_t i,
                         const char *site)
{
    struct asyncio_any any = entry(kind, list, i);
    *member = (struct asyncio__member){.step = {.run = run}, .owner = owner};
    int err = make_member(member, any, site);
    if (coroutine_of(any)) coroutine_of(any)->reserved_ = NULL;
    return err;
}

static void mark_coroutines(enum asyncio_kind kind, const void *list,
                            size_t count, int state)
{
    for (size_t i = 0; i < count; i++) {
        struct asyncio_coroutine *coroutine =
            coroutine_of(entry(kind, list, i));
        if (!coroutine) continue;
        coroutine->reserved_ = NULL;
        coroutine->state_ = state;
    }
}

// Spawns that failed are objects of the whole process, which nobody may mark.
// There is one for each code, so the way back to the last one is short.
static bool failed_before(const struct asyncio__member *members, size_t i)
{
    struct asyncio_future *future = members[i].future;
    while (i-- > 0)
        if (members[i].future == future) return true;
    return false;
}

static bool is_failed_spawn(const struct asyncio_future *future)
{
    return future->flags_ & ASYNCIO__TASK_IMMORTAL;
}

// Whether an earlier member has this one's future; later ones will find that.
static bool is_again(struct asyncio__member *members, size_t i)
{
    struct asyncio_future *future = members[i].future;
    if (is_failed_spawn(future)) return failed_before(members, i);
    bool again = future->flags_ & ASYNCIO__FUTURE_LISTED;
    if (!again) future->flags_ |= ASYNCIO__FUTURE_LISTED;
    return again;
}

static void unmark_futures(struct asyncio__member *members, size_t count)
{
    struct asyncio__member *member;
    for (size_t i = 0; (member = asyncio__next_member(members, count, &i));)
        if (!member->again && !is_failed_spawn(member->future))
            member->future->flags_ &= ~ASYNCIO__FUTURE_LISTED;
}

static const struct asyncio_cancel_options not_begun = {
    .reason = "the list that it is of could not be made",
};

// Undoes a start that failed. None of the tasks has begun, and none will run.
static void unmake(struct asyncio__member *members, size_t count)
{
    struct asyncio__member *member;
    for (size_t i = 0; (member = asyncio__next_member(members, count, &i));) {
        if (member->own) {
            (asyncio_future_cancel)(member->future, &not_begun);
            asyncio__task_launch(asyncio__future_task(member->future));
        }
        asyncio__member_part(member);
    }
    asyncio__free(members);
}

int asyncio__members_make(struct asyncio__member **members,
                          void (*run)(struct asyncio__step *step), void *owner,
                          enum asyncio_kind kind, const void *list,
                          size_t count, const char *site)
{
    struct asyncio__member *made = asyncio__alloc_array(count, sizeof *made);
    if (!made) return -ENOMEM;
    int err = 0;
    for (size_t i = 0; i < count && err == 0; i++) {
        made[i].step.run = run;
        made[i].owner = owner;
        err = make_member(&made[i], entry(kind, list, i), site);
        if (err == 0) made[i].again = is_again(made, i);
    }
    unmark_futures(made, count);
    if (kind == ASYNCIO_COROUTINES || kind == ASYNCIO_ANYS)
        mark_coroutines(kind, list, count,
                        err < 0 ? ASYNCIO__COROUTINE_UNUSED
                                : ASYNCIO__COROUTINE_USED);
    if (err < 0) {
        unmake(made, count);
        return err;
    }
    *members = made;
    return 0;
}

void asyncio__member_watch(struct asyncio__member *member,
                           struct asyncio_loop *loop)
{
    struct asyncio_future *future = member->future;
    if (member->own) asyncio__task_launch(asyncio__future_task(future));
    if (asyncio_future_done(future)) return;
    if (!future->loop_) future->loop_ = loop;
    list_add_tail(&future->waiters_, &member->step.link);
}

// --- waiting for several ----------------------------------------------------

static bool leave_pending(struct asyncio_task *task,
                          const struct asyncio_cancel_options *options)
{
    (void)task;
    (void)options;
    return false;
}

void asyncio__members_visit(struct asyncio__member *members, size_t count,
                            asyncio__awaited_fn *visit, void *arg)
{
    struct asyncio__member *member;
    for (size_t i = 0; (member = asyncio__next_member(members, count, &i));)
        if (!member->again) visit(member->future, arg);
}

// Whose end is waited for, for those who ask: in the frame of who waits.
struct joined {
    struct asyncio__member *members;
    size_t count;
};

static void visit_joined(const struct asyncio_task *waiter,
                         asyncio__awaited_fn *visit, void *arg)
{
    const struct joined *joined = waiter->wait.object;
    if (!joined) return; // it is not in its place
    asyncio__members_visit(joined->members, joined->count, visit, arg);
}

static const struct asyncio__wait_kind joining = {
    .name = "the tasks of a list",
    .cancel = leave_pending,
    .each_awaited = visit_joined,
    .keeps_result = true,
    .movable = true,
};

void asyncio__members_join(struct asyncio__member *members, size_t count,
                           struct asyncio_link *list)
{
    struct joined joined = {members, count};
    struct asyncio_task *task = asyncio__task();
    bool stays = !task || !task->compact;
    asyncio_ignore(asyncio__park(&joining, stays ? &joined : NULL, list));
}

static void time_is_up(struct asyncio__timer *timer)
{
    asyncio__wake(list_entry(timer, struct asyncio_task, timer), 0);
}

int asyncio__park_until(const struct asyncio__wait_kind *kind, void *object,
                        int64_t when_ns)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    if (asyncio__cancel_pending(task)) {
        asyncio__take_cancel(task);
        return -ECANCELED;
    }
    task->timer = (struct asyncio__timer){.fire = time_is_up};
    if (when_ns != ASYNCIO__NEVER)
        asyncio__timer_arm(&task->future.loop_->timers, &task->timer, when_ns);
    return asyncio__park(kind, object, NULL);
}

void asyncio__wake_timed(struct asyncio_task *task, int result)
{
    if (!asyncio__parked(task)) return;
    asyncio__timer_disarm(&task->future.loop_->timers, &task->timer);
    asyncio__wake(task, result);
}

bool asyncio__cancel_timed(struct asyncio_task *task,
                           const struct asyncio_cancel_options *options)
{
    (void)options;
    asyncio__wake_timed(task, -ECANCELED);
    return true;
}
