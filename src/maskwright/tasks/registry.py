"""The registry of tasks, by the name that a recipe or a card has."""

from __future__ import annotations

import importlib
from typing import Any

from maskwright.errors import UnknownName
from maskwright.tasks.base import Task

TASKS = {  # name -> where it lives
    "classify": "maskwright.tasks.classification.task:CLASSIFY",
    "detect": "maskwright.tasks.detection.task:DETECT",
    "segment": "maskwright.tasks.detection.task:SEGMENT",
}


def find_task(name: str) -> Task[Any, Any]:
    """
    >>> find_task("segment").metrics
    ('box_AP', 'box_AP50', 'mask_AP', 'mask_AP50')
    """
    if name not in TASKS:
        raise UnknownName("task", name, TASKS)
    module, attribute = TASKS[name].split(":")
    return getattr(importlib.import_module(module), attribute)
