"""What the four Python programs share: the command line, the list of pictures,
the edge rule in two forms, and the closing report.

The programs are the yardstick for the C programs of the same names: the same
work, the same lines on the terminal, the same bytes in the pictures.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

CHUNK_SIZE = 64 * 1024
THRESHOLD = 30
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
PICSUM_IDS = (10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 28, 29)


@dataclass(frozen=True)
class Picture:
    """One line of the list, and where its two files go."""

    url: str
    original: Path
    processed: Path


def say(line):
    """Prints one line in one piece: threads and processes do not mix."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def positive(kind):
    """An argument type: a number above zero."""

    def number(text):
        value = kind(text)
        if not 0 < value < float("inf"):
            raise ValueError(text)
        return value

    return number


def read_list(path):
    """The addresses of a list: its lines but for blanks and # comments."""
    lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    stripped = (line.strip() for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]


def command_line(summary):
    """Reads the options, makes the two folders, adds `pictures` and `edges`."""
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("list", nargs="?", help="file with one URL per line")
    parser.add_argument("--out", default="pictures", metavar="DIR")
    parser.add_argument("--workers", type=positive(int), metavar="N",
                        help="worker processes (async_v2 and async_v3)")
    parser.add_argument("--limit", type=positive(int), metavar="N",
                        help="downloads at a time (async_v3; default: 4)")
    parser.add_argument("--timeout", type=positive(float), default=10.0,
                        metavar="SECONDS",
                        help="how long a server may be silent")
    parser.add_argument("--numpy", action="store_true",
                        help="the edge rule on whole arrays")
    options = parser.parse_args()

    urls = (read_list(options.list) if options.list else
            [f"https://picsum.photos/id/{n}/1920/1080" for n in PICSUM_IDS])
    if not urls:
        sys.exit(f"{options.list} holds no address")
    originals = Path(options.out) / "original_images"
    processed = Path(options.out) / "processed_images"
    for folder in (originals, processed):
        folder.mkdir(parents=True, exist_ok=True)
    options.pictures = [
        Picture(url, originals / f"img_{n}.jpg", processed / f"img_{n}.jpg")
        for n, url in enumerate(urls, 1)]
    options.edges = edges_numpy if options.numpy else edges_plain
    return options


def edges_plain(source, target):
    """The edge rule, pixel by pixel, as a first Python program has it."""
    with Image.open(source) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    pixels = list(image.getdata())
    marks = []
    for index, (red, green, blue) in enumerate(pixels):
        y, x = divmod(index, width)
        total = count = 0
        for dx, dy in ((1, 0), (0, 1)):
            if x + dx < width and y + dy < height:
                r, g, b = pixels[index + dx + dy * width]
                total += abs(red - r) + abs(green - g) + abs(blue - b)
                count += 1
        strength = total // count if count else 0
        marks.append(WHITE if strength > THRESHOLD else BLACK)
    result = Image.new("RGB", (width, height))
    result.putdata(marks)
    result.save(target, "JPEG")


def edges_numpy(source, target):
    """The same rule on whole arrays, as a careful programmer has it."""
    import numpy

    with Image.open(source) as opened:
        pixels = numpy.asarray(opened.convert("RGB"), dtype=numpy.int16)
    height, width = pixels.shape[:2]
    total = numpy.zeros((height, width), dtype=numpy.int16)
    total[:, :-1] += numpy.abs(pixels[:, 1:] - pixels[:, :-1]).sum(
        axis=2, dtype=numpy.int16)
    total[:-1, :] += numpy.abs(pixels[1:] - pixels[:-1]).sum(
        axis=2, dtype=numpy.int16)
    total[:-1, :-1] //= 2
    marks = numpy.where(total > THRESHOLD, 255, 0).astype(numpy.uint8)
    grey = Image.fromarray(marks, "L")
    Image.merge("RGB", (grey, grey, grey)).save(target, "JPEG")


def process_single_image(picture, edges):
    """Turns one original into its edges; blocks, and keeps one core busy."""
    edges(picture.original, picture.processed)
    say(f"Processed {picture.original} and saved to: {picture.processed}")
    return picture.processed


class Report:
    """Takes the time of the two steps and prints what became of it."""

    def __init__(self):
        self.started = time.perf_counter()

    def downloaded(self):
        self.middle = time.perf_counter()

    def processed(self, count):
        end = time.perf_counter()
        download, process = self.middle - self.started, end - self.middle
        total = end - self.started
        say("")
        steps = (("Downloading", download), ("Processing", process))
        for name, seconds in steps:
            say(f"{name} {count} images took {seconds:.2f} s, "
                f"{100 * seconds / total:.1f} % of the total")
        say(f"Total: {total:.2f} s")
        say(f"TIMES download_s={download:.3f} process_s={process:.3f} "
            f"total_s={total:.3f}")
