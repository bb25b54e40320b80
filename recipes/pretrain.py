"""Train the default initial weights: pyramid and heads on ImageNet features, on real images of many kinds and scenes.

    python recipes/pretrain.py ../shared/data/pretrain ../shared/data/pretrain2 --scenes build/scenes build/welds \
      build/rust --out build/runs [--resume build/runs/small]

Each folder of images holds one folder a set, in COCO JSON. A set labels only its own classes: on its images nothing
else is taught, not even as background (Record.labelled_classes), but for what certainly is not there (ABSENT); where
its labels have gaps only the surroundings of what is drawn are background (Record.incomplete). Only sets are taken
whose images and labels may go into an Apache-2.0 model; those with boxes only teach boxes and classes.

The backbone is EfficientNet-Lite0 as its package has it, and stays as it is. The heads start from those of an earlier
`small`, where one is named with --heads. The time budget is of the processor.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

import maskwright
from maskwright import formats
from maskwright.models import registry
from maskwright.types import Dataset, Instances, Record
from maskwright.weights import checkpoint
from maskwright.weights.card import WEIGHTS, read_card, write_card
from maskwright.weights.model_tensors import backbone_tensors
from maskwright.weights.packages import EFFICIENTNET_LITE0
from maskwright.weights.transfer import transfer

COMPLETE = (
    *("coco", "coco_mini", "coco_tiny", "coco_tiny2", "coco_debug", "nuclei", "potholes", "small_things", "wagons"),
    *("mushrooms", "screw_ruler", "laptops", "snack_packs", "blocks", "plants", "maggots", "nano_shapes", "bolts"),
    *("boards2", "ball_screws", "wafers"),
)
GAPS = (
    *("animals", "animals2", "clothing", "clothing2", "road_objects", "metal_print", "facades", "streets"),
    *("strawberry", "coco_people", "davis", "litter", "granular", "screws", "breadboard", "carts", "parcel_boxes"),
    *("cotton", "buildings", "potholes2", "pot_plants", "pine_trunks", "chicken_parts"),
)
BOXES_ONLY = ("coco_boxes", "rabbits", "waste", "chess", "garment_faults", "blood_cells")
WHOLE = ("caltech101", "groceries")  # a class an image

# Two worlds that certainly do not occur in each other: on the images of one the classes of the other are background.
EVERYDAY = (
    *("coco", "coco_mini", "coco_tiny", "coco_tiny2", "coco_debug", "coco_boxes", "coco_people", "animals", "animals2"),
    *("clothing", "clothing2", "davis", "streets", "facades", "road_objects", "rabbits", "buildings", "carts"),
)
MICROSCOPE_AND_LINE = ("nuclei", "nano_shapes", "metal_print", "blood_cells", "ball_screws", "granular", "wafers")


def images(folders: list[Path], names: tuple[str, ...]) -> list[Dataset]:
    sets = []
    for name in names:
        folder = next(folder / name for folder in folders if (folder / name).is_dir())
        data = formats.read(folder / "annotations.json")
        gaps, names_in_lower_case = name in (*GAPS, "blood_cells"), tuple(item.lower() for item in data.names)
        records = []
        for record in data:
            shown = None if record.instances is None else replace(record.instances, names=names_in_lower_case)
            records.append(replace(record, instances=shown, incomplete=gaps))
        sets.append(replace(data, name=name, names=names_in_lower_case, records=tuple(records)))
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
    return replace(data, name=folder.name, names=names, records=tuple(records))


def scenes(folder: Path, count: int) -> Dataset:
    data = formats.read(folder / "train" / "annotations.json")
    return replace(data, name=folder.name, records=data.records[:count])


def join(sets: list[Dataset]) -> Dataset:
    """All sets as one, each partially labelled; classes of the other world count as looked for, and not there."""
    data = Dataset.join("small", sets, partial=True)
    rows = {name: row for row, name in enumerate(data.names)}
    worlds = {name: world for world in (EVERYDAY, MICROSCOPE_AND_LINE) for name in world}
    classes = {
        world: {rows[name] for item in sets if worlds.get(item.name) is world for name in item.names}
        for world in (EVERYDAY, MICROSCOPE_AND_LINE)
    }
    absent = {EVERYDAY: classes[MICROSCOPE_AND_LINE], MICROSCOPE_AND_LINE: classes[EVERYDAY]}
    records: list[Record] = []
    for item, start in zip(sets, np.cumsum([0, *map(len, sets)]), strict=False):
        others = absent.get(worlds.get(item.name, ()), set())
        for record in data.records[start : start + len(item)]:
            looked_for = tuple(sorted({*(record.labelled_classes or ()), *others}))
            records.append(replace(record, labelled_classes=looked_for))
    return replace(data, records=tuple(records))


def compose(heads: Path, folder: Path) -> Path:
    """A model of the package's backbone and the pyramid and heads of an earlier `small`, as a start."""
    tensors = backbone_tensors(EFFICIENTNET_LITE0) | {
        name: value
        for name, value in checkpoint.load(heads / WEIGHTS).items()
        if not name.startswith(("backbone.", "fpn.inner_blocks."))
    }
    card = read_card(heads)
    network = registry.build("segment", "small", "efficientnet_lite0", len(card.classes), card.size)
    transfer(network, tensors, card.classes, card.classes)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.save(network.state_dict(), folder / WEIGHTS)
    write_card(msgspec.structs.replace(card, backbone="efficientnet_lite0"), folder)
    return folder


def keep(model: Path, names: tuple[str, ...]) -> None:
    """Keep only the classes with outlines: the masks of the others were not trained."""
    card = read_card(model)
    network = registry.build(card.task, card.model, card.backbone, len(names), card.size)
    transfer(network, checkpoint.load(model / WEIGHTS), card.classes, names)
    checkpoint.save(network.state_dict(), model / WEIGHTS)
    write_card(msgspec.structs.replace(card, classes=names), model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--scenes", type=Path, nargs="*", default=[])
    parser.add_argument("--count", type=int, default=600, help="scenes of each folder")
    parser.add_argument("--heads", type=Path, help="the folder of an earlier `small` whose heads are the start")
    parser.add_argument("--recipe", type=Path, default=Path(__file__).with_name("small.toml"))
    parser.add_argument("--out", type=Path, default=Path("build/runs"))
    parser.add_argument("--resume", type=Path)
    chosen = parser.parse_args()
    outlined = images(chosen.images, COMPLETE + GAPS) + [scenes(folder, chosen.count) for folder in chosen.scenes]
    others = images(chosen.images, BOXES_ONLY) + [whole(chosen.images[0] / name) for name in WHOLE]
    data = join(outlined + others)
    print(f"{len(data)} images, {data.instance_count} objects, {len(data.names)} classes", flush=True)
    start = {"weights": compose(chosen.heads, chosen.out / "start")} if chosen.heads else {}
    plan = {"resume": chosen.resume} if chosen.resume else {"recipe": chosen.recipe, "name": "small", **start}
    trained = maskwright.train(data, out=chosen.out, validate=False, log=print, clock=time.process_time, **plan)
    keep(trained.folder / "best", Dataset.join("small", outlined, partial=True).names)


if __name__ == "__main__":
    main()
