// The picture job as one would run it: at most DOWNLOAD_LIMIT downloads at a
// time, or --limit, and one worker process for each core but one.
//
// The first download that fails cancels the others. A picture that cannot be
// processed stops no other: all are tried before the first failure comes out.
// That holds also when a worker process is killed, where the original loses its
// whole pool: here the picture fails and the worker is replaced. One that takes
// longer than PROCESS_SECONDS is killed by us.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <asyncio.h>
#include <asyncio/http.h>

#include "edge.h"
#include "pictures.h"
#include "report.h"

#define DOWNLOAD_LIMIT  4
#define PROCESS_SECONDS 60

static struct asyncio_semaphore slots = ASYNCIO_SEMAPHORE(DOWNLOAD_LIMIT);
static struct pictures pictures;
static struct asyncio_http_client *client;
static struct asyncio_executor *pool;

static int download_single_image(void *arg)
{
    struct image *image = arg;
    int err = asyncio_semaphore_acquire(&slots);
    if (err < 0) return err;
    report_line("Downloading %s...", image->url);
    err = asyncio_http_download(client, image->url, image->original,
                                .timeout = pictures.timeout);
    asyncio_semaphore_release(&slots);
    if (err < 0) return err;
    report_line("Downloaded and saved to: %s", image->original);
    return 0;
}

static int download_images(struct image *images, size_t count)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (size_t i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, download_single_image,
                                       &images[i], .name = images[i].url);
    return asyncio_task_group_exit(&group, 0);
}

// Runs in a worker process, on a copy of the image. As a job it has a name, for
// the words about a worker that is killed.
static int process_single_image(void *arg)
{
    struct image *image = arg;
    int err = edge_image(image->original, image->processed, &image->failure);
    if (err < 0) return asyncio_raise(err, "%s", image->failure.text);
    report_line("Processed %s and saved to: %s", image->original,
                image->processed);
    return 0;
}
ASYNCIO_JOB(process_single_image)

// Waits for that. A worker that is killed cannot say which picture it had.
static int process_in_pool(void *arg)
{
    struct image *image = arg;
    int err = asyncio_run_in_executor(pool, process_single_image, image,
                                      .size = sizeof *image);
    if (err != -EOWNERDEAD && err != -ETIMEDOUT) return err;
    return asyncio_raise(err, "cannot process %s: %s", image->original,
                         asyncio_strerror(err));
}

// The tasks are ours, so those that are left go on when gather meets a failure;
// the pool's shutdown waits for them.
static int gather_images(struct image *images, size_t count)
{
    struct asyncio_task **tasks = calloc(count, sizeof *tasks);
    if (!tasks) return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        tasks[i] = asyncio_create_task(process_in_pool, &images[i]);
    int err = asyncio_gather(tasks, count);
    for (size_t i = 0; i < count; i++)
        asyncio_task_release(tasks[i]);
    free(tasks);
    return err;
}

static int count_workers(void)
{
    int cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (pictures.workers > 0) return pictures.workers;
    return cores > 1 ? cores - 1 : 1;
}

static int process_images(struct image *images, size_t count)
{
    int err = asyncio_process_pool_create(&pool, .max_workers = count_workers(),
                                          .timeout = PROCESS_SECONDS);
    if (err < 0) return err;
    err = gather_images(images, count);
    asyncio_executor_shutdown(pool);
    return err;
}

static int async_main(void *arg)
{
    (void)arg;
    struct report report;
    report_start(&report);
    if (pictures.limit > 0) asyncio_semaphore_init(&slots, pictures.limit);
    int err = asyncio_http_client_create(&client);
    if (err < 0) return err;
    err = download_images(pictures.images, pictures.count);
    asyncio_http_client_free(client);
    if (err < 0) return err;

    report_downloaded(&report);
    err = process_images(pictures.images, pictures.count);
    if (err < 0) return err;

    report_processed(&report);
    err = report_print(&report, pictures.count);
    return err < 0 ? asyncio_raise(err, "cannot print: %s", strerror(-err)) : 0;
}

int main(int argc, char **argv)
{
    struct failure why = {0};
    int err = pictures_open(&pictures, argc, argv, &why);
    if (err < 0) fprintf(stderr, "error: %s\n", why.text);
    int status =
        err == 0 ? asyncio_main(async_main, NULL, .processes = true) : err < 0;
    pictures_close(&pictures);
    return status;
}
