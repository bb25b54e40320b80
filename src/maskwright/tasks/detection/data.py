"""Annotated images as segmentation and detection see them."""

from __future__ import annotations

from dataclasses import replace

from maskwright.errors import DatasetError
from maskwright.types import Dataset, Record
from maskwright.types.task_kind import TaskKind


def prepare(data: Dataset, kind: TaskKind) -> Dataset:
    """Objects with outlines for segmentation; boxes alone for detection."""
    if any(record.labels is not None for record in data):
        raise DatasetError(
            "these images carry a class each, and no objects",
            file=data.name,
            expected="outlines or boxes",
            got=data.format,
            fix="--task classify, or draw outlines, for example in VIA",
        )
    if kind.masks:
        if not data.has_masks and data.instance_count:
            raise DatasetError(
                "these objects have boxes and no outlines",
                file=data.name,
                expected="outlines, for --task segment",
                got=data.format,
                fix="train a box detector with --task detect, or draw outlines",
            )
        return data
    return replace(data, records=tuple(map(_boxes_only, data)))


def _boxes_only(record: Record) -> Record:
    return record if record.instances is None else replace(record, instances=replace(record.instances, masks=None))


def check_outlines(train: Dataset, file: str) -> None:
    if not train.has_masks and train.instance_count:
        raise DatasetError(
            "no training image has outlines to learn masks from",
            file=file,
            expected="outlines, for --task segment",
            got=f"{len(train)} training images with boxes only",
            fix="draw outlines on some of them, or train a box detector with --task detect",
        )


def with_outlines(data: Dataset) -> Dataset:
    """The images on which masks can be evaluated: their objects have outlines, or there are none."""
    return data.where(
        lambda record: record.instances is None or not len(record.instances) or record.instances.masks is not None
    )
