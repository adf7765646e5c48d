// A worker that lies to its parent, or will not end. The parent believes
// nothing, goes on, and has its time.
//
// What only forges is tried without a sandbox: nothing there depends on it.

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "evil.h"
#include "exec/mailbox.h"

static struct asyncio__mailbox *box_of(void *arg)
{
    return (struct asyncio__mailbox *)(void *)((char *)arg -
                                               offsetof(struct asyncio__mailbox,
                                                        bytes));
}

// --- forged answers ---------------------------------------------------------

struct forger {
    struct asyncio__mailbox *box;
    struct asyncio__slot *slot; // of the job that runs
    struct asyncio__words *words;
    uint32_t number;
};

static struct forger forger_of(void *arg)
{
    struct forger it = {.box = box_of(arg)};
    for (uint32_t i = 0; i < ASYNCIO__MAILBOX_SLOTS; i++) {
        uint32_t state = atomic_load(&it.box->slots[i].state);
        if (state % ASYNCIO__SLOT_PHASES != ASYNCIO__SLOT_BEGUN) continue;
        it.number = state / ASYNCIO__SLOT_PHASES;
        it.slot = &it.box->slots[i];
        it.words = &it.box->words[i];
    }
    return it;
}

static void say(const struct forger *it, uint32_t number,
                enum asyncio__slot_phase phase)
{
    atomic_store(&asyncio__slot_of(it->box, number)->state,
                 asyncio__slot_state(number, phase));
}

static _Noreturn void die(void)
{
    kill(getpid(), SIGKILL);
    _exit(1);
}

// Says that the job is over, and dies before it is corrected.
static _Noreturn void answer_and_die(const struct forger *it)
{
    say(it, it->number, ASYNCIO__SLOT_ANSWERED);
    die();
}

static void expect_forged(int (*fn)(void *arg), int result, const char *words)
{
    struct asyncio_executor *pool = make_pool(1);
    struct {
        char before[64], number[64], behind[64];
    } memory = {"before", "number", "behind"};
    int calls = -1;
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, fn, memory.number,
                                      .size = sizeof memory.number),
              result);
    EXPECT_STR(memory.before, "before");
    EXPECT_STR(memory.behind, "behind");
    if (words) EXPECT_STR(asyncio_strerror(result), words);
    atomic_store(&shared->calls, 0);
    calls = asyncio_run_in_executor(pool, count_call, NULL);
    EXPECT_EQ(calls, 0);
    asyncio_executor_shutdown(pool);
}

