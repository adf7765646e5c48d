"""What has begun is ended, although nobody waits any more."""

import asyncio
import errno
import os
import time

start = 0.0
writing = None  # kept by the program: a loop keeps no task


def say(text):
    print(f"{time.monotonic() - start:.1f} s: {text}")


async def write_order():
    say("the order is written")
    await asyncio.sleep(0.3)
    say("the order is on disk")
    return 42


async def handle_request():
    global writing
    writing = asyncio.create_task(write_order())
    await asyncio.shield(writing)


async def main():
    global start
    start = time.monotonic()
    request = asyncio.create_task(handle_request())
    await asyncio.sleep(0.1)
    request.cancel()
    try:
        await request
    except asyncio.CancelledError:
        say(f"the client has gone: {os.strerror(errno.ECANCELED)}")
    say(f"joined: {await writing}")


asyncio.run(main())
