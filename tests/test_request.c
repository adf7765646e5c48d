// The file server's parser of requests: what it takes, and what it refuses.
//
// Every request is parsed in one piece, and byte by byte, each time from memory
// that ends at an unreadable page. The answer is always the same.

#include "runner/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "file_server/request.h"

#define HOST "Host: x\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST
#define END  "\r\n"

// ---- Memory that ends where nobody may read ---------------------------------

struct fence {
    char *start;
    size_t size; // bytes that may be read; more may not
};

static bool fence_open(struct fence *fence, size_t size)
{
    fence->size = size;
    fence->start = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!EXPECT(fence->start != MAP_FAILED)) return false;
    return EXPECT_EQ(mprotect(fence->start + size, 4096, PROT_NONE), 0);
}

static void fence_close(struct fence *fence)
{
    munmap(fence->start, fence->size + 4096);
}

static char *fence_put(struct fence *fence, const char *text, size_t len)
{
    char *at = fence->start + fence->size - len;
    memcpy(at, text, len);
    return at;
}

// ---- Parsing in pieces ------------------------------------------------------

static int parse(struct request *request, const char *text, size_t len)
{
    *request = (struct request){0};
    return request_parse(request, text, len);
}

// Each beginning of it anew, with the fence right behind.
static int parse_beginnings(struct fence *fence, const char *text, size_t len)
{
    struct request request;
    int n = 0;
    for (size_t so_far = 0; so_far <= len && n == 0; so_far++)
        n = parse(&request, fence_put(fence, text, so_far), so_far);
    return n;
}

// As it comes from the slowest of clients.
static int parse_slowly(const char *text, size_t len)
{
    struct request request = {0};
    int n = 0;
    for (size_t so_far = 0; so_far <= len && n == 0; so_far++)
        n = request_parse(&request, text, so_far);
    return n;
}

struct sample {
    const char *text;
    size_t len;
    int answer; // 200: it is taken, and all of it belongs to the head
};
#define SAMPLE(text, answer)                                                   \
    {                                                                          \
        text, sizeof text - 1, answer                                          \
    }

static void expect_answers(const struct sample *samples, size_t count)
{
    struct fence fence;
    EXPECT_OR_RETURN(fence_open(&fence, 65536));
    for (size_t i = 0; i < count; i++) {
        const struct sample *sample = &samples[i];
        struct request request;
        int wanted = sample->answer == 200 ? (int)sample->len : -sample->answer;
        char *at = fence_put(&fence, sample->text, sample->len);
        int whole = parse(&request, at, sample->len);
        int slowly = parse_slowly(at, sample->len);
        int pieces = parse_beginnings(&fence, sample->text, sample->len);
        if (whole != wanted || slowly != wanted || pieces != wanted)
            FAIL("%d, slowly %d, beginnings %d, expected %d: %s", whole, slowly,
                 pieces, wanted, sample->text);
    }
    fence_close(&fence);
}
#define EXPECT_ANSWERS(samples)                                                \
    expect_answers(samples, sizeof samples / sizeof *samples)

