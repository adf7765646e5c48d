// What does a call cost that another process, or another thread, answers?
//
//     ./dev bench executors [ROUNDS]
//
// Each round goes through all measurements, then through the same ones in the
// pools of Python's concurrent.futures, if there is a python3. The floor is a
// futex between two processes forked here, which do nothing but count. Medians
// of the rounds are printed, with the least and the greatest, and what the
// floor and Python make of it. The last part repeats a load while two other
// processes compute, with spinning and without it: spinning must not cost.

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <asyncio.h>

#define CALLS      5000 // hot round trips in a round
#define COLD_CALLS 100  // each after a rest of two milliseconds
#define BULK       200000
#define IN_FLIGHT  64
#define POSTS      1000000
#define ROUNDS_MAX 101
#define BUSY_TIMES 5 // so often in a round, as others disturb it more
#define MEGABYTE   ((size_t)1024 * 1024)

enum figure {
    FLOOR_HOT,
    FLOOR_COLD,
    PROCESS_HOT,
    PROCESS_COLD,
    BULK_MAP,
    BULK_TASKS,
    LARGE,
    HUGE,
    THREAD_HOT,
    THREAD_COLD,
    POST,
    PYTHON_PROCESS,
    PYTHON_BULK,
    PYTHON_LARGE,
    PYTHON_HUGE,
    PYTHON_THREAD,
    PYTHON_POST,
    FIGURES
};

static const struct {
    const char *name, *unit;
    int reference, python; // figures to compare with, or -1
} about[FIGURES] = {
    [FLOOR_HOT] = {"floor: futex, awake", "us", -1, -1},
    [FLOOR_COLD] = {"floor: futex, asleep", "us", -1, -1},
    [PROCESS_HOT] = {"process: round trip hot", "us", FLOOR_HOT,
                     PYTHON_PROCESS},
    [PROCESS_COLD] = {"process: round trip cold", "us", FLOOR_COLD,
                      PYTHON_PROCESS},
    [BULK_MAP] = {"process: map, 2 workers", "calls/s", -1, PYTHON_BULK},
    [BULK_TASKS] = {"process: 64 tasks", "calls/s", -1, PYTHON_BULK},
    [LARGE] = {"process: 1 MiB there, back", "us", -1, PYTHON_LARGE},
    [HUGE] = {"process: 64 MiB, shared", "us", -1, PYTHON_HUGE},
    [THREAD_HOT] = {"to_thread: hot", "us", FLOOR_HOT, PYTHON_THREAD},
    [THREAD_COLD] = {"to_thread: cold", "us", FLOOR_COLD, PYTHON_THREAD},
    [POST] = {"thread: posts to the loop", "posts/s", -1, PYTHON_POST},
    [PYTHON_PROCESS] = {"python: process round trip", "us", -1, -1},
    [PYTHON_BULK] = {"python: map, 2 workers", "calls/s", -1, -1},
    [PYTHON_LARGE] = {"python: 1 MiB there, back", "us", -1, -1},
    [PYTHON_HUGE] = {"python: 64 MiB there, back", "us", -1, -1},
    [PYTHON_THREAD] = {"python: thread round trip", "us", -1, -1},
    [PYTHON_POST] = {"python: call_soon_threadsafe", "posts/s", -1, -1},
};

static double figures[FIGURES][ROUNDS_MAX];
static int rounds = 5;
static const char *python_script;

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

// ---- The floor --------------------------------------------------------------

static struct floor {
    _Alignas(64) _Atomic(uint32_t) asked, spins;
    _Alignas(64) _Atomic(uint32_t) answered;
} * ground;
static pid_t ground_pid;

static void floor_wait(_Atomic(uint32_t) *word, uint32_t old)
{
    while (atomic_load(word) == old)
        if (!atomic_load(&ground->spins))
            syscall(SYS_futex, word, FUTEX_WAIT, old, NULL, NULL, 0);
}

