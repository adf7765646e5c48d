"""What a group raises has in it what each child has raised. Whose error it is,
Python does not say: a note on it does.

expect: expected '#', found 'o'
expect:   line 2: expected '#', found 'o'
expect:   line 3: [Errno 22] Invalid argument
"""

import asyncio
import errno
import os


async def parse(line):
    if line[0] != "#":
        raise ValueError(f"expected '#', found '{line[0]}'")


async def refuse():
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


async def signed(call):
    try:
        await call
    except Exception as error:
        error.add_note(asyncio.current_task().get_name())
        raise


def print_tree(group, depth):
    for error in group.exceptions:
        print(f"{'  ' * depth}{error.__notes__[0]}: {error}")
        if isinstance(error, ExceptionGroup):
            print_tree(error, depth + 1)


async def parse_all():
    async with asyncio.TaskGroup() as group:
        group.create_task(signed(parse("#ok")), name="line 1")
        group.create_task(signed(parse("oops")), name="line 2")
        group.create_task(signed(refuse()), name="line 3")


async def main():
    try:
        await parse_all()
    except ExceptionGroup as group:
        print(group.exceptions[0])
        print_tree(group, 1)


asyncio.run(main())
