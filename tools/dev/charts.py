"""Charts in SVG: a drawing that grows line by line, bars in parts, and curves.

Every chart is a function of its figures alone, so that it can be compared with
what is stored.
"""

import html
import math

WHISKER = 'stroke="#222222" stroke-width="1.2"'
GRID = 'stroke="#dddddd"'
GREY = 'fill="#555555"'


class Drawing:
    """Lines of SVG between a head and an end."""

    def __init__(self):
        self.out = []

    def put(self, text):
        """One more line."""
        self.out.append(text)

    def text(self, x, y, words, extra=""):
        """Words."""
        self.put(f'<text x="{x}" y="{y}" {extra}>{html.escape(words)}</text>')

    def line(self, x1, y1, x2, y2, extra):
        """From here to there."""
        self.put(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" {extra}/>')

    def bar(self, x, y, width, height, colour, words):
        """A box, with words for who points at it."""
        self.put(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" '
                 f'fill="{colour}"><title>{html.escape(words)}</title></rect>')

    def begin(self, width, height):
        """The head, on white."""
        self.put(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
                 f'height="{height}" viewBox="0 0 {width} {height}" '
                 'font-family="sans-serif" font-size="12">')
        self.put(f'<rect width="{width}" height="{height}" fill="#ffffff"/>')

    def end(self):
        """The whole of it."""
        self.put("</svg>")
        return "\n".join(self.out) + "\n"

    def legend(self, x, y, entries):
        """Names behind boxes of their colours, in one line."""
        for name, colour in entries:
            self.bar(x, y - 9, 10, 10, colour, name)
            self.text(x + 15, y, name)
            x += 35 + 7 * len(name)


def step(greatest, parts):
    """A round length of which at most `parts` reach over a length."""
    unit = 10 ** math.floor(math.log10(greatest / parts))
    for factor in (1, 2, 5):
        if greatest / (unit * factor) <= parts:
            return unit * factor
    return unit * 10


def round_up(greatest, parts):
    """(where an axis ends, what lies between its marks)."""
    between = step(greatest, parts)
    return between * math.ceil(greatest / between - 1e-9), between


def marks(end, between):
    """What stands at an axis, as (value, words)."""
    digits = max(0, -math.floor(math.log10(between) + 1e-9))
    for i in range(round(end / between) + 1):
        yield i * between, f"{i * between:.{digits}f}"


class Panel:
    """Bars that share a scale: a heading, a unit, and rows of
    (name, [(part, length)], (whole, least, greatest))."""

    def __init__(self, heading, unit, rows):
        self.heading, self.unit, self.rows = heading, unit, rows
        greatest = max((row[2][2] for row in rows), default=1)
        self.end, self.between = round_up(greatest, 8)


def bars(panels, colours):
    """Panels of bars, one below the other, each with its own scale. `colours`
    has that of each part."""
    left, width, right, row_height = 110, 600, 70, 26
    drawing = Drawing()
    height = 44 + sum(66 + row_height * len(panel.rows) for panel in panels)
    drawing.begin(left + width + right, height)
    drawing.legend(left, 24, colours.items())
    y = 44
    for panel in panels:
        drawing.text(left, y + 14, panel.heading, 'font-weight="bold"')
        y += 24
        put_panel(drawing, panel, colours, left, y, width, row_height)
        y += 42 + row_height * len(panel.rows)
    return drawing.end()


def put_panel(drawing, panel, colours, left, top, width, row_height):
    """One of them, from `top` downwards."""
    bottom = top + row_height * len(panel.rows)
    for value, words in marks(panel.end, panel.between):
        x = round(left + width * value / panel.end, 1)
        drawing.line(x, top, x, bottom, GRID)
        drawing.text(x, bottom + 15, f"{words} {panel.unit}",
                     f'text-anchor="middle" font-size="11" {GREY}')
    for i, (name, parts, whole) in enumerate(panel.rows):
        y = top + row_height * i
        drawing.text(left - 8, y + 17, name, 'text-anchor="end"')
        put_bar(drawing, panel, colours, parts, left, y + 4, width)
        low, high = (round(left + width * value / panel.end, 1)
                     for value in whole[1:])
        drawing.line(low, y + 13, high, y + 13, WHISKER)
        for x in (low, high):
            drawing.line(x, y + 9, x, y + 17, WHISKER)
        drawing.text(high + 6, y + 17, f"{whole[0]:.2f} {panel.unit}")


def put_bar(drawing, panel, colours, parts, left, y, width):
    """The parts of one bar."""
    begin = 0
    for part, length in parts:
        x = round(left + width * begin / panel.end, 1)
        drawing.bar(x, y, round(width * length / panel.end, 1), 18,
                    colours[part], f"{part}: {length:.3f} {panel.unit}")
        begin += length


class Curve:
    """A name, a colour, and points of (x, median, least, greatest)."""

    def __init__(self, name, colour, points):
        self.name, self.colour, self.points = name, colour, points


def curves(across, upwards, drawn):
    """Curves over the whole numbers that have been tried, each point with its
    spread. `across` and `upwards` say what the axes are."""
    left, top, width, height = 64, 44, 520, 260
    end, between = round_up(max(point[3] for curve in drawn
                                for point in curve.points), 6)
    tried = sorted({point[0] for curve in drawn for point in curve.points})
    drawing = Drawing()
    drawing.begin(left + width + 30, top + height + 50)
    drawing.legend(left, 18, [(curve.name, curve.colour) for curve in drawn])
    drawing.text(left, 36, upwards, f'font-size="11" {GREY}')

    def place(x, y):
        return (round(left + width * x / max(tried), 1),
                round(top + height * (1 - y / end), 1))

    for value, words in marks(end, between):
        _, y = place(0, value)
        drawing.line(left, y, left + width, y, GRID)
        drawing.text(left - 8, y + 4, words, 'text-anchor="end"')
    for value in tried:
        x, _ = place(value, 0)
        drawing.line(x, top + height, x, top + height + 4, GRID)
        drawing.text(x, top + height + 18, str(value), 'text-anchor="middle"')
    drawing.text(left + width / 2, top + height + 38, across,
                 f'text-anchor="middle" font-size="11" {GREY}')
    for curve in drawn:
        put_curve(drawing, curve, place)
    return drawing.end()


def put_curve(drawing, curve, place):
    """One of them."""
    path = " ".join(f"{x},{y}" for x, y in (
        place(point[0], point[1]) for point in curve.points))
    drawing.put(f'<polyline points="{path}" fill="none" '
                f'stroke="{curve.colour}" stroke-width="2"/>')
    for value, median, least, greatest in curve.points:
        x, y = place(value, median)
        low, high = place(value, least)[1], place(value, greatest)[1]
        drawing.line(x, low, x, high, f'stroke="{curve.colour}"')
        drawing.put(f'<circle cx="{x}" cy="{y}" r="4" fill="{curve.colour}">'
                    f"<title>{html.escape(curve.name)}, {value}: "
                    f"{median:.1f}</title></circle>")
