"""Predictions for images that must not be published: outlines and labels only, on white.

    python recipes/blank.py small IMAGES docs/images/small.png --count 12 --size 512 --threshold 0.25

The first images by name, all of them, whatever is found.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import maskwright
from maskwright.drawing.outlines import draw
from maskwright.drawing.sheet import sheet

IMAGES = (".jpg", ".jpeg", ".png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("images", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--size", type=int)
    parser.add_argument("--threshold", type=float)
    chosen = parser.parse_args()
    find = maskwright.load(chosen.model, maskwright.InferenceOptions(size=chosen.size, threshold=chosen.threshold))
    paths = sorted(path for path in chosen.images.iterdir() if path.suffix.lower() in IMAGES)[: chosen.count]
    cells = []
    for path in paths:
        image = find.open(path)
        detections = find(image)
        blank = np.full((*image.size, 3), 255, np.uint8)
        cells.append((draw(blank, detections), f"{path.name}: {len(detections)}"))
        print(path.name, ", ".join(detections.labels))
    Image.fromarray(sheet(cells, columns=4)).quantize(64).save(chosen.picture, optimize=True)


if __name__ == "__main__":
    main()
