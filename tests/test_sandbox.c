// What a sandboxed worker may not ask the kernel for, call by call.
//
// The arguments are such that a call would do no harm to the machine if it were
// let through: it is the parent that is to be spared, by the sandbox.

#include <linux/futex.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "evil.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static char page[8192] __attribute__((aligned(4096)));
static const struct sched_param lowest;
static const struct timeval first_second = {.tv_sec = 1};

// --- files ------------------------------------------------------------------

ESCAPE(open_the_passwords, SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0)
ESCAPE(open_the_folder_above, SYS_openat, AT_FDCWD, "..", O_RDONLY, 0)
ESCAPE(open_a_path_only, SYS_openat, AT_FDCWD, "/", O_PATH, 0)
ESCAPE(open_its_own_memory, SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR, 0)
ESCAPE(open_the_memory_of_the_machine, SYS_openat, AT_FDCWD, "/dev/mem", O_RDWR,
       0)
ESCAPE(open_the_terminal, SYS_openat, AT_FDCWD, "/dev/tty", O_RDWR, 0)
ESCAPE(open_a_file_without_a_name, SYS_openat, AT_FDCWD, it->folder,
       O_TMPFILE | O_RDWR, 0600)
ESCAPE(open_in_the_new_way, SYS_openat2, AT_FDCWD, "/etc/passwd", page, 24)
ESCAPE(cut_a_file_off, SYS_truncate, it->file, 0)
ESCAPE(write_to_a_file, SYS_openat, AT_FDCWD, it->file, O_WRONLY | O_TRUNC, 0)
ESCAPE(create_a_file, SYS_openat, AT_FDCWD, "evil", O_CREAT | O_WRONLY, 0600)
ESCAPE(unlink_a_file, SYS_unlinkat, AT_FDCWD, it->file, 0)
ESCAPE(rename_a_file, SYS_renameat2, AT_FDCWD, it->file, AT_FDCWD, "evil", 0)
ESCAPE(link_a_file, SYS_linkat, AT_FDCWD, it->file, AT_FDCWD, "evil", 0)
ESCAPE(make_a_symbolic_link, SYS_symlinkat, it->file, AT_FDCWD, "evil")
ESCAPE(make_a_folder, SYS_mkdirat, AT_FDCWD, "evil", 0700)
ESCAPE(make_a_device, SYS_mknodat, AT_FDCWD, "evil", S_IFCHR | 0600, 0x0101)
ESCAPE(change_the_mode_of_a_file, SYS_fchmodat, AT_FDCWD, it->file, 04777)
ESCAPE(change_the_owner_of_a_file, SYS_fchownat, AT_FDCWD, it->file, 1, 1, 0)
ESCAPE(change_the_times_of_a_file, SYS_utimensat, AT_FDCWD, it->file, NULL, 0)
ESCAPE(set_an_attribute_of_a_file, SYS_setxattr, it->file, "user.a", "", 0, 0)
ESCAPE(learn_whether_a_file_is_there, SYS_faccessat, AT_FDCWD, it->file, F_OK)
ESCAPE(learn_about_a_file, SYS_statx, AT_FDCWD, it->file, 0, 0, page)
ESCAPE(read_a_link, SYS_readlinkat, AT_FDCWD, "/proc/self/exe", page, 100)
ESCAPE(change_its_folder, SYS_chdir, "/")
ESCAPE(change_its_root, SYS_chroot, "/")
ESCAPE(pivot_its_root, SYS_pivot_root, "/", "/")
ESCAPE(mount, SYS_mount, "none", "/none", "tmpfs", 0, NULL)
ESCAPE(unmount, SYS_umount2, "/none", 0)
ESCAPE(mount_in_the_new_way, SYS_fsopen, "tmpfs", 0)
ESCAPE(clone_a_tree_of_mounts, SYS_open_tree, AT_FDCWD, "/", 1)
ESCAPE(take_a_handle_of_a_file, SYS_name_to_handle_at, AT_FDCWD, it->file, page,
       page + 512, 0)
