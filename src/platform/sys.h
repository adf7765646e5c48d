// The one thin layer between us and the system: every kernel call, clock,
// allocation, random byte and process start of ours passes here, so that a test
// can make any of them fail and can see what was never given back.
//
// A wrapper has the system call's name and arguments, returns what the call
// returns, or a negative errno, and never touches the caller's `errno`. It does
// not retry: -EINTR is the caller's business. With no hooks set it costs one
// predicted branch.
//
// What obtains something is a macro that adds the place of the call, so that
// the ledger can name where a leak began; other calls are known to the hooks by
// their own names. What gives something back cannot be denied: a hook that asks
// a close to fail gets a descriptor that is closed all the same, as on Linux.
//
// What is marked ASYNCIO_API is for the companion libraries that stand in this
// tree, which are of the same version; no header that is installed names it.
//
// To add a call: put the wrapper into the sys_*.c file of its kind, with
// asyncio__sys_try around the real call (sys_call.h), and report to the ledger
// what it obtains or returns.
#pragma once

#include <asyncio/base.h>

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

struct epoll_event;
struct io_uring;
struct io_uring_buf_ring;
struct io_uring_params;
struct iovec;
struct sock_fprog;
struct statx;
struct timespec;
struct sockaddr;
struct msghdr;
struct pollfd;

// What a call is, for whoever decides that it has to fail.
enum asyncio__sys_call {
    ASYNCIO__SYS_ALLOC,
    ASYNCIO__SYS_MMAP,
    ASYNCIO__SYS_MADVISE,
    ASYNCIO__SYS_OPEN,
    ASYNCIO__SYS_CLOSE,
    ASYNCIO__SYS_READ,
    ASYNCIO__SYS_WRITE,
    ASYNCIO__SYS_COPY, // between descriptors: also splice and sendfile
    ASYNCIO__SYS_FSYNC,
    ASYNCIO__SYS_NAME,   // what adds a name to a folder, or changes one
    ASYNCIO__SYS_UNLINK, // or a folder
    ASYNCIO__SYS_LOOK,   // stat, readlink and others that read of a path
    ASYNCIO__SYS_LIST,
    ASYNCIO__SYS_RESIZE, // ftruncate, fallocate
    ASYNCIO__SYS_CHMOD,
    ASYNCIO__SYS_SEEK,
    ASYNCIO__SYS_EVENTFD, // also an epoll instance
    ASYNCIO__SYS_EPOLL_CTL,
    ASYNCIO__SYS_EPOLL_WAIT,
    ASYNCIO__SYS_URING, // a ring that is made or enabled
    ASYNCIO__SYS_URING_ENTER,
    ASYNCIO__SYS_THREAD,
    ASYNCIO__SYS_FORK,
    ASYNCIO__SYS_SOCKET, // a pipe, too
    ASYNCIO__SYS_BIND,   // and listen
    ASYNCIO__SYS_ACCEPT,
    ASYNCIO__SYS_CONNECT,
    ASYNCIO__SYS_RECV,
    ASYNCIO__SYS_SEND,
    ASYNCIO__SYS_SOCKOPT, // whatever a socket is asked or told beside these
    ASYNCIO__SYS_MEMFD,
    ASYNCIO__SYS_OTHER,
};

// What a resource is, for the ledger.
enum asyncio__resource {
    ASYNCIO__BYTES, // allocated or mapped
    ASYNCIO__DESCRIPTOR,
    ASYNCIO__TASK,
    ASYNCIO__STACK,
    ASYNCIO__THREAD,
    ASYNCIO__TIMER,
    ASYNCIO__CHILD,
    ASYNCIO__RESOURCES, // how many kinds there are
};

struct asyncio__sys_hooks {
    // Before each call: 0, or the negative errno with which it has to fail
    // without having been made. `len`, if not NULL, is how many bytes the call
    // is to move, at least two: with one less it comes back short. May be
    // called from any thread.
    int (*before)(enum asyncio__sys_call call, const char *site, size_t *len);
    // After something was obtained, and before it is given back. `id` is the
    // address, descriptor or number that tells it apart.
    void (*made)(enum asyncio__resource what, uintptr_t id, size_t size,
                 const char *site);
    void (*gone)(enum asyncio__resource what, uintptr_t id);
};

// NULL outside tests. Set before the first loop is made.
extern const struct asyncio__sys_hooks *asyncio__sys_hooks;

