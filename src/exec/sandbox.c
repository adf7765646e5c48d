// The way into the sandbox, and the filter of system calls.
//
// The filter is a list of what is allowed. A library that asks for more gets
// -EPERM, which it has to expect from any system call, and goes on or fails:
// many ask for things that they can do without (how many processors there are,
// where the time zones lie). Only code for another architecture is killed: its
// numbers mean other calls. Pages that can be executed are never made, so that
// an attacker has only the code that is there.

#include "exec/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "platform/sys.h"

// --- the filter -------------------------------------------------------------

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define ARCHITECTURE 0 // no filter was written for it
#endif

// Calls that may be made whatever their arguments are.
static const uint32_t harmless[] = {
    SYS_brk,
    SYS_munmap,
    SYS_mremap,
    SYS_madvise,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_sched_yield,
    SYS_getrandom,
    SYS_getpid,
    SYS_gettid,
    SYS_getrusage,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
};

// Waiting and waking; the other operations of futexes have had their bugs.
static const uint32_t futexes[] = {
    FUTEX_WAIT,
    FUTEX_WAKE,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE_BITSET,
};

struct filter {
    struct sock_filter code[128];
    unsigned short len;
};

static void add(struct filter *filter, uint16_t code, uint32_t k, uint8_t yes,
                uint8_t no)
{
    filter->code[filter->len++] = (struct sock_filter){code, yes, no, k};
}

static void load(struct filter *filter, size_t offset)
{
    add(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

// The lower half of an argument, which is all there is of an int. Both
// architectures are little-endian.
static void load_argument(struct filter *filter, unsigned index)
{
    load(filter, offsetof(struct seccomp_data, args) + 8 * index);
}

static void answer(struct filter *filter, uint32_t action)
{
    add(filter, BPF_RET | BPF_K, action, 0, 0);
}

static void allow_if_equal(struct filter *filter, uint32_t value)
{
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    answer(filter, SECCOMP_RET_ALLOW);
}

// What follows, up to end_call, is about this call only. Returns its place.
static unsigned short begin_call(struct filter *filter, uint32_t number)
{
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 0);
    return filter->len;
}

// It is refused unless it was allowed.
static void end_call(struct filter *filter, unsigned short begin)
{
    answer(filter, SECCOMP_RET_ERRNO | EPERM);
    filter->code[begin - 1].jf = (uint8_t)(filter->len - begin);
}

static void allow_on(struct filter *filter, uint32_t number, uint32_t value)
{
    unsigned short begin = begin_call(filter, number);
    load_argument(filter, 0);
    allow_if_equal(filter, value);
    end_call(filter, begin);
}

static void allow_write(struct filter *filter,
                        const struct asyncio__doors *doors)
{
    unsigned short begin = begin_call(filter, SYS_write);
    load_argument(filter, 0);
    allow_if_equal(filter, (uint32_t)doors->bell);
    allow_if_equal(filter, (uint32_t)doors->log);
    end_call(filter, begin);
}

static void allow_unless_executable(struct filter *filter, uint32_t number)
{
    unsigned short begin = begin_call(filter, number);
    load_argument(filter, 2);
    add(filter, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0);
    answer(filter, SECCOMP_RET_ALLOW);
    end_call(filter, begin);
}

static void allow_futexes(struct filter *filter)
{
    const uint32_t flags = FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME;
    unsigned short begin = begin_call(filter, SYS_futex);
    load_argument(filter, 1);
    add(filter, BPF_ALU | BPF_AND | BPF_K, ~flags, 0, 0);
    for (size_t i = 0; i < sizeof futexes / sizeof *futexes; i++)
        allow_if_equal(filter, futexes[i]);
    end_call(filter, begin);
}

// `next` is the number of the descriptor that may come.
static void write_filter(struct filter *filter,
                         const struct asyncio__doors *doors, int next)
{
    const uint32_t self = (uint32_t)asyncio__sys_getpid();

    load(filter, offsetof(struct seccomp_data, arch));
    add(filter, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    answer(filter, SECCOMP_RET_KILL_PROCESS);

    load(filter, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        allow_if_equal(filter, harmless[i]);
    allow_futexes(filter);
    allow_write(filter, doors);
    allow_on(filter, SYS_recvmsg, (uint32_t)doors->channel);
    allow_on(filter, SYS_close, (uint32_t)next);
    allow_on(filter, SYS_kill, self);
    allow_on(filter, SYS_tgkill, self);
    allow_unless_executable(filter, SYS_mmap);
    allow_unless_executable(filter, SYS_mprotect);
    answer(filter, SECCOMP_RET_ERRNO | EPERM);
}

static int filter_calls(const struct asyncio__doors *doors, int next)
{
    if (ARCHITECTURE == 0) return -EOPNOTSUPP;

    struct filter filter = {.len = 0};
    write_filter(&filter, doors, next);
    return asyncio__sys_seccomp(
        &(const struct sock_fprog){filter.len, filter.code});
}

// --- Landlock ---------------------------------------------------------------

// Whatever a version knows is handled, and there are no rules that allow any of
// it. A kernel takes a struct that is longer than its own if the rest is 0.
struct ruleset {
    uint64_t files; // 13 rights at first
    uint64_t network;
    uint64_t scopes; // beyond which there are no signals and no sockets
};

static int drop_files(void)
{
    static const struct {
        int version, files, network, scopes; // how many rights it knows
    } known[] = {{1, 13, 0, 0}, {2, 14, 0, 0}, {3, 15, 0, 0},
                 {4, 15, 2, 0}, {5, 16, 2, 0}, {6, 16, 2, 2}};
    struct ruleset ruleset = {0};

    int version = asyncio__sys_landlock_version();
    if (version < 0) return version;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].version > version) break;
        ruleset = (struct ruleset){(1ULL << known[i].files) - 1,
                                   (1ULL << known[i].network) - 1,
                                   (1ULL << known[i].scopes) - 1};
    }
    return asyncio__sys_landlock(&ruleset, sizeof ruleset);
}

