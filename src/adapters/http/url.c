// What a URL may be: http or https, printable, without credentials.
//
// libcurl's own parser takes it apart, so that what is resolved here is what
// libcurl connects to. Spaces and bytes beyond ASCII in a Location are encoded,
// as browsers do; a host in other letters becomes its ASCII form.

#include "adapters/http/client.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define URL_LEN_MAX 8192

static const char *fault_of_text(const char *text, bool location)
{
    if (strnlen(text, URL_LEN_MAX + 1) > URL_LEN_MAX)
        return "the URL is longer than 8192 bytes";
    for (const char *p = text; *p; p++) {
        if (*p == ' ' && !location) return "the URL has a space in it";
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return "the URL has a control character in it";
    }
    return NULL;
}

static const char *fault_of_code(CURLUcode code)
{
    switch (code) {
    case CURLUE_BAD_SCHEME:
    case CURLUE_UNSUPPORTED_SCHEME: return "this is no http or https URL";
    case CURLUE_USER_NOT_ALLOWED: return "the URL has a user name in it";
    case CURLUE_NO_HOST:
    case CURLUE_BAD_HOSTNAME: return "the URL has no sound host";
    case CURLUE_BAD_PORT_NUMBER: return "the URL has no sound port";
    default: return curl_url_strerror(code);
    }
}

// The host as the name servers know it, in the parsed URL too.
static CURLUcode settle_host(CURLU *parts, struct asyncio__http_url *url)
{
    CURLUcode code = curl_url_get(parts, CURLUPART_HOST, &url->host, 0);
    if (code != CURLUE_OK) return code;
    bool ascii = true;
    for (const char *p = url->host; *p; p++)
        ascii = ascii && !((unsigned char)*p & 0x80);
    if (ascii) return CURLUE_OK;
#ifdef CURLU_PUNYCODE
    curl_free(url->host);
    url->host = NULL;
    code = curl_url_get(parts, CURLUPART_HOST, &url->host, CURLU_PUNYCODE);
    if (code != CURLUE_OK) return code;
    return curl_url_set(parts, CURLUPART_HOST, url->host, 0);
#else
    return CURLUE_BAD_HOSTNAME;
#endif
}

static void strip_brackets(struct asyncio__http_url *url)
{
    size_t len = strlen(url->host);
    url->literal = url->host[0] == '[';
    if (!url->literal || len < 2) return;
    memmove(url->host, url->host + 1, len - 2);
    url->host[len - 2] = '\0';
}

static CURLUcode take_apart(CURLU *parts, struct asyncio__http_url *url)
{
    char *scheme = NULL, *zone = NULL;
    CURLUcode code = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (code != CURLUE_OK) return code;
    url->secure = strcasecmp(scheme, "https") == 0;
    bool web = url->secure || strcasecmp(scheme, "http") == 0;
    curl_free(scheme);
    if (!web) return CURLUE_UNSUPPORTED_SCHEME;
    // An address with a zone names an interface of this machine.
    if (curl_url_get(parts, CURLUPART_ZONEID, &zone, 0) == CURLUE_OK) {
        curl_free(zone);
        return CURLUE_BAD_HOSTNAME;
    }

    code = settle_host(parts, url);
    if (code == CURLUE_OK)
        code =
            curl_url_get(parts, CURLUPART_PORT, &url->port, CURLU_DEFAULT_PORT);
    if (code == CURLUE_OK)
        code = curl_url_get(parts, CURLUPART_URL, &url->text, 0);
    if (code != CURLUE_OK) return code;
    strip_brackets(url);
    struct in_addr address;
    if (inet_pton(AF_INET, url->host, &address) == 1) url->literal = true;
    return CURLUE_OK;
}

static CURLUcode parse(CURLU *parts, struct asyncio__http_url *url,
                       const char *text, const char *base)
{
    const unsigned flags = CURLU_DISALLOW_USER | CURLU_URLENCODE;
    CURLUcode code = CURLUE_OK;
    if (base) code = curl_url_set(parts, CURLUPART_URL, base, flags);
    if (code == CURLUE_OK)
        code = curl_url_set(parts, CURLUPART_URL, text, flags);
    return code == CURLUE_OK ? take_apart(parts, url) : code;
}

int asyncio__http_url_open(struct asyncio__http_url *url, const char *text,
                           const char *base, const char **why)
{
    *url = (struct asyncio__http_url){0};
    *why = fault_of_text(text, base != NULL);
    if (*why) return -EINVAL;

    CURLU *parts = curl_url();
    if (!parts) return -ENOMEM;
    CURLUcode code = parse(parts, url, text, base);
    curl_url_cleanup(parts);
    if (code == CURLUE_OK) return 0;
    asyncio__http_url_close(url);
    *why = fault_of_code(code);
    return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
}

void asyncio__http_url_close(struct asyncio__http_url *url)
{
    curl_free(url->text);
    curl_free(url->host);
    curl_free(url->port);
    *url = (struct asyncio__http_url){0};
}

const char *asyncio__http_shown(const char *text,
                                char shown[static ASYNCIO__HTTP_SHOWN])
{
    size_t len = 0;
    for (; text[len] && len < ASYNCIO__HTTP_SHOWN - 4; len++) {
        bool printable = (unsigned char)text[len] >= ' ' && text[len] != 0x7f;
        shown[len] = '?';
        if (printable) shown[len] = text[len];
    }
    memcpy(shown + len, text[len] ? "..." : "\0\0\0", 4);
    return shown;
}
