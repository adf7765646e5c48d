#!/usr/bin/python3 -B
"""TLS against programs that we did not write: openssl s_client and s_server,
curl and nginx. tls_peers.py PEER: that is our side of it. Prints TAP.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import kit
import tap
from kit import Other, Server, check, need, run
from peers import NGINX, Nginx

THREE = b"one\ntwo\nthree\n"
NAME = "server.test"
VERSIONS = ("-tls1_2", "-tls1_3")
SAID = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}


class Certificates:
    """An authority, and files that it has signed, in a folder of their own."""

    def __init__(self):
        self.openssl = need("openssl")
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.ca = self.path / "ca.crt"
        self.new("ca", "-x509", "-days", "2", "-out", self.ca)
        self.good = self.signed("good", NAME)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def new(self, name, *words):
        run([self.openssl, "req", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
             "-keyout", self.path / f"{name}.key", *words])

    def both(self, name):
        """One file with certificate and key."""
        both = self.path / f"{name}.pem"
        both.write_bytes((self.path / f"{name}.crt").read_bytes()
                         + (self.path / f"{name}.key").read_bytes())
        return both

    def signed(self, name, host, *words):
        self.new(name, "-out", self.path / f"{name}.csr", "-addext",
                 f"subjectAltName=DNS:{host}")
        if not words:
            words = ("-days", "1")
        run([self.openssl, "x509", "-req", "-in", self.path / f"{name}.csr",
             "-CA", self.ca, "-CAkey", self.path / "ca.key",
             "-CAcreateserial", "-copy_extensions", "copyall", *words,
             "-out", self.path / f"{name}.crt"])
        return self.both(name)

    def expired(self):
        """x509 knows no end before now; ca does."""
        (self.path / "index").write_text("")
        (self.path / "config").write_text(
            f"[ca]\ndefault_ca=own\n[own]\ndatabase={self.path}/index\n"
            f"new_certs_dir={self.path}\nrand_serial=yes\npolicy=any\n"
            "default_md=sha256\ncopy_extensions=copy\n"
            "[any]\ncommonName=supplied\n")
        self.new("old", "-out", self.path / "old.csr", "-addext",
                 f"subjectAltName=DNS:{NAME}")
        run([self.openssl, "ca", "-batch", "-config", self.path / "config",
             "-in", self.path / "old.csr", "-cert", self.ca, "-keyfile",
             self.path / "ca.key", "-startdate", "20200101000000Z",
             "-enddate", "20200102000000Z", "-notext",
             "-out", self.path / "old.crt"])
        return self.both("old")

    def self_signed(self):
        self.new("self", "-x509", "-days", "2", "-addext",
                 f"subjectAltName=DNS:{NAME}", "-out", self.path / "self.crt")
        return self.both("self")


def s_client(own, server, *words, data=THREE):
    """What it prints; it ends when it has seen all that it sent."""
    command = [own.openssl, "s_client", "-connect",
               f"127.0.0.1:{server.port}", "-CAfile", own.ca, "-servername",
               NAME, "-verify_hostname", NAME, "-verify_return_error",
               *words]
    with subprocess.Popen([str(word) for word in command],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as client:
        client.stdin.write(data)
        client.stdin.flush()
        out = b""
        while data not in out:
            piece = os.read(client.stdout.fileno(), 65536)
            check(piece, command, out)
            out += piece
        client.stdin.close()
        out += client.stdout.read()
    check(client.returncode == 0, command, client.returncode, out)
    return out


# --- openssl s_client -------------------------------------------------------


def test_s_client_gets_back_what_it_sends(peer):
    with Certificates() as own, Server(peer, "tls-echo", own.good) as server:
        for version in VERSIONS:
            out = s_client(own, server, version, "-quiet", "-no_ign_eof")
            check(THREE in out, out)
        said = server.stop()
        for version in VERSIONS:
            check(f"{SAID[version]} - new" in said, said)


def test_s_client_agrees_on_a_protocol(peer):
    with Certificates() as own, Server(peer, "tls-echo", own.good) as server:
        out = s_client(own, server, "-alpn", "h2,http/1.1")
        check(b"ALPN protocol: http/1.1" in out, out)
        check(b"Verify return code: 0 (ok)" in out, out)
        check("TLSv1.3 http/1.1 new" in server.stop())


def test_s_client_takes_its_session_up_again(peer):
    with Certificates() as own, Server(peer, "tls-echo", own.good) as server:
        kept = own.path / "session"
        for version in VERSIONS:
            s_client(own, server, version, "-sess_out", kept)
            out = s_client(own, server, version, "-sess_in", kept)
            check(b"Reused, " + SAID[version].encode() in out, out)
        check(server.stop().count("resumed") == 2)


def test_s_client_has_to_show_its_certificate(peer):
    with Certificates() as own:
        stranger = own.self_signed()
        with Server(peer, "tls-echo", own.good, own.ca) as server:
            s_client(own, server, "-cert", own.good)
            for words in ((), ("-cert", stranger)):
                command = [own.openssl, "s_client", "-connect",
                           f"127.0.0.1:{server.port}", *words]
                subprocess.run(command, input=THREE, check=False,
                               timeout=kit.LIMIT_S, capture_output=True)
            said = server.stop()
            check("refused: the peer has shown no certificate" in said, said)
            check("self-signed certificate" in said, said)


def test_client_of_an_older_version_is_refused(peer):
    with Certificates() as own, Server(peer, "tls-echo", own.good) as server:
        command = [own.openssl, "s_client", "-tls1_1", "-cipher",
                   "ALL:@SECLEVEL=0", "-connect", f"127.0.0.1:{server.port}"]
        done = subprocess.run(command, input=THREE, check=False,
                              timeout=kit.LIMIT_S, capture_output=True)
        check(done.returncode != 0, done)
        check("refused: this is no TLS that we speak" in server.stop())


def test_client_that_speaks_no_tls_is_refused(peer):
    with Certificates() as own, Server(peer, "tls-echo", own.good) as server:
        with server.connect() as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while client.recv(4096):
                pass
        s_client(own, server, "-quiet", "-no_ign_eof")
        check("refused: this is no TLS" in server.stop())


# --- openssl s_server -------------------------------------------------------


class SServer(Other):
    def __init__(self, own, certificate, *words):
        super().__init__([own.openssl, "s_server", "-accept",
                          "127.0.0.1:{port}", "-cert", certificate, "-www",
                          *words])


def ask(peer, own, server, *words, name=NAME):
    """Our client's request to it: what it said, and what of the session."""
    request = "GET / HTTP/1.0\r\n\r\n"
    done = subprocess.run(
        [str(word) for word in (peer, "tls-ask", own.ca, server.port, name,
                                request, *words)], check=False,
        env=kit.environment(), timeout=kit.LIMIT_S, capture_output=True)
    check(done.returncode == 0, done)
    return done.stdout, done.stderr.decode()


