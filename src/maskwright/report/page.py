"""Renders sections to one self-contained HTML page, without other files or network requests.

Pages with images have one script (enlarging images, moving the score threshold); their content security policy allows
only this script, by its hash, and no requests.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import re
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup, escape
from PIL import Image

from maskwright import __version__
from maskwright.report import charts, classification_charts, confusion_chart, distribution_charts, timeline_chart
from maskwright.report.sections import Gallery, Section, Viewer

MOST_PIXELS, MAX_SIDE = 800_000, 4096  # of a picture on the page, and of its longer side
LONG, LONG_PIXELS = 3.0, 3_200_000  # width over height from which an image is shown in strips, and its pixels
WEIGHT = 10_000_000  # bytes that the pictures of one section may take, in base64
STEPS = ((1.0, 84), (1.0, 74), (0.8, 74), (0.65, 70), (0.5, 66), (0.4, 60))  # (scale, JPEG quality), tried in turn


def render(title: str, sections: Sequence[Section], subtitle: str = "") -> str:
    """The HTML of a report; write it with `files.write_text`.

    >>> page = render("party", [Facts("Data", {"images": 61, "objects": 255})], subtitle="trained on 2 cores")
    >>> files.write_text("runs/party/report.html", page)
    """
    script = _script() if any(isinstance(section, (Gallery, Viewer)) for section in sections) else ""
    return _template().render(
        title=title,
        subtitle=subtitle,
        sections=_with_anchors(sections),
        version=__version__,
        date=date.today().isoformat(),
        style=Markup(_beside("viewer.css")),
        script=Markup(script),
        script_hash="sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


@cache
def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _script() -> str:
    return _beside("lightbox.js") + _beside("viewer.js")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )  # fmt: skip
    environment.globals |= {
        "charts": charts, "class_charts": classification_charts, "confusion_chart": confusion_chart,
        "distributions": distribution_charts, "timeline_chart": timeline_chart,
    }  # fmt: skip
    environment.filters |= {
        "picture": picture, "value": value_text, "metric": metric_text, "numeric": _is_number, "marked": _marked,
        "viewer_data": _viewer_data,
    }  # fmt: skip
    environment.tests["section"] = lambda section, name: type(section).__name__ == name
    return environment.from_string(_beside("page.html"))


def scale_on_page(width: int, height: int) -> float:
    """The scale at which an image of so many pixels is on a page, 1 at most."""
    most = LONG_PIXELS if width > LONG * height else MOST_PIXELS
    return min(1.0, MAX_SIDE / max(width, height), math.sqrt(most / (width * height)))


def picture(pixels: np.ndarray, among: int = 1) -> str:
    """H×W×3 uint8 -> a data URI, reduced to what the page needs; smaller if it is one `among` many."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    largest = scale_on_page(image.width, image.height)
    data = b""
    for scale, quality in STEPS:
        size = (max(1, round(image.width * largest * scale)), max(1, round(image.height * largest * scale)))
        written = io.BytesIO()
        image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0).save(
            written, "JPEG", quality=quality, optimize=True
        )
        data = written.getvalue()
        if len(data) * 4 / 3 <= WEIGHT / among:
            break
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def _viewer_data(section: Viewer) -> Markup:
    """JSON for the script of the page, without "<", so that no name can close its element."""
    data = {
        "thresholds": section.thresholds,
        "order": section.order,
        "floor": section.floor,
        "images": [
            {
                "name": image.name,
                "width": image.size[0],
                "height": image.size[1],
                "groundTruth": image.ground_truth,
                "detections": image.detections,
            }
            for image in section.images
        ],
    }
    return Markup(json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def metric_text(value: float | None) -> str:
    """Three decimals, also of the smallest: they stand below one another."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def value_text(value: Any) -> str:
    """A value as text: True -> yes, 0.6123 -> 0.612, [640, 480] -> 640, 480, None -> a dash."""
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


def _marked(text: str) -> Markup:
    """Text with what stands between backticks as code.

    >>> _marked("see `maskwright evaluate`")
    Markup('see <code>maskwright evaluate</code>')
    """
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", str(escape(text))))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float, np.number)) and not isinstance(value, bool))


def _with_anchors(sections: Sequence[Section]) -> list[tuple[str, Section]]:
    """Each section with a unique id for the links at the top."""
    used: dict[str, int] = {}
    anchored = []
    for section in sections:
        name = re.sub(r"[^a-z0-9]+", "-", section.heading.lower()).strip("-") or "section"
        used[name] = used.get(name, 0) + 1
        anchored.append((name if used[name] == 1 else f"{name}-{used[name]}", section))
    return anchored
