"""Runs the examples and the picture job, in C and in Python, and compares.

    harness.py CACHE [--rounds N] [--store]

Called by ./dev bench examples with the cache that holds nginx and the
photographs. One round goes once through all programs, each in C and right
after it in Python; the next round has these in the other order. A program
counts only if it did its work: an example has to print what it promises, its
seconds aside, and each picture is compared, byte for byte, with the plain
implementation's.

The originals that compute pixel by pixel take longer than all the rest, and run
in every second round.

Figures go to build/bench/examples.txt, and the report to build/bench/report.
--store takes them over into bench/examples.txt, and makes BENCHMARK.md and its
pictures of that.
"""

import argparse
import datetime
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

import benchmark
import core
import demo
from server import Server

TREE = os.getcwd()
BUILD = os.path.join(TREE, "build", "release")
OUT = os.path.join(TREE, "build", "bench", "pictures")
RESULTS = "build/bench/examples.txt"
REPORT = "build/bench/report"
LIMIT_S = 60

LIMITS = (1, 2, 4, 8, 12)
WORKERS = (1, 2, 3, 4)
# Fewer of Python's, whose start alone takes as long as all of ours.
PYTHON_LIMITS = (1, 4, 12)
PYTHON_WORKERS = (1, 2)

BUSY = (" Others had work for the processors all the while: what computes would "
        "take a fraction of these times on a machine of its own, and ratios are "
        "no more than a hint.")

SECONDS = re.compile(r"\d+\.\d s\b")


def say(text):
    """A line for whoever waits."""
    print(f"examples: {text}", flush=True)


