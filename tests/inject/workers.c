// How each step is met: by the job itself while it runs; by a fork handler as
// the worker starts; by a filter that turns the ringing of the bell into a
// signal, so that the answer has been written; by stopping a worker that is
// idle, so that it cannot see what it is given.

#include "inject/workers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "inject/jobs.h"

#define WORKERS      2
#define LIMIT        0.1 // seconds of a job where workers are stopped
#define MEMORY_LIMIT (32 << 20)
#define PATIENCE_NS  INT64_C(5000000000)
#define LOOK_US      200 // of inject_work, to see that all workers are there

struct injection {
    struct inject_counts *counts;
    struct asyncio_executor *pool;
    pid_t foreman;
    unsigned number, number_max; // of the next job
    uint64_t random;
    double *times_ms; // replacements
    unsigned time_count;
    char cgroup[256]; // a folder, or ""
    bool over;        // the other jobs are to end
};

// xorshift: one seed, one sequence.
static unsigned next_random(struct injection *it, unsigned below)
{
    it->random ^= it->random << 13;
    it->random ^= it->random >> 7;
    it->random ^= it->random << 17;
    return (unsigned)(it->random >> 33) % below;
}

// --- who is there -----------------------------------------------------------

static bool read_stat(pid_t pid, char *state, pid_t *parent)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    int n = fscanf(file, "%*d (%*[^)]) %c %d", state, parent);
    fclose(file);
    return n == 2;
}

// How many children a process has; those that are not reaped into `zombies`.
static unsigned count_children(pid_t of, unsigned *zombies)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    *zombies = 0;
    while (folder && (entry = readdir(folder))) {
        pid_t pid = atoi(entry->d_name), parent;
        char state;
        if (pid <= 0 || !read_stat(pid, &state, &parent) || parent != of)
            continue;
        if (state == 'Z') ++*zombies;
        count++;
    }
    if (folder) closedir(folder);
    return count;
}

static int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder) closedir(folder);
    return count;
}

// A number may be somebody else's by now: only what is held by a descriptor and
// is a child of the foreman is hit.
static void hit_worker(struct injection *it, pid_t pid, int number)
{
    char state;
    pid_t parent;
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (fd < 0) return;
    if (read_stat(pid, &state, &parent) && parent == it->foreman) {
        atomic_store(&inject_board->shot_ns, inject_now_ns());
        syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
    }
    close(fd);
}

static void await_stop(pid_t pid)
{
    char state;
    pid_t parent;
    for (int i = 0; i < 10000; i++) {
        if (!read_stat(pid, &state, &parent) || state == 'T' || state == 'Z')
            return;
        sched_yield();
    }
}

// --- jobs -------------------------------------------------------------------

static void note_end(struct injection *it, const struct inject_order *order,
                     int code)
{
    struct inject_counts *counts = it->counts;
    unsigned runs = atomic_load(&inject_board->runs[order->number]);

    counts->ended++;
    if (runs > 1) counts->twice++;
    if (code >= 0 && runs == 0) counts->unran++;
    if (code >= 0)
        counts->good++;
    else if (code == -EOWNERDEAD)
        counts->dead++;
    else if (code == -ETIMEDOUT)
        counts->late++;
    else
        counts->strange++;
}

static int run_job(struct injection *it, int (*fn)(void *arg),
                   struct inject_order *order)
{
    if (it->number == it->number_max) return -ENOSPC;
    order->number = it->number++;
    it->counts->jobs++;
    int code =
        asyncio_run_in_executor(it->pool, fn, order, .size = sizeof *order);
    note_end(it, order, code);
    return code;
}

// Others have jobs in the same pool all the while.
static int go_on_working(void *arg)
{
    struct injection *it = arg;
    while (!it->over) {
        struct inject_order order = {.spin_us = 20};
        int code = run_job(it, inject_work, &order);
        if (code == -ENOSPC || code == -ECANCELED) return 0;
        if (asyncio_sleep(0.0005) < 0) return 0;
    }
    return 0;
}

// Until a job is done: the worker that was hit has been replaced by then.
static pid_t await_worker(struct injection *it)
{
    struct inject_order order = {0};
    for (int i = 0; i < 20; i++)
        if (run_job(it, inject_work, &order) >= 0) return order.pid;
    return 0;
}

struct delayed {
    struct injection *it;
    struct inject_order order;
    int (*fn)(void *arg);
};

static int run_delayed(void *arg)
{
    struct delayed *job = arg;
    return run_job(job->it, job->fn, &job->order);
}

