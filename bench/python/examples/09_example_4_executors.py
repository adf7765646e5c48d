"""Threads and processes. A crash breaks a pool of Python's, and a job that does
not end is ended by nobody: each needs a new pool, and the second a kill.

expect: two blocking calls have met
expect: 2262 primes below 20000, by threads
expect: 2262 primes below 20000, by processes
expect: a crash: the pool is broken
expect: an endless loop: it is given up, and killed by hand
expect: a new pool: 2262 primes below 20000, by processes
"""

import asyncio
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool


def count_primes(first, last):
    primes = 0
    for n in range(first, last):
        factor = 2
        while factor * factor <= n and n % factor != 0:
            factor += 1
        primes += factor * factor > n
    return primes


def loop_for_ever():
    while True:
        pass


async def call(pool, fn, *args):
    return await asyncio.get_running_loop().run_in_executor(pool, fn, *args)


async def block_in_threads():
    barrier = threading.Barrier(2)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(asyncio.to_thread(barrier.wait))
    print("two blocking calls have met")


async def count_in(pool, by):
    halves = await asyncio.gather(call(pool, count_primes, 2, 10000),
                                  call(pool, count_primes, 10000, 20000))
    print(f"{sum(halves)} primes below 20000, by {by}")


async def survive(pool):
    try:
        await call(pool, os.abort)
    except BrokenProcessPool:
        print("a crash: the pool is broken")
    with ProcessPoolExecutor(2) as second:
        try:
            await asyncio.wait_for(call(second, loop_for_ever), 0.1)
        except TimeoutError:
            print("an endless loop: it is given up, and killed by hand")
        for process in multiprocessing.active_children():
            process.kill()
    print("a new pool: ", end="", flush=True)
    with ProcessPoolExecutor(2) as third:
        await count_in(third, "processes")


async def main():
    with ProcessPoolExecutor(2) as pool, ThreadPoolExecutor(2) as threads:
        await block_in_threads()
        await count_in(threads, "threads")
        await count_in(pool, "processes")
        await survive(pool)


if __name__ == "__main__":
    asyncio.run(main())
