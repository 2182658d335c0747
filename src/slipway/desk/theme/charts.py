"""Server-side charts as SVG: bar, dot-and-interval, line, heat strip.

They print, go into signed reports and need no JavaScript. Each is a figure
with a caption, an ``<svg role="img">`` with ``<title>`` and ``<desc>``, and the
same numbers in a table beneath. Only presentation attributes are used: the
content security policy forbids inline styles. Nothing depends on colour alone:
values are written out, series differ in shape and dash.

The functions take plain data and return markup that is safe to place in a
template; every text is escaped here.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Final

from django.utils.safestring import SafeString, mark_safe

Number = int | float | Decimal

WIDTH: Final = 736
_LABEL: Final = 208
_VALUE: Final = 108
_ROW: Final = 34
_INK: Final = "#1b1b1b"
_SOFT: Final = "#565c65"
_GRID: Final = "#dfe1e2"
_BLUE: Final = "#005ea2"
_LINE_COLOURS: Final = ("#005ea2", "#936f38", "#54278f", "#b50909")
_DASHES: Final = ("", "6 4", "2 3", "10 3 2 3")
# Five steps of one blue, light to dark; white or dark ink on them keeps a contrast above 4.5 to 1.
_HEAT: Final = (
    ("#eff6fb", _INK),
    ("#cfe8ff", _INK),
    ("#73b3e7", _INK),
    ("#2378c3", "#ffffff"),
    ("#162e51", "#ffffff"),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, value from 0 to the chart's maximum, and the words for it."""

    label: str
    value: Number
    text: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval, all on the chart's scale; ``note`` says for example "5 of 7"."""

    label: str
    estimate: Number
    lower: Number
    upper: Number
    note: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """A named line; ``points`` are (x, y)."""

    name: str
    points: Sequence[tuple[Number, Number]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a heat strip: its label, a value from 0 to 1 or ``None`` for missing, and words for it."""

    label: str
    value: Number | None
    text: str = ""


def _n(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    fill: str = _INK,
    size: int = 14,
    weight: str = "",
) -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" font-size="{size}" fill="{fill}"{bold}>'
        f"{escape(words)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1, dash: str = "") -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="{stroke}"'
        f' stroke-width="{_n(width)}"{dashed}/>'
    )


def _short(label: str, limit: int = 28) -> str:
    return label if len(label) <= limit else label[: limit - 1] + "…"


def _percent(value: Number) -> str:
    return f"{float(value) * 100:.0f} %"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    body = []
    for row in rows:
        first, *rest = row
        cells = "".join(f'<td class="sw-num">{escape(cell)}</td>' for cell in rest)
        body.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    return (
        "<details><summary>The numbers</summary>"
        '<div class="usa-table-container--scrollable" tabindex="0" role="region"'
        f' aria-label="{escape(title)}: the numbers"><table class="usa-table">'
        f'<caption class="usa-sr-only">{escape(title)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(body)}</tbody></table></div></details>"
    )


def _figure(title: str, desc: str, height: float, parts: Sequence[str], table: str) -> SafeString:
    # Ids must be unique on a page and equal for equal charts, so that a signed report can be made again.
    key = hashlib.sha256("\0".join([title, desc, *parts]).encode()).hexdigest()[:10]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {_n(height)}" role="img"'
        f' aria-labelledby="t{key} d{key}"><title id="t{key}">{escape(title)}</title>'
        f'<desc id="d{key}">{escape(desc)}</desc>{"".join(parts)}</svg>'
    )
    # On a narrow screen the picture keeps a readable size and scrolls inside its own box.
    picture = (
        f'<div class="sw-chart__picture" tabindex="0" role="group" aria-label="{escape(title)}">{svg}</div>'
    )
    markup = f'<figure class="sw-chart"><figcaption>{escape(title)}</figcaption>{picture}{table}</figure>'
    return mark_safe(markup)  # noqa: S308  (every text above went through escape)


def _finite(*values: Number) -> None:
    if not all(math.isfinite(float(value)) for value in values):
        raise ValueError("a chart takes finite numbers")


def _axis(low: float, high: float, x0: float, x1: float, bottom: float, unit_percent: bool) -> list[str]:
    parts = []
    for step in range(5):
        share = step / 4
        x = x0 + (x1 - x0) * share
        value = low + (high - low) * share
        parts.append(_line(x, 8, x, bottom, _GRID))
        words = _percent(value) if unit_percent else f"{value:g}"
        parts.append(_text(x, bottom + 18, words, anchor="middle", fill=_SOFT, size=12))
    return parts


def bar(title: str, bars: Sequence[Bar], *, maximum: Number | None = None, desc: str = "") -> SafeString:
    """Return a horizontal bar chart; ``maximum`` is the full width, the largest value when left out."""
    _finite(*(b.value for b in bars))
    full = float(maximum if maximum is not None else max((b.value for b in bars), default=0)) or 1.0
    parts, y = [], 8.0
    room = WIDTH - _LABEL - _VALUE
    for item in bars:
        width = max(0.0, min(1.0, float(item.value) / full)) * room
        words = item.text or f"{float(item.value):g}"
        parts.append(_text(_LABEL - 12, y + 21, _short(item.label), anchor="end"))
        parts.append(f'<rect x="{_LABEL}" y="{_n(y + 5)}" width="{_n(room)}" height="22" fill="#f0f0f0"/>')
        parts.append(f'<rect x="{_LABEL}" y="{_n(y + 5)}" width="{_n(width)}" height="22" fill="{_BLUE}"/>')
        parts.append(_text(WIDTH - _VALUE + 12, y + 21, words, weight="700"))
        y += _ROW
    rows = [(b.label, b.text or f"{float(b.value):g}") for b in bars]
    said = desc or "; ".join(f"{label}: {words}" for label, words in rows) or "No values."
    return _figure(title, said, y + 8, parts, _table(title, ("", "Value"), rows))


def intervals(
    title: str,
    items: Sequence[Interval],
    *,
    low: Number = 0,
    high: Number = 1,
    threshold: Number | None = None,
    threshold_label: str = "threshold",
    percent: bool = True,
    desc: str = "",
) -> SafeString:
    """Return a dot-and-interval chart on the scale ``low`` to ``high``, with an optional threshold line."""
    _finite(low, high, *(v for i in items for v in (i.estimate, i.lower, i.upper)))
    if float(high) <= float(low):
        raise ValueError("high must be above low")
    x0, x1 = float(_LABEL), float(WIDTH - _VALUE)
    top = 26.0 if threshold is not None else 8.0
    bottom = top + _ROW * len(items)

    def place(value: Number) -> float:
        share = (float(value) - float(low)) / (float(high) - float(low))
        return x0 + (x1 - x0) * max(0.0, min(1.0, share))

    def words(value: Number) -> str:
        return _percent(value) if percent else f"{float(value):g}"

    parts = _axis(float(low), float(high), x0, x1, bottom, percent)
    if threshold is not None:
        x = place(threshold)
        parts.append(_line(x, 18, x, bottom, "#b50909", 2, "5 3"))
        anchor = "end" if x > (x0 + x1) / 2 else "start"
        label = f"{threshold_label} {words(threshold)}"
        parts.append(
            _text(x + (-6 if anchor == "end" else 6), 14, label, anchor=anchor, fill="#b50909", size=12)
        )
    for number, item in enumerate(items):
        y = top + _ROW * number + _ROW / 2
        left, right = place(item.lower), place(item.upper)
        parts.append(_text(_LABEL - 12, y + 5, _short(item.label), anchor="end"))
        parts.append(_line(left, y, right, y, _INK, 3))
        parts += [_line(edge, y - 6, edge, y + 6, _INK, 3) for edge in (left, right)]
        parts.append(
            f'<circle cx="{_n(place(item.estimate))}" cy="{_n(y)}" r="6.5" fill="{_BLUE}"'
            ' stroke="#ffffff" stroke-width="2"/>'
        )
        parts.append(_text(x1 + 12, y + 5, item.note or words(item.estimate), weight="700"))
    rows = [(i.label, words(i.estimate), words(i.lower), words(i.upper), i.note) for i in items]
    said = desc or "; ".join(f"{r[0]}: {r[1]}, interval {r[2]} to {r[3]}" for r in rows) or "No values."
    table = _table(title, ("", "Estimate", "Lower", "Upper", "Counts"), rows)
    return _figure(title, said, bottom + 28, parts, table)


def _step(span: float) -> float:
    """Return a round step that divides ``span`` into about four."""
    rough = span / 4
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= rough * 0.999)


def _ticks(low: float, high: float) -> list[float]:
    """Return round values from ``low`` to ``high``."""
    step = _step(high - low)
    first = math.ceil(low / step - 1e-9)
    return [round((first + n) * step, 10) for n in range(int((high - first * step) / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class _Plane:
    """Where numbers of a line chart lie in the picture."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    left: float = 64.0
    right: float = WIDTH - 150.0
    top: float = 18.0
    bottom: float = 238.0

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> _Plane:
        xs, ys = [p[0] for p in points] or [0.0], [0.0, *(p[1] for p in points)]
        x_low, x_high, y_low, y_high = min(xs), max(xs), min(ys), max(ys)
        # A span that is nothing beside the numbers themselves has no readable ticks.
        y_high = (
            y_high
            if y_high - y_low > 1e-9 * max(1.0, abs(y_high), abs(y_low))
            else y_low + max(1.0, abs(y_low))
        )
        x_wide = x_high - x_low > 1e-9 * max(1.0, abs(x_high), abs(x_low))
        step = _step(y_high - y_low)
        return cls(
            x_low,
            x_high if x_wide else x_low + max(1.0, abs(x_low)),
            math.floor(y_low / step + 1e-9) * step,
            math.ceil(y_high / step - 1e-9) * step,
        )

    def place(self, x: Number, y: Number) -> tuple[float, float]:
        return (
            self.left + (float(x) - self.x_low) / (self.x_high - self.x_low) * (self.right - self.left),
            self.bottom - (float(y) - self.y_low) / (self.y_high - self.y_low) * (self.bottom - self.top),
        )

    def axes(self) -> list[str]:
        parts = []
        for value in _ticks(self.y_low, self.y_high):
            _, y = self.place(self.x_low, value)
            parts.append(_line(self.left, y, self.right, y, _GRID))
            parts.append(_text(self.left - 8, y + 4, f"{value:g}", anchor="end", fill=_SOFT, size=12))
        for value in _ticks(self.x_low, self.x_high):
            x, _ = self.place(value, self.y_low)
            parts.append(_text(x, self.bottom + 18, f"{value:g}", anchor="middle", fill=_SOFT, size=12))
        return parts


def line(
    title: str, series: Sequence[Series], *, x_label: str = "", y_label: str = "", desc: str = ""
) -> SafeString:
    """Return a line chart of up to four series, told apart by dash and by a name at their end."""
    if len(series) > len(_DASHES):
        raise ValueError(f"a line chart takes at most {len(_DASHES)} series")
    points = [(float(x), float(y)) for s in series for x, y in s.points]
    _finite(*(v for p in points for v in p))
    plane = _Plane.of(points)
    parts = plane.axes()
    ends: list[float] = []
    for item, colour, dash in zip(series, _LINE_COLOURS, _DASHES, strict=False):
        placed = [plane.place(x, y) for x, y in item.points]
        if not placed:
            continue
        path = " ".join(f"{_n(x)},{_n(y)}" for x, y in placed)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dashed}/>')
        end_x, end_y = placed[-1]
        parts.append(f'<circle cx="{_n(end_x)}" cy="{_n(end_y)}" r="4" fill="{colour}"/>')
        # Names of lines that end close together would cover each other.
        way = 15 if end_y < (plane.top + plane.bottom) / 2 else -15
        while any(abs(end_y - other) < 15 for other in ends):
            end_y += way
        ends.append(end_y)
        parts.append(_text(end_x + 10, end_y + 5, _short(item.name, 18), fill=colour, size=13, weight="700"))
    if x_label:
        middle = (plane.left + plane.right) / 2
        parts.append(_text(middle, plane.bottom + 38, x_label, anchor="middle", fill=_SOFT, size=12))
    if y_label:
        parts.append(_text(4, 10, y_label, fill=_SOFT, size=12))
    rows = [(s.name, f"{float(x):g}", f"{float(y):g}") for s in series for x, y in s.points]
    said = desc or "; ".join(_said(s) for s in series if s.points) or "No values."
    table = _table(title, ("Series", x_label or "x", y_label or "y"), rows)
    return _figure(title, said, plane.bottom + 48, parts, table)


