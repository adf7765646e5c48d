// A world to test programs in: a network, a disk and names that exist only in
// memory, break on demand, and do the same again for the same seed.
//
// A loop made in a world is an ordinary loop: the program under test calls what
// it always calls, and its sockets, pipes and files are the world's. Nothing of
// it reaches the machine. Time is virtual (asyncio/testing.h): an hour of
// retries takes a moment.
//
//     struct asyncio_simulator *sim;
//     if (asyncio_simulator_create(&sim, .seed = seed) < 0) return 1;
//     asyncio_simulator_set_faults(sim, .latency = 0.01, .loss = 0.1);
//     asyncio_simulator_use(sim);
//     int err = asyncio_run(test, NULL);
//     asyncio_simulator_crash(sim);              // the power fails
//     err = asyncio_run(test_of_recovery, NULL); // on what the disk has kept
//     asyncio_simulator_free(sim);
//
// A world belongs to the thread that made it, with all loops that live in it,
// one after the other or side by side. Call all of this there, inside of loops
// and outside. With ASYNCIO_BACKEND=sim in the environment each loop has a
// world of its own, with the seed ASYNCIO_SIM_SEED and without faults.
//
// What is not of the world stays real: descriptors that were opened outside,
// signals, threads, processes. A run is repeatable as far as it does without
// them. docs/simulator.md says how to test with it, and what it simulates.
#pragma once

#include <asyncio/base.h>

ASYNCIO__BEGIN

struct asyncio_simulator;

// --- a world ----------------------------------------------------------------

struct asyncio_simulator_options {
    ASYNCIO__OPTIONS_HEAD
    uint64_t seed ASYNCIO__UNSET;      // of all that is drawn
    uint64_t disk_size ASYNCIO__UNSET; // bytes; else without a limit
    // Bytes that a socket takes without their being read, else 128 KiB;
    // SO_SNDBUF and SO_RCVBUF change it.
    size_t socket_buffer ASYNCIO__UNSET;
    size_t descriptors ASYNCIO__UNSET; // open at a time, else 65,536
    void *reserved_[4] ASYNCIO__UNSET;
};

// Makes a world: without faults, with one host, "localhost", and a disk that
// has /tmp, /dev/null, /dev/zero and /dev/full. The working directory is /.
//
// returns   0, or -ENOMEM
// owns      asyncio_simulator_free
ASYNCIO_API int(asyncio_simulator_create)(
    struct asyncio_simulator **sim,
    const struct asyncio_simulator_options *options);
#define asyncio_simulator_create(...) ASYNCIO__SIMULATOR_CREATE(__VA_ARGS__, )
#define ASYNCIO__SIMULATOR_CREATE(sim, ...)                                    \
    (asyncio_simulator_create)(                                                \
        sim, ASYNCIO__OPTIONS(asyncio_simulator_options, __VA_ARGS__))

// Loops that this thread makes from now on live in `sim`, unless they name
// another backend; NULL: as the environment says. Descriptors of another world
// mean nothing until that is used again.
ASYNCIO_API void asyncio_simulator_use(struct asyncio_simulator *sim);

// The world of this thread: the one that is used, or of the loop that runs; or
// NULL.
ASYNCIO_API struct asyncio_simulator *asyncio_simulator_current(void);

// Closes what is open in it and frees it, once its loops are closed. Accepts
// NULL.
ASYNCIO_API void asyncio_simulator_free(struct asyncio_simulator *sim);

// --- faults -----------------------------------------------------------------

// How often things go wrong, and how long they take: probabilities from 0 to 1,
// and seconds. What is left out is 0.
struct asyncio_simulator_faults {
    ASYNCIO__OPTIONS_HEAD
    // A packet of the network takes `latency`, and up to `jitter` more: TCP
    // keeps the order, datagrams overtake each other.
    float latency ASYNCIO__UNSET, jitter ASYNCIO__UNSET;
    float loss ASYNCIO__UNSET;         // of a packet; TCP sends it again, later
    float duplication ASYNCIO__UNSET;  // of a datagram
    float reset ASYNCIO__UNSET;        // of a connection, for each packet
    float short_reads ASYNCIO__UNSET;  // a call takes less than there is
    float short_writes ASYNCIO__UNSET; // a call gives less than it could
    // An operation of the disk takes `disk_latency`, and up to `disk_jitter`
    // more: those that are under way together end in any order.
    float disk_latency ASYNCIO__UNSET, disk_jitter ASYNCIO__UNSET;
    float read_error ASYNCIO__UNSET;  // -EIO from the disk
    float write_error ASYNCIO__UNSET; // -EIO, also from fsync and for names
    float no_space ASYNCIO__UNSET;    // -ENOSPC from the disk
    float name_error ASYNCIO__UNSET;  // -EAGAIN from a look-up of a name
    float reserved_[3] ASYNCIO__UNSET;
};

