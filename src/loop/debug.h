// Debug mode, as the lower floors see it: a flag, a check, and those who look
// on: the one of debug mode, and the one that writes a trace.
//
// While a debugger looks on, each step of each pass is run by it, and no task
// switches to the next one directly: so all that there is to say of a step is
// said there, and the switch itself knows nothing of debug mode. A loop without
// a debugger pays one branch for a pass, a callback or a task that is made.
#pragma once

#include "loop/loop.h"

// Who looks on. It stands in the loop from the first run on. Of two, the one
// that came last runs the step by having the other run it. What it has no
// function for, it is not told; but it runs steps.
struct asyncio__debugger {
    struct asyncio__debugger *next; // who came before, or NULL
    // Runs a step (asyncio__debug_step), which may end the debugger.
    void (*run_step)(struct asyncio__debugger *debugger,
                     struct asyncio__step *step);
    // The step under way calls a function of the user's, as its callback.
    void (*calls)(struct asyncio__debugger *debugger, const void *fn,
                  const char *site);
    // A task was made; `arg` is what its maker gave it, NULL for a copy.
    void (*made)(struct asyncio__debugger *debugger, struct asyncio_task *task,
                 const void *arg);
    // A task has ended, and may yet stand on its stack.
    void (*ended)(struct asyncio__debugger *debugger,
                  struct asyncio_task *task);
    // The task that runs is about to stand still; it runs yet.
    void (*suspends)(struct asyncio__debugger *debugger,
                     struct asyncio_task *task);
    // A task was given a stack, on which nothing stands yet.
    void (*begins)(struct asyncio__debugger *debugger,
                   struct asyncio_task *task);
    // A task gets another name, which is not yet there.
    void (*renames)(struct asyncio__debugger *debugger,
                    struct asyncio_task *task, const char *name);

    // Of a loop that is watched by a trace. The running task is parked, or
    // ready, and about to let others run.
    void (*waits)(struct asyncio__debugger *debugger,
                  struct asyncio_task *task);
    // A parked task was woken: its wait says why it was parked.
    void (*woken)(struct asyncio__debugger *debugger,
                  struct asyncio_task *task);
    // An arrow begins here, in what runs now: its number, or 0 if nothing does.
    uint32_t (*arrow)(struct asyncio__debugger *debugger);
};

// Has a debugger look on, and not any more; the latter whether or not it does.
void asyncio__look_on(struct asyncio_loop *loop,
                      struct asyncio__debugger *debugger);
void asyncio__look_away(struct asyncio_loop *loop,
                        struct asyncio__debugger *debugger);

// What those who look on are told: to be called if there are any.
void asyncio__debug_made(struct asyncio_loop *loop, struct asyncio_task *task,
                         const void *arg);
void asyncio__debug_ended(struct asyncio_loop *loop, struct asyncio_task *task);
void asyncio__debug_suspends(struct asyncio_loop *loop,
                             struct asyncio_task *task);
void asyncio__debug_begins(struct asyncio_loop *loop,
                           struct asyncio_task *task);
void asyncio__debug_renames(struct asyncio_loop *loop,
                            struct asyncio_task *task, const char *name);
void asyncio__debug_waits(struct asyncio_loop *loop, struct asyncio_task *task);
void asyncio__debug_woken(struct asyncio_loop *loop, struct asyncio_task *task);
uint32_t asyncio__debug_arrow(struct asyncio_loop *loop);

// Runs a step under the eyes of `debugger` and those who came before it, if
// there is any.
void asyncio__debug_step(struct asyncio__debugger *debugger,
                         struct asyncio__step *step);

static inline bool asyncio__debug(const struct asyncio_loop *loop)
{
    return atomic_load_explicit(&loop->debug, memory_order_relaxed);
}

// The mode of this thread's loop; without a loop, what the environment wants.
bool asyncio__debug_here(void);

void asyncio__debug_called(struct asyncio_loop *loop, const void *fn,
                           const char *site);

// Says which callback the step under way is about.
static inline void asyncio__debug_calls(struct asyncio_loop *loop,
                                        const void *fn, const char *site)
{
    if (loop->debugger) asyncio__debug_called(loop, fn, site);
}

// The address of a function, to be shown.
#define asyncio__address_of(fn) ((const void *)(uintptr_t)(fn))

// How many loops run now, in the process, in debug mode.
extern _Atomic(unsigned) asyncio__debug_loops;

static inline bool asyncio__debug_somewhere(void)
{
    return atomic_load_explicit(&asyncio__debug_loops, memory_order_relaxed);
}

// True, and a report was made, if the loop runs in debug mode on another thread
// than this one. The caller returns -EPERM and has touched nothing. `loop` may
// be NULL, or gone: it is only looked for. `call` names the function, or NULL.
bool asyncio__called_elsewhere(const struct asyncio_loop *loop,
                               const char *call);

static inline bool asyncio__wrong_thread(const struct asyncio_loop *loop,
                                         const char *call)
{
    return asyncio__debug_somewhere() && loop != asyncio__running_loop &&
           asyncio__called_elsewhere(loop, call);
}

// The loop begins or ends to be one that runs in debug mode: to be called
// whenever it starts, stops, or its mode changes.
void asyncio__debug_note(struct asyncio_loop *loop);

// In a forked process: none of the parent's loops runs here.
void asyncio__debug_forget_loops(void);

// Whether debug mode is wanted: a flag (enum asyncio_debug) wins over the
// environment, and that over the default, which is off.
bool asyncio__debug_wanted(int flag);

// What a loop's options say of debug mode: 0 or -EINVAL; and to a new loop.
int asyncio__debug_check(const struct asyncio_loop_options *options);
void asyncio__debug_settings(struct asyncio_loop *loop,
                             const struct asyncio_loop_options *options);

// Runs a pass, step by step, under the eyes of the loop's debugger.
void asyncio__debug_pass(struct asyncio_loop *loop);

// Frees a step of ours that will not run. False if it is none.
bool asyncio__debug_drop(struct asyncio__step *step);
