"""Train the default initial weights: on real images of many kinds, and rendered scenes.

    python recipes/pretrain.py IMAGES build/scenes build/welds build/rust --out build/runs [--resume build/runs/small]

IMAGES holds one folder a set, in COCO JSON. A set labels only its own classes: on its images nothing else is taught,
not even as background (Record.labelled_classes), and where its labels are known to have gaps only the surroundings of
what is drawn are background (Record.incomplete). Only sets are taken whose images and labels may go into an Apache-2.0
model; those with boxes only teach boxes and classes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

import maskwright
from maskwright import formats
from maskwright.models import registry
from maskwright.types import Dataset, Instances
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS, read_card, write_card
from maskwright.weights.transfer import transfer

COMPLETE = ("coco", "nuclei", "potholes", "small_things", "wagons", "mushrooms")
GAPS = ("animals", "clothing", "road_objects", "metal_print", "facades", "streets", "strawberry")
BOXES_ONLY = ("coco_boxes", "rabbits", "waste", "chess", "garment_faults", "blood_cells")
WHOLE = ("caltech101", "groceries")  # a class an image


def images(folder: Path, several: tuple[str, ...]) -> list[Dataset]:
    sets = []
    for name in several:
        data = formats.read(folder / name / "annotations.json")
        gaps = name in (*GAPS, "blood_cells")
        sets.append(replace(data, records=tuple(replace(record, incomplete=gaps) for record in data)))
    return sets


def whole(folder: Path) -> Dataset:
    """Class folders as detection data: each image has one box nearly as large as the image."""
    data = formats.read(folder / "photos")
    names = tuple(f"{folder.name}: {name}" for name in data.names)
    records = []
    for record in data:
        height, width = record.size
        box = np.array([[0.04 * width, 0.04 * height, 0.96 * width, 0.96 * height]])
        shown = Instances(box, np.array(record.labels), None, None, names)
        records.append(replace(record, instances=shown, labels=None, split=None, incomplete=True))
    return replace(data, names=names, records=tuple(records))


def scenes(folder: Path, count: int) -> Dataset:
    data = formats.read(folder / "train" / "annotations.json")
    return replace(data, records=data.records[:count])


def keep(model: Path, names: tuple[str, ...]) -> None:
    """Keep only the classes with outlines: the masks of the others were not trained."""
    card = read_card(model)
    network = registry.build(card.task, card.model, card.backbone, len(names), card.size)
    transfer(network, checkpoint.load(model / WEIGHTS), card.classes, names)
    checkpoint.save(network.state_dict(), model / WEIGHTS)
    write_card(msgspec.structs.replace(card, classes=names), model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("scenes", type=Path, nargs="*")
    parser.add_argument("--count", type=int, default=1000, help="scenes of each folder")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).with_name("small.toml"))
    parser.add_argument("--out", type=Path, default=Path("build/runs"))
    parser.add_argument("--resume", type=Path)
    chosen = parser.parse_args()
    drawn = images(chosen.images, COMPLETE + GAPS) + [scenes(folder, chosen.count) for folder in chosen.scenes]
    others = images(chosen.images, BOXES_ONLY) + [whole(chosen.images / name) for name in WHOLE]
    data = Dataset.join("small", drawn + others, partial=True)
    print(f"{len(data)} images, {data.instance_count} objects, {len(data.names)} classes")
    plan = {"resume": chosen.resume} if chosen.resume else {"recipe": chosen.recipe, "name": "small"}
    trained = maskwright.train(data, out=chosen.out, validate=False, log=print, **plan)
    keep(trained.folder / "best", Dataset.join("small", drawn, partial=True).names)


if __name__ == "__main__":
    main()
