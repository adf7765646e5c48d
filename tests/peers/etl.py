#!/usr/bin/python3 -B
"""The ETL program, before the file server and on a database that Python reads:
etl.py ETL FILE_SERVER. Prints TAP."""

import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import kit
from kit import Server, check, environment

RANDOM = random.Random(9)


def make_measurements(rows):
    """CSV, and what is to be found in it."""
    found, lines = {}, []
    for _ in range(rows):
        name = f"Station {RANDOM.randrange(20)}"
        degrees = RANDOM.randrange(-400, 400) / 10
        found.setdefault(name, []).append(degrees)
        lines.append(f"{name},{degrees}\n")
    return "".join(lines), {
        name: (len(all_of), min(all_of), max(all_of),
               round(sum(all_of) / len(all_of), 6))
        for name, all_of in found.items()}


class Site:
    """Sources on the file server, a folder for the database, and the program."""

    def __init__(self, program, file_server):
        self.program, self.file_server = program, file_server

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name) / "site"
        self.root.mkdir()
        self.path = Path(self.folder.name) / "found.db"
        self.server = Server(self.file_server, self.root, 0)
        return self

    def __exit__(self, *what):
        with self.folder:
            self.server.__exit__(*what)

    def put(self, name, text):
        (self.root / name).write_text(text)
        return f"{self.server.url}/{name}"

    def start(self, *urls):
        return subprocess.Popen(
            [self.program, self.path, *urls], env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *urls, status=0):
        """What the program prints, a line for each source, in order."""
        process = self.start(*urls)
        out, errors = process.communicate(timeout=kit.LIMIT_S)
        check(process.returncode == status, process.returncode, errors)
        check((errors == "") == (status == 0), errors)
        return sorted(out.splitlines()), errors

    def select(self, sql, *values):
        with sqlite3.connect(self.path) as database:
            return database.execute(sql, values).fetchall()

    def stations(self, url):
        rows = self.select("SELECT name, rows, lowest, highest, mean FROM"
                           " station WHERE url = ?", url)
        return {name: (count, low, high, round(mean, 6))
                for name, count, low, high, mean in rows}


def test_what_is_in_the_files_is_in_the_database(*programs):
    with Site(*programs) as site:
        urls, wanted = [], []
        for n in range(30):
            text, found = make_measurements(n * 100)
            urls.append(site.put(f"{n}.csv", text))
            wanted.append(found)
        lines, _ = site.run(*urls)
        check(lines == sorted(
            f"{url}: {n * 100} rows, 0 bad, {len(wanted[n])} stations"
            for n, url in enumerate(urls)), lines)
        for url, found in zip(urls, wanted):
            check(site.stations(url) == found, url)
        check(site.select("SELECT count(*), sum(rows) FROM source")
              == [(30, sum(n * 100 for n in range(30)))])


def test_a_second_run_replaces_what_the_first_has_found(*programs):
    with Site(*programs) as site:
        for text, found in (make_measurements(50), make_measurements(10)):
            url = site.put("a.csv", text)
            site.run(url, url)
            check(site.stations(url) == found)
        check(site.select("SELECT rows, error FROM source") == [(10, None)])


def test_bad_rows_are_counted_and_left_out(*programs):
    with Site(*programs) as site:
        url = site.put("a.csv", "Oslo,-3.5\r\nOslo\n\n,7\nOslo,warm\nOslo,1e9\n"
                       "Oslo,nan\n" + "x" * 40 + ",7\nOslo,4x\nOslo,4.5")
        check(site.run(url)[0] == [f"{url}: 2 rows, 8 bad, 1 stations"])
        check(site.stations(url) == {"Oslo": (2, -3.5, 4.5, 0.5)})


def test_a_source_that_fails_has_a_row_and_stops_no_other(*programs):
    with Site(*programs) as site:
        good = site.put("good.csv", "Oslo,1\n")
        many = site.put("many.csv", "".join(f"S{n},1\n" for n in range(300)))
        port, holder = kit.bind_free()
        dead = f"http://127.0.0.1:{port}/x.csv"
        with holder:
            lines, errors = site.run(f"{good}.not", many, dead, good, status=1)
        check("some sources have failed" in errors, errors)
        check(f"{good}: 1 rows, 0 bad, 1 stations" in lines, lines)
        rows = dict(site.select("SELECT url, error FROM source"))
        check(rows[good] is None)
        check(rows[many] == "too many stations", rows)
        check("404" in rows[f"{good}.not"], rows)
        check("refused" in rows[dead], rows)
        check(site.stations(many) == {} and len(site.stations(good)) == 1)


def test_after_a_kill_the_same_command_is_given_again(*programs):
    with Site(*programs) as site:
        text, found = make_measurements(20_000)
        urls = [site.put(f"{n}.csv", text) for n in range(40)]
        killed = site.start(*urls)
        killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        for url, in site.select("SELECT url FROM source"):
            check(site.stations(url) == found, "half a source")
        site.run(*urls)
        for url in urls:
            check(site.stations(url) == found, url)


def test_nothing_is_left_beside_the_database(*programs):
    with Site(*programs) as site:
        site.run(site.put("a.csv", "Oslo,1\n"))
        process = site.start(site.put("big.csv", make_measurements(200_000)[0]))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=kit.LIMIT_S)
        check(not list(site.path.parent.glob(site.path.name + "-*")))


def test_a_database_that_is_none_is_said(*programs):
    with Site(*programs) as site:
        site.path.write_text("no database, but a text. " * 100)
        errors = site.run(site.put("a.csv", "Oslo,1\n"), status=1)[1]
        check("file is not a database" in errors, errors)


def test_a_database_that_cannot_be_had_is_said(*programs):
    with Site(*programs) as site:
        site.path = Path(site.folder.name) / "no/such/folder.db"
        errors = site.run(f"{site.server.url}/x", status=1)[1]
        check("No such file or directory" in errors, errors)


if __name__ == "__main__":
    sys.exit(kit.main(sys.modules[__name__], *sys.argv[1:3]))
