"""Splash: the objects in colour on a grey photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from maskwright.errors import MaskwrightError
from maskwright.jobs.data import Say
from maskwright.jobs.predict import Predicted, Prediction, class_rows, look
from maskwright.jobs.results import write_picture
from maskwright.photos.sources import Origin
from maskwright.pictures.splash import side_by_side as beside
from maskwright.pictures.splash import splash as in_colour
from maskwright.prediction.predictor import Predictor, load
from maskwright.progress import Progress, silent
from maskwright.types import Instances


def splash(
    model: str | Path | Predictor,
    sources: Origin | Sequence[Origin],
    *,
    out: str | Path = "splash",
    side_by_side: bool = False,
    invert: bool = False,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    size: int | None = None,
    tile: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    names: Sequence[str] | None = None,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Predicted:
    """Draw every photo grey, its objects in colour; one picture a photo in the folder `out`.

    side_by_side  the photo as it was at the left
    invert        the objects grey, the rest in colour

    >>> maskwright.splash("balloons", "party.jpg").photos[0].files
    (PosixPath('splash/party.jpg'),)
    """
    find = (
        model
        if isinstance(model, Predictor)
        else load(
            model,
            threshold=threshold,
            size=size,
            tile=tile,
            device=device,
            precision=precision,
            names=names,
            progress=progress,
        )
    )
    wanted = class_rows(find.card.classes, classes)
    for line in find.introduction():
        say(line)
    done: list[Prediction] = []
    failed: list[MaskwrightError] = []
    draw = drawing(side_by_side=side_by_side, invert=invert)
    for photo, stem, found in look(find, sources, wanted, failed, progress, Path(out)):
        picture = draw(photo.pixels, found)
        file = write_picture(picture, Path(out) / f"{stem}.jpg")
        done.append(Prediction(photo.name, stem, photo.size, found, (file,)))
    return Predicted(done, failed)


def drawing(*, side_by_side: bool = False, invert: bool = False) -> Callable[[np.ndarray, Instances], np.ndarray]:
    """What makes the picture of a photo (or of a film's frame) and its objects."""

    def draw(pixels: np.ndarray, found: Instances) -> np.ndarray:
        drawn = in_colour(pixels, found, invert)
        return beside(pixels, drawn) if side_by_side else drawn

    return draw
