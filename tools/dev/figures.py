"""What the figures of ./dev bench core mean, and the file that they are kept in.

A line of a results file is

    workload peer metric median least greatest unit

and `# W8: ...` says how and where that workload was measured.
"""

import collections
import math

# The figures that are compared: workload, metric, words, unit, floor, and
# whether more is better.
Figure = collections.namedtuple("Figure",
                                "workload metric words unit floor more")


def figure(workload, metric, words, unit, floor="floor", more=False):
    """One of them, with what most have."""
    return Figure(workload, metric, words, unit, floor, more)


def echo(metric, words, unit, more=False):
    """One of the servers', whose floor is the bare ring."""
    return figure("W8", metric, words, unit, "floor_uring", more)


FIGURES = [
    figure("W1", "yield", "yield to another task", "ns"),
    figure("W2", "spawn_seq", "spawn and join, one at a time", "ns"),
    figure("W2", "spawn_batch", "spawn and join, 1,000 at a time", "ns"),
    figure("W3", "cold_ms", "gather 100,000, cold", "ms"),
    figure("W3", "warm_ms", "gather 100,000, warm", "ms"),
    figure("W4", "100k_rss", "memory of an idle task, 100,000 alive", "B/task"),
    figure("W4", "1M_rss", "memory of an idle task, 1,000,000 alive", "B/task"),
    figure("W4", "1M_create", "make a task that sleeps, of 1,000,000",
           "ns/task"),
    figure("W5", "q1", "queue of 1, an item", "ns"),
    figure("W5", "q128", "queue of 128, an item", "ns"),
    figure("W6", "sem", "semaphore, 10,000 in line", "ns"),
    figure("W7", "sleep_cpu", "100,000 sleepers, processor time", "ms"),
    figure("W7", "tmo_seq", "arm a timer, cancel it", "ns"),
    figure("W7", "tmo_bulk", "arm a million timers, cancel them", "ns"),
    figure("W7", "limit", "enter a block with a time limit, leave it", "ns"),
    echo("64_c1_rps", "echo 64 B, 1 connection", "req/s", True),
    echo("64_c1_cpu", "echo 64 B, 1 connection, server's CPU", "us/req"),
    echo("64_c50_cpu", "echo 64 B, 50 connections, server's CPU", "us/req"),
    echo("64_c1000_cpu", "echo 64 B, 1,000 connections, server's CPU",
         "us/req"),
    echo("16k_c50_cpu", "echo 16 KiB, 50 connections, server's CPU", "us/req"),
    echo("16k_c1000_cpu", "echo 16 KiB, 1,000 connections, server's CPU",
         "us/req"),
    figure("W9", "cpu", "HTTP hello, 50 connections, server's CPU", "us/req",
           "floor_uring"),
    figure("W10", "cancel", "cancel a task that sleeps", "ns"),
    figure("W11", "post", "calls from another thread", "ops/s", more=True),
    figure("W11", "to_thread", "call in a thread, there and back", "us"),
    figure("W12", "roundtrip", "call in a process, there and back", "us"),
    figure("W12", "bulk2w", "calls in two processes, many at a time", "calls/s",
           more=True),
]

WORKLOADS = {
    "W1": "yield", "W2": "spawn and join", "W3": "gather of 100,000",
    "W4": "idle tasks", "W5": "queue", "W6": "semaphore", "W7": "timers",
    "W8": "TCP echo", "W9": "HTTP hello", "W10": "cancel storm",
    "W11": "threads", "W12": "processes",
}
BARE = ("boost_context", "libaco", "minicoro", "minicorovm")


def kind(peer):
    """ours, floor, bare or runtime."""
    for name in ("libasyncio", "floor"):
        if peer.split("_")[0] == name:
            return "ours" if name == "libasyncio" else "floor"
    return "bare" if peer in BARE else "runtime"


def number(value):
    """For people: three digits that count, and commas."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "-"
    digits = 2 - math.floor(math.log10(abs(value)) + 1e-9)
    return f"{value:,.{min(max(digits, 0), 2)}f}"


class Results:
    """Figures by (workload, peer, metric): median, least, greatest, unit."""

    def __init__(self):
        self.lines, self.notes = {}, {}

    @classmethod
    def read(cls, path):
        """Those of a file."""
        results = cls()
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                words = line.split()
                if line.startswith("# W"):
                    name, note = line[2:].split(":", 1)
                    results.notes[name] = note.strip()
                elif len(words) == 7 and not line.startswith("#"):
                    values = tuple(float(word) for word in words[3:6])
                    results.lines[tuple(words[:3])] = values + (words[6],)
        return results

    def write(self, path):
        """All of them, in the order of the workloads."""
        with open(path, "w", encoding="utf-8") as out:
            out.write("# What ./dev bench core has measured:\n"
                      "# workload peer metric median least greatest unit\n")
            for workload in WORKLOADS:
                self.write_workload(workload, out)

    def write_workload(self, workload, out):
        """One of them, if there is any of it."""
        if workload in self.notes:
            out.write(f"\n# {workload}: {self.notes[workload]}\n")
        for (name, peer, metric), line in self.lines.items():
            if name == workload:
                values = " ".join(f"{value:.6g}" for value in line[:3])
                out.write(f"{name} {peer} {metric} {values} {line[3]}\n")

    def take(self, other):
        """Replaces the workloads that another file has measured."""
        for workload in other.notes:
            self.lines = {key: line for key, line in self.lines.items()
                          if key[0] != workload}
        self.lines.update(other.lines)
        self.notes.update(other.notes)

    def median(self, workload, peer, metric):
        """One figure, or None."""
        line = self.lines.get((workload, peer, metric))
        return line[0] if line else None

    def peers(self, workload, metric):
        """{peer: median} of all who have that figure."""
        return {key[1]: line[0] for key, line in self.lines.items()
                if key[0] == workload and key[2] == metric}

    def best(self, what):
        """(peer, median) of the best runtime of others, or None."""
        others = [(value, peer) for peer, value
                  in self.peers(what.workload, what.metric).items()
                  if kind(peer) == "runtime" and value > 0]
        if not others:
            return None
        value, peer = max(others) if what.more else min(others)
        return peer, value


def times_better(what, ours, other):
    """How many times better the first is; less than 1: how much worse."""
    return ours / other if what.more else other / ours
