"""Builders of random boxes, masks and outlines for tests with hypothesis.

@given(masks())                      n×H×W bool, n from 0; noise, blocks, empty and full frames
@given(masks(n=1, size=(5, 7)))
@given(boxes(size=(40, 60)))         n×4 float32, some over the edge, some without area
@given(outlines(size=(20, 30)))      k×2 float64 polygon, convex or not, some over the edge
@given(objects(size=(20, 30)))       what polygons.fill takes: a list of objects, each a list of outlines
@given(soft_masks(n=3))              n×28×28 float32 in 0..1, smooth or noise
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

Size = tuple[int, int]


def sizes(most: int = 12) -> st.SearchStrategy[Size]:
    """(height, width), each at least 1."""
    return st.tuples(st.integers(1, most), st.integers(1, most))


@st.composite
def masks(draw: st.DrawFn, n: int | None = None, size: Size | None = None, most: int = 4) -> np.ndarray:
    """n×H×W bool, randomly in Fortran or C order; n up to `most` if None."""
    number = draw(st.integers(0, most)) if n is None else n
    height, width = draw(sizes()) if size is None else size
    dense = np.zeros((number, height, width), bool)
    for mask in dense:
        kind = draw(st.sampled_from(["noise", "blocks", "blocks", "empty", "full"]))
        if kind == "noise":
            rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
            mask[:] = rng.random((height, width)) < draw(st.sampled_from([0.2, 0.5, 0.8]))
        elif kind == "full":
            mask[:] = True
        elif kind == "blocks":
            for on in (True, True, False):
                top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
                mask[top : draw(st.integers(top, height)), left : draw(st.integers(left, width))] = on
    return np.asfortranarray(dense) if draw(st.booleans()) else dense


@st.composite
def boxes(draw: st.DrawFn, n: int | None = None, size: Size = (40, 60), most: int = 6) -> np.ndarray:
    """n×4 float32 x1 y1 x2 y2 with x1 <= x2 and y1 <= y2, up to a quarter of the image over its edge."""
    number = draw(st.integers(0, most)) if n is None else n
    height, width = size
    x = st.floats(-width / 4, width * 5 / 4, width=32)
    y = st.floats(-height / 4, height * 5 / 4, width=32)
    corners = [(sorted([draw(x), draw(x)]), sorted([draw(y), draw(y)])) for _ in range(number)]
    table = [(x1, y1, x2, y2) for (x1, x2), (y1, y2) in corners]
    return np.array(table, np.float32).reshape(number, 4)


@st.composite
def solid_boxes(draw: st.DrawFn, n: int | None = None, size: Size = (40, 60), most: int = 6) -> np.ndarray:
    """Like `boxes`, but at least 1 wide and 1 high."""
    table = draw(boxes(n=n, size=size, most=most))
    table[:, 2:] += 1
    return table


@st.composite
def outlines(draw: st.DrawFn, size: Size = (20, 30)) -> np.ndarray:
    """k×2 float64 (x, y), k from 3; corners on a grid of quarter pixels as often as anywhere; may cross itself."""
    height, width = size
    number = draw(st.integers(3, 8))
    if draw(st.booleans()):
        point = st.tuples(st.integers(-8, 4 * width + 8), st.integers(-8, 4 * height + 8))
        return np.array([draw(point) for _ in range(number)], np.float64) / 4
    point = st.tuples(st.floats(-2, width + 2), st.floats(-2, height + 2))
    return np.array([draw(point) for _ in range(number)], np.float64)


def objects(size: Size = (20, 30), most: int = 3) -> st.SearchStrategy[list[list[np.ndarray]]]:
    """A list of objects, each a list of one to three outlines."""
    return st.lists(st.lists(outlines(size), min_size=1, max_size=3), max_size=most)


@st.composite
def soft_masks(draw: st.DrawFn, n: int | None = None, most: int = 4) -> np.ndarray:
    """n×28×28 float32 probabilities."""
    number = draw(st.integers(0, most)) if n is None else n
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    noise = rng.random((number, 28, 28))
    away = np.hypot(*(np.mgrid[0:28, 0:28] - 13.5))
    blob = 1 / (1 + np.exp(away - rng.uniform(2, 16, (number, 1, 1))))
    fraction = draw(st.sampled_from([0.0, 0.2, 1.0]))
    return (fraction * noise + (1 - fraction) * blob).astype(np.float32)
