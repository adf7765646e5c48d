"""A future stands for the reply to a request, until the connection's reader has
it. It has room for any value."""

import asyncio


class Request:
    def __init__(self, question):
        self.question = question
        self.answer = asyncio.get_running_loop().create_future()


async def answer_later(request):
    await asyncio.sleep(0.1)
    request.answer.set_result(request.question * 1000000007)


async def ask(request):
    print(await asyncio.wait_for(request.answer, 2))


async def main():
    request = Request(6)
    async with asyncio.TaskGroup() as group:
        group.create_task(answer_later(request))
        await ask(request)


asyncio.run(main())
