// Connections by name: who is asked for addresses, which of them is connected
// to, and that those which lose are closed.

#include <math.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <asyncio/dns.h>
#include <asyncio/socket.h>

#include "runner/runner.h"
#include "sockets.h"

// --- a resolver that says what it is told to --------------------------------

static struct {
    int result, calls;
    size_t count;
    struct sockaddr_storage addresses[8];
    struct asyncio_addrinfo list[8];
    char host[64], service[64];
    bool released;
} book;

static int look_up_in_book(const char *host, const char *service,
                           struct asyncio_addrinfo **list,
                           const struct asyncio_getaddrinfo_options *options)
{
    (void)options;
    book.calls++;
    snprintf(book.host, sizeof book.host, "%s", host);
    snprintf(book.service, sizeof book.service, "%s", service);
    for (size_t i = 0; i < book.count; i++) {
        bool v4 = book.addresses[i].ss_family == AF_INET;
        book.list[i] = (struct asyncio_addrinfo){
            .next = i + 1 < book.count ? &book.list[i + 1] : NULL,
            .family = book.addresses[i].ss_family,
            .addr = (struct sockaddr *)&book.addresses[i],
            .addr_len =
                v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6),
        };
    }
    *list = book.count > 0 ? book.list : NULL;
    int err = asyncio_sleep(0.001);
    return err < 0 ? err : book.result;
}

static void release_list(struct asyncio_addrinfo *list)
{
    EXPECT_SAME(list, book.list);
    book.released = true;
}

static void open_book(void)
{
    memset(&book, 0, sizeof book);
    asyncio_set_resolver(look_up_in_book, release_list);
}

static void enter(const struct sockaddr_in *address)
{
    memcpy(&book.addresses[book.count++], address, sizeof *address);
}

static int connect_by_name(struct asyncio_socket *s)
{
    return WITHIN(asyncio_socket_create_connection(s, "machine.test", 7));
}

// --- who is asked -----------------------------------------------------------

TEST(nobody_is_asked_for_a_literal_address)
{
    CONFORMS("DNS-01");
    struct asyncio_socket listener, s;
    struct sockaddr_in address;
    open_book();
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    int port = ntohs(address.sin_port);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", port), 0);
    asyncio_socket_close(&s);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.1", port), 0);
    asyncio_socket_close(&s);
    asyncio_socket_close(&listener);
    int err = asyncio_socket_create_connection(&s, "::1", port);
    EXPECT(err == -ECONNREFUSED || err == -EADDRNOTAVAIL ||
           err == -EAFNOSUPPORT || err == -ENETUNREACH);
    EXPECT_EQ(book.calls, 0);
}

TEST(nobody_is_asked_for_a_literal_of_the_other_family)
{
    struct asyncio_socket s;
    open_book();
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", 7,
                                               .family = AF_INET6),
              -ENOENT);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "::1", 7, .family = AF_INET),
              -ENOENT);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", 0,
                                               .service = "65543"),
              -ENOENT);
    EXPECT_EQ(book.calls, 0);
}

TEST(this_machine_is_known)
{
    struct asyncio_socket listener, s;
    struct sockaddr_in address;
    open_book();
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    static const char *const names[] = {"localhost", "LocalHost", "localhost.",
                                        "", NULL};
    for (int i = 0; i < 5; i++) {
        EXPECT_EQ(asyncio_socket_create_connection(&s, names[i],
                                                   ntohs(address.sin_port)),
                  0);
        asyncio_socket_close(&s);
    }
    EXPECT_EQ(book.calls, 0);
    asyncio_socket_close(&listener);
}

TEST(a_name_is_looked_up_by_the_resolver)
{
    struct asyncio_socket listener, s;
    struct sockaddr_in address;
    open_book();
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    enter(&address);
    EXPECT_EQ(connect_by_name(&s), 0);
    EXPECT_EQ(book.calls, 1);
    EXPECT_STR(book.host, "machine.test");
    EXPECT_STR(book.service, "7");
    EXPECT(book.released);
    asyncio_socket_close(&s);
    asyncio_socket_close(&listener);
}

