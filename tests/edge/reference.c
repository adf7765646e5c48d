// The edge rule once more, as plainly as it can be said: reference FROM TO.
//
// The judge of the fast code and of every picture that the programs made, so it
// shares nothing with them but libjpeg: the whole picture is decoded into
// memory, the rule is applied to each pixel as it is worded, and the result is
// encoded from full RGB. It is for sound pictures; anything else ends it with
// exit status 1.

#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

struct picture {
    int width, height;
    unsigned char *pixels; // three bytes each: red, green, blue
};

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory) return memory;
    fprintf(stderr, "reference: no memory\n");
    exit(1);
}

static FILE *open_file(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (file) return file;
    perror(path);
    exit(1);
}

static unsigned char *pixel_at(const struct picture *picture, int x, int y)
{
    size_t index = (size_t)y * (size_t)picture->width + (size_t)x;
    return picture->pixels + 3 * index;
}

// An ink and the black, both stored inverted, let through their product.
static unsigned char light(unsigned ink, unsigned black)
{
    unsigned absorbed = (2 * (255 - ink) * black + 255) / 510;
    return (unsigned char)(black - absorbed);
}

static void store_row(struct picture *picture, int y, const JSAMPLE *row,
                      int channels)
{
    for (int x = 0; x < picture->width; x++, row += channels) {
        unsigned char *pixel = pixel_at(picture, x, y);
        for (int i = 0; i < 3; i++)
            pixel[i] = channels == 4 ? light(row[i], row[3]) : row[i];
    }
}

static struct picture decode(const char *path)
{
    FILE *file = open_file(path, "rb");
    struct jpeg_decompress_struct decoder = {0};
    struct jpeg_error_mgr errors;
    decoder.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&decoder);
    jpeg_stdio_src(&decoder, file);
    jpeg_read_header(&decoder, TRUE);
    decoder.out_color_space = decoder.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&decoder);

    struct picture picture = {
        .width = (int)decoder.output_width,
        .height = (int)decoder.output_height,
    };
    size_t width = decoder.output_width, height = decoder.output_height;
    picture.pixels = allocate(width * height, 3);
    JSAMPLE *row = allocate(width, (size_t)decoder.output_components);
    for (int y = 0; y < picture.height; y++) {
        jpeg_read_scanlines(&decoder, &row, 1);
        store_row(&picture, y, row, decoder.output_components);
    }
    jpeg_finish_decompress(&decoder);
    jpeg_destroy_decompress(&decoder);
    free(row);
    fclose(file);
    return picture;
}

static int difference(const unsigned char *a, const unsigned char *b)
{
    return abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2]);
}

static int is_edge(const struct picture *picture, int x, int y)
{
    const unsigned char *here = pixel_at(picture, x, y);
    int sum = 0, neighbours = 0;
    if (x + 1 < picture->width) {
        sum += difference(here, pixel_at(picture, x + 1, y));
        neighbours++;
    }
    if (y + 1 < picture->height) {
        sum += difference(here, pixel_at(picture, x, y + 1));
        neighbours++;
    }
    return neighbours > 0 && sum / neighbours > 30;
}

static struct picture find_edges(const struct picture *from)
{
    struct picture edges = {.width = from->width, .height = from->height};
    size_t width = (size_t)from->width, height = (size_t)from->height;
    edges.pixels = allocate(width * height, 3);
    for (int y = 0; y < from->height; y++) {
        for (int x = 0; x < from->width; x++) {
            unsigned char *pixel = pixel_at(&edges, x, y);
            unsigned char value = is_edge(from, x, y) ? 255 : 0;
            pixel[0] = pixel[1] = pixel[2] = value;
        }
    }
    return edges;
}

static void encode(const struct picture *picture, const char *path)
{
    FILE *file = open_file(path, "wb");
    struct jpeg_compress_struct encoder = {0};
    struct jpeg_error_mgr errors;
    encoder.err = jpeg_std_error(&errors);
    jpeg_create_compress(&encoder);
    jpeg_stdio_dest(&encoder, file);
    encoder.image_width = (JDIMENSION)picture->width;
    encoder.image_height = (JDIMENSION)picture->height;
    encoder.input_components = 3;
    encoder.in_color_space = JCS_RGB;
    jpeg_set_defaults(&encoder);
    jpeg_start_compress(&encoder, TRUE);
    for (int y = 0; y < picture->height; y++) {
        JSAMPROW row = pixel_at(picture, 0, y);
        jpeg_write_scanlines(&encoder, &row, 1);
    }
    jpeg_finish_compress(&encoder);
    jpeg_destroy_compress(&encoder);
    if (fclose(file) == 0) return;
    perror(path);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: reference FROM TO\n");
        return 2;
    }

    struct picture picture = decode(argv[1]);
    struct picture edges = find_edges(&picture);
    encode(&edges, argv[2]);
    free(picture.pixels);
    free(edges.pixels);
    return 0;
}
