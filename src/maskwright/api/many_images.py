"""Predict over any number of images: results go to files as they come, and a run that was broken off is gone on with.

Images are opened ahead and their pictures written by threads while the network runs; in memory are a few of them, and
the names of those that are done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.api.image_record import LINES, ImageRecord, image_record, reported
from maskwright.api.jobs import model_job
from maskwright.api.json_lines import whole_lines
from maskwright.api.predict import (
    FILES_WRITTEN,
    IMAGE_NOT_READ,
    PICTURES_WRITTEN,
    check_request,
    listed_images,
    to_prediction,
)
from maskwright.api.results import EACH, Prediction, write_each
from maskwright.errors import MaskwrightError, OutputError
from maskwright.images.ahead import in_threads, opened_ahead
from maskwright.images.sources import Origin, Source, free_stem
from maskwright.issues import Log
from maskwright.prediction.loading import load_unless_loaded
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.text import listed
from maskwright.types import Image


@dataclass(frozen=True)
class PredictedMany:
    """What came of many images; their predictions are in the files.

    images   how many were predicted, those of earlier runs that this one went on from among them
    counts   of each class on all of them: objects, or of a classifier images
    failed   the errors of those that could not be read
    files    the tables that were written
    """

    images: int
    counts: dict[str, int]
    failed: list[MaskwrightError]
    files: tuple[Path, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The document of `--json`: as that of `Predicted`, with the images where their lines were kept."""
        lines = next((file for file in self.files if file.name == LINES), None)
        images = {} if lines is None else {"images": [json.loads(line) for line in whole_lines(lines)]}
        return {
            **images,
            "image_count": self.images,
            "counts": self.counts,
            "failed": [error.facts() for error in self.failed],
            "files": [str(file) for file in self.files],
        }

    def __repr__(self) -> str:
        return f"PredictedMany({self.images} images; {listed(self.counts, 'nothing')})"


def predict_many(
    model: str | Path | Predictor[Any],
    sources: Origin | Sequence[Origin],
    *,
    out: str | Path = "predictions",
    save: Sequence[str] = ("jsonl",),
    pictures: bool = False,
    classes: Sequence[str] | None = None,
    resume: bool = False,
    follow_links: bool = False,
    recursive: bool = False,
    on_prediction: Callable[[Prediction], object] | None = None,
    options: InferenceOptions = AS_TRAINED,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> PredictedMany:
    """`predict` for hundreds of thousands of images: nothing is kept in memory, and nothing is lost.

    sources, classes, follow_links, recursive, options, verbose, progress, log  as in `predict`
    save     of jsonl (a line an image), parquet (shards of 10,000 rows), masks, crops
    resume   go on where a run that was broken off had been: no image twice, none left out; images that could not be
             read are tried again. RecipeError where the weights or the settings are others. Where nothing is left of
             one, from the first image
    on_prediction  called with each prediction, in order
    Until the end the lines are in predictions.part.jsonl; one that is there belongs to an image that is done.

    >>> maskwright.predict_many("balloons", "archive/", out="found", resume=True)
    PredictedMany(100000 images; 71208 balloon)
    """
    progress, log = reporting(verbose, progress, log)
    predictor = load_unless_loaded(model, options, progress)
    out = Path(out)
    _check_save(save)
    class_indices = check_request(predictor, save, classes, out)
    images = listed_images(sources, follow_links, recursive, [out], out if pictures else None)
    for issue in predictor.introduction():
        log(issue)
    settings = {"classes": classes, "pictures": pictures, "save": sorted(save), "recursive": recursive}
    job = model_job(predictor, images=named(sources), **settings)
    with image_record(out, job, resume) as record:
        work = _Work(predictor, class_indices, out, save, pictures)
        failed = _all(work, images, record, on_prediction, progress, log)
        written = tuple(record.finish("jsonl" in save, "parquet" in save))
    result = PredictedMany(len(record.done), dict(record.counts), failed, written)
    report_many(result, out if record.written else None, log)
    return result


def report_many(result: PredictedMany, pictures: Path | None, log: Log) -> None:
    for error in result.failed:
        log(IMAGE_NOT_READ(images=[error.parts.get("file", "")], error=error))
    if result.files:
        log(FILES_WRITTEN(files=[str(file) for file in result.files]))
    if pictures is not None:
        log(PICTURES_WRITTEN(folder=str(pictures)))


def named(sources: Origin | Sequence[Origin]) -> str:
    """What the user named, as text; of very much a hash."""
    several = list(sources) if isinstance(sources, list | tuple) else [sources]
    text = ", ".join(str(item) for item in several if isinstance(item, str | Path))
    return text if len(text) < 1000 else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _check_save(save: Sequence[str]) -> None:
    for kind in save:
        if kind not in EACH:
            raise OutputError("this is one document of all images, which many images cannot have",
                              field=f"--save-{kind}", expected=", ".join(EACH), got=kind)  # fmt: skip


@dataclass(frozen=True)
class _Work:
    """What is done with each image."""

    predictor: Predictor[Any]
    class_indices: np.ndarray
    out: Path
    save: Sequence[str]
    pictures: bool

    def predicted(self, source: Source, image: Image, progress: Progress) -> tuple[Image, Prediction]:
        """An opened image and its prediction; `progress` watches the tiles of a large one."""
        _, result = self.predictor.look(image, progress)
        return image, to_prediction(self.predictor, image, source, result, self.class_indices)

    def written(self, predicted: tuple[Image, Prediction]) -> Prediction:
        """The prediction with its files."""
        written = write_each(*predicted, self.out, self.save, self.pictures)
        return replace(predicted[1], files=tuple(written))


def _all(
    work: _Work,
    images: Sequence[Source],
    record: ImageRecord,
    on_prediction: Callable[[Prediction], object] | None,
    progress: Progress,
    log: Log,
) -> list[MaskwrightError]:
    """Predict the images that are not done; the errors of those that cannot be read."""
    todo = [source for source in images if source.name not in record.done]
    failed: list[MaskwrightError] = []

    def predicted() -> Iterator[tuple[Image, Prediction]]:
        for source, image in progress(opened, total=len(todo), label="predicting", unit="images"):
            if isinstance(image, MaskwrightError):
                failed.append(_without_frames(image))
            else:
                yield work.predicted(source, image, progress)

    with (
        reported(record, failed, work.out, log),
        opened_ahead(work.predictor.open, _unwritten(todo, record, work)) as opened,
        in_threads(work.written, predicted()) as written,
    ):
        for _, future in written:
            prediction = future.result()
            record.add(prediction.facts())
            if on_prediction is not None:
                on_prediction(prediction)
    return failed


def _unwritten(sources: Sequence[Source], record: ImageRecord, work: _Work) -> Iterator[Source]:
    """With stems whose pictures are not there yet: an image may have come since, and moved the names of others."""
    for source in sources:
        stem = source.stem
        if record.earlier:
            stem = free_stem(stem, lambda stem: str(work.out / f"{stem}.jpg") in record.written)
        yield replace(source, stem=stem)


def _without_frames(error: MaskwrightError) -> MaskwrightError:
    """The error alone: by its traceback it would hold the bytes of the image."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
