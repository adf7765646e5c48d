// What is in a folder, read while other tasks run.
//
//     struct asyncio_folder folder = {0};
//     struct asyncio_folder_entry entry;
//     int err = asyncio_opendir(&folder, "/etc");
//     while (err >= 0 && (err = asyncio_readdir(&folder, &entry)) > 0)
//         puts(entry.name);
//     asyncio_ignore(asyncio_closedir(&folder));
//
// It lies in your memory; all zero is closed. However many names there are, it
// keeps some thousand of them at a time. What is added or removed meanwhile is
// found or not; everything else is found once. Names are bytes, any but '/',
// line ends among them, and come in no order.
//
// Each call returns a negative errno where it fails; -EPERM outside a task.
// What is said of cancelling in asyncio/file.h holds here.
#pragma once

#include <asyncio/task.h>

#include <dirent.h>

ASYNCIO__BEGIN

// A folder that is read. All zero is closed.
struct asyncio_folder {
    int fd;                        // while open, for asyncio_openat and others
    char *buffer_ ASYNCIO__UNSET;  // entries as the kernel has them; or NULL
    uint32_t next_ ASYNCIO__UNSET; // bytes that were handed out
    uint32_t len_ ASYNCIO__UNSET;  // bytes in it
    bool busy_ ASYNCIO__UNSET;     // a task reads, rewinds or closes
};

// What is in it: one name.
struct asyncio_folder_entry {
    const char *name; // good until the next call on the folder
    uint64_t inode;
    // DT_REG, DT_DIR, DT_LNK and so on; DT_UNKNOWN where the file system keeps
    // that elsewhere: asyncio_fstatat tells.
    unsigned char type;
};

// Opens the folder that `path` leads to.
//
// returns   0; -ENOTDIR, -ENOENT, -EACCES and so on; -EBUSY: it is open
// like      opendir(3)
ASYNCIO_API ASYNCIO_SUSPENDS int asyncio_opendir(struct asyncio_folder *folder,
                                                 const char *path);

// The same for what is open already: what asyncio_openat gave, say.
//
// returns   0; -EBADF, -ENOTDIR; -EBUSY: it is open
// owns      on 0 the descriptor is the folder's, and goes with it
// like      fdopendir(3)
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_fdopendir(struct asyncio_folder *folder, int fd);

// Hands out the next entry.
//
// returns   1; 0 at the end; -EBADF: it is not open; -EBUSY: another task is
//           about it; what the file system says
// suspends  only when what was read of it is used up
// cancel    nothing is lost: the entry comes the next time
// like      readdir(3); unlike it, it leaves out "." and ".."
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_readdir(struct asyncio_folder *folder,
                struct asyncio_folder_entry *entry);

// Begins again, and sees what has changed.
//
// like      rewinddir(3)
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_rewinddir(struct asyncio_folder *folder);

// Closes it in any case, cancelled or not; twice is fine.
//
// returns   0; -EBUSY: another task is about it, and it stays open
// like      closedir(3)
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_closedir(struct asyncio_folder *folder);

ASYNCIO__END
