// What happens in the workers that ./dev inject workers hits.

#include "inject/jobs.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct inject_board *inject_board;

static void hit(int number)
{
    atomic_store(&inject_board->shot_ns, inject_now_ns());
    kill(getpid(), number);
}

static void begin(void *arg)
{
    struct inject_order *order = arg;
    atomic_fetch_add(&inject_board->runs[order->number], 1);
    order->pid = getpid();
}

int inject_work(void *arg)
{
    const struct inject_order *order = arg;
    begin(arg);
    for (int64_t end = inject_now_ns() + order->spin_us * 1000LL;
         inject_now_ns() < end;)
        continue;
    return 0;
}

int inject_hit_in_job(void *arg)
{
    const struct inject_order *order = arg;
    begin(arg);
    hit(order->signal);
    return 0;
}

static int signal_at_bell;

static void on_bell(int number)
{
    (void)number;
    hit(signal_at_bell);
}

// From here on every write is a SIGSYS; the next one is that of the bell.
int inject_hit_at_bell(void *arg)
{
    const struct inject_order *order = arg;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {sizeof code / sizeof *code, code};

    begin(arg);
    signal_at_bell = order->signal;
    signal(SIGSYS, on_bell);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
        hit(order->signal);
    return 0;
}

static void enter_cgroup(const char *folder)
{
    char path[300], pid[32];
    snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    int len = snprintf(pid, sizeof pid, "%d", (int)getpid());
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, pid, (size_t)len) < 0) perror(path);
    close(fd);
}

// Without a cgroup the allocator has none to give, and this one does not look.
int inject_spend_memory(void *arg)
{
    const struct inject_order *order = arg;
    const struct rlimit limit = {512 << 20, 512 << 20};
    begin(arg);
    atomic_store(&inject_board->shot_ns, inject_now_ns());
    if (order->cgroup[0])
        enter_cgroup(order->cgroup);
    else
        setrlimit(RLIMIT_AS, &limit);
    volatile char *memory;
    do {
        memory = malloc(1 << 20);
        for (size_t i = 0; i < 1 << 20; i += 4096)
            memory[i] = 1;
    } while (memory[0]);
    return 0;
}

void inject_hit_at_start(void)
{
    int number = inject_board ? atomic_exchange(&inject_board->at_start, 0) : 0;
    if (number) hit(number);
}
