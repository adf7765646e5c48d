"""Attempts with a limit each, and pauses that double."""

import asyncio
import errno
import os
import time

start = 0.0
calls = 0


def say(text):
    print(f"{time.monotonic() - start:.1f} s: {text}")


async def retry(function, attempts, limit, pause):
    for attempt in range(1, attempts + 1):
        try:
            return await asyncio.wait_for(function(), limit)
        except (OSError, TimeoutError) as error:
            if attempt == attempts:
                raise
            text = str(error) or os.strerror(errno.ETIMEDOUT)
            say(f"attempt {attempt}: {text}")
        await asyncio.sleep(pause)
        pause *= 2


async def flaky():
    global calls
    calls += 1
    if calls == 1:
        raise OSError("bad chunk size 'zz'")
    if calls == 2:
        await asyncio.sleep(3600)
    return 7


async def main():
    global start
    start = time.monotonic()
    got = await retry(flaky, 3, 0.5, 0.1)
    say(f"got {got} after {calls} calls")


asyncio.run(main())
