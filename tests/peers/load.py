#!/usr/bin/python3 -B
"""Servers of ours when there is too much of everything:
load.py PEER FILE_SERVER. Prints TAP.

Clients that are there are served whatever comes, nobody is lost, the processor
rests while there is nothing to do, and afterwards all is as it was.

A sample of it by default; with FULL=1 in the environment each number of spare
descriptors, ten thousand connections, and longer storms.
"""

import os
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

import kit
import tap
from kit import LIMIT_S, Server, check

FULL = os.environ.get("FULL") == "1"
SPARE = range(65) if FULL else (0, 1, 2, 9, 64)  # descriptors
HALF_OPEN = 10_000 if FULL else 1000
STORM = 1000  # signals in a second
STORM_S = 2 if FULL else 0.5
# What a process may use of a processor that has nothing to do.
REST = 0.3


def ask(client, text=b"hello"):
    """What comes back, of as many bytes."""
    client.sendall(text)
    back = b""
    while len(back) < len(text):
        piece = client.recv(len(text) - len(back))
        check(piece, "hung up on")
        back += piece
    return back == text


def rests(server, seconds=0.3):
    used = server.processor_s()
    time.sleep(seconds)
    return server.processor_s() - used < REST * seconds


def readable(clients, seconds=0.0):
    return select.select(clients, [], [], seconds)[0]


# --- descriptors ------------------------------------------------------------


class Exhausted:
    """A server whose clients leave it `spare` descriptors, and then come more
    new clients than these are for."""

    MORE = 8  # clients

    def __init__(self, server, spare):
        self.server = server
        self.fillers = []
        # A limit is a number that descriptors stay below, so that only the
        # highest may be free.
        while (limit := len(server.descriptors())) <= server.descriptors()[-1]:
            client = server.connect()
            self.fillers.append(client)
            kit.wait_until(lambda: len(server.descriptors()) > limit, "filled")
        server.limit_descriptors(limit + spare)
        self.news = [server.connect() for _ in range(spare + self.MORE)]

    def wait_until_full(self):
        """Until nothing more is accepted; some descriptors may be kept."""
        seen = -1
        while seen != (now := len(self.server.descriptors())):
            seen = now
            time.sleep(0.02)

    def close(self):
        for client in self.news + self.fillers:
            client.close()
        self.server.limit_descriptors(4096)


def test_echo_goes_on_without_descriptors(peer, _):
    with Server(peer, "echo", excused=["Too many open files"]) as server:
        olds = [server.connect() for _ in range(16)]
        for client in olds:
            check(ask(client))
        before, rests = len(server.descriptors()), []
        for spare in SPARE:
            scene = Exhausted(server, spare)
            for client in scene.news:
                client.sendall(b"x")
            for client in olds:
                check(ask(client), "an old client", spare)
            kit.wait_until(lambda: len(readable(scene.news)) >= spare, spare)
            # An accept that the kernel has had since before knows no new
            # limit.
            served = len(readable(scene.news))
            check(served <= spare + 1, "served", spare, served)
            used = server.processor_s()
            time.sleep(0.1)
            rests.append(server.processor_s() - used)
            # Who goes makes room for who waits.
            for client in olds[:scene.MORE]:
                client.close()
            kit.wait_until(lambda: len(readable(scene.news))
                           == len(scene.news), f"all of {spare}")
            scene.close()
            kit.wait_until(lambda: len(server.descriptors())
                           == before - scene.MORE, "hung up")
            olds[:scene.MORE] = [server.connect() for _ in range(scene.MORE)]
            for client in olds:
                check(ask(client))
        check(sum(rests) < REST * 0.1 * len(rests), "no rest", sum(rests))
        check(len(server.descriptors()) == before)
        for client in olds:
            client.close()


GET = b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = b"what is in the file"


class Site(Server):
    """The file server on a folder with one file."""

    def __init__(self, program, body=BODY, seconds=LIMIT_S, **options):
        self.folder = tempfile.TemporaryDirectory()
        (Path(self.folder.name) / "file").write_bytes(body)
        super().__init__(program, self.folder.name, 0, seconds, **options)

    def __exit__(self, *what):
        with self.folder:
            super().__exit__(*what)


def get(client):
    """The status; the body must be right if it is 200."""
    client.sendall(GET)
    return read_answer(client)


def read_answer(client):
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        check(piece, "hung up on", data)
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.partition(b"Content-Length: ")[2].split()[0])
    while len(body) < length:
        body += client.recv(65536)
    status = int(data.split()[1])
    check(status != 200 or body == BODY, head, body)
    return status


