// Servers: who is served, how a server ends, and what an unlucky handler does
// to the others.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runner/runner.h"

#define HERE "127.0.0.1"

static void let_others_run(void)
{
    for (int i = 0; i < 8; i++)
        EXPECT_EQ(asyncio_sleep(0), 0);
    EXPECT_EQ(asyncio_sleep(0.001), 0);
}

static int echo(struct asyncio_stream *stream, void *arg)
{
    char line[64];
    int len, *served = arg;
    if (served) ++*served;
    while ((len = asyncio_stream_readline(stream, line, sizeof line)) > 0) {
        int err = asyncio_stream_write(stream, line, (size_t)len);
        if (err < 0) return err;
    }
    trace("client %d", len);
    return len;
}

static struct asyncio_stream *connect_to(struct asyncio_server *server)
{
    struct asyncio_stream *stream = NULL;
    int port = asyncio_server_port(server);
    EXPECT_EQ(asyncio_open_connection(&stream, HERE, port), 0);
    return stream;
}

static void drop(struct asyncio_stream *stream)
{
    asyncio_stream_abort(stream);
    if (stream) EXPECT_LE(asyncio_stream_wait_closed(stream), 0);
    asyncio_stream_free(stream);
}

// The same calls for a stream that there may not be.
static int read_some(struct asyncio_stream *stream, void *out, size_t size)
{
    return stream ? asyncio_stream_read(stream, out, size) : -EBADF;
}

static int read_exactly(struct asyncio_stream *stream, void *out, size_t size)
{
    return stream ? asyncio_stream_readexactly(stream, out, size) : -EBADF;
}

static bool is_served(struct asyncio_stream *stream)
{
    char line[64] = "";
    if (!stream || asyncio_stream_write(stream, "hello\n", 6) < 0) return false;
    return asyncio_stream_readline(stream, line, sizeof line) == 6;
}

static void end(struct asyncio_server *server)
{
    asyncio_server_close(server);
    asyncio_server_abort_clients(server);
    EXPECT_EQ(asyncio_server_wait_closed(server), 0);
}

static int wait_closed_job(void *server)
{
    return asyncio_server_wait_closed(server);
}

static struct asyncio_task *wait_for_end(struct asyncio_server *server)
{
    struct asyncio_task *task = asyncio_create_task(wait_closed_job, server);
    let_others_run();
    return task;
}

static int finish(struct asyncio_task *task)
{
    int result = asyncio_await(task);
    asyncio_task_release(task);
    return result;
}

// --- serving ----------------------------------------------------------------

TEST(nobody_is_served_before_the_server_starts)
{
    CONFORMS("SRV-01");
    struct asyncio_server server;
    int served = 0;
    int err = asyncio_start_server(&server, echo, &served, HERE, 0,
                                   .manual_start = true);
    EXPECT_OR_RETURN(err == 0);
    EXPECT(!asyncio_server_is_serving(&server));
    struct asyncio_stream *client = connect_to(&server);
    let_others_run();
    EXPECT_EQ(served, 0);
    EXPECT_EQ(asyncio_server_clients(&server), 0);
    EXPECT_EQ(asyncio_server_start(&server), 0);
    EXPECT_EQ(asyncio_server_start(&server), 0);
    EXPECT(asyncio_server_is_serving(&server));
    EXPECT(is_served(client));
    EXPECT_EQ(served, 1);
    EXPECT_EQ(asyncio_server_clients(&server), 1);
    drop(client);
    let_others_run();
    end(&server);
    EXPECT_TRACE("client 0");
}

static struct asyncio_context_var site = ASYNCIO_CONTEXT_VAR("site");

static int say_site(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    const char *name = asyncio_context_var_get(&site);
    int err = asyncio_context_var_set(&site, "a handler's own");
    if (err < 0 || !name) return err < 0 ? err : -ENODATA;
    return asyncio_stream_write(stream, name, strlen(name));
}

