"""Reads the public headers: what they declare, and what they say about it.

The headers have one form (a comment on top that says what the thing is, then
declarations, each under a comment of whole sentences followed by fields such as
`returns` or `suspends`), so a reader of lines is enough. What begins with two
underscores is ours and left out; where C and C++ differ, C is read.
"""

import dataclasses
import pathlib
import re

FIELDS = ("returns", "suspends", "cancel", "owns", "thread", "like", "unlike")
FIELD = re.compile(r"^(%s)  +(?=\S)" % "|".join(FIELDS))
SECTION = re.compile(r"^// --- (.*?) -*$")
OURS = re.compile(r"^(ASYNCIO__|asyncio__)")
NAME_IN_FUNCTION = re.compile(r"\(?\b(asyncio_\w+)\b\)?\s*\((?!\*)")
MARKS = re.compile(r"\b(ASYNCIO_API|ASYNCIO_SUSPENDS|ASYNCIO__UNSET)\b *")
ATTRIBUTE = re.compile(r"\s*__attribute__\(\(.*\)\)", re.S)


@dataclasses.dataclass
class Text:
    """A comment: paragraphs and code as they stand, and the named fields."""

    lines: list = dataclasses.field(default_factory=list)
    fields: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, comment):
        text, name = cls(), None
        for line in comment:
            field = FIELD.match(line)
            if field:
                name = field[1]
                text.fields.setdefault(name, []).append(line[field.end():])
            elif name and line.startswith("    "):
                text.fields[name].append(line)
            elif name and line == "":
                name = None
            else:
                name = None
                text.lines.append(line)
        while text.lines and text.lines[-1] == "":
            text.lines.pop()
        return text

    def blocks(self):
        """Yields ("text", sentence...) and ("code", lines) in order."""
        return blocks(self.lines)

    def summary(self, ends=".:;"):
        """The first sentence, without what ends it."""
        for kind, content in self.blocks():
            if kind == "text":
                return re.split(rf"(?<=[\w)`\]])[{ends}](?:\s|$)", content)[0]
        return ""


def blocks(lines):
    """Splits a comment into paragraphs and indented code."""
    kind, content = None, []
    for line in [*lines, ""]:
        now = "code" if line.startswith("    ") else "text" if line else None
        if now == kind or (line == "" and kind == "code"):
            content.append(line)
            continue
        yield from finished(kind, content)
        kind, content = now, [line]
    yield from finished(kind, content)


def finished(kind, content):
    while content and content[-1] == "":
        content.pop()
    if kind == "code":
        yield kind, [line[4:] for line in content]
    elif kind == "text":
        yield kind, " ".join(line.strip() for line in content)


@dataclasses.dataclass
class Declaration:
    kind: str  # "function", "macro", "struct", "enum", "type"
    name: str
    code: str
    exported: bool = False
    call: str = ""  # how it is written with keywords


@dataclasses.dataclass
class Entry:
    """Declarations that share a comment."""

    text: Text
    declarations: list
    section: str = ""

    @property
    def name(self):
        return self.declarations[0].name

    @property
    def only_options(self):
        """Shown with the functions that take them."""
        return all(d.name.endswith("_options") for d in self.declarations)

    @property
    def documented(self):
        return bool(self.text.lines)


@dataclasses.dataclass
class Header:
    path: str  # asyncio/task.h
    text: Text
    entries: list

    @property
    def stem(self):
        return pathlib.PurePath(self.path).stem

    @property
    def title(self):
        return self.text.summary(".")

    def structs(self):
        return {d.name: d for e in self.entries for d in e.declarations
                if d.kind == "struct"}


def for_c(lines):
    """Drops what only C++ sees, the conditions themselves and a blank line
    after one, so that a comment above reaches what is below."""
    kept, stack, dropped = [], [], False
    for line in lines:
        words = line.split()
        directive = words[0] if words else ""
        after, dropped = dropped, False
        if line.startswith("// clang-format"):
            dropped = after
        elif directive in ("#if", "#ifdef", "#ifndef"):
            dropped = True
            cpp = words[1:2] == ["__cplusplus"]
            stack.append((cpp, directive == "#ifndef" if cpp else True))
        elif directive == "#else" and stack:
            cpp, seen = stack.pop()
            stack.append((cpp, not seen if cpp else True))
        elif directive == "#endif" and stack:
            stack.pop()
        elif not line and after:
            dropped = True
        elif all(seen for _, seen in stack):
            kept.append(line)
    return kept


def chunks(lines):
    """Yields comments, declarations and blank lines as lists of lines."""
    at = 0
    while at < len(lines):
        line, start = lines[at], at
        if line.startswith("//"):
            while at < len(lines) and lines[at].startswith("//"):
                at += 1
            yield "comment", lines[start:at]
        elif line.startswith("#"):
            while lines[at].endswith("\\"):
                at += 1
            at += 1
            yield "directive", lines[start:at]
        elif not line.strip():
            at += 1
            yield "blank", [line]
        else:
            at = end_of_declaration(lines, at)
            yield "declaration", lines[start:at]


def end_of_declaration(lines, at):
    depth = 0
    while at < len(lines):
        code = lines[at].split("//")[0]
        depth += code.count("{") - code.count("}")
        at += 1
        ended = code.rstrip().endswith((";", "}"))
        if depth == 0 and (ended or not code.strip() or
                           code.startswith("ASYNCIO__")):
            break
    return at