// --- what stands behind -----------------------------------------------------

// Where memory runs out, this process goes before any other. Not being able to
// say so is no danger to anybody but us.
static void volunteer(void)
{
    int fd =
        asyncio__sys_openat(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY, 0);
    if (fd < 0) return;
    asyncio__sys_write(fd, "1000", 4);
    asyncio__sys_close(fd);
}

static bool is_door(const struct asyncio__doors *doors, int fd)
{
    return fd == doors->bell || fd == doors->log || fd == doors->channel;
}

static int close_all_but(const struct asyncio__doors *doors)
{
    int err = 0, last = doors->bell;
    if (doors->log > last) last = doors->log;
    if (doors->channel > last) last = doors->channel;
    for (int fd = 0; fd < last && err == 0; fd++)
        if (!is_door(doors, fd)) err = asyncio__sys_close_range(fd, fd);
    return err < 0 ? err : asyncio__sys_close_range(last + 1, INT_MAX);
}

// The lowest number that is free is the next one's.
static int next_after(const struct asyncio__doors *doors)
{
    int next = 0;
    while (is_door(doors, next))
        next++;
    return next;
}

// The limit of descriptors is one of their numbers: the next one fits, and none
// beside it.
static int set_limits(int next)
{
    static const int none[] = {RLIMIT_FSIZE, RLIMIT_CORE, RLIMIT_NPROC,
                               RLIMIT_MSGQUEUE, RLIMIT_MEMLOCK};
    int err = asyncio__sys_limit(RLIMIT_NOFILE, (uint64_t)next + 1);
    if (err < 0) return err;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        err = asyncio__sys_limit(none[i], 0);
        if (err < 0) return err;
    }
    return 0;
}

static int drop_privileges(void)
{
    int err = asyncio__sys_hide_memory();
    if (err < 0) return err;
    err = asyncio__sys_drop_capabilities();
    if (err < 0) return err;
    return asyncio__sys_no_new_privileges();
}

// --- the way in -------------------------------------------------------------

const char *asyncio__sandbox_step_name(uint32_t step)
{
    static const char *const names[] = {
        [ASYNCIO__SANDBOX_DESCRIPTORS] = "closing descriptors",
        [ASYNCIO__SANDBOX_LIMITS] = "resource limits",
        [ASYNCIO__SANDBOX_PRIVILEGES] = "dropping privileges",
        [ASYNCIO__SANDBOX_LANDLOCK] = "Landlock",
        [ASYNCIO__SANDBOX_SECCOMP] = "seccomp",
        [ASYNCIO__SANDBOX_TRIAL] = "a process that tried it",
    };
    return step < sizeof names / sizeof *names ? names[step] : "?";
}

// Landlock needs a descriptor, so that the limits come behind it; the filter
// would refuse all the others, so it is last.
int asyncio__sandbox_enter(const struct asyncio__doors *doors,
                           enum asyncio__sandbox_step *step)
{
    int next = next_after(doors);
    volunteer();

    *step = ASYNCIO__SANDBOX_DESCRIPTORS;
    int err = close_all_but(doors);
    if (err < 0) return err;
    *step = ASYNCIO__SANDBOX_PRIVILEGES;
    err = drop_privileges();
    if (err < 0) return err;
    *step = ASYNCIO__SANDBOX_LANDLOCK;
    err = drop_files();
    if (err < 0) return err;
    *step = ASYNCIO__SANDBOX_LIMITS;
    err = set_limits(next);
    if (err < 0) return err;
    *step = ASYNCIO__SANDBOX_SECCOMP;
    return filter_calls(doors, next);
}

int asyncio__sandbox_try(int socket, enum asyncio__sandbox_step *step)
{
    const struct asyncio__doors doors = {socket, socket, socket};
    int err = asyncio__sandbox_enter(&doors, step);
    if (err < 0) return err;

    *step = ASYNCIO__SANDBOX_TRIAL;
    int fd = asyncio__sys_openat(AT_FDCWD, "/", O_RDONLY, 0);
    if (fd != -EPERM) return -ENOTRECOVERABLE;
    void *memory;
    return asyncio__sys_mmap(&memory, 1, PROT_READ | PROT_WRITE, 0);
}
