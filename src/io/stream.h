// The inside of a stream: two halves above a transport.
//
//              tasks, protocol                    tasks, protocol
//                    ^                                  |
//      buffer  <- did_read                       write -> chunks
//                    ^                                  |
//     - - - - - - - transport: read, write, close - - - - - - - -
//                    |                                  v
//           descriptors, or whatever somebody brings
//
// Reading goes straight into the reader's memory, unless a line, a separator or
// a protocol needs a buffer; a buffer that has bytes is served first. What is
// written goes to chunks, and the transport has the first ones of them under
// way for as long as there are any.
//
//     OPEN -> CLOSING -> GONE
//
// The memory stays as long as somebody refers to it: the user until free, the
// connection until it is gone, and each call that waits.
#pragma once

#include <asyncio/protocol.h>
#include <asyncio/stream.h>
#include <asyncio/transport.h>

#include <sys/socket.h>
#include <sys/uio.h>

#include "io/io.h"
#include "task/park.h"

enum asyncio__stream_state {
    ASYNCIO__STREAM_OPEN,
    ASYNCIO__STREAM_CLOSING, // what is unsent goes out, what is under way ends
    ASYNCIO__STREAM_GONE,    // the transport is closed
};

// How a descriptor is read or written.
enum asyncio__fd_kind {
    ASYNCIO__FD_NONE,   // not at all
    ASYNCIO__FD_SOCKET, // by RECV and SEND
    ASYNCIO__FD_PIPE,   // written by a call that raises no SIGPIPE
    ASYNCIO__FD_OTHER,  // by READ and WRITE: a terminal, a file
};

#define ASYNCIO__PARTS_MAX 8

// The transport of descriptors. Its operations belong to the stream.
struct asyncio__stream_fds {
    int read_fd, write_fd; // may be the same; -1: none
    uint8_t read_kind;     // enum asyncio__fd_kind
    uint8_t write_kind;
    bool keep_open;
    bool more;         // the last read was filled: there may be more at once
    bool large;        // and it was of many bytes
    uint8_t tries;     // for more at once
    uint8_t vain;      // how many were left out after the last, if in vain
    uint8_t skip;      // how many are left out from now on
    uint8_t quiet;     // reads that left room, one after the other
    uint8_t own_reads; // that are not to go to lent memory
    int failure; // of a write: what reads return at the end that we have made
    struct asyncio__op read_op, write_op;
    struct asyncio__lent *lent, *lent_last; // what has come for the protocol
    struct msghdr message;
    struct iovec parts[ASYNCIO__PARTS_MAX]; // of what is under way
};

struct asyncio__server;

struct asyncio_stream {
    // What each read and each write looks at, side by side: with a thousand
    // streams, none of it is in the processor's cache when its turn comes.
    struct asyncio_loop *loop;
    struct asyncio__io *io; // NULL: it is gone
    const struct asyncio_transport *transport;
    void *transport_arg;
    uint32_t references; // the user's, the connection's, and others for a time
    uint32_t calls;      // that wait
    uint8_t state;       // enum asyncio__stream_state
    bool released;       // by the user
    bool aborting;       // what is unsent is dropped
    bool ending;         // the transport was told to close
    int read_error;      // the direction has failed
    struct asyncio_task *reader; // who waits for the read under way
    const struct asyncio_protocol *protocol;
    char *buffer;
    size_t size; // of the buffer
    size_t head; // where its bytes begin
    size_t len;  // how many these are
    size_t limit;
    bool reading;      // the transport has a read under way
    bool filling;      // it goes to the buffer
    bool was_full;     // the last one filled the buffer to its end
    bool eof;          // the peer has ended, or the reader is to believe so
    bool in_read;      // a task is inside a call that reads
    bool given_up;     // that task was cancelled while it waits
    bool writing;      // the transport has a write under way
    bool paused;       // more than `high` was unsent, and not yet `low`
    int write_error;   // as read_error
    bool ends_writing; // write_eof was called
    bool write_ended;  // and done
    struct asyncio_link chunks; // asyncio__chunk.link, in order
    size_t unsent;
    size_t high, low;
    struct asyncio_task *file_sender; // who sends a file: writing is paused
    struct asyncio__step retry; // what could not be begun for want of memory
    struct asyncio__stream_fds fds;

    // The rest of its life.
    struct asyncio_link link;    // asyncio__io.streams, or lost
    struct asyncio_link closers; // asyncio_task.step.link: wait_closed
    const char *site;            // where it was made

    // The rest of writing.
    struct asyncio_link drainers;       // asyncio_task.step.link
    struct asyncio_socket *file_socket; // by which the kernel sends it, or NULL

    // Protocols.
    void *protocol_arg;
    struct asyncio__step step; // calls what is due
    int fed;                   // what a read has answered, for `step`
    bool has_fed;
    bool made;                             // connection_made was called
    bool pause_untold;                     // before that, writing was paused
    bool reading_paused;                   // by pause_reading
    bool lost;                             // connection_lost was called
    const struct asyncio_protocol *lender; // whose memory is read into, or NULL
    void *lender_arg;

    // Servers.
    struct asyncio__server *server; // that accepted it, or NULL
    struct asyncio_link client;     // asyncio__server.clients
    struct asyncio_task *handler;   // that serves it, or NULL
    struct asyncio__step handled;   // in its future's waiters
    bool aborted_by_server;
    asyncio_protocol_factory *factory;
};

extern const struct asyncio_transport asyncio__fd_transport;

// --- stream.c ---------------------------------------------------------------

