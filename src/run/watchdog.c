// The watchdog: one thread for all loops that are watched.
//
// It looks at each a few times per limit. One that neither sleeps nor has made
// a pass since the last look is blocked; when that has lasted for the limit,
// the loop's thread is interrupted by a signal, whose handler takes down what
// only that thread may look at: which task runs, and its stack.
//
//     watchdog:  look ... blocked: ask --signal--> handler: take --> report
//
// Names are looked up and the report is made on the watchdog's thread. The lock
// is held from the question to the answer, so the thread that is asked is
// there; it is not held while a report is delivered, but the loop's run does
// not end before that is over.

#include "run/watchdog.h"

#include <assert.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/signal_stack.h"
#include "platform/sys.h"
#include "platform/unwind.h"
#include "run/stack_trace.h"
#include "task/run.h"
#include "task/task.h"

#define LOOKS_PER_LIMIT 4
#define INTERVAL_MIN_NS 1000000    // between two looks
#define ANSWER_NS       1000000000 // how long a thread may take to answer
#define FRAMES_MAX      24

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; // of the fields below; made with the thread
static struct asyncio_link watched_loops; // asyncio__watched.link
static pthread_t thread;
static _Atomic(int) threads;             // 1 while there is one
static bool stopping;                    // it has to end
static struct asyncio__watched *telling; // whose report is being delivered

static int signal_number; // 0: none was found
static struct sigaction signal_before;

// ASKED -> TAKING -> TAKEN -> IDLE, or ASKED -> IDLE if nobody answers. A
// handler that comes too late finds no question.
enum answer_state { IDLE, ASKED, TAKING, TAKEN };

static struct {
    _Atomic(enum answer_state) state;
    struct asyncio__watched *watched;
    sem_t taken;

    bool moved; // it is not blocked any more
    char name[64], site[128];
    struct asyncio__frame frames[FRAMES_MAX];
    size_t count;
    asyncio_report_fn *report;
    void *report_arg;
} answer;

static struct asyncio__watched *watched_of(struct asyncio_link *link)
{
    return list_entry(link, struct asyncio__watched, link);
}

static uint64_t passes_of(struct asyncio_loop *loop)
{
    return atomic_load_explicit(&loop->passes, memory_order_relaxed);
}

// --- in the handler ---------------------------------------------------------

static void copy_text(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}

// A number as people see it: a task without a name is not given one here.
static void copy_name(const struct asyncio_task *task)
{
    if (task->name) {
        copy_text(answer.name, sizeof answer.name, task->name);
        return;
    }
    char digits[24], *at = digits + sizeof digits - 1;
    uint64_t number = task->number;
    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    memcpy(answer.name, "Task-", 5);
    copy_text(answer.name + 5, sizeof answer.name - 5, at);
}

// On the thread of the loop, in the middle of whatever it does.
static void take(const struct asyncio__watched *watched)
{
    struct asyncio__unwind_options options = {
        .last = asyncio__task_entry(),
        .interrupted = true,
    };
    struct asyncio_loop *loop = watched->loop;
    const struct asyncio_task *task = loop->task;
    answer.moved = passes_of(loop) != watched->passes;
    answer.name[0] = answer.site[0] = '\0';
    answer.report = loop->report;
    answer.report_arg = loop->report_arg;
    if (task) {
        copy_name(task);
        copy_text(answer.site, sizeof answer.site, task->site);
    }
    answer.count = answer.moved ? 0
                                : asyncio__unwind(NULL, &options, answer.frames,
                                                  FRAMES_MAX);
}

static bool is_our_question(const siginfo_t *info)
{
    return info->si_code == SI_QUEUE && info->si_pid == getpid();
}

// Somebody else's signal does what it did before we came: it ends the process.
static void pass_on(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(number, &action, NULL);
    raise(number);
}

static void on_signal(int number, siginfo_t *info, void *machine_context)
{
    (void)machine_context;
    int saved = errno;
    enum answer_state asked = ASKED;
    if (!is_our_question(info)) {
        pass_on(number);
    } else if (atomic_load(&answer.state) == ASKED &&
               answer.watched == info->si_value.sival_ptr &&
               pthread_equal(answer.watched->thread, pthread_self()) &&
               atomic_compare_exchange_strong(&answer.state, &asked, TAKING)) {
        take(answer.watched);
        atomic_store(&answer.state, TAKEN);
        sem_post(&answer.taken);
    }
    errno = saved;
}

// --- the signal -------------------------------------------------------------

static bool is_free(int number)
{
    struct sigaction now;
    return asyncio__sys_sigaction(number, NULL, &now) == 0 &&
           !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL;
}

