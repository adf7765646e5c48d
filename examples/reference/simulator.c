// A message that has to get through a bad network, and a note that has to
// outlast a power failure: both tried in a simulated world, in no time.
//
//     cc simulator.c $(pkg-config --cflags --libs libasyncio)
//     ./a.out

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <asyncio.h>
#include <asyncio/file.h>
#include <asyncio/server.h>
#include <asyncio/simulator.h>
#include <asyncio/stream.h>

static struct asyncio_simulator *sim;
static unsigned events;

static void count(const char *line, void *arg)
{
    (void)line;
    (void)arg;
    events++;
}

// --- the program to be tested ------------------------------------------------

static int answer(struct asyncio_stream *stream, void *arg)
{
    char line[64];
    (void)arg;
    int len = asyncio_stream_readline(stream, line, sizeof line);
    if (len <= 0) return len;
    return asyncio_stream_write(stream, line, (size_t)len);
}

static int ask(void)
{
    char line[64] = "";
    struct asyncio_stream *stream;
    int err = asyncio_open_connection(&stream, "server", 80);
    if (err < 0) return err;
    err = asyncio_stream_write(stream, "hello\n", 6);
    if (err == 0) err = asyncio_stream_readline(stream, line, sizeof line);
    asyncio_stream_free(stream);
    printf("the server says: %s", line);
    return err < 0 ? err : 0;
}

static int keep_a_note(void)
{
    int fd = asyncio_open("/notes/today", O_WRONLY | O_CREAT, 0644);
    if (fd < 0) return fd;
    int err = asyncio_write_all(fd, "remember me", 11);
    if (err == 0) err = asyncio_fsync(fd);
    asyncio_ignore(asyncio_close(fd));
    if (err < 0) return err;
    fd = asyncio_open("/notes", O_RDONLY, 0); // the name has to be kept, too
    if (fd < 0) return fd;
    err = asyncio_fsync(fd);
    asyncio_ignore(asyncio_close(fd));
    return err;
}

// --- its test ----------------------------------------------------------------

static int heal_later(void *arg)
{
    (void)arg;
    int err = asyncio_sleep(30);
    return err < 0 ? err : asyncio_simulator_heal(sim, NULL, NULL);
}

static int first_run(void *arg)
{
    (void)arg;
    struct asyncio_server server;
    int err = asyncio_start_server(&server, answer, NULL, "server", 80);
    if (err < 0) return err;
    double begin = asyncio_time();
    struct asyncio_task *healer = asyncio_create_task(heal_later, NULL);
    err = asyncio_simulator_partition(sim, "client", "server");
    if (err == 0) err = ask();
    int healed = asyncio_await(healer);
    asyncio_task_release(healer);
    printf("after %s\n", asyncio_time() - begin > 30 ? "a while" : "no time");
    asyncio_server_close(&server);
    if (err == 0) err = healed;
    return err == 0 ? keep_a_note() : err;
}

static int second_run(void *arg)
{
    char text[16] = "";
    (void)arg;
    int fd = asyncio_open("/notes/today", O_RDONLY, 0);
    if (fd < 0) return fd;
    int len = asyncio_read(fd, text, sizeof text - 1);
    asyncio_ignore(asyncio_close(fd));
    printf("after the power failure: %s\n", text);
    return len < 0 ? len : 0;
}

int main(void)
{
    if (asyncio_simulator_create(&sim, .seed = 1) < 0) return 1;
    asyncio_simulator_add_host(sim, "server", "10.0.0.1");
    asyncio_simulator_add_host(sim, "client", "10.0.0.2");
    asyncio_simulator_set_host(sim, "client");
    asyncio_simulator_make_folder(sim, "/notes");
    asyncio_simulator_set_faults(sim, .latency = 0.05f, .loss = 0.3f,
                                 .disk_jitter = 0.1f);
    asyncio_simulator_trace(sim, count, NULL);
    asyncio_simulator_use(sim);

    int err = asyncio_run(first_run, NULL);
    if (err == 0) err = asyncio_simulator_crash(sim);
    if (err == 0) err = asyncio_run(second_run, NULL);
    if (asyncio_simulator_current() != sim) err = -EINVAL;
    printf("%s happened\n", events > 50 ? "a lot" : "little");
    printf("a draw below 6: %s\n",
           asyncio_simulator_draw(sim, 6) < 6 ? "yes" : "no");
    printf("its number: %s\n", asyncio_simulator_hash(sim) ? "some" : "none");

    asyncio_simulator_use(NULL);
    asyncio_simulator_free(sim);
    return err == 0 ? 0 : 1;
}

// expect: the server says: hello
// expect: after a while
// expect: after the power failure: remember me
// expect: a lot happened
// expect: a draw below 6: yes
// expect: its number: some
