"""Evaluate: a model against annotated photos, with intervals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from maskwright import files, formats
from maskwright.errors import DatasetError
from maskwright.evaluation import detection
from maskwright.evaluation.figures import Figures, KindFigures
from maskwright.evaluation.verdict_figures import VerdictFigures
from maskwright.jobs import verdict_figures
from maskwright.jobs.data import Say, data_name, names_of, relative, whole_photos
from maskwright.pictures import outlines
from maskwright.pictures.sheet import fit as reduced
from maskwright.prediction.predictor import Classifier, Predictor, load
from maskwright.progress import Progress, silent
from maskwright.report import page, sections
from maskwright.training.run_folder import RunFolder
from maskwright.types import Dataset
from maskwright.weights.sources import model_folder

CELL = (560, 420)


Figured = TypeVar("Figured", Figures, VerdictFigures)


@dataclass(frozen=True)
class Evaluated(Generic[Figured]):
    """figures (see evaluation.figures; of a classifier, evaluation.verdict_figures), the photos they are about,
    and what was found on each."""

    figures: Figured
    data: Dataset
    found: list[Any]
    which: str


def evaluate(
    model: str | Path | Predictor,
    data: str | Path | Dataset,
    *,
    split: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    out: str | Path | None = None,
    allow_faulty: bool = False,
    device: str = "auto",
    precision: str = "auto",
    names: Sequence[str] | None = None,
    size: int | None = None,
    progress: Progress = silent,
    say: Say = lambda line: None,
) -> Evaluated[Any]:
    """Judge a model by COCO's figures, each with a 95 % interval over photos; a classifier by accuracy, AUC and more.

    split  which part of the data: test where there is one, else val, else what the run held back, else everything
    out    a folder for evaluation.json and evaluation.html

    >>> maskwright.evaluate("runs/party", "party/").figures.mask.AP50
    0.71
    >>> maskwright.evaluate("runs/rust", "rust/").figures.accuracy
    0.97
    """
    whole = data if isinstance(data, Dataset) else formats.read(data, allow_faulty=allow_faulty)
    find = (
        model
        if isinstance(model, Predictor)
        else load(model, device=device, precision=precision, size=size, names=names)
    )
    if isinstance(find, Classifier):
        whole = whole_photos(whole)
    part, which = _part(whole, split, model, data)
    part = part.usable()
    if not len(part):
        raise DatasetError(
            "there is nothing to judge the model by",
            file=data_name(data),
            wanted="labelled photos",
            got=f"0 in {which}",
        )
    say(f"judging on {len(part)} photos ({which})")
    if not set(find.card.classes) & set(part.names):
        raise DatasetError(
            "the model knows none of the classes in these data",
            file=data_name(data),
            wanted=", ".join(find.card.classes),
            got=", ".join(part.names),
        )
    if isinstance(find, Classifier):
        judged = verdict_figures.judge(find, part, bootstrap, seed, progress)
        if out is not None:
            facts = {"split": which, **judged.figures.facts()}
            verdict_figures.write(judged.figures, facts, part, Path(out), find)
        return Evaluated(judged.figures, part, judged.found, which)
    if any(record.labels is not None for record in part):
        raise DatasetError(
            "these photos carry a class each, and the model finds objects",
            file=data_name(data),
            wanted="outlines or boxes, or a model trained with --task classify",
            got=f"{find.card.model}, trained for {find.card.task}",
        )
    every = Predictor(find.engine, threshold=0.0, size=find.size)
    photos = progress(
        (find.open(record.photo) for record in part), total=len(part), label="looking at photos", unit="photos"
    )
    found = [instances for _, instances in every.batches(photos)]
    truth = [record.instances for record in part if record.instances is not None]
    figures = detection.evaluate(
        truth,
        found,
        [record.size for record in part],
        names=part.names,
        photo_names=names_of(part),
        bootstrap=bootstrap,
        seed=seed,
        groups=[record.group or f"photo {place}" for place, record in enumerate(part)],
    )
    evaluated: Evaluated[Any] = Evaluated(figures, part, found, which)
    if out is not None:
        write(evaluated, Path(out), find)
    return evaluated


def _part(whole: Dataset, split: str | None, model: object, data: object) -> tuple[Dataset, str]:
    parts = whole.splits()
    if split is not None and split != "all":
        if split not in parts:
            raise DatasetError(
                f"these data have no {split} photos", file=whole.name, wanted=split, got=", ".join(parts) or "no splits"
            )
        return parts[split], split
    if split == "all":
        return whole, "all"
    for name in ("test", "val"):
        if name in parts:
            return parts[name], name
    held = _held_back(whole, model, data)
    return (held, "held back by the run") if held else (whole, "all")


def _held_back(whole: Dataset, model: object, data: object) -> Dataset | None:
    """The photos that the model's own run did not train on, where it ran on these very data."""
    if not isinstance(model, (str, Path)) or not isinstance(data, (str, Path)):
        return None
    run = RunFolder(model_folder(model).parent)
    if not (run.path / "run.json").is_file():
        return None
    facts = run.facts()
    if facts["data"] != str(Path(data).resolve()):
        return None
    held = set(facts["photos"].get("test") or facts["photos"].get("val", ()))
    return whole.where(lambda record: relative(record.photo, Path(data)) in held)


