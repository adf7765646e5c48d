// Names that only libc knows: a few threads that ask it, and what becomes of
// one that does not come back.
//
// getaddrinfo is ours here: of names below .libc it says what the tests want,
// and waits at "slow" until it is told to go on.

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include <asyncio/dns.h>
#include <asyncio/loop.h>
#include <asyncio/testing.h>

#include "files.h"
#include "io/names.h"
#include "name_peer.h"
#include "runner/runner.h"

static sem_t entered, may_leave;
static atomic_int asked, inside, most;

int getaddrinfo(const char *host, const char *service,
                const struct addrinfo *hints, struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *,
                struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    bool numeric = hints && hints->ai_flags & AI_NUMERICHOST;
    if (numeric || !host) return real(host, service, hints, list);

    atomic_fetch_add(&asked, 1);
    int now = atomic_fetch_add(&inside, 1) + 1;
    if (now > atomic_load(&most)) atomic_store(&most, now);
    if (strncmp(host, "slow", 4) == 0) {
        sem_post(&entered);
        while (sem_wait(&may_leave) != 0)
            ;
    }
    atomic_fetch_sub(&inside, 1);
    struct addrinfo numbers = *hints;
    numbers.ai_flags |= AI_NUMERICHOST;
    if (strncmp(host, "none", 4) == 0) return EAI_NONAME;
    if (strncmp(host, "again", 5) == 0) return EAI_AGAIN;
    return real("192.0.2.77", service, &numbers, list);
}

static void prepare(void)
{
    sem_init(&entered, 0, 0);
    sem_init(&may_leave, 0, 0);
}

static int ask(void *arg)
{
    const struct addrinfo hints = {.ai_family = AF_INET,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int err = asyncio__ask_libc(arg, "80", &hints, &list);
    if (err == 0) freeaddrinfo(list);
    return err;
}

// Until so many threads more are inside. Virtual time stands still meanwhile.
static int wait_for_entries(int count)
{
    int err = 0;
    while (err == 0 && count > 0)
        if (sem_trywait(&entered) == 0)
            count--;
        else
            err = asyncio_sleep(0);
    return err;
}

TEST(libc_is_asked_on_a_thread)
{
    prepare();
    EXPECT_EQ(ask((char[]){"a.libc"}), 0);
    EXPECT_EQ(ask((char[]){"none.libc"}), -ENOENT);
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), "none.libc");
    EXPECT_EQ(ask((char[]){"again.libc"}), -EAGAIN);
}

static int ask_forty(void *arg)
{
    static char names[40][16];
    struct asyncio_task *tasks[40];
    (void)arg;
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "slow%d.libc", i);
        tasks[i] = asyncio_create_task(ask, names[i]);
    }
    asyncio_ignore(asyncio_sleep(0));
    for (int i = 0; i < 40; i++)
        sem_post(&may_leave);
    for (int i = 0; i < 40; i++) {
        if (!tasks[i]) continue;
        EXPECT_EQ(asyncio_await(tasks[i]), 0);
        asyncio_task_release(tasks[i]);
    }
    return 0;
}

TEST_PLAIN(no_more_than_eight_threads_ask, .limit = 30)
{
    prepare();
    EXPECT_EQ(asyncio_run(ask_forty, NULL), 0);
    EXPECT_LE(atomic_load(&most), 8);
}

// Its thread stays behind, and virtual time is not held by it.
static int leave_one(void *arg)
{
    (void)arg;
    struct asyncio_task *task = asyncio_create_task(ask, (char[]){"slow.libc"});
    if (!task) return -ENOMEM;
    int err = wait_for_entries(1);
    if (err == 0) {
        asyncio_task_cancel(task);
        EXPECT_EQ(asyncio_await(task), -ECANCELED);
        EXPECT_EQ(asyncio_sleep(3600), 0);
    }
    asyncio_task_release(task);
    return err;
}

TEST_PLAIN(a_loop_does_not_wait_for_a_thread_that_was_left, .faulty = true)
{
    prepare();
    EXPECT_EQ(asyncio_run(leave_one, NULL), 0);
    // The loop is closed, and the thread is where it was.
    EXPECT_EQ(atomic_load(&inside), 1);
    EXPECT(!asyncio_testing_ledger_settle(0.001));
    sem_post(&may_leave);
    EXPECT(asyncio_testing_ledger_settle(10));
}

static struct asyncio_task *askers[12]; // more than there are threads

static int start_askers(void *arg)
{
    static char name[] = "slow.libc"; // most begin when this has returned
    (void)arg;
    for (int i = 0; i < 12; i++)
        askers[i] = asyncio_create_task(ask, name);
    return wait_for_entries(8);
}