#define FORGERY(name, result, words)                                           \
    static void name##_by(struct forger *it);                                  \
    static int name(void *arg)                                                 \
    {                                                                          \
        struct forger it = forger_of(arg);                                     \
        name##_by(&it);                                                        \
        answer_and_die(&it);                                                   \
    }                                                                          \
    TEST(parent_survives_##name)                                               \
    {                                                                          \
        expect_forged(name, result, words);                                    \
    }                                                                          \
    static void name##_by(struct forger *it)

FORGERY(a_forged_length, 7, NULL)
{
    it->slot->size = UINT64_MAX;
    it->slot->result = 7;
}

FORGERY(a_forged_offset, 8, NULL)
{
    it->slot->offset = UINT64_MAX / 2;
    it->slot->result = 8;
}

FORGERY(a_forged_function, 0, NULL)
{
    it->slot->fn = 1;
    it->slot->result = 0;
}

FORGERY(a_forged_block_and_place, 4, NULL)
{
    it->slot->shared = UINT64_MAX;
    it->slot->place = UINT32_MAX;
    it->slot->result = 4;
}

FORGERY(a_forged_result, INT32_MIN, NULL)
{
    it->slot->result = INT32_MIN;
}

FORGERY(a_result_that_no_code_has, -4095, "no words for it")
{
    strcpy(it->words->text, "no words for it");
    it->slot->result = -4095;
}

FORGERY(words_at_a_forged_place, -EPROTO, "here")
{
    strcpy(it->words->text, "here");
    it->words->site = UINT64_MAX - 1;
    it->slot->result = -EPROTO;
}

FORGERY(words_that_do_not_end, -EPROTO, NULL)
{
    memset(it->words->text, 'x', sizeof it->words->text);
    memset(it->words->task, 'y', sizeof it->words->task);
    it->words->site = (uintptr_t)it->words->text; // no constant
    it->slot->result = -EPROTO;
}

// A terminal would obey these: colours, titles, answers typed as if by hand.
FORGERY(words_that_command_a_terminal, -EPROTO,
        "?[2J?]0;evil??[31m\xc3\xbc??\n")
{
    strcpy(it->words->text, "\033[2J\033]0;evil\a\x7f[31m\xc3\xbc\xc2\x9b\n");
    it->slot->result = -EPROTO;
}

FORGERY(words_for_a_success, 3, NULL)
{
    strcpy(it->words->text, "it worked");
    it->slot->result = 3;
}

FORGERY(memory_that_is_taken_back, 0, NULL)
{
    EXPECT_EQ(madvise(it->box, sizeof *it->box, MADV_REMOVE), 0);
}

// --- forged numbers, states and counts --------------------------------------

// Jobs that are to come, that have been, and that never were.
FORGERY(answers_to_other_numbers, 6, NULL)
{
    for (uint32_t i = 1; i < ASYNCIO__MAILBOX_SLOTS; i++)
        say(it, it->number + i * 65537, ASYNCIO__SLOT_ANSWERED);
    it->slot->result = 6;
}

FORGERY(states_that_there_are_not, 2, NULL)
{
    for (uint32_t i = 1; i < ASYNCIO__MAILBOX_SLOTS; i++)
        atomic_store(&it->box->slots[i].state, UINT32_MAX - i);
    it->slot->result = 2;
}

FORGERY(a_forged_pace, 5, NULL)
{
    atomic_store(&it->box->pace_ns, 1);
    atomic_store(&it->box->asleep, UINT32_MAX);
    atomic_store(&it->box->listening, UINT32_MAX);
    it->box->spin_ns = INT64_MAX;
    it->slot->result = 5;
}

// The number after the last one is the first again, and still not this one.
static int answer_wrong_number(void *arg)
{
    struct forger it = forger_of(arg);
    atomic_store(&it.slot->state,
                 asyncio__slot_state(it.number + ASYNCIO__MAILBOX_SLOTS,
                                     ASYNCIO__SLOT_ANSWERED));
    die();
}

TEST(parent_takes_no_answer_under_another_number)
{
    expect_forged(answer_wrong_number, -EOWNERDEAD, NULL);
}

// It has begun, and denies it: what it gets is no more than two more tries.
static int deny_the_beginning(void *arg)
{
    struct forger it = forger_of(arg);
    atomic_fetch_add(&shared->calls, 1);
    say(&it, it.number, ASYNCIO__SLOT_QUEUED);
    die();
}

TEST(parent_does_not_try_for_ever_what_denies_to_have_begun)
{
    struct asyncio_executor *pool = make_pool(1);
    char number[8] = "";
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, deny_the_beginning, number,
                                      .size = sizeof number),
              -EOWNERDEAD);
    EXPECT_LE(atomic_load(&shared->calls), 3);
    EXPECT_GE(asyncio_run_in_executor(pool, count_call, NULL), 1);
    asyncio_executor_shutdown(pool);
}

// Speaks for those that wait behind it: each of them ends, and once.
static int answer_for_all(void *arg)
{
    struct forger it = forger_of(arg);
    sem_post(&shared->begun);
    down(&shared->gate);
    for (uint32_t i = 0; i < ASYNCIO__MAILBOX_SLOTS; i++) {
        it.box->slots[i].result = 77;
        it.box->slots[i].size = UINT64_MAX;
        say(&it, it.number + i, ASYNCIO__SLOT_ANSWERED);
    }
    die();
}

