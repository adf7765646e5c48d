#!/usr/bin/python3 -B
"""The job queue, asked by nc, and by clients that ask too much:
job_queue.py JOB_QUEUE. Prints TAP."""

import os
import re
import signal
import socket
import sys
import time
from pathlib import Path

import kit
from kit import Server, check, need, run

LAST = re.compile(r"(\d+) done, (\d+) failed, (\d+) refused")
LONG = b"primes 999999999\n"  # longer than anybody waits
MORE = 40  # seconds that a job has where none of them is to be killed


class Queue(Server):
    def __init__(self, program, workers=2, places=4, seconds=MORE):
        super().__init__(program, 0, workers, places, seconds)

    def ask(self, *jobs):
        """What nc gets for these lines, in order of the lines."""
        out = run([need("nc"), "-N", "127.0.0.1", self.port],
                  input="".join(job + "\n" for job in jobs).encode())
        return sorted(out.decode().splitlines())

    def counts(self):
        """What it has counted, once it was told to end."""
        return tuple(int(n) for n in LAST.fullmatch(self.stop().strip())
                     .groups())

    def at_work(self):
        """The workers that have used their processor for a while."""
        return [pid for pid, ticks in kin(self.pid) if ticks > 5]


def kin(pid):
    """The processes below one: (pid, ticks of a processor that it used)."""
    kids = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[1]) == pid:
            kid = int(path.parent.name)
            kids += [(kid, int(fields[11])), *kin(kid)]
    return kids


def read_lines(client, count):
    data = b""
    while data.count(b"\n") < count:
        piece = client.recv(65536)
        check(piece, "it hung up", data)
        data += piece
    return data.decode().splitlines()


def test_nc_has_its_jobs_done(program):
    with Queue(program) as queue:
        check(queue.ask("primes 10", "primes 1000", "primes 1")
              == ["primes 1 = 0", "primes 10 = 4", "primes 1000 = 168"])
        check(queue.ask("tea", "primes", "primes 5 6")
              == ["primes 5 6: not understood", "primes: not understood",
                  "tea: not understood"])
        check(queue.counts() == (3, 3, 0))


def test_more_jobs_than_places_are_all_done(program):
    with Queue(program, places=1) as queue:
        jobs = [f"primes {n}" for n in range(500)]
        primes = [0] + [sum(all(m % d for d in range(2, m))
                            for m in range(2, n + 1)) for n in range(1, 500)]
        wanted = sorted(f"{job} = {n}" for job, n in zip(jobs, primes))
        check(queue.ask(*jobs) == wanted)


def test_who_sends_too_fast_has_to_wait(program):
    with Queue(program) as queue, queue.connect() as client:
        before = queue.memory()
        client.settimeout(0.5)
        sent = 0
        try:
            while sent < 1 << 30:
                sent += client.send(LONG * 1000)
        except TimeoutError:
            pass
        check(sent < 50 << 20, sent)
        check(queue.memory() - before < queue.price * (4 << 20))
        # Meanwhile others are taken, and told that there is no room.
        queue.process.kill()
        queue.process.communicate()


def test_a_job_that_finds_no_room_is_refused(program):
    with Queue(program, workers=1, places=1, seconds=0.5) as queue, \
            queue.connect() as client:
        # One is at work, one in its place; two more wait, one after the other.
        client.sendall(LONG * 2 + b"primes 10\n" * 2)
        lines = read_lines(client, 4)
        check(sum("Connection timed out" in line or "killed" in line
                  for line in lines) >= 1, lines)
        client.shutdown(socket.SHUT_WR)
        done, failed, refused = queue.counts()
        check(done + failed + refused == 4 and failed >= 1, lines)


def test_a_worker_that_dies_costs_one_job(program):
    with Queue(program, workers=1) as queue, queue.connect() as client:
        client.sendall(LONG + b"primes 10\n")
        kit.wait_until(queue.at_work, "a worker at work")
        os.kill(queue.at_work()[0], signal.SIGKILL)
        lines = read_lines(client, 2)
        check(lines[0].startswith("primes 999999999: "), lines)
        check("SIGKILL" in lines[0] or "Killed" in lines[0], lines)
        check(lines[1] == "primes 10 = 4", lines)


def test_who_does_not_read_is_hung_up_on(program):
    with Queue(program, seconds=1) as queue, socket.socket() as deaf:
        # Before it connects: a window that shrinks later stops both ways.
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(0.1)
        deaf.connect(("127.0.0.1", queue.port))
        tea = b"t" * 60 + b"\n"
        deadline = time.monotonic() + kit.LIMIT_S
        hung_up = False
        while not hung_up and time.monotonic() < deadline:
            try:
                deaf.sendall(tea * 1000)
            except TimeoutError:
                pass  # a piece of a line may be sent by now: no harm
            except OSError:
                hung_up = True
        check(hung_up)
        check(queue.ask("primes 10") == ["primes 10 = 4"])


def test_jobs_that_are_there_are_done_at_the_end(program):
    with Queue(program, workers=1, places=8) as queue, \
            queue.connect() as client:
        client.sendall(b"primes 100000\n" * 5)
        lines = read_lines(client, 1)
        queue.process.terminate()
        while piece := client.recv(65536):
            lines += piece.decode().splitlines()
        check(set(lines) == {"primes 100000 = 9592"}, lines)
        check(queue.end().startswith(f"{len(lines)} done"), lines)


if __name__ == "__main__":
    sys.exit(kit.main(sys.modules[__name__], sys.argv[1]))
