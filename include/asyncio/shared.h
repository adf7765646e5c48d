// Shared memory: large data that jobs in worker processes see without a copy.
//
//     struct asyncio_shared pixels;
//     err = asyncio_shared_alloc(&pixels, 64 << 20);
//     read_into(asyncio_shared_data(&pixels));
//     struct job job = {.pixels = pixels, .width = 4096};
//     err = asyncio_run_in_executor(pool, blur, &job, .size = sizeof job,
//                                   .shared = &pixels);
//     asyncio_shared_free(&pixels);
//
// The handle is a value, which may be copied into a job's struct; the job finds
// the memory by asyncio_shared_data of its copy, at another address. A worker
// gets what a job of its own names, and nothing else. It keeps the mapping for
// later jobs: one that a job has broken into may write there after that job has
// ended, while the program reads. What comes from hostile input is sealed first
// (asyncio_shared_seal), and then looked at. Keep a handle of your own to free:
// the struct that comes back from a worker is what the worker made of it.
//
// Any thread of the program that made it, and jobs that name it.
#pragma once

#include <asyncio/base.h>

ASYNCIO__BEGIN

// A handle: which memory, and how much. Zeros are none.
struct asyncio_shared {
    size_t size ASYNCIO__UNSET;  // bytes, as asked for
    uint64_t id_ ASYNCIO__UNSET; // 0: none
};

// Makes `size` bytes of zeros that processes can share.
//
// returns   0; -EINVAL for no bytes; -ENOMEM, -EMFILE, -ENFILE
// owns      asyncio_shared_free
// like      multiprocessing.shared_memory.SharedMemory
ASYNCIO_API int asyncio_shared_alloc(struct asyncio_shared *shared,
                                     size_t size);

// Its address here; NULL if this process, or in a worker this job, has no such
// memory.
ASYNCIO_API void *asyncio_shared_data(const struct asyncio_shared *shared);

// Makes it the program's own, where it lies: from now on nothing that a worker
// does reaches it, and no job gets it. The kernel seals it, without a copy, if
// no worker has it mapped any more; else it is copied, once.
//
// returns   0, also a second time; -EBUSY while a job names it; -EINVAL if it
//           was freed; -EPERM in a worker; -ENOMEM, and it may be tried again
// suspends  never
ASYNCIO_API int asyncio_shared_seal(const struct asyncio_shared *shared);

// Gives it back, at once or when the last job that names it has landed. Accepts
// a handle of zeros, and a second call.
ASYNCIO_API void asyncio_shared_free(struct asyncio_shared *shared);

ASYNCIO__END
