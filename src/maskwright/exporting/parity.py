"""Parity: the exported model against the original in torch, from the same bytes of the same images.

Image by image; and a few in one batch against each of them alone, for a runtime may write the results of each call
into the same memory.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage

from maskwright.errors import WeightsError
from maskwright.evaluation.detection import evaluate
from maskwright.geometry import boxes as box_ops
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress, silent
from maskwright.synth import render
from maskwright.types import ImageLabels, Instances

COUNT = 32
BATCH = 4  # images at most that are also predicted together
KINDS = ("balloons", "welds", "rust")
SIZES = ((480, 640), (333, 501), (640, 427), (97, 211), (768, 1024), (64, 64), (1, 1), (200, 37))
SAME_OBJECT = 0.5  # IoU from which two detections are of one object


@dataclass(frozen=True)
class Bounds:
    """The largest differences that are accepted; None: only reported, because more is known.

    Of int8 the labeled images that calibrated nothing say what it costs, in AP or accuracy (accuracy_cost.py). Boxes
    of large objects move by some pixels there without a loss.

    unmatched  fraction of detections that the other model does not have
    box        pixels of the network input, 95 % of the corners
    score      0..1, 95 % of the detections, or of the scores of a classifier
    mask_iou   the lowest mean IoU of the masks of matched detections
    ap         of AP, where the original's detections are the ground truth
    """

    unmatched: float
    box: float | None
    score: float | None
    mask_iou: float
    ap: float | None


BOUNDS = {
    "fp32": Bounds(unmatched=0.01, box=0.5, score=0.005, mask_iou=0.99, ap=0.01),
    "bf16": Bounds(unmatched=0.05, box=4.0, score=0.06, mask_iou=0.93, ap=0.04),
    "int8": Bounds(unmatched=0.10, box=None, score=None, mask_iou=0.90, ap=None),
}


@dataclass(frozen=True)
class Parity:
    """What was compared, and how far apart the two are; a value is None where there is nothing to compare.

    images, empty         compared, and those of them on which the original detects nothing
    detections, exported  of the original, and of the exported model, at the model's score thresholds
    unmatched .. ap       as in Bounds
    batch                 how far apart the exported model's results of a few images in one batch are from those of
                          each alone, by the bounds of fp32; None where no two images have one shape of network input
    """

    precision: str
    images: int
    empty: int
    detections: int
    exported: int
    unmatched: float | None = None
    box: float | None = None
    score: float | None = None
    mask_iou: float | None = None
    ap: float | None = None
    batch: Parity | None = None

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "bounds": asdict(BOUNDS[self.precision]), "passed": not self.exceeded()}

    def exceeded(self) -> list[str]:
        """Names of the values that are out of bounds, of the batch too."""
        own, batch = self._exceeded(), [] if self.batch is None else self.batch._exceeded()
        return list(dict.fromkeys([*own, *batch]))

    def _exceeded(self) -> list[str]:
        found = []
        for name, bound in asdict(BOUNDS[self.precision]).items():
            value = getattr(self, name)
            if value is not None and bound is not None and (value < bound if name == "mask_iou" else value > bound):
                found.append(name)
        return found

    def check(self, folder: Path) -> None:
        """WeightsError where a value is out of bounds."""
        self._check(
            folder, "does not answer as the original does", "images",
            "export in another precision (--precision fp32), or report this model",
        )  # fmt: skip
        if self.batch is not None:
            self.batch._check(
                folder,
                "answers differently for several images in one batch",
                "images in one batch",
                "report this model",
            )

    def _check(self, folder: Path, what: str, compared: str, fix: str) -> None:
        for name in self._exceeded():
            raise WeightsError(
                f"the exported model {what}, so nothing was written",
                file=folder,
                field=name,
                expected=f"{'at least' if name == 'mask_iou' else 'at most'} {getattr(BOUNDS[self.precision], name):g}",
                got=f"{getattr(self, name):.4g}, on {self.images} {compared} with {self.detections} detections",
                fix=fix,
            )


def rendered() -> Iterator[bytes]:
    """32 images as PNG: of every kind that can be rendered, of odd sizes, and without objects."""
    for number in range(COUNT):
        height, width = SIZES[number % len(SIZES)]
        scene = render(KINDS[number % len(KINDS)], number, (max(height, 32), max(width, 32)), empty=number % 10 == 9)
        stream = io.BytesIO()
        PilImage.fromarray(np.ascontiguousarray(scene.image[:height, :width])).save(stream, "PNG")
        yield stream.getvalue()


def compare(
    original: Predictor[Any],
    exported: Predictor[Any],
    images: Sequence[bytes],
    precision: str,
    limits: Sequence[float],
    size: int,
    progress: Progress = silent,
) -> Parity:
    """Run both models on the images, and the exported one on some of them together.

    limits  of a detector the score threshold of each class: detections below are compared only with those above
    size    long side of the network input: differences of boxes are in its pixels
    """
    expected, got, sizes, shapes = [], [], [], defaultdict(list)
    for index, data in enumerate(progress(images, total=len(images), label="comparing", unit="images")):
        image, result = original.look(data)
        expected.append(result)
        got.append(exported.look(data)[1])
        sizes.append(image.size)
        shapes[exported.engine.fit(image, exported.size)[0].shape].append(index)

    def parity(ours: Sequence[Any], theirs: Sequence[Any], indices: Sequence[int], precision: str) -> Parity:
        if isinstance(ours[0], Instances):
            return _of_detections(ours, theirs, [sizes[index] for index in indices], precision, np.array(limits), size)
        return _of_labels(ours, theirs, precision)

    compared = parity(expected, got, range(len(images)), precision)
    detections = [len(result) if isinstance(result, Instances) else 0 for result in got]
    batches = [sorted(alike, key=lambda index: -detections[index])[:BATCH] for alike in shapes.values()]
    together = max(batches, key=lambda batch: (len(batch), sum(detections[index] for index in batch)))
    if len(together) < 2:
        return compared
    in_batch = [result for _, result in exported.batches([exported.open(images[index]) for index in together], BATCH)]
    return replace(compared, batch=parity([got[index] for index in together], in_batch, together, "fp32"))


def _of_labels(expected: Sequence[ImageLabels], got: Sequence[ImageLabels], precision: str) -> Parity:
    pairs = list(zip(expected, got, strict=True))
    score = float(np.quantile(np.abs(np.stack([one.scores - other.scores for one, other in pairs])), 0.95))
    changed = float(np.mean([_best(one) != _best(other) for one, other in pairs]))
    return Parity(precision, len(pairs), 0, len(pairs), len(pairs), unmatched=changed, score=score)


def _best(labels: ImageLabels) -> int:
    """The best class, rounded to what the bounds of fp32 tell apart."""
    return int(np.argmax(np.round(labels.scores, 2)))


def _of_detections(
    originals: Sequence[Instances],
    exporteds: Sequence[Instances],
    sizes: Sequence[tuple[int, int]],
    precision: str,
    limits: np.ndarray,
    size: int,
) -> Parity:
    expected = [_confident(one, limits) for one in originals]
    got = [_confident(other, limits) for other in exporteds]
    counts = sum(map(len, expected)), sum(map(len, got))
    matched = [_match(sure, other) for sure, other in zip(expected, exporteds, strict=True)]
    back = [_match(sure, one) for sure, one in zip(got, originals, strict=True)]
    common = Parity(precision, len(sizes), sum(not len(one) for one in expected), *counts)
    if not sum(counts):
        return common
    lost = sum(int((rows < 0).sum()) for rows in (*matched, *back))
    boxes, scores, masks = [], [], []
    for sure, rows, other, (height, width) in zip(expected, matched, exporteds, sizes, strict=True):
        one, two = sure[rows >= 0], other[rows[rows >= 0]]
        assert one.scores is not None and two.scores is not None  # they come from models
        boxes.append(np.abs(one.boxes - two.boxes).ravel() * size / max(height, width))
        scores.append(np.abs(one.scores - two.scores))
        if one.masks is not None and two.masks is not None and len(one):
            large = one.masks.area >= 64  # of fewer pixels one weighs too much
            masks.append(np.diag(one.masks.iou(two.masks))[large])
    names = originals[0].names
    truth = [Instances(one.boxes, one.classes, None, one.masks, names) for one in expected]
    metrics = evaluate(truth, exporteds, sizes, kinds=("box",)) if counts[0] else None
    ap = None if metrics is None or metrics.box is None or metrics.box.AP is None else 1 - metrics.box.AP
    return replace(
        common,
        unmatched=lost / sum(counts),
        box=_most(boxes),
        score=_most(scores),
        mask_iou=float(np.concatenate(masks).mean()) if masks and len(np.concatenate(masks)) else None,
        ap=ap,
    )


def _confident(instances: Instances, limits: np.ndarray) -> Instances:
    assert instances.scores is not None
    return instances[instances.scores >= limits[instances.classes]]


def _match(instances: Instances, others: Instances) -> np.ndarray:
    """n int64: the row of `others` that is the same object, of one class; -1 where there is none."""
    if not len(instances) or not len(others):
        return np.full(len(instances), -1)
    overlaps = box_ops.iou(instances.boxes, others.boxes)
    overlaps[instances.classes[:, None] != others.classes] = 0
    rows = np.full(len(instances), -1)
    for row in range(len(instances)):  # by falling score, each of the others once
        best = int(overlaps[row].argmax())
        if overlaps[row, best] >= SAME_OBJECT:
            rows[row] = best
            overlaps[:, best] = 0
    return rows


def _most(parts: list[np.ndarray]) -> float | None:
    """What 95 % are at most; None of nothing."""
    values = np.concatenate(parts)
    return float(np.quantile(values, 0.95)) if len(values) else None
