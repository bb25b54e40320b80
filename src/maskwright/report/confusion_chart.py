"""The confusion matrix of a classifier or a detector as a chart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape

from maskwright.report.charts import nothing, shortened, svg, words
from maskwright.report.sections import Matrix


def matrix(section: Matrix) -> Markup:
    """Cells colored by their fraction of the row, blue if correct, orange if wrong, with counts."""
    counts = np.asarray(section.counts)
    if not counts.size:
        return nothing()
    kinds = len(counts)
    side = min(84.0, max(24.0, 560 / kinds))
    left, tilted = 28 + 7.5 * max(12, *(len(shortened(name, 22)) for name in section.names)), kinds > 6
    top = 96.0 if tilted else 46.0
    parts = []
    for column, name in enumerate(section.names):
        x = left + side * (column + 0.5)
        if tilted:
            parts.append(
                f'<text class="name" transform="translate({x + 4:.1f} {top - 8:.0f}) rotate(-55)">'
                f"{escape(shortened(name, 14))}</text>"
            )
        else:
            parts.append(words("name", x, top - 10, shortened(name, max(4, int(side / 7))), "middle"))
    parts.append(words("label", left, 14, "predicted"))
    parts.append(words("label", left - 12, top - 10, "ground truth", "end"))
    for row, name in enumerate(section.names):
        y = top + side * row
        total = int(counts[row].sum())
        parts.append(words("name", left - 12, y + side / 2 + 4, shortened(name, 22), "end"))
        parts += [_cell(counts, row, column, left + side * column, y, side, total, section.names)
                  for column in range(kinds)]  # fmt: skip
        parts.append(words("tick", left + side * kinds + 12, y + side / 2 + 4, f"{total:,}"))
    parts.append(words("tick", left + side * kinds + 12, top - 10, section.unit))
    wide = math.ceil(left + side * kinds + 72)
    label = f"{section.heading}: {kinds} by {kinds} counts"
    return svg(parts, math.ceil(top + side * kinds + 10), label, wide, narrowest=0.8 * wide)


def _cell(
    counts: np.ndarray, row: int, column: int, x: float, y: float, side: float, total: int, names: Sequence[str]
) -> str:
    count = int(counts[row, column])
    fraction = count / total if total else 0.0
    tooltip = f"{names[row]}, predicted {names[column]}: {count} of {total}"
    parts = [f"<g><title>{escape(tooltip)}</title>"]
    if count:
        kind = "right" if row == column else "wrong"
        parts.append(f'<rect class="{kind}" x="{x + 1:.1f}" y="{y + 1:.1f}" width="{side - 2:.1f}" '
                     f'height="{side - 2:.1f}" rx="2" opacity="{0.12 + 0.88 * fraction:.2f}"/>')  # fmt: skip
    parts.append(f'<rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}"/>')
    on = " on" if fraction > 0.6 else ""
    middle = x + side / 2
    if count or side > 40:
        rise = -1 if side > 50 else 5
        parts.append(words(f"count{on}", middle, y + side / 2 + rise, f"{count:,}", "middle"))
    if side > 50 and total:
        parts.append(words(f"value{on}", middle, y + side / 2 + 17, f"{100 * fraction:.0f} %", "middle"))
    return "".join(parts) + "</g>"
