"""A request to end: one who cleans up, and one who swallows it."""

import asyncio

lock = asyncio.Lock()


async def polite():
    async with lock:
        print("polite: has the lock")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            print(f"polite: {error}")
            await asyncio.sleep(0.1)
            print("polite: tells the server, and unlocks")
            raise


async def deaf():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("deaf: swallows the request")
    return await asyncio.sleep(0.1, 7)


async def main():
    task = asyncio.create_task(polite())
    await asyncio.sleep(0.1)
    task.cancel("the user has left")
    try:
        await task
    except asyncio.CancelledError as error:
        free = "no" if lock.locked() else "yes"
        print(f'polite: ended with "{error}", lock free: {free}')

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0.1)
    task.cancel("the program ends")
    print(f"deaf: ended with {await task}, requests: {task.cancelling()}")


asyncio.run(main())
