"""At the end of a training: from which score on each class is shown, by the validation images; kept in the card."""

from __future__ import annotations

from pathlib import Path

import msgspec

from maskwright.api import detection_evaluation
from maskwright.evaluation.class_thresholds import choose_for_classes
from maskwright.prediction.options import InferenceOptions
from maskwright.prediction.predictor import load
from maskwright.progress import Progress, silent
from maskwright.types import Dataset
from maskwright.weights.card import read_card, write_card

SHOWN = 6  # classes that the line names


def keep_class_thresholds(
    model: Path, val: Dataset, device: str = "auto", precision: str = "auto", progress: Progress = silent
) -> str | None:
    """Choose them, write them into the card of a model folder, and say so; None without validation objects.

    >>> keep_class_thresholds(Path("runs/weapons/best"), val)
    'thresholds by 16 validation images: gun 0.421, sword 0.553'
    """
    if not len(val):
        return None
    find = load(model, InferenceOptions(device=device, precision=precision))
    evaluated = detection_evaluation.evaluate(find, val, bootstrap=0, seed=0, progress=progress)
    kind = evaluated.metrics.best_kind
    if kind is None or not kind.matches.ground_truth_counted.any():
        return None
    groups = [record.group or str(record.image) for record in evaluated.data]
    common, chosen = choose_for_classes(kind.matches, groups)
    about = f"{len(evaluated.data)} validation images"
    known = {item.name: item.threshold for item in chosen if item.name in find.card.classes}
    card = msgspec.structs.replace(
        read_card(model), threshold=common, thresholds=known, thresholds_chosen_on=f"{about}, for the best F1"
    )
    write_card(card, model)
    told = [f"{name} {score:.3f}" for name, score in known.items()]
    return f"thresholds by {about}: {', '.join(told[:SHOWN])}{' ...' if len(told) > SHOWN else ''}"
