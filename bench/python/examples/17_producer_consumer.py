"""A bounded queue between one producer and three consumers. Before Python 3.13
a queue has no shutdown: each consumer gets a last item that says so."""

import asyncio
import time

JOBS, CONSUMERS = 9, 3
start = 0.0


def say(text):
    print(f"{time.monotonic() - start:.1f} s: {text}")


async def produce(queue):
    for number in range(JOBS):
        await queue.put(number)
    say("the last job is in the queue")
    for _ in range(CONSUMERS):
        await queue.put(None)


async def consume(queue, squares):
    while (number := await queue.get()) is not None:
        await asyncio.sleep(0.1)
        squares[number] = number * number


async def main():
    global start
    start = time.monotonic()
    queue, squares = asyncio.Queue(4), [0] * JOBS
    async with asyncio.TaskGroup() as group:
        group.create_task(produce(queue))
        for _ in range(CONSUMERS):
            group.create_task(consume(queue, squares))
    say("all are done")
    print(*squares)


asyncio.run(main())
