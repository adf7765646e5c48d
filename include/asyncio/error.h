// Words for what went wrong: what travels beside a negative code.
//
// A call that fails returns a negative errno, and may leave words for it:
//
//     return asyncio_raise(-EPROTO, "expected '#', found '%c'", line[0]);
//
// Each task remembers its last four failures, so that the words survive a
// clean-up that fails too. They travel with the code: whoever awaits a task
// that failed finds its words among their own.
//
// A code without words is an error too. But it is a number, and who asks for
// its words is given those of the latest failure with the same code: after a
// plain `return -EINVAL` these may be the words of another one, which the task
// still remembers. Where that could mislead, give it words of its own. A task,
// a time limit or a job of an executor that fails without words has none.
#pragma once

#include <asyncio/base.h>

ASYNCIO__BEGIN

// One failure. Strings are never NULL.
struct asyncio_error {
    int code;         // the negative errno
    const char *text; // "" if it was returned without words
    const char *site; // "file:line" where it was raised, or ""
    const char *task; // name of the task in which it was raised, or ""
    const struct asyncio_error *children; // of a group: one for each failure
    const struct asyncio_error *next;     // the next of the same group
};

// What the current task saw fail last, or NULL. Outside a task: of the thread.
// Valid until the next call that suspends or fails.
ASYNCIO_API const struct asyncio_error *asyncio_last_error(void);

// The text of the latest failure of the current task that had this code, or
// what strerror says. Valid until the next call that suspends or fails. Accepts
// a positive number or 0 too ("no error").
ASYNCIO_API const char *asyncio_strerror(int code);

// Remembers words for `code`, a negative number, and returns it. Without memory
// the words are lost, the code is not.
#define asyncio_raise(...) asyncio_raise_at(ASYNCIO_SITE, __VA_ARGS__)
ASYNCIO_API int asyncio_raise_at(const char *site, int code, const char *format,
                                 ...) __attribute__((format(printf, 3, 4)));

ASYNCIO__END