// Asks whether this call has to fail: 0 or a negative errno.
static inline int asyncio__sys_denied(enum asyncio__sys_call call,
                                      const char *site)
{
    if (__builtin_expect(!asyncio__sys_hooks, 1)) return 0;
    return asyncio__sys_hooks->before
               ? asyncio__sys_hooks->before(call, site, NULL)
               : 0;
}

// The same for a call that moves *len bytes, which may become one less.
static inline int asyncio__sys_denied_bytes(enum asyncio__sys_call call,
                                            const char *site, size_t *len)
{
    if (__builtin_expect(!asyncio__sys_hooks, 1)) return 0;
    return asyncio__sys_hooks->before
               ? asyncio__sys_hooks->before(call, site, *len > 1 ? len : NULL)
               : 0;
}

// The same on a descriptor, of which it depends whether a transfer can be
// short: a datagram is moved whole.
int asyncio__sys_denied_on(int fd, enum asyncio__sys_call call,
                           const char *site, size_t *len);

// False for sockets that move datagrams or records. Cannot be denied.
bool asyncio__sys_moves_bytes(int fd);

// Tells the ledger. Whoever makes tasks, timers or stacks calls these as well.
static inline void asyncio__sys_made(enum asyncio__resource what, uintptr_t id,
                                     size_t size, const char *site)
{
    if (__builtin_expect(!asyncio__sys_hooks, 1)) return;
    if (asyncio__sys_hooks->made)
        asyncio__sys_hooks->made(what, id, size, site);
}

static inline void asyncio__sys_gone(enum asyncio__resource what, uintptr_t id)
{
    if (__builtin_expect(!asyncio__sys_hooks, 1)) return;
    if (asyncio__sys_hooks->gone) asyncio__sys_hooks->gone(what, id);
}

// ---- Memory -----------------------------------------------------------------

// Where all memory of the library comes from. Both are called on any thread.
struct asyncio__allocator {
    void *(*alloc)(size_t size, void *arg); // NULL if there is none
    void (*free)(void *p, void *arg);       // never called with NULL
    void *arg;
};

// NULL: the C library's. Set before anything else of ours is called.
extern const struct asyncio__allocator *asyncio__allocator;

// `size` bytes, all zero; NULL if there are none to be had. A size of 0 is 1.
ASYNCIO_API void *(asyncio__alloc)(size_t size, const char *site);
#define asyncio__alloc(size) (asyncio__alloc)(size, ASYNCIO_SITE)

// The same, but no test makes it fail: for the simulator, whose memory stands
// for that of the kernel.
void *asyncio__alloc_undenied(size_t size, const char *site);

// `count` objects of `size` bytes, all zero; NULL also if the product is too
// large to be expressed.
void *(asyncio__alloc_array)(size_t count, size_t size, const char *site);
#define asyncio__alloc_array(count, size)                                      \
    (asyncio__alloc_array)(count, size, ASYNCIO_SITE)

// Makes an array of `count` objects one of `new_count`; what is added is zero.
// On NULL the old array is untouched. `p` may be NULL if `count` is 0.
ASYNCIO_API void *(asyncio__realloc_array)(void *p, size_t count,
                                           size_t new_count, size_t size,
                                           const char *site);
#define asyncio__realloc_array(p, count, new_count, size)                      \
    (asyncio__realloc_array)(p, count, new_count, size, ASYNCIO_SITE)

// A copy of `text`; NULL if there is no memory, or for NULL.
char *(asyncio__strdup)(const char *text, const char *site);
#define asyncio__strdup(text) (asyncio__strdup)(text, ASYNCIO_SITE)

// Accepts NULL.
ASYNCIO_API void asyncio__free(void *p);

// Sets bytes to 0 where the size is known and small: by 64 at a time, because
// gcc takes a slow way for more.
static inline void asyncio__clear(void *memory, size_t size)
{
    char *bytes = (char *)memory;
#pragma GCC unroll 8
    for (; size >= 64; size -= 64, bytes += 64)
        __builtin_memset(bytes, 0, 64);
    __builtin_memset(bytes, 0, size);
}

// Private anonymous memory is meant: `flags` are added to MAP_PRIVATE and
// MAP_ANONYMOUS. Returns 0 with the address stored, or a negative errno.
int(asyncio__sys_mmap)(void **address, size_t size, int prot, int flags,
                       const char *site);
