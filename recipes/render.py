"""Rendered scenes in front of real images, as varied as possible: the first training stage of the bundled models.

python recipes/render.py OUT --count 2000 --size 384x288 --backgrounds ../shared/data/pretrain
"""

from __future__ import annotations

import argparse
import concurrent.futures
from pathlib import Path

import numpy as np
from PIL import Image

from maskwright import formats
from maskwright.images.sources import is_image_name
from maskwright.synth.scene import render
from maskwright.types import Dataset, Record

# Grades A and B of the pre-training images (docs/data-and-licenses.md); sets that show microscope pictures, surfaces or
# one thing on white are no places where a balloon could be.
PLACES = (
    "animals",
    "clothing",
    "coco",
    "coco_boxes",
    "facades",
    "streets",
    "road_objects",
    "rabbits",
    "wagons",
    "caltech101",
)


def backgrounds(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    detections = [path for index in PLACES for path in sorted((folder / index).rglob("*.jpg")) if is_image_name(path)]
    print(f"{len(detections)} images for backgrounds")
    return detections


def one(kind: str, seed: int, size: tuple[int, int], path: Path, places: list[Path], empty: bool) -> Record:
    rng = np.random.default_rng(seed)
    chosen = (
        [np.asarray(Image.open(places[pick]).convert("RGB")) for pick in rng.integers(len(places), size=2)]
        if places
        else []
    )
    scene = render(kind, seed, size, backgrounds=chosen, empty=empty)
    Image.fromarray(scene.image).save(path, quality=90)
    return Record(path, size, scene.instances)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kind", default="balloons")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--val", type=int, default=60)
    parser.add_argument("--size", default="384x288")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backgrounds", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    width, height = (int(side) for side in chosen.size.split("x"))
    places = backgrounds(chosen.backgrounds)
    seeds = np.random.SeedSequence(chosen.seed).generate_state(chosen.count + chosen.val).tolist()
    for split, part in (("train", seeds[: chosen.count]), ("val", seeds[chosen.count :])):
        folder = chosen.out / split
        folder.mkdir(parents=True, exist_ok=True)
        with concurrent.futures.ProcessPoolExecutor(chosen.workers) as pool:
            tasks = [
                pool.submit(
                    one,
                    chosen.kind,
                    seed,
                    (height, width),
                    folder / f"{chosen.kind}_{index:05d}.jpg",
                    places,
                    index % 20 == 0,
                )
                for index, seed in enumerate(part)
            ]
            records = [task.result() for task in tasks]
        data = Dataset(chosen.kind, records[0].instances.names, tuple(records), "coco")  # type: ignore[union-attr]
        formats.write(data, folder / "annotations.json", "coco")
        print(f"{folder}: {len(records)} scenes, {data.instance_count} objects")


if __name__ == "__main__":
    main()
