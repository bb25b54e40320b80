"""The door to the maintained COCO evaluator: Instances in, its precision and recall arrays and its matches out.

The evaluator is hotcoco; nothing else in the house imports it. Its ids are ours: photo i is image i + 1,
class k is category k + 1, and truth or found row j of all photos together is annotation j + 1.
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
ONE, TEN, HUNDRED = range(3)  # how many found objects a photo and class may bring


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What the evaluator says of one kind (boxes or masks).

    precision  10 IoUs × 101 recalls × K classes × 4 areas × 3 limits; -1 where there is nothing to find
    recall     10 IoUs × K classes × 4 areas × 3 limits; -1 likewise
    matches    who was matched with whom, photo by photo
    """

    precision: np.ndarray
    recall: np.ndarray
    matches: Matches


def judge(
    truth: Sequence[Instances], found: Sequence[Instances], sizes: Sequence[tuple[int, int]], names: Sequence[str],
    kind: str,
) -> Judged:  # fmt: skip
    """Run the evaluator once. Classes of both sides must already index into `names`; kind is "box" or "mask".

    As COCO has it, a truth's size class goes by its mask where it has one (also when boxes are judged), and at most
    the 100 best found objects of a photo and class are looked at.
    """
    from hotcoco import COCOeval  # here, so that importing the room costs nothing

    truth_table, found_table = _table(truth), _table(found)
    truth_side, found_side = _evaluator_input(truth, found, sizes, names, kind, truth_table, found_table)
    evaluator = COCOeval(truth_side, found_side, "bbox" if kind == "box" else "segm")
    evaluator.evaluate()
    evaluator.accumulate()
    result: dict[str, Any] = evaluator.eval  # type: ignore[assignment]
    matches = _matches(evaluator.eval_imgs, truth, found, kind, names, truth_table, found_table)
    return Judged(np.asarray(result["precision"]), np.asarray(result["recall"]), matches)


def _table(photos: Sequence[Instances]) -> dict[str, np.ndarray]:
    """All rows of all photos as columns: photo, row within it, class, box."""
    lengths = [len(each) for each in photos]
    return {
        "photo": np.repeat(np.arange(len(photos)), lengths),
        "row": np.concatenate([np.arange(length) for length in lengths] or [np.zeros(0, np.int64)]),
        "class": np.concatenate([each.classes for each in photos] or [np.zeros(0, np.int64)]),
        "box": np.concatenate([each.boxes for each in photos] or [np.zeros((0, 4), np.float32)]).astype(np.float64),
    }


def _crowd(truth: Sequence[Instances]) -> np.ndarray:
    columns = [np.zeros(len(each), bool) if each.crowd is None else np.asarray(each.crowd, bool) for each in truth]
    return np.concatenate(columns) if columns else np.zeros(0, bool)


def _truth_areas(truth: Sequence[Instances]) -> np.ndarray:
    """Pixels of the mask, or of the box where only that is known."""
    areas = [_box_area(each.boxes) if each.masks is None else each.masks.area for each in truth]
    return np.concatenate(areas).astype(np.float64) if areas else np.zeros(0)


def _box_area(corners: np.ndarray) -> np.ndarray:
    sides = corners.astype(np.float64)[:, 2:] - corners[:, :2]
    return sides[:, 0] * sides[:, 1]


def _corner_and_sides(corners: np.ndarray) -> np.ndarray:
    """x1 y1 x2 y2 -> x y width height."""
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def _run_lengths(photos: Sequence[Instances]) -> list[Any]:
    return [one for each in photos if each.masks is not None for one in each.masks.to_coco()]


def _evaluator_input(truth, found, sizes, names, kind, truth_table, found_table) -> tuple[Any, Any]:
    from hotcoco import COCO

    images = [{"id": i + 1, "height": int(h), "width": int(w)} for i, (h, w) in enumerate(sizes)]
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(names)]
    masks = kind == "mask"
    truth_side = COCO.from_arrays(
        images,
        categories,
        truth_table["photo"] + 1,
        truth_table["class"] + 1,
        _corner_and_sides(truth_table["box"]),
        area=_truth_areas(truth),
        iscrowd=_crowd(truth),
        segmentation=_run_lengths(truth) if masks else None,
    )
    scores = np.concatenate([each.scores for each in found]) if found else np.zeros(0)
    columns = [found_table["photo"] + 1, _corner_and_sides(found_table["box"]), scores, found_table["class"] + 1]
    rows = np.column_stack(columns).astype(np.float64)
    found_side = truth_side.load_res(rows, segmentation=_run_lengths(found) if masks and len(rows) else None)
    if masks and len(rows):  # a found mask counts as small or large by its own pixels, not by its box
        areas = np.concatenate([each.masks.area for each in found if each.masks is not None])
        found_side.update_anns(ids=np.arange(1, len(rows) + 1), area=areas.astype(np.float64))
    return truth_side, found_side


def _matches(per_photo, truth, found, kind, names, truth_table, found_table) -> Matches:
    """The evaluator's dicts (one a photo, class and area) as columns; only the area "all" is kept."""
    everything = [each for each in per_photo if each is not None and each["aRng"][0] == 0 and each["aRng"][1] >= 1e9]
    everything.sort(key=lambda each: (each["image_id"], each["category_id"]))
    order = np.array([number for each in everything for number in each["dtIds"]], np.int64) - 1
    filled = [each for each in everything if each["dtIds"]]
    none = np.zeros((len(IOUS), 0), bool)
    matched = np.concatenate([none] + [np.array(each["dtMatched"], bool) for each in filled], axis=1)
    ignored = np.concatenate([none] + [np.array(each["dtIgnore"], bool) for each in filled], axis=1)
    partner = np.array([number for each in filled for number in each["dtMatches"][0]], np.int64) - 1
    scores = np.array([score for each in filled for score in each["dtScores"]], np.float64)
    return Matches(
        kind=kind,
        names=tuple(names),
        truth=truth,
        found=found,
        truth_photo=truth_table["photo"],
        truth_row=truth_table["row"],
        truth_class=truth_table["class"],
        truth_counts=~_crowd(truth),
        found_photo=found_table["photo"][order],
        found_row=found_table["row"][order],
        found_class=found_table["class"][order],
        found_score=scores,
        hit=matched & ~ignored,
        ignored=ignored,
        partner=np.where(matched[0], partner, -1),
    )
