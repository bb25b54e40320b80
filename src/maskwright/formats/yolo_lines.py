"""An object as a line of YOLO: a class and numbers, fractions of the image's width and height; read and written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from maskwright.formats import yolo_config
from maskwright.formats.losses import HOLES_LOST
from maskwright.formats.reading import Losses, Regions
from maskwright.formats.shapes import KEYPOINTS_UNUSED
from maskwright.geometry import polygons
from maskwright.issues import Kind
from maskwright.types import Instances

DETECTION_SCORES_UNUSED = Kind(
    "detection_scores_unused", "warning",
    "{count} line has a score behind its box, which was left out: are these a model's detections?",
    "{count} lines have a score behind their box, which was left out: are these a model's detections?",
)  # fmt: skip
LINES_REPEATED = Kind(
    "lines_repeated", "warning", "{count} line that stands twice in its file counts once",
    "{count} lines that stand twice in their file count once",
)  # fmt: skip
REPEATED_OBJECTS_LOST = Kind(
    "repeated_objects_lost", "warning", "{count} object drawn twice was written once, as equal lines count once",
    "{count} objects drawn twice were written once, as equal lines count once",
)  # fmt: skip
PARTS_BRIDGED = Kind(
    "parts_bridged", "warning", "{count} object of several parts was written as one outline, its parts joined by lines",
    "{count} objects of several parts were written as one outline, their parts joined by lines",
)  # fmt: skip

_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?"
LINE = re.compile(rf"[0-9]+(?:\.0*)?(?:\s+{_NUMBER}){{4,}}", re.IGNORECASE)
LEAST, MOST = -0.5, 1.5  # fractions; an object may reach past the edge, pixels are beyond
_EDGE = 1e-5  # fraction by which a box ends past the edge for its rounded numbers
_WANTED = "a class, and x y width height or at least three pairs of x and y"
MOST_DIGITS = 9  # of a class id
MOST_PAIRED = 400  # points of a part that are looked at for the shortest way to another


# --- reading ----------------------------------------------------------------------------------------
def pose_of(config: yolo_config.Config | None, lines: list[str]) -> int | None:
    """How many numbers of key points stand behind a box; None where there are none.

    Without a data.yaml that says so: all lines are as long, and each third number is 0, 1 or 2 (hidden, visible).
    """
    if config is not None and config.key_points is not None:
        return config.key_points[0] * config.key_points[1]
    length = len(lines[0].split()) - 5 if lines else 0
    if length < 6 or length % 3 or len(lines) < 2:
        return None
    rows = (line.split() for line in lines)  # one at a time: all would fill the memory
    visible = re.compile(r"[012](?:\.0*)?")
    pose = all(len(row) == length + 5 and all(map(visible.fullmatch, row[7::3])) for row in rows)
    return length if pose else None


@dataclass(frozen=True)
class _Line:
    """One line: the class, and the numbers behind it."""

    id: int
    numbers: np.ndarray


def draw(lines: list[tuple[int, str]], names: dict[int, str] | None, pose: int | None, regions: Regions) -> None:
    """Hands every object of a text to the regions of its image.

    lines  number and text of each;  names  id -> class, None where classes are called by their numbers
    pose   how many numbers of key points stand behind a box
    """
    seen: set[str] = set()
    for number, line in lines:
        if line in seen:
            regions.faults.count(LINES_REPEATED)
            continue
        seen.add(line)
        read = _parsed(line, number, regions)
        if read is None:
            continue
        label = str(read.id) if names is None else names.get(read.id)
        if label is None:
            most = max(names or {0: ""})
            regions.lacks(f"in line {number}", "class", f"an id that data.yaml or classes.txt names (0 to {most})",
                          read.id, "correct the id, or name the class there")  # fmt: skip
            continue
        _draw_line(read.numbers, number, label, pose, regions)


def _parsed(line: str, number: int, regions: Regions) -> _Line | None:
    """None, and a fault, where the line does not begin with a class id, or has something else than numbers."""
    first, *others = line.split()
    if not LINE.fullmatch(line):
        where, fix = f"in line {number}", "correct the label file there"
        wrong = next((text for text in others if not re.fullmatch(_NUMBER, text, re.IGNORECASE)), None)
        if not re.fullmatch(r"[0-9]+(?:\.0*)?", first):
            regions.lacks(where, "class", "a class id, a whole number from 0", first, fix)
            return None
        if wrong is not None:
            regions.lacks(where, "numbers", "fractions of width and height", wrong, fix)
            return None
    if len(first) > MOST_DIGITS:
        regions.lacks(f"in line {number}", "class", "a class id of few digits", first, "correct the label file there")
        return None
    return _Line(int(first.split(".")[0]), np.array(others, np.float64))


def _draw_line(numbers: np.ndarray, number: int, label: str, pose: int | None, regions: Regions) -> None:
    where, count = f"in line {number}", len(numbers)
    if pose is not None and count in (4 + pose, 5 + pose):
        regions.faults.count(KEYPOINTS_UNUSED)
        numbers = numbers[:4]
    elif count == 5:
        regions.faults.count(DETECTION_SCORES_UNUSED)
        numbers = numbers[:4]
    elif count < 4 or count % 2:
        regions.lacks(where, "numbers", _WANTED, f"{count + 1} numbers", "correct the label file there")
        return
    if (numbers < LEAST).any() or (numbers > MOST).any():
        wrong = numbers[(numbers < LEAST) | (numbers > MOST)][0]
        regions.lacks(where, "numbers", "fractions of width and height, 0 to 1", f"{wrong:g}",
                      "divide x by the width and y by the height")  # fmt: skip
        return
    height, width = regions.size
    if len(numbers) == 4:
        x, y, w, h = numbers
        corners = np.array([[x - w / 2, y - h / 2], [x + w / 2, y + h / 2]])
        (x1, y1), (x2, y2) = _pixels(corners, width, height)
        regions.box(where, label, x1, y1, x2, y2)
    else:
        regions.outline(where, label, [_pixels(numbers.reshape(-1, 2), width, height)])


def _pixels(fractions: np.ndarray, width: int, height: int) -> np.ndarray:
    """k×2 pixels; to a ten thousandth, so that a place that was a whole number before it was divided is one again."""
    edge = np.round(fractions)
    near = (np.abs(fractions - edge) < _EDGE) & ((edge == 0) | (edge == 1))
    return np.round(np.where(near, edge, fractions) * [width, height], 4)


# --- writing ----------------------------------------------------------------------------------------
def written(instances: Instances, size: tuple[int, int], losses: Losses) -> Iterator[str]:
    """The lines of one image, whose size is (height, width); two equal ones are written once."""
    losses.attributes(instances)
    losses.scores_and_crowds(instances)
    masks, drawn = instances.masks, instances.outlines()
    traced = None if masks is None else polygons.trace(masks.counts, masks.offsets, masks.size)
    sides = np.array(size[::-1], np.float64)
    written: set[str] = set()
    for row, id in enumerate(instances.classes.tolist()):
        parts = drawn[row]
        if traced is None:
            corners = instances.boxes[row].astype(np.float64).reshape(2, 2) / sides
            numbers = np.concatenate([corners.mean(0), corners[1] - corners[0]])
        else:
            if parts is None:  # the mask's own edges
                parts = tuple(outline.points for outline in traced[row] if not outline.hole)
                losses.add(HOLES_LOST, len(traced[row]) - len(parts))
            losses.add(PARTS_BRIDGED, int(len(parts) > 1))
            numbers = (bridged(parts) / sides).reshape(-1)
        line = f"{id} {' '.join(_decimal(number) for number in numbers.tolist())}"
        if line in written:
            losses.add(REPEATED_OBJECTS_LOST)
            continue
        written.add(line)
        yield line


def _decimal(number: float) -> str:
    return f"{number:.10f}".rstrip("0").rstrip(".")


def bridged(parts: Sequence[np.ndarray]) -> np.ndarray:
    """One outline of several: to the next part, around it, and back the same way, which encloses nothing."""
    whole = parts[0]
    for part in parts[1:]:
        own, other = (np.arange(0, len(points), max(1, len(points) // MOST_PAIRED)) for points in (whole, part))
        away = ((whole[own, None] - part[None, other]) ** 2).sum(2)
        start, end = np.unravel_index(away.argmin(), away.shape)
        start, end = own[start], other[end]
        around = np.concatenate([part[end:], part[: end + 1]])
        whole = np.concatenate([whole[: start + 1], around, whole[start:]])
    return whole
