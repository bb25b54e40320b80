"""Keras: callbacks, the backend's settings, and reading of images."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from maskwright.errors import WeightsError
from mrcnn.standins import callbacks
from mrcnn.standins.absent import StandIn

VERSION = "2.2.4"


def nothing(*args: Any, **kwargs: Any) -> None:
    """For calls that change nothing here, and need no word: freeing a session that never was."""


def get_value(x: Any) -> Any:
    return x.numpy() if hasattr(x, "numpy") else x


def set_value(x: Any, value: Any) -> None:
    x.assign(value)


def load_img(path: Any, grayscale: bool = False, color_mode: str = "rgb", target_size: Any = None, **_: Any) -> Any:
    """A PIL image, as Keras gives it."""
    from PIL import Image

    gray = grayscale or color_mode == "grayscale"
    with Image.open(path) as opened:
        image = opened.convert("L" if gray else color_mode.upper())
    return image.resize((target_size[1], target_size[0]), Image.Resampling.NEAREST) if target_size else image


def img_to_array(img: Any, data_format: Any = None, dtype: Any = "float32") -> np.ndarray:
    """H×W×C."""
    array = np.asarray(img, dtype=dtype)
    return array[..., None] if array.ndim == 2 else array


def array_to_img(x: Any, data_format: Any = None, scale: bool = True, **_: Any) -> Any:
    from PIL import Image

    x = np.asarray(x, np.float32)
    if scale:
        x = (x - x.min()) * (255 / max(float(x.max() - x.min()), 1e-9))
    return Image.fromarray(x.astype(np.uint8).squeeze())


def load_model(filepath: Any, *args: Any, **kwargs: Any) -> Any:
    raise WeightsError(
        "a whole Keras model cannot be loaded here",
        file=filepath,
        fix="MaskRCNN(mode, config, model_dir).load_weights(...) reads the weights of a Mask R-CNN from it",
    )


def module(name: str) -> ModuleType:
    """keras, or a module below it."""
    given: dict[str, Any] = {}
    below = name.partition(".")[2]
    if below == "":
        given = {part: module(f"keras.{part}") for part in ("backend", "callbacks", "models", "preprocessing", "utils")}
        given["__version__"] = VERSION
    elif below == "preprocessing":  # `from keras.preprocessing import image` asks for an attribute first
        given = {"image": module("keras.preprocessing.image")}
    elif below == "callbacks":
        given = {key: value for key, value in vars(callbacks).items() if isinstance(value, type) and key[0] != "_"}
    elif below in ("backend", "backend.tensorflow_backend"):
        quiet = (
            "clear_session",
            "set_session",
            "set_learning_phase",
            "set_image_data_format",
            "set_image_dim_ordering",
        )
        given = {**dict.fromkeys(quiet, nothing), "get_value": get_value, "set_value": set_value}
        given["image_data_format"] = lambda: "channels_last"
    elif below in ("preprocessing.image", "utils"):
        given = {"load_img": load_img, "img_to_array": img_to_array, "array_to_img": array_to_img}
    elif below == "models":
        given = {"load_model": load_model}
    return StandIn(name, given)
