// Records of failures, counted, and the short memory of each task.

#include "task/failure.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform/sys.h"
#include "task/task.h"

// Of those before the last one the oldest is overwritten first.
#define BEFORE_MAX 3

struct asyncio__failures_before {
    struct asyncio__failure *seen[BEFORE_MAX];
    unsigned next;
};

// The last four failures seen. Mostly there is one, and those before it need
// memory of their own.
struct memory {
    struct asyncio__failure *last;
    struct asyncio__failures_before *before; // made when needed
};

// Of code that runs in no task; dropped when its thread ends.
static _Thread_local struct memory thread_memory;
static pthread_key_t thread_end;
static bool has_thread_end;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;

struct asyncio__failure *asyncio__failure_make(int code, const char *text,
                                               const char *site,
                                               const char *task)
{
    size_t text_size = strlen(text) + 1, task_size = strlen(task) + 1;
    struct asyncio__failure *failure =
        asyncio__alloc(sizeof *failure + text_size + task_size);
    if (!failure) return NULL;

    memcpy(failure->words, text, text_size);
    memcpy(failure->words + text_size, task, task_size);
    failure->references = 1;
    failure->error = (struct asyncio_error){
        .code = code,
        .text = failure->words,
        .site = site ? site : "",
        .task = failure->words + text_size,
    };
    return failure;
}

struct asyncio__failure *
asyncio__failure_of_cancel(const struct asyncio_cancel_options *options)
{
    if (!options || (!options->reason && !options->site)) return NULL;
    struct asyncio_task *by = asyncio__task();
    return asyncio__failure_make(
        -ECANCELED, options->reason ? options->reason : "", options->site,
        by ? asyncio_task_name(by) : "");
}

struct asyncio__failure *asyncio__failure_ref(struct asyncio__failure *failure)
{
    if (failure) failure->references++;
    return failure;
}

static struct asyncio__failure *failure_of(const struct asyncio_error *error)
{
    return error ? list_entry(error, struct asyncio__failure, error) : NULL;
}

// Takes a reference away. A record that nobody holds any more joins the doomed,
// which are linked by `last`: it takes up no more children.
static void let_go(struct asyncio__failure *failure,
                   struct asyncio__failure **doomed)
{
    if (!failure || --failure->references > 0) return;
    failure->last = *doomed;
    *doomed = failure;
}

static void let_children_go(struct asyncio__failure *failure,
                            struct asyncio__failure **doomed)
{
    struct asyncio__failure *child = failure_of(failure->error.children);
    while (child) {
        struct asyncio__failure *next = failure_of(child->error.next);
        let_go(child, doomed);
        child = next;
    }
}

// Children are nested as deep as groups were, and that may be deeper than a
// stack: so nothing recurses here.
void asyncio__failure_unref(struct asyncio__failure *failure)
{
    struct asyncio__failure *doomed = NULL;
    let_go(failure, &doomed);
    while ((failure = doomed)) {
        doomed = failure->last;
        if (failure->origin) // the children are the origin's
            let_go(failure->origin, &doomed);
        else
            let_children_go(failure, &doomed);
        asyncio__free(failure);
    }
}

void asyncio__failure_adopt(struct asyncio__failure *group,
                            struct asyncio__failure *child)
{
    if (group->last)
        group->last->error.next = &child->error;
    else
        group->error.children = &child->error;
    group->last = child;
}

struct asyncio__failure *asyncio__failure_copy(struct asyncio__failure *failure,
                                               const char *task)
{
    struct asyncio__failure *copy = asyncio__failure_make(
        failure->error.code, failure->error.text, failure->error.site, task);
    if (!copy || !failure->error.children) return copy;
    copy->origin = asyncio__failure_ref(failure);
    copy->error.children = failure->error.children;
    return copy;
}

const char *asyncio__failure_text(const struct asyncio__failure *failure,
                                  int code)
{
    if (failure && failure->error.text[0]) return failure->error.text;
    return code >= 0 ? "no error" : strerror((int)(0U - (unsigned)code));
}

// --- what a task remembers --------------------------------------------------
//
// The last one is where its own will be when it ends: in its future.

static struct asyncio__failure **last_of(const struct asyncio_task *task)
{
    if (!task) return &thread_memory.last;
    return &((struct asyncio_task *)(uintptr_t)task)->future.failure_;
}

static struct asyncio__failure *last(void)
{
    return *last_of(asyncio__task());
}

// NULL: there are none.
static struct asyncio__failures_before *
before_of(const struct asyncio_task *task)
{
    if (!task) return thread_memory.before;
    return task->more ? task->more->before : NULL;
}

static void drop_before(struct asyncio__failures_before *before)
{
    for (int i = 0; before && i < BEFORE_MAX; i++)
        asyncio__failure_unref(before->seen[i]);
    asyncio__free(before);
}

