"""A limit on one call, and on several statements."""

import asyncio
import errno
import os


async def fetch_quote(latency):
    await asyncio.sleep(latency)
    return 10.5


async def quote_or_cached(latency):
    try:
        return await asyncio.wait_for(fetch_quote(latency), 0.5), "fresh"
    except TimeoutError:
        return 10.0, "cached"


async def two_quotes():
    try:
        async with asyncio.timeout(1):
            await fetch_quote(0.7)
            await fetch_quote(0.7)
    except TimeoutError:
        print(f"two: {os.strerror(errno.ETIMEDOUT)}")


async def main():
    a, how_a = await quote_or_cached(0.1)
    b, how_b = await quote_or_cached(3)
    print(f"{a} {how_a}, {b} {how_b}")
    await two_quotes()


asyncio.run(main())
