"""A box or clicks become a mask: how well, compared with GrabCut from the same box, and how fast on one core.

    python benchmarks/clicks.py ../shared/data/balloon ../shared/data/weapons ../shared/data/pennfudan --objects 60
    pip install opencv-python-headless      # for GrabCut; without it its column is left out

The objects are drawn at random among those of each dataset. The box is that of the hand-drawn outline. Clicks are
simulated without a box: the first in the middle of the object, each further one in the middle of the thickest part
where the mask is wrong, 20 at most. Intervals: 95 %, bootstrap over images. Milliseconds are of processor time.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image as PilImage

import maskwright

MOST_CLICKS = 20
GOALS = (0.85, 0.9)
GRABCUT_SIDE = 512  # pixels: larger cuts are reduced
ITERATIONS = 5


@dataclass
class Tried:
    """One object.

    clicks  for each goal the number of clicks to reach it, None where 20 do not
    more    the same after a box: 0 where the box was enough
    """

    image: str
    box_iou: float
    grabcut_iou: float | None
    clicks: list[int | None] = field(default_factory=list)
    more: list[int | None] = field(default_factory=list)
    prepare_ms: float = 0.0
    first_ms: float = 0.0
    further_ms: list[float] = field(default_factory=list)


def iou(mask: maskwright.RleMasks, other: maskwright.RleMasks) -> float:
    return float(mask.iou(other)[0, 0]) if mask.area[0] else 0.0


def middle(wrong: np.ndarray) -> tuple[float, float] | None:
    """(x, y) in the middle of the thickest part of an h×w map; None where there is none."""
    rows, columns = np.nonzero(wrong)
    if not len(rows):
        return None
    top, left = rows.min(), columns.min()
    part = wrong[top : rows.max() + 1, left : columns.max() + 1]
    step = max(1, max(part.shape) // 200)
    left_over = np.pad(part[::step, ::step], 1)
    last = left_over if left_over.any() else np.pad(part, 1)
    step = step if left_over.any() else 1
    while last.any():
        left_over = last
        inner = (
            left_over[1:-1, 1:-1]
            & left_over[:-2, 1:-1]
            & left_over[2:, 1:-1]
            & left_over[1:-1, :-2]
            & left_over[1:-1, 2:]
        )
        last = np.pad(inner, 1)
    y, x = np.argwhere(left_over)[np.count_nonzero(left_over) // 2] - 1
    return float(left + x * step + 0.5), float(top + y * step + 0.5)


def grabcut(pixels: np.ndarray, box: np.ndarray) -> maskwright.RleMasks | None:
    """OpenCV's GrabCut from a box, on the box and a fifth of its sides around it; None without OpenCV."""
    try:
        import cv2  # type: ignore[import-not-found]
    except ImportError:
        return None
    height, width = pixels.shape[:2]
    sides = np.tile(box[2:] - box[:2], 2)
    outer = box + sides * np.array([-0.2, -0.2, 0.2, 0.2])
    x1, y1, x2, y2 = np.clip(np.round(outer), 0, [width, height, width, height]).astype(int).tolist()
    scale = min(1.0, GRABCUT_SIDE / max(x2 - x1, y2 - y1))
    size = (max(round((x2 - x1) * scale), 4), max(round((y2 - y1) * scale), 4))
    part = np.ascontiguousarray(np.array(PilImage.fromarray(pixels[y1:y2, x1:x2]).resize(size))[..., ::-1])
    a, b, c, d = np.round((box - [x1, y1, x1, y1]) * scale).astype(int).tolist()
    a, b, c, d = max(a, 1), max(b, 1), min(c, size[0] - 1), min(d, size[1] - 1)
    labels = np.zeros(part.shape[:2], np.uint8)
    try:
        cv2.setRNGSeed(0)
        cv2.grabCut(
            part, labels, (a, b, max(c - a, 1), max(d - b, 1)), np.zeros((1, 65)), np.zeros((1, 65)), ITERATIONS,
            cv2.GC_INIT_WITH_RECT,
        )  # fmt: skip
    except cv2.error:  # no background is left where the box fills the image
        labels[b:d, a:c] = cv2.GC_PR_FGD
    found = PilImage.fromarray(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8) * 255)
    dense = np.asarray(found.resize((x2 - x1, y2 - y1), PilImage.Resampling.BILINEAR)) > 127
    return maskwright.RleMasks.from_dense(dense[None]).place((x1, y1), (height, width))


