// The floor for threads and processes: words in shared memory, and a futex for
// whoever has to sleep.
//
//     floor_threads W11|W12
//
// A round trip is made by two who look at the word until it changes, which is
// the least for cores that are awake; the cold one by two who sleep, after a
// rest of two milliseconds.

#define PEER "floor"
#include "peer.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define TRIPS      100000
#define COLD_TRIPS 100
#define BULK       1000000
#define SLOTS      256

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    peer_check(memory != MAP_FAILED, "no memory");
    return memory;
}

// ---- A word that somebody waits for -----------------------------------------

struct word {
    _Alignas(64) _Atomic(uint32_t) value;
    _Atomic(uint32_t) sleeps;
};

static void word_wait(struct word *word, uint32_t old, bool spins)
{
    while (spins && atomic_load(&word->value) == old)
        continue;
    while (atomic_load(&word->value) == old) {
        atomic_store(&word->sleeps, 1);
        syscall(SYS_futex, &word->value, FUTEX_WAIT, old, NULL, NULL, 0);
        atomic_store(&word->sleeps, 0);
    }
}

static void word_set(struct word *word, uint32_t value)
{
    atomic_store(&word->value, value);
    if (atomic_load(&word->sleeps))
        syscall(SYS_futex, &word->value, FUTEX_WAKE, 1, NULL, NULL, 0);
}

// ---- Round trips ------------------------------------------------------------

struct trip {
    struct word question, answer;
    uint32_t count;
    bool spins;
};

static void *answer_all(void *arg)
{
    struct trip *trip = arg;
    for (uint32_t i = 0; i < trip->count; i++) {
        word_wait(&trip->question, i, trip->spins);
        word_set(&trip->answer, i + 1);
    }
    return NULL;
}

static void ask_all(struct trip *trip, const char *workload, const char *metric)
{
    double taken = 0, start = peer_now_ns();
    for (uint32_t i = 0; i < trip->count; i++) {
        if (!trip->spins) {
            taken += peer_now_ns() - start;
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
            start = peer_now_ns();
        }
        word_set(&trip->question, i + 1);
        word_wait(&trip->answer, i, trip->spins);
    }
    taken += peer_now_ns() - start;
    peer_print(workload, metric, taken / trip->count / 1e3, "us");
}

static void thread_trips(void)
{
    struct trip *trip = share(sizeof *trip);
    pthread_t thread;
    trip->count = TRIPS;
    trip->spins = true;
    peer_check(pthread_create(&thread, NULL, answer_all, trip) == 0, "thread");
    ask_all(trip, "W11", "to_thread");
    pthread_join(thread, NULL);
}

static void process_trips(const char *metric, uint32_t count, bool spins)
{
    struct trip *trip = share(sizeof *trip);
    trip->count = count;
    trip->spins = spins;
    pid_t process = fork();
    if (process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        answer_all(trip);
        _exit(0);
    }
    ask_all(trip, "W12", metric);
    waitpid(process, NULL, 0);
}

// ---- Posts ------------------------------------------------------------------

struct post {
    struct post *next;
};

static struct post *posts;
static _Atomic(struct post *) posted;
static _Atomic(bool) asleep;
static int bell;

// Pushes onto a list, and rings only when the other side has said it sleeps.
static void *post_all(void *arg)
{
    for (long i = 0; i < POSTS; i++) {
        struct post *top = atomic_load(&posted);
        do
            posts[i].next = top;
        while (!atomic_compare_exchange_weak(&posted, &top, &posts[i]));
        if (atomic_load(&asleep) && atomic_exchange(&asleep, false))
            peer_check(eventfd_write(bell, 1) == 0, "eventfd");
    }
    return arg;
}

static void wait_for_bell(void)
{
    eventfd_t rings;
    atomic_store(&asleep, true);
    if (!atomic_load(&posted)) eventfd_read(bell, &rings);
    atomic_store(&asleep, false);
}

static void take_posts(void)
{
    pthread_t thread;
    long taken = 0;
    posts = calloc(POSTS, sizeof *posts);
    bell = eventfd(0, 0);
    peer_check(posts && bell >= 0, "starting");
    memset(posts, 1, POSTS * sizeof *posts);
    double start = peer_now_ns();
    peer_check(pthread_create(&thread, NULL, post_all, NULL) == 0, "thread");
    while (taken < POSTS) {
        struct post *post = atomic_exchange(&posted, NULL);
        if (!post) wait_for_bell();
        for (; post; post = post->next)
            taken++;
    }
    peer_print("W11", "post", POSTS / (peer_now_ns() - start) * 1e9, "ops/s");
    pthread_join(thread, NULL);
}

// ---- Many calls at a time ---------------------------------------------------

// One writes, another reads. Counters only grow.
struct ring {
    struct word written;
    _Alignas(64) _Atomic(uint32_t) read;
    _Alignas(64) int slots[SLOTS];
};

static void ring_put(struct ring *ring, int item)
{
    uint32_t at = atomic_load(&ring->written.value);
    ring->slots[at % SLOTS] = item;
    word_set(&ring->written, at + 1);
}

static bool ring_take(struct ring *ring, int *item)
{
    uint32_t at = atomic_load(&ring->read);
    if (atomic_load(&ring->written.value) == at) return false;
    *item = ring->slots[at % SLOTS];
    atomic_store(&ring->read, at + 1);
    return true;
}

_Noreturn static void add_one(struct ring *in, struct ring *out)
{
    int item;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        while (!ring_take(in, &item))
            word_wait(&in->written, atomic_load(&in->read), false);
        ring_put(out, item + 1);
    }
}

// No more than half a ring is with a worker, so that no ring is ever full.
static void call_many(void)
{
    struct ring *to = share(2 * sizeof *to), *from = share(2 * sizeof *from);
    int given = 0, taken = 0, with[2] = {0}, item;
    int64_t sum = 0;
    pid_t workers[2];
    for (int i = 0; i < 2; i++)
        if ((workers[i] = fork()) == 0) add_one(&to[i], &from[i]);
    double start = peer_now_ns();
    while (taken < BULK) {
        int before = given + taken;
        for (int i = 0; i < 2; i++) {
            for (; given < BULK && with[i] < SLOTS / 2; given++, with[i]++)
                ring_put(&to[i], given);
            for (; ring_take(&from[i], &item); taken++, with[i]--)
                sum += item;
        }
        if (given + taken == before) sched_yield();
    }
    peer_print("W12", "bulk2w", BULK / (peer_now_ns() - start) * 1e9,
               "calls/s");
    peer_check(sum == (int64_t)BULK * (BULK + 1) / 2, "calls were lost");
    for (int i = 0; i < 2; i++) {
        kill(workers[i], SIGKILL);
        waitpid(workers[i], NULL, 0);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "W11") == 0) {
        take_posts();
        thread_trips();
    } else if (argc == 2 && strcmp(argv[1], "W12") == 0) {
        process_trips("roundtrip", TRIPS, true);
        process_trips("roundtrip_cold", COLD_TRIPS, false);
        call_many();
    } else {
        return DOES_NOT;
    }
    return 0;
}
