"""COCO: train and evaluate on MS COCO.

python -m mrcnn.samples.coco train --dataset=coco --year=2017 --model=imagenet --download
python -m mrcnn.samples.coco evaluate --dataset=coco --year=2017 --model=coco --limit=500
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from maskwright import fetch
from maskwright.curate.published import unpack
from maskwright.errors import DatasetError
from maskwright.types import RleMasks
from mrcnn.config import Config
from mrcnn.dataset import Dataset
from mrcnn.samples.starting import add_download, for_inference, main, make_model

DEFAULT_DATASET_YEAR = "2014"
ZIPS = "http://images.cocodataset.org"
MINI = {  # parts of val2014 that the original's authors published
    "minival": "https://dl.dropboxusercontent.com/s/o43o90bna78omob/instances_minival2014.json.zip?dl=0",
    "valminusminival": "https://dl.dropboxusercontent.com/s/s3tw5zcg7395368/instances_valminusminival2014.json.zip?dl=0",
}


class CocoConfig(Config):
    """80 classes beside the background."""

    NAME = "coco"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 80


class CocoDataset(Dataset):
    """A part of COCO: folder annotations beside train2017, val2017 and the like."""

    def load_coco(
        self,
        dataset_dir: Any,
        subset: str,
        year: str = DEFAULT_DATASET_YEAR,
        class_ids: list[int] | None = None,
        class_map: Any = None,
        return_coco: bool = False,
        auto_download: bool = False,
    ) -> Any:
        """Adds the images of "train", "val", "minival" or "valminusminival".

        class_ids    COCO's ids of the classes to take, with images that show one; all, if None
        return_coco  give back the COCO object of the annotations
        """
        from hotcoco import COCO

        if auto_download:
            self.auto_download(dataset_dir, subset, year)
        file = Path(dataset_dir) / "annotations" / f"instances_{subset}{year}.json"
        if not file.is_file():
            raise DatasetError(
                "no COCO annotations here", file=file, fix="check --dataset and --year, or add --download"
            )
        coco = COCO(str(file))
        folder = Path(dataset_dir) / f"{'val' if subset in MINI else subset}{year}"
        class_ids = sorted(class_ids or coco.getCatIds())
        for class_id in class_ids:
            self.add_class("coco", class_id, coco.loadCats([class_id])[0]["name"])
        expected: dict[int, list[Any]] = {}
        for annotation in coco.loadAnns(coco.getAnnIds(catIds=class_ids)):
            expected.setdefault(annotation["image_id"], []).append(annotation)
        image_ids = sorted(coco.getImgIds() if class_ids == sorted(coco.getCatIds()) else expected)
        for info in coco.loadImgs(image_ids):
            self.add_image(
                "coco",
                image_id=info["id"],
                path=os.path.join(folder, info["file_name"]),
                width=info["width"],
                height=info["height"],
                annotations=expected.get(info["id"], []),
            )
        return coco if return_coco else None

    def auto_download(self, dataDir: Any, dataType: str, dataYear: str) -> None:
        """Fetches images and annotations of a part, where they are not here (many gigabytes)."""
        folder = Path(dataDir)
        images = f"{'val' if dataType in MINI else dataType}{dataYear}"
        if not (folder / images).exists():
            _obtain(f"{ZIPS}/zips/{images}.zip", folder, folder / images)
        if not (folder / "annotations" / f"instances_{dataType}{dataYear}.json").exists():
            address = MINI.get(dataType, f"{ZIPS}/annotations/annotations_trainval{dataYear}.zip")
            _obtain(address, folder, folder / "annotations")

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks H×W×n and class ids, negative for crowds."""
        info = self.image_info[image_id]
        if info["source"] != "coco":
            return super().load_mask(image_id)
        masks, class_ids = [], []
        for annotation in info["annotations"]:
            class_id = self.map_source_class_id(f"coco.{annotation['category_id']}")
            mask = self.annToMask(annotation, info["height"], info["width"])
            if class_id and mask.any():
                masks.append(mask.astype(bool))
                class_ids.append(-class_id if annotation.get("iscrowd") else class_id)
        if not masks:
            return np.zeros((info["height"], info["width"], 0), bool), np.zeros(0, np.int32)
        return np.stack(masks, axis=2), np.array(class_ids, np.int32)

    def image_reference(self, image_id: int) -> Any:
        """Where the image can be looked at."""
        return f"http://cocodataset.org/#explore?id={self.image_info[image_id]['id']}"

    def annToRLE(self, ann: Any, height: int, width: int) -> Any:
        """The annotation's outline as COCO run lengths."""
        return self._masks(ann, height, width).to_coco()[0]

    def annToMask(self, ann: Any, height: int, width: int) -> np.ndarray:
        """The annotation's outline as a mask H×W uint8."""
        return self._masks(ann, height, width).dense()[0].astype(np.uint8)

    def _masks(self, ann: Any, height: int, width: int) -> RleMasks:
        outline = ann["segmentation"]
        if isinstance(outline, list):
            parts = [np.asarray(part, np.float64).reshape(-1, 2) for part in outline if len(part) >= 6]
            return RleMasks.from_polygons([parts], (height, width))
        return RleMasks.from_coco([{"size": [height, width], **outline}])


