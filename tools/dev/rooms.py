"""Checks that includes between rooms point down.

A room of src/ may include its own headers and those of rooms with smaller
numbers. Public headers include public headers and the system's; programs in
app/ and examples/ include those and what lies beside them.
"""

import pathlib
import re
import sys

ROOMS = ["base", "platform", "loop", "task", "sync", "io", "exec", "run",
         "adapters"]
QUOTED = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def quoted_includes(folder):
    """Every `#include "…"` below the folder: file, line number, what."""
    for path in sorted(pathlib.Path(folder).rglob("*.[chS]")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            found = QUOTED.match(line)
            if found:
                yield path, number, found[1]


def wrong_in_rooms():
    for level, room in enumerate(ROOMS):
        for path, number, what in quoted_includes(f"src/{room}"):
            target = what.split("/")[0]
            if target in ROOMS and ROOMS.index(target) <= level:
                continue
            if target not in ROOMS and (path.parent / what).exists():
                continue
            yield f"{path}:{number}: {room} may not include \"{what}\""


def wrong_in_headers():
    for path, number, what in quoted_includes("include"):
        yield f"{path}:{number}: a public header may not include \"{what}\""


def wrong_in_programs():
    for folder in ("app", "examples"):
        for path, number, what in quoted_includes(folder):
            if not (path.parent / what).exists():
                yield f"{path}:{number}: {folder} may not include \"{what}\""


def main():
    wrong = [*wrong_in_rooms(), *wrong_in_headers(), *wrong_in_programs()]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