TEST_PLAIN(sound_requests_are_taken)
{
    static const struct sample samples[] = {
        SAMPLE(GET END, 200),
        SAMPLE("\r\n" GET END, 200),
        SAMPLE("GET / HTTP/1.0\r\n" END, 200),
        SAMPLE("GET /a/b.html?c=d&e=%20/? HTTP/1.1\r\n" HOST END, 200),
        SAMPLE("GET /%41%7e;x=y@z:,'()!$&*+= HTTP/1.1\r\n" HOST END, 200),
        SAMPLE("GET http://x/a?b HTTP/1.1\r\n" HOST END, 200),
        SAMPLE("GET HTTP://x.example:8080 HTTP/1.1\r\n" HOST END, 200),
        SAMPLE("GET http://[::1]:8080/ HTTP/1.1\r\n" HOST END, 200),
        SAMPLE("GET http://x?q HTTP/1.1\r\n" HOST END, 200),
        SAMPLE("GET / HTTP/1.9\r\n" HOST END, 200),
        SAMPLE("OPTIONS * HTTP/1.1\r\n" HOST END, 200),
        SAMPLE("W*ld-!#$%&'+.^_`|~1 / HTTP/1.1\r\n" HOST END, 200),
        SAMPLE("GET / HTTP/1.1\r\nHost:\r\n" END, 200),
        SAMPLE("GET / HTTP/1.1\r\nhOsT:\t x \t \r\n" END, 200),
        SAMPLE("GET / HTTP/1.1\r\nHost: [::1]:80\r\n" END, 200),
        SAMPLE("GET / HTTP/1.1\r\nHost: x:\r\n" END, 200),
        SAMPLE(GET "X:\r\nY: \r\nZ: \t\xc3\xa4 \"(,)\" \\ \r\n" END, 200),
        SAMPLE(GET "Content-Length: 0\r\n" END, 200),
        SAMPLE(GET "Content-Length: 18446744073709551614\r\n" END, 200),
        SAMPLE(GET "Transfer-Encoding: Chunked\r\n" END, 200),
        SAMPLE(GET "Connection: close\r\nConnection: x, y\r\n" END, 200),
    };
    EXPECT_ANSWERS(samples);
}

TEST_PLAIN(doubtful_lines_are_refused)
{
    static const struct sample samples[] = {
        // No head at all.
        SAMPLE("\r\n\r\n" GET END, 400),
        SAMPLE("\n" GET END, 400),
        SAMPLE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
        SAMPLE("\r\n \r\n", 400),
        // Ends of lines.
        SAMPLE("GET / HTTP/1.1\n" HOST END, 400),
        SAMPLE("GET / HTTP/1.1\r\nHost: x\n" END, 400),
        SAMPLE(GET "\n", 400),
        SAMPLE(GET "X: a\rb\r\n" END, 400),
        SAMPLE(GET "X: a\r\r\n" END, 400),
        SAMPLE(GET "\r\r\n", 400),
        SAMPLE("GET / HTTP/1.1\r\r\n" HOST END, 400),
        SAMPLE(GET "X: a\nY: b\r\n" END, 400),
        // The first line.
        SAMPLE("GET /\r\n" HOST END, 400),
        SAMPLE("GET  / HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /  HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET / HTTP/1.1 \r\n" HOST END, 400),
        SAMPLE(" GET / HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET\t/ HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET / HTTP/1.1\r\n " HOST END, 400),
        SAMPLE("GET /\tHTTP/1.1\r\n" HOST END, 400),
        SAMPLE("G@T / HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GE\0T / HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET / http/1.1\r\n" HOST END, 400),
        SAMPLE("GET / HTTP/1\r\n" HOST END, 400),
        SAMPLE("GET / HTTP/1.10\r\n" HOST END, 400),
        SAMPLE("GET / HTTP/a.1\r\n" HOST END, 400),
        SAMPLE("GET / HTTP/0.9\r\n" HOST END, 505),
        SAMPLE("GET / HTTP/2.0\r\n" HOST END, 505),
        SAMPLE("PRI * HTTP/2.0\r\n" END "SM\r\n\r\n", 505),
        SAMPLE("CONNECT x:80 HTTP/1.1\r\n" HOST END, 501),
        // The target.
        SAMPLE("GET * HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET a HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET ?a HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /a#b HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /a?b#c HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /\\a HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /\xc3\xa4 HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /\x7f HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /a\0b HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /% HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /%4 HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /%4g HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET /?%u0041 HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET https://x/ HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET ftp://x/ HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET http:///a HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET http://:80/ HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET http://a@b/ HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET http://x:80x/ HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET http://[::1/ HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET http://[x]/ HTTP/1.1\r\n" HOST END, 400),
        SAMPLE("GET http://%zz/ HTTP/1.1\r\n" HOST END, 400),
    };
    EXPECT_ANSWERS(samples);
}