// A stream without a transport, and its end: for those that make one.
int asyncio__stream_new(struct asyncio_loop *loop, long limit, const char *site,
                        struct asyncio_stream **out);
void asyncio__stream_unref(struct asyncio_stream *stream);
// A call that has waited leaves.
void asyncio__stream_leave(struct asyncio_stream *stream);

// Goes on with closing, where that is due and possible. The stream may be gone
// when this returns.
void asyncio__stream_settle(struct asyncio_stream *stream);

// --- stream_read.c ----------------------------------------------------------

// Begin a call that reads: 0 if `task` may go on; and end it, whatever it
// returns.
int asyncio__stream_begin_read(struct asyncio_stream *stream,
                               struct asyncio_task **task);
int asyncio__stream_end_read(struct asyncio_stream *stream, int result);

// Waits for bytes in the buffer, which makes room for `size` in all. Returns
// how many have come, 0 at the end, or a negative errno.
int asyncio__stream_fill(struct asyncio_stream *stream,
                         struct asyncio_task *task, size_t size);

// Makes room at the buffer's end, so that it can hold `size` bytes.
int asyncio__stream_reserve(struct asyncio_stream *stream, size_t size);

// Takes up to `size` bytes out of the buffer; drops as many.
size_t asyncio__stream_take(struct asyncio_stream *stream, void *out,
                            size_t size);
void asyncio__stream_drop(struct asyncio_stream *stream, size_t count);

// The read under way has found that there is something, or an end: whoever
// waits for it makes the call himself.
void asyncio__stream_readable(struct asyncio_stream *stream);

// Whoever reads now or later finds the end.
void asyncio__stream_feed_eof(struct asyncio_stream *stream);

// --- stream_write.c ---------------------------------------------------------

// Drops what is unsent and not under way.
void asyncio__stream_drop_unsent(struct asyncio_stream *stream);

// Pauses writing, whatever is unsent.
void asyncio__stream_pause(struct asyncio_stream *stream);
// Takes up that no file is sent any more, and goes on.
void asyncio__stream_file_ended(struct asyncio_stream *stream, int err);
// Copies bytes to be sent, also while writing is paused. All or nothing.
int asyncio__stream_add(struct asyncio_stream *stream, const void *data,
                        size_t len);
// Waits while writing is paused. 0: it is not, and the stream is open.
int asyncio__stream_wait_to_write(struct asyncio_stream *stream);
// Waits until all that is unsent was sent, for the one that sends a file.
int asyncio__stream_flush(struct asyncio_stream *stream);

// --- stream_sendfile.c ------------------------------------------------------

// A file that is being sent is left where it is: its sender gets -EBADF.
void asyncio__stream_stop_file(struct asyncio_stream *stream);

// --- stream_protocol.c ------------------------------------------------------

// A read for the protocol has ended.
void asyncio__stream_fed(struct asyncio_stream *stream, int result);
// The connection is gone: tells the protocol, soon.
void asyncio__stream_lose(struct asyncio_stream *stream);
// Now.
void asyncio__stream_lost(struct asyncio_stream *stream);
// Lets the factory give it a protocol, soon.
void asyncio__stream_ask_factory(struct asyncio_stream *stream,
                                 asyncio_protocol_factory *factory, void *arg);
// Writing was paused, or goes on.
void asyncio__stream_tell_pause(struct asyncio_stream *stream);
// There is something to tell it.
void asyncio__stream_wants_step(struct asyncio_stream *stream);

// --- stream_lent.c ----------------------------------------------------------

// Begins to receive for data_received, which takes no memory until bytes come;
// for asyncio__io.lends only.
// Returns -EINPROGRESS; -EOPNOTSUPP where that cannot be, or not now; or
// another negative errno. Ends by asyncio_stream_did_read, -ECANCELED if it may
// begin again.
int asyncio__stream_receive(struct asyncio_stream *stream);

// Hands over the first piece of fds.lent, or a part of it; moves all of them to
// the buffer, as far as there is memory; drops them.
void asyncio__stream_give_lent(struct asyncio_stream *stream);
void asyncio__stream_keep_lent(struct asyncio_stream *stream);
void asyncio__stream_drop_lent(struct asyncio_stream *stream);

// --- stream_fd_read.c -------------------------------------------------------

int asyncio__fds_read(struct asyncio_stream *stream, void *arg, void *buffer,
                      size_t size);
void asyncio__fds_cancel_read(struct asyncio_stream *stream, void *arg);
bool asyncio__fds_at_eof(const struct asyncio_stream *stream, void *arg);

// Reads what is there. Returns as the transport's read does, or -EAGAIN.
int asyncio__fds_receive(struct asyncio_stream *stream, void *buffer,
                         size_t size);

// No more will come to the socket, but there may be bytes that have come.
bool asyncio__fds_has_ended(const struct asyncio__stream_fds *fds);

// --- stream_fd.c ------------------------------------------------------------

// Whether the direction of writing can be ended by itself.
bool asyncio__fds_can_end(const struct asyncio__stream_fds *fds);

// A write has failed for good: ends both directions of the connection.
void asyncio__fds_cut_off(struct asyncio_stream *stream, int err);

// Sends from the parts what the system takes without waiting, if the stream
// stands on a socket; nothing may be under way before it. Returns how much,
// which may be 0, or a negative errno; nobody needs the parts afterwards.
int asyncio__fds_send(struct asyncio_stream *stream, const struct iovec *parts,
                      size_t count);

// A stream on a socket of ours that is connected; on failure the descriptor is
// still the caller's.
int asyncio__stream_of_socket(struct asyncio_loop *loop, int fd, long limit,
                              const char *site, struct asyncio_stream **out);
