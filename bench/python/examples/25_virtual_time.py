"""A loop whose time jumps to the next timer, made by hand of what a loop consists
of. Nobody runs the test in many orders, or has it fail here and there."""

import asyncio
import errno
import os
import selectors


class JumpingSelector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout=None):
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise RuntimeError("every task waits, for nothing that will come")
        self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def time(self):
        return self.jumping.now


# --- the code under test -----------------------------------------------------


async def wait_until_ready(polls_left):
    async with asyncio.timeout(24 * 3600):
        for _ in range(polls_left):
            await asyncio.sleep(600)


# --- the tests ---------------------------------------------------------------


async def test_by_hand():
    loop = asyncio.get_running_loop()
    start = loop.time()
    await wait_until_ready(5)
    print(f"ready after {loop.time() - start:.0f} s")
    start = loop.time()
    try:
        await wait_until_ready(1000000)
    except TimeoutError:
        print(f"given up after {loop.time() - start:.0f} s:"
              f" {os.strerror(errno.ETIMEDOUT)}")


async def test_side_by_side():
    async with asyncio.TaskGroup() as group:
        for polls_left in (1, 2, 3):
            group.create_task(wait_until_ready(polls_left))


for test in (test_by_hand, test_side_by_side):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(test())
print("passed")
