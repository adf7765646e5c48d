"""Runs the test suites of a build folder and counts their tests.

Called by ./dev test and check, and used by conformance.py. meson runs the
suites; here each line `ok` or `not ok` is counted, not each program, and a
program that fails, tests nothing or breaks its plan is at least one failure.
"""

import argparse
import collections
import ctypes
import json
import os
import re
import subprocess
import sys

SYS_IO_URING_SETUP = 425
# IORING_SETUP_R_DISABLED, _SINGLE_ISSUER and _DEFER_TASKRUN: what our poller
# asks for. Kernels before 6.1 and most containers refuse it.
RING_FLAGS = 1 << 6 | 1 << 12 | 1 << 13
# `ok 3 - name` from the runner, `FAIL name` from a script that checks things.
TEST_LINE = re.compile(r"^(ok|not ok|FAIL)\b[ \d]*-? ?(.*)$")
LAST_WORDS = 60  # lines of standard error that are worth reading
TAP_PLAN = re.compile(r"^1\.\.(\d+)")


class Count:
    """How many tests passed, failed and were skipped."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")

    def exit_code(self):
        return 0 if self.passed > 0 and self.failed == 0 else 1


def why_no_uring():
    """None where the kernel lets us have a ring, else its reason."""
    libc = ctypes.CDLL(None, use_errno=True)
    params = (ctypes.c_uint32 * 30)()
    params[2] = RING_FLAGS
    fd = libc.syscall(SYS_IO_URING_SETUP, 8, ctypes.byref(params))
    if fd < 0:
        return os.strerror(ctypes.get_errno())
    os.close(fd)
    return None


def count_program(record):
    """Counts one program's tests from what it printed and how it ended."""
    count, planned, seen = Count(), None, 0
    for line in record.get("stdout", "").splitlines():
        plan, result = TAP_PLAN.match(line), TEST_LINE.match(line)
        if plan:
            planned = int(plan[1])
        if not result:
            continue
        seen += 1
        if result[1] != "ok":
            count.failed += 1
        elif "# SKIP" in result[2].upper():
            count.skipped += 1
        else:
            count.passed += 1
    if record["result"] == "SKIP" and seen == 0:
        count.skipped = planned or 1
    elif record["result"] not in ("OK", "SKIP") or planned not in (None, seen):
        count.failed = max(count.failed, 1)
    elif seen == 0:
        count.failed = 1
    return count


def backend_of(record):
    return record.get("env", {}).get("ASYNCIO_BACKEND", "")


def report_failure(record):
    """Prints what a program said about its failed tests, and its last words."""
    print(f"\n{record['name']}: {record['result']},"
          f" exit status {record['returncode']}")
    telling = False
    for line in record.get("stdout", "").splitlines():
        result = TEST_LINE.match(line)
        if result:
            telling = result[1] != "ok"
        if telling:
            print("    " + line)
    for line in record.get("stderr", "").splitlines()[-LAST_WORDS:]:
        print("    " + line)


def of_the_runner(folder, names, suites):
    """The tests of meson that are suites of the runner: only these know its
    options. Those named, or all."""
    listed = subprocess.run(["meson", "introspect", "--tests", folder],
                            check=True, stdout=subprocess.PIPE).stdout
    found = [test["name"] for test in json.loads(listed)
             if os.path.basename(test["cmd"][0]).startswith("test_")
             and any(suite.split(":")[-1] in suites
                     for suite in test["suite"])]
    return sorted(set(found) & set(names) if names else set(found))


def run_meson(folder, names, env, log, suites, args):
    """One run of the suites; returns the records of meson's log."""
    command = ["meson", "test", "-C", folder, "--no-rebuild", "--logbase", log]
    command += [f"--suite={suite}" for suite in suites]
    if args:
        names = of_the_runner(folder, names, suites)
        if not names:
            return []
        command += [f"--test-args={args}", "--timeout-multiplier=20"]
    path = os.path.join(folder, "meson-logs", log + ".json")
    if os.path.exists(path):
        os.remove(path)
    subprocess.run(command + names, env={**os.environ, **env}, check=False,
                   stdin=subprocess.DEVNULL)
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def run(folder, names=(), env=None, log="testlog", inject=None, seeds=None,
        poller=None, options=""):
    """Runs the suites on the pollers that there are. Returns the count.

    All pollers are io_uring, epoll and, for what it has a world for, the
    simulator; `poller` has them run on that one only. With `inject` each test
    of the runner is repeated with each of its calls of that kind failing (as
    `options` of the runner say), with `seeds` in so many orders; scripts have no
    such loop and are left out.
    """
    denied = None if poller else why_no_uring()
    pollers = ["epoll", "sim"] if denied else ["uring", "epoll", "sim"]
    pollers = [poller] if poller else pollers
    args = (f"--inject {inject} {options}".strip() if inject
            else f"--seeds {seeds}" if seeds else None)
    suites = pollers if args or poller else [*pollers, "once"]
    records = run_meson(folder, list(names), env or {}, log, suites, args)
    total = Count()
    on_epoll = 0
    for record in records:
        count = count_program(record)
        total.add(count)
        if backend_of(record) == "epoll":
            on_epoll += count.passed + count.failed + count.skipped
        if count.failed > 0:
            report_failure(record)
    if denied:
        print(f"io_uring is denied here ({denied}): the {on_epoll} tests on it"
              " count as skipped")
        total.skipped += on_epoll
    if inject:
        print_sums(f"inject {inject}", records)
    elif seeds:
        print_sums("seeds", records)
    return total


def words_of(counts):
    return ", ".join(f"{value} {name}" for name, value in counts.items())


def print_sums(what, records):
    """What each program said of its loop, and all of it added up."""
    total = collections.Counter()
    for record in records:
        for line in record.get("stdout", "").splitlines():
            if not line.startswith(f"# {what}:"):
                continue
            counts = {name: int(value)
                      for name, value in re.findall(r"(\w+)=(\d+)", line)}
            total.update(counts)
            print(f"{what}: {record['name'].split(' ')[-1]} on {backend_of(record)}:"
                  f" {words_of(counts)}")
    print(f"{what}: {words_of(total)}")


def main():
    parser = argparse.ArgumentParser(
        prog="./dev test", usage="./dev test [--seeds N] [NAME...]")
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seeds", type=int, metavar="N",
                        help="run in N orders, with the seeds 1 to N")
    parser.add_argument("--inject", choices=("alloc", "syscall", "cancel"),
                        help="let each such call of each test fail once, or"
                        " cancel at each of its awaits")
    parser.add_argument("--every", action="store_true",
                        help="with --inject: calls that are alike, too")
    parser.add_argument("--share", type=int, metavar="N", default=1,
                        help="with --inject: one of N calls")
    parser.add_argument("--poller", choices=("uring", "epoll", "sim"),
                        help="run the suites on this one only")
    options = parser.parse_intermixed_args()
    if options.seeds is not None and options.seeds < 1:
        parser.error("--seeds takes a number from 1")

    if options.share < 1:
        parser.error("--share takes a number from 1")

    total = run(options.folder, options.names, inject=options.inject,
                seeds=options.seeds, poller=options.poller,
                options=(f"--share {options.share}"
                         + (" --every" if options.every else "")))
    sys.stdout.flush()
    print(total)
    return total.exit_code()


if __name__ == "__main__":
    sys.exit(main())
