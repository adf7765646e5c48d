"""What the figures of ./dev bench core mean, and the file that they are kept in.

A line of a results file is

    workload peer metric median least greatest unit

and `# W8: ...` says how and where that workload was measured.
"""

import collections
import math

# The figures that are compared: workload, metric, words, unit, floor, whether
# more is better, and what is aimed at: a figure, or in `floors` a multiple of
# the floor's.
Figure = collections.namedtuple(
    "Figure", "workload metric words unit floor more target floors")


def figure(workload, metric, words, unit, target=None, *, floor="floor",
           more=False, floors=None):
    """One of them, with what most have."""
    return Figure(workload, metric, words, unit, floor, more, target, floors)


def echo(metric, words, unit, target=None, *, more=False, floors=None):
    """One of the servers', whose floor is the bare ring."""
    return figure("W8", metric, words, unit, target, floor="floor_uring",
                  more=more, floors=floors)


FIGURES = [
    figure("W1", "yield", "yield to another task", "ns", 3.2),
    figure("W2", "spawn_seq", "spawn and join, one at a time", "ns", 15),
    figure("W2", "spawn_batch", "spawn and join, 1,000 at a time", "ns", 18),
    figure("W3", "cold_ms", "gather 100,000, cold", "ms", floors=1.3),
    figure("W3", "warm_ms", "gather 100,000, warm", "ms", floors=1.3),
    figure("W4", "100k_memory", "memory of an idle task, 100,000 alive",
           "B/task", 4505),
    figure("W4", "1M_memory", "memory of an idle task, 1,000,000 alive",
           "B/task", 4505),
    figure("W4", "1M_create", "make a task that sleeps, of 1,000,000",
           "ns/task", floors=1.3),
    figure("W5", "q1", "queue of 1, an item", "ns", 13),
    figure("W5", "q128", "queue of 128, an item", "ns", 5.5),
    figure("W6", "sem", "semaphore, 10,000 in line", "ns", floors=1.3),
    figure("W7", "sleep_cpu", "100,000 sleepers, processor time", "ms",
           floors=1.3),
    figure("W7", "tmo_seq", "arm a timer, cancel it", "ns", 7),
    figure("W7", "tmo_bulk", "arm a million timers, cancel them", "ns", 60),
    figure("W7", "limit", "enter a block with a time limit, leave it", "ns"),
    echo("64_c1_calm_rps", "echo 64 B, 1 connection", "req/s", 38000, more=True),
    echo("64_c1_calm_cpu", "echo 64 B, 1 connection, server's CPU", "us/req"),
    echo("64_c50_calm_cpu", "echo 64 B, 50 connections, server's CPU", "us/req",
         floors=1.1),
    echo("64_c1000_calm_cpu", "echo 64 B, 1,000 connections, server's CPU",
         "us/req", floors=1.1),
    echo("16k_c50_calm_cpu", "echo 16 KiB, 50 connections, server's CPU", "us/req",
         floors=1.1),
    echo("16k_c1000_calm_cpu", "echo 16 KiB, 1,000 connections, server's CPU",
         "us/req", floors=1.1),
    figure("W9", "calm_cpu", "HTTP hello, 50 connections, server's CPU", "us/req",
           floor="floor_uring", floors=1.1),
    figure("W10", "cancel", "cancel a task that sleeps", "ns", floors=1.3),
    figure("W11", "post", "calls from another thread", "ops/s", 60e6,
           more=True),
    figure("W11", "to_thread", "call in a thread, there and back", "us", 3),
    figure("W12", "roundtrip", "call in a process, there and back", "us", 5),
    figure("W12", "roundtrip_cold", "the same after a rest", "us", 55),
    figure("W12", "bulk2w", "calls in two processes, many at a time", "calls/s",
           1e6, more=True),
]

# What is aimed at with compact tasks, which are another choice of ours.
COMPACT = "libasyncio_compact"
COMPACT_AIMS = {
    ("W3", "cold_ms"): 15, ("W3", "warm_ms"): 6.5,
    ("W4", "100k_memory"): 280, ("W4", "1M_memory"): 280,
    ("W4", "1M_create"): 200, ("W6", "sem"): 60, ("W7", "sleep_cpu"): 60,
    ("W10", "cancel"): 50,
}
COMPACT_FIGURES = [
    what._replace(target=COMPACT_AIMS[what.workload, what.metric], floors=None)
    for what in FIGURES if (what.workload, what.metric) in COMPACT_AIMS]

WORKLOADS = {
    "W1": "yield", "W2": "spawn and join", "W3": "gather of 100,000",
    "W4": "idle tasks", "W5": "queue", "W6": "semaphore", "W7": "timers",
    "W8": "TCP echo", "W9": "HTTP hello", "W10": "cancel storm",
    "W11": "threads", "W12": "processes",
}
BARE = ("boost_context", "libaco", "minicoro", "minicorovm")
STACKS = ("st", "boost_context", "libdill", "neco", "neco64", "photon",
          "minicoro", "minicorovm") # a stack for each task, as ours


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

    def best(self, what, names=None):
        """(peer, median) of the best of these, or of all runtimes of others;
        None if there is none."""
        others = [(value, peer) for peer, value
                  in self.peers(what.workload, what.metric).items()
                  if (peer in names if names else kind(peer) == "runtime")
                  and value > 0]
        if not others:
            return None
        value, peer = max(others) if what.more else min(others)
        return peer, value


def times_better(what, ours, other):
    """How many times better the first is; less than 1: how much worse."""
    return ours / other if what.more else other / ours


def missed_by(what, ours, ratio):
    """By which factor the aim is missed: 1 or less if it is met. None if there
    is no aim, or no floor to tell it by."""
    if what.floors:
        return ratio / what.floors if ratio else None
    if what.target:
        return what.target / ours if what.more else ours / what.target
    return None
