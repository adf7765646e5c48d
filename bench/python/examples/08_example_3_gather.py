"""create_task and gather: each outcome in its place, failures too."""

import asyncio
import time

start = 0.0


def say(text):
    print(f"{time.monotonic() - start:.1f} s: {text}")


async def read_page(number, seconds):
    await asyncio.sleep(seconds)
    if number == 13:
        raise OSError("page 13 is torn")
    return number * number


def begin(*pages):
    global start
    start = time.monotonic()
    return [asyncio.create_task(read_page(*page)) for page in pages]


async def all_are_well():
    tasks = begin((3, 0.3), (1, 0.1), (2, 0.2))
    say(" ".join(str(size) for size in await asyncio.gather(*tasks)))


async def one_is_torn():
    tasks = begin((1, 0.1), (13, 0.2), (3, 0.3))
    try:
        await asyncio.gather(*tasks)
    except OSError as error:
        how = "done" if tasks[2].done() else "not done"
        say(f"{error}, the third is {how}")
    sizes = await asyncio.gather(*tasks, return_exceptions=True)
    say(", ".join(str(size) for size in sizes))


async def main():
    await all_are_well()
    await one_is_torn()


asyncio.run(main())