class Harness:
    """One run: what was measured, and what went wrong."""

    def __init__(self, options, url_list, expected):
        self.options, self.url_list = options, url_list
        self.expected = expected
        self.values, self.wrong = {}, []
        self.python = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")

    def note(self, kind, name, language, metric, value):
        """Keeps a figure."""
        self.values.setdefault((kind, name, language, metric), []).append(value)

    def problem(self, text):
        """Says that a program did not do what it should."""
        say(f"WRONG: {text}")
        self.wrong.append(text)

    # ---- Examples ---------------------------------------------------------

    def example(self, name, language):
        """One program, once."""
        command, source = example_command(name, language)
        start = time.monotonic()
        with subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True, env=self.python,
                start_new_session=True) as program:
            timer = Timer(program.pid)
            printed = program.stdout.read()
            _, status, usage = os.wait4(program.pid, 0)
            program.returncode = os.waitstatus_to_exitcode(status)
            took = time.monotonic() - start
            timer.stop()
        if program.returncode != 0:
            self.problem(f"{name}, {language}: exit status "
                         f"{program.returncode}")
        elif masked(printed) != masked(promised(source)):
            self.problem(f"{name}, {language}: does not print what it promises")
        else:
            self.note("example", name, language, "wall", took)
            self.note("example", name, language, "processor",
                      usage.ru_utime + usage.ru_stime)

    def examples(self, turn):
        """All of them, each beside its counterpart."""
        for name in example_names():
            languages = [language for language in ("C", "Python")
                         if example_command(name, language)]
            for language in languages[::-1] if turn % 2 else languages:
                self.example(name, language)

    # ---- The picture job --------------------------------------------------

    def job(self, kind, name, language, program, *options):
        """One version, once."""
        if language == "C":
            command = [os.path.join(BUILD, "app", program)]
        else:
            command = [demo.PYTHON, os.path.join(TREE, "bench", "python",
                                                 program + ".py")]
        if language == "numpy":
            options += ("--numpy",)
        version = demo.Version(f"{kind}_{name}_{language}",
                               [*command, *options], OUT)
        version.run(self.url_list, False)
        if not version.wrong:
            version.check(self.expected)
        if version.wrong:
            self.problem(f"{kind} {name}, {language}: {version.wrong}")
            return
        for metric, value in zip(("download", "process", "total"),
                                 version.times[0]):
            self.note(kind, name, language, metric, value)

    def versions(self, turn):
        """The four versions, in each language."""
        languages = [language for language in ("C", "numpy", "Python")
                     if language != "Python" or turn % 2 == 0]
        for name in demo.NAMES:
            for language in languages[::-1] if turn % 2 else languages:
                self.job("version", name, language, name,
                         *demo.workers_of(name))

    def sweeps(self):
        """The last version with more and more downloads at a time, and with
        more and more worker processes."""
        for number in LIMITS:
            for language in languages_of(number, PYTHON_LIMITS):
                self.job("limit", str(number), language, "async_v3",
                         "--limit", str(number), "--workers",
                         str(demo.WORKERS))
        for number in WORKERS:
            for language in languages_of(number, PYTHON_WORKERS):
                self.job("workers", str(number), language, "async_v3",
                         "--limit", "12", "--workers", str(number))

    def run(self):
        """All rounds."""
        for turn in range(self.options.rounds):
            start = time.monotonic()
            self.examples(turn)
            self.versions(turn)
            self.sweeps()
            say(f"round {turn + 1} of {self.options.rounds}:"
                f" {time.monotonic() - start:.0f} s,"
                f" load {os.getloadavg()[0]:.1f}")

    # ---- Time lines -------------------------------------------------------

    def timelines(self):
        """Runs a few once more, with a trace, and draws these for the report.
        Returns the names of those that were drawn."""
        drawn = []
        for name in benchmark.TITLES:
            if name in demo.NAMES:
                command = [os.path.join(BUILD, "app", name), self.url_list,
                           "--out", os.path.join(OUT, "traced"),
                           *demo.workers_of(name)]
            else:
                command, _ = example_command(name, "C")
            if self.timeline(name, command):
                drawn.append(name)
        return drawn

    def timeline(self, name, command):
        """One of them. Says whether there is one."""
        picture = os.path.join(REPORT, benchmark.timeline_path(name))
        try:
            demo.draw_trace(command, os.path.join(OUT, name + ".json"), picture,
                            benchmark.TITLES[name])
        except subprocess.CalledProcessError as error:
            self.problem(f"the time line of {name}: {error}")
            return False
        return True

    # ---- The results ------------------------------------------------------

    def results(self):
        """Medians and spreads, in an order that does not depend on who went
        first in which round."""
        found = benchmark.Results()
        found.machine = machine(self.options)
        order = ("example", "version", "limit", "workers")
        for key in sorted(self.values, key=lambda key: (
                order.index(key[0]),
                int(key[1]) if key[1].isdigit() else 0, place_of(key[1]),
                list(benchmark.LANGUAGES).index(key[2]))):
            values = self.values[key]
            found.lines[key] = (statistics.median(values), min(values),
                                max(values), len(values))
        return found


class Timer:
    """Ends a process group that takes too long, by an alarm."""

    def __init__(self, pid):
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
        signal.alarm(LIMIT_S)

    @staticmethod
    def stop():
        """It has ended."""
        signal.alarm(0)


def place_of(name):
    """Where a version stands among its like; others by their names."""
    return (demo.NAMES.index(name), "") if name in demo.NAMES else (0, name)


def languages_of(number, numbers_of_python):
    """Who is measured with this number."""
    return ("C", "numpy") if number in numbers_of_python else ("C",)


def example_names():
    """The numbered programs that were built."""
    names = []
    for file in sorted(os.listdir("examples")):
        name = os.path.splitext(file)[0]
        if re.match(r"\d\d_", file) and example_command(name, "C"):
            names.append(name)
    return names


def example_command(name, language):
    """(what is to be run, what says what it prints), or None."""
    if language == "Python":
        source = os.path.join("bench", "python", "examples", name + ".py")
        if not os.path.exists(source):
            return None
        command = [demo.PYTHON, source]
        if not promised(source):
            source = benchmark.example_path(name)
        return command, source
    program = os.path.join(BUILD, "examples", "example_" + name)
    if not os.path.exists(program):
        return None
    return [program], benchmark.example_path(name)


def promised(source):
    """What a program says that it prints."""
    with open(source, encoding="utf-8") as file:
        lines = re.findall(r"^(?:// )?expect: (.*)", file.read(), re.M)
    return "".join(line + "\n" for line in lines)


