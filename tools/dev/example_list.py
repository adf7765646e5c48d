"""Checks that the lists of examples name the programs that there are.

The numbered programs of examples/, in the order of their numbers, and the
folders there, are what README.md, docs/guide/examples.md and
examples/meson.build list. No page of the project names one that is not there,
and each numbered one begins with its lesson and says what it prints.
"""

import pathlib
import re
import sys

EXAMPLES = pathlib.Path("examples")
LISTS = ["README.md", "docs/guide/examples.md", "examples/meson.build"]
# A numbered program, wherever it is named: `03_name`, 03_name.c, 03/03_name.c.
NUMBERED = re.compile(r"\b(\d\d_[a-z][a-z0-9_]*)\b")
PATH = re.compile(r"\bexamples/([a-z0-9_]+(?:/[a-z0-9_]+)?(?:\.[a-z]+)?)")


def read(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def in_order(names):
    """The names, each where it comes first."""
    return list(dict.fromkeys(names))


def numbered():
    return sorted(path.stem for path in EXAMPLES.glob("[0-9][0-9]_*.c*"))


def folders():
    return sorted(path.name for path in EXAMPLES.iterdir()
                  if path.is_dir() and path.name != "reference")


def wrong_in_numbers():
    for number, name in enumerate(numbered(), start=1):
        if int(name[:2]) != number:
            yield f"examples/{name}: its number should be {number:02}"


def wrong_in_lists():
    for path in LISTS:
        text = read(path)
        listed = in_order(NUMBERED.findall(text))
        for name in numbered():
            if name not in listed:
                yield f"{path}: does not name {name}"
        for name in listed:
            if name not in numbered():
                yield f"{path}: there is no example {name}"
        if sorted(listed) == numbered() and listed != numbered():
            yield f"{path}: names them in another order than they have"
        for name in folders():
            if not re.search(rf"\b{name}\b", text):
                yield f"{path}: does not name {name}"


def wrong_in_references():
    pages = [*pathlib.Path("docs").rglob("*.md"), *pathlib.Path().glob("*.md")]
    for page in sorted(pages):
        for name in in_order(PATH.findall(read(page))):
            found = [*EXAMPLES.glob(name), *EXAMPLES.glob(name + ".c*")]
            if not found:
                yield f"{page}: there is no examples/{name}"


def wrong_in_headers():
    for path in sorted(EXAMPLES.glob("[0-9][0-9]_*.c*")):
        top = re.match(r"(//.*\n)+", read(path))
        lines = top[0].splitlines() if top else []
        if not lines or not lines[0][3:4].isupper():
            yield f"{path}: does not begin with what it teaches"
        if not any(f"{path.name}" in line for line in lines):
            yield f"{path}: does not say at its top how it is built"
        if not any(line.startswith("// expect: ") for line in lines):
            yield f"{path}: does not say at its top what it prints"


def main():
    wrong = [*wrong_in_numbers(), *wrong_in_lists(), *wrong_in_references(),
             *wrong_in_headers()]
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
