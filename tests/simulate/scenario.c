// The world of a scenario, what goes wrong in it, and what is asked in the end.

#include "simulate/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <asyncio/file.h>
#include <asyncio/testing.h>

#define LIVENESS_SECONDS 3600

void scenario_blame(struct scenario *s, const char *format, ...)
{
    va_list args;
    if (s->words[0]) return;
    va_start(args, format);
    vsnprintf(s->words, sizeof s->words, format, args);
    va_end(args);
}

unsigned scenario_draw(struct scenario *s, unsigned bound)
{
    return (unsigned)asyncio_simulator_draw(s->sim, bound);
}

void scenario_bytes(const struct scenario *s, unsigned file, size_t offset,
                    char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t z = s->seed + file * UINT64_C(0x9e3779b97f4a7c15) + offset + i;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        bytes[i] = (char)(z >> 56);
    }
}

int scenario_sync(const char *path)
{
    int fd = asyncio_open(path, O_RDONLY, 0);
    if (fd < 0) return fd;
    int err = asyncio_fsync(fd);
    int closed = asyncio_close(fd);
    return err < 0 ? err : closed;
}

// ---- Files ------------------------------------------------------------------

static int compare(const struct scenario *s, unsigned file, int fd)
{
    char bytes[4096], expected[sizeof bytes];
    size_t done = 0, size = s->sizes[file];
    int len;
    while ((len = asyncio_read(fd, bytes, sizeof bytes)) > 0) {
        if (done + (size_t)len > size) return -EBADMSG;
        scenario_bytes(s, file, done, expected, (size_t)len);
        if (memcmp(bytes, expected, (size_t)len) != 0) return -EBADMSG;
        done += (size_t)len;
    }
    if (len < 0) return len;
    return done == size ? 1 : -EBADMSG;
}

int scenario_check(const struct scenario *s, unsigned file, const char *path)
{
    int fd = asyncio_open(path, O_RDONLY, 0);
    if (fd == -ENOENT) return 0;
    if (fd < 0) return fd;
    int err = compare(s, file, fd);
    asyncio_ignore(asyncio_close(fd));
    return err;
}

static int make_source(const struct scenario *s, unsigned file)
{
    static char bytes[SCENARIO_SIZE_MAX];
    char path[32];
    snprintf(path, sizeof path, "/client/%u", file);
    scenario_bytes(s, file, 0, bytes, s->sizes[file]);
    int fd = asyncio_open(path, O_WRONLY | O_CREAT, 0644);
    if (fd < 0) return fd;
    int err = asyncio_write_all(fd, bytes, s->sizes[file]);
    if (err == 0) err = asyncio_fsync(fd);
    int closed = asyncio_close(fd);
    return err < 0 ? err : closed;
}

static int make_sources(struct scenario *s)
{
    int err = 0;
    for (unsigned i = 0; i <= s->clients && err == 0; i++) {
        s->sizes[i] = 1 + scenario_draw(s, SCENARIO_SIZE_MAX);
        err = make_source(s, i);
    }
    return err < 0 ? err : scenario_sync("/client");
}

// ---- Chaos ------------------------------------------------------------------

// Mostly nothing of a kind; else up to `most`.
static float some(struct scenario *s, float most)
{
    if (scenario_draw(s, 3) > 0) return 0;
    return most * (float)(1 + scenario_draw(s, 100)) / 100;
}

static void draw_faults(struct scenario *s)
{
    asyncio_simulator_set_faults(
        s->sim, .latency = some(s, 0.05f), .jitter = some(s, 0.2f),
        .loss = some(s, 0.3f), .reset = some(s, 0.05f),
        .short_reads = some(s, 1), .short_writes = some(s, 1),
        .disk_latency = some(s, 0.01f), .disk_jitter = some(s, 0.05f),
        .read_error = some(s, 0.1f), .write_error = some(s, 0.1f),
        .no_space = some(s, 0.1f), .name_error = some(s, 0.3f));
}

static int start_server(struct scenario *s)
{
    s->server = asyncio_create_task(scenario_serve, s, .name = "server");
    return 0;
}

static int stop_server(struct scenario *s)
{
    asyncio_task_cancel(s->server);
    int err = asyncio_await(s->server);
    asyncio_task_release(s->server);
    s->server = NULL;
    return err == -ECANCELED ? 0 : err;
}

// The power fails: for the server, and for the disk that all have.
static int crash(struct scenario *s)
{
    int err = stop_server(s);
    if (err < 0) return err;
    err = asyncio_simulator_crash(s->sim);
    if (err < 0) return err;
    s->counts.crashes++;
    return start_server(s);
}

static int go_wrong(struct scenario *s)
{
    switch (scenario_draw(s, 5)) {
    case 0: return crash(s);
    case 1:
        s->counts.cuts++;
        return asyncio_simulator_partition(s->sim, "client", "server");
    case 2: return asyncio_simulator_heal(s->sim, NULL, NULL);
    default: draw_faults(s); return 0;
    }
}

