"""Real annotation files whose images are absent: a copy with black images of the sizes that a file states."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from PIL import Image


def with_images(case: Path, folder: Path, sizes: Mapping[str, tuple[int, int]]) -> Path:
    """A copy of the case in `folder`, with an image of (height, width) pixels under each name where there is none."""
    copy = folder / case.name
    shutil.copytree(case, copy)
    for name, (height, width) in sizes.items():
        file = copy / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("1", (width, height)).save(file, "PNG")
    return copy
