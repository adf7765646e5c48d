"""nginx on a free loopback port, with the latency of a faraway server.

`with Server(nginx, files, work) as url:` serves the folder `files`, each
request answered 80 ms late. It runs as whoever calls, keeps all it writes in
`work`, and is gone when the block is left, however it is left.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time

LATENCY_S = 0.08
START_LIMIT_S = 10
PR_SET_PDEATHSIG = 1
CONFIG = """
load_module {nginx}/usr/lib/nginx/modules/ngx_http_echo_module.so;
daemon off;
master_process off;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    types {{ image/jpeg jpg; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            echo_sleep {latency};
            echo_exec /late$uri;
        }}
        location /late/ {{
            internal;
            alias {files}/;
        }}
    }}
}}
"""


def free_port():
    """A loopback port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    """Run in the child: a killed demo takes its server along."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Server:
    def __init__(self, nginx, files, work):
        self.nginx, self.files, self.work = nginx, files, work
        self.process = None

    def __enter__(self):
        os.makedirs(self.work, exist_ok=True)
        # Between our look and nginx's bind the port may be taken: try again.
        for _ in range(5):
            port = free_port()
            if self.start(port):
                return f"http://127.0.0.1:{port}"
        raise SystemExit("nginx did not start; " + self.last_words())

    def __exit__(self, *_):
        self.stop()

    def start(self, port):
        config = os.path.join(self.work, "nginx.conf")
        with open(config, "w", encoding="utf-8") as out:
            out.write(CONFIG.format(nginx=self.nginx, files=self.files,
                                    work=self.work, port=port,
                                    latency=LATENCY_S))
        self.process = subprocess.Popen(
            [os.path.join(self.nginx, "usr/sbin/nginx"), "-p", self.work,
             "-e", os.path.join(self.work, "error.log"), "-c", config],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_LIMIT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                time.sleep(0.02)
        self.stop()
        return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_words(self):
        try:
            with open(os.path.join(self.work, "error.log"),
                      encoding="utf-8") as log:
                return "its log: " + "".join(log.readlines()[-5:])
        except OSError as error:
            return f"it left no log ({error})"
