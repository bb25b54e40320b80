"""A box or clicks on an image become the mask of one object, of whatever class."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from maskwright.errors import RecipeError
from maskwright.images.sources import Origin, only, open_source
from maskwright.prediction import click_masks
from maskwright.transforms.prompts import Cut, cut_around, encode
from maskwright.types import Image, RleMasks

SMALL = 0.45  # share of a cut's side that an object should fill
SMALLEST = 12  # pixels of the image: what is smaller is not enlarged further
RECUTS = 2  # how often a part is cut out anew until the object fills it

Points = Sequence[Sequence[float]] | np.ndarray


@cache
def _engine() -> Any:
    """The bundled network. By name, for this package does not know torch."""
    return importlib.import_module("maskwright.engines.click_engine").ClickEngine.prepare()


@dataclass(eq=False)
class _Part:
    """A part of the image with its features, the prompts asked last and the mask they gave."""

    cut: Cut
    features: Any
    box: np.ndarray | None = None
    positive: np.ndarray | None = None
    negative: np.ndarray | None = None
    probs: np.ndarray | None = None

    def found(self) -> np.ndarray:
        """The probabilities without specks."""
        assert self.probs is not None and self.positive is not None
        return click_masks.clean(self.probs, self.cut.to_input(self.positive) / 2)

    def continued_by(self, box: np.ndarray | None, positive: np.ndarray, negative: np.ndarray) -> bool:
        """The same box and clicks, and further ones."""
        if self.probs is None or self.positive is None or self.negative is None:
            return False
        same = box is self.box or (box is not None and self.box is not None and np.array_equal(box, self.box))
        return same and _begins(positive, self.positive) and _begins(negative, self.negative)


class MaskFromClicks:
    """One image, ready to be pointed at. What a box or a first click needs of the image is computed once: each further
    click on the same object takes a fraction of the first.

    engine  another network than the bundled one

    >>> point = maskwright.MaskFromClicks("party.jpg")
    >>> mask = point(box=(40, 30, 160, 200))
    >>> mask = point(box=(40, 30, 160, 200), negative=[(60, 190)])
    >>> mask.area, mask.boxes                                               # RleMasks with one row
    """

    def __init__(self, source: Origin, engine: Any = None) -> None:
        self.image: Image = open_source(only(source))
        self._engine = engine
        self._lock = threading.Lock()
        self._whole: _Part | None = None
        self._part: _Part | None = None

    def prepare(self) -> None:
        """Computes what the first click needs, before it comes."""
        with self._lock:
            self._whole_image()

    def __call__(
        self, box: Sequence[float] | np.ndarray | None = None, positive: Points = (), negative: Points = ()
    ) -> RleMasks:
        """The mask of the object, as RleMasks of one row; of area 0 where nothing is found.

        box       x1 y1 x2 y2 in image pixels, around the object;  None: the object is where the clicks are
        positive  n×2 (x, y) in image pixels, points on the object
        negative  n×2, points that do not belong to it

        RecipeError where there is neither a box nor a positive click, or one is not numbers.
        """
        corners = None if box is None else _checked_box(box)
        clicked, others = _checked_points("positive", positive), _checked_points("negative", negative)
        if corners is None and not len(clicked):
            raise RecipeError("there is nothing to find an object by", field="box, positive", expected="one of them")
        with self._lock:
            part = self._asked(corners, clicked, others)
        return click_masks.place(part.found(), part.cut, self.image.size)

    def _asked(self, box: np.ndarray | None, positive: np.ndarray, negative: np.ndarray) -> _Part:
        """The part that shows the object, and its mask there."""
        clicks = np.concatenate([positive, negative])
        old = self._part
        if old is not None and old.continued_by(box, positive, negative) and _shows(old.cut, clicks):
            part = old
        elif box is not None:
            part = self._cut_out(_around(box, clicks))
        else:
            part = self._whole_image()
            part.probs = None
        self._run(part, box, positive, negative)
        for _ in range(RECUTS if box is None else 0):
            shown = self._to_be_shown(part, positive)
            if shown is None:
                break
            part = self._cut_out(_around(shown, clicks), part)
            self._run(part, box, positive, negative)
        self._part = part
        return part

    def _run(self, part: _Part, box: np.ndarray | None, positive: np.ndarray, negative: np.ndarray) -> None:
        corners = None if box is None else part.cut.to_input(box.reshape(2, 2)).reshape(4)
        inside = [part.cut.to_input(points) for points in (positive, negative)]
        prompts = encode(part.cut.shape, corners, inside[0], inside[1], part.probs)
        part.probs = (self._engine or _engine()).mask_probs(part.features, prompts)
        part.box, part.positive, part.negative = box, positive, negative

    def _to_be_shown(self, part: _Part, positive: np.ndarray) -> np.ndarray | None:
        """The box to cut out instead, where the object is small in this part or goes on beyond it; None where neither
        is so."""
        x1, y1, x2, y2 = part.cut.box
        found = click_masks.box_of(part.found(), part.cut)
        if found is None:  # too small to be seen here, perhaps
            reach = min(x2 - x1, y2 - y1) / 8
            return np.concatenate([positive.min(0) - reach, positive.max(0) + reach])
        sides = found[2:] - found[:2]
        if max(sides / (x2 - x1, y2 - y1)) < SMALL:
            return found if max(sides) >= SMALLEST else None
        height, width = self.image.size
        cell = 4 / part.cut.scale
        beyond = (found[:2] <= (x1 + cell, y1 + cell)) & (np.array((x1, y1)) > cell)
        after = (found[2:] >= (x2 - cell, y2 - cell)) & (np.array((x2, y2)) < (width - cell, height - cell))
        return found if beyond.any() or after.any() else None

    def _whole_image(self) -> _Part:
        if self._whole is None:
            height, width = self.image.size
            self._whole = self._cut_out(np.array([0.0, 0.0, width, height]), margin=1.0)
        return self._whole

    def _cut_out(self, box: np.ndarray, before: _Part | None = None, margin: float | None = None) -> _Part:
        cut = cut_around(box) if margin is None else cut_around(box, margin)
        features = (self._engine or _engine()).features(cut.pixels(self.image.pixels))
        probs = None
        if before is not None and before.probs is not None:
            probs = click_masks.resample(before.probs, before.cut, cut)
        return _Part(cut, features, probs=probs)


# --- boxes and points -------------------------------------------------------------------------------------------------
def _checked_box(box: Sequence[float] | np.ndarray) -> np.ndarray:
    corners = np.asarray(box, np.float64)
    if corners.shape != (4,) or not np.isfinite(corners).all() or (corners[2:] <= corners[:2]).any():
        raise RecipeError("this is not a box", field="box", expected="x1, y1, x2, y2 with x1 < x2 and y1 < y2", got=box)
    return corners


def _checked_points(field: str, points: Points) -> np.ndarray:
    made = np.asarray(points, np.float64)
    made = made.reshape(0, 2) if made.size == 0 else made
    if made.ndim != 2 or made.shape[1] != 2 or not np.isfinite(made).all():
        raise RecipeError("these are not points", field=field, expected="(x, y) each", got=points)
    return made


def _begins(points: np.ndarray, earlier: np.ndarray) -> bool:
    return len(points) >= len(earlier) and np.array_equal(points[: len(earlier)], earlier)


def _around(box: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The box, larger where points lie beside it."""
    corners = np.concatenate([box.reshape(2, 2), points])
    return np.concatenate([corners.min(0), corners.max(0)])


def _shows(cut: Cut, points: np.ndarray) -> bool:
    x1, y1, x2, y2 = cut.box
    return bool(((points > (x1, y1)) & (points < (x2, y2))).all())
