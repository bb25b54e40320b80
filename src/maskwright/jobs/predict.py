"""Predict: photos in, their objects out, as pictures, JSON, CSV, COCO results, masks and crops."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maskwright import files, interop
from maskwright.errors import MaskwrightError, OutputError, RecipeError, UnknownName, WeightsError
from maskwright.photos.sources import Origin, Source, expand
from maskwright.pictures import outlines
from maskwright.prediction.predictor import Classifier, Predictor, load
from maskwright.progress import Progress, silent
from maskwright.types import Instances, Photo, Verdict

SAVED = ("json", "jsonl", "csv", "coco", "masks", "crops")
WHOLE = ("json", "jsonl", "csv")  # what a classifier's verdicts can be saved as


@dataclass(frozen=True)
class Prediction:
    """One photo: what it is called, (height, width), its objects, and the files written for it.

    verdict  what a classifier says of it; there are no objects then
    """

    photo: str
    stem: str
    size: tuple[int, int]
    instances: Instances
    files: tuple[Path, ...] = ()
    verdict: Verdict | None = None

    def counts(self) -> dict[str, int]:
        """Objects of each class; of a verdict, 1 for each class it names."""
        return self.instances.counts() if self.verdict is None else dict.fromkeys(self.verdict.labels, 1)

    def facts(self) -> dict:
        if self.verdict is not None:
            size = {"height": self.size[0], "width": self.size[1]}
            return {"photo": self.photo, **size, **self.verdict.facts(), "files": [str(file) for file in self.files]}
        return {
            "photo": self.photo,
            "height": self.size[0],
            "width": self.size[1],
            "counts": self.instances.counts(),
            "objects": interop.to_rows(self.instances),
            "files": [str(file) for file in self.files],
        }


@dataclass(frozen=True)
class Predicted:
    """All photos, and those that could not be read, with the reason."""

    photos: list[Prediction]
    failed: list[MaskwrightError] = field(default_factory=list)
    files: tuple[Path, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many of each class on all photos."""
        total: Counter[str] = Counter()
        for each in self.photos:
            total.update(each.counts())
        return dict(total)


