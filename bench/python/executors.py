"""The measurements of bench/executors.c in the pools of concurrent.futures: one
figure in each line, in the order of that program."""

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor


def nothing(_):
    return None


def give_back(data):
    return data


def round_trip(pool, calls, fn=nothing, data=None):
    for _ in range(3):
        pool.submit(fn, data).result()
    start = time.perf_counter()
    for _ in range(calls):
        pool.submit(fn, data).result()
    return (time.perf_counter() - start) / calls * 1e6


def bulk(pool, calls):
    start = time.perf_counter()
    for _ in pool.map(nothing, range(calls)):
        pass
    return calls / (time.perf_counter() - start)


async def post(count):
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    left = count

    def count_down():
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    def post_all():
        for _ in range(count):
            loop.call_soon_threadsafe(count_down)

    start = time.perf_counter()
    await asyncio.to_thread(post_all)
    await done.wait()
    return count / (time.perf_counter() - start)


def main():
    with ProcessPoolExecutor(1) as one:
        print(round_trip(one, 300))
    with ProcessPoolExecutor(2) as two:
        print(bulk(two, 2000))
    with ProcessPoolExecutor(1) as one:
        print(round_trip(one, 10, give_back, bytes(1 << 20)))
        print(round_trip(one, 1, give_back, bytes(64 << 20)))
    with ThreadPoolExecutor(1) as threads:
        print(round_trip(threads, 1000))
    print(asyncio.run(post(20000)))


if __name__ == "__main__":
    main()