// Takes the highest real-time signal that nobody handles.
static int install(void)
{
    struct sigaction action = {.sa_flags =
                                   SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    action.sa_sigaction = on_signal;
    int number = SIGRTMAX;
    while (number >= SIGRTMIN && !is_free(number))
        number--;
    if (number < SIGRTMIN) return -EBUSY;
    int err = asyncio__sys_sigaction(number, &action, &signal_before);
    signal_number = err < 0 ? 0 : number;
    return err;
}

// A question that nobody has taken yet would end the process by the default
// action; ignoring a signal drops those that are pending.
static void uninstall(void)
{
    struct sigaction now, ignore = {.sa_handler = SIG_IGN};
    bool ours = sigaction(signal_number, NULL, &now) == 0 &&
                (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_signal;
    if (!ours) return; // somebody put another over it
    sigaction(signal_number, &ignore, NULL);
    sigaction(signal_number, &signal_before, NULL);
}

// --- the thread -------------------------------------------------------------

static struct timespec time_of(int64_t ns)
{
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

// Asks the loop's thread where it is. True if it answered.
static bool ask(struct asyncio__watched *watched)
{
    answer.watched = watched;
    atomic_store(&answer.state, ASKED);
    int err =
        asyncio__sys_thread_signal(watched->thread, signal_number, watched);
    struct timespec until = time_of(asyncio__clock_real_ns() + ANSWER_NS);
    while (err == 0 && atomic_load(&answer.state) != TAKEN)
        if (sem_clockwait(&answer.taken, CLOCK_MONOTONIC, &until) < 0 &&
            errno == ETIMEDOUT)
            break;
    enum answer_state asked = ASKED;
    if (atomic_compare_exchange_strong(&answer.state, &asked, IDLE))
        return false;
    while (atomic_load(&answer.state) != TAKEN) // it is being written
        sem_wait(&answer.taken);
    return true;
}

// The frames that are the program's own, in a line. Below those of a callback
// lies the loop, and whoever runs that.
static void describe_place(char *line, size_t size)
{
    struct asyncio__symbols symbols = {0};
    const struct asyncio__frame *frames = answer.frames;
    size_t count = answer.count;
    size_t first = asyncio__frames_skip(&symbols, frames, count), end = first;
    while (end < count &&
           (answer.name[0] || end == first ||
            !asyncio__symbols_ours(&symbols, frames[end].address)))
        end++;
    asyncio__frames_line(&symbols, frames + first, end - first, line, size);
    asyncio__symbols_close(&symbols);
}

static void report(int64_t blocked_ns, bool answered)
{
    char place[320] = "", text[512];
    if (answered) describe_place(place, sizeof place);
    snprintf(text, sizeof text, "the loop has not turned for %.3g s: %s %s",
             (double)blocked_ns / 1e9,
             !answered        ? "its thread blocks signals too"
             : answer.name[0] ? "a task is in"
                              : "a callback is in",
             answered && !place[0] ? "a place without a name" : place);
    struct asyncio_report made = {-ETIMEDOUT, text, answered ? answer.name : "",
                                  answered ? answer.site : ""};
    if (answered && answer.report)
        answer.report(&made, answer.report_arg);
    else
        asyncio__report(NULL, made.code, made.task, made.site, "%s", text);
}

// Called and left with the lock held.
static void tell(struct asyncio__watched *watched, int64_t now_ns)
{
    watched->told = true;
    bool answered = ask(watched);
    if (!answered || !answer.moved) {
        int64_t blocked_ns = now_ns - watched->since_ns;
        telling = watched;
        pthread_mutex_unlock(&lock);
        report(blocked_ns, answered);
        pthread_mutex_lock(&lock);
        telling = NULL;
        pthread_cond_broadcast(&changed);
    }
    atomic_store(&answer.state, IDLE);
}

// True if it has to be told of.
static bool is_blocked(struct asyncio__watched *watched, int64_t now_ns)
{
    uint64_t passes = passes_of(watched->loop);
    if (passes != watched->passes || atomic_load(&watched->loop->sleeping)) {
        watched->passes = passes;
        watched->since_ns = now_ns;
        watched->told = false;
    }
    return !watched->told && now_ns - watched->since_ns >= watched->limit_ns;
}

static void look_at_all(int64_t now_ns)
{
    list_for_each (link, &watched_loops) {
        struct asyncio__watched *watched = watched_of(link);
        if (!is_blocked(watched, now_ns)) continue;
        tell(watched, now_ns);
        return; // the list may have changed; the others have their turn soon
    }
}

// When this thread itself was held up, so was the whole process, by a debugger
// or a stop signal: what the loops did not do meanwhile is not held against
// them.
static void excuse_all(int64_t now_ns)
{
    list_for_each (link, &watched_loops)
        watched_of(link)->since_ns = now_ns;
}

static int64_t interval_ns(void)
{
    int64_t shortest_ns = INT64_MAX;
    list_for_each (link, &watched_loops)
        if (watched_of(link)->limit_ns < shortest_ns)
            shortest_ns = watched_of(link)->limit_ns;
    int64_t ns = shortest_ns / LOOKS_PER_LIMIT;
    return ns > INTERVAL_MIN_NS ? ns : INTERVAL_MIN_NS;
}

static void *watch(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    while (!stopping) {
        int64_t due_ns = asyncio__clock_real_ns() + interval_ns();
        struct timespec until = time_of(due_ns);
        pthread_cond_timedwait(&changed, &lock, &until);
        int64_t now_ns = asyncio__clock_real_ns();
        if (now_ns - due_ns > 2 * interval_ns() + INTERVAL_MIN_NS)
            excuse_all(now_ns);
        look_at_all(now_ns);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

// --- its life ---------------------------------------------------------------

static void make_condition(void)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr); // on Linux none of these can fail
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attr);
    pthread_condattr_destroy(&attr);
    sem_init(&answer.taken, 0, 0);
}

// Only one thread starts or stops the watchdog at a time.
static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

// A forked process has neither the thread nor the loops.
static void forget_all(void)
{
    while (list_pop(&watched_loops))
        continue;
    telling = NULL;
    if (threads > 0) uninstall();
    threads = 0;
    make_condition();
    life = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_unlock(&lock);
}

static int once_err;

static void make_once(void)
{
    make_condition();
    once_err = -pthread_atfork(before_fork, after_fork, forget_all);
}

static int start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_once);
    int err = once_err;
    if (err == 0) err = install();
    if (err < 0) return err;
    stopping = false;
    err = asyncio__sys_thread_start(&thread, 0, watch, NULL);
    if (err == 0)
        threads = 1;
    else
        uninstall();
    return err;
}

