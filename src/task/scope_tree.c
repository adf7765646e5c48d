// The tree of cancel scopes: who is in which, and whom a cancellation reaches.
//
// A change is taken down the tree in two rounds. The first one works out which
// scopes are in force and marks their tasks, and goes no deeper where nothing
// changes; the second ends the waits of tasks that are parked. So whoever is
// asked during the second one (a gather, say, whether its tasks are told
// already) finds every mark in place. Nobody runs meanwhile. Nothing recurses:
// users decide how deep scopes nest.

#include "task/scope.h"

#include "task/park.h"
#include "task/run.h"

static struct asyncio_cancel_scope *scope_of(struct asyncio_link *sibling)
{
    return list_entry(sibling, struct asyncio_cancel_scope, sibling_);
}

static struct asyncio_task *task_of(struct asyncio_link *scoped)
{
    return list_entry(scoped, struct asyncio_task, scoped);
}

static struct asyncio_task_group *group_of(struct asyncio_link *scoped)
{
    return list_entry(scoped, struct asyncio_task_group, scoped_);
}

bool asyncio__scope_in_force(const struct asyncio_cancel_scope *scope)
{
    return scope && asyncio__scope_has(scope, ASYNCIO__SCOPE_IN_FORCE);
}

// --- a change ---------------------------------------------------------------

static bool should_be_in_force(const struct asyncio_cancel_scope *scope)
{
    if (asyncio__scope_has(scope, ASYNCIO__SCOPE_CANCELLED)) return true;
    return !asyncio__scope_has(scope, ASYNCIO__SCOPE_SHIELD) &&
           asyncio__scope_in_force(scope->parent_);
}

// Brings the mark up to date. True if it was not.
static bool mark(struct asyncio_cancel_scope *scope)
{
    bool in_force = should_be_in_force(scope);
    if (in_force == asyncio__scope_in_force(scope)) return false;
    scope->flags_ ^= ASYNCIO__SCOPE_IN_FORCE;
    list_for_each (link, &scope->tasks_)
        task_of(link)->scope_cancelled = in_force;
    return true;
}

// The next one in the tree below `root`, each before those inside it; `inside`
// says whether to go deeper here. NULL at the end.
static struct asyncio_cancel_scope *next_of(struct asyncio_cancel_scope *root,
                                            struct asyncio_cancel_scope *scope,
                                            bool inside)
{
    if (inside && !list_empty(&scope->scopes_))
        return scope_of(list_first(&scope->scopes_));
    while (scope != root) {
        struct asyncio_link *next = scope->sibling_.next;
        if (next != &scope->parent_->scopes_) return scope_of(next);
        scope = scope->parent_;
    }
    return NULL;
}

static void end_waits(const struct asyncio_cancel_scope *scope)
{
    list_for_each (link, &scope->tasks_)
        if (asyncio__parked(task_of(link)))
            asyncio__scope_end_wait(task_of(link));
}

void asyncio__scope_changed(struct asyncio_cancel_scope *root)
{
    struct asyncio_cancel_scope *first = NULL, **end = &first;
    struct asyncio_cancel_scope *scope = root;
    while (scope) {
        bool changed = mark(scope);
        if (changed && asyncio__scope_in_force(scope)) {
            scope->changed_ = NULL;
            *end = scope;
            end = &scope->changed_;
        }
        scope = next_of(root, scope, changed);
    }
    for (scope = first; scope; scope = scope->changed_)
        end_waits(scope);
}

// --- ending a wait ----------------------------------------------------------

// The words of whoever cancelled, or NULL: of the innermost cancelled scope.
static struct asyncio__failure *words_of(const struct asyncio_task *task)
{
    const struct asyncio_cancel_scope *scope = task->scope;
    while (scope && !asyncio__scope_has(scope, ASYNCIO__SCOPE_CANCELLED))
        scope = scope->parent_;
    return scope ? scope->words_ : NULL;
}

void asyncio__scope_see_words(const struct asyncio_task *task)
{
    asyncio__failure_see(words_of(task));
}

void asyncio__scope_end_wait(struct asyncio_task *task)
{
    struct asyncio__failure *words = words_of(task);
    struct asyncio_cancel_options options = {
        .site = words ? words->error.site : NULL,
        .reason = words ? words->error.text : NULL,
        .scope_ = task->scope};
    task->in_cancel = true; // a circle of waits is not to come back here
    asyncio__cancel_wait(task, &options);
    task->in_cancel = false;
}

// --- tasks ------------------------------------------------------------------