ESCAPE(open_a_file_by_its_handle, SYS_open_by_handle_at, AT_FDCWD, page, 0)
ESCAPE(watch_all_files, SYS_fanotify_init, 0, 0)
ESCAPE(watch_a_file, SYS_inotify_init1, 0)
ESCAPE(set_a_quota, SYS_quotactl, 0, "/", 0, NULL)
ESCAPE(swap_to_a_file, SYS_swapon, it->file, 0)
ESCAPE(account_to_a_file, SYS_acct, it->file)
ESCAPE(sync_all_disks, SYS_sync)

// --- network ----------------------------------------------------------------

// Every family that there is, and one that there is not.
static int open_a_socket(void *arg)
{
    struct target *target = arg;
    target->result = -EPERM;
    for (int family = 0; family <= AF_MAX && target->result == -EPERM; family++)
        target->result = CALL(SYS_socket, family, SOCK_STREAM, 0);
    for (int type = 0; type <= 10 && target->result == -EPERM; type++)
        target->result = CALL(SYS_socket, AF_UNIX, type, 0);
    return 0;
}

TEST(sandbox_refuses_to_open_a_socket_of_any_family)
{
    expect_refused(open_a_socket);
}

// Hands its own descriptor on, as if the bell were a socket.
static int send_a_descriptor(void *arg)
{
    struct target *target = arg;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {page, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    memcpy(CMSG_DATA(&control.header), &target->bell, sizeof target->bell);
    target->result = CALL(SYS_sendmsg, target->bell, &message, 0);
    return 0;
}

TEST(sandbox_refuses_to_send_a_descriptor)
{
    expect_refused(send_a_descriptor);
}

ESCAPE(open_a_pair_of_sockets, SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, page)
ESCAPE(connect, SYS_connect, it->bell, page, sizeof(struct sockaddr_un))
ESCAPE(bind, SYS_bind, it->bell, page, sizeof(struct sockaddr_un))
ESCAPE(listen, SYS_listen, it->bell, 1)
ESCAPE(accept, SYS_accept4, it->bell, NULL, NULL, 0)
ESCAPE(send_to_an_address, SYS_sendto, it->bell, page, 1, 0, NULL, 0)
ESCAPE(receive_a_descriptor, SYS_recvmsg, it->bell, page, 0)

// --- its log ----------------------------------------------------------------

ESCAPE(make_its_log_block, SYS_fcntl, it->log, F_SETFL, 0)
ESCAPE(widen_its_log, SYS_fcntl, it->log, F_SETPIPE_SZ, 1 << 20)
ESCAPE(take_back_what_it_logged, SYS_read, it->log, page, sizeof page)
ESCAPE(lay_pages_into_its_log, SYS_vmsplice, it->log,
       (&(struct iovec){page, sizeof page}), 1, 0)
ESCAPE(log_in_pieces_of_memory, SYS_writev, it->log,
       (&(struct iovec){page, sizeof page}), 1)
ESCAPE(copy_its_log, SYS_dup, it->log)
ESCAPE(close_its_log, SYS_close, it->log)

// --- processes --------------------------------------------------------------

static char *const no_words[] = {NULL};

ESCAPE(execute_a_program, SYS_execve, "/bin/true", no_words, no_words)
ESCAPE(execute_a_descriptor, SYS_execveat, it->bell, "", no_words, no_words,
       AT_EMPTY_PATH)
ESCAPE(clone_itself, SYS_clone, SIGCHLD, 0, 0, 0, 0)
ESCAPE(start_a_thread, SYS_clone,
       CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
           CLONE_SYSVSEM,
       page + sizeof page, 0, 0, 0)
ESCAPE(clone_into_a_new_user, SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)
ESCAPE(clone_in_the_new_way, SYS_clone3, page, 64)
ESCAPE(leave_its_namespaces, SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS)
ESCAPE(enter_a_namespace, SYS_setns, it->bell, 0)
ESCAPE(trace_its_parent, SYS_ptrace, PTRACE_SEIZE, it->parent, 0, 0)
ESCAPE(attach_to_its_parent, SYS_ptrace, PTRACE_ATTACH, it->parent, 0, 0)
ESCAPE(be_traced, SYS_ptrace, PTRACE_TRACEME, 0, 0, 0)
ESCAPE(read_the_memory_of_its_parent, SYS_process_vm_readv, it->parent,
       (&(struct iovec){page, 6}), 1,
       (&(struct iovec){(void *)(uintptr_t)it->secret, 6}), 1, 0)
ESCAPE(write_to_the_memory_of_its_parent, SYS_process_vm_writev, it->parent,
       (&(struct iovec){page, 6}), 1,
       (&(struct iovec){(void *)(uintptr_t)it->secret, 6}), 1, 0)
ESCAPE(compare_itself_to_its_parent, SYS_kcmp, getpid(), it->parent, 0, 0, 0)
ESCAPE(advise_on_the_memory_of_others, SYS_process_madvise, it->bell, page, 1,
       0, 0)
ESCAPE(open_its_parent, SYS_pidfd_open, it->parent, 0)
ESCAPE(take_a_descriptor_of_others, SYS_pidfd_getfd, it->bell, 0, 0)
ESCAPE(wait_for_a_process, SYS_wait4, -1, NULL, 0, NULL)

// --- signals ----------------------------------------------------------------

ESCAPE(kill_its_parent, SYS_kill, it->parent, SIGKILL)
ESCAPE(kill_the_foreman, SYS_kill, it->foreman, SIGKILL)
ESCAPE(kill_the_launcher, SYS_kill, it->launcher, SIGKILL)
ESCAPE(stop_its_parent, SYS_kill, it->parent, SIGSTOP)
ESCAPE(signal_its_group, SYS_kill, 0, 0)
ESCAPE(signal_everybody, SYS_kill, -1, 0)
ESCAPE(signal_the_group_of_its_parent, SYS_kill, -it->parent, 0)
ESCAPE(signal_a_thread_of_its_parent, SYS_tgkill, it->parent, it->parent,
       SIGKILL)
ESCAPE(signal_a_thread_by_number, SYS_tkill, it->parent, SIGKILL)
ESCAPE(queue_a_signal, SYS_rt_sigqueueinfo, it->parent, SIGKILL, page)
ESCAPE(signal_a_descriptor, SYS_pidfd_send_signal, it->bell, SIGKILL, NULL, 0)
ESCAPE(have_signals_as_a_descriptor, SYS_signalfd4, -1, page, 8, 0)
ESCAPE(outlive_its_parent, SYS_prctl, 1, 0, 0, 0, 0)

TEST(sandbox_refuses_to_kill_a_sibling)
{
    struct target target = {0};
    struct asyncio_executor *pool = make_sandbox(2);
    if (!pool) return;
    struct call call = {.pool = pool, .fn = pass_gate};
    struct asyncio_task *sibling = begin_gate(&call);
    if (sibling) {
        target.sibling = atomic_load(&shared->pid);
        if (find_target(pool, &target)) {
            target.parent = target.sibling;
            EXPECT_EQ(asyncio_run_in_executor(pool, evil_kill_its_parent,
                                              &target, .size = sizeof target),
                      0);
            EXPECT_EQ(target.result, -EPERM);
        }
        sem_post(&shared->gate);
        EXPECT_EQ(asyncio_await(sibling), 0);
    }
    asyncio_task_release(sibling);
    asyncio_executor_shutdown(pool);
}

// --- the kernel -------------------------------------------------------------

ESCAPE(set_up_a_ring, SYS_io_uring_setup, 4, page)
ESCAPE(enter_a_ring, SYS_io_uring_enter, it->bell, 0, 0, 0, NULL, 0)
ESCAPE(register_with_a_ring, SYS_io_uring_register, it->bell, 0, NULL, 0)
ESCAPE(load_code_into_the_kernel, SYS_bpf, 0, page, 64)
ESCAPE(count_events, SYS_perf_event_open, page, 0, -1, -1, 0)
ESCAPE(handle_faults, SYS_userfaultfd, 0)
ESCAPE(add_a_key, SYS_add_key, "user", "evil", "", 0, -1)
ESCAPE(request_a_key, SYS_request_key, "user", "evil", NULL, -1)
ESCAPE(control_keys, SYS_keyctl, 0, -1, 0, 0, 0)
ESCAPE(load_a_module, SYS_init_module, page, 0, "")
ESCAPE(load_a_module_from_a_file, SYS_finit_module, it->bell, "", 0)
ESCAPE(unload_a_module, SYS_delete_module, "evil", O_NONBLOCK)
ESCAPE(load_another_kernel, SYS_kexec_load, 0, 0, NULL, 0)
ESCAPE(reboot, SYS_reboot, 0, 0, 0, NULL)
ESCAPE(set_the_time_of_day, SYS_settimeofday, &first_second, NULL)
ESCAPE(set_a_clock, SYS_clock_settime, 0, &first_second)
ESCAPE(adjust_a_clock, SYS_adjtimex, page)
ESCAPE(name_the_machine, SYS_sethostname, "evil", 4)
ESCAPE(read_the_log_of_the_kernel, SYS_syslog, 3, page, 100)
ESCAPE(change_its_personality, SYS_personality, 0x0400000)
ESCAPE(replace_its_filter, SYS_seccomp, 1, 0, page)
ESCAPE(make_a_ruleset, SYS_landlock_create_ruleset, page, 8, 0)
ESCAPE(make_no_call_at_all, 100000)
#if defined(__x86_64__)
ESCAPE(have_ports, SYS_iopl, 3)
ESCAPE(change_its_segments, SYS_modify_ldt, 0, page, 16)
ESCAPE(make_calls_of_another_kind, 0x40000000 + SYS_getpid)
#endif

// --- memory -----------------------------------------------------------------

ESCAPE(map_what_can_be_executed, SYS_mmap, NULL, 4096,
       PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
ESCAPE(make_its_memory_executable, SYS_mprotect, page, 4096,
       PROT_READ | PROT_EXEC)
ESCAPE(make_its_memory_executable_by_key, SYS_pkey_mprotect, page, 4096,
       PROT_READ | PROT_EXEC, -1)
ESCAPE(replace_pages_of_a_file, SYS_remap_file_pages, page, 4096, 0, 0, 0)
ESCAPE(make_a_file_in_memory, SYS_memfd_create, "evil", 0)
ESCAPE(make_a_secret_file, SYS_memfd_secret, 0)
ESCAPE(share_memory_by_number, SYS_shmget, 0, 4096, 0600)
ESCAPE(attach_memory_by_number, SYS_shmat, 0, NULL, 0)
ESCAPE(queue_messages_by_number, SYS_msgget, 0, 0600)
ESCAPE(share_semaphores_by_number, SYS_semget, 0, 1, 0600)
ESCAPE(queue_messages_by_name, SYS_mq_open, "evil", O_CREAT | O_RDWR, 0600,
       NULL)
ESCAPE(lock_memory, SYS_mlock, page, 4096)
ESCAPE(lock_all_memory, SYS_mlockall, 1)
ESCAPE(wait_with_priority, SYS_futex, page, FUTEX_LOCK_PI, 0, NULL)

// --- who it is, and what it may use -----------------------------------------

ESCAPE(become_another_user, SYS_setuid, 1)
ESCAPE(become_any_user, SYS_setresuid, 0, 0, 0)
ESCAPE(become_another_group, SYS_setgid, 1)
ESCAPE(drop_its_groups, SYS_setgroups, 0, NULL)
ESCAPE(have_capabilities, SYS_capset, page, page + 512)
ESCAPE(be_dumped, SYS_prctl, 4, 1, 0, 0, 0)
ESCAPE(be_another_session, SYS_setsid)
ESCAPE(be_in_another_group, SYS_setpgid, 0, it->parent)
ESCAPE(raise_a_limit, SYS_prlimit64, 0, RLIMIT_NOFILE,
       (&(struct rlimit){100, 100}), NULL)
ESCAPE(limit_its_parent, SYS_prlimit64, it->parent, RLIMIT_NOFILE,
       (&(struct rlimit){0, 0}), NULL)
ESCAPE(choose_processors, SYS_sched_setaffinity, 0, 128, page)
ESCAPE(choose_a_scheduler, SYS_sched_setscheduler, 0, SCHED_FIFO, &lowest)
ESCAPE(choose_its_priority, SYS_setpriority, PRIO_PROCESS, 0, -20)
ESCAPE(slow_its_parent_down, SYS_setpriority, PRIO_PROCESS, it->parent, 19)

// --- descriptors ------------------------------------------------------------

ESCAPE(print, SYS_write, STDOUT_FILENO, "evil\n", 5)
ESCAPE(complain, SYS_write, STDERR_FILENO, "evil\n", 5)
ESCAPE(read_its_bell, SYS_read, it->bell, page, 100)
ESCAPE(copy_its_bell, SYS_dup, it->bell)
ESCAPE(copy_its_bell_to_a_number, SYS_dup3, it->bell, STDOUT_FILENO, 0)
ESCAPE(close_its_bell, SYS_close, it->bell)
ESCAPE(close_all_descriptors, SYS_close_range, 0, 1000, 0)
ESCAPE(make_its_bell_block, SYS_fcntl, it->bell, F_SETFL, 0)
ESCAPE(have_its_bell_signal_its_parent, SYS_fcntl, it->bell, F_SETOWN,
       it->parent)
ESCAPE(make_its_bell_larger, SYS_fcntl, it->bell, F_SETPIPE_SZ, 1 << 20)
ESCAPE(control_its_bell, SYS_ioctl, it->bell, 0x541B, page)
ESCAPE(fill_its_bell_from_itself, SYS_tee, it->bell, it->bell, 100, 0)
ESCAPE(splice_into_its_bell, SYS_vmsplice, it->bell, page, 1, 0)
ESCAPE(receive_by_its_bell, SYS_recvmsg, it->bell, page, MSG_DONTWAIT)
ESCAPE(write_to_its_channel, SYS_write, it->channel, "evil", 4)
ESCAPE(send_by_its_channel, SYS_sendto, it->channel, "evil", 4, 0, NULL, 0)
ESCAPE(send_descriptors_by_its_channel, SYS_sendmsg, it->channel, page, 0)
ESCAPE(receive_many_by_its_channel, SYS_recvmmsg, it->channel, page, 1, 0, NULL)
ESCAPE(read_its_channel, SYS_read, it->channel, page, 100)
ESCAPE(copy_its_channel, SYS_dup, it->channel)
ESCAPE(close_its_channel, SYS_close, it->channel)
ESCAPE(shut_its_channel_down, SYS_shutdown, it->channel, SHUT_RDWR)
ESCAPE(learn_who_is_behind_its_channel, SYS_getpeername, it->channel, page,
       page)
ESCAPE(make_its_channel_pass_credentials, SYS_setsockopt, it->channel,
       SOL_SOCKET, SO_PASSCRED, page, 4)
ESCAPE(make_a_pipe, SYS_pipe2, page, 0)
ESCAPE(make_a_poller, SYS_epoll_create1, 0)
ESCAPE(make_an_event, SYS_eventfd2, 0, 0)
ESCAPE(make_a_timer, SYS_timerfd_create, 0, 0)
ESCAPE(have_a_timer_signal, SYS_timer_create, 0, NULL, page)
ESCAPE(shrink_memory_by_descriptor, SYS_ftruncate, it->bell, 0)