static void floor_tell(_Atomic(uint32_t) *word, uint32_t value)
{
    atomic_store(word, value);
    if (!atomic_load(&ground->spins))
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void floor_open(void)
{
    ground = mmap(NULL, sizeof *ground, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ground == MAP_FAILED) exit(1);
    ground_pid = fork();
    if (ground_pid != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t n = 0;; n++) {
        floor_wait(&ground->asked, n);
        floor_tell(&ground->answered, n + 1);
    }
}

static void floor_call(void)
{
    uint32_t n = atomic_load(&ground->answered);
    floor_tell(&ground->asked, n + 1);
    floor_wait(&ground->answered, n);
}

static double floor_hot(void)
{
    atomic_store(&ground->spins, 1);
    floor_tell(&ground->asked, atomic_load(&ground->asked));
    syscall(SYS_futex, &ground->asked, FUTEX_WAKE, 1, NULL, NULL, 0);
    floor_call();
    double start = now_us();
    for (int i = 0; i < CALLS; i++)
        floor_call();
    double taken = (now_us() - start) / CALLS;
    atomic_store(&ground->spins, 0);
    return taken;
}

static double floor_cold(void)
{
    double taken = 0;
    for (int i = 0; i < COLD_CALLS; i++) {
        rest();
        double start = now_us();
        floor_call();
        taken += now_us() - start;
    }
    return taken / COLD_CALLS;
}

// ---- Calls ------------------------------------------------------------------

static struct asyncio_executor *one, *two; // pools, by their workers

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}
ASYNCIO_JOB(nothing)

static int failed; // the first code that was none of ours to expect

static void check(int err)
{
    if (err < 0 && failed == 0) failed = err;
}

static double hot(struct asyncio_executor *pool)
{
    for (int i = 0; i < 200; i++)
        check(asyncio_run_in_executor(pool, nothing, NULL));
    double start = now_us();
    for (int i = 0; i < CALLS; i++)
        check(asyncio_run_in_executor(pool, nothing, NULL));
    return (now_us() - start) / CALLS;
}

static double cold(struct asyncio_executor *pool)
{
    double taken = 0;
    for (int i = 0; i < COLD_CALLS; i++) {
        rest();
        double start = now_us();
        check(asyncio_run_in_executor(pool, nothing, NULL));
        taken += now_us() - start;
    }
    return taken / COLD_CALLS;
}

static double bulk_map(int count)
{
    static int items[2 * BULK];
    double start = now_us();
    check(asyncio_executor_map(two, nothing, items, sizeof *items,
                               (size_t)count));
    return count / (now_us() - start) * 1e6;
}

static int left; // calls that no task has made yet

static int make_calls(void *arg)
{
    int item = 0;
    (void)arg;
    while (left-- > 0)
        check(
            asyncio_run_in_executor(two, nothing, &item, .size = sizeof item));
    return 0;
}

static double bulk_tasks(int count)
{
    double start = now_us();
    left = count;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < IN_FLIGHT; i++)
        asyncio_task_group_create_task(&group, make_calls, NULL);
    check(asyncio_task_group_exit(&group, 0));
    return count / (now_us() - start) * 1e6;
}

static double large(void)
{
    enum { TIMES = 32 };
    char *data = calloc(1, MEGABYTE);
    if (!data) return -1;
    check(asyncio_run_in_executor(one, nothing, data, .size = MEGABYTE));
    double start = now_us();
    for (int i = 0; i < TIMES; i++)
        check(asyncio_run_in_executor(one, nothing, data, .size = MEGABYTE));
    double taken = (now_us() - start) / TIMES;
    free(data);
    return taken;
}

// One byte of each page.
static int look_at(void *arg)
{
    const struct asyncio_shared *block = arg;
    const volatile char *bytes = asyncio_shared_data(block);
    if (!bytes) return -EFAULT;
    for (size_t i = 0; i < block->size; i += 4096)
        (void)bytes[i];
    return 0;
}
ASYNCIO_JOB(look_at)

