"""Is one classifier better than another on the same images? McNemar's test (1947)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation.classification_metrics import ClassificationMetrics
from maskwright.evaluation.proportions import binomial


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


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "below 0.001"
