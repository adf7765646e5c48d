// What the parts of the simulator share: a world with a network, a disk and
// names of its own, in which one seed is one run.
//
//      op                       sim.c       which world, which time
//      |  submit                sim_request.c  try, or wait, or take a while
//      v
//   request --- file (sim_fd.c: descriptor table, poll, close)
//                |-- socket     sim_socket.c, sim_stream.c, sim_datagram.c
//                |-- pipe end   sim_pipe.c          |
//                |-- disk file  sim_file.c         flow  sim_flow.c
//                                 |
//                               inode  sim_disk.c, sim_path.c, sim_crash.c
//
// All of it runs on one thread, and draws every chance from one row of numbers,
// in the order in which things happen. Nothing may depend on an address, on
// real time, or on what the compiler is free to choose: then gcc and clang make
// the same run of a seed. What happens is folded into `hash` (sim_trace.c).
//
// Time is that of the loop that runs. A thing that takes time is an event; the
// loop asks when the next one is due, as it asks for the next timer, and its
// clock jumps there when every task waits.
#pragma once

#include <asyncio/simulator.h>

#include <limits.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/list.h"
#include "platform/backend.h"
#include "platform/simulated.h"

struct iovec;
struct msghdr;
struct statx;

#define SIM_NEVER INT64_MAX

struct sim_connection;
struct sim_file;
struct sim_host;
struct sim_inode;
struct sim_socket;

// Memory of the world, all zero.
#define asyncio__sim_alloc(size) asyncio__alloc_undenied(size, ASYNCIO_SITE)
// `size` bytes in place of the `old_size` at `p`; NULL: those are untouched.
void *asyncio__sim_grow(void *p, size_t old_size, size_t size);

// ---- Events (sim.c) ---------------------------------------------------------

// Something that will happen. Lies in what it happens to; all zero is unarmed.
struct sim_event {
    struct asyncio_link link; // asyncio_simulator.events, the next one first
    int64_t when_ns;
    uint64_t number; // in order of arming
    void (*fire)(struct asyncio_simulator *world, struct sim_event *event);
};

struct sim_network {
    struct asyncio_link hosts;      // sim_host.link
    struct asyncio_link partitions; // sim_partition.link
    struct asyncio_link bound;      // sim_socket.bound, in order of binding
    struct asyncio_link datagrams;  // under way
    struct sim_host *here;          // whose the next sockets are
    uint16_t next_port;
    size_t buffer_size; // of a socket, in one direction
};

struct sim_disk {
    struct sim_inode *root;
    struct asyncio_link inodes;  // sim_inode.link: all there are
    struct asyncio_link journal; // sim_change.link: names not durable yet
    uint64_t next_number;        // of an inode
    int64_t next_cookie;         // of an entry
    uint64_t used, size;         // bytes; a size of 0 is no limit
    uint32_t umask;              // of all who make files
    unsigned crashes;            // what was opened before the last is dead
};

struct asyncio_simulator {
    unsigned pollers; // that live in it
    bool kept;        // somebody holds it beyond these
    int64_t now_ns;
    int64_t start_ns; // 0: no loop has been in it
    struct asyncio_link events;
    uint64_t event_count, file_count;
    uint64_t dice;
    struct asyncio_simulator_faults faults;

    struct sim_file **files; // by descriptor
    size_t files_size;       // places in it
    size_t files_open;
    size_t files_max;
    struct asyncio_link poked; // sim_file.poked: something about them is new
    struct asyncio_link spare; // requests

    struct sim_network network;
    struct sim_disk disk;

    uint64_t hash;
    asyncio_simulator_trace_fn *trace; // or NULL
    void *trace_arg;
};

// The world of this thread's descriptors and of the loops it makes; or NULL.
extern _Thread_local struct asyncio_simulator *asyncio__sim_world;

void asyncio__sim_arm(struct asyncio_simulator *world, struct sim_event *event,
                      int64_t when_ns,
                      void (*fire)(struct asyncio_simulator *,
                                   struct sim_event *));
