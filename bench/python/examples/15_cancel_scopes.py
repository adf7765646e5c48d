"""Limits around a piece of code. They end one wait of each task in it: a second
one goes on, so that a good-bye needs no shield, and whoever wants to hide can.

expect: 0.2 s: the second answer
expect: 0.3 s: the third gives up
expect: 0.3 s: and could hide
expect: 0.4 s: good-bye is said
expect: 0.4 s: 2 answers in time
expect: 0.9 s: one that must be there: Connection timed out
"""

import asyncio
import errno
import os
import time

start = 0.0
answers = 0


def say(text):
    print(f"{time.monotonic() - start:.1f} s: {text}")


async def say_good_bye():
    async with asyncio.timeout(1):
        await asyncio.sleep(0.1)
        say("good-bye is said")


async def quick(seconds):
    global answers
    await asyncio.sleep(seconds)
    answers += 1
    if answers == 2:
        say("the second answer")


async def slow():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        say("the third gives up")
        await asyncio.sleep(0)
        say("and could hide")
        await say_good_bye()
        raise


async def ask_three():
    try:
        async with asyncio.timeout(0.3), asyncio.TaskGroup() as group:
            group.create_task(quick(0.1))
            group.create_task(quick(0.2))
            group.create_task(slow())
    except TimeoutError:
        say(f"{answers} answers in time")


async def ask_one():
    async with asyncio.timeout(0.5):
        await asyncio.sleep(3600)


async def main():
    global start
    start = time.monotonic()
    await ask_three()
    try:
        await ask_one()
    except TimeoutError:
        say(f"one that must be there: {os.strerror(errno.ETIMEDOUT)}")


asyncio.run(main())
