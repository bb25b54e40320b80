"""Why a detection is wrong: the error types of TIDE (Bolya et al., ECCV 2020), for one image.

A false positive is explained by the ground-truth object that it overlaps most. The thresholds are the paper's: an
overlap counts from IoU 0.1 on, a match from IoU 0.5 on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskwright.geometry import boxes
from maskwright.types import Instances

MATCH, OVERLAP = 0.5, 0.1
CLASS, LOCATION, BOTH, DUPLICATE, BACKGROUND = "class", "location", "both", "duplicate", "background"


def error_types(
    detections: Instances, ground_truth: Instances, matched: Sequence[int], kind: str = "mask"
) -> list[str]:
    """One entry per detection: "" for a true positive, else the type of error.

    matched  the ground-truth row of each detection, -1 where it matches none at IoU 0.5; -2 for a crowd: no error
    kind     "mask" or "box": what is compared; boxes also where an object has no mask

    class       overlaps an object of another class at IoU 0.5 or more
    location    overlaps an object of its own class, but at IoU 0.1 to 0.5 only: a loose mask or box
    both        overlaps an object of another class at IoU 0.1 to 0.5
    duplicate   overlaps an object of its own class that a detection of higher score has matched
    background  overlaps nothing

    Classes are compared by name.
    """
    overlap = iou(detections, ground_truth, kind)
    same = np.array(detections.labels, object)[:, None] == np.array(ground_truth.labels, object)[None]
    types = []
    for row, matched_row in enumerate(matched):
        if matched_row != -1:
            types.append("")
            continue
        own = overlap[row][same[row]].max(initial=0.0)
        other = overlap[row][~same[row]].max(initial=0.0)
        if own >= MATCH:
            types.append(DUPLICATE)
        elif other >= MATCH:
            types.append(CLASS)
        elif own >= OVERLAP:
            types.append(LOCATION)
        else:
            types.append(BOTH if other >= OVERLAP else BACKGROUND)
    return types


def iou(detections: Instances, ground_truth: Instances, kind: str = "mask") -> np.ndarray:
    """n×m float64: intersection over union of every detection with every ground-truth object."""
    if not len(detections) or not len(ground_truth):
        return np.zeros((len(detections), len(ground_truth)))
    if kind == "mask" and detections.masks is not None and ground_truth.masks is not None:
        return detections.masks.iou(ground_truth.masks)
    return boxes.iou(detections.boxes, ground_truth.boxes)
