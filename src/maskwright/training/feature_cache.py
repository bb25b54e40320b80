"""The features of a frozen backbone are computed once per augmented view and cached: then only the heads cost time.

A stage with a frozen backbone draws `Recipe.cached_views` views per image. From the second time a view comes up,
neither the image is read nor the backbone run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from maskwright.models.base import Targets

MEMORY = 4_000_000_000  # bytes of maps kept at most; the views beyond are computed anew each time
Key = tuple[int, int]  # an image's row in the dataset, and the number of the view


@dataclass(frozen=True)
class Kept:
    """maps: one C×h×w a level, as the backbone gave them (in half precision where it computed so)."""

    maps: list[Tensor]
    target: Targets


class FeatureCache:
    """Views by key, shared by the loader's threads (which only ask) and the loop (which adds)."""

    def __init__(self, most: int = MEMORY) -> None:
        self.most, self.bytes = most, 0
        self._kept: dict[Key, Kept] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Key) -> Kept | None:
        return self._kept.get(key)

    def clear(self) -> None:
        """Forget all: another backbone makes other maps."""
        with self._lock:
            self._kept, self.bytes = {}, 0

    @torch.no_grad()
    def fill(self, key: Key, target: Targets, compute: Callable[[], list[Tensor]]) -> Kept:
        """The view's maps, computed by `compute` (1×C×h×w each) and kept if there is room.

        One view at a time: what a view gives must not depend on its neighbors, or a resumed run would differ.
        """
        made = Kept([level[0] for level in compute()], target)
        size = sum(level.nbytes for level in made.maps)
        with self._lock:
            if self.bytes + size <= self.most and key not in self._kept:
                self._kept[key], self.bytes = made, self.bytes + size
        return made


def together(views: list[Kept]) -> list[Tensor]:
    """B×C×h×w maps of a batch, channels last as the backbone gives them."""
    levels = zip(*(view.maps for view in views), strict=True)
    return [torch.stack(level).contiguous(memory_format=torch.channels_last) for level in levels]
