"""TaskKind: what a task's name on a card or in a recipe stands for. How a task behaves is in `maskwright.tasks`."""

from __future__ import annotations

from dataclasses import dataclass

from maskwright.errors import UnknownName


@dataclass(frozen=True)
class TaskKind:
    """objects  its models detect objects (Instances); otherwise they classify whole images (ImageLabels)
    masks    the objects have masks
    """

    name: str
    objects: bool
    masks: bool


TASK_KINDS = {
    kind.name: kind
    for kind in (
        TaskKind("segment", objects=True, masks=True),
        TaskKind("detect", objects=True, masks=False),
        TaskKind("classify", objects=False, masks=False),
    )
}


def kind_of(task: str) -> TaskKind:
    """
    >>> kind_of("detect").masks
    False
    """
    if task not in TASK_KINDS:
        raise UnknownName("task", task, TASK_KINDS)
    return TASK_KINDS[task]
