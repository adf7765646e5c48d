// An HTTP client: a page into memory, a file to disk, and a server that is not
// there. Give it a URL to see the first two.
//
//     cc http.c $(pkg-config --cflags --libs libasyncio-http)

#include <stdio.h>

#include <asyncio.h>
#include <asyncio/http.h>

static int fetch(struct asyncio_http_client *client, const char *url)
{
    static char page[64 * 1024];
    int len = asyncio_http_get(client, url, page, sizeof page, .timeout = 10);
    if (len < 0) return len;
    printf("%d bytes\n", len);
    return asyncio_http_download(client, url, "page.html", .timeout = 10);
}

static int async_main(void *url)
{
    struct asyncio_http_client *client;
    int err = asyncio_http_client_create(&client);
    if (err < 0) return err;
    err = fetch(client, url);
    if (err < 0) printf("%s\n", asyncio_strerror(err));
    asyncio_http_client_free(client);
    return err == -ECONNREFUSED ? 0 : err;
}

int main(int argc, char **argv)
{
    // Nobody listens on port 1.
    return asyncio_main(async_main, argc > 1 ? argv[1] : "http://127.0.0.1:1/");
}
// expect: GET http://127.0.0.1:1/: cannot connect: Connection refused
