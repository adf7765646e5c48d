"""Writes manual pages: one for each entry of a header (section 3), one for each
header (section 7), and asyncio(7), the list of them."""

import re

import headers

SECTIONS = {
    "returns": "RETURN VALUE",
    "suspends": "SUSPENDS",
    "cancel": "CANCELLATION",
    "owns": "OWNERSHIP",
    "thread": "THREADS",
    "like": "LIKE",
    "unlike": "UNLIKE",
}


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def inline(text):
    """A paragraph; what stands in backticks is bold."""
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fP", escaped(text))


def verbatim(lines):
    return [".PP", ".in +4n", ".nf", *(escaped(line) for line in lines), ".fi",
            ".in"]


def prose(blocks):
    out = []
    for kind, content in blocks:
        out += verbatim(content) if kind == "code" else [".PP", inline(content)]
    return out


def field(lines):
    """A field's lines, where those set further in are a table."""
    lines = [lines[0], *(line[10:] if line.startswith(" " * 10) else line.strip()
                         for line in lines[1:])]
    if any(re.match(r"-E\w+  ", line) for line in lines):
        return [".nf", *(escaped(line) for line in lines), ".fi"]
    return [inline(" ".join(line.strip() for line in lines))]


class Pages:
    """Where pages go, and what is on each of them."""

    def __init__(self, folder, version):
        self.folder, self.version = folder, version
        for section in ("man3", "man7"):
            (folder / section).mkdir(parents=True, exist_ok=True)

    def write(self, name, section, lines):
        top = f'.TH {name} {section} "" "libasyncio {self.version}" "libasyncio"'
        path = self.folder / f"man{section}" / f"{name}.{section}"
        path.write_text("\n".join([top, ".ad l", ".nh", *lines, ""]), encoding="utf-8")

    def link(self, name, target):
        path = self.folder / "man3" / f"{name}.3"
        path.write_text(f".so man3/{target}.3\n", encoding="utf-8")


def overview_name(header):
    return "asyncio-" + header.stem.replace("_", "-")


def folded(declaration):
    """A declaration in lines that fit a page."""
    code = declaration.code
    if declaration.call:
        plain = headers.Declaration("function", declaration.name, code)
        return [declaration.call, "", *folded(plain)]
    if declaration.kind != "function" or len(code) < 76:
        return code.splitlines()
    head, _, rest = code.partition("(")
    lines, line = [], head + "("
    for part in split_arguments(rest):
        if len(line) + len(part) > 76 and line.strip():
            lines.append(line.rstrip())
            line = "    "
        line += part
    return [*lines, line.rstrip()]


def split_arguments(text):
    """Splits after each comma that is not inside parentheses."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:at + 1] + " ")
            start = at + 2
    return [*parts, text[start:]]


def names(entry):
    return [d.name for d in entry.declarations]


def has_page(entry):
    return any(d.kind in ("function", "macro") for d in entry.declarations)


def write_entry(pages, header, entry, all_headers):
    name = entry.name
    others = [e.name for e in header.entries
              if e is not entry and e.name != name and has_page(e)]
    lines = [".SH NAME",
             f"{', '.join(names(entry))} \\- {inline(entry.text.summary())}",
             ".SH SYNOPSIS", ".nf", f".B #include <{header.path}>", ".PP"]
    for declaration in entry.declarations:
        lines += [escaped(line) for line in folded(declaration)]
    lines += [".fi", ".SH DESCRIPTION", *prose(entry.text.blocks())]
    options = headers.keywords(entry, all_headers)
    if options:
        lines += [".SH KEYWORDS", "Written after the arguments, as", ".BR .name ",
                  "= value; what is left out is 0."]
        for struct in options:
            lines += verbatim(struct.code.splitlines())
    for key, title in SECTIONS.items():
        if key in entry.text.fields:
            lines += [f".SH {title}", *field(entry.text.fields[key])]
    lines += [".SH SEE ALSO", f".BR {overview_name(header)} (7)"
              + "".join(f",\n.BR {other} (3)" for other in others[:12])]
    pages.write(name, 3, lines)
    for other in names(entry)[1:]:
        pages.link(other, name)


def write_header(pages, header, example):
    lines = [".SH NAME",
             f"{overview_name(header)} \\- {inline(header.title)}",
             ".SH SYNOPSIS", f".B #include <{header.path}>",
             ".SH DESCRIPTION", *prose(header.text.blocks()), ".SH CONTENTS"]
    for entry in header.entries:
        if not entry.only_options:
            lines += [".TP", f".B {', '.join(names(entry))}",
                      inline(entry.text.summary())]
    if example:
        lines += [".SH EXAMPLE", ".nf",
                  *(escaped(line) for line in example), ".fi"]
    lines += [".SH SEE ALSO", ".BR asyncio (7)"]
    pages.write(overview_name(header), 7, lines)


def write(folder, version, all_headers, examples):
    """Writes all pages below `folder`. `examples` has each header's program."""
    pages = Pages(folder, version)
    lines = [".SH NAME", "asyncio \\- structured concurrency for C on Linux",
             ".SH SYNOPSIS", ".B #include <asyncio.h>", ".SH DESCRIPTION",
             "libasyncio gives C the surface and the meaning of Python's asyncio.",
             "Each header has a page:"]
    for header in all_headers:
        write_header(pages, header, examples.get(header.stem))
        for entry in header.entries:
            if has_page(entry):
                write_entry(pages, header, entry, all_headers)
        lines += [".TP", f".BR {overview_name(header)} (7)",
                  inline(header.title)]
    pages.write("asyncio", 7, lines)
