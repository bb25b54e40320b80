"""Charts as inline SVG. Colors, fonts and strokes are in the style sheet of the page, for light and dark mode."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from maskwright.report.sections import Bars, Interval, Lines, PrecisionRecall, Series

WIDTH = 600  # of a chart in its own coordinates; the page scales it to its column
PHONE, LEGIBLE = 340, 11  # width of a chart on a phone and size of its letters there, in pixels
HUES = 7  # number of series colors in the style sheet; further series are dashed
MOST_LETTERS = 16  # of the name at the end of a line
FIFTHS = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
MAX_POINTS = 80  # series with more points have no markers and tooltips


@dataclass(frozen=True, slots=True)
class PlotArea:
    """The plotting area in chart coordinates, and the data range it shows."""

    left: float
    top: float
    right: float
    bottom: float
    x: Interval
    y: Interval

    def at_x(self, value: float) -> float:
        return self.left + (value - self.x[0]) / (self.x[1] - self.x[0]) * (self.right - self.left)

    def at_y(self, value: float) -> float:
        return self.bottom - (value - self.y[0]) / (self.y[1] - self.y[0]) * (self.bottom - self.top)


def lines(section: Lines) -> Markup:
    """A line chart of several series, each labeled at its end."""
    points = [point for series in section.series for point in _points(series)]
    if not points:
        return nothing()
    across = [x for x, _ in points]
    up = section.range_y or _nice_range([y for _, y in points])
    right = WIDTH - 20 - 10 * max(len(shortened(series.name, MOST_LETTERS)) for series in section.series)
    alone = 0.5 if min(across) == max(across) else 0.0
    frame = PlotArea(64, 16, right, 268, (min(across) - alone, max(across) + alone), up)
    whole = all(float(x).is_integer() for x in across)
    parts = [axes(frame, ticks(*frame.x, 7, whole=whole), ticks(*frame.y, 5), section.label_x, section.label_y)]
    parts += [path_of(series, number, frame) for number, series in enumerate(section.series)]
    parts += chosen_dots(section.series, section.points, frame, (section.label_x, section.label_y))
    parts.append(_end_labels(section.series, frame))
    return svg(parts, 312, f"{section.heading}: " + ", ".join(series.name for series in section.series))


def precision_recall(section: PrecisionRecall) -> Markup:
    """Precision-recall curves on the unit square."""
    if not any(_points(series) for series in section.curves):
        return nothing()
    frame = unit_square()
    parts = [axes(frame, FIFTHS, FIFTHS, "recall", "precision")]
    parts += [path_of(series, number, frame, marks=False) for number, series in enumerate(section.curves)]
    parts += chosen_dots(section.curves, section.points, frame, ("recall", "precision"))
    chart = svg(parts, 360, f"{section.heading}: precision over recall", SQUARE)
    return beside(chart, legend(section.curves))


def bars(section: Bars) -> Markup:
    """Horizontal bars with names and values; whiskers show intervals."""
    if not section.values:
        return nothing()
    known = [value for value in section.values.values() if value is not None and math.isfinite(value)]
    ends = [interval[1] for interval in section.intervals.values() if interval is not None]
    most = section.most or max([*known, *ends, 1e-9])
    row, left, right = 30, 170, WIDTH - 90

    def at(level: float) -> float:
        return left + min(max(level / most, 0), 1) * (right - left)

    parts = []
    for number, (name, value) in enumerate(section.values.items()):
        y = 8 + row * number + row / 2
        parts.append(words("name", left - 12, y + 4.5, shortened(name, 26), "end"))
        parts.append(f'<rect class="track" x="{left}" y="{y - 8:.1f}" width="{right - left}" height="16" rx="2"/>')
        if value is None or not math.isfinite(value):
            parts.append(words("value", right + 12, y + 4.5, "–"))
            continue
        parts.append(
            f'<rect class="bar" x="{left}" y="{y - 8:.1f}" width="{at(value) - left:.1f}" height="16" rx="2"/>'
        )
        interval = section.intervals.get(name)
        if interval is not None:
            low, high = at(interval[0]), at(interval[1])
            ends = f"M{low:.1f} {y - 4:.1f}v8M{high:.1f} {y - 4:.1f}v8"
            parts.append(f'<path class="whisker" d="M{low:.1f} {y:.1f}H{high:.1f}{ends}"/>')
        text = f"{value:,}" if isinstance(value, int) else number_text(value)
        parts.append(words("value", right + 12, y + 4.5, f"{text} {section.unit}".rstrip()))
    return svg(parts, 16 + row * len(section.values), section.heading)


def strip(value: float | None, interval: Interval | None, most: float = 1.0) -> Markup:
    """A small scale from 0 to `most` with the value as a dot and the interval as a line, for tables."""
    if value is None or not math.isfinite(value):
        return Markup("")

    def at(level: float) -> float:
        return 4 + min(max(level / most, 0), 1) * 132

    parts = ['<path class="axis" d="M4 9H136"/>']
    if interval is not None:
        parts.append(f'<path class="range" d="M{at(interval[0]):.1f} 9H{at(interval[1]):.1f}"/>')
    parts.append(f'<circle class="dot" cx="{at(value):.1f}" cy="9" r="4"/>')
    return Markup(f'<svg class="strip" viewBox="0 0 140 18" role="img" aria-hidden="true">{"".join(parts)}</svg>')


def nothing() -> Markup:
    return Markup('<p class="nothing">Nothing to show yet.</p>')


# --- numbers ----------------------------------------------------------------------------------------------------------
def ticks(low: float, high: float, about: int, *, whole: bool = False) -> list[float]:
    """About `about` round numbers in low..high, spaced by 1, 2, 2.5 or 5 times a power of ten.

    >>> ticks(0, 1.3, 5), ticks(1, 24, 6, whole=True)
    ([0.0, 0.5, 1.0], [5.0, 10.0, 15.0, 20.0])
    """
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    if whole:
        step = max(1.0, float(math.ceil(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * number, 12) for number in range(first, last + 1)]


def number_text(value: float) -> str:
    """Three decimals below 10, so that metrics line up: 0.07 -> 0.070, 1.0 -> 1.000; 12.04 -> 12.0, 1255.0 -> 1,255."""
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if 0 < size < 0.001:
        return f"{value:.3g}"
    return f"{value:.3f}" if size < 10 else f"{value:,.1f}" if size < 1000 else f"{value:,.0f}"


def _nice_range(values: Sequence[float]) -> Interval:
    """A range for an axis: from 0 unless the values are far from it, up to a round number."""
    low, high = min(values), max(values)
    if 0 <= low < 0.7 * high:
        low = 0.0
    if high - low < 1e-9 * max(1.0, abs(high)):  # constant values: the line runs through the middle
        margin = max(abs(high) * 0.1, 1e-9) if high else 1.0
        low, high = (0.0, 1.0) if high == 0 else (low - margin, high + margin)
    step = ticks(low, high, 5)
    width = step[1] - step[0]
    return (0.0 if low == 0 else math.floor(low / width + 1e-9) * width), math.ceil(high / width - 1e-9) * width


def _points(series: Series) -> list[tuple[float, float]]:
    return [
        (float(x), float(y)) for x, y in zip(series.x, series.y, strict=True) if math.isfinite(x) and math.isfinite(y)
    ]


# --- parts ------------------------------------------------------------------------------------------------------------
def svg(parts: Sequence[str], height: int, label: str, width: int = WIDTH, narrowest: float = 280) -> Markup:
    """A chart that takes the width of its column, up to 1.1 times its own, and `narrowest` pixels at least."""
    letters = max(12.5, LEGIBLE * width / max(PHONE, narrowest))
    widest = f"{width * 1.1:.0f}px"
    size = f"flex:0 1 {widest};max-width:{widest};min-width:{narrowest:.0f}px;--phone:{letters:.1f}px"
    return Markup(  # all texts in the parts are escaped
        f'<svg class="chart" viewBox="0 0 {width} {height}" style="{size}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def unit_square() -> PlotArea:
    return PlotArea(64, 16, 64 + 340, 16 + 300, (0.0, 1.0), (0.0, 1.0))


SQUARE = 424  # width of a chart of the unit square


def beside(chart: Markup, about: Markup) -> Markup:
    """A chart and its legend: beside it where there is room, else below."""
    return Markup('<div class="charted">') + chart + about + Markup("</div>")


def axes(frame: PlotArea, ticks_x: Sequence[float], ticks_y: Sequence[float], label_x: str, label_y: str) -> str:
    parts = []
    digits = max((len(f"{level:g}".partition(".")[2]) for level in ticks_y), default=0)
    for level in ticks_y:
        y = frame.at_y(level)
        parts.append(f'<path class="grid" d="M{frame.left} {y:.1f}H{frame.right}"/>')
        parts.append(words("tick", frame.left - 8, y + 4, f"{level:,.{digits}f}", "end"))
    digits = max((len(f"{level:g}".partition(".")[2]) for level in ticks_x), default=0)
    for value in ticks_x:
        x = frame.at_x(value)
        parts.append(f'<path class="axis" d="M{x:.1f} {frame.bottom}v5"/>')
        parts.append(words("tick", x, frame.bottom + 19, f"{value:,.{digits}f}", "middle"))
    parts.append(f'<path class="axis" d="M{frame.left} {frame.bottom}H{frame.right}"/>')
    parts.append(
        f'<text class="label" x="{frame.right}" y="{frame.bottom + 38}" text-anchor="end">{escape(label_x)}</text>'
    )
    if label_y:
        parts.append(
            f'<text class="label" transform="translate(14 {(frame.top + frame.bottom) / 2:.0f}) rotate(-90)"'
            f' text-anchor="middle">{escape(label_y)}</text>'
        )
    return "".join(parts)


def hue(number: int) -> str:
    return f"s{number % HUES} d{number // HUES % 3}"


def path_of(series: Series, number: int, frame: PlotArea, marks: bool = True) -> str:
    """One series as a path with gaps where y is not finite, and markers with tooltips."""
    path, pen_up = [], True
    for x, y in zip(series.x, series.y, strict=True):
        if not (math.isfinite(x) and math.isfinite(y)):
            pen_up = True
            continue
        inside = min(max(float(y), frame.y[0]), frame.y[1])
        path.append(f"{'M' if pen_up else 'L'}{frame.at_x(float(x)):.1f} {frame.at_y(inside):.1f}")
        pen_up = False
    parts = [f'<path class="line {hue(number)}" d="{"".join(path)}"/>']
    points = _points(series)
    if marks and len(points) <= MAX_POINTS:
        for x, y in points:
            inside = min(max(y, frame.y[0]), frame.y[1])
            parts.append(
                dot(
                    frame, x, inside, number, 2.4 if len(points) > 1 else 4, f"{series.name} at {x:g}: {number_text(y)}"
                )
            )
    return "".join(parts)


def dot(frame: PlotArea, x: float, y: float, number: int, radius: float, tooltip: str) -> str:
    """A dot with a tooltip."""
    return (
        f'<circle class="mark {hue(number)}" cx="{frame.at_x(x):.1f}" cy="{frame.at_y(y):.1f}" r="{radius}">'
        f"<title>{escape(tooltip)}</title></circle>"
    )


def chosen_dots(
    curves: Sequence[Series], points: Mapping[str, tuple[float, float]], frame: PlotArea, axis_names: tuple[str, str]
) -> list[str]:
    """A large dot on each curve at its operating point."""
    return [
        dot(
            frame, *points[series.name], number, 5,
            f"{series.name}: {axis_names[0]} {points[series.name][0]:.3f}, "
            f"{axis_names[1]} {points[series.name][1]:.3f}",
        )
        for number, series in enumerate(curves)
        if series.name in points
    ]  # fmt: skip


def words(kind: str, x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _end_labels(series: Sequence[Series], frame: PlotArea) -> str:
    """Names at the ends of lines, moved apart so that they do not overlap."""
    ends = [(frame.at_y(min(max(points[-1][1], frame.y[0]), frame.y[1])), number)
            for number, one_series in enumerate(series) if (points := _points(one_series))]  # fmt: skip
    gap, parts, below = 18.0, [], frame.bottom + 8
    label_y: dict[int, float] = {}
    for y, number in sorted(ends, reverse=True):  # upward from the bottom
        below = label_y[number] = min(y, below - gap)
    above = frame.top - gap
    for _, number in sorted(ends):  # and down again from the top edge
        above = label_y[number] = max(label_y[number], above + gap)
    for _, number in ends:
        name = shortened(series[number].name, MOST_LETTERS)
        parts.append(words(f"series {hue(number)}", frame.right + 10, label_y[number] + 4, name))
    return "".join(parts)


def legend(series: Sequence[Series]) -> Markup:
    items = [
        key(f'<path class="line {hue(number)}" d="M0 5.5h22"/>', one_series.name)
        for number, one_series in enumerate(series)
    ]
    return Markup(f'<ul class="legend">{"".join(items)}</ul>')


def key(mark: str, name: str) -> str:
    """One entry of a legend; `mark` is SVG within 22 by 11."""
    return f'<li><svg class="key" viewBox="0 0 22 11" aria-hidden="true">{mark}</svg>{escape(name)}</li>'


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
