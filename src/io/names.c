// Names asked of libc, which blocks: by a few threads of each loop.
//
//     task: ask -> crew -> thread: getaddrinfo -> post -> landed -> wakes task
//
// A question is held by the task that waits for it and by the thread that asks.
// A thread in the middle of getaddrinfo cannot be stopped. A task that is
// cancelled, and a loop that closes, leave the question to it at once: then the
// thread drops the answer and touches neither. Both sides agree under one lock
// who was first, the thread with its answer or the other with its leave.
// The threads end with the loop; one that is asking ends when it has asked.

#include "io/names.h"

#include <pthread.h>
#include <string.h>

#include "base/list.h"
#include "platform/offload.h"
#include "platform/sys.h"
#include "task/park.h"

#define THREADS_MAX 8

// What a loop has for it, from the first question on.
struct asyncio__names {
    struct asyncio__at_close at_close;
    struct asyncio_loop *loop;
    struct asyncio__offload *crew;
    struct asyncio_link questions; // question.link: those of waiting tasks
};

struct question {
    struct asyncio__offload_job offload;
    struct asyncio__post post;
    struct asyncio_link link; // asyncio__names.questions
    struct asyncio_loop *loop;
    struct asyncio_task *task; // NULL: it has left
    bool posted;               // the thread has an answer for the loop
    bool left;                 // nobody wants one; both under the lock
    bool landed;               // the thread has let go of it
    int code;                  // of getaddrinfo
    int system_code;           // the errno that belongs to EAI_SYSTEM
    struct addrinfo hints, *answer;
    const char *host, *service; // behind the block
};

// ---- Threads ----------------------------------------------------------------

// For `posted` and `left` of all questions: a question may be gone before one
// of its own would be let go.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct question *question_of(struct asyncio__offload_job *offload)
{
    return list_entry(offload, struct question, offload);
}

static void ask(struct asyncio__offload_job *offload)
{
    struct question *q = question_of(offload);
    q->code = getaddrinfo(q->host, q->service, &q->hints, &q->answer);
    q->system_code = errno;
}

static void drop(struct question *q)
{
    if (q->answer) freeaddrinfo(q->answer);
    asyncio__free(q);
}

// The loop is there as long as the lock is held and `left` is not said.
static void hand_back(struct asyncio__offload_job *offload)
{
    struct question *q = question_of(offload);
    pthread_mutex_lock(&lock);
    bool left = q->left;
    q->posted = true;
    if (!left) asyncio__loop_post(q->loop, &q->post);
    pthread_mutex_unlock(&lock);
    if (left) drop(q);
}

// ---- The loop's side --------------------------------------------------------

// The thread's hold on it ends; virtual time may jump again.
static void let_go(struct question *q)
{
    if (list_linked(&q->link)) list_remove(&q->link);
    q->loop->held--;
    q->landed = true;
    if (!q->task) drop(q);
}

// Leaves the question to its thread, if that is still asking; it may be gone
// then. False: its answer is on its way to the loop.
static bool leave_to_thread(struct question *q)
{
    struct asyncio_loop *loop = q->loop;
    list_remove(&q->link);
    pthread_mutex_lock(&lock);
    q->left = !q->posted;
    bool left = q->left;
    pthread_mutex_unlock(&lock);
    if (left) loop->held--;
    return left;
}

static void land(struct asyncio__step *step)
{
    struct question *q = list_entry(step, struct question, post.step);
    struct asyncio_task *task = q->task;
    let_go(q);
    if (task) asyncio__wake(task, 0);
}

static void land_in_closed_loop(struct asyncio__post *post)
{
    let_go(list_entry(post, struct question, post));
}

static bool leave(struct asyncio_task *task,
                  const struct asyncio_cancel_options *options)
{
    struct question *q = task->wait.object;
    (void)options;
    if (q) q->task = NULL;
    if (q && q->landed)
        drop(q);
    else if (q && asyncio__offload_retract(q->loop->names->crew, &q->offload))
        let_go(q);
    else if (q)
        leave_to_thread(q);
    asyncio__wake(task, -ECANCELED);
    return true;
}

// The loop closes, and the task that was woken will not run.
static void return_question(struct asyncio_task *task)
{
    if (task->wait.object) drop(task->wait.object);
}

static const struct asyncio__wait_kind naming = {
    .name = "a host's addresses",
    .cancel = leave,
    .give_back = return_question,
    .keeps_result = true,
};

static void close_names(struct asyncio__at_close *hook)
{
    struct asyncio__names *names =
        list_entry(hook, struct asyncio__names, at_close);
    struct asyncio_loop *loop = names->loop;
    list_for_each_safe (link, after, &names->questions) {
        struct question *q = list_entry(link, struct question, link);
        struct asyncio_task *task = q->task;
        if (asyncio__offload_retract(names->crew, &q->offload))
            let_go(q);
        else if (leave_to_thread(q))
            task->wait.object = NULL;
    }
    asyncio__offload_abandon(names->crew);
    asyncio__loop_drop_posts(loop);
    asyncio__free(names);
    loop->names = NULL;
}

static int open_names(struct asyncio_loop *loop)
{
    if (loop->names) return 0;
    struct asyncio__names *names = asyncio__alloc(sizeof *names);
    if (!names) return -ENOMEM;
    int err = asyncio__offload_open(
        &names->crew, &(struct asyncio__offload_options){
                          .threads_max = THREADS_MAX, .name = "asyncio-name"});
    if (err < 0) {
        asyncio__free(names);
        return err;
    }
    names->loop = loop;
    names->at_close.fn = close_names;
    asyncio__loop_at_close(loop, &names->at_close);
    loop->names = names;
    return 0;
}

static struct question *make_question(const char *host, const char *service,
                                      const struct addrinfo *hints)
{
    size_t host_size = strlen(host) + 1, service_size = strlen(service) + 1;
    struct question *q = asyncio__alloc(sizeof *q + host_size + service_size);
    if (!q) return NULL;
    char *text = (char *)(q + 1);
    memcpy(text, host, host_size);
    memcpy(text + host_size, service, service_size);
    q->host = text;
    q->service = text + host_size;
    q->hints = *hints;
    q->offload = (struct asyncio__offload_job){.work = ask, .done = hand_back};
    q->post =
        (struct asyncio__post){.step.run = land, .drop = land_in_closed_loop};
    return q;
}

static int outcome(struct question *q, struct addrinfo **answer)
{
    int err = 0;
    if (q->code == EAI_SYSTEM)
        err = -q->system_code;
    else if (q->code != 0)
        err = asyncio__explain_gai(q->code, q->host, q->service);
    *answer = err == 0 ? q->answer : NULL;
    if (err == 0) q->answer = NULL;
    drop(q);
    return err;
}

int asyncio__ask_libc(const char *host, const char *service,
                      const struct addrinfo *hints, struct addrinfo **answer)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    struct asyncio_loop *loop = task->future.loop_;
    int err = asyncio__begin_await(task);
    if (err == 0) err = open_names(loop);
    if (err < 0) return err;

    struct question *q = make_question(host, service, hints);
    if (!q) return -ENOMEM;
    q->loop = loop;
    q->task = task;
    err = asyncio__offload_submit(loop->names->crew, &q->offload);
    if (err < 0) {
        asyncio__free(q);
        return err;
    }
    loop->held++;
    list_add_tail(&loop->names->questions, &q->link);
    err = asyncio__park(&naming, q, NULL);
    return err < 0 ? err : outcome(q, answer);
}