// asyncio's callback that accepts runs in the context of start_server.
TEST(handlers_begin_with_the_variables_of_who_made_the_server)
{
    struct asyncio_server server;
    EXPECT_OR_RETURN(asyncio_context_var_set(&site, "north") == 0);
    EXPECT_OR_RETURN(asyncio_start_server(&server, say_site, NULL, HERE, 0) ==
                     0);
    EXPECT_EQ(asyncio_context_var_set(&site, "south"), 0);
    for (int i = 0; i < 2; i++) {
        char name[16] = "";
        struct asyncio_stream *stream = connect_to(&server);
        EXPECT_EQ(read_exactly(stream, name, 5), 5);
        EXPECT_STR(name, "north");
        drop(stream);
    }
    EXPECT_STR(asyncio_context_var_get(&site), "south");
    end(&server);
}

TEST(two_clients_are_served_side_by_side)
{
    struct asyncio_server server;
    EXPECT_OR_RETURN(asyncio_start_server(&server, echo, NULL, HERE, 0) == 0);
    struct asyncio_stream *one = connect_to(&server);
    struct asyncio_stream *two = connect_to(&server);
    for (int i = 0; i < 3; i++) {
        EXPECT(is_served(one));
        EXPECT(is_served(two));
    }
    drop(one);
    EXPECT(is_served(two));
    drop(two);
    end(&server);
}

static int serve_for_ever(void *server)
{
    return asyncio_server_serve_forever(server);
}

TEST(a_cancelled_serve_forever_waits_for_its_connections)
{
    CONFORMS("SRV-02");
    struct asyncio_server server;
    EXPECT_OR_RETURN(asyncio_start_server(&server, echo, NULL, HERE, 0,
                                          .manual_start = true) == 0);
    struct asyncio_task *task = asyncio_create_task(serve_for_ever, &server);
    let_others_run();
    EXPECT(asyncio_server_is_serving(&server));
    EXPECT_EQ(asyncio_wait_for(asyncio_server_serve_forever(&server), 5),
              -EBUSY);
    struct asyncio_stream *client = connect_to(&server);
    EXPECT(is_served(client));

    asyncio_task_cancel(task);
    let_others_run();
    EXPECT(!asyncio_server_is_serving(&server));
    EXPECT(!asyncio_task_done(task));
    EXPECT(is_served(client));
    drop(client);
    EXPECT_EQ(finish(task), -ECANCELED);
    EXPECT_EQ(asyncio_server_serve_forever(&server), -ESHUTDOWN);
    EXPECT_EQ(asyncio_server_start(&server), -ESHUTDOWN);
}

TEST(serve_forever_ends_when_the_server_is_closed)
{
    struct asyncio_server server;
    EXPECT_OR_RETURN(asyncio_start_server(&server, echo, NULL, HERE, 0) == 0);
    struct asyncio_task *task = asyncio_create_task(serve_for_ever, &server);
    let_others_run();
    asyncio_server_close(&server);
    EXPECT_EQ(finish(task), -ESHUTDOWN);
}

// --- the end ----------------------------------------------------------------

TEST(wait_closed_waits_for_the_close_and_the_last_connection)
{
    CONFORMS("SRV-03");
    struct asyncio_server server;
    EXPECT_OR_RETURN(asyncio_start_server(&server, echo, NULL, HERE, 0) == 0);
    struct asyncio_task *task = wait_for_end(&server);
    EXPECT(!asyncio_task_done(task));
    struct asyncio_stream *client = connect_to(&server);
    EXPECT(is_served(client));
    int port = asyncio_server_port(&server);

    asyncio_server_close(&server);
    asyncio_server_close(&server);
    let_others_run();
    EXPECT(!asyncio_task_done(task));
    EXPECT(is_served(client));
    struct asyncio_stream *late = NULL;
    EXPECT_EQ(asyncio_open_connection(&late, HERE, port), -ECONNREFUSED);
    EXPECT_EQ(asyncio_server_port(&server), -ESHUTDOWN);
    EXPECT_EQ(asyncio_server_fileno(&server, 0), -ESHUTDOWN);

    asyncio_stream_close(client);
    EXPECT_EQ(finish(task), 0);
    EXPECT_EQ(asyncio_server_wait_closed(&server), 0);
    drop(client);
}

