"""Predict: images in, their objects or labels out, as pictures, JSON, CSV, COCO results, masks and crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.api import parquet, screening_page
from maskwright.api.results import SAVED, WHOLE, Predicted, Prediction, write_all, write_each
from maskwright.api.sorting import Sorter
from maskwright.errors import DatasetError, MaskwrightError, OutputError, RecipeError, UnknownName
from maskwright.images.ahead import in_threads, opened_ahead
from maskwright.images.sources import Origin, Source, expand, reopenable
from maskwright.issues import Kind, Log
from maskwright.prediction.loading import load, load_unless_loaded
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Predictor
from maskwright.prediction.results import ImageSource
from maskwright.prediction.screening import Screening
from maskwright.progress import Progress
from maskwright.reporting import automatic, reporting
from maskwright.types import Image, Instances

IMAGE_NOT_READ = Kind("image_not_read", "error", "{error}")
FILES_WRITTEN = Kind("files_written", "info", "written: {files}")
PICTURES_WRITTEN = Kind("pictures_written", "info", "pictures in {folder}")
IMAGES_SORTED = Kind("images_sorted", "info", "sorted: {counts}")


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
    recursive: bool = False,
    options: InferenceOptions = AS_TRAINED,
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Predicted:
    """Detect the objects of every image; with a classifier, predict the labels of every image.

    model      a Screening asks a classifier first, and the detector only about the images it picks (load_screening)
    sources    files, folders, patterns, addresses, arrays: whatever images.sources.expand takes
    out        a folder for the drawn pictures and everything in `save`; nothing is written without it
    save       of json, jsonl (a line an image), csv, coco (results list), parquet (a row an image), masks (one PNG an
               object), crops (one cut-out with alpha an object); of a classifier json, jsonl, csv and parquet
    sort_into  a folder that gets a copy of every image, in a folder called by its prediction; `move`: the image itself
    follow_links  open links that lead out of a folder among the sources, too
    recursive  also the images of folders in a folder; the files written for them keep these folders
    verbose    True prints progress and issues; None: in a notebook. progress, log: reporting of your own
    An image that cannot be read is put into `failed` and logged; the others go on. All results are kept in memory:
    for hundreds of thousands of images there is `predict_many`.

    >>> maskwright.predict("balloons", "party.jpg").images[0].instances.counts()
    {'balloon': 7}
    """
    progress, log = reporting(verbose, progress, log)
    predictor = load_unless_loaded(model, options, progress)
    class_indices = check_request(predictor, save, classes, out)
    sorter = None if sort_into is None else Sorter(sort_into, move)
    own = [Path(folder) for folder in (out, sort_into) if folder is not None]
    images = listed_images(sources, follow_links, recursive, own, Path(out) if out is not None and pictures else None)
    if sorter is not None:
        sorter.check(images)
    for issue in predictor.introduction():
        log(issue)
    screening = predictor if isinstance(predictor, Screening) else None
    page = screening_page.Page() if screening is not None and out is not None else None
    done: list[Prediction] = []
    failed: list[MaskwrightError] = []

    def made(image: Image, source: Source, result: Any) -> Prediction:
        prediction = to_prediction(predictor, image, source, result, class_indices)
        written = () if out is None else write_each(image, prediction, Path(out), save, pictures)
        return replace(prediction, files=tuple(written))

    for image, prediction in made_behind(made, results_of(predictor, images, failed, progress, sorter)):
        if sorter is not None:
            prediction = replace(prediction, sorted=sorter.sort(Path(image.name), prediction.called))
        done.append(prediction)
        if page is not None:
            page.add(image, prediction)
    files = [] if out is None else list(write_all(done, Path(out), save))
    if page is not None and screening is not None and out is not None:
        files.append(page.write(Path(out), screening, failed))
    predicted = Predicted(done, failed, tuple(files))
    report(predicted, out, log)
    return predicted


def load_screening(
    screen: str | Path,
    then: str | Path,
    *,
    name: str | None = None,
    screen_threshold: float | None = None,
    options: InferenceOptions = AS_TRAINED,
    progress: Progress = automatic,
) -> Screening:
    """Two models for `predict`: a classifier, and a detector for the images it picks.

    name       the class that is picked (see prediction.screening); screen_threshold  from which score on
    options    the detector's; device and precision are the classifier's too

    >>> done = predict(load_screening("runs/rust", "runs/rust-boxes"), "bridge/", out="detections")
    >>> len(done.images), done.spared
    (120, 97)
    """
    hardware = InferenceOptions(device=options.device, precision=options.precision, engine=options.engine)
    classifier = load(screen, hardware, progress=progress)
    return Screening(classifier, load(then, options, progress=progress), name, screen_threshold)


def report(predicted: Predicted, out: str | Path | None, log: Log) -> None:
    """The images that could not be read, and which files there are now."""
    for error in predicted.failed:
        log(IMAGE_NOT_READ(images=[error.parts.get("file", "")], error=error))
    if predicted.files:
        log(FILES_WRITTEN(files=[str(file) for file in predicted.files]))
    if any(image.files for image in predicted.images):
        log(PICTURES_WRITTEN(folder=str(out)))
    if any(image.sorted for image in predicted.images):
        log(IMAGES_SORTED(counts=predicted.predictions()))


# --- what may be asked for --------------------------------------------------------------------------------------------
def check_request(
    predictor: Predictor | Screening, save: Sequence[str], classes: Sequence[str] | None, out: str | Path | None
) -> np.ndarray:
    """The indices of the chosen classes; what this model cannot give is an error before the first image is read."""
    for kind in save:
        if kind not in SAVED:
            raise UnknownName("kind of result", kind, SAVED)
        if not predictor.kind.objects and kind not in WHOLE:
            raise OutputError(
                "this model classifies whole images and detects no objects",
                field=f"--save-{kind}",
                expected=", ".join(WHOLE),
                got=kind,
            )
    if "parquet" in save:
        parquet.library()
    if save and out is None:
        raise OutputError("there is no folder to save into", field="--out", expected="a folder", got="none")
    if not predictor.kind.objects and classes:
        raise RecipeError("a classifier always chooses among all its classes", field="classes", got=", ".join(classes))
    return class_indices_of(predictor, classes)


def class_indices_of(predictor: Predictor | Screening, classes: Sequence[str] | None) -> np.ndarray:
    """The indices of the named classes of a detector; all where none are named."""
    known = (predictor.then if isinstance(predictor, Screening) else predictor).card.classes
    for name in classes or ():
        if name not in known:
            raise UnknownName("class in this model", name, known)
    return np.array([known.index(name) for name in classes]) if classes else np.arange(len(known))


def listed_images(
    sources: Origin | Sequence[Origin],
    follow_links: bool,
    recursive: bool,
    own: Sequence[Path],
    pictures: Path | None,
) -> list[Source]:
    """The images that are meant, without those in the folders `own`, and none that `pictures` might replace."""
    images = expand(sources, follow_links, recursive)
    if recursive:
        images = outside(images, own)
    if pictures is not None:
        refuse_own_folder(images, pictures)
    return images


def outside(sources: Sequence[Source], written: Sequence[Path]) -> list[Source]:
    """Without what an earlier call wrote: the images of a folder that lie in one of the folders `written` within it."""
    homes = [folder.resolve() for folder in written]

    def own(source: Source) -> bool:
        if not isinstance(source.origin, Path):
            return False
        folder, root = source.origin.parent.resolve(), source.origin.parents[source.stem.count("/")].resolve()
        return any(root in home.parents and folder.is_relative_to(home) for home in homes)

    kept = [source for source in sources if not own(source)]
    if not kept:
        raise DatasetError("all images lie in the folder that is written to", file=written[0], fix="name another --out")
    return kept


def refuse_own_folder(sources: Sequence[Source], out: Path) -> None:
    """Pictures are never written into the folder of the images."""
    own = {source.origin.parent.resolve() for source in sources if isinstance(source.origin, Path)}
    if own & {(out / source.stem).parent.resolve() for source in sources}:
        raise OutputError(
            "the images themselves lie here, and pictures might replace them", file=out, fix="name another --out"
        )


# --- image by image ---------------------------------------------------------------------------------------------------
def to_prediction(
    predictor: Predictor | Screening,
    image: Image,
    source: Source,
    result: Any,
    class_indices: np.ndarray,
) -> Prediction:
    """The result of a model of any kind as one record."""
    fields = predictor.fields(result)
    fields["instances"] = of_classes(fields["instances"], class_indices)
    again = ImageSource(reopenable(source, image), image.window)
    return Prediction(image.name, source.stem, image.size, thresholds=predictor.thresholds, source=again, **fields)


def of_classes(instances: Instances, class_indices: np.ndarray) -> Instances:
    return instances[np.isin(instances.classes, class_indices)]


def results_of(
    predictor: Predictor | Screening,
    sources: Sequence[Source],
    failed: list[MaskwrightError],
    progress: Progress,
    sorter: Sorter | None = None,
) -> Iterator[tuple[Image, Source, Any]]:
    """Image, its source, the model's result, in order; the error of the first where no image can be read."""

    def opening(source: Source) -> Image | Source:
        """Opened ahead; two models may see an image through two gray windows, so they open it themselves."""
        return source if isinstance(predictor, Screening) else predictor.open(source)

    with opened_ahead(opening, sources) as opened:
        for source, image in progress(opened, total=len(sources), label="predicting", unit="images"):
            try:
                if isinstance(image, MaskwrightError):
                    raise image
                image, result = predictor.look(image, progress)
            except MaskwrightError as error:
                failed.append(error)
                if sorter is not None:
                    sorter.set_aside(Path(source.name))
                continue
            yield image, source, result
    if len(failed) == len(sources):
        raise failed[0]


def made_behind(
    make: Callable[[Image, Source, Any], Prediction], results: Iterator[tuple[Image, Source, Any]]
) -> Iterator[tuple[Image, Prediction]]:
    """Each image with its prediction; its pictures are drawn and written while the network looks at the next ones."""
    with in_threads(lambda result: make(*result), results) as predictions:
        for (image, _, _), prediction in predictions:
            yield image, prediction.result()
