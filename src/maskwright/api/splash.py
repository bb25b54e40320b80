"""Splash: the objects in color on a gray image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from maskwright.api.data import Say
from maskwright.api.predict import Predicted, Prediction, class_rows, look
from maskwright.api.results import write_picture
from maskwright.drawing.splash import side_by_side as beside
from maskwright.drawing.splash import splash as in_color
from maskwright.errors import MaskwrightError
from maskwright.images.sources import Origin
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor, load_unless_loaded
from maskwright.progress import Progress, silent
from maskwright.types import Instances


def splash(
    model: str | Path | Predictor,
    sources: Origin | Sequence[Origin],
    *,
    out: str | Path = "splash",
    side_by_side: bool = False,
    invert: bool = False,
    classes: Sequence[str] | None = None,
    follow_links: bool = False,
    options: InferenceOptions = AS_TRAINED,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Predicted:
    """Draw every image gray, its objects in color; one picture an image in the folder `out`.

    side_by_side  the image as it was at the left
    invert        the objects gray, the rest in color

    >>> maskwright.splash("balloons", "party.jpg").images[0].files
    (PosixPath('splash/party.jpg'),)
    """
    find = load_unless_loaded(model, options, progress)
    expected = class_rows(find.card.classes, classes)
    for line in find.introduction():
        say(line)
    done: list[Prediction] = []
    failed: list[MaskwrightError] = []
    draw = drawing(side_by_side=side_by_side, invert=invert)
    for image, stem, detections in look(find, sources, expected, failed, progress, Path(out), follow_links):
        picture = draw(image.pixels, detections)
        file = write_picture(picture, Path(out) / f"{stem}.jpg")
        done.append(Prediction(image.name, stem, image.size, detections, (file,)))
    return Predicted(done, failed)


def drawing(*, side_by_side: bool = False, invert: bool = False) -> Callable[[np.ndarray, Instances], np.ndarray]:
    """What makes the picture of an image (or of a video's frame) and its objects."""

    def draw(pixels: np.ndarray, detections: Instances) -> np.ndarray:
        drawn = in_color(pixels, detections, invert)
        return beside(pixels, drawn) if side_by_side else drawn

    return draw
