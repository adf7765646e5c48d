// What honest jobs can do in a sandbox, and where there is none.

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include <jpeglib.h>

#include "evil.h"
#include "platform/sys.h"

// --- honest work ------------------------------------------------------------

static void *no_thread(void *arg)
{
    return arg;
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int sort_many(void)
{
    enum { COUNT = 300000 };
    int *numbers = malloc(COUNT * sizeof *numbers);
    if (!numbers) return -ENOMEM;
    for (int i = 0; i < COUNT; i++)
        numbers[i] = (int)(i * 7919L % COUNT);
    qsort(numbers, COUNT, sizeof *numbers, compare);
    int err = numbers[0] == 0 && numbers[COUNT - 1] == COUNT - 1 ? 0 : -EIO;
    free(numbers);
    return err;
}

static int allocate_all_kinds(void)
{
    char *memory = NULL;
    for (size_t size = 1; size <= (size_t)64 << 20; size *= 2) {
        char *larger = realloc(memory, size);
        if (!larger) break;
        memory = larger;
        memory[size - 1] = 1;
    }
    free(memory);
    void *pages = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) return -errno;
    if (mprotect(pages, 4096, PROT_NONE) < 0) return -errno;
    return munmap(pages, 1 << 20) < 0 ? -errno : 0;
}

static int work_honestly(void *arg)
{
    char text[64];
    unsigned char bytes[8];
    pthread_t thread;
    (void)arg;

    if (sort_many() < 0) return -1;
    if (allocate_all_kinds() < 0) return -2;
    if (time(NULL) < 1000000000) return -3;
    if (nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL) < 0) return -4;
    if (asyncio__sys_getrandom(bytes, sizeof bytes, 0) != 8) return -5;
    snprintf(text, sizeof text, "%.3f", sqrt(2));
    if (strcmp(text, "1.414") != 0) return -6;
    if (pthread_create(&thread, NULL, no_thread, NULL) != EPERM) return -7;
    return asyncio_raise(-EPROTO, "all of it is %s", "done");
}

TEST(sandboxed_worker_can_compute)
{
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(asyncio_run_in_executor(pool, work_honestly, NULL), -EPROTO);
        EXPECT_STR(asyncio_strerror(-EPROTO), "all of it is done");
    }
    asyncio_executor_shutdown(pool);
}

static int abort_at_once(void *arg)
{
    (void)arg;
    abort();
}

__attribute__((noinline)) static int read_pixel(volatile int *where)
{
    return *where + 1;
}

__attribute__((noinline)) static int read_line(volatile int *where)
{
    return read_pixel(where) + 1;
}

static int read_picture(void *arg)
{
    volatile int *volatile where = (volatile int *)(uintptr_t)0x18;
    (void)arg;
    return read_line(where) + 1;
}

TEST(sandboxed_worker_that_crashes_says_where)
{
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    for (int i = 0; i < 3; i++) { // in each worker
        EXPECT_EQ(asyncio_run_in_executor(pool, read_picture, NULL),
                  -EOWNERDEAD);
        EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD),
                        "signal 11 (SIGSEGV) at 0x18 in "
                        "read_pixel < read_line < read_picture");
    }
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

TEST(sandboxed_worker_that_aborts_is_named_and_replaced)
{
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    EXPECT_EQ(asyncio_run_in_executor(pool, abort_at_once, NULL), -EOWNERDEAD);
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "SIGABRT");
    EXPECT_CONTAINS(asyncio_strerror(-EOWNERDEAD), "abort_at_once");
    EXPECT_EQ(asyncio_run_in_executor(pool, count_call, NULL), 0);
    asyncio_executor_shutdown(pool);
}

// Its bell, its log, and the channel by which shared memory comes.
TEST(sandboxed_worker_has_three_descriptors)
{
    pid_t worker = 0;
    char path[64];
    int count = 0;
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    EXPECT_EQ(asyncio_run_in_executor(pool, report_pid, &worker,
                                      .size = sizeof worker),
              0);
    snprintf(path, sizeof path, "/proc/%d/fd", (int)worker);
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (entry->d_name[0] != '.') count++;
    if (folder)
        EXPECT_EQ(count, 3);
    else if (worker)
        SKIP("only root may look: its memory and descriptors are hidden");
    if (folder) closedir(folder);
    asyncio_executor_shutdown(pool);
}

// The runner waits for every process that a test leaves, and complains of those
// that do not end: the foreman's end is still the worker's.
TEST(sandboxed_workers_end_with_their_foreman)
{
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *task = begin_gate(&call);
    if (task) {
        EXPECT_EQ(kill(parent_of(atomic_load(&shared->pid)), SIGKILL), 0);
        EXPECT_EQ(asyncio_await(task), -EOWNERDEAD);
    }
    asyncio_task_release(task);
    asyncio_executor_shutdown(pool);
}

