// What the four picture programs share: the command line and the list.
//
//     struct pictures pictures;
//     int err = pictures_open(&pictures, argc, argv, &why);
//     if (err == 0) ... pictures.images, pictures.count ...
//     pictures_close(&pictures);
#pragma once

#include <stddef.h>

#include "failure.h"

#define IMAGE_URL_SIZE  2048
#define IMAGE_PATH_SIZE 512

// One picture of the list. Plain data, without pointers: a process pool copies
// it there and back.
struct image {
    char url[IMAGE_URL_SIZE];
    int number; // from 1, in the order of the list
    char original[IMAGE_PATH_SIZE];
    char processed[IMAGE_PATH_SIZE];
    struct failure failure; // the sentence of the job that had this picture
};

struct pictures {
    struct image *images;
    size_t count;
    int workers;    // --workers, or 0 when not given
    int limit;      // --limit, or 0 when not given
    double timeout; // seconds that one download may take
};

// Reads the command line and the list that it names, or takes the built-in one,
// and makes the two folders.
//
// returns  0, 1 after printing the help, or a negative errno with the sentence
//          in `why`
// owns     `pictures` holds memory on 0 only, until pictures_close
int pictures_open(struct pictures *pictures, int argc, char **argv,
                  struct failure *why);

// Frees the list. May be called on a zeroed struct, and twice.
void pictures_close(struct pictures *pictures);
