"""The metrics of an evaluated detector: COCO's, per class and per image, for tables, plots and JSON."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from maskwright.evaluation import coco
from maskwright.evaluation.confusion import confusion
from maskwright.evaluation.matching import ImageScore, Matches

KINDS = ("box", "mask")
Interval = tuple[float, float]

# COCO's twelve metrics: name -> (is precision, index of the IoU, area, limit), in COCO's order; `coco_lines` prints
# just these. Another metric is a field of KindMetrics, filled in evaluation/detection.py, shown in
# tasks/detection/report.py.
COCO_METRICS = {
    "AP": (True, None, coco.ALL, coco.HUNDRED),
    "AP50": (True, 0, coco.ALL, coco.HUNDRED),
    "AP75": (True, 5, coco.ALL, coco.HUNDRED),
    "APs": (True, None, coco.SMALL, coco.HUNDRED),
    "APm": (True, None, coco.MEDIUM, coco.HUNDRED),
    "APl": (True, None, coco.LARGE, coco.HUNDRED),
    "AR1": (False, None, coco.ALL, coco.ONE),
    "AR10": (False, None, coco.ALL, coco.TEN),
    "AR100": (False, None, coco.ALL, coco.HUNDRED),
    "ARs": (False, None, coco.SMALL, coco.HUNDRED),
    "ARm": (False, None, coco.MEDIUM, coco.HUNDRED),
    "ARl": (False, None, coco.LARGE, coco.HUNDRED),
}


@dataclass(frozen=True, slots=True)
class DetectionClassMetrics:
    """The metrics of one class. AP, AP50 and AR100 are None without ground-truth objects.

    ground_truths, detections  number of ground-truth objects (without crowds), number of detections at any score
    threshold, f1              score threshold with the best F1 at IoU 0.5, and that F1; None without true positives
    """

    name: str
    ground_truths: int
    detections: int
    AP: float | None
    AP50: float | None
    AR100: float | None
    threshold: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class KindMetrics:
    """The metrics of boxes, or of masks; fractions 0..1, None where undefined.

    AP..ARl    COCO's twelve: AP over IoU 0.50:0.95, at 0.50, at 0.75, for small, medium, large objects; AR with at
               most 1, 10, 100 detections per image and class, and for small, medium, large objects
    intervals  95 % bootstrap over images of "AP", "AP50", "AP75", "AR100", "AP_X", "AP50_X" for a class X;
               {} unless requested, None where undefined
    matches    curves, thresholds and image scores, at IoU 0.5
    """

    kind: str
    AP: float | None
    AP50: float | None
    AP75: float | None
    APs: float | None
    APm: float | None
    APl: float | None
    AR1: float | None
    AR10: float | None
    AR100: float | None
    ARs: float | None
    ARm: float | None
    ARl: float | None
    classes: tuple[DetectionClassMetrics, ...]
    intervals: dict[str, Interval | None]
    matches: Matches = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """The metrics as a dict for JSON, without matches."""
        return {
            **{name: getattr(self, name) for name in COCO_METRICS},
            "classes": [asdict(per_class) for per_class in self.classes],
            "intervals": {name: None if pair is None else list(pair) for name, pair in self.intervals.items()},
        }

    def coco_lines(self) -> list[str]:
        """COCO's twelve lines in pycocotools' layout, with n/a where it prints -1."""
        lines = []
        for name, (is_precision, iou, area, limit) in COCO_METRICS.items():
            what = "Average Precision  (AP)" if is_precision else "Average Recall     (AR)"
            span = "0.50:0.95" if iou is None else f"{coco.IOUS[iou]:0.2f}"
            size = ("all", "small", "medium", "large")[area]
            lines.append(f" {what} @[ IoU={span:<9} | area={size:>6s} | maxDets={(1, 10, 100)[limit]:>3d} ] = "
                         f"{as_text(getattr(self, name))}")  # fmt: skip
        return lines

    def rows(self) -> list[dict[str, Any]]:
        """One row per class, then "all". Intervals are (low, high) or None; nothing is rounded."""

        def row(
            name: str, suffix: str, ground_truths: int, detections: int, metrics: DetectionClassMetrics | KindMetrics
        ) -> dict[str, Any]:
            return {
                "class": name, "ground_truths": ground_truths, "detections": detections,
                "AP": metrics.AP, "AP_interval": self.intervals.get("AP" + suffix),
                "AP50": metrics.AP50, "AP50_interval": self.intervals.get("AP50" + suffix), "AR100": metrics.AR100,
                "threshold": getattr(metrics, "threshold", None), "f1": getattr(metrics, "f1", None),
            }  # fmt: skip

        rows = [
            row(per_class.name, f"_{per_class.name}", per_class.ground_truths, per_class.detections, per_class)
            for per_class in self.classes
        ]
        total = [
            sum(per_class.ground_truths for per_class in self.classes),
            sum(per_class.detections for per_class in self.classes),
        ]
        return [*rows, row("all", "", total[0], total[1], self)]

    def confusion(self, threshold: float | Mapping[str, float] | None = None) -> tuple[tuple[str, ...], np.ndarray]:
        """(names + "background", confusion matrix), see confusion.py."""
        return confusion(self.matches, threshold)

    def thresholds(self) -> dict[str, float | None]:
        """Class name -> score threshold with the best F1."""
        return {per_class.name: per_class.threshold for per_class in self.classes}


@dataclass(frozen=True, slots=True, eq=False)
class DetectionMetrics:
    """All metrics of one evaluation: `metrics.mask.AP`, `metrics.box.AP50`.

    names            classes evaluated
    images           number of images
    image_names      their names, in order (default: "0", "1" ...)
    ground_truths    number of ground-truth objects, without crowds
    detections       number of detections at any score
    unknown_classes  number of detections of classes that are not in `names`: not evaluated
    box, mask        None where it could not be evaluated or was not requested; reasons[kind] says why
    groups           one per image, or None: images of one group are resampled together
    """

    names: tuple[str, ...]
    images: int
    image_names: tuple[str, ...]
    ground_truths: int
    detections: int
    unknown_classes: int
    box: KindMetrics | None
    mask: KindMetrics | None
    reasons: dict[str, str]
    groups: tuple[Hashable, ...] | None = None

    @property
    def best_kind(self) -> KindMetrics | None:
        """The metrics of masks if they were evaluated, else of boxes."""
        return self.mask or self.box

    def kind(self, name: str) -> KindMetrics | None:
        """`box` or `mask` by name."""
        return {"box": self.box, "mask": self.mask}[name]

    def coco_lines(self, kind: str | None = None) -> list[str]:
        """COCO's twelve lines of a kind (default: masks, else boxes); [] if it was not evaluated."""
        chosen = self.best_kind if kind is None else self.kind(kind)
        return chosen.coco_lines() if chosen else []

    def worst_images(
        self,
        n: int | None = None,
        kind: str | None = None,
        threshold: float | Mapping[str, float] | None = None,
        best: bool = False,
    ) -> list[tuple[str, ImageScore]]:
        """(image name, its score at IoU 0.5), lowest F1 first, ties by the number of errors; `best=True` reverses.

        n          number of images; default: all
        threshold  score threshold, for all classes or per class; None: the best of each class
        """
        chosen = self.best_kind if kind is None else self.kind(kind)
        scores = chosen.matches.image_scores(threshold) if chosen else []
        ordered = sorted(
            scores, key=lambda score: (score.f1, -len(score.false_positives) - len(score.false_negatives)), reverse=best
        )
        return [(self.image_names[item.image], item) for item in ordered[:n]]

    def facts(self) -> dict[str, Any]:
        """Ready for JSON."""
        plain = {
            name: getattr(self, name)
            for name in ("images", "ground_truths", "detections", "unknown_classes", "reasons")
        }
        kinds = {name: evaluated.facts() if (evaluated := self.kind(name)) else None for name in KINDS}
        return {**plain, "reasons": dict(self.reasons), "names": list(self.names), **kinds}


def as_text(value: float | None) -> str:
    """0.512, or n/a."""
    return "n/a" if value is None else f"{value:0.3f}"
