// The picture job, blocking: download one after the other, then process one
// after the other. Nothing here knows of asyncio; the next three versions do.
//
// The first failure ends it: no later picture is touched.

#include <stdio.h>
#include <string.h>

#include "blocking_download.h"
#include "edge.h"
#include "pictures.h"
#include "report.h"

static int download_single_image(struct image *image, double timeout,
                                 struct failure *why)
{
    report_line("Downloading %s...", image->url);
    int err = blocking_download(image->url, image->original, timeout, why);
    if (err < 0) return err;
    report_line("Downloaded and saved to: %s", image->original);
    return 0;
}

static int download_images(struct pictures *pictures, struct failure *why)
{
    for (size_t i = 0; i < pictures->count; i++) {
        int err =
            download_single_image(&pictures->images[i], pictures->timeout, why);
        if (err < 0) return err;
    }
    return 0;
}

static int process_single_image(struct image *image, struct failure *why)
{
    int err = edge_image(image->original, image->processed, why);
    if (err < 0) return err;
    report_line("Processed %s and saved to: %s", image->original,
                image->processed);
    return 0;
}

static int process_images(struct pictures *pictures, struct failure *why)
{
    for (size_t i = 0; i < pictures->count; i++) {
        int err = process_single_image(&pictures->images[i], why);
        if (err < 0) return err;
    }
    return 0;
}

static int run(struct pictures *pictures, struct failure *why)
{
    struct report report;
    report_start(&report);
    int err = download_images(pictures, why);
    if (err < 0) return err;

    report_downloaded(&report);
    err = process_images(pictures, why);
    if (err < 0) return err;

    report_processed(&report);
    err = report_print(&report, pictures->count);
    return err < 0 ? failure_set(why, err, "cannot print: %s", strerror(-err))
                   : 0;
}

int main(int argc, char **argv)
{
    struct pictures pictures;
    struct failure why = {0};
    int err = pictures_open(&pictures, argc, argv, &why);
    if (err == 0) err = run(&pictures, &why);
    if (err < 0) fprintf(stderr, "error: %s\n", why.text);
    pictures_close(&pictures);
    return err < 0;
}
