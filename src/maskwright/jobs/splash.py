"""Splash: the objects in colour on a grey photo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from maskwright.errors import MaskwrightError
from maskwright.jobs.data import Say
from maskwright.jobs.predict import Predicted, Prediction, class_rows, look
from maskwright.jobs.results import write_picture
from maskwright.photos.sources import Origin
from maskwright.pictures import splash as drawing
from maskwright.prediction.predictor import Predictor, load
from maskwright.progress import Progress, silent


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
        else load(model, threshold=threshold, size=size, device=device, precision=precision, names=names)
    )
    wanted = class_rows(find.card.classes, classes)
    for each in find.thresholds:
        say(str(each))
    done: list[Prediction] = []
    failed: list[MaskwrightError] = []
    for photo, stem, found in look(find, sources, wanted, failed, progress, Path(out)):
        drawn = drawing.splash(photo, found, invert)
        if side_by_side:
            drawn = drawing.side_by_side(photo.pixels, drawn)
        done.append(Prediction(photo.name, stem, photo.size, found, (write_picture(drawn, Path(out) / f"{stem}.jpg"),)))
    return Predicted(done, failed)