def clicked(
    point: maskwright.MaskFromClicks, wanted: maskwright.RleMasks, box: np.ndarray | None, tried: Tried
) -> list[int | None]:
    """For each goal the number of clicks until the mask is that good."""
    goals: list[int | None] = [None] * len(GOALS)
    positive: list[tuple[float, float]] = []
    negative: list[tuple[float, float]] = []
    target = wanted.dense()[0]
    found = np.zeros_like(target)
    for count in range(MOST_CLICKS + 1):
        if count or box is not None:
            began = time.process_time()
            mask = point(box, positive, negative)
            if count > 1:
                tried.further_ms.append((time.process_time() - began) * 1e3)
            overlap, found = iou(mask, wanted), mask.dense()[0]
            goals = [
                count if goal is None and overlap >= wish else goal for goal, wish in zip(goals, GOALS, strict=True)
            ]
        if None not in goals:
            break
        where = middle(found != target)
        if where is None:
            break
        (positive if target[int(where[1]), int(where[0])] else negative).append(where)
    return goals


def objects_of(data: str, count: int, seed: int) -> list[tuple[Any, int]]:
    """Records and rows, drawn at random."""
    dataset = maskwright.read(data)
    rows = [
        (record, row)
        for record in dataset.usable()
        if record.instances is not None and record.instances.masks is not None
        for row in range(len(record.instances))
        if record.instances.masks.area[row] and not (record.instances.crowd is not None and record.instances.crowd[row])
    ]
    chosen = np.random.default_rng(seed).permutation(len(rows))[: count or len(rows)]
    return [rows[index] for index in sorted(chosen)]


def tried(data: str, count: int, seed: int, clicks: bool) -> list[Tried]:
    results = []
    for record, row in objects_of(data, count, seed):
        wanted, box = record.instances.masks[[row]], record.instances.masks.boxes[row].astype(np.float64)
        point = maskwright.MaskFromClicks(record.image)
        began = time.process_time()
        point.prepare()
        prepared = time.process_time()
        mask = point(box)
        answered = time.process_time()
        other = grabcut(point.image.pixels, box)
        one = Tried(record.image.name, iou(mask, wanted), None if other is None else iou(other, wanted))
        one.prepare_ms, one.first_ms = (prepared - began) * 1e3, (answered - prepared) * 1e3
        if clicks:
            one.clicks, one.more = clicked(point, wanted, None, one), clicked(point, wanted, box, one)
        results.append(one)
    return results


def interval(results: list[Tried], value: Any) -> list[float]:
    """95 % of the mean over objects, images drawn with replacement."""
    names = sorted({one.image for one in results})
    values = [np.array([value(one) for one in results if one.image == name]) for name in names]
    sums, counts = np.array([item.sum() for item in values]), np.array([len(item) for item in values])
    drawn = np.random.default_rng(0).integers(len(names), size=(2000, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    return [round(float(side), 3) for side in np.quantile(means, (0.025, 0.975))]


def summary(results: list[Tried]) -> dict[str, Any]:
    made: dict[str, Any] = {"objects": len(results), "images": len({one.image for one in results})}
    made["box_iou"] = round(float(np.mean([one.box_iou for one in results])), 4)
    made["box_iou_interval"] = interval(results, lambda one: one.box_iou)
    grabcuts = [one.grabcut_iou for one in results if one.grabcut_iou is not None]
    if len(grabcuts) == len(results):
        made["grabcut_iou"] = round(float(np.mean(grabcuts)), 4)
        made["grabcut_iou_interval"] = interval(results, lambda one: one.grabcut_iou)
        made["difference_interval"] = interval(results, lambda one: one.box_iou - one.grabcut_iou)
    for name in ("clicks", "more"):
        for at, goal in enumerate(GOALS) if getattr(results[0], name) else ():
            counts = [getattr(one, name)[at] for one in results]
            reached = [MOST_CLICKS + 1 if count is None else count for count in counts]
            key = f"{name if name == 'clicks' else 'clicks_after_box'}_to_{goal:g}"
            made[key] = {
                "median": float(np.median(reached)),
                "reached": round(np.mean([c is not None for c in counts]).item(), 3),
            }
    further = [ms for one in results for ms in one.further_ms]
    made["ms"] = {
        "prepare": round(float(np.median([one.prepare_ms for one in results])), 1),
        "box": round(float(np.median([one.first_ms for one in results])), 1),
        "further_click": round(float(np.median(further)), 1) if further else None,
    }
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--objects", type=int, default=0, help="of each dataset; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-clicks", action="store_true", help="boxes only")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    all_results: dict[str, list[Tried]] = {}
    for data in args.data:
        all_results[data] = tried(data, args.objects, args.seed, not args.no_clicks)
        if not args.json:
            print(data, json.dumps(summary(all_results[data])), flush=True)
    everything = [one for results in all_results.values() for one in results]
    if args.json:
        datasets = {data: summary(results) for data, results in all_results.items()}
        objects = {data: [asdict(one) for one in results] for data, results in all_results.items()}
        print(json.dumps({"datasets": datasets, "all": summary(everything), "objects": objects}))
    else:
        print("all", json.dumps(summary(everything)))


if __name__ == "__main__":
    main()
