#!/usr/bin/python3 -B
"""The TCP proxy between programs of others, and before the file server:
tcp_proxy.py TCP_PROXY FILE_SERVER. Prints TAP."""

import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import kit
from kit import Other, Server, check, need, run

BIG = random.Random(8).randbytes(20_000_001)
LINE = re.compile(r"(\d+): (\d+) bytes there, (\d+) back: (.*)")


class Proxy(Server):
    def __init__(self, program, port, *words):
        super().__init__(program, 0, "127.0.0.1", port, *words)

    def ended(self):
        """The lines about connections, once it was told to end."""
        out = self.stop()
        check(all(LINE.fullmatch(line) for line in out.splitlines()), out)
        return LINE.findall(out)


class Listener:
    """One connection to the proxy, and the one that it made from that."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        return self

    def connect(self, proxy):
        self.client = proxy.connect()
        self.listener.settimeout(kit.LIMIT_S)
        self.server, _ = self.listener.accept()
        self.server.settimeout(kit.LIMIT_S)
        return self.client, self.server

    def __exit__(self, *_):
        for held in ("client", "server", "listener"):
            if hasattr(self, held):
                getattr(self, held).close()


def read_end(end):
    pieces = []
    while piece := end.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def test_curl_gets_files_through_it(program, file_server):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "big.bin").write_bytes(BIG)
        with Server(file_server, folder, 0) as site, \
                Proxy(program, site.port) as proxy:
            for words, wanted in (((), BIG), (("-r", "5-99"), BIG[5:100])):
                got = run([need("curl"), "-sS", "--fail", *words,
                           f"{proxy.url}/big.bin"])
                check(got == wanted, words, len(got))
            lines = proxy.ended()
            check([line[3] for line in lines] == ["ended"] * 2, lines)
            check(int(lines[0][2]) > len(BIG), lines)


def test_nc_talks_to_nc_through_it(program, _):
    with Other([need("nc"), "-N", "-l", "127.0.0.1", "{port}"]) as other:
        other.wait_listening()
        with Proxy(program, other.port) as proxy:
            nc = subprocess.Popen(
                [need("nc"), "-N", "127.0.0.1", str(proxy.port)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            nc.stdin.write(b"there\n")
            nc.stdin.flush()
            check(other.process.stdout.readline() == b"there\n")
            other.process.stdin.write(b"and back\n")
            other.process.stdin.close()
            check(nc.stdout.readline() == b"and back\n")
            nc.stdin.close()
            nc.stdout.close()
            nc.wait(kit.LIMIT_S)
            check(proxy.ended() == [("1", "6", "9", "ended")])


def test_both_ways_are_carried_at_once(program, _):
    with Listener() as ends, Proxy(program, ends.port) as proxy:
        client, server = ends.connect(proxy)
        got = {}

        def send(end):
            end.sendall(BIG)
            end.shutdown(socket.SHUT_WR)

        def read(end):
            got[end] = read_end(end)

        threads = [threading.Thread(target=work, args=(end,))
                   for work in (send, read) for end in (client, server)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(got[client] == BIG and got[server] == BIG)
        client.close()
        server.close()


def test_a_slow_reader_slows_the_sender_down(program, _):
    with Listener() as ends, Proxy(program, ends.port) as proxy:
        client, server = ends.connect(proxy)
        before = proxy.memory()
        client.settimeout(0.5)
        sent = 0
        try:
            while sent < 1 << 30:
                sent += client.send(BIG[:1 << 20])
        except TimeoutError:
            pass
        check(sent < 100 << 20, sent)
        check(proxy.memory() - before < proxy.price * (4 << 20), sent)
        client.close()
        total = len(read_end(server))
        check(total == sent, total, sent)
        server.close()


def test_a_server_that_is_not_there_is_said(program, _):
    port, holder = kit.bind_free()
    with holder, Proxy(program, port) as proxy:
        try:
            with proxy.connect() as client:
                check(client.recv(1) is None, "an end, where there was none")
        except ConnectionResetError:
            pass  # it may come that early
        line = proxy.ended()[0]
        check(line[3].endswith("Connection refused"), line)


def test_what_breaks_on_one_side_breaks_on_the_other(program, _):
    with Listener() as ends, Proxy(program, ends.port) as proxy:
        client, server = ends.connect(proxy)
        client.sendall(b"x")
        check(server.recv(1) == b"x")
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          b"\1\0\0\0\0\0\0\0")
        server.close()  # a reset
        try:
            check(client.recv(1) is None, "an end, where there was none")
        except ConnectionResetError:
            pass
        line = proxy.ended()[0]
        check(line[3] == "Connection reset by peer", line)


def test_a_silent_connection_is_ended(program, _):
    with Listener() as ends, Proxy(program, ends.port, 0.3) as proxy:
        client, server = ends.connect(proxy)
        for _ in range(5):
            server.sendall(b"x")  # either way counts
            check(client.recv(1) == b"x")
        try:
            check(client.recv(1) == b"")
        except ConnectionResetError:
            pass
        line = proxy.ended()[0]
        check(line[3] == "Connection timed out", line)


def test_at_the_end_connections_may_finish(program, _):
    with Listener() as ends, Proxy(program, ends.port) as proxy:
        client, server = ends.connect(proxy)
        client.sendall(b"question")
        check(server.recv(8) == b"question")
        proxy.process.terminate()
        server.sendall(b"answer")
        server.close()
        check(read_end(client) == b"answer")
        client.close()
        proxy.end()


if __name__ == "__main__":
    sys.exit(kit.main(sys.modules[__name__], *sys.argv[1:3]))
