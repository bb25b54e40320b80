"""Images that cannot be read: put aside by name, so that one of many stops nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from maskwright.curate.duplicates import unread
from maskwright.errors import ImageError
from maskwright.images.decode import decode
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress, silent
from maskwright.types import Dataset, Image, Record

SHOWN = 5  # names in a sentence; the others are counted


def sentence(errors: Sequence[ImageError]) -> str:
    """One sentence that names them.

    >>> sentence([ImageError("this image is damaged or incomplete", file="a.jpg")])
    '1 image cannot be read and is left out: a.jpg (this image is damaged or incomplete)'
    """
    what = "1 image cannot be read and is" if len(errors) == 1 else f"{len(errors)} images cannot be read and are"
    named = [f"{Path(error.parts.get('file', '')).name} ({error.headline})" for error in errors[:SHOWN]]
    return f"{what} left out: {', '.join(named)}{', ...' if len(errors) > SHOWN else ''}"


def readable(data: Dataset, suspects: Sequence[Path] | None, progress: Progress = silent) -> tuple[Dataset, str | None]:
    """The data without the images that cannot be read, and a sentence that names these; ImageError where none can.

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
    return kept, sentence(list(broken.values()))


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
    def warnings(self) -> tuple[str, ...]:
        return (sentence(self.broken),) if self.broken else ()
