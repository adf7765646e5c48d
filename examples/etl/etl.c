// ETL: measurements are downloaded, summed up in worker processes, and loaded
// into SQLite.
//
//     etl DATABASE URL...
//
// Each URL is a CSV file of lines `station,temperature`. What is found of each
// station, rows, lowest, highest and mean, goes into the table `station`; and
// how each URL has fared, into the table `source`: one row for each, always. A
// URL that fails stops no other one. A second run replaces what the first has
// found, so after a power failure the same command is simply given again.
//
// Each kind of work has its home. Downloads wait, so they are tasks. Numbers
// are crunched in processes, where a file that brings the parser down costs one
// source, and one that takes for ever is ended. SQLite blocks and has one
// writer, so it has one thread. Eight sources at most are anywhere on this way:
// that bounds memory, disk and the server's patience.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>
#include <asyncio/http.h>

#include "database.h"

#define UNDER_WAY 8
#define SECONDS   60 // for each download, and for each transformation
#define BYTES_MAX (1ull << 30)

static struct asyncio_semaphore places = ASYNCIO_SEMAPHORE(UNDER_WAY);
static struct asyncio_http_client *client;
static struct asyncio_executor *processes, *database_thread;

// ---- The way of a source ----------------------------------------------------

static int extract_and_transform(struct source *source)
{
    struct summary *summary = &source->summary;
    int err = asyncio_http_download(client, source->url, summary->path,
                                    .timeout = SECONDS, .max_bytes = BYTES_MAX);
    if (err < 0) return err;
    err = asyncio_run_in_executor(processes, summarise, summary,
                                  .size = sizeof *summary);
    unlink(summary->path);
    return err;
}

static int take_through(struct source *source)
{
    int err = extract_and_transform(source);
    if (err == -ECANCELED) return err;
    if (err < 0) {
        source->summary.rows = source->summary.bad_rows = 0;
        source->summary.count = 0;
        snprintf(source->error, sizeof source->error, "%s",
                 asyncio_strerror(err));
    }
    printf("%s: %d rows, %d bad, %d stations%s%s\n", source->url,
           source->summary.rows, source->summary.bad_rows,
           source->summary.count, err < 0 ? ": " : "", source->error);
    return asyncio_run_in_executor(database_thread, database_put, source);
}

static int on_source(void *arg)
{
    int err = asyncio_semaphore_acquire(&places);
    if (err < 0) return err;
    err = take_through(arg);
    asyncio_semaphore_release(&places);
    return err;
}

static int take_all(struct source *sources, int count)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (int i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, on_source, &sources[i],
                                       .name = sources[i].url);
    int err = asyncio_task_group_exit(&group, 0);
    for (int i = 0; i < count && err == 0; i++)
        if (sources[i].error[0])
            err = asyncio_raise(-EIO, "some sources have failed");
    return err;
}

// ---- The program ------------------------------------------------------------

static int run(const char *path, struct source *sources, int count)
{
    int err = asyncio_http_client_create(&client);
    if (err == 0)
        err = asyncio_process_pool_create(&processes, .timeout = SECONDS,
                                          .memory_limit = 256 << 20);
    if (err == 0)
        err = asyncio_thread_pool_create(&database_thread, .max_workers = 1);
    if (err == 0)
        err = asyncio_run_in_executor(database_thread, database_open,
                                      (void *)(uintptr_t)path);
    if (err == 0) err = take_all(sources, count);
    asyncio_executor_shutdown(database_thread);
    asyncio_executor_shutdown(processes);
    asyncio_http_client_free(client);
    database_close();
    return err;
}

static int async_main(void *arg)
{
    char **words = arg, **urls = words + 2;
    char folder[200];
    int count = 0;
    while (urls[count])
        count++;
    struct source *sources = calloc((size_t)count, sizeof *sources);
    if (!sources) return -ENOMEM;
    int len = snprintf(folder, sizeof folder, "%s-XXXXXX", words[1]);
    int err = len >= (int)sizeof folder ? -ENAMETOOLONG
              : mkdtemp(folder)         ? 0
                                        : -errno;
    for (int i = 0; i < count; i++) {
        struct summary *summary = &sources[i].summary;
        sources[i].url = urls[i];
        snprintf(summary->path, sizeof summary->path, "%s/%d.csv", folder, i);
    }
    if (err < 0) asyncio_raise(err, "%s: %s", words[1], strerror(-err));
    if (err == 0) {
        err = run(words[1], sources, count);
        rmdir(folder);
    }
    free(sources);
    return err;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: etl DATABASE URL...\n");
        return 2;
    }
    return asyncio_main(async_main, argv, .processes = true);
}
