#!/usr/bin/python3 -B
"""The file server against curl, and against clients that are none:
files.py FILE_SERVER. Prints TAP."""

import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kit
from kit import Server, check, need, run

RANDOM = random.Random(7)
BIG = RANDOM.randbytes(5_000_001)
SMALL = 10_000  # files
PATIENCE_S = 1  # that the server has, where it is what a test is about


def make_site(folder):
    """What is served, and beside it what must not be."""
    site = Path(folder) / "site"
    (site / "sub/deep").mkdir(parents=True)
    (site / "empty_folder").mkdir()
    (Path(folder) / "secret.txt").write_text("secret")
    for name, data in {"index.html": b"<p>root</p>", "big.bin": BIG,
                       "none.txt": b"", "sub/index.html": b"<p>sub</p>",
                       "sub/deep/a b%.txt": b"deep", ".hidden": b"secret",
                       "ten.txt": b"0123456789"}.items():
        (site / name).write_bytes(data)
    (site / "link.txt").symlink_to("../secret.txt")
    (site / "inside.txt").symlink_to("ten.txt")
    (site / "up").symlink_to("..")
    (site / "etc").symlink_to("/etc")
    os.mkfifo(site / "pipe")
    return site


class Site(Server):
    """The server on a folder of its own."""

    def __init__(self, program, seconds=kit.LIMIT_S):
        self.folder = tempfile.TemporaryDirectory()
        self.root = make_site(self.folder.name)
        super().__init__(program, self.root, 0, seconds)

    def __exit__(self, *what):
        with self.folder:
            super().__exit__(*what)

    def curl(self, *words, path="/"):
        """The body, and what -w says: status, type, connects, in a list."""
        out = run([need("curl"), "-sS", "--path-as-is", "-w",
                   "\n%{http_code} %{content_type}", *words, self.url + path])
        body, _, status = out.rpartition(b"\n")
        return body, status.decode()

    def status(self, path, *words):
        said = self.curl("-o", "/dev/null", *words, path=path)[1]
        return int(said.split()[0])

    def say(self, data, pause_s=0):
        """All that the server answers to these bytes, to its end."""
        with self.connect() as client:
            for piece in data if isinstance(data, list) else [data]:
                client.sendall(piece)
                time.sleep(pause_s)
            return read_end(client)


