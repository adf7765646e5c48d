"""The picture job with the blocking functions as they are: each call runs in a
thread, and a task group waits for all threads of a step."""

import asyncio

from common import Report, command_line, process_single_image
from sync_v1 import download_single_image


async def download_images(pictures, timeout):
    async with asyncio.TaskGroup() as group:
        for picture in pictures:
            group.create_task(
                asyncio.to_thread(download_single_image, picture, timeout))


async def process_images(pictures, edges):
    async with asyncio.TaskGroup() as group:
        for picture in pictures:
            group.create_task(
                asyncio.to_thread(process_single_image, picture, edges))


async def main():
    options = command_line(__doc__)
    report = Report()
    await download_images(options.pictures, options.timeout)
    report.downloaded()
    await process_images(options.pictures, options.edges)
    report.processed(len(options.pictures))


if __name__ == "__main__":
    asyncio.run(main())