TEST_PLAIN(a_loop_that_closes_leaves_who_still_asks, .faulty = true)
{
    struct asyncio_loop *loop = NULL;
    prepare();
    EXPECT_OR_RETURN(asyncio_new_event_loop(&loop) == 0);
    struct asyncio_coroutine starter = ASYNCIO_COROUTINE(start_askers, NULL);
    EXPECT_EQ(asyncio_loop_run_until_coroutine(loop, &starter), 0);
    for (int i = 0; i < 12; i++)
        asyncio_task_release(askers[i]);
    EXPECT_EQ(asyncio_loop_free(loop), 0);
    for (int i = 0; i < 12; i++)
        expect_report(-ECANCELED); // a task was pending
    EXPECT_EQ(atomic_load(&inside), 8);
    for (int i = 0; i < 12; i++)
        sem_post(&may_leave);
    EXPECT(asyncio_testing_ledger_settle(10));
    EXPECT_EQ(atomic_load(&asked), 8);
}

// ---- Names that servers do not know -----------------------------------------

static struct name_peer peer;
static struct asyncio_resolver *resolver;

static int look_up(const char *host)
{
    struct asyncio_addrinfo *list;
    int err = asyncio_getaddrinfo(host, "80", &list, .resolver = resolver);
    asyncio_freeaddrinfo(list);
    return err;
}

static bool start(const char *sources)
{
    char none[64], resolv[64], nsswitch[64];
    snprintf(none, sizeof none, "%s/none", test_folder());
    snprintf(resolv, sizeof resolv, "%s/resolv.conf", test_folder());
    snprintf(nsswitch, sizeof nsswitch, "%s/nsswitch.conf", test_folder());
    put_file("resolv.conf", "nameserver 127.0.0.1\n", 0644);
    put_file("nsswitch.conf", sources, 0644);
    prepare();
    if (!EXPECT_EQ(name_peer_start(&peer, "127.0.0.1", 0), 0)) return false;
    int err = asyncio_resolver_create(&resolver, .port = (int)peer.port,
                                      .hosts = none, .resolv_conf = resolv,
                                      .nsswitch_conf = nsswitch);
    if (EXPECT_EQ(err, 0)) return true;
    name_peer_stop(&peer);
    unlink(in_folder("resolv.conf"));
    unlink(in_folder("nsswitch.conf"));
    return false;
}

static void stop(void)
{
    asyncio_resolver_free(resolver);
    resolver = NULL;
    name_peer_stop(&peer);
    unlink(in_folder("resolv.conf"));
    unlink(in_folder("nsswitch.conf"));
}

TEST(files_and_dns_need_no_libc)
{
    EXPECT_OR_RETURN(start("passwd: files ldap\n"
                           "hosts: files [!UNAVAIL=return] dns # and nis\n"));
    EXPECT_EQ(look_up("none.test"), -ENOENT);
    EXPECT_EQ(look_up("ok"), 0); // of the server
    EXPECT_EQ(atomic_load(&asked), 0);
    stop();
}

TEST(other_sources_are_asked_for_what_servers_do_not_know)
{
    EXPECT_OR_RETURN(start("hosts: files mdns4 [NOTFOUND=return] dns\n"));
    EXPECT_EQ(look_up("ok.test"), 0);
    EXPECT_EQ(atomic_load(&asked), 0);
    EXPECT_EQ(look_up("empty.test"), 0); // the server does not know it
    EXPECT_EQ(atomic_load(&asked), 1);
    EXPECT_EQ(look_up("none.test"), -ENOENT);
    EXPECT_EQ(look_up("fail.test"), -EAGAIN); // it may know it
    EXPECT_EQ(atomic_load(&asked), 2);
    stop();
}

TEST(local_names_are_asked_of_libc_alone)
{
    EXPECT_OR_RETURN(start("hosts: files mdns4_minimal dns\n"));
    EXPECT_EQ(look_up("printer.local"), 0);
    EXPECT_EQ(look_up("printer.LOCAL."), 0);
    EXPECT_EQ(look_up("printer"), 0);
    EXPECT_EQ(atomic_load(&asked), 3);
    EXPECT_EQ(atomic_load(&peer.queries), 0);
    EXPECT_EQ(look_up("ok.notlocal"), 0);
    EXPECT_EQ(atomic_load(&asked), 3);
    stop();
}

TEST(sources_that_change_are_noticed)
{
    EXPECT_OR_RETURN(start("hosts: files dns\n"));
    EXPECT_EQ(look_up("none.test"), -ENOENT);
    EXPECT_EQ(atomic_load(&asked), 0);
    put_file("nsswitch.conf", "hosts: files dns myhostname\n", 0644);
    EXPECT_EQ(asyncio_sleep(1.1), 0);
    EXPECT_EQ(look_up("empty.test"), 0);
    EXPECT_EQ(atomic_load(&asked), 1);
    stop();
}
