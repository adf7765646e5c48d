// One seed of a client, a server and a copy job in a world that breaks.
//
//     client --- put, bytes ---> server --- write, sync, rename ---> disk
//       source files                        the same bytes, once DONE is said
//     copy job: one file of the disk to another, replaced by the book
//
// Clients upload files over a network that loses, delays, resets and cuts off;
// the server goes on where an upload was broken off, writes to a disk that
// fails, and is itself stopped by power failures and begun anew. After a while
// the world is sound again. What must hold whatever the seed:
//
// safety    a file under its last name is whole: no byte lost, doubled or out
//           of order; and once a client was told so it stays, also after a
//           crash
// liveness  when the faults have stopped, everybody ends
//
// Nothing of it is known to the library: the parts use its public calls.
#pragma once

#include <asyncio.h>
#include <asyncio/simulator.h>

#define SCENARIO_CLIENTS_MAX 3
#define SCENARIO_SIZE_MAX    20000

struct scenario_counts {
    uint64_t connections, retries, crashes, cuts, copies, disk_errors;
};

struct scenario {
    struct asyncio_simulator *sim;
    uint64_t seed;
    struct scenario_counts counts;
    double seconds;  // of virtual time
    char words[256]; // what was wrong first, or ""

    unsigned clients;
    size_t sizes[SCENARIO_CLIENTS_MAX + 1]; // of the files; last: the copy's
    bool told[SCENARIO_CLIENTS_MAX];        // that the upload is done
    bool copied;
    struct asyncio_task *server; // while it runs
};

// Runs a scenario whose `seed` is set and everything else zero. `trace`, if not
// NULL, hears what happens. Returns the hash of the run; `words` says whether
// it was good.
uint64_t scenario_run(struct scenario *s, asyncio_simulator_trace_fn *trace);

// --- parts ------------------------------------------------------------------

// Notes what was wrong; the first words stay.
void scenario_blame(struct scenario *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// A number below `bound`, drawn from the seed.
unsigned scenario_draw(struct scenario *s, unsigned bound);

// The bytes of file number `file` from `offset` on: no two places look alike.
void scenario_bytes(const struct scenario *s, unsigned file, size_t offset,
                    char *bytes, size_t len);

// Whether the file at `path` is whole: 1; 0 if there is none; -EBADMSG if it is
// anything else; or another negative errno, for want of a disk that answers.
ASYNCIO_SUSPENDS int scenario_check(const struct scenario *s, unsigned file,
                                    const char *path);

struct scenario_job {
    struct scenario *s;
    unsigned number; // of the client, or of the file
};

// Tasks. The server ends when it is cancelled, the others when they are done.
ASYNCIO_SUSPENDS int scenario_serve(void *scenario);
ASYNCIO_SUSPENDS int scenario_upload(void *job);
ASYNCIO_SUSPENDS int scenario_copy(void *job);

// Syncs what is at `path`, a folder or a file.
ASYNCIO_SUSPENDS int scenario_sync(const char *path);
