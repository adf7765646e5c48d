// Why something failed, in one sentence for people, beside its code.
//
// A function that may fail for many reasons takes a `struct failure *` as its
// last argument and writes its sentence there; the code it returns is for the
// program. The sentence is plain data: it crosses threads by being written in
// the caller's memory, and processes by being copied.
#pragma once

// Long enough for two paths; a sentence that is longer loses its end.
struct failure {
    char text[1280]; // without a full stop or a line end; empty: no failure
};

// Writes the sentence into `why`, which may be NULL, and returns `code`, so
// that a failing function can end with it.
int failure_set(struct failure *why, int code, const char *format, ...);
