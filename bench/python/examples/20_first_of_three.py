"""The first good answer of three mirrors. The race is in asyncio, which connects
by it, but not in its manual; by hand, the losers are ended by hand, too."""

import asyncio
from asyncio.staggered import staggered_race
from functools import partial

MIRRORS = (("a.example", 1.5, False), ("b.example", 0.1, True),
           ("c.example", 0.3, False))


async def fetch(name, seconds, broken):
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        print(f"{name} is told to stop")
        raise
    if broken:
        raise OSError("no page")
    return name


async def race():
    name, _, errors = await staggered_race(
        [partial(fetch, *mirror) for mirror in MIRRORS], 0.2)
    if name is None:
        raise ExceptionGroup("no mirror answers", errors)
    return name


async def race_by_hand():
    tasks = [asyncio.create_task(fetch(*mirror)) for mirror in MIRRORS]
    try:
        for answer in asyncio.as_completed(tasks):
            try:
                return await answer
            except OSError as error:
                last = error
        raise last
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def main():
    print(f"race: {await race()}")
    print(f"by hand: {await race_by_hand()}")


asyncio.run(main())
