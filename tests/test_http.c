// The HTTP client against a server that does everything it should not.
//
// A failed or cancelled download leaves no file: the runner looks into the
// folder, at the descriptors and at the memory after each test.

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asyncio/dns.h>
#include <asyncio/http.h>

#include "http_server/server.h"
#include "name_peer.h"
#include "runner/runner.h"

static struct http_server web;
static struct name_peer names;
static struct asyncio_resolver *resolver;
static struct asyncio_http_client *client;

static void stop(void)
{
    asyncio_http_client_free(client);
    asyncio_resolver_free(resolver);
    client = NULL;
    resolver = NULL;
    name_peer_stop(&names);
    http_server_stop(&web);
}

static bool start(void)
{
    if (!EXPECT_EQ(http_server_start(&web), 0) ||
        !EXPECT_EQ(name_peer_start(&names, "127.0.0.1", 0), 0))
        return false;
    int err = asyncio_resolver_create(&resolver, .servers = names.address);
    if (err == 0)
        err = asyncio_http_client_create(&client, .resolver = resolver);
    if (EXPECT_EQ(err, 0)) return true;
    stop();
    return false;
}

// Good until the fourth call after this one.
static const char *url_at(const char *host, unsigned port, const char *path)
{
    static char text[4][1024];
    static unsigned next;
    char *place = text[next++ % 4];
    snprintf(place, sizeof *text, "http://%s:%u%s", host, port, path);
    return place;
}

static const char *url(const char *path)
{
    return url_at("127.0.0.1", web.port, path);
}

static const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

// Looks whether the file has the first `count` bytes of every body, and removes
// it.
static bool is_body(const char *path, size_t count)
{
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool same = true;
    for (size_t i = 0; i < count && same; i++) {
        int byte = getc(file);
        same = byte != EOF && (char)byte == http_server_byte(i);
    }
    same = same && getc(file) == EOF;
    fclose(file);
    unlink(path);
    return same;
}

static bool is_missing(const char *path)
{
    return access(path, F_OK) < 0;
}

// ---- What should work -------------------------------------------------------

static void download_each_size(const char *way)
{
    if (!start()) return;
    const char *path = in_folder("a");
    static const size_t sizes[] = {0, 1, 16384, 70000, 3000000};
    for (size_t i = 0; i < 5; i++) {
        char text[64];
        snprintf(text, sizeof text, "/%s/%zu", way, sizes[i]);
        EXPECT_EQ(asyncio_http_download(client, url(text), path), 0);
        EXPECT(is_body(path, sizes[i]));
    }
    stop();
}

TEST(a_body_of_stated_length_arrives_whole, .real_time = true)
{
    download_each_size("ok");
}

TEST(a_body_in_chunks_arrives_whole, .real_time = true)
{
    download_each_size("chunked");
}

TEST(a_body_until_the_connection_ends_arrives_whole, .real_time = true)
{
    download_each_size("close");
}

TEST(a_download_replaces_a_file_and_has_usual_permissions, .real_time = true)
{
    if (!start()) return;
    const char *path = in_folder("a");
    EXPECT_EQ(asyncio_http_download(client, url("/ok/100"), path), 0);
    EXPECT_EQ(asyncio_http_download(client, url("/ok/50"), path), 0);
    struct stat found;
    EXPECT_EQ(stat(path, &found), 0);
    mode_t mask = umask(0);
    umask(mask);
    EXPECT_EQ(found.st_mode & 0777, 0666 & ~mask);
    EXPECT(is_body(path, 50));
    stop();
}

TEST(get_hands_over_a_body_and_its_length, .real_time = true)
{
    if (!start()) return;
    char body[11];
    EXPECT_EQ(asyncio_http_get(client, url("/ok/10"), body, sizeof body), 10);
    EXPECT_EQ(strlen(body), 10);
    EXPECT_EQ(body[9], http_server_byte(9));
    EXPECT_EQ(asyncio_http_get(client, url("/ok/11"), body, sizeof body),
              -EMSGSIZE);
    EXPECT_EQ(asyncio_http_get(client, url("/chunked/11"), body, sizeof body),
              -EMSGSIZE);
    EXPECT_EQ(asyncio_http_get(client, url("/ok/0"), body, 1), 0);
    EXPECT_EQ(asyncio_http_get(client, url("/ok/0"), body, 0), -EINVAL);
    stop();
}

