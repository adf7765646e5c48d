// What a function prints, as a text.
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "runner/runner.h"

struct printed {
    FILE *file; // NULL: there was no memory for it
    char *text;
    size_t size;
};

static inline struct printed *print_begin(struct printed *printed)
{
    *printed = (struct printed){0};
    printed->file = open_memstream(&printed->text, &printed->size);
    return printed;
}

// The text so far; "" if there is none.
static inline const char *print_text(struct printed *printed)
{
    if (printed->file) fflush(printed->file);
    return printed->text ? printed->text : "";
}

static inline void print_end(struct printed *printed)
{
    if (printed->file) fclose(printed->file);
    free(printed->text);
}