void asyncio__sim_disarm(struct sim_event *event);

// Frees a world that nobody holds any more and nothing is open in.
void asyncio__sim_let_go(struct asyncio_simulator *world);

// ---- Chance and trace (sim_chance.c) ----------------------------------------

uint64_t asyncio__sim_draw(struct asyncio_simulator *world);
// Below `bound`, which is not 0.
uint64_t asyncio__sim_below(struct asyncio_simulator *world, uint64_t bound);
// True in `rate` of the cases; draws nothing for a rate of 0.
bool asyncio__sim_strikes(struct asyncio_simulator *world, float rate);
// Between `least` and `least + more` seconds, in nanoseconds.
int64_t asyncio__sim_takes(struct asyncio_simulator *world, float least,
                           float more);
// `len`, or in `rate` of the cases fewer, but at least 1.
size_t asyncio__sim_shortened(struct asyncio_simulator *world, float rate,
                              size_t len);

// Notes what has happened, with two numbers that say to what.
void asyncio__sim_note(struct asyncio_simulator *world, const char *what,
                       int64_t a, int64_t b);

// ---- Descriptors (sim_fd.c) -------------------------------------------------

struct sim_kind {
    const char *name; // for the ledger
    // Carries `op` out as far as it goes at once; -EAGAIN: it has to wait.
    int (*attempt)(struct asyncio_simulator *world, struct sim_file *file,
                   struct asyncio__op *op);
    uint16_t (*ready)(struct asyncio_simulator *world, struct sim_file *file);
    // The connection that it is an end of, and which; or NULL.
    struct sim_connection *(*connection)(struct sim_file *file, int *side);
    // Its last descriptor was closed.
    void (*closed)(struct asyncio_simulator *world, struct sim_file *file);
    // And nothing refers to it any more.
    void (*freed)(struct asyncio_simulator *world, struct sim_file *file);
    bool is_disk;
};

// What descriptors stand for: an open file description. First member of each
// kind's own struct.
struct sim_file {
    const struct sim_kind *kind;
    unsigned descriptors;
    unsigned references;         // these, and whoever else needs the memory
    uint64_t number;             // for the trace
    int flags;                   // O_ACCMODE, O_APPEND, O_NONBLOCK
    struct asyncio_link waiting; // sim_request.link, in order of arrival
    struct asyncio_link poked;   // asyncio_simulator.poked
};

// A new file of `size` bytes, with no descriptor yet, for the caller.
void *asyncio__sim_file_new(struct asyncio_simulator *world,
                            const struct sim_kind *kind, size_t size,
                            int flags);
void asyncio__sim_file_unref(struct asyncio_simulator *world,
                             struct sim_file *file);
struct sim_file *asyncio__sim_file(const struct asyncio_simulator *world,
                                   int fd);
// The lowest free descriptor for it, which holds a reference of its own; or
// -EMFILE, -ENOMEM.
int asyncio__sim_install(struct asyncio_simulator *world,
                         struct sim_file *file);
int asyncio__sim_remove(struct asyncio_simulator *world, int fd);
// A descriptor for a new file, whose own reference is given up in any case.
int asyncio__sim_hand_out(struct asyncio_simulator *world,
                          struct sim_file *file);
// The same for the two ends of a new connection, either of which may be NULL
// for want of memory; both are gone if it fails, and the connection too.
int asyncio__sim_hand_out_pair(struct asyncio_simulator *world,
                               struct sim_connection *connection,
                               struct sim_file *first, struct sim_file *second,
                               int fds[2]);

// ---- Requests (sim_request.c) -----------------------------------------------

struct sim_poller {
    struct asyncio__poller base;
    struct asyncio_simulator *world;
    struct asyncio__poller *outside; // for what is not of this world
    size_t outside_ops;              // under way there
    int64_t (*clock)(void *arg);     // the loop's time, or NULL
    void *clock_arg;
};

