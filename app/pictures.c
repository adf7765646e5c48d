// The command line of the picture programs, their list, and their folders.
//
// The list is the only input here that comes from outside, so each line is
// looked at before it becomes an address: its length and its characters. What
// is behind an address is the download's concern.

#include "pictures.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NUMBER_MAX      512
#define TIMEOUT_DEFAULT 10.0

static const int built_in[] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 28, 29};

static const char help[] =
    "usage: %s [options] [LIST]\n"
    "\n"
    "Downloads the pictures whose addresses LIST holds, one per line, and\n"
    "writes the edges of each. Blank lines and lines that start with # are\n"
    "skipped. Without a list: twelve photographs of picsum.photos.\n"
    "\n"
    "  --out DIR          where the pictures go (default: pictures)\n"
    "  --workers N        worker processes (async_v2 and async_v3)\n"
    "  --limit N          downloads at a time (async_v3; default: 4)\n"
    "  --timeout SECONDS  how long one download may take (default: 10)\n"
    "  --help             print this\n";

// Above any letter.
enum option_value { OUT = 256, WORKERS, LIMIT, TIMEOUT, HELP };

struct options {
    const char *list; // NULL: the built-in one
    const char *out;
    int workers;
    int limit;
    double timeout;
    bool help;
};

static int read_number(const char *option, const char *text, int *number,
                       struct failure *why)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > NUMBER_MAX)
        return failure_set(why, -EINVAL,
                           "%s takes a number from 1 to %d, not '%s'", option,
                           NUMBER_MAX, text);
    *number = (int)value;
    return 0;
}

static int read_timeout(const char *text, double *seconds, struct failure *why)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value <= 0)
        return failure_set(why, -EINVAL,
                           "--timeout takes seconds above 0, not '%s'", text);
    *seconds = value;
    return 0;
}

static int read_out(const char *text, const char **out, struct failure *why)
{
    if (!*text)
        return failure_set(why, -EINVAL, "--out takes the name of a folder");
    *out = text;
    return 0;
}

static int refuse_option(char **argv, struct failure *why)
{
    if (optopt > 0 && optopt < OUT)
        return failure_set(why, -EINVAL, "unknown option -%c; see --help",
                           optopt);
    return failure_set(why, -EINVAL, "unknown option %s; see --help",
                       argv[optind - 1]);
}

static int read_option(struct options *options, int value, char **argv,
                       struct failure *why)
{
    switch (value) {
    case OUT: return read_out(optarg, &options->out, why);
    case WORKERS:
        return read_number("--workers", optarg, &options->workers, why);
    case LIMIT: return read_number("--limit", optarg, &options->limit, why);
    case TIMEOUT: return read_timeout(optarg, &options->timeout, why);
    case HELP: options->help = true; return 0;
    case ':':
        return failure_set(why, -EINVAL, "%s needs a value; see --help",
                           argv[optind - 1]);
    default: return refuse_option(argv, why);
    }
}

static int read_options(struct options *options, int argc, char **argv,
                        struct failure *why)
{
    static const struct option known[] = {
        {"out", required_argument, NULL, OUT},
        {"workers", required_argument, NULL, WORKERS},
        {"limit", required_argument, NULL, LIMIT},
        {"timeout", required_argument, NULL, TIMEOUT},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    int value;
    while ((value = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        int err = read_option(options, value, argv, why);
        if (err < 0) return err;
    }

    if (argc - optind > 1)
        return failure_set(why, -EINVAL, "one list at a time; see --help");
    options->list = argv[optind];
    return 0;
}

static int write_path(char path[IMAGE_PATH_SIZE], const char *out,
                      const char *folder, int number, struct failure *why)
{
    int len = snprintf(path, IMAGE_PATH_SIZE, "%s/%s/img_%d.jpg", out, folder,
                       number);
    if (len > 0 && len < IMAGE_PATH_SIZE) return 0;
    return failure_set(why, -ENAMETOOLONG, "the folder's name is too long: %s",
                       out);
}

// Makes room for one more image by doubling, and returns it, all zero.
static struct image *add_image(struct pictures *pictures)
{
    size_t count = pictures->count;
    if ((count & (count - 1)) == 0) {
        size_t room = count ? 2 * count : 1;
        struct image *moved =
            reallocarray(pictures->images, room, sizeof *moved);
        if (!moved) return NULL;
        pictures->images = moved;
    }
    struct image *image = &pictures->images[count];
    memset(image, 0, sizeof *image);
    image->number = (int)++pictures->count;
    return image;
}

static int add_url(struct pictures *pictures, const char *out, const char *url,
                   struct failure *why)
{
    struct image *image = add_image(pictures);
    if (!image) return failure_set(why, -ENOMEM, "no memory for the list");

    (void)snprintf(image->url, sizeof image->url, "%s", url);
    int err =
        write_path(image->original, out, "original_images", image->number, why);
    if (err < 0) return err;
    return write_path(image->processed, out, "processed_images", image->number,
                      why);
}

static int add_built_in(struct pictures *pictures, const char *out,
                        struct failure *why)
{
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++) {
        char url[64];
        (void)snprintf(url, sizeof url, "https://picsum.photos/id/%d/1920/1080",
                       built_in[i]);
        int err = add_url(pictures, out, url, why);
        if (err < 0) return err;
    }
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Cuts blanks off both ends of `line`, in place.
static char *strip(char *line, size_t *len)
{
    while (*len > 0 && is_blank(line[*len - 1]))
        (*len)--;
    line[*len] = '\0';
    while (*len > 0 && is_blank(*line)) {
        line++;
        (*len)--;
    }
    return line;
}

// An address is shown on terminals, so it must not carry control characters.
static int check_url(const char *list, size_t number, const char *url,
                     size_t len, struct failure *why)
{
    if (len >= IMAGE_URL_SIZE)
        return failure_set(why, -ENAMETOOLONG,
                           "%s, line %zu: the address has %zu characters, "
                           "more than %d",
                           list, number, len, IMAGE_URL_SIZE - 1);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)url[i] < ' ' || url[i] == 0x7f)
            return failure_set(why, -EINVAL,
                               "%s, line %zu: a control character in the "
                               "address",
                               list, number);
    return 0;
}

