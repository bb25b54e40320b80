"""Photos in class folders: red, green and blue noise, which any classifier tells apart in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}


def save(folder: Path, count: int = 8, names: Sequence[str] = ("red", "green"), seed: int = 0) -> Path:
    """`count` photos of each class in `folder`/NAME, of several shapes."""
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            size = (int(rng.integers(30, 60)), int(rng.integers(30, 60)), 3)
            coarse = rng.integers(-60, 60, (4, 5, 3)) + np.array(COLOURS[name])
            image = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8)).resize((size[1], size[0]))
            noisy = np.asarray(image, int) + rng.integers(-20, 20, size)
            Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / name / f"{name}_{number}.png")
    return folder