#define asyncio__sys_mmap(address, size, prot, flags)                          \
    (asyncio__sys_mmap)(address, size, prot, flags, ASYNCIO_SITE)

// Only whole mappings, as asyncio__sys_mmap gave them out.
int asyncio__sys_munmap(void *address, size_t size);
int asyncio__sys_madvise(void *address, size_t size, int advice);
int asyncio__sys_mprotect(void *address, size_t size, int prot);
// Returns how many bytes were advised.
ssize_t asyncio__sys_process_madvise(int pidfd, const struct iovec *iovecs,
                                     size_t count, int advice, unsigned flags);

// ---- Files ------------------------------------------------------------------

// Every descriptor that is made here closes on exec.
ASYNCIO_API int(asyncio__sys_openat)(int folder, const char *path, int flags,
                                     mode_t mode, const char *site);
#define asyncio__sys_openat(folder, path, flags, mode)                         \
    (asyncio__sys_openat)(folder, path, flags, mode, ASYNCIO_SITE)

// The descriptor is gone whatever this returns, but for -EBADF.
ASYNCIO_API int asyncio__sys_close(int fd);

// The descriptor's own flags (FD_CLOEXEC), or -EBADF if there is none.
int asyncio__sys_fd_flags(int fd);
ASYNCIO_API ssize_t asyncio__sys_read(int fd, void *buffer, size_t len);
ssize_t asyncio__sys_write(int fd, const void *buffer, size_t len);
ssize_t asyncio__sys_pread(int fd, void *buffer, size_t len, off_t offset);
ssize_t asyncio__sys_pwrite(int fd, const void *buffer, size_t len,
                            off_t offset);
// With flags such as RWF_NOWAIT; an offset of -1 is the position.
ssize_t asyncio__sys_preadv2(int fd, const struct iovec *parts, int count,
                             off_t offset, int flags);
ssize_t asyncio__sys_pwritev2(int fd, const struct iovec *parts, int count,
                              off_t offset, int flags);
int asyncio__sys_fsync(int fd);
int asyncio__sys_fdatasync(int fd);
int asyncio__sys_renameat2(int old_folder, const char *old_path, int new_folder,
                           const char *new_path, unsigned flags);
int asyncio__sys_unlinkat(int folder, const char *path, int flags);
int asyncio__sys_mkdirat(int folder, const char *path, mode_t mode);
ASYNCIO_API int asyncio__sys_statx(int folder, const char *path, int flags,
                                   unsigned mask, struct statx *out);
int asyncio__sys_linkat(int old_folder, const char *old_path, int new_folder,
                        const char *new_path, int flags);
int asyncio__sys_symlinkat(const char *text, int folder, const char *path);
ssize_t asyncio__sys_readlinkat(int folder, const char *path, void *buffer,
                                size_t size);
ssize_t asyncio__sys_getdents64(int fd, void *buffer, size_t size);
int asyncio__sys_ftruncate(int fd, off_t len);
int asyncio__sys_flock(int fd, int operation);
int asyncio__sys_fallocate(int fd, int mode, off_t offset, off_t len);
int asyncio__sys_fchmod(int fd, mode_t mode);
off_t asyncio__sys_lseek(int fd, off_t offset, int whence);
// Where it is, or a negative errno if it has none. Cannot be denied.
off_t asyncio__sys_position(int fd);
ssize_t asyncio__sys_copy_file_range(int from, off_t *from_offset, int to,
                                     off_t *to_offset, size_t len,
                                     unsigned flags);

// Whether fd is a regular file, a folder or a block device: what never makes a
// reader wait for somebody else. Cannot be denied.
bool asyncio__sys_is_storage(int fd);

// The file's type and permissions (S_IFMT, ...), or 0. Cannot be denied.
unsigned asyncio__sys_file_mode(int fd);

// Writes to a pipe as much as it has room for, -EAGAIN if that is nothing,
// whatever its mode; and without SIGPIPE.
ssize_t asyncio__sys_writev_pipe(int fd, const struct iovec *parts, int count);

// ---- Sockets and pipes ------------------------------------------------------

// What is made here closes on exec; `type` may have SOCK_NONBLOCK.
int(asyncio__sys_socket)(int family, int type, int protocol, const char *site);
#define asyncio__sys_socket(family, type, protocol)                            \
    (asyncio__sys_socket)(family, type, protocol, ASYNCIO_SITE)
