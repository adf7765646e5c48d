"""Checks the guide against the tree that it is about.

    guide.py check          what each page quotes, names and links to is there
    guide.py names FILE     names in the code marks of a text that the table
                            from Python to C lacks

A block of C stands, line for line, in the file that the comment above it names,
which the tests compile and run; a block marked `output` is what that program
promises to print. Each name of the library is one of its headers'. Each link
leads somewhere. Each name of asyncio in names.txt has its row in the table, and
each row an example or a reason. Called by ./dev check in the tree's root.
"""

import itertools
import pathlib
import re
import sys

import markdown

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide"
TABLE = GUIDE / "from-python.md"
NAMES = ROOT / "tools" / "site" / "names.txt"

# Programs that the tests build; those of examples/ they run as well.
PROGRAMS = re.compile(r"(examples|app)/[\w/]+\.(c|cpp|h)")
QUOTED_WHOLE = ("pitfalls", "recipes", "exercises")  # folders of examples/
OURS = re.compile(r"\b(?:asyncio_|ASYNCIO_)\w+\b(?:\.\.\.)?")
OPTION = re.compile(r"`\.([a-z_]+)(?: =[^`]*)?`")
WITHOUT_FILE = ("sh", "text", "json")  # commands, drawings, data


def read(path):
    return path.read_text(encoding="utf-8")


def pages():
    """Every page of the project, those of the guide among them."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [markdown.Page(path, read(path)) for path in sorted(found)]


def in_guide(page):
    return GUIDE in page.path.parents


def where(page, line):
    return f"{page.path.relative_to(ROOT)}:{line}"


def contains(lines, part):
    return any(lines[at:at + len(part)] == part
               for at in range(len(lines) - len(part) + 1))


def wrong_in_blocks(page):
    for block in page.blocks:
        here = where(page, block.line)
        if block.language in WITHOUT_FILE:
            continue
        if block.language not in ("c", "cpp", "output"):
            yield f"{here}: a block of '{block.language}' is in no program"
        elif not PROGRAMS.fullmatch(block.path):
            yield f"{here}: the line above does not name its program"
        elif not (ROOT / block.path).is_file():
            yield f"{here}: there is no {block.path}"
        else:
            lines = read(ROOT / block.path).splitlines()
            if block.language == "output":
                lines = [line[11:] for line in lines
                         if line.startswith("// expect: ")]
            if not contains(lines, block.lines):
                yield f"{here}: is not what is in {block.path}"


def wrong_in_links(page, anchors):
    for line, target in page.links():
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.path.parent / path).resolve() if path else page.path
        if not file.exists():
            yield f"{where(page, line)}: there is no {target}"
        elif anchor and anchor not in anchors.get(file, [anchor]):
            yield f"{where(page, line)}: no heading is called #{anchor}"


def library_words():
    words = set()
    places = (ROOT / "include").rglob("*.h"), (ROOT / "src").rglob("*.c")
    for path in itertools.chain(*places):
        words |= set(re.findall(r"\b(?:asyncio_|ASYNCIO_)\w+", read(path)))
    return words


def options():
    """The fields of the library's structs, of which keywords are some."""
    text = "".join(read(path) for path in (ROOT / "include").rglob("*.h"))
    return set(re.findall(r"(\w+)\)?(?:\(.*?\))?\s+ASYNCIO__UNSET", text))


def wrong_in_words(page, words, keywords):
    for line, text in page.prose:
        for name in OPTION.findall(text):
            if name not in keywords:
                yield f"{where(page, line)}: no option is called .{name}"
        for name in OURS.findall(text):
            stem = name.removesuffix("...")
            known = (any(word.startswith(stem) for word in words)
                     if stem != name or stem.endswith("_") else stem in words)
            if not known:
                yield f"{where(page, line)}: the library has no {name}"


def likenesses():
    """What functions are like, as the headers say: names of Python."""
    found = set()
    for path in (ROOT / "include").rglob("*.h"):
        for line in re.findall(r"^// like +(.*)", read(path), re.M):
            found |= set(re.findall(r"\b\w+\.\w+", line))
    return found


def names():
    return [line for line in read(NAMES).splitlines()
            if line and not line.startswith("#")]


def table():
    """Yields (line, names, cells) of each row of the table."""
    page = markdown.Page(TABLE, read(TABLE))
    for line, cells in page.rows():
        if cells[0] != "Python":
            yield where(page, line), markdown.CODE.findall(cells[0]), cells


def wrong_in_table():
    listed, like = set(), likenesses()
    for here, row_names, cells in table():
        if len(cells) != 3 or not row_names:
            yield f"{here}: a row has a name of Python, C, and an example"
            continue
        for name in row_names:
            if name in listed:
                yield f"{here}: {name} stands in the table twice"
            listed.add(name)
            if name in like and cells[1].startswith("none"):
                yield f"{here}: a header says what is like {name}"
        if not cells[1].startswith("none: ") and "](" not in cells[2]:
            yield f"{here}: has neither an example nor a reason for none"
    for name in names():
        if name not in listed:
            yield f"{TABLE.relative_to(ROOT)}: has no row for {name}"


def wrong_in_folders():
    """Programs that are there for the guide, and that no page leads to."""
    text = "".join(read(path) for path in GUIDE.glob("*.md"))
    for folder in QUOTED_WHOLE:
        for path in sorted((ROOT / "examples" / folder).glob("*.c")):
            if f"examples/{folder}/{path.name}" not in text:
                yield f"no page of the guide leads to {path.relative_to(ROOT)}"


def check():
    all_pages, words, keywords = pages(), library_words(), options()
    anchors = {page.path: page.anchors() for page in all_pages}
    wrong = [*wrong_in_table(), *wrong_in_folders()]
    for page in all_pages:
        wrong += wrong_in_links(page, anchors)
        if in_guide(page):
            wrong += wrong_in_blocks(page)
            wrong += wrong_in_words(page, words, keywords)
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


def missing_names(path):
    """What stands in code marks, and in fenced code after `asyncio.`."""
    text = read(pathlib.Path(path))
    marked = set(re.findall(r"`([^`\n]+)`", text))
    marked |= set(re.findall(r"\basyncio\.\w+", text))
    listed = {name for _, row_names, _ in table() for name in row_names}
    known = {re.sub(r"\(.*\)$", "", name) for name in listed}
    missing = sorted(name for name in marked
                     if re.sub(r"\(.*\)$", "", name) not in known)
    print("\n".join(missing), end="\n" if missing else "")
    return 1 if missing else 0


def main():
    if sys.argv[1:] == ["check"]:
        return check()
    if sys.argv[1:2] == ["names"] and len(sys.argv) == 3:
        return missing_names(sys.argv[2])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
