"""Runs the picture job in its versions, checks what they made, prints a table.

Called by ./dev demo with the cache that holds nginx and the photographs. Every
picture of every round is compared, byte for byte, with what tests/edge's plain
implementation makes of the same photograph; a version whose pictures differ
gets no line in the table, no RESULT, and the demo ends with code 1.
"""

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys

from server import Server

TREE = os.getcwd()
BUILD = os.path.join(TREE, "build", "gcc")
OUT = os.path.join(TREE, "build", "demo")
REFERENCE = os.path.join(BUILD, "tests", "reference")
PYTHON = "/usr/bin/python3"
NAMES = ("sync_v1", "async_v1", "async_v2", "async_v3")
WORKERS = 2
TIMELINE = ("async_v3: twelve pictures, four downloads at a time, two worker "
            "processes")
TIMES = re.compile(
    r"^TIMES download_s=([\d.]+) process_s=([\d.]+) total_s=([\d.]+)$")


class Version:
    """One program of the table: its name, its command, its times by round."""

    def __init__(self, name, command, out=OUT):
        self.name, self.command = name, command
        self.folder = os.path.join(out, name)
        self.times = []
        self.wrong = None

    def run(self, url_list, show):
        """Runs it once. Notes its times, or what went wrong."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        command = self.command + [url_list, "--out", self.folder]
        times = None
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE) as program:
            for line in program.stdout:
                found = TIMES.match(line.strip())
                if found:
                    times = [float(second) for second in found.groups()]
                elif show:
                    print("   ", line.rstrip().replace(TREE + "/", ""))
        if program.returncode != 0:
            self.wrong = f"ended with exit status {program.returncode}"
        elif times is None:
            self.wrong = "printed no line TIMES"
        else:
            self.times.append(times)

    def check(self, expected):
        """Compares what the last run left with the pictures expected."""
        for number, name in enumerate(sorted(expected), start=1):
            made = picture_of(self.folder, "processed", number)
            if not os.path.exists(made):
                self.wrong = f"left no picture of {name}"
            elif read(made) != expected[name]:
                self.wrong = f"{made} is not the edge image of {name}"

    def medians(self):
        return [statistics.median(column) for column in zip(*self.times)]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def picture_of(folder, kind, number):
    """Where a version leaves picture `number`, original or processed."""
    return os.path.join(folder, kind + "_images", f"img_{number}.jpg")


def expected_pictures(photographs, reference=REFERENCE, out=OUT):
    """What the plain implementation makes of each photograph, by name."""
    expected = {}
    folder = os.path.join(out, "expected")
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(photographs)):
        path = os.path.join(folder, name)
        subprocess.run([reference, os.path.join(photographs, name), path],
                       check=True)
        expected[name] = read(path)
    return expected


def versions_to_run(with_python):
    versions = []
    for name in NAMES:
        program = os.path.join(BUILD, "app", name)
        if not os.path.exists(program):
            raise SystemExit(f"dev: {name} was not built; the summary of meson"
                             " says what is missing")
        versions.append(Version(name, [program] + workers_of(name)))
    if not with_python:
        return versions
    for name in NAMES:
        script = [PYTHON, os.path.join(TREE, "bench", "python", name + ".py")]
        script += workers_of(name)
        versions.append(Version("python_" + name, script))
    versions.append(Version("python_async_v3_numpy", script + ["--numpy"]))
    return versions


def workers_of(name):
    """Those with a process pool get one of the same size in both languages."""
    return ["--workers", str(WORKERS)] if name in ("async_v2", "async_v3") else []


def run_rounds(versions, rounds, url_list, expected):
    for turn in range(1, rounds + 1):
        for version in versions:
            if version.wrong:
                continue
            show = len(versions) == 4 and rounds == 1
            print(f"round {turn} of {rounds}: {version.name}", flush=True)
            version.run(url_list, show)
            if not version.wrong:
                version.check(expected)
            if version.wrong:
                print(f"    WRONG: {version.name} {version.wrong}")


def print_table(versions, rounds):
    if rounds > 1:
        print(f"\nMedians of {rounds} interleaved rounds:")
    print(f"\n{'version':24}{'download s':>12}{'processing s':>14}"
          f"{'total s':>10}{'speed-up':>10}")
    base = versions[0].medians()[2] if not versions[0].wrong else None
    for version in versions:
        if version.wrong:
            print(f"{version.name:24}WRONG: {version.wrong}")
            continue
        download, process, total = version.medians()
        speed_up = f"{base / total:.2f}x" if base else "-"
        print(f"{version.name:24}{download:12.3f}{process:14.3f}{total:10.3f}"
              f"{speed_up:>10}")


def print_results(versions, images):
    for version in versions:
        if version.wrong:
            continue
        download, process, total = version.medians()
        print(f"RESULT version={version.name} images={images}"
              f" download_s={download:.3f} process_s={process:.3f}"
              f" total_s={total:.3f}")


def print_comparisons(versions):
    """What async_v2 could not avoid, and how far Python's async_v3 is behind.

    async_v2 starts all downloads at once, so its download time is that of the
    slowest; sync_v1 processes on one core and does nothing else meanwhile, so
    its processing time is the work there is.
    """
    took = {v.name: v.medians() for v in versions if not v.wrong}
    if "sync_v1" in took and "async_v2" in took:
        least = took["async_v2"][0] + took["sync_v1"][1] / WORKERS
        print(f"async_v2 took {took['async_v2'][2]:.3f} s; its slowest download"
              f" and the processing on {WORKERS} cores take {least:.3f} s")
    for name in ("python_async_v3", "python_async_v3_numpy"):
        if name in took and "async_v3" in took:
            ratio = took[name][2] / took["async_v3"][2]
            print(f"async_v3 is {ratio:.1f} times as fast as {name}")


def contact_sheet(version, photographs):
    """One picture of all: each photograph beside its edges."""
    sheet = os.path.join(OUT, "contact-sheet.jpg")
    pairs = []
    for number, name in enumerate(sorted(photographs), start=1):
        pairs += [picture_of(version.folder, "original", number),
                  picture_of(version.folder, "processed", number)]
    subprocess.run(["gm", "montage", "-tile", "4x", "-geometry", "480x270+4+4",
                    "-background", "white", *pairs, sheet], check=True)
    return sheet


def draw_trace(command, trace, picture, title):
    """Runs a program once, with a trace, checks the trace and draws it."""
    tools = os.path.join(TREE, "tools", "trace")
    steps = (command, [PYTHON, os.path.join(tools, "check.py"), trace],
             [PYTHON, os.path.join(tools, "timeline.py"), trace, "-o", picture,
              "--title", title])
    for step in steps:
        subprocess.run(step, env=dict(os.environ, ASYNCIO_TRACE=trace),
                       stdin=subprocess.DEVNULL, check=True,
                       stdout=subprocess.DEVNULL if step is command else None)


def draw_timeline(url_list):
    """Runs async_v3 once more, and draws that for the guide. Says whether there
    is a picture; without one, the last is left as it is."""
    folder = os.path.join(OUT, "timeline")
    picture = os.path.join(TREE, "docs", "guide", "async_v3.svg")
    os.makedirs(folder)
    try:
        draw_trace([os.path.join(BUILD, "app", "async_v3"), url_list,
                    "--workers", str(WORKERS), "--out", folder],
                   os.path.join(OUT, "async_v3.json"), picture, TIMELINE)
    except subprocess.CalledProcessError as error:
        print(f"    WRONG: there is no time line: {error}")
        return False
    print(f"time line: {os.path.relpath(picture)}")
    return True


def main():
    parser = argparse.ArgumentParser(
        prog="./dev demo", usage="./dev demo [--python] [--rounds N]"
                                 " [--timeline]")
    parser.add_argument("cache")
    parser.add_argument("--python", action="store_true",
                        help="run the Python originals beside ours")
    parser.add_argument("--rounds", type=int, default=1, metavar="N",
                        help="rounds, interleaved; the table shows medians")
    parser.add_argument("--timeline", action="store_true",
                        help="trace async_v3, and draw docs/guide/async_v3.svg")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds takes a number from 1")

    # A demo that is told to end leaves through its `with` and stops nginx.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    photographs = os.path.join(options.cache, "photographs")
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    expected = expected_pictures(photographs)
    versions = versions_to_run(options.python)
    with Server(os.path.join(options.cache, "nginx"), photographs,
                os.path.join(options.cache, "run")) as url:
        print(f"nginx serves {len(expected)} photographs at {url},"
              " each request 80 ms late", flush=True)
        url_list = os.path.join(OUT, "urls.txt")
        with open(url_list, "w", encoding="utf-8") as out:
            out.writelines(f"{url}/{name}\n" for name in sorted(expected))
        run_rounds(versions, options.rounds, url_list, expected)
        drawn = draw_timeline(url_list) if options.timeline else True

    print_table(versions, options.rounds)
    good = [version for version in versions if not version.wrong]
    if good:
        print()
        print_comparisons(versions)
        print(f"\nEvery picture of the versions with times is byte-identical to"
              f" the plain implementation's.\nPictures: build/demo/<version>/")
        sheet = contact_sheet(good[-1], expected)
        print(f"Contact sheet: {os.path.relpath(sheet)}\n")
    print_results(versions, len(expected))
    return 0 if len(good) == len(versions) and drawn else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
