// Edges, row by row: the decoder feeds two rows, the encoder takes bands of 16.
//
//     file -> decoder -> [ here  ] -> mark_row -> [ band of 16 rows ] ->
//     encoder
//                        [ below ]                  luma; chroma is constant
//
// Pixels are decoded to four bytes (red, green, blue, a constant), so that a
// pixel is one 32-bit lane and the two inner loops become vector code. The
// result is grey, and a grey RGB pixel is exactly luma = its value and chroma
// = 128. So the encoder is handed planes, without the conversion and the
// downsampling that could only reproduce them: the same bytes, sooner.
//
// All state lies in one block on the heap, out of the reach of longjmp.

#include "edge.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jpeg_files.h"

#define PIXELS_MAX   178956970u // twice Pillow's limit: where it refuses
#define SCANS_MAX    500        // no honest progressive picture comes near
#define BAND_ROWS    16         // one row of 4:2:0 blocks
#define PIXEL_SIZE   4          // bytes of a decoded pixel
#define BLOCK_PIXELS 256        // marked at a time, within the first cache

// mean > 30, in whole numbers: for two neighbours and for one.
#define LIMIT_TWO 62
#define LIMIT_ONE 31

struct edge {
    struct jpeg_trap trap;
    struct jpeg_decompress_struct decoder;
    struct jpeg_compress_struct encoder;
    struct jpeg_progress_mgr progress;
    struct draft draft;
    struct jpeg_reader reader;
    struct jpeg_writer writer;
    JSAMPARRAY rows;    // two decoded rows, each with one pixel to spare
    JSAMPARRAY band;    // BAND_ROWS rows of luma
    JSAMPARRAY neutral; // one row of chroma without colour
    size_t band_width;  // bytes in a row of the band, at least the width
};

static uint8_t distance(uint8_t a, uint8_t b)
{
    uint8_t low = a < b ? a : b, high = a < b ? b : a;
    return (uint8_t)(high - low);
}

// Adds up, byte by byte, the distances to the right and to the lower neighbour.
// A sum stops at 255, far above both limits: what it loses decides nothing.
static void add_distances(const uint8_t *here, const uint8_t *below,
                          uint8_t *restrict sums)
{
    for (size_t i = 0; i < BLOCK_PIXELS * PIXEL_SIZE; i++) {
        uint8_t right = distance(here[i], here[i + PIXEL_SIZE]);
        uint8_t down = distance(here[i], below[i]);
        uint8_t room = (uint8_t)(255 - down);
        sums[i] = (uint8_t)((right < room ? right : room) + down);
    }
}

// Turns each lane of four sums into one byte: white from `limit` on. The fourth
// sum is always zero.
static void mark_pixels(const uint32_t *restrict sums, uint32_t limit,
                        uint8_t *restrict out)
{
    for (size_t i = 0; i < BLOCK_PIXELS; i++) {
        uint32_t pairs = (sums[i] & 0x00ff00ffu) + (sums[i] >> 8 & 0x00ff00ffu);
        uint32_t sum = (pairs + (pairs >> 16)) & 0xffffu;
        out[i] = sum >= limit ? 255 : 0;
    }
}

// Marks one row, in whole blocks: all three rows have room for the last one,
// and a count that the compiler knows lets it choose vector code. `below` is
// the next row, or `here` itself for the last row: its distance to itself is
// zero, so only the right neighbour counts.
static void mark_row(const uint8_t *here, const uint8_t *below, uint8_t *out,
                     size_t width)
{
    uint32_t sums[BLOCK_PIXELS];
    uint32_t limit = below == here ? LIMIT_ONE : LIMIT_TWO;
    for (size_t x = 0; x < width; x += BLOCK_PIXELS) {
        size_t at = x * PIXEL_SIZE;
        add_distances(here + at, below + at, (uint8_t *)sums);
        mark_pixels(sums, limit, out + x);
    }

    // The last pixel of a row has no right neighbour; what the loop compared it
    // with is the spare pixel.
    size_t last = (width - 1) * PIXEL_SIZE;
    unsigned sum = 0;
    for (size_t i = last; i < last + 3; i++)
        sum += distance(here[i], below[i]);
    out[width - 1] = sum >= LIMIT_ONE ? 255 : 0;
}

// The encoder's blocks that reach beyond the right edge repeat the last column.
static void repeat_last(uint8_t *out, size_t width, size_t band_width)
{
    memset(out + width, out[width - 1], band_width - width);
}

