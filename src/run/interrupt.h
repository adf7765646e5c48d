// Ctrl-C while a main task runs.
#pragma once

#include "task/task.h"

// From here to the end, the first SIGINT cancels the main task of a run on this
// loop, and a second one ends the process. Returns 1; 0, and nothing is to be
// ended, where that is not ours to do: on another thread than the process's
// first, or if SIGINT has another disposition than the default; or -ENOMEM.
int asyncio__interrupt_begin(struct asyncio_loop *loop);

// Names the main task, before the loop runs. It has to live to the end.
void asyncio__interrupt_main(struct asyncio_task *task);

// Puts the disposition back. Returns true if a SIGINT asked `task` to end.
bool asyncio__interrupt_end(void);

// Puts back what could not be while a handler of the loop's lay over ours. To
// be called when a loop was closed.
void asyncio__interrupt_forget(void);
