// The parser: lines into parts, each part looked at byte by byte.
//
// `struct request_text` is also the cursor: a line is cut from its front, piece
// by piece, and what is left over when a rule is through is a fault. A line is
// looked at once, when it is complete, so it does not matter in which pieces it
// came. Behind each stands its CR, which fits nowhere: nobody reads beyond.

#include "request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// What may stand in each part, beside letters and digits.
#define TOKEN "!#$%&'*+-.^_`|~"
#define HOST  "-._~!$&'()*+,;=%"
#define PATH  HOST ":@/"
#define QUERY PATH "?"

// ---- Cutting ----------------------------------------------------------------

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool fits(char c, const char *others)
{
    char letter = (char)(c | 32);
    return is_digit(c) || (letter >= 'a' && letter <= 'z') ||
           (c && strchr(others, c));
}

// Takes `len` bytes from the front of `text`.
static struct request_text take(struct request_text *text, size_t len)
{
    struct request_text piece = {text->at, len};
    text->at += len;
    text->len -= len;
    return piece;
}

// The front of `text`, as far as its bytes fit.
static struct request_text cut(struct request_text *text, const char *others)
{
    size_t len = 0;
    while (len < text->len && fits(text->at[len], others))
        len++;
    return take(text, len);
}

// A number in decimal digits; those beyond what can be counted are the largest.
static bool cut_number(struct request_text *text, uint64_t *number)
{
    char *end;
    if (text->len == 0 || !is_digit(text->at[0])) return false;
    *number = strtoull(text->at, &end, 10);
    take(text, (size_t)(end - text->at));
    return true;
}

static bool skip(struct request_text *text, const char *word)
{
    size_t len = strlen(word);
    if (text->len < len || strncasecmp(text->at, word, len) != 0) return false;
    take(text, len);
    return true;
}

static bool is_nocase(struct request_text text, const char *word)
{
    return text.at && skip(&text, word) && text.len == 0;
}

bool request_is(struct request_text text, const char *word)
{
    return is_nocase(text, word) && memcmp(text.at, word, text.len) == 0;
}

// ---- The request line -------------------------------------------------------

static int hex(char c)
{
    if (is_digit(c)) return c - '0';
    return isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10 : -1;
}

static bool is_escaped_well(struct request_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == '%' &&
            (i + 2 >= text.len || hex(text.at[i + 1]) < 0 ||
             hex(text.at[i + 2]) < 0))
            return false;
    return true;
}

// host [":" port]
static bool skip_host(struct request_text *text)
{
    uint64_t port;
    if (skip(text, "[")) {
        struct request_text address = cut(text, ".:");
        for (size_t i = 0; i < address.len; i++)
            if (!strchr(".:", address.at[i]) && hex(address.at[i]) < 0)
                return false;
        if (address.len == 0 || !skip(text, "]")) return false;
    } else if (!is_escaped_well(cut(text, HOST))) {
        return false;
    }
    if (skip(text, ":")) cut_number(text, &port);
    return true;
}

// "/path?query", or with "http://host" before it.
static int read_target(struct request *request, struct request_text target)
{
    bool absolute = skip(&target, "http://");
    const char *host = target.at;
    if (absolute && (!skip_host(&target) || target.at == host || *host == ':'))
        return -400;

    struct request_text path = cut(&target, PATH), query = {NULL, 0};
    if (skip(&target, "?")) query = cut(&target, QUERY);
    bool rooted = path.len > 0 ? path.at[0] == '/' : absolute;
    request->path = path;
    return rooted && target.len == 0 && is_escaped_well(path) &&
                   is_escaped_well(query)
               ? 0
               : -400;
}

static int read_request_line(struct request *request, struct request_text line)
{
    request->method = cut(&line, TOKEN);
    if (!skip(&line, " ") || line.len < 9) return -400;
    struct request_text target = take(&line, line.len - 9);
    if (memcmp(line.at, " HTTP/", 6) != 0 || !is_digit(line.at[6]) ||
        line.at[7] != '.' || !is_digit(line.at[8]) || request->method.len == 0)
        return -400;
    if (line.at[6] != '1') return -505;
    request->version_1_0 = line.at[8] == '0';

    // These two have forms of their own, and no server of files has them.
    if (request_is(request->method, "CONNECT")) return -501;
    if (request_is(request->method, "OPTIONS") && request_is(target, "*"))
        return 0;
    return read_target(request, target);
}

// ---- Fields -----------------------------------------------------------------

// Where the value of a field belongs that may come only once, or NULL.
static struct request_text *place_of(struct request *request,
                                     struct request_text name)
{
    if (is_nocase(name, "host")) return &request->host;
    if (is_nocase(name, "range")) return &request->range;
    if (is_nocase(name, "if-range")) return &request->if_range;
    if (is_nocase(name, "content-length")) return &request->content_length;
    if (is_nocase(name, "transfer-encoding"))
        return &request->transfer_encoding;
    return NULL;
}

static void read_connection(struct request *request, struct request_text value)
{
    while (value.len > 0) {
        struct request_text word = cut(&value, TOKEN);
        request->wants_close |= is_nocase(word, "close");
        request->wants_keep_alive |= is_nocase(word, "keep-alive");
        if (word.len == 0) take(&value, 1);
    }
}

