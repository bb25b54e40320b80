"""Charts of image classification: ROC curve, reliability diagram, histograms of scores."""

from __future__ import annotations

import math

import numpy as np
from markupsafe import Markup, escape

from maskwright.report.charts import (
    FIFTHS,
    SQUARE,
    WIDTH,
    PlotArea,
    axes,
    beside,
    chosen_dots,
    dot,
    key,
    legend,
    nothing,
    number_text,
    path_of,
    svg,
    ticks,
    unit_square,
    words,
)
from maskwright.report.sections import Calibration, Roc, Scores


# --- on the unit square -----------------------------------------------------------------------------------------------
def roc(section: Roc) -> Markup:
    """ROC curves with the diagonal of random guessing."""
    if not any(len(series.x) for series in section.curves):
        return nothing()
    frame = unit_square()
    parts = [axes(frame, FIFTHS, FIFTHS, "false positive rate", "recall"), _diagonal(frame)]
    parts += [path_of(series, number, frame, marks=False) for number, series in enumerate(section.curves)]
    parts += chosen_dots(section.curves, section.points, frame, ("false positive rate", "recall"))
    chart = svg(parts, 360, f"{section.heading}: recall over false positive rate", SQUARE)
    return beside(chart, legend(section.curves))


def calibration(section: Calibration) -> Markup:
    """One dot per bin with its interval, the diagonal of perfect calibration, and a histogram below."""
    filled = np.flatnonzero(np.asarray(section.count) > 0)
    if not len(filled):
        return nothing()
    frame = unit_square()
    parts = [axes(frame, FIFTHS, FIFTHS, "", "fraction correct"), _diagonal(frame)]
    for index in map(int, filled):
        x, y = frame.at_x(float(section.score[index])), float(section.fraction[index])
        interval = section.intervals[index]
        if interval is not None:
            low, high = frame.at_y(interval[0]), frame.at_y(interval[1])
            parts.append(f'<path class="whisker" opacity=".55" d="M{x:.1f} {low:.1f}V{high:.1f}"/>')
        tooltip = f"scores around {section.score[index]:.2f}: {y:.2f} correct, {int(section.count[index])} images"
        parts.append(dot(frame, float(section.score[index]), y, 0, 5, tooltip))
    most = int(np.max(section.count))
    base, high = frame.bottom + 92, 52.0
    for index, count in enumerate(np.asarray(section.count).tolist()):
        x1, x2 = frame.at_x(float(section.edges[index])), frame.at_x(float(section.edges[index + 1]))
        tall = high * count / most
        if count:
            parts.append(_bar("right", x1 + 1, base - tall, x2 - x1 - 2, tall, f"{count} images"))
            parts.append(words("tick", (x1 + x2) / 2, base - tall - 4, f"{count:,}", "middle"))
    parts.append(f'<path class="axis" d="M{frame.left} {base:.1f}H{frame.right}"/>')
    parts.append(words("label", frame.right, base + 19, "score", "end"))
    parts.append(words("label", frame.left, base + 19, "images"))
    return svg(parts, math.ceil(base + 28), f"{section.heading}: fraction correct over score", SQUARE)


def _diagonal(frame: PlotArea) -> str:
    return f'<path class="chance" d="M{frame.left} {frame.bottom}L{frame.right} {frame.top}"/>'


# --- scores -----------------------------------------------------------------------------------------------------------
def scores(section: Scores) -> Markup:
    """Histograms of scores: one upward, one downward, so that neither hides the other."""
    (name_up, up), (name_down, down) = section.up, section.down
    if not len(up) + len(down):
        return nothing()
    edges = _edges(section.bins, section.threshold)
    above, below = (np.histogram(np.clip(item, 0, 1), edges)[0] for item in (up, down))
    most_up, most_down = max(int(above.max()), 1), max(int(below.max()), 1)
    frame = PlotArea(56, 36, WIDTH - 16, 276, (0.0, 1.0), (-float(most_down), float(most_up)))
    middle = frame.at_y(0)
    parts = []
    for level in ticks(-most_down, most_up, 6, whole=True):
        y = frame.at_y(level)
        parts.append(f'<path class="grid" d="M{frame.left} {y:.1f}H{frame.right}"/>')
        parts.append(words("tick", frame.left - 8, y + 4, f"{abs(level):,.0f}", "end"))
    for counts, kind, sign in ((above, "up", 1), (below, "down", -1)):
        for index, count in enumerate(counts.tolist()):
            if count:
                x1, x2 = frame.at_x(float(edges[index])), frame.at_x(float(edges[index + 1]))
                end = frame.at_y(sign * count)
                tooltip = f"{edges[index]:.2f} to {edges[index + 1]:.2f}: {count} {name_up if sign > 0 else name_down}"
                parts.append(_bar(kind, x1 + 1, min(end, middle), x2 - x1 - 2, abs(end - middle), tooltip))
    parts.append(f'<path class="axis" d="M{frame.left} {middle:.1f}H{frame.right}"/>')
    for value in FIFTHS:
        parts.append(words("tick", frame.at_x(value), frame.bottom + 19, f"{value:.1f}", "middle"))
    parts.append(words("label", frame.right, frame.bottom + 38, "score", "end"))
    if section.threshold is not None:
        x = frame.at_x(min(max(section.threshold, 0.0), 1.0))
        parts.append(f'<path class="threshold" d="M{x:.1f} {frame.top - 20}V{frame.bottom}"/>')
        anchor = "start" if section.threshold < 0.7 else "end"
        gap = 6 if anchor == "start" else -6
        parts.append(words("value", x + gap, frame.top - 11, f"threshold {number_text(section.threshold)}", anchor))
    keys = [
        key(f'<rect class="{kind}" width="11" height="11" rx="2"/>', f"{name}, {where}")
        for name, kind, where in ((name_up, "up", "upward"), (name_down, "down", "downward"))
    ]
    chart = svg(parts, 320, f"{section.heading}: {name_up} and {name_down} by score")
    return beside(chart, Markup(f'<ul class="legend">{"".join(keys)}</ul>'))


def _edges(bins: int, threshold: float | None) -> np.ndarray:
    """The edges of about `bins` bins over 0..1; the threshold is one of them, so that no bin crosses it."""
    if threshold is None or not 0 < threshold < 1:
        return np.linspace(0, 1, bins + 1)
    left = min(max(round(bins * threshold), 1), bins - 1)
    return np.concatenate([np.linspace(0, threshold, left + 1), np.linspace(threshold, 1, bins - left + 1)[1:]])


def _bar(kind: str, x: float, y: float, wide: float, tall: float, tooltip: str) -> str:
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(wide, 1):.1f}" height="{max(tall, 0.5):.1f}">'
        f"<title>{escape(tooltip)}</title></rect>"
    )
