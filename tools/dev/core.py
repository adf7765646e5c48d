"""Runs ours and others side by side, round after round, and compares them.

    core.py [--rounds N] [--quick] [--store] [--peers NAME,...] [WORKLOAD...]

Called by ./dev bench core. In one round each workload goes through all peers
before the next one begins, and each round begins with another peer. A process
measures one workload once. Those with one loop run on the first processor; a
server there is asked from the second; what needs threads or processes has both.
Every program has a time limit. Figures go to build/bench/core.txt, those of
single rounds to build/bench/core_rounds.txt. --store takes them over into
bench/results.txt, and makes docs/performance.md and its chart of that.
"""

import argparse
import datetime
import math
import mmap
import os
import platform
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

import distance
import figures
import peers
import performance

RESULTS = "build/bench/core.txt"
ROUNDS = "build/bench/core_rounds.txt"
LIMIT_S = 90
MICRO = ("W1", "W2", "W3", "W4a", "W4b", "W5", "W6", "W7", "W10", "W11", "W12")
ORDER = ("W1", "W2", "W3", "W4a", "W4b", "W5", "W6", "W7", "W8", "W9", "W10",
         "W11", "W12")
SERVED_PATIENCE_S = 2  # it is measured in slices: some will be near
CROSSING = ("W8", "W9", "W11", "W12")
ECHOES = ((1, 64), (50, 64), (1000, 64), (1, 16384), (50, 16384), (1000, 16384))
QUICK_ECHOES = ((1, 64), (50, 64), (50, 16384))
BUSY = ((1, 64), (50, 64))
BUSY_PEERS = ("libasyncio", "libasyncio_nospin")
NOT_QUICK = ("libasyncio_nospin", "asyncio_stream", "uvloop", "uvloop_stream")
QUICK_LIMIT_S = 15
QUICK_S = 165  # the last program may take a while, too
WARM_BYTES = 1 << 30
MILLION_NEEDS_KIB = 10 << 20


def say(text):
    """A line for whoever waits."""
    print(f"core: {text}", flush=True)


