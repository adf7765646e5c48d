"""Makes the comparison in docs/performance.md and its chart of the figures in
bench/results.txt; and BENCHMARK.md of bench/examples.txt, by benchmark.py.

    performance.py write|check

`check` says what is not as `write` would leave it.
"""

import html
import math
import os
import sys

import benchmark
import charts
import figures

STORED = "bench/results.txt"
DOCUMENT = "docs/performance.md"
CHART = "docs/performance.svg"
BEGIN = "<!-- made of bench/results.txt by ./dev bench core --store -->"
END = "<!-- end of what is made -->"

ROW, TOP, LEFT, WIDTH, RIGHT = 24, 84, 330, 560, 24
COLOURS = {
    "libuv": "#e69f00", "st": "#8c564b", "asio": "#7f7f7f",
    "boost_context": "#bcbd22", "go": "#17a2b8", "tokio": "#d62728",
    "asyncio": "#2ca02c", "uvloop": "#9467bd", "node": "#e377c2",
    "nginx": "#006400", "libdill": "#ff7f0e", "neco": "#aec7e8",
    "libaco": "#c49c94", "photon": "#f7b6d2", "minicoro": "#c7c7c7",
}
OURS = "#1f4e9c"


# ---- Tables ---------------------------------------------------------------


def table(head, rows):
    """A table of Markdown."""
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def aim(what, ours, ratio):
    """What is aimed at, and by how much it is missed."""
    missed = figures.missed_by(what, ours, ratio)
    if missed is None:
        return ""
    words = (f"{what.floors} floors" if what.floors
             else figures.number(what.target))
    return words if missed < 1.005 else f"{words}: **missed {missed:.2f}x**"


def verdict(what, found, name):
    """A row of one of the first tables, or None without a figure of ours."""
    ours = found.median(what.workload, name, what.metric)
    if not ours:
        return None
    ratio = found.median(what.workload, name, f"{what.metric}/{what.floor}")
    best = found.best(what)
    stacks = found.best(what, figures.STACKS)
    return [f"{what.workload} {what.words}", figures.number(ours), what.unit,
            f"{ratio:.2f}" if ratio else "", *compare(what, ours, best),
            *compare(what, ours, stacks), aim(what, ours, ratio)]


def compare(what, ours, other):
    """Who, with which figure; and how many times better ours is."""
    if not other:
        return "", ""
    times = figures.times_better(what, ours, other[1])
    return (f"{other[0]} {figures.number(other[1])}",
            f"{times:.2f}" if times >= 1 else f"**{times:.2f}**")


def summary(found):
    """How ours stands, figure by figure; and compact tasks, if they were
    measured."""
    lines = verdicts(figures.FIGURES, found, "libasyncio")
    compact = verdicts(figures.COMPACT_FIGURES, found, figures.COMPACT)
    if compact:
        lines += ["", "The same with compact tasks, which a program asks for "
                  "(`.compact = true`):", ""] + compact
    return lines


def verdicts(compared, found, name):
    """A table of one of ours, and what it comes to; empty without figures."""
    rows = [row for row in (verdict(what, found, name) for what in compared)
            if row]
    if not rows:
        return []
    lines = table(["", name, "unit", "/ floor", "best of others",
                   "times better", "best with stacks", "times better", "aim"],
                  rows)
    compared = [row for row in rows if row[5]]
    lost = sum(row[5].startswith("**") for row in compared)
    aims = [row for row in rows if row[8]]
    missed = sum("missed" in row[8] for row in aims)
    return lines + ["", f"In {lost or 'none'} of {len(compared)} that others "
                    "can do, too, one of them is ahead; "
                    f"{missed or 'none'} of {len(aims)} aims "
                    f"{'is' if missed == 1 else 'are'} missed."]


def cell(line):
    """A figure with its spread."""
    if not line:
        return ""
    text = figures.number(line[0])
    if line[1] != line[2]:
        text += f" ({figures.number(line[1])}–{figures.number(line[2])})"
    return text


def workload_tables(workload, found):
    """All figures of all who have done a workload; of the echo one table for
    each size, and of servers only what tells most: their calm slices."""
    metrics = sorted({key[2] for key, line in found.lines.items()
                      if key[0] == workload and line[3] != "x"},
                     key=metric_order)
    if workload == "W8":
        lines = []
        for size in ("64_", "16k_", "busy_"):
            lines += workload_table(workload, telling(size, metrics), found)
            lines += [""]
        return lines[:-1]
    if workload == "W9":
        metrics = telling("", metrics)
    return workload_table(workload, metrics, found)


