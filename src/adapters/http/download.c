// A body into a file, which appears whole or not at all.
//
// The body goes into a draft (asyncio/draft.h), which takes the name when it is
// complete. A draft that fails, or is cancelled, is discarded before the call
// returns. It is not synced: what can be fetched again need not survive a crash
// of the machine.

#include "adapters/http/client.h"

#include <asyncio/draft.h>
#include <asyncio/error.h>
#include <asyncio/file.h>

#include <string.h>

// Adds which request it was to the words.
static int explain(const struct asyncio__http_request *request, int err)
{
    if (err >= 0 || err == -ECANCELED) return err;
    return asyncio_raise(err, "%s (%s)", asyncio_strerror(err), request->title);
}

static int explain_write(const struct asyncio__http_request *request, int err,
                         const char *path)
{
    if (err == -ECANCELED) return err;
    return asyncio_raise(err, "cannot write %s: %s (%s)", path, strerror(-err),
                         request->title);
}

static int fill(struct asyncio_draft *draft,
                struct asyncio__http_request *request, const char *path)
{
    for (;;) {
        const char *data;
        int len = asyncio__http_transfer_read(request->transfer, &data);
        if (len <= 0) return len;
        int err = asyncio_write_all(draft->fd, data, (size_t)len);
        if (err < 0) return explain_write(request, err, path);
    }
}

static int save(struct asyncio__http_request *request, void *arg)
{
    struct asyncio_draft draft = {0};
    int err = asyncio_draft_open(&draft, arg, .no_sync = true);
    if (err < 0) return explain(request, err);
    err = fill(&draft, request, arg);
    if (err == 0) err = explain(request, asyncio_draft_commit(&draft));
    asyncio_draft_discard(&draft);
    return err;
}

int(asyncio_http_download)(struct asyncio_http_client *client, const char *url,
                           const char *path,
                           const struct asyncio_http_options *options)
{
    if (!path) return -EINVAL;
    return asyncio__http_request(client, url, options, UINT64_MAX, save,
                                 (void *)(uintptr_t)path);
}
