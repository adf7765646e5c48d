// The same calls from C++20: keywords, scopes, limits, lambdas. Throw as you
// like inside a coroutine, but let nothing out of its outermost function.
//
//     c++ -std=c++20 26_from_cxx.cpp $(pkg-config --cflags --libs libasyncio)
//
// expect: 0 0
// expect: caught: Connection timed out
// expect: caught: Connection timed out, by child

#include <asyncio.h>

#include <cstdio>
#include <stdexcept>

static int guarded(void *) noexcept
try {
    int err = asyncio_wait_for(asyncio_sleep(10), 0.1);
    if (err < 0) throw std::runtime_error(asyncio_strerror(err));
    return 0;
} catch (const std::exception &e) {
    return asyncio_raise(-EIO, "caught: %s", e.what());
}

static int grouped()
{
    ASYNCIO_WITH_TASK_GROUP(group);
    asyncio_task_group_create_task(&group, guarded, nullptr, .name = "child");
    return asyncio_task_group_exit(&group, 0);
}

static int async_main(void *)
{
    asyncio_task *task = asyncio_create_task(guarded, nullptr, .name = "task");
    asyncio_coroutine nap =
        ASYNCIO_COROUTINE([](void *) { return asyncio_sleep(0.05); }, nullptr);
    asyncio_any both[] = {ASYNCIO_ANY(task), ASYNCIO_ANY(&nap)};
    int results[2];
    int err =
        asyncio_gather(both, 2, .results = results, .return_exceptions = true);
    std::printf("%d %d\n", err, results[1]);

    err = asyncio_await(task);
    std::printf("%s\n", asyncio_strerror(err));
    asyncio_task_release(task);

    err = grouped();
    std::printf("%s, by %s\n", asyncio_strerror(err),
                asyncio_last_error()->children->task);
    return 0;
}

int main()
{
    return asyncio_main(async_main, nullptr);
}
