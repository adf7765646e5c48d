"""A server that stops well at a signal, which is a callback of the loop's here.
Whom it serves it knows by sets of its own."""

import asyncio
import os
import signal

serving, writers = set(), set()


async def echo(reader, writer):
    serving.add(asyncio.current_task())
    writers.add(writer)
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def stubborn_client(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"hello\n")
    print(f"echo: {(await reader.readline()).decode()}", end="")
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        await reader.readline()
    except ConnectionResetError:
        pass
    writer.close()


async def wait_signal(*numbers):
    loop = asyncio.get_running_loop()
    came = loop.create_future()
    for number in numbers:
        loop.add_signal_handler(
            number, lambda number=number: came.done() or came.set_result(number))
    try:
        return await came
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def serve_until_told(server):
    number = await wait_signal(signal.SIGINT, signal.SIGTERM)
    print(f"told to stop by {signal.Signals(number).name}")
    server.close()
    late = serving and (await asyncio.wait(serving, timeout=0.2))[1]
    if late:
        print("a client would not go, and was let go of")
        for writer in writers:
            writer.transport.abort()
        await asyncio.wait(late)


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        port = server.sockets[0].getsockname()[1]
        group.create_task(stubborn_client(port))
        await serve_until_told(server)
    print("stopped")


asyncio.run(main())
