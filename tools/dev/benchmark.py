"""Makes BENCHMARK.md and its pictures of the figures in bench/examples.txt.

A line of that file is one of

    kind name language metric median least greatest runs
    timeline name language
    # machine: ...

where kind is `example`, `version`, `limit` or `workers`. What stands in
BENCHMARK.md between two marks is made; the words around it are not. Called by
harness.py, which measures, and by performance.py, which checks.
"""

import os
import re
import xml.etree.ElementTree

import charts

STORED = "bench/examples.txt"
DOCUMENT = "BENCHMARK.md"
PICTURES = "docs/benchmark"
MADE = re.compile(r"(<!-- made of bench/examples\.txt: (\w+) -->\n).*?"
                  r"(<!-- end of what is made -->)", re.DOTALL)

VERSIONS = ("sync_v1", "async_v1", "async_v2", "async_v3")
LANGUAGES = {"C": "C", "Python": "Python", "numpy": "Python with numpy"}
COLOURS = {"C": "#1f4e9c", "Python": "#e69f00", "numpy": "#2ca02c"}
PARTS = {"downloading": "#7fa8d9", "processing": "#e69f00"}
PANELS = {
    "C": "C",
    "numpy": "Python, the edge rule by numpy",
    "Python": "Python, the edge rule pixel by pixel",
}
TITLES = {
    "04_example_2_sequential": "Three coroutine objects, awaited one after "
                               "the other",
    "05_example_2_fixed": "Three tasks, all made before the first is awaited",
    "16_semaphore": "Six downloads at once, then two at a time",
    "async_v1": "async_v1: blocking calls in threads",
    "async_v2": "async_v2: downloads on the loop, pictures in two worker "
                "processes",
    "async_v3": "async_v3: four downloads at a time, pictures in two worker "
                "processes",
}


class Results:
    """Figures by (kind, name, language, metric): median, least, greatest,
    runs; and which time lines there are."""

    def __init__(self):
        self.lines, self.timelines, self.machine = {}, [], ""

    @classmethod
    def read(cls, path):
        """Those of a file."""
        results = cls()
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                words = line.split()
                if line.startswith("# machine:"):
                    results.machine = line.split(":", 1)[1].strip()
                elif line.startswith("timeline "):
                    results.timelines.append(words[1])
                elif len(words) == 8 and not line.startswith("#"):
                    results.lines[tuple(words[:4])] = (
                        *(float(word) for word in words[4:7]), int(words[7]))
        return results

    def write(self, path):
        """All of them, in the order in which they were measured."""
        with open(path, "w", encoding="utf-8") as out:
            out.write("# What ./dev bench examples has measured, in seconds:\n"
                      "# kind name language metric median least greatest runs\n"
                      f"# machine: {self.machine}\n\n")
            for key, (*values, runs) in self.lines.items():
                figures = " ".join(f"{value:.4g}" for value in values)
                out.write(f"{' '.join(key)} {figures} {runs}\n")
            out.writelines(f"timeline {name}\n" for name in self.timelines)

    def names(self, kind):
        """Who has a figure of that kind, in order."""
        return list(dict.fromkeys(key[1] for key in self.lines
                                  if key[0] == kind))

    def get(self, *key):
        """One figure, or None."""
        return self.lines.get(key)


# ---- Tables ---------------------------------------------------------------