static void drop(struct memory *memory)
{
    asyncio__failure_unref(memory->last);
    drop_before(memory->before);
    *memory = (struct memory){.last = NULL};
}

static void drop_at_thread_end(void *memory)
{
    drop(memory);
}

static void make_thread_end(void)
{
    // Without a key a thread that ends keeps what it remembers: four records.
    has_thread_end = pthread_key_create(&thread_end, drop_at_thread_end) == 0;
}

// Somebody has to see that there is something to drop.
static void begin(struct asyncio_task *task)
{
    if (task) {
        asyncio__task_set_more(task);
        return;
    }
    pthread_once(&thread_end_once, make_thread_end);
    if (has_thread_end) (void)pthread_setspecific(thread_end, &thread_memory);
}

// NULL: there is no memory for it.
static struct asyncio__failures_before *make_before(struct asyncio_task *task)
{
    struct asyncio__more *more = task ? asyncio__task_more(task) : NULL;
    if (task && !more) return NULL;
    struct asyncio__failures_before **before =
        task ? &more->before : &thread_memory.before;
    if (!*before) *before = asyncio__alloc(sizeof **before);
    return *before;
}

// Without memory, the one that was last is forgotten.
static void make_room(struct asyncio_task *task)
{
    struct asyncio__failures_before *before = make_before(task);
    struct asyncio__failure *forgotten = *last_of(task);
    if (before) {
        forgotten = before->seen[before->next];
        before->seen[before->next] = *last_of(task);
        before->next = (before->next + 1) % BEFORE_MAX;
    }
    *last_of(task) = NULL;
    asyncio__failure_unref(forgotten);
}

void asyncio__failure_see(struct asyncio__failure *failure)
{
    struct asyncio_task *task = asyncio__task();
    struct asyncio__failure **seen = last_of(task);
    if (!failure || *seen == failure) return;
    asyncio__failure_ref(failure);
    if (*seen)
        make_room(task);
    else
        begin(task);
    *seen = failure;
}

// Takes out the latest of those before the last one; NULL if there is none.
static struct asyncio__failure *
take_before(struct asyncio__failures_before *before)
{
    for (unsigned ago = 1; before && ago <= BEFORE_MAX; ago++) {
        unsigned at = (before->next + BEFORE_MAX - ago) % BEFORE_MAX;
        struct asyncio__failure *failure = before->seen[at];
        before->seen[at] = NULL;
        if (failure) return failure;
    }
    return NULL;
}

static void forget(struct asyncio_task *task, int code)
{
    struct asyncio__failure **seen = last_of(task);
    struct asyncio__failures_before *before = before_of(task);
    for (int i = 0; before && i < BEFORE_MAX; i++) {
        if (!before->seen[i] || before->seen[i]->error.code != code) continue;
        asyncio__failure_unref(before->seen[i]);
        before->seen[i] = NULL;
    }
    if ((*seen)->error.code != code) return;
    asyncio__failure_unref(*seen);
    *seen = take_before(before);
}

void asyncio__failure_see_code(int code, struct asyncio__failure *failure)
{
    if (failure)
        asyncio__failure_see(failure);
    else if (last() && code != -ECANCELED)
        forget(asyncio__task(), code);
}

struct asyncio__failure *asyncio__failure_of(int code)
{
    if (!last() || last()->error.code == code) return last();
    const struct asyncio__failures_before *before = before_of(asyncio__task());
    for (unsigned ago = 1; before && ago <= BEFORE_MAX; ago++) {
        unsigned at = (before->next + BEFORE_MAX - ago) % BEFORE_MAX;
        struct asyncio__failure *failure = before->seen[at];
        if (failure && failure->error.code == code) return failure;
    }
    return NULL;
}

void asyncio__failures_drop(struct asyncio_task *task)
{
    asyncio__failure_unref(task->future.failure_);
    task->future.failure_ = NULL;
    if (!task->more) return;
    drop_before(task->more->before);
    task->more->before = NULL;
}

void asyncio__failures_drop_thread(void)
{
    drop(&thread_memory);
}

// --- for users --------------------------------------------------------------

const struct asyncio_error *asyncio_last_error(void)
{
    const struct asyncio__failure *failure = last();
    return failure ? &failure->error : NULL;
}

const char *asyncio_strerror(int code)
{
    return asyncio__failure_text(asyncio__failure_of(code), code);
}

int asyncio_raise_at(const char *site, int code, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);

    struct asyncio_task *task = asyncio__task();
    struct asyncio__failure *failure = asyncio__failure_make(
        code, text, site, task ? asyncio_task_name(task) : "");
    asyncio__failure_see(failure);
    asyncio__failure_unref(failure);
    return code;
}