static void put_task(struct asyncio_task *task,
                     struct asyncio_cancel_scope *scope)
{
    if (list_linked(&task->scoped)) list_remove(&task->scoped);
    task->scope = scope;
    task->scope_cancelled = asyncio__scope_in_force(scope);
    if (!scope) return;
    asyncio__task_set_more(task);
    list_add_tail(&scope->tasks_, &task->scoped);
}

void asyncio__scope_adopt(struct asyncio_cancel_scope *scope,
                          struct asyncio_task *task)
{
    if (scope && !asyncio__task_failed_spawn(task)) put_task(task, scope);
}

void asyncio__scope_adopt_here(struct asyncio_task *task)
{
    struct asyncio_task *maker = asyncio__task();
    if (maker) asyncio__scope_adopt(maker->scope, task);
}

bool asyncio__scope_tells(const struct asyncio_task *task)
{
    const struct asyncio_cancel_scope *scope = task->scope;
    while (scope && scope->task_ == task)
        scope = scope->parent_;
    return asyncio__scope_in_force(scope);
}

void asyncio__scope_task_ends(struct asyncio_task *task)
{
    bool forgotten = task->scope->task_ == task;
    while (task->scope && task->scope->task_ == task) {
        struct asyncio_cancel_scope *scope = task->scope;
        asyncio__scope_pop(scope);
        asyncio__scope_drop(scope);
    }
    put_task(task, NULL);
    if (forgotten)
        asyncio__report(task->future.loop_, -EINVAL, asyncio_task_name(task),
                        task->future.site_,
                        "a task ended inside a cancel scope: leave it with "
                        "asyncio_cancel_scope_exit");
}

// --- groups -----------------------------------------------------------------

static void put_group(struct asyncio_task_group *group,
                      struct asyncio_cancel_scope *scope)
{
    if (list_linked(&group->scoped_)) list_remove(&group->scoped_);
    group->scope_ = scope;
    if (scope) list_add_tail(&scope->groups_, &group->scoped_);
}

void asyncio__scope_add_group(struct asyncio_task_group *group)
{
    put_group(group, asyncio__task()->scope);
}

void asyncio__scope_remove_group(struct asyncio_task_group *group)
{
    put_group(group, NULL);
}

// --- in and out -------------------------------------------------------------

static void put_scope(struct asyncio_cancel_scope *scope,
                      struct asyncio_cancel_scope *parent)
{
    if (list_linked(&scope->sibling_)) list_remove(&scope->sibling_);
    scope->parent_ = parent;
    if (parent) list_add_tail(&parent->scopes_, &scope->sibling_);
}

void asyncio__scope_push(struct asyncio_cancel_scope *scope,
                         struct asyncio_task *task)
{
    scope->task_ = task;
    put_scope(scope, task->scope);
    put_task(task, scope);
    asyncio__scope_changed(scope);
}

// A task other than the one that leaves the scope may wait, and be in force now
// where a shield was around it.
static void move_tasks(struct asyncio_cancel_scope *scope)
{
    struct asyncio_link *link;
    while ((link = list_first(&scope->tasks_))) {
        struct asyncio_task *task = task_of(link);
        bool before = task->scope_cancelled;
        put_task(task, scope->parent_);
        if (task->scope_cancelled && !before && asyncio__parked(task))
            asyncio__scope_end_wait(task);
    }
}

void asyncio__scope_pop(struct asyncio_cancel_scope *scope)
{
    struct asyncio_cancel_scope *parent = scope->parent_;
    struct asyncio_link *link;
    while ((link = list_first(&scope->groups_)))
        put_group(group_of(link), parent);
    while ((link = list_first(&scope->scopes_))) {
        put_scope(scope_of(link), parent);
        asyncio__scope_changed(scope_of(link));
    }
    move_tasks(scope);
    put_scope(scope, NULL);
}

// --- a loop that closes -----------------------------------------------------

// The tasks that hang here go with it; a group may outlive them.
static void drop(struct asyncio_cancel_scope *scope)
{
    struct asyncio_link *link;
    while ((link = list_pop(&scope->groups_)))
        group_of(link)->scope_ = NULL;
    while ((link = list_pop(&scope->scopes_)))
        scope_of(link)->parent_ = NULL;
    while ((link = list_pop(&scope->tasks_)))
        task_of(link)->scope = NULL;
    asyncio__scope_drop(scope);
}

void asyncio__scopes_drop(struct asyncio_loop *loop)
{
    struct asyncio__task_walk walk = {.loop = loop};
    struct asyncio_task *task;
    while ((task = asyncio__task_walk(&walk))) {
        struct asyncio_cancel_scope *scope = task->scope, *next;
        for (; scope && scope->task_ == task; scope = next) {
            next = scope->parent_;
            drop(scope);
        }
    }
}