static int be_answered_for(void *arg)
{
    struct asyncio_executor *pool = arg;
    char number[8] = "";
    int result = asyncio_run_in_executor(pool, count_call, number,
                                         .size = sizeof number);
    EXPECT(result >= 0);
    atomic_fetch_add(&shared->pid, 1);
    return 0;
}

static int ask_for_forgery(void *arg)
{
    char number[8] = "";
    return asyncio_run_in_executor(arg, answer_for_all, number,
                                   .size = sizeof number);
}

TEST(parent_survives_answers_for_those_that_wait, .ordered = true)
{
    enum { BEHIND = 20 };
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    for (int i = 0; i < 50; i++) // so that the pool knows them to be short
        EXPECT_GE(asyncio_run_in_executor(pool, count_call, NULL), 0);
    atomic_store(&shared->pid, 0);
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, ask_for_forgery, pool);
    for (int i = 0; i < BEHIND; i++)
        asyncio_task_group_create_task(&group, be_answered_for, pool);
    asyncio_ignore(asyncio_sleep(0));
    sem_post(&shared->gate);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(atomic_load(&shared->pid), BEHIND);
    EXPECT_GE(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

// All that is in the mailbox, in all kinds of disorder.
static int scribble(void *arg)
{
    struct forger it = forger_of(arg);
    unsigned char *bytes = (unsigned char *)it.box;
    unsigned seed = *(unsigned *)arg;

    for (size_t i = 0; i < offsetof(struct asyncio__mailbox, bytes); i++)
        bytes[i] = (unsigned char)(rand_r(&seed) >> 7);
    answer_and_die(&it);
}

TEST(parent_survives_any_bytes)
{
    enum { TIMES = 50 };
    struct asyncio_executor *pool = make_pool(2);
    unsigned seed;
    EXPECT_OR_RETURN(pool);
    for (unsigned i = 0; i < TIMES; i++) {
        seed = i;
        asyncio_ignore(asyncio_run_in_executor(pool, scribble, &seed,
                                               .size = sizeof seed));
        EXPECT_LT(strlen(asyncio_strerror(-EPROTO)), 2048);
    }
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

// Answers while it works on, and flips its state back and forth: jobs that are
// said to be over are over, and each is so once.
static int answer_again_and_again(void *arg)
{
    struct forger it = forger_of(arg);
    for (int i = 0; i < 10000; i++) {
        say(&it, it.number, ASYNCIO__SLOT_ANSWERED);
        say(&it, it.number, ASYNCIO__SLOT_QUEUED);
        say(&it, it.number + 1, ASYNCIO__SLOT_ANSWERED);
        say(&it, it.number, ASYNCIO__SLOT_BEGUN);
    }
    it.slot->result = 1;
    return 1;
}

TEST(parent_survives_answers_at_wrong_times, .real_time = true)
{
    struct asyncio_executor *pool;
    char number[8] = "";
    EXPECT_OR_RETURN(share_memory());
    int err =
        asyncio_process_pool_create(&pool, .max_workers = 2, .timeout = 0.5);
    EXPECT_OR_RETURN(err == 0);
    for (int i = 0; i < 20; i++)
        asyncio_ignore(asyncio_run_in_executor(pool, answer_again_and_again,
                                               number, .size = sizeof number));
    EXPECT_STR(number, "");
    asyncio_executor_shutdown(pool);
}

// --- memory and descriptors that are shared ---------------------------------

// Where a mapping with this in its name is; false if there is none.
static bool find_mapping(const char *part, char *range, size_t size)
{
    char line[512];
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps) return false;
    while (!found && fgets(line, sizeof line, maps))
        found = strstr(line, part);
    fclose(maps);
    if (found) snprintf(range, size, "%.*s", (int)strcspn(line, " "), line);
    return found;
}

// The way back to a descriptor that was closed needs root.
static int shrink(const char *name)
{
    char range[64], path[128];
    if (!find_mapping(name, range, sizeof range)) return -ENOENT;
    snprintf(path, sizeof path, "/proc/self/map_files/%s", range);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return -errno;
    int err = ftruncate(fd, 0) < 0 ? -errno : 0;
    if (err < 0 && ftruncate(fd, 1 << 30) == 0) err = 0;
    close(fd);
    return err;
}

static int shrink_mailbox(void *arg)
{
    (void)arg;
    return shrink("asyncio-mailbox");
}

static int shrink_block(void *arg)
{
    return asyncio_shared_data(arg) ? shrink("asyncio-shared") : -ENXIO;
}

static void expect_not_shrunk(int err)
{
    if (err == -EACCES || (err == -EPERM && geteuid() != 0))
        SKIP("only root finds a descriptor that was closed");
    else
        EXPECT_EQ(err, -EPERM);
}

TEST(parent_survives_a_mailbox_that_is_to_shrink)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    expect_not_shrunk(asyncio_run_in_executor(pool, shrink_mailbox, NULL));
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

TEST(parent_survives_shared_memory_that_is_to_shrink)
{
    struct asyncio_shared block;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (EXPECT_EQ(asyncio_shared_alloc(&block, 1 << 20), 0)) {
        expect_not_shrunk(asyncio_run_in_executor(pool, shrink_block, &block,
                                                  .size = sizeof block,
                                                  .shared = &block));
        const char *bytes = asyncio_shared_data(&block);
        EXPECT_EQ(bytes[(1 << 20) - 1], 0);
        asyncio_shared_free(&block);
    }
    asyncio_executor_shutdown(pool);
}

// Whoever has a ring's memory can have the parent open files.
static int look_for_rings(void *arg)
{
    char range[64];
    (void)arg;
    return find_mapping("io_uring", range, sizeof range);
}

TEST(worker_has_no_ring_of_its_parent)
{
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    EXPECT_EQ(asyncio_run_in_executor(pool, look_for_rings, NULL), 0);
    asyncio_executor_shutdown(pool);
}

static int close_everything(void *arg)
{
    (void)arg;
    for (int fd = 0; fd < 256; fd++)
        close(fd);
    return 5;
}

// Nobody hears of the answer; it is found when time is up.
TEST(parent_survives_a_bell_that_is_closed, .real_time = true)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(share_memory());
    int err =
        asyncio_process_pool_create(&pool, .max_workers = 1, .timeout = 0.5);
    EXPECT_OR_RETURN(err == 0);
    int result = asyncio_run_in_executor(pool, close_everything, NULL);
    EXPECT(result == 5 || result == -ETIMEDOUT);
    asyncio_executor_shutdown(pool);
}

