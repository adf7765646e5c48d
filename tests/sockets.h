// Sockets for tests: a listener on this machine, and tasks that receive.
#pragma once

#include <netinet/in.h>
#include <string.h>

#include <asyncio/socket.h>

#include "runner/runner.h"

// A listening socket on a free port of 127.0.0.1, of either type. False: a call
// was made to fail, and nothing is open.
static inline bool listen_here(struct asyncio_socket *listener, int type,
                               struct sockaddr_in *address)
{
    socklen_t len = sizeof *address;
    *address = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!EXPECT_EQ(asyncio_socket_open(listener, AF_INET, type, 0), 0))
        return false;
    int err = asyncio_socket_bind(listener, (struct sockaddr *)address, len);
    if (err == 0 && type == SOCK_STREAM)
        err = asyncio_socket_listen(listener, 8);
    if (err == 0)
        err = asyncio_socket_getsockname(listener, (struct sockaddr *)address,
                                         &len);
    if (EXPECT_EQ(err, 0)) return true;
    asyncio_socket_close(listener);
    return false;
}

static inline int connect_to(struct asyncio_socket *socket,
                             const struct sockaddr_in *address)
{
    int err = asyncio_socket_open(socket, AF_INET, SOCK_STREAM, 0);
    if (err < 0) return err;
    err = asyncio_socket_connect(socket, (const struct sockaddr *)address,
                                 sizeof *address);
    if (err < 0) asyncio_socket_close(socket);
    return err;
}

// A task that receives once, and what it got.
struct receiver {
    struct asyncio_socket *socket;
    struct asyncio_task *task;
    size_t size;
    char text[64];
};

static inline int receive(void *arg)
{
    struct receiver *r = arg;
    return asyncio_socket_recv(r->socket, r->text, r->size, 0);
}

static inline void start_receiver(struct receiver *r,
                                  struct asyncio_socket *socket)
{
    *r = (struct receiver){.socket = socket, .size = sizeof r->text - 1};
    r->task = asyncio_create_task(receive, r);
}

// A call that waits for a partner, who may have failed: it takes no time.
#define WITHIN(call) asyncio_wait_for(call, 5)

static inline int end_receiver(struct receiver *r)
{
    int err = WITHIN(asyncio_await(r->task));
    asyncio_task_release(r->task);
    return err;
}

// Lets tasks come to where they wait, and the kernel have their requests.
static inline void let_others_wait(void)
{
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
}