TEST(clients_closed_in_a_graceful_way_read_the_end)
{
    CONFORMS("SRV-04");
    struct asyncio_server server;
    EXPECT_OR_RETURN(asyncio_start_server(&server, echo, NULL, HERE, 0) == 0);
    struct asyncio_stream *one = connect_to(&server);
    struct asyncio_stream *two = connect_to(&server);
    EXPECT(is_served(one));
    EXPECT(is_served(two));
    struct asyncio_task *task = wait_for_end(&server);
    asyncio_server_close(&server);
    EXPECT(!asyncio_task_done(task));
    asyncio_server_close_clients(&server);
    EXPECT_EQ(finish(task), 0);
    EXPECT_TRACE("client 0", "client 0");
    char byte;
    EXPECT_EQ(read_some(one, &byte, 1), 0);
    EXPECT_EQ(read_some(two, &byte, 1), 0);
    drop(one);
    drop(two);
}

static int say_goodbye(struct asyncio_stream *stream, void *arg)
{
    char byte;
    (void)arg;
    int err = asyncio_stream_read(stream, &byte, 1);
    EXPECT_EQ(err, 0);
    EXPECT(asyncio_stream_at_eof(stream));
    EXPECT_EQ(asyncio_sleep(1), 0);
    return asyncio_stream_write(stream, "bye", 3);
}

TEST(a_handler_may_answer_after_its_client_was_told_to_end)
{
    struct asyncio_server server;
    EXPECT_OR_RETURN(
        asyncio_start_server(&server, say_goodbye, NULL, HERE, 0) == 0);
    struct asyncio_stream *client = connect_to(&server);
    let_others_run();
    asyncio_server_close(&server);
    asyncio_server_close_clients(&server);
    char out[8];
    EXPECT_EQ(read_exactly(client, out, 3), 3);
    EXPECT_EQ(read_some(client, out, 8), 0);
    EXPECT_EQ(asyncio_server_wait_closed(&server), 0);
    drop(client);
}

static int flood(struct asyncio_stream *stream, void *arg)
{
    static const char some[65536];
    int err = 0;
    (void)arg;
    while (err == 0)
        err = asyncio_stream_write(stream, some, sizeof some);
    trace("flood %d", err);
    return err;
}

static int linger(struct asyncio_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    int err = asyncio_sleep(1e6);
    trace("linger %d", err);
    return err;
}

TEST(aborted_clients_end_at_once)
{
    struct asyncio_server floods, lingers;
    EXPECT_OR_RETURN(asyncio_start_server(&floods, flood, NULL, HERE, 0) == 0);
    if (!EXPECT_EQ(asyncio_start_server(&lingers, linger, NULL, HERE, 0), 0)) {
        end(&floods);
        return;
    }
    struct asyncio_stream *one = connect_to(&floods);
    struct asyncio_stream *two = connect_to(&lingers);
    let_others_run();
    asyncio_server_close(&floods);
    asyncio_server_close_clients(&floods);
    let_others_run();
    EXPECT_EQ(asyncio_server_clients(&floods), 1);
    EXPECT_EQ(asyncio_server_clients(&lingers), 1);
    end(&floods);
    end(&lingers);
    EXPECT_TRACE("flood -125", "linger -125");
    drop(one);
    drop(two);
}

TEST(a_closed_server_is_closed_whatever_is_asked)
{
    struct asyncio_server none = {0};
    EXPECT_EQ(asyncio_server_wait_closed(&none), 0);
    EXPECT_EQ(asyncio_server_start(&none), -ESHUTDOWN);
    EXPECT_EQ(asyncio_server_serve_forever(&none), -ESHUTDOWN);
    EXPECT_EQ(asyncio_server_port(&none), -ESHUTDOWN);
    EXPECT_EQ(asyncio_server_fileno(&none, 0), -ESHUTDOWN);
    EXPECT_EQ(asyncio_server_clients(&none), 0);
    EXPECT(!asyncio_server_is_serving(&none));
    asyncio_server_close(&none);
    asyncio_server_close_clients(&none);
    asyncio_server_abort_clients(&none);
}

TEST(a_forgotten_handle_leaves_nothing_behind)
{
    for (int i = 0; i < 3; i++) {
        struct asyncio_server server;
        int err = asyncio_start_server(&server, echo, NULL, HERE, 0);
        if (!EXPECT_EQ(err, 0)) return;
        asyncio_server_close(&server);
    }
    let_others_run();
}