TEST(a_cancelled_scope_ends_requests, .real_time = true)
{
    if (!start()) return;
    char body[11];
    ASYNCIO_WITH_CANCEL_SCOPE(scope);
    asyncio_cancel_scope_cancel(&scope);
    int err = asyncio_http_get(client, url("/ok/10"), body, sizeof body);
    EXPECT_EQ(err, -ECANCELED);
    err = asyncio_http_download(client, url("/ok/10"), in_folder("a"));
    EXPECT_EQ(asyncio_cancel_scope_exit(&scope, err), 0);
    EXPECT(asyncio_cancel_scope_caught(&scope));
    stop();
}

TEST(a_connection_is_used_again, .real_time = true)
{
    if (!start()) return;
    char body[11];
    for (int i = 0; i < 20; i++)
        EXPECT_EQ(asyncio_http_get(client, url("/ok/10"), body, sizeof body),
                  10);
    EXPECT_EQ(atomic_load(&web.accepted), 1);
    EXPECT_EQ(atomic_load(&web.requests), 20);
    stop();
}

static int get_chunked(void *arg)
{
    (void)arg;
    char body[5001];
    return asyncio_http_get(client, url("/chunked/5000"), body, sizeof body);
}

TEST(many_requests_share_a_client, .real_time = true)
{
    if (!start()) return;
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < 100; i++)
        asyncio_task_group_create_task(&group, get_chunked, NULL);
    EXPECT_EQ(asyncio_task_group_exit(&group, 0), 0);
    EXPECT_EQ(atomic_load(&web.requests), 100);
    stop();
}

TEST(a_name_is_resolved_on_the_loop, .real_time = true)
{
    if (!start()) return;
    char body[11];
    EXPECT_EQ(asyncio_http_get(client, url_at("here.test", web.port, "/ok/10"),
                               body, sizeof body),
              10);
    EXPECT_GE(atomic_load(&names.queries), 1);
    stop();
}

// The server listens on one of the two addresses of that name only.
TEST(all_addresses_are_tried, .real_time = true)
{
    if (!start()) return;
    char body[11];
    EXPECT_EQ(asyncio_http_get(client, url_at("both.test", web.port, "/ok/10"),
                               body, sizeof body),
              10);
    stop();
}

TEST(a_proxy_in_the_environment_is_ignored, .real_time = true)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    if (!start()) return;
    char body[11];
    EXPECT_EQ(asyncio_http_get(client, url("/ok/10"), body, sizeof body), 10);
    stop();
}

// ---- Redirects --------------------------------------------------------------

TEST(redirects_are_followed, .real_time = true)
{
    if (!start()) return;
    char body[11], to[512];
    EXPECT_EQ(asyncio_http_get(client, url("/redirect/10"), body, sizeof body),
              10);
    snprintf(to, sizeof to, "/to?%s",
             url_at("here.test", web.port, "/ok/10#part"));
    EXPECT_EQ(asyncio_http_get(client, url(to), body, sizeof body), 10);
    EXPECT_GE(atomic_load(&names.queries), 1);
    EXPECT_EQ(asyncio_http_get(client, url("/long-way"), body, sizeof body),
              10);
    stop();
}

TEST(redirects_have_an_end, .real_time = true)
{
    if (!start()) return;
    char body[11];
    EXPECT_EQ(asyncio_http_get(client, url("/redirect/11"), body, sizeof body),
              -ELOOP);
    EXPECT_CONTAINS(asyncio_strerror(-ELOOP), "/redirect/11");
    EXPECT_EQ(asyncio_http_get(client, url("/loop"), body, sizeof body),
              -ELOOP);
    EXPECT_EQ(asyncio_http_get(client, url("/redirect/2"), body, sizeof body,
                               .max_redirects = 1),
              -ELOOP);
    EXPECT_EQ(asyncio_http_get(client, url("/redirect/1"), body, sizeof body,
                               .max_redirects = -1),
              -EPROTO);
    EXPECT_CONTAINS(asyncio_strerror(-EPROTO), "302 Found");
    stop();
}

TEST(a_redirect_leads_to_web_servers_only, .real_time = true)
{
    if (!start()) return;
    static const char *const targets[] = {
        "/to?file:///etc/passwd", "/to?gopher://127.0.0.1/",
        "/to?ftp://127.0.0.1/", "/to?http://user:secret@127.0.0.1/",
        "/to?http://"};
    char body[11];
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        EXPECT_EQ(asyncio_http_get(client, url(targets[i]), body, sizeof body),
                  -EPROTO);
        EXPECT_CONTAINS(asyncio_strerror(-EPROTO), "redirected to");
        EXPECT_CONTAINS(asyncio_strerror(-EPROTO), url(targets[i]));
    }
    stop();
}

