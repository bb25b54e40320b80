"""TensorFlow: its version, questions about devices, settings of sessions."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from mrcnn.standins import keras
from mrcnn.standins.absent import StandIn, say_once

VERSION = "1.14.0"


def identity(x: Any, name: Any = None) -> Any:
    return x


@contextlib.contextmanager
def device(name: Any = None) -> Iterator[None]:
    say_once(f"tensorflow.device({name!r}) has no effect here: maskwright chooses the device")
    yield


def none_there(*args: Any, **kwargs: Any) -> list[Any]:
    """No devices of TensorFlow's."""
    return []


def no(*args: Any, **kwargs: Any) -> bool:
    return False


def module(name: str) -> ModuleType:
    """tensorflow, or a module below it; tensorflow.compat.v1 is tensorflow again, tensorflow.keras is keras."""
    below = name.partition(".")[2]
    if below == "keras" or below.startswith(("keras.", "python.keras")):
        return keras.module(below.removeprefix("python."))
    given: dict[str, Any] = {}
    if below in ("", "compat.v1"):
        quiet = ("disable_v2_behavior", "enable_eager_execution", "disable_eager_execution", "set_random_seed")
        given = {
            "__version__": VERSION,
            "identity": identity,
            "is_tensor": no,  # matplotlib asks wherever a tensorflow is imported
            "device": device,
            "get_logger": lambda: logging.getLogger("tensorflow"),
            **dict.fromkeys((*quiet, "reset_default_graph"), keras.nothing),
            "logging": _logging(),
            "config": module("tensorflow.config"),
            "test": module("tensorflow.test"),
            "keras": keras.module("keras"),
        }
        if not below:
            given["compat"] = StandIn("tensorflow.compat", {"v1": module("tensorflow.compat.v1")})
    elif below in ("config", "config.experimental"):
        names = ("list_physical_devices", "list_logical_devices", "get_visible_devices")
        given = {**dict.fromkeys(names, none_there), "set_memory_growth": keras.nothing}
        if below == "config":
            given["experimental"] = module("tensorflow.config.experimental")
    elif below == "test":
        given = {"is_gpu_available": no, "is_built_with_cuda": no, "gpu_device_name": lambda: ""}
    elif below == "python.client":  # `from tensorflow.python.client import device_lib` asks for an attribute first
        given = {"device_lib": module("tensorflow.python.client.device_lib")}
    elif below == "python.client.device_lib":
        given = {"list_local_devices": none_there}
    return StandIn(name, given)


def _logging() -> ModuleType:
    levels = {"DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}
    logger = logging.getLogger("tensorflow")
    return StandIn("tensorflow.logging", {**levels, "set_verbosity": logger.setLevel, "info": logger.info})