static int leave_all_open(void *arg)
{
    struct asyncio_server *server = arg;
    int err = asyncio_start_server(server, linger, NULL, HERE, 0);
    if (err < 0) return err;
    struct asyncio_stream *client = connect_to(server);
    let_others_run();
    asyncio_stream_free(client);
    return 0;
}

TEST_PLAIN(a_server_that_was_left_open_ends_with_its_loop)
{
    static struct asyncio_server server;
    EXPECT_EQ(asyncio_run(leave_all_open, &server), 0);
    EXPECT_TRACE("linger -125");
}

// --- Unix sockets -----------------------------------------------------------

static const char *in_folder(const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

// What a server could not look at again, it has left.
static void expect_gone(const char *path)
{
    if (!EXPECT(!exists(path))) unlink(path);
}

TEST(a_unix_server_removes_its_path)
{
    CONFORMS("SRV-05");
    struct asyncio_server server;
    const char *path = in_folder("a");
    int err = asyncio_start_unix_server(&server, echo, NULL, path);
    EXPECT_OR_RETURN(err == 0);
    EXPECT(exists(path));
    struct asyncio_stream *client = NULL;
    EXPECT_EQ(asyncio_open_unix_connection(&client, path), 0);
    EXPECT(is_served(client));
    EXPECT_EQ(asyncio_server_port(&server), -ENOENT);
    drop(client);
    end(&server);
    expect_gone(path);
}

TEST(a_unix_server_keeps_its_path_if_told_to)
{
    CONFORMS("SRV-05");
    struct asyncio_server server;
    const char *path = in_folder("a");
    int err =
        asyncio_start_unix_server(&server, echo, NULL, path, .keep_path = true);
    EXPECT_OR_RETURN(err == 0);
    end(&server);
    EXPECT(exists(path));

    // A socket that nobody serves is in nobody's way.
    err = asyncio_start_unix_server(&server, echo, NULL, path);
    EXPECT_EQ(err, 0);
    if (err == 0) end(&server);
    unlink(path);
}

TEST(a_unix_server_leaves_what_has_taken_its_place)
{
    CONFORMS("SRV-05");
    struct asyncio_server first, second;
    const char *path = in_folder("a");
    EXPECT_OR_RETURN(asyncio_start_unix_server(&first, echo, NULL, path) == 0);
    int err = asyncio_start_unix_server(&second, echo, NULL, path);
    EXPECT_EQ(err, 0);
    end(&first);
    if (err == 0) {
        EXPECT(exists(path));
        struct asyncio_stream *client = NULL;
        EXPECT_EQ(asyncio_open_unix_connection(&client, path), 0);
        EXPECT(is_served(client));
        drop(client);
        end(&second);
    }
    expect_gone(path);
}

TEST(a_unix_server_does_not_mind_a_missing_path)
{
    CONFORMS("SRV-05");
    struct asyncio_server server;
    const char *path = in_folder("a");
    EXPECT_OR_RETURN(asyncio_start_unix_server(&server, echo, NULL, path) == 0);
    EXPECT_EQ(unlink(path), 0);
    end(&server);
}

TEST(what_is_no_socket_is_not_replaced)
{
    struct asyncio_server server;
    const char *path = in_folder("file");
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    EXPECT_OR_RETURN(fd >= 0);
    close(fd);
    int err = asyncio_start_unix_server(&server, echo, NULL, path);
    EXPECT_EQ(err, -EADDRINUSE);
    EXPECT(exists(path));
    unlink(path);
    EXPECT_EQ(asyncio_start_unix_server(&server, echo, NULL, ""), -EINVAL);
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    EXPECT_EQ(asyncio_start_unix_server(&server, echo, NULL, longer),
              -ENAMETOOLONG);
}

TEST(an_abstract_name_is_no_file)
{
    struct asyncio_server server;
    char name[64];
    snprintf(name, sizeof name, "@asyncio-test-%d", (int)getpid());
    EXPECT_OR_RETURN(asyncio_start_unix_server(&server, echo, NULL, name) == 0);
    EXPECT(!exists(name));
    struct asyncio_stream *client = NULL;
    EXPECT_EQ(asyncio_open_unix_connection(&client, name), 0);
    EXPECT(is_served(client));
    drop(client);
    end(&server);
}

// --- addresses --------------------------------------------------------------

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0) count++;
    return count;
}