int(asyncio__sys_socketpair)(int family, int type, int protocol, int fds[2],
                             const char *site);
#define asyncio__sys_socketpair(family, type, protocol, fds)                   \
    (asyncio__sys_socketpair)(family, type, protocol, fds, ASYNCIO_SITE)
int(asyncio__sys_pipe)(int fds[2], int flags, const char *site);
#define asyncio__sys_pipe(fds, flags)                                          \
    (asyncio__sys_pipe)(fds, flags, ASYNCIO_SITE)
int(asyncio__sys_accept4)(int fd, struct sockaddr *address, socklen_t *len,
                          int flags, const char *site);
#define asyncio__sys_accept4(fd, address, len, flags)                          \
    (asyncio__sys_accept4)(fd, address, len, flags, ASYNCIO_SITE)

// The same socket, by another descriptor.
int(asyncio__sys_dup)(int fd, const char *site);
#define asyncio__sys_dup(fd) (asyncio__sys_dup)(fd, ASYNCIO_SITE)

int asyncio__sys_bind(int fd, const struct sockaddr *address, socklen_t len);
int asyncio__sys_listen(int fd, int backlog);
int asyncio__sys_connect(int fd, const struct sockaddr *address, socklen_t len);
int asyncio__sys_getsockname(int fd, struct sockaddr *address, socklen_t *len);
int asyncio__sys_getpeername(int fd, struct sockaddr *address, socklen_t *len);

// No SIGPIPE. Descriptors that come with a message close on exec, and are not
// in the ledger until whoever takes them says so.
ssize_t asyncio__sys_recv(int fd, void *buffer, size_t len, int flags);
ssize_t asyncio__sys_send(int fd, const void *buffer, size_t len, int flags);
ssize_t asyncio__sys_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t asyncio__sys_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t asyncio__sys_sendfile(int fd, int file, off_t *offset, size_t count);
ssize_t asyncio__sys_splice(int in, off_t *in_offset, int out,
                            off_t *out_offset, size_t len, unsigned flags);
int asyncio__sys_shutdown(int fd, int how);
void asyncio__sys_end_writing(int fd); // the same, which cannot be denied

int asyncio__sys_setsockopt(int fd, int level, int option, const void *value,
                            socklen_t len);
int asyncio__sys_getsockopt(int fd, int level, int option, void *value,
                            socklen_t *len);
int asyncio__sys_socket_type(int fd);  // SOCK_STREAM, ...
int asyncio__sys_status_flags(int fd); // O_NONBLOCK, ...
int asyncio__sys_set_nonblocking(int fd, bool nonblocking);
// A negative timeout is for ever; else milliseconds.
int asyncio__sys_poll(struct pollfd *fds, size_t count, int timeout_ms);

// ---- Events -----------------------------------------------------------------

int(asyncio__sys_eventfd)(unsigned count, int flags, const char *site);
#define asyncio__sys_eventfd(count, flags)                                     \
    (asyncio__sys_eventfd)(count, flags, ASYNCIO_SITE)

// Adds one to the counter. Cannot be denied: a lost wake-up is a hang. A full
// counter is as good, since it is readable already.
void asyncio__sys_eventfd_signal(int fd);

int(asyncio__sys_epoll_create1)(int flags, const char *site);
#define asyncio__sys_epoll_create1(flags)                                      \
    (asyncio__sys_epoll_create1)(flags, ASYNCIO_SITE)

int asyncio__sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
// A NULL timeout is for ever. A kernel without epoll_pwait2 waits by whole
// milliseconds, never shorter than asked.
int asyncio__sys_epoll_pwait2(int epfd, struct epoll_event *events, int count,
                              const struct timespec *timeout);

// ---- Processes, threads, signals --------------------------------------------

int(asyncio__sys_pidfd_open)(pid_t pid, unsigned flags, const char *site);
#define asyncio__sys_pidfd_open(pid, flags)                                    \
    (asyncio__sys_pidfd_open)(pid, flags, ASYNCIO_SITE)

// Returns how many bytes were written.
ssize_t asyncio__sys_getrandom(void *buffer, size_t len, unsigned flags);

// Starts a joinable thread that blocks every signal but those of faults, with a
// stack of `stack_size` bytes (0: the system's default).
int(asyncio__sys_thread_start)(pthread_t *thread, size_t stack_size,
                               void *(*fn)(void *arg), void *arg,
                               const char *site);
