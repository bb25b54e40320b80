"""Images with their ground truth and detections, for a page on which a reader moves the score threshold.

The page draws outlines over the image itself, so one picture serves every threshold. `viewer` turns arrays into what
the script `viewer.js` reads. Matches are computed once, at IoU 0.5; they do not depend on the threshold, for a
detection is matched before those of lower score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskwright.geometry.simplify import simplify
from maskwright.geometry.tracing import trace
from maskwright.report.page import picture, scale_on_page
from maskwright.report.sections import Viewer, ViewerImage
from maskwright.types import Instances

TOLERANCE = 0.6  # pixels on the picture that an outline may be off
FLOOR = 0.05  # score below which no detection is on a page, wherever a reader moves the threshold
MOST_DETECTIONS = 100  # of an image: those of highest score


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One image with what it shows and what was detected.

    pixels        h×w×3 uint8, the image or a reduced copy of it
    size          (height, width) of the image itself, to which boxes and masks refer
    ground_truth  None where nobody labeled the image: detections are then neither right nor wrong
    matched       the ground-truth row of each detection, -1 for none (at IoU 0.5)
    error_types   one a detection, as `evaluation.error_types` names them
    """

    name: str
    pixels: np.ndarray
    size: tuple[int, int]
    detections: Instances
    ground_truth: Instances | None = None
    matched: Sequence[int] = ()
    error_types: Sequence[str] = ()


def viewer(
    heading: str, images: Iterable[Compared], count: int, thresholds: Mapping[str, float], note: str = "",
    order: str = "worst", floor: float = FLOOR,
) -> Viewer:  # fmt: skip
    """The section of a page.

    images      gone through once, so that they need not be in memory together
    count       how many there are: of many, each gets a smaller picture
    thresholds  {class: score} from which the model itself shows a detection, of every class that occurs
    floor       the score that no detection of `images` is below
    """
    names = tuple(thresholds)
    limits = {name: round(float(limit), 4) for name, limit in thresholds.items()}
    return Viewer(heading, [_image(image, names, count) for image in images], limits, note, order, floor)


def _image(image: Compared, names: tuple[str, ...], count: int) -> ViewerImage:
    height, width = image.size
    scale = scale_on_page(width, height)
    best = np.argsort(-_scores(image.detections), kind="stable")[:MOST_DETECTIONS]
    detections = [
        {
            **detection,
            "score": round(float(image.detections.scores[row]), 4) if image.detections.scores is not None else None,
            "matched": int(image.matched[row]) if len(image.matched) else -1,
            "error": image.error_types[row] if len(image.error_types) else "",
        }
        for row, detection in zip(best.tolist(), _objects(image.detections[best], names, scale), strict=True)
    ]
    objects = None if image.ground_truth is None else _objects(image.ground_truth, names, scale)
    if objects is not None and image.ground_truth is not None and image.ground_truth.crowd is not None:
        for item, crowd in zip(objects, image.ground_truth.crowd.tolist(), strict=True):
            item["crowd"] = crowd
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return ViewerImage(image.name, picture(image.pixels, count), size, objects, detections)


def _scores(instances: Instances) -> np.ndarray:
    return np.ones(len(instances)) if instances.scores is None else instances.scores


def _objects(instances: Instances, names: tuple[str, ...], scale: float) -> list[dict[str, Any]]:
    """Class, box and outline of each, in pixels of the picture on the page."""
    paths = _paths(instances, scale)
    return [
        {
            "class": names.index(name),
            "box": [round(float(edge) * scale, 1) for edge in box],
            **({"path": path} if path else {}),
        }
        for name, box, path in zip(instances.labels, instances.boxes, paths, strict=True)
    ]


def _paths(instances: Instances, scale: float) -> list[str]:
    """SVG path data around each mask, holes included; "" where there is none."""
    masks = instances.masks
    if masks is None:
        return [""] * len(instances)
    traced = trace(masks.counts, masks.offsets, masks.size)
    return ["".join(_closed(simplify(outline.points * scale, TOLERANCE)) for outline in part) for part in traced]


def _closed(points: np.ndarray) -> str:
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points.tolist()) + "Z" if len(points) > 2 else ""


def _short(value: float) -> str:
    """Half pixels are exact enough, and short."""
    return f"{math.floor(value * 2 + 0.5) / 2:g}"
