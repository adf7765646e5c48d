"""Draws who ran when, after a trace: one picture, in SVG.

    timeline.py TRACE [-o PICTURE.svg] [--width PIXELS] [--title TEXT]
                [--from SECONDS] [--to SECONDS] [--rows N]

A row for each task, from its making to its end: pale while it waits, with the
reason, and full while it runs. Above them the loops and what they run, below
them threads and worker processes with their jobs. Of many tasks the first N are
drawn, and how many are left out is said.
"""

import argparse
import html
import math
import sys

import read

ROW, GAP, LEFT, RIGHT, TOP, BOTTOM = 20, 4, 190, 16, 44, 40
CHARACTER = 6.2  # pixels, at 11 pixels' height
STYLE = """
text { font: 11px sans-serif; fill: #222 }
.title { font: bold 14px sans-serif }
.small { font-size: 10px; fill: #555 }
.life { fill: #f1f1f1 }
.grid { stroke: #ddd; stroke-width: 1 }
.rule { stroke: #999; stroke-width: 1 }
.run { fill: #2f6db3 }
.callback { fill: #8a8a8a }
.job { fill: #c05a1b; stroke: #fff; stroke-width: 0.6 }
.wait0 { fill: #cfe3f7 } .wait1 { fill: #d8efd3 } .wait2 { fill: #fbe3c4 }
.wait3 { fill: #e8d9f3 } .wait4 { fill: #f7d4d9 } .wait5 { fill: #d5eeee }
.wait6 { fill: #f4efb8 } .wait7 { fill: #e0e0e0 }
"""
WAITS = 8


class Row:
    """A line of the picture: a name, and bars as (begin, end, class, text)."""

    def __init__(self, name, hint=""):
        self.name, self.hint, self.bars = name, hint, []

    def add(self, begin, end, kind, text, short=None):
        self.bars.append((begin, end, kind, text, short))


def tasks_of(events):
    """Each task as {names, runs, begin, end, waits}, in the order of making.
    One that is renamed ends under one name and begins under the next."""
    tasks, order = {}, []
    for event in sorted((e for e in events if e["ph"] in "be"
                         and e["cat"] == "task"), key=lambda e: e["ts"]):
        key = (event["pid"], event["id"])
        if key not in tasks:
            tasks[key] = {"names": [], "begin": event["ts"],
                          "runs": event.get("args", {}).get("runs", ""),
                          "end": math.inf, "waits": [], "open": [], "steps": []}
            order.append(key)
        task = tasks[key]
        if event["ph"] == "b":
            if not task["open"]:
                task["names"].append(event["name"])
                task["end"] = math.inf
            task["open"].append(event)
        elif task["open"]:
            begun = task["open"].pop()
            if task["open"]:
                task["waits"].append((begun["ts"], event["ts"], begun))
            else:
                task["end"] = event["ts"]
    return [tasks[key] for key in order]


def give_steps(tasks, slices):
    """Steps go to the task with that name that is there then."""
    by_name = {}
    for task in tasks:
        for name in set(task["names"]):
            by_name.setdefault(name, []).append(task)
    for row in slices.values():
        for begin, end, event in row:
            if event["cat"] != "task":
                continue
            for task in by_name.get(event["name"], []):
                if task["begin"] * 1000 <= end and begin <= task["end"] * 1000:
                    task["steps"].append((begin / 1000, end / 1000, event))
                    break


def names_of(events):
    return {(e["pid"], e["tid"]): e["args"]["name"] for e in events
            if e["ph"] == "M" and e["name"] == "thread_name"}


def thread_rows(slices, names, jobs):
    rows = []
    for thread, row in slices.items():
        mine = [one for one in row if (one[2]["cat"] == "job") == jobs]
        if not mine:
            continue
        line = Row(names.get(thread, f"thread {thread[1]}"))
        for begin, end, event in mine:
            kind = {"task": "run", "job": "job"}.get(event["cat"], "callback")
            args = event.get("args", {})
            note = args.get("then", args.get("result", ""))
            line.add(begin / 1000, end / 1000, kind,
                     f"{event['name']} ({note})", event["name"])
        rows.append(line)
    return sorted(rows, key=lambda line: [
        int(part) if part.isdigit() else part
        for part in line.name.replace("-", " ").split()])


