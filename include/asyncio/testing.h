// For tests of programs on this library: virtual time, seeded order, a ledger
// of what is in use, calls that fail and awaits that are cancelled on demand.
//
// Set it before the loop is made, in a process of the test's own:
//
//     static struct asyncio_testing_clock test_clock;
//     asyncio_testing_clock_use(&test_clock);
//     asyncio_run(test, NULL);          // an hour of sleeping takes a moment
//
// or leave that, the fault loops and the line that replays a failure to
// asyncio_testing_main, at the end. All of it holds for the whole process. Call
// it on one thread, while no loop runs, but for what says otherwise.
#pragma once

#include <asyncio/task.h>

ASYNCIO__BEGIN

// --- the clock --------------------------------------------------------------

// Time that a test decides about. It stands still while anything can run. When
// every task has waited for `autojump_threshold` real seconds, it jumps to the
// next timer; work in progress (files, threads, processes) holds it back from
// that, but for a job in a thread that waits, without a limit, for a coroutine
// of its loop. It can be told to jump, and with a rate it runs by itself. All
// zero is ready: a clock that has no rate and jumps at once.
//
// It begins at 1000 seconds, in every run. It has to outlive the loops that use
// it. Call its functions on the thread of those loops, also while they run; a
// clock that no loop uses may be read and set anywhere. Read the fields, never
// write them.
struct asyncio_testing_clock {
    double rate ASYNCIO__UNSET; // its seconds in a real one; 0: it stands
    double autojump_threshold ASYNCIO__UNSET;
    int64_t passed_ns_ ASYNCIO__UNSET; // of its time, until `since_ns_`
    int64_t since_ns_ ASYNCIO__UNSET;  // real; 0: it has not begun to run
    void *reserved_[2] ASYNCIO__UNSET;
};

// How one begins its life with settings, wherever it is declared;
// ASYNCIO_FOREVER is the threshold of a clock that never jumps by itself. A
// rate that this is given counts from the first loop or call that uses it.
// clang-format off
#define ASYNCIO_TESTING_CLOCK(rate, autojump_threshold)                        \
    {(rate), (autojump_threshold), 0, 0, {NULL, NULL}}
// clang-format on

// Loops that this thread makes from now on tell their time by `clock`, or for
// NULL by the system's; or, with ASYNCIO_CLOCK=virtual in the environment of a
// program that uses no clock, by one of their own that is all zero. Loops that
// other threads make have one each, with the settings that `clock` has now:
// threads that shared one would race.
//
// like      trio.run(clock=), trio.testing.MockClock
// unlike    MockClock, a clock jumps by itself unless it is told not to
ASYNCIO_API void asyncio_testing_clock_use(struct asyncio_testing_clock *clock);

// Changes a setting. What has passed stays passed.
//
// returns   0; -EINVAL for what is negative, not a number, or an infinite rate
// like      MockClock.rate, MockClock.autojump_threshold
ASYNCIO_API int
asyncio_testing_clock_set_rate(struct asyncio_testing_clock *clock,
                               double rate);
ASYNCIO_API int asyncio_testing_clock_set_autojump_threshold(
    struct asyncio_testing_clock *clock, double seconds);

// Moves it forward. Timers that are due by that run in the next pass.
//
// returns   0; -EINVAL for what is negative, not a number, or too large
// suspends  never
// like      MockClock.jump
ASYNCIO_API int asyncio_testing_clock_jump(struct asyncio_testing_clock *clock,
                                           double seconds);

// The time it shows, as asyncio_time in its loop; and the real seconds that are
// left until it shows `when` if nobody makes it jump: 0 for what has passed,
// ASYNCIO_FOREVER if it stands.
// like      MockClock.current_time, MockClock.deadline_to_sleep_time
ASYNCIO_API double
asyncio_testing_clock_time(struct asyncio_testing_clock *clock);
ASYNCIO_API double
asyncio_testing_clock_left(struct asyncio_testing_clock *clock, double when);

// Waits until every other task of the loop has waited for `cushion` real
// seconds, and nothing else was to be done. Works with any clock, and comes
// before one jumps by itself. Of several, those with the smallest cushion are
// woken, all at once; the others start anew.
//
// returns   0; -ECANCELED; -EINVAL for a cushion that is negative, not a number
//           or too large; -EPERM outside a task
// suspends  always
// like      trio.testing.wait_all_tasks_blocked
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_testing_wait_all_tasks_blocked(double cushion);

// --- order and reports ------------------------------------------------------

// Loops made from now on run ready tasks in an order drawn from `seed`; 0 is
// the order in which they became ready.
ASYNCIO_API void asyncio_testing_seed(uint64_t seed);

// Reports for which a loop has no handler go to fn(report, arg), on that loop's
// thread; NULL has them printed again.
ASYNCIO_API void asyncio_testing_reports(asyncio_report_fn *fn, void *arg);

// Ends `task` with `result` behind its back, as a bug would.
ASYNCIO_API void asyncio_testing_force_done(struct asyncio_task *task,
                                            int result);

// --- the ledger -------------------------------------------------------------

// What is in use now.
struct asyncio_testing_ledger {
    size_t bytes, allocations, descriptors, tasks, stacks, threads, timers,
        children;
};

// Starts counting from zero, before anything else of the library is used. What
// was obtained earlier is not known, and giving it back changes nothing.
//
// returns   0, or -ENOMEM
ASYNCIO_API int asyncio_testing_ledger_start(void);

// Tells what is in use. The words of failures that this thread still remembers
// outside of tasks, for asyncio_strerror, are let go of first.
// thread    any
ASYNCIO_API void
asyncio_testing_ledger_read(struct asyncio_testing_ledger *ledger);