// ---- What servers do wrong --------------------------------------------------

// Downloads, expects the code and that the words have the URL and `part`.
static void expect_failure(const char *from, int code, const char *part)
{
    const char *path = in_folder("a");
    EXPECT_EQ(asyncio_http_download(client, from, path), code);
    EXPECT_CONTAINS(asyncio_strerror(code), from);
    EXPECT_CONTAINS(asyncio_strerror(code), part);
    EXPECT(is_missing(path));
}

TEST(a_status_that_is_not_2xx_is_named, .real_time = true)
{
    if (!start()) return;
    expect_failure(url("/status/404"), -EPROTO, "404 Not Found");
    expect_failure(url("/status/500"), -EPROTO, "500 As Asked");
    expect_failure(url("/status/304"), -EPROTO, "304");
    expect_failure(url("/status/301"), -EPROTO, "301");
    stop();
}

TEST(a_server_that_breaks_off_is_named, .real_time = true)
{
    if (!start()) return;
    expect_failure(url("/truncated"), -ECONNRESET, "cut short");
    expect_failure(url("/nothing"), -ECONNRESET, "hung up");
    expect_failure(url("/reset"), -ECONNRESET, "");
    expect_failure(url("/garbage"), -EPROTO, "");
    expect_failure(url("/headers"), -EPROTO, "headers");
    stop();
}

TEST(nobody_there_is_named, .real_time = true)
{
    if (!start()) return;
    // A port that was just free.
    struct http_server gone;
    EXPECT_EQ(http_server_start(&gone), 0);
    http_server_stop(&gone);
    expect_failure(url_at("127.0.0.1", gone.port, "/"), -ECONNREFUSED,
                   "Connection refused");
    expect_failure("http://none.test/", -ENOENT, "unknown host 'none.test'");
    expect_failure("http://fail.test/", -EAGAIN, "fail.test");
    stop();
}

TEST(a_body_has_a_bound, .real_time = true)
{
    if (!start()) return;
    const char *path = in_folder("a");
    EXPECT_EQ(asyncio_http_download(client, url("/endless"), path,
                                    .max_bytes = 100000),
              -EFBIG);
    EXPECT_CONTAINS(asyncio_strerror(-EFBIG), "/endless");
    EXPECT_EQ(
        asyncio_http_download(client, url("/ok/101"), path, .max_bytes = 100),
        -EFBIG);
    EXPECT(is_missing(path));
    EXPECT_EQ(
        asyncio_http_download(client, url("/ok/100"), path, .max_bytes = 100),
        0);
    EXPECT(is_body(path, 100));
    stop();
}

TEST(the_limit_covers_everything, .real_time = true)
{
    if (!start()) return;
    struct full_listener full;
    EXPECT_EQ(full_listener_open(&full), 0);
    const char *path = in_folder("a");
    const char *const urls[] = {
        url("/slow"),
        url("/silence"),
        url_at("127.0.0.1", full.port, "/"),
        url_at("dead.test", web.port, "/"),
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        EXPECT_EQ(asyncio_http_download(client, urls[i], path, .timeout = 0.05),
                  -ETIMEDOUT);
        EXPECT_CONTAINS(asyncio_strerror(-ETIMEDOUT), urls[i]);
        EXPECT_CONTAINS(asyncio_strerror(-ETIMEDOUT), "0.05 seconds");
        EXPECT(is_missing(path));
    }
    full_listener_close(&full);
    stop();
}

// ---- What callers do wrong --------------------------------------------------