// --- too much of it ---------------------------------------------------------

static int ring_for_ever(void *arg)
{
    const struct target *target = arg;
    static const char rings[4096];
    for (;;)
        if (CALL(SYS_write, target->bell, rings, sizeof rings) == -EPERM) break;
    return 0;
}

static int count_passes(void *arg)
{
    int *passes = arg;
    for (; *passes < 100; ++*passes)
        if (asyncio_sleep(0.001) < 0) break;
    return 0;
}

TEST(parent_turns_while_its_bell_is_rung_for_ever, .real_time = true)
{
    struct target target = {0};
    int passes = 0;
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    if (find_target(pool, &target)) {
        struct asyncio_task *counter =
            asyncio_create_task(count_passes, &passes);
        int err = asyncio_wait_for(
            asyncio_run_in_executor(pool, ring_for_ever, &target,
                                    .size = sizeof target),
            0.5);
        EXPECT_EQ(err, -ETIMEDOUT);
        EXPECT_EQ(asyncio_await(counter), 0);
        EXPECT_GT(passes, 10);
        asyncio_task_release(counter);
    }
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

static int print_a_lot(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000000; i++) {
        printf("evil %d\n", i);
        fprintf(stderr, "evil %d\n", i);
    }
    return 2;
}

TEST(sandbox_lets_nothing_be_printed)
{
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    EXPECT_EQ(asyncio_run_in_executor(pool, print_a_lot, NULL), 2);
    asyncio_executor_shutdown(pool);
}

