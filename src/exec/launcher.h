// The launcher: a fork of the program as it was before it had threads, which
// forks a foreman for each pool of processes.
//
// One for the process, held by those who need it, and ended by the last of
// them. asyncio_process_init holds it for good.
#pragma once

#include <asyncio/executor.h>

struct asyncio__worker_setup;

// Forks it, if it does not run. Returns 0; -EBUSY, with words, if there are
// threads already; or a negative errno.
int asyncio__launcher_hold(void);

// Ends and reaps it when nobody holds it any more. Foremen go on.
void asyncio__launcher_drop(void);

// Has a foreman forked, whose workers are set up like this. `socket`
// (non-blocking) leads to it, and `bell` is the end to read of the pipe that
// its workers ring. Returns 0 or a negative errno;
// -ENOTSUP, with words, if its sandbox cannot be had.
int asyncio__launcher_foreman(const struct asyncio__worker_setup *setup,
                              int *socket, int *bell);

// Whether workers have this function.
bool asyncio__launcher_knows(int (*fn)(void *arg));
