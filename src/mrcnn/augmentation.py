"""Augmentation of image and masks together: by imgaug's augmenters, or by any callable."""

from __future__ import annotations

from typing import Any

import numpy as np

from maskwright.errors import MissingExtra

SAFE_FOR_MASKS = (
    *("Sequential", "SomeOf", "OneOf", "Sometimes"),
    *("Fliplr", "Flipud", "CropAndPad", "Affine", "PiecewiseAffine"),
)
"""imgaug's augmenters that move pixels without changing their values: only these are applied to masks."""


def augment(image: np.ndarray, mask: np.ndarray, augmentation: Any) -> tuple[np.ndarray, np.ndarray]:
    """(image, masks) after the augmentation, of the same shapes.

    augmentation  an imgaug augmenter, or a callable: image, masks (H×W×n) -> image, masks
    """
    if hasattr(augmentation, "to_deterministic"):
        changed: Any = _imgaug(image, mask, augmentation)
    elif callable(augmentation):
        changed = augmentation(image, mask)
    else:
        raise TypeError(f"augmentation is an imgaug augmenter or a callable, not {type(augmentation).__name__}")
    assert changed[0].shape == image.shape, "augmentation may not change the size of the image"
    assert changed[1].shape == mask.shape, "augmentation may not change the size of the masks"
    return changed[0], changed[1].astype(bool)


def _imgaug(image: np.ndarray, mask: np.ndarray, augmentation: Any) -> tuple[np.ndarray, np.ndarray]:
    try:
        import imgaug  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtra(
            "this augmentation needs imgaug",
            fix="begin with %load_ext maskwright, or use maskwright run: they stand in for it; or pip install imgaug",
        ) from error

    def on_masks(images: Any, augmenter: Any, parents: Any, default: Any) -> bool:
        return type(augmenter).__name__ in SAFE_FOR_MASKS

    same = augmentation.to_deterministic()  # the same random parameters for image and masks
    image = same.augment_image(image)
    if mask.size:
        mask = same.augment_image(mask.astype(np.uint8), hooks=imgaug.HooksImages(activator=on_masks))
    return image, mask