class Core:
    """One run: who takes part, and what was measured."""

    def __init__(self, options):
        self.options = options
        self.values = {}    # (workload, peer, metric): {round: value}
        self.units = {}     # (workload, metric): unit
        self.said = set()
        cpus = sorted(os.sched_getaffinity(0))
        self.first, self.second = {cpus[0]}, {cpus[-1]}
        self.both = self.first | self.second
        self.distance = distance.Distance(cpus[0], cpus[-1], say)
        self.peers = []

    # ---- Building ---------------------------------------------------------

    def build(self):
        """Builds all; keeps those that can be measured here."""
        os.makedirs(peers.OUT, exist_ok=True)
        for name, *libraries in (("load",), ("distance", "-lpthread")):
            why = peers.run_build(name, peers.c_program(name, *libraries))
            if why:
                sys.exit(f"core: {name}: {why}")
        for peer in peers.all_peers():
            if not self.wanted(peer.name):
                continue
            why = peer.build()
            if why:
                self.say_once(f"skip {peer.name}: {why}")
            else:
                self.peers.append(peer)
        if not self.peers:
            sys.exit("core: nobody is left to be measured")

    def wanted(self, name):
        """Whether somebody is to take part."""
        if self.options.peers:
            return name in self.options.peers
        return not (self.options.quick and name in NOT_QUICK)

    def say_once(self, text):
        """What would be said in each round."""
        if text not in self.said:
            self.said.add(text)
            say(text)

    # ---- One program ------------------------------------------------------

    def start(self, command, cpus, variables, **pipes):
        """Starts a program in a group of its own, on these processors."""
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, text=True, env=variables,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus), **pipes)

    def finish(self, process, limit):
        """Waits for a program, and ends it when it takes too long. Returns
        what it has printed, and its status, or None if it was ended."""
        try:
            out, err = process.communicate(timeout=limit)
            return out, err, process.returncode
        except subprocess.TimeoutExpired:
            self.end(process)
            return "", "", None
        except BaseException:  # we are to end, so it is
            self.end(process)
            raise

    @staticmethod
    def end(process):
        """Ends a program and what it has started."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate()

    def take(self, out, peer, number, busy=False):
        """Keeps what a program has printed."""
        for line in out.splitlines():
            words = line.split()
            if line.startswith("#") or len(words) != 5:
                continue
            workload, _, metric, value, unit = words
            if busy:
                metric = "busy_" + metric.split("_", 1)[1]
            name = "floor" if peer.name == "floor_threads" else peer.name
            key = (workload, name, metric)
            self.values.setdefault(key, {})[number] = float(value)
            self.units[workload, metric] = unit

    def problem(self, peer, workload, err, status):
        """Says that a program did not do what it should."""
        reason = (err or "").strip().splitlines()
        if status is None:
            reason = ["it took too long"]
        text = reason[-1] if reason else f"exit status {status}"
        self.say_once(f"{workload} {peer.name}: {text}")

    # ---- Workloads --------------------------------------------------------

    def micro(self, peer, workload, number):
        """One process that measures, if the peer does such a thing."""
        command = peer.micro_command(workload)
        if not command:
            return
        if workload in CROSSING:
            self.distance.measure(
                lambda: self.program(command, self.both, peer, workload,
                                     number), self.options.quick)
        else:
            self.program(command, self.first, peer, workload, number)

    def program(self, command, cpus, peer, workload, number):
        """Runs it. Returns whether it did what it should."""
        if workload in ("W3", "W4a"):
            warm_memory()
        process = self.start(command, cpus, peer.variables(workload),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err, status = self.finish(
            process, QUICK_LIMIT_S if self.options.quick else LIMIT_S)
        if status == 3:
            peer.never.add(workload)
        elif status == 0:
            self.take(out, peer, number)
        else:
            self.problem(peer, workload, err, status)
        return status == 0

    def served(self, peer, workload, number):
        """A server, and the client that asks it."""
        port = free_port()
        command = peer.server_command(workload, port)
        if not command or workload in peer.never:
            return
        server = self.start(command, self.first, peer.variables(workload),
                            stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.2)
            if server.poll() == 3:
                peer.never.add(workload)
                return
            for count, size in self.points(workload):
                if not self.options.quick:
                    self.distance.wait(SERVED_PATIENCE_S)
                if not self.load(peer, workload, number, server.pid, port,
                                 count, size):
                    return
            if peer.name in BUSY_PEERS and workload == "W8" and \
                    not self.options.quick:
                self.busy(peer, number, server.pid, port)
        finally:
            self.end(server)

    def busy(self, peer, number, pid, port):
        """The same while others compute on both processors: what spinning takes
        from them, and from itself."""
        hogs = [self.start(["sh", "-c", "while :; do :; done"], {cpu},
                           dict(os.environ)) for cpu in sorted(self.both)]
        try:
            for count, size in BUSY:
                before, start = processor_s(hogs), time.monotonic()
                self.load(peer, "W8", number, pid, port, count, size, True)
                share = ((processor_s(hogs) - before)
                         / (time.monotonic() - start) / len(hogs))
                metric = f"busy_c{count}_others"
                key = ("W8", peer.name, metric)
                self.values.setdefault(key, {})[number] = 100 * share
                self.units["W8", metric] = "%"
        finally:
            for hog in hogs:
                self.end(hog)

    def points(self, workload):
        """The loads: connections and bytes."""
        if workload == "W9":
            return ((50, 64),)
        return QUICK_ECHOES if self.options.quick else ECHOES

    def load(self, peer, workload, number, pid, port, count, size, busy=False):
        """One load. Returns whether it was answered as it should."""
        seconds = 0.2 if self.options.quick else 0.5
        kind = "http" if workload == "W9" else "echo"
        client = self.start(
            [f"{peers.OUT}/load", kind, str(port), str(count), str(size),
             str(seconds), str(pid), peer.name], self.second, dict(os.environ),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err, status = self.finish(client, 30)
        if status == 0:
            self.take(out, peer, number, busy)
        else:
            self.problem(peer, f"{workload} {count} x {size} B", err, status)
        return status == 0

    def run(self):
        """All rounds."""
        for number in range(self.options.rounds):
            start = time.monotonic()
            turn = number % len(self.peers)
            order = self.peers[turn:] + self.peers[:turn]
            for workload in self.options.workloads:
                for peer in order:
                    if time.monotonic() > self.options.deadline:
                        self.say_once(f"no time is left for {workload}")
                        continue
                    (self.micro if workload in MICRO else self.served)(
                        peer, workload, number)
            say(f"round {number + 1} of {self.options.rounds}:"
                f" {time.monotonic() - start:.0f} s,"
                f" load {os.getloadavg()[0]:.1f}")
            self.keep()

    # ---- The results ------------------------------------------------------

    def add_memory(self):
        """What idle tasks take altogether: memory and page tables."""
        for (workload, peer, metric), rounds in list(self.values.items()):
            tables = self.values.get((workload, peer,
                                      metric.replace("_rss", "_pte")), {})
            if workload == "W4" and metric.endswith("_rss"):
                name = metric.replace("_rss", "_memory")
                self.values[workload, peer, name] = {
                    number: value + tables.get(number, 0)
                    for number, value in rounds.items()}
                self.units[workload, name] = "B/task"

    def results(self):
        """What is typical, and how and where it was measured."""
        found = figures.Results()
        self.add_memory()
        for (workload, peer, metric), rounds in sorted(self.values.items()):
            values = list(rounds.values())
            found.lines[workload, peer, metric] = (
                typical(metric, values), min(values), max(values),
                self.units[workload, metric])
        for workload in sorted({key[0] for key in self.values}):
            found.notes[workload] = self.note(workload)
        for what in figures.FIGURES:
            self.add_ratio(found, what)
        return found

    def add_ratio(self, found, what):
        """How ours stands to the floor: `metric/floor`. Within a round, but for
        calm slices, which one of the two may not have had in it."""
        for ours in [peer.name for peer in self.peers if peer.kind == "ours"]:
            floor = ("floor_epoll" if ours == "libasyncio_epoll"
                     else what.floor)
            mine = self.values.get((what.workload, ours, what.metric), {})
            least = self.values.get((what.workload, floor, what.metric), {})
            ratios = [mine[i] / least[i] for i in mine
                      if least.get(i, 0) > 0]
            if not ratios:
                continue
            middle = statistics.median(ratios)
            if "calm" in what.metric:
                middle = (typical(what.metric, mine.values())
                          / typical(what.metric, least.values()))
            found.lines[what.workload, ours, f"{what.metric}/{floor}"] = (
                middle, min(ratios), max(ratios), "x")

    def note(self, workload):
        """Of one workload."""
        apart = self.distance.note() if workload in CROSSING else ""
        rounds = self.options.rounds
        return (f"{rounds} round{'s' if rounds > 1 else ''}, {datetime.date.today()}, "
                f"Linux {platform.release()} {platform.machine()}, "
                f"{processor()}, {os.cpu_count()} processors, "
                f"load {os.getloadavg()[0]:.1f}{apart}")

    def keep(self):
        """Writes what there is, so that a run that is ended has not been for
        nothing."""
        self.results().write(RESULTS)
        with open(ROUNDS, "w", encoding="utf-8") as out:
            for (workload, peer, metric), rounds in self.values.items():
                for number, value in rounds.items():
                    out.write(f"{workload} {peer} {metric} {value:.6g} "
                              f"{self.units[workload, metric]} {number}\n")


def warm_memory():
    """Touches memory and gives it back, so that the host has it at hand: what a
    first touch costs is else a matter of who has run before."""
    try:
        with mmap.mmap(-1, WARM_BYTES) as memory:
            for page in range(0, WARM_BYTES, 4096):
                memory[page] = 1
    except OSError:
        pass


def processor_s(processes):
    """What they have had of the processors, in seconds."""
    seconds = 0
    for process in processes:
        with open(f"/proc/{process.pid}/schedstat", encoding="ascii") as file:
            seconds += int(file.read().split()[0]) / 1e9
    return seconds


def free_port():
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processor():
    """Its name, as the machine calls it."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown processor"


