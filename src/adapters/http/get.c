// A body into memory.

#include "adapters/http/client.h"

#include <limits.h>
#include <string.h>

struct place {
    char *body;
    size_t len;
};

// What does not fit never comes here: the transfer knows how long it may be.
static int read_into(struct asyncio__http_request *request, void *arg)
{
    struct place *place = arg;
    for (;;) {
        const char *data;
        int len = asyncio__http_transfer_read(request->transfer, &data);
        if (len < 0) return len;
        if (len == 0) break;
        memcpy(place->body + place->len, data, (size_t)len);
        place->len += (size_t)len;
    }
    place->body[place->len] = '\0';
    return (int)place->len;
}

int(asyncio_http_get)(struct asyncio_http_client *client, const char *url,
                      char *body, size_t size,
                      const struct asyncio_http_options *options)
{
    if (size == 0) return -EINVAL;
    body[0] = '\0';
    struct place place = {.body = body};
    size_t most = size - 1 < INT_MAX ? size - 1 : INT_MAX;
    return asyncio__http_request(client, url, options, most, read_into, &place);
}
