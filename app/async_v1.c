// The picture job with the blocking functions as they were, each call in a
// thread of the loop's pool, and a group around each of the two steps.
//
// The first failure ends its step: what a thread is doing runs to its end, what
// waits for a thread is never begun.

#include <stdio.h>
#include <string.h>

#include <asyncio.h>

#include "blocking_download.h"
#include "edge.h"
#include "pictures.h"
#include "report.h"

static struct pictures pictures;

static int download_single_image(void *arg)
{
    struct image *image = arg;
    report_line("Downloading %s...", image->url);
    int err = blocking_download(image->url, image->original, pictures.timeout,
                                &image->failure);
    if (err < 0) return asyncio_raise(err, "%s", image->failure.text);
    report_line("Downloaded and saved to: %s", image->original);
    return 0;
}

static int download_images(struct image *images, size_t count)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (size_t i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, download_single_image,
                                       &images[i], .executor = ASYNCIO_THREADS);
    return asyncio_task_group_exit(&group, 0);
}

static int process_single_image(void *arg)
{
    struct image *image = arg;
    int err = edge_image(image->original, image->processed, &image->failure);
    if (err < 0) return asyncio_raise(err, "%s", image->failure.text);
    report_line("Processed %s and saved to: %s", image->original,
                image->processed);
    return 0;
}

static int process_images(struct image *images, size_t count)
{
    ASYNCIO_WITH_TASK_GROUP(group);
    for (size_t i = 0; i < count; i++)
        asyncio_task_group_create_task(&group, process_single_image, &images[i],
                                       .executor = ASYNCIO_THREADS);
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *arg)
{
    (void)arg;
    struct report report;
    report_start(&report);
    int err = download_images(pictures.images, pictures.count);
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
    int status = err == 0 ? asyncio_main(async_main, NULL) : err < 0;
    pictures_close(&pictures);
    return status;
}