TEST_PLAIN(doubtful_fields_are_refused)
{
    static const struct sample samples[] = {
        SAMPLE(GET " X: folded\r\n" END, 400),
        SAMPLE(GET "X: a\r\n b\r\n" END, 400),
        SAMPLE(GET "X: a\r\n\tb\r\n" END, 400),
        SAMPLE(GET "X : a\r\n" END, 400),
        SAMPLE(GET "X\t: a\r\n" END, 400),
        SAMPLE(GET ": a\r\n" END, 400),
        SAMPLE(GET "X\r\n" END, 400),
        SAMPLE(GET "X y: a\r\n" END, 400),
        SAMPLE(GET "X(): a\r\n" END, 400),
        SAMPLE(GET "X\xc3: a\r\n" END, 400),
        SAMPLE(GET "X: a\0b\r\n" END, 400),
        SAMPLE(GET "X: a\0\r\n" END, 400),
        SAMPLE(GET "X: \0\r\n" END, 400),
        SAMPLE(GET "X: a\x01\r\n" END, 400),
        SAMPLE(GET "X: a\x7f\r\n" END, 400),
        SAMPLE(GET "X: a\v\r\n" END, 400),
        // The host.
        SAMPLE("GET / HTTP/1.1\r\n" END, 400),
        SAMPLE("GET http://x/ HTTP/1.1\r\n" END, 400),
        SAMPLE(GET "Host: x\r\n" END, 400),
        SAMPLE(GET "host: y\r\n" END, 400),
        SAMPLE("GET / HTTP/1.0\r\n" HOST HOST END, 400),
        SAMPLE("GET / HTTP/1.1\r\nHost: a b\r\n" END, 400),
        SAMPLE("GET / HTTP/1.1\r\nHost: a/b\r\n" END, 400),
        SAMPLE("GET / HTTP/1.1\r\nHost: a@b\r\n" END, 400),
        SAMPLE("GET / HTTP/1.1\r\nHost: a:b\r\n" END, 400),
        SAMPLE("GET / HTTP/1.1\r\nHost: [::1\r\n" END, 400),
        SAMPLE("GET / HTTP/1.1\r\nHost: a%\r\n" END, 400),
        SAMPLE("GET / HTTP/1.1\r\nHost : x\r\n" END, 400),
        // Where the body would end.
        SAMPLE(GET "Content-Length: 1\r\nContent-Length: 1\r\n" END, 400),
        SAMPLE(GET "Content-Length: 1\r\nContent-Length: 2\r\n" END, 400),
        SAMPLE(GET "Content-Length: 1, 1\r\n" END, 400),
        SAMPLE(GET "Content-Length: +1\r\n" END, 400),
        SAMPLE(GET "Content-Length: -1\r\n" END, 400),
        SAMPLE(GET "Content-Length: 0x1\r\n" END, 400),
        SAMPLE(GET "Content-Length: 1 1\r\n" END, 400),
        SAMPLE(GET "Content-Length: 1.0\r\n" END, 400),
        SAMPLE(GET "Content-Length:\r\n" END, 400),
        SAMPLE(GET "Content-Length: 18446744073709551616\r\n" END, 400),
        SAMPLE(GET "Content-Length: 99999999999999999999\r\n" END, 400),
        SAMPLE(GET "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" END,
               400),
        SAMPLE(GET "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n" END,
               400),
        SAMPLE(GET "Transfer-Encoding: chunked\r\n"
                   "Transfer-Encoding: chunked\r\n" END,
               400),
        SAMPLE("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END, 400),
        SAMPLE(GET "Transfer-Encoding: identity\r\n" END, 400),
        SAMPLE(GET "Transfer-Encoding: chunked, gzip\r\n" END, 400),
        SAMPLE(GET "Transfer-Encoding: chunked;x\r\n" END, 400),
        SAMPLE(GET "Transfer-Encoding: \vchunked\r\n" END, 400),
        SAMPLE(GET "Transfer-Encoding:\r\n" END, 400),
        SAMPLE(GET "Transfer-Encoding: gzip, chunked\r\n" END, 501),
        SAMPLE(GET "Transfer-Encoding: chunked, chunked\r\n" END, 501),
        SAMPLE(GET "Transfer-Encoding: xchunked\r\n" END, 501),
        SAMPLE(GET "Range: bytes=0-1\r\nRange: bytes=0-1\r\n" END, 400),
    };
    EXPECT_ANSWERS(samples);
}

TEST_PLAIN(a_head_that_is_not_whole_is_waited_for)
{
    static const char text[] = GET "X: y\r\n" END;
    struct fence fence;
    EXPECT_OR_RETURN(fence_open(&fence, 4096));
    for (size_t len = 0; len < sizeof text - 1; len++) {
        struct request request;
        int n = parse(&request, fence_put(&fence, text, len), len);
        if (n != 0) FAIL("%d after %zu bytes", n, len);
    }
    fence_close(&fence);
}

// ---- Limits -----------------------------------------------------------------

struct long_head {
    char text[65536];
    size_t len;
};

static void add(struct long_head *head, const char *text)
{
    size_t len = strlen(text);
    if (!EXPECT(head->len + len <= sizeof head->text)) return;
    memcpy(head->text + head->len, text, len);
    head->len += len;
}

static void add_many(struct long_head *head, char c, size_t count)
{
    if (!EXPECT(head->len + count <= sizeof head->text)) return;
    memset(head->text + head->len, c, count);
    head->len += count;
}

static void expect_answer(struct long_head *head, int answer)
{
    const struct sample sample = {head->text, head->len, answer};
    struct fence fence;
    struct request request;
    EXPECT_OR_RETURN(fence_open(&fence, sizeof head->text));
    char *at = fence_put(&fence, head->text, head->len);
    int wanted = answer == 200 ? (int)sample.len : -answer;
    EXPECT_EQ(parse(&request, at, head->len), wanted);
    EXPECT_EQ(parse_slowly(at, head->len), wanted);
    fence_close(&fence);
    head->len = 0;
}

TEST_PLAIN(long_lines_and_heads_are_refused)
{
    struct long_head *head = calloc(1, sizeof *head);
    EXPECT_OR_RETURN(head);

    // "GET /" and " HTTP/1.1" are 14 bytes of the first line.
    for (size_t more = 0; more < 2; more++) {
        add(head, "GET /");
        add_many(head, 'a', REQUEST_LINE_MAX - 14 + more);
        add(head, " HTTP/1.1\r\n" HOST END);
        expect_answer(head, more ? 414 : 200);
    }
    add_many(head, 'a', REQUEST_LINE_MAX + 2);
    expect_answer(head, 414);
    add_many(head, '\0', 65536);
    expect_answer(head, 414);

    for (size_t more = 0; more < 2; more++) {
        add(head, GET "X:");
        add_many(head, 'a', REQUEST_LINE_MAX - 2 + more);
        add(head, "\r\n" END);
        expect_answer(head, more ? 431 : 200);
    }

    // Two long fields, and one that fills the head to its last byte.
    for (size_t more = 0; more < 2; more++) {
        add(head, GET);
        for (int i = 0; i < 2; i++) {
            add(head, "X:");
            add_many(head, 'a', 7990);
            add(head, "\r\n");
        }
        size_t left = REQUEST_HEAD_MAX - head->len - strlen("X:\r\n" END);
        add(head, "X:");
        add_many(head, 'a', left + more);
        add(head, "\r\n" END);
        expect_answer(head, more ? 431 : 200);
    }

    for (int more = 0; more < 2; more++) {
        add(head, GET);
        for (int i = 0; i < REQUEST_FIELDS_MAX - 1 + more; i++)
            add(head, "X: y\r\n");
        add(head, END);
        expect_answer(head, more ? 431 : 200);
    }
    free(head);
}

// ---- What is in it ----------------------------------------------------------

static bool take(struct request *request, const char *text)
{
    return EXPECT_GT(parse(request, text, strlen(text)), 0);
}

TEST_PLAIN(parts_are_found)
{
    struct request r;
    EXPECT_OR_RETURN(take(&r, "HEAD /a%20b?c=d HTTP/1.1\r\nHost: \thost:80 \r\n"
                              "RANGE:bytes=1-2\r\nIf-Range: \"x\"\r\n" END));
    EXPECT(request_is(r.method, "HEAD"));
    EXPECT(!request_is(r.method, "head"));
    EXPECT(!request_is(r.method, "HEADS"));
    EXPECT(request_is(r.path, "/a%20b"));
    EXPECT(request_is(r.host, "host:80"));
    EXPECT(request_is(r.range, "bytes=1-2"));
    EXPECT(request_is(r.if_range, "\"x\""));
    EXPECT(!r.has_body);

    EXPECT_OR_RETURN(take(&r, GET END));
    EXPECT(!r.range.at && !request_is(r.range, ""));
}

TEST_PLAIN(a_target_may_name_its_host)
{
    struct request r;
    EXPECT_OR_RETURN(
        take(&r, "GET http://one:8/a HTTP/1.1\r\nHost: two\r\n" END));
    EXPECT(request_is(r.path, "/a"));
}

TEST_PLAIN(what_comes_behind_a_head_is_left_alone)
{
    static const char text[] = GET END "GET /next";
    struct request r;
    EXPECT_EQ(parse(&r, text, sizeof text - 1), (int)strlen(GET END));
}

static bool stays(const char *text)
{
    struct request r;
    return take(&r, text) && r.keep_alive;
}

TEST_PLAIN(connections_are_kept_as_version_and_field_say)
{
    EXPECT(stays(GET END));
    EXPECT(stays(GET "Connection: closed, xclose\r\n" END));
    EXPECT(!stays(GET "Connection: Close\r\n" END));
    EXPECT(!stays(GET "Connection: keep-alive, close\r\n" END));
    EXPECT(!stays(GET "Connection: x,\tclose\r\n" END));
    EXPECT(!stays(GET "Connection: close\r\nConnection: keep-alive\r\n" END));
    EXPECT(!stays("GET / HTTP/1.0\r\n" END));
    EXPECT(stays("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n" END));
}

TEST_PLAIN(bodies_are_seen)
{
    struct request r;
    EXPECT(take(&r, GET "Content-Length: 0\r\n" END) && !r.has_body);
    EXPECT(take(&r, GET "Content-Length: 0001\r\n" END) && r.has_body);
    EXPECT(take(&r, GET "Transfer-Encoding: chunked\r\n" END) && r.has_body);
}

// ---- Paths ------------------------------------------------------------------

static void expect_path(const char *target, int wanted, const char *path)
{
    char head[1024], out[256];
    struct request r;
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n" HOST END, target);
    EXPECT_OR_RETURN(take(&r, head));
    int n = request_path(&r, out, sizeof out);
    if (n != (wanted ? wanted : (int)strlen(path)))
        FAIL("%s: %d", target, n);
    else if (n >= 0)
        EXPECT_STR(out, path);
}

TEST_PLAIN(paths_are_decoded)
{
    expect_path("/", 0, "");
    expect_path("http://x", 0, "");
    expect_path("/a", 0, "a");
    expect_path("/a/b/?/../c", 0, "a/b/");
    expect_path("/%61%2D%2e/b.c%20d", 0, "a-./b.c d");
    expect_path("/a..b/c.", 0, "a..b/c.");
    expect_path("/%c3%a4%FF", 0, "\xc3\xa4\xff");
    expect_path("/%25%32%66", 0, "%2f");
    expect_path("/a%0ab%5c..", 0, "a\nb\\..");
}

TEST_PLAIN(paths_that_lead_elsewhere_are_refused)
{
    static const char *const paths[] = {
        "/..",
        "/../etc/passwd",
        "/a/../../b",
        "/a/..",
        "/.",
        "/./a",
        "/a/./b",
        "/.git/config",
        "/a/.b",
        "/%2e%2e/a",
        "/.%2e/a",
        "/%2E./a",
        "//etc/passwd",
        "/a//b",
        "///",
        "/a%2fb",
        "/%2fetc/passwd",
        "/a/%2F../b",
        "/..;/a",
        "/...",
        "/..%2f..%2fetc",
        "/%2e%2e%2fetc",
        "/a%2f",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        expect_path(paths[i], -404, "");
    expect_path("/%00", -400, "");
    expect_path("/a.html%00.jpg", -400, "");
}

TEST_PLAIN(a_path_has_to_fit)
{
    struct request r;
    char path[5];
    EXPECT_OR_RETURN(take(&r, "GET /abcd HTTP/1.1\r\n" HOST END));
    EXPECT_EQ(request_path(&r, path, 5), 4);
    EXPECT_STR(path, "abcd");
    EXPECT_EQ(request_path(&r, path, 4), -404);
    EXPECT_EQ(request_path(&r, path, 1), -404);
}

// ---- Ranges -----------------------------------------------------------------

struct range {
    const char *text;
    uint64_t size;
    int status;
    uint64_t first, count;
};

TEST_PLAIN(ranges_are_cut_to_the_file)
{
    static const struct range ranges[] = {
        {"bytes=0-0", 10, 206, 0, 1},
        {"bytes=2-4", 10, 206, 2, 3},
        {"bytes=2-", 10, 206, 2, 8},
        {"bytes=0-", 10, 206, 0, 10},
        {"BYTES=9-9", 10, 206, 9, 1},
        {"bytes=9-10", 10, 206, 9, 1},
        {"bytes=0-99999999999999999999", 10, 206, 0, 10},
        {"bytes=-3", 10, 206, 7, 3},
        {"bytes=-10", 10, 206, 0, 10},
        {"bytes=-99999999999999999999", 10, 206, 0, 10},
        {"bytes=18446744073709551614-", UINT64_MAX, 206, UINT64_MAX - 1, 1},
        {"bytes=0-18446744073709551615", UINT64_MAX, 206, 0, UINT64_MAX},
        // Not there.
        {"bytes=10-", 10, 416, 0, 0},
        {"bytes=10-12", 10, 416, 0, 0},
        {"bytes=99999999999999999999-", 10, 416, 0, 0},
        {"bytes=-0", 10, 416, 0, 0},
        {"bytes=0-", 0, 416, 0, 0},
        {"bytes=0-0", 0, 416, 0, 0},
        // No range, or several: the whole file.
        {"bytes=-3", 0, 200, 0, 0},
        {"bytes=4-2", 10, 200, 0, 10},
        {"bytes=0-1,4-5", 10, 200, 0, 10},
        {"bytes=0-1, 4-5", 10, 200, 0, 10},
        {"bytes=", 10, 200, 0, 10},
        {"bytes=-", 10, 200, 0, 10},
        {"bytes=a-b", 10, 200, 0, 10},
        {"bytes=1", 10, 200, 0, 10},
        {"bytes=--1", 10, 200, 0, 10},
        {"bytes=1--2", 10, 200, 0, 10},
        {"bytes=0x1-2", 10, 200, 0, 10},
        {"bytes= 1-2", 10, 200, 0, 10},
        {"bytes =1-2", 10, 200, 0, 10},
        {"lines=1-2", 10, 200, 0, 10},
        {"", 10, 200, 0, 10},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range *range = &ranges[i];
        struct request r = {.range = {range->text, strlen(range->text)}};
        uint64_t first = 77, count = 77;
        int status = request_range(&r, range->size, &first, &count);
        bool right = status == range->status;
        if (status != 416)
            right = right && first == range->first && count == range->count;
        if (!right)
            FAIL("%s of %ju: %d, %ju bytes from %ju", range->text,
                 (uintmax_t)range->size, status, (uintmax_t)count,
                 (uintmax_t)first);
    }
}

TEST_PLAIN(without_a_range_all_of_a_file_is_wanted)
{
    struct request r = {0};
    uint64_t first, count;
    EXPECT_EQ(request_range(&r, 10, &first, &count), 200);
    // Nor is one heeded that depends on what the client knows of the file.
    EXPECT_OR_RETURN(
        take(&r, GET "Range: bytes=1-2\r\nIf-Range: \"x\"\r\n" END));
    EXPECT_EQ(request_range(&r, 10, &first, &count), 200);
    EXPECT_EQ(first, 0);
    EXPECT_EQ(count, 10);
}
