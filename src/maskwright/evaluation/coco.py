"""The door to the maintained COCO evaluator: Instances in, its precision and recall arrays and its matches out.

The evaluator is hotcoco; no other module imports it. Its ids are ours: image i is image i + 1,
class k is category k + 1, and ground truth or found row j of all images together is annotation j + 1.
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
ONE, TEN, HUNDRED = range(3)  # how many found objects an image and class may bring


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """What the evaluator says of one kind (boxes or masks).

    precision  10 IoUs × 101 recalls × K classes × 4 areas × 3 limits; -1 where there is nothing to find
    recall     10 IoUs × K classes × 4 areas × 3 limits; -1 likewise
    matches    who was matched with whom, image by image
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
) -> Evaluated:
    """Run the evaluator once. Classes of both sides must already index into `names`; kind is "box" or "mask".

    As COCO has it, a ground truth's size class goes by its mask where it has one (also when boxes are evaluated), and
    at most
    the 100 best found objects of an image and class are looked at.
    """
    from hotcoco import COCOeval  # here, so that importing the package costs nothing

    ground_truth_table, detection_table = _table(ground_truth), _table(detections)
    ground_truth_side, found_side = _evaluator_input(
        ground_truth, detections, sizes, names, kind, ground_truth_table, detection_table
    )
    evaluator = COCOeval(ground_truth_side, found_side, "bbox" if kind == "box" else "segm")
    evaluator.evaluate()
    evaluator.accumulate()
    result: dict[str, Any] = evaluator.eval  # type: ignore[assignment]
    matches = _matches(evaluator.eval_imgs, ground_truth, detections, kind, names, ground_truth_table, detection_table)
    return Evaluated(np.asarray(result["precision"]), np.asarray(result["recall"]), matches)


def _table(images: Sequence[Instances]) -> dict[str, np.ndarray]:
    """All rows of all images as columns: image, row within it, class, box."""
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
    """Pixels of the mask, or of the box where only that is known."""
    areas = [_box_area(item.boxes) if item.masks is None else item.masks.area for item in ground_truth]
    return np.concatenate(areas).astype(np.float64) if areas else np.zeros(0)


def _box_area(corners: np.ndarray) -> np.ndarray:
    sides = corners.astype(np.float64)[:, 2:] - corners[:, :2]
    return sides[:, 0] * sides[:, 1]


def _corner_and_sides(corners: np.ndarray) -> np.ndarray:
    """x1 y1 x2 y2 -> x y width height."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _run_lengths(images: Sequence[Instances]) -> list[Any]:
    return [one for image in images if image.masks is not None for one in image.masks.to_coco()]


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
    found_side = ground_truth_side.load_res(
        rows, segmentation=_run_lengths(detections) if masks and len(rows) else None
    )
    if masks and len(rows):  # a found mask counts as small or large by its own pixels, not by its box
        areas = np.concatenate([detection.masks.area for detection in detections if detection.masks is not None])
        found_side.update_anns(ids=np.arange(1, len(rows) + 1), area=areas.astype(np.float64))
    return ground_truth_side, found_side


def _matches(per_image, ground_truth, detections, kind, names, ground_truth_table, detection_table) -> Matches:
    """The evaluator's dicts (one an image, class and area) as columns; only the area "all" is kept."""
    everything = [item for item in per_image if item is not None and item["aRng"][0] == 0 and item["aRng"][1] >= 1e9]
    everything.sort(key=lambda item: (item["image_id"], item["category_id"]))
    order = np.array([number for item in everything for number in item["dtIds"]], np.int64) - 1
    filled = [item for item in everything if item["dtIds"]]
    none = np.zeros((len(IOUS), 0), bool)
    matched = np.concatenate([none] + [np.array(item["dtMatched"], bool) for item in filled], axis=1)
    ignored = np.concatenate([none] + [np.array(item["dtIgnore"], bool) for item in filled], axis=1)
    partner = np.array([number for item in filled for number in item["dtMatches"][0]], np.int64) - 1
    scores = np.array([score for item in filled for score in item["dtScores"]], np.float64)
    return Matches(
        kind=kind,
        names=tuple(names),
        ground_truth=ground_truth,
        detections=detections,
        ground_truth_image=ground_truth_table["image"],
        ground_truth_row=ground_truth_table["row"],
        ground_truth_class=ground_truth_table["class"],
        ground_truth_counts=~_crowd(ground_truth),
        detection_image=detection_table["image"][order],
        detection_row=detection_table["row"][order],
        detection_class=detection_table["class"][order],
        detection_score=scores,
        hit=matched & ~ignored,
        ignored=ignored,
        partner=np.where(matched[0], partner, -1),
    )
