"""Nuclei: the microscope pictures of the 2018 Data Science Bowl.

    python -m mrcnn.samples.nucleus train --dataset=nuclei --subset=train --weights=imagenet
    python -m mrcnn.samples.nucleus detect --dataset=nuclei --subset=stage1_test --weights=last

Looks like stage1_train/ID/images/ID.png beside stage1_train/ID/masks/*.png, one mask a nucleus.
"""

from __future__ import annotations

import argparse
import datetime
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import DatasetError
from maskwright.types import RleMasks
from mrcnn.config import Config
from mrcnn.dataset import Dataset, read_image
from mrcnn.samples.starting import CLASS_LAYERS, main, make_model

VAL_FRACTION = 25 / 664


class NucleusConfig(Config):
    """Small objects, many of them, in random pieces of 512 pixels."""

    NAME = "nucleus"
    IMAGES_PER_GPU = 6
    NUM_CLASSES = 1 + 1
    STEPS_PER_EPOCH = (657 - 25) // IMAGES_PER_GPU
    VALIDATION_STEPS = max(1, 25 // IMAGES_PER_GPU)
    DETECTION_MIN_CONFIDENCE = 0
    BACKBONE = "resnet50"
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = 512
    IMAGE_MAX_DIM = 512
    IMAGE_MIN_SCALE = 2.0
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    POST_NMS_ROIS_TRAINING = 1000
    POST_NMS_ROIS_INFERENCE = 2000
    RPN_NMS_THRESHOLD = 0.9
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64
    MEAN_PIXEL = np.array([43.53, 39.56, 48.22])
    USE_MINI_MASK = True
    MINI_MASK_SHAPE = (56, 56)
    TRAIN_ROIS_PER_IMAGE = 128
    MAX_GT_INSTANCES = 200
    DETECTION_MAX_INSTANCES = 400


class NucleusInferenceConfig(NucleusConfig):
    """Whole pictures, padded to multiples of 64."""

    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    IMAGE_RESIZE_MODE = "pad64"
    RPN_NMS_THRESHOLD = 0.7


class NucleusDataset(Dataset):
    """Pictures with a folder of masks each."""

    def load_nucleus(self, dataset_dir: Any, subset: str) -> None:
        """subset: "train" and "val" divide stage1_train (by the names; about 1 in 26 is val); others name a folder."""
        self.add_class("nucleus", 1, "nucleus")
        divided = subset in ("train", "val")
        folder = Path(dataset_dir) / ("stage1_train" if divided else subset)
        if not folder.is_dir():
            raise DatasetError("no such part of the data", file=folder)
        for each in sorted(path for path in folder.iterdir() if path.is_dir()):
            if not divided or (subset == "val") == _held_back(each.name):
                self.add_image("nucleus", image_id=each.name, path=str(each / "images" / f"{each.name}.png"))

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks H×W×n, one for each file."""
        folder = Path(self.image_info[image_id]["path"]).parents[1] / "masks"
        masks = [read_image(path) for path in sorted(folder.glob("*.png"))]
        if not masks:
            return super().load_mask(image_id)
        flat = [mask if mask.ndim == 2 else mask[..., 0] for mask in masks]
        return np.stack(flat, axis=-1) > 0, np.ones(len(flat), np.int32)

    def image_reference(self, image_id: int) -> Any:
        """The picture's id."""
        return self.image_info[image_id]["id"]


def _held_back(name: str) -> bool:
    return zlib.crc32(name.encode()) / 2**32 < VAL_FRACTION


def train(model: Any, dataset_dir: Any, subset: str) -> None:
    """Heads to epoch 20, everything to 40; pictures mirrored and turned by quarters."""
    train_set, val_set = NucleusDataset(), NucleusDataset()
    train_set.load_nucleus(dataset_dir, subset)
    train_set.prepare()
    val_set.load_nucleus(dataset_dir, "val")
    val_set.prepare()

    def turned(image: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        quarters, mirror = np.random.randint(4), np.random.rand() < 0.5
        image, masks = np.rot90(image, quarters), np.rot90(masks, quarters)
        return (image[:, ::-1], masks[:, ::-1]) if mirror else (image, masks)

    rate = model.config.LEARNING_RATE
    print("Train network heads")
    model.train(train_set, val_set, rate, epochs=20, layers="heads", augmentation=turned)
    print("Train all layers")
    model.train(train_set, val_set, rate, epochs=40, layers="all", augmentation=turned)


def rle_encode(mask: np.ndarray) -> str:
    """Pairs "start length" down the columns, starts counted from 1."""
    runs = RleMasks.from_dense(mask[None] > 0).counts
    ends = np.cumsum(runs)
    return " ".join(f"{ends[i - 1] + 1} {runs[i]}" for i in range(1, len(runs), 2))


def mask_to_rle(image_id: str, mask: np.ndarray, scores: np.ndarray) -> str:
    """The lines of a submission: each pixel belongs to the best object only."""
    if mask.shape[-1] == 0:
        return f"{image_id},"
    order = np.argsort(scores)[::-1]
    first = np.argmax(mask[..., order], axis=-1)
    lines = []
    for place, row in enumerate(order):
        own = mask[..., row] & (first == place)
        if own.any():
            lines.append(f"{image_id}, {rle_encode(own)}")
    return "\n".join(lines)


def detect(model: Any, dataset_dir: Any, subset: str, results: Any = "results/nucleus") -> Path:
    """Writes submit.csv for a part of the data; its path."""
    dataset = NucleusDataset()
    dataset.load_nucleus(dataset_dir, subset)
    dataset.prepare()
    folder = Path(results) / f"submit_{datetime.datetime.now():%Y%m%dT%H%M%S}"
    folder.mkdir(parents=True)
    lines = ["ImageId,EncodedPixels"]
    for image_id in dataset.image_ids:
        r = model.detect([dataset.load_image(image_id)], verbose=0)[0]
        lines.append(mask_to_rle(dataset.image_info[image_id]["id"], r["masks"], r["scores"]))
    file = folder / "submit.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    print("Saved to ", folder)
    return file


def command(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Mask R-CNN for nuclei counting and segmentation.")
    parser.add_argument("command", choices=["train", "detect"], metavar="<command>", help="train or detect")
    parser.add_argument("--dataset", required=True, metavar="FOLDER", help="the folder with stage1_train")
    parser.add_argument("--weights", required=True, metavar="WEIGHTS", help="coco, last, imagenet, or an .h5 file")
    parser.add_argument("--logs", default="logs", metavar="FOLDER", help="log folders and checkpoints (default: logs)")
    parser.add_argument("--subset", required=True, metavar="NAME", help="train, val, stage1_train, stage1_test ...")
    args = parser.parse_args(arguments)
    training = args.command == "train"
    config = NucleusConfig() if training else NucleusInferenceConfig()
    config.display()
    model = make_model("training" if training else "inference", config, args.logs, args.weights, exclude=CLASS_LAYERS)
    if training:
        train(model, args.dataset, args.subset)
    else:
        detect(model, args.dataset, args.subset)


if __name__ == "__main__":
    main(command)
