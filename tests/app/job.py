"""One run of a picture program, and what may be said of it afterwards."""

import os
import re
import signal
import subprocess

SANITIZER_STATUS = 99  # must not look like a failure that was asked for
TIMES = re.compile(r"TIMES download_s=[\d.]+ process_s=[\d.]+ total_s=[\d.]+")


def environment():
    env = dict(os.environ)
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        env[name] = env.get(name, "") + f":exitcode={SANITIZER_STATUS}"
    return env


def check(holds, *words):
    """assert that no option turns off, with the values that were found."""
    if not holds:
        raise AssertionError(": ".join(str(word) for word in words))


class Job:
    """A program under way. Used as a block, it is gone when that is left."""

    def __init__(self, command, stdout=subprocess.PIPE):
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=subprocess.PIPE, text=True, env=environment(),
            start_new_session=True)
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def read_until(self, *endings):
        """Reads on until a line has ended in each of the words given."""
        left = set(endings)
        while left:
            line = self.process.stdout.readline()
            check(line, "it ended without a line", left, self.lines)
            self.lines.append(line.rstrip("\n"))
            left = {ending for ending in left
                    if not self.lines[-1].endswith(ending)}

    def finish(self):
        """Waits for its end, and for that of its workers, who have the same
        standard output."""
        out, self.errors = self.process.communicate()
        self.lines += (out or "").splitlines()
        self.status = self.process.returncode
        return self

    def count(self, word):
        return sum(line.startswith(word) for line in self.lines)

    def most_downloads(self):
        """How many were under way at a time, at most."""
        now = most = 0
        for line in self.lines:
            now += line.startswith("Downloading http")
            now -= line.startswith("Downloaded ")
            most = max(most, now)
        return most

    def check_success(self, images):
        check(self.status == 0, self.status, self.errors)
        check(self.errors == "", self.errors)
        for word in ("Downloading http", "Downloaded and saved to: ",
                     "Processed "):
            check(self.count(word) == images, word, self.lines)
        check(TIMES.fullmatch(self.lines[-1]), self.lines[-1])

    def check_failure(self, *parts):
        """One sentence, with these parts in it, and an exit status of 1."""
        check(self.status == 1, self.status, self.errors)
        check(self.errors.count("\n") == 1, "not one line", self.errors)
        check(self.errors.startswith("error: "), self.errors)
        for part in parts:
            check(part in self.errors, f"no '{part}'", self.errors)
        check(self.count("TIMES") == 0, self.lines)


def descendants(pid):
    """The processes below `pid`, with their names, as pairs."""
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                stat = file.read()
        except OSError:
            continue  # it has ended
        child = int(entry)
        names[child] = stat[stat.index("(") + 1:stat.rindex(")")]
        parents[child] = int(stat[stat.rindex(")") + 2:].split()[1])
    found, below = [], {pid}
    while below:
        below = {child for child in parents if parents[child] in below}
        found += [(child, names[child]) for child in below]
    return found
