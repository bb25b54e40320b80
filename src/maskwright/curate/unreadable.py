"""Images that cannot be read: put aside by name, so that one of many stops nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskwright.curate.duplicates import unread
from maskwright.errors import ImageError
from maskwright.images.decode import decode
from maskwright.issues import Issue, Kind
from maskwright.progress import Progress, silent
from maskwright.types import Dataset

IMAGES_LEFT_OUT = Kind(
    "images_left_out", "warning", "{count} image cannot be read and is left out: {reasons:5}",
    "{count} images cannot be read and are left out: {reasons:5}", fix="copy them again, or take them out",
)  # fmt: skip


def left_out(errors: Sequence[ImageError]) -> Issue:
    """These images are left out.

    >>> print(left_out([ImageError("this image is damaged or incomplete", file="a.jpg")]))
    1 image cannot be read and is left out: a.jpg (this image is damaged or incomplete)
    """
    files = [Path(error.parts.get("file", "")) for error in errors]
    reasons = [f"{file.name} ({error.headline})" for file, error in zip(files, errors, strict=True)]
    return IMAGES_LEFT_OUT(images=files, count=len(errors), reasons=reasons)


def readable(
    data: Dataset, suspects: Sequence[Path] | None, progress: Progress = silent
) -> tuple[Dataset, Issue | None]:
    """The data without the images that cannot be read, and an issue that names these; ImageError where none can.

    What is not there at all stays: who opens it says so.

    suspects  those that a quicker look could not open; None: that look is still to be taken
    """
    if suspects is None:
        suspects = unread([record.image for record in data], progress)
    broken: dict[Path, ImageError] = {}
    for path in suspects:
        try:
            if path.is_file():
                decode(path)
        except ImageError as error:
            broken[path] = error
    if not broken:
        return data, None
    kept = data.where(lambda record: record.image not in broken)
    if not len(kept):
        raise next(iter(broken.values()))
    return kept, left_out(list(broken.values()))
