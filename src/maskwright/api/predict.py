"""Predict: images in, their objects out, as pictures, JSON, CSV, COCO results, masks and crops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.api import screening_page
from maskwright.api.data import Say
from maskwright.api.results import SAVED, WHOLE, Predicted, Prediction, write_all, write_each
from maskwright.api.sorting import Sorter
from maskwright.errors import MaskwrightError, OutputError, RecipeError, UnknownName, WeightsError
from maskwright.images.sources import Origin, Source, expand
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Classifier, Predictor, load, load_unless_loaded
from maskwright.prediction.screening import Screened, Screening
from maskwright.progress import Progress, silent
from maskwright.types import Image, ImageLabels, Instances


def predict(
    model: str | Path | Predictor | Screening,
    sources: Origin | Sequence[Origin],
    *,
    out: str | Path | None = None,
    classes: Sequence[str] | None = None,
    save: Sequence[str] = (),
    pictures: bool = True,
    sort_into: str | Path | None = None,
    move: bool = False,
    follow_links: bool = False,
    options: InferenceOptions = AS_TRAINED,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Predicted:
    """Find the objects of every image; or say what it shows, where the model is a classifier.

    model      a Screening asks a classifier first, and the detector only where that says so (see load_screening)
    sources    files, folders, patterns, addresses, arrays: whatever images.sources.expand takes
    out        a folder for the drawn pictures and everything in `save`; nothing is written without it
    save       of json, jsonl (a line an image), csv, coco (results list), masks (one PNG an object), crops
               (one cut-out with alpha an object); of a classifier's predictions json, jsonl and csv
    sort_into  a folder that gets a copy of every image, in a folder called by its prediction; `move`: the image itself
    follow_links  open links that lead out of a folder among the sources, too
    An image that cannot be read is put into `failed`; the others go on.

    >>> maskwright.predict("balloons", "party.jpg").images[0].instances.counts()
    {'balloon': 7}
    """
    find = load_unless_loaded(model, options, progress)
    expected = checked(find, save, classes, out)
    sorter = None if sort_into is None else Sorter(sort_into, move)
    several = expand(sources, follow_links)
    if out is not None and pictures and not isinstance(find, Classifier):
        refuse_own_folder(several, Path(out))
    if sorter is not None:
        sorter.check(several)
    for line in find.introduction():
        say(line)
    page = screening_page.Page() if isinstance(find, Screening) and out is not None else None
    done, failed = [], []
    for image, stem, said in _looked_at(find, several, failed, progress, sorter):
        made = prediction(find, image, stem, said, expected)
        if out is not None:
            made = replace(made, files=tuple(write_each(image, made, Path(out), save, pictures)))
        if sorter is not None:
            made = replace(made, sorted=sorter.sort(Path(image.name), made.called))
        done.append(made)
        if page is not None:
            page.add(image, made)
    together = [] if out is None else list(write_all(done, Path(out), save))
    if page is not None and out is not None:
        together.append(page.write(Path(out), find, failed))  # type: ignore[arg-type] - a page is for a Screening
    return Predicted(done, failed, tuple(together))


def load_screening(
    screen: str | Path,
    then: str | Path,
    *,
    name: str | None = None,
    screen_threshold: float | None = None,
    options: InferenceOptions = AS_TRAINED,
    progress: Progress = silent,
) -> Screening:
    """Two models for `predict`: a classifier, and a detector for what it picks out.

    name       the class that is picked out (see prediction.screening); screen_threshold  from which score on
    options    the detector's; device and precision are the classifier's too

    >>> done = predict(load_screening("runs/rust", "runs/rust-boxes"), "bridge/", out="detections")
    >>> len(done.images), done.spared
    (120, 97)
    """
    where = InferenceOptions(device=options.device, precision=options.precision)
    first = load(screen, where, progress=progress)
    return Screening(first, load(then, options, progress=progress), name, screen_threshold)


def checked(
    find: Predictor | Screening, save: Sequence[str], classes: Sequence[str] | None, out: str | Path | None
) -> np.ndarray:
    """The rows of the wanted classes; what this model cannot give is refused before anything is looked at."""
    for kind in save:
        if kind not in SAVED:
            raise UnknownName("kind of result", kind, SAVED)
        if isinstance(find, Classifier) and kind not in WHOLE:
            raise OutputError(
                "this model says what a whole image shows, and finds no objects",
                field=f"--save-{kind}",
                expected=", ".join(WHOLE),
                got=kind,
            )
    if save and out is None:
        raise OutputError("there is no folder to save into", field="--out", expected="a folder", got="none")
    if isinstance(find, Classifier) and classes:
        raise RecipeError("a classifier always chooses among all its classes", field="classes", got=", ".join(classes))
    return class_rows(find.then.card.classes if isinstance(find, Screening) else find.card.classes, classes)


def prediction(
    find: Predictor | Screening, image: Image, stem: str, said: Instances | ImageLabels | Screened, expected: np.ndarray
) -> Prediction:
    """What a model of any kind said of an image, as one record."""
    if isinstance(said, ImageLabels):
        made = Prediction(image.name, stem, image.size, Instances.empty(said.names), image_labels=said)
    elif isinstance(said, Screened):
        detections = said.instances[np.isin(said.instances.classes, expected)]
        made = Prediction(image.name, stem, image.size, detections, screened=said)
    else:
        made = Prediction(image.name, stem, image.size, said[np.isin(said.classes, expected)])
    return replace(made, thresholds=find.thresholds)


def look(
    find: Predictor,
    sources: Origin | Sequence[Origin],
    expected: np.ndarray,
    failed: list[MaskwrightError],
    progress: Progress = silent,
    drawn_in: Path | None = None,
    follow_links: bool = False,
) -> Iterator[tuple[Image, str, Instances]]:
    """(image, stem for file names, objects of the wanted classes), one image at a time.

    drawn_in  where the pictures will go: never the images' own folder, where they might replace an image
    """
    several = expand(sources, follow_links)
    if drawn_in is not None:
        refuse_own_folder(several, drawn_in)
    refuse_classifier(find)
    for image, stem, detections in _looked_at(find, several, failed, progress):
        yield image, stem, detections[np.isin(detections.classes, expected)]


def refuse_classifier(find: Predictor) -> None:
    """Where objects are wanted."""
    if isinstance(find, Classifier):
        raise WeightsError(
            "this model says what a whole image shows, and finds no objects",
            field="task",
            expected="segment or detect",
            got="classify",
            fix="name a model that finds objects: `maskwright models` lists them",
        )


def refuse_own_folder(several: Sequence[Source], drawn_in: Path) -> None:
    own = {source.origin.parent.resolve() for source in several if isinstance(source.origin, Path)}
    if drawn_in.resolve() in own:
        raise OutputError(
            "the images themselves lie here, and pictures might replace them", file=drawn_in, fix="name another --out"
        )


def _looked_at(
    find: Predictor | Screening,
    several: Sequence[Source],
    failed: list[MaskwrightError],
    progress: Progress,
    sorter: Sorter | None = None,
) -> Iterator[tuple[Image, str, Any]]:
    """Image, stem and what the model says, one after the other."""
    for source in progress(several, total=len(several), label="looking", unit="images"):
        try:
            image, said = find.look(source, progress)
        except MaskwrightError as error:
            failed.append(error)
            if sorter is not None:
                sorter.set_aside(Path(source.name))
            continue
        yield image, source.stem, said
    if len(failed) == len(several):
        raise failed[0]


def class_rows(known: tuple[str, ...], classes: Sequence[str] | None) -> np.ndarray:
    """The indices of the named classes; all when none are named."""
    if not classes:
        return np.arange(len(known))
    for name in classes:
        if name not in known:
            raise UnknownName("class in this model", name, known)
    return np.array([known.index(name) for name in classes])