def masked(text):
    """A text without its seconds: a busy machine may be late."""
    return SECONDS.sub("# s", text)


def first_line(command):
    """What a program says of itself."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True,
                          check=False).stdout.splitlines()[0].strip()


def python_versions():
    """Of the interpreter, and of what the originals use."""
    names = ("requests", "httpx", "aiofiles", "Pillow", "numpy")
    script = ("import importlib.metadata as m, platform as p; print("
              "'Python', p.python_version(), 'with', ', '.join("
              f"n + ' ' + m.version(n) for n in {names!r}))")
    return first_line([demo.PYTHON, "-c", script])


def machine(options):
    """Where, with what and when, in words."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        kind = "virtual machine" if "hypervisor" in file.read() else "machine"
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) / (1 << 20)
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    rounds = options.rounds
    return (f"A {kind} with {os.cpu_count()} processors ({core.processor()}) "
            f"and {memory:.0f} GiB of memory; {system}, Linux "
            f"{platform.release()} {platform.machine()}; the library as it is "
            f"installed (`--buildtype=release`), by "
            f"{first_line(['gcc', '--version'])}; {python_versions()}. "
            f"{rounds} round{'s' if rounds > 1 else ''} on "
            f"{datetime.date.today()}; the load was {options.load:.1f} before "
            f"the first one.{BUSY if options.load > 1 else ''}")


def print_tables(found):
    """The report's tables, for the terminal."""
    for name in ("examples", "versions", "limits", "workers"):
        text = benchmark.SECTIONS[name](found)
        print("\n" + re.sub(r"\[(`\w+`)\]\(\S+\)|!\[.*\n\n", r"\1", text))
    print()


def measure(options):
    """Measures all of it. Returns what was found, and whether all was well."""
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    photographs = os.path.join(options.cache, "photographs")
    expected = demo.expected_pictures(
        photographs, os.path.join(BUILD, "tests", "reference"), OUT)
    shutil.rmtree(REPORT, ignore_errors=True)
    os.makedirs(os.path.join(REPORT, benchmark.PICTURES))
    with Server(os.path.join(options.cache, "nginx"), photographs,
                os.path.join(options.cache, "run")) as url:
        url_list = os.path.join(OUT, "urls.txt")
        with open(url_list, "w", encoding="utf-8") as out:
            out.writelines(f"{url}/{name}\n" for name in sorted(expected))
        harness = Harness(options, url_list, expected)
        harness.run()
        found = harness.results()
        found.timelines = harness.timelines()
    return found, not harness.wrong


def store(found):
    """Takes the report over into the tree, and no picture of an older one."""
    found.write(benchmark.STORED)
    shutil.rmtree(benchmark.PICTURES, ignore_errors=True)
    for path in (benchmark.DOCUMENT, benchmark.PICTURES):
        there = os.path.join(REPORT, path)
        (shutil.copytree if os.path.isdir(there) else shutil.copy)(there, path)


def read_options():
    """The arguments."""
    parser = argparse.ArgumentParser(
        prog="./dev bench examples",
        usage="./dev bench examples [--rounds N] [--store]")
    parser.add_argument("cache")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--store", action="store_true",
                        help="make bench/examples.txt and BENCHMARK.md anew")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("there is no such number of rounds")
    options.load = os.getloadavg()[0]
    return options


def main():
    """Measures, prints, writes."""
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for variable in ("ASYNCIO_CLOCK", "ASYNCIO_DEBUG", "ASYNCIO_TRACE"):
        os.environ.pop(variable, None)
    found, well = measure(options)
    found.write(RESULTS)
    found = benchmark.Results.read(RESULTS)  # as it is written, digits and all
    print_tables(found)
    benchmark.write(found, REPORT)
    if options.store and well:
        store(found)
        print(f"{benchmark.DOCUMENT} and {benchmark.STORED} are made anew")
    else:
        print(f"all figures: {RESULTS}; the report: {REPORT}")
    return 0 if well else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