static double huge(void)
{
    static struct asyncio_shared block; // for as long as the program runs
    if (block.size == 0) {
        check(asyncio_shared_alloc(&block, 64 * MEGABYTE));
        if (failed < 0) return -1;
        memset(asyncio_shared_data(&block), 1, block.size);
    }
    double start = now_us();
    for (int i = 0; i < 8; i++)
        check(asyncio_run_in_executor(one, look_at, &block,
                                      .size = sizeof block, .shared = &block));
    return (now_us() - start) / 8;
}

static int post_left;

static int count_post(void *arg)
{
    (void)arg;
    post_left--;
    return 0;
}

static int post_many(void *loop)
{
    for (int i = 0; i < POSTS; i++)
        check(asyncio_call_soon_threadsafe(loop, count_post, NULL));
    return 0;
}

static double posts(void)
{
    double start = now_us();
    post_left = POSTS;
    check(asyncio_to_thread(post_many, asyncio_get_running_loop()));
    while (post_left > 0)
        check(asyncio_sleep(0));
    return POSTS / (now_us() - start) * 1e6;
}

// ---- Python -----------------------------------------------------------------

static void ask_python(int round)
{
    char command[512], line[128];
    snprintf(command, sizeof command, "python3 '%s' 2>/dev/null",
             python_script);
    FILE *pipe = popen(command, "r");
    if (!pipe) return;
    for (int i = PYTHON_PROCESS; i < FIGURES && fgets(line, sizeof line, pipe);
         i++)
        figures[i][round] = atof(line);
    pclose(pipe);
}

// ---- Busy cores -------------------------------------------------------------

static _Atomic(uint64_t) *work; // what those who compute have done
static pid_t hogs[2];

static void start_hogs(void)
{
    for (int i = 0; i < 2; i++) {
        hogs[i] = fork();
        if (hogs[i] != 0) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            atomic_fetch_add_explicit(&work[i * 8], 1, memory_order_relaxed);
    }
}

static void stop_hogs(void)
{
    for (int i = 0; i < 2; i++) {
        kill(hogs[i], SIGKILL);
        waitpid(hogs[i], NULL, 0);
    }
}

static int run_crowded(void *arg)
{
    (void)arg;
    check(asyncio_process_pool_create(&one, .max_workers = 1));
    check(asyncio_process_pool_create(&two, .max_workers = 2));
    if (failed < 0) return failed;
    uint64_t before = work[0] + work[8];
    double start = now_us(), trip = hot(one), calls = bulk_map(2 * BULK);
    double added = (double)(work[0] + work[8] - before) / (now_us() - start);
    printf("%g %g %g\n", trip, calls, added);
    asyncio_executor_shutdown(one);
    asyncio_executor_shutdown(two);
    return failed;
}

static int be_crowded(void)
{
    work = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                -1, 0);
    if (work == MAP_FAILED) return 1;
    start_hogs();
    int status = asyncio_main(run_crowded, NULL, .processes = true);
    stop_hogs();
    return status;
}

// In a program of its own: whether to spin is read once.
static void measure_crowded(int spin_us, double values[3])
{
    char path[512], command[600];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    snprintf(command, sizeof command, "ASYNCIO_SPIN_US=%d '%s' crowded",
             spin_us, path);
    FILE *pipe = popen(command, "r");
    if (!pipe ||
        fscanf(pipe, "%lf %lf %lf", &values[0], &values[1], &values[2]) != 3) {
        fprintf(stderr, "executors: the crowded part failed\n");
        exit(1);
    }
    pclose(pipe);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_size);
    return values[count / 2];
}