def test_files_are_served_without_descriptors(_, program):
    with Site(program, excused=["Too many open files"]) as server:
        olds = [server.connect() for _ in range(16)]
        for client in olds:
            check(get(client) == 200)
        before = len(server.descriptors())
        for spare in (0, 1, 2, 3, 4, 8, 16, 32, 48, 64):
            scene = Exhausted(server, spare)
            scene.wait_until_full()
            for client in olds:
                check(get(client) == 200, "an old client", spare)
            for client in scene.news:
                client.sendall(GET)
            for client in olds[:scene.MORE + 2]:
                client.close()
            for client in scene.news:
                check(read_answer(client) == 200, "a new client", spare)
            scene.close()
            kit.wait_until(lambda: len(server.descriptors())
                           <= before - scene.MORE - 2, "hung up")
            olds[:scene.MORE + 2] = [server.connect()
                                     for _ in range(scene.MORE + 2)]
            for client in olds:
                check(get(client) == 200)
        kit.wait_until(lambda: len(server.descriptors()) <= before, "closed")
        for client in olds:
            client.close()


# --- signals ----------------------------------------------------------------


class Storm(threading.Thread):
    """Signals, as many as a storm has, until it is over."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.sent = pid, 0

    def run(self):
        begin = time.monotonic()
        while self.sent < STORM * STORM_S:
            due = int((time.monotonic() - begin) * STORM)
            while self.sent < due:
                os.kill(self.pid, signal.SIGUSR1)
                self.sent += 1
            time.sleep(0.0005)


def test_a_storm_of_signals_loses_no_byte(peer, _):
    data = os.urandom(65536)
    with Server(peer, "echo") as server, server.connect() as client:
        check(ask(client))
        before, memory = len(server.descriptors()), server.memory()
        storm, rounds = Storm(server.pid), 0
        storm.start()
        while storm.is_alive():
            check(ask(client, data), "other bytes", rounds)
            rounds += 1
        check(rounds > STORM_S, "too slow", rounds)
        check(len(server.descriptors()) == before)
        grown = server.memory() - memory
        check(grown < 2_000_000 * server.price, "memory", grown)
        client.close()
        seen = int(server.stop().split()[0])
        # Those that come while one is pending are one.
        check(0 < seen <= storm.sent, seen, storm.sent)


def test_a_storm_of_signals_leaves_time_to_rest(peer, _):
    with Server(peer, "echo") as server:
        with server.connect() as client:
            check(ask(client))
            storm, used = Storm(server.pid), server.processor_s()
            storm.start()
            storm.join()
            used = server.processor_s() - used
            check(used < REST * STORM_S, "no rest", used)
            check(ask(client))


# --- crowds -----------------------------------------------------------------


def with_descriptors(count):
    """We need them ourselves, and so does the server that we start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise tap.Skip(f"a process may have {hard} descriptors here")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connect_many(server, count, say=b""):
    clients = []
    for _ in range(count):
        client = server.connect()
        if say:
            client.sendall(say)
        clients.append(client)
    return clients


def test_half_open_connections(_, program):
    with_descriptors(HALF_OPEN)
    with Site(program, seconds=LIMIT_S * 2) as server:
        with server.connect() as old:
            check(get(old) == 200)
            before, memory = len(server.descriptors()), server.memory()
            # They have begun to say something, and say no more.
            crowd = connect_many(server, HALF_OPEN, GET[:20])
            kit.wait_until(lambda: server.clients() == HALF_OPEN + 1, "all")
            for _ in range(100):
                check(get(old) == 200)
            kit.wait_until(lambda: rests(server), "rest")
            each = (server.memory() - memory) / HALF_OPEN
            print(f"# {each:.0f} bytes for each of them")
            check(each < 40_000 * server.price, "bytes for each", each)
            # Some finish, some hang up, and some break their connection.
            for number, client in enumerate(crowd):
                if number % 100 == 0:
                    client.sendall(GET[20:])
                    check(read_answer(client) == 200, number)
                if number % 3 == 0:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                      b"\1\0\0\0\0\0\0\0")
                client.close()
            kit.wait_until(lambda: server.clients() == 1, "hung up")
            check(get(old) == 200)
            kit.wait_until(lambda: len(server.descriptors()) <= before,
                           "closed")


def test_the_half_open_are_let_go_in_the_end(_, program):
    with Site(program, seconds=1) as server:
        crowd = connect_many(server, 500, GET[:20])
        kit.wait_until(lambda: server.clients() == 0, "hung up on")
        for client in crowd:
            check(client.recv(100).startswith(b"HTTP/1.1 408 "))
            client.close()


READERS, READ_SIZE = 200, 20_000_000


def test_slow_readers_cost_bounded_memory(_, program):
    with_descriptors(READERS)
    with Site(program, body=bytes(READ_SIZE)) as server:
        with server.connect() as old:
            old.sendall(GET.replace(b"file", b"none"))
            check(read_answer(old) == 404)
            memory = server.memory()
            crowd = connect_many(server, READERS, GET)
            for client in crowd:
                check(client.recv(1000), "nothing came")
            kit.wait_until(lambda: rests(server), "rest")
            each = (server.memory() - memory) / READERS
            print(f"# {each:.0f} bytes for each of them")
            check(each < 200_000 * server.price, "bytes for each", each)
            old.sendall(GET.replace(b"file", b"none"))
            check(read_answer(old) == 404)
            for client in crowd:
                client.close()
            kit.wait_until(lambda: server.clients() == 1, "hung up")


if __name__ == "__main__":
    sys.exit(kit.main(sys.modules[__name__], *sys.argv[1:3]))