def table(head, rows):
    """A table of Markdown whose figures stand to the right."""
    lines = ["| " + " | ".join(head) + " |",
             "| --- " + "| ---: " * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def cell(line, unit=1, digits=3):
    """A median with its spread."""
    if not line:
        return ""
    median, least, greatest = (f"{value * unit:.{digits}f}"
                               for value in line[:3])
    spread = f" ({least}–{greatest})" if least != greatest else ""
    return median + spread


def example_path(name):
    """Where its program is."""
    folder = "examples"
    return f"{folder}/{name}.cpp" if os.path.exists(
        f"{folder}/{name}.cpp") else f"{folder}/{name}.c"


def make_examples(found):
    """Every example: what it takes, and how much of that it computes."""
    rows = []
    for name in found.names("example"):
        row = [f"[`{name}`]({example_path(name)})"]
        row += [cell(found.get("example", name, language, "wall"))
                for language in ("C", "Python")]
        row += [cell(found.get("example", name, language, "processor"), 1000, 0
                     if language == "Python" else 1)
                for language in ("C", "Python")]
        rows.append(row)
    return table(["", "C [s]", "Python [s]", "C, processor [ms]",
                  "Python, processor [ms]"], rows)


def make_versions(found):
    """The four versions, in each language that has been measured."""
    rows = []
    for language in LANGUAGES:
        base = found.get("version", "sync_v1", language, "total")
        for name in VERSIONS:
            total = found.get("version", name, language, "total")
            if not total:
                continue
            ours = found.get("version", name, "C", "total")
            rows.append([
                f"`{name}`, {LANGUAGES[language]}",
                *(cell(found.get("version", name, language, metric))
                  for metric in ("download", "process")), cell(total),
                f"{base[0] / total[0]:.2f}" if base else "",
                f"{total[0] / ours[0]:.1f}" if ours and language != "C" else "",
                str(total[3])])
    return (f"![Bars of the four versions]({PICTURES}/versions.svg)\n\n"
            + table(["", "downloading [s]", "processing [s]", "total [s]",
                     "times `sync_v1`", "C is faster, times", "runs"], rows))


def speeds(found, kind, metric):
    """{language: [(number, median, least, greatest)]}, in pictures per
    second."""
    images = 12
    points = {}
    for (of_kind, name, language, of_metric), line in found.lines.items():
        if (of_kind, of_metric) == (kind, metric):
            median, least, greatest, _ = line
            points.setdefault(language, []).append(
                (int(name), images / median, images / greatest,
                 images / least))
    return {language: sorted(points[language]) for language in LANGUAGES
            if language in points}


def make_speeds(found, kind, metric, head, picture):
    """A picture, and its table."""
    drawn = speeds(found, kind, metric)
    numbers = sorted({point[0] for row in drawn.values() for point in row})
    rows = []
    for number in numbers:
        row = [str(number)]
        for points in drawn.values():
            row += [cell(point[1:4], digits=1) for point in points
                    if point[0] == number] or [""]
        rows.append(row)
    return (f"![{head[0].capitalize()}]({PICTURES}/{picture}.svg)\n\n"
            + table([head[1], *(f"{LANGUAGES[language]} [pictures/s]"
                                for language in drawn)], rows))


def make_limits(found):
    """Speed over the limit on downloads."""
    return make_speeds(found, "limit", "download",
                       ("pictures downloaded per second, over the limit",
                        "at a time"), "limits")


def make_workers(found):
    """Speed over the number of worker processes."""
    return make_speeds(found, "workers", "process",
                       ("pictures processed per second, over the number of "
                        "worker processes", "worker processes"), "workers")


def make_timelines(found):
    """The pictures that were drawn of traces."""
    return "\n\n".join(
        f"`{name}`\n\n![{TITLES[name]}]({PICTURES}/timeline_{name}.svg)"
        for name in found.timelines) or "None has been drawn."


def make_machine(found):
    """What it was measured on."""
    return found.machine


SECTIONS = {
    "machine": make_machine, "examples": make_examples,
    "versions": make_versions, "limits": make_limits, "workers": make_workers,
    "timelines": make_timelines,
}


# ---- Pictures -------------------------------------------------------------


def versions_picture(found):
    """Bars: how long each step of each version took."""
    panels = []
    for language, heading in PANELS.items():
        rows = []
        for name in VERSIONS:
            total = found.get("version", name, language, "total")
            if total:
                steps = [found.get("version", name, language, metric)[0]
                         for metric in ("download", "process")]
                rows.append((name, list(zip(PARTS, steps)), total[:3]))
        if rows:
            panels.append(charts.Panel(heading, "s", rows))
    return charts.bars(panels, PARTS)


def speeds_picture(found, kind, metric, across, upwards):
    """Curves: how fast it goes with this number and that."""
    return charts.curves(across, upwards, [
        charts.Curve(LANGUAGES[language], COLOURS[language], points)
        for language, points in speeds(found, kind, metric).items()])


def pictures(found):
    """{path: what is to stand there}, of those that are made of figures."""
    return {
        f"{PICTURES}/versions.svg": versions_picture(found),
        f"{PICTURES}/limits.svg": speeds_picture(
            found, "limit", "download", "downloads at a time",
            "pictures downloaded per second"),
        f"{PICTURES}/workers.svg": speeds_picture(
            found, "workers", "process", "worker processes",
            "pictures processed per second"),
    }


# ---- Writing and checking -------------------------------------------------


def document(found):
    """The whole document with new sections."""
    with open(DOCUMENT, encoding="utf-8") as file:
        text = file.read()
    return MADE.sub(lambda match: match[1] + "\n" + SECTIONS[match[2]](found)
                    + "\n\n" + match[3], text)


def made(found):
    """{path: what is to stand there}."""
    return {DOCUMENT: document(found), **pictures(found)}


def timeline_path(name):
    """Where the picture of a trace is."""
    return f"{PICTURES}/timeline_{name}.svg"


def write(found, root="."):
    """Writes the document and its pictures, below `root`."""
    os.makedirs(os.path.join(root, PICTURES), exist_ok=True)
    for path, text in made(found).items():
        with open(os.path.join(root, path), "w", encoding="utf-8") as out:
            out.write(text)


def wrong():
    """What is not as it would be written, in words."""
    found = Results.read(STORED)
    due = made(found)
    for path, text in due.items():
        if not os.path.exists(path):
            yield f"{path} is missing"
            continue
        with open(path, encoding="utf-8") as file:
            if file.read() != text:
                yield f"{path} is not what {STORED} says"
    drawn = {timeline_path(name) for name in found.timelines}
    there = {f"{PICTURES}/{name}" for name in os.listdir(PICTURES)}
    for path in sorted(drawn - there):
        yield f"{path} is missing"
    for path in sorted(there - drawn - set(due)):
        yield f"{path} is no picture that {STORED} speaks of"
    for path in sorted(drawn & there):
        try:
            xml.etree.ElementTree.parse(path)
        except xml.etree.ElementTree.ParseError as error:
            yield f"{path}: {error}"
