// A file that is written out of sight, and takes its name when it is whole.
//
// Whoever opens the target finds the old file or the new one, never a half,
// also after a crash of the program or the machine. Two drafts of one target do
// not meet; the later one stays.
//
//     struct asyncio_draft draft = {0};
//     int err = asyncio_draft_open(&draft, "settings.json");
//     if (err == 0) err = asyncio_write_all(draft.fd, text, len);
//     if (err == 0) err = asyncio_draft_commit(&draft);
//     asyncio_draft_discard(&draft);
//
// It lies in your memory; all zero holds nothing. Until it is committed it has
// no name, where the file system knows such files (ext4, xfs, btrfs, tmpfs);
// else, and for the moment of a commit, a hidden one in the target's folder,
// ".asyncio-*.part". Such a file is left behind only by a process that is
// killed just then.
//
// asyncio_replace_file in asyncio/whole_file.h does it all in one call.
#pragma once

#include <asyncio/task.h>

#include <sys/types.h>

ASYNCIO__BEGIN

struct asyncio_draft_options {
    ASYNCIO__OPTIONS_HEAD
    // The permissions, whatever the umask is. Else those of the file that is
    // replaced, or 0666 less the umask if there is none.
    mode_t mode ASYNCIO__UNSET;
    // A commit does not wait for the disk: after a crash of the machine the
    // target may be the old one, or empty.
    bool no_sync ASYNCIO__UNSET;
    void *reserved_[4] ASYNCIO__UNSET;
};

// A draft. All zero holds nothing.
struct asyncio_draft {
    int fd;                           // to write and read, while it is open
    int folder_ ASYNCIO__UNSET;       // the target's
    char *path_ ASYNCIO__UNSET;       // of the target; NULL: it holds nothing
    const char *name_ ASYNCIO__UNSET; // the last part of it
    char hidden_[32] ASYNCIO__UNSET;  // its name below folder_; "": none
    bool opened_ ASYNCIO__UNSET;      // `fd` is there
    bool has_folder_ ASYNCIO__UNSET;  // `folder_` is
    bool no_sync_ ASYNCIO__UNSET;
};

// Makes the file that is to be `path`, empty, and open for reading and writing.
//
// returns   0, or a negative errno with words:
//           -EISDIR  `path` is a folder, or ends like one
//           -EINVAL  it is a device, a pipe or a socket, or leads to one: the
//                    name would lead nowhere afterwards
//           -EBUSY   `draft` is in use
//           and what making a file in the folder says, which has to be
//           readable, unless .no_sync: it could not be synced
// suspends  until it is there
// cancel    nothing is left
// owns      asyncio_draft_discard, also after a commit
//
// What is replaced is the name: a symbolic link gives way to a file, other
// links to the old file keep that, and so does whoever has it open. The new
// file belongs to the user who made it; it has the permissions of the old one,
// but no set-user-ID, access lists or attributes.
ASYNCIO_API ASYNCIO_SUSPENDS int(asyncio_draft_open)(
    struct asyncio_draft *draft, const char *path,
    const struct asyncio_draft_options *options);
#define asyncio_draft_open(...) ASYNCIO__DRAFT_OPEN(__VA_ARGS__, )
#define ASYNCIO__DRAFT_OPEN(draft, path, ...)                                  \
    (asyncio_draft_open)(draft, path,                                          \
                         ASYNCIO__OPTIONS(asyncio_draft_options, __VA_ARGS__))

// Gives the file its name: the file reaches the disk, then the name.
//
// returns   0: the target is the new file. Or a negative errno with words: it
//           is what it was, and the draft is good for discard only. But an
//           error of the last step, when the folder should reach the disk,
//           leaves it the new file, which a crash of the machine may undo
// suspends  until it is on disk
// cancel    before it has its name: the target is what it was. From then on
//           the call goes on to its end, and the request stays for the next
//           wait
ASYNCIO_API ASYNCIO_SUSPENDS int
asyncio_draft_commit(struct asyncio_draft *draft);

// Removes what was not committed, and lets go of everything. Cancelled or not,
// it does its work; a request stays for the next wait. Accepts a zeroed draft,
// and a second call. Outside a task it blocks.
ASYNCIO_API void asyncio_draft_discard(struct asyncio_draft *draft);

ASYNCIO__END
