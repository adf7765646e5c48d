// Ctrl-C: the first one cancels the main task, the second one ends the process.
//
// The handler posts a step to the loop, ahead of all that is ready: so a main
// task that only yields meets the cancel at its next yield, and one that sleeps
// is woken. It can run on any thread of the program, and at any time:
//
//     IDLE --begin--> ARMED --SIGINT--> ASKED --SIGINT--> the process ends
//       ^----end--------'-----end---------'
//
// A callback that main adds for SIGINT lies over our handler and is given the
// signal instead. If it is still there at the end, it keeps ours as the one to
// restore: then ours comes back later, idle, does what the default would do,
// and is taken out when the loop has been closed.

#include "run/interrupt.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "platform/sys.h"

enum { IDLE, ARMED, ASKED };

// What is posted. It may outlast its run in the loop's hands, if the signal
// came as main ended.
struct request {
    struct asyncio__post post;
    struct asyncio_loop *loop;
    struct asyncio_task *task; // while its run is under way
    bool ran;
    bool cancelled; // the task took it up
};

static struct {
    _Atomic(int) state;
    _Atomic(unsigned) handling; // handlers under way, on any thread
    struct request *request;    // of the run, unless IDLE
} interrupt;

// Blocked while this runs, the signal arrives when it returns.
static void end_process(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(SIGINT, &action, NULL); // directly: hooks need not be safe here
    raise(SIGINT);
}

static void on_interrupt(int signal)
{
    int saved = errno, armed = ARMED;
    (void)signal;
    atomic_fetch_add(&interrupt.handling, 1);
    if (atomic_compare_exchange_strong(&interrupt.state, &armed, ASKED))
        asyncio__loop_post(interrupt.request->loop, &interrupt.request->post);
    else
        end_process();
    atomic_fetch_sub(&interrupt.handling, 1);
    errno = saved;
}

static void cancel_main(struct asyncio__step *step)
{
    struct request *request = list_entry(step, struct request, post.step);
    struct asyncio_task *task = request->task;
    request->ran = true;
    if (task)
        request->cancelled =
            (asyncio_task_cancel)(task, &(struct asyncio_cancel_options){
                                            .site = task->future.site_,
                                            .reason = "interrupted by Ctrl-C"});
    else
        asyncio__free(request);
}

static void drop_request(struct asyncio__post *post)
{
    asyncio__free(list_entry(post, struct request, post));
}

// Whether SIGINT goes to this handler now.
static bool goes_to(void (*handler)(int signal))
{
    struct sigaction now;
    return asyncio__sys_sigaction(SIGINT, NULL, &now) == 0 &&
           !(now.sa_flags & SA_SIGINFO) && now.sa_handler == handler;
}

// A forked process has no run: there our handler does what the default would.
static void forget_run(void)
{
    atomic_store(&interrupt.state, IDLE);
    atomic_store(&interrupt.handling, 0);
    interrupt.request = NULL;
}

static int fork_err; // of the preparation below: 0, or -ENOMEM

static void prepare_for_forks(void)
{
    fork_err = -pthread_atfork(NULL, NULL, forget_run);
}

int asyncio__interrupt_begin(struct asyncio_loop *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (!asyncio__sys_is_first_thread()) return 0;
    if (!goes_to(SIG_DFL) && !goes_to(on_interrupt)) return 0;
    pthread_once(&once, prepare_for_forks);
    if (fork_err < 0) return fork_err;
    struct request *request = asyncio__alloc(sizeof *request);
    if (!request) return -ENOMEM;
    request->post.step.run = cancel_main;
    request->post.drop = drop_request;
    request->post.urgent = true;
    request->loop = loop;
    interrupt.request = request;
    atomic_store(&interrupt.state, ARMED);

    struct sigaction action = {.sa_handler = on_interrupt,
                               .sa_flags = SA_RESTART | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    if (asyncio__sys_sigaction(SIGINT, &action, NULL) == 0) return 1;
    atomic_store(&interrupt.state, IDLE); // a run without it, then
    asyncio__free(request);
    return 0;
}

void asyncio__interrupt_main(struct asyncio_task *task)
{
    interrupt.request->task = task;
}

void asyncio__interrupt_forget(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    if (asyncio__sys_is_first_thread() && goes_to(on_interrupt))
        asyncio__sys_sigaction(SIGINT, &action, NULL);
}

bool asyncio__interrupt_end(void)
{
    asyncio__interrupt_forget();
    bool asked = atomic_exchange(&interrupt.state, IDLE) == ASKED;
    while (atomic_load(&interrupt.handling) > 0) // a few instructions each
        sched_yield();

    struct request *request = interrupt.request;
    bool cancelled = request->cancelled;
    if (asked && !request->ran)
        request->task = NULL; // the loop still has it
    else
        asyncio__free(request);
    // It came too late to end main, but it came all the same.
    if (asked && !cancelled) raise(SIGINT);
    return cancelled;
}
