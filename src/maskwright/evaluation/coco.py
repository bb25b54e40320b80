"""Interface to the COCO evaluator: Instances in, its precision and recall arrays and its matches out.

The evaluator is hotcoco; no other module imports it. Ids given to it: image i is image i + 1, class k is category
k + 1, and row j of the ground truth, or of the detections, of all images together is annotation j + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maskwright.evaluation.matching import Matches
from maskwright.types import Instances

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
ALL, SMALL, MEDIUM, LARGE = range(4)  # areas: everything, < 32², 32² to 96², more (pixels)
ONE, TEN, HUNDRED = range(3)  # limits: at most 1, 10 or 100 detections per image and class


@dataclass(frozen=True, slots=True, eq=False)
class CocoEvaluation:
    """The evaluator's result for one kind (boxes or masks).

    precision  10 IoUs × 101 recalls × K classes × 4 areas × 3 limits; -1 where there is no ground truth
    recall     10 IoUs × K classes × 4 areas × 3 limits; -1 likewise
    matches    which detection matches which ground-truth object
    """

    precision: np.ndarray
    recall: np.ndarray
    matches: Matches


def evaluate(
    ground_truth: Sequence[Instances],
    detections: Sequence[Instances],
    sizes: Sequence[tuple[int, int]],
    names: Sequence[str],
    kind: str,
) -> CocoEvaluation:
    """Run the evaluator once.

    ground_truth, detections  one Instances per image, same order; their classes index into `names`
    sizes                     (height, width) of each image
    kind                      "box" or "mask"

    As in COCO the size class of a ground-truth object follows from its mask if it has one (also for boxes), and at
    most the 100 best detections per image and class are evaluated.
    """
    from hotcoco import COCOeval  # imported when used: slow to load

    ground_truth_table, detection_table = _table(ground_truth), _table(detections)
    ground_truth_side, detection_side = _evaluator_input(
        ground_truth, detections, sizes, names, kind, ground_truth_table, detection_table
    )
    evaluator = COCOeval(ground_truth_side, detection_side, "bbox" if kind == "box" else "segm")
    evaluator.evaluate()
    evaluator.accumulate()
    result: dict[str, Any] = evaluator.eval  # type: ignore[assignment]
    matches = _matches(evaluator.eval_imgs, ground_truth, detections, kind, names, ground_truth_table, detection_table)
    return CocoEvaluation(np.asarray(result["precision"]), np.asarray(result["recall"]), matches)


def _table(images: Sequence[Instances]) -> dict[str, np.ndarray]:
    """All rows of all images as columns: image, row within the image, class, box."""
    lengths = [len(image) for image in images]
    return {
        "image": np.repeat(np.arange(len(images)), lengths),
        "row": np.concatenate([np.arange(length) for length in lengths] or [np.zeros(0, np.int64)]),
        "class": np.concatenate([image.classes for image in images] or [np.zeros(0, np.int64)]),
        "box": np.concatenate([image.boxes for image in images] or [np.zeros((0, 4), np.float32)]).astype(np.float64),
    }


def _crowd(ground_truth: Sequence[Instances]) -> np.ndarray:
    columns = [
        np.zeros(len(item), bool) if item.crowd is None else np.asarray(item.crowd, bool) for item in ground_truth
    ]
    return np.concatenate(columns) if columns else np.zeros(0, bool)


def _ground_truth_areas(ground_truth: Sequence[Instances]) -> np.ndarray:
    """Areas in pixels: of the mask, or of the box where there are no masks."""
    areas = [_box_area(item.boxes) if item.masks is None else item.masks.area for item in ground_truth]
    return np.concatenate(areas).astype(np.float64) if areas else np.zeros(0)


def _box_area(corners: np.ndarray) -> np.ndarray:
    sides = corners.astype(np.float64)[:, 2:] - corners[:, :2]
    return sides[:, 0] * sides[:, 1]


def _corner_and_sides(corners: np.ndarray) -> np.ndarray:
    """x1 y1 x2 y2 -> x y width height."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _run_lengths(images: Sequence[Instances]) -> list[Any]:
    return [mask for image in images if image.masks is not None for mask in image.masks.to_coco()]


def _evaluator_input(
    ground_truth, detections, sizes, names, kind, ground_truth_table, detection_table
) -> tuple[Any, Any]:
    from hotcoco import COCO

    images = [{"id": i + 1, "height": int(h), "width": int(w)} for i, (h, w) in enumerate(sizes)]
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(names)]
    masks = kind == "mask"
    ground_truth_side = COCO.from_arrays(
        images,
        categories,
        ground_truth_table["image"] + 1,
        ground_truth_table["class"] + 1,
        _corner_and_sides(ground_truth_table["box"]),
        area=_ground_truth_areas(ground_truth),
        iscrowd=_crowd(ground_truth),
        segmentation=_run_lengths(ground_truth) if masks else None,
    )
    scores = np.concatenate([detection.scores for detection in detections]) if detections else np.zeros(0)
    columns = [
        detection_table["image"] + 1,
        _corner_and_sides(detection_table["box"]),
        scores,
        detection_table["class"] + 1,
    ]
    rows = np.column_stack(columns).astype(np.float64)
    detection_side = ground_truth_side.load_res(
        rows, segmentation=_run_lengths(detections) if masks and len(rows) else None
    )
    if masks and len(rows):  # the size class of a detected mask follows from its pixels, not from its box
        areas = np.concatenate([detection.masks.area for detection in detections if detection.masks is not None])
        detection_side.update_anns(ids=np.arange(1, len(rows) + 1), area=areas.astype(np.float64))
    return ground_truth_side, detection_side


def _matches(per_image, ground_truth, detections, kind, names, ground_truth_table, detection_table) -> Matches:
    """The evaluator's dicts (one per image, class and area) as columns; only the area "all" is kept."""
    per_image_and_class = [
        item for item in per_image if item is not None and item["aRng"][0] == 0 and item["aRng"][1] >= 1e9
    ]
    per_image_and_class.sort(key=lambda item: (item["image_id"], item["category_id"]))
    order = np.array([number for item in per_image_and_class for number in item["dtIds"]], np.int64) - 1
    filled = [item for item in per_image_and_class if item["dtIds"]]
    none = np.zeros((len(IOUS), 0), bool)
    matched = np.concatenate([none] + [np.array(item["dtMatched"], bool) for item in filled], axis=1)
    ignored = np.concatenate([none] + [np.array(item["dtIgnore"], bool) for item in filled], axis=1)
    matched_ground_truth = np.array([number for item in filled for number in item["dtMatches"][0]], np.int64) - 1
    scores = np.array([score for item in filled for score in item["dtScores"]], np.float64)
    return Matches(
        kind=kind,
        names=tuple(names),
        ground_truth=ground_truth,
        detections=detections,
        ground_truth_image=ground_truth_table["image"],
        ground_truth_row=ground_truth_table["row"],
        ground_truth_class=ground_truth_table["class"],
        ground_truth_counted=~_crowd(ground_truth),
        detection_image=detection_table["image"][order],
        detection_row=detection_table["row"][order],
        detection_class=detection_table["class"][order],
        detection_score=scores,
        hit=matched & ~ignored,
        ignored=ignored,
        matched_ground_truth=np.where(matched[0], matched_ground_truth, -1),
    )
