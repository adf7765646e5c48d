"""Tasks: all are made before the first is awaited."""

import asyncio
import time

DISHES = (("coffee", 0.3), ("toast", 0.2), ("an egg", 0.1))
start = 0.0


def say(text):
    print(f"{time.monotonic() - start:.1f} s: {text}")


async def prepare(what, seconds):
    say(f"{what} is begun")
    await asyncio.sleep(seconds)
    say(f"{what} is done")


async def main():
    global start
    start = time.monotonic()
    tasks = [asyncio.create_task(prepare(*dish)) for dish in DISHES]
    say("three tasks, and nothing has begun")
    for task in tasks:
        await task
    say("breakfast")


asyncio.run(main())
