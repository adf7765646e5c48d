// Names: what is answered without a server, what a server may answer, and what
// becomes of those who stop waiting.

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <asyncio/dns.h>

#include "name_peer.h"
#include "runner/runner.h"

static struct name_peer server;
static struct asyncio_resolver *resolver;

static const char *shown(const struct asyncio_addrinfo *info)
{
    static char text[64];
    char host[48] = "none";
    unsigned port = 0;
    if (info && info->family == AF_INET) {
        const struct sockaddr_in *in = (const void *)info->addr;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        port = ntohs(in->sin_port);
    } else if (info && info->family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)info->addr;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        port = ntohs(in6->sin6_port);
    }
    snprintf(text, sizeof text, "%s %u", host, port);
    return text;
}

// ---- Without a server -------------------------------------------------------

TEST(a_literal_address_needs_no_resolver)
{
    CONFORMS("DNS-01");
    struct asyncio_addrinfo *list;
    EXPECT_EQ(asyncio_getaddrinfo("192.0.2.7", "80", &list), 0);
    EXPECT_STR(shown(list), "192.0.2.7 80");
    if (list) {
        EXPECT_EQ(list->type, SOCK_STREAM);
        EXPECT_SAME(list->next, NULL);
    }
    asyncio_freeaddrinfo(list);

    EXPECT_EQ(asyncio_getaddrinfo("2001:db8::1", "443", &list), 0);
    EXPECT_STR(shown(list), "2001:db8::1 443");
    asyncio_freeaddrinfo(list);

    EXPECT_EQ(asyncio_getaddrinfo("192.0.2.7", NULL, &list, .type = SOCK_DGRAM),
              0);
    if (list) EXPECT_EQ(list->type, SOCK_DGRAM);
    asyncio_freeaddrinfo(list);
}

TEST(a_number_that_is_no_port_is_an_unknown_service)
{
    static const char *const hosts[] = {"192.0.2.7", "ok.test", NULL};
    for (int i = 0; i < 3; i++) {
        struct asyncio_addrinfo *list;
        EXPECT_EQ(asyncio_getaddrinfo(hosts[i], "65536", &list), -ENOENT);
        EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "65536");
        EXPECT_EQ(asyncio_getaddrinfo(hosts[i], "99999999999999999999", &list),
                  -ENOENT);
    }
}

TEST(a_cancelled_scope_ends_a_lookup_that_needs_no_server)
{
    struct asyncio_addrinfo *list;
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    asyncio_cancel_scope_cancel(&scope);
    int err = asyncio_getaddrinfo("192.0.2.7", "80", &list);
    EXPECT_EQ(err, -ECANCELED);
    EXPECT_SAME(list, NULL);
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
}

TEST(no_host_is_this_machine)
{
    struct asyncio_addrinfo *list;
    EXPECT_EQ(asyncio_getaddrinfo(NULL, "80", &list, .family = AF_INET), 0);
    EXPECT_STR(shown(list), "127.0.0.1 80");
    asyncio_freeaddrinfo(list);
    EXPECT_EQ(asyncio_getaddrinfo(NULL, "80", &list, .family = AF_INET,
                                  .flags = AI_PASSIVE),
              0);
    EXPECT_STR(shown(list), "0.0.0.0 80");
    asyncio_freeaddrinfo(list);
}

TEST(what_cannot_be_is_refused)
{
    struct asyncio_addrinfo *list;
    EXPECT_EQ(asyncio_getaddrinfo(NULL, NULL, &list), -EINVAL);
    EXPECT_SAME(list, NULL);
    EXPECT_EQ(asyncio_getaddrinfo("192.0.2.7", "80", &list, .family = 9999),
              -EINVAL);
    EXPECT_EQ(asyncio_getaddrinfo("192.0.2.7", "no-such-service", &list),
              -ENOENT);
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "no-such-service");
    EXPECT_EQ(
        asyncio_getaddrinfo("a.test", "80", &list, .flags = AI_NUMERICHOST),
        -ENOENT);
    EXPECT_EQ(asyncio_getaddrinfo("", "80", &list), -ENOENT);
    EXPECT_SAME(list, NULL);
    EXPECT_EQ(asyncio_resolver_create(&resolver, .servers = "nonsense:x"),
              -EINVAL);
    EXPECT_CONTAINS(asyncio_strerror(-EINVAL), "nonsense:x");
    EXPECT_EQ(asyncio_resolver_create(&resolver, .tries = -1), -EINVAL);
    EXPECT_EQ(asyncio_resolver_create(&resolver, .try_seconds = -1), -EINVAL);
}