def telling(start, metrics):
    """What tells most of a server. While others compute no slice is calm."""
    ends = (("_cpu", "_rps", "_p99", "_others") if start == "busy_" else
            ("calm_cpu", "calm_rps", "p99"))
    return [metric for metric in metrics if metric.startswith(start)
            and metric.endswith(ends)
            and not (start == "busy_" and "calm" in metric)]


def workload_table(workload, metrics, found):
    """These figures of all who have one of them, if there are any."""
    if not metrics:
        return []
    lines = {key[1:]: line for key, line in found.lines.items()
             if key[0] == workload and key[2] in metrics}
    units = {metric: line[3] for (_, metric), line in lines.items()}
    names = {peer for peer, _ in lines}
    first = first_metric(workload, metrics)
    more = units[first].endswith("/s")
    order = sorted(names, key=lambda name: place(lines, name, first, more))
    head = ["", *(f"{metric} [{units[metric]}]" for metric in metrics)]
    rows = [[name, *(cell(lines.get((name, metric))) for metric in metrics)]
            for name in order]
    return table(head, rows)


def first_metric(workload, metrics):
    """By which a table is sorted: the first one that is compared, and of the
    servers the processor time with 50 connections."""
    compared = [what.metric for what in figures.FIGURES
                if what.workload == workload and what.metric in metrics]
    for metric in compared:
        if metric.endswith("c50_calm_cpu"):
            return metric
    return (compared or metrics)[0]


def place(lines, name, metric, more):
    """Where a peer stands in its table; last without the figure."""
    line = lines.get((name, metric))
    if not line:
        return (1, 0, name)
    return (0, -line[0] if more else line[0], name)


def metric_order(metric):
    """100k before 1M, 64 before 16k, c1 before c50 before c1000."""
    words = metric.split("_")
    numbers = [int(word[1:]) for word in words
               if word[0] == "c" and word[1:].isdigit()]
    return ("1M" in words, "16k" in words, numbers, metric)


def section(found):
    """What stands between the two marks."""
    if not found.lines:
        return f"{BEGIN}\n\nNothing is stored yet.\n\n{END}"
    lines = [BEGIN, "", "![Each figure in multiples of libasyncio's]"
             "(performance.svg)", ""]
    lines += summary(found)
    for workload, words in figures.WORKLOADS.items():
        if workload in found.notes:
            lines += ["", f"### {workload}: {words}", "",
                      f"{found.notes[workload]}. Medians, with the least and "
                      "the greatest.", ""]
            lines += workload_tables(workload, found)
    return "\n".join(lines + ["", END])


def document(found):
    """The whole document with a new section."""
    with open(DOCUMENT, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN, 1)
    return before + section(found) + rest.split(END, 1)[1]


# ---- The chart ------------------------------------------------------------


def colour(peer):
    """Of a peer and its variants."""
    if figures.kind(peer) == "ours":
        return OURS
    name = peer.split("_")[0]
    return COLOURS.get(peer) or COLOURS.get(name, "#444444")


def dots(what, found):
    """(peer, times slower than ours, value) of a row; empty without ours."""
    ours = found.median(what.workload, "libasyncio", what.metric)
    if not ours:
        return []
    return [(peer, figures.times_better(what, ours, value), value)
            for peer, value in sorted(
                found.peers(what.workload, what.metric).items()) if value > 0]


