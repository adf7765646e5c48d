"""So many at a time, and no more."""

import asyncio
import time

at_work = most = 0


async def download(_):
    global at_work, most
    at_work += 1
    most = max(most, at_work)
    await asyncio.sleep(0.1)
    at_work -= 1


async def download_in_turn(places):
    async with places:
        await download(places)


async def download_all(how, one):
    global most
    start, most = time.monotonic(), 0
    places = asyncio.Semaphore(2)
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(one(places))
    took = time.monotonic() - start
    print(f"{how} {most} at a time, done after {took:.1f} s")


async def main():
    await download_all("without:", download)
    await download_all("with:   ", download_in_turn)


asyncio.run(main())
