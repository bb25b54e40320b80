"""The page a run leaves behind: curves, metrics, and what the best model predicts on validation and training images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskwright import files
from maskwright.curate.samples import evenly_spaced
from maskwright.prediction.loading import load
from maskwright.prediction.options import InferenceOptions
from maskwright.progress import duration
from maskwright.report import page
from maskwright.report.sections import Facts, Lines, MetricRow, MetricTable, Section, Series
from maskwright.tasks.base import Task
from maskwright.text import counted
from maskwright.types import Dataset
from maskwright.weights.card import read_card

if TYPE_CHECKING:
    from maskwright.training.trainer import Trainer

SHOWN = 12  # images of each part


def write(folder: Path, trainer: Trainer, task: Task, parts: Mapping[str, Dataset]) -> None:
    """report.html in the run's folder."""
    position, words = trainer.position, task.training_report
    if not position.history:
        return
    history, best = position.history, position.history[position.best_epoch - 1]
    metrics = [MetricRow(name, round(best[column], 3)) for name, column in words.metrics.items() if column in best]
    sections: list[Section] = []
    if metrics:
        note = f"epoch {position.best_epoch} of {position.epoch}; {words.chosen_by}"
        note += "; evaluate the model on other images with `maskwright evaluate`"
        sections.append(MetricTable("Best epoch, on the validation images", metrics, note=note))
    sections += losses(history)
    if metrics and len(history) > 1:  # a single epoch is no curve
        sections.append(Lines(words.curves, curves(history, words.metrics), range_y=(0.0, 1.0), label_y=words.axis))
    predictor = load(
        folder / "best", InferenceOptions(device=trainer.recipe.device, precision=trainer.recipe.precision)
    )
    if len(parts["val"]):
        sections.append(task.examples(predictor, _few(parts["val"]), "Validation images", words.pictures))
    caution = "; it was trained on these very images, so this is no measure of its quality"
    sections.append(task.examples(predictor, _few(parts["train"]), "Training images", words.pictures + caution))
    sections.append(Facts("Run", _facts(trainer, parts, read_card(folder / "best").temperature)))
    title = f"Training of {folder.name} on {parts['train'].name}"
    files.write_text(folder / "report.html", page.render(title, sections, _subtitle(trainer, parts)))


def _subtitle(trainer: Trainer, parts: Mapping[str, Dataset]) -> str:
    images = ", ".join(f"{counted(len(data), 'image')} ({part})" for part, data in parts.items() if len(data))
    position = trainer.position
    spent = f"{counted(position.epoch, 'epoch')} in {duration(position.seconds)}"
    return f"dataset {parts['train'].name}, {images}; model {trainer.card.model}, {spent}"


def losses(history: list[dict[str, Any]]) -> list[Section]:
    """The loss by epoch; and its parts, where it has several."""
    once = "a single epoch: one point, no curve" if len(history) == 1 else ""
    loss = curves(history, {"training": "loss", "validation": "val_loss"})
    made: list[Section] = [Lines("Loss", loss, label_y="loss", note=once)]
    columns = [column for column in history[-1] if column.startswith("loss_")]
    if len(history) > 1 and len(columns) > 1:
        parts = curves(history, {column.removeprefix("loss_"): column for column in columns})
        made.append(Lines("Parts of the training loss", parts, label_y="loss"))
    return made


def curves(history: list[dict[str, Any]], columns: Mapping[str, str]) -> list[Series]:
    """The columns of a run's history by epoch, under their names for people."""
    return [
        Series(
            name, [row["epoch"] for row in history if column in row], [row[column] for row in history if column in row]
        )
        for name, column in columns.items()
        if any(column in row for row in history)
    ]


def _few(data: Dataset) -> Dataset:
    """At most SHOWN images, evenly spaced."""
    chosen = {data.records[index].image for index in evenly_spaced(len(data), SHOWN)}
    return data.where(lambda record: record.image in chosen)


def _facts(trainer: Trainer, parts: Mapping[str, Dataset], temperature: float) -> dict[str, object]:
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
        **{f"images, {part}": len(data) for part, data in parts.items()},
    }
