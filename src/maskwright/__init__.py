"""Train, check, evaluate and run instance segmentation on a small set of your own annotated photos.

Every public name stands in the table below and is loaded when it is first used, so `import maskwright` costs
nothing: no torch, no numpy, no device chosen, no thread started.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_PUBLIC = {  # name -> where it lives
    "Dataset": "maskwright.types",
    "Instances": "maskwright.types",
    "MaskwrightError": "maskwright.errors",
    "Photo": "maskwright.types",
    "RleMasks": "maskwright.types",
    "demo": "maskwright.jobs.demo",
    "evaluate": "maskwright.jobs.evaluate",
    "film": "maskwright.jobs.film",
    "folds": "maskwright.jobs.folds",
    "load": "maskwright.prediction.predictor",
    "load_ipython_extension": "maskwright.notebook",
    "predict": "maskwright.jobs.predict",
    "read": "maskwright.formats.catalogue",
    "splash": "maskwright.jobs.splash",
    "train": "maskwright.jobs.train",
}

if TYPE_CHECKING:
    from maskwright.errors import MaskwrightError as MaskwrightError
    from maskwright.formats.catalogue import read as read
    from maskwright.jobs.demo import demo as demo
    from maskwright.jobs.evaluate import evaluate as evaluate
    from maskwright.jobs.film import film as film
    from maskwright.jobs.folds import folds as folds
    from maskwright.jobs.predict import predict as predict
    from maskwright.jobs.splash import splash as splash
    from maskwright.jobs.train import train as train
    from maskwright.notebook import load_ipython_extension as load_ipython_extension
    from maskwright.prediction.predictor import load as load
    from maskwright.types import Dataset as Dataset
    from maskwright.types import Instances as Instances
    from maskwright.types import Photo as Photo
    from maskwright.types import RleMasks as RleMasks


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*_PUBLIC, "__version__"])
