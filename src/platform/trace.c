// Traces begin, go on and end: the file, the processes that may write it, and
// who holds it.

#include "platform/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/clock.h"
#include "platform/sys.h"
#include "platform/trace_writer.h"

#define EXIT_NS 1000000000 // what a program that exits waits for its end

// Taken before that of the ring; for all that follows.
static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static uint32_t newest; // the number of the latest trace
static int holders;
static bool never;   // no trace in this process
static bool forked;  // from one that had a trace
static bool unasked; // the environment is not asked any more

int64_t asyncio__trace_began_ns(void)
{
    return asyncio__trace_file.began_ns;
}

// --- processes --------------------------------------------------------------

static void before_fork(void)
{
    pthread_mutex_lock(&life);
    asyncio__trace_ring_lock();
}

static void after_fork(void)
{
    asyncio__trace_ring_unlock();
    pthread_mutex_unlock(&life);
}

// The file is the parent's alone.
static void forget(void)
{
    atomic_store(&asyncio__trace_number, 0);
    if (asyncio__trace_file.fd >= 0) close(asyncio__trace_file.fd);
    asyncio__trace_file.fd = -1;
    asyncio__trace_file.path[0] = '\0';
    holders = 0;
    forked = true;
    asyncio__trace_ring_forget();
    asyncio__trace_forget_locks();
    after_fork();
}

static int once_err;

static void make_once(void)
{
    asyncio__trace_ring_init();
    once_err = -pthread_atfork(before_fork, after_fork, forget);
}

// A program that exits in the middle of a run waits until all is written, if
// that does not take long.
__attribute__((destructor)) static void write_rest(void)
{
    if (asyncio__tracing()) asyncio__trace_writer_hurry(EXIT_NS);
}

int asyncio__trace_threads(void)
{
    return asyncio__trace_writer_runs();
}

void asyncio__trace_never(void)
{
    never = true;
}

// --- its life ---------------------------------------------------------------

const char *asyncio__trace_wanted(void)
{
    const char *name = secure_getenv("ASYNCIO_TRACE");
    if (!name || !*name || never || unasked) return NULL;
    return forked && !strstr(name, "%p") ? NULL : name;
}

static int make_path(const char *name, char *path)
{
    size_t len = 0;
    for (const char *at = name; *at; at++) {
        char part[16] = {*at};
        if (at[0] == '%' && at[1] == 'p') {
            snprintf(part, sizeof part, "%d", (int)getpid());
            at++;
        }
        size_t more = strlen(part);
        if (len + more >= ASYNCIO__TRACE_PATH) return -ENAMETOOLONG;
        memcpy(path + len, part, more);
        len += more;
    }
    path[len] = '\0';
    return len > 0 ? 0 : -EINVAL;
}

// Ours, and as we have left it.
static bool goes_on(const char *path)
{
    off_t size = asyncio__trace_file.end + (off_t)ASYNCIO__TRACE_ENDS;
    return asyncio__trace_file.end > 0 &&
           strcmp(path, asyncio__trace_file.path) == 0 &&
           asyncio__sys_lseek(asyncio__trace_file.fd, 0, SEEK_END) == size;
}

// Where files cannot be locked, names have to be different.
static int lock_file(void)
{
    int err;
    do
        err = asyncio__sys_flock(asyncio__trace_file.fd, LOCK_EX | LOCK_NB);
    while (err == -EINTR);
    if (err == -EWOULDBLOCK) return -EBUSY;
    bool cannot = err == -EOPNOTSUPP || err == -ENOSYS || err == -EINVAL;
    return cannot || err == -ENOLCK ? 0 : err;
}

// Makes a regular file ours, and empty unless it goes on.
static int take_file(const char *path, bool *again)
{
    int err = lock_file();
    if (err < 0) return err;
    *again = goes_on(path);
    if (*again) return 0;
    do
        err = asyncio__sys_ftruncate(asyncio__trace_file.fd, 0);
    while (err == -EINTR);
    return err;
}

