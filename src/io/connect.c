// From a host to a connected descriptor: happy eyeballs (RFC 8305).
//
//     addresses: 6 6 4 4   families take turns: 6 4 6 4   a staggered race
//
// Each attempt is a socket that connects in a task of the race. The first that
// is connected wins; the race cancels and joins the others, and whatever is
// open then and has not won is closed. A host with one address is connected to
// by the caller's own task.

#include "io/connect.h"

#include <stdio.h>
#include <string.h>

#include <asyncio/error.h>
#include <asyncio/loop.h>
#include <asyncio/staggered.h>

#include "io/operation.h"
#include "platform/sys.h"

#define ADDRESSES_MAX     64
#define OWN_ADDRESSES_MAX 16
#define DEFAULT_DELAY     0.25

struct plan;

struct attempt {
    const struct plan *plan;
    const struct asyncio__address *to;
    int fd; // connected, or -1
};

// What a connect needs beside its frame.
struct plan {
    struct asyncio__address to[ADDRESSES_MAX], from[OWN_ADDRESSES_MAX];
    size_t count, from_count; // from_count 0: from wherever
    struct attempt attempts[ADDRESSES_MAX];
    struct asyncio_coroutine coroutines[ADDRESSES_MAX];
};

// ---- One address ------------------------------------------------------------

static const struct asyncio__wait_kind connecting =
    ASYNCIO__OPERATION("a connection");

int asyncio__connect_fd(int fd, const struct sockaddr *address, socklen_t len)
{
    return asyncio__operate(
        &(struct asyncio__op){
            .code = ASYNCIO__OP_CONNECT,
            .fd = fd,
            .buffer = (void *)(uintptr_t)address, // it is only read
            .len = len,
        },
        &connecting);
}

static int open_socket(int family)
{
    struct asyncio_task *task = asyncio__task();
    if (!task) return -EPERM;
    return asyncio__poller_socket(task->future.loop_->poller, family,
                                  SOCK_STREAM, 0);
}

// To the first of the wanted own addresses that can be had.
static int bind_socket(const struct plan *plan, int fd, int family)
{
    int first = 0;
    if (plan->from_count == 0) return 0;
    for (size_t i = 0; i < plan->from_count; i++) {
        const struct asyncio__address *from = &plan->from[i];
        if (from->any.sa_family != family) continue;
        int err = asyncio__sys_bind(fd, &from->any, from->len);
        if (err == 0) return 0;
        if (first == 0) first = err;
    }
    return first < 0 ? first : -EADDRNOTAVAIL;
}

// A socket may meet itself where nobody listens: on this machine, when the port
// that it was given happens to be the one that it asks for.
static bool has_met_itself(int fd, const struct asyncio__address *to)
{
    struct asyncio__address own = {.len = sizeof own.storage};
    if (to->any.sa_family == AF_UNIX) return false;
    if (asyncio__sys_getsockname(fd, &own.any, &own.len) < 0) return false;
    return own.len == to->len && memcmp(&own.any, &to->any, own.len) == 0;
}

static int connect_socket(int fd, const struct asyncio__address *to)
{
    int err = asyncio__connect_fd(fd, &to->any, to->len);
    if (err == 0 && has_met_itself(fd, to)) err = -ECONNREFUSED;
    return err;
}

static int connect_from(const struct plan *plan,
                        const struct asyncio__address *to)
{
    int fd = open_socket(to->any.sa_family);
    if (fd < 0) return fd;
    int err = plan ? bind_socket(plan, fd, to->any.sa_family) : 0;
    if (err == 0) err = connect_socket(fd, to);
    if (err < 0) asyncio__sys_close(fd);
    return err < 0 ? err : fd;
}

int asyncio__connect_address(const struct asyncio__address *address)
{
    return connect_from(NULL, address);
}

// ---- Several ----------------------------------------------------------------

static int attempt(void *arg)
{
    struct attempt *attempt = arg;
    int fd = connect_from(attempt->plan, attempt->to);
    if (fd < 0) return fd;
    attempt->fd = fd;
    return 0;
}

// The family of the first, then another one, and so on, as long as there are
// any; each family in its own order.
static void let_families_take_turns(struct asyncio__address *list, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        size_t other = i;
        while (other < count &&
               list[other].any.sa_family == list[i - 1].any.sa_family)
            other++;
        if (other == count) return;
        struct asyncio__address moved = list[other];
        memmove(&list[i + 1], &list[i], (other - i) * sizeof *list);
        list[i] = moved;
    }
}

static int race(struct plan *plan, double delay)
{
    let_families_take_turns(plan->to, plan->count);
    for (size_t i = 0; i < plan->count; i++) {
        plan->attempts[i] = (struct attempt){plan, &plan->to[i], -1};
        plan->coroutines[i] = ASYNCIO_COROUTINE(attempt, &plan->attempts[i]);
    }
    int winner = asyncio_staggered_race(plan->coroutines, plan->count, delay);
    for (size_t i = 0; i < plan->count; i++)
        if (plan->attempts[i].fd >= 0 && (int)i != winner)
            asyncio__sys_close(plan->attempts[i].fd);
    return winner < 0 ? winner : plan->attempts[winner].fd;
}

static int find_addresses(struct plan *plan,
                          const struct asyncio__connect_options *options)
{
    int err = asyncio__addresses(options->host, options->port, options->service,
                                 options->family, false, plan->to,
                                 ADDRESSES_MAX, &plan->count);
    bool from_anywhere = !options->local_host && options->local_port == 0;
    if (err < 0 || from_anywhere) return err;
    return asyncio__addresses(options->local_host, options->local_port, NULL,
                              options->family, !options->local_host, plan->from,
                              OWN_ADDRESSES_MAX, &plan->from_count);
}

static int connect_first(struct plan *plan, double delay)
{
    if (plan->count == 1) return connect_from(plan, plan->to);
    return race(plan, delay == 0 ? DEFAULT_DELAY : delay);
}

// Where it was meant to go is a part of what went wrong.
static int explain(int err, const struct asyncio__connect_options *options)
{
    char port[12];
    if (err >= 0 || err == -ECANCELED || err == -ENOMEM || err == -EPERM)
        return err;
    snprintf(port, sizeof port, "%d", options->port);
    return asyncio_raise(err, "cannot connect to '%s', port %s: %s",
                         options->host ? options->host : "",
                         options->service ? options->service : port,
                         strerrordesc_np(-err));
}

int asyncio__connect(const struct asyncio__connect_options *options)
{
    if (!asyncio__task()) return -EPERM;
    if (!(options->delay >= 0)) return -EINVAL;
    struct plan *plan = asyncio__alloc(sizeof *plan);
    if (!plan) return -ENOMEM;
    int err = find_addresses(plan, options);
    if (err == 0) err = explain(connect_first(plan, options->delay), options);
    asyncio__free(plan);
    return err;
}
