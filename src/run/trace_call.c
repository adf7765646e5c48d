// A trace that the program itself begins and ends.
//
// Each loop is looked at on its own thread: those of other threads are told by
// a post, those that do not run find out when they do.

#include <asyncio/trace.h>

#include <string.h>

#include "loop/loop.h"
#include "platform/clock.h"
#include "platform/sys.h"
#include "platform/trace.h"
#include "run/trace.h"

struct call {
    struct asyncio__post post;
    struct asyncio_loop *loop;
};

static void attach(struct asyncio__step *step)
{
    struct call *call = list_entry(step, struct call, post.step);
    asyncio__trace_attach(call->loop);
    asyncio__free(call);
}

static void drop(struct asyncio__post *post)
{
    asyncio__free(list_entry(post, struct call, post));
}

// Without memory for that, the loop is in the trace from its next run on.
static void tell(struct asyncio_loop *loop)
{
    if (loop->state != ASYNCIO__LOOP_RUNNING) return;
    if (loop == asyncio__running_loop) return;
    struct call *call = asyncio__alloc(sizeof *call);
    if (!call) return;
    call->post.step.run = attach;
    call->post.drop = drop;
    call->loop = loop;
    asyncio__loop_post(loop, &call->post);
}

int asyncio_trace_start(const char *path)
{
    struct asyncio_loop *loop = asyncio__running_loop;
    if (!path) return -EINVAL;
    int err = asyncio__trace_begin(path, asyncio__trace_report_failure);
    if (err < 0) return err;
    if (loop) asyncio__trace_attach(loop);
    asyncio__loops_each(tell);
    return 0;
}

int asyncio_trace_stop(void)
{
    return asyncio__trace_end() ? 0 : -ENOENT;
}

void asyncio_trace_mark(const char *text)
{
    if (!text || !asyncio__tracing()) return;
    asyncio__trace_event(&(struct asyncio__trace_event){
        .phase = 'i',
        .category = "mark",
        .name = text,
        .at_ns = asyncio__clock_real_ns(),
    });
}
