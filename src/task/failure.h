// Words that travel with codes: records shared by everyone who saw the failure.
//
// A record is made when something fails with words, and counted: the task that
// raised it, the future that carries it and each task that awaited it hold it.
// A task remembers its last four. None of it is needed for a code to travel:
// without memory, words are lost and nothing else.
#pragma once

#include <asyncio/error.h>

struct asyncio_cancel_options;
struct asyncio_task;

struct asyncio__failure {
    struct asyncio_error error;      // what users see
    struct asyncio__failure *last;   // of a group: its newest child
    struct asyncio__failure *origin; // whose children these are, if not its own
    unsigned references;
    char words[]; // text and task name
};

// A record with these words, or NULL. One reference.
struct asyncio__failure *asyncio__failure_make(int code, const char *text,
                                               const char *site,
                                               const char *task);

// Who cancels, where and why; NULL if nothing of it is known.
struct asyncio__failure *
asyncio__failure_of_cancel(const struct asyncio_cancel_options *options);

struct asyncio__failure *asyncio__failure_ref(struct asyncio__failure *failure);
void asyncio__failure_unref(struct asyncio__failure *failure);

// Puts a record, whose reference it takes over, at the end of a group's list.
void asyncio__failure_adopt(struct asyncio__failure *group,
                            struct asyncio__failure *child);

// The same words for a list of its own, as seen from `task`: a record stands in
// one list only. NULL without memory.
struct asyncio__failure *asyncio__failure_copy(struct asyncio__failure *failure,
                                               const char *task);

// Its words, or what there is to say of a code without any. Accepts NULL.
const char *asyncio__failure_text(const struct asyncio__failure *failure,
                                  int code);

// Makes the running task (the thread, outside a task) remember a record it has
// seen, unless it was the last; shares it. Accepts NULL.
void asyncio__failure_see(struct asyncio__failure *failure);

// It has seen a call fail with this code, with those words, or for NULL without
// any: then what it remembers for the code was of another failure, and is
// forgotten. But for the reason of a cancel: those that follow from it have
// none of their own.
void asyncio__failure_see_code(int code, struct asyncio__failure *failure);

// What the running task remembers for `code`, shared, or NULL.
struct asyncio__failure *asyncio__failure_of(int code);

// Forgets all that a task remembers, which has not ended.
void asyncio__failures_drop(struct asyncio_task *task);

// The same for what this thread remembers outside tasks.
void asyncio__failures_drop_thread(void);
