// Example 1. Blocking, one after the other: the program as one writes it first.
//
// Nothing here knows of asyncio. Each call keeps the thread until it has ended,
// so breakfast takes the sum of its parts, and most of that is waiting: for the
// kettle, the toaster, the stove. The next two programs do the same work.
//
//     cc 03_example_1_blocking.c
//
// expect: coffee is begun
// expect: coffee is done
// expect: toast is begun
// expect: toast is done
// expect: an egg is begun
// expect: an egg is done
// expect: breakfast took no less than 0.6 s, the sum

#include <stdio.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void block(double seconds) // stands for a request, a query, a download
{
    struct timespec left = {.tv_nsec = (long)(seconds * 1e9)};
    while (nanosleep(&left, &left) < 0)
        continue; // a signal has cut it short
}

static void prepare(const char *what, double seconds)
{
    printf("%s is begun\n", what);
    block(seconds);
    printf("%s is done\n", what);
}

int main(void)
{
    double start = now();
    prepare("coffee", 0.3);
    prepare("toast", 0.2);
    prepare("an egg", 0.1);
    if (now() - start >= 0.6)
        printf("breakfast took no less than 0.6 s, the sum\n");
    return 0;
}
