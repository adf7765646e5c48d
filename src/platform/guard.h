// Guards: what lies below a stack, so that an overflow is a fault at once and
// not a neighbour's data.
//
// Four kinds, and the first that the kernel grants is used:
//
//     markers in the page table for a whole slab at once   Linux 6.13
//     the same, one call for each guard
//     pages without access   two mappings each: up to a quarter of what
//                            vm.max_map_count allows the process
//     a canary               seen only when the stack is given back
//
// What the kernel has refused is remembered for the process and not tried
// again. Any thread.
#pragma once

#include <asyncio/base.h>

struct iovec;

// How long each guard is: 16 KiB, or a page where pages are larger.
size_t asyncio__guard_size(void);

struct asyncio__guards {
    char *base;          // the lowest guard
    size_t stride;       // from one guard to the next
    unsigned count;      // at most 64
    unsigned protected_; // how many are pages without access
    uint64_t canaries;   // a bit for each that has only a canary
};

// Installs guards.count guards. Returns 0 or a negative errno: then some may
// be in place, until the memory is unmapped.
int asyncio__guards_install(struct asyncio__guards *guards);

// The memory below them is about to be unmapped.
void asyncio__guards_forget(struct asyncio__guards *guards);

// Plants the canary of guard `index`, if that is its kind.
void asyncio__guard_plant(const struct asyncio__guards *guards, unsigned index);

// Ends the process with a readable line if that canary was overwritten.
void asyncio__guard_check(const struct asyncio__guards *guards, unsigned index);

// madvise for many pieces of this process, in one call where the kernel has it.
// Returns 0 or a negative errno: then some may have been advised.
int asyncio__guard_advise(const struct iovec *pieces, size_t count, int advice);
