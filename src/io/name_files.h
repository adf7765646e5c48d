// The system's files about names: has one changed, and what is in it.
#pragma once

#include <asyncio/base.h>

// What tells one state of a file from another; all zero if there is none.
struct asyncio__file_stamp {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns;
};

// Looks at a file again. True: it is not as it was; `stamp` is the new one.
bool asyncio__file_changed(const char *path, struct asyncio__file_stamp *stamp);

// A whole file, with a byte of room behind it; one that is not there is empty.
// Returns 0 and memory for asyncio__free; -EFBIG for more than `max` bytes;
// -ENOMEM; or why it could not be read.
int asyncio__read_small_file(const char *path, size_t max, char **text,
                             size_t *len);

// Whether nsswitch.conf names a source of hosts that is neither their file nor
// name servers: then there may be names that only libc knows. Without such a
// file, or when it cannot be read, there are none.
bool asyncio__has_other_sources(const char *path);