TEST_PLAIN(outside_a_task_there_is_no_lookup)
{
    struct asyncio_addrinfo *list;
    EXPECT_EQ(asyncio_getaddrinfo("192.0.2.7", "80", &list), -EPERM);
    EXPECT_EQ(asyncio_resolver_create(&resolver), -EPERM);
    asyncio_freeaddrinfo(NULL);
    asyncio_resolver_free(NULL);
}

TEST(localhost_is_this_machine_and_nobody_is_asked, .real_time = true)
{
    // No resolver is given: one is made for the lookup.
    struct asyncio_addrinfo *list;
    int err = asyncio_getaddrinfo("localhost", "80", &list, .family = AF_INET);
    if (EXPECT_EQ(err, 0)) EXPECT_STR(shown(list), "127.0.0.1 80");
    asyncio_freeaddrinfo(list);

    err =
        asyncio_getaddrinfo("web.LocalHost.", NULL, &list, .family = AF_INET6);
    if (EXPECT_EQ(err, 0)) EXPECT_STR(shown(list), "::1 0");
    asyncio_freeaddrinfo(list);
}

// ---- With a server ----------------------------------------------------------

static void stop(void)
{
    asyncio_resolver_free(resolver);
    resolver = NULL;
    name_peer_stop(&server);
}

static bool start_with(double try_seconds)
{
    if (!EXPECT_EQ(name_peer_start(&server, "127.0.0.1", 0), 0)) return false;
    if (EXPECT_EQ(asyncio_resolver_create(&resolver, .servers = server.address,
                                          .try_seconds = try_seconds,
                                          .tries = 2),
                  0))
        return true;
    stop();
    return false;
}

// No question is asked again because its answer is late; but in a fault loop,
// if it could not be sent.
static bool start(void)
{
    return start_with((double)test_amount(50, 2) / 10);
}

static bool start_impatient(void)
{
    return start_with(0.2);
}

TEST(a_name_is_asked_of_the_server, .real_time = true)
{
    if (!start()) return;
    struct asyncio_addrinfo *list;
    int err = asyncio_getaddrinfo("here.test", "8080", &list,
                                  .resolver = resolver, .flags = AI_CANONNAME);
    if (EXPECT_EQ(err, 0)) {
        EXPECT_STR(shown(list), "127.0.0.1 8080");
        EXPECT_EQ(list->type, SOCK_STREAM);
        EXPECT_STR(list->canonname, "here.test");
    }
    asyncio_freeaddrinfo(list);
    stop();
}

TEST(every_address_is_in_the_list, .real_time = true)
{
    if (!start()) return;
    struct asyncio_addrinfo *list;
    int err =
        asyncio_getaddrinfo("both.test", "80", &list, .resolver = resolver);
    if (EXPECT_EQ(err, 0)) EXPECT(list->next && !list->next->next);
    asyncio_freeaddrinfo(list);
    stop();
}

TEST(nobody_is_asked_for_a_literal_of_the_other_family, .real_time = true)
{
    CONFORMS("DNS-01");
    static const struct {
        const char *host;
        int family;
    } cases[] = {{"192.0.2.7", AF_INET6}, {"2001:db8::1", AF_INET}};
    if (!start()) return;
    for (int i = 0; i < 2; i++) {
        struct asyncio_addrinfo *list;
        EXPECT_EQ(asyncio_getaddrinfo(cases[i].host, "80", &list,
                                      .resolver = resolver,
                                      .family = cases[i].family),
                  -ENOENT);
        EXPECT_SAME(list, NULL);
    }
    EXPECT_EQ(atomic_load(&server.queries), 0);
    stop();
}

TEST(an_unknown_service_asks_no_server, .real_time = true)
{
    CONFORMS("DNS-02");
    if (!start()) return;
    struct asyncio_addrinfo *list;
    EXPECT_EQ(asyncio_getaddrinfo("ok.test", "no-such-service", &list,
                                  .resolver = resolver),
              -ENOENT);
    EXPECT_EQ(atomic_load(&server.queries), 0);
    stop();
}

TEST(a_host_that_does_not_exist_is_named, .real_time = true)
{
    if (!start()) return;
    struct asyncio_addrinfo *list;
    EXPECT_EQ(
        asyncio_getaddrinfo("none.test", "80", &list, .resolver = resolver),
        -ENOENT);
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "unknown host 'none.test'");
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "c-ares");
    EXPECT_SAME(list, NULL);
    stop();
}

