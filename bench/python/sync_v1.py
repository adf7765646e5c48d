"""The picture job, blocking: each download after the one before, then each
picture after the one before. The other three programs start from here."""

import requests

from common import CHUNK_SIZE, Report, command_line, process_single_image, say


def download_single_image(picture, timeout):
    say(f"Downloading {picture.url}...")
    with requests.get(picture.url, stream=True, timeout=timeout) as response:
        response.raise_for_status()
        with open(picture.original, "wb") as file:
            for chunk in response.iter_content(CHUNK_SIZE):
                file.write(chunk)
    say(f"Downloaded and saved to: {picture.original}")


def download_images(pictures, timeout):
    for picture in pictures:
        download_single_image(picture, timeout)


def process_images(pictures, edges):
    for picture in pictures:
        process_single_image(picture, edges)


def main():
    options = command_line(__doc__)
    report = Report()
    download_images(options.pictures, options.timeout)
    report.downloaded()
    process_images(options.pictures, options.edges)
    report.processed(len(options.pictures))


if __name__ == "__main__":
    main()
