"""An image of 10,000 x 10,000 pixels in tiles: recall, duplicate detections, memory.

    python benchmarks/large_image.py [--side 10000] [--tile 1024]

The images of balloon/val, 1024 px wide or high, laid in rows at random distances, so that seams run through
them anywhere. The model `balloons` looks at the sheet in tiles, at the sheet whole, and at each image alone.
An object is found if a detection with a score of at least 0.5 has an IoU of at least 0.5 with it; twice if two do.

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
from PIL import Image as PilImage

import maskwright
from maskwright import formats
from maskwright.images.decode import decode
from maskwright.prediction.detector import Detector
from maskwright.types import Image, Instances, Record, RleMasks

PARTY = Path(os.environ.get("MASKWRIGHT_SHARED", "../shared")) / "data" / "balloon" / "val"
LONG = 1024


def shrunk(record: Record) -> tuple[Image, RleMasks]:
    """The image and its outlines with a long side of 1024 px."""
    assert record.instances is not None and record.instances.masks is not None
    pixels = PilImage.fromarray(decode(record.image).pixels)
    scale = LONG / max(pixels.size)
    size = (round(pixels.width * scale), round(pixels.height * scale))
    masks = [PilImage.fromarray(mask).resize(size, PilImage.Resampling.BOX) for mask in record.instances.masks.dense()]
    dense = np.array([np.asarray(mask) > 0 for mask in masks]).reshape(-1, size[1], size[0])
    return Image(np.asarray(pixels.resize(size, PilImage.Resampling.BILINEAR))), RleMasks.from_dense(dense)


def places(side: int, images: list[tuple[Image, RleMasks]]) -> Iterator[tuple[int, int, Image, RleMasks]]:
    random, number, y = np.random.default_rng(0), 0, 37
    while y + LONG < side:
        x = int(random.integers(0, 200))
        while x + LONG < side:
            image, masks = images[number % len(images)]
            yield x, y, image, masks
            x, number = x + image.size[1] + int(random.integers(5, 60)), number + 1
        y += LONG + int(random.integers(5, 60))


def counts(detections: Instances, ground_truth: RleMasks) -> np.ndarray:
    """(objects found, objects found twice, number of detections)."""
    assert detections.masks is not None
    true_positives = (detections.masks.iou(ground_truth) >= 0.5).sum(0)
    return np.array([(true_positives >= 1).sum(), (true_positives >= 2).sum(), len(detections)])


def memory() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--tile", type=int, default=LONG)
    chosen = parser.parse_args()
    images = [shrunk(record) for record in formats.read(PARTY)]
    engine = maskwright.load("balloons").engine
    alone = Detector(engine, threshold=0.5)
    sheet = np.full((chosen.side, chosen.side, 3), 120, np.uint8)
    objects, by_image, count = [], np.zeros(3, int), 0
    per_image = [counts(alone(image), masks) for image, masks in images]
    for x, y, image, masks in places(chosen.side, images):
        sheet[y : y + image.size[0], x : x + image.size[1]] = image.pixels
        objects.append(masks.place((x, y), sheet.shape[:2]))
        by_image += per_image[count % len(images)]
        count += 1
    ground_truth = RleMasks.join(objects)
    print(f"{count} images, {len(ground_truth)} objects on {chosen.side} x {chosen.side} px; memory so far {memory()}")
    print("each image alone: {} found, {} twice, {} detections".format(*by_image))
    for tile in (chosen.tile, 0):
        began = time.monotonic()
        metrics = counts(Detector(engine, threshold=0.5, tile=tile)(Image(sheet)), ground_truth)
        words = "{} found, {} twice, {} detections".format(*metrics)
        how = f"tiles of {tile}" if tile else "the sheet whole"
        print(f"{how}: {words}; {time.monotonic() - began:.0f} s, peak memory {memory()}", flush=True)


if __name__ == "__main__":
    main()
