// The server: takes files of several connections, each of which may break off,
// and keeps what has come of each, so that the next one goes on from there.
//
//     client: PUT <file> <size>        server: FROM <offset>
//             the bytes from there             DONE, when they are on the disk
//
// A file is written under another name, synced, renamed, and its folder synced,
// before DONE is said. What the server knows of uploads is lost when it stops:
// then it begins them anew.

#include "simulate/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <asyncio/file.h>
#include <asyncio/server.h>
#include <asyncio/stream.h>

#define PATIENCE 20 // seconds for each read and answer

struct upload {
    size_t size, done;             // bytes: in all, and written
    struct asyncio_lock lock;      // of the connection that has it
    struct asyncio_stream *stream; // that one's
    bool renamed;                  // it is whole, and has its last name
    bool finished;                 // for good
};

struct upload_server {
    struct scenario *s;
    struct upload uploads[SCENARIO_CLIENTS_MAX];
};

// ---- The disk ---------------------------------------------------------------

static void path_of(char path[static 32], unsigned file, bool part)
{
    snprintf(path, 32, "/server/%u%s", file, part ? ".part" : "");
}

static int open_part(const struct upload *upload, unsigned file)
{
    char path[32];
    path_of(path, file, true);
    // Bytes of before a crash, which nobody can trust, must not stay.
    int anew = upload->done == 0 ? O_TRUNC : 0;
    return asyncio_open(path, O_RDWR | O_CREAT | anew, 0644);
}

static int give_last_name(struct upload_server *server, unsigned file, int fd)
{
    char part[32], path[32];
    path_of(part, file, true);
    path_of(path, file, false);
    int err = asyncio_fsync(fd);
    if (err < 0) return err;
    int whole = scenario_check(server->s, file, part);
    if (whole == -EBADMSG)
        scenario_blame(server->s, "upload %u is not what was sent", file);
    if (whole != 1) return whole < 0 ? whole : -ENOENT;
    err = asyncio_rename(part, path);
    if (err == 0) server->uploads[file].renamed = true;
    return err;
}

static int finish(struct upload_server *server, unsigned file)
{
    int err = scenario_sync("/server");
    if (err == 0) server->uploads[file].finished = true;
    return err;
}

static int write_at(int fd, const char *bytes, size_t len, size_t offset)
{
    while (len > 0) {
        int n = asyncio_pwrite(fd, bytes, len, (off_t)offset);
        if (n < 0) return n;
        if (n == 0) return -EIO;
        bytes += n;
        len -= (size_t)n;
        offset += (size_t)n;
    }
    return 0;
}

// ---- A connection -----------------------------------------------------------

static int say(struct asyncio_stream *stream, const char *word, size_t number)
{
    char line[48];
    int len = snprintf(line, sizeof line, "%s %zu\n", word, number);
    return asyncio_stream_write(stream, line, (size_t)len);
}

// The bytes that came are those that belong here; a stream that lost, doubled
// or mixed any is at fault, whatever the protocol makes of it.
static bool is_right(struct upload_server *server, unsigned file,
                     const char *bytes, size_t len, size_t offset)
{
    char expected[4096];
    scenario_bytes(server->s, file, offset, expected, len);
    if (memcmp(bytes, expected, len) == 0) return true;
    scenario_blame(server->s, "stream: wrong bytes of %u at %zu", file, offset);
    return false;
}

static int receive(struct upload_server *server, unsigned file,
                   struct asyncio_stream *stream, int fd)
{
    struct upload *upload = &server->uploads[file];
    char bytes[4096];
    int err = say(stream, "FROM", upload->done);
    while (err == 0 && upload->done < upload->size) {
        size_t offset = upload->done;
        int len = asyncio_wait_for(
            asyncio_stream_read(stream, bytes, sizeof bytes), PATIENCE);
        if (len <= 0) return len < 0 ? len : -ENODATA;
        if (offset + (size_t)len > upload->size) {
            scenario_blame(server->s, "stream: too many bytes of %u", file);
            return -EPROTO;
        }
        if (!is_right(server, file, bytes, (size_t)len, offset)) return -EPROTO;
        err = write_at(fd, bytes, (size_t)len, offset);
        if (err == 0) upload->done = offset + (size_t)len;
    }
    return err;
}

