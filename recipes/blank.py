"""What a model says of photos that must not be shown: its outlines and labels alone, on white.

    python recipes/blank.py small PHOTOS docs/pictures/small.png --count 12 --size 512 --threshold 0.25

The first photos by name, all of them, whatever is found.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import maskwright
from maskwright.pictures.outlines import draw
from maskwright.pictures.sheet import sheet

PHOTOS = (".jpg", ".jpeg", ".png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("photos", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--size", type=int)
    parser.add_argument("--threshold", type=float)
    chosen = parser.parse_args()
    find = maskwright.load(chosen.model, size=chosen.size, threshold=chosen.threshold)
    paths = sorted(path for path in chosen.photos.iterdir() if path.suffix.lower() in PHOTOS)[: chosen.count]
    cells = []
    for path in paths:
        photo = find.open(path)
        found = find(photo)
        blank = np.full((*photo.size, 3), 255, np.uint8)
        cells.append((draw(blank, found), f"{path.name}: {len(found)}"))
        print(path.name, ", ".join(found.labels))
    Image.fromarray(sheet(cells, columns=4)).quantize(64).save(chosen.picture, optimize=True)


if __name__ == "__main__":
    main()