def _said(item: Series) -> str:
    (x0, y0), (x1, y1) = item.points[0], item.points[-1]
    span = f"from {float(y0):g} at {float(x0):g} to {float(y1):g} at {float(x1):g}"
    return f"{item.name}: {len(item.points)} points, {span}"


def heat_strip(title: str, cells: Sequence[Cell], *, columns: int = 12, desc: str = "") -> SafeString:
    """Return a strip of cells shaded by value; a missing one is hatched by a cross and says "missing"."""
    _finite(*(c.value for c in cells if c.value is not None))
    if columns < 1:
        raise ValueError("columns must be at least 1")
    side = WIDTH / columns
    tall = min(side, 52.0)
    parts = []
    for number, cell in enumerate(cells):
        x, y = (number % columns) * side, (number // columns) * (tall + 22)
        box = f'x="{_n(x + 2)}" y="{_n(y + 2)}" width="{_n(side - 4)}" height="{_n(tall - 4)}"'
        if cell.value is None:
            parts.append(f'<rect {box} fill="#ffffff" stroke="{_SOFT}" stroke-dasharray="3 3"/>')
            parts.append(_line(x + 6, y + 6, x + side - 6, y + tall - 6, _SOFT))
            parts.append(_line(x + side - 6, y + 6, x + 6, y + tall - 6, _SOFT))
        else:
            shade, ink = _HEAT[min(4, int(max(0.0, min(1.0, float(cell.value))) * 5))]
            parts.append(f'<rect {box} fill="{shade}" stroke="{_SOFT}" stroke-width="0.5"/>')
            words = cell.text or _percent(cell.value)
            parts.append(_text(x + side / 2, y + tall / 2 + 5, words, anchor="middle", fill=ink, size=13))
        limit = max(3, int(side // 7))
        parts.append(
            _text(
                x + side / 2, y + tall + 12, _short(cell.label, limit), anchor="middle", fill=_SOFT, size=11
            )
        )
    rows = [(c.label, "missing" if c.value is None else c.text or _percent(c.value)) for c in cells]
    said = desc or "; ".join(f"{label}: {words}" for label, words in rows) or "No values."
    height = max(1, math.ceil(len(cells) / columns)) * (tall + 22)
    return _figure(title, said, height, parts, _table(title, ("", "Value"), rows))