#define asyncio__sys_thread_start(thread, stack_size, fn, arg)                 \
    (asyncio__sys_thread_start)(thread, stack_size, fn, arg, ASYNCIO_SITE)

// Waits for the end of a thread.
void asyncio__sys_thread_join(pthread_t thread);

// Nobody will join it: it may be the caller itself, which is about to end.
void asyncio__sys_thread_detach(pthread_t thread);

// Sends a signal with a value to one thread, which must not have been joined.
int asyncio__sys_thread_signal(pthread_t thread, int signal, void *value);

// Lets others run for so long, about: less than a second.
void asyncio__sys_rest(long ns);

// How many processors this process may use, at least 1. Cannot fail.
int asyncio__sys_processors(void);
int asyncio__sys_processors_online(void); // of the machine

int asyncio__sys_sigaction(int signal, const struct sigaction *action,
                           struct sigaction *old);
int asyncio__sys_sigaltstack(const stack_t *stack, stack_t *old);

// ---- io_uring ---------------------------------------------------------------

int(asyncio__sys_uring_init)(unsigned entries, struct io_uring *ring,
                             struct io_uring_params *params, const char *site);
#define asyncio__sys_uring_init(entries, ring, params)                         \
    (asyncio__sys_uring_init)(entries, ring, params, ASYNCIO_SITE)

void asyncio__sys_uring_exit(struct io_uring *ring);
int asyncio__sys_uring_enable(struct io_uring *ring);
// Shows the kernel a ring of `count` buffers, which are those of group 0.
int asyncio__sys_uring_lend(struct io_uring *ring,
                            struct io_uring_buf_ring *buffers, unsigned count);
// Publishes what is queued and enters: waits until there are `wait`
// completions, at most for `timeout` (NULL: no limit). Returns how many entries
// the kernel took. A call that would do nothing is not made.
int asyncio__sys_uring_enter(struct io_uring *ring, unsigned wait,
                             unsigned flags, const struct timespec *timeout);

// --- processes ---------------------------------------------------------------

struct signalfd_siginfo;

// In the child: 0, and no hooks, since the ledger is the parent's.
pid_t(asyncio__sys_fork)(const char *site);
#define asyncio__sys_fork() (asyncio__sys_fork)(ASYNCIO_SITE)

// Waits for the end of one child, and forgets it. Cannot be denied.
void asyncio__sys_reap(pid_t child);
// The next child that has ended, with its wait status, without waiting: 0 if
// there is none, -ECHILD without children.
pid_t asyncio__sys_reap_any(int *status);
// Waits for the end of one child; its wait status, or -1 if it cannot be had.
int asyncio__sys_reap_status(pid_t child);
int asyncio__sys_kill(pid_t pid, int signal);
// What a process has used of processors, in all its threads; or a negative
// errno.
int64_t asyncio__sys_processor_ns(pid_t pid);

// A program to be started (sys_spawn.c).
enum asyncio__spawn_step {
    ASYNCIO__SPAWN_AT_FORK,
    ASYNCIO__SPAWN_AT_GROUP,
    ASYNCIO__SPAWN_AT_FOLDER,
    ASYNCIO__SPAWN_AT_FD,
    ASYNCIO__SPAWN_AT_PROGRAM,
};
#define ASYNCIO__SPAWN_GROUP   (-1) // one of its own
#define ASYNCIO__SPAWN_SESSION (-2) // likewise
struct asyncio__spawn {
    const char *file;
    const char *path; // folders to find it in, as PATH has them; NULL: none
    const char *const *argv;
    const char *const *env;
    const char *folder; // where it begins, or NULL
    const int *kept;    // descriptors that stay open, and -1; or NULL
    int fds[3];         // what becomes 0, 1 and 2; -1: what they are here
    pid_t group;        // 0: ours; above: to join; below: as named here
    // Set:
    pid_t pid;
    int pidfd;
    int error;
    enum asyncio__spawn_step failed; // where, on an error
};

// Starts a program, with no signal blocked and none handled. Waits until it has
// begun. Returns 0, or a negative errno, and nothing is left of it then.
int(asyncio__sys_spawn)(struct asyncio__spawn *spawn, const char *site);
#define asyncio__sys_spawn(spawn) (asyncio__sys_spawn)(spawn, ASYNCIO_SITE)