// Brings a row of CMYK to RGB with Pillow's rounding. The values are stored
// inverted, as Adobe does: each says how much light its ink lets through.
static void convert_cmyk(uint8_t *row, size_t width)
{
    for (uint8_t *pixel = row; pixel < row + width * PIXEL_SIZE;
         pixel += PIXEL_SIZE) {
        unsigned black = pixel[3];
        for (int i = 0; i < 3; i++) {
            unsigned product = (255u - pixel[i]) * black + 128u;
            pixel[i] = (uint8_t)(black - ((product + (product >> 8)) >> 8));
        }
        pixel[3] = 0;
    }
}

static int refuse_cut_short(struct edge *edge)
{
    return failure_set(edge->trap.why, -EPROTO,
                       "%s is cut short: the file ends before the picture does",
                       edge->trap.from);
}

static int read_row(struct edge *edge, JSAMPROW row)
{
    if (jpeg_read_scanlines(&edge->decoder, &row, 1) != 1)
        return refuse_cut_short(edge);

    if (edge->decoder.out_color_space == JCS_CMYK)
        convert_cmyk(row, edge->decoder.output_width);
    return 0;
}

// Each further scan of a progressive picture costs a pass over all of it, and
// takes a few bytes to ask for.
static void watch_scans(j_common_ptr codec)
{
    struct jpeg_trap *trap = codec->client_data;
    if (((j_decompress_ptr)codec)->input_scan_number <= SCANS_MAX) return;

    trap->code = failure_set(trap->why, -EPROTO,
                             "%s is refused: it has more than %d scans",
                             trap->from, SCANS_MAX);
    longjmp(trap->escape, 1);
}

static int open_source(struct edge *edge)
{
    struct jpeg_trap *trap = &edge->trap;
    edge->reader.fd = open(trap->from, O_RDONLY | O_CLOEXEC);
    if (edge->reader.fd >= 0) return 0;

    int err = -errno;
    return failure_set(trap->why, err, "cannot open %s: %s", trap->from,
                       strerror(-err));
}

// Looks at the first bytes alone, so that a page of HTML is called what it is.
static int check_signature(struct edge *edge)
{
    static const uint8_t signature[] = {0xff, 0xd8, 0xff};
    struct jpeg_trap *trap = &edge->trap;
    ssize_t len = jpeg_reader_start(&edge->reader, sizeof signature);
    if (len < 0)
        return failure_set(trap->why, (int)len, "cannot read %s: %s",
                           trap->from, strerror((int)-len));
    if (len == 0)
        return failure_set(trap->why, -EPROTO, "%s is empty", trap->from);
    if (len < (ssize_t)sizeof signature ||
        memcmp(edge->reader.buffer, signature, sizeof signature))
        return failure_set(trap->why, -EPROTO, "%s is not a JPEG", trap->from);
    return 0;
}

static int check_header(struct edge *edge)
{
    const struct jpeg_decompress_struct *decoder = &edge->decoder;
    struct jpeg_trap *trap = &edge->trap;
    uint64_t pixels = (uint64_t)decoder->image_width * decoder->image_height;
    if (pixels > PIXELS_MAX)
        return failure_set(
            trap->why, -EFBIG,
            "%s is refused: it claims %ux%u pixels, more than %u in all",
            trap->from, decoder->image_width, decoder->image_height,
            PIXELS_MAX);

    int channels = decoder->num_components;
    if (channels == 1 || channels == 3 || channels == 4) return 0;
    return failure_set(trap->why, -EPROTO,
                       "%s is not a picture to work with: it has %d channels",
                       trap->from, channels);
}

static int start_decoder(struct edge *edge)
{
    struct jpeg_decompress_struct *decoder = &edge->decoder;
    jpeg_create_decompress(decoder);
    jpeg_reader_attach(&edge->reader, decoder);
    edge->progress.progress_monitor = watch_scans;
    decoder->progress = &edge->progress;

    int found;
    do
        found = jpeg_read_header(decoder, FALSE);
    while (found == JPEG_HEADER_TABLES_ONLY);
    if (found == JPEG_SUSPENDED) return refuse_cut_short(edge);

    int err = check_header(edge);
    if (err < 0) return err;

    decoder->out_color_space =
        decoder->num_components == 4 ? JCS_CMYK : JCS_EXT_RGBX;
    return jpeg_start_decompress(decoder) ? 0 : refuse_cut_short(edge);
}

static void start_encoder(struct edge *edge)
{
    struct jpeg_compress_struct *encoder = &edge->encoder;
    jpeg_create_compress(encoder);
    jpeg_writer_attach(&edge->writer, encoder);
    encoder->image_width = edge->decoder.output_width;
    encoder->image_height = edge->decoder.output_height;
    encoder->input_components = 3;
    encoder->in_color_space = JCS_YCbCr;
    jpeg_set_defaults(encoder); // quality 75, 4:2:0
    encoder->raw_data_in = TRUE;
    jpeg_start_compress(encoder, TRUE);
}

