"""When each of many things was there, as bars over one axis of time."""

from __future__ import annotations

from markupsafe import Markup, escape

from maskwright.report.charts import HUES, WIDTH, PlotArea, nothing, shortened, svg, ticks, words
from maskwright.report.sections import Timeline

ROW, LEFT = 24, 120


def timeline(section: Timeline) -> Markup:
    """A row for each, with a bar for every span; the name at the left, the tooltip at each bar."""
    if not section.rows:
        return nothing()
    bottom = 12 + ROW * len(section.rows)
    frame = PlotArea(LEFT, 12, WIDTH - 20, bottom, (0.0, max(section.end, 1e-6)), (0.0, 1.0))
    parts = []
    levels = ticks(*frame.x, 7)
    digits = max((len(f"{level:g}".partition(".")[2]) for level in levels), default=0)
    for level in levels:
        x = frame.at_x(level)
        parts.append(f'<path class="grid" d="M{x:.1f} {frame.top}V{bottom + 5}"/>')
        parts.append(words("tick", x, bottom + 19, f"{level:,.{digits}f}", "middle"))
    for number, row in enumerate(section.rows):
        y = frame.top + ROW * number
        parts.append(words("name", LEFT - 12, y + ROW / 2 + 4, shortened(row.name, 14), "end"))
        for begin, end in row.spans:
            left, width = frame.at_x(begin), max(frame.at_x(end) - frame.at_x(begin), 2.0)
            parts.append(
                f'<rect class="mark s{row.hue % HUES}" x="{left:.1f}" y="{y + 5:.1f}" width="{width:.1f}" '
                f'height="{ROW - 10}" rx="2"><title>{escape(row.note)}</title></rect>'
            )
    parts.append(words("label", frame.right, bottom + 36, "seconds", "end"))
    return svg(parts, bottom + 44, f"{section.heading}: {len(section.rows)} rows")
