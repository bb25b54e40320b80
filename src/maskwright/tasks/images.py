"""Annotated images as evaluation sees them: opened one by one for a model, named and grouped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from maskwright.curate.unreadable import left_out
from maskwright.errors import ImageError
from maskwright.issues import Issue
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.types import Dataset, Image, Record


class OpenedImages:
    """The images of a dataset, opened for a model one by one; what cannot be read is left out.

    data    the records that were read, once all were gone through
    errors  those of the others
    """

    def __init__(self, predictor: Predictor[Any], data: Dataset) -> None:
        self._predictor, self._all = predictor, data
        self._read: list[Record] = []
        self.errors: list[ImageError] = []

    def __iter__(self) -> Iterator[Image]:
        for record in self._all:
            try:
                image = self._predictor.open(record.image)
            except ImageError as error:
                self.errors.append(error)
                continue
            self._read.append(record)
            yield image
        if self.errors and not self._read:
            raise self.errors[0]

    @property
    def data(self) -> Dataset:
        read = {id(record) for record in self._read}
        return self._all.where(lambda record: id(record) in read)

    @property
    def issues(self) -> tuple[Issue, ...]:
        return (left_out(self.errors),) if self.errors else ()


@dataclass(frozen=True)
class PredictedImages:
    """data  the records whose images could be read;  results  one each;  issues  about the others"""

    data: Dataset
    results: list[Any]
    issues: tuple[Issue, ...]

    @classmethod
    def of(cls, data: Dataset, results: Sequence[Any]) -> PredictedImages:
        """results  of each record: the result, or the ImageError of one that cannot be read"""
        errors = [result for result in results if isinstance(result, ImageError)]
        if errors and len(errors) == len(results):
            raise errors[0]
        unread = {id(record) for record, item in zip(data, results, strict=True) if isinstance(item, ImageError)}
        read = data.where(lambda record: id(record) not in unread)
        good = [result for result in results if not isinstance(result, ImageError)]
        return cls(read, good, (left_out(errors),) if errors else ())


def predicted_images(predictor: Predictor[Any], data: Dataset, progress: Progress) -> PredictedImages:
    """The results of annotated images, in this process."""
    opened = OpenedImages(predictor, data)
    images = progress(opened, total=len(data), label="predicting", unit="images")
    batch = 4 if predictor.kind.objects else 8
    results = [result for _, result in predictor.batches(images, batch, progress)]
    return PredictedImages(opened.data, results, opened.issues)


def image_names(data: Dataset) -> list[str]:
    """Each image's own name; with its whole path where names alone do not tell them apart."""
    names = [record.image.name for record in data]
    return names if len(set(names)) == len(names) else [record.image.as_posix() for record in data]


def image_groups(data: Dataset) -> list[str]:
    """Images of one group, such as a series, count together in intervals; any other image stands alone."""
    return [record.group or str(record.image) for record in data]
