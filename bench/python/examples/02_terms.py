"""A function, a coroutine object, a task, a future. To call a coroutine function
makes the object, and runs nothing; who has been awaited is of no more use.

expect: function:  called, 4
expect: coroutine: CORO_CREATED
expect: coroutine: CORO_CLOSED, 9
expect: coroutine: once more, cannot reuse already awaited coroutine
expect: task:      pending
expect: task:      finished, 16
expect: task:      cancelled, the other
expect: future:    pending
expect: future:    finished 25
"""

import asyncio
import inspect


async def square(number):
    await asyncio.sleep(0.1)
    return number * number


def state(future):
    if not future.done():
        return "pending"
    return "cancelled" if future.cancelled() else "finished"


async def use_coroutine(number):
    call = square(number)
    print(f"coroutine: {inspect.getcoroutinestate(call)}")
    result = await call
    print(f"coroutine: {inspect.getcoroutinestate(call)}, {result}")
    try:
        await call
    except RuntimeError as error:
        print(f"coroutine: once more, {error}")


async def use_tasks(number):
    task = asyncio.create_task(square(number))
    other = asyncio.create_task(square(number))
    print(f"task:      {state(task)}")
    other.cancel()
    await task
    print(f"task:      {state(task)}, {await task}")
    try:
        await other
    except asyncio.CancelledError:
        print(f"task:      {state(other)}, the other")


async def use_future():
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    print(f"future:    {state(future)}")
    loop.call_later(0.1, future.set_result, 25)
    await future
    print(f"future:    {state(future)} {future.result()}")


async def main():
    print(f"function:  called, {await square(2)}")
    await use_coroutine(3)
    await use_tasks(4)
    await use_future()


asyncio.run(main())
