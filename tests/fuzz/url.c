// What an address may be that the HTTP client is given, or redirected to: the
// first line is an address, the rest a Location that stands beside it.

#include <string.h>

#include "adapters/http/client.h"
#include "fuzz.h"

static void check_url(const char *text, const char *base)
{
    struct asyncio__http_url url;
    const char *why = NULL;
    char shown[ASYNCIO__HTTP_SHOWN];
    asyncio__http_shown(text, shown);
    for (const char *p = shown; *p; p++)
        MUST(*p != 0x7f && (unsigned char)*p >= ' ');

    int err = asyncio__http_url_open(&url, text, base, &why);
    if (err < 0) {
        MUST(why && *why);
        return;
    }
    MUST(url.host[0] && url.port[0]);
    MUST(strncmp(url.text, url.secure ? "https://" : "http://",
                 url.secure ? 8 : 7) == 0);
    for (const char *p = url.text; *p; p++)
        MUST((unsigned char)*p > ' ' && *p != 0x7f);
    asyncio__http_url_close(&url);
    asyncio__http_url_close(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *)data, size);
    if (!text) return 0;
    check_url(text, NULL);
    char *end = strchr(text, '\n');
    if (end) {
        *end = '\0';
        check_url(end + 1, text);
    }
    check_url(text, "http://host/folder/file?query");
    free(text);
    return 0;
}
