"""A call that blocks, in a task and in a thread; debug mode reports it."""

import asyncio
import logging
import time

ticks = 0


class Reports(logging.Handler):
    """Takes what debug mode says of slow steps."""

    def emit(self, record):
        text = record.getMessage()
        if "took" in text and "careless" in text:
            print('report:      a step of the task "careless" took too long')


async def tick():
    global ticks
    while True:
        await asyncio.sleep(0.01)
        ticks += 1


def block():
    time.sleep(0.3)


def tell(where, before):
    how = "stood still" if ticks == before else "went on"
    print(f"{where} the clock {how}")


async def careless():
    before = ticks
    block()
    tell("in a task:  ", before)


async def careful():
    before = ticks
    await asyncio.to_thread(block)
    tell("in a thread:", before)


async def main():
    clock = asyncio.create_task(tick())
    await asyncio.create_task(careless(), name="careless")
    await careful()
    clock.cancel()
    try:
        await clock
    except asyncio.CancelledError:
        pass


logger = logging.getLogger("asyncio")
logger.addHandler(Reports())
logger.propagate = False
asyncio.run(main(), debug=True)