def available_kib():
    """Memory that is to be had."""
    with open("/proc/meminfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("MemAvailable"):
                return int(line.split()[1])
    return 0


def typical(metric, values):
    """The median of all rounds; of calm slices the one that a quarter of the
    rounds are better than, since whole rounds go by without any."""
    values = sorted(values, reverse=metric.endswith("_rps"))
    if "calm" in metric:
        return values[len(values) // 4]
    return statistics.median(values)


def compare(found):
    """Prints how ours stands to the best of the others, and to the floor."""
    print(f"\n{'':55}{'ours':>12}{'x floor':>9}  {'best of others':<30}"
          f"{'ours is':>10}")
    rows = [(what, "libasyncio", "") for what in figures.FIGURES]
    rows += [(what, figures.COMPACT, ", compact")
             for what in figures.COMPACT_FIGURES]
    for what, peer, kind in rows:
        ours = found.median(what.workload, peer, what.metric)
        if not ours:
            continue
        name = f"{what.workload} {what.words}{kind}"
        ratio = found.median(what.workload, peer,
                             f"{what.metric}/{what.floor}")
        best = found.best(what)
        line = f"{name:55.55}{figures.number(ours):>12}"
        line += f"{ratio:9.2f}  " if ratio else f"{'':9}  "
        if best:
            times = figures.times_better(what, ours, best[1])
            line += f"{best[0] + ' ' + figures.number(best[1]):<30}"
            line += f"{times:8.2f} x" + ("" if times >= 1 else "  LOST")
        print(line)


def read_options():
    """The arguments."""
    parser = argparse.ArgumentParser(prog="./dev bench core")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--quick", action="store_true",
                        help="one round of less, under three minutes")
    parser.add_argument("--store", action="store_true",
                        help="take the figures over into bench/results.txt")
    parser.add_argument("--peers", type=lambda names: names.split(","),
                        metavar="NAME,...", help="these only")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD")
    options = parser.parse_args()
    options.deadline = (time.monotonic() + QUICK_S if options.quick
                        else math.inf)
    options.rounds = options.rounds or (1 if options.quick else 5)
    if options.rounds < 1:
        parser.error("there is no such number of rounds")
    for name in options.workloads:
        if name not in figures.WORKLOADS:
            parser.error(f"there is no workload {name}; there are "
                         + " ".join(figures.WORKLOADS))
    chosen = options.workloads or list(figures.WORKLOADS)
    options.workloads = [name for name in ORDER
                         if name.rstrip("ab") in chosen]
    if options.quick and "W4b" in options.workloads:
        options.workloads.remove("W4b")
    return options


def main():
    """Builds, runs, compares, and stores if asked to."""
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    if "W4b" in options.workloads and available_kib() < MILLION_NEEDS_KIB:
        say("skip a million tasks: there is too little memory")
        options.workloads.remove("W4b")
    core = Core(options)
    core.build()
    core.run()
    found = core.results()
    compare(found)
    print(f"\nall figures: {RESULTS}")
    if options.store:
        performance.store(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
