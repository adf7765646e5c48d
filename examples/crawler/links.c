// A scan for links. URLs are taken apart and put together by libcurl.

#include "links.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// ---- Scanning ---------------------------------------------------------------

static bool is_space(char c)
{
    return c && strchr(" \t\r\n\f", c);
}

// Where the value of an href begins, with its quote; or NULL.
static const char *find_value(const char *text)
{
    for (; *text; text++) {
        if (!is_space(text[0]) || strncasecmp(text + 1, "href", 4) != 0)
            continue;
        const char *at = text + 5;
        while (is_space(*at))
            at++;
        if (*at != '=') continue;
        at++;
        while (is_space(*at))
            at++;
        return at;
    }
    return NULL;
}

char *links_next(const char **page)
{
    const char *at = find_value(*page);
    if (!at) return NULL;
    size_t len;
    if (*at == '"' || *at == '\'') {
        const char *end = strchr(at + 1, *at);
        if (!end) return NULL; // the page ends within it
        len = (size_t)(end - ++at);
    } else {
        len = strcspn(at, " \t\r\n\f>");
    }
    *page = at + len;
    return strndup(at, len);
}

// ---- URLs -------------------------------------------------------------------

static bool is_of_the_web(CURLU *url)
{
    char *scheme = NULL;
    bool is = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    return is;
}

// One part of a URL in memory of malloc, or NULL.
static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL, *copy = NULL;
    if (curl_url_get(url, part, &text, 0) == CURLUE_OK) copy = strdup(text);
    curl_free(text);
    return copy;
}

char *links_resolve(const char *base, const char *link)
{
    char *text = NULL;
    CURLU *url = curl_url();
    if (!url) return NULL;
    if ((!base || curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK) &&
        curl_url_set(url, CURLUPART_URL, link, 0) == CURLUE_OK &&
        curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
        is_of_the_web(url))
        text = part_of(url, CURLUPART_URL);
    curl_url_cleanup(url);
    return text;
}

char *links_host(const char *text)
{
    char *whole = NULL, *host = NULL, *port = NULL;
    CURLU *url = curl_url();
    if (url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ==
            CURLUE_OK &&
        asprintf(&whole, "%s:%s", host, port) < 0)
        whole = NULL;
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return whole;
}
