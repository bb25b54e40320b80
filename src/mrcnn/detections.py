"""Raw detections of the network to boxes, classes, scores and masks on the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskwright.geometry.boxes_matterport import unmolded
from mrcnn.masks import unmold_masks


def unmold_detections(
    detections: np.ndarray,
    mrcnn_mask: np.ndarray,
    original_image_shape: Sequence[int],
    image_shape: Sequence[int],
    window: Sequence[int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(boxes, class_ids, scores, masks) of one image.

    detections            N×6 y1 x1 y2 x2 (0..1 of the molded image), class, score; zero rows behind
    mrcnn_mask            N×h×w×C, one soft mask for each class
    original_image_shape  of the image;  image_shape  of the molded image
    window                (y1, x1, y2, x2) of the image in the molded image, in pixels

    boxes n×4 int32 in image pixels, class_ids n int32, scores n, masks H×W×n bool (float64 where n = 0).
    """
    empty = np.where(detections[:, 4] == 0)[0]
    count = empty[0] if len(empty) else len(detections)
    class_ids, scores = detections[:count, 4].astype(np.int32), detections[:count, 5]

    boxes = unmolded(detections[:count, :4], window, image_shape[:2], original_image_shape[:2])
    real = np.where((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) > 0)[0]
    boxes, class_ids, scores = boxes[real], class_ids[real], scores[real]
    if len(real) == 0:
        return boxes, class_ids, scores, np.empty((*original_image_shape[:2], 0))
    masks = unmold_masks(mrcnn_mask[real, :, :, class_ids], boxes, original_image_shape)
    return boxes, class_ids, scores, masks