static int add_line(struct pictures *pictures, const struct options *options,
                    size_t number, char *line, size_t len, struct failure *why)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    if (number == 1 && len >= 3 && memcmp(line, byte_order_mark, 3) == 0) {
        line += 3;
        len -= 3;
    }
    line = strip(line, &len);
    if (len == 0 || *line == '#') return 0;

    int err = check_url(options->list, number, line, len, why);
    return err < 0 ? err : add_url(pictures, options->out, line, why);
}

static int add_lines(struct pictures *pictures, const struct options *options,
                     FILE *file, struct failure *why)
{
    char *line = NULL;
    size_t size = 0, number = 0;
    int err = 0;
    while (err == 0) {
        errno = 0;
        ssize_t len = getline(&line, &size, file);
        if (len < 0) break;
        err = add_line(pictures, options, ++number, line, (size_t)len, why);
    }
    int reason = errno;
    free(line);
    if (err < 0 || feof(file)) return err;
    return failure_set(why, reason ? -reason : -EIO, "cannot read %s: %s",
                       options->list, strerror(reason ? reason : EIO));
}

static int add_list(struct pictures *pictures, const struct options *options,
                    struct failure *why)
{
    FILE *file = fopen(options->list, "re");
    if (!file) {
        int err = -errno;
        return failure_set(why, err, "cannot open %s: %s", options->list,
                           strerror(-err));
    }
    int err = add_lines(pictures, options, file, why);
    (void)fclose(file);
    if (err < 0 || pictures->count > 0) return err;
    return failure_set(why, -EINVAL, "%s holds no address", options->list);
}

static int make_folder(const char *path, struct failure *why)
{
    struct stat found;
    if (mkdir(path, 0777) == 0) return 0;
    int err = -errno;
    if (stat(path, &found) == 0) {
        if (S_ISDIR(found.st_mode)) return 0;
        err = -ENOTDIR;
    }
    return failure_set(why, err, "cannot make the folder %s: %s", path,
                       strerror(-err));
}

// Makes each folder on the way to the file `path`.
static int make_folders(const char *path, struct failure *why)
{
    char folder[IMAGE_PATH_SIZE];
    (void)snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int err = make_folder(folder, why);
        if (err < 0) return err;
        *slash = '/';
    }
    return 0;
}

static int fill(struct pictures *pictures, const struct options *options,
                struct failure *why)
{
    int err = options->list ? add_list(pictures, options, why)
                            : add_built_in(pictures, options->out, why);
    if (err < 0) return err;

    err = make_folders(pictures->images[0].original, why);
    return err < 0 ? err : make_folders(pictures->images[0].processed, why);
}

int pictures_open(struct pictures *pictures, int argc, char **argv,
                  struct failure *why)
{
    struct options options = {.out = "pictures", .timeout = TIMEOUT_DEFAULT};
    *pictures = (struct pictures){0};
    opterr = 0; // our sentence, not getopt's
    int err = read_options(&options, argc, argv, why);
    if (err < 0) return err;
    if (options.help) {
        printf(help, argv[0]);
        return 1;
    }

    pictures->workers = options.workers;
    pictures->limit = options.limit;
    pictures->timeout = options.timeout;
    err = fill(pictures, &options, why);
    if (err < 0) pictures_close(pictures);
    return err;
}

void pictures_close(struct pictures *pictures)
{
    free(pictures->images);
    *pictures = (struct pictures){0};
}
