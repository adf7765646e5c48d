// Files as a whole, in one call: read, replaced, copied.
//
// A file that is written here appears whole or not at all, as a draft does
// (asyncio/draft.h), and nothing is left of one that failed or was cancelled.
#pragma once

#include <asyncio/draft.h>

ASYNCIO__BEGIN

struct asyncio_read_file_options {
    ASYNCIO__OPTIONS_HEAD
    size_t max_size ASYNCIO__UNSET; // bytes, else 64 MiB
    void *reserved_[4] ASYNCIO__UNSET;
};

// Reads the file `path` into new memory, with a zero byte behind it that does
// not count.
//
// returns   0, or a negative errno with words, and *data and *len are as they
//           were:
//           -EFBIG   it is longer than max_size
//           -EISDIR  a folder; -EINVAL: a pipe or a device, whose end may never
//                    come
//           -ENOMEM, -EPERM outside a task, and what open and read say
// suspends  until it is read
// cancel    nothing is left
// owns      *data is yours: asyncio_free_file
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_read_file)(
    const char *path, char **data, size_t *len,
    const struct asyncio_read_file_options *options);
#define asyncio_read_file(...) ASYNCIO__READ_FILE(__VA_ARGS__, )
#define ASYNCIO__READ_FILE(path, data, len, ...)                               \
    (asyncio_read_file)(                                                       \
        path, data, len,                                                       \
        ASYNCIO__OPTIONS(asyncio_read_file_options, __VA_ARGS__))

// Frees what asyncio_read_file gave. Accepts NULL.
ASYNCIO_API void asyncio_free_file(char *data);

// Makes `path` a file of these `len` bytes: the old one is there, whole, until
// the new one is, and that is on disk when the call returns.
//
// returns   0, or a negative errno with words, as asyncio_draft_open and
//           asyncio_draft_commit say, and as writing says: -ENOSPC, -EFBIG
// suspends  until it is on disk
// cancel    as asyncio_draft_commit
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_replace_file)(
    const char *path, const void *data, size_t len,
    const struct asyncio_draft_options *options);
#define asyncio_replace_file(...) ASYNCIO__REPLACE_FILE(__VA_ARGS__, )
#define ASYNCIO__REPLACE_FILE(path, data, len, ...)                            \
    (asyncio_replace_file)(                                                    \
        path, data, len, ASYNCIO__OPTIONS(asyncio_draft_options, __VA_ARGS__))

// Makes `to` a copy of the file `from`, with its permissions if `.mode` names
// no others. The kernel copies where it can, and then shares what the file
// system can share.
//
// returns   0, or a negative errno with words: -EISDIR or -EINVAL if `from` is
//           no regular file; and as asyncio_replace_file
// suspends  until it is on disk
// cancel    between two pieces of the file, and as asyncio_draft_commit
// unlike    copy_file_range(2), it copies all of it, on any file systems
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_copy_file)(
    const char *from, const char *to,
    const struct asyncio_draft_options *options);
#define asyncio_copy_file(...) ASYNCIO__COPY_FILE(__VA_ARGS__, )
#define ASYNCIO__COPY_FILE(from, to, ...)                                      \
    (asyncio_copy_file)(from, to,                                              \
                        ASYNCIO__OPTIONS(asyncio_draft_options, __VA_ARGS__))

ASYNCIO__END
