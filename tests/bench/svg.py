# SPDX-License-Identifier: Apache-2.0
"""Plain SVG: panels with axes, lines and bars. No style sheet, no font file, no script: it shows the same everywhere."""
from html import escape

COLOURS = ["#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#7f7f7f", "#bcbd22", "#e377c2"]
MARKS = ["circle", "square", "triangle"]
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 50
LINE_H = 18


def nice_step(most, steps=5):
    """1, 2 or 5 times a power of ten, so that about so many fit."""
    step = 10.0 ** -6
    while True:
        for factor in (1, 2, 5):
            if most / (step * factor) <= steps:
                return step * factor
        step *= 10


def number(value):
    return ("%.3f" % value).rstrip("0").rstrip(".")


class Drawing:
    def __init__(self, width, height, title):
        self.width, self.height, self.parts = width, height, []
        self.text(width / 2, 20, title, size=15, anchor="middle", weight="bold")

    def text(self, x, y, words, size=12, anchor="start", colour="#222", weight="normal", turn=None):
        turned = ' transform="rotate(%d %.1f %.1f)"' % (turn, x, y) if turn else ""
        self.parts.append(
            '<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s" fill="%s" font-weight="%s"%s>%s</text>'
            % (x, y, size, anchor, colour, weight, turned, escape(words)))

    def line(self, x1, y1, x2, y2, colour="#888", width=1.0, dash=""):
        dashed = ' stroke-dasharray="%s"' % dash if dash else ""
        self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%.1f"%s/>'
                          % (x1, y1, x2, y2, colour, width, dashed))

    def box(self, x, y, w, h, colour):
        self.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>' % (x, y, max(w, 0), h, colour))

    def path(self, points, colour):
        self.parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>'
                          % (" ".join("%.1f,%.1f" % p for p in points), colour))

    def mark(self, x, y, colour, kind):
        if kind == "circle":
            self.parts.append('<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>' % (x, y, colour))
        elif kind == "square":
            self.box(x - 3.2, y - 3.2, 6.4, 6.4, colour)
        else:
            self.parts.append('<polygon points="%.1f,%.1f %.1f,%.1f %.1f,%.1f" fill="%s"/>'
                              % (x, y - 4, x - 4, y + 3.5, x + 4, y + 3.5, colour))

    def __str__(self):
        return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" '
                'font-family="sans-serif">\n<rect width="100%%" height="100%%" fill="#fff"/>\n%s\n</svg>\n'
                % (self.width, self.height, self.width, self.height, "\n".join(self.parts)))


def legend(drawing, names, y):
    x = LEFT
    for k, name in enumerate(names):
        need = 34 + 7.2 * len(name)
        if x + need > drawing.width - RIGHT:
            x, y = LEFT, y + LINE_H
        colour = COLOURS[k % len(COLOURS)]
        drawing.line(x, y - 4, x + 20, y - 4, colour, 2)
        drawing.mark(x + 10, y - 4, colour, MARKS[k % len(MARKS)])
        drawing.text(x + 25, y, name)
        x += need


def legend_height(names, width):
    drawing = Drawing(width, 0, "")
    legend(drawing, names, 0)
    return LINE_H * (1 + len({part.split('y="')[1].split('"')[0] for part in drawing.parts[1:] if "<text" in part}))


def y_axis(drawing, x, y, w, h, most, label):
    step = nice_step(most)
    value = 0.0
    while value <= most * 1.0001:
        at = y + h - h * value / most
        drawing.line(x, at, x + w, at, "#ddd")
        drawing.text(x - 6, at + 4, number(value), size=11, anchor="end")
        value += step
    drawing.line(x, y, x, y + h, "#444")
    drawing.line(x, y + h, x + w, y + h, "#444")
    if label:
        drawing.text(x - 46, y + h / 2, label, anchor="middle", turn=-90)


def plot_panels(title, panels, x_label, y_label, marks=True):
    """panels: [(name, x ticks or None, {series: [(x, y)]})] side by side. With ticks, x is a place among them (categories);
    without, a number from 0."""
    names = []
    for _, _, series in panels:
        names += [name for name in series if name not in names]
    most = max((y for _, _, series in panels for line in series.values() for _, y in line), default=1) * 1.08
    panel_w = 620 if len(panels) == 1 else 300
    width = panel_w * len(panels) + 20
    below = legend_height(names, width)
    drawing = Drawing(width, TOP + 300 + BOTTOM + below, title)
    for k, (name, ticks, series) in enumerate(panels):
        x, y, w, h = LEFT + panel_w * k, TOP + 22, panel_w - LEFT - RIGHT + 10, 270
        drawing.text(x + w / 2, y - 8, name, anchor="middle", size=13)
        y_axis(drawing, x, y, w, h, most, y_label if k == 0 else "")
        place = x_axis(drawing, x, y, w, h, ticks, series)
        drawing.text(x + w / 2, y + h + 36, x_label, anchor="middle")
        for n, line in series.items():
            colour = COLOURS[names.index(n) % len(COLOURS)]
            points = [(place(px), y + h - h * py / most) for px, py in line]
            drawing.path(points, colour)
            for px, py in points if marks else []:
                drawing.mark(px, py, colour, MARKS[names.index(n) % len(MARKS)])
    legend(drawing, names, TOP + 300 + BOTTOM)
    return str(drawing)


def x_axis(drawing, x, y, w, h, ticks, series):
    if ticks is not None:
        def place(value):
            return x + w * (ticks.index(value) + 0.5) / len(ticks)
        for tick in ticks:
            drawing.text(place(tick), y + h + 17, number(tick), size=11, anchor="middle")
        return place
    most = max((px for line in series.values() for px, _ in line), default=1)
    step, value = nice_step(most, 10), 0.0
    while value <= most * 1.0001:
        drawing.text(x + w * value / most, y + h + 17, number(value), size=11, anchor="middle")
        value += step
    return lambda px: x + w * px / most


def plot_bars(title, bars, label):
    """bars: [(name, value, least, most, colour number)] from top to bottom, with whiskers."""
    width, left, row = 760, 250, 24
    most = max((bar[3] for bar in bars), default=1) * 1.12 or 1
    drawing = Drawing(width, TOP + row * len(bars) + 48, title)
    w = width - left - 30
    bottom = TOP + row * len(bars) + 4
    step, value = nice_step(most, 8), 0.0
    while value <= most:
        at = left + w * value / most
        drawing.line(at, TOP, at, bottom, "#ddd")
        drawing.text(at, bottom + 16, number(value), size=11, anchor="middle")
        value += step
    for k, (name, value, least, highest, colour) in enumerate(bars):
        y = TOP + row * k + 4
        drawing.text(left - 8, y + 13, name, anchor="end")
        drawing.box(left, y, w * value / most, row - 8, COLOURS[colour % len(COLOURS)])
        drawing.line(left + w * least / most, y + 8, left + w * highest / most, y + 8, "#222", 1.5)
        drawing.text(left + w * highest / most + 5, y + 13, number(round(value, 2)), size=11)
    drawing.text(left + w / 2, bottom + 36, label, anchor="middle")
    return str(drawing)
