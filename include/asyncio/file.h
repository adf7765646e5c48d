// Files, with POSIX's calls and argument order, that let other tasks run.
//
// Each is the system call of that name. io_uring carries them out, or threads
// where it cannot, or where the kernel denies it. What is said here holds for
// all of them:
//
// returns   what the system call returns, or a negative errno, its own or
//           -ECANCELED: it did not happen; -EPERM outside a task
// suspends  until it has ended; paths and buffers have to stay until then
// cancel    a call that has not begun does not begin. One that has begun cannot
//           be cut short on a file: it returns its result when it has ended,
//           and the request stays for the next wait
// like      POSIX
//
// To see whether a file exists, open it, or asyncio_stat it: by the time that
// access(2) has answered, the answer may be another.
#pragma once

#include <asyncio/task.h>

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

ASYNCIO__BEGIN

// Opens `path`, always close-on-exec; asyncio_openat below the folder
// `folder`. `mode` matters with O_CREAT or O_TMPFILE. A file opened while the
// call was being cancelled is returned all the same.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_open(const char *path, int flags,
                                              mode_t mode);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_openat(int folder, const char *path,
                                                int flags, mode_t mode);

// Closes `fd` in any case, cancelled or not.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_close(int fd);

// Read or write up to `size` bytes at the descriptor's position, or at
// `offset`. What one call moves is bounded by INT_MAX. A write to a pipe that
// nobody reads is -EPIPE and raises SIGPIPE, as write(2) does: a program that
// writes to pipes ignores that signal, or uses a stream, which raises none.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_read(int fd, void *buffer,
                                              size_t size);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_write(int fd, const void *buffer,
                                               size_t len);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_pread(int fd, void *buffer,
                                               size_t size, off_t offset);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_pwrite(int fd, const void *buffer,
                                                size_t len, off_t offset);

// The same into or from `count` pieces of memory, one after the other. Pieces
// and their list have to stay.
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_readv(int fd, const struct iovec *pieces, int count);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_writev(int fd, const struct iovec *pieces, int count);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_preadv(int fd, const struct iovec *pieces, int count, off_t offset);
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_pwritev(int fd, const struct iovec *pieces, int count, off_t offset);

// Read until `size` bytes are there or the file ends.
//
// returns   how many, less than `size` only at the end; or a negative errno: an
//           unknown part was read
// cancel    between two reads, too: an unknown part was read
ASYNCIO_API ASYNCIO_SUSPENDS ssize_t asyncio_read_all(int fd, void *buffer,
                                                      size_t size);
ASYNCIO_API ASYNCIO_SUSPENDS ssize_t asyncio_pread_all(int fd, void *buffer,
                                                       size_t size,
                                                       off_t offset);

// Write all of it.
//
// returns   0, or a negative errno: an unknown part was written
// cancel    between two writes, too: an unknown part was written
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_write_all(int fd, const void *buffer,
                                                   size_t len);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_pwrite_all(int fd, const void *buffer,
                                                    size_t len, off_t offset);

// Moves the descriptor's position and returns it.
//
// suspends  for SEEK_END, SEEK_DATA and SEEK_HOLE, which only the file system
//           can answer
ASYNCIO_API ASYNCIO_SUSPENDS off_t asyncio_lseek(int fd, off_t offset,
                                                 int whence);

// Makes the file `len` bytes long: cuts it, or adds zeros.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_ftruncate(int fd, off_t len);

// Has the disk keep room for `len` bytes at `offset`, or does with them what
// `mode` says (FALLOC_FL_...).
//
// like      Linux
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_fallocate(int fd, int mode,
                                                   off_t offset, off_t len);

// Sets the permissions, whatever the umask is.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_fchmod(int fd, mode_t mode);

// Return when what was written has reached the disk; fdatasync leaves out what
// is not needed to read it again.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_fsync(int fd);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_fdatasync(int fd);

// Look at what `path` leads to, through symbolic links; at `path` itself, which
// may be a link; at what is open; at `path` below the folder `folder`, with
// AT_SYMLINK_NOFOLLOW or other such `flags`.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_stat(const char *path,
                                              struct stat *out);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_lstat(const char *path,
                                               struct stat *out);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_fstat(int fd, struct stat *out);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_fstatat(int folder, const char *path,
                                                 struct stat *out, int flags);

// Change names in folders, relative to the working directory.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_rename(const char *from,
                                                const char *to);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_symlink(const char *text,
                                                 const char *path);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_unlink(const char *path);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_mkdir(const char *path, mode_t mode);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_rmdir(const char *path);

// Gives what is called `from` the further name `to`. (As stat is, the name is
// a function's and a struct's; in C++ the struct needs its keyword then.)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_link(const char *from, const char *to);
#pragma GCC diagnostic pop

// The same below the folder `folder`; AT_REMOVEDIR removes a folder.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_unlinkat(int folder, const char *path,
                                                  int flags);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_mkdirat(int folder, const char *path,
                                                 mode_t mode);

// Reads the text of a symbolic link, without a zero byte at its end: the first
// `size` bytes of it.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_readlink(const char *path,
                                                  char *buffer, size_t size);

ASYNCIO__END
