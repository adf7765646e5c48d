// A fuzz target: a file that takes bytes from elsewhere as the code does that
// it is named for, and says what must hold whatever they are.
//
// `./dev fuzz NAME` has libFuzzer invent such bytes, starting from the folder
// NAME; `./dev test` runs each target on the files of its folder (replay.c). A
// target ends the process where something does not hold. What crashed once
// becomes a file of the folder.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// Takes the `size` bytes at `data`, behind which nothing may be read. Returns
// 0.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                        \
    do {                                                                       \
        if (condition) break;                                                  \
        fprintf(stderr, "%s:%d: this must hold: %s\n", __FILE__, __LINE__,     \
                #condition);                                                   \
        abort();                                                               \
    } while (0)
