"""Who is measured by ./dev bench core: how each is built, and called.

A peer that cannot be built or found here says why, and is left out. Those that
Debian does not package run when a ready program of their name lies in the
folder $PEER_BIN: it takes the arguments and prints the lines that the programs
in bench/peers do.
"""

import glob
import hashlib
import os
import shutil
import subprocess

OURS = "build/release/bench"
OUT = "build/bench/core"
SOURCES = "bench/peers"
PYTHON = "/usr/bin/python3"
CRATES = "/usr/share/cargo/registry"
READY = ("libdill", "neco", "neco64", "libaco", "photon", "minicoro",
         "minicorovm")

# What a peer is, when others are compared with it.
OUR = "ours"
FLOOR = "floor"        # next to nothing around what the machine does
RUNTIME = "runtime"    # has tasks or callbacks, and what schedules them
BARE = "bare"          # switches only: no scheduler

# The workloads of ours: program and arguments. One round is one process.
PROGRAMS = {
    "W1": ["yield", "1"], "W2": ["spawn", "1"], "W3": ["gather", "1"],
    "W4a": ["sleepers", "1"], "W4b": ["sleepers", "1", "1000000"],
    "W5": ["queue", "1"], "W6": ["semaphore", "1"], "W7": ["timer", "1"],
    "W10": ["cancel_storm", "1"], "W11": ["threads", "1"],
    "W12": ["processes", "1"],
}


# What can be done with compact tasks, too.
COMPACT = ("W3", "W4a", "W4b", "W6", "W7", "W10")


class Peer:
    """One column of the comparison.

    `command` is what a workload or a port is put behind. `servers` has what to
    put before the port, for "W8" and "W9"; what it does beside is `micro`: all,
    nothing, or these. Our programs take the word `lane`, if there is one, as
    their last argument. `builds` are commands; `missing` says what is not here,
    or nothing.
    """

    def __init__(self, name, kind, command=None, *, builds=(), servers=None,
                 environment=None, micro=True, missing=None, lane=None):
        self.name, self.kind = name, kind
        self.command = command or [f"{OUT}/{name}"]
        self.builds, self.servers = builds, servers or {}
        self.environment = environment or {}
        self.micro, self.missing, self.lane = micro, missing, lane
        self.never = set()  # workloads that it has said it does not do

    def micro_command(self, workload):
        """The command for a workload that is no server, or None."""
        asked = self.micro if self.micro in (True, False) else \
            workload in self.micro
        if not asked or workload in self.never:
            return None
        if self.kind == OUR:
            program = PROGRAMS.get(workload)
            lane = [self.lane] if self.lane else []
            return program and [f"{OURS}/{program[0]}"] + program[1:] + lane
        return self.command + [workload]

    def server_command(self, workload, port):
        """The command that serves at a port, or None."""
        if workload not in self.servers:
            return None
        before, after = self.servers[workload]
        return before + [str(port)] + after

    def variables(self, workload):
        """The environment that it runs in."""
        variables = {name: value for name, value in os.environ.items()
                     if not name.startswith("ASYNCIO_")}
        variables.update(self.environment)
        if self.name == "go" and workload != "W11":
            variables["GOMAXPROCS"] = "1"
        return variables

    def build(self):
        """Returns why it cannot be measured here, or None."""
        if self.missing:
            return self.missing
        stamp = f"{OUT}/{self.name}.built"
        digest = digest_of(self.builds)
        if os.path.exists(stamp):
            with open(stamp, encoding="ascii") as file:
                if file.read() == digest:
                    return None
        for command in self.builds:
            why = run_build(self.name, command)
            if why:
                return why
        with open(stamp, "w", encoding="ascii") as file:
            file.write(digest)
        return None


def digest_of(commands):
    """Of what a program is made of: its commands, and all of the sources."""
    digest = hashlib.sha256(repr(commands).encode())
    for path in sorted(glob.glob(f"{SOURCES}/**", recursive=True)):
        if os.path.isfile(path):
            with open(path, "rb") as file:
                digest.update(path.encode() + file.read())
    return digest.hexdigest()


class Nginx(Peer):
    """A server that has its port in a file."""

    def __init__(self):
        self.program = shutil.which("nginx") or os.environ.get("NGINX", "")
        found = os.access(self.program, os.X_OK)
        super().__init__("nginx", RUNTIME, micro=False,
                         missing=None if found else "there is no nginx")

    def server_command(self, workload, port):
        if workload != "W9":
            return None
        folder = os.path.abspath(f"{OUT}/nginx")
        os.makedirs(folder, exist_ok=True)
        with open(f"{SOURCES}/nginx.conf", encoding="utf-8") as file:
            text = file.read()
        with open(f"{folder}/nginx.conf", "w", encoding="utf-8") as file:
            file.write(text.replace("FOLDER", folder)
                       .replace("PORT", str(port)))
        return [self.program, "-p", folder, "-c", f"{folder}/nginx.conf",
                "-e", f"{folder}/error.log"]


def run_build(name, command):
    """Runs one command of a build. Returns why it has failed, or None."""
    if not shutil.which(command[0]):
        return f"there is no {command[0]}"
    log = f"{OUT}/{name}.log"
    # What tools keep between builds stays below build/, too.
    variables = dict(os.environ, GO111MODULE="off", GOFLAGS="",
                     GOCACHE=os.path.abspath(f"{OUT}/go-cache"),
                     GOPATH=os.path.abspath(f"{OUT}/go-path"))
    with open(log, "w", encoding="utf-8") as out:
        try:
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=variables, timeout=600, check=False).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    return f"it does not build here, see {log}" if status != 0 else None


def compiled(name, compiler, flags, libraries=()):
    """The command that makes a program of one source file."""
    source, = glob.glob(f"{SOURCES}/{name}.c*")
    return [compiler, *flags, source, "-o", f"{OUT}/{name}", *libraries]