// An operation under way.
struct sim_request {
    struct asyncio_link link; // sim_file.waiting, or asyncio_simulator.spare
    struct asyncio__op *op;
    struct sim_poller *poller;
    struct sim_file *file;  // referred to; NULL: it is about a path
    struct sim_event event; // armed: a disk is at work on it
};

int asyncio__sim_request(struct sim_poller *poller, struct asyncio__op *op);
void asyncio__sim_retract(struct sim_poller *poller, struct asyncio__op *op);
// Something about the file has changed: whoever waits for it tries again, once
// the world settles. Accepts NULL.
void asyncio__sim_poke(struct asyncio_simulator *world, struct sim_file *file);
// To be called at the end of whatever may have poked somebody.
void asyncio__sim_settle(struct asyncio_simulator *world);
// Ends all that waits for the file.
void asyncio__sim_refuse(struct asyncio_simulator *world, struct sim_file *file,
                         int code);

// ---- Bytes of an operation (sim_bytes.c) ------------------------------------

// What an operation of any form moves, and from or to whom.
struct sim_bytes {
    const struct iovec *parts;
    size_t count;
    struct iovec one;       // in place of parts, for a single buffer
    size_t len;             // of all parts
    unsigned flags;         // MSG_*
    struct msghdr *message; // or NULL
};

// Returns 0, or -EINVAL for what is too long.
int asyncio__sim_bytes(struct sim_bytes *bytes, const struct asyncio__op *op);
// Copies `len` bytes at `offset` of the parts, out of them or into them.
void asyncio__sim_bytes_get(const struct sim_bytes *bytes, size_t offset,
                            void *to, size_t len);
void asyncio__sim_bytes_put(const struct sim_bytes *bytes, size_t offset,
                            const void *from, size_t len);

// ---- Bytes under way (sim_flow.c) -------------------------------------------

struct sim_chunk {
    struct asyncio_link link; // sim_flow.flight or .arrived
    int64_t when_ns;          // it arrives, once those before it have
    size_t size, taken;
    struct sim_file **rights; // descriptors that travel with it
    size_t rights_count;
    char data[];
};

enum sim_end_mark { SIM_OPEN, SIM_FIN, SIM_RST };

// One direction of a connection.
struct sim_flow {
    struct asyncio_link flight, arrived;
    struct sim_event arrival, notice; // of bytes there; of room, back here
    size_t readable;                  // bytes that have arrived
    size_t used;                      // bytes that the sender thinks are there
    size_t freed;                     // of these, read since the last notice
    size_t capacity;
    int64_t last_ns;        // when the newest arrives
    int64_t cut_ns;         // since when nothing gets through; 0: it does
    int64_t backoff_ns;     // until it is tried again
    int64_t end_ns;         // when `sent` arrives
    enum sim_end_mark sent; // how the sender has ended it
    enum sim_end_mark arrived_end;
    uint8_t side; // of the sender
};

struct sim_connection {
    struct sim_flow flow[2];  // flow[0] is from end[0] to end[1]
    struct sim_file *end[2];  // NULL: closed
    struct sim_host *host[2]; // NULL: it is no network
    unsigned holders;         // ends that have not let go of it
    bool records;             // chunks are kept apart
    size_t atomic;            // up to so many bytes go together, or not yet
};

struct sim_connection *asyncio__sim_connect(size_t capacity);
// The end on `side` is closed: bytes that come for it are refused.
void asyncio__sim_disconnect(struct asyncio_simulator *world,
                             struct sim_connection *connection, int side,
                             bool reset);
// Both ends learn that the connection is broken.
void asyncio__sim_break(struct asyncio_simulator *world,
                        struct sim_connection *connection);
// Sends what there is room for, or -EAGAIN, -ENOMEM.
int asyncio__sim_flow_send(struct asyncio_simulator *world,
                           struct sim_connection *connection, int side,
                           const struct sim_bytes *bytes);