def task_rows(tasks, kinds):
    for task in tasks:
        name = task["names"][-1] if task["names"] else "?"
        line = Row(name, task["runs"])
        line.add(task["begin"], task["end"], "life", name)
        for begin, end, event in task["waits"]:
            name = event["name"]
            kind = kinds.setdefault(name, len(kinds) % WAITS)
            awaited = event.get("args", {}).get("for")
            line.add(begin, end, f"wait{kind}",
                     f"waits for {name}" + (f" ({awaited})" if awaited else ""))
        for begin, end, event in task["steps"]:
            line.add(begin, end, "run",
                     f"runs, then: {event.get('args', {}).get('then', '')}")
        yield line


def tick_of(span):
    """A round length that makes five to twelve parts of a time."""
    unit = 10 ** math.floor(math.log10(span / 5))
    for factor in (1, 2, 5, 10):
        if span / (unit * factor) <= 12:
            return unit * factor
    return unit * 10


def time_text(us, tick):
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if tick >= size / 20:
            digits = max(0, -math.floor(math.log10(tick / size) + 1e-9))
            return f"{us / size:.{digits}f} {unit}"
    return f"{us:.0f} µs"


class Picture:
    """SVG, line by line. Times are microseconds, and begin at `begin`."""

    def __init__(self, width, begin, end):
        self.width, self.begin, self.end = width, begin, end
        self.y, self.lines = TOP, []
        self.seen = {"run"}  # kinds of bars that are wide enough for an eye
        self.scale = (width - LEFT - RIGHT) / max(end - begin, 1e-3)

    def x(self, us):
        us = min(max(us, self.begin), self.end)
        return LEFT + (us - self.begin) * self.scale

    def text(self, x, y, text, kind="", anchor="start"):
        kind = f' class="{kind}"' if kind else ""
        self.lines.append(f'<text x="{x:.1f}" y="{y:.1f}"{kind} text-anchor='
                          f'"{anchor}">{html.escape(text)}</text>')

    def bar(self, row, bar):
        begin, end, kind, text, short = bar
        if end < self.begin or begin > self.end:
            return
        x, right = self.x(begin), self.x(end)
        width = max(right - x, 0.8)
        if right - x >= 1:
            self.seen.add(kind)
        thin = 5 if kind.startswith("wait") else 2
        inset = 8 if kind == "life" else thin
        self.lines.append(
            f'<rect x="{x:.1f}" y="{self.y + inset / 2:.1f}" '
            f'width="{width:.1f}" height="{ROW - inset}" class="{kind}">'
            f"<title>{html.escape(row.name)}: {html.escape(text)}, "
            f"{time_text(begin - self.begin, end - begin or 1)}, "
            f"{time_text(end - begin, end - begin or 1)} long</title></rect>")
        if short and len(short) * CHARACTER < width - 6:
            self.lines.append(
                f'<text x="{x + 3:.1f}" y="{self.y + 14}" '
                f'style="fill:#fff">{html.escape(short)}</text>')

    def row(self, row):
        name = row.name + (f" ({row.hint})" if row.hint else "")
        room = int((LEFT - 14) / CHARACTER)
        if len(name) > room:
            name = row.name
        if len(name) > room and "/" in name.rstrip("/"):
            name = "…/" + name.rstrip("/").rpartition("/")[2]
        if len(name) > room:
            name = "…" + name[1 - room:]
        self.text(LEFT - 8, self.y + 14, name, anchor="end")
        for bar in self.merged(row.bars):
            self.bar(row, bar)
        self.y += ROW + GAP

    def merged(self, bars):
        """Bars of one kind that are closer than half a pixel are one."""
        last = {}
        result = []
        for bar in bars:
            before = last.get(bar[2])
            if before is not None and bar[0] - result[before][1] < \
                    0.5 / self.scale and bar[1] - bar[0] < 1 / self.scale:
                old = result[before]
                result[before] = (old[0], max(old[1], bar[1]), *old[2:])
                continue
            last[bar[2]] = len(result)
            result.append(bar)
        return result

    def heading(self, text):
        self.y += 6
        self.text(8, self.y + 11, text, "small")
        self.lines.append(f'<line x1="8" x2="{self.width - RIGHT}" '
                          f'y1="{self.y - 2}" y2="{self.y - 2}" class="rule"/>')
        self.y += 16

    def grid(self):
        tick = tick_of(self.end - self.begin)
        lines = []
        for i in range(int((self.end - self.begin) / tick + 1e-9) + 1):
            x = self.x(self.begin + i * tick)
            lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 4}" '
                         f'y2="{self.y}" class="grid"/>')
            self.text(x, TOP - 8, time_text(i * tick, tick), "small", "middle")
        self.lines = lines + self.lines

    def legend(self, kinds):
        x, y = LEFT, self.y + 18
        entries = [("run", "runs"), ("callback", "a callback"),
                   ("job", "a job")]
        entries += [(f"wait{kind}", f"waits: {name}")
                    for name, kind in kinds.items()]
        for kind, text in entries:
            if kind not in self.seen:
                continue
            width = 22 + len(text) * CHARACTER
            if x + width > self.width - RIGHT:
                x, y = LEFT, y + 16
            self.lines.append(f'<rect x="{x}" y="{y - 9}" width="12" '
                              f'height="10" class="{kind}"/>')
            self.text(x + 16, y, text, "small")
            x += width + 10
        self.y = y

    def svg(self, title):
        height = self.y + BOTTOM / 2
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" '
            f'height="{height:.0f}" viewBox="0 0 {self.width} {height:.0f}">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f'<rect width="{self.width}" height="{height:.0f}" fill="#fff"/>',
            f'<text x="8" y="20" class="title">{html.escape(title)}</text>',
            *self.lines, "</svg>", ""])


