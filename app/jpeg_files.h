// libjpeg between two files: reading, writing, and errors that are codes.
//
// libjpeg calls back for data, for room and on failure. These are the callbacks
// that it gets here: input comes from a descriptor, output goes to a draft, and
// a failure of any kind jumps to `trap->escape` with a code and a sentence set.
// A codec finds its trap by its `client_data`.
#pragma once

#include <setjmp.h>
#include <stdio.h>
#include <sys/types.h>

#include <jpeglib.h>

#include "draft.h"
#include "failure.h"

#define JPEG_BUFFER_SIZE 65536

// Where a failing codec lands.
struct jpeg_trap {
    struct jpeg_error_mgr manager; // must be first: libjpeg knows only this
    jmp_buf escape;
    int code;              // negative errno once `escape` was taken
    struct failure *why;   // where the sentence goes, or NULL
    const char *from, *to; // what the sentence calls the two files
};

struct jpeg_reader {
    struct jpeg_source_mgr manager; // must be first
    int fd;                         // owned by the caller
    JOCTET buffer[JPEG_BUFFER_SIZE];
};

struct jpeg_writer {
    struct jpeg_destination_mgr manager; // must be first
    struct draft *draft;                 // owned by the caller
    JOCTET buffer[JPEG_BUFFER_SIZE];
};

// Prepares `trap` for codecs that read `from` and write `to`. Fill in `escape`
// by setjmp before the first codec is created.
void jpeg_trap_init(struct jpeg_trap *trap, const char *from, const char *to,
                    struct failure *why);

// Reads the first bytes into `reader->buffer`, at least `wanted` of them, to be
// looked at before a decoder is. Any file will do, also one that cannot seek.
//
// returns  how many there are, less than `wanted` if the file is shorter; or a
//          negative errno
ssize_t jpeg_reader_start(struct jpeg_reader *reader, size_t wanted);

// Lets `decoder` go on with what jpeg_reader_start has left. At the end of the
// file the decoder suspends: a call that then reports no progress has met a
// file cut short.
void jpeg_reader_attach(struct jpeg_reader *reader,
                        struct jpeg_decompress_struct *decoder);

// Lets `encoder` write to `writer->draft`. The encoder never suspends.
void jpeg_writer_attach(struct jpeg_writer *writer,
                        struct jpeg_compress_struct *encoder);