// Receives what has arrived, or -EAGAIN. 0 is the end.
int asyncio__sim_flow_receive(struct asyncio_simulator *world,
                              struct sim_connection *connection, int side,
                              const struct sim_bytes *bytes);
// No more bytes will follow.
void asyncio__sim_flow_end(struct asyncio_simulator *world,
                           struct sim_connection *connection, int side,
                           enum sim_end_mark mark);
static inline size_t asyncio__sim_flow_room(const struct sim_flow *flow)
{
    return flow->used < flow->capacity ? flow->capacity - flow->used : 0;
}
void asyncio__sim_chunk_free(struct asyncio_simulator *world,
                             struct sim_chunk *chunk);
// The connection of a socket has been reset (sim_stream.c).
void asyncio__sim_was_reset(struct asyncio_simulator *world,
                            struct sim_file *file, int code);

// ---- Network (sim_network.c) ------------------------------------------------

union sim_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

struct sim_host {
    struct asyncio_link link;      // sim_network.hosts
    struct asyncio_link addresses; // sim_host_address.link
    char name[];
};

bool asyncio__sim_network_open(struct asyncio_simulator *world);
void asyncio__sim_network_close(struct asyncio_simulator *world);
bool asyncio__sim_is_cut(const struct asyncio_simulator *world,
                         const struct sim_host *a, const struct sim_host *b);
// How long a packet takes.
int64_t asyncio__sim_latency(struct asyncio_simulator *world);
// Who has the address; `from` itself for a local one; NULL: nobody.
struct sim_host *asyncio__sim_owner(const struct asyncio_simulator *world,
                                    struct sim_host *from,
                                    const union sim_address *address);
// The first address of the host in the family of `like`, for what is bound to
// none; the local one if `like` is local.
void asyncio__sim_source(const struct sim_host *host,
                         const union sim_address *like,
                         union sim_address *source);

// ---- Sockets (sim_socket.c, sim_address.c, sim_option.c, sim_stream.c,
//      sim_datagram.c) --------------------------------------------------------

enum sim_socket_state {
    SIM_FRESH,      // neither of the following
    SIM_LISTENING,  // has a backlog
    SIM_CONNECTING, // `dial` is armed
    SIM_CONNECTED,  // a stream: has a connection; else: has a peer address
    SIM_BROKEN,     // was connected, and is reset
};

#define SIM_OPTIONS 12

struct sim_option {
    int level, name, value;
};

struct sim_socket {
    struct sim_file file;
    int family, type, protocol;
    enum sim_socket_state state;
    struct sim_host *host; // NULL for Unix sockets
    union sim_address local, peer;
    socklen_t local_len, peer_len; // 0: none
    struct asyncio_link bound;     // sim_network.bound
    struct sim_inode *inode;       // a Unix socket's, in the disk's tree
    int error;                     // SO_ERROR: a positive errno
    bool read_shut, write_shut;
    struct sim_option options[SIM_OPTIONS];
    unsigned option_count;

    // A listener's: connections that nobody has accepted.
    struct asyncio_link backlog; // sim_socket.in_backlog
    size_t backlog_count, backlog_max;
    struct asyncio_link in_backlog;
    struct asyncio_link knocking; // sim_socket.in_backlog: wait for a place
    struct sim_socket *listener;  // in whose backlog it is

    // A stream's.
    struct sim_connection *connection;
    int side;
    struct sim_event dial; // SYN arrives, or the answer to it
    struct sim_host *callee;
    int64_t dialled_ns, backoff_ns;
    int answer;  // negative errno, or 0
    bool abrupt; // SO_LINGER of 0: a close resets

    // A datagram socket's: what has arrived, and who waits for room.
    struct asyncio_link datagrams; // sim_datagram.link
    size_t datagram_bytes, datagram_count;
};

extern const struct sim_kind asyncio__sim_socket_kind;
struct sim_socket *asyncio__sim_socket_of(const struct asyncio_simulator *world,
                                          int fd);
