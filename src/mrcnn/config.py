"""Config: all settings of a model and its training, as class attributes to override in a subclass."""

from __future__ import annotations

from typing import Any

import numpy as np


class Config:
    """The settings. Make a subclass, set what differs, and make one object of it.

    >>> class BalloonConfig(Config):
    ...     NAME = "balloon"
    ...     NUM_CLASSES = 1 + 1     # background and balloon
    >>> BalloonConfig().BATCH_SIZE
    2
    """

    # --- the model's name: log folders and checkpoints begin with it ---
    NAME: Any = None

    # --- batches ---
    GPU_COUNT: Any = 1
    IMAGES_PER_GPU: Any = 2  # BATCH_SIZE = GPU_COUNT * IMAGES_PER_GPU; `detect` needs exactly so many images
    STEPS_PER_EPOCH: Any = 1000
    VALIDATION_STEPS: Any = 50

    # --- backbone and pyramid ---
    BACKBONE: Any = "resnet101"  # or "resnet50"
    COMPUTE_BACKBONE_SHAPE: Any = None
    BACKBONE_STRIDES: Any = [4, 8, 16, 32, 64]  # noqa: RUF012  (the original's types: display() prints them)
    FPN_CLASSIF_FC_LAYERS_SIZE: Any = 1024
    TOP_DOWN_PYRAMID_SIZE: Any = 256

    NUM_CLASSES: Any = 1  # background counts

    # --- proposals ---
    RPN_ANCHOR_SCALES: Any = (32, 64, 128, 256, 512)  # side in pixels, one for each level
    RPN_ANCHOR_RATIOS: Any = [0.5, 1, 2]  # noqa: RUF012  width / height
    RPN_ANCHOR_STRIDE: Any = 1  # 2: anchors at every second cell
    RPN_NMS_THRESHOLD: Any = 0.7
    RPN_TRAIN_ANCHORS_PER_IMAGE: Any = 256
    PRE_NMS_LIMIT: Any = 6000
    POST_NMS_ROIS_TRAINING: Any = 2000
    POST_NMS_ROIS_INFERENCE: Any = 1000

    # --- masks of the training data ---
    USE_MINI_MASK: Any = True
    MINI_MASK_SHAPE: Any = (56, 56)  # height, width

    # --- resizing: "square", "pad64", "crop" or "none" ---
    IMAGE_RESIZE_MODE: Any = "square"
    IMAGE_MIN_DIM: Any = 800
    IMAGE_MAX_DIM: Any = 1024
    IMAGE_MIN_SCALE: Any = 0
    IMAGE_CHANNEL_COUNT: Any = 3
    MEAN_PIXEL: Any = np.array([123.7, 116.8, 103.9])  # RGB

    # --- heads ---
    TRAIN_ROIS_PER_IMAGE: Any = 200
    ROI_POSITIVE_RATIO: Any = 0.33
    POOL_SIZE: Any = 7
    MASK_POOL_SIZE: Any = 14
    MASK_SHAPE: Any = [28, 28]  # noqa: RUF012
    MAX_GT_INSTANCES: Any = 100
    RPN_BBOX_STD_DEV: Any = np.array([0.1, 0.1, 0.2, 0.2])
    BBOX_STD_DEV: Any = np.array([0.1, 0.1, 0.2, 0.2])

    # --- detections ---
    DETECTION_MAX_INSTANCES: Any = 100
    DETECTION_MIN_CONFIDENCE: Any = 0.7
    DETECTION_NMS_THRESHOLD: Any = 0.3

    # --- optimization ---
    LEARNING_RATE: Any = 0.001
    LEARNING_MOMENTUM: Any = 0.9
    WEIGHT_DECAY: Any = 0.0001
    LOSS_WEIGHTS: Any = {  # noqa: RUF012
        "rpn_class_loss": 1.0,
        "rpn_bbox_loss": 1.0,
        "mrcnn_class_loss": 1.0,
        "mrcnn_bbox_loss": 1.0,
        "mrcnn_mask_loss": 1.0,
    }
    USE_RPN_ROIS: Any = True  # False: proposals come from outside
    TRAIN_BN: Any = False  # None: as in training; False: fixed statistics; True: always the batch's
    GRADIENT_CLIP_NORM: Any = 5.0

    BATCH_SIZE: int
    IMAGE_SHAPE: np.ndarray
    IMAGE_META_SIZE: int

    def __init__(self) -> None:
        """Computes derived attributes: BATCH_SIZE, IMAGE_SHAPE, IMAGE_META_SIZE."""
        self.BATCH_SIZE = self.IMAGES_PER_GPU * self.GPU_COUNT
        side = self.IMAGE_MIN_DIM if self.IMAGE_RESIZE_MODE == "crop" else self.IMAGE_MAX_DIM
        self.IMAGE_SHAPE = np.array([side, side, self.IMAGE_CHANNEL_COUNT])
        # id, original shape (3), molded shape (3), window (4), scale, active classes
        self.IMAGE_META_SIZE = 1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES

    def to_dict(self) -> dict[str, Any]:
        """All settings by name, in alphabetical order."""
        names = sorted(name for name in dir(self) if not name.startswith("__"))
        return {name: getattr(self, name) for name in names if not callable(getattr(self, name))}

    def display(self) -> None:
        """Prints all settings."""
        print("\nConfigurations:")
        for name, value in self.to_dict().items():
            print(f"{name:30} {value}")
        print("\n")
