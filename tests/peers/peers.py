#!/usr/bin/python3 -B
"""Streams and servers against programs that we did not write: nc, socat, redis
and nginx. peers.py PEER: that is our side of it. Prints TAP.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import kit
import tap
from kit import CACHE, Other, Server, check, need, run

BYTES = random.Random(5).randbytes(3_000_000)  # more than any buffer holds
THREE = b"one\ntwo\nthree"


# --- nc ---------------------------------------------------------------------


def test_nc_gets_back_what_it_sends(peer):
    nc = need("nc")
    with Server(peer, "echo") as server:
        for data in (b"", THREE, BYTES):
            back = run([nc, "-N", "127.0.0.1", server.port], input=data)
            check(back == data, "bytes", len(back), len(data))


def test_nc_that_is_killed_harms_nobody(peer):
    nc = need("nc")
    with Server(peer, "echo") as server:
        command = [nc, "127.0.0.1", str(server.port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL) as killed:
            killed.stdin.write(BYTES[:100_000])
            killed.kill()
        check(run([nc, "-N", *command[1:]], input=THREE) == THREE)


def test_nc_is_talked_to_by_our_client(peer):
    nc = need("nc")
    with Other([nc, "-l", "-N", "127.0.0.1", "{port}"]) as other:
        other.wait_listening()
        with subprocess.Popen([peer, "talk", "127.0.0.1", str(other.port)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=kit.environment()) as talk:
            other.process.stdin.write(BYTES)
            other.process.stdin.close()
            talk.stdin.write(THREE)
            talk.stdin.flush()
            # Once it has read our end, nc loses what it has not sent yet.
            back = talk.stdout.read(len(BYTES))
            talk.stdin.close()
            check(back + talk.stdout.read() == BYTES, "from nc", len(back))
            check(other.process.stdout.read() == THREE, "to nc")
        check(talk.returncode == 0, talk.returncode)


# --- socat ------------------------------------------------------------------


def test_socat_gets_back_what_it_sends(peer):
    socat = need("socat")
    with Server(peer, "echo") as server:
        address = f"TCP:127.0.0.1:{server.port}"
        for data in (THREE, BYTES):
            back = run([socat, "-t", kit.LIMIT_S, "-", address], input=data)
            check(back == data, "bytes", len(back), len(data))


def test_socat_gives_back_what_our_client_sends(peer):
    socat = need("socat")
    address = "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr"
    with Other([socat, address, "EXEC:cat"]) as other:
        other.wait_listening()
        back = run([peer, "talk", "127.0.0.1", other.port], input=BYTES)
        check(back == BYTES, "bytes", len(back))


def is_listening(path):
    """A path is there before anybody can connect to it."""
    accepting = "00010000"
    return any(line.endswith(" " + path) and f" {accepting} " in line
               for line in Path("/proc/net/unix").read_text().splitlines())


def test_socat_gives_back_what_comes_by_a_unix_socket(peer):
    socat = need("socat")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        with Other([socat, f"UNIX-LISTEN:{path}", "EXEC:cat"]):
            kit.wait_until(lambda: is_listening(path), path)
            back = run([peer, "talk", path], input=BYTES)
            check(back == BYTES, "bytes", len(back))


def test_socat_that_resets_its_connection_harms_nobody(peer):
    socat = need("socat")
    with Server(peer, "echo") as server:
        for _ in range(20):
            run([socat, "-u", "-", f"TCP:127.0.0.1:{server.port},linger=0"],
                input=BYTES[:50_000])
        address = f"TCP:127.0.0.1:{server.port}"
        check(run([socat, "-t", kit.LIMIT_S, "-", address], input=THREE)
              == THREE)


# --- redis ------------------------------------------------------------------


def test_redis_cli_is_served(peer):
    cli = need("redis-cli")
    with Server(peer, "redis-server") as server:
        def ask(*words, **options):
            return run([cli, "-p", server.port, *words], **options)

        check(ask("ping") == b"PONG\n")
        check(ask("get", "x") == b"\n")
        check(ask("set", "x", "a b") == b"OK\n")
        check(ask("get", "x") == b"a b\n")
        check(ask("-x", "set", "x", input=BYTES[:1000]) == b"OK\n")
        check(ask("get", "x") == BYTES[:1000] + b"\n")
        check(b"ERR what is that?" in ask("flushall"))
        # A list of commands on one connection, and a thousand of one.
        check(ask(input=b"ping\nget x\n") == b"PONG\n" + BYTES[:1000] + b"\n")
        check(ask("-r", "1000", "ping") == b"PONG\n" * 1000)


def redis_server(folder):
    """It is in the package of its tools by another name, and is what it is
    called."""
    program = shutil.which("redis-server") or need("redis-check-rdb")
    words = ["redis-server", "--port", "{port}", "--bind", "127.0.0.1",
             "--save", "", "--appendonly", "no", "--dir", folder]
    return Other(words, executable=program)


def test_redis_answers_our_client(peer):
    with tempfile.TemporaryDirectory() as folder:
        with redis_server(folder) as other:
            other.wait_listening()
            check(run([peer, "redis-client", other.port]) == b"1000 pairs\n")


# --- nginx ------------------------------------------------------------------

NGINX = """
daemon off;
master_process off;
pid {work}/pid;
error_log {work}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    server {{ listen 127.0.0.1:{{port}}; root {work}/files; }}
}}
"""


class Nginx(Other):
    def __init__(self, work):
        program = shutil.which("nginx") or CACHE / "nginx/usr/sbin/nginx"
        if not os.access(program, os.X_OK):
            raise tap.Skip("nginx is neither installed nor in the cache")
        self.config = Path(work) / "config"
        self.text = NGINX.format(work=work)
        (Path(work) / "files").mkdir()
        super().__init__([program, "-p", work, "-e", f"{work}/error.log", "-c",
                          self.config])

    def __enter__(self):
        port, holder = kit.bind_free()
        holder.close()
        self.config.write_text(self.text.replace("{port}", str(port)))
        super().__enter__()
        self.port = port
        return self


def test_nginx_gives_our_client_its_files(peer):
    with tempfile.TemporaryDirectory() as work:
        nginx = Nginx(work)
        for name, data in (("big", BYTES), ("none", b""), ("text", THREE)):
            (Path(work) / "files" / name).write_bytes(data)
        with nginx:
            nginx.wait_listening()
            paths = ["/text", "/big", "/none", "/text"] + ["/text"] * 500
            got = run([peer, "fetch", "127.0.0.1", nginx.port, *paths])
            check(got == THREE + BYTES + THREE + THREE * 500, len(got))


# --- the end ----------------------------------------------------------------


def test_a_server_lets_its_clients_finish(peer):
    with Server(peer, "echo") as server:
        client = server.connect()
        client.sendall(THREE)
        check(client.recv(100) == THREE)
        check("signals" in server.stop(signal.SIGTERM))
        check(client.recv(100) == b"")
        client.close()


if __name__ == "__main__":
    sys.exit(kit.main(sys.modules[__name__], sys.argv[1]))
