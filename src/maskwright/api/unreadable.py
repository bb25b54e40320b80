"""Images that cannot be read: put aside by name, so that one of many stops nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from maskwright.curate.duplicates import unread
from maskwright.errors import ImageError
from maskwright.images.decode import decode
from maskwright.issues import Issue, Kind
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress, silent
from maskwright.types import Dataset, Image, Record

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


class Opened:
    """The images of a dataset, opened for a model one by one; what cannot be read is passed over.

    data    the records that were read, once all were gone through; broken  the errors of the others
    """

    def __init__(self, find: Predictor, data: Dataset) -> None:
        self._find, self._whole = find, data
        self._kept: list[Record] = []
        self.broken: list[ImageError] = []

    def __iter__(self) -> Iterator[Image]:
        for record in self._whole:
            try:
                image = self._find.open(record.image)
            except ImageError as error:
                self.broken.append(error)
                continue
            self._kept.append(record)
            yield image
        if self.broken and not self._kept:
            raise self.broken[0]

    @property
    def data(self) -> Dataset:
        kept = {id(record) for record in self._kept}
        return self._whole.where(lambda record: id(record) in kept)

    @property
    def issues(self) -> tuple[Issue, ...]:
        return (left_out(self.broken),) if self.broken else ()
