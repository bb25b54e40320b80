"""One self-contained HTML page: no file beside it, no script, nothing from the network."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from maskwright import __version__
from maskwright.report import charts, classification_charts
from maskwright.report.sections import Section

LONGEST = 720  # pixels of a picture's longer side on the page
QUALITY = 82  # of the JPEGs on it


def render(title: str, sections: Sequence[Section], subtitle: str = "") -> str:
    """The page as text; write it with `files.write_text`.

    >>> page = render("party", [Facts("Data", {"images": 61, "objects": 255})], subtitle="trained on 2 cores")
    >>> files.write_text("runs/party/report.html", page)
    """
    return _template().render(
        title=title,
        subtitle=subtitle,
        sections=_with_anchors(sections),
        version=__version__,
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )  # fmt: skip
    environment.globals |= {"charts": charts, "class_charts": classification_charts}
    environment.filters |= {"picture": picture, "value": value_text, "numeric": _is_number}
    environment.tests["section"] = lambda section, name: type(section).__name__ == name
    return environment.from_string((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))


def picture(pixels: np.ndarray) -> str:
    """H×W×3 uint8 -> a data URI, not larger than the page needs."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def value_text(value: Any) -> str:
    """Any fact as people write it: True -> yes, 0.6123 -> 0.612, [640, 480] -> 640, 480, None -> a dash."""
    if value is None:
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return charts.number_text(float(value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {value_text(item)}" for name, item in value.items()) or "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(value_text(item) for item in value) or "–"
    return str(value)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float, np.number)) and not isinstance(value, bool))


def _with_anchors(sections: Sequence[Section]) -> list[tuple[str, Section]]:
    """Each section with an id of its own for the links at the top."""
    taken: dict[str, int] = {}
    anchored = []
    for section in sections:
        name = re.sub(r"[^a-z0-9]+", "-", section.heading.lower()).strip("-") or "section"
        taken[name] = taken.get(name, 0) + 1
        anchored.append((name if taken[name] == 1 else f"{name}-{taken[name]}", section))
    return anchored
