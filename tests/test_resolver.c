// What a resolver remembers and for how long, questions that are shared, files
// that change, and servers that lie or cut short.
//
// The clock is virtual: how long an answer is kept takes no time. While a
// server is asked, the clock may jump to the times at which c-ares wants to be
// called, which changes nothing: c-ares looks at the real one.

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <asyncio/dns.h>

#include "files.h"
#include "name_peer.h"
#include "runner/runner.h"

static struct name_peer peer, second;
static struct asyncio_resolver *resolver, *second_resolver;

static bool start(const struct asyncio_resolver_options *more)
{
    struct asyncio_resolver_options options = *more;
    char none[64];
    snprintf(none, sizeof none, "%s/none", test_folder());
    options.servers = peer.address;
    if (!options.hosts) options.hosts = none;
    if (options.try_seconds == 0) options.try_seconds = 5;
    if (options.tries == 0) options.tries = 2;
    if (!EXPECT_EQ(name_peer_start(&peer, "127.0.0.1", 0), 0)) return false;
    if (EXPECT_EQ((asyncio_resolver_create)(&resolver, &options), 0))
        return true;
    name_peer_stop(&peer);
    unlink(in_folder("hosts"));
    return false;
}

#define START(...)                                                             \
    EXPECT_OR_RETURN(start(&(struct asyncio_resolver_options){__VA_ARGS__}))

static void stop(void)
{
    asyncio_resolver_free(resolver);
    resolver = NULL;
    name_peer_stop(&peer);
}

static int queries(void)
{
    return atomic_load(&peer.queries);
}

static const char *name_of_code(int err)
{
    switch (err) {
    case -ENOENT: return "ENOENT";
    case -EAGAIN: return "EAGAIN";
    case -ETIMEDOUT: return "ETIMEDOUT";
    case -EPROTO: return "EPROTO";
    case -ENOMEM: return "ENOMEM";
    default: return "another code";
    }
}

// The addresses of a host, "192.0.2.1 192.0.2.2", or the code.
static const char *ask_family(const char *host, int family)
{
    static char text[256];
    struct asyncio_addrinfo *list;
    int err = asyncio_getaddrinfo(host, NULL, &list, .resolver = resolver,
                                  .family = family);
    text[0] = '\0';
    if (err < 0) snprintf(text, sizeof text, "%s", name_of_code(err));
    for (struct asyncio_addrinfo *at = list; at; at = at->next) {
        char one[64];
        const struct sockaddr_in *v4 = (const void *)at->addr;
        const struct sockaddr_in6 *v6 = (const void *)at->addr;
        inet_ntop(at->family,
                  at->family == AF_INET ? (const void *)&v4->sin_addr
                                        : (const void *)&v6->sin6_addr,
                  one, sizeof one);
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%s", len ? " " : "", one);
    }
    asyncio_freeaddrinfo(list);
    return text;
}

static const char *ask(const char *host)
{
    return ask_family(host, AF_UNSPEC);
}

// ---- What is remembered -----------------------------------------------------

TEST(an_answer_is_remembered_for_as_long_as_the_server_says)
{
    START(.cache_max = 0);
    EXPECT_STR(ask("ttl7.test"), "192.0.2.1");
    EXPECT_STR(ask("TTL7.test"), "192.0.2.1"); // the same name
    EXPECT_EQ(queries(), 1);
    EXPECT_EQ(asyncio_sleep(6.9), 0);
    EXPECT_STR(ask("ttl7.test"), "192.0.2.1");
    EXPECT_EQ(queries(), 1);
    EXPECT_EQ(asyncio_sleep(0.2), 0);
    EXPECT_STR(ask("ttl7.test"), "192.0.2.1");
    EXPECT_EQ(queries(), 2);
    stop();
}

TEST(an_answer_for_no_time_is_not_remembered)
{
    START(.cache_max = 0);
    EXPECT_STR(ask("ttl0.test"), "192.0.2.1");
    EXPECT_STR(ask("ttl0.test"), "192.0.2.1");
    EXPECT_EQ(queries(), 2);
    stop();
}