// Without the space around it; -400 if there is anything in it that is no text.
static int read_value(struct request_text *value)
{
    while (skip(value, " ") || skip(value, "\t"))
        continue;
    for (size_t i = 0; i < value->len; i++)
        if (iscntrl((unsigned char)value->at[i]) && value->at[i] != '\t')
            return -400;
    while (value->len > 0 && isblank((unsigned char)value->at[value->len - 1]))
        value->len--;
    return 0;
}

// A fold, a space before the colon and a field without a name all end here as
// names that are none.
static int read_field(struct request *request, struct request_text line)
{
    struct request_text name = cut(&line, TOKEN);
    if (name.len == 0 || !skip(&line, ":")) return -400;
    if (++request->fields > REQUEST_FIELDS_MAX) return -431;

    struct request_text *place = place_of(request, name);
    if (read_value(&line) < 0 || (place && place->at)) return -400;
    if (is_nocase(name, "connection")) read_connection(request, line);
    if (place) *place = line;
    return 0;
}

// ---- The end of the head ----------------------------------------------------

static bool ends_chunked(struct request_text coding)
{
    size_t len = strlen("chunked");
    return coding.len >= len &&
           strncasecmp(coding.at + coding.len - len, "chunked", len) == 0;
}

// Where a body ends must be beyond doubt, whether or not anybody reads it.
static int check_body(struct request *request)
{
    struct request_text length = request->content_length;
    struct request_text coding = request->transfer_encoding;
    uint64_t count = 0;
    if (coding.at && (length.at || request->version_1_0)) return -400;
    if (coding.at && !ends_chunked(coding)) return -400;
    if (coding.at && !is_nocase(coding, "chunked")) return -501;
    if (length.at &&
        (!cut_number(&length, &count) || length.len > 0 || count == UINT64_MAX))
        return -400;
    request->has_body = coding.at || count > 0;
    return 0;
}

static int end_head(struct request *request)
{
    struct request_text host = request->host;
    if (!host.at && !request->version_1_0) return -400;
    if (host.at && (!skip_host(&host) || host.len > 0)) return -400;
    int err = check_body(request);
    request->keep_alive = !request->wants_close &&
                          (!request->version_1_0 || request->wants_keep_alive);
    return err < 0 ? err : (int)request->parsed;
}

// ---- Lines ------------------------------------------------------------------

// Cuts the next line. Returns 1; 0 if its end has not come; or a status.
static int next_line(struct request *request, const char *data, size_t len,
                     struct request_text *line)
{
    bool first = request->method.len == 0;
    const char *start = data + request->parsed;
    const char *end = memchr(start, '\n', len - request->parsed);
    size_t so_far = end ? (size_t)(end - start) : len - request->parsed;

    // Both limits are judged by what is there, complete or not: the answer is
    // the same in however many pieces it comes.
    if (so_far > REQUEST_LINE_MAX + 1) return first ? -414 : -431;
    if (request->parsed + so_far + 1 > REQUEST_HEAD_MAX) return -431;
    if (!end) return 0;
    if (so_far == 0 || end[-1] != '\r') return -400;
    *line = (struct request_text){start, so_far - 1};
    request->parsed += so_far + 1;
    return 1;
}

int request_parse(struct request *request, const char *data, size_t len)
{
    struct request_text line;
    int err;
    while ((err = next_line(request, data, len, &line)) > 0) {
        bool first = request->method.len == 0;
        if (line.len == 0 && !first) return end_head(request);
        // One empty line before a request is what is left of the last one.
        if (line.len == 0 && request->parsed == 2) continue;
        err = first ? read_request_line(request, line)
                    : read_field(request, line);
        if (err < 0) return err;
    }
    return err;
}

// ---- What is wanted ---------------------------------------------------------

int request_path(const struct request *request, char *path, size_t size)
{
    struct request_text from = request->path;
    size_t len = 0;
    skip(&from, "/");
    while (from.len > 0) {
        bool begins = len == 0 || path[len - 1] == '/';
        bool escaped = from.at[0] == '%';
        const char *piece = take(&from, escaped ? 3 : 1).at;
        char c = escaped ? (char)(hex(piece[1]) * 16 + hex(piece[2])) : *piece;
        if (c == '\0') return -400;
        if (begins && (c == '.' || c == '/')) return -404;
        if ((escaped && c == '/') || len + 1 >= size) return -404;
        path[len++] = c;
    }
    path[len] = '\0';
    return (int)len;
}

int request_range(const struct request *request, uint64_t size, uint64_t *first,
                  uint64_t *count)
{
    struct request_text text = request->range;
    uint64_t from = 0, last = UINT64_MAX;
    *first = 0;
    *count = size;
    if (!text.at || request->if_range.at || !skip(&text, "bytes=")) return 200;

    bool suffix = !cut_number(&text, &from);
    if (!skip(&text, "-")) return 200;
    bool open = !cut_number(&text, &last);
    if (text.len > 0 || (suffix && open) || last < from) return 200;
    if (suffix ? last == 0 : from >= size) return 416;
    if (suffix && size == 0) return 200; // all of nothing, which is no part
    *first = !suffix ? from : last < size ? size - last : 0;
    *count = (suffix || last >= size ? size : last + 1) - *first;
    return 206;
}
