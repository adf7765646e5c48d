// Context variables: values that follow a task, and not its calls' arguments.
//
//     static struct asyncio_context_var user = ASYNCIO_CONTEXT_VAR("user");
//
//     int err = asyncio_context_var_set(&user, name);
//     ...
//     log_line(asyncio_context_var_get(&user)); // anywhere below, any depth
//
// Each task has variables of its own. They begin as a copy of those that its
// maker had at the spawn, which shares all until somebody sets one: so neither
// sees what the other sets afterwards. Values are pointers that the library
// never follows and never frees; what they point to has to live as long as
// someone may ask.
//
// A context is such a set of variables to hold: to look into, to run a call in,
// or to spawn tasks in with `.context = &context`, which then share it and keep
// what they set. Outside tasks there are no variables to set, but for calls
// that run in a context.
//
// Callbacks of the loop, of futures, descriptors and signals, see what their
// maker had when it made them, and so do tasks that these make. Like asyncio's,
// but that they set none: hand them a context. What another thread hands in by
// asyncio_call_soon_threadsafe, and callbacks of protocols, see nothing.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

struct asyncio__variables;

// --- variables --------------------------------------------------------------

// Its address is what it is known by: give it static storage, or keep it where
// it is for as long as a task may have a value for it.
struct asyncio_context_var {
    const char *name;    // for people
    void *default_value; // what get returns where it was not set
    void *reserved_[2] ASYNCIO__UNSET;
};

// How one begins its life, wherever it is declared; the second form gives it a
// default.
// clang-format off
#define ASYNCIO_CONTEXT_VAR(name) {(name), NULL, {NULL, NULL}}
#define ASYNCIO_CONTEXT_VAR_DEFAULT(name, value) {(name), (value), {NULL, NULL}}
// clang-format on

// The value it has here, or else its default.
//
// suspends  never
// thread    any
// like      ContextVar.get
ASYNCIO_API void *
asyncio_context_var_get(const struct asyncio_context_var *var);

// What set has changed, for reset. All zero is of no use yet.
struct asyncio_context_token {
    const struct asyncio_context_var *var_ ASYNCIO__UNSET;
    struct asyncio__variables **where_ ASYNCIO__UNSET;
    void *value_ ASYNCIO__UNSET; // before, if it was set
    bool was_set_ ASYNCIO__UNSET;
    bool used_ ASYNCIO__UNSET;
    void *reserved_[2] ASYNCIO__UNSET;
};

struct asyncio_context_set_options {
    ASYNCIO__OPTIONS_HEAD
    struct asyncio_context_token *token
        ASYNCIO__UNSET; // else there is no way back
    void *reserved_[4] ASYNCIO__UNSET;
};

// Gives it a value for this task, and for those that it will spawn.
//
// returns   0; -EPERM outside a task, unless in asyncio_context_run; -ENOMEM:
//           then it is what it was
// suspends  never
// thread    any
// owns      the value stays yours
// like      ContextVar.set
ASYNCIO_API int(asyncio_context_var_set)(
    const struct asyncio_context_var *var, void *value,
    const struct asyncio_context_set_options *options);
#define asyncio_context_var_set(...) ASYNCIO__CONTEXT_VAR_SET(__VA_ARGS__, )
#define ASYNCIO__CONTEXT_VAR_SET(var, value, ...)                              \
    (asyncio_context_var_set)(                                                 \
        var, value,                                                            \
        ASYNCIO__OPTIONS(asyncio_context_set_options, __VA_ARGS__))

// Puts the value back that the variable had before the set, or none.
//
// returns   0; -EINVAL for a token that is none, or of another task's or
//           context's variables; -EALREADY for one that was used; -ENOMEM
// suspends  never
// like      ContextVar.reset
ASYNCIO_API int asyncio_context_var_reset(struct asyncio_context_token *token);

// --- contexts ---------------------------------------------------------------

// Lives in your memory. All zero is one in which nothing is set.
struct asyncio_context {
    struct asyncio__variables *variables_ ASYNCIO__UNSET;
    size_t users_ ASYNCIO__UNSET; // tasks and calls that are in it
    void *reserved_[2] ASYNCIO__UNSET;
};

// Makes it a copy of the variables that there are here. A context that has some
// is to be closed before. Values are shared, not copied, so this cannot fail.
//
// suspends  never
// thread    any
// owns      asyncio_context_close
// like      contextvars.copy_context
ASYNCIO_API void asyncio_copy_context(struct asyncio_context *context);

// The value that a variable has in it, or else its default.
// like      Context.get
ASYNCIO_API void *asyncio_context_get(const struct asyncio_context *context,
                                      const struct asyncio_context_var *var);

// Calls fn(arg), here and now, in it: what is set by that stays there.
//
// returns   what fn returned; -EINVAL for no function; -ENOMEM: fn was not
//           called
// suspends  if fn does; only what runs below fn is in the context meanwhile
// thread    any, one at a time
// like      Context.run
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_context_run(struct asyncio_context *context, int (*fn)(void *arg),
                    void *arg);

// Lets go of its variables; it may then be used anew. Accepts a zeroed struct
// and a second call.
//
// returns   0; -EBUSY while a task that was spawned in it has not ended, or a
//           call runs in it
// suspends  never
ASYNCIO_API int asyncio_context_close(struct asyncio_context *context);

ASYNCIO__END