// A signal for the process of a pidfd, which is no other's. kill, and that of a
// group of processes, cannot be denied.
int asyncio__sys_pidfd_signal(int pidfd, int signal);
void asyncio__sys_pidfd_kill(int pidfd);
void asyncio__sys_kill_group(pid_t group);

// Reaps the child `pid` of a pidfd: 1 and its exit status or minus the number
// of the signal; 0 if it runs, unless it is to wait; -ECHILD if somebody else
// has reaped it. Cannot be denied.
int asyncio__sys_pidfd_reap(int pidfd, pid_t pid, bool wait, int *returncode);

// A child is nobody's from now on, though it runs.
void asyncio__sys_disown(pid_t child);

// How many threads this process has, not counting the kernel's own.
int asyncio__sys_threads(void);

int(asyncio__sys_signalfd)(const sigset_t *mask, const char *site);
#define asyncio__sys_signalfd(mask) (asyncio__sys_signalfd)(mask, ASYNCIO_SITE)

// Memory of `size` bytes that processes share through a descriptor; its size is
// sealed. asyncio__sys_mmap_shared maps all of it, asyncio__sys_munmap undoes.
int(asyncio__sys_memfd)(const char *name, size_t size, const char *site);
#define asyncio__sys_memfd(name, size)                                         \
    (asyncio__sys_memfd)(name, size, ASYNCIO_SITE)
int(asyncio__sys_mmap_shared)(void **address, size_t size, int fd,
                              const char *site);
#define asyncio__sys_mmap_shared(address, size, fd)                            \
    (asyncio__sys_mmap_shared)(address, size, fd, ASYNCIO_SITE)

// Makes such a mapping this process's own, where it lies: what is written there
// is seen by nobody else. What others write is still seen, until the content is
// sealed: -EBUSY as long as any process could write to it.
int asyncio__sys_mmap_own(void *address, size_t size, int fd);
int asyncio__sys_seal_content(int fd);
// Moves a mapping of asyncio__sys_mmap onto another one, which is no more; its
// address counts as the other's.
int asyncio__sys_mremap_onto(void *from, size_t size, void *address);

// Sleeps while *word is `value`, in memory that processes share. Returns 0,
// -EAGAIN if it is another value, -EINTR. A wake cannot be denied.
int asyncio__sys_futex_wait(_Atomic(uint32_t) *word, uint32_t value);
void asyncio__sys_futex_wake(_Atomic(uint32_t) *word);

// What a child process is made of. None of these can be denied: a child that
// skipped one would be something else. Each returns 0 or a negative errno.
int asyncio__sys_close_from(int first);
int asyncio__sys_dup3(int fd, int to, int flags);
int asyncio__sys_die_with_parent(void);
void asyncio__sys_set_name(const char *name); // of this process
void asyncio__sys_handle(int signal, void (*handler)(int signal));
// Every handler of the program's becomes the default; ignored stays ignored.
void asyncio__sys_drop_handlers(void);
void asyncio__sys_sigprocmask(int how, const sigset_t *mask, sigset_t *old);
// Lets this process ask for `size` bytes more of memory to write, and no
// others.
int asyncio__sys_limit_memory(uint64_t size);
// Whether there are so many to be had. In signal handlers, too.
bool asyncio__sys_has_memory(uint64_t size);
pid_t asyncio__sys_getpid(void);
bool asyncio__sys_is_first_thread(void); // the one that main runs on
pid_t asyncio__sys_getppid(void);
_Noreturn void asyncio__sys_exit(int status);

// What a process gives away for good (sys_confine.c), itself and, where nothing
// else is said, for its threads. Each returns 0 or a negative errno.
int asyncio__sys_close_range(int first, int last);    // both included
int asyncio__sys_limit(int resource, uint64_t limit); // RLIMIT_..., both values
int asyncio__sys_hide_memory(void);       // from ptrace, core files and /proc
int asyncio__sys_drop_capabilities(void); // all of them, this thread's
int asyncio__sys_no_new_privileges(void); // this thread's
int asyncio__sys_landlock_version(void);  // at least 1, or a negative errno
// What the ruleset handles is forbidden everywhere, to this thread.
int asyncio__sys_landlock(const void *ruleset, size_t size);
int asyncio__sys_seccomp(const struct sock_fprog *filter);
