"""Blocking calls, one after the other: no asyncio in it."""

import time


def prepare(what, seconds):
    print(f"{what} is begun")
    time.sleep(seconds)
    print(f"{what} is done")


def main():
    start = time.monotonic()
    prepare("coffee", 0.3)
    prepare("toast", 0.2)
    prepare("an egg", 0.1)
    if time.monotonic() - start >= 0.6:
        print("breakfast took no less than 0.6 s, the sum")


main()
