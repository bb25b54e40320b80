"""GDXray: defects in castings and welds on X-ray pictures.

python -m mrcnn.samples.gdxray train --dataset=GDXray --series=Castings --model=coco
python -m mrcnn.samples.gdxray evaluate --dataset=GDXray --series=All --model=last --limit=100
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.curate.published import obtain
from maskwright.curate.split import split
from maskwright.errors import DatasetError
from maskwright.formats import read
from maskwright.types import Record
from mrcnn.config import Config
from mrcnn.model import load_image_gt
from mrcnn.samples.records import RecordsDataset
from mrcnn.samples.starting import CLASS_LAYERS, add_download, for_inference, main, make_model
from mrcnn.utils import compute_ap

SERIES = {"Castings": ("casting defect",), "Welds": ("weld defect",), "All": ("casting defect", "weld defect")}
STAGES = (  # words, last epoch, layers, fraction of the learning rate
    ("Training network heads", 40, "heads", 1.0),
    ("Fine tune Resnet stage 4 and up", 120, "4+", 1.0),
    ("Fine tune all layers", 160, "all", 0.1),
)


class GDXrayConfig(Config):
    """One kind of defect; castings and welds together are two (`config_for`)."""

    NAME = "gdxray"
    IMAGES_PER_GPU = 1
    NUM_CLASSES = 1 + 1
    IMAGE_MIN_DIM = 512
    IMAGE_MAX_DIM = 768
    RPN_ANCHOR_SCALES = (16, 32, 64, 128, 256)
    STEPS_PER_EPOCH = 200
    VALIDATION_STEPS = 20
    TRAIN_ROIS_PER_IMAGE = 100


def config_for(series: str) -> type[GDXrayConfig]:
    """The config of "Castings", "Welds" or "All"."""
    return type("GDXrayConfig", (GDXrayConfig,), {"NUM_CLASSES": 1 + len(SERIES[series])})


class GDXrayDataset(RecordsDataset):
    """Pictures of one kind or of both; a defect that has a box only gets the ellipse in it as its mask."""

    def load_gdxray(self, dataset_dir: Any, subset: str, series: str = "All") -> None:
        """Adds the pictures of "train" or "val". The pictures of one series stay together, as long as there are two."""
        dataset = read(Path(dataset_dir), format="gdxray")
        dataset = dataset.where(lambda record: _letter(record) in {name[0].upper() for name in SERIES[series]})
        if not len(dataset):
            raise DatasetError("no pictures of this kind", file=dataset_dir, expected=series)
        if len({record.group for record in dataset}) > 1:
            divided = split(dataset, val=0.2, group_by=lambda record: record.group)
            records = [record for record in divided if record.split == subset]
        else:
            print("There is one series only, so views of the same part stand in train and in val.")
            ordered = sorted(dataset, key=lambda record: record.image.name)
            first = round(len(ordered) * 0.8)
            records = ordered[:first] if subset == "train" else ordered[first:]
        self.add_records("gdxray", SERIES[series], records)


def _letter(record: Record) -> str:
    """C for castings, W for welds: the series is named so."""
    return (record.group or record.image.parent.name)[:1]


def loaded(dataset_dir: Any, subset: str, series: str) -> GDXrayDataset:
    dataset = GDXrayDataset()
    dataset.load_gdxray(dataset_dir, subset, series)
    dataset.prepare()
    return dataset


def train(model: Any, dataset_dir: Any, series: str) -> None:
    """The three stages: to epoch 40, 120 and 160."""
    sets = [loaded(dataset_dir, subset, series) for subset in ("train", "val")]
    for words, epochs, layers, fraction in STAGES:
        print(words)
        model.train(*sets, learning_rate=model.config.LEARNING_RATE * fraction, epochs=epochs, layers=layers)


def evaluate(model: Any, dataset: GDXrayDataset, limit: int = 0) -> float:
    """Mean AP at IoU 0.5 over the pictures with defects; prints it."""
    found = []
    for image_id in dataset.image_ids[: limit or None]:
        image, _, class_ids, boxes, masks = load_image_gt(dataset, model.config, image_id, use_mini_mask=False)
        if len(class_ids):
            r = model.detect([image], verbose=0)[0]
            found.append(
                compute_ap(boxes, class_ids, masks, r["rois"], r["class_ids"], r["scores"], r["masks"])[0]
                if len(r["rois"])
                else 0.0
            )
    mean = float(np.mean(found)) if found else 0.0
    print(f"mAP @ IoU 0.5 over {len(found)} images: {mean:.3f}")
    return mean


def fetch_series(folder: Path, name: str) -> None:
    """The published set `name` into `folder`, unless series such as C0002 or W0001 are in it already."""
    if not any(path.is_dir() for path in folder.glob("[CW][0-9][0-9][0-9][0-9]")):
        obtain(name, folder)


def command(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train Mask R-CNN on GDXray.")
    parser.add_argument("command", choices=["train", "evaluate"], metavar="<command>", help="train or evaluate")
    parser.add_argument("--dataset", required=True, metavar="FOLDER", help="the folder of GDXray")
    parser.add_argument("--series", default="All", choices=list(SERIES), help="Castings, Welds or All (default)")
    parser.add_argument("--model", required=True, metavar="WEIGHTS", help="coco, last, imagenet, or an .h5 file")
    parser.add_argument("--logs", default="logs", metavar="FOLDER", help="log folders and checkpoints (default: logs)")
    add_download(parser, "GDXray")
    parser.add_argument("--limit", default=500, type=int, metavar="N", help="images to evaluate on (default: 500)")
    args = parser.parse_args(arguments)
    if args.download:
        for name in ("castings", "welds"):
            if args.series in (name.capitalize(), "All"):
                fetch_series(Path(args.dataset) / name.capitalize(), name)
    training = args.command == "train"
    config = config_for(args.series)() if training else for_inference(config_for(args.series))
    config.display()
    model = make_model("training" if training else "inference", config, args.logs, args.model, exclude=CLASS_LAYERS)
    if training:
        train(model, args.dataset, args.series)
    else:
        print(f"Running evaluation on {args.limit} images.")
        evaluate(model, loaded(args.dataset, "val", args.series), args.limit)


if __name__ == "__main__":
    main(command)
