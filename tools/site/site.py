"""Builds the project's pages as a site: the guide, the other documents, the
examples as they stand, and the reference, with a search over all of it.

    site.py FOLDER
    site.py --check FOLDER     each link in it leads to what is there

The site needs no server and no network: open FOLDER/index.html. Each page can
be read without its script; only the search needs it. Called by ./dev docs in
the tree's root.
"""

import html
import json
import os
import pathlib
import re
import shutil
import sys

from markdown_it import MarkdownIt

import markdown

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools" / "reference"))

import headers  # noqa: E402
import reference  # noqa: E402
import site_pages  # noqa: E402

GUIDE = ["README", "concepts", "examples", "pictures", "pitfalls",
         "deep-dives", "choosing", "optimising", "recipes", "from-python",
         "from-others", "checklist", "exercises"]
PICTURES = (".svg", ".png")
TEXT = (".c", ".cpp", ".h", ".py", ".sh", ".build", ".txt", "")  # shown as is
NAME = re.compile(r"\b(?:asyncio_|ASYNCIO_)\w+\b|\basyncio/\w+\.h\b")


def read(path):
    return path.read_text(encoding="utf-8")


class Site:
    def __init__(self, folder):
        self.folder = folder
        self.headers = headers.read_all(ROOT)
        self.names = {d.name: f"reference/{h.stem}.html#{d.name}"
                      for h in self.headers for e in h.entries
                      for d in e.declarations}
        self.names |= {h.path: f"reference/{h.stem}.html"
                       for h in self.headers}
        self.pages = {path: markdown.Page(path, read(path))
                      for path in self.documents()}
        self.sources = set()   # files of the tree that a page leads to
        self.pictures = set()  # those that it shows
        self.index = []        # what the search knows

    # --- where things are -----------------------------------------------------

    @staticmethod
    def documents():
        guide = [ROOT / "docs" / "guide" / f"{stem}.md" for stem in GUIDE]
        others = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})
        return [*guide, *(path for path in others if path not in guide)]

    def address(self, path):
        """Where a file of the tree is on the site, from the site's root."""
        name = path.relative_to(ROOT).as_posix()
        if path in self.pages:
            return "index.html" if name == "docs/guide/README.md" \
                else name.removesuffix(".md") + ".html"
        if name.startswith("include/asyncio/"):
            return f"reference/{path.stem}.html"
        if path.suffix in PICTURES:
            self.pictures.add(path)
            return name
        self.sources.add(path)
        return f"{name}/index.html" if path.is_dir() else f"{name}.html"

    def link(self, target, page):
        """A link in a page of the tree, as it has to be on the site."""
        if re.match(r"[a-z]+:|#", target):
            return target
        path, sharp, anchor = target.partition("#")
        file = (page.path.parent / path).resolve()
        return relative(self.address(file), self.address(page.path)) \
            + sharp + anchor

    # --- a page ---------------------------------------------------------------

    def write(self, address, title, body):
        path = self.folder / address
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.whole(address, title, body), encoding="utf-8")

    def whole(self, address, title, body):
        up = relative("", address)
        return PAGE.format(title=html.escape(title), up=up, body=body,
                           chapters=self.chapters(address))

    def chapters(self, here):
        """The list of the guide's chapters, and what else there is."""
        guide, others = ROOT / "docs" / "guide", ROOT / "docs"
        rows = [self.row(page, here) for path, page in self.pages.items()
                if path.parent == guide]
        rows.append(item("reference/index.html", "Reference, by header", here))
        rows += [self.row(page, here) for path, page in self.pages.items()
                 if path.parent == others]
        return "\n".join(rows)

    def row(self, page, here):
        """A line of that list; the page that is shown has its sections."""
        address, parts = self.address(page.path), ""
        if address == here and len(page.sections()) > 2:
            parts = "".join(f'<li><a href="#{anchor}">{html.escape(words)}</a>'
                            "</li>" for words, anchor in page.sections())
        return item(address, page.title(), here, parts and f"<ul>{parts}</ul>")

    def next_chapter(self, page):
        """Where somebody who reads on goes."""
        chapters = [path for path in self.pages
                    if path.parent == ROOT / "docs" / "guide"]
        if page.path not in chapters[:-1]:
            return ""
        path = chapters[chapters.index(page.path) + 1]
        href = relative(self.address(path), self.address(page.path))
        return f'<p>Next: <a href="{href}">{self.pages[path].title()}</a></p>'

    def code(self, text, here):
        """Escaped code, in which the library's names lead to the reference."""
        def linked(match):
            target = self.names.get(match[0])
            if not target:
                return match[0]
            return f'<a href="{relative(target, here)}">{match[0]}</a>'
        return NAME.sub(linked, html.escape(text, False))

    # --- kinds of pages -------------------------------------------------------

    def write_document(self, page):
        here = self.address(page.path)
        parser = MarkdownIt("commonmark").enable("table")
        tokens = parser.parse(page.text)
        anchors = iter(page.anchors())
        for token in tokens:
            if token.type == "heading_open":
                token.attrSet("id", next(anchors))
            elif token.type == "fence":
                token.content = self.fence(token, here)
                token.type = "html_block"
            elif token.type == "html_block":
                token.content = self.marker(token.content, page)
            for child in token.children or []:
                self.inline(child, page, here)
        body = parser.renderer.render(tokens, parser.options, {})
        self.write(here, page.title(), body + self.next_chapter(page))
        self.index_document(page, here)

    def inline(self, token, page, here):
        if token.type == "link_open":
            token.attrSet("href", self.link(token.attrGet("href"), page))
        elif token.type == "image":
            token.attrSet("src", self.link(token.attrGet("src"), page))
        elif token.type == "code_inline" and "`" not in token.content:
            token.content = f"<code>{self.code(token.content, here)}</code>"
            token.type = "html_inline"

    def fence(self, token, here):
        return f"<pre>{self.code(token.content.rstrip(), here)}</pre>\n"

    def marker(self, text, page):
        """The comment that says where a block comes from, as a line of its
        own."""
        found = markdown.MARKER.match(text.strip())
        if not found:
            return text
        address = self.address(ROOT / found[1])
        href = relative(address, self.address(page.path))
        return f'<p class="from"><a href="{href}">{found[1]}</a></p>\n'

    def write_source(self, path):
        name = path.relative_to(ROOT).as_posix()
        here = self.address(path)
        if path.is_dir():
            files = sorted(f for f in path.iterdir() if f.suffix in TEXT)
            body = "".join(
                f'<li><a href="{relative(self.address(f), here)}">{f.name}</a>'
                "</li>" for f in files if f.is_file())
            self.write(here, name, f"<h1>{name}</h1><ul>{body}</ul>")
            return
        body = f"<h1>{name}</h1><pre>{self.code(read(path), here)}</pre>"
        self.write(here, name, body)
        top = re.match(r"(//.*\n)+", read(path))
        lesson = re.sub(r"// ?", "", top[0]) if top else ""
        self.add(here, path.name, "program", lesson)

    def write_reference(self):
        def page(title, body):
            stem = pathlib.Path(title).stem
            here = "index" if title == "libasyncio" else stem
            return self.whole(f"reference/{here}.html", title, body)
        site_pages.write(self.folder / "reference", reference.version(),
                         self.headers, reference.examples(), page)
        for header in self.headers:
            self.add(f"reference/{header.stem}.html", f"<{header.path}>",
                     "header", header.title)
            for entry in header.entries:
                for declaration in entry.declarations:
                    self.add(f"reference/{header.stem}.html#{declaration.name}",
                             declaration.name, f"<{header.path}>",
                             " ".join(entry.text.lines))

    # --- the search -----------------------------------------------------------

    def add(self, address, title, place, text):
        text = re.sub(r"\s+", " ", text).strip()
        self.index.append({"u": address, "t": title, "p": place, "x": text})

    def index_document(self, page, here):
        """An entry for each heading, with the words below it."""
        anchors, title, anchor, words = iter(page.anchors()), "", "", []

        def finish():
            if title:
                self.add(f"{here}#{anchor}", title, page.title(),
                         plain(" ".join(words)))
        for _, line in page.prose:
            heading = markdown.HEADING.match(line)
            if heading:
                finish()
                title, anchor, words = heading[2], next(anchors), []
                title = title.replace("`", "")
            else:
                words.append(line)
        finish()

    # --- all of it ------------------------------------------------------------

    def build(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for page in self.pages.values():
            self.write_document(page)
        self.write_reference()
        written = set()
        while self.sources - written:  # a folder leads to its files
            for path in sorted(self.sources - written):
                written.add(path)
                self.write_source(path)
        for path in self.pictures:
            copy = self.folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        self.index.sort(key=rank)
        entries = json.dumps(self.index, ensure_ascii=False)
        (self.folder / "index.js").write_text(
            f"const searchIndex = {entries};\n", encoding="utf-8")
        for name in ("search.js", "style.css"):
            shutil.copy(HERE / name, self.folder / name)


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title} - libasyncio</title>
<link rel="stylesheet" href="{up}style.css">
<nav>
<p><a href="{up}index.html">libasyncio</a></p>
<input id="search" type="search" placeholder="Search (press /)"
       autocomplete="off" data-root="{up}" aria-label="Search">