TEST(an_answer_is_remembered_for_a_day_at_most)
{
    START(.cache_max = 0);
    EXPECT_STR(ask("ttl2000000000.test"), "192.0.2.1");
    EXPECT_EQ(asyncio_sleep(86399), 0);
    EXPECT_STR(ask("ttl2000000000.test"), "192.0.2.1");
    EXPECT_EQ(queries(), 1);
    EXPECT_EQ(asyncio_sleep(2), 0);
    EXPECT_STR(ask("ttl2000000000.test"), "192.0.2.1");
    EXPECT_EQ(queries(), 2);
    // Longer than can be is no time at all.
    EXPECT_STR(ask("ttl4000000000.test"), "192.0.2.1");
    EXPECT_STR(ask("ttl4000000000.test"), "192.0.2.1");
    EXPECT_EQ(queries(), 4);
    stop();
}

TEST(a_name_holds_no_longer_than_the_names_on_the_way_to_it)
{
    START(.cache_max = 0);
    struct asyncio_addrinfo *list;
    EXPECT_EQ(asyncio_getaddrinfo("chain.test", "80", &list,
                                  .resolver = resolver, .flags = AI_CANONNAME),
              0);
    if (list) EXPECT_STR(list->canonname, "third.test");
    asyncio_freeaddrinfo(list);
    EXPECT_EQ(asyncio_sleep(29), 0);
    EXPECT_STR(ask("chain.test"), "192.0.2.1");
    EXPECT_EQ(queries(), 1);
    EXPECT_EQ(asyncio_sleep(2), 0);
    EXPECT_STR(ask("chain.test"), "192.0.2.1");
    EXPECT_EQ(queries(), 2);
    stop();
}

TEST(what_does_not_exist_is_remembered_for_five_seconds)
{
    START(.cache_max = 0);
    static const char *const names[] = {"none.test", "empty.test"};
    for (int i = 0; i < 2; i++) {
        int before = queries();
        EXPECT_STR(ask(names[i]), "ENOENT");
        int asked = queries() - before;
        EXPECT_GE(asked, 1);
        EXPECT_EQ(asyncio_sleep(4.9), 0);
        EXPECT_STR(ask(names[i]), "ENOENT");
        EXPECT_EQ(queries() - before, asked);
        EXPECT_EQ(asyncio_sleep(0.2), 0);
        EXPECT_STR(ask(names[i]), "ENOENT");
        EXPECT_EQ(queries() - before, 2 * asked);
    }
    stop();
}

TEST(a_failure_is_not_remembered)
{
    START(.cache_max = 0);
    EXPECT_STR(ask("fail.test"), "EAGAIN");
    int asked = queries();
    EXPECT_STR(ask("fail.test"), "EAGAIN");
    EXPECT_GT(queries(), asked);
    EXPECT_STR(ask("refused.test"), "EAGAIN");
    stop();
}

TEST(each_family_is_a_question_of_its_own)
{
    START(.cache_max = 0);
    EXPECT_STR(ask_family("six.test", AF_INET6), "2001:db8::1");
    EXPECT_STR(ask_family("six.test", AF_INET), "ENOENT");
    EXPECT_STR(ask_family("six.test", AF_INET6), "2001:db8::1");
    EXPECT_STR(ask("six.test"), "2001:db8::1");
    stop();
}

// In real time: while b is asked for, a virtual clock might leap over the
// minute for which a holds.
TEST(what_was_not_asked_for_the_longest_is_forgotten_first, .real_time = true)
{
    START(.cache_max = 2);
    ask("ok.a.test");
    ask("ok.b.test");
    ask("ok.a.test"); // b is now the oldest
    EXPECT_EQ(queries(), 2);
    ask("ok.c.test");
    EXPECT_EQ(queries(), 3);
    ask("ok.a.test");
    EXPECT_EQ(queries(), 3);
    ask("ok.b.test");
    EXPECT_EQ(queries(), 4);
    stop();
}

TEST(a_resolver_may_remember_nothing)
{
    START(.cache_max = -1);
    ask("ok.test");
    ask("ok.test");
    EXPECT_EQ(queries(), 2);
    stop();
}

