"""Write-then-read: random datasets of one image, and what a format that loses nothing gives back of them.

@given(contents("boxes", "outlines", "masks"))   objects of one kind; none degenerate, none within a pixel of the corner
dataset(folder, content)                         the Dataset of them, with its image in `folder`
assert_same(data, again)                         classes, boxes, masks and outlines agree
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

SIZE = (30, 40)
NAMES = ("dent", "rust")


@dataclass(frozen=True)
class Content:
    """kind: "boxes", "outlines" or "masks"; objects: corners, lists of outlines, or H×W bool."""

    kind: str
    objects: list[Any]
    classes: list[int]


@st.composite
def contents(draw: st.DrawFn, *kinds: str, parts: int = 2, quarters: bool = True) -> Content:
    """`parts` at most of an outline; `quarters`: places at quarters of a pixel, else at whole pixels."""
    kind = draw(st.sampled_from(kinds))
    objects = draw(
        st.lists({"boxes": _boxes, "outlines": _outlines, "masks": _masks}[kind](parts, quarters), max_size=4)
    )
    return Content(kind, objects, draw(st.lists(st.integers(0, 1), min_size=len(objects), max_size=len(objects))))


def _places(low: int, high: int, quarters: bool) -> st.SearchStrategy[float]:
    return (
        st.integers(4 * low, 4 * high).map(lambda value: value / 4) if quarters else st.integers(low, high).map(float)
    )


@st.composite
def _boxes(draw: st.DrawFn, parts: int, quarters: bool) -> list[float]:
    x, y = draw(_places(2, 30, quarters)), draw(_places(2, 20, quarters))
    return [x, y, x + draw(_places(2, 9, quarters)), y + draw(_places(2, 9, quarters))]


@st.composite
def _outlines(draw: st.DrawFn, parts: int, quarters: bool) -> list[np.ndarray]:
    """Boxes with one corner drawn inwards: each encloses pixels, and no two parts overlap."""
    found = []
    for number in range(draw(st.integers(1, parts))):
        x, y = draw(_places(2, 6, quarters)) + 18 * number, draw(_places(2, 12, quarters))
        width, height = draw(_places(4, 9, quarters)), draw(_places(4, 9, quarters))
        corner = [x + draw(_places(2, 3, quarters)), y + draw(_places(2, 3, quarters))]
        found.append(np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height], corner]))
    return found


@st.composite
def _masks(draw: st.DrawFn, parts: int, quarters: bool) -> np.ndarray:
    """A box, perhaps with a hole in it and a pixel beside it."""
    mask = np.zeros(SIZE, bool)
    left, top = draw(st.integers(2, 20)), draw(st.integers(2, 15))
    mask[top : top + draw(st.integers(5, 9)), left : left + draw(st.integers(5, 9))] = True
    mask[top + 2, left + 2] = draw(st.booleans())
    mask[28, 38] = draw(st.booleans())
    return mask


def dataset(folder: Path, content: Content) -> Dataset:
    Image.new("RGB", SIZE[::-1]).save(folder / "a.png")
    return Dataset("set", NAMES, (Record(folder / "a.png", SIZE, _instances(content)),))


def _instances(content: Content) -> Instances:
    if not content.objects:
        return Instances.empty(NAMES, SIZE)
    notes = None
    if content.kind == "boxes":
        masks, boxes = None, np.array(content.objects, np.float32)
    elif content.kind == "outlines":
        masks = RleMasks.from_polygons(content.objects, SIZE)
        boxes, notes = masks.boxes, tuple(Annotation(tuple(parts)) for parts in content.objects)
    else:
        masks = RleMasks.from_dense(np.stack(content.objects))
        boxes = masks.boxes
    return Instances(boxes, np.array(content.classes), None, masks, NAMES, None, notes)


def assert_same(data: Dataset, again: Dataset, *, masks: bool = True, near: float = 1e-3) -> None:
    """One image, with the same objects in the same order.

    masks  False: the format holds boxes only
    near   pixels by which places may differ; outlines of places that differ are not compared by pixels
    """
    (record,), (other,) = data.records, again.records
    first, second = record.instances, other.instances
    assert first is not None and second is not None
    assert first.labels == second.labels
    assert np.allclose(first.boxes, second.boxes, atol=near)
    if not masks or first.masks is None or not len(first):
        return
    assert second.masks is not None
    for mine, theirs in zip(first.outlines(), second.outlines(), strict=True):
        if mine is not None and theirs is not None:
            assert all(np.allclose(part, twin, atol=near) for part, twin in zip(mine, theirs, strict=True))
    if near <= 1e-3:
        assert np.array_equal(first.masks.counts, second.masks.counts)