// --- pictures ---------------------------------------------------------------

#define SIDE 256

struct picture {
    unsigned long size; // of the JPEG
    int white;          // pixels, once it is decoded
    unsigned char jpeg[200 * 1024];
};

struct giving_up {
    struct jpeg_error_mgr mgr;
    jmp_buf place;
};

static void give_up(j_common_ptr jpeg)
{
    longjmp(((struct giving_up *)jpeg->err)->place, 1);
}

static void keep_quiet(j_common_ptr jpeg)
{
    (void)jpeg;
}

// Half of it white, half black.
static int encode(struct picture *picture)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char row[SIDE], *out = picture->jpeg, *rows[] = {row};
    picture->size = sizeof picture->jpeg;

    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &out, &picture->size);
    jpeg.image_width = jpeg.image_height = SIDE;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < SIDE; y++) {
        memset(row, y < SIDE / 2 ? 255 : 0, sizeof row);
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return out == picture->jpeg ? 0 : -E2BIG;
}

static int decode(void *arg)
{
    struct picture *picture = arg;
    struct jpeg_decompress_struct jpeg;
    struct giving_up errors;
    unsigned char row[SIDE * 3], *rows[] = {row};

    jpeg.err = jpeg_std_error(&errors.mgr);
    errors.mgr.error_exit = give_up;
    errors.mgr.output_message = keep_quiet;
    if (setjmp(errors.place)) {
        jpeg_destroy_decompress(&jpeg);
        return -EPROTO;
    }
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, picture->jpeg, picture->size);
    jpeg_read_header(&jpeg, TRUE);
    if (jpeg.image_width != SIDE) give_up((j_common_ptr)&jpeg);
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
        jpeg_read_scanlines(&jpeg, rows, 1);
        for (unsigned x = 0; x < SIDE; x++)
            picture->white += row[x] > 128;
    }
    jpeg_finish_decompress(&jpeg);
    jpeg_destroy_decompress(&jpeg);
    return 0;
}

TEST(picture_is_decoded_in_a_sandbox)
{
    static struct picture picture;
    struct asyncio_executor *pool = make_sandbox(1);
    if (!pool) return;
    EXPECT_EQ(encode(&picture), 0);
    EXPECT_EQ(
        asyncio_run_in_executor(pool, decode, &picture, .size = sizeof picture),
        0);
    EXPECT_EQ(picture.white, SIDE * SIDE / 2);
    memset(picture.jpeg + 20, 0xff, 100);
    EXPECT_EQ(
        asyncio_run_in_executor(pool, decode, &picture, .size = sizeof picture),
        -EPROTO);
    asyncio_executor_shutdown(pool);
}

// --- where there is none ----------------------------------------------------

// As a container does that knows nothing of a system call.
static bool deny(uint32_t number)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    if (asyncio__sys_no_new_privileges() == 0 &&
        asyncio__sys_seccomp(
            &(struct sock_fprog){sizeof code / sizeof *code, code}) == 0)
        return true;
    return SKIP("no filter can be set here");
}

static void expect_no_sandbox(uint32_t number, const char *words)
{
    struct asyncio_executor *pool = NULL;
    if (!deny(number)) return;
    int err = asyncio_process_pool_create(&pool, .max_workers = 1,
                                          .sandbox = ASYNCIO_SANDBOX_STRICT);
    EXPECT_EQ(err, -ENOTSUP);
    EXPECT_CONTAINS(asyncio_strerror(err), "cannot be confined");
    EXPECT_CONTAINS(asyncio_strerror(err), words);
    if (err == 0) asyncio_executor_shutdown(pool);

    err = asyncio_process_pool_create(&pool, .max_workers = 1);
    EXPECT_EQ(err, 0);
    if (err == 0) asyncio_executor_shutdown(pool);
}

TEST(pool_does_not_start_without_landlock)
{
    expect_no_sandbox(SYS_landlock_create_ruleset, "Landlock");
}

TEST(pool_does_not_start_without_seccomp)
{
    expect_no_sandbox(SYS_seccomp, "seccomp");
}

TEST(pool_does_not_start_where_descriptors_cannot_be_closed)
{
    expect_no_sandbox(SYS_close_range, "closing descriptors");
}

TEST(pool_does_not_start_where_privileges_cannot_be_dropped)
{
    expect_no_sandbox(SYS_capset, "dropping privileges");
}

TEST(threads_and_unknown_sandboxes_are_refused)
{
    struct asyncio_executor *pool;
    EXPECT_EQ(asyncio_process_pool_create(&pool, .sandbox = 2), -EINVAL);
    EXPECT_EQ(
        asyncio_thread_pool_create(&pool, .sandbox = ASYNCIO_SANDBOX_STRICT),
        -ENOTSUP);
    EXPECT_CONTAINS(asyncio_strerror(-ENOTSUP), "processes");
}
