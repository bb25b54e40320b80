"""Shapes: circles, squares and triangles on plain grounds, made as they are needed. Small enough to learn in minutes.

python -m mrcnn.samples.shapes train --weights=coco --epochs=2
python -m mrcnn.samples.shapes detect --weights=last
"""

from __future__ import annotations

import argparse
import random
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from mrcnn import utils
from mrcnn.config import Config
from mrcnn.model import load_image_gt
from mrcnn.samples.starting import CLASS_LAYERS, for_inference, main, make_model

NAMES = ("square", "circle", "triangle")
Spec = tuple[str, tuple[int, int, int], tuple[int, int, int]]
"""(shape, color, (x, y, half the size))"""


class ShapesConfig(Config):
    """128 pixels, small anchors, few proposals."""

    NAME = "shapes"
    GPU_COUNT = 1
    IMAGES_PER_GPU = 8
    NUM_CLASSES = 1 + 3
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    TRAIN_ROIS_PER_IMAGE = 32
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 5


class ShapesDataset(utils.Dataset):
    """Pictures that exist as a list of shapes until they are looked at."""

    def load_shapes(self, count: int, height: int, width: int) -> None:
        """Adds `count` pictures of this size."""
        for number, name in enumerate(NAMES, start=1):
            self.add_class("shapes", number, name)
        for i in range(count):
            ground, shapes = self.random_image(height, width)
            self.add_image("shapes", image_id=i, path=None, width=width, height=height, bg_color=ground, shapes=shapes)

    def load_image(self, image_id: int) -> np.ndarray:
        info = self.image_info[image_id]
        image = np.empty((info["height"], info["width"], 3), np.uint8)
        image[:] = info["bg_color"]
        for shape, color, place in info["shapes"]:
            image = self.draw_shape(image, shape, place, color)
        return image

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """What lies behind another shape is not part of the mask."""
        info = self.image_info[image_id]
        shapes = info["shapes"]
        masks = np.zeros((info["height"], info["width"], len(shapes)), np.uint8)
        free = np.ones(masks.shape[:2], bool)
        for i in reversed(range(len(shapes))):  # the last one drawn lies on top
            shape, _, place = shapes[i]
            full = self.draw_shape(np.zeros(masks.shape[:2], np.uint8), shape, place, 1).astype(bool)
            masks[..., i] = full & free
            free &= ~full
        class_ids = np.array([self.class_names.index(shape) for shape, _, _ in shapes], np.int32)
        return masks.astype(bool), class_ids

    def image_reference(self, image_id: int) -> Any:
        """The shapes of the picture."""
        return self.image_info[image_id]["shapes"]

    def draw_shape(self, image: np.ndarray, shape: str, dims: tuple[int, int, int], color: Any) -> np.ndarray:
        """The image with one shape on it; dims are x, y of the center and half the size."""
        x, y, s = dims
        picture = Image.fromarray(image)
        draw = ImageDraw.Draw(picture)
        if shape == "square":
            draw.rectangle((x - s, y - s, x + s, y + s), fill=color)
        elif shape == "circle":
            draw.ellipse((x - s, y - s, x + s, y + s), fill=color)
        else:
            half = s / np.sin(np.pi / 3)
            draw.polygon([(x, y - s), (x - half, y + s), (x + half, y + s)], fill=color)
        return np.array(picture)

    def random_shape(self, height: int, width: int) -> Spec:
        """One shape somewhere, at least 20 pixels from the rim."""
        color = (random.randint(0, 255), random.randint(0, 255), random.randint(0, 255))
        y, x = random.randint(20, height - 21), random.randint(20, width - 21)
        return random.choice(NAMES), color, (x, y, random.randint(20, max(height // 4, 20)))

    def random_image(self, height: int, width: int) -> tuple[np.ndarray, list[Spec]]:
        """(color of the ground, shapes): one to four, less those that others would cover."""
        ground = np.array([random.randint(0, 255) for _ in range(3)])
        shapes = [self.random_shape(height, width) for _ in range(random.randint(1, 4))]
        boxes = np.array([(y - s, x - s, y + s, x + s) for _, _, (x, y, s) in shapes])
        kept = utils.non_max_suppression(boxes, np.arange(len(shapes)), 0.3)
        return ground, [shape for i, shape in enumerate(shapes) if i in kept]


def made(count: int, config: Any) -> ShapesDataset:
    dataset = ShapesDataset()
    dataset.load_shapes(count, config.IMAGE_SHAPE[0], config.IMAGE_SHAPE[1])
    dataset.prepare()
    return dataset


def command(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train Mask R-CNN on made shapes.")
    parser.add_argument("command", choices=["train", "detect"], metavar="<command>", help="train or detect")
    parser.add_argument("--weights", default="coco", help="coco, last, imagenet, none, or an .h5 file")
    parser.add_argument("--logs", default="logs", metavar="FOLDER", help="log folders and checkpoints (default: logs)")
    parser.add_argument("--epochs", type=int, default=2, help="of all layers; the heads get half of them first")
    args = parser.parse_args(arguments)
    if args.command == "train":
        config = ShapesConfig()
        config.display()
        model = make_model("training", config, args.logs, args.weights, exclude=CLASS_LAYERS)
        sets = made(500, config), made(50, config)
        rate = config.LEARNING_RATE
        model.train(*sets, learning_rate=rate, epochs=(args.epochs + 1) // 2, layers="heads")
        model.train(*sets, learning_rate=rate / 10, epochs=args.epochs, layers="all")
        return
    config = for_inference(ShapesConfig)
    model = make_model("inference", config, args.logs, args.weights)
    dataset, found = made(10, config), []
    for image_id in dataset.image_ids:
        image, _, class_ids, boxes, masks = load_image_gt(dataset, config, image_id)
        r = model.detect([image])[0]
        found.append(utils.compute_ap(boxes, class_ids, masks, r["rois"], r["class_ids"], r["scores"], r["masks"])[0])
    print("mAP: ", np.mean(found))


if __name__ == "__main__":
    main(command)