static int cause_chaos(struct scenario *s)
{
    unsigned rounds = 2 + scenario_draw(s, 7);
    int err = 0;
    draw_faults(s);
    for (unsigned i = 0; i < rounds && err == 0; i++) {
        err = asyncio_sleep((1 + scenario_draw(s, 300)) / 100.0);
        if (err == 0) err = go_wrong(s);
    }
    return err;
}

static int make_sound(struct scenario *s)
{
    asyncio_simulator_set_faults(s->sim);
    return asyncio_simulator_heal(s->sim, NULL, NULL);
}

// ---- The run ----------------------------------------------------------------

// What was there and whole has to be there and whole after a crash, too.
static int check_all(struct scenario *s)
{
    char path[32];
    for (unsigned i = 0; i < s->clients; i++) {
        snprintf(path, sizeof path, "/server/%u", i);
        int whole = scenario_check(s, i, path);
        if (whole != 1) scenario_blame(s, "%s is not whole: %d", path, whole);
        if (!s->told[i]) scenario_blame(s, "client %u was not told", i);
    }
    int whole = scenario_check(s, s->clients, "/client/copy");
    if (whole != 1 || !s->copied)
        scenario_blame(s, "the copy is not whole: %d", whole);
    return 0;
}

static int be_hostile(struct scenario *s)
{
    int err = cause_chaos(s);
    int sound = make_sound(s);
    return err < 0 ? err : sound;
}

static int work(struct scenario *s)
{
    struct scenario_job jobs[SCENARIO_CLIENTS_MAX + 1];
    ASYNCIO_WITH_TASK_GROUP(group);
    for (unsigned i = 0; i <= s->clients; i++) {
        jobs[i] = (struct scenario_job){s, i};
        asyncio_task_group_create_task(
            &group, i < s->clients ? scenario_upload : scenario_copy, &jobs[i],
            .name = i < s->clients ? "client" : "copy");
    }
    int err = be_hostile(s);
    if (err == 0) {
        ASYNCIO_WITH_TIMEOUT(limit, LIVENESS_SECONDS);
        err =
            asyncio_timeout_exit(&limit, asyncio_task_group_exit(&group, err));
        if (err == -ETIMEDOUT)
            scenario_blame(s, "somebody did not end after the faults");
        return err;
    }
    return asyncio_task_group_exit(&group, err);
}

static int scene(void *arg)
{
    struct scenario *s = arg;
    double begin = asyncio_time();
    int err = make_sources(s);
    if (err == 0) err = start_server(s);
    if (err == 0) err = work(s);
    if (s->server) {
        int stopped = stop_server(s);
        if (err == 0) err = stopped;
    }
    s->seconds = asyncio_time() - begin;
    if (err < 0) scenario_blame(s, "it failed: %s", asyncio_strerror(err));
    return 0;
}

// Once more in a world that has crashed: what was told has to be true for good.
static int scene_after(void *arg)
{
    return check_all(arg);
}

static void note_report(const struct asyncio_report *report, void *arg)
{
    scenario_blame(arg, "reported: %s", report->text);
}

static int prepare(struct scenario *s)
{
    int err = asyncio_simulator_add_host(s->sim, "server", "10.0.0.1");
    if (err == 0)
        err = asyncio_simulator_add_host(s->sim, "client", "10.0.0.2");
    if (err == 0) err = asyncio_simulator_set_host(s->sim, "client");
    if (err == 0) err = asyncio_simulator_make_folder(s->sim, "/server");
    if (err == 0) err = asyncio_simulator_make_folder(s->sim, "/client");
    s->clients = 1 + scenario_draw(s, SCENARIO_CLIENTS_MAX);
    return err;
}

uint64_t scenario_run(struct scenario *s, asyncio_simulator_trace_fn *trace)
{
    int err = asyncio_simulator_create(&s->sim, .seed = s->seed);
    if (err < 0) {
        scenario_blame(s, "no memory");
        return 0;
    }
    struct asyncio_testing_clock clock = {0};
    asyncio_testing_clock_use(&clock); // each run begins at the same time
    asyncio_testing_seed(s->seed);
    asyncio_testing_reports(note_report, s);
    asyncio_simulator_trace(s->sim, trace, NULL);
    asyncio_simulator_use(s->sim);
    err = prepare(s);
    if (err == 0) err = asyncio_run(scene, s);
    if (err == 0 && !s->words[0]) err = asyncio_simulator_crash(s->sim);
    if (err == 0 && !s->words[0]) err = asyncio_run(scene_after, s);
    if (err < 0) scenario_blame(s, "it could not be run: %d", err);
    asyncio_simulator_use(NULL);
    uint64_t hash = asyncio_simulator_hash(s->sim);
    asyncio_simulator_free(s->sim);
    asyncio_testing_reports(NULL, NULL);
    asyncio_testing_seed(0);
    asyncio_testing_clock_use(NULL);
    return hash;
}