struct sim_socket *asyncio__sim_socket_new(struct asyncio_simulator *world,
                                           int family, int type, int protocol);
// Also a pair of datagram sockets has a connection.
bool asyncio__sim_is_stream(const struct sim_socket *socket);
// Stores an address for the caller as accept does.
void asyncio__sim_give_address(const union sim_address *address, socklen_t len,
                               void *out, socklen_t *out_len);
int asyncio__sim_option(const struct sim_socket *socket, int level, int name);
// Bytes that it takes without their being read.
size_t asyncio__sim_buffer(const struct asyncio_simulator *world,
                           const struct sim_socket *socket);
// Gives it an address of its own if it has none. 0 or a negative errno.
int asyncio__sim_autobind(struct asyncio_simulator *world,
                          struct sim_socket *socket,
                          const union sim_address *towards);
// Binds one that is about to listen to any place and port.
int asyncio__sim_bind_anywhere(struct asyncio_simulator *world,
                               struct sim_socket *socket);
// Who receives at an address, and is `state`; or NULL.
struct sim_socket *asyncio__sim_bound_at(struct asyncio_simulator *world,
                                         const struct sim_host *host,
                                         const union sim_address *address,
                                         int type, enum sim_socket_state state);
// The Unix socket of that name, or NULL with a code.
struct sim_socket *asyncio__sim_unix_at(struct asyncio_simulator *world,
                                        const union sim_address *address,
                                        socklen_t len, int *err);

int asyncio__sim_stream_attempt(struct asyncio_simulator *world,
                                struct sim_socket *socket,
                                struct asyncio__op *op);
uint16_t asyncio__sim_stream_ready(const struct sim_socket *socket);
void asyncio__sim_stream_close(struct asyncio_simulator *world,
                               struct sim_socket *socket);
int asyncio__sim_stream_shutdown(struct asyncio_simulator *world,
                                 struct sim_socket *socket, int how);
int asyncio__sim_datagram_attempt(struct asyncio_simulator *world,
                                  struct sim_socket *socket,
                                  struct asyncio__op *op);
uint16_t asyncio__sim_datagram_ready(const struct sim_socket *socket);
void asyncio__sim_drop_datagrams(struct asyncio_simulator *world,
                                 struct asyncio_link *datagrams);
void asyncio__sim_datagram_close(struct asyncio_simulator *world,
                                 struct sim_socket *socket);

// ---- Bytes moved from one to another (sim_move.c) ---------------------------

// SENDFILE and SPLICE, without waiting.
int asyncio__sim_move(struct asyncio_simulator *world,
                      const struct asyncio__op *op);
// Copies what a pipe or socket has, without taking it.
int asyncio__sim_look(struct asyncio_simulator *world, struct sim_file *file,
                      char *buffer, size_t size);

// ---- Rights (sim_rights.c) --------------------------------------------------

// The descriptors that a message carries, referred to, for a chunk.
int asyncio__sim_take_rights(struct asyncio_simulator *world,
                             const struct sim_bytes *bytes,
                             struct sim_file ***files, size_t *count);
// Gives those of a chunk to the receiver's message, as far as there is room.
void asyncio__sim_give_rights(struct asyncio_simulator *world,
                              const struct sim_bytes *bytes,
                              struct sim_file **files, size_t count);
void asyncio__sim_drop_rights(struct asyncio_simulator *world,
                              struct sim_file **files, size_t count);

// ---- Disk (sim_disk.c, sim_path.c, sim_file.c, sim_crash.c) -----------------

enum sim_device { SIM_NO_DEVICE, SIM_NULL, SIM_ZERO, SIM_FULL };

struct sim_entry {
    struct asyncio_link link; // sim_inode.entries or .durable_entries
    struct sim_inode *inode;  // referred to
    int64_t cookie;           // grows from one entry of a folder to the next
    char name[];
};