TEST(a_port_in_use_is_refused)
{
    CONFORMS("SRV-06");
    struct asyncio_server first, second = {0};
    EXPECT_OR_RETURN(asyncio_start_server(&first, echo, NULL, HERE, 0) == 0);
    int port = asyncio_server_port(&first);
    int before = open_descriptors();
    EXPECT_EQ(asyncio_start_server(&second, echo, NULL, HERE, port),
              -EADDRINUSE);
    EXPECT_EQ(asyncio_start_server(&second, echo, NULL, "", port), -EADDRINUSE);
    EXPECT_EQ(open_descriptors(), before);
    EXPECT(!asyncio_server_is_serving(&second));
    end(&first);
}

TEST(several_servers_may_share_a_port)
{
    struct asyncio_server first, second;
    EXPECT_OR_RETURN(asyncio_start_server(&first, echo, NULL, HERE, 0,
                                          .reuse_port = true) == 0);
    int err =
        asyncio_start_server(&second, echo, NULL, HERE,
                             asyncio_server_port(&first), .reuse_port = true);
    EXPECT_EQ(err, 0);
    end(&first);
    if (err == 0) end(&second);
}

TEST(an_empty_host_is_all_interfaces)
{
    CONFORMS("DNS-04");
    static const char *const hosts[] = {"", NULL};
    for (int i = 0; i < 2; i++) {
        struct asyncio_server server;
        int err = asyncio_start_server(&server, echo, NULL, hosts[i], 0);
        if (!EXPECT_EQ(err, 0)) return;
        int port = asyncio_server_port(&server);
        EXPECT_GT(port, 0);
        bool any = false;
        for (size_t n = 0; asyncio_server_fileno(&server, n) >= 0; n++) {
            struct sockaddr_storage at;
            socklen_t len = sizeof at;
            int fd = asyncio_server_fileno(&server, n);
            EXPECT_EQ(getsockname(fd, (struct sockaddr *)&at, &len), 0);
            const struct sockaddr_in *v4 = (struct sockaddr_in *)&at;
            const struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at;
            if (at.ss_family == AF_INET) {
                EXPECT_EQ(v4->sin_addr.s_addr, htonl(INADDR_ANY));
                EXPECT_EQ(ntohs(v4->sin_port), port);
                any = true;
            } else {
                EXPECT(IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr));
                EXPECT_EQ(ntohs(v6->sin6_port), port);
                struct asyncio_stream *client = NULL;
                if (asyncio_open_connection(&client, "::1", port) == 0)
                    EXPECT(is_served(client));
                drop(client);
            }
        }
        EXPECT(any);
        static const char *const ours[] = {HERE, "127.9.9.9"};
        for (int n = 0; n < 2; n++) {
            struct asyncio_stream *client = NULL;
            EXPECT_EQ(asyncio_open_connection(&client, ours[n], port), 0);
            EXPECT(is_served(client));
            drop(client);
        }
        end(&server);
    }
}

TEST(what_cannot_be_is_refused)
{
    struct asyncio_server server;
    EXPECT_EQ(asyncio_start_server(&server, NULL, NULL, HERE, 0), -EINVAL);
    EXPECT_EQ(asyncio_create_server(&server, NULL, NULL, HERE, 0), -EINVAL);
    EXPECT_EQ(asyncio_start_server(&server, echo, NULL, HERE, 65536), -EINVAL);
    EXPECT_EQ(asyncio_start_server(&server, echo, NULL, HERE, -1), -EINVAL);
    EXPECT_EQ(asyncio_start_server(&server, echo, NULL, HERE, 0, .limit = -1),
              -EINVAL);
    EXPECT_EQ(asyncio_start_server(&server, echo, NULL, HERE, 0, .backlog = -1),
              -EINVAL);
    EXPECT_EQ(
        asyncio_start_server(&server, echo, NULL, HERE, 0, .family = AF_UNIX),
        -EINVAL);
    EXPECT_EQ(asyncio_start_server_on(&server, echo, NULL, -1), -EBADF);
    struct asyncio_stream *stream = NULL;
    EXPECT_EQ(asyncio_open_connection(&stream, HERE, 1, .limit = -5), -EINVAL);
    EXPECT_EQ(asyncio_open_connection(&stream, HERE, 70000), -EINVAL);
    EXPECT_EQ(
        asyncio_open_connection(&stream, HERE, 1, .happy_eyeballs_delay = -1),
        -EINVAL);
    EXPECT_EQ(asyncio_open_unix_connection(&stream, ""), -EINVAL);
    EXPECT_EQ(asyncio_open_unix_connection(&stream, in_folder("none")),
              -ENOENT);
    EXPECT_SAME(stream, NULL);
}

