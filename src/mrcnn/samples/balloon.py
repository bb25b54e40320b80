"""Balloons: train on the original's balloon data, and keep balloons in color on a gray image or video.

python -m mrcnn.samples.balloon train --dataset=balloon --weights=coco
python -m mrcnn.samples.balloon splash --weights=last --image=party.jpg
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maskwright.errors import ImageError, MissingExtra
from maskwright.extras import how_to_install
from maskwright.formats import read
from mrcnn.config import Config
from mrcnn.samples.records import RecordsDataset
from mrcnn.samples.starting import CLASS_LAYERS, for_inference, main, make_model, read_image


class BalloonConfig(Config):
    """One class beside the background."""

    NAME = "balloon"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1
    STEPS_PER_EPOCH = 100
    DETECTION_MIN_CONFIDENCE = 0.9


class BalloonDataset(RecordsDataset):
    """Balloons outlined with VIA: folders train and val, each with images and via_region_data.json."""

    def load_balloon(self, dataset_dir: Any, subset: str) -> None:
        """Adds the images of "train" or "val"."""
        assert subset in ("train", "val")
        dataset = read(Path(dataset_dir) / subset)
        self.add_records("balloon", ["balloon"], dataset)

    def _class_id(self, source: str, name: str) -> int:
        return 1  # whatever VIA calls them: all are balloons


def train(model: Any, dataset_dir: Any) -> None:
    """The heads, 30 epochs: enough for one class from COCO's weights."""
    sets = []
    for subset in ("train", "val"):
        sets.append(BalloonDataset())
        sets[-1].load_balloon(dataset_dir, subset)
        sets[-1].prepare()
    print("Training network heads")
    model.train(*sets, learning_rate=model.config.LEARNING_RATE, epochs=30, layers="heads")


def color_splash(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image H×W×3 in gray, except where one of the masks H×W×n is set."""
    gray = (image[..., :3] @ np.array([0.2125, 0.7154, 0.0721]))[..., None]
    kept = mask.any(axis=-1, keepdims=True) if mask.shape[-1] else np.zeros((*image.shape[:2], 1), bool)
    return np.where(kept, image, gray).astype(np.uint8)


def detect_and_color_splash(model: Any, image_path: str | None = None, video_path: str | None = None) -> str:
    """Writes splash_DATE.png, or splash_DATE.avi, here; the name."""
    assert image_path or video_path
    moment = datetime.datetime.now().strftime("%Y%m%dT%H%M%S")
    if image_path:
        print(f"Running on {image_path}")
        image = read_image(image_path)
        name = f"splash_{moment}.png"
        Image.fromarray(color_splash(image, model.detect([image], verbose=1)[0]["masks"])).save(name)
    else:
        name = f"splash_{moment}.avi"
        _splash_video(model, str(video_path), name)
    print("Saved to ", name)
    return name


def _splash_video(model: Any, source: str, name: str) -> None:
    try:
        import cv2  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtra("videos need OpenCV", file=source, fix=how_to_install("maskwright[matterport]")) from error
    video = cv2.VideoCapture(source)
    if not video.isOpened():
        raise ImageError("this video cannot be opened", file=source)
    size = int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(name, cv2.VideoWriter_fourcc(*"MJPG"), video.get(cv2.CAP_PROP_FPS), size)
    try:
        count = 0
        while True:
            there, frame = video.read()
            if not there:
                break
            print("frame: ", count)
            image = np.ascontiguousarray(frame[..., ::-1])
            writer.write(color_splash(image, model.detect([image])[0]["masks"])[..., ::-1].copy())
            count += 1
    finally:
        writer.release()
        video.release()


def command(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train Mask R-CNN to detect balloons.")
    parser.add_argument("command", choices=["train", "splash"], metavar="<command>", help="train or splash")
    parser.add_argument("--dataset", metavar="FOLDER", help="the balloon data: folders train and val")
    parser.add_argument("--weights", required=True, metavar="WEIGHTS", help="coco, last, imagenet, or an .h5 file")
    parser.add_argument("--logs", default="logs", metavar="FOLDER", help="log folders and checkpoints (default: logs)")
    parser.add_argument("--image", metavar="PATH_OR_URL", help="image to splash")
    parser.add_argument("--video", metavar="PATH_OR_URL", help="video to splash")
    args = parser.parse_args(arguments)
    if args.command == "train" and not args.dataset:
        parser.error("train needs --dataset")
    if args.command == "splash" and not (args.image or args.video):
        parser.error("splash needs --image or --video")
    print("Weights: ", args.weights)
    print("Dataset: ", args.dataset)
    print("Logs: ", args.logs)
    config = BalloonConfig() if args.command == "train" else for_inference(BalloonConfig)
    config.display()
    mode = "training" if args.command == "train" else "inference"
    model = make_model(mode, config, args.logs, args.weights, exclude=CLASS_LAYERS)
    if args.command == "train":
        train(model, args.dataset)
    else:
        detect_and_color_splash(model, args.image, args.video)


if __name__ == "__main__":
    main(command)
