"""A classifier judged: scores of whole photos against their labels, as figures and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from maskwright import files
from maskwright.errors import DatasetError
from maskwright.evaluation import classification
from maskwright.evaluation.comparing import McNemar, mcnemar
from maskwright.evaluation.verdict_figures import Mistake, VerdictFigures
from maskwright.jobs.data import names_of
from maskwright.jobs.unreadable import Opened
from maskwright.prediction.predictor import Classifier
from maskwright.progress import Progress, silent
from maskwright.report import page
from maskwright.report.classification_sections import misclassified, sections_of
from maskwright.report.sections import Text
from maskwright.types import Dataset, Verdict
from maskwright.weights.card import Card


@dataclass(frozen=True)
class Judged:
    """figures, the photos they are about, and the verdict on each.

    warnings  about photos that could not be read
    """

    figures: VerdictFigures
    data: Dataset
    found: list[Verdict]
    warnings: tuple[str, ...] = ()


def judge(find: Classifier, data: Dataset, bootstrap: int, seed: int, progress: Progress = silent) -> Judged:
    """Every photo looked at once. The classes are the model's: a photo of a class it does not know is an error."""
    strangers = [name for name, count in data.class_counts().items() if count and name not in find.card.classes]
    if strangers:
        raise DatasetError(
            "these photos show classes that the model was never taught",
            file=data.name,
            wanted=", ".join(find.card.classes),
            got=", ".join(strangers),
            fix="name them the same way, or train on them",
        )
    opened = Opened(find, data)
    photos = progress(opened, total=len(data), label="looking at photos", unit="photos")
    found = [verdict for _, verdict in find.batches(photos, batch=8)]
    data = opened.data
    figures = figures_of([(data, found)], find.card.classes, find.card.multi_label, bootstrap, seed)
    return Judged(figures, data, found, opened.warnings)


def figures_of(
    parts: Sequence[tuple[Dataset, Sequence[Verdict]]],
    names: tuple[str, ...],
    multi_label: bool,
    bootstrap: int,
    seed: int,
) -> VerdictFigures:
    """One evaluation of all photos of all parts; photos of one group, and one photo judged twice, count together."""
    records = [record for data, _ in parts for record in data]
    verdicts = [verdict for _, found in parts for verdict in found]
    truth = np.zeros((len(records), len(names)), bool)
    chosen = np.zeros_like(truth)
    photos = [(data, record) for data, _ in parts for record in data]
    for row, ((data, record), verdict) in enumerate(zip(photos, verdicts, strict=True)):
        truth[row, [names.index(data.names[label]) for label in record.labels or ()]] = True
        chosen[row, list(verdict.chosen)] = True
    return classification.evaluate(
        truth,
        np.stack([verdict.scores for verdict in verdicts]),
        names,
        multi_label=multi_label,
        chosen=chosen,
        bootstrap=bootstrap,
        seed=seed,
        groups=[record.group or str(record.photo) for record in records],
        photo_names=[name for data, _ in parts for name in names_of(data)],
    )


def compared(
    first: VerdictFigures, other: Classifier, data: Dataset, names: tuple[str, str], progress: Progress = silent
) -> McNemar:
    """Another model on the same photos: which of the two is right where they disagree."""
    second = judge(other, data, bootstrap=0, seed=0, progress=progress).figures
    return mcnemar(first.right, second.right, names)


def in_use(card: Card) -> dict[str, Any]:
    """How scores became answers, for JSON: chosen on validation photos, and part of the model."""
    return {"operating_points": msgspec.to_builtins(card.operating_points), "temperature": card.temperature}


# --- the page -----------------------------------------------------------------------------------------
def write(
    figures: VerdictFigures,
    facts: dict[str, Any],
    data: Dataset,
    out: Path,
    find: Classifier,
    warnings: Sequence[str] = (),
    against: McNemar | None = None,
) -> None:
    """evaluation.json, scores.csv and evaluation.html in the folder `out`."""
    files.write_text(out / "evaluation.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    files.write_text(out / "scores.csv", figures.scores_csv())

    def heat(mistake: Mistake) -> np.ndarray | None:
        """What spoke for the answer given; where that was "not rust", what spoke against rust."""
        photo, said = find.open(data.records[mistake.photo].photo), mistake.said
        return find.heat(photo, said) if said in figures.names else find.heat(photo, mistake.truth, against=True)

    parts = sections_of(figures, find.card.operating_points, warnings, find.card.temperature)
    behind_figures = 1 + bool(warnings or figures.remarks)
    if find.thresholds:
        parts.insert(behind_figures, Text("From which score on", [str(each) for each in find.thresholds]))
    if against is not None:
        parts.insert(behind_figures, Text("Against another model", [against.sentence()]))
    parts.append(misclassified(figures, lambda place: find.open(data.records[place].photo).pixels, heat))
    files.write_text(out / "evaluation.html", page.render(data.name, parts, f"how well {facts['model']} does"))
