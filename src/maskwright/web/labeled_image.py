"""An image while it is labeled: its record, its version, its objects, and the same objects under other classes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from maskwright.curate import relabel
from maskwright.types import Instances, Record
from maskwright.web import label_objects
from maskwright.web.label_objects import Drawn


@dataclass(eq=False)
class LabeledImage:
    """objects None: as the record has them, not looked at yet."""

    record: Record
    version: int = 0
    changed: int = 0  # number of the change that was the last
    objects: list[Drawn] | None = None

    def drawn(self) -> list[Drawn]:
        if self.objects is None:
            self.objects = label_objects.of_instances(self.record.instances)
        return self.objects

    def summary(self) -> dict[str, Any]:
        instances = self.record.instances
        return {"state": self.record.state, "version": self.version,
                "objects": 0 if instances is None else len(instances)}  # fmt: skip

    def keys(self) -> list[str]:
        """Of its objects; without looking at them, which takes a while."""
        if self.objects is not None:
            return [item.key for item in self.objects]
        return [label_objects.key_of(row) for row in range(len(self.record.instances or ()))]

    def named(self, names: tuple[str, ...]) -> Record:
        """Its record with all class names; new ones come last, so that numbers stay."""
        instances = self.record.instances
        return self.record if instances is None else replace(self.record, instances=replace(instances, names=names))

    def relabel(self, index: np.ndarray, names: tuple[str, ...], rows: Collection[int] = (), label: str = "") -> None:
        """Other classes: `index` has for each class of the record its number among `names`, -1 where it is gone.

        rows  of these objects the class is `label`
        """
        record = relabel.moved(self.record, index, names)
        instances = record.instances
        if rows and instances is not None:
            classes = instances.classes.copy()
            classes[[row for row in rows if row < len(classes)]] = names.index(label)
            instances = replace(instances, classes=classes)
        self.record = replace(record, instances=instances)
        if self.objects:
            assert isinstance(instances, Instances)
            self.objects = [item if item.label == name else replace(item, label=name)
                            for item, name in zip(self.objects, instances.labels, strict=True)]  # fmt: skip
