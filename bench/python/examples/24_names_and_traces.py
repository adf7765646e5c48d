"""Names, a log of starts and ends, and who there is. A task does not know whose
child it is; where it stands is read along what each coroutine awaits.

expect: 0.0 s: shop begins
expect: 0.0 s: bread begins
expect: 0.0 s: milk begins
expect: 0.1 s: milk ends
expect: bread is in fetch, called by run_logged
expect: all: shop 1, bread 1, milk 0
expect: 0.3 s: bread ends
expect: 0.3 s: shop ends
"""

import asyncio
import time

start = 0.0


def log_line(what):
    name = asyncio.current_task().get_name()
    print(f"{time.monotonic() - start:.1f} s: {name} {what}")


async def run_logged(call):
    log_line("begins")
    try:
        await call
    except BaseException as error:
        log_line(error)
        raise
    log_line("ends")


async def fetch(seconds):
    await asyncio.sleep(seconds)


def look_at_stack(task):
    calls = []
    coroutine = task.get_coro()
    while hasattr(coroutine, "cr_await"):
        calls.append(coroutine.cr_code)
        coroutine = coroutine.cr_await
    ours = [code.co_name for code in calls if code.co_filename == __file__]
    print(f"{task.get_name()} is in {ours[-1]}, called by {ours[-2]}")


def look_at_all():
    names = [task.get_name() for task in asyncio.all_tasks()]
    print("all:", ", ".join(f"{name} {names.count(name)}"
                            for name in ("shop", "bread", "milk")))


async def shop():
    async with asyncio.TaskGroup() as group:
        bread = group.create_task(run_logged(fetch(0.3)), name="bread")
        group.create_task(run_logged(fetch(0.1)), name="milk")
        await asyncio.sleep(0.2)
        look_at_stack(bread)
        look_at_all()


async def main():
    global start
    start = time.monotonic()
    asyncio.current_task().set_name("shop")
    await run_logged(shop())


asyncio.run(main())
