// The file server's parser of requests.

#include <string.h>

#include "file_server/request.h"
#include "fuzz.h"

// The same bytes in pieces, cut in up to `cuts` places.
static int parse_pieces(const char *data, size_t size, size_t cuts)
{
    struct request request = {0};
    size_t step = size / cuts + 1;
    int n = 0;
    for (size_t len = 0; n == 0 && len < size; len += step)
        n = request_parse(&request, data, len);
    return n ? n : request_parse(&request, data, size);
}

static void check_text(struct request_text text, const char *data, int n)
{
    if (!text.at) return;
    MUST(text.at >= data && text.len <= (size_t)n);
    MUST(text.at + text.len <= data + n);
    for (size_t i = 0; i < text.len; i++)
        MUST(text.at[i] != '\0' && text.at[i] != '\r' && text.at[i] != '\n');
}

// No other reader can see other lines in it.
static void check_lines(const char *data, int n)
{
    MUST(n >= 16 && n <= REQUEST_HEAD_MAX);
    MUST(memcmp(data + n - 4, "\r\n\r\n", 4) == 0);
    for (int i = 0; i < n; i++) {
        MUST(data[i] != '\0');
        MUST(data[i] != '\n' || (i > 0 && data[i - 1] == '\r'));
        MUST(data[i] != '\r' || data[i + 1] == '\n');
    }
}

static void check_path(const struct request *request)
{
    static char path[REQUEST_LINE_MAX];
    int len = request_path(request, path, sizeof path);
    if (len < 0) {
        MUST(len == -400 || len == -404);
        return;
    }
    MUST(strlen(path) == (size_t)len);
    MUST((size_t)len <= request->path.len);
    MUST(path[0] != '/' && path[0] != '.');
    MUST(!strstr(path, "//") && !strstr(path, "/."));
}

static void check_range(const struct request *request, uint64_t size)
{
    uint64_t first, count;
    int status = request_range(request, size, &first, &count);
    MUST(status == 200 || status == 206 || status == 416);
    if (status == 200) MUST(first == 0 && count == size);
    if (status == 206)
        MUST(count > 0 && count <= size && first <= size - count);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    struct request request = {0};
    int n = request_parse(&request, data, size);
    MUST(parse_pieces(data, size, 1) == n);
    MUST(parse_pieces(data, size, 7) == n);
    MUST(parse_pieces(data, size, size < 200 ? 200 : 20) == n);
    if (n <= 0) {
        MUST(n == 0 || n == -400 || n == -414 || n == -431 || n == -501 ||
             n == -505);
        return 0;
    }

    check_lines(data, n);
    check_text(request.method, data, n);
    check_text(request.path, data, n);
    check_text(request.host, data, n);
    check_text(request.range, data, n);
    check_text(request.if_range, data, n);
    MUST(request.version_1_0 || request.host.at);
    check_path(&request);
    check_range(&request, 0);
    check_range(&request, 1);
    check_range(&request, 1000);
    check_range(&request, UINT64_MAX);
    return 0;
}
