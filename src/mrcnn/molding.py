"""Images and their metadata as network input: mean subtracted, one row of numbers per image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.errors import ImageError
from mrcnn.resizing import resize_image


def mold_image(images: np.ndarray, config: Any) -> np.ndarray:
    """RGB minus MEAN_PIXEL, as floats."""
    return images.astype(np.float32) - config.MEAN_PIXEL


def unmold_image(normalized_images: np.ndarray, config: Any) -> np.ndarray:
    """Inverse of mold_image: plus MEAN_PIXEL, uint8."""
    return (normalized_images + config.MEAN_PIXEL).astype(np.uint8)


def mold_inputs(images: Sequence[np.ndarray], config: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images -> (molded B×H×W×3, image metas B×(12+C), windows B×4)."""
    molded, metas, windows = [], [], []
    for image in images:
        _check(image, config)
        resized, window, scale, _, _ = resize_image(
            image,
            min_dim=config.IMAGE_MIN_DIM,
            min_scale=config.IMAGE_MIN_SCALE,
            max_dim=config.IMAGE_MAX_DIM,
            mode=config.IMAGE_RESIZE_MODE,
        )
        molded.append(mold_image(resized, config))
        active = np.zeros([config.NUM_CLASSES], np.int32)
        metas.append(compose_image_meta(0, image.shape, resized.shape, window, scale, active))
        windows.append(window)
    assert len({each.shape for each in molded}) <= 1, (
        "after resizing, all images must have the same size: set IMAGE_RESIZE_MODE and the dimensions so"
    )
    return np.stack(molded), np.stack(metas), np.stack(windows)


def _check(image: Any, config: Any) -> None:
    channels = len(np.atleast_1d(config.MEAN_PIXEL))
    if getattr(image, "ndim", 0) != 3 or image.shape[2] != channels:
        raise ImageError(
            "this image cannot be molded",
            expected=f"an array height x width x {channels}",
            got=f"shape {image.shape}" if hasattr(image, "shape") else type(image).__name__,
            fix="skimage.color.gray2rgb(image) for gray ones, image[..., :3] where there is an alpha channel",
        )


def compose_image_meta(
    image_id: int,
    original_image_shape: Sequence[int],
    image_shape: Sequence[int],
    window: Sequence[int],
    scale: float,
    active_class_ids: Any,
) -> np.ndarray:
    """Metadata of an image in one row: id, original shape, shape, window, scale, a 1 for each class of its source."""
    return np.array([image_id, *original_image_shape, *image_shape, *window, scale, *active_class_ids])


def parse_image_meta(meta: np.ndarray) -> dict[str, np.ndarray]:
    """The columns of image metas, by name."""
    return {
        "image_id": meta[:, 0].astype(np.int32),
        "original_image_shape": meta[:, 1:4].astype(np.int32),
        "image_shape": meta[:, 4:7].astype(np.int32),
        "window": meta[:, 7:11].astype(np.int32),  # of the image in the molded image
        "scale": meta[:, 11].astype(np.float32),
        "active_class_ids": meta[:, 12:].astype(np.int32),
    }


def compute_backbone_shapes(config: Any, image_shape: Sequence[int]) -> np.ndarray:
    """(height, width) of the feature map of each level: levels×2."""
    if callable(config.BACKBONE):
        return config.COMPUTE_BACKBONE_SHAPE(image_shape)
    assert config.BACKBONE in ("resnet50", "resnet101")
    height, width = image_shape[:2]
    return np.array([[math.ceil(height / step), math.ceil(width / step)] for step in config.BACKBONE_STRIDES])
