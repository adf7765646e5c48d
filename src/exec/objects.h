// What is loaded: which functions a process forked earlier has too, and what
// they are called.
//
// A worker is a fork of a fork of this process, so that a function has the same
// address in both, if its object (the program, a shared library) was there at
// the fork. A snapshot made at the fork says which were.
#pragma once

#include <asyncio/base.h>

struct asyncio__objects {
    struct asyncio__object *all;
    size_t count;
    unsigned long long removed; // objects, since the process began
};

// Returns 0 or -ENOMEM.
int asyncio__objects_take(struct asyncio__objects *objects);
void asyncio__objects_drop(struct asyncio__objects *objects);

// Whether a fork made when the snapshot was taken has `fn` too.
bool asyncio__objects_have(const struct asyncio__objects *objects,
                           int (*fn)(void *arg));

// The string constant at `address`, a number from a process that nobody trusts;
// "" if there is none in the constants of this one.
const char *asyncio__objects_constant(uint64_t address);