TEST(what_the_resolver_says_is_handed_up)
{
    struct asyncio_socket s;
    open_book();
    book.result = -EAGAIN;
    EXPECT_EQ(connect_by_name(&s), -EAGAIN);
    EXPECT_EQ(asyncio_socket_fileno(&s), -EBADF);
    EXPECT_EQ(asyncio_wait_for(connect_by_name(&s), 0.0001), -ETIMEDOUT);
}

// A service that is known here and needs no privilege.
static int known_service(void)
{
    struct servent *entry = getservbyname("http-alt", "tcp");
    return entry ? ntohs((uint16_t)entry->s_port) : 0;
}

TEST(a_service_has_a_name)
{
    CONFORMS("DNS-02");
    struct asyncio_socket listener, s;
    struct sockaddr_in address = {.sin_family = AF_INET};
    struct asyncio_testing_ledger before, after;
    int port = known_service();
    open_book();

    asyncio_testing_ledger_read(&before);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", 0,
                                               .service = "no-such-service"),
              -ENOENT);
    asyncio_testing_ledger_read(&after);
    EXPECT_EQ(after.descriptors, before.descriptors);
    EXPECT_EQ(asyncio_socket_fileno(&s), -EBADF);

    if (port == 0) {
        SKIP("no service is known here");
        return;
    }
    address.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, "127.83.31.7", &address.sin_addr);
    if (!EXPECT_EQ(asyncio_socket_open(&listener, AF_INET, SOCK_STREAM, 0), 0))
        return;
    if (asyncio_socket_bind(&listener, (struct sockaddr *)&address,
                            sizeof address) == 0 &&
        EXPECT_EQ(asyncio_socket_listen(&listener, 5), 0)) {
        EXPECT_EQ(asyncio_socket_create_connection(&s, "127.83.31.7", 0,
                                                   .service = "http-alt"),
                  0);
        asyncio_socket_close(&s);
    }
    enter(&address);
    asyncio_ignore(asyncio_socket_create_connection(&s, "machine.test", 0,
                                                    .service = "http-alt"));
    EXPECT_STR(book.service, "http-alt");
    asyncio_socket_close(&s);
    asyncio_socket_close(&listener);
}

TEST(a_host_without_an_address_is_none)
{
    CONFORMS("DNS-03");
    struct asyncio_socket s;
    open_book();
    EXPECT_EQ(connect_by_name(&s), -ENOENT);
    EXPECT_EQ(book.calls, 1);
    EXPECT_EQ(book.released, false);
}

TEST(what_cannot_be_is_refused)
{
    struct asyncio_socket s;
    open_book();
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", -1), -EINVAL);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", 65536),
              -EINVAL);
    EXPECT_EQ(
        asyncio_socket_create_connection(&s, "127.0.0.1", 1, .family = AF_UNIX),
        -EINVAL);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", 1,
                                               .happy_eyeballs_delay = -1),
              -EINVAL);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", 1,
                                               .happy_eyeballs_delay = NAN),
              -EINVAL);
    EXPECT_EQ(book.calls, 0);
}

// --- libc -------------------------------------------------------------------

// A name that libc knows from its hosts file, so that no server is asked.
static bool find_name(char name[64])
{
    char line[512], address[128];
    FILE *file = fopen("/etc/hosts", "re");
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file))
        found = sscanf(line, "%127[0-9.] %63s", address, name) == 2 &&
                strcmp(name, "localhost") != 0;
    if (file) fclose(file);
    return found;
}

static int connect_to_a_name(void *arg)
{
    struct asyncio_socket s;
    int err = asyncio_socket_create_connection(&s, arg, 1);
    asyncio_socket_close(&s);
    return err;
}

TEST(without_a_resolver_libc_is_asked)
{
    char name[64];
    asyncio_set_resolver(NULL, NULL);
    if (!find_name(name)) {
        SKIP("no name in the hosts file");
        return;
    }
    int err = connect_to_a_name(name);
    EXPECT_NE(err, -ENOENT);
    EXPECT_NE(err, -EAGAIN);
    EXPECT_LT(err, 0);

    // A cancel does not wait for the answer.
    struct asyncio_task *task = asyncio_create_task(connect_to_a_name, name);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(task);
    EXPECT_LT(asyncio_await(task), 0);
    asyncio_task_release(task);
}

