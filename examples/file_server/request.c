// The parser: lines into parts, each part looked at byte by byte.
//
// `struct request_text` is also the cursor: a line is cut from its front, piece
// by piece, and what is left over when a rule is through is a fault. A line is
// looked at once, when it is complete, so it does not matter in which pieces it
// came.

#include "request.h"

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

// The front of `text`, as far as its bytes fit.
static struct request_text cut(struct request_text *text, const char *others)
{
    struct request_text piece = {text->at, 0};
    while (piece.len < text->len && fits(text->at[piece.len], others))
        piece.len++;
    text->at += piece.len;
    text->len -= piece.len;
    return piece;
}

// A number in decimal digits; those beyond what can be counted are the largest.
static bool cut_number(struct request_text *text, uint64_t *number)
{
    size_t len = 0;
    *number = 0;
    for (; len < text->len && is_digit(text->at[len]); len++) {
        uint64_t digit = (uint64_t)(text->at[len] - '0');
        bool room = *number <= (UINT64_MAX - digit) / 10;
        *number = room ? *number * 10 + digit : UINT64_MAX;
    }
    text->at += len;
    text->len -= len;
    return len > 0;
}

static bool skip(struct request_text *text, const char *word)
{
    size_t len = strlen(word);
    if (text->len < len || strncasecmp(text->at, word, len) != 0) return false;
    text->at += len;
    text->len -= len;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(struct request_text *text)
{
    for (; text->len > 0 && is_space(text->at[0]); text->len--)
        text->at++;
    while (text->len > 0 && is_space(text->at[text->len - 1]))
        text->len--;
}

bool request_is(struct request_text text, const char *word)
{
    return text.at && text.len == strlen(word) &&
           memcmp(text.at, word, text.len) == 0;
}

bool request_is_nocase(struct request_text text, const char *word)
{
    return text.at && skip(&text, word) && text.len == 0;
}

// ---- The request line -------------------------------------------------------

static int hex(char c)
{
    if (is_digit(c)) return c - '0';
    return (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
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

// host [":" port]; cuts nothing that cannot be one.
static bool cut_authority(struct request_text *text, struct request_text *host)
{
    uint64_t port;
    const char *start = text->at;
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
    *host = (struct request_text){start, (size_t)(text->at - start)};
    return true;
}

// "/path?query", or with "http://host" before it.
static int read_target(struct request *request, struct request_text target)
{
    bool absolute = skip(&target, "http://");
    if (absolute &&
        (!cut_authority(&target, &request->authority) ||
         request->authority.len == 0 || request->authority.at[0] == ':'))
        return -400;

    request->path = cut(&target, PATH);
    if (!absolute && request->path.len == 0) return -400;
    if (request->path.len > 0 && request->path.at[0] != '/') return -400;
    if (skip(&target, "?")) request->query = cut(&target, QUERY);
    if (target.len > 0) return -400;
    return is_escaped_well(request->path) && is_escaped_well(request->query)
               ? 0
               : -400;
}

static int read_request_line(struct request *request, struct request_text line)
{
    request->method = cut(&line, TOKEN);
    if (request->method.len == 0 || !skip(&line, " ")) return -400;
    const char *space = memchr(line.at, ' ', line.len);
    if (!space) return -400;
    struct request_text target = {line.at, (size_t)(space - line.at)};
    struct request_text version = {space + 1, line.len - target.len - 1};

    if (version.len != 8 || memcmp(version.at, "HTTP/", 5) != 0 ||
        !is_digit(version.at[5]) || version.at[6] != '.' ||
        !is_digit(version.at[7]))
        return -400;
    if (version.at[5] != '1') return -505;
    request->version_1_0 = version.at[7] == '0';

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
    struct {
        const char *name;
        struct request_text *place;
    } known[] = {
        {"host", &request->host},
        {"range", &request->range},
        {"if-range", &request->if_range},
        {"if-modified-since", &request->if_modified_since},
        {"content-length", &request->content_length},
        {"transfer-encoding", &request->transfer_encoding},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (request_is_nocase(name, known[i].name)) return known[i].place;
    return NULL;
}

static void read_connection(struct request *request, struct request_text value)
{
    while (value.len > 0) {
        struct request_text word = cut(&value, TOKEN);
        if (request_is_nocase(word, "close")) request->wants_close = true;
        if (request_is_nocase(word, "keep-alive"))
            request->wants_keep_alive = true;
        if (word.len == 0) value.at++, value.len--;
    }
}

static bool is_control(unsigned char c)
{
    return (c < ' ' && c != '\t') || c == 0x7f;
}

// A fold, a space before the colon and a field without a name all end here as
// names that are none.
static int read_field(struct request *request, struct request_text line)
{
    struct request_text name = cut(&line, TOKEN);
    if (name.len == 0 || !skip(&line, ":")) return -400;
    if (++request->fields > REQUEST_FIELDS_MAX) return -431;

    trim(&line);
    for (size_t i = 0; i < line.len; i++)
        if (is_control((unsigned char)line.at[i])) return -400;
    if (request_is_nocase(name, "connection")) read_connection(request, line);
    struct request_text *place = place_of(request, name);
    if (place && place->at) return -400;
    if (place) *place = line;
    return 0;
}

// ---- The end of the head ----------------------------------------------------

static int check_host(struct request *request)
{
    struct request_text host = request->host, whole;
    if (!host.at) {
        if (!request->version_1_0) return -400;
    } else if (!cut_authority(&host, &whole) || host.len > 0) {
        return -400;
    }
    if (request->authority.at) request->host = request->authority;
    return 0;
}

static bool ends_chunked(struct request_text coding)
{
    size_t len = strlen("chunked");
    if (coding.len < len) return false;
    return strncasecmp(coding.at + coding.len - len, "chunked", len) == 0;
}

// Where a body ends must be beyond doubt, whether or not anybody reads it.
static int check_body(struct request *request)
{
    struct request_text length = request->content_length;
    struct request_text coding = request->transfer_encoding;
    uint64_t count = 0;
    if (coding.at) {
        if (length.at || request->version_1_0) return -400;
        request->has_body = true;
        if (request_is_nocase(coding, "chunked")) return 0;
        return ends_chunked(coding) ? -501 : -400;
    }
    if (!length.at) return 0;
    if (!cut_number(&length, &count) || length.len > 0 || count == UINT64_MAX)
        return -400;
    request->has_body = count > 0;
    return 0;
}

static int end_head(struct request *request)
{
    int err = check_host(request);
    if (err == 0) err = check_body(request);
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
        bool empty = line.len == 0;
        if (request->method.len > 0 && empty) return end_head(request);
        // One empty line before a request is what is left of the last one.
        if (empty && request->parsed == 2) continue;
        err = request->method.len == 0 ? read_request_line(request, line)
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
    for (size_t i = 0; i < from.len; i++) {
        bool begins = len == 0 || path[len - 1] == '/';
        char c = from.at[i];
        bool escaped = c == '%';
        if (escaped) {
            c = (char)(hex(from.at[i + 1]) * 16 + hex(from.at[i + 2]));
            i += 2;
        }
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
    uint64_t from, last;
    *first = 0;
    *count = size;
    if (!text.at || !skip(&text, "bytes=")) return 200;

    bool suffix = !cut_number(&text, &from);
    if (!skip(&text, "-")) return 200;
    bool open = !cut_number(&text, &last);
    if (text.len > 0 || (suffix && open)) return 200;
    if (suffix) {
        if (last == 0) return 416;
        if (size == 0) return 200; // all of nothing, which is no part
        *count = last < size ? last : size;
        *first = size - *count;
        return 206;
    }
    if (!open && last < from) return 200;
    if (from >= size) return 416;
    if (open || last >= size) last = size - 1;
    *first = from;
    *count = last - from + 1;
    return 206;
}