def _obtain(address: str, folder: Path, target: Path) -> None:
    archive = folder / fetch.name_of(address)
    print(f"Downloading {address} to {archive} ...")
    fetch.fetch(address, archive, offline="")
    unpack(archive, target, most_bytes=60 * 2**30)
    inner = target / target.name
    if inner.is_dir():  # the archive holds a folder of the same name
        for path in inner.iterdir():
            path.rename(target / path.name)
        inner.rmdir()
    archive.unlink()


def build_coco_results(
    dataset: Any, image_ids: Any, rois: np.ndarray | None, class_ids: Any, scores: Any, masks: np.ndarray
) -> list[dict[str, Any]]:
    """One image's detections as COCO results."""
    if rois is None or not len(rois):
        return []
    runs = RleMasks.from_dense(masks.transpose(2, 0, 1)).to_coco()
    return [
        {
            "image_id": image_id,
            "category_id": dataset.get_source_class_id(class_ids[i], "coco"),
            "bbox": [float(x) for x in (x1, y1, x2 - x1, y2 - y1)],
            "score": float(scores[i]),
            "segmentation": runs[i],
        }
        for image_id in image_ids
        for i, (y1, x1, y2, x2) in enumerate(np.around(rois, 1).tolist())
    ]


def evaluate_coco(
    model: Any, dataset: Any, coco: Any, eval_type: str = "bbox", limit: int = 0, image_ids: Any = None
) -> Any:
    """Detects on `limit` images (0: all) and prints COCO's twelve numbers for "bbox" or "segm"."""
    from hotcoco import COCOeval

    image_ids = dataset.image_ids if image_ids is None else image_ids
    image_ids = image_ids[:limit] if limit else image_ids
    began, seconds, results = time.time(), 0.0, []
    for image_id in image_ids:
        image = dataset.load_image(image_id)
        start = time.time()
        r = model.detect([image], verbose=0)[0]
        seconds += time.time() - start
        number = dataset.image_info[image_id]["id"]
        results += build_coco_results(dataset, [number], r["rois"], r["class_ids"], r["scores"], r["masks"])
    evaluated = None
    if results:
        evaluated = COCOeval(coco, coco.loadRes(results), eval_type)
        evaluated.params.imgIds = [dataset.image_info[image_id]["id"] for image_id in image_ids]
        evaluated.evaluate()
        evaluated.accumulate()
        evaluated.summarize()
    else:
        print("No object was found in any image.")
    print(f"Prediction time: {seconds}. Average {seconds / max(len(image_ids), 1)}/image")
    print("Total time: ", time.time() - began)
    return evaluated


def train(model: Any, args: Any) -> None:
    """Three stages: heads to epoch 40, from stage 4 on to 120, everything to 160 at a tenth of the rate."""
    train_set, val_set = CocoDataset(), CocoDataset()
    train_set.load_coco(args.dataset, "train", year=args.year, auto_download=args.download)
    if args.year in "2014":
        train_set.load_coco(args.dataset, "valminusminival", year=args.year, auto_download=args.download)
    train_set.prepare()
    val_set.load_coco(args.dataset, _val_name(args.year), year=args.year, auto_download=args.download)
    val_set.prepare()

    def mirrored(image: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (image[:, ::-1], masks[:, ::-1]) if np.random.rand() < 0.5 else (image, masks)

    rate = model.config.LEARNING_RATE
    for words, epochs, layers, stage_rate in (
        ("Training network heads", 40, "heads", rate),
        ("Fine tune Resnet stage 4 and up", 120, "4+", rate),
        ("Fine tune all layers", 160, "all", rate / 10),
    ):
        print(words)
        model.train(train_set, val_set, stage_rate, epochs, layers, augmentation=mirrored)


def _val_name(year: str) -> str:
    return "val" if year in "2017" else "minival"


def command(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train Mask R-CNN on MS COCO.")
    parser.add_argument("command", choices=["train", "evaluate"], metavar="<command>", help="train or evaluate")
    parser.add_argument("--dataset", required=True, metavar="FOLDER", help="the folder of COCO")
    parser.add_argument("--year", default=DEFAULT_DATASET_YEAR, metavar="YEAR", help="2014 or 2017 (default: 2014)")
    parser.add_argument("--model", required=True, metavar="WEIGHTS", help="coco, last, imagenet, or an .h5 file")
    parser.add_argument("--logs", default="logs", metavar="FOLDER", help="log folders and checkpoints (default: logs)")
    parser.add_argument("--limit", default=500, type=int, metavar="N", help="images to evaluate on (default: 500)")
    add_download(parser, "COCO")
    args = parser.parse_args(arguments)
    for name in ("Command", "Model", "Dataset", "Year", "Logs", "Download"):
        print(f"{name}: ", getattr(args, name.lower()))
    if args.command == "train":
        config = CocoConfig()
        config.display()
        train(make_model("training", config, args.logs, args.model), args)
        return
    config = for_inference(type("CocoConfig", (CocoConfig,), {"DETECTION_MIN_CONFIDENCE": 0}))
    config.display()
    model = make_model("inference", config, args.logs, args.model)
    dataset = CocoDataset()
    coco = dataset.load_coco(
        args.dataset, _val_name(args.year), year=args.year, return_coco=True, auto_download=args.download
    )
    dataset.prepare()
    print(f"Running COCO evaluation on {args.limit} images.")
    evaluate_coco(model, dataset, coco, "bbox", limit=args.limit)


if __name__ == "__main__":
    main(command)