TEST(a_url_that_is_none_is_refused, .real_time = true)
{
    if (!start()) return;
    static char longest[9000];
    memset(longest, 'a', sizeof longest - 1);
    memcpy(longest, "http://", 7);
    const char *const urls[] = {
        "",
        "example.com/x",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\nb",
        "http://127.0.0.1:99999/",
        "http://user@127.0.0.1/",
        "javascript:alert(1)",
        "http://[fe80::1%25lo]/",
        longest,
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        int err = asyncio_http_download(client, urls[i], in_folder("a"));
        if (!EXPECT_EQ(err, -EINVAL)) printf("# %.80s\n", urls[i]);
        EXPECT_CONTAINS(asyncio_strerror(-EINVAL), "GET ");
    }
    EXPECT_EQ(asyncio_http_download(client, NULL, in_folder("a")), -EINVAL);
    EXPECT_EQ(asyncio_http_download(client, url("/ok/1"), NULL), -EINVAL);
    EXPECT_EQ(asyncio_http_download(NULL, url("/ok/1"), in_folder("a")),
              -EINVAL);
    EXPECT_EQ(asyncio_http_download(client, url("/ok/1"), in_folder("a"),
                                    .timeout = -1),
              -EINVAL);
    EXPECT_EQ(asyncio_http_download(client, url("/ok/1"), in_folder("a"),
                                    .max_redirects = -2),
              -EINVAL);
    EXPECT_EQ(atomic_load(&web.requests), 0);
    stop();
}

TEST(a_file_that_cannot_be_written_is_named, .real_time = true)
{
    if (!start()) return;
    char path[600];
    snprintf(path, sizeof path, "%s/none/a", test_folder());
    EXPECT_EQ(asyncio_http_download(client, url("/ok/10"), path), -ENOENT);
    EXPECT_CONTAINS(asyncio_strerror(-ENOENT), path);
    EXPECT_EQ(asyncio_http_download(client, url("/ok/10"), test_folder()),
              -EISDIR);
    EXPECT_CONTAINS(asyncio_strerror(-EISDIR), test_folder());
    // Nobody may write there, not even root.
    EXPECT_LT(asyncio_http_download(client, url("/ok/10"), "/proc/none"), 0);
    // To replace a device would be a disaster.
    EXPECT_EQ(asyncio_http_download(client, url("/ok/10"), "/dev/null"),
              -EINVAL);
    stop();
}

static bool put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file) return false;
    fputs(text, file);
    return fclose(file) == 0;
}

// Whoever has no number in the namespace may make no files there.
static bool map_to_itself(const char *name, unsigned number)
{
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/self/%s", name);
    snprintf(text, sizeof text, "%u %u 1", number, number);
    return put(path, text);
}

// Puts a file system of `size` on `folder`, which only this process sees. False
// where that is not allowed.
static bool mount_small(const char *folder, const char *size)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    if (unshare(CLONE_NEWNS | (user == 0 ? 0 : CLONE_NEWUSER)) < 0)
        return false;
    if (user != 0 && !(map_to_itself("uid_map", user) &&
                       put("/proc/self/setgroups", "deny") &&
                       map_to_itself("gid_map", group)))
        return false;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", folder, "tmpfs", 0, size) == 0;
}

TEST(a_full_disk_is_named_and_leaves_nothing, .real_time = true)
{
    char folder[512], path[600];
    snprintf(folder, sizeof folder, "%s/small", test_folder());
    snprintf(path, sizeof path, "%s/a", folder);
    EXPECT_EQ(mkdir(folder, 0755), 0);
    bool mounted = mount_small(folder, "size=65536");
    if (mounted && start()) {
        EXPECT_EQ(asyncio_http_download(client, url("/ok/200000"), path),
                  -ENOSPC);
        EXPECT_CONTAINS(asyncio_strerror(-ENOSPC), path);
        EXPECT_CONTAINS(asyncio_strerror(-ENOSPC), "/ok/200000");
        EXPECT(is_missing(path));
        // Nothing is left that would take up the room.
        EXPECT_EQ(asyncio_http_download(client, url("/ok/60000"), path), 0);
        EXPECT(is_body(path, 60000));
        stop();
    }
    if (mounted)
        EXPECT_EQ(umount2(folder, MNT_DETACH), 0);
    else
        printf("# this process may not mount a small disk\n");
    EXPECT_EQ(rmdir(folder), 0);
}

// ---- Cancelling -------------------------------------------------------------

struct job {
    const char *url;
    int err;
};

static int download(void *arg)
{
    struct job *job = arg;
    job->err = asyncio_http_download(client, job->url, in_folder("a"));
    return job->err;
}

// Waits until the servers have counted so far, or the task has ended.
static bool wait_for(const struct asyncio_task *task, atomic_int *count,
                     int least)
{
    while (atomic_load(count) < least && !asyncio_task_done(task))
        asyncio_ignore(asyncio_sleep(0.001));
    return !asyncio_task_done(task);
}

