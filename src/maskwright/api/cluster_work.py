"""What the workers of a cluster do for `--ray`: predict, evaluate, and look at the images of a check.

Each loads the model once and goes through the code that a single machine goes through: `opened_ahead`,
`Predictor.batches`, `write_each`. A piece of work is a handful of images, so that little is in memory, and little is
done again where a worker is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.api.jobs import Job, model_job
from maskwright.api.json_lines import encoded
from maskwright.api.predict import class_indices_of, to_prediction
from maskwright.api.results import write_each
from maskwright.cluster.cluster import Cluster
from maskwright.curate.duplicates import ThumbnailsOf, thumbnails_of
from maskwright.errors import ClusterError, ImageError, MaskwrightError
from maskwright.images.ahead import opened_ahead
from maskwright.images.sources import Source
from maskwright.issues import Log
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress, silent
from maskwright.tasks.base import Predicting
from maskwright.tasks.images import PredictedImages
from maskwright.types import Dataset, Image


# --- with a model -------------------------------------------------------------------------------------------------
@dataclass
class Model:
    """A model that a worker loads. job  what the program that gives out the work has loaded (see api.jobs)"""

    name: str
    options: InferenceOptions
    job: Job
    predictor: Predictor[Any] | None = None

    @classmethod
    def like(cls, predictor: Predictor[Any], options: InferenceOptions) -> Model:
        """The same as a predictor that was loaded from files with these options."""
        tile = getattr(predictor, "tile", None)
        options = replace(options, threshold=predictor.asked, size=predictor.size, tile=tile)
        return cls(str(Path(predictor.path or "").absolute()), options, model_job(predictor))

    def load(self) -> Predictor[Any]:
        """The predictor; ClusterError where another one comes of it on this node."""
        self.predictor = load(self.name, self.options, progress=silent)
        for field_name, value in model_job(self.predictor).items():
            if value != self.job[field_name]:
                raise ClusterError(
                    "a node of the cluster would predict with something else",
                    file=self.name,
                    field=field_name,
                    expected=self.job[field_name],
                    got=value,
                    fix="the same files and packages on every node; --engine and --precision say what all of them use",
                )
        return self.predictor

    def predictions(
        self, sources: Sequence[Source], failed: list[MaskwrightError]
    ) -> Iterator[tuple[Source, Image, Any]]:
        """Each source with its image and its result; the errors of those that cannot be read go to `failed`."""
        assert self.predictor is not None
        read: deque[Source] = deque()

        def images() -> Iterator[Image]:
            for source, image in opened:
                if isinstance(image, MaskwrightError):
                    failed.append(image)
                else:
                    read.append(source)
                    yield image

        with opened_ahead(self.predictor.open, sources, workers=1) as opened:
            for image, result in self.predictor.batches(images()):
                yield read.popleft(), image, result


@dataclass
class PredictImages:
    """Lines of JSON of images, and the files that were asked for."""

    model: Model
    classes: Sequence[str] | None
    out: Path
    save: Sequence[str]
    pictures: bool

    def prepare(self) -> None:
        predictor = self.model.load()
        self._class_indices = class_indices_of(predictor, self.classes)

    def do(self, sources: list[Source]) -> tuple[list[bytes], list[MaskwrightError]]:
        """The lines, and the errors of images that cannot be read."""
        lines, failed = [], []
        for source, image, result in self.model.predictions(sources, failed):
            assert self.model.predictor is not None
            prediction = to_prediction(self.model.predictor, image, source, result, self._class_indices)
            written = write_each(image, prediction, self.out, self.save, self.pictures)
            lines.append(encoded(replace(prediction, files=tuple(written)).facts()))
        return lines, failed


@dataclass
class EvaluateImages:
    """The results of annotated images, for metrics."""

    model: Model

    def prepare(self) -> None:
        self.model.load()

    def do(self, sources: list[Source]) -> list[Any]:
        """The result of each image, or the ImageError of one that cannot be read."""
        failed: list[MaskwrightError] = []
        results = {id(source): result for source, _, result in self.model.predictions(sources, failed)}
        for error in failed:
            if not isinstance(error, ImageError):
                raise error
        errors = iter(failed)
        return [results[id(source)] if id(source) in results else next(errors) for source in sources]


def predicted_on(cluster: Cluster, options: InferenceOptions, log: Log) -> Predicting:
    """What an evaluation predicts by in place of this process."""

    def predicted(predictor: Predictor[Any], data: Dataset, progress: Progress) -> PredictedImages:
        sources = [Source(str(record.image), record.image.stem, record.image.absolute()) for record in data]
        work = EvaluateImages(Model.like(predictor, options))
        results = cluster.in_order(work, sources, log, progress, "predicting")
        return PredictedImages.of(data, results)

    return predicted


# --- without one --------------------------------------------------------------------------------------------------
@dataclass
class Thumbnails:
    """The small gray images by which a check finds duplicates."""

    def prepare(self) -> None:
        pass

    def do(self, paths: list[Path]) -> list[np.ndarray | None]:
        return thumbnails_of(paths)


def thumbnails_on(cluster: Cluster, log: Log) -> ThumbnailsOf:
    """What a check makes thumbnails by in place of this process."""

    def thumbnails(paths: Sequence[Path], progress: Progress) -> list[np.ndarray | None]:
        absolute = [path.absolute() for path in paths]
        return cluster.in_order(Thumbnails(), absolute, log, progress, "comparing images")

    return thumbnails
