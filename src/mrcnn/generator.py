"""Training data: images with their objects, and an infinite generator of batches."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from maskwright.errors import DatasetError
from mrcnn.anchors import generate_pyramid_anchors
from mrcnn.augmentation import augment as apply_augmentation
from mrcnn.boxes import extract_bboxes
from mrcnn.masks import minimize_mask
from mrcnn.molding import compose_image_meta, compute_backbone_shapes, mold_image
from mrcnn.resizing import resize_image, resize_mask
from mrcnn.targets import build_detection_targets, build_rpn_targets, generate_random_rois

PATIENCE = 5
"""Number of images that may fail before the generator raises."""

Batch = tuple[list[np.ndarray], list[np.ndarray]]


def load_image_gt(
    dataset: Any,
    config: Any,
    image_id: int,
    augment: bool = False,
    augmentation: Any = None,
    use_mini_mask: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(image, image_meta, class_ids, bbox, mask) of one image, resized as the network wants it.

    augment        flip left and right by chance (the old spelling; prefer `augmentation`)
    augmentation   an imgaug augmenter or a callable (image, masks) -> (image, masks)
    use_mini_mask  masks small, in their boxes

    class_ids n, bbox n×4 int32, mask H×W×n bool (or MINI_MASK_SHAPE×n). Objects without a pixel left are dropped.
    """
    image = dataset.load_image(image_id)
    mask, class_ids = _objects(dataset, image_id, image.shape)
    original_shape = image.shape
    image, window, scale, padding, crop = resize_image(
        image,
        min_dim=config.IMAGE_MIN_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        max_dim=config.IMAGE_MAX_DIM,
        mode=config.IMAGE_RESIZE_MODE,
    )
    mask = resize_mask(mask, scale, padding, crop)
    if augment:
        logging.warning("'augment' is deprecated. Use 'augmentation' instead.")
        if random.randint(0, 1):
            image, mask = np.fliplr(image), np.fliplr(mask)
    if augmentation:
        image, mask = apply_augmentation(image, mask, augmentation)

    seen = mask.any(axis=(0, 1))
    mask, class_ids = mask[:, :, seen], class_ids[seen]
    bbox = extract_bboxes(mask)
    active = np.zeros([dataset.num_classes], np.int32)
    active[dataset.source_class_ids[dataset.image_info[image_id]["source"]]] = 1
    if use_mini_mask:
        mask = minimize_mask(bbox, mask, config.MINI_MASK_SHAPE)
    meta = compose_image_meta(image_id, original_shape, image.shape, window, scale, active)
    return image, meta, class_ids, bbox, mask


