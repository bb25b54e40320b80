"""Which unlabeled image is worth labeling next: one that the model is unsure about, unlike those that are labeled.

Follows the usual pair of active learning: uncertainty, here the entropy of the scores, and diversity, here the
distance to the nearest labeled image in a description of colors and layout.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PilImage

from maskwright.errors import MaskwrightError
from maskwright.types import Instances
from maskwright.web import label_images
from maskwright.web.label_store import LabelStore

CELLS = 6  # the description of an image: the mean colors of 6×6 cells
FLOOR = 0.25  # of each of the two, so that neither alone decides


def uncertainty(instances: Instances) -> float:
    """0..1: how little the model knows of an image; of many unsure objects more than of one.

    >>> round(uncertainty(Instances(boxes, classes, np.array([0.5]), None, ("balloon",))), 2)
    0.63
    """
    scores = np.zeros(0) if instances.scores is None else np.clip(instances.scores.astype(np.float64), 1e-6, 1 - 1e-6)
    entropy = -(scores * np.log2(scores) + (1 - scores) * np.log2(1 - scores))
    return float(1 - np.exp(-entropy.sum()))


def most_informative(
    described: Mapping[int, np.ndarray], labeled: Sequence[int], unlabeled: Sequence[int], unsure: Mapping[int, float]
) -> int:
    """The number of the unlabeled image to label next.

    described  a vector for each image
    unsure     the uncertainty of images; the mean of the others where an image has none yet
    """
    anchors = np.stack([described[index] for index in labeled or unlabeled[:1]])
    apart = np.array([np.linalg.norm(anchors - described[index], axis=1).min() for index in unlabeled])
    usual = float(np.mean([unsure[index] for index in unlabeled if index in unsure] or [0.0]))
    doubts = np.array([unsure.get(index, usual) for index in unlabeled])
    value = (FLOOR + apart / max(float(apart.max()), 1e-9)) * (FLOOR + doubts)
    return unlabeled[int(value.argmax())]


class Proposals:
    """
    found  what the model detects in the images, by number
    """

    def __init__(self, store: LabelStore, found: Callable[[], Mapping[int, Instances]]) -> None:
        self.store, self._found = store, found
        self._described: dict[int, np.ndarray] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def next(self, shown: Collection[int] = ()) -> int | None:
        """The image to label next, none of those that were `shown`; None where there is none.

        The first time, images are described in a thread; until that is done those count that are.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._describe, name="describe", daemon=True)
            self._thread.start()
        described = dict(self._described)
        states = [image.record.state for image in self.store.images]
        labeled = [index for index in described if states[index] in ("labeled", "empty")]
        unlabeled = [index for index, state in enumerate(states) if state == "unlabeled" and index not in shown]
        known = [index for index in unlabeled if index in described]
        unsure = {index: uncertainty(instances) for index, instances in dict(self._found()).items()}
        return most_informative(described, labeled, known, unsure) if known else next(iter(unlabeled), None)

    def close(self) -> None:
        self._closed = True

    def _describe(self) -> None:
        for index, image in enumerate(self.store.images):
            if self._closed:
                return
            self._described[index] = describe(image.record.image)


def describe(path: Path) -> np.ndarray:
    """The mean colors of CELLS×CELLS cells of an image, 0..1, as a vector."""
    try:
        thumbnail = label_images.thumbnail(path, label_images.stamp(path))
    except MaskwrightError:  # an image that cannot be read is like no other
        return np.full(3 * CELLS * CELLS, -1.0)
    small = PilImage.open(io.BytesIO(thumbnail)).resize((CELLS, CELLS), PilImage.Resampling.BOX)
    return np.asarray(small.convert("RGB"), np.float64).reshape(-1) / 255