// Not to be found out to be without an end, by a compiler.
static volatile bool for_ever = true;

static int compute_for_ever(void *arg)
{
    (void)arg;
    while (for_ever)
        continue;
    return 0;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    while (for_ever)
        nanosleep(&(struct timespec){.tv_sec = 1000}, NULL);
    return 0;
}

static int stop_itself(void *arg)
{
    (void)arg;
    kill(getpid(), SIGSTOP);
    return 0;
}

static int deepen(int depth)
{
    volatile char frame[4096];
    frame[0] = (char)depth;
    return for_ever ? deepen(depth + 1) + frame[0] : 0;
}

static int recur_for_ever(void *arg)
{
    (void)arg;
    return deepen(0);
}

// The job alone has a limit, if any: a worker may take its time to begin.
static void expect_ended(int (*fn)(void *arg), double limit, int code,
                         const char *words)
{
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    EXPECT_EQ(asyncio_run_in_executor(pool, fn, NULL, .timeout = limit), code);
    EXPECT_CONTAINS(asyncio_strerror(code), words);
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

TEST(sandboxed_worker_that_computes_for_ever_is_killed, .real_time = true)
{
    expect_ended(compute_for_ever, 0.3, -ETIMEDOUT, "took longer than 0.3 s");
}

TEST(sandboxed_worker_that_sleeps_for_ever_is_killed, .real_time = true)
{
    expect_ended(sleep_for_ever, 0.3, -ETIMEDOUT, "took longer than 0.3 s");
}

TEST(sandboxed_worker_that_stops_itself_is_killed, .real_time = true)
{
    expect_ended(stop_itself, 0.3, -ETIMEDOUT, "took longer than 0.3 s");
}

TEST(sandboxed_worker_that_recurs_for_ever_fails_alone, .real_time = true)
{
    expect_ended(recur_for_ever, 0, -EOWNERDEAD, "SIGSEGV");
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

#ifndef SANITIZED
// A sanitizer's own memory leaves no room for a limit.
// What it takes is limited by the parent's own limit of address space here.
static int take_memory_for_ever(void *arg)
{
    (void)arg;
    for (size_t total = 0; for_ever; total += 1 << 20) {
        volatile char *memory = malloc(1 << 20);
        if (!memory) return total > 0 ? -ENOMEM : 0;
        for (size_t i = 0; i < 1 << 20; i += 4096)
            memory[i] = 1;
    }
    return 0;
}

TEST(sandboxed_worker_that_takes_memory_for_ever_fails_alone)
{
    struct rlimit was, small = {.rlim_cur = 512 << 20};
    EXPECT_EQ(getrlimit(RLIMIT_AS, &was), 0);
    small.rlim_max = was.rlim_max;
    EXPECT_EQ(setrlimit(RLIMIT_AS, &small), 0);
    struct asyncio_executor *pool = make_sandbox(1);
    EXPECT_EQ(setrlimit(RLIMIT_AS, &was), 0);
    if (!pool) return;
    EXPECT_EQ(asyncio_run_in_executor(pool, take_memory_for_ever, NULL),
              -ENOMEM);
    asyncio_executor_shutdown(pool);
}
#endif

static int signal_itself(void *arg)
{
    kill(getpid(), *(int *)arg);
    return 0;
}

// It takes some sixty workers along.
TEST(sandboxed_worker_that_signals_itself_harms_itself, .limit = 60)
{
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    for (int i = 1; i < NSIG; i++) {
        if (i == SIGSTOP || i == SIGTSTP || i == SIGTTIN || i == SIGTTOU)
            continue; // until its time is up
        int number = i;
        int result = asyncio_run_in_executor(pool, signal_itself, &number,
                                             .size = sizeof number);
        EXPECT(result == 0 || result == -EOWNERDEAD);
    }
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}
