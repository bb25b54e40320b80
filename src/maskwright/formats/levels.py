"""Levels: the images of some folders by name, and the rules by which a name means one of them."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path, PurePosixPath

from maskwright.formats.listing import IMAGE_ENDINGS, MASK_FOLDERS, OTHER_ENDINGS
from maskwright.formats.naming import folded


class Level:
    """Images by the last part of their name, without case."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._index: dict[str, list[Path]] = defaultdict(list)
        for path in paths:
            self._index[folded(path.name)].append(path)

    def named(self, name: str) -> list[Path]:
        return self._index.get(folded(name), [])


Same = Callable[[Level, str], list[Path]]
"""The images of a level that a name means."""


def _written_so(level: Level, name: str) -> list[Path]:
    return [path for path in level.named(name) if unicodedata.normalize("NFC", path.name) == name]


def same_name(level: Level, name: str) -> list[Path]:
    return level.named(name)


def _same_stem(level: Level, name: str) -> list[Path]:
    """With another image ending, or with one where the name has none; never in a folder of masks."""
    stem = PurePosixPath(name).stem if is_image_name(name) else name
    return [path for ending in IMAGE_ENDINGS for path in level.named(stem + ending) if not in_masks(path)]


RULES: tuple[tuple[int, Same], ...] = (
    (0, _written_so), (1, _written_so), (0, same_name), (1, same_name), (0, _same_stem), (1, _same_stem)
)  # fmt: skip
"""(0: the name as it stands, 1: decoded; how it is compared), the surest first."""


def is_image_name(name: str) -> bool:
    return name.lower().endswith(IMAGE_ENDINGS + OTHER_ENDINGS)


def in_masks(path: Path) -> bool:
    return _is_of_masks(path.parent)


@lru_cache(maxsize=1024)  # asked for every image, and many lie in one folder
def _is_of_masks(folder: Path) -> bool:
    return folder.name.casefold() in MASK_FOLDERS or folder.parent.name.casefold() in MASK_FOLDERS
