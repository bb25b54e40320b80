"""What a second look at the mirrored image brings: the detections of both, suppressed together.

    python benchmarks/flipped.py RESULTS               of the runs that benchmarks/recipe_changes.py left there
    python benchmarks/flipped.py RESULTS --json flip.json

Detections of one class that overlap by IoU 0.5 count as one; it has the better score of the two looks, or their mean
(half, where only one of them saw it). Differences on the same images, 95 % bootstrap.

Data: MASKWRIGHT_SHARED, or ../shared.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from recipe_changes import BASE, SEED, divided
from starts import SETS

import maskwright
from maskwright.evaluation.detection import difference
from maskwright.geometry.boxes import iou
from maskwright.prediction.detector import Detector
from maskwright.tasks.base import EvaluationOptions
from maskwright.tasks.detection.evaluation import pool
from maskwright.types import Instances, RleMasks

SCORES: dict[str, Callable[[float, float], float]] = {"better": max, "mean": lambda one, two: (one + two) / 2}


def mirrored(found: Instances, width: int) -> Instances:
    boxes = found.boxes.copy()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    return replace(found, boxes=boxes, masks=None if found.masks is None else found.masks.flip())


def joined(one: Instances, two: Instances, score: Callable[[float, float], float]) -> Instances:
    """Non-maximum suppression over both looks, the survivors scored by both."""
    assert one.scores is not None and two.scores is not None
    boxes, classes = np.concatenate([one.boxes, two.boxes]), np.concatenate([one.classes, two.classes])
    scores, second = np.concatenate([one.scores, two.scores]), np.arange(len(boxes)) >= len(one)
    masks = None if one.masks is None or two.masks is None else RleMasks.join([one.masks, two.masks])
    alike = (iou(boxes, boxes) > 0.5) & (classes[:, None] == classes)
    left, kept = np.ones(len(boxes), bool), {}
    for row in np.argsort(-scores, kind="stable"):
        if left[row]:
            same = alike[row] & left
            other = scores[same & (second != second[row])].max(initial=0.0)
            kept[int(row)] = score(float(scores[row]), float(other))
            left &= ~same
            left[row] = False
    rows = sorted(kept, key=lambda row: -kept[row])
    rescored = np.array([kept[row] for row in rows], np.float32)
    chosen = np.array(rows, np.int64)
    return Instances(boxes[chosen], classes[chosen], rescored, None if masks is None else masks[chosen], one.names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sets", default="weapons,rust boxes,balloon")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in chosen.sets.split(","):
        _, held_back = divided(name)
        trained = maskwright.load(chosen.results / "runs" / f"{name}, {BASE}" / "last")
        assert isinstance(trained, Detector)
        detector = Detector(trained.engine, threshold=0.0, size=trained.size, tile=trained.tile)
        images = [detector.open(record.image) for record in held_back]
        ones = [detector(image) for image in images]
        twos = [mirrored(detector(np.ascontiguousarray(image.pixels[:, ::-1])), image.size[1]) for image in images]
        kind, options = ("mask" if SETS[name][1] == "segment" else "box"), EvaluationOptions(1000, SEED)
        once = pool([(held_back, ones)], options, (kind,))
        for rule, score in SCORES.items():
            both = [joined(one, two, score) for one, two in zip(ones, twos, strict=True)]
            twice = pool([(held_back, both)], options, (kind,))
            found = {metric: difference(once, twice, kind=kind, metric=metric) for metric in ("AP50", "AP")}
            gained = {f"{kind} {metric}": [gain.value, gain.low, gain.high] for metric, gain in found.items() if gain}
            rows.append({"set": name, "score": rule, "images": len(images), "gained": gained})
            told = "  ".join(f"{key} {low:+.3f} to {high:+.3f} ({value:+.3f})"
                             for key, (value, low, high) in gained.items())  # fmt: skip
            print(f"{name:<11} {rule:<7} {told}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