struct sim_inode {
    struct asyncio_link link; // sim_disk.inodes
    unsigned references;      // entries, open files, changes
    uint64_t number;
    uint32_t mode, links;
    enum sim_device device;
    int64_t changed_ns, modified_ns;
    char *data; // a file's, as the kernel shows it; a symbolic link's target
    size_t size, room;
    char *durable; // what no crash takes away
    size_t durable_size;
    struct asyncio_link entries, durable_entries; // a folder's
    struct sim_inode *parent;                     // a folder's, not referred to
    struct sim_socket *socket;                    // that is bound to it
};

// A change of names that is not durable yet: at crash all of it is, or nothing.
struct sim_change {
    struct asyncio_link link; // sim_disk.journal
    struct {
        struct sim_inode *folder; // referred to; NULL: no second name
        struct sim_inode *inode;  // referred to; NULL: the name is gone
        char *name;
    } name[2];
};

bool asyncio__sim_disk_open(struct asyncio_simulator *world);
void asyncio__sim_disk_close(struct asyncio_simulator *world);
struct sim_inode *asyncio__sim_inode_new(struct asyncio_simulator *world,
                                         uint32_t mode);
void asyncio__sim_inode_unref(struct asyncio_simulator *world,
                              struct sim_inode *inode);
struct sim_entry *asyncio__sim_entry(const struct asyncio_link *entries,
                                     const char *name);
// Makes `name` stand for `inode`, or for nothing, in a list of entries.
int asyncio__sim_entry_set(struct asyncio_simulator *world,
                           struct asyncio_link *entries, const char *name,
                           struct sim_inode *inode);

// Where a path leads.
struct sim_place {
    struct sim_inode *folder; // of the last component
    struct sim_inode *inode;  // or NULL: there is none of that name
    char name[NAME_MAX + 1];
    bool must_be_folder; // a slash follows
};

// Walks; `follow`: also a symbolic link at the end. 0, also where only the last
// component does not exist, or a negative errno.
int asyncio__sim_walk(struct asyncio_simulator *world, int folder,
                      const char *path, bool follow, struct sim_place *place);
// Changes one or two names, now and in the journal. 0 or -ENOMEM.
int asyncio__sim_change(struct asyncio_simulator *world,
                        const struct sim_place *a, struct sim_inode *a_inode,
                        const struct sim_place *b, struct sim_inode *b_inode);
// Makes the names in a folder durable.
int asyncio__sim_sync_folder(struct asyncio_simulator *world,
                             struct sim_inode *folder);
// The first `count` changes of the journal; and an end to the others.
int asyncio__sim_sync_first(struct asyncio_simulator *world, uint64_t count);
void asyncio__sim_forget_changes(struct asyncio_simulator *world);
// Makes the bytes of a file durable. 0 or -ENOMEM.
int asyncio__sim_sync_data(struct sim_inode *inode);
// Bytes that are free on the disk, where so many are wanted.
uint64_t asyncio__sim_room(struct asyncio_simulator *world, uint64_t wanted);
// Cuts it off, or adds zeros. 0, -ENOSPC or -ENOMEM.
int asyncio__sim_resize(struct asyncio_simulator *world,
                        struct sim_inode *inode, size_t size);

// Answers STATX for what is not on the disk.
int asyncio__sim_stat_special(struct asyncio_simulator *world,
                              const struct sim_file *file, uint32_t mode,
                              const struct asyncio__op *op);
// Carries out an operation that names a path.
int asyncio__sim_path_attempt(struct asyncio_simulator *world,
                              struct asyncio__op *op);
int asyncio__sim_open_inode(struct asyncio_simulator *world,
                            struct sim_inode *inode, int flags);
void asyncio__sim_stat_inode(const struct asyncio_simulator *world,
                             const struct sim_inode *inode, struct statx *out);
// What an open file or folder of the disk is about, or NULL.
struct sim_inode *asyncio__sim_inode_of(const struct asyncio_simulator *world,
                                        int fd);