// Cancels a download when it has made the servers count `more`. Returns 1 if it
// had not ended before.
static int cancel_when(const char *from, atomic_int *count, int more)
{
    struct job job = {.url = from, .err = -ECANCELED}; // if it never begins
    int least = atomic_load(count) + more;
    struct asyncio_task *task = asyncio_create_task(download, &job);
    for (int i = 0; i < 10; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    int stuck = wait_for(task, count, least);
    asyncio_task_cancel(task);
    EXPECT_EQ(asyncio_await(task), -ECANCELED);
    EXPECT_EQ(job.err, -ECANCELED);
    EXPECT(is_missing(in_folder("a")));
    asyncio_task_release(task);
    return stuck;
}

TEST(a_download_is_cancelled_in_each_phase, .real_time = true)
{
    if (!start()) return;
    struct full_listener full;
    EXPECT_EQ(full_listener_open(&full), 0);
    atomic_int at_once = 0;
    cancel_when(url_at("dead.test", web.port, "/"), &names.queries, 1);
    cancel_when(url_at("127.0.0.1", full.port, "/"), &at_once, 0);
    int stuck = cancel_when(url("/silence"), &web.waiting, 1);
    stuck += cancel_when(url("/stall"), &web.waiting, 1);
    stuck += cancel_when(url("/slow"), &web.waiting, 3);
    // The server sees each of them hang up.
    while (atomic_load(&web.ended) < stuck)
        asyncio_ignore(asyncio_sleep(0.001));
    full_listener_close(&full);
    stop();
}

TEST(a_download_is_cancelled_at_any_moment, .real_time = true, .limit = 60)
{
    if (!start()) return;
    const char *from = url_at("here.test", web.port, "/chunked/300000");
    for (int passes = 0; passes < 100; passes++) {
        struct job job = {.url = from, .err = -EINPROGRESS};
        struct asyncio_task *task = asyncio_create_task(download, &job);
        for (int i = 0; i < passes; i++)
            EXPECT_EQ(asyncio_sleep(0), 0);
        asyncio_task_cancel(task);
        int err = asyncio_await(task);
        EXPECT(err == 0 || err == -ECANCELED);
        // A cancel that came too late for the download ends the task all the
        // same; the file is there if the download says so.
        if (job.err == 0)
            EXPECT(is_body(in_folder("a"), 300000));
        else
            EXPECT(is_missing(in_folder("a")));
        asyncio_task_release(task);
    }
    stop();
}

TEST(a_cancel_within_a_limit_stays_a_cancel, .real_time = true)
{
    if (!start()) return;
    EXPECT_EQ(
        asyncio_wait_for(asyncio_http_download(client, url("/stall"),
                                               in_folder("a"), .timeout = 3600),
                         0.05),
        -ETIMEDOUT);
    // It was not the download's own limit, so the words are not about that.
    EXPECT(!strstr(asyncio_strerror(-ETIMEDOUT), "3600"));
    stop();
}

// ---- The client -------------------------------------------------------------

TEST(freeing_a_client_in_use_ends_its_requests, .real_time = true)
{
    if (!start()) return;
    struct job jobs[] = {{url("/stall"), 0},
                         {"http://no-such-host.invalid/", 0}};
    struct asyncio_task *stalled = asyncio_create_task(download, &jobs[0]);
    bool in_use = wait_for(stalled, &web.waiting, 1);
    asyncio_http_client_free(client);
    // It is there until the last request has ended, and takes no new one.
    if (EXPECT(in_use))
        EXPECT_EQ(asyncio_http_download(client, url("/ok/1"), in_folder("a")),
                  -ESHUTDOWN);
    EXPECT_EQ(asyncio_await(stalled), -ESHUTDOWN);
    EXPECT_EQ(jobs[0].err, -ESHUTDOWN);
    asyncio_task_release(stalled);

    // One that looks a name up, by a resolver of the client's own.
    EXPECT_EQ(asyncio_http_client_create(&client), 0);
    struct asyncio_task *looking = asyncio_create_task(download, &jobs[1]);
    EXPECT_EQ(asyncio_sleep(0), 0);
    asyncio_http_client_free(client);
    EXPECT_LT(asyncio_await(looking), 0);
    asyncio_task_release(looking);
    client = NULL;
    stop();
}

TEST_PLAIN(outside_a_loop_there_is_no_client)
{
    EXPECT_EQ(asyncio_http_client_create(&client), -EPERM);
    asyncio_http_client_free(NULL);
}
