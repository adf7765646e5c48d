// Cancel scopes: a shop that closes. Customers look around until it does, one
// of them has to be asked twice, and whoever is paying may finish in peace.
// Makes every call of asyncio/scope.h.
//
//     cc scope.c $(pkg-config --cflags --libs libasyncio)

#include <stdio.h>

#include <asyncio.h>

struct shop {
    struct asyncio_cancel_scope open, till;
};

static int customer(void *arg)
{
    struct shop *shop = arg;
    int err = asyncio_sleep(0.3);                    // looks around
    if (err == -ECANCELED) err = asyncio_sleep(0.3); // pretends not to hear
    printf("out with code %s\n", err == -ECANCELED ? "-ECANCELED" : "?");

    // What must not be cut short gets a shield; and that, a limit.
    ASYNCIO_WITH_MOVE_ON_AFTER(goodbye, 0.01, .shield = true);
    err = asyncio_sleep(0.001);
    if (err == 0 && asyncio_cancel_scope_cancelled(&shop->open))
        printf("a last word\n");
    return asyncio_cancel_scope_exit(&goodbye, err);
}

static int pay(void *arg)
{
    struct shop *shop = arg;
    int err = asyncio_cancel_scope_enter(&shop->till, .shield = true);
    if (err == 0) err = asyncio_sleep(0.1);
    printf("paid in peace: %s\n", err == 0 ? "yes" : "no");
    asyncio_cancel_scope_set_shield(&shop->till, false); // now go, too
    if (err == 0) err = asyncio_sleep(10);
    return asyncio_cancel_scope_exit(&shop->till, err);
}

static int close_early(void *arg)
{
    struct shop *shop = arg;
    int err = asyncio_sleep(0.02);
    if (err < 0) return err;
    asyncio_cancel_scope_cancel(&shop->open, .reason = "the shop closes");
    return 0;
}

static int keep_shop(void *arg)
{
    struct shop *shop = arg;
    int err =
        asyncio_cancel_scope_set_deadline(&shop->open, asyncio_time() + 3600);
    if (err == 0) err = asyncio_cancel_scope_enter(&shop->open);
    if (err < 0) return err;

    ASYNCIO_WITH_TASK_GROUP(group); // its children are in the scope
    asyncio_task_group_create_task(&group, customer, shop);
    asyncio_task_group_create_task(&group, pay, shop);
    asyncio_task_group_create_task(&group, close_early, shop);
    err = asyncio_task_group_exit(&group, 0);
    printf("everybody has left: %s\n", asyncio_strerror(err));
    err = asyncio_cancel_scope_exit(&shop->open, err);
    if (asyncio_cancel_scope_caught(&shop->open)) printf("closed\n");
    return err;
}

// The four ways to have a limit from the start.
static int limits(void)
{
    double soon = asyncio_time() + 0.01;
    ASYNCIO_WITH_CANCEL_SCOPE(whole);
    ASYNCIO_WITH_FAIL_AT(hard, soon + 60);
    ASYNCIO_WITH_MOVE_ON_AT(soft, soon);
    if (asyncio_current_effective_deadline() == soon &&
        asyncio_cancel_scope_deadline(&hard) == soon + 60)
        printf("the earliest deadline counts\n");
    int err = asyncio_cancel_scope_exit(&soft, asyncio_sleep(1));
    if (err == 0) err = asyncio_cancel_scope_exit(&hard, err);
    if (err < 0) return err;

    struct asyncio_cancel_scope once = {0}, twice = {0};
    err = asyncio_fail_after(&once, 0.01);
    if (err == 0) err = asyncio_sleep(1);
    err = asyncio_cancel_scope_exit(&once, err);
    printf("too late: %s\n", err == -ETIMEDOUT ? "-ETIMEDOUT" : "?");
    err = asyncio_move_on_after(&twice, 0.01);
    if (err == 0 && !asyncio_cancel_scope_shield(&twice))
        err = asyncio_sleep(1);
    asyncio_cancel_scope_close(&twice); // leaves the code as it is
    return asyncio_cancel_scope_exit(&whole, err == -ECANCELED ? 0 : err);
}

static int async_main(void *arg)
{
    int err = keep_shop(arg);
    return err < 0 ? err : limits();
}

int main(void)
{
    struct shop shop = {0};
    return asyncio_main(async_main, &shop);
}
// expect: out with code -ECANCELED
// expect: a last word
// expect: paid in peace: yes
// expect: everybody has left: the shop closes
// expect: closed
// expect: the earliest deadline counts
// expect: too late: -ETIMEDOUT
