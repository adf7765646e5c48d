#!/usr/bin/python3 -B
"""Names against a name server that we did not write: dnsmasq, also one that is
stopped, slow, gone, moved, or behind somebody who lies. name_peers.py PEER:
that is our side of it. Prints TAP.
"""

import contextlib
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import kit
from kit import Other, check, need, wait_until

MANY = 300  # addresses: more than fit in a datagram of 512 bytes
TTL_S = 7
REVERSE = "{}.2.0.192.in-addr.arpa"
HOSTS = """\
192.0.2.1 host.test
2001:db8::1 host.test
192.0.2.2 four.test
2001:db8::6 six.test
""" + "".join(f"192.0.3.{i % 250} many.test\n192.0.{4 + i // 250}.{i % 250} "
              "many.test\n" for i in range(MANY // 2))


class NameServer(Other):
    """Dnsmasq, with names of its own below .test, and nobody to ask."""

    def __init__(self, folder, *words, address="127.0.0.1", hosts=HOSTS):
        self.address = address
        self.hosts = Path(folder, f"names-{address}")
        self.hosts.write_text(hosts)
        self.log = Path(folder, f"log-{address}")
        user = pwd.getpwuid(os.getuid()).pw_name
        super().__init__([
            need("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null",
            "--no-resolv", "--no-hosts", "--bind-interfaces", "--pid-file=",
            f"--listen-address={address}", "--port={port}", f"--user={user}",
            f"--addn-hosts={self.hosts}", "--local=/test/",
            "--local=/in-addr.arpa/", f"--local-ttl={TTL_S}", "--log-queries",
            f"--log-facility={self.log}", "--cname=other.test,host.test",
            "--address=/load.test/192.0.2.9", *words])

    def __enter__(self):
        for _ in range(10):
            super().__enter__()
            wait_until(lambda: self.has_ended() or self.reads() > 0, "names")
            if not self.has_ended():
                return self
            super().__exit__()  # somebody else was faster to take the port
        raise AssertionError("dnsmasq does not start")

    def has_ended(self):
        return self.process.poll() is not None

    def lines(self, part):
        if not self.log.exists():
            return []
        return [line for line in self.log.read_text().splitlines()
                if part in line]

    def reads(self):
        """How often it has read its names."""
        return len(self.lines(f"read {self.hosts}"))

    def questions(self, name, kind="A"):
        return len(self.lines(f"query[{kind}] {name} "))

    def change_hosts(self, text):
        self.hosts.write_text(text)
        before = self.reads()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.reads() > before, "new names")

    @contextlib.contextmanager
    def stopped(self):
        """It does nothing meanwhile; what comes waits in its socket."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)
        yield
        os.kill(self.process.pid, signal.SIGCONT)

    def waiting_bytes(self):
        """Those of questions that it has not read."""
        ours = "".join(f"{int(part):02X}"
                       for part in reversed(self.address.split(".")))
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            words = line.split()
            if words[1] == f"{ours}:{self.port:04X}":
                return int(words[4].split(":")[1], 16)
        return 0

    def wait_asked(self):
        wait_until(lambda: self.waiting_bytes() > 0, "a question")


class Names:
    """Our side: it does what a line says, and answers by a line."""

    def __init__(self, peer, *words, tries=1):
        self.process = subprocess.Popen(
            [peer, "names", "try=5", f"tries={tries}", *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=kit.environment())

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
        out, errors = self.process.communicate(timeout=kit.LIMIT_S)
        if kind:
            print("#", out, errors)
            return
        check(self.process.returncode == 0, self.process.returncode, errors)
        check(errors == "", errors)

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        check(line.endswith("\n"), "it ended", words)
        return line.strip()

    def look(self, name):
        """Its addresses; or a code, as the only one."""
        return set(self.say("look", name).split())


@contextlib.contextmanager
def both(peer, *words, of_ours=(), **options):
    """A name server, and who asks it."""
    with tempfile.TemporaryDirectory() as folder:
        with NameServer(folder, *words, **options) as server:
            where = f"servers=127.0.0.1:{server.port}"
            with Names(peer, where, *of_ours) as names:
                yield server, names


def expect(found, *wanted):
    check(found == set(wanted), found, wanted)


# --- What it says -----------------------------------------------------------


def test_dnsmasq_is_asked_for_both_families(peer):
    with both(peer) as (_, names):
        expect(names.look("host.test"), "192.0.2.1", "2001:db8::1")
        expect(names.look("HOST.Test."), "192.0.2.1", "2001:db8::1")
        expect(names.look("four.test"), "192.0.2.2")
        expect(names.look("six.test"), "2001:db8::6")
        expect(names.look("other.test"), "192.0.2.1", "2001:db8::1")
        expect(names.look("none.test"), "ENOENT")


def test_dnsmasq_knows_the_names_of_addresses(peer):
    with both(peer) as (_, names):
        check(names.say("name", "192.0.2.1") == "host.test")
        check(names.say("name", "2001:db8::6") == "six.test")
        check(names.say("name", "192.0.2.99") == "192.0.2.99")


def test_answers_hold_as_long_as_dnsmasq_says(peer):
    with both(peer) as (server, names):
        for asked in (1, 2):
            for _ in range(3):
                expect(names.look("four.test"), "192.0.2.2")
                check(names.say("name", "192.0.2.2") == "four.test")
            names.say("later", TTL_S - 1)
            expect(names.look("four.test"), "192.0.2.2")
            check(names.say("name", "192.0.2.2") == "four.test")
            check(server.questions("four.test") == asked)
            check(server.questions(REVERSE.format(2), "PTR") == asked)
            names.say("later", 1)


def test_what_dnsmasq_does_not_know_is_not_asked_again_at_once(peer):
    with both(peer) as (server, names):
        for asked in (1, 2):
            for _ in range(3):
                expect(names.look("none.test"), "ENOENT")
                check(names.say("name", "192.0.2.99") == "192.0.2.99")
            check(server.questions("none.test") == asked)
            check(server.questions(REVERSE.format(99), "PTR") == asked)
            names.say("later", 5)


def test_dnsmasq_cuts_short_and_is_asked_by_tcp(peer):
    with both(peer) as (server, names):
        found = names.look("many.test")
        check(len(found) == MANY, len(found))
        check(server.questions("many.test") == 2)
        check(names.look("many.test") == found)
        check(server.questions("many.test") == 2)


def test_dnsmasq_is_asked_a_thousand_things_at_once(peer):
    with both(peer, of_ours=["try=1", "tries=4"]) as (_, names):
        found = names.say("many", 1000)
        check(found == "1000", found)


# --- When it does not -------------------------------------------------------


def test_a_stopped_dnsmasq_is_given_up(peer):
    with both(peer, of_ours=["try=0.05"]) as (server, names):
        with server.stopped():
            expect(names.look("four.test"), "ETIMEDOUT")
        expect(names.look("four.test"), "192.0.2.2")  # that was not kept


def test_who_waits_for_a_stopped_dnsmasq_may_leave(peer):
    with both(peer) as (server, names):
        with server.stopped():
            names.say("start", "four.test")
            server.wait_asked()
            check(names.say("cancel") == "ECANCELED")
        expect(names.look("four.test"), "192.0.2.2")


def test_a_slow_dnsmasq_is_waited_for(peer):
    with both(peer) as (server, names):
        with server.stopped():
            names.say("start", "four.test")
            server.wait_asked()
        check(names.say("end") == "192.0.2.2")


def test_the_next_server_is_asked_when_one_is_stopped(peer):
    with tempfile.TemporaryDirectory() as folder, \
            NameServer(folder) as first, \
            NameServer(folder, address="127.0.0.2",
                       hosts="192.0.2.22 four.test\n") as second:
        where = f"servers=127.0.0.1:{first.port},127.0.0.2:{second.port}"
        with Names(peer, where, "try=0.05") as names:
            with first.stopped():
                expect(names.look("four.test"), "192.0.2.22")
            names.say("later", 3600)
            expect(names.look("host.test"), "192.0.2.1", "2001:db8::1")


def test_a_dnsmasq_that_comes_back_is_asked_again(peer):
    with both(peer, of_ours=["try=0.2"]) as (server, names):
        expect(names.look("four.test"), "192.0.2.2")
        names.say("later", TTL_S)
        server.process.kill()
        server.process.wait()
        check(names.look("four.test") < {"EAGAIN", "ETIMEDOUT"})
        port = server.port
        with tempfile.TemporaryDirectory() as folder:
            again = NameServer(folder)
            again.command = [word.replace("{port}", str(port))
                             for word in again.command]
            with again:
                expect(names.look("four.test"), "192.0.2.2")


# --- When somebody lies -----------------------------------------------------


class Liar:
    """Hands questions on to a name server, and its answers back, and more."""

    def __init__(self, server, lie, truth=True):
        self.server, self.lie, self.truth = server, lie, truth
        self.lies = 0
        self.front, self.back, self.other = [
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        self.front.bind(("127.0.0.1", 0))
        self.back.connect(("127.0.0.1", server.port))
        self.port = self.front.getsockname()[1]
        self.end, self.ended = os.pipe()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while True:
            ready = select.select([self.front, self.end], [], [])[0]
            if self.end in ready:
                return
            question, client = self.front.recvfrom(512)
            self.back.send(question)
            answer = self.back.recv(4096)
            # 192.0.2.x becomes 192.0.99.x.
            false = answer.replace(b"\xc0\x00\x02", b"\xc0\x00\x63")
            self.lies += self.lie(self, question, false, client)
            if self.truth:
                self.front.sendto(answer, client)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        os.write(self.ended, b".")
        self.thread.join()
        for one in (self.front, self.back, self.other):
            one.close()
        os.close(self.end)
        os.close(self.ended)


def wrong_numbers(liar, _, answer, client):
    for change in (1, 2, 0x80, 0xff):
        number = bytes((answer[0] ^ change, answer[1]))
        liar.front.sendto(number + answer[2:], client)
    return 1


def wrong_question(liar, _, answer, client):
    """For a name that differs in one letter."""
    false = bytearray(answer)
    false[13] ^= 1
    liar.front.sendto(bytes(false), client)
    return 1


def wrong_sender(liar, _, answer, client):
    liar.other.sendto(answer, client)
    return 1


def nonsense(liar, question, answer, client):
    """What is too short, too long, or points nowhere, with the right number."""
    for end in (0, 1, 2, 11, len(question) - 1):
        liar.front.sendto(answer[:end], client)
    return 1


LIES = (wrong_numbers, wrong_question, wrong_sender, nonsense)


def test_lies_beside_dnsmasq_are_not_believed(peer):
    with tempfile.TemporaryDirectory() as folder, \
            NameServer(folder) as server:
        for lie in LIES:
            with Liar(server, lie) as liar, \
                    Names(peer, f"servers=127.0.0.1:{liar.port}",
                          tries=4) as names:
                expect(names.look("four.test"), "192.0.2.2")
                check(names.say("name", "192.0.2.2") == "four.test", lie)
                check(liar.lies >= 2, lie)


def test_who_only_lies_has_not_answered(peer):
    with tempfile.TemporaryDirectory() as folder, \
            NameServer(folder) as server:
        for lie in LIES[:3]:
            with Liar(server, lie, truth=False) as liar, \
                    Names(peer, f"servers=127.0.0.1:{liar.port}",
                          "try=0.05") as names:
                expect(names.look("four.test"), "ETIMEDOUT")
                check(liar.lies >= 1, lie)


# --- When something changes -------------------------------------------------


def test_dnsmasq_may_change_its_mind(peer):
    with both(peer) as (server, names):
        expect(names.look("four.test"), "192.0.2.2")
        server.change_hosts("192.0.2.3 four.test\n")
        expect(names.look("four.test"), "192.0.2.2")
        names.say("later", TTL_S)
        expect(names.look("four.test"), "192.0.2.3")


def test_our_hosts_file_goes_before_dnsmasq(peer):
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder, "ours")
        ours.write_text("")
        with both(peer, of_ours=[f"hosts={ours}"]) as (server, names):
            expect(names.look("four.test"), "192.0.2.2")
            ours.write_text("192.0.2.44 four.test\n")
            names.say("later", 1)
            expect(names.look("four.test"), "192.0.2.44")
            check(names.say("name", "192.0.2.44") == "four.test")
            ours.unlink()
            names.say("later", 1)
            expect(names.look("four.test"), "192.0.2.2")
            check(server.questions("four.test") == 2)


def test_who_serves_names_is_read_again(peer):
    with tempfile.TemporaryDirectory() as folder, \
            NameServer(folder) as first:
        second = NameServer(folder, address="127.0.0.2",
                            hosts="192.0.2.22 four.test\n")
        second.command = [word.replace("{port}", str(first.port))
                          for word in second.command]
        conf = Path(folder, "resolv.conf")
        conf.write_text("nameserver 127.0.0.1\n")
        with second, Names(peer, f"resolv={conf}",
                           f"port={first.port}") as names:
            expect(names.look("four.test"), "192.0.2.2")
            conf.write_text("# it has moved\nnameserver 127.0.0.2\n")
            expect(names.look("four.test"), "192.0.2.2")
            names.say("later", 1)
            expect(names.look("four.test"), "192.0.2.22")
            conf.write_text("nameserver 127.0.0.2\nsearch none.test test\n")
            names.say("later", 1)
            expect(names.look("four"), "192.0.2.22")


if __name__ == "__main__":
    sys.exit(kit.main(sys.modules[__name__], sys.argv[1]))