TEST(a_remembered_answer_serves_any_port_and_type)
{
    START(.cache_max = 0);
    struct asyncio_addrinfo *list;
    ask("ok.test");
    EXPECT_EQ(asyncio_getaddrinfo("ok.test", "53", &list, .resolver = resolver,
                                  .type = SOCK_DGRAM),
              0);
    if (list) {
        const struct sockaddr_in *v4 = (const void *)list->addr;
        EXPECT_EQ(ntohs(v4->sin_port), 53);
        EXPECT_EQ(list->type, SOCK_DGRAM);
        EXPECT_EQ(list->protocol, IPPROTO_UDP);
        EXPECT_SAME(list->canonname, NULL);
    }
    asyncio_freeaddrinfo(list);
    EXPECT_EQ(queries(), 1);
    stop();
}

// ---- Questions that are shared ----------------------------------------------

static int look_up(void *arg)
{
    struct asyncio_addrinfo *list;
    if (!resolver) return -ESHUTDOWN; // it began late: no other is meant
    int err = asyncio_getaddrinfo(arg, "80", &list, .resolver = resolver);
    asyncio_freeaddrinfo(list);
    return err;
}

static struct asyncio_task *start_lookup(char *name)
{
    return asyncio_create_task(look_up, name);
}

// Until the server has been asked `count` times, or nobody asks any more.
static void wait_for_queries(struct asyncio_task *task, int count)
{
    while (task && queries() < count && !asyncio_task_done(task))
        asyncio_ignore(asyncio_sleep(0.001));
}

static int end_of(struct asyncio_task *task)
{
    if (!task) return -ENOMEM;
    int err = asyncio_await(task);
    asyncio_task_release(task);
    return err;
}

TEST(equal_questions_are_asked_once, .real_time = true)
{
    static char name[] = "slow.test", again[] = "SLOW.test";
    struct asyncio_task *tasks[50];
    START(.try_seconds = 5);
    for (int i = 0; i < 50; i++)
        tasks[i] = start_lookup(i % 2 ? name : again);
    wait_for_queries(tasks[49], 1);
    name_peer_release(&peer);
    for (int i = 0; i < 50; i++)
        EXPECT_EQ(end_of(tasks[i]), 0);
    EXPECT_EQ(queries(), 1);
    stop();
}

TEST(one_that_leaves_takes_nothing_from_the_others, .real_time = true)
{
    static char name[] = "slow.test";
    struct asyncio_task *tasks[3];
    START(.try_seconds = 5);
    for (int i = 0; i < 3; i++)
        tasks[i] = start_lookup(name);
    wait_for_queries(tasks[2], 1);
    for (int i = 0; i < 2; i++) { // also the one that had asked first
        if (tasks[i]) asyncio_task_cancel(tasks[i]);
        EXPECT_EQ(end_of(tasks[i]), -ECANCELED);
    }
    name_peer_release(&peer);
    EXPECT_EQ(end_of(tasks[2]), 0);
    EXPECT_EQ(queries(), 1);
    stop();
}

TEST(the_last_one_that_leaves_ends_the_question, .real_time = true)
{
    static char dead[] = "dead.test", other[] = "slow.test";
    START(.try_seconds = 0.05, .tries = 3);
    // Another question, which is under way all the time.
    struct asyncio_task *keeper = start_lookup(other);
    struct asyncio_task *task = start_lookup(dead);
    wait_for_queries(task, 2);
    if (task) asyncio_task_cancel(task);
    EXPECT_EQ(end_of(task), -ECANCELED);
    name_peer_release(&peer);
    EXPECT_EQ(end_of(keeper), 0);
    int before = queries();
    asyncio_ignore(asyncio_sleep(0.3)); // its other tries would be now
    EXPECT_EQ(queries(), before);
    EXPECT_EQ(asyncio_loop_timers(asyncio_get_running_loop()), 0);
    stop();
}

TEST(one_that_joins_late_gets_the_same_answer, .real_time = true)
{
    static char name[] = "slow.test";
    START(.try_seconds = 5);
    struct asyncio_task *first = start_lookup(name);
    wait_for_queries(first, 1);
    struct asyncio_task *late = start_lookup(name);
    asyncio_ignore(asyncio_sleep(0));
    if (first) asyncio_task_cancel(first);
    EXPECT_EQ(end_of(first), -ECANCELED);
    name_peer_release(&peer);
    EXPECT_EQ(end_of(late), 0);
    EXPECT_EQ(queries(), 1);
    stop();
}

