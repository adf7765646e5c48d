"""A program that runs to its end, one that is talked to, and one that takes too
long. A wait that is given up ends nobody: the program has to be killed."""

import asyncio
import errno
import os
from asyncio.subprocess import PIPE, create_subprocess_exec

CALCULATE = "while read -r sum; do echo $(($sum)); done"


async def run_to_its_end():
    child = await create_subprocess_exec("sort", stdin=PIPE, stdout=PIPE)
    output, _ = await child.communicate(b"pear\napple\nfig\n")
    if child.returncode != 0:
        raise OSError("sort has failed")
    print("sorted:", *output.decode().split())


async def ask(child, question):
    child.stdin.write(f"{question}\n".encode())
    await child.stdin.drain()
    line = await child.stdout.readline()
    if not line:
        raise EOFError("it does not answer")
    print(f"asked: {question} = {line.decode()}", end="")


async def talk():
    child = await create_subprocess_exec("sh", "-c", CALCULATE, stdin=PIPE,
                                         stdout=PIPE)
    try:
        await ask(child, "6 * 7")
        await ask(child, "6 + 7")
    finally:
        child.kill()
        await child.wait()


async def end_what_takes_too_long():
    child = await create_subprocess_exec("sleep", "10")
    try:
        await asyncio.wait_for(child.wait(), 0.1)
    except TimeoutError:
        child.kill()
        await child.wait()
        print(f"too long: {os.strerror(errno.ETIMEDOUT)}")


async def main():
    await run_to_its_end()
    await talk()
    await end_what_takes_too_long()


asyncio.run(main())