TEST_PLAIN(outside_a_task_there_is_no_server)
{
    struct asyncio_server server;
    struct asyncio_stream *stream = NULL;
    EXPECT_EQ(asyncio_start_server(&server, echo, NULL, HERE, 0), -EPERM);
    EXPECT_EQ(asyncio_open_connection(&stream, HERE, 1), -EPERM);
    EXPECT_EQ(asyncio_open_pair(&stream, &stream), -EPERM);
    EXPECT_EQ(asyncio_server_wait_closed(&server), -EPERM);
}

TEST(a_socket_of_the_users_is_served)
{
    struct asyncio_server server;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_OR_RETURN(fd >= 0);
    EXPECT_EQ(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    int err = asyncio_start_server_on(&server, echo, NULL, fd);
    if (!EXPECT_EQ(err, 0)) {
        close(fd);
        return;
    }
    EXPECT_EQ(asyncio_server_fileno(&server, 0), fd);
    EXPECT_EQ(asyncio_server_fileno(&server, 1), -ENOENT);
    struct asyncio_stream *client = connect_to(&server);
    EXPECT(is_served(client));
    drop(client);
    end(&server);
}

// --- handlers that fail -----------------------------------------------------

static int fail(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    int code = *(int *)arg;
    return code == -EPROTO ? asyncio_raise(code, "nonsense") : code;
}

TEST(a_failed_handler_is_reported_and_its_connection_closed)
{
    CONFORMS("SRV-07");
    struct asyncio_server server;
    int code = -EPROTO;
    EXPECT_OR_RETURN(asyncio_start_server(&server, fail, &code, HERE, 0) == 0);
    struct asyncio_stream *client = connect_to(&server);
    char byte;
    EXPECT_EQ(read_some(client, &byte, 1), 0);
    EXPECT_CONTAINS(expect_report(-EPROTO), "nonsense");
    EXPECT_EQ(unexpected_reports(), 0);
    drop(client);

    code = -ECANCELED;
    client = connect_to(&server);
    EXPECT_EQ(read_some(client, &byte, 1), 0);
    EXPECT_EQ(unexpected_reports(), 0);
    drop(client);
    end(&server);
}

static int name_oneself(struct asyncio_stream *stream, void *arg)
{
    struct asyncio_task **task = arg;
    char byte;
    *task = asyncio_current_task();
    int err = asyncio_stream_read(stream, &byte, 1);
    trace("read %d", err);
    return err;
}

TEST(a_cancelled_handler_is_not_reported)
{
    CONFORMS("SRV-07");
    struct asyncio_server server;
    struct asyncio_task *task = NULL;
    EXPECT_OR_RETURN(
        asyncio_start_server(&server, name_oneself, &task, HERE, 0) == 0);
    struct asyncio_stream *client = connect_to(&server);
    for (int i = 0; i < 10 && !task; i++)
        EXPECT_EQ(asyncio_sleep(1), 0);
    if (task) asyncio_task_cancel(task);
    char byte;
    EXPECT_EQ(read_some(client, &byte, 1), 0);
    EXPECT_TRACE("read -125");
    EXPECT_EQ(unexpected_reports(), 0);
    drop(client);
    end(&server);
}

static int close_oneself(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    int err = asyncio_stream_write(stream, "done", 4);
    asyncio_stream_close(stream);
    asyncio_stream_free(stream);
    return err;
}

TEST(a_handler_may_close_its_stream)
{
    struct asyncio_server server;
    EXPECT_OR_RETURN(
        asyncio_start_server(&server, close_oneself, NULL, HERE, 0) == 0);
    struct asyncio_stream *client = connect_to(&server);
    char out[8];
    EXPECT_EQ(read_exactly(client, out, 4), 4);
    EXPECT_EQ(read_some(client, out, 8), 0);
    drop(client);
    end(&server);
}

static int close_server(struct asyncio_stream *stream, void *arg)
{
    (void)stream;
    asyncio_server_close(arg);
    asyncio_server_close_clients(arg);
    return 0;
}

TEST(a_handler_may_close_the_server)
{
    struct asyncio_server server;
    EXPECT_OR_RETURN(
        asyncio_start_server(&server, close_server, &server, HERE, 0) == 0);
    struct asyncio_stream *client = connect_to(&server);
    EXPECT_EQ(asyncio_wait_for(asyncio_server_wait_closed(&server), 5), 0);
    drop(client);
    end(&server);
}

// --- exhausted descriptors --------------------------------------------------

// Clients that have a descriptor and want the server to take another.
#define LATE 3

static int connect_raw(int fd, struct asyncio_server *server)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port =
                                 htons((uint16_t)asyncio_server_port(server))};
    return connect(fd, (struct sockaddr *)&at, sizeof at);
}

