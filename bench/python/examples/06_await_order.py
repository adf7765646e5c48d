"""The order of awaiting is not the order of running."""

import asyncio


async def run(name, seconds):
    print(f"{name} begins")
    await asyncio.sleep(seconds)
    print(f"{name} ends")
    return name


async def await_in_order():
    slow = asyncio.create_task(run("slow", 0.2))
    quick = asyncio.create_task(run("quick", 0.1))
    print("slow and quick are made")
    await slow
    print("slow is awaited")
    await quick
    print("quick is awaited")


async def take_as_completed():
    # A list: as_completed takes a set of what it is given, in any order.
    tasks = [asyncio.create_task(run("slow", 0.2)),
             asyncio.create_task(run("quick", 0.1))]
    for ended in asyncio.as_completed(tasks):
        print(f"{await ended} is completed")


async def main():
    await await_in_order()
    await take_as_completed()


asyncio.run(main())
