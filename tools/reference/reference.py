"""The reference, generated from the public headers.

    reference.py build FOLDER        manual pages and web pages
    reference.py check               every declaration says what it is for
    reference.py examples LIB... -- PROGRAM...
                                     every exported function is in a program

Called by ./dev docs, ./dev install and ./dev check, in the tree's root.
"""

import pathlib
import re
import subprocess
import sys

import headers
import man
import site_pages

ROOT = pathlib.Path(__file__).resolve().parents[2]


def version():
    text = (ROOT / "meson.build").read_text(encoding="utf-8")
    return re.search(r"version: '([^']+)'", text)[1]


def examples():
    """Each header's program: its lines, by the header's name."""
    folder = ROOT / "examples" / "reference"
    return {path.stem: path.read_text(encoding="utf-8").splitlines()
            for path in folder.glob("*.c")}


def build(folder):
    all_headers, programs = headers.read_all(ROOT), examples()
    man.write(folder / "man", version(), all_headers, programs)
    site_pages.write(folder / "html", version(), all_headers, programs)


def check():
    """Prints what has no comment, and headers without a title."""
    silent = []
    for header in headers.read_all(ROOT):
        if not header.title:
            silent.append(f"<{header.path}> does not say what it is")
        for entry in header.entries:
            if not entry.documented and not entry.only_options:
                silent.append(f"<{header.path}>: {' '.join(man.names(entry))}"
                              " has no comment")
    print("\n".join(silent))
    return 1 if silent else 0


def symbols(path, option):
    out = subprocess.run(["nm", "-D", option, path], check=True, text=True,
                         capture_output=True).stdout
    return {line.split()[-1] for line in out.splitlines()
            if line.split()[-1].startswith("asyncio_")}


def check_examples(arguments):
    """Prints the exported functions that no example program calls."""
    split = arguments.index("--")
    exported, used = set(), set()
    for library in arguments[:split]:
        exported |= symbols(library, "--defined-only")
    for program in arguments[split + 1:]:
        used |= symbols(program, "--undefined-only")
    ours = re.compile(r"asyncio__")
    missing = sorted(n for n in exported - used if not ours.match(n))
    for name in missing:
        print(f"no example uses {name}")
    return 1 if missing or not used else 0


def main():
    words = sys.argv[1:]
    if words[:1] == ["build"] and len(words) == 2:
        build(pathlib.Path(words[1]))
        return 0
    if words == ["check"]:
        return check()
    if words[:1] == ["examples"] and "--" in words:
        return check_examples(words[1:])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