static int open_file(const char *path, bool *again)
{
    int flags = O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, err = 0;
    do
        asyncio__trace_file.fd =
            asyncio__sys_openat(AT_FDCWD, path, flags, 0666);
    while (asyncio__trace_file.fd == -EINTR);
    if (asyncio__trace_file.fd < 0) return asyncio__trace_file.fd;
    asyncio__trace_file.regular =
        S_ISREG(asyncio__sys_file_mode(asyncio__trace_file.fd));
    *again = false;
    // A pipe without a reader was refused; one with a reader is waited for.
    if (asyncio__trace_file.regular)
        err = take_file(path, again);
    else
        err = asyncio__sys_set_nonblocking(asyncio__trace_file.fd, false);
    if (err == 0) return 0;
    asyncio__sys_close(asyncio__trace_file.fd);
    asyncio__trace_file.fd = -1;
    return err;
}

static void name_process(void)
{
    asyncio__trace_event(&(struct asyncio__trace_event){
        .phase = 'M',
        .category = "__metadata",
        .name = "process_name",
        .words = {{.key = "name", .text = program_invocation_short_name}},
    });
}

// The life's lock is held.
static int begin(const char *name, asyncio__trace_failed_fn *failed)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static char path[ASYNCIO__TRACE_PATH]; // too large for a task's stack
    bool again;
    pthread_once(&once, make_once);
    int err = once_err ? once_err : make_path(name, path);
    if (err < 0) return err;
    err = asyncio__trace_ring_open();
    if (err < 0) return err;
    err = open_file(path, &again);
    if (err < 0) goto fail_ring;

    memcpy(asyncio__trace_file.path, path, sizeof path);
    asyncio__trace_file.failed = failed;
    if (!again) {
        asyncio__trace_file.end = 0;
        newest++;
        asyncio__trace_file.began_ns = asyncio__clock_real_ns();
    }
    err = asyncio__trace_writer_start(again);
    if (err < 0) goto fail_file;
    holders = 1;
    atomic_store(&asyncio__trace_number, newest);
    if (!again) name_process();
    asyncio__trace_writer_hurry(0);
    return 0;

fail_file:
    asyncio__sys_close(asyncio__trace_file.fd);
    asyncio__trace_file.fd = -1;
fail_ring:
    asyncio__trace_ring_close();
    return err;
}

// What is told from now on comes too late.
static void end(void)
{
    asyncio__trace_ring_lock();
    atomic_store(&asyncio__trace_number, 0);
    asyncio__trace_ring_unlock();
    asyncio__trace_writer_stop(true);
    if (!asyncio__trace_file.regular || asyncio__trace_is_broken())
        asyncio__trace_file.path[0] = '\0';
    asyncio__sys_close(asyncio__trace_file.fd);
    asyncio__trace_file.fd = -1;
    holders = 0;
    asyncio__trace_ring_close();
}

int asyncio__trace_hold(const char *name, asyncio__trace_failed_fn *failed,
                        uint32_t *number)
{
    int err = 0;
    pthread_mutex_lock(&life);
    if (holders > 0)
        holders++;
    else
        err = begin(name, failed);
    if (err == 0) *number = newest;
    pthread_mutex_unlock(&life);
    return err;
}

void asyncio__trace_drop(uint32_t number)
{
    pthread_mutex_lock(&life);
    if (holders > 0 && newest == number && --holders == 0) end();
    pthread_mutex_unlock(&life);
}

int asyncio__trace_begin(const char *name, asyncio__trace_failed_fn *failed)
{
    pthread_mutex_lock(&life);
    int err = never ? -EPERM : holders > 0 ? -EALREADY : 0;
    if (err == 0) asyncio__trace_file.path[0] = '\0'; // no file goes on
    if (err == 0) err = begin(name, failed);
    pthread_mutex_unlock(&life);
    return err;
}

bool asyncio__trace_end(void)
{
    pthread_mutex_lock(&life);
    bool ends = holders > 0;
    if (ends) end();
    unasked |= ends;
    pthread_mutex_unlock(&life);
    return ends;
}

void asyncio__trace_pause(void)
{
    pthread_mutex_lock(&life);
    asyncio__trace_writer_stop(false);
    pthread_mutex_unlock(&life);
}

void asyncio__trace_go_on(void)
{
    pthread_mutex_lock(&life);
    bool starts = holders > 0 && !asyncio__trace_writer_runs();
    int err = starts ? asyncio__trace_writer_start(true) : 0;
    if (err < 0) asyncio__trace_break_off(err);
    pthread_mutex_unlock(&life);
}
