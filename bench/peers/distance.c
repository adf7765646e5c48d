// How far the processors are from each other: what a word takes from one to the
// other and back, in nanoseconds.
//
//     distance FIRST SECOND
//
// On a virtual machine that is not always the same: whoever has put it on the
// processors of the host moves it at times. So do all figures that cross.

#define PEER "distance"
#include "peer.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define TRIPS 20000

static _Alignas(64) atomic_int there;
static _Alignas(64) atomic_int back;

static void run_on(const char *processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(atoi(processor), &set);
    peer_check(sched_setaffinity(0, sizeof set, &set) == 0,
               "there is no such processor");
}

static void *answer(void *processor)
{
    run_on(processor);
    for (int i = 0; i < TRIPS; i++) {
        while (atomic_load(&there) == i)
            continue;
        atomic_store(&back, i + 1);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    peer_check(argc == 3, "usage: distance FIRST SECOND");
    run_on(argv[1]);
    peer_check(pthread_create(&thread, NULL, answer, argv[2]) == 0,
               "there is no second thread");
    double start = 0;
    for (int i = 0; i < TRIPS; i++) {
        if (i == TRIPS / 10) start = peer_now_ns();
        atomic_store(&there, i + 1);
        while (atomic_load(&back) == i)
            continue;
    }
    peer_print("-", "round", (peer_now_ns() - start) / (TRIPS * 0.9), "ns");
    pthread_join(thread, NULL);
    return 0;
}
