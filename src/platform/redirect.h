// Sends calls of library functions somewhere else, while the program runs.
//
// A call into a shared object goes through an address in the caller's table of
// such addresses (its GOT), which the dynamic linker has filled in. Rewriting
// these entries in every object that is loaded redirects all calls that objects
// make to each other. What is linked statically has no such entries and is not
// reached; nor are objects that are loaded later, until the next call.
#pragma once

#include <asyncio/base.h>

struct asyncio__redirection {
    const char *name; // of the function
    void *to;         // what is called in its place
    void *real;       // what the dynamic linker would call; found by us
};

// Redirects each of them whose real function there is. Takes whatever cannot be
// redirected as it is. One call at a time; calls on other threads may be under
// way.
void asyncio__redirect(struct asyncio__redirection *redirections, size_t count);

// Undoes it.
void asyncio__redirect_back(const struct asyncio__redirection *redirections,
                            size_t count);