// One that began to accept before the limit was lowered may not know of it.
TEST(without_descriptors_clients_wait_and_others_are_served)
{
    if (strcmp(test_backend(), "sim") == 0) {
        SKIP("the system's limit is none of a simulated world");
        return;
    }
    struct asyncio_server server;
    struct rlimit limit, less;
    int late[LATE];
    char out[4];
    EXPECT_OR_RETURN(asyncio_start_server(&server, echo, NULL, HERE, 0) == 0);
    struct asyncio_stream *one = connect_to(&server);
    struct asyncio_stream *two = connect_to(&server);
    EXPECT(is_served(one));
    EXPECT(is_served(two));
    for (int i = 0; i < LATE; i++)
        late[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    getrlimit(RLIMIT_NOFILE, &limit);
    less = limit;
    less.rlim_cur = (rlim_t)late[LATE - 1] + 1;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &less), 0);
    for (int i = 0; i < LATE; i++)
        EXPECT_EQ(connect_raw(late[i], &server), 0);

    let_others_run();
    expect_report(-EMFILE);
    size_t clients = asyncio_server_clients(&server);
    EXPECT_LE(clients, 3);
    EXPECT(is_served(one));
    uint64_t passes = asyncio_loop_passes(asyncio_get_running_loop());
    EXPECT_EQ(asyncio_sleep(10), 0);
    EXPECT_LT(asyncio_loop_passes(asyncio_get_running_loop()) - passes, 200);
    EXPECT_EQ(asyncio_server_clients(&server), clients);
    for (int i = LATE - 2; i < LATE; i++)
        EXPECT_EQ(send(late[i], "hi\n", 3, MSG_NOSIGNAL), 3);

    // Both ends of this one make room.
    drop(two);
    let_others_run();
    let_others_run();
    EXPECT_EQ(asyncio_server_clients(&server), clients + 1);
    EXPECT_EQ(recv(late[clients - 2], out, sizeof out, MSG_DONTWAIT),
              clients == 2 ? -1 : 3);
    setrlimit(RLIMIT_NOFILE, &limit);
    EXPECT_EQ(asyncio_sleep(2), 0);
    EXPECT_EQ(recv(late[LATE - 1], out, sizeof out, MSG_DONTWAIT), 3);
    for (int i = 0; i < LATE; i++)
        close(late[i]);
    drop(one);
    end(&server);
}

// --- protocols --------------------------------------------------------------

static void on_made(struct asyncio_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    trace("made");
}

static void on_data(struct asyncio_stream *stream, void *arg, const void *data,
                    size_t len)
{
    (void)arg;
    if (asyncio_stream_write_nowait(stream, data, len) < 0)
        asyncio_stream_abort(stream);
}

static void on_lost(struct asyncio_stream *stream, void *arg, int err)
{
    (void)stream, (void)arg;
    trace("lost %d", err);
}

