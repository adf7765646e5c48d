// Memory that jobs in worker processes share with the program.

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "exec/shared.h"
#include "processes.h"

#define LARGE ((size_t)8 * 1024 * 1024)

struct work {
    struct asyncio_shared block;
    size_t at, len;
    uint64_t sum;
};

// Adds up what it finds, and leaves something else.
static int add_up(void *arg)
{
    struct work *work = arg;
    unsigned char *bytes = asyncio_shared_data(&work->block);
    if (!bytes) return -ENXIO;
    work->sum = 0;
    for (size_t i = 0; i < work->len; i++) {
        work->sum += bytes[work->at + i];
        bytes[work->at + i] = 7;
    }
    return 0;
}
ASYNCIO_JOB(add_up)

static int run(struct asyncio_executor *pool, struct work *work)
{
    return asyncio_run_in_executor(pool, add_up, work, .size = sizeof *work,
                                   .shared = &work->block);
}

static bool make_work(struct work *work, size_t size)
{
    *work = (struct work){.len = size};
    int err = asyncio_shared_alloc(&work->block, size);
    return EXPECT_EQ(err, 0);
}

TEST(job_sees_what_the_program_wrote_and_the_other_way_round)
{
    struct work work;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (make_work(&work, LARGE)) {
        unsigned char *bytes = asyncio_shared_data(&work.block);
        memset(bytes, 3, LARGE);
        for (uint64_t value = 3; value <= 7; value += 4) {
            EXPECT_EQ(run(pool, &work), 0);
            EXPECT_EQ(work.sum, value * LARGE);
        }
        EXPECT_EQ(bytes[LARGE - 1], 7);
        asyncio_shared_free(&work.block);
        EXPECT_SAME(asyncio_shared_data(&work.block), NULL);
        asyncio_shared_free(&work.block);
    }
    asyncio_executor_shutdown(pool);
}

// Each item names the same memory, and its own part of it.
TEST(map_shares_one_block_among_its_items)
{
    enum { PARTS = 40, PART = 1000 };
    static struct work parts[PARTS];
    struct work work;
    struct asyncio_executor *pool = make_pool(2);
    EXPECT_OR_RETURN(pool);
    if (make_work(&work, (size_t)PARTS * PART)) {
        for (size_t i = 0; i < PARTS; i++) {
            parts[i] = (struct work){work.block, i * PART, PART, 0};
            memset((char *)asyncio_shared_data(&work.block) + i * PART, (int)i,
                   PART);
        }
        EXPECT_EQ(asyncio_executor_map(pool, add_up, parts, sizeof *parts,
                                       PARTS, .shared = &work.block),
                  0);
        for (size_t i = 0; i < PARTS; i++)
            EXPECT_EQ(parts[i].sum, i * PART);
        struct asyncio_shared copy = work.block;
        asyncio_shared_free(&copy);
        EXPECT_EQ(asyncio_executor_map(pool, add_up, parts, sizeof *parts,
                                       PARTS, .shared = &work.block),
                  -EINVAL);
        asyncio_shared_free(&work.block);
    }
    asyncio_executor_shutdown(pool);
}

TEST(thread_finds_it_where_it_is)
{
    struct work work;
    if (!make_work(&work, 100)) return;
    EXPECT_EQ(asyncio_to_thread(add_up, &work, .shared = &work.block), 0);
    EXPECT_EQ(*(unsigned char *)asyncio_shared_data(&work.block), 7);
    asyncio_shared_free(&work.block);
}

TEST(job_finds_nothing_that_its_call_does_not_name)
{
    struct work named, other;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    bool both = make_work(&named, 100);
    if (both && make_work(&other, 100)) {
        EXPECT_EQ(run(pool, &other), 0); // the worker has it mapped
        EXPECT_EQ(asyncio_run_in_executor(pool, add_up, &other,
                                          .size = sizeof other,
                                          .shared = &named.block),
                  -ENXIO);
        EXPECT_EQ(
            asyncio_run_in_executor(pool, add_up, &other, .size = sizeof other),
            -ENXIO);
        asyncio_shared_free(&other.block);
    }
    if (both) asyncio_shared_free(&named.block);
    asyncio_executor_shutdown(pool);
}

