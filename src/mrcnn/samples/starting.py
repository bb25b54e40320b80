"""What the samples' command lines share: where weights come from, how a model is made, images by path or address."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.errors import MaskwrightError, RecipeError
from mrcnn.download import download_trained_weights
from mrcnn.log_folders import find_last
from mrcnn.model import MaskRCNN

COCO_WEIGHTS = "mask_rcnn_coco.h5"
CLASS_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
"""Their shapes follow the number of classes, so weights of other classes leave them out."""


def make_model(mode: str, config: Any, logs: str, weights: str, exclude: list[str] | None = None) -> MaskRCNN:
    """A model with the weights that a person means: coco, last, imagenet, none, or the path of an .h5 file.

    exclude  layers to leave out with "coco"
    """
    name = weights.lower()
    path = weights
    # Weights that are not to be had are an error at once: making the network takes half a minute.
    if name == "coco":
        path = COCO_WEIGHTS
        if not os.path.exists(path):
            download_trained_weights(path)
    elif name == "last":
        try:
            path = str(find_last(logs, config.NAME))
        except FileNotFoundError as error:
            raise RecipeError(
                "there is no training to go on with",
                field="weights",
                expected=f"a log folder in {logs}",
                got=error.strerror,
            ) from error
    model = MaskRCNN(mode=mode, config=config, model_dir=logs)
    if name == "none":
        return model
    if name == "imagenet":
        path = model.get_imagenet_weights()
    print("Loading weights ", path)
    model.load_weights(path, by_name=True, exclude=exclude if name == "coco" else None)
    return model


def for_inference(config: type) -> Any:
    """The config with one image at a time."""
    return type("InferenceConfig", (config,), {"GPU_COUNT": 1, "IMAGES_PER_GPU": 1})()


def add_download(parser: argparse.ArgumentParser, what: str) -> None:
    """The option --download, alone or as the original's examples spell it: --download=True, --download=False."""
    parser.add_argument(
        "--download",
        default=False,
        nargs="?",
        const=True,
        type=_yes,
        metavar="True|False",
        help=f"fetch {what} first where it is not here",
    )


def _yes(word: str) -> bool:
    answers = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if word.lower() not in answers:
        raise argparse.ArgumentTypeError(f"True or False is wanted, not {word!r}")
    return answers[word.lower()]


def read_image(source: str) -> np.ndarray:
    """An image by path or address: H×W×3 uint8, upright."""
    from maskwright import fetch
    from maskwright.images.decode import decode

    if source.lower().startswith(("http://", "https://")):
        return np.array(decode(fetch.read_bytes(source, 200_000_000), name=source).pixels)
    return np.array(decode(Path(source)).pixels)


def main(work: Callable[[], None]) -> None:
    """Runs a command line; our errors become words and exit code 2, without a traceback."""
    try:
        work()
    except MaskwrightError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
