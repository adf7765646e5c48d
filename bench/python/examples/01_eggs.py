"""Tasks in a group, under a limit."""

import asyncio


async def boil(seconds):
    await asyncio.sleep(seconds)
    print(f"an egg of {seconds:.1f} s is done")


async def main():
    try:
        async with asyncio.timeout(0.5), asyncio.TaskGroup() as group:
            for seconds in (0.3, 0.1, 0.2, 600):
                group.create_task(boil(seconds))
    except TimeoutError:
        print("the last one was too slow")


asyncio.run(main())
