"""A mrcnn Dataset of anything maskwright reads: VIA, COCO, VOC, mask files, GDXray."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from maskwright.geometry import polygons
from maskwright.images.decode import decode
from maskwright.types import Record, RleMasks
from mrcnn.dataset import Dataset


class RecordsDataset(Dataset):
    """Records of a maskwright dataset as images of a `source`; images upright, as their outlines are."""

    def add_records(self, source: str, names: Iterable[str], records: Iterable[Record]) -> None:
        """Adds classes 1, 2, ... of these names, and the records that are labeled."""
        for number, name in enumerate(names, start=1):
            self.add_class(source, number, name)
        for record in records:
            if record.state in ("labeled", "empty"):
                height, width = record.size
                name = record.image.name
                self.add_image(source, image_id=name, path=str(record.image), height=height, width=width, record=record)

    def load_image(self, image_id: int) -> np.ndarray:
        return np.array(decode(self.image_info[image_id]["path"]).pixels)

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks H×W×n and class ids; where an object has a box only, the ellipse in it."""
        info: dict[str, Any] = self.image_info[image_id]
        record: Record = info["record"]
        instances = record.instances
        if instances is None or not len(instances):
            return np.zeros((*record.size, 0), bool), np.zeros(0, np.int32)
        masks = instances.masks
        if masks is None:
            masks = RleMasks.from_polygons([[_ellipse(*box)] for box in instances.boxes.tolist()], record.size)
        class_ids = np.array([self._class_id(info["source"], instances.names[i]) for i in instances.classes], np.int32)
        if instances.crowd is not None:
            class_ids = np.where(instances.crowd, -class_ids, class_ids)
        return masks.dense().transpose(1, 2, 0), class_ids

    def _class_id(self, source: str, name: str) -> int:
        return next(i for i, info in enumerate(self.class_info) if info["source"] == source and info["name"] == name)

    def image_reference(self, image_id: int) -> Any:
        """The image's path."""
        return self.image_info[image_id]["path"]


def _ellipse(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return polygons.ellipse((x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2)