def c_program(name, *libraries, flags=()):
    """The same for C."""
    return compiled(name, "gcc", ["-O2", "-std=gnu17", *flags], libraries)


def serving(name, *workloads):
    """The servers of a program of bench/peers."""
    words = {"W8": "echo", "W9": "http"}
    return {w: ([f"{OUT}/{name}", words[w]], []) for w in workloads}


def our_peers():
    """The library as users get it, and what they can choose."""
    both = {"W8": ([f"{OURS}/echo"], []), "W9": ([f"{OURS}/http"], [])}
    return [
        Peer("libasyncio", OUR, servers=both),
        Peer("libasyncio_compact", OUR, micro=COMPACT, lane="compact"),
        Peer("libasyncio_epoll", OUR, servers=both, micro=False,
             environment={"ASYNCIO_BACKEND": "epoll"}),
        Peer("libasyncio_nospin", OUR, servers={"W8": both["W8"]},
             micro=("W11", "W12"), environment={"ASYNCIO_SPIN_US": "0"}),
        Peer("libasyncio_protocol", OUR, micro=False,
             servers={"W8": ([f"{OURS}/echo"], ["protocol"])}),
    ]


def floor_peers():
    """What is left when everything is left out."""
    switch = ["-mno-red-zone", "-fno-stack-protector"]
    uring = [f"{OUT}/floor_uring"]
    return [
        Peer("floor", FLOOR, builds=[c_program("floor", flags=switch)]),
        Peer("floor_threads", FLOOR,
             builds=[c_program("floor_threads", "-lpthread")]),
        Peer("floor_epoll", FLOOR, builds=[c_program("floor_epoll")],
             servers=serving("floor_epoll", "W8", "W9"), micro=False),
        Peer("floor_uring", FLOOR, builds=[c_program("floor_uring", "-luring")],
             servers=serving("floor_uring", "W8", "W9"), micro=False),
        Peer("floor_spin", FLOOR, uring, environment={"SPIN_US": "50"},
             builds=[c_program("floor_uring", "-luring")], micro=False,
             servers={"W8": (uring + ["echo"], [])}),
    ]


def library_peers():
    """Libraries for C and C++."""
    cpp = ["-O3", "-std=c++20"]
    coroutines = ["-fcoroutines", "-DASIO_HAS_CO_AWAIT"]
    return [
        Peer("libuv", RUNTIME, builds=[c_program("libuv", "-luv")],
             servers=serving("libuv", "W8", "W9")),
        Peer("st", RUNTIME, builds=[c_program("st", "-lst")],
             servers=serving("st", "W8", "W9")),
        Peer("asio", RUNTIME, servers=serving("asio", "W8", "W9"),
             builds=[compiled("asio", "g++", cpp + coroutines, ["-lpthread"])]),
        Peer("boost_context", BARE, builds=[
            compiled("boost_context", "g++", cpp, ["-lboost_context"])]),
    ]


def tokio():
    """Built of the sources that Debian has installed, without a network."""
    folder = f"{OUT}/tokio_build"
    source = os.path.abspath(f"{SOURCES}/tokio")
    crates = f'source.debian.directory="{CRATES}"'
    return Peer(
        "tokio", RUNTIME, servers=serving("tokio", "W8", "W9"),
        missing=None if glob.glob(f"{CRATES}/tokio-1.*") and
        shutil.which("cargo") else "there is no cargo, or no librust-tokio-dev",
        builds=[["cp", "-rT", source, folder],
                ["cargo", "build", "--release", "--offline",
                 "--manifest-path", f"{folder}/Cargo.toml",
                 "--target-dir", f"{folder}/target",
                 "--config", 'source.crates-io.replace-with="debian"',
                 "--config", crates],
                ["cp", f"{folder}/target/release/tokio_peer",
                 f"{OUT}/tokio"]])


def go():
    """Goroutines."""
    return Peer("go", RUNTIME, servers=serving("go", "W8", "W9"),
                builds=[["go", "build", "-o", f"{OUT}/go",
                         f"{SOURCES}/go.go"]])


def python_peers():
    """Python's own loop, and uvloop; with protocols, and with streams."""
    found = []
    for name in ("asyncio", "uvloop"):
        command = [PYTHON, f"{SOURCES}/python.py", name]
        try_it = [[PYTHON, "-c", f"import {name}"]]
        found.append(Peer(name, RUNTIME, command, builds=try_it,
                          servers={"W8": (command + ["echo"], []),
                                   "W9": (command + ["http"], [])}))
        found.append(Peer(f"{name}_stream", RUNTIME, builds=try_it,
                          micro=False,
                          servers={"W8": (command + ["echo_stream"], [])}))
    return found


def node():
    """Node's own modules."""
    command = ["node", f"{SOURCES}/node.js"]
    return Peer("node", RUNTIME, micro=False, builds=[["node", "--version"]],
                servers={"W8": (command + ["echo"], []),
                         "W9": (command + ["http"], [])})


def ready_peers():
    """Programs that somebody has built elsewhere."""
    folder = os.environ.get("PEER_BIN", "")
    peers = []
    for name in READY:
        path = os.path.join(folder, name)
        found = folder and os.access(path, os.X_OK)
        peers.append(Peer(
            name, BARE if name in ("libaco", "minicoro", "minicorovm")
            else RUNTIME, [path], servers={"W8": ([path, "echo"], [])},
            missing=None if found else f"no program {name} in $PEER_BIN"))
    return peers


def all_peers():
    """Everybody, in the order of a round."""
    return (our_peers() + floor_peers() + library_peers() +
            [go(), tokio(), *python_peers(), node(), Nginx()] + ready_peers())
