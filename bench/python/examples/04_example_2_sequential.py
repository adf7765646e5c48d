"""Coroutine objects that are awaited one after the other."""

import asyncio
import time

start = 0.0


def say(text):
    print(f"{time.monotonic() - start:.1f} s: {text}")


async def prepare(what, seconds):
    say(f"{what} is begun")
    await asyncio.sleep(seconds)
    say(f"{what} is done")


async def main():
    global start
    coffee, toast = prepare("coffee", 0.3), prepare("toast", 0.2)
    egg = prepare("an egg", 0.1)
    start = time.monotonic()
    say("three objects, and nothing has begun")
    await coffee
    await toast
    await egg
    say("breakfast")


asyncio.run(main())