// In a fault loop, what there was no memory for is soon asked again.
static double try_seconds(void)
{
    return (double)test_amount(50, 2) / 10;
}

TEST(more_questions_than_lines_wait_their_turn, .real_time = true, .limit = 60)
{
    static char names[1000][24];
    static struct asyncio_task *tasks[1000];
    int count = (int)test_amount(1000, 300);
    START(.try_seconds = try_seconds());
    for (int i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "ok.%d.test", i);
        tasks[i] = start_lookup(names[i]);
    }
    for (int i = 0; i < count; i += 10) // some of them do not want to wait
        if (tasks[i]) asyncio_task_cancel(tasks[i]);
    for (int i = 0; i < count; i++)
        EXPECT_EQ(end_of(tasks[i]), i % 10 ? 0 : -ECANCELED);
    stop();
}

TEST(questions_without_an_answer_do_not_hold_up_the_others, .real_time = true)
{
    static char names[80][24], name[] = "ok.test";
    struct asyncio_task *tasks[80];
    START(.try_seconds = 5);
    for (int i = 0; i < 80; i++) {
        snprintf(names[i], sizeof names[i], "dead.%d.test", i);
        tasks[i] = start_lookup(names[i]);
    }
    EXPECT_EQ(look_up(name), 0);
    asyncio_resolver_free(resolver);
    resolver = NULL;
    for (int i = 0; i < 80; i++)
        EXPECT_EQ(end_of(tasks[i]), -ESHUTDOWN);
    stop();
}

TEST(freeing_a_resolver_ends_what_waits_in_line, .real_time = true)
{
    static char names[300][24];
    static struct asyncio_task *tasks[300];
    START(.try_seconds = try_seconds());
    for (int i = 0; i < 300; i++) {
        snprintf(names[i], sizeof names[i], "dead.%d.test", i);
        tasks[i] = start_lookup(names[i]);
    }
    // Whoever looks up without this one asks that of the system.
    bool begun = tasks[0] && !asyncio_task_done(tasks[0]);
    wait_for_queries(tasks[begun ? 0 : 1], 1);
    asyncio_resolver_free(resolver);
    resolver = NULL;
    for (int i = 0; i < 300; i++)
        EXPECT_EQ(end_of(tasks[i]), -ESHUTDOWN);
    stop();
}

// One resolver with a question under way, and the loop's own.
static int leave_it_open(void *arg)
{
    static char dead[] = "dead.test"; // it is looked up until the end
    const struct sockaddr_in home = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char name[256];
    int err = asyncio_resolver_create(&resolver, .servers = peer.address);
    if (err < 0) return err;
    *(struct asyncio_task **)arg = start_lookup(dead);
    asyncio_ignore(asyncio_sleep(0));
    return asyncio_getnameinfo((const struct sockaddr *)&home, sizeof home,
                               name, sizeof name, NULL, 0);
}

TEST_PLAIN(a_loop_that_closes_ends_its_resolvers)
{
    struct asyncio_task *task = NULL;
    EXPECT_OR_RETURN(name_peer_start(&peer, "127.0.0.1", 0) == 0);
    EXPECT_EQ(asyncio_run(leave_it_open, &task), 0);
    if (task) EXPECT(asyncio_task_done(task));
    asyncio_task_release(task);
    stop(); // a resolver may be freed when its loop has closed
}

static struct asyncio_task *left; // that looks up while its loop rests

static int begin_a_lookup(void *arg)
{
    static char slow[] = "slow.test";
    (void)arg;
    int err = asyncio_resolver_create(&resolver, .servers = peer.address);
    if (err < 0) return err;
    left = start_lookup(slow);
    wait_for_queries(left, 1);
    return 0;
}

static int look_at_what_is_left(void *arg)
{
    (void)arg;
    EXPECT_EQ(end_of(left), -ESHUTDOWN);
    left = NULL;
    // The late answer is sent before this one.
    int err = asyncio_resolver_create(&resolver, .servers = peer.address);
    return err < 0 ? err : look_up((char[]){"ok.test"});
}