static int leave_a_question(void *arg)
{
    asyncio_task_release(asyncio_create_task(connect_to_a_name, arg));
    return asyncio_sleep(0);
}

TEST_PLAIN(a_loop_that_closes_leaves_libc_to_answer)
{
    char name[64];
    asyncio_set_resolver(NULL, NULL);
    if (!find_name(name)) {
        SKIP("no name in the hosts file");
        return;
    }
    EXPECT_EQ(asyncio_run(leave_a_question, name), 0);
}

// --- which address ----------------------------------------------------------

// A port on which nobody listens.
static struct sockaddr_in nobody(void)
{
    struct sockaddr_in address;
    struct asyncio_socket s;
    if (listen_here(&s, SOCK_STREAM, &address)) asyncio_socket_close(&s);
    return address;
}

// A port that never answers: the line in front of it is full.
struct silent {
    struct asyncio_socket listener;
    struct sockaddr_in address;
    int fds[4];
};

static bool open_silent(struct silent *silent)
{
    if (!listen_here(&silent->listener, SOCK_STREAM, &silent->address))
        return false;
    EXPECT_EQ(asyncio_socket_listen(&silent->listener, 0), 0);
    for (int i = 0; i < 4; i++) {
        silent->fds[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(silent->fds[i], (struct sockaddr *)&silent->address,
                sizeof silent->address);
    }
    return true;
}

static void close_silent(struct silent *silent)
{
    for (int i = 0; i < 4; i++)
        close(silent->fds[i]);
    asyncio_socket_close(&silent->listener);
}

static void expect_peer(const struct asyncio_socket *s,
                        const struct sockaddr_in *address)
{
    struct sockaddr_in peer = {0};
    socklen_t len = sizeof peer;
    EXPECT_EQ(asyncio_socket_getpeername(s, (struct sockaddr *)&peer, &len), 0);
    EXPECT_EQ(ntohs(peer.sin_port), ntohs(address->sin_port));
}

TEST(an_address_that_refuses_gives_way_to_the_next_at_once)
{
    struct asyncio_socket listener, s;
    struct sockaddr_in address, refuses = nobody();
    open_book();
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    enter(&refuses);
    enter(&address);
    double began = asyncio_time();
    if (EXPECT_EQ(connect_by_name(&s), 0)) {
        expect_peer(&s, &address);
        EXPECT_LT(asyncio_time() - began, 0.1);
    }
    asyncio_socket_close(&s);
    asyncio_socket_close(&listener);
}

// What loses is closed, or the runner would find it.
TEST(an_address_that_is_silent_gives_way_after_a_while)
{
    struct asyncio_socket listener, s;
    struct sockaddr_in address;
    struct silent silent;
    open_book();
    EXPECT_OR_RETURN(open_silent(&silent));
    if (listen_here(&listener, SOCK_STREAM, &address)) {
        enter(&silent.address);
        enter(&silent.address);
        enter(&address);
        double began = asyncio_time();
        if (EXPECT_EQ(connect_by_name(&s), 0)) {
            expect_peer(&s, &address);
            EXPECT_GE(asyncio_time() - began, 0.5);
            EXPECT_LT(asyncio_time() - began, 0.6);
        }
        asyncio_socket_close(&s);
        asyncio_socket_close(&listener);
    }
    close_silent(&silent);
}

static int connect_slowly(struct asyncio_socket *s)
{
    return asyncio_socket_create_connection(
        s, "machine.test", 7, .happy_eyeballs_delay = ASYNCIO_FOREVER);
}

TEST(one_after_the_other_if_so_wanted)
{
    struct asyncio_socket listener, s;
    struct sockaddr_in address;
    struct silent silent;
    open_book();
    EXPECT_OR_RETURN(open_silent(&silent));
    if (listen_here(&listener, SOCK_STREAM, &address)) {
        enter(&silent.address);
        enter(&address);
        EXPECT_EQ(asyncio_wait_for(connect_slowly(&s), 0.9), -ETIMEDOUT);
        EXPECT_EQ(asyncio_socket_fileno(&s), -EBADF);
        asyncio_socket_close(&s);
        asyncio_socket_close(&listener);
    }
    close_silent(&silent);
}

TEST(the_best_address_says_what_went_wrong)
{
    struct asyncio_socket s;
    struct sockaddr_in refuses = nobody(), unreachable = nobody();
    unreachable.sin_addr.s_addr = INADDR_NONE; // broadcast: forbidden
    open_book();
    enter(&refuses);
    enter(&unreachable);
    EXPECT_EQ(connect_by_name(&s), -ECONNREFUSED);
    EXPECT_CONTAINS(asyncio_strerror(-ECONNREFUSED), "machine.test");
    EXPECT_CONTAINS(asyncio_strerror(-ECONNREFUSED), "port 7");

    book.addresses[7] = book.addresses[0];
    book.addresses[0] = book.addresses[1];
    book.addresses[1] = book.addresses[7];
    int err = connect_by_name(&s);
    EXPECT_LT(err, 0);
    EXPECT_NE(err, -ECONNREFUSED);
}

static struct sockaddr_in6 listen_v6(struct asyncio_socket *listener)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *any = (struct sockaddr *)&address;
    socklen_t len = sizeof address;
    int err = asyncio_socket_open(listener, AF_INET6, SOCK_STREAM, 0);
    if (err == 0) err = asyncio_socket_bind(listener, any, len);
    if (err == 0) err = asyncio_socket_listen(listener, 5);
    if (err == 0) err = asyncio_socket_getsockname(listener, any, &len);
    if (err < 0) {
        asyncio_socket_close(listener);
        address.sin6_family = 0;
    }
    return address;
}