def _objects(dataset: Any, image_id: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The result of load_mask, checked for consistency with the image."""
    mask, class_ids = (np.asarray(each) for each in dataset.load_mask(image_id))
    if mask.ndim == 3 and mask.shape[2] == 0:
        mask = np.zeros((*shape[:2], 0), bool)
    if mask.shape != (*shape[:2], len(class_ids)):
        raise DatasetError(
            "load_mask() does not fit the image",
            record=f"image {image_id}, {dataset.image_info[image_id]['id']}",
            expected=f"masks {shape[0]} x {shape[1]} x number of class ids, {len(class_ids)}",
            got=f"masks {' x '.join(map(str, mask.shape))}",
            fix="masks have the size of load_image() and one layer for each object",
        )
    return mask, class_ids


def data_generator(
    dataset: Any,
    config: Any,
    shuffle: bool = True,
    augment: bool = False,
    augmentation: Any = None,
    random_rois: int = 0,
    batch_size: int = 1,
    detection_targets: bool = False,
    no_augmentation_sources: Any = None,
) -> Iterator[Batch]:
    """Endless batches (inputs, outputs) of the dataset; images without objects are passed over.

    inputs   images B×H×W×3 float32, image_meta, rpn_match B×L×1, rpn_bbox, gt_class_ids B×MAX_GT_INSTANCES int32,
             gt_boxes, gt_masks B×h×w×MAX_GT_INSTANCES; with random_rois also rpn_rois, with detection_targets rois
    outputs  empty; with detection_targets class ids, deltas and masks of the rois
    """
    shapes = compute_backbone_shapes(config, config.IMAGE_SHAPE)
    anchors = generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES, config.RPN_ANCHOR_RATIOS, shapes, config.BACKBONE_STRIDES, config.RPN_ANCHOR_STRIDE
    )
    rows: list[dict[str, np.ndarray]] = []
    failed = barren = 0
    for image_id in _image_ids(dataset, shuffle):
        info = dataset.image_info[image_id]
        chosen = None if info["source"] in (no_augmentation_sources or []) else augmentation
        try:
            image = load_image_gt(dataset, config, image_id, augment, chosen, use_mini_mask=config.USE_MINI_MASK)
            row = _row(image, anchors, config, random_rois, detection_targets)
        except Exception:
            logging.exception("Error processing image %s", info)
            failed += 1
            if failed > PATIENCE:
                raise
            continue
        barren = barren + 1 if row is None else 0
        if barren > len(dataset.image_ids):
            raise DatasetError(
                "no image of the dataset has an object", fix="look at what load_mask() gives, and at the class ids"
            )
        if row is not None:
            _check_size(rows, row, info)
            rows.append(row)
        if len(rows) == batch_size:
            yield _batch(rows, random_rois, detection_targets)
            rows = []


def _image_ids(dataset: Any, shuffle: bool) -> Iterator[int]:
    """Image ids without end, shuffled in each epoch."""
    image_ids = np.copy(dataset.image_ids)
    if len(image_ids) == 0:
        raise DatasetError("the dataset has no images", fix="call prepare() after the images were added")
    while True:
        if shuffle:
            np.random.shuffle(image_ids)
        yield from image_ids


def _row(
    image_gt: tuple[np.ndarray, ...], anchors: np.ndarray, config: Any, random_rois: int, detection_targets: bool
) -> dict[str, np.ndarray] | None:
    """The part of a batch for one image, None if it has no objects (crowds do not count)."""
    image, meta, class_ids, boxes, masks = image_gt
    if not (class_ids > 0).any():
        return None
    match, rpn_bbox = build_rpn_targets(image.shape, anchors, class_ids, boxes, config)
    row = {"image_meta": meta, "rpn_match": match[:, None], "rpn_bbox": rpn_bbox}
    if random_rois:
        row["rpn_rois"] = generate_random_rois(image.shape, random_rois, class_ids, boxes)
        if detection_targets:
            names = ("rois", "class_ids", "bbox", "mask")
            found = build_detection_targets(row["rpn_rois"], class_ids, boxes, masks, config)
            row.update(zip(names, found, strict=True))
    most = config.MAX_GT_INSTANCES
    if len(boxes) > most:
        drawn = np.random.choice(np.arange(len(boxes)), most, replace=False)
        class_ids, boxes, masks = class_ids[drawn], boxes[drawn], masks[:, :, drawn]
    row["images"] = mold_image(image.astype(np.float32), config).astype(np.float32)
    row["gt_class_ids"] = np.zeros(most, np.int32)
    row["gt_class_ids"][: len(class_ids)] = class_ids
    row["gt_boxes"] = np.zeros((most, 4), np.int32)
    row["gt_boxes"][: len(boxes)] = boxes
    row["gt_masks"] = np.zeros((*masks.shape[:2], most), masks.dtype)
    row["gt_masks"][:, :, : masks.shape[-1]] = masks
    return row


def _check_size(rows: list[dict[str, np.ndarray]], row: dict[str, np.ndarray], info: dict[str, Any]) -> None:
    if rows and rows[0]["images"].shape != row["images"].shape:
        sizes = ["{} x {}".format(*each["images"].shape) for each in (rows[0], row)]
        raise DatasetError(
            "the images of a batch must be of one size once they are resized",
            record=f"image {info['id']}",
            expected=sizes[0],
            got=sizes[1],
            fix='IMAGE_RESIZE_MODE = "square" or "crop", or IMAGES_PER_GPU = 1',
        )


INPUTS = ("images", "image_meta", "rpn_match", "rpn_bbox", "gt_class_ids", "gt_boxes", "gt_masks")


def _batch(rows: list[dict[str, np.ndarray]], random_rois: int, detection_targets: bool) -> Batch:
    def stacked(*names: str) -> list[np.ndarray]:
        return [np.stack([row[name] for row in rows]) for name in names]

    inputs, outputs = stacked(*INPUTS), []
    if random_rois:
        inputs += stacked("rpn_rois")
        if detection_targets:
            inputs += stacked("rois")
            class_ids, bbox, mask = stacked("class_ids", "bbox", "mask")
            outputs = [class_ids[..., None], bbox, mask]
    return inputs, outputs
