"""The images of a calibration, and those that its cost is measured on: never the same ones."""

from __future__ import annotations

from dataclasses import replace

from maskwright.curate.split import split
from maskwright.errors import DatasetError
from maskwright.issues import Issue, Kind
from maskwright.progress import Progress, silent
from maskwright.types import Dataset

MAX_IMAGES = 100  # of a calibration: ranges hardly change beyond
FEW_IMAGES = 8
CALIBRATED_ON_FEW = Kind(
    "calibrated_on_few", "warning",
    "int8 was calibrated on {count:image}: its ranges may not cover what other images show ({fix})",
    fix="calibrate on a hundred",
)  # fmt: skip
CLASSES_NOT_MEASURED = Kind(
    "classes_not_measured", "warning", "what int8 costs was not measured for {classes}: the images show none"
)


def divide(data: Dataset, known: tuple[str, ...], progress: Progress = silent) -> tuple[Dataset, Dataset, list[Issue]]:
    """(calibrated on, measured on, issues).

    Where the data name their parts, train calibrates and val or test measures; else each half does one of them, near
    duplicates on one side.

    data   labeled images as the task of the model sees them
    known  the classes of the model

    DatasetError where there are fewer than two images, or none of the model's classes.
    """
    usable = data.usable()
    if len(usable) < 2:
        raise DatasetError(
            "int8 needs images to calibrate on, and others to measure on",
            file=data.name, field="calibrate", expected="at least 2 labeled images, better 100", got=len(usable),
        )  # fmt: skip
    counts = usable.class_counts()
    if not any(counts.get(name) for name in known):
        raise DatasetError(
            "these images show none of the model's classes, so int8 cannot be measured on them",
            file=data.name, field="calibrate", expected=", ".join(known),
            got=", ".join(name for name, count in counts.items() if count) or "nothing",
        )  # fmt: skip
    parts = usable.splits()
    if "train" not in parts or len(parts) < 2:
        parts = split(usable, 0.5, progress=progress).splits()
    train, *others = parts.values()
    step = -(-len(train) // MAX_IMAGES)
    calibrating = replace(train, records=train.records[::step])
    measured = replace(usable, records=tuple(record for part in others for record in part))
    issues = [CALIBRATED_ON_FEW(count=len(calibrating))] if len(calibrating) < FEW_IMAGES else []
    shown = measured.class_counts()
    if absent := [name for name in known if not shown.get(name)]:
        issues.append(CLASSES_NOT_MEASURED(classes=", ".join(absent)))
    return calibrating, measured, issues