static int take_bytes(struct upload_server *server, unsigned file,
                      struct asyncio_stream *stream)
{
    int fd = open_part(&server->uploads[file], file);
    if (fd < 0) return fd;
    int err = receive(server, file, stream, fd);
    if (err == 0) err = give_last_name(server, file, fd);
    asyncio_ignore(asyncio_close(fd));
    return err;
}

static int take(struct upload_server *server, unsigned file, size_t size,
                struct asyncio_stream *stream)
{
    struct upload *upload = &server->uploads[file];
    upload->size = size;
    int err = upload->renamed ? say(stream, "FROM", size)
                              : take_bytes(server, file, stream);
    if (err == 0 && !upload->finished) err = finish(server, file);
    return err < 0 ? err : say(stream, "DONE", size);
}

// The client has come anew, so the connection that had the upload is of no use
// any more, whether or not that has been noticed.
static int take_over(struct upload_server *server, unsigned file, size_t size,
                     struct asyncio_stream *stream)
{
    struct upload *upload = &server->uploads[file];
    asyncio_stream_abort(upload->stream);
    int err = asyncio_lock_acquire(&upload->lock);
    if (err < 0) return err;
    upload->stream = stream;
    err = take(server, file, size, stream);
    upload->stream = NULL;
    asyncio_lock_release(&upload->lock);
    return err;
}

static int converse(struct upload_server *server, struct asyncio_stream *stream)
{
    char line[64];
    unsigned file;
    size_t size;
    int len = asyncio_wait_for(
        asyncio_stream_readline(stream, line, sizeof line), PATIENCE);
    if (len <= 0) return len;
    if (sscanf(line, "PUT %u %zu\n", &file, &size) != 2) {
        // Half a line may come before the end; a whole one is always right.
        if (line[len - 1] == '\n')
            scenario_blame(server->s, "stream: wrong line '%.40s'", line);
        return -EPROTO;
    }
    if (line[len - 1] != '\n') return -ENODATA;
    int err = take_over(server, file, size, stream);
    if (err < 0) return err;
    return asyncio_wait_for(asyncio_stream_read(stream, line, 1), PATIENCE);
}

static int on_client(struct asyncio_stream *stream, void *arg)
{
    struct upload_server *server = arg;
    server->s->counts.connections++;
    int err = converse(server, stream);
    if (err == -EIO || err == -ENOSPC) server->s->counts.disk_errors++;
    return err == -ECANCELED ? err : 0;
}

// ---- Its life ---------------------------------------------------------------

// Under its last name a file is whole at any time, or not there; and it is
// there if anybody was told so.
static int look_around(struct upload_server *server)
{
    char path[32];
    struct scenario *s = server->s;
    for (unsigned i = 0; i < s->clients; i++) {
        path_of(path, i, false);
        int whole;
        while ((whole = scenario_check(s, i, path)) == -EIO)
            s->counts.disk_errors++;
        if (whole == -EBADMSG) scenario_blame(s, "%s is not whole", path);
        if (whole == 0 && s->told[i]) scenario_blame(s, "%s is gone", path);
        if (whole < 0 && whole != -EBADMSG) return whole;
        server->uploads[i].renamed = whole == 1;
    }
    return 0;
}

// A name may not be found for a while.
static int listen_at(struct upload_server *server,
                     struct asyncio_server *listener)
{
    int err;
    while ((err = asyncio_start_server(listener, on_client, server, "server",
                                       80)) == -EAGAIN) {
        err = asyncio_sleep(0.1);
        if (err < 0) break;
    }
    return err;
}

int scenario_serve(void *arg)
{
    struct upload_server server = {.s = arg};
    struct asyncio_server listener = {0};
    int err = look_around(&server);
    if (err == 0) err = listen_at(&server, &listener);
    if (err < 0) return err;
    err = asyncio_event_wait(&(struct asyncio_event){0}); // for ever
    asyncio_server_close(&listener);
    asyncio_server_abort_clients(&listener);
    int closed = asyncio_server_wait_closed(&listener);
    return err < 0 ? err : closed;
}
