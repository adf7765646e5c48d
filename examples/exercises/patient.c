// Answer to exercise 9: try again what may pass, with pauses that double and a
// part that is drawn by lot, and one limit over all of it. Not tried again: a
// request that is wrong, and a cancel.
//
// The lot keeps clients that failed together from coming back together. The
// limit around the loop cancels the pause or the request that is under way;
// that -ECANCELED goes up through the loop as any other, and the limit makes
// -ETIMEDOUT of it on the way out.
//
// expect: busy twice: 200 after 3 calls
// expect: wrong: Invalid argument after 1 call
// expect: never: Connection timed out, within 1 s

#include <stdio.h>
#include <stdlib.h>

#include <asyncio.h>

struct server {
    int failures; // before it answers
    int code;     // that it fails with
    int calls;
};

static int request(struct server *server)
{
    int err = asyncio_sleep(0.01);
    if (err < 0) return err;
    return server->calls++ < server->failures ? server->code : 200;
}

static bool may_pass(int code)
{
    return code == -ECONNRESET || code == -ECONNREFUSED || code == -ETIMEDOUT ||
           code == -EBUSY;
}

static int request_patiently(struct server *server)
{
    ASYNCIO_WITH_TIMEOUT(limit, 1);
    double pause = 0.02;
    int code = request(server);
    while (may_pass(code)) {
        double lot = (double)rand() / RAND_MAX; // from 0 to 1
        int err = asyncio_sleep(pause * (0.5 + lot));
        pause *= 2;
        code = err < 0 ? err : request(server);
    }
    return asyncio_timeout_exit(&limit, code);
}

static int async_main(void *arg)
{
    (void)arg;
    struct server busy = {2, -EBUSY, 0}, wrong = {9, -EINVAL, 0};
    struct server never = {1000, -ECONNRESET, 0};
    int code = request_patiently(&busy);
    if (code < 0) return code;
    printf("busy twice: %d after %d calls\n", code, busy.calls);
    code = request_patiently(&wrong);
    printf("wrong: %s after %d call\n", asyncio_strerror(code), wrong.calls);
    code = request_patiently(&never);
    printf("never: %s, within 1 s\n", asyncio_strerror(code));
    return code == -ETIMEDOUT ? 0 : code;
}

int main(void)
{
    return asyncio_main(async_main, NULL);
}