TEST(memory_that_was_freed_cannot_be_sent)
{
    struct work work;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (make_work(&work, 100)) {
        struct asyncio_shared copy = work.block;
        asyncio_shared_free(&copy);
        EXPECT_EQ(run(pool, &work), -EINVAL);
        EXPECT_CONTAINS(asyncio_strerror(-EINVAL), "freed");
        asyncio_shared_free(&work.block); // harmless
    }
    asyncio_executor_shutdown(pool);
}

TEST_PLAIN(sizes_that_cannot_be_are_refused)
{
    struct asyncio_shared block;
    EXPECT_EQ(asyncio_shared_alloc(&block, 0), -EINVAL);
    EXPECT_EQ(asyncio_shared_alloc(&block, SIZE_MAX), -ENOMEM);
    EXPECT_SAME(asyncio_shared_data(&block), NULL);
    asyncio_shared_free(&block);
}

// More than a worker keeps, in an order that never repeats the last one.
static void send_blocks_to_and_fro(struct asyncio_executor *pool)
{
    enum { BLOCKS = 3 * ASYNCIO__DESK_PLACES };
    struct work works[BLOCKS];
    int made = 0;
    EXPECT_OR_RETURN(pool);
    while (made < BLOCKS && make_work(&works[made], 5000))
        made++;
    for (int round = 0; round < 4 && made == BLOCKS; round++) {
        for (int i = 0; i < BLOCKS; i++)
            memset(asyncio_shared_data(&works[i].block), i, 5000);
        for (int i = 0; i < BLOCKS; i++) {
            int which = i * 7 % BLOCKS;
            EXPECT_EQ(run(pool, &works[which]), 0);
            EXPECT_EQ(works[which].sum, (uint64_t)which * 5000);
        }
    }
    while (made > 0)
        asyncio_shared_free(&works[--made].block);
    asyncio_executor_shutdown(pool);
}

TEST(many_blocks_go_to_and_fro)
{
    send_blocks_to_and_fro(make_pool(2));
}

TEST(many_blocks_go_into_a_sandbox)
{
    struct asyncio_executor *pool;
    EXPECT_OR_RETURN(share_memory());
    int err = asyncio_process_pool_create(&pool, .max_workers = 2,
                                          .sandbox = ASYNCIO_SANDBOX_STRICT);
    if (err == -ENOTSUP)
        SKIP("%s", asyncio_strerror(err));
    else if (EXPECT_EQ(err, 0))
        send_blocks_to_and_fro(pool);
}

struct sender {
    struct asyncio_executor *pool;
    struct work work;
};

static int send_work(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < 10; i++) {
        memset(asyncio_shared_data(&sender->work.block), 2, sender->work.len);
        int err = run(sender->pool, &sender->work);
        if (!EXPECT_EQ(err, 0)) return err;
        EXPECT_EQ(sender->work.sum, 2 * sender->work.len);
    }
    return 0;
}

TEST(many_jobs_with_a_block_each_wait_for_their_place)
{
    enum { SENDERS = 30 };
    static struct sender senders[SENDERS];
    int made = 0;
    struct asyncio_executor *pool = make_pool(2);
    EXPECT_OR_RETURN(pool);
    ASYNCIO_WITH_TASK_GROUP(group);
    for (; made < SENDERS; made++) {
        senders[made].pool = pool;
        if (!make_work(&senders[made].work, 3000)) break;
        asyncio_task_group_create_task(&group, send_work, &senders[made]);
    }
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    while (made > 0)
        asyncio_shared_free(&senders[--made].work.block);
    asyncio_executor_shutdown(pool);
}

static int die(void *arg)
{
    memset(asyncio_shared_data(&((struct work *)arg)->block), 9, 10);
    kill(getpid(), SIGKILL);
    pause();
    return 0;
}