// Waits, in real time, until no thread of the library is left; at most so many
// seconds. A name that libc was asked for and nobody waits for any more keeps
// its thread, and what that thread needs, until libc has answered.
//
// returns   false if one is left
// thread    any that is not one of them
ASYNCIO_API bool asyncio_testing_ledger_settle(double seconds);

// Calls fn for each thing that is in use now, in no order: its kind ("bytes",
// "descriptor", ...), its size in bytes or 0, and the place where it was
// obtained. Lets go of words as the call above. fn must not call the library.
ASYNCIO_API void asyncio_testing_ledger_each(
    void (*fn)(const char *what, size_t size, const char *site, void *arg),
    void *arg);

// --- faults -----------------------------------------------------------------

// Makes the `ordinal`-th call from now fail, counting from 1; 0 makes none fail
// and only counts. `calls` says which: "alloc" is memory from the allocator and
// from the kernel, "syscall" all other calls. Starts the ledger if need be.
//
// returns   0; -EINVAL for another word; -ENOMEM
ASYNCIO_API int asyncio_testing_fail_at(const char *calls, uint64_t ordinal);

// A call can fail in several ways: with each of the codes that it may really
// have and, if it moves bytes, by coming back one byte short. The way is 0
// after asyncio_testing_fail_at; this sets another, up to
// asyncio_testing_ways() - 1, which is known once that call has been reached,
// and 0 until then. In a way that it does not have, a call does not fail.
ASYNCIO_API void asyncio_testing_fail_in_way(unsigned way);

// In how many ways the call that failed can.
// thread    any
ASYNCIO_API unsigned asyncio_testing_ways(void);

// True if that call failed in a way that careful programs do not notice: it was
// interrupted, would have had to wait, or came back short.
// thread    any
ASYNCIO_API bool asyncio_testing_failure_is_harmless(void);

// fn(code, site) is called when that call fails, on the thread that makes it; a
// code of 0 is a call that comes back short. It must not call the library.
ASYNCIO_API void asyncio_testing_on_failure(void (*fn)(int code,
                                                       const char *site));

// How many such calls there were since then.
// thread    any
ASYNCIO_API uint64_t asyncio_testing_calls(void);

// --- cancels ----------------------------------------------------------------

// Cancels at the `ordinal`-th await from now, counting from 1; 0 cancels
// nowhere and only counts. An await is each time that a task of this thread's
// loops begins to wait or lets others run. `how` says who is cancelled, when:
//
//     "task"   the task that waits, as it begins to
//     "twice"  that, and once more at its next await
//     "race"   that, when it was woken and has not run yet
//     "scope"  the innermost cancel scope that it is in: that await, and all
//              that follow in the scope
//
// returns   0; -EINVAL for another word
ASYNCIO_API int asyncio_testing_cancel_at(const char *how, uint64_t ordinal);

// fn(task) is called just before: asyncio_task_describe tells what it waits
// for. It must not wait, wake or cancel.
ASYNCIO_API void
asyncio_testing_on_cancel(void (*fn)(struct asyncio_task *task));

// How many awaits there were since then; and how many of those cancels never
// arrived: the wait did not return -ECANCELED, and no request was left.
ASYNCIO_API uint64_t asyncio_testing_awaits(void);
ASYNCIO_API uint64_t asyncio_testing_swallowed(void);

// --- all of it, around one function -----------------------------------------

struct asyncio_testing_options {
    ASYNCIO__OPTIONS_HEAD
    uint64_t seeds ASYNCIO__UNSET; // orders to try, else 20
    double limit ASYNCIO__UNSET;   // real seconds until a run is ended, or 10
    bool real_time ASYNCIO__UNSET; // the system's clock
    void *reserved_[4] ASYNCIO__UNSET;
};

// Tests fn(arg), as the main of a program does: runs it as asyncio_run does,
// again and again, each time in a process of its own. The command says how:
//
//     (nothing)                      orders, then cancels, then alloc
//     --seeds N                      N orders of its tasks
//     --inject alloc|syscall|cancel  each such call fails once, in each of its
//                                    ways; or one cancel at each await
//     --seed N  --fail syscall:N:WAY  --cancel task:N    one of these runs
//     --here                         that one in this very process, for a
//                                    debugger; it prints what it prints else
//
// A run fails if it crashes, hangs, keeps something that the ledger knows of,
// or loses a cancel: the wait that it ended neither returned -ECANCELED nor
// left the request for the next one. What fn makes of that -ECANCELED is its
// own business. And, unless a cancel came or a call failed (but for a harmless
// failure), a run fails if fn returns a negative code or a report is made. What
// failed is printed to standard output with the command that replays it, and
// "passed" or "failed" in the end; counts go to standard error.
//
// returns   the exit status: 0; 1 if a run failed; 2 for a wrong command
// thread    the only one
ASYNCIO_API int(asyncio_testing_main)(
    int argc, char **argv, int (*fn)(void *arg), void *arg,
    const struct asyncio_testing_options *options);
#define asyncio_testing_main(...) ASYNCIO__TESTING_MAIN(__VA_ARGS__, )
#define ASYNCIO__TESTING_MAIN(argc, argv, fn, arg, ...)                        \
    (asyncio_testing_main)(argc, argv, fn, arg,                                \
                           ASYNCIO__OPTIONS_AT(ASYNCIO_SITE " for " #fn,       \
                                               asyncio_testing_options,        \
                                               __VA_ARGS__))

ASYNCIO__END
