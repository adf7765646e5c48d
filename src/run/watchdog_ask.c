// How the watchdog asks a thread where it stands: by a signal.
//
//     watchdog:  ask: ASKED --signal--> handler: TAKING, TAKEN --> answer
//
// The handler takes down what only that thread may look at, calls nothing that
// a handler may not, and leaves the names to whoever asked.

#include "run/watchdog_ask.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "platform/sys.h"
#include "platform/unwind.h"
#include "task/run.h"
#include "task/task.h"

#define ANSWER_NS 1000000000 // how long a thread may take to answer

static int signal_number; // 0: none was found
static struct sigaction signal_before;

// ASKED -> TAKING -> TAKEN -> IDLE, or ASKED -> IDLE if nobody answers. A
// handler that comes too late finds no question.
enum answer_state { IDLE, ASKED, TAKING, TAKEN };

static struct {
    _Atomic(enum answer_state) state;
    struct asyncio__watched *watched;
    sem_t taken;
} question;

static struct asyncio__answer answer;

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
    const char *name = asyncio__task_given_name(task);
    if (name) {
        copy_text(answer.name, sizeof answer.name, name);
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
    answer.moved = asyncio__watched_passes(loop) != watched->passes;
    answer.name[0] = answer.site[0] = '\0';
    answer.report = loop->report;
    answer.report_arg = loop->report_arg;
    if (task) {
        copy_name(task);
        copy_text(answer.site, sizeof answer.site, task->future.site_);
    }
    answer.count = answer.moved ? 0
                                : asyncio__unwind(NULL, &options, answer.frames,
                                                  ASYNCIO__ANSWER_FRAMES);
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
    } else if (atomic_load(&question.state) == ASKED &&
               question.watched == info->si_value.sival_ptr &&
               pthread_equal(question.watched->thread, pthread_self()) &&
               atomic_compare_exchange_strong(&question.state, &asked,
                                              TAKING)) {
        take(question.watched);
        atomic_store(&question.state, TAKEN);
        sem_post(&question.taken);
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

int asyncio__watchdog_take_signal(void)
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
void asyncio__watchdog_return_signal(void)
{
    struct sigaction now, ignore = {.sa_handler = SIG_IGN};
    bool ours = sigaction(signal_number, NULL, &now) == 0 &&
                (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_signal;
    if (!ours) return; // somebody put another over it
    sigaction(signal_number, &ignore, NULL);
    sigaction(signal_number, &signal_before, NULL);
}

// --- asking -----------------------------------------------------------------

void asyncio__watchdog_ask_init(void)
{
    sem_init(&question.taken, 0, 0);
}

const struct asyncio__answer *
asyncio__watchdog_ask(struct asyncio__watched *watched)
{
    question.watched = watched;
    atomic_store(&question.state, ASKED);
    int err =
        asyncio__sys_thread_signal(watched->thread, signal_number, watched);
    int64_t until_ns = asyncio__clock_real_ns() + ANSWER_NS;
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    while (err == 0 && atomic_load(&question.state) != TAKEN)
        if (sem_clockwait(&question.taken, CLOCK_MONOTONIC, &until) < 0 &&
            errno == ETIMEDOUT)
            break;
    enum answer_state asked = ASKED;
    if (atomic_compare_exchange_strong(&question.state, &asked, IDLE))
        return NULL;
    while (atomic_load(&question.state) != TAKEN) // it is being written
        sem_wait(&question.taken);
    return &answer;
}

void asyncio__watchdog_heard(void)
{
    atomic_store(&question.state, IDLE);
}
