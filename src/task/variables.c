// Context variables: sorted arrays, counted, and copied when they are written
// while somebody else has them too.
//
// Nothing set is no array at all. A task keeps its own in its control block, or
// shares that of a context; `locals` says where, and is NULL in a task for
// which nothing was ever set. Outside tasks it is the thread that names a
// place, while a call runs in a context. Counts are atomic, because a context
// may be read, and written, by a job in another thread:
//
//     more.locals ----> more.own_locals ----> {user = "ann", trace = 0x55...}
//     more.locals ----> context.variables_ ----^   (shared: two references)

#include "task/variables.h"

#include <string.h>

#include "loop/carry.h"
#include "platform/sys.h"
#include "task/compact.h"
#include "task/task.h"

struct variable {
    const struct asyncio_context_var *var;
    void *value;
};

struct asyncio__variables {
    _Atomic(size_t) references;
    size_t count;
    struct variable entries[]; // in order of the addresses
};

_Atomic(bool) asyncio__variables_in_use;

// Where the variables are of a call that runs outside tasks, or NULL; and those
// of a callback, which has them to look at.
static _Thread_local struct asyncio__variables **thread_locals;
static _Thread_local struct asyncio__variables *thread_carried;

// --- sets -------------------------------------------------------------------

static struct asyncio__variables *ref(struct asyncio__variables *set)
{
    if (set)
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

static void unref(struct asyncio__variables *set)
{
    if (set && atomic_fetch_sub_explicit(&set->references, 1,
                                         memory_order_acq_rel) == 1)
        asyncio__free(set);
}

static bool is_shared(struct asyncio__variables *set)
{
    return atomic_load_explicit(&set->references, memory_order_acquire) > 1;
}

// The first entry whose variable is not below `var`.
static size_t find(const struct asyncio__variables *set,
                   const struct asyncio_context_var *var)
{
    size_t low = 0, high = set ? set->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((uintptr_t)set->entries[middle].var < (uintptr_t)var)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has(const struct asyncio__variables *set, size_t i,
                const struct asyncio_context_var *var)
{
    return set && i < set->count && set->entries[i].var == var;
}

static void *value_in(const struct asyncio__variables *set,
                      const struct asyncio_context_var *var)
{
    size_t i = find(set, var);
    return has(set, i, var) ? set->entries[i].value : var->default_value;
}

static struct asyncio__variables *new_set(size_t count)
{
    struct asyncio__variables *set =
        asyncio__alloc(sizeof *set + count * sizeof *set->entries);
    if (!set) return NULL;
    atomic_init(&set->references, 1);
    set->count = count;
    return set;
}

// Copies entries; memcpy would not take the NULL of an empty set.
static void copy(struct variable *to, const struct asyncio__variables *set,
                 size_t from, size_t end)
{
    while (from < end)
        *to++ = set->entries[from++];
}

// Replaces the set at a place by one with `var` as entry `i`, new or not.
static int put(struct asyncio__variables **place, size_t i,
               const struct asyncio_context_var *var, void *value)
{
    struct asyncio__variables *old = *place;
    bool replace = has(old, i, var);
    if (replace && !is_shared(old)) {
        old->entries[i].value = value;
        return 0;
    }
    size_t count = old ? old->count : 0;
    struct asyncio__variables *set = new_set(count + !replace);
    if (!set) return -ENOMEM;
    copy(set->entries, old, 0, i);
    set->entries[i] = (struct variable){var, value};
    copy(set->entries + i + 1, old, i + replace, count);
    *place = set;
    unref(old);
    return 0;
}

// Replaces the set at a place by one without its entry `i`.
static int take_out(struct asyncio__variables **place, size_t i)
{
    struct asyncio__variables *old = *place, *set = NULL;
    if (old->count > 1) {
        set = new_set(old->count - 1);
        if (!set) return -ENOMEM;
        copy(set->entries, old, 0, i);
        copy(set->entries + i, old, i + 1, old->count);
    }
    *place = set;
    unref(old);
    return 0;
}

// --- where they are ---------------------------------------------------------

// The place of the current variables; NULL if there are none.
static struct asyncio__variables **current(void)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return thread_locals;
    return task->more ? task->more->locals : NULL;
}

// The same for whoever is about to set one: 0, -EPERM or -ENOMEM.
static int current_to_set(struct asyncio__variables ***place)
{
    struct asyncio_task *task = asyncio__task();
    *place = thread_locals;
    if (!task) return *place && *place != &thread_carried ? 0 : -EPERM;
    struct asyncio__more *more = asyncio__task_more(task);
    if (!more) return -ENOMEM;
    if (!more->locals) more->locals = &more->own_locals;
    *place = more->locals;
    return 0;
}

// A place that is not the task's own is the first word of a context.
static struct asyncio_context *context_of(struct asyncio__variables **place)
{
    return list_entry(place, struct asyncio_context, variables_);
}

bool asyncio__has_variables(void)
{
    struct asyncio__variables **place = current();
    return place && *place;
}

void asyncio__task_begin_variables(struct asyncio_task *task,
                                   struct asyncio_context *context)
{
    struct asyncio__more *more = task->more;
    if (context) {
        context->users_++;
        more->locals = &context->variables_;
    } else {
        more->own_locals = ref(*current());
        more->locals = &more->own_locals;
    }
}

void asyncio__task_end_variables(struct asyncio_task *task)
{
    struct asyncio__more *more = task->more;
    if (more->locals != &more->own_locals) context_of(more->locals)->users_--;
    unref(more->own_locals);
    more->own_locals = NULL;
    more->locals = NULL;
}

// --- callbacks --------------------------------------------------------------

static struct asyncio__variables *take(void)
{
    struct asyncio__variables **place = current();
    return place ? ref(*place) : NULL;
}

// What runs so may look at them, and sets none.
static int call(struct asyncio__variables *variables, int (*fn)(void *arg),
                void *arg)
{
    struct asyncio__variables **before = thread_locals, *outer = thread_carried;
    thread_carried = variables;
    thread_locals = &thread_carried;
    int code = fn(arg);
    thread_locals = before;
    thread_carried = outer;
    unref(variables);
    return code;
}

static const struct asyncio__carrier carrier = {
    .take = take,
    .hold = ref,
    .drop = unref,
    .call = call,
};

// --- variables --------------------------------------------------------------

void *asyncio_context_var_get(const struct asyncio_context_var *var)
{
    if (!var) return NULL;
    struct asyncio__variables **place = current();
    return value_in(place ? *place : NULL, var);
}

int(asyncio_context_var_set)(const struct asyncio_context_var *var, void *value,
                             const struct asyncio_context_set_options *options)
{
    if (!var) return -EINVAL;
    struct asyncio__variables **place;
    int err = current_to_set(&place);
    if (err < 0) return err;
    size_t i = find(*place, var);
    struct asyncio_context_token token = {
        .var_ = var,
        .where_ = place,
        .was_set_ = has(*place, i, var),
    };
    if (token.was_set_) token.value_ = (*place)->entries[i].value;
    err = put(place, i, var, value);
    if (err < 0) return err;
    atomic_store_explicit(&asyncio__variables_in_use, true,
                          memory_order_relaxed);
    atomic_store_explicit(&asyncio__carrier, &carrier, memory_order_release);
    if (options && options->token) *options->token = token;
    return 0;
}

int asyncio_context_var_reset(struct asyncio_context_token *token)
{
    if (!token) return -EINVAL;
    struct asyncio__variables **place = current();
    if (!token->var_ || token->where_ != place) return -EINVAL;
    if (token->used_) return -EALREADY;
    size_t i = find(*place, token->var_);
    int err = 0;
    if (token->was_set_)
        err = put(place, i, token->var_, token->value_);
    else if (has(*place, i, token->var_))
        err = take_out(place, i);
    token->used_ = err == 0;
    return err;
}

// --- contexts ---------------------------------------------------------------

void asyncio_copy_context(struct asyncio_context *context)
{
    struct asyncio__variables **place = current();
    *context = (struct asyncio_context){
        .variables_ = ref(place ? *place : NULL),
    };
}

void *asyncio_context_get(const struct asyncio_context *context,
                          const struct asyncio_context_var *var)
{
    return value_in(context->variables_, var);
}

// NULL: there is no memory for the task's.
static struct asyncio__variables ***place_of_current(void)
{
    struct asyncio_task *task = asyncio__task();
    struct asyncio__more *more = task ? asyncio__task_more(task) : NULL;
    if (task) return more ? &more->locals : NULL;
    return &thread_locals;
}

int asyncio__variables_enter(struct asyncio_context *context,
                             struct asyncio__variables ***before)
{
    struct asyncio__variables ***where = place_of_current();
    if (!where) return -ENOMEM;
    *before = *where;
    context->users_++;
    *where = &context->variables_;
    return 0;
}

void asyncio__variables_leave(struct asyncio_context *context,
                              struct asyncio__variables **before)
{
    *place_of_current() = before;
    context->users_--;
}

int asyncio_context_run(struct asyncio_context *context, int (*fn)(void *arg),
                        void *arg)
{
    if (!fn) return -EINVAL;
    if (asyncio__reaches_compact(context))
        return asyncio__compact_refuse(asyncio__task());
    struct asyncio__variables **before;
    int err = asyncio__variables_enter(context, &before);
    if (err < 0) return err;
    int result = fn(arg);
    asyncio__variables_leave(context, before);
    return result;
}

int asyncio_context_close(struct asyncio_context *context)
{
    if (!context) return 0;
    if (context->users_ > 0) return -EBUSY;
    unref(context->variables_);
    context->variables_ = NULL;
    return 0;
}
