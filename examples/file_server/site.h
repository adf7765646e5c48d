// What is served: the files below a folder.
#pragma once

#include <asyncio.h>

#include "request.h"

#define SITE_SPARES 8

// A folder, and descriptors that are kept for its files where connections would
// take all that there are.
struct site {
    int folder;
    double seconds; // how long somebody may wait for something here
    int spares[SITE_SPARES];
    int spare_count;
};

// Returns 0, or a negative errno.
ASYNCIO_SUSPENDS int site_open(struct site *site, const char *path,
                               double seconds);
void site_close(struct site *site);

struct site_answer {
    int status;
    int file; // open to be read for 200 and 206, or negative
    const char *type;
    uint64_t size, first, count; // of the file, and of what is wanted of it
};

// Finds what is asked for. Drop the answer in any case.
//
// returns   0, also where the status is a refusal; -ECANCELED
ASYNCIO_SUSPENDS int site_find(struct site *site, const struct request *request,
                               struct site_answer *answer);
void site_drop(struct site *site, struct site_answer *answer);
