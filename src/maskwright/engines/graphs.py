"""The graphs of a converted network: their names, their inputs, and what is common to what lies between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Graph = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]  # valid until the graph is called again
Graphs = Mapping[str, Graph]
NETWORK, BOX_HEAD, MASK_HEAD = "network", "box_head", "mask_head"


def network_inputs(pixels: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Of the graph `network`: pixels H×W×3 uint8, of which `size` (height, width) is the image's part."""
    return {"pixels": np.ascontiguousarray(pixels)[None], "size": np.array(size, np.int64)}


def highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` highest scores, by falling score; ties in their order.

    >>> highest(np.array([0.5, 0.9, 0.5, 0.1]), 2)
    array([1, 0])
    """
    if len(scores) <= count:
        return np.argsort(-scores, kind="stable")
    candidates = np.flatnonzero(scores >= -np.partition(-scores, count - 1)[count - 1])
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]
