// How a test is written: a sentence, a body, expectations.
//
//     TEST(cancelled_putter_passes_its_wake_on)
//     {
//         CONFORMS("QUE-07");
//         trace("put");
//         EXPECT_EQ(asyncio_sleep(3600), 0); // takes no time
//         EXPECT_TRACE("put");
//     }
//
// Each test is a process of its own with a time limit. TEST runs its body as
// the main task of a loop, TEST_PLAIN without a loop. Time is virtual; memory,
// descriptors, tasks, stacks, threads, timers, children and temporary files
// have to be as they were when the body ends, and no report may be left that
// the test did not expect. All of that needs no word in the test.
//
// A failed expectation is recorded and the test goes on, because a body runs on
// stacks that nothing may jump out of. Every macro below works on any thread,
// in callbacks, and in processes that the test forks. Operands are evaluated
// once; the value that was found stands first, the expected one second.
#pragma once

#include <asyncio.h>
#include <asyncio/testing.h>

struct test {
    const char *name;
    const char *site;
    void (*body)(void);
    struct test *next;
    bool plain; // no loop is made for it

    // What a test may say of itself: TEST(name, .real_time = true).
    bool real_time; // the system's clock: the operating system is tested
    bool faulty;    // it is a fault loop itself: none is put around it
    bool ordered;   // it checks the order of tasks, so no seed changes it
    bool stuck;     // it means to have tasks wait for what will never come
    bool
        short_counts; // it counts what one call moves, or how many are made, so
                      // calls that are interrupted or short change its outcome
    double limit;     // real seconds until it is killed, else 10
};

#define TEST(...)       TEST__DEFINE(false, __VA_ARGS__, )
#define TEST_PLAIN(...) TEST__DEFINE(true, __VA_ARGS__, )

#define TEST__DEFINE(without_loop, name_, ...)                                 \
    static void test_##name_(void);                                            \
    __attribute__((constructor)) static void test__register_##name_(void)      \
    {                                                                          \
        static struct test test = {.name = #name_,                             \
                                   .site = ASYNCIO_SITE,                       \
                                   .body = test_##name_,                       \
                                   .plain = without_loop,                      \
                                   __VA_ARGS__};                               \
        test__register(&test);                                                 \
    }                                                                          \
    static void test_##name_(void)

// States that this test proves a promise of docs/semantics.md.
#define CONFORMS(id) test__conforms(id)

// --- expectations -----------------------------------------------------------

// All of these are expressions: true if what is expected holds.
#define EXPECT(condition)                                                      \
    expect__true((condition) ? true : false, #condition, ASYNCIO_SITE)

// Numbers of any kind, compared by value whatever their types are.
#define EXPECT_EQ(a, b) EXPECT__COMPARE(a, "==", b, #a, #b)
#define EXPECT_NE(a, b) EXPECT__COMPARE(a, "!=", b, #a, #b)
#define EXPECT_LT(a, b) EXPECT__COMPARE(a, "<", b, #a, #b)
#define EXPECT_LE(a, b) EXPECT__COMPARE(a, "<=", b, #a, #b)
#define EXPECT_GT(a, b) EXPECT__COMPARE(a, ">", b, #a, #b)
#define EXPECT_GE(a, b) EXPECT__COMPARE(a, ">=", b, #a, #b)
#define EXPECT__COMPARE(a, op, b, a_text, b_text)                              \
    expect__compare((long double)(a), op, (long double)(b), a_text, b_text,    \
                    ASYNCIO_SITE)

// The same object. NULL is one.
#define EXPECT_SAME(a, b) expect__same(a, b, #a, #b, ASYNCIO_SITE)

// Equal texts; a text with a part in it. NULL equals only NULL.
#define EXPECT_STR(a, b)         expect__str(a, b, #a, ASYNCIO_SITE)
#define EXPECT_CONTAINS(a, part) expect__contains(a, part, #a, ASYNCIO_SITE)

// For where going on makes no sense: EXPECT_OR_RETURN(ptr != NULL), or
// EXPECT_OR_RETURN(err == 0, err) in a function that returns something.
#define EXPECT_OR_RETURN(...) EXPECT__OR_RETURN(__VA_ARGS__, , )
#define EXPECT__OR_RETURN(condition, value, ...)                               \
    do {                                                                       \
        if (!EXPECT(condition)) return value;                                  \
    } while (0)

// Fails the test with words of your own.
#define FAIL(...) test__fail(ASYNCIO_SITE, __VA_ARGS__)

// Says that the test cannot be made here, and why: it then counts as skipped,
// unless something fails all the same. Is false.
#define SKIP(...) test__skip(__VA_ARGS__)

// --- the story --------------------------------------------------------------

// Adds a line to the test's story.
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The story since the last time, whole: EXPECT_TRACE("put a", "get a").
// EXPECT_TRACE() is an empty one.
#define EXPECT_TRACE(...)                                                      \
    expect__trace((const char *const[]){NULL, __VA_ARGS__},                    \
                  sizeof((const char *const[]){NULL, __VA_ARGS__}) /           \
                          sizeof(const char *) -                               \
                      1,                                                       \
                  ASYNCIO_SITE)

// --- reports ----------------------------------------------------------------

// The oldest report with this code that nobody has asked for, which counts as
// expected from now on; returns its text, "" (and the test fails) if there is
// none. Good to the end of the test.
#define expect_report(code) expect__report(code, ASYNCIO_SITE)

// How many reports are there that nobody has asked for.
unsigned unexpected_reports(void);

// --- surroundings -----------------------------------------------------------

// An empty folder of the test's own, which has to be empty when it ends. It is
// also TMPDIR.
const char *test_folder(void);

// How much of something a test is to move or do: `much`; but `enough` in a
// fault loop, which has it done once for each call that it makes thereby.
// `enough` is what still comes to all that the test is about: more than the
// buffers and marks on its way hold, say.
size_t test_amount(size_t much, size_t enough);

// "uring" or "epoll": what this run is about.
const char *test_backend(void);

// --- what the macros stand on -----------------------------------------------

void test__register(struct test *test);
void test__conforms(const char *id);
bool test__skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
void test__fail(const char *site, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool expect__true(bool holds, const char *condition, const char *site);
bool expect__compare(long double a, const char *op, long double b,
                     const char *a_text, const char *b_text, const char *site);
bool expect__same(const void *a, const void *b, const char *a_text,
                  const char *b_text, const char *site);
bool expect__str(const char *a, const char *b, const char *a_text,
                 const char *site);
bool expect__contains(const char *a, const char *part, const char *a_text,
                      const char *site);
bool expect__trace(const char *const lines[], size_t count, const char *site);
const char *expect__report(int code, const char *site);
