#!/usr/bin/python3 -B
"""The crawler, on sites of the file server, and on one that counts who is
there: crawler.py CRAWLER FILE_SERVER. Prints TAP."""

import collections
import http.server
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import kit
from kit import Server, check, environment


def crawl(program, *words, status=0):
    """What it prints, in order, and its last line."""
    done = subprocess.run([program, *map(str, words)], env=environment(),
                          timeout=kit.LIMIT_S, capture_output=True, text=True,
                          check=False)
    check(done.returncode == status, done.returncode, done.stderr)
    check((done.stderr == "") == (status == 0), done.stderr)
    lines = done.stdout.splitlines()
    return sorted(lines[:-1]), lines[-1] if lines else done.stderr


class Site:
    """Pages on a file server of their own: {"a/b.html": text}."""

    def __init__(self, file_server):
        self.folder = tempfile.TemporaryDirectory()
        self.server = Server(file_server, self.folder.name, 0)
        self.url = self.server.url

    def put(self, name, text):
        path = Path(self.folder.name) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        with self.folder:
            self.server.__exit__(*what)


class Counting(http.server.BaseHTTPRequestHandler):
    """A tree of pages, each of which takes a while; who is here is counted."""

    def do_GET(self):  # noqa: N802
        with self.server.lock:
            self.server.here += 1
            self.server.most = max(self.server.most, self.server.here)
            self.server.seen[self.path] += 1
        time.sleep(0.01)
        with self.server.lock:
            self.server.here -= 1
        links = "".join(f'<a href="{self.path.rstrip("/")}/{n}">'
                        for n in range(5)) if self.path.count("/") < 3 else ""
        body = (links + self.server.more).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Crowd:
    """A server of such pages."""

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Counting)
        self.server.lock = threading.Lock()
        self.server.here = self.server.most = 0
        self.server.seen = collections.Counter()
        self.server.more = ""
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever).start()
        return self.server, self.url

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_all_that_is_linked_is_found_once(program, file_server):
    with Site(file_server) as site, Site(file_server) as other:
        other.put("x.html", f'<a href="{site.url}/">back</a>')
        site.put("index.html", f"""<A HREF = 'a.html'>a <a class=x
            href=sub/b.html#top>b <a href="/a.html?">
            <a href="mailto:me@x">m <a href="javascript:f()">
            <a href="{other.url}/x.html">x <a href="gone.html">
            <a href="//127.0.0.1:{site.server.port}/a.html#bottom">
            <a data-href="no.html" nohref="no.html">""")
        site.put("a.html", '<a href=".">home <a href="./sub/../a.html">')
        site.put("sub/b.html", '<a href="../a.html">a <a href="b.html#y">')
        lines, last = crawl(program, site.url)
        check(last == "5 pages of 2 hosts, 1 broken", last)
        wanted = {"/": 6, "/a.html": 2, "/sub/b.html": 2}
        check([line for line in lines if "gone" not in line] == sorted(
            [f"{other.url}/x.html: 1 links"]
            + [f"{site.url}{path}: {n} links" for path, n in wanted.items()]),
            lines)
        gone = [line for line in lines if "gone" in line]
        check(len(gone) == 1 and "404" in gone[0], gone)


def test_no_host_is_asked_for_more_than_its_share(program, _):
    for per_host in (1, 3):
        with Crowd() as (one, one_url), Crowd() as (other, other_url):
            one.more = f'<a href="{other_url}">'
            lines, last = crawl(program, one_url, 1000, per_host)
            check(last == "312 pages of 2 hosts, 0 broken", last)
            for server in (one, other):
                check(set(server.seen.values()) == {1}, server.seen)
                check(len(server.seen) == 156, server.seen)
                check(server.most == per_host, server.most, per_host)


def test_it_ends_after_so_many_pages(program, _):
    with Crowd() as (server, url):
        lines, last = crawl(program, url, 7)
        check(len(lines) == 7 and last == "7 pages of 1 hosts, 0 broken", last)
        check(sum(server.seen.values()) == 7)


def test_it_waits_between_two_pages_of_a_host(program, _):
    with Crowd() as (server, url):
        start = time.monotonic()
        crawl(program, url, 6, 1, 0.1)
        check(time.monotonic() - start >= 0.6)
        check(server.most == 1)


def test_pages_that_are_none_do_no_harm(program, file_server):
    with Site(file_server) as site:
        site.put("index.html", '<a href="long"><a href="zeros">'
                 '<a href="torn"><a href="http://127.0.0.1:1/">')
        site.put("long", "<a href='x'>" + "y" * 2_000_000)
        site.put("zeros", "\0" * 1000)
        site.put("torn", "<a href='x.html")
        lines, last = crawl(program, site.url)
        check(last == "5 pages of 2 hosts, 2 broken", last)
        check(f"{site.url}/zeros: 0 links" in lines, lines)
        check(f"{site.url}/torn: 0 links" in lines, lines)


def test_what_is_no_url_is_said(program, _):
    check("not a URL" in crawl(program, "tea", status=1)[1])
    check("usage" in crawl(program, "http://x/", 0, status=2)[1])


if __name__ == "__main__":
    sys.exit(kit.main(sys.modules[__name__], *sys.argv[1:3]))
