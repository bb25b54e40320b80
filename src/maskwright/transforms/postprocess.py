"""Raw detections on the network input to the objects of the image: the score threshold, boxes, masks."""

from __future__ import annotations

import numpy as np

from maskwright.geometry import boxes as box_ops
from maskwright.geometry.paste import paste_masks
from maskwright.geometry.paste_matterport import stretch_masks
from maskwright.types import Instances, RawDetections, ResizeTransform, RleMasks


def postprocess(
    raw: RawDetections, transform: ResizeTransform, names: tuple[str, ...], threshold: float | np.ndarray = 0.0
) -> Instances:
    """Raw detections in image pixels: boxes clipped to the image, mask probabilities pasted as run lengths.

    raw        detections on the network input
    transform  as returned by `transforms.preprocess`
    threshold  score threshold, one number or one per class; detections below are left out, the order is kept
    """
    keep = raw.scores >= np.broadcast_to(threshold, len(names))[raw.classes]
    boxes = transform.boxes_to_image(raw.boxes[keep].astype(np.float32))
    boxes = box_ops.clip(boxes, transform.image_size)
    masks = None
    if raw.mask_probs is not None:
        paste = {"torchvision": paste_masks, "matterport": stretch_masks}[raw.paste_mode]
        masks = RleMasks(transform.image_size, *paste(raw.mask_probs[keep], boxes, transform.image_size))
    return Instances(boxes, raw.classes[keep], raw.scores[keep], masks, names)
