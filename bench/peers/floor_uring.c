// The least that a server on io_uring can do: a request to receive and one to
// send for each message, and one system call for all that is ready.
//
//     floor_uring echo|http PORT
//
// SPIN_US in the environment says for how long to look at the ring before going
// to sleep: what is to be had where one connection keeps a core awake.

#define PEER "floor_uring"
#include "floor_net.h"

#include <liburing.h>

#define ENTRIES     4096
#define COMPLETIONS 8192

enum op { OP_ACCEPT, OP_RECEIVE, OP_SEND };

static struct io_uring ring;
static double spin_ns;

static struct io_uring_sqe *next_entry(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    if (!sqe) {
        io_uring_submit(&ring);
        sqe = io_uring_get_sqe(&ring);
    }
    peer_check(sqe != NULL, "the ring is full");
    return sqe;
}

// What a completion says of its request.
static uint64_t key(enum op op, int fd)
{
    return (uint64_t)fd << 2 | op;
}

static void accept_next(int listener)
{
    struct io_uring_sqe *sqe = next_entry();
    io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
    sqe->user_data = key(OP_ACCEPT, listener);
}

static void receive(int fd)
{
    struct io_uring_sqe *sqe = next_entry();
    io_uring_prep_recv(sqe, fd, floor_served[fd]->bytes, BUFFER_SIZE, 0);
    sqe->user_data = key(OP_RECEIVE, fd);
}

static void send_rest(int fd)
{
    struct io_uring_sqe *sqe = next_entry();
    struct served *served = floor_served[fd];
    io_uring_prep_send(sqe, fd, served->bytes + served->sent,
                       served->len - served->sent, MSG_NOSIGNAL);
    sqe->user_data = key(OP_SEND, fd);
}

static void complete(enum op op, int fd, int result)
{
    struct served *served = op == OP_ACCEPT ? NULL : floor_served[fd];
    if (op == OP_ACCEPT) {
        accept_next(fd);
        if (result < 0) return;
        floor_accepted(result);
        receive(result);
    } else if (result <= 0) {
        close(fd);
    } else if (op == OP_RECEIVE) {
        floor_answer(served, (size_t)result);
        served->len > 0 ? send_rest(fd) : receive(fd);
    } else {
        served->sent += (size_t)result;
        served->sent < served->len ? send_rest(fd) : receive(fd);
    }
}

// Whether something has come, which the kernel may have still to write down.
static bool have_some(void)
{
    if (*ring.sq.kflags & IORING_SQ_TASKRUN) io_uring_get_events(&ring);
    return io_uring_cq_ready(&ring) > 0;
}

// Submits, and returns when something has come.
static void wait_for_some(void)
{
    if (spin_ns > 0) {
        io_uring_submit(&ring);
        double end = peer_now_ns() + spin_ns;
        while (!have_some() && peer_now_ns() < end)
            continue;
    }
    if (io_uring_cq_ready(&ring) == 0) io_uring_submit_and_wait(&ring, 1);
}

int main(int argc, char **argv)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS,
    };
    const char *spin = getenv("SPIN_US");
    int port = floor_port(argc, argv);
    if (spin) spin_ns = atof(spin) * 1e3;
    peer_check(io_uring_queue_init_params(ENTRIES, &ring, &params) == 0,
               "there is no such ring");
    io_uring_register_ring_fd(&ring);
    accept_next(floor_listen(port));
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        wait_for_some();
        io_uring_for_each_cqe(&ring, head, cqe)
        {
            complete(cqe->user_data & 3, (int)(cqe->user_data >> 2), cqe->res);
            count++;
        }
        io_uring_cq_advance(&ring, count);
    }
}
