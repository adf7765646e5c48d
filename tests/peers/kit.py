"""What the tests with programs of others have at hand: our programs and
theirs, started, watched and ended."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "app"))
import tap  # noqa: E402
from job import check, environment  # noqa: E402, F401

LIMIT_S = 60  # for what happens in a moment, on a machine with other work
tap.LIMIT_S = 300  # for a test
TICKS_S = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CACHE = Path(os.environ.get("XDG_CACHE_HOME")
             or Path.home() / ".cache") / "libasyncio/demo"


def need(name):
    """Where a program of others is; the test is skipped without it."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not found:
        raise tap.Skip(f"{name} is not installed")
    return found


def wait_until(holds, what):
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        check(time.monotonic() < deadline, "this did not happen", what)
        time.sleep(0.01)


def run(command, **options):
    """Runs a program of others to its end; returns what it printed."""
    done = subprocess.run([str(word) for word in command], timeout=LIMIT_S * 2,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment(), check=False, **options)
    check(done.returncode == 0, command, done.returncode, done.stderr)
    return done.stdout


class Server:
    """A program of ours that serves: its first line ends in its port.

    Used as a block. When that is left it is told to end, and has to do so
    without a word on standard error that is not excused; a sanitizer says
    some.
    """

    def __init__(self, *command, excused=(), **options):
        self.excused = excused  # words of lines that it may say
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(), **options)
        self.pid = self.process.pid
        # How much more memory a sanitizer takes.
        sanitized = b"__asan_init" in Path(command[0]).read_bytes()
        self.price = 20 if sanitized else 1
        line = self.process.stdout.readline()
        words = line.strip().rstrip("/").rpartition(":")[2]
        if not words.isdigit():
            self.process.kill()
            check(False, "it did not start", line, *self.process.communicate())
        self.port = int(words)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:  # the test has failed already
            self.process.kill()
            print("#", *self.process.communicate())
        elif self.process.returncode is None:
            self.stop()

    def stop(self, number=signal.SIGTERM):
        """Tells it to end; returns what else it has printed."""
        self.process.send_signal(number)
        return self.end()

    def end(self):
        """Waits for its end, and looks at it."""
        try:
            out, errors = self.process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            check(False, "it did not end", *self.process.communicate())
        check(self.process.returncode == 0, self.process.returncode, errors)
        for line in errors.splitlines():
            check(any(word in line for word in self.excused), errors)
        return out

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), LIMIT_S)

    def processor_s(self):
        """Seconds that all of its threads have used, the kernel's too."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2]
        return sum(int(n) for n in fields.split()[11:13]) / TICKS_S

    def descriptors(self):
        """The numbers that are in use."""
        return sorted(int(n) for n in os.listdir(f"/proc/{self.pid}/fd"))

    def clients(self):
        """How many connections it has, where it has one listener."""
        def leads_to(number):
            try:
                return os.readlink(f"/proc/{self.pid}/fd/{number}")
            except OSError:
                return ""  # it is gone by now

        return sum(leads_to(number).startswith("socket:")
                   for number in self.descriptors()) - 1

    def memory(self):
        """Bytes that are in memory."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * PAGE

    def limit_descriptors(self, count):
        hard = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (count, hard))


def bind_free():
    """A port that is ours until the socket is closed, and that socket."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder.getsockname()[1], holder


class Other:
    """A server that others wrote, on a port that was free: it is there when it
    can be connected to. Used as a block, it is gone when that is left."""

    def __init__(self, command, executable=None):
        self.command = [str(word) for word in command]
        self.executable = executable

    def __enter__(self):
        port, holder = bind_free()
        holder.close()
        self.port = port
        command = [word.replace("{port}", str(port)) for word in self.command]
        self.process = subprocess.Popen(
            command, executable=self.executable, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def wait_listening(self):
        """Without a connection, which some count as their only one."""
        wanted = f"0100007F:{self.port:04X} 00000000:0000 0A"

        def listening():
            check(self.process.poll() is None, "it ended", self.command)
            return wanted in Path("/proc/net/tcp").read_text()

        wait_until(listening, " ".join(self.command))


def tests_of(module, *given):
    """The functions test_... of a module, as (name, function) without them."""

    def bind(function):
        return lambda: function(*given)

    return [(name[5:], bind(function))
            for name, function in vars(module).items()
            if name.startswith("test_")]


def main(module, *given):
    if "--inject" in sys.argv or "--seeds" in sys.argv:
        print("1..0 # SKIP this loop is for the runner's tests")
        return 0
    return tap.run(tests_of(module, *given))
