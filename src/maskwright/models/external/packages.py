"""Loading torchvision or timm, which may be missing or not fit this torch."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import torch

from maskwright.errors import MissingExtra


def load_package(package: str) -> ModuleType | Any:
    """torchvision or timm; one error where it is missing or does not load."""
    try:
        return importlib.import_module(package)
    except Exception as error:  # beside another build of torch it may fail in any way
        raise MissingExtra(
            f"{package} does not load beside torch {torch.__version__}",
            got=f"{type(error).__name__}: {error}",
            fix=f"install the {package} that belongs to this torch, or take one of our own networks: --model small",
        ) from error
