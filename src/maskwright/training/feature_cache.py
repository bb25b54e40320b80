"""The features of a frozen backbone are computed once per augmented view and cached: then only the heads cost time.

A stage with a frozen backbone draws `Recipe.cached_views` views per image. From the second time a view comes up,
neither the image is read nor the backbone run.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from maskwright.models.base import Targets

MEMORY = 4_000_000_000  # bytes of features cached at most; the views beyond are computed anew each time
Key = tuple[int, int]  # an image's row in the dataset, and the number of the view


@dataclass(frozen=True)
class CachedView:
    """features: one C×h×w per level, as the backbone returned them (in half precision where it computed so)."""

    features: list[Tensor]
    targets: Targets


class OutOfTime(Exception):
    """The time budget ended while features were computed; those that are done are cached."""


class FeatureCache:
    """Views by key, shared by the loader's threads (which only read) and the training loop (which adds)."""

    def __init__(self, max_bytes: int = MEMORY) -> None:
        self.max_bytes, self.bytes = max_bytes, 0
        self.time_left: Callable[[], bool] = lambda: True  # asked before an image passes the backbone
        self._views: dict[Key, CachedView] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._views)

    def get(self, key: Key) -> CachedView | None:
        return self._views.get(key)

    @contextlib.contextmanager
    def while_time_is_left(self, time_left: Callable[[], bool]) -> Iterator[None]:
        """Inside, no more features are computed once `time_left` returns False."""
        self.time_left, before = time_left, self.time_left
        try:
            yield
        finally:
            self.time_left = before

    def clear(self) -> None:
        """Empty it: another backbone computes other features."""
        with self._lock:
            self._views, self.bytes = {}, 0

    @torch.no_grad()
    def fill(self, key: Key, targets: Targets, compute: Callable[[], list[Tensor]]) -> CachedView:
        """The view's features, computed by `compute` (1×C×h×w each) and cached if there is room.

        One view at a time: features must not depend on the other images of a batch, or a resumed run would differ.
        OutOfTime where no time is left: the first pass over the images may take longer than all that follows.
        """
        if not self.time_left():
            raise OutOfTime
        view = CachedView([level[0] for level in compute()], targets)
        size = sum(level.nbytes for level in view.features)
        with self._lock:
            if self.bytes + size <= self.max_bytes and key not in self._views:
                self._views[key], self.bytes = view, self.bytes + size
        return view


def collate_features(views: list[CachedView]) -> list[Tensor]:
    """B×C×h×w features of a batch, channels last as the backbone returns them."""
    levels = zip(*(view.features for view in views), strict=True)
    return [torch.stack(level).contiguous(memory_format=torch.channels_last) for level in levels]
