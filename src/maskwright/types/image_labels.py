"""ImageLabels: what a classifier says of a whole image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from maskwright.errors import ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class ImageLabels:
    """The scores of one image, and the classes it is said to show.

    scores  C float32  0..1; they add up to 1 where an image shows one class, each stands alone where it may show
            several
    names   C class names
    chosen  indices of the classes that are said of the image, best first; () is ordinary where several are possible

    >>> ImageLabels.of(np.array([0.03, 0.97]), ("norust", "rust"))
    ImageLabels(rust 0.97)
    """

    scores: np.ndarray
    names: tuple[str, ...]
    chosen: tuple[int, ...]

    def __post_init__(self) -> None:
        if np.shape(self.scores) != (len(self.names),):
            raise ShapeError(
                "the scores do not match the class names",
                field="scores",
                expected=f"shape ({len(self.names)},), one score per class",
                got=f"shape {np.shape(self.scores)}",
            )
        if any(not 0 <= index < len(self.names) for index in self.chosen):
            raise ShapeError(
                "not the index of a class", field="chosen", expected=f"0 to {len(self.names) - 1}", got=self.chosen
            )

    @classmethod
    def of(
        cls,
        scores: np.ndarray,
        names: tuple[str, ...],
        multi_label: bool = False,
        threshold: float = 0.5,
        points: Mapping[str, float] | None = None,
    ) -> ImageLabels:
        """The class of the best score; with several labels an image, all from `threshold` on.

        points  classes with a threshold of their own. Such a class is said from there on, however the others score;
                below it the best of the others is

        >>> ImageLabels.of(np.array([0.7, 0.3]), ("norust", "rust"), points={"rust": 0.2})
        ImageLabels(rust 0.30)
        """
        scores, points = np.asarray(scores, np.float32), points or {}
        order = [int(index) for index in np.argsort(-scores, kind="stable")]
        reached = [index for index in order if scores[index] >= points.get(names[index], threshold)]
        if multi_label:
            return cls(scores, names, tuple(reached))
        reached_points = [index for index in reached if names[index] in points]
        others = [index for index in order if names[index] not in points]
        return cls(scores, names, tuple((reached_points or others or order)[:1]))

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the chosen classes."""
        return tuple(self.names[index] for index in self.chosen)

    def facts(self) -> dict[str, object]:
        return {
            "labels": list(self.labels),
            "scores": {name: round(float(score), 5) for name, score in zip(self.names, self.scores, strict=True)},
        }

    def __str__(self) -> str:
        return ", ".join(f"{self.names[index]} {self.scores[index]:.2f}" for index in self.chosen) or "none"

    def __repr__(self) -> str:
        return f"ImageLabels({self})"