TEST(memory_outlives_a_worker_that_dies_of_it)
{
    struct work work;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (make_work(&work, 10)) {
        EXPECT_EQ(asyncio_run_in_executor(pool, die, &work, .size = sizeof work,
                                          .shared = &work.block),
                  -EOWNERDEAD);
        EXPECT_EQ(run(pool, &work), 0);
        EXPECT_EQ(work.sum, 90);
        asyncio_shared_free(&work.block);
    }
    asyncio_executor_shutdown(pool);
}

static int wait_for_the_gate(void *arg)
{
    struct work *work = arg;
    int called = pass_gate(NULL);
    int err = add_up(work);
    return err < 0 ? err : called;
}

struct late {
    struct asyncio_executor *pool;
    struct work *work;
};

static int call_late(void *arg)
{
    struct late *late = arg;
    return asyncio_run_in_executor(late->pool, wait_for_the_gate, late->work,
                                   .size = sizeof *late->work,
                                   .shared = &late->work->block);
}

TEST(memory_stays_until_the_last_job_that_names_it_has_landed)
{
    struct work work;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (make_work(&work, 1000)) {
        struct asyncio_shared handle = work.block;
        struct late late = {pool, &work};
        memset(asyncio_shared_data(&handle), 1, 1000);
        struct asyncio_task *task = asyncio_create_task(call_late, &late);
        EXPECT_EQ(asyncio_sleep(0), 0);
        if (down_meanwhile(&shared->begun, task)) {
            asyncio_shared_free(&handle);
            sem_post(&shared->gate);
            EXPECT_EQ(asyncio_await(task), 0);
            EXPECT_EQ(work.sum, 1000);
        } else {
            sem_post(&shared->gate); // a worker was replaced first
        }
        asyncio_ignore(asyncio_await(task));
        asyncio_task_release(task);
        asyncio_shared_free(&handle);
    }
    asyncio_executor_shutdown(pool);
}

TEST_PLAIN(size_is_sealed)
{
    struct asyncio_shared handle;
    EXPECT_OR_RETURN(asyncio_shared_alloc(&handle, 5000) == 0);
    struct asyncio__block *block = asyncio__block_hold(&handle);
    if (EXPECT(block)) {
        EXPECT_EQ(ftruncate(block->memory, 0), -1);
        EXPECT_EQ(ftruncate(block->memory, 10000), -1);
        EXPECT_EQ(fcntl(block->memory, F_ADD_SEALS, F_SEAL_WRITE), -1);
    }
    asyncio__block_drop(block);
    asyncio_shared_free(&handle);
}

// --- sealed -----------------------------------------------------------------

static unsigned char *kept; // in a worker: where a job before had its memory

static int keep(void *arg)
{
    struct work *work = arg;
    kept = asyncio_shared_data(&work->block);
    return kept ? 0 : -ENXIO;
}

// Of a worker that a job has broken into: it goes on writing.
static int write_to_what_was_kept(void *arg)
{
    if (kept) memset(kept, *(unsigned char *)arg, 5000);
    return kept ? 0 : -ENXIO;
}

static int write_late(struct asyncio_executor *pool, unsigned char value)
{
    return asyncio_run_in_executor(pool, write_to_what_was_kept, &value,
                                   .size = sizeof value);
}

// Whether it is the kernel that keeps it as it is; `memory` is its descriptor.
static bool content_is_sealed(int memory)
{
    return ((unsigned)fcntl(memory, F_GET_SEALS) & F_SEAL_WRITE) > 0;
}

static int take_descriptor(const struct asyncio_shared *handle)
{
    struct asyncio__block *block = asyncio__block_hold(handle);
    int fd = block ? dup(block->memory) : -1;
    asyncio__block_drop(block);
    return fd;
}

static void expect_out_of_reach(struct asyncio_executor *pool,
                                struct work *work)
{
    unsigned char *bytes = asyncio_shared_data(&work->block);
    int memory = take_descriptor(&work->block);
    EXPECT_EQ(asyncio_run_in_executor(pool, keep, work, .size = sizeof *work,
                                      .shared = &work->block),
              0);
    EXPECT_EQ(write_late(pool, 1), 0);
    EXPECT_EQ(bytes[4999], 1); // until it is sealed