# --- the page -----------------------------------------------------------------------------------------
def write(evaluated: Evaluated[Figures], out: Path, find: Predictor) -> None:
    """evaluation.json and evaluation.html in the folder `out`."""
    facts = {"split": evaluated.which, **evaluated.figures.facts()}
    files.write_text(out / "evaluation.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    kinds = [kind for kind in (evaluated.figures.mask, evaluated.figures.box) if kind is not None]
    parts: list[sections.Section] = [_figures(kind, evaluated) for kind in kinds]
    if kinds:
        parts.append(_classes(kinds[0]))
        parts.append(_curves(kinds[0]))
    parts.append(
        sections.Gallery("The photos it does worst on", worst(evaluated, find, 8), note="lowest F1 at IoU 0.5 first")
    )
    files.write_text(out / "evaluation.html", page.render(evaluated.data.name, parts, "how well the model does"))


def _figures(kind: KindFigures, evaluated: Evaluated[Figures]) -> sections.Figures:
    shown = [
        sections.Figure(name, getattr(kind, name), kind.intervals.get(name)) for name in ("AP", "AP50", "AP75", "AR100")
    ]
    shown += [
        sections.Figure(f"AP {size}", getattr(kind, name))
        for size, name in (("small", "APs"), ("medium", "APm"), ("large", "APl"))
    ]
    return sections.Figures(
        f"{kind.kind.capitalize()} figures",
        shown,
        note=f"{evaluated.figures.photos} photos ({evaluated.which}), {evaluated.figures.truths} objects; "
        "bootstrap over photos",
    )


def _classes(kind: KindFigures) -> sections.Table:
    columns = ["class", "truths", "found", "AP", "AP50", "AR100", "threshold", "f1"]
    return sections.Table("Classes", columns, [[row[column] for column in columns] for row in kind.rows()])


def _curves(kind: KindFigures) -> sections.PrecisionRecall:
    curves = [
        sections.Series(name, curve.recall, curve.precision)
        for index, name in enumerate(kind.matches.names)
        if len((curve := kind.matches.curve(index)).scores)
    ]
    return sections.PrecisionRecall("Precision and recall at IoU 0.5", curves)


def worst(evaluated: Evaluated[Figures], find: Predictor, count: int) -> list[sections.Picture]:
    """The worst photos, with what the model shows at its threshold."""
    places = {name: place for place, name in enumerate(evaluated.figures.photo_names)}
    pictures = []
    for name, score in evaluated.figures.worst_photos(count):
        found = evaluated.found[places[name]]
        found = found[found.scores >= find.threshold]  # type: ignore[operator]
        drawn = outlines.draw(find.open(evaluated.data.records[places[name]].photo), found)
        pictures.append(
            sections.Picture(reduced(drawn, CELL), f"{name}: {len(score.missed)} missed, {len(score.false)} false")
        )
    return pictures
