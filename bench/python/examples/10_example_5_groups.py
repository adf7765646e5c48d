"""A group; gather with coroutine objects; gather with tasks. Python's gather
ends nobody, also not what it has begun itself.

expect: a group:
expect:   0.1 s: a burns
expect:   0.1 s: b is told to stop
expect:   0.1 s: all have ended
expect: gather, coroutine objects:
expect:   0.1 s: a burns
expect:   0.1 s: b goes on, and nobody has it
expect:   0.3 s: b is done
expect: gather, tasks:
expect:   0.1 s: a burns
expect:   0.1 s: b goes on
expect:   0.3 s: b is done
"""

import asyncio
import time

start = 0.0


def say(text):
    print(f"  {time.monotonic() - start:.1f} s: {text}")


async def a():
    await asyncio.sleep(0.1)
    say("a burns")
    raise OSError


async def b():
    try:
        await asyncio.sleep(0.3)
    except asyncio.CancelledError:
        say("b is told to stop")
        raise
    say("b is done")


async def in_a_group():
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(a())
            group.create_task(b())
    except* OSError:
        say("all have ended")


async def gather_coroutines():
    try:
        await asyncio.gather(a(), b())
    except OSError:
        say("b goes on, and nobody has it")
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


async def gather_tasks():
    tasks = [asyncio.create_task(a()), asyncio.create_task(b())]
    try:
        await asyncio.gather(*tasks)
    except OSError:
        say("b has ended" if tasks[1].done() else "b goes on")
    await tasks[1]


async def run(name, way):
    global start
    print(f"{name}:")
    start = time.monotonic()
    await way()


async def main():
    await run("a group", in_a_group)
    await run("gather, coroutine objects", gather_coroutines)
    await run("gather, tasks", gather_tasks)


asyncio.run(main())