// True if as many workers as there have to be did a job each, side by side.
static bool find_all(struct injection *it)
{
    struct delayed jobs[WORKERS];
    struct asyncio_task *tasks[WORKERS];
    bool all = true;
    for (int i = 0; i < WORKERS; i++) {
        jobs[i] = (struct delayed){
            .it = it, .fn = inject_work, .order = {.spin_us = LOOK_US}};
        tasks[i] = asyncio_create_task(run_delayed, &jobs[i]);
    }
    for (int i = 0; i < WORKERS; i++) {
        if (asyncio_await(tasks[i]) < 0) all = false;
        asyncio_task_release(tasks[i]);
    }
    return all && jobs[0].order.pid != jobs[1].order.pid;
}

// One that was stopped has a job until that one's time is up; others go on.
static void await_all(struct injection *it)
{
    int64_t end_ns = inject_now_ns() + PATIENCE_NS;
    while (!find_all(it)) {
        if (inject_now_ns() > end_ns) {
            it->counts->missing++;
            return;
        }
        asyncio_ignore(asyncio_sleep(0.0005));
    }
}

// --- injections -------------------------------------------------------------

// A signal that ends only what runs ends what is stopped when it goes on.
static void hit_stopped(struct injection *it, pid_t pid, int number)
{
    hit_worker(it, pid, number);
    if (number != SIGSTOP) hit_worker(it, pid, SIGCONT);
}