    int err = asyncio_shared_seal(&work->block);
    if (EXPECT_EQ(err, 0)) {
        EXPECT_SAME(asyncio_shared_data(&work->block), bytes);
        EXPECT_EQ(write_late(pool, 2), 0);
        EXPECT_EQ(bytes[0], 1);
        EXPECT_EQ(bytes[4999], 1);
        EXPECT(!content_is_sealed(memory)); // the worker could write: a copy
        EXPECT_EQ(asyncio_shared_seal(&work->block), 0);
        EXPECT_EQ(run(pool, work), -EINVAL);
        EXPECT_CONTAINS(asyncio_strerror(-EINVAL), "sealed");
        bytes[0] = 3; // it is the program's
        EXPECT_EQ(bytes[0], 3);
    }
    close(memory);
}

TEST(sealed_memory_is_out_of_reach_of_a_worker_that_has_it)
{
    struct work work;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (make_work(&work, 5000)) {
        expect_out_of_reach(pool, &work);
        asyncio_shared_free(&work.block);
        EXPECT_EQ(asyncio_shared_seal(&work.block), -EINVAL);
    }
    asyncio_executor_shutdown(pool);
}

TEST(sealed_memory_is_out_of_reach_of_a_sandboxed_worker)
{
    struct asyncio_executor *pool;
    struct work work;
    EXPECT_OR_RETURN(share_memory());
    int err = asyncio_process_pool_create(&pool, .max_workers = 1,
                                          .sandbox = ASYNCIO_SANDBOX_STRICT);
    if (err == -ENOTSUP) {
        SKIP("%s", asyncio_strerror(err));
        return;
    }
    EXPECT_OR_RETURN(err == 0);
    if (make_work(&work, 5000)) {
        expect_out_of_reach(pool, &work);
        asyncio_shared_free(&work.block);
    }
    asyncio_executor_shutdown(pool);
}

TEST(memory_that_no_worker_has_is_sealed_by_the_kernel)
{
    struct work work;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (make_work(&work, LARGE)) {
        unsigned char *bytes = asyncio_shared_data(&work.block);
        int memory = take_descriptor(&work.block);
        memset(bytes, 3, LARGE);
        EXPECT_EQ(run(pool, &work), 0);
        asyncio_executor_shutdown(pool); // with its workers
        pool = NULL;
        if (EXPECT_EQ(asyncio_shared_seal(&work.block), 0)) {
            EXPECT_EQ(bytes[LARGE - 1], 7);
            EXPECT(content_is_sealed(memory));
            EXPECT_EQ(pwrite(memory, "x", 1, 0), -1);
            bytes[0] = 9;
            EXPECT_EQ(bytes[0], 9);
        }
        close(memory);
        asyncio_shared_free(&work.block);
    }
    asyncio_executor_shutdown(pool);
}

TEST(memory_is_not_sealed_under_a_job)
{
    struct work work;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (make_work(&work, 1000)) {
        struct late late = {pool, &work};
        struct asyncio_shared handle = work.block;
        struct asyncio_task *task = asyncio_create_task(call_late, &late);
        EXPECT_EQ(asyncio_sleep(0), 0);
        if (down_meanwhile(&shared->begun, task))
            EXPECT_EQ(asyncio_shared_seal(&handle), -EBUSY);
        sem_post(&shared->gate);
        asyncio_ignore(asyncio_await(task));
        EXPECT_EQ(asyncio_shared_seal(&handle), 0);
        asyncio_task_release(task);
        asyncio_shared_free(&handle);
    }
    asyncio_executor_shutdown(pool);
}

static int seal_from_inside(void *arg)
{
    return asyncio_shared_seal(&((struct work *)arg)->block);
}

TEST(worker_seals_nothing)
{
    struct work work;
    struct asyncio_executor *pool = make_pool(1);
    EXPECT_OR_RETURN(pool);
    if (make_work(&work, 1000)) {
        EXPECT_EQ(asyncio_run_in_executor(pool, seal_from_inside, &work,
                                          .size = sizeof work,
                                          .shared = &work.block),
                  -EPERM);
        asyncio_shared_free(&work.block);
    }
    asyncio_executor_shutdown(pool);
}
