"""Charts of how values lie: a histogram, and a map of two values at once. Of any number of values they are as large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

from maskwright.report import charts
from maskwright.report.charts import PlotArea
from maskwright.report.sections import Density, Histogram

MOST_TICKS, MAP_TICKS = 8, 5
LETTER = 11  # width of a digit on a phone, in the chart's own coordinates


def histogram(section: Histogram) -> Markup:
    """Bars of equal width, whatever the scale of their edges."""
    counts = np.asarray(section.counts)
    if not counts.sum():
        return charts.nothing()
    highest = float(counts.max()) * 1.05
    levels = charts.ticks(0, highest, 4, whole=True)
    left = 34 + LETTER * max(len(f"{level:,.0f}") for level in levels)
    frame = PlotArea(left, 16, charts.WIDTH - 20, 228, (0, len(counts)), (0, highest))
    parts = [charts.axes(frame, [], levels, section.label_x, section.label_y)]
    for index, count in enumerate(counts.tolist()):
        left, right, top = frame.at_x(index), frame.at_x(index + 1), frame.at_y(count)
        low, high = (_edge(section.edges[number]) for number in (index, index + 1))
        parts.append(
            f'<rect class="bar" x="{left + 0.5:.1f}" y="{top:.1f}" width="{right - left - 1:.1f}" '
            f'height="{frame.bottom - top:.1f}"><title>{escape(f"{low} to {high}: {count:,}")}</title></rect>'
        )
    parts.append(_ticks_x(frame, section.edges, MOST_TICKS))
    return charts.svg(parts, 272, section.heading)


def density(section: Density) -> Markup:
    """A map of cells, the darker the more values are in them; y grows downward with `downward`, as in images."""
    counts = np.asarray(section.counts)
    if not counts.sum():
        return charts.nothing()
    rows, columns = counts.shape
    frame = PlotArea(64, 16, 64 + 340, 16 + 300, (0, columns), (0, rows))
    parts = []
    most = float(counts.max())
    for row, column in np.argwhere(counts).tolist():
        shown = rows - 1 - row if section.downward else row
        left, right = frame.at_x(column), frame.at_x(column + 1)
        top, bottom = frame.at_y(shown + 1), frame.at_y(shown)
        opacity = 0.12 + 0.88 * (counts[row, column] / most) ** 0.5
        parts.append(
            f'<rect class="bar" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
            f'fill-opacity="{opacity:.2f}"><title>{escape(_cell(section, row, column))}</title></rect>'
        )
    corners = f"M{frame.left} {frame.top}H{frame.right}V{frame.bottom}H{frame.left}Z"
    parts += [f'<path class="grid" d="{corners}"/>', _ticks_x(frame, section.x_edges, MAP_TICKS)]
    parts.append(_labels(frame, section))
    return charts.svg(parts, 360, section.heading, charts.SQUARE)


def _cell(section: Density, row: int, column: int) -> str:
    x, y = (f"{_edge(edges[index])} to {_edge(edges[index + 1])}"
            for edges, index in ((section.x_edges, column), (section.y_edges, row)))  # fmt: skip
    return f"{section.label_x} {x}, {section.label_y} {y}: {int(section.counts[row, column]):,}"


def _ticks_x(frame: PlotArea, edges: Sequence[float] | np.ndarray, most: int) -> str:
    parts = []
    for index in _few(len(edges), most):
        x = frame.at_x(index)
        parts.append(f'<path class="axis" d="M{x:.1f} {frame.bottom}v5"/>')
        parts.append(charts.words("tick", x, frame.bottom + 19, _edge(edges[index]), "middle"))
    return "".join(parts)


def _labels(frame: PlotArea, section: Density) -> str:
    parts = []
    for index in _few(len(section.y_edges), MAP_TICKS):
        y = frame.at_y(len(section.y_edges) - 1 - index if section.downward else index)
        parts.append(charts.words("tick", frame.left - 8, y + 4, _edge(section.y_edges[index]), "end"))
    parts.append(charts.words("label", frame.right, frame.bottom + 38, section.label_x, "end"))
    middle = (frame.top + frame.bottom) / 2
    parts.append(f'<text class="label" transform="translate(14 {middle:.0f}) rotate(-90)" text-anchor="middle">'
                 f"{escape(section.label_y)}</text>")  # fmt: skip
    return "".join(parts)


def _few(count: int, most: int) -> range:
    """Indices of the edges that get a tick."""
    return range(0, count, max(1, -(-(count - 1) // most)))


def _edge(value: float) -> str:
    """Two digits of an edge are enough: 0.35, 1,200."""
    return f"{value:,.0f}" if abs(value) >= 20 or float(value).is_integer() else f"{value:.2g}"