def read_end(client):
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def read_answer(client):
    """One answer with its length: head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        check(piece, "it hung up within a head", data)
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(field(head, "Content-Length") or 0)
    while len(body) < length:
        piece = client.recv(65536)
        check(piece, "it hung up within a body", len(body), length)
        body += piece
    check(len(body) == length, "more than one answer", body[length:])
    return head, body


def field(head, name):
    for line in head.decode().split("\r\n")[1:]:
        key, _, value = line.partition(": ")
        if key.lower() == name.lower():
            return value
    return None


def get(path="/ten.txt", more="", version="1.1"):
    return f"GET {path} HTTP/{version}\r\nHost: x\r\n{more}\r\n".encode()


# --- curl -------------------------------------------------------------------


def test_curl_gets_files_with_their_types(program):
    with Site(program) as site:
        check(site.curl(path="/ten.txt")
              == (b"0123456789", "200 text/plain; charset=utf-8"))
        check(site.curl(path="/big.bin")
              == (BIG, "200 application/octet-stream"))
        check(site.curl(path="/none.txt")[0] == b"")
        check(site.curl(path="/sub/deep/a%20b%25.txt")[0] == b"deep")
        check(site.curl() == (b"<p>root</p>", "200 text/html; charset=utf-8"))
        check(site.curl(path="/sub/?x=y")[0] == b"<p>sub</p>")
        check(site.curl("-L", path="/sub")[0] == b"<p>sub</p>")
        check(site.curl("-0", path="/ten.txt")[0] == b"0123456789")


def test_curl_gets_statuses(program):
    with Site(program) as site:
        for path, status in {"/nothing": 404, "/empty_folder/": 404,
                             "/sub": 301, "/ten.txt/": 404, "/pipe": 404,
                             "/ten.txt/x": 404, "/%00": 400, "/%zz": 400,
                             "/" + "x" * 300: 404, "/" + "x/" * 3000: 404,
                             "/" + "x" * 9000: 414}.items():
            check(site.status(path) == status, path[:40], site.status(path))
        check(site.status("/", "-d", "x=y") == 405)
        check(site.status("/", "-X", "OPTIONS") == 405)
        check(site.status("/", "-X", "DELETE") == 405)
        check(site.status("/", "-H", "Host:") == 400)
        check(site.status("/", "-H", "X: " + "y" * 9000) == 431)
        body = Path(site.folder.name) / "body"
        body.write_bytes(BIG[:300_000])
        words = ("-X", "GET", "--data-binary", f"@{body}")
        check(site.status("/", *words) == 200)


def test_curl_finds_no_way_out_of_the_folder(program):
    with Site(program) as site:
        for path in ("/../secret.txt", "/sub/../../secret.txt",
                     "/%2e%2e/secret.txt", "/..%2fsecret.txt",
                     "/sub/%2e%2e/%2e%2e/secret.txt", "//etc/passwd",
                     "/%2fetc/passwd", "/./../secret.txt", "/.hidden",
                     "/%2ehidden", "/link.txt", "/inside.txt",
                     "/up/secret.txt", "/up/site/ten.txt", "/etc/passwd",
                     "/sub/../ten.txt", "/..\\secret.txt",
                     "/proc/self/environ"):
            body, status = site.curl(path=path)
            check(status[:3] in ("404", "400"), path, status)
            check(b"secret" not in body and b"root:" not in body, path, body)


def test_curl_gets_ranges(program):
    with Site(program) as site:
        for words, wanted, status in (
                ("0-3", b"0123", 206), ("4-", b"456789", 206),
                ("-3", b"789", 206), ("9-100", b"9", 206),
                ("0-1,3-4", b"0123456789", 200)):
            got = site.curl("-r", words, path="/ten.txt")
            check(got[0] == wanted and got[1].startswith(str(status)), words,
                  got)
        check(site.status("/ten.txt", "-r", "10-") == 416)
        check(site.status("/none.txt", "-r", "0-") == 416)
        check(site.curl("-r", "1000000-4999999", path="/big.bin")[0]
              == BIG[1000000:5000000])
        # As curl goes on with a download.
        part = Path(site.folder.name) / "part"
        part.write_bytes(BIG[:1234567])
        site.curl("-C", "-", "-o", part, path="/big.bin")
        check(part.read_bytes() == BIG)


def test_curl_gets_heads(program):
    with Site(program) as site:
        check(site.status("/nothing", "-I") == 404)
        head = site.curl("-I", path="/big.bin")[0]
        check(field(head, "content-length") == str(len(BIG)), head)
        check(field(head, "accept-ranges") == "bytes", head)
        check(field(head, "allow") == "GET, HEAD", head)
        check(field(head, "date").endswith(" GMT"), head)
        check(site.status("/big.bin", "-H", "If-Range: x", "-r", "0-1") == 200)


def test_curl_keeps_its_connection(program):
    with Site(program) as site:
        urls = [f"{site.url}/ten.txt"] * 50
        out = run([need("curl"), "-sS", "-w", "%{num_connects}\n", "-o",
                   "/dev/null", *" -o /dev/null".join([""] * 50).split(),
                   *urls])
        check(out == b"1\n" + b"0\n" * 49, out)


def test_curl_gets_ten_thousand_files_at_once(program):
    with Site(program) as site, tempfile.TemporaryDirectory() as got:
        files = {f"{n // 100}/f{n}": RANDOM.randbytes(n % 3000)
                 for n in range(SMALL)}
        for name, data in files.items():
            (site.root / name).parent.mkdir(exist_ok=True)
            (site.root / name).write_bytes(data)
        config = Path(got) / "config"
        config.write_text("".join(f'url = "{site.url}/{name}"\noutput = '
                                  f'"{got}/{name}"\n' for name in files))
        run([need("curl"), "-sS", "--fail", "--create-dirs", "--parallel",
             "--parallel-max", "100", "-K", config])
        for name, data in files.items():
            check((Path(got) / name).read_bytes() == data, name)


# --- clients that are none --------------------------------------------------


def test_requests_may_come_together_and_in_pieces(program):
    with Site(program) as site:
        answers = site.say(get() * 20 + get(more="Connection: close\r\n"))
        check(answers.count(b"HTTP/1.1 200 OK") == 21, answers[:200])
        check(answers.count(b"0123456789") == 21)
        bytes_alone = [bytes([byte]) for byte in
                       get() + get(more="Connection: close\r\n")]
        answers = site.say(bytes_alone, 0.001)
        check(answers.count(b"HTTP/1.1 200 OK") == 2, answers)


def test_what_is_refused_is_answered_and_ended(program):
    with Site(program) as site:
        for data, status in (
                (b"nonsense\r\n\r\n", 400), (b"\x16\x03\x01\x02\n", 400),
                (b"GET / HTTP/1.1\nHost: x\n\n", 400),
                (b"GET / HTTP/1.1\r\n\r\n", 400),
                (get(version="2.0"), 505), (get("/" + "a" * 20000), 414),
                (get(more="X: y\r\n" * 5000), 431),
                (get(more="Content-Length: 1\r\n"
                          "Transfer-Encoding: chunked\r\n"), 400),
                (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n"
                 b"\r\n" + b"x" * 900000, 405)):
            answers = site.say(data + get())
            check(answers.startswith(f"HTTP/1.1 {status} ".encode()),
                  data[:60], answers[:60])
            check(answers.count(b"HTTP/1.1 ") == 1, "went on", data[:60])
            check(field(answers.partition(b"\r\n\r\n")[0], "connection")
                  == "close")


def test_old_clients_are_hung_up_on_unless_they_ask(program):
    with Site(program) as site:
        check(site.say(get(version="1.0")).endswith(b"0123456789"))
        with site.connect() as client:
            for _ in range(3):
                client.sendall(get(version="1.0",
                                   more="Connection: keep-alive\r\n"))
                head, body = read_answer(client)
                check(body == b"0123456789")
                check(field(head, "connection") == "keep-alive")


def test_who_sends_nothing_more_is_hung_up_on(program):
    with Site(program, PATIENCE_S) as site:
        silent, slow, done = site.connect(), site.connect(), site.connect()
        slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
        done.sendall(get())
        check(read_answer(done)[1] == b"0123456789")
        # A byte now and then does not help.
        deadline = time.monotonic() + kit.LIMIT_S
        slow.settimeout(0.1)
        answer = b""
        while not answer and time.monotonic() < deadline:
            try:
                slow.sendall(b"x")
                answer = slow.recv(1000)
            except TimeoutError:
                pass
        check(answer.startswith(b"HTTP/1.1 408 "), answer)
        check(read_end(silent) == b"" and read_end(done) == b"")
        for client in (silent, slow, done):
            client.close()


def test_who_does_not_read_is_hung_up_on(program):
    with Site(program, PATIENCE_S) as site, site.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(get("/big.bin"))
        kit.wait_until(lambda: site.clients() >= 1, "accepted")
        kit.wait_until(lambda: site.clients() == 0, "hung up")


def test_an_answer_under_way_is_finished_at_the_end(program):
    with Site(program) as site:
        idle, busy = site.connect(), site.connect()
        idle.sendall(get())
        check(read_answer(idle)[1] == b"0123456789")
        busy.sendall(get("/big.bin"))
        data = busy.recv(1000)
        site.process.terminate()
        check(read_end(idle) == b"", "an idle client is let go")
        data += read_end(busy)
        check(data.endswith(BIG), len(data))
        site.end()


def test_each_of_two_signals_ends_it(program):
    for number in (2, 15):
        with Site(program) as site:
            check(site.say(get(version="1.0")))
            check(site.stop(number) == "")


def test_a_folder_that_is_not_there_is_named(program):
    done = subprocess.run([program, "/nowhere"], capture_output=True,
                          check=False, env=kit.environment())
    check(done.returncode == 1 and b"/nowhere" in done.stderr, done)


if __name__ == "__main__":
    sys.exit(kit.main(sys.modules[__name__], sys.argv[1]))