class Chart(charts.Drawing):
    """Rows of dots over a logarithmic axis; libasyncio stands at 1."""

    def __init__(self, found):
        super().__init__()
        self.rows = [(what, row) for what, row in
                     ((what, dots(what, found)) for what in figures.FIGURES)
                     if row]
        times = [dot[1] for _, row in self.rows for dot in row] or [1]
        self.low = math.floor(math.log10(min(times)) * 2) / 2
        self.high = math.ceil(math.log10(max(times)) * 2) / 2
        self.high = max(self.high, self.low + 1)
        self.height = TOP + ROW * len(self.rows) + 40

    def x(self, times):
        """Where on the axis."""
        share = (math.log10(times) - self.low) / (self.high - self.low)
        return round(LEFT + share * WIDTH, 1)

    def axis(self):
        """Lines at powers of ten, and the side where others are faster."""
        bottom = TOP + ROW * len(self.rows)
        one = self.x(1)
        self.put(f'<rect x="{LEFT}" y="{TOP - 6}" width="{one - LEFT:.1f}" '
                 f'height="{bottom - TOP + 6}" fill="#fdeaea"/>')
        for power in range(math.ceil(self.low), math.floor(self.high) + 1):
            x = self.x(10 ** power)
            strong = 'stroke="#1f4e9c" stroke-width="2"' if power == 0 else \
                'stroke="#dddddd"'
            self.put(f'<line x1="{x}" y1="{TOP - 6}" x2="{x}" y2="{bottom}" '
                     f'{strong}/>')
            label = f"{10 ** power:,}" if power >= 0 else f"{10 ** power:g}"
            self.text(x, bottom + 16, label, 'text-anchor="middle"')
        self.text(LEFT + WIDTH / 2, bottom + 34,
                  "times libasyncio's figure; to the right of 1 libasyncio is "
                  "ahead, in the shaded part it is behind",
                  'text-anchor="middle" fill="#555555"')

    def legend(self):
        """Who has which colour."""
        names = []
        for _, row in self.rows:
            for peer, _, _ in row:
                name = peer if peer in COLOURS else peer.split("_")[0]
                if name in COLOURS and name not in names:
                    names.append(name)
        x, y = LEFT, 24
        for name in ["libasyncio", "floor"] + sorted(names):
            if x > LEFT + WIDTH - 90:
                x, y = LEFT, y + 18
            self.mark(name, x + 5, y - 4, name)
            self.text(x + 14, y, name)
            x += 26 + 7 * len(name)

    def mark(self, peer, x, y, words):
        """A dot; the floor is a bar, ours a ring."""
        title = f"<title>{html.escape(words)}</title>"
        kind = figures.kind(peer)
        if kind == "floor":
            self.put(f'<rect x="{x - 1.5:.1f}" y="{y - 7}" width="3" '
                     f'height="14" fill="#222222">{title}</rect>')
        elif kind == "ours":
            self.put(f'<circle cx="{x}" cy="{y}" r="5" fill="#ffffff" '
                     f'stroke="{OURS}" stroke-width="2">{title}</circle>')
        else:
            self.put(f'<circle cx="{x}" cy="{y}" r="4.5" fill="{colour(peer)}" '
                     f'fill-opacity="0.85">{title}</circle>')

    def draw(self):
        """The whole of it."""
        self.begin(LEFT + WIDTH + RIGHT, self.height)
        self.axis()
        self.legend()
        for i, (what, row) in enumerate(self.rows):
            y = TOP + ROW * i + ROW // 2 - 3
            self.text(LEFT - 12, y + 4, f"{what.workload} {what.words}",
                      'text-anchor="end"')
            for peer, times, value in sorted(
                    row, key=lambda dot: figures.kind(dot[0]) == "ours"):
                self.mark(peer, self.x(times), y, f"{peer}: "
                          f"{figures.number(value)} {what.unit}")
        return self.end()


# ---- Writing and checking -------------------------------------------------


def made(found):
    """{path: what is to stand there}."""
    return {DOCUMENT: document(found), CHART: Chart(found).draw()}


def store(found):
    """Takes figures over into the stored ones, and writes what is made of
    them."""
    stored = figures.Results()
    if os.path.exists(STORED):
        stored = figures.Results.read(STORED)
    stored.take(found)
    stored.write(STORED)
    write()


def write():
    """Writes the document and the chart anew."""
    for path, text in made(figures.Results.read(STORED)).items():
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)


def check():
    """Says what is not as it would be written. Returns an exit status."""
    status = 0
    for path, text in made(figures.Results.read(STORED)).items():
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                continue
        print(f"{path} is not what {STORED} says: /usr/bin/python3 "
              "tools/dev/performance.py write")
        status = 1
    for text in benchmark.wrong():
        print(text)
        status = 1
    return status


def main():
    """write or check."""
    if len(sys.argv) != 2 or sys.argv[1] not in ("write", "check"):
        sys.exit("usage: performance.py write|check")
    if sys.argv[1] == "write":
        write()
        benchmark.write(benchmark.Results.read(benchmark.STORED))
        return 0
    return check()


if __name__ == "__main__":
    sys.exit(main())