TEST(families_take_turns)
{
    struct asyncio_socket six, four, s;
    struct sockaddr_in address;
    open_book();
    struct sockaddr_in6 address6 = listen_v6(&six);
    if (address6.sin6_family == 0) {
        SKIP("there is no IPv6 here");
        return;
    }
    if (listen_here(&four, SOCK_STREAM, &address)) {
        struct sockaddr_in6 refuses = address6;
        refuses.sin6_port = nobody().sin_port;
        memcpy(&book.addresses[0], &refuses, sizeof refuses);
        memcpy(&book.addresses[1], &address6, sizeof address6);
        book.count = 2;
        enter(&address);
        if (EXPECT_EQ(connect_by_name(&s), 0)) expect_peer(&s, &address);
        asyncio_socket_close(&s);
        asyncio_socket_close(&four);
    }
    asyncio_socket_close(&six);
}

TEST(a_connection_can_come_from_a_certain_address)
{
    struct asyncio_socket listener, s;
    struct sockaddr_in address, own, free_port = nobody();
    socklen_t len = sizeof own;
    open_book();
    EXPECT_OR_RETURN(listen_here(&listener, SOCK_STREAM, &address));
    int port = ntohs(address.sin_port), own_port = ntohs(free_port.sin_port);
    int err = asyncio_socket_create_connection(&s, "127.0.0.1", port,
                                               .local_host = "127.0.0.9",
                                               .local_port = own_port);
    EXPECT_EQ(err, 0);
    if (err == 0) {
        EXPECT_EQ(asyncio_socket_getsockname(&s, (struct sockaddr *)&own, &len),
                  0);
        EXPECT_EQ(ntohl(own.sin_addr.s_addr), 0x7f000009);
        EXPECT_EQ(ntohs(own.sin_port), own_port);
    }
    asyncio_socket_close(&s);
    EXPECT_EQ(asyncio_socket_create_connection(&s, "127.0.0.1", port,
                                               .local_host = "::1"),
              -EADDRNOTAVAIL);
    asyncio_socket_close(&listener);
}

static int connect_in_a_task(void *arg)
{
    return connect_by_name(arg);
}

TEST(a_cancelled_connect_leaves_nothing_open)
{
    struct asyncio_socket s;
    struct silent silent;
    open_book();
    EXPECT_OR_RETURN(open_silent(&silent));
    for (int i = 0; i < 3; i++) {
        enter(&silent.address);
        struct asyncio_task *task = asyncio_create_task(connect_in_a_task, &s);
        EXPECT_EQ(asyncio_sleep(0.4), 0);
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
        asyncio_task_release(task);
        EXPECT_EQ(asyncio_socket_fileno(&s), -EBADF);
        asyncio_socket_close(&s);
    }
    close_silent(&silent);
}