TEST_PLAIN(a_resolver_may_be_freed_while_its_loop_rests)
{
    struct asyncio_loop *loop = NULL;
    struct asyncio_coroutine begin = ASYNCIO_COROUTINE(begin_a_lookup, NULL),
                             end =
                                 ASYNCIO_COROUTINE(look_at_what_is_left, NULL);
    EXPECT_OR_RETURN(name_peer_start(&peer, "127.0.0.1", 0) == 0);
    EXPECT_EQ(asyncio_new_event_loop(&loop), 0);
    if (loop && asyncio_loop_run_until_coroutine(loop, &begin) == 0) {
        asyncio_set_event_loop(NULL); // as between two runs of a runner
        asyncio_resolver_free(resolver);
        resolver = NULL;
        name_peer_release(&peer);
        EXPECT_EQ(asyncio_loop_run_until_coroutine(loop, &end), 0);
    }
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    if (left) asyncio_task_release(left); // the loop has failed
    stop();
}

// ---- Files that change ------------------------------------------------------

TEST(the_hosts_file_is_asked_first_and_read_again)
{
    put_file("hosts",
             "# ours\n"
             "192.0.2.20 host.test alias.test # two names\n"
             "192.0.2.21\tHost.test\r\n"
             "nonsense other.test\n"
             "2001:db8::20 alias.test",
             0644);
    START(.hosts = in_folder("hosts"));
    EXPECT_STR(ask("host.test"), "192.0.2.20 192.0.2.21");
    EXPECT_STR(ask("HOST.test."), "192.0.2.20 192.0.2.21");
    EXPECT_STR(ask("alias.test"), "192.0.2.20 2001:db8::20");
    EXPECT_EQ(queries(), 0);
    // It is looked at once a second.
    EXPECT_EQ(asyncio_sleep(1.1), 0);
    ask("host.test");
    put_file("hosts", "192.0.2.22 host.test\n", 0644);
    EXPECT_STR(ask("host.test"), "192.0.2.20 192.0.2.21");
    EXPECT_EQ(asyncio_sleep(1.1), 0);
    EXPECT_STR(ask("host.test"), "192.0.2.22");
    EXPECT_STR(ask("other.test"), "192.0.2.1");
    EXPECT_EQ(queries(), 1);

    // What the server said does not hold against what the file says now.
    put_file("hosts", "192.0.2.30 other.test\n", 0644);
    EXPECT_EQ(asyncio_sleep(1.1), 0);
    EXPECT_STR(ask("other.test"), "192.0.2.30");
    EXPECT_STR(ask("host.test"), "192.0.2.1");
    unlink(in_folder("hosts"));
    EXPECT_EQ(asyncio_sleep(1.1), 0);
    EXPECT_STR(ask("other.test"), "192.0.2.1");
    stop();
}

TEST(a_family_that_the_hosts_file_lacks_is_asked_for)
{
    put_file("hosts", "192.0.2.20 six.test\n", 0644);
    START(.hosts = in_folder("hosts"));
    EXPECT_STR(ask("six.test"), "192.0.2.20");
    EXPECT_STR(ask_family("six.test", AF_INET6), "2001:db8::1");
    unlink(in_folder("hosts"));
    stop();
}

TEST(the_name_servers_are_read_again_when_they_change)
{
    char none[64], path[64];
    snprintf(none, sizeof none, "%s/none", test_folder());
    snprintf(path, sizeof path, "%s/resolv.conf", test_folder());
    EXPECT_OR_RETURN(name_peer_start(&peer, "127.0.0.1", 0) == 0);
    int err = name_peer_start(&second, "127.0.0.2", peer.port);
    if (err < 0) {
        name_peer_stop(&peer);
        return;
    }
    atomic_store(&second.last, 2);
    put_file("resolv.conf", "nameserver 127.0.0.1\n", 0644);
    err = asyncio_resolver_create(&resolver, .port = (int)peer.port,
                                  .hosts = none, .resolv_conf = path,
                                  .nsswitch_conf = none);
    if (EXPECT_EQ(err, 0)) {
        EXPECT_STR(ask("ok.test"), "192.0.2.1");
        put_file("resolv.conf", "# moved\nnameserver 127.0.0.2\n", 0644);
        EXPECT_EQ(asyncio_sleep(1.1), 0);
        EXPECT_STR(ask("ok.test"), "192.0.2.2");
    }
    unlink(path);
    name_peer_stop(&second);
    stop();
}