<ol id="found" aria-live="polite"></ol>
<ul>
{chapters}
</ul>
</nav>
<main>
{body}
</main>
<script src="{up}index.js" defer></script>
<script src="{up}search.js" defer></script>
</html>
"""


def rank(entry):
    """Where an entry stands among others that answer as well."""
    kinds = ("index.html", "docs/guide/", "reference/", "examples/")
    for place, kind in enumerate(kinds):
        if entry["u"].startswith(kind):
            return place, entry["t"].endswith("_options")
    return len(kinds), False


def item(address, words, here, parts=""):
    """A line of the list of pages."""
    current = ' aria-current="page"' if address == here else ""
    return (f'<li><a href="{relative(address, here)}"{current}>'
            f"{html.escape(words)}</a>{parts}</li>")


def relative(address, here):
    """From one page of the site to another."""
    path, sharp, anchor = address.partition("#")
    start = os.path.dirname(here) or "."
    if not path:
        up = os.path.relpath(".", start) + "/"
        return "" if up == "./" else up
    return os.path.relpath(path, start) + sharp + anchor


def plain(text):
    """Markdown without its marks, for the search."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"[`*|]|<!--.*?-->|-{3,}", "", text)


def check(folder):
    """Prints links of the site that lead nowhere."""
    texts = {path: read(path) for path in folder.rglob("*.html")}
    anchors = {path: set(re.findall(r' id="([^"]+)"', text))
               for path, text in texts.items()}
    wrong = []
    for path, text in texts.items():
        for target in re.findall(r' (?:href|src)="([^"]+)"', text):
            file, _, anchor = target.partition("#")
            file = (path.parent / file).resolve() if file else path
            if re.match(r"[a-z]+:", target):
                continue
            if not file.exists() or \
                    anchor and anchor not in anchors.get(file, ()):
                wrong.append(f"{path.relative_to(folder)}: {target}")
    print("\n".join(sorted(wrong)), end="\n" if wrong else "")
    return 1 if wrong else 0


def main():
    if sys.argv[1:2] == ["--check"] and len(sys.argv) == 3:
        return check(pathlib.Path(sys.argv[2]).resolve())
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    Site(pathlib.Path(sys.argv[1])).build()
    return 0


if __name__ == "__main__":
    sys.exit(main())
