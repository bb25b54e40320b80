"""imgaug: augmenters and parameters act; the rest of it is there, has no effect, and is named once."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from mrcnn.standins import augmenters, parameters
from mrcnn.standins.absent import StandIn


def seed(value: int | None = None) -> None:
    """The draws of all augmenters from here on."""
    np.random.seed(value)


def module(name: str) -> ModuleType:
    """imgaug, or a module below it."""
    below = name.partition(".")[2]
    if below.partition(".")[0] == "augmenters":
        return augmenters.Module(name)
    if below == "parameters":
        return parameters.Module()
    given = {"ALL": parameters.ALL, "seed": seed, "HooksImages": augmenters.HooksImages}
    if not below:
        given |= {"augmenters": module("imgaug.augmenters"), "parameters": module("imgaug.parameters")}
        given["__version__"] = "0.4.0"
    return StandIn(name, given if below in ("", "imgaug") else None)
