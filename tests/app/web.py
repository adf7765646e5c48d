"""A web server on loopback whose pages are functions.

`Web()` serves `pages`, a dictionary from path to page; a page is called with
the request and answers it as it likes, on a thread of its own. What was asked
for and what was answered is kept, to be compared.
"""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE_PAUSE_S = 0.02  # between the bytes of a body that never ends


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requested.append(self.path)
        page = self.server.pages.get(self.path, status(404))
        try:
            page(self)
        except (OSError, threading.BrokenBarrierError):
            self.close_connection = True  # the client has hung up, or a test

    def answer(self, code, body, kind):
        """The whole answer."""
        if code == 200:
            self.server.bodies.add(body)
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: standard error is the tests'."""


class Web(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Request)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.reset()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def reset(self):
        """Forgets pages and requests."""
        self.pages = {}
        self.requested = []  # paths, in order
        self.bodies = set()  # of the pictures that were answered whole

    def handle_error(self, *_):
        """A client that is killed in the middle is nothing to talk about."""


# --- pages ------------------------------------------------------------------


def picture(body):
    return lambda request: request.answer(200, body, "image/jpeg")


def status(code):
    return lambda request: request.answer(code, b"no\n", "text/plain")


def html():
    page = b"<!DOCTYPE html>\n<title>Please log in</title>\n"
    return lambda request: request.answer(200, page, "text/html")


def after(wait, page):
    """The page, once `wait` returns."""

    def late(request):
        wait()
        page(request)

    return late


def slow(page):
    """The page, half a second late."""
    return after(lambda: threading.Event().wait(0.5), page)


def endless(begun=lambda: None):
    """A body without end, a byte now and then. Calls `begun` after the first.
    """

    def drip(request):
        request.close_connection = True
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        request.wfile.write(b"\xff")
        begun()
        pause = threading.Event()
        while True:
            pause.wait(PIECE_PAUSE_S)
            request.wfile.write(b"\xff")

    return drip


def refused_url():
    """An address where nobody listens, and the socket that keeps it so."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return f"http://127.0.0.1:{holder.getsockname()[1]}/x.jpg", holder
