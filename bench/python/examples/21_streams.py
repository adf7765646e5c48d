"""A server with a task for each client, and three clients. A write only waits
for a slow peer where it is drained, and until Python 3.12 a server that is
closed does not wait for those whom it serves: they are kept in a set."""

import asyncio

serving = set()
served = 0


async def serve(reader, writer):
    global served
    serving.add(asyncio.current_task())
    while line := await reader.readline():
        for i in range(1, 4):
            writer.write(f"{i * int(line)}\n".encode())
            await writer.drain()
    writer.close()
    await writer.wait_closed()
    served += 1


async def ask(request, port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request}\n".encode())
    await writer.drain()
    replies = [int(await reader.readline()) for _ in range(3)]
    writer.close()
    await writer.wait_closed()
    return replies


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(number, port), name=name)
                 for number, name in enumerate(("one", "two", "three"), 1)]
    for task in tasks:
        print(f"{task.get_name()}:", *task.result())
    server.close()
    await asyncio.gather(*serving)
    print(f"served {served} clients")


asyncio.run(main())
