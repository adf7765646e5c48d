"""Writes the reference as web pages: one for each header, and a first page.

The pages need no script and no network; they follow the reader's preference for
light or dark.
"""

import html
import re

import headers
import man

STYLE = """
:root { color-scheme: light dark; --soft: #8883; --link: #0969da; }
@media (prefers-color-scheme: dark) { :root { --link: #6cb6ff; } }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 50rem;
       margin: 2rem auto 6rem; padding: 0 1rem; }
a { color: var(--link); text-decoration: none; }
pre, code { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .7rem 1rem; border-radius: 6px;
      overflow-x: auto; }
section { border-top: 1px solid var(--soft); margin-top: 2rem; }
h2 { margin-top: 3rem; } h3 { font: 600 17px/1.4 ui-monospace, monospace; }
dt { font-weight: 600; margin-top: .4rem; } dd { margin-left: 1.5rem; }
td { vertical-align: top; padding: .15rem 1.2rem .15rem 0; }
"""


def inline(text, links):
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, False))
    return re.sub(r"\basyncio_\w+\b", lambda m: linked(m[0], links), text)


def linked(name, links):
    return f'<a href="{links[name]}">{name}</a>' if name in links else name


def pre(lines):
    return f"<pre>{html.escape(chr(10).join(lines), False)}</pre>"


def prose(blocks, links):
    return "\n".join(pre(content) if kind == "code"
                     else f"<p>{inline(content, links)}</p>"
                     for kind, content in blocks)


def field(lines, links):
    table = [re.match(r"\s*(-E\w+)  +(.*)", line) for line in lines]
    if any(table):
        return pre([line[10:] if line.startswith(" " * 10) else line
                    for line in lines])
    return inline(" ".join(line.strip() for line in lines), links)


def page(title, body):
    return (f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width">\n'
            f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n"
            f"{body}\n</html>\n")


def entry_part(entry, all_headers, links):
    code = [line for d in entry.declarations for line in man.folded(d)]
    anchors = "".join(f'<a id="{d.name}"></a>' for d in entry.declarations)
    parts = [f"<section>{anchors}<h3>{', '.join(man.names(entry))}</h3>",
             pre(code), prose(entry.text.blocks(), links), "<dl>"]
    for struct in headers.keywords(entry, all_headers):
        parts.append(f"<dt>keywords</dt><dd>{pre(struct.code.splitlines())}"
                     "</dd>")
    for key, lines in entry.text.fields.items():
        parts.append(f"<dt>{key}</dt><dd>{field(lines, links)}</dd>")
    return "\n".join([*parts, "</dl></section>"])


def header_page(header, all_headers, links, example, page):
    rows = "\n".join(
        f"<tr><td>{' '.join(linked(n, links) for n in man.names(e))}</td>"
        f"<td>{inline(e.text.summary(), {})}</td></tr>"
        for e in header.entries if not e.only_options)
    parts = ['<p><a href="index.html">libasyncio</a></p>',
             f"<h1>&lt;{header.path}&gt;</h1>",
             prose(header.text.blocks(), links), f"<table>{rows}</table>"]
    section = ""
    for entry in header.entries:
        if entry.section != section:
            section = entry.section
            parts.append(f"<h2>{html.escape(section)}</h2>")
        parts.append(entry_part(entry, all_headers, links))
    if example:
        parts += ["<h2>A program</h2>", pre(example)]
    return page(header.path, "\n".join(parts))


def write(folder, version, all_headers, examples, page=page):
    """Writes the pages into `folder`. page(title, body) is what makes one: a
    site of which they are a part has another."""
    folder.mkdir(parents=True, exist_ok=True)
    links = {d.name: f"{h.stem}.html#{d.name}" for h in all_headers
             for e in h.entries for d in e.declarations}
    rows = []
    for header in all_headers:
        text = header_page(header, all_headers, links,
                           examples.get(header.stem), page)
        (folder / f"{header.stem}.html").write_text(text, encoding="utf-8")
        rows.append(f'<tr><td><a href="{header.stem}.html">&lt;{header.path}&gt;'
                    f"</a></td><td>{inline(header.title, {})}</td></tr>")
    body = (f"<h1>libasyncio {version}</h1><p>Structured concurrency for C on"
            f" Linux: the reference, by header.</p><table>{''.join(rows)}"
            "</table>")
    (folder / "index.html").write_text(page("libasyncio", body),
                                       encoding="utf-8")
