// A worker that has turned on its parent: what the suites about the sandbox
// share.
//
// An escape is one attempt, made by a job of a sandboxed worker, and a test of
// its own, so that each is named in the output. It is refused, with -EPERM;
// afterwards the same worker does an honest job, and the parent finds its file,
// its memory and its descriptors as they were.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "processes.h"

#define CANARY "what the parent wrote"

// Whom an escape may be after.
struct target {
    pid_t parent, foreman, launcher, sibling;
    const char *secret; // in the parent's memory
    char file[256];     // a file of the parent's
    char folder[200];
    int bell, log, channel; // the descriptors that a sandboxed worker has
    long result;
};

// What a system call returns: a value, or a negative errno.
#define CALL(...) asyncio__evil_result(syscall(__VA_ARGS__))
static inline long asyncio__evil_result(long result)
{
    return result < 0 ? -errno : result;
}

// --- the parent -------------------------------------------------------------

// NULL where there is no sandbox, and the test is skipped; or on failure.
static inline struct asyncio_executor *make_sandbox(int workers)
{
    struct asyncio_executor *pool;
    if (!share_memory()) return NULL;
    int err = asyncio_process_pool_create(&pool, .max_workers = workers,
                                          .sandbox = ASYNCIO_SANDBOX_STRICT,
                                          .timeout = 5);
    if (err == -ENOTSUP) {
        SKIP("%s", asyncio_strerror(err));
        return NULL;
    }
    return EXPECT_EQ(err, 0) ? pool : NULL;
}

static inline pid_t parent_of(pid_t pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    if (fscanf(file, "%*d (%*[^)]) %*c %d", &parent) != 1) parent = 0;
    fclose(file);
    return parent;
}

static inline int count_descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) return -1;
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static inline void write_canary(struct target *target)
{
    snprintf(target->folder, sizeof target->folder, "%s", test_folder());
    snprintf(target->file, sizeof target->file, "%s/canary", target->folder);
    FILE *file = fopen(target->file, "we");
    if (!EXPECT(file)) return;
    fputs(CANARY, file);
    fclose(file);
}

static inline void check_canary(const struct target *target)
{
    char text[64] = "";
    FILE *file = fopen(target->file, "re");
    if (!EXPECT(file)) return;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    EXPECT_STR(text, CANARY);
    unlink(target->file);
}

// The next descriptor that the filter lets be written to.
static inline int find_pipe(int fd)
{
    for (; fd < 256; fd++)
        if (syscall(SYS_write, fd, "", 0) == 0) return fd;
    return -1;
}

// And the channel is the one that it may receive by.
static inline int find_channel(void)
{
    for (int fd = 0; fd < 256; fd++) {
        struct msghdr header = {0};
        if (CALL(SYS_recvmsg, fd, &header, MSG_DONTWAIT) == -EAGAIN) return fd;
    }
    return -1;
}

static inline int report_self(void *arg)
{
    struct target *target = arg;
    target->parent = getpid();
    target->bell = find_pipe(0); // it was there before the worker
    target->log = find_pipe(target->bell + 1);
    target->channel = find_channel();
    bool all = target->bell >= 0 && target->log >= 0 && target->channel >= 0;
    return all ? 0 : -EBADF;
}

// Fills in who is who. Returns the worker, or 0.
static inline pid_t find_target(struct asyncio_executor *pool,
                                struct target *target)
{
    static const char secret[] = "secret";
    pid_t self = getpid();
    int err = asyncio_run_in_executor(pool, report_self, target,
                                      .size = sizeof *target);
    if (!EXPECT_EQ(err, 0)) return 0;

    pid_t worker = target->parent;
    target->parent = self;
    target->foreman = parent_of(worker);
    target->launcher = parent_of(target->foreman);
    target->secret = secret;
    return worker;
}

// Makes the attempt, and looks whether anything was harmed.
static inline void expect_harmless(struct asyncio_executor *pool,
                                   int (*fn)(void *arg), struct target *target)
{
    pid_t after = 0;
    write_canary(target);
    pid_t worker = find_target(pool, target);
    int descriptors = count_descriptors();
    target->result = 0;

    if (worker) {
        EXPECT_EQ(
            asyncio_run_in_executor(pool, fn, target, .size = sizeof *target),
            0);
        EXPECT_EQ(asyncio_run_in_executor(pool, report_pid, &after,
                                          .size = sizeof after),
                  0);
        EXPECT_EQ(after, worker);
        EXPECT_EQ(count_descriptors(), descriptors);
        EXPECT_STR(target->secret, "secret");
    }
    check_canary(target);
}

static inline void expect_refused(int (*fn)(void *arg))
{
    struct target target = {0};
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    expect_harmless(pool, fn, &target);
    EXPECT_EQ(target.result, -EPERM);
    asyncio_executor_shutdown(pool);
}

// A test that a call is refused to a sandboxed worker. `it` is the target.
#define ESCAPE(name, ...)                                                      \
    static int evil_##name(void *arg)                                          \
    {                                                                          \
        struct target *it = arg;                                               \
        (void)it;                                                              \
        it->result = CALL(__VA_ARGS__);                                        \
        return 0;                                                              \
    }                                                                          \
    TEST(sandbox_refuses_to_##name)                                            \
    {                                                                          \
        expect_refused(evil_##name);                                           \
    }
