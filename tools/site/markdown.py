"""What a page of Markdown consists of, as far as the checks need to know.

A reader of lines: headings, fenced blocks with the marker above them, links,
rows of tables. What turns pages into HTML is site.py.
"""

import dataclasses
import re

FENCE = re.compile(r"^```(\w*)$")
MARKER = re.compile(r"^<!-- (\S+) -->$")
HEADING = re.compile(r"^(#{1,4}) (.+)$")
LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")  # and pictures
CODE = re.compile(r"`([^`]+)`")


@dataclasses.dataclass
class Block:
    """A fenced block: its language, the file above it, its lines."""

    line: int
    language: str
    path: str
    lines: list


def slug(heading):
    """The anchor of a heading, as GitHub has it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


class Page:
    def __init__(self, path, text):
        self.path, self.text = path, text
        self.blocks, self.prose = [], []  # prose: (line number, line)
        self.read(text.splitlines())

    def read(self, lines):
        marker, block = "", None
        for number, line in enumerate(lines, start=1):
            fence = FENCE.match(line)
            if block and line == "```":
                self.blocks.append(block)
                block, marker = None, ""
            elif block:
                block.lines.append(line)
            elif fence:
                block = Block(number, fence[1], marker, [])
            else:
                found = MARKER.match(line)
                marker = found[1] if found else marker if not line else ""
                self.prose.append((number, line))
        if block:
            self.blocks.append(block)

    def headings(self):
        """Yields (level, words, anchor); a second anchor of a name has -1."""
        names = []
        for _, line in self.prose:
            heading = HEADING.match(line)
            if heading:
                name = slug(heading[2])
                count = names.count(name)
                names.append(name)
                yield (len(heading[1]), heading[2].replace("`", ""),
                       f"{name}-{count}" if count else name)

    def anchors(self):
        return [anchor for _, _, anchor in self.headings()]

    def title(self):
        return next((words for _, words, _ in self.headings()), str(self.path))

    def sections(self):
        """(words, anchor) of the headings below the title's level."""
        below = [h for h in self.headings() if h[0] > 1]
        top = min((level for level, _, _ in below), default=0)
        return [(words, anchor) for level, words, anchor in below
                if level == top]

    def links(self):
        """Yields (line number, target) of each link."""
        for number, line in self.prose:
            for target in LINK.findall(CODE.sub("code", line)):
                yield number, target

    def rows(self):
        """Yields (line number, cells) of each row of a table, but for those
        that rule it."""
        for number, line in self.prose:
            if line.startswith("|") and not re.fullmatch(r"[|\-: ]+", line):
                cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
                yield number, [cell.strip() for cell in cells]
