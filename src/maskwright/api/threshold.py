"""Threshold: the score threshold of a model, chosen on validation images and stored in the model's card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright.api.data import data_name
from maskwright.api.evaluate import held_back, seen
from maskwright.api.reading import dataset_of
from maskwright.errors import DatasetError, RecipeError, UnknownName
from maskwright.evaluation.operating_point import Aim, OperatingPoint
from maskwright.issues import Kind, Log
from maskwright.prediction.loading import load
from maskwright.prediction.options import AS_TRAINED, InferenceOptions
from maskwright.progress import Progress
from maskwright.reporting import reporting
from maskwright.tasks.base import EvaluationOptions
from maskwright.tasks.registry import find_task
from maskwright.types import Dataset
from maskwright.weights.card import CARD, read_card, write_card
from maskwright.weights.sources import BUNDLED, model_folder

CHOOSING_ON = Kind("choosing_on", "info", "choosing on {count:image} ({split})[, for {name}]")
NO_VALIDATION_NAMED = Kind(
    "no_validation_named",
    "warning",
    "no images are named for validation: the model must not have been trained on these, and they cannot evaluate it "
    "afterwards",
)
THRESHOLD_CHOSEN_ON_TRAINING_SPLIT = Kind(
    "threshold_chosen_on_training_split",
    "warning",
    "the model was trained on these images: on others it will detect less, and the threshold promises too much",
)
CARD_UNCHANGED = Kind(
    "card_unchanged",
    "info",
    "this model's file is left as it is: {fix}",
)


@dataclass(frozen=True)
class Chosen:
    """point   see evaluation.operating_point;  split, images  which images chose it, and how many
    kept    the card it was stored in; None where it was not
    """

    point: OperatingPoint
    split: str
    images: int
    kept: Path | None

    def facts(self) -> dict[str, Any]:
        return {**self.point.facts(), "images": self.images, "chosen_on": self.split, "kept": self.kept}


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
    verbose: bool | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> Chosen:
    """Choose the score threshold that serves the aim, and store it in the model's card.

    aim    Aim.of(recall=0.99), .of(precision=0.9), .of(f1=True) or .of(cost="1:20")
    name   a class, whose threshold alone is then changed; default: one for all classes of the model. A classifier needs
           one: where it knows two of which one is no more than the lack of the other (norust, rust), that other
    split  val or train or all; default: val where there is one, else what the run held back for validation, else all.
           Never test: those images tell afterwards what the threshold is worth. A classifier's training images never:
           it is surer of them than of any others
    keep   write it into the card. Bundled models and .h5 files are left as they are
    verbose  True prints progress and issues; None: in a notebook. progress, log: reporting of your own

    >>> threshold("runs/party", "party/", Aim.of(recall=0.9)).point.precision
    0.62
    """
    progress, log = reporting(verbose, progress, log)
    if options.threshold is not None:
        raise RecipeError(
            "the threshold is what is chosen here", field="threshold", expected="none given", got=options.threshold
        )
    predictor = load(model, options, progress=progress)
    task, folder, file = find_task(predictor.card.task), model_folder(model), data_name(data)
    whole = dataset_of(data, allow_faulty=allow_faulty, annotations=annotations, follow_links=follow_links)
    part, which = _part(task.prepare_evaluation(whole), split, folder, data)
    part = part.usable()
    if not len(part):
        raise DatasetError("there is nothing to choose by", file=file, expected="labeled images", got=f"0 in {which}")
    if name is not None and name not in predictor.card.classes:
        raise UnknownName("class in this model", name, predictor.card.classes)
    name = task.threshold_class(predictor.card, name)
    log(CHOOSING_ON(count=len(part), split=which, name=name))
    trained = seen(part, folder)[0]
    task.check_threshold_images(trained, len(part), file, log)
    if which == "all":
        log(NO_VALIDATION_NAMED())
    elif which == "train" and not trained:
        log(THRESHOLD_CHOSEN_ON_TRAINING_SPLIT())
    evaluating = EvaluationOptions(bootstrap=0, progress=progress, log=log)
    point, part = task.choose_threshold(predictor, part, aim, name, evaluating)
    kept = None
    if keep and (folder / CARD).is_file() and BUNDLED not in folder.parents:
        write_card(task.with_threshold(read_card(folder), point, name, len(part), which), folder)
        kept = folder / CARD
    elif keep:
        log(CARD_UNCHANGED(fix=f"give --threshold {point.threshold:.4g} when you use it"))
    return Chosen(point, which, len(part), kept)


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