static void stop(void)
{
    asyncio__sys_thread_join(thread);
    uninstall();
    threads = 0;
}

static int join_watched(struct asyncio__watched *watched)
{
    pthread_mutex_lock(&life);
    int err = threads > 0 ? 0 : start();
    if (err == 0) {
        pthread_mutex_lock(&lock);
        list_add_tail(&watched_loops, &watched->link);
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_unlock(&life);
    return err;
}

static void leave_watched(struct asyncio__watched *watched)
{
    pthread_mutex_lock(&life);
    pthread_mutex_lock(&lock);
    while (telling == watched)
        pthread_cond_wait(&changed, &lock);
    if (list_linked(&watched->link)) list_remove(&watched->link);
    bool last = threads > 0 && list_empty(&watched_loops);
    if (last) stopping = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    if (last) stop();
    pthread_mutex_unlock(&life);
}

// The limit that was asked for, for this loop or in the environment; 0: none.
static int64_t limit_of(const struct asyncio_loop *loop)
{
    if (loop->watchdog_ns > 0) return loop->watchdog_ns;
    const char *word = getenv("ASYNCIO_WATCHDOG");
    double seconds = word ? strtod(word, NULL) : 0;
    return seconds > 0 && seconds < 1e9 ? (int64_t)(seconds * 1e9) : 0;
}

void asyncio__watchdog_begin(struct asyncio__watched *watched,
                             struct asyncio_loop *loop)
{
    *watched = (struct asyncio__watched){
        .loop = loop,
        .thread = pthread_self(),
        .limit_ns = limit_of(loop),
        .passes = passes_of(loop),
        .since_ns = asyncio__clock_real_ns(),
    };
    if (watched->limit_ns == 0) return;

    // The first walk may have to take locks and load things; this one does.
    struct asyncio__unwind_options options = {0};
    struct asyncio__frame frame;
    asyncio__unwind(NULL, &options, &frame, 1);
    int err = asyncio__signal_stack_hold();
    if (err == 0) {
        err = join_watched(watched);
        if (err < 0) asyncio__signal_stack_drop();
    }
    if (err == 0) return;
    watched->limit_ns = 0;
    asyncio__report(loop, err, NULL, NULL,
                    "the watchdog could not be started: the loop runs without");
}

void asyncio__watchdog_end(struct asyncio__watched *watched)
{
    if (watched->limit_ns == 0) return;
    leave_watched(watched);
    asyncio__signal_stack_drop();
}

int asyncio__watchdog_threads(void)
{
    return threads;
}
