"""Splash: the objects in color on a gray image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskwright.api.predict import (
    Predicted,
    Prediction,
    class_indices_of,
    made_behind,
    of_classes,
    outside,
    refuse_own_folder,
    report,
    results_of,
)
from maskwright.drawing.pictures import write_picture
from maskwright.drawing.splash import side_by_side as beside
from maskwright.drawing.splash import splash as in_color
from maskwright.errors import MaskwrightError
from maskwright.images.sources import Origin, Source, expand
from maskwright.issues import Log
from maskwright.prediction.detector import require_detector
from maskwright.prediction.loading import load_unless_loaded
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.types import Image, Instances


def splash(
    model: str | Path | Predictor,
    sources: Origin | Sequence[Origin],
    *,
    out: str | Path = "splash",
    side_by_side: bool = False,
    invert: bool = False,
    classes: Sequence[str] | None = None,
    follow_links: bool = False,
    recursive: bool = False,
    options: InferenceOptions = AS_TRAINED,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Predicted:
    """Draw every image gray, its objects in color; one picture an image in the folder `out`.

    side_by_side  the image as it was at the left
    invert        the objects gray, the rest in color
    recursive     also the images of folders in a folder; their pictures keep these folders
    verbose       True prints progress and issues; None: in a notebook. progress, log: reporting of your own

    >>> maskwright.splash("balloons", "party.jpg").images[0].files
    (PosixPath('splash/party.jpg'),)
    """
    progress, log = reporting(verbose, progress, log)
    predictor = require_detector(load_unless_loaded(model, options, progress))
    class_indices = class_indices_of(predictor, classes)
    images = expand(sources, follow_links, recursive)
    if recursive:
        images = outside(images, [Path(out)])
    refuse_own_folder(images, Path(out))
    for issue in predictor.introduction():
        log(issue)
    done: list[Prediction] = []
    failed: list[MaskwrightError] = []
    draw = Splash(side_by_side=side_by_side, invert=invert)

    def made(image: Image, source: Source, instances: Instances) -> Prediction:
        detections = of_classes(instances, class_indices)
        file = write_picture(draw(image.pixels, detections), Path(out) / f"{source.stem}.jpg")
        return Prediction(image.name, source.stem, image.size, detections, (file,))

    done.extend(prediction for _, prediction in made_behind(made, results_of(predictor, images, failed, progress)))
    predicted = Predicted(done, failed)
    report(predicted, out, log)
    return predicted


@dataclass(frozen=True)
class Splash:
    """Makes the picture of an image (or of a video's frame) and its objects; settings as in `splash`."""

    side_by_side: bool = False
    invert: bool = False

    def __call__(self, pixels: np.ndarray, detections: Instances) -> np.ndarray:
        drawn = in_color(pixels, detections, self.invert)
        return beside(pixels, drawn) if self.side_by_side else drawn
