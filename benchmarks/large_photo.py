"""A photo of 10,000 x 10,000 pixels in tiles: is everything found, once, and in how much memory?

    python benchmarks/large_photo.py [--side 10000] [--tile 1024]

The photos of balloon/val, 1024 px wide or high, laid in rows at random distances, so that seams run through
them anywhere. The model `balloons` looks at the sheet in tiles, at the sheet whole, and at each photo alone.
An object is found where a find of 0.5 or more covers it with IoU 0.5 or more; twice where two do.

Data: MASKWRIGHT_SHARED, or ../shared.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import maskwright
from maskwright import formats
from maskwright.photos.decode import decode
from maskwright.prediction.predictor import Predictor
from maskwright.types import Instances, Photo, Record, RleMasks

PARTY = Path(os.environ.get("MASKWRIGHT_SHARED", "../shared")) / "data" / "balloon" / "val"
LONG = 1024


def shrunk(record: Record) -> tuple[Photo, RleMasks]:
    """The photo and its outlines with a long side of 1024 px."""
    assert record.instances is not None and record.instances.masks is not None
    pixels = Image.fromarray(decode(record.photo).pixels)
    scale = LONG / max(pixels.size)
    size = (round(pixels.width * scale), round(pixels.height * scale))
    masks = [Image.fromarray(mask).resize(size, Image.Resampling.BOX) for mask in record.instances.masks.dense()]
    dense = np.array([np.asarray(mask) > 0 for mask in masks]).reshape(-1, size[1], size[0])
    return Photo(np.asarray(pixels.resize(size, Image.Resampling.BILINEAR))), RleMasks.from_dense(dense)


def places(side: int, photos: list[tuple[Photo, RleMasks]]) -> Iterator[tuple[int, int, Photo, RleMasks]]:
    random, number, y = np.random.default_rng(0), 0, 37
    while y + LONG < side:
        x = int(random.integers(0, 200))
        while x + LONG < side:
            photo, masks = photos[number % len(photos)]
            yield x, y, photo, masks
            x, number = x + photo.size[1] + int(random.integers(5, 60)), number + 1
        y += LONG + int(random.integers(5, 60))


def told(found: Instances, truth: RleMasks) -> np.ndarray:
    """(found, twice, finds) of these objects."""
    assert found.masks is not None
    hits = (found.masks.iou(truth) >= 0.5).sum(0)
    return np.array([(hits >= 1).sum(), (hits >= 2).sum(), len(found)])


def memory() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--tile", type=int, default=LONG)
    chosen = parser.parse_args()
    photos = [shrunk(record) for record in formats.read(PARTY)]
    engine = maskwright.load("balloons").engine
    alone = Predictor(engine, threshold=0.5)
    sheet = np.full((chosen.side, chosen.side, 3), 120, np.uint8)
    objects, by_photo, count = [], np.zeros(3, int), 0
    each = [told(alone(photo), masks) for photo, masks in photos]
    for x, y, photo, masks in places(chosen.side, photos):
        sheet[y : y + photo.size[0], x : x + photo.size[1]] = photo.pixels
        objects.append(masks.place((x, y), sheet.shape[:2]))
        by_photo += each[count % len(photos)]
        count += 1
    truth = RleMasks.join(objects)
    print(f"{count} photos, {len(truth)} objects on {chosen.side} x {chosen.side} px; memory so far {memory()}")
    print("each photo alone: {} found, {} twice, {} finds".format(*by_photo))
    for tile in (chosen.tile, 0):
        began = time.monotonic()
        figures = told(Predictor(engine, threshold=0.5, tile=tile)(Photo(sheet)), truth)
        words = "{} found, {} twice, {} finds".format(*figures)
        how = f"tiles of {tile}" if tile else "the sheet whole"
        print(f"{how}: {words}; {time.monotonic() - began:.0f} s, peak memory {memory()}", flush=True)


if __name__ == "__main__":
    main()
