"""Bilinear resizing as scikit-image's `resize` does it without smoothing, down to the last bit.

Cell centers at +0.5: sample i of `new` lies at (i + 0.5) * size / new - 0.5. Beyond the rim everything counts as 0, so
an enlarged image fades at its edges; afterwards values are cut to the range of the input.

scikit-image does not compute these places: it fits slope and offset to three corners by least squares (Umeyama's
normalized points, a singular value decomposition), which leaves an error of about 1e-13 cells. Results are truncated to
whole gray levels afterwards, so where the exact answer is a whole number (some scales have many of these) the error
decides; hence it is made here too.
"""

from __future__ import annotations

import numpy as np

HALVED = ((2 - 8.9e-16, 0.5 + 5.7e-14), (2 + 4.4e-16, 0.5 - 2.8e-14))
"""(slope, offset) of rows and columns as fitted where both sides are exactly halved. There every fourth sum of four
pixels is whole, and the fit's last bit, which differs between LAPACK libraries, would show."""

ROWS_AT_ONCE = 32
"""So many rows of an image stay in the processor's cache while they are mixed."""


def resize(image: np.ndarray, size: tuple[int, int], clip: bool = True) -> np.ndarray:
    """A float image H×W or H×W×C made `size` (height, width) large; `clip` cuts to the range of the input.

    >>> resize(np.array([[0.0, 200.0]]), (1, 4))
    array([[  0.,  50., 150., 150.]])
    """
    at_rows, at_columns = coordinates(image.shape[:2], size)
    first, second, share1, share2 = taps(at_columns, image.shape[1])
    tail = (1,) * (image.ndim - 2)
    wide = image[:, first] * share1.reshape(-1, *tail)
    wide += image[:, second] * share2.reshape(-1, *tail)
    first, second, share1, share2 = taps(at_rows, image.shape[0])
    share1, share2 = (fraction.reshape(-1, 1, *tail) for fraction in (share1, share2))
    resized = np.empty((size[0], *wide.shape[1:]), image.dtype)
    low, high = (image.min(), image.max()) if clip and image.size else (-np.inf, np.inf)
    for begin in range(0, size[0], ROWS_AT_ONCE):
        some = slice(begin, begin + ROWS_AT_ONCE)
        piece = wide[first[some]]
        piece *= share1[some]
        below = wide[second[some]]
        below *= share2[some]
        piece += below
        if low <= 0 <= high:
            np.clip(piece, low, high, out=resized[some])
        else:  # zeros from beyond the rim stay zeros, though the image has none
            resized[some] = np.where(piece == 0, 0, np.clip(piece, low, high))
    return resized


def coordinates(shape: tuple[int, ...], new: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Places of the rows and of the columns of an image resized from `shape` to `new`, in cells of the old one."""
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
    """For samples at these places along a side of `size` cells: the two cells each lies between, and their shares."""
    below = np.floor(at)
    fraction = at - below
    first, second = below.astype(np.int64), below.astype(np.int64) + 1
    share1 = np.where((first >= 0) & (first < size), 1 - fraction, 0.0)
    share2 = np.where((second >= 0) & (second < size), fraction, 0.0)
    return np.clip(first, 0, size - 1), np.clip(second, 0, size - 1), share1, share2


def interpolation(size: int, new: int) -> np.ndarray:
    """The taps as a matrix new×size float32: for masks of 28 cells two products are the quickest way.

    Places are the plain ones, without the fit's error: nothing is truncated here.
    """
    at = (np.arange(new) + 0.5) * (size / new) - 0.5
    first, second, share1, share2 = taps(at, size)
    matrix, rows = np.zeros((new, size), np.float32), np.arange(new)
    matrix[rows, first] += share1.astype(np.float32)
    matrix[rows, second] += share2.astype(np.float32)
    return matrix
