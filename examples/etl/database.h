// Where the results go. SQLite blocks: all of it is for a thread.
#pragma once

#include "summary.h"

#define ERROR_LEN_MAX 200

struct source {
    const char *url;
    char error[ERROR_LEN_MAX]; // or ""
    struct summary summary;
};

// Opens the database at `path`, and makes the tables that it lacks.
//
// returns   0, or a negative errno with words
int database_open(void *path);

// Puts what was found of a source in the place of what was there: all of it, or
// nothing.
//
// returns   0, or a negative errno with words
int database_put(void *source);

void database_close(void);