// Makes the rows as wide as whole blocks, and one pixel more for the decoded
// ones, which are read one to the right. They are freed with the decoder.
static void make_rows(struct edge *edge)
{
    j_common_ptr codec = (j_common_ptr)&edge->decoder;
    JDIMENSION blocks =
        (edge->decoder.output_width + BLOCK_PIXELS - 1) / BLOCK_PIXELS;
    JDIMENSION width = blocks * BLOCK_PIXELS;
    JDIMENSION row_size = (width + 1) * PIXEL_SIZE;

    edge->rows = codec->mem->alloc_sarray(codec, JPOOL_IMAGE, row_size, 2);
    edge->band = codec->mem->alloc_sarray(codec, JPOOL_IMAGE, width, BAND_ROWS);
    edge->neutral = codec->mem->alloc_sarray(codec, JPOOL_IMAGE, width, 1);
    edge->band_width = width;

    memset(edge->rows[0], 0, row_size);
    memset(edge->rows[1], 0, row_size);
    memset(edge->neutral[0], 128, width);
}

// Hands a band to the encoder, of which the first `count` rows are filled. The
// blocks that reach below the picture repeat its last row.
static void write_band(struct edge *edge, size_t count)
{
    JSAMPROW luma[BAND_ROWS], chroma[BAND_ROWS / 2];
    for (size_t i = 0; i < BAND_ROWS; i++)
        luma[i] = edge->band[i < count ? i : count - 1];
    for (size_t i = 0; i < BAND_ROWS / 2; i++)
        chroma[i] = edge->neutral[0];

    JSAMPARRAY planes[] = {luma, chroma, chroma};
    JDIMENSION written = jpeg_write_raw_data(&edge->encoder, planes, BAND_ROWS);
    assert(written == BAND_ROWS);
    (void)written;
}

static int trace_rows(struct edge *edge)
{
    size_t width = edge->decoder.output_width;
    size_t height = edge->decoder.output_height;
    int err = read_row(edge, edge->rows[0]);
    for (size_t y = 0; y < height && err == 0; y++) {
        bool last = y + 1 == height;
        uint8_t *here = edge->rows[y % 2], *below = edge->rows[(y + 1) % 2];
        if (last) below = here;
        if (!last) err = read_row(edge, below);
        if (err < 0) break;

        uint8_t *out = edge->band[y % BAND_ROWS];
        mark_row(here, below, out, width);
        repeat_last(out, width, edge->band_width);
        if (last || y % BAND_ROWS == BAND_ROWS - 1)
            write_band(edge, y % BAND_ROWS + 1);
    }
    return err;
}

// Where every failure inside libjpeg lands.
static int transform(struct edge *edge)
{
    if (setjmp(edge->trap.escape)) return edge->trap.code;

    int err = start_decoder(edge);
    if (err < 0) return err;
    err = draft_open(&edge->draft, edge->trap.to, edge->trap.why);
    if (err < 0) return err;

    start_encoder(edge);
    make_rows(edge);
    err = trace_rows(edge);
    if (err < 0) return err;

    // A missing end marker does no harm once every row is there.
    (void)jpeg_finish_decompress(&edge->decoder);
    jpeg_finish_compress(&edge->encoder);
    return draft_commit(&edge->draft, edge->trap.why);
}

static struct edge *edge_create(const char *from, const char *to,
                                struct failure *why)
{
    struct edge *edge = calloc(1, sizeof *edge);
    if (!edge) return NULL;

    jpeg_trap_init(&edge->trap, from, to, why);
    edge->decoder.err = edge->encoder.err = &edge->trap.manager;
    edge->decoder.client_data = edge->encoder.client_data = &edge->trap;
    edge->reader.fd = edge->draft.fd = -1;
    edge->writer.draft = &edge->draft;
    return edge;
}

static void edge_free(struct edge *edge)
{
    // libjpeg undoes nothing for a codec that is still all zero.
    jpeg_destroy_compress(&edge->encoder);
    jpeg_destroy_decompress(&edge->decoder);
    draft_discard(&edge->draft);
    if (edge->reader.fd >= 0) (void)close(edge->reader.fd);
    free(edge);
}

int edge_image(const char *from, const char *to, struct failure *why)
{
    struct edge *edge = edge_create(from, to, why);
    if (!edge) return failure_set(why, -ENOMEM, "no memory to decode %s", from);

    int err = open_source(edge);
    if (err == 0) err = check_signature(edge);
    if (err == 0) err = transform(edge);
    edge_free(edge);
    return err;
}
