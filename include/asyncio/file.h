// Files, with POSIX's calls and argument order, that let other tasks run.
//
// Each is the system call of that name. io_uring carries them out, or threads
// where the kernel denies it. What is said here holds for all of them:
//
// returns   what the system call returns, or a negative errno, its own or
//           -ECANCELED: it did not happen; -EPERM outside a task
// suspends  until it has ended; paths and buffers have to stay until then
// cancel    a call that has not begun does not begin. One that has begun cannot
//           be cut short on a file: it returns its result when it has ended,
//           and the request stays for the next wait
// like      POSIX
#pragma once

#include <asyncio/task.h>

#include <sys/stat.h>
#include <sys/types.h>

ASYNCIO__BEGIN

// Opens `path`, always close-on-exec. `mode` matters with O_CREAT or O_TMPFILE.
// A file opened while the call was being cancelled is returned all the same.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_open(const char *path, int flags,
                                              mode_t mode);

// Read or write up to `size` bytes at the descriptor's position, or at
// `offset`. What one call moves is bounded by INT_MAX.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_read(int fd, void *buffer,
                                              size_t size);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_write(int fd, const void *buffer,
                                               size_t len);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_pread(int fd, void *buffer,
                                               size_t size, off_t offset);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_pwrite(int fd, const void *buffer,
                                                size_t len, off_t offset);

// Writes all of it.
//
// returns   0, or a negative errno: an unknown part was written
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_write_all(int fd, const void *buffer,
                                                   size_t len);

// Return when what was written has reached the disk; fdatasync leaves out what
// is not needed to read it again.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_fsync(int fd);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_fdatasync(int fd);

// Closes `fd` in any case, cancelled or not.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_close(int fd);

// Looks at what `path` leads to, through symbolic links.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_stat(const char *path,
                                              struct stat *out);

// Change names in folders, relative to the working directory.
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_rename(const char *from,
                                                const char *to);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_unlink(const char *path);
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_mkdir(const char *path, mode_t mode);

ASYNCIO__END
