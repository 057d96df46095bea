# SPDX-License-Identifier: BSD-2-Clause
"""Figures out of benchmark rows: paired ratios with their intervals, Markdown tables and plots as SVG."""

import math
import statistics

CONFIDENCE = 0.95


def interval(numbers):
    """The sign interval of the median: two order statistics between which it lies with 95 % at least, whatever the
    distribution. (None, None) for fewer than six numbers, which allow none."""
    ordered = sorted(numbers)
    count = len(ordered)
    outside = 0.0
    rank = 0
    while rank < count // 2:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 1 - CONFIDENCE:
            break
        rank += 1
    return (ordered[rank - 1], ordered[count - rank]) if rank else (None, None)


class Ratio:
    """The median of the paired ratios of two subjects (or scenarios), and its interval. Of logarithms, so that it turns over
    with the subjects."""

    def __init__(self, mine, others):
        """Both {round: number}."""
        logs = [math.log(mine[key] / others[key]) for key in mine if others.get(key)]
        self.count = len(logs)
        self.median = math.exp(statistics.median(logs)) if logs else None
        low, high = interval(logs)
        self.low, self.high = (math.exp(low), math.exp(high)) if low is not None else (None, None)

    def __str__(self):
        if self.median is None:
            return "-"
        if self.low is None:
            return f"{self.median:.2f} (n={self.count})"
        return f"{self.median:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def verdict(self, target, at_most=False):
        """Missed when the whole interval is on the wrong side; no verdict without an interval."""
        if target is None:
            return ""
        text = f"{'≤' if at_most else '≥'} {target:.2f}"
        if self.low is None:
            return text
        missed = self.low > target if at_most else self.high < target
        return f"{text} {'**missed**' if missed else 'met'}"


def by_round(rows, measure, **wanted):
    """{round: number} of one measure, of the rows without error that have these values."""
    return {
        row["round"]: float(row[measure])
        for row in rows
        if not row["error"] and row.get(measure) and all(row[key] == value for key, value in wanted.items())
    }


def median(numbers):
    numbers = list(numbers)
    return statistics.median(numbers) if numbers else None


def quantity(number):
    """Three digits are more than this kind of measurement repeats."""
    if number is None:
        return "-"
    if number >= 10_000:
        digits = len(str(int(number)))
        return f"{round(number, 3 - digits):,.0f}"
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


# ---- plots ----------------------------------------------------------------------------------------------------------------

STYLE = (
    "<style>text{font:12px sans-serif;fill:#222}.t{font-weight:bold}.g{stroke:#ddd}.a{stroke:#888}"
    ".m{stroke:#b30000;stroke-dasharray:4 3}</style>"
)
COLOURS = ("#0b5394", "#b45f06", "#38761d", "#741b47", "#444444", "#990000")


class Drawing:
    def __init__(self, width, height):
        self._size = width, height
        self._parts = []

    def text(self, x, y, words, anchor="start", css=""):
        words = str(words).replace("&", "&amp;").replace("<", "&lt;")
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{words}</text>')

    def line(self, x1, y1, x2, y2, css="", style=""):
        self._parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}" style="{style}"/>'
        )

    def dot(self, x, y, colour):
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')

    def save(self, path):
        width, height = self._size
        head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        background = f'<rect width="{width}" height="{height}" fill="#fff"/>'
        path.write_text("\n".join([head, STYLE, background, *self._parts, "</svg>"]) + "\n")


def plot_ratios(path, title, entries):
    """A line for each (name, Ratio, target or None): the median as a dot, its interval as a bar, the target as a stroke."""
    entries = [entry for entry in entries if entry[1].median is not None]
    left, right, top, step = 250, 650, 60, 20
    top_value = max([1.2] + [(ratio.high or ratio.median) * 1.05 for _, ratio, _ in entries])
    top_value = min(top_value, 3.0)
    drawing = Drawing(right + 30, top + step * len(entries) + 40)
    x = lambda value: left + (right - left) * min(value, top_value) / top_value  # noqa: E731
    drawing.text(12, 22, title, css="t")
    bottom = top + step * len(entries)
    for tenth in range(0, int(top_value * 10) + 1, 2):
        drawing.line(x(tenth / 10), top - 10, x(tenth / 10), bottom, "a" if tenth == 10 else "g")
        drawing.text(x(tenth / 10), bottom + 18, f"{tenth / 10:.1f}", "middle")
    for index, (name, ratio, target) in enumerate(entries):
        y = top + step * index
        drawing.text(left - 10, y + 4, name, "end")
        if ratio.low is not None:
            drawing.line(x(ratio.low), y, x(ratio.high), y, style=f"stroke:{COLOURS[0]};stroke-width:2")
        if target is not None:
            drawing.line(x(target), y - 8, x(target), y + 8, "m")
        drawing.dot(x(ratio.median), y, COLOURS[0])
    drawing.save(path)


def plot_growth(path, panels):
    """A panel for each (title, unit, {label: {x: y}}): lines over a logarithmic x axis, from zero up."""
    width, height = 430, 300
    drawing = Drawing(2 * width, height * ((len(panels) + 1) // 2))
    for index, panel in enumerate(panels):
        draw_panel(drawing, (index % 2) * width, (index // 2) * height, panel)
    drawing.save(path)


def draw_panel(drawing, left, top, panel):
    title, unit, curves = panel
    places = sorted({place for curve in curves.values() for place in curve})
    highest = max([value for curve in curves.values() for value in curve.values()], default=0)
    drawing.text(left + 12, top + 20, title, css="t")
    if not places or not highest:
        return
    x0, x1, y0, y1 = left + 70, left + 410, top + 240, top + 55
    spread = math.log(places[-1] / places[0]) or 1.0
    x = lambda place: x0 + (x1 - x0) * math.log(place / places[0]) / spread  # noqa: E731
    y = lambda value: y0 + (y1 - y0) * value / highest  # noqa: E731
    for quarter in range(5):
        drawing.line(x0, y(highest * quarter / 4), x1, y(highest * quarter / 4), "g")
        drawing.text(x0 - 6, y(highest * quarter / 4) + 4, quantity(highest * quarter / 4), "end")
    for place in places:
        drawing.text(x(place), y0 + 16, place, "middle")
    drawing.text(left + 12, top + 40, unit)
    for number, (label, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = [(x(place), y(curve[place])) for place in sorted(curve)]
        for begin, end in zip(points, points[1:]):
            drawing.line(*begin, *end, style=f"stroke:{colour};stroke-width:1.5")
        for point in points:
            drawing.dot(*point, colour)
        drawing.line(x0 + 85 * number, top + 274, x0 + 85 * number + 14, top + 274, style=f"stroke:{colour};stroke-width:3")
        drawing.text(x0 + 85 * number + 18, top + 278, label)
