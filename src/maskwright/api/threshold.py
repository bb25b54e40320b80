"""Threshold: from which score on a model's detections are taken, or an image is called by a class; chosen on validation
images and kept in the model's card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from maskwright import formats
from maskwright.api import classification_evaluation
from maskwright.api.data import Say, data_name, image_level_labels
from maskwright.api.evaluate import evaluate, held_back, seen
from maskwright.errors import DatasetError, RecipeError, UnknownName
from maskwright.evaluation.operating_point import Aim, OperatingPoint, choose, of_detections
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.prediction.predictor import Classifier, Predictor, load
from maskwright.progress import Progress, silent
from maskwright.types import Dataset
from maskwright.weights import card as cards
from maskwright.weights.card import CARD, Card, read_card, write_card
from maskwright.weights.sources import BUNDLED, model_folder

LACKS = ("no", "non", "not", "un", "without")  # norust, not_rust, unripe: the lack of something is not what is sought


@dataclass(frozen=True)
class Chosen:
    """point: see evaluation.operating_point; which images chose it; the card it was kept in, None where it was not."""

    point: OperatingPoint
    which: str
    images: int
    kept: Path | None

    def facts(self) -> dict[str, Any]:
        return {**self.point.facts(), "images": self.images, "chosen_on": self.which, "kept": self.kept}


def threshold(
    model: str | Path,
    data: str | Path | Dataset,
    aim: Aim,
    *,
    name: str | None = None,
    split: str | None = None,
    keep: bool = True,
    allow_faulty: bool = False,
    annotations: str | None = None,
    follow_links: bool = False,
    options: InferenceOptions = AS_TRAINED,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Chosen:
    """Choose the score that serves the aim, and keep it in the model's card.

    aim    Aim.of(recall=0.99), .of(precision=0.9), .of(f1=True) or .of(cost="1:20")
    name   a class, whose threshold alone is then changed; default: one for all classes of the model. A classifier seeks
           one: where it knows two of which one is no more than the lack of the other (norust, rust), that other
    split  val or train or all; default: val where there is one, else what the run held back for validation, else all.
           Never test: those images say afterwards what the threshold is worth. A classifier's training images never:
           it is surer of them than of any others
    keep   write it into the card. Bundled models and .h5 files are left as they are

    >>> threshold("runs/party", "party/", Aim.of(recall=0.9)).point.precision
    0.62
    """
    if options.threshold is not None:
        raise RecipeError(
            "the threshold is what is chosen here", field="threshold", expected="none given", got=options.threshold
        )
    find = load(model, options, progress=progress)
    folder = model_folder(model)
    whole = (
        data
        if isinstance(data, Dataset)
        else formats.read(data, allow_faulty=allow_faulty, annotations=annotations, follow_links=follow_links)
    )
    whole = image_level_labels(whole) if isinstance(find, Classifier) else whole
    part, which = _part(whole, split, folder, data)
    part = part.usable()
    if not len(part):
        raise DatasetError(
            "there is nothing to choose by", file=data_name(data), expected="labeled images", got=f"0 in {which}"
        )
    if name is not None and name not in find.card.classes:
        raise UnknownName("class in this model", name, find.card.classes)
    if isinstance(find, Classifier):
        name = name or _labelled_classes(find.card)
        _unseen(part, folder, data_name(data))
    say(f"choosing on {len(part)} images ({which})" + (f", for {name}" if isinstance(find, Classifier) else ""))
    if which == "all":
        say(
            "no images are named for validation: the model must not have been trained on these, "
            "and they cannot evaluate it afterwards"
        )
    elif which == "train":
        say("the model was trained on these images: on others it will find less, and the threshold promises too much")
    elif not isinstance(find, Classifier) and (trained := seen(part, folder)[0]):
        say(
            f"{trained} of these {len(part)} images were used to train the model: on others it will find less, "
            "and the threshold promises too much"
        )
    if isinstance(find, Classifier):
        point = _of_classifier(find, part, aim, name or "", progress, say)
    else:
        point, part = _of_detector(find, part, aim, name, data_name(data), progress, say)
    kept = _keep(folder, point, which, len(part), name, say) if keep else None
    return Chosen(point, which, len(part), kept)


# --- of a classifier ----------------------------------------------------------------------------------
def _of_classifier(
    find: Classifier, part: Dataset, aim: Aim, name: str, progress: Progress, say: Say
) -> OperatingPoint:
    """By the scores of one class; images of one group count together."""
    evaluated = classification_evaluation.evaluate(find, part, bootstrap=0, seed=0, progress=progress)
    metrics = evaluated.metrics
    for warning in evaluated.warnings:
        say(warning)
    place = metrics.names.index(name)
    return choose(metrics.scores[:, place], metrics.ground_truth[:, place], aim, name=name, groups=metrics.groups)


def _labelled_classes(card: Card) -> str:
    """Which class a threshold is for where nobody says."""
    if len(card.classes) == 2 and not card.multi_label:
        for one, other in (card.classes, card.classes[::-1]):
            if one.casefold().replace("_", "").replace(" ", "") in {lack + other.casefold() for lack in LACKS}:
                return other
    raise RecipeError(
        "a threshold is chosen for one class",
        field="class",
        expected="the class that must be found",
        got="none named",
        fix=" or ".join(f"--class {name}" for name in card.classes[:4]),
    )


def _unseen(part: Dataset, folder: Path, file: str) -> None:
    """Training images are refused: a classifier with a small head may score each of them 1.00."""
    if trained := seen(part, folder)[0]:
        raise DatasetError(
            "a classifier's threshold is not chosen on its training images",
            file=file,
            expected="images that are new to the model",
            got=f"{trained} of {len(part)} it was trained on",
            fix="name the data it was trained on (the images it held back are taken), or other images with --split all",
        )


# --- of a detector ------------------------------------------------------------------------------------
def _of_detector(
    find: Predictor, part: Dataset, aim: Aim, name: str | None, file: str, progress: Progress, say: Say
) -> tuple[OperatingPoint, Dataset]:
    """By masks where both sides have them, else by boxes, at IoU 0.5; and the images it was chosen on."""
    evaluated = evaluate(find, part, split="all", bootstrap=0, progress=progress)
    if bare := len(part) - len(evaluated.data):
        say(f"{bare} of them have boxes and no outlines: left out")
    kind = evaluated.metrics.best_kind
    if kind is None or (name is not None and name not in kind.matches.names):
        raise DatasetError(f'no image shows "{name}"', file=file, got=", ".join(part.names))
    groups = [record.group or str(record.image) for record in evaluated.data]
    return of_detections(kind.matches, aim, name, groups), evaluated.data


def _part(whole: Dataset, split: str | None, folder: Path, data: str | Path | Dataset) -> tuple[Dataset, str]:
    parts = whole.splits()
    if split == "test":
        raise RecipeError(
            "a threshold is not chosen on the test images",
            field="split",
            expected="val, train or all",
            got="test",
            fix="choose it on val; `maskwright evaluate` then evaluates it on test",
        )
    if split in (None, "val") and "val" not in parts and (held := held_back(whole, folder, data, "val")) is not None:
        return held, "held back by the run to validate"
    if split == "all" or (split is None and not parts):
        return whole.where(lambda record: record.split != "test"), "all"
    expected = split or "val"
    if expected not in parts:
        raise DatasetError(
            f"these data have no {expected} images",
            file=data_name(data),
            expected=expected,
            got=", ".join(parts) or "no splits",
            fix="--split all takes every image: only for images that are new to the model",
        )
    return parts[expected], expected


def _keep(folder: Path, point: OperatingPoint, which: str, images: int, name: str | None, say: Say) -> Path | None:
    if not (folder / CARD).is_file() or BUNDLED in folder.parents:
        say(f"this model's file is left as it is: say --threshold {point.threshold:.4g} when you use it")
        return None
    card = read_card(folder)
    if card.task == "classify":
        chosen_on, told = f"{images} images ({which})", tuple(point.sentences())
        made = cards.OperatingPoint(point.name, point.threshold, chosen_on, told, point.aim.words)
        others = [
            operating_point
            for operating_point in card.operating_points
            if card.multi_label and operating_point.name != point.name
        ]
        write_card(msgspec.structs.replace(card, operating_points=(*others, made)), folder)
        return folder / CARD
    facts = {key: value for key, value in point.facts().items() if value is not None}
    facts |= {"images": images, "chosen_on": which}
    if name is not None and len(card.classes) > 1:
        points = {**card.metrics.get("operating_points", {}), name: facts}
        metrics = card.metrics | {"operating_points": points}
        own = card.thresholds | {name: point.threshold}
        write_card(msgspec.structs.replace(card, thresholds=own, metrics=metrics), folder)
    else:
        metrics = {key: value for key, value in card.metrics.items() if key != "operating_points"}
        metrics |= {"operating_point": facts}
        new = {"threshold": point.threshold, "thresholds": {}, "thresholds_chosen_on": "", "metrics": metrics}
        write_card(msgspec.structs.replace(card, **new), folder)
    return folder / CARD