def draw(events, options):
    slices = read.slices_of(events)
    tasks = tasks_of(events)
    give_steps(tasks, slices)
    times = [e["ts"] for e in events if "ts" in e]
    if not times:
        raise read.Wrong("nothing happens in this trace")
    first = min(times)
    last = max(e["ts"] + e.get("dur", 0) for e in events if "ts" in e)
    begin = first if options.begin is None else first + options.begin * 1e6
    end = last if options.end is None else first + options.end * 1e6
    if not begin < end:
        raise read.Wrong("nothing lies between these times")

    picture, kinds, names = Picture(options.width, begin, end), {}, names_of(
        events)
    for row in thread_rows(slices, names, jobs=False):
        picture.row(row)
    shown = [t for t in tasks if t["begin"] <= end and t["end"] >= begin]
    picture.heading("tasks")
    for row in task_rows(shown[:options.rows], kinds):
        picture.row(row)
    if len(shown) > options.rows:
        picture.text(LEFT, picture.y + 11,
                     f"and {len(shown) - options.rows} more", "small")
        picture.y += 16
    jobs = thread_rows(slices, names, jobs=True)
    if jobs:
        picture.heading("jobs")
        for row in jobs:
            picture.row(row)
    picture.grid()
    picture.legend(kinds)
    return picture.svg(options.title)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("trace")
    parser.add_argument("-o", "--output", default="-")
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--title", default="Who ran when")
    parser.add_argument("--from", type=float, dest="begin")
    parser.add_argument("--to", type=float, dest="end")
    parser.add_argument("--rows", type=int, default=60)
    options = parser.parse_args()
    try:
        events = read.read(options.trace)
        read.check(events, whole=False)
        picture = draw(events, options)
    except (read.Wrong, OSError) as wrong:
        sys.exit(f"{options.trace}: {wrong}")
    if options.output == "-":
        sys.stdout.write(picture)
    else:
        with open(options.output, "w", encoding="utf-8") as out:
            out.write(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
