// The callbacks that libjpeg calls for bytes, for room, and when it fails.
//
// Reading suspends at the end of the file instead of making up an end marker,
// as libjpeg's own file reader does: so a file that was cut short is told from
// a whole one, by the same calls that tell it in Pillow. Warnings about damaged
// data are counted by libjpeg and printed nowhere: Pillow goes on, so do we.

#include "jpeg_files.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <jerror.h>

static _Noreturn void escape(struct jpeg_trap *trap, int code)
{
    trap->code = code;
    longjmp(trap->escape, 1);
}

static _Noreturn void fail(j_common_ptr codec)
{
    struct jpeg_trap *trap = codec->client_data;
    if (codec->err->msg_code == JERR_OUT_OF_MEMORY)
        escape(trap, failure_set(trap->why, -ENOMEM, "no memory to decode %s",
                                 trap->from));

    char words[JMSG_LENGTH_MAX];
    codec->err->format_message(codec, words);
    if (!codec->is_decompressor)
        escape(trap, failure_set(trap->why, -EPROTO, "cannot encode %s: %s",
                                 trap->to, words));
    escape(trap, failure_set(trap->why, -EPROTO, "%s is a broken JPEG: %s",
                             trap->from, words));
}

static void print_nothing(j_common_ptr codec)
{
    (void)codec;
}

void jpeg_trap_init(struct jpeg_trap *trap, const char *from, const char *to,
                    struct failure *why)
{
    jpeg_std_error(&trap->manager);
    trap->manager.error_exit = fail;
    trap->manager.output_message = print_nothing;
    trap->why = why;
    trap->from = from;
    trap->to = to;
}

static ssize_t read_some(struct jpeg_reader *reader, size_t at)
{
    ssize_t len;
    do
        len = read(reader->fd, reader->buffer + at, JPEG_BUFFER_SIZE - at);
    while (len < 0 && errno == EINTR);
    return len < 0 ? -errno : len;
}

ssize_t jpeg_reader_start(struct jpeg_reader *reader, size_t wanted)
{
    size_t have = 0;
    while (have < wanted) {
        ssize_t len = read_some(reader, have);
        if (len < 0) return len;
        if (len == 0) break;
        have += (size_t)len;
    }
    reader->manager.next_input_byte = reader->buffer;
    reader->manager.bytes_in_buffer = have;
    return (ssize_t)have;
}

static void keep_what_was_read(j_decompress_ptr decoder)
{
    (void)decoder;
}

static boolean read_more(j_decompress_ptr decoder)
{
    struct jpeg_reader *reader = (struct jpeg_reader *)decoder->src;
    struct jpeg_trap *trap = decoder->client_data;
    ssize_t len = read_some(reader, 0);
    if (len < 0)
        escape(trap, failure_set(trap->why, (int)len, "cannot read %s: %s",
                                 trap->from, strerror((int)-len)));
    if (len == 0) return FALSE;

    reader->manager.next_input_byte = reader->buffer;
    reader->manager.bytes_in_buffer = (size_t)len;
    return TRUE;
}

static void skip(j_decompress_ptr decoder, long count)
{
    struct jpeg_source_mgr *source = decoder->src;
    while (count > (long)source->bytes_in_buffer) {
        count -= (long)source->bytes_in_buffer;
        source->bytes_in_buffer = 0;
        // Skipping past the end leaves nothing to read, which is noticed next.
        if (!read_more(decoder)) return;
    }
    if (count <= 0) return;
    source->next_input_byte += count;
    source->bytes_in_buffer -= (size_t)count;
}

static void stop_reading(j_decompress_ptr decoder)
{
    (void)decoder;
}

void jpeg_reader_attach(struct jpeg_reader *reader,
                        struct jpeg_decompress_struct *decoder)
{
    reader->manager.init_source = keep_what_was_read;
    reader->manager.fill_input_buffer = read_more;
    reader->manager.skip_input_data = skip;
    reader->manager.resync_to_restart = jpeg_resync_to_restart;
    reader->manager.term_source = stop_reading;
    decoder->src = &reader->manager;
}

static void empty_buffer(j_compress_ptr encoder)
{
    struct jpeg_writer *writer = (struct jpeg_writer *)encoder->dest;
    writer->manager.next_output_byte = writer->buffer;
    writer->manager.free_in_buffer = sizeof writer->buffer;
}

static void write_out(j_compress_ptr encoder, size_t len)
{
    struct jpeg_writer *writer = (struct jpeg_writer *)encoder->dest;
    struct jpeg_trap *trap = encoder->client_data;
    int err = draft_write(writer->draft, writer->buffer, len, trap->why);
    if (err < 0) escape(trap, err);
}

static boolean write_full(j_compress_ptr encoder)
{
    // libjpeg calls this when the whole buffer counts, whatever its fields say.
    write_out(encoder, JPEG_BUFFER_SIZE);
    empty_buffer(encoder);
    return TRUE;
}

static void write_rest(j_compress_ptr encoder)
{
    write_out(encoder, JPEG_BUFFER_SIZE - encoder->dest->free_in_buffer);
}

void jpeg_writer_attach(struct jpeg_writer *writer,
                        struct jpeg_compress_struct *encoder)
{
    writer->manager.init_destination = empty_buffer;
    writer->manager.empty_output_buffer = write_full;
    writer->manager.term_destination = write_rest;
    encoder->dest = &writer->manager;
}
