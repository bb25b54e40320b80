"""Is one of two models better on the same images? McNemar's test (1947) of classifiers, paired AP of detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation.classification_metrics import ClassificationMetrics
from maskwright.evaluation.detection import difference
from maskwright.evaluation.detection_metrics import DetectionMetrics
from maskwright.evaluation.intervals import Difference
from maskwright.evaluation.proportions import binomial


class Comparison(Protocol):
    """Two models on the same images."""

    @property
    def names(self) -> tuple[str, str]: ...

    def sentence(self) -> str:
        """What the images show, for people."""
        ...

    def facts(self) -> dict[str, Any]:
        """Ready for JSON."""
        ...


@dataclass(frozen=True, slots=True)
class McNemar:
    """Which of two models is correct on how many images, and the p-value of the difference.

    both, neither            images that both models, or neither, classify correctly
    only_first, only_second  images that only one classifies correctly; only these enter the test
    p                        two-sided exact (binomial) p-value; conservative on few images
    mid_p                    with half of the probability of the observed outcome; less conservative on few images
    """

    names: tuple[str, str]
    both: int
    only_first: int
    only_second: int
    neither: int
    p: float
    mid_p: float

    @property
    def images(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def significant(self) -> bool:
        """mid_p below 0.05."""
        return self.mid_p < 0.05

    def sentence(self) -> str:
        first, second = self.names
        if self.only_first + self.only_second == 0:
            return f"{first} and {second} are correct on the same of the {self.images} images: no difference."
        text = f"Of {self.images} images {self.only_first} are correct only with {first}, {self.only_second} only with "
        text += f"{second} (p = {_p(self.p)} exact, {_p(self.mid_p)} mid-p): "
        if not self.significant:
            return text + "these images do not show which is better."
        return text + f"{first if self.only_first > self.only_second else second} is better."

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "names": list(self.names), "sentence": self.sentence()}


def mcnemar(
    first_correct: Sequence[bool] | np.ndarray, second_correct: Sequence[bool] | np.ndarray,
    names: tuple[str, str] = ("the first", "the second"),
) -> McNemar:  # fmt: skip
    """Compare two models by their correct images: n bool each, the same images in the same order.

    Images are assumed to be independent: include near-duplicates once.

    >>> mcnemar([True] * 12 + [False] * 2, [True] * 4 + [False] * 8 + [True] * 2).sentence()
    'Of 14 images 8 are correct only with the first, 2 only with the second (p = 0.11 exact, 0.065 mid-p): these \
images do not show which is better.'
    """
    first, second = np.asarray(first_correct, bool), np.asarray(second_correct, bool)
    if first.shape != second.shape or first.ndim != 1:
        raise DatasetError("two models can be compared only on the same images", expected=f"{first.size} values",
                           got=f"{second.size}")  # fmt: skip
    first_only, second_only = int(np.sum(first & ~second)), int(np.sum(~first & second))
    probabilities = binomial(first_only + second_only, 0.5)
    smaller = min(first_only, second_only)
    p = min(1.0, 2 * float(probabilities[: smaller + 1].sum()))
    mid = min(1.0, 2 * float(probabilities[:smaller].sum()) + float(probabilities[smaller]))
    return McNemar(names, int(np.sum(first & second)), first_only, second_only, int(np.sum(~first & ~second)), p, mid)


def compare(
    first: ClassificationMetrics, second: ClassificationMetrics, names: tuple[str, str] = ("the first", "the second")
) -> McNemar:
    """Compare two evaluations of the same images; an image is correct if all of its labels are."""
    same = first.names == second.names and first.image_names == second.image_names
    if not same or not np.array_equal(first.ground_truth, second.ground_truth):
        raise DatasetError("two evaluations can be compared only on the same images and classes",
                           expected=f"{first.images} images, {', '.join(first.names)}",
                           got=f"{second.images} images, {', '.join(second.names)}")  # fmt: skip
    return mcnemar(first.correct, second.correct, names)


@dataclass(frozen=True, slots=True)
class PairedAP:
    """How much higher the AP of the second of two detectors is, on the same resamples of the images.

    kind      "mask" where both drew masks, else "box"
    AP, AP50  second minus first, with the 95 % interval; None with fewer than two images, or where one is undefined
    """

    names: tuple[str, str]
    kind: str
    AP: Difference | None
    AP50: Difference | None

    def sentence(self) -> str:
        first, second = self.names
        if self.AP is None or self.AP50 is None:
            return f"{first} and {second}: too few images, or objects, for an interval of their difference."
        text = f"{second} minus {first} on the same images: {self.kind} AP {_gain(self.AP)}, AP50 {_gain(self.AP50)}: "
        if not self.AP.significant:
            return text + "these images do not show which is better."
        return text + f"{second if self.AP.value > 0 else first} is better."

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "names": list(self.names), "sentence": self.sentence()}


def compare_detectors(
    first: DetectionMetrics,
    second: DetectionMetrics,
    names: tuple[str, str] = ("the first", "the second"),
    n: int = 1000,
) -> PairedAP:
    """Compare two evaluations of the same images by the paired bootstrap. n  resamples"""
    kind = "mask" if first.mask and second.mask else "box"
    return PairedAP(names, kind, difference(first, second, kind=kind, n=n),
                    difference(first, second, kind=kind, metric="AP50", n=n))  # fmt: skip


def _gain(gap: Difference) -> str:
    return f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "below 0.001"