static const struct asyncio_protocol echoes = {.connection_made = on_made,
                                               .data_received = on_data,
                                               .connection_lost = on_lost};

static int choose(struct asyncio_stream *stream, void *arg)
{
    int *refuses = arg;
    if (refuses && *refuses) return *refuses;
    return asyncio_stream_set_protocol(stream, &echoes, arg);
}

TEST(a_protocol_serves_without_a_task)
{
    struct asyncio_server server;
    EXPECT_OR_RETURN(asyncio_create_server(&server, choose, NULL, HERE, 0) ==
                     0);
    struct asyncio_stream *one = connect_to(&server);
    struct asyncio_stream *two = connect_to(&server);
    EXPECT(is_served(one));
    EXPECT(is_served(two));
    EXPECT_EQ(asyncio_server_clients(&server), 2);
    drop(one);
    asyncio_server_close(&server);
    asyncio_server_close_clients(&server);
    EXPECT_EQ(asyncio_server_wait_closed(&server), 0);
    EXPECT_TRACE("made", "made", "lost 0", "lost 0");
    drop(two);
}

TEST(a_factory_may_refuse)
{
    struct asyncio_server server;
    int refuses = -EACCES;
    EXPECT_OR_RETURN(
        asyncio_create_server(&server, choose, &refuses, HERE, 0) == 0);
    struct asyncio_stream *client = connect_to(&server);
    char byte;
    EXPECT_EQ(read_some(client, &byte, 1), 0);
    expect_report(-EACCES);
    drop(client);
    end(&server);
    EXPECT_TRACE();
}

struct caller {
    char bytes[32];
    size_t len;
    struct asyncio_event heard;
};

static void on_answer(struct asyncio_stream *stream, void *arg,
                      const void *data, size_t len)
{
    struct caller *caller = arg;
    (void)stream;
    EXPECT_OR_RETURN(len <= sizeof caller->bytes - caller->len);
    memcpy(caller->bytes + caller->len, data, len);
    caller->len += len;
    if (memchr(data, '\n', len)) asyncio_event_set(&caller->heard);
}

static void say_hello(struct asyncio_stream *stream, void *arg)
{
    (void)arg;
    asyncio_ignore(asyncio_stream_write_nowait(stream, "hello\n", 6));
}

static const struct asyncio_protocol calls = {.connection_made = say_hello,
                                              .data_received = on_answer,
                                              .connection_lost = on_lost};

static int call(struct asyncio_stream *stream, void *arg)
{
    return asyncio_stream_set_protocol(stream, &calls, arg);
}

static int refuse(struct asyncio_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    return -EACCES;
}

TEST(a_client_may_be_a_protocol)
{
    struct asyncio_server server;
    EXPECT_OR_RETURN(asyncio_start_server(&server, echo, NULL, HERE, 0) == 0);
    struct caller caller = {0};
    struct asyncio_stream *stream = NULL;
    int port = asyncio_server_port(&server);
    EXPECT_EQ(asyncio_create_connection(&stream, refuse, NULL, HERE, port),
              -EACCES);
    EXPECT_SAME(stream, NULL);
    if (EXPECT_EQ(asyncio_create_connection(&stream, call, &caller, HERE, port),
                  0))
        EXPECT_EQ(asyncio_wait_for(asyncio_event_wait(&caller.heard), 10), 0);
    EXPECT_STR(caller.bytes, "hello\n");
    drop(stream);
    let_others_run();
    EXPECT_TRACE("client 0", "lost 0", "client 0");
    end(&server);
}

TEST(unix_protocols_too)
{
    struct asyncio_server server;
    const char *path = in_folder("a");
    EXPECT_OR_RETURN(asyncio_create_unix_server(&server, choose, NULL, path) ==
                     0);
    struct caller caller = {0};
    struct asyncio_stream *stream = NULL;
    if (EXPECT_EQ(asyncio_create_unix_connection(&stream, call, &caller, path),
                  0))
        EXPECT_EQ(asyncio_wait_for(asyncio_event_wait(&caller.heard), 10), 0);
    EXPECT_STR(caller.bytes, "hello\n");
    drop(stream);
    end(&server);
    expect_gone(path);
}
