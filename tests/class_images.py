"""Class folders of red, green and blue noise images, and an engine that classifies them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from maskwright.transforms.preprocess import preprocess_square
from maskwright.weights.card import Card

COLORS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}


def save(folder: Path, count: int = 8, names: Sequence[str] = ("red", "green"), seed: int = 0) -> Path:
    """`count` images of each class in `folder`/NAME, of several shapes."""
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            size = (int(rng.integers(30, 60)), int(rng.integers(30, 60)), 3)
            coarse = rng.integers(-60, 60, (4, 5, 3)) + np.array(COLORS[name])
            image = Image.fromarray(np.clip(coarse, 0, 255).astype(np.uint8)).resize((size[1], size[0]))
            noisy = np.asarray(image, int) + rng.integers(-20, 20, size)
            Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(folder / name / f"{name}_{number}.png")
    return folder


class Taster:
    """An engine that classifies by mean color: the score of "red" is its fraction of red and green."""

    def __init__(self, names: tuple[str, ...] = ("green", "red"), **facts: object) -> None:
        self.card = Card("small", "none", "classify", names, 32, **facts)  # type: ignore[arg-type]

    fit = staticmethod(preprocess_square)

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        means = [network_input.reshape(-1, 3).mean(0) for network_input in network_inputs]
        return [np.array([mean[1], mean[0]], np.float32) / (mean[0] + mean[1]) for mean in means]