def predict(
    model: str | Path | Predictor,
    sources: Origin | Sequence[Origin],
    *,
    out: str | Path | None = None,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    save: Sequence[str] = (),
    pictures: bool = True,
    size: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    names: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Predicted:
    """Find the objects of every photo; or say what it shows, where the model is a classifier.

    sources   files, folders, patterns, addresses, arrays: whatever photos.sources.expand takes
    out       a folder for the drawn pictures and everything in `save`; nothing is written without it
    save      of json, jsonl (a line a photo), csv, coco (results list), masks (one PNG an object), crops
              (one cut-out with alpha an object); of a classifier's verdicts json, jsonl and csv
    A photo that cannot be read is put into `failed`; the others go on.

    >>> maskwright.predict("balloons", "party.jpg").photos[0].instances.counts()
    {'balloon': 7}
    """
    for kind in save:
        if kind not in SAVED:
            raise UnknownName("kind of result", kind, SAVED)
    if save and out is None:
        raise OutputError("there is no folder to save into", field="--out", wanted="a folder", got="none")
    find = (
        model
        if isinstance(model, Predictor)
        else load(model, threshold=threshold, size=size, device=device, precision=precision, names=names)
    )
    if isinstance(find, Classifier):
        if classes:
            raise RecipeError(
                "a classifier always chooses among all its classes", field="classes", got=", ".join(classes)
            )
        return _verdicts(find, sources, out, save, progress)
    wanted = class_rows(find.card.classes, classes)
    done, failed = [], []
    drawn_in = Path(out) if out is not None and pictures else None
    for photo, stem, found in look(find, sources, wanted, failed, progress, drawn_in):
        written = [] if out is None else list(_write_each(photo, stem, found, Path(out), save, pictures))
        done.append(Prediction(photo.name, stem, photo.size, found, tuple(written)))
    return Predicted(done, failed, tuple(_write_all(done, Path(out), save)) if out is not None else ())


def _verdicts(
    find: Classifier,
    sources: Origin | Sequence[Origin],
    out: str | Path | None,
    save: Sequence[str],
    progress: Progress,
) -> Predicted:
    for kind in save:
        if kind not in WHOLE:
            raise OutputError(
                "this model says what a whole photo shows, and finds no objects",
                field=f"--save-{kind}",
                wanted=", ".join(WHOLE),
                got=kind,
            )
    done, failed = [], []
    nothing = Instances.empty(find.card.classes)
    for photo, stem, said in _looked_at(find, expand(sources), failed, progress):
        done.append(Prediction(photo.name, stem, photo.size, nothing, verdict=said))
    return Predicted(done, failed, tuple(_write_all(done, Path(out), save)) if out is not None else ())


def look(
    find: Predictor,
    sources: Origin | Sequence[Origin],
    wanted: np.ndarray,
    failed: list[MaskwrightError],
    progress: Progress = silent,
    drawn_in: Path | None = None,
) -> Iterator[tuple[Photo, str, Instances]]:
    """(photo, stem for file names, objects of the wanted classes), one photo at a time.

    drawn_in  where the pictures will go: never the photos' own folder, where they might replace a photo
    """
    several = expand(sources)
    if drawn_in is not None and drawn_in.resolve() in {
        source.origin.parent.resolve() for source in several if isinstance(source.origin, Path)
    }:
        raise OutputError(
            "the photos themselves lie here, and pictures might replace them", file=drawn_in, fix="name another --out"
        )
    if isinstance(find, Classifier):
        raise WeightsError(
            "this model says what a whole photo shows, and finds no objects",
            field="task",
            wanted="segment or detect",
            got="classify",
            fix="name a model that finds objects: `maskwright models` lists them",
        )
    for photo, stem, found in _looked_at(find, several, failed, progress):
        yield photo, stem, found[np.isin(found.classes, wanted)]


def _looked_at(
    find: Predictor, several: Sequence[Source], failed: list[MaskwrightError], progress: Progress
) -> Iterator[tuple[Photo, str, Any]]:
    """Photo, stem and what the model says, one after the other."""
    for source in progress(several, total=len(several), label="looking", unit="photos"):
        try:
            photo = find.open(source)
        except MaskwrightError as error:
            failed.append(error)
            continue
        yield photo, source.stem, find(photo)
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


# --- files ------------------------------------------------------------------------------------------
def _write_each(
    photo: Photo, stem: str, found: Instances, out: Path, save: Sequence[str], pictures: bool
) -> Iterator[Path]:
    if pictures:
        yield write_picture(outlines.draw(photo, found), out / f"{stem}.jpg")
    for row in range(len(found)) if {"masks", "crops"} & set(save) else ():
        mask, box = _cut(found, row, photo.size)
        name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", f"{stem}_{row + 1}_{found.labels[row]}.png")
        if "masks" in save:
            full = np.zeros(photo.size, np.uint8)
            full[box[1] : box[3], box[0] : box[2]] = mask * 255
            yield write_picture(full, out / "masks" / name)
        if "crops" in save and mask.size:
            cut = photo.pixels[box[1] : box[3], box[0] : box[2]]
            yield write_picture(np.dstack([cut, mask * np.uint8(255)]), out / "crops" / name)


def _cut(found: Instances, row: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The object's mask (h×w uint8 0/1) in its whole-pixel box."""
    height, width = size
    edges = found.boxes[row] if found.masks is None else found.masks[row].boxes[0]
    box = np.clip(
        np.concatenate([np.floor(edges[:2]), np.ceil(edges[2:])]).astype(int), 0, [width, height, width, height]
    )
    if found.masks is None:
        return np.ones((box[3] - box[1], box[2] - box[0]), np.uint8), box
    return found.masks[row].patches(box[None])[0].astype(np.uint8), box


def write_picture(pixels: np.ndarray, path: Path) -> Path:
    with files.writing(path) as temporary:
        Image.fromarray(pixels).save(temporary, quality=92)
    return path


def _write_all(done: list[Prediction], out: Path, save: Sequence[str]) -> Iterator[Path]:
    names, every = [each.photo for each in done], [each.instances for each in done]
    if "json" in save:
        yield _write_text(
            out / "predictions.json", json.dumps([each.facts() for each in done], indent=2, ensure_ascii=False) + "\n"
        )
    if "jsonl" in save:
        lines = [json.dumps(each.facts(), ensure_ascii=False) for each in done]
        yield _write_text(out / "predictions.jsonl", "".join(f"{line}\n" for line in lines))
    if "csv" in save:
        verdicts = [each.verdict for each in done if each.verdict is not None]
        table = interop.verdicts_to_csv(verdicts, names) if verdicts else interop.to_csv(every, names)
        yield _write_text(out / "predictions.csv", table)
    if "coco" in save:
        results = interop.to_coco_results(every, list(range(1, len(done) + 1)))
        yield _write_text(out / "coco_results.json", json.dumps(results) + "\n")
        table = interop.to_coco_images(names, [each.size for each in done], every[0].names if every else ())
        yield _write_text(out / "coco_images.json", json.dumps(table, ensure_ascii=False) + "\n")


def _write_text(path: Path, text: str) -> Path:
    files.write_text(path, text)
    return path
