// From addresses to names.

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <asyncio/dns.h>

#include "files.h"
#include "name_peer.h"
#include "runner/runner.h"

static struct name_peer peer;
static struct asyncio_resolver *resolver;

static bool start(void)
{
    put_file("hosts",
             "192.0.2.20 host.test alias.test\n192.0.2.20 late.test\n"
             "127.0.0.9 ours.test\n",
             0644);
    int err = name_peer_start(&peer, "127.0.0.1", 0);
    if (!EXPECT_EQ(err, 0)) return false;
    err = asyncio_resolver_create(&resolver, .servers = peer.address,
                                  .hosts = in_folder("hosts"), .tries = 1);
    if (EXPECT_EQ(err, 0)) return true;
    name_peer_stop(&peer);
    unlink(in_folder("hosts"));
    return false;
}

static void stop(void)
{
    asyncio_resolver_free(resolver);
    resolver = NULL;
    name_peer_stop(&peer);
    unlink(in_folder("hosts"));
}

static struct sockaddr_in6 address_of(const char *text, unsigned port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        memcpy(&v6, &v4, sizeof v4);
    else
        inet_pton(AF_INET6, text, &v6.sin6_addr);
    return v6;
}

// "host service", or the code.
static const char *ask(const char *text, unsigned port, int flags)
{
    static char line[400];
    char host[256], service[32];
    struct sockaddr_in6 address = address_of(text, port);
    int err = asyncio_getnameinfo((struct sockaddr *)&address, sizeof address,
                                  host, sizeof host, service, sizeof service,
                                  .resolver = resolver, .flags = flags);
    if (err < 0)
        snprintf(line, sizeof line, "%d", err);
    else
        snprintf(line, sizeof line, "%s %s", host, service);
    return line;
}

TEST(numbers_need_no_resolver)
{
    int numbers = NI_NUMERICHOST | NI_NUMERICSERV;
    EXPECT_STR(ask("192.0.2.7", 80, numbers), "192.0.2.7 80");
    EXPECT_STR(ask("2001:db8::1", 443, numbers), "2001:db8::1 443");
    EXPECT_STR(ask("192.0.2.7", 80, NI_NUMERICHOST), "192.0.2.7 http");
    EXPECT_STR(ask("192.0.2.7", 514, NI_NUMERICHOST | NI_DGRAM),
               "192.0.2.7 syslog");
}

TEST(this_machine_is_known_without_asking)
{
    EXPECT_OR_RETURN(start());
    EXPECT_STR(ask("127.0.0.1", 80, NI_NUMERICSERV), "localhost 80");
    EXPECT_STR(ask("::1", 80, NI_NUMERICSERV), "localhost 80");
    EXPECT_STR(ask("127.0.0.9", 80, NI_NUMERICSERV), "ours.test 80");
    EXPECT_EQ(atomic_load(&peer.queries), 0);
    stop();
}

TEST(the_hosts_file_has_names_of_addresses)
{
    EXPECT_OR_RETURN(start());
    EXPECT_STR(ask("192.0.2.20", 80, NI_NUMERICSERV), "host.test 80");
    EXPECT_STR(ask("::ffff:192.0.2.20", 80, NI_NUMERICSERV), "host.test 80");
    EXPECT_EQ(atomic_load(&peer.queries), 0);
    stop();
}

TEST(a_server_is_asked_for_the_name_of_an_address)
{
    EXPECT_OR_RETURN(start());
    EXPECT_STR(ask("192.0.2.7", 80, NI_NUMERICSERV), "host.test 80");
    EXPECT_STR(ask("192.0.2.10", 80, NI_NUMERICSERV), "behind.test 80");
    EXPECT_STR(ask("2001:db8::1", 80, NI_NUMERICSERV), "six.test 80");
    stop();
}