TEST(a_server_that_fails_is_no_unknown_host, .real_time = true)
{
    if (!start()) return;
    struct asyncio_addrinfo *list;
    EXPECT_EQ(
        asyncio_getaddrinfo("fail.test", "80", &list, .resolver = resolver),
        -EAGAIN);
    EXPECT_CONTAINS(asyncio_strerror(-EAGAIN), "fail.test");
    stop();
}

TEST(a_dead_server_is_given_up, .real_time = true)
{
    if (!start_impatient()) return;
    struct asyncio_addrinfo *list;
    EXPECT_EQ(
        asyncio_getaddrinfo("dead.test", "80", &list, .resolver = resolver),
        -ETIMEDOUT);
    EXPECT_CONTAINS(asyncio_strerror(-ETIMEDOUT), "dead.test");
    stop();
}

TEST(a_packet_of_nonsense_is_no_answer, .real_time = true)
{
    if (!start_impatient()) return;
    struct asyncio_addrinfo *list;
    int err =
        asyncio_getaddrinfo("noise.test", "80", &list, .resolver = resolver);
    EXPECT(err == -EPROTO || err == -ETIMEDOUT || err == -EAGAIN);
    EXPECT_SAME(list, NULL);
    stop();
}

// ---- Those who stop waiting -------------------------------------------------

static int look_up(void *arg)
{
    struct asyncio_addrinfo *list;
    int err = asyncio_getaddrinfo(arg, "80", &list, .resolver = resolver);
    asyncio_freeaddrinfo(list);
    return err;
}

// Waits until the server was asked `count` times; a lookup that has ended asks
// no more.
static void wait_for_queries(const struct asyncio_task *task, int count)
{
    while (atomic_load(&server.queries) < count && !asyncio_task_done(task))
        asyncio_ignore(asyncio_sleep(0.001));
}

TEST(a_cancelled_lookup_returns_at_once, .real_time = true)
{
    if (!start()) return;
    struct asyncio_task *task =
        asyncio_create_task(look_up, (char[]){"dead.test"});
    wait_for_queries(task, 1);
    int asked = atomic_load(&server.queries);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(atomic_load(&server.queries),
              asked); // no other try was waited for
    asyncio_task_release(task);
    stop();
}

TEST(a_late_answer_touches_nothing, .real_time = true)
{
    if (!start()) return;
    // Somebody else keeps the sockets open.
    struct asyncio_task *other =
        asyncio_create_task(look_up, (char[]){"dead.test"});
    struct asyncio_task *task =
        asyncio_create_task(look_up, (char[]){"slow.test"});
    wait_for_queries(task, 2);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    asyncio_task_release(task);
    // The answer to this one comes after the late one, by the same socket.
    name_peer_release(&server);
    EXPECT_EQ(look_up((char[]){"ok.test"}), 0);
    asyncio_task_cancel(other);
    EXPECT_LT(asyncio_await(other), 0);
    asyncio_task_release(other);
    stop();
}

TEST(what_nobody_waits_for_is_taken_back, .real_time = true)
{
    if (!start()) return;
    for (int i = 1; i <= 100; i++) {
        struct asyncio_task *task =
            asyncio_create_task(look_up, (char[]){"dead.test"});
        wait_for_queries(task, i);
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
        asyncio_task_release(task);
    }
    // No clock runs for them any more.
    EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), 0);
    stop();
}

TEST(a_lookup_cancelled_without_a_resolver_leaves_nothing, .real_time = true)
{
    // It may end by itself first, in a network that says no at once.
    struct asyncio_task *task =
        asyncio_create_task(look_up, (char[]){"no-such-host.invalid"});
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_task_cancel(task);
    EXPECT_LT(asyncio_await(task), 0);
    asyncio_task_release(task);
}

TEST(a_limit_from_outside_ends_a_lookup, .real_time = true)
{
    if (!start()) return;
    EXPECT_EQ(asyncio_wait_for(look_up((char[]){"dead.test"}), 0.01),
              -ETIMEDOUT);
    stop();
}

TEST(freeing_a_resolver_ends_its_lookups, .real_time = true)
{
    if (!start()) return;
    struct asyncio_task *task =
        asyncio_create_task(look_up, (char[]){"dead.test"});
    wait_for_queries(task, 1);
    asyncio_resolver_free(resolver);
    resolver = NULL;
    EXPECT_EQ(asyncio_await(task), -ESHUTDOWN);
    asyncio_task_release(task);
    stop();
}

TEST(many_lookups_share_one_resolver, .real_time = true)
{
    if (!start()) return;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 200; i++)
        asyncio_task_group_create_task(&group, look_up, (char[]){"ok.test"},
                                       .copy = sizeof "ok.test");
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(atomic_load(&server.queries), 1); // all have the same question
    stop();
}