static void inject_before_it_is_seen(struct injection *it, pid_t pid,
                                     int number)
{
    struct delayed job = {.it = it, .fn = inject_work};
    hit_worker(it, pid, SIGSTOP);
    await_stop(pid);
    struct asyncio_task *task = asyncio_create_task(run_delayed, &job);
    asyncio_ignore(asyncio_sleep(0));
    hit_stopped(it, pid, number);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

static void inject_at_any_time(struct injection *it, pid_t pid, int number)
{
    struct delayed job = {.it = it,
                          .fn = inject_work,
                          .order = {.spin_us = (int)next_random(it, 300)}};
    struct asyncio_task *task = asyncio_create_task(run_delayed, &job);
    asyncio_ignore(asyncio_sleep(next_random(it, 400) / 1e6));
    hit_worker(it, pid, number);
    asyncio_ignore(asyncio_await(task));
    asyncio_task_release(task);
}

static void inject_at_start(struct injection *it, pid_t pid, int number)
{
    struct inject_order order = {0};
    atomic_store(&inject_board->at_start, number);
    hit_worker(it, pid, SIGKILL);
    for (int i = 0; i < 20 && atomic_load(&inject_board->at_start); i++) {
        order = (struct inject_order){.signal = SIGKILL};
        run_job(it, i == 0 ? inject_work : inject_hit_in_job, &order);
    }
    atomic_store(&inject_board->at_start, 0);
}

static void inject(struct injection *it, enum inject_kind kind,
                   enum inject_step step)
{
    static const int signals[INJECT_KINDS] = {SIGKILL, SIGSEGV, SIGSTOP, 0};
    struct inject_order order = {.signal = signals[kind]};
    pid_t pid = await_worker(it); // idle, unless another job took it again

    it->counts->made[kind][step]++;
    snprintf(order.cgroup, sizeof order.cgroup, "%s", it->cgroup);
    if (kind == INJECT_MEMORY)
        run_job(it, inject_spend_memory, &order);
    else if (step == INJECT_STARTING)
        inject_at_start(it, pid, order.signal);
    else if (step == INJECT_IDLE)
        hit_worker(it, pid, order.signal);
    else if (step == INJECT_GIVEN)
        inject_before_it_is_seen(it, pid, order.signal);
    else if (step == INJECT_RUNNING)
        run_job(it, inject_hit_in_job, &order);
    else if (step == INJECT_ANSWERED)
        run_job(it, inject_hit_at_bell, &order);
    else
        inject_at_any_time(it, pid, order.signal);
}

static void inject_and_time(struct injection *it, enum inject_kind kind)
{
    enum inject_step step = next_random(it, INJECT_STEPS);
    if (kind == INJECT_MEMORY) step = INJECT_RUNNING;

    inject(it, kind, step);
    int64_t shot_ns = atomic_load(&inject_board->shot_ns);
    await_all(it);
    if (kind == INJECT_KILL || kind == INJECT_CRASH)
        it->times_ms[it->time_count++] =
            (double)(inject_now_ns() - shot_ns) / 1e6 - LOOK_US / 1e3;
}

// --- the whole --------------------------------------------------------------

// A cgroup of our own, where root may make one: "" elsewhere.
static void make_cgroup(struct injection *it)
{
    static const struct {
        const char *root, *limit;
    } versions[] = {{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                    {"/sys/fs/cgroup", "memory.max"}};
    char path[300];

    for (size_t i = 0; i < 2; i++) {
        snprintf(it->cgroup, sizeof it->cgroup, "%s/asyncio-inject-%d",
                 versions[i].root, (int)getpid());
        if (mkdir(it->cgroup, 0700) < 0) continue;
        snprintf(path, sizeof path, "%s/%s", it->cgroup, versions[i].limit);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool limited = fd >= 0 && dprintf(fd, "%d", MEMORY_LIMIT) > 0;
        if (fd >= 0) close(fd);
        if (limited) return;
        rmdir(it->cgroup);
    }
    it->cgroup[0] = '\0';
}

static void end_cgroup(struct injection *it)
{
    if (it->cgroup[0] && rmdir(it->cgroup) < 0) perror(it->cgroup);
}

static int open_pool(struct injection *it, double limit)
{
    int err = asyncio_process_pool_create(&it->pool, .max_workers = WORKERS,
                                          .timeout = limit);
    if (err < 0) return err;
    char state;
    pid_t pid = await_worker(it);
    if (!read_stat(pid, &state, &it->foreman)) it->foreman = -1;
    return 0;
}

// No more and no fewer.
static void check_workers(struct injection *it)
{
    await_all(it);
    unsigned zombies;
    if (count_children(it->foreman, &zombies) != WORKERS) it->counts->missing++;
    it->counts->zombies += zombies;
}

// The kinds of one pool, shuffled together.
static int inject_kinds(struct injection *it, const unsigned times[],
                        double limit)
{
    unsigned left[INJECT_KINDS], all = 0;
    for (int i = 0; i < INJECT_KINDS; i++)
        all += left[i] = times[i];
    int err = open_pool(it, limit);
    if (err < 0) return err;

    it->over = false;
    struct asyncio_task *other = asyncio_create_task(go_on_working, it);
    for (; all > 0; all--) {
        unsigned at = next_random(it, all);
        int kind = 0;
        while (at >= left[kind])
            at -= left[kind++];
        left[kind]--;
        inject_and_time(it, (enum inject_kind)kind);
    }
    it->over = true;
    asyncio_ignore(asyncio_await(other));
    asyncio_task_release(other);
    check_workers(it);
    asyncio_executor_shutdown(it->pool);
    return 0;
}

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summarize_times(struct injection *it)
{
    unsigned n = it->time_count;
    if (n == 0) return;
    qsort(it->times_ms, n, sizeof *it->times_ms, compare_times);
    it->counts->median_ms = it->times_ms[n / 2];
    it->counts->p99_ms = it->times_ms[n * 99 / 100];
    it->counts->longest_ms = it->times_ms[n - 1];
}

static int make_board(struct injection *it, unsigned jobs)
{
    static bool handler;
    size_t size = sizeof *inject_board + jobs * sizeof *inject_board->runs;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -errno;
    inject_board = memory;
    it->number_max = jobs;
    if (!handler) pthread_atfork(NULL, NULL, inject_hit_at_start);
    handler = true;
    return (int)size;
}

int inject_workers(const struct inject_plan *plan, struct inject_counts *counts)
{
    struct injection it = {.counts = counts,
                           .random = plan->seed * 2654435761U + 1};
    unsigned kills[INJECT_KINDS], stops[INJECT_KINDS] = {0}, all = 0;
    memcpy(kills, plan->times, sizeof kills);
    stops[INJECT_STOP] = kills[INJECT_STOP];
    kills[INJECT_STOP] = 0;
    for (int i = 0; i < INJECT_KINDS; i++)
        all += plan->times[i];

    *counts = (struct inject_counts){0};
    int before = count_descriptors();
    it.times_ms = calloc(all + 1, sizeof *it.times_ms);
    if (!it.times_ms) return -ENOMEM;
    int size = make_board(&it, all * 1000 + 10000);
    if (size < 0) {
        free(it.times_ms);
        return size;
    }
    make_cgroup(&it);
    counts->cgroup = it.cgroup[0];

    int err = inject_kinds(&it, kills, 0);
    if (err == 0) err = inject_kinds(&it, stops, LIMIT);

    unsigned zombies;
    counts->children = count_children(getpid(), &zombies);
    counts->descriptors = count_descriptors() - before;
    summarize_times(&it);
    end_cgroup(&it);
    munmap(inject_board, (size_t)size);
    inject_board = NULL;
    free(it.times_ms);
    return err;
}
