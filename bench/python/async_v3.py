"""The picture job as one would run it: a limit on downloads at a time, and a
worker process for each core but one."""

import asyncio
import os
from concurrent.futures import ProcessPoolExecutor

import aiofiles
import httpx

from common import CHUNK_SIZE, Report, command_line, process_single_image, say

DOWNLOAD_LIMIT = 4


async def download_single_image(client, slots, picture):
    async with slots:
        say(f"Downloading {picture.url}...")
        async with client.stream("GET", picture.url) as response:
            response.raise_for_status()
            async with aiofiles.open(picture.original, "wb") as file:
                async for chunk in response.aiter_bytes(CHUNK_SIZE):
                    await file.write(chunk)
        say(f"Downloaded and saved to: {picture.original}")


async def download_images(pictures, limit, timeout):
    slots = asyncio.Semaphore(limit or DOWNLOAD_LIMIT)
    client = httpx.AsyncClient(timeout=timeout, follow_redirects=True)
    async with client, asyncio.TaskGroup() as group:
        for picture in pictures:
            group.create_task(download_single_image(client, slots, picture))


async def process_images(pictures, edges, workers):
    loop = asyncio.get_running_loop()
    workers = workers or max((os.cpu_count() or 1) - 1, 1)
    with ProcessPoolExecutor(max_workers=workers) as executor:
        futures = [
            loop.run_in_executor(executor, process_single_image, picture, edges)
            for picture in pictures]
        await asyncio.gather(*futures)


async def main():
    options = command_line(__doc__)
    report = Report()
    await download_images(options.pictures, options.limit, options.timeout)
    report.downloaded()
    await process_images(options.pictures, options.edges, options.workers)
    report.processed(len(options.pictures))


if __name__ == "__main__":
    asyncio.run(main())