// Sets all of them; with none given, the world is sound from now on: what is
// under way still takes its time, what was lost is sent again.
ASYNCIO_API void(asyncio_simulator_set_faults)(
    struct asyncio_simulator *sim,
    const struct asyncio_simulator_faults *faults);
#define asyncio_simulator_set_faults(...)                                      \
    ASYNCIO__SIMULATOR_SET_FAULTS(__VA_ARGS__, )
#define ASYNCIO__SIMULATOR_SET_FAULTS(sim, ...)                                \
    (asyncio_simulator_set_faults)(                                            \
        sim, ASYNCIO__OPTIONS(asyncio_simulator_faults, __VA_ARGS__))

// --- the network ------------------------------------------------------------

// Gives `host` an address ("10.0.0.1", "2001:db8::1"), and makes it if there is
// none of that name. The name can be looked up: asyncio_open_connection and
// everything else that takes one finds these addresses, in this order.
//
// returns   0; -EINVAL for what is no address; -EADDRINUSE if somebody has it;
//           -ENOMEM
ASYNCIO_API int asyncio_simulator_add_host(struct asyncio_simulator *sim,
                                           const char *host,
                                           const char *address);

// Sockets made from now on are of `host`: they send from its addresses unless
// they are bound to another, and what they are bound to has to be of some host.
// At first that is "localhost", which alone all can reach without a network.
//
// returns   0, or -ENOENT
ASYNCIO_API int asyncio_simulator_set_host(struct asyncio_simulator *sim,
                                           const char *host);

// Nothing gets from one host to the other, either way, until it is healed: TCP
// tries again and gives up as Linux does, after 127 s for a new connection and
// 924 s for one that has sent something; datagrams are lost. NULL stands for
// every host.
//
// returns   0; -ENOENT for an unknown host; -ENOMEM
ASYNCIO_API int asyncio_simulator_partition(struct asyncio_simulator *sim,
                                            const char *a, const char *b);
ASYNCIO_API int asyncio_simulator_heal(struct asyncio_simulator *sim,
                                       const char *a, const char *b);

// --- the disk ---------------------------------------------------------------

// Makes a folder, and those above it that are missing, as if it had been there
// for ever: no crash takes it away.
//
// returns   0; -EEXIST if it is a file; -EINVAL for a path that is not
//           absolute; -ENOMEM
ASYNCIO_API int asyncio_simulator_make_folder(struct asyncio_simulator *sim,
                                              const char *path);

// The power fails. What the disk was told to keep is there afterwards: the
// bytes of a file since its last fsync, and its name once its folder was synced
// after the change. Of the rest, the seed decides: bytes by sectors of 512, so
// that writes are torn; names in the order of their changes, up to some moment.
// A rename is there or not, never half. Files that are open say -EIO from now
// on. Sockets and pipes are not touched: end the loop first, if its program is
// meant to have ended.
//
// returns   0, or -ENOMEM: the disk is no one's then, and the world to be freed
ASYNCIO_API int asyncio_simulator_crash(struct asyncio_simulator *sim);

// --- the trace --------------------------------------------------------------

// A number made of all that has happened so far, in order, with its times: two
// runs with the same one were the same.
ASYNCIO_API uint64_t
asyncio_simulator_hash(const struct asyncio_simulator *sim);

// fn(line, arg) is called for each thing that happens: the time in seconds,
// what it was, and two numbers, such as of the socket and of bytes. The line is
// good until fn returns, which must not call the library. NULL ends that.
typedef void asyncio_simulator_trace_fn(const char *line, void *arg);
ASYNCIO_API void asyncio_simulator_trace(struct asyncio_simulator *sim,
                                         asyncio_simulator_trace_fn *fn,
                                         void *arg);

// The next number below `bound`, which is not 0, of the row that decides: for
// choices of the test's own that are to be repeated with the run.
ASYNCIO_API uint64_t asyncio_simulator_draw(struct asyncio_simulator *sim,
                                            uint64_t bound);

ASYNCIO__END