def test_s_server_answers_our_client(peer):
    with Certificates() as own:
        for version in VERSIONS:
            with SServer(own, own.good, version) as other:
                other.wait_listening()
                page, said = ask(peer, own, other)
                check(b"HTTP/1.0 200 ok" in page, page)
                check(said == f"{SAID[version]} new\n", said)


def test_s_server_takes_sessions_up_again(peer):
    with Certificates() as own:
        for version in VERSIONS:
            with SServer(own, own.good, version) as other:
                other.wait_listening()
                said = ask(peer, own, other, 3)[1]
                lines = [f"{SAID[version]} {how}"
                         for how in ("new", "resumed", "resumed")]
                check(said.splitlines() == lines, said)


def test_s_server_with_a_bad_certificate_is_refused(peer):
    with Certificates() as own:
        for certificate, why in (
                (own.expired(), b"certificate has expired"),
                (own.self_signed(), b"self-signed certificate"),
                (own.signed("other", "other.test"), b"hostname mismatch")):
            for version in VERSIONS:
                with SServer(own, certificate, version) as other:
                    other.wait_listening()
                    page, said = ask(peer, own, other)
                    check(page.startswith(b"refused: the certificate of "
                                          + NAME.encode()), page, said)
                    check(why in page, page)
                    check(said == "", said)


def test_s_server_sees_our_certificate(peer):
    with Certificates() as own:
        mine = own.signed("mine", "mine.test")
        with SServer(own, own.good, "-Verify", "1", "-CAfile", own.ca,
                     "-verify_return_error") as other:
            other.wait_listening()
            page = ask(peer, own, other, 1, mine)[0]
            check(b"CN = mine" in page or b"CN=mine" in page, page)


# --- curl -------------------------------------------------------------------


def test_curl_fetches_from_our_server(peer):
    curl = need("curl")
    with Certificates() as own, Server(peer, "tls-page", own.good) as server:
        where = f"https://{NAME}:{server.port}/"
        to = ["--cacert", own.ca, "--resolve",
              f"{NAME}:{server.port}:127.0.0.1"]
        for words in ([], ["--tls-max", "1.2"], ["--http1.1"]):
            page = run([curl, "-sS", *to, *words, where, where])
            check(page == b"p" * 2_000_000, len(page))
        done = subprocess.run(
            [curl, "-sS", "--cacert", str(own.ca), server.url.replace(
                "http:", "https:")], check=False, capture_output=True)
        check(done.returncode == 60, done)  # its name for a wrong name
        check(b"SSL" in done.stderr, done.stderr)


# --- nginx ------------------------------------------------------------------


class TlsNginx(Nginx):
    def __init__(self, work, own):
        super().__init__(work)
        lines = (f"listen 127.0.0.1:{{port}} ssl; ssl_certificate {own.good};"
                 f" ssl_certificate_key {own.good};")
        self.text = NGINX.format(work=work).replace(
            "listen 127.0.0.1:{port};", lines)


def test_nginx_gives_our_client_its_files(peer):
    data = os.urandom(3_000_000)
    with Certificates() as own, tempfile.TemporaryDirectory() as work:
        nginx = TlsNginx(work, own)
        (Path(work) / "files/big").write_bytes(data)
        with nginx:
            nginx.wait_listening()
            done = subprocess.run(
                [str(word) for word in (
                    peer, "tls-ask", own.ca, nginx.port, NAME,
                    "GET /big HTTP/1.0\r\n\r\n", 3)],
                check=False, env=kit.environment(), timeout=kit.LIMIT_S,
                capture_output=True)
            check(done.returncode == 0, done.stderr)
            check(done.stdout.count(data) == 3, len(done.stdout))
            check(done.stderr.decode().split()[1::2][0] == "new", done.stderr)


if __name__ == "__main__":
    sys.exit(kit.main(sys.modules[__name__], sys.argv[1]))