TEST(a_question_under_way_outlives_a_change_of_files)
{
    static char name[] = "slow.test";
    put_file("hosts", "192.0.2.20 a.test\n", 0644);
    START(.hosts = in_folder("hosts"), .try_seconds = 5);
    struct asyncio_task *task = start_lookup(name);
    wait_for_queries(task, 1);
    put_file("hosts", "192.0.2.200 a.test\n", 0644);
    asyncio_ignore(asyncio_sleep(1.1));
    EXPECT_STR(ask("a.test"), "192.0.2.200");
    name_peer_release(&peer);
    EXPECT_EQ(end_of(task), 0);
    unlink(in_folder("hosts"));
    stop();
}

// ---- Servers that lie, and that cut short -----------------------------------

TEST(a_lie_is_not_believed_and_the_truth_is)
{
    START(.cache_max = 0);
    EXPECT_STR(ask("wrongid.test"), "192.0.2.1");
    EXPECT_STR(ask("wrongname.test"), "192.0.2.1");
    stop();
}

TEST(a_server_that_only_lies_has_not_answered, .real_time = true)
{
    START(.try_seconds = 0.1);
    EXPECT_STR(ask("onlylies.test"), "ETIMEDOUT");
    stop();
}

TEST(an_address_of_another_name_is_none)
{
    START(.cache_max = 0);
    EXPECT_STR(ask("foreign.test"), "ENOENT");
    EXPECT_STR(ask("other.test"), "192.0.2.1"); // nor is it remembered
    stop();
}

TEST(a_name_that_is_its_own_other_name_ends)
{
    START(.cache_max = 0);
    EXPECT_STR(ask("ring.test"), "ENOENT");
    stop();
}

static size_t count_addresses(const char *host, int *err)
{
    struct asyncio_addrinfo *list;
    size_t count = 0;
    *err = asyncio_getaddrinfo(host, NULL, &list, .resolver = resolver);
    for (struct asyncio_addrinfo *at = list; at; at = at->next)
        count++;
    asyncio_freeaddrinfo(list);
    return count;
}

TEST(an_answer_that_was_cut_short_is_fetched_whole, .real_time = true)
{
    START(.try_seconds = 5);
    int err;
    EXPECT_EQ(count_addresses("many.test", &err), 300);
    EXPECT_EQ(err, 0);
    EXPECT_GE(atomic_load(&peer.connections), 1);
    int connections = atomic_load(&peer.connections);
    EXPECT_EQ(count_addresses("many.test", &err), 300); // remembered
    EXPECT_EQ(atomic_load(&peer.connections), connections);
    EXPECT_STR(ask("bytewise.test"), "192.0.2.1");
    stop();
}

TEST(a_server_that_hangs_up_is_given_up, .real_time = true)
{
    START(.try_seconds = 0.2);
    const char *code = ask("hangup.test");
    EXPECT(strcmp(code, "EAGAIN") == 0 || strcmp(code, "ETIMEDOUT") == 0);
    code = ask("nonsense.test");
    EXPECT(strcmp(code, "EAGAIN") == 0 || strcmp(code, "ETIMEDOUT") == 0 ||
           strcmp(code, "EPROTO") == 0);
    EXPECT_STR(ask("ok.test"), "192.0.2.1");
    stop();
}

TEST(names_that_cannot_be_ask_nobody)
{
    char longer[400], label[80];
    memset(longer, 'a', sizeof longer);
    for (size_t i = 50; i < sizeof longer; i += 50)
        longer[i] = '.';
    longer[sizeof longer - 1] = '\0';
    memset(label, 'a', sizeof label);
    memcpy(label + 70, ".test", 6);
    START(.cache_max = 0);
    EXPECT_STR(ask(longer), "ENOENT");
    EXPECT_STR(ask(label), "ENOENT");
    EXPECT_STR(ask("a..test"), "ENOENT");
    EXPECT_EQ(queries(), 0);
    EXPECT_EQ(asyncio_resolver_create(&second_resolver, .port = 65536),
              -EINVAL);
    stop();
}
