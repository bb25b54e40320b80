"""Threshold: from which score on a model's finds are taken, chosen on validation photos and kept in its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from maskwright import formats
from maskwright.errors import DatasetError, RecipeError, UnknownName
from maskwright.evaluation.operating_point import Aim, OperatingPoint, choose, of_detections
from maskwright.jobs.data import Say, data_name, relative
from maskwright.jobs.evaluate import evaluate
from maskwright.prediction.predictor import Classifier, Predictor, load
from maskwright.progress import Progress, silent
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset
from maskwright.weights.card import CARD, read_card, write_card
from maskwright.weights.sources import BUNDLED, model_folder


@dataclass(frozen=True)
class Chosen:
    """point: see evaluation.operating_point; which photos chose it; the card it was kept in, None where it was not."""

    point: OperatingPoint
    which: str
    photos: int
    kept: Path | None

    def facts(self) -> dict[str, Any]:
        return {**self.point.facts(), "photos": self.photos, "chosen on": self.which, "kept": self.kept}


def threshold(
    model: str | Path,
    data: str | Path | Dataset,
    aim: Aim,
    *,
    name: str | None = None,
    split: str | None = None,
    keep: bool = True,
    allow_faulty: bool = False,
    device: str = "auto",
    names: Sequence[str] | None = None,
    size: int | None = None,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Chosen:
    """Choose the score that serves the aim, and keep it in the model's card.

    aim    Aim.of(recall=0.99), .of(precision=0.9), .of(f1=True) or .of(cost="1:20")
    name   a class; default: all of the model's classes together (a model has one threshold for all).
           A classifier has one class that is sought; default: of two the second, as rust of norust and rust
    split  val or train or all; default: val where there is one, else what the run held back for validation, else all.
           Never test: those photos say afterwards what the threshold is worth
    keep   write it into the card. Bundled models and .h5 files are left as they are

    >>> threshold("runs/party", "party/", Aim.of(recall=0.9)).point.precision
    0.62
    """
    folder = model_folder(model)
    whole = data if isinstance(data, Dataset) else formats.read(data, allow_faulty=allow_faulty)
    part, which = _part(whole, split, folder, data)
    say(f"choosing on {len(part.usable())} photos ({which})")
    if which == "all":
        say("no photos are named for validation: these must be new to the model, and judge nothing afterwards")
    elif which == "train":
        say("the model has seen these photos: on others it will find less, and the threshold promises too much")
    find = load(folder, device=device, names=names, size=size)
    if name is not None and name not in find.card.classes:
        raise UnknownName("class in this model", name, find.card.classes)
    if isinstance(find, Classifier):
        point = _of_classifier(find, part, aim, name or _second(find), progress)
    else:
        point = _of_detector(find, part.usable(), aim, name, data_name(data), progress)
    kept = _keep(folder, point, which, len(part.usable()), say) if keep else None
    if kept is not None and name is not None and len(find.card.classes) > 1 and not isinstance(find, Classifier):
        say(f"the model has one threshold for all its classes: it now serves {name}")
    return Chosen(point, which, len(part.usable()), kept)


def _of_detector(
    find: Predictor, part: Dataset, aim: Aim, name: str | None, file: str, progress: Progress
) -> OperatingPoint:
    """By masks where both sides have them, else by boxes, at IoU 0.5."""
    judged = evaluate(find, part, split="all", bootstrap=0, progress=progress)
    kind = judged.figures.best_kind
    if kind is None or (name is not None and name not in kind.matches.names):
        raise DatasetError(f'no photo shows "{name}"', file=file, got=", ".join(part.names))
    return of_detections(
        kind.matches, aim, name, [record.group or f"photo {place}" for place, record in enumerate(part)]
    )


def _of_classifier(find: Classifier, part: Dataset, aim: Aim, name: str, progress: Progress) -> OperatingPoint:
    """By the scores of whole photos; copies of a photo count less."""
    figures = evaluate(find, part, split="all", bootstrap=0, progress=progress).figures
    place = figures.names.index(name)
    return choose(figures.scores[:, place], figures.truth[:, place], aim, name=name, groups=figures.groups)


def _second(find: Classifier) -> str:
    if len(find.card.classes) != 2:
        raise RecipeError(
            "a classifier's threshold serves one class",
            field="--class",
            wanted=", ".join(find.card.classes),
            got="none",
            fix="name the class that must not be missed",
        )
    return find.card.classes[1]


def _part(whole: Dataset, split: str | None, folder: Path, data: str | Path | Dataset) -> tuple[Dataset, str]:
    parts = whole.splits()
    if split == "test":
        raise RecipeError(
            "a threshold is not chosen on the test photos",
            field="split",
            wanted="val, train or all",
            got="test",
            fix="choose it on val; `maskwright evaluate` then judges it on test",
        )
    if split in (None, "val") and "val" not in parts and (held := _held(whole, folder, data)) is not None:
        return held, "held back by the run to validate"
    if split == "all" or (split is None and not parts):
        return whole, "all"
    wanted = split or "val"
    if wanted not in parts:
        raise DatasetError(
            f"these data have no {wanted} photos",
            file=data_name(data),
            wanted=wanted,
            got=", ".join(parts) or "no splits",
            fix="--split all takes every photo: only for photos that are new to the model",
        )
    return parts[wanted], wanted


def _held(whole: Dataset, folder: Path, data: str | Path | Dataset) -> Dataset | None:
    """The photos by which the model's own run chose its epoch, where it ran on these very data."""
    run = RunFolder(folder.parent)
    if isinstance(data, Dataset) or not (run.path / "run.json").is_file():
        return None
    facts = run.facts()
    names = set(facts["photos"].get("val", ()))
    if facts["data"] != str(Path(data).resolve()) or not names:
        return None
    return whole.where(lambda record: relative(record.photo, Path(data)) in names)


def _keep(folder: Path, point: OperatingPoint, which: str, photos: int, say: Say) -> Path | None:
    if not (folder / CARD).is_file() or BUNDLED in folder.parents:
        say(f"this model's file is left as it is: say --threshold {point.threshold:.4g} when you use it")
        return None
    card = read_card(folder)
    facts = {key: value for key, value in point.facts().items() if value is not None}
    figures = card.figures | {"operating_point": facts | {"photos": photos, "chosen_on": which}}
    write_card(msgspec.structs.replace(card, threshold=point.threshold, figures=figures), folder)
    return folder / CARD
