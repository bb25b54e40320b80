"""Train, check, evaluate and run instance segmentation on a small set of your own annotated images.

Every public name stands in the table below and is loaded when it is first used, so `import maskwright` costs
nothing: no torch, no numpy, no device chosen, no thread started.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_PUBLIC = {  # name -> where it lives
    "Dataset": "maskwright.types",
    "InferenceOptions": "maskwright.prediction.options",
    "Instances": "maskwright.types",
    "MaskwrightError": "maskwright.errors",
    "Image": "maskwright.types",
    "RleMasks": "maskwright.types",
    "demo": "maskwright.api.demo",
    "evaluate": "maskwright.api.evaluate",
    "predict_video": "maskwright.api.video",
    "cross_validate": "maskwright.api.cross_validate",
    "load": "maskwright.prediction.predictor",
    "load_ipython_extension": "maskwright.notebook",
    "predict": "maskwright.api.predict",
    "read": "maskwright.formats.registry",
    "splash": "maskwright.api.splash",
    "train": "maskwright.api.train",
}

if TYPE_CHECKING:
    from maskwright.api.cross_validate import cross_validate as cross_validate
    from maskwright.api.demo import demo as demo
    from maskwright.api.evaluate import evaluate as evaluate
    from maskwright.api.predict import predict as predict
    from maskwright.api.splash import splash as splash
    from maskwright.api.train import train as train
    from maskwright.api.video import predict_video as predict_video
    from maskwright.errors import MaskwrightError as MaskwrightError
    from maskwright.formats.registry import read as read
    from maskwright.notebook import load_ipython_extension as load_ipython_extension
    from maskwright.prediction.options import InferenceOptions as InferenceOptions
    from maskwright.prediction.predictor import load as load
    from maskwright.types import Dataset as Dataset
    from maskwright.types import Image as Image
    from maskwright.types import Instances as Instances
    from maskwright.types import RleMasks as RleMasks


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*_PUBLIC, "__version__"])
