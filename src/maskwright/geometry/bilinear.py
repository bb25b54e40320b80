"""Bilinear resizing, bit-identical to scikit-image's `resize` without anti-aliasing.

Pixel centers are at +0.5: sample i of `new` lies at (i + 0.5) * size / new - 0.5. Pixels outside the image are 0, so
an enlarged image fades at its edges; the result is clipped to the range of the input.

scikit-image does not compute these coordinates directly: it fits slope and offset to three corners by least squares
(Umeyama's normalized points, a singular value decomposition), with an error of about 1e-13 pixels. Results are
truncated to integer gray levels afterwards, so where the exact result is an integer (frequent at some scales) this
error decides; hence it is reproduced here.
"""

from __future__ import annotations

import numpy as np

HALVED = ((2 - 8.9e-16, 0.5 + 5.7e-14), (2 + 4.4e-16, 0.5 - 2.8e-14))
"""(slope, offset) of rows and columns as fitted where both sides are exactly halved. There every fourth sum of four
pixels is an integer, and the last bit of the fit, which differs between LAPACK libraries, would matter."""

ROWS_AT_ONCE = 32
"""Number of image rows that fit the processor's cache while they are interpolated."""


def resize(image: np.ndarray, size: tuple[int, int], clip: bool = True) -> np.ndarray:
    """Resize a float image, H×W or H×W×C, to `size` = (height, width); `clip` limits values to the range of the input.

    >>> resize(np.array([[0.0, 200.0]]), (1, 4))
    array([[  0.,  50., 150., 150.]])
    """
    rows_at, columns_at = coordinates(image.shape[:2], size)
    first, second, weight1, weight2 = taps(columns_at, image.shape[1])
    tail = (1,) * (image.ndim - 2)
    widened = image[:, first] * weight1.reshape(-1, *tail)
    widened += image[:, second] * weight2.reshape(-1, *tail)
    first, second, weight1, weight2 = taps(rows_at, image.shape[0])
    weight1, weight2 = (fraction.reshape(-1, 1, *tail) for fraction in (weight1, weight2))
    resized = np.empty((size[0], *widened.shape[1:]), image.dtype)
    low, high = (image.min(), image.max()) if clip and image.size else (-np.inf, np.inf)
    for begin in range(0, size[0], ROWS_AT_ONCE):
        block = slice(begin, begin + ROWS_AT_ONCE)
        above = widened[first[block]]
        above *= weight1[block]
        below = widened[second[block]]
        below *= weight2[block]
        above += below
        if low <= 0 <= high:
            np.clip(above, low, high, out=resized[block])
        else:  # zeros from outside the image stay zeros, though the image has none
            resized[block] = np.where(above == 0, 0, np.clip(above, low, high))
    return resized


def coordinates(shape: tuple[int, ...], new: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Source coordinates of the rows and columns of an image resized from `shape` to `new`, in source pixels."""
    if shape[0] == 2 * new[0] and shape[1] == 2 * new[1]:
        rows, columns = HALVED
    elif min(new) > 1:
        rows, columns = _fitted(shape, new)
    else:
        rows, columns = ((step, step / 2 - 0.5) for step in (shape[0] / max(new[0], 1), shape[1] / max(new[1], 1)))
    return np.arange(new[0]) * rows[0] + rows[1], np.arange(new[1]) * columns[0] + columns[1]


def _fitted(shape: tuple[int, ...], new: tuple[int, int]) -> tuple[tuple[float, float], tuple[float, float]]:
    """(slope, offset) of rows and of columns, from three corners (x, y)."""
    height, width = new
    target = np.array([[0, 0], [0, height - 1], [width - 1, height - 1]])
    source = np.array([shape[1] / width, shape[0] / height]) * (target + 0.5) - 0.5
    from_target, a = _normalized(target)
    from_source, b = _normalized(source)
    nothing = np.zeros((3, 3))
    ones = np.ones((3, 1))
    upper = np.hstack([a, ones, nothing, b[:, :1]])
    lower = np.hstack([nothing, a, ones, b[:, 1:]])
    null = np.linalg.svd(np.vstack([upper, lower]))[2][-1]
    fit = np.eye(3)
    fit[:2] = (-null[:-1] / null[-1]).reshape(2, 3)
    fit = np.linalg.inv(from_source) @ fit @ from_target
    return (fit[1, 1], fit[1, 2]), (fit[0, 0], fit[0, 2])


def _normalized(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(matrix, points moved to their center and scaled to a mean distance of the square root of 2)."""
    center = points.mean(axis=0)
    factor = np.sqrt(2) / np.sqrt(np.sum((points - center) ** 2) / len(points))
    matrix = np.array([[factor, 0, -factor * center[0]], [0, factor, -factor * center[1]], [0, 0, 1]])
    moved = (matrix @ np.vstack([points.T, np.ones(len(points))])).T
    return matrix, moved[:, :2] / moved[:, 2:]


def taps(at: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For samples at these coordinates along a side of `size` cells: (first, second, weight1, weight2), the two cells
    each lies between and their weights; the weight of a cell outside is 0."""
    below = np.floor(at)
    fraction = at - below
    first, second = below.astype(np.int64), below.astype(np.int64) + 1
    weight1 = np.where((first >= 0) & (first < size), 1 - fraction, 0.0)
    weight2 = np.where((second >= 0) & (second < size), fraction, 0.0)
    return np.clip(first, 0, size - 1), np.clip(second, 0, size - 1), weight1, weight2


def interpolation(size: int, new: int) -> np.ndarray:
    """The interpolation as a matrix, new×size float32: for 28×28 masks two matrix products are fastest.

    Uses the exact coordinates, without scikit-image's fitting error: nothing is truncated here.
    """
    at = (np.arange(new) + 0.5) * (size / new) - 0.5
    first, second, weight1, weight2 = taps(at, size)
    matrix, rows = np.zeros((new, size), np.float32), np.arange(new)
    matrix[rows, first] += weight1.astype(np.float32)
    matrix[rows, second] += weight2.astype(np.float32)
    return matrix
