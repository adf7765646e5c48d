"""What the tests of a picture program have at hand: the program, a server, good
pictures with their edges, and a look around after each run.

What is in the folders then must be whole and right, and nothing else may be
there.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import surroundings
import tap
import web
from job import Job, check

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "edge"))
from make_pictures import noise, photograph  # noqa: E402

FAR = 50  # seconds: a limit that no test waits for
THREADS = min(32, len(os.sched_getaffinity(0)) + 4)  # of the default pool
TESTS = []


def test(*versions):
    """Marks a test, of all versions or of those named."""

    def mark(function):
        TESTS.append((versions, function))
        return function

    return mark


class Kit:
    """What each test has at hand."""

    def __init__(self, program, reference):
        self.program, self.version = program, os.path.basename(program)
        self.root = Path(tempfile.mkdtemp(prefix="pictures-"))
        self.web = web.Web()
        self.pictures = self.make_pictures(reference)
        self.out = self.root / "out"
        self.addresses = []

    def make_pictures(self, reference):
        """Originals and their edges, by bytes."""
        images = (photograph((320, 200)), noise("RGB", (301, 203), 1),
                  noise("L", (77, 99), 1))
        source, target = self.root / "from.jpg", self.root / "to.jpg"
        edges = {}
        for image in images:
            image.save(source)
            subprocess.run([reference, source, target], check=True)
            edges[source.read_bytes()] = target.read_bytes()
        return edges

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def clear(self):
        shutil.rmtree(self.out, ignore_errors=True)
        self.web.reset()
        self.addresses = []

    def good(self, number=0):
        return list(self.pictures)[number % len(self.pictures)]

    def serve(self, *pages):
        """Makes a list of these: pages of our server, or whole addresses."""
        for page in pages:
            number = len(self.addresses) + 1
            if callable(page):
                path = f"/{number}.jpg"
                self.web.pages[path] = page
                page = self.web.url + path
            self.addresses.append(page)
        (self.root / "list.txt").write_text("\n".join(self.addresses) + "\n")

    def serve_good(self, count):
        self.serve(*(web.picture(self.good(i)) for i in range(count)))

    def original(self, number):
        return self.out / "original_images" / f"img_{number}.jpg"

    def processed(self, number):
        return self.out / "processed_images" / f"img_{number}.jpg"

    def command(self, *options):
        return [self.program, self.root / "list.txt", "--out", self.out,
                *options]

    def run(self, *options):
        """Runs the program on the list, to its end, and looks around."""
        with Job(self.command(*options)) as job:
            job.finish()
        self.check_folders()
        return job

    def check_folders(self):
        """No file is there that is not whole and right."""
        for path in self.out.rglob("*"):
            if path.is_dir():
                continue
            check(path.name.startswith("img_"), "left behind", path)
            if path.parent.name == "original_images":
                check(path.read_bytes() in self.web.bodies, "not whole", path)
            else:
                expected = self.pictures[self.source_of(path).read_bytes()]
                check(path.read_bytes() == expected, "not the edges", path)

    def source_of(self, processed):
        return self.out / "original_images" / processed.name

    def numbers(self, folder):
        """Which pictures are in a folder."""
        return {int(path.stem[4:]) for path in (self.out / folder).iterdir()}


class Disk:
    """A disk of 8 KiB in the place of one of the two folders."""

    def __init__(self, kit, folder, read_only=False):
        if not surroundings.own_disks:
            raise tap.Skip("no disk of our own can be mounted")
        self.folder, self.read_only = kit.out / folder, read_only
        self.folder.mkdir(parents=True)

    def __enter__(self):
        surroundings.mount_disk(self.folder, 8, self.read_only)

    def __exit__(self, *_):
        surroundings.unmount(self.folder)


@contextlib.contextmanager
def unwritable(kit, folder):
    """A folder in which nobody may make a file, not even root."""
    if surroundings.own_disks:
        with Disk(kit, folder, read_only=True):
            yield
    else:
        kit.out.mkdir()
        (kit.out / folder).symlink_to("/proc")
        yield
        (kit.out / folder).unlink()