def declaration_of(kind, lines):
    """What a chunk declares for users, or None."""
    code = "\n".join(lines)
    if kind == "directive":
        name = re.match(r"#define (\w+)", code)
        if not name or OURS.match(name[1]):
            return None
        return Declaration("macro", name[1], macro_form(code))
    if re.match(r"(struct|enum) asyncio__", code):
        return None
    shape = re.match(r"(struct|enum) (asyncio_\w+)( ASYNCIO_API)?\s*\{", code)
    if shape:
        return Declaration(shape[1], shape[2], struct_form(code))
    opaque = re.match(r"(struct|enum) (asyncio_\w+);", code)
    if opaque:
        return Declaration(opaque[1], opaque[2], code.split("//")[0].strip())
    if code.startswith("typedef"):
        name = NAME_IN_FUNCTION.search(code)
        return Declaration("type", name[1], code) if name else None
    name = NAME_IN_FUNCTION.search(MARKS.sub("", ATTRIBUTE.sub("", code)))
    if not name or OURS.match(name[1]) or "ASYNCIO_API" not in code:
        return None
    return Declaration("function", name[1], function_form(code, name[1]),
                       exported="ASYNCIO_API" in code)


def macro_form(code):
    """`#define f(a, b)` as a call; a constant with its value."""
    call = re.match(r"#define (\w+\([^)]*\))", code)
    if call:
        return call[1]
    flat = re.sub(r"\s*\\\n\s*", " ", code)
    return flat if len(flat) < 78 else flat.split()[1]


def struct_form(code):
    code = MARKS.sub("", code)
    lines = [line.rstrip().replace(" ;", ";") for line in code.splitlines()]
    kept = []
    for line in lines:
        field = line.split("//")[0]
        if "ASYNCIO__OPTIONS_HEAD" in line or re.search(r"\w_(\[\w+\])?;", field):
            continue
        kept.append(line)
    return "\n".join(kept)


def function_form(code, name):
    code = re.sub(r"\s+", " ", MARKS.sub("", ATTRIBUTE.sub("", code)))
    code = re.sub(r" ?\(\s*%s\s*\)" % name, " " + name, code)
    return code.replace("( ", "(").replace("* asyncio", "*asyncio").strip()


def call_form(lines):
    """From a helper macro: the function, and its call with keywords."""
    flat = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    helper = re.match(r"#define ASYNCIO__\w+\((.*?)(?:, )?\.\.\.\)", flat)
    name = re.search(r"\((asyncio_\w+)\)\(", flat)
    if not helper or not name or "ASYNCIO__OPTIONS(" not in flat:
        return None
    return name[1], f"{name[1]}({helper[1]}, .keyword = value, ...)"


def read(path, include):
    """Reads one header."""
    lines = path.read_text(encoding="utf-8").splitlines()
    top = []
    while lines and lines[0].startswith("//"):
        top.append(lines.pop(0)[3:])
    header = Header(str(path.relative_to(include)), Text.of(top), [])
    comment, section, entry = [], "", None
    for kind, chunk in chunks(for_c(lines)):
        title = SECTION.match(chunk[0]) if kind == "comment" else None
        if title:
            section, comment, entry = title[1], [], None
        elif kind == "comment":
            comment, entry = [line[3:] for line in chunk], None
        elif kind == "blank":
            comment, entry = [], None
        else:
            call = call_form(chunk) if kind == "directive" else None
            if call:
                set_call(header, *call)
            declaration = declaration_of(kind, chunk)
            if declaration:
                entry = add(header, entry, declaration, comment, section)
                comment = []
    header.entries = settled(header.entries)
    return header


def add(header, entry, declaration, comment, section):
    """Adds a declaration, beside those under the same comment."""
    same = known(header, declaration)
    if same:
        return same  # the keyword form of a function
    if comment or entry is None:
        entry = Entry(Text.of(comment), [], section)
        header.entries.append(entry)
    entry.declarations.append(declaration)
    return entry


def set_call(header, name, form):
    for entry in header.entries:
        for declaration in entry.declarations:
            if declaration.name == name and declaration.kind == "function":
                declaration.call = form


def known(header, declaration):
    """The entry of a function whose keyword form this macro is."""
    for entry in header.entries:
        for other in entry.declarations:
            if (other.name == declaration.name and declaration.kind == "macro"
                    and other.kind == "function"):
                return entry
    return None


def settled(entries):
    """Puts what has no comment of its own where it is spoken of."""
    kept, waiting = [], []
    for entry in entries:
        if entry.documented:
            entry.declarations = waiting + entry.declarations
            waiting = []
            kept.append(entry)
            continue
        home = home_of(entry, kept)
        if entry.declarations[0].code.endswith(";") and \
                "\n" not in entry.declarations[0].code and \
                entry.declarations[0].kind in ("struct", "enum"):
            continue  # a name only
        if home:
            home.declarations += entry.declarations
        elif all(d.kind == "type" for d in entry.declarations):
            waiting = entry.declarations
        else:
            kept.append(entry)
    return kept


def home_of(entry, entries):
    name = entry.name
    if entry.declarations[0].kind != "macro":
        return None
    for other in entries:
        names = [d.name for d in other.declarations]
        if name + "_task" in names or name.lower() in names:
            return other
    for other in entries:
        if name + "(" in " ".join(other.text.lines):
            return other
    return None


def read_all(root):
    """All public headers but the one that only includes the others."""
    include = pathlib.Path(root) / "include"
    return [read(path, include)
            for path in sorted((include / "asyncio").glob("*.h"))]


def keywords(entry, headers):
    """The option structs that the entry's functions take, in order."""
    found = []
    structs = {}
    for header in headers:
        structs.update(header.structs())
    for declaration in entry.declarations:
        for name in re.findall(r"const struct (asyncio_\w+_options) \*",
                               declaration.code):
            if name in structs and structs[name] not in found:
                found.append(structs[name])
    return found
