"""Is one classifier better than another on the same images? McNemar's test (1947), for the images they disagree on."""

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
    """How often which of two models is right, and how surprising that were if they were equally good.

    both, neither              images that both, or neither, got right
    only_first, only_second    images that only one got right: these alone decide
    p                          two-sided exact (binomial) p-value: never too small, on few images rather too large
    mid_p                      counts half of the chance of just this outcome: closer to the ground truth on few images
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
    def clear(self) -> bool:
        """mid_p below 0.05."""
        return self.mid_p < 0.05

    def sentence(self) -> str:
        first, second = self.names
        if self.only_first + self.only_second == 0:
            return f"{first} and {second} are right and wrong on the same {self.images} images: no difference is seen."
        text = f"Of {self.images} images {self.only_first} are right only with {first}, {self.only_second} only with "
        text += f"{second} (p = {_p(self.p)} exact, {_p(self.mid_p)} mid-p): "
        if not self.clear:
            return text + "these images do not tell which is better."
        return text + f"{first if self.only_first > self.only_second else second} is better."

    def facts(self) -> dict[str, Any]:
        return {**asdict(self), "names": list(self.names), "sentence": self.sentence()}


def mcnemar(
    first_right: Sequence[bool] | np.ndarray, second_right: Sequence[bool] | np.ndarray,
    names: tuple[str, str] = ("the first", "the second"),
) -> McNemar:  # fmt: skip
    """Compare two models by where each was right: n bool each, the same images in the same order.

    Images are taken as independent; count near-duplicates once.

    >>> mcnemar([True] * 12 + [False] * 2, [True] * 4 + [False] * 8 + [True] * 2).sentence()
    'Of 14 images 8 are right only with the first, 2 only with the second (p = 0.11 exact, 0.065 mid-p): these \
images do not tell which is better.'
    """
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if first.shape != second.shape or first.ndim != 1:
        raise DatasetError("two models can be compared only on the same images", expected=f"{first.size} answers",
                           got=f"{second.size}")  # fmt: skip
    one, other = int(np.sum(first & ~second)), int(np.sum(~first & second))
    chances = binomial(one + other, 0.5)
    least = min(one, other)
    p = min(1.0, 2 * float(chances[: least + 1].sum()))
    mid = min(1.0, 2 * float(chances[:least].sum()) + float(chances[least]))
    return McNemar(names, int(np.sum(first & second)), one, other, int(np.sum(~first & ~second)), p, mid)


def compare(
    first: ClassificationMetrics, second: ClassificationMetrics, names: tuple[str, str] = ("the first", "the second")
) -> McNemar:
    """The same for two evaluations: an image is right where all of its labels are."""
    same = first.names == second.names and first.image_names == second.image_names
    if not same or not np.array_equal(first.ground_truth, second.ground_truth):
        raise DatasetError("two evaluations can be compared only on the same images and classes",
                           expected=f"{first.images} images, {', '.join(first.names)}",
                           got=f"{second.images} images, {', '.join(second.names)}")  # fmt: skip
    return mcnemar(first.right, second.right, names)


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "below 0.001"