static void measure_busy_cores(void)
{
    static double with[3][BUSY_TIMES * ROUNDS_MAX];
    static double without[3][BUSY_TIMES * ROUNDS_MAX];
    static const char *const names[] = {"round trip [us]", "map [calls/s]",
                                        "hogs [additions/us]"};
    int times = BUSY_TIMES * rounds;
    for (int i = 0; i < times; i++) {
        double on[3], off[3];
        measure_crowded(20, on);
        measure_crowded(0, off);
        for (int k = 0; k < 3; k++)
            with[k][i] = on[k], without[k][i] = off[k];
    }
    printf("\n%-22s %12s %12s %8s\n", "two others compute", "spinning",
           "not spinning", "ratio");
    for (int i = 0; i < 3; i++) {
        double a = median(with[i], times), b = median(without[i], times);
        printf("%-22s %12.2f %12.2f %8.2f\n", names[i], a, b, a / b);
    }
}

// ---- The report -------------------------------------------------------------

static void measure_round(int i)
{
    figures[FLOOR_HOT][i] = floor_hot();
    figures[PROCESS_HOT][i] = hot(one);
    figures[THREAD_HOT][i] = hot(ASYNCIO_THREADS);
    figures[FLOOR_COLD][i] = floor_cold();
    figures[PROCESS_COLD][i] = cold(one);
    figures[THREAD_COLD][i] = cold(ASYNCIO_THREADS);
    figures[BULK_MAP][i] = bulk_map(BULK);
    figures[BULK_TASKS][i] = bulk_tasks(BULK);
    figures[LARGE][i] = large();
    figures[HUGE][i] = huge();
    figures[POST][i] = posts();
    if (python_script) ask_python(i);
}

static int measure(void *arg)
{
    (void)arg;
    check(asyncio_process_pool_create(&one, .max_workers = 1));
    check(asyncio_process_pool_create(&two, .max_workers = 2));
    for (int i = 0; i < rounds && failed == 0; i++)
        measure_round(i);
    asyncio_executor_shutdown(one);
    asyncio_executor_shutdown(two);
    return failed;
}

// How many times faster the first is, whichever way it is measured.
static double ratio(int figure, int other)
{
    double a = figures[figure][rounds / 2], b = figures[other][rounds / 2];
    if (!(a > 0) || !(b > 0)) return 0;
    return strcmp(about[figure].unit, "us") == 0 ? b / a : a / b;
}

static void print_ratio(int figure, int other)
{
    if (other < 0 || !(ratio(figure, other) > 0))
        printf(" %9s", "");
    else
        printf(" %9.2f", ratio(figure, other));
}

static void print_figures(void)
{
    for (int i = 0; i < FIGURES; i++)
        qsort(figures[i], (size_t)rounds, sizeof **figures, by_size);
    printf("%-30s %12s %12s %12s %-8s %9s %9s\n", "", "median", "least",
           "greatest", "", "x floor", "x python");
    for (int i = 0; i < FIGURES; i++) {
        if (!(figures[i][rounds / 2] > 0)) continue;
        printf("%-30s %12.2f %12.2f %12.2f %-8s", about[i].name,
               figures[i][rounds / 2], figures[i][0], figures[i][rounds - 1],
               about[i].unit);
        print_ratio(i, about[i].reference);
        print_ratio(i, about[i].python);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    static const char script[] = "bench/python/executors.py";
    struct utsname machine;
    if (argc == 2 && strcmp(argv[1], "crowded") == 0) return be_crowded();
    if (argc > 1) rounds = atoi(argv[1]);
    if (rounds < 1 || rounds > ROUNDS_MAX || argc > 2) {
        fprintf(stderr, "usage: executors [ROUNDS]\n");
        return 2;
    }
    if (access(script, R_OK) == 0) python_script = script;
    uname(&machine);
    printf("%d rounds, Linux %s %s, %ld processors, %s\n", rounds,
           machine.release, machine.machine, sysconf(_SC_NPROCESSORS_ONLN),
           python_script ? "in turns with Python" : "without Python");
    fflush(stdout);

    floor_open();
    int status = asyncio_main(measure, NULL, .processes = true);
    kill(ground_pid, SIGKILL);
    waitpid(ground_pid, NULL, 0);
    if (status != 0) return status;
    print_figures();
    fflush(stdout);
    measure_busy_cores();
    return 0;
}
