"""Counts the instructions of the hot paths, and compares them with what is
stored.

    instructions.py BUILD [--write]

A benchmark does its work N times and 3 N times below Callgrind; the difference
is what it takes, without start and end. bench/instructions.txt has a line for
each compiler and figure. A path that has become heavier by more than the
tolerance is a failure, and so is one that has become lighter: store the new
number then, and say in the commit why it is another. --write does that.
"""

import argparse
import concurrent.futures
import json
import os
import platform
import re
import subprocess
import sys

STORED = "bench/instructions.txt"
TOLERANCE = 0.03
# Program, metric, and how often at least.
FIGURES = [
    ("yield", "yield", 4000),
    ("spawn", "spawn_seq", 2000),
    ("spawn", "spawn_batch", 4000),
    ("spawn", "spawn_group", 4000),
    ("queue", "q1", 2000),
    ("queue", "q128", 12800),
    ("timer", "tmo_seq", 2000),
    ("timer", "limit", 2000),
    ("cancel_storm", "cancel", 1000),
]


def compiler(build):
    """The compiler of a build folder and its machine: gcc-12-x86_64."""
    with open(f"{build}/compile_commands.json", encoding="utf-8") as commands:
        command = json.load(commands)[0]["command"].split()[0]

    def says(option):
        return subprocess.run([command, option], check=True,
                              capture_output=True, text=True).stdout

    name = "clang" if "clang" in says("--version") else "gcc"
    version = says("-dumpversion").split(".")[0].strip()
    return f"{name}-{version}-{platform.machine()}"


def count(build, program, metric, times):
    """All instructions of a run. epoll, as Valgrind knows only some rings."""
    environment = dict(os.environ, ASYNCIO_BACKEND="epoll",
                       LD_LIBRARY_PATH=f"{build}/src", LD_BIND_NOW="1")
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
         f"{build}/bench/{program}", "--once", metric, str(times)],
        env=environment, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found:
        sys.exit(f"{program} {metric} did not run below Callgrind:\n"
                 f"{run.stdout}{run.stderr}")
    return int(found.group(1))


def figure(build, program, metric, times):
    """The instructions of one time."""
    less = count(build, program, metric, times)
    more = count(build, program, metric, 3 * times)
    return round((more - less) / (2 * times), 1)


def read_stored():
    """{(compiler, metric): instructions}, and the lines of comment."""
    stored, comments = {}, []
    with open(STORED, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#") or not line.strip():
                comments.append(line)
                continue
            name, metric, number = line.split()
            stored[name, metric] = float(number)
    return stored, comments


def write_stored(stored, comments):
    """The same, back to where it was."""
    with open(STORED, "w", encoding="utf-8") as out:
        out.writelines(comments)
        for (name, metric), number in stored.items():
            out.write(f"{name} {metric} {number}\n")


def main():
    """Measures all, and compares or stores them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    stored, comments = read_stored()
    name = compiler(options.build)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda f: figure(options.build, *f), FIGURES))
    status = 0
    for (_, metric, _), number in zip(FIGURES, found):
        before = stored.get((name, metric))
        if options.write:
            stored[name, metric] = number
        elif before is None:
            print(f"{metric}: {number} instructions; none are stored for "
                  f"{name}")
        elif abs(number - before) > TOLERANCE * before:
            print(f"{metric}: {number} instructions, and {before} are stored "
                  f"for {name}")
            status = 1
    if options.write:
        write_stored(stored, comments)
    return status


if __name__ == "__main__":
    sys.exit(main())
