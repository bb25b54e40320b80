"""The page a run leaves behind: curves, metrics, and what the best model sees on validation and training images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maskwright import files
from maskwright.drawing import outlines
from maskwright.drawing.sheet import fit as reduced
from maskwright.report import page
from maskwright.report.sections import Facts, Gallery, Lines, MetricRow, MetricTable, Picture, Section, Series
from maskwright.types import Dataset, ImageLabels
from maskwright.weights.card import read_card

if TYPE_CHECKING:
    from maskwright.training.recipe import Recipe
    from maskwright.training.trainer import Trainer

SHOWN = 8
CELL = (560, 420)
NAMED = {"mask AP": "mask_AP", "mask AP50": "mask_AP50", "box AP": "box_AP", "box AP50": "box_AP50"}


def write(folder: Path, trainer: Trainer, parts: dict[str, Dataset]) -> None:
    """report.html in the run's folder."""
    history = trainer.position.history
    if not history:
        return
    best = history[trainer.position.best_epoch - 1]
    whole = trainer.card.task == "classify"
    named = {"accuracy": "accuracy", "AUC": "AUC"} if whole else NAMED
    by = "chosen by the lowest validation loss" if whole else "no interval: this metric chose the epoch"
    metrics = [MetricRow(name, round(best[key], 3)) for name, key in named.items() if key in best]
    sections: list[Section] = []
    if metrics:
        sections.append(
            MetricTable(
                "Best epoch, on the validation images",
                metrics,
                note=f"epoch {trainer.position.best_epoch} of {trainer.position.epoch}; {by}; "
                "evaluate the model on other images with `maskwright evaluate`",
            )
        )
    sections.append(Lines("Loss", _curves(history, {"training": "loss", "validation": "val_loss"}), label_y="loss"))
    if metrics and len(history) > 1:  # a single epoch is no curve
        sections.append(
            Lines(
                "Validation images, accuracy and AUC" if whole else "Average precision on the validation images",
                _curves(history, named),
                range_y=(0.0, 1.0),
                label_y="" if whole else "AP",
            )
        )
    says = "predictions of the best model" if whole else "detections of the best model"
    if len(parts["val"]):
        sections.append(Gallery("Validation images", _pictures(folder, parts["val"], trainer.recipe), note=says))
    caution = "; it was trained on these very images, so this is no measure of its quality"
    pictures = _pictures(folder, parts["train"], trainer.recipe)
    sections.append(Gallery("Training images", pictures, note=says + caution))
    sections.append(Facts("Run", _facts(trainer, parts, read_card(folder / "best").temperature)))
    files.write_text(folder / "report.html", page.render(folder.name, sections, f"trained on {parts['train'].name}"))


def _curves(history: list[dict[str, Any]], named: dict[str, str]) -> list[Series]:
    return [
        Series(name, [row["epoch"] for row in history if key in row], [row[key] for row in history if key in row])
        for name, key in named.items()
        if any(key in row for row in history)
    ]


def _pictures(folder: Path, val: Dataset, recipe: Recipe) -> list[Picture]:
    from maskwright.prediction.options import InferenceOptions
    from maskwright.prediction.predictor import load

    find = load(folder / "best", InferenceOptions(device=recipe.device, precision=recipe.precision))
    spread = np.unique(np.linspace(0, len(val) - 1, min(SHOWN, len(val))).round().astype(int)) if len(val) else []
    pictures = []
    for index in spread:
        record = val.records[int(index)]
        image = find.open(record.image)
        detections = find(image)
        if isinstance(detections, ImageLabels):
            ground_truth = ", ".join(val.names[label] for label in record.labels or ()) or "none"
            pictures.append(
                Picture(reduced(image.pixels, CELL), f"{record.image.name}: {detections}, labeled {ground_truth}")
            )
            continue
        ground_truth = 0 if record.instances is None else len(record.instances)
        pixels = reduced(outlines.draw(image, detections, shown_in=CELL), CELL)
        pictures.append(
            Picture(pixels, f"{record.image.name}: {len(detections)} detected, {ground_truth} in the ground truth")
        )
    return pictures


def _facts(trainer: Trainer, parts: dict[str, Dataset], temperature: float) -> dict[str, object]:
    recipe, card = trainer.recipe, trainer.card
    return {
        "model": f"{card.model} on {card.backbone}",
        "classes": ", ".join(card.classes),
        "started from": recipe.weights,
        "network input": f"{trainer.loader.network_input[1]} x {trainer.loader.network_input[0]} px",
        **({"tile": f"{recipe.tile} px of the image"} if recipe.tile else {}),
        "batch": recipe.batch,
        "precision": trainer.engine.precision,
        "steps": trainer.position.step,
        "seconds": round(trainer.position.seconds),
        "seed": recipe.seed,
        **({"temperature of the scores": f"{temperature:.2f}"} if temperature != 1 else {}),
        **{f"images, {which}": len(part) for which, part in parts.items()},
    }
