// A sandboxed worker that lies about its own end, or tries to do more with the
// log that is left to it.

#include <stdlib.h>

#include "evil.h"
#include "exec/worker_log.h"

#define LOG_MAX (1 << 20) // no pipe is larger without being asked to

static _Noreturn void die_of(int number)
{
    signal(number, SIG_DFL);
    kill(getpid(), number);
    for (;;)
        continue;
}

static void forge_entry(const struct target *target,
                        const struct asyncio__log_entry *entry)
{
    asyncio_ignore((int)CALL(SYS_write, target->log, entry, sizeof *entry));
}

// The job dies by SIGSEGV; `words` are among those that its caller gets, and
// there is nothing among them that a terminal would obey.
static void expect_logged(int (*fn)(void *arg), const char *words)
{
    struct target target = {0};
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    if (find_target(pool, &target)) {
        EXPECT_EQ(
            asyncio_run_in_executor(pool, fn, &target, .size = sizeof target),
            -EOWNERDEAD);
        const char *said = asyncio_strerror(-EOWNERDEAD);
        EXPECT_CONTAINS(said, "died with its worker process");
        EXPECT_CONTAINS(said, words);
        EXPECT_LT(strlen(said), 1024);
        for (const char *at = said; *at; at++)
            EXPECT((unsigned char)*at >= ' ' && *at != 0x7f);
    }
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

static int fill_the_log(void *arg)
{
    const struct target *target = arg;
    static const char bytes[4096] = "\033[2J";
    size_t total = 0;
    long n;
    while ((n = CALL(SYS_write, target->log, bytes, sizeof bytes)) > 0)
        if ((total += (size_t)n) > LOG_MAX) return 0;
    if (n != -EAGAIN) return 0;
    die_of(SIGSEGV);
}

TEST(parent_survives_a_log_that_is_full)
{
    expect_logged(fill_the_log, "signal 11 (SIGSEGV)");
}

// Addresses that are none, more of them than there are, and orders.
static int forge_a_fault(void *arg)
{
    struct asyncio__log_entry entry = {.kind = ASYNCIO__LOG_FAULT,
                                       .code = SIGSEGV,
                                       .address = UINT64_MAX,
                                       .has_address = UINT32_MAX,
                                       .memory_is_up = UINT32_MAX,
                                       .frame_count = UINT32_MAX};
    memset(entry.text, '\033', sizeof entry.text);
    for (uint64_t i = 0; i < ASYNCIO__LOG_FRAMES; i++)
        entry.frames[i] = (UINT64_MAX >> i) * (i % 3);
    forge_entry(arg, &entry);
    die_of(SIGSEGV);
}

TEST(parent_follows_no_address_of_a_forged_fault)
{
    expect_logged(forge_a_fault, "at 0xffffffffffffffff in ");
}

// It lies about its own end, and gets no further: these are names.
static int blame_another(void *arg)
{
    struct asyncio__log_entry entry = {
        .kind = ASYNCIO__LOG_FAULT, .code = SIGSEGV, .frame_count = 1};
    entry.frames[0] = (uintptr_t)count_call;
    forge_entry(arg, &entry);
    die_of(SIGSEGV);
}

TEST(parent_takes_a_forged_place_for_the_name_that_it_is)
{
    expect_logged(blame_another, "(SIGSEGV) in ");
}

static int forge_another_signal(void *arg)
{
    struct asyncio__log_entry entry = {.kind = ASYNCIO__LOG_FAULT,
                                       .code = SIGBUS,
                                       .address = 0x1234,
                                       .has_address = 1};
    forge_entry(arg, &entry);
    die_of(SIGSEGV);
}

TEST(parent_believes_the_kernel_about_the_signal)
{
    expect_logged(forge_another_signal, "signal 11 (SIGSEGV)");
    EXPECT(!strstr(asyncio_strerror(-EOWNERDEAD), "0x1234"));
}

// As if the worker had never been set up: that would break the pool.
static int forge_a_failure(void *arg)
{
    struct asyncio__log_entry entry = {
        .kind = ASYNCIO__LOG_FAILED, .code = -EPERM, .text = "\033[2Jplanted"};
    for (int i = 0; i < 4; i++)
        forge_entry(arg, &entry);
    die_of(SIGSEGV);
}

TEST(parent_believes_no_failure_of_a_worker_that_was_ready)
{
    expect_logged(forge_a_failure, "signal 11 (SIGSEGV)");
    EXPECT(!strstr(asyncio_strerror(-EOWNERDEAD), "planted"));
}

// All that comes behind it is shifted.
static int forge_a_piece(void *arg)
{
    const struct target *target = arg;
    volatile int *volatile where = (volatile int *)(uintptr_t)0x18;
    asyncio_ignore((int)CALL(SYS_write, target->log, "?", 1));
    return *where;
}

TEST(parent_survives_entries_in_pieces)
{
    expect_logged(forge_a_piece, "signal 11 (SIGSEGV)");
}

static int log_any_bytes(void *arg)
{
    const struct target *target = arg;
    static struct asyncio__log_entry entries[4];
    unsigned char *bytes = (unsigned char *)entries;
    unsigned seed = (unsigned)target->result;
    for (size_t i = 0; i < sizeof entries; i++)
        bytes[i] = (unsigned char)(rand_r(&seed) >> 7);
    for (int i = 0; i < 4 && seed % 3; i++) {
        entries[i].kind = ASYNCIO__LOG_FAULT;
        entries[i].code = SIGSEGV;
    }
    asyncio_ignore((int)CALL(SYS_write, target->log, entries, sizeof entries));
    die_of(SIGSEGV);
}

TEST(parent_survives_any_bytes_in_a_log)
{
    enum { TIMES = 30 };
    struct target target = {0};
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    for (int i = 0; i < TIMES && find_target(pool, &target); i++) {
        target.result = i;
        EXPECT_EQ(asyncio_run_in_executor(pool, log_any_bytes, &target,
                                          .size = sizeof target),
                  -EOWNERDEAD);
        for (const char *at = asyncio_strerror(-EOWNERDEAD); *at; at++)
            EXPECT((unsigned char)*at >= ' ' && *at != 0x7f);
    }
    asyncio_executor_shutdown(pool);
}