TEST(the_name_of_an_address_is_remembered)
{
    EXPECT_OR_RETURN(start());
    ask("192.0.2.7", 80, 0);
    EXPECT_EQ(asyncio_sleep(6.5), 0);
    EXPECT_STR(ask("192.0.2.7", 81, NI_NUMERICSERV), "host.test 81");
    EXPECT_EQ(atomic_load(&peer.queries), 1);
    EXPECT_EQ(asyncio_sleep(1), 0);
    EXPECT_STR(ask("192.0.2.7", 81, NI_NUMERICSERV), "host.test 81");
    EXPECT_EQ(atomic_load(&peer.queries), 2);
    // That there is none, too.
    ask("192.0.2.9", 80, 0);
    ask("192.0.2.9", 80, 0);
    EXPECT_EQ(atomic_load(&peer.queries), 3);
    stop();
}

TEST(an_address_without_a_name_is_its_number)
{
    EXPECT_OR_RETURN(start());
    EXPECT_STR(ask("192.0.2.9", 80, NI_NUMERICSERV), "192.0.2.9 80");
    char code[16];
    snprintf(code, sizeof code, "%d", -ENOENT);
    EXPECT_STR(ask("192.0.2.9", 80, NI_NAMEREQD), code);
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "192.0.2.9");
    stop();
}

TEST(a_name_that_cannot_be_one_is_not_handed_on)
{
    EXPECT_OR_RETURN(start());
    const char *name = ask("192.0.2.66", 80, NI_NUMERICSERV);
    EXPECT(!strpbrk(name, "\n<>"));
    stop();
}

TEST(what_cannot_be_is_refused)
{
    struct sockaddr_in6 address = address_of("192.0.2.7", 80);
    const struct sockaddr *any = (struct sockaddr *)&address;
    char host[64], tiny[4];
    EXPECT_EQ(asyncio_getnameinfo(NULL, 0, host, sizeof host, NULL, 0),
              -EINVAL);
    EXPECT_EQ(asyncio_getnameinfo(any, 3, host, sizeof host, NULL, 0), -EINVAL);
    EXPECT_EQ(asyncio_getnameinfo(any, sizeof address, NULL, 0, NULL, 0),
              -EINVAL);
    EXPECT_EQ(asyncio_getnameinfo(any, sizeof address, host, sizeof host, NULL,
                                  0, .flags = 1 << 20),
              -EINVAL);
    EXPECT_EQ(asyncio_getnameinfo(any, sizeof address, tiny, sizeof tiny, NULL,
                                  0, .flags = NI_NUMERICHOST),
              -ENOSPC);
    EXPECT_EQ(asyncio_getnameinfo(any, sizeof address, NULL, 0, tiny, 2,
                                  .flags = NI_NUMERICSERV),
              -ENOSPC);
    address.sin6_family = AF_UNIX;
    EXPECT_EQ(
        asyncio_getnameinfo(any, sizeof address, host, sizeof host, NULL, 0),
        -EINVAL);
}

TEST_PLAIN(outside_a_task_there_is_no_name)
{
    struct sockaddr_in6 address = address_of("192.0.2.7", 80);
    char host[64];
    EXPECT_EQ(asyncio_getnameinfo((struct sockaddr *)&address, sizeof address,
                                  host, sizeof host, NULL, 0),
              -EPERM);
}

static int name_dead_host(void *arg)
{
    char host[64];
    struct sockaddr_in6 address = address_of("192.0.2.7", 80);
    (void)arg;
    return asyncio_getnameinfo((struct sockaddr *)&address, sizeof address,
                               host, sizeof host, NULL, 0,
                               .resolver = resolver);
}

TEST(who_asks_for_a_name_may_be_cancelled)
{
    EXPECT_OR_RETURN(start());
    struct asyncio_task *tasks[2];
    for (int i = 0; i < 2; i++)
        tasks[i] = asyncio_create_task(name_dead_host, NULL);
    asyncio_ignore(asyncio_sleep(0));
    asyncio_ignore(asyncio_sleep(0));
    if (tasks[0]) {
        asyncio_task_cancel(tasks[0]);
        EXPECT_EQ(asyncio_await(tasks[0]), -ECANCELED);
    }
    if (tasks[1]) EXPECT_EQ(asyncio_await(tasks[1]), 0);
    for (int i = 0; i < 2; i++)
        asyncio_task_release(tasks[i]);
    stop();
}
