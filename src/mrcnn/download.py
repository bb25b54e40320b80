"""Downloads of the two weights files that the original uses."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from maskwright import fetch
from maskwright.errors import FetchError

COCO_MODEL_URL = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
IMAGENET_URL = (
    "https://github.com/fchollet/deep-learning-models/releases/download/v0.2/"
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
)
IMAGENET_MD5 = "a268eb855778b3df3c7506639542a6af"

BY_HAND = "use weights that are here already"


def download_trained_weights(coco_model_path: Any, verbose: int = 1) -> None:
    """Download the COCO weights (246 MB) to this path; prints a message if verbose."""
    if verbose > 0:
        print(f"Downloading pretrained model to {coco_model_path} ...")
    fetch.fetch(COCO_MODEL_URL, Path(coco_model_path), offline=BY_HAND)
    if verbose > 0:
        print("... done downloading pretrained model!")


def imagenet_weights() -> str:
    """The path of ResNet-50's ImageNet weights without the head (94 MB), downloaded if not in the cache."""
    target = fetch.cache_folder() / "weights" / fetch.name_of(IMAGENET_URL)
    known = target.is_file()
    fetch.fetch(IMAGENET_URL, target, offline=BY_HAND)
    if not known and (got := hashlib.md5(target.read_bytes(), usedforsecurity=False).hexdigest()) != IMAGENET_MD5:
        target.unlink()
        raise FetchError(
            "the downloaded file is not the expected one", file=IMAGENET_URL, expected=IMAGENET_MD5, got=got
        )
    return str(target)
