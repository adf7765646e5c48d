// A file that is written out of sight and appears under its name when it is
// whole.
//
// The last step is a rename within one folder: whoever looks for the target
// sees the old file, no file or the complete new one, never a half. Two drafts
// of one target do not meet, in one process or in several. Of a process that is
// killed nothing half-written is left, where the file system has files without
// a name (ext4, xfs, btrfs, tmpfs); elsewhere a file whose name starts with a
// dot.
//
//     struct draft draft = DRAFT_NONE;
//     int err = draft_open(&draft, "out/img_1.jpg", &why);
//     if (err == 0) err = draft_write(&draft, data, size, &why);
//     if (err == 0) err = draft_commit(&draft, &why);
//     draft_discard(&draft);
//
// Any thread may use a draft, one at a time.
#pragma once

#include <limits.h>
#include <stddef.h>

#include "failure.h"

// A draft that holds nothing, ready for draft_open or draft_discard.
#define DRAFT_NONE                                                             \
    {                                                                          \
        .fd = -1                                                               \
    }

struct draft {
    int fd;                // the file while it is open, otherwise -1
    const char *target;    // borrowed: outlives the draft
    char hidden[PATH_MAX]; // the name it has until then; empty: none
};

// Creates the file that is to be `target`.
//
// returns  0, or a negative errno, with the sentence in `why`
int draft_open(struct draft *draft, const char *target, struct failure *why);

// Appends all of `data`.
//
// returns  0, or a negative errno (-ENOSPC: the disk is full), with the
//          sentence in `why`; the draft is then good for draft_discard only
int draft_write(struct draft *draft, const void *data, size_t size,
                struct failure *why);

// Gives the file its name, in the place of any file that had it.
//
// returns  0, or a negative errno, with the sentence in `why`; the target is
//          then as it was before
int draft_commit(struct draft *draft, struct failure *why);

// Removes the file, if there is one. After draft_commit it does nothing.
void draft_discard(struct draft *draft);
