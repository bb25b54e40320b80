"""A detector judged: found objects against annotated ones, as figures, as a page and as COCO results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskwright import files, interop
from maskwright.errors import DatasetError
from maskwright.evaluation import detection
from maskwright.evaluation.figures import KINDS, Figures
from maskwright.jobs.data import Say, names_of, outlined
from maskwright.jobs.unreadable import Opened
from maskwright.pictures import outlines
from maskwright.pictures.sheet import fit as reduced
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.report import page, sections
from maskwright.report.detection_sections import sections_of
from maskwright.types import Dataset, Instances

CELL = (560, 420)
MISSED = (214, 39, 40)
MOST_FINDS = 100  # of a photo and class: COCO's rule


@dataclass(frozen=True)
class Judged:
    """figures, the photos they are about, and the objects of every score that were found on each.

    warnings  about photos that could not be read
    """

    figures: Figures
    data: Dataset
    found: list[Instances]
    warnings: tuple[str, ...] = ()


def judge(
    find: Predictor, data: Dataset, bootstrap: int, seed: int, progress: Progress, say: Say = lambda line: None
) -> Judged:
    """Every photo looked at once.

    Masks are judged on the photos whose objects have outlines; photos with boxes only are then left out, so that
    masks and boxes are judged on the same ones. Where no photo has outlines, boxes alone are judged.
    """
    if any(record.labels is not None for record in data):
        raise DatasetError(
            "these photos carry a class each, and the model finds objects",
            file=data.name,
            wanted="outlines or boxes, or a model trained with --task classify",
            got=f"{find.card.model}, trained for {find.card.task}",
        )
    drawn = outlined(data)
    if find.card.task == "segment" and drawn.instance_count and len(drawn) < len(data):
        bare = len(data) - len(drawn)
        say(f"{bare} of them {'has' if bare == 1 else 'have'} boxes and no outlines: left out, masks are judged")
        data = drawn
    every = Predictor(find.engine, threshold=0.0, size=find.size, tile=find.tile)
    opened = Opened(find, data)
    photos = progress(opened, total=len(data), label="looking at photos", unit="photos")
    every_one = [said for _, said in every.batches(photos, progress=progress)]
    data = opened.data
    found = [record.judged(said) for record, said in zip(data, every_one, strict=True)]
    kinds = KINDS if find.card.task == "segment" else ("box",)
    return Judged(figures_of([(data, found)], data.names, bootstrap, seed, kinds), data, found, opened.warnings)


def doubts(data: Dataset) -> tuple[str, ...]:
    """What figures of these photos cannot say, one sentence each."""
    told = []
    if len({record.group or str(record.photo) for record in data}) == 1:
        what = "one photo" if len(data) == 1 else f"{len(data)} photos of one group, such as a series,"
        told.append(f"figures of {what} have no intervals")
    # COCO's limit of a hundred finds makes figures small, however good the model.
    most = [np.bincount(record.instances.classes).max(initial=0) for record in data if record.instances is not None]
    beyond = sum(count > MOST_FINDS for count in most)
    if beyond:
        photos = f"{beyond} {'photo has' if beyond == 1 else 'photos have'}"
        told.append(
            f"{photos} more than {MOST_FINDS} objects of a class (at most {max(most)}); COCO's figures count the "
            f"{MOST_FINDS} surest finds of each photo and class, so the rest of them is missed by rule"
        )
    return tuple(told)


def figures_of(
    parts: Sequence[tuple[Dataset, Sequence[Instances]]],
    names: tuple[str, ...],
    bootstrap: int,
    seed: int,
    kinds: Sequence[str] = KINDS,
) -> Figures:
    """One evaluation of all photos of all parts; photos of one group, and one photo judged twice, count together."""
    records = [record for data, _ in parts for record in data]
    return detection.evaluate(
        [record.instances for record in records if record.instances is not None],
        [instances for _, found in parts for instances in found],
        [record.size for record in records],
        names=names,
        photo_names=[name for data, _ in parts for name in names_of(data)],
        bootstrap=bootstrap,
        seed=seed,
        groups=[record.group or str(record.photo) for record in records],
        kinds=kinds,
    )


# --- the page -----------------------------------------------------------------------------------------
def write(judged: Judged, facts: dict[str, Any], out: Path, find: Predictor, which: str, warnings: list[str]) -> None:
    """evaluation.json, evaluation.html and coco_results.json in the folder `out`."""
    files.write_text(out / "evaluation.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    _coco(judged, out)
    counts = f"{judged.figures.photos} photos ({which}), {judged.figures.truths} objects"
    parts = sections_of(judged.figures, find.limits, "; ".join([counts, "bootstrap over photos", *warnings]))
    drawn = "; ".join(["lowest F1 at IoU 0.5 first", *(f"drawn are {each}" for each in find.thresholds)])
    parts.append(sections.Gallery("The photos it does worst on", gallery(judged, find, 8), note=drawn))
    if (rest := len(judged.data) - 8) > 0:
        best = gallery(judged, find, min(rest, 6), best=True)
        parts.append(sections.Gallery("The photos it does best on", best, note="highest F1 first"))
    files.write_text(out / "evaluation.html", page.render(judged.data.name, parts, f"how well {facts['model']} does"))


def _coco(judged: Judged, out: Path) -> None:
    """Everything found of the data's classes, under the data's own ids where it has them, each photo its own."""
    data = judged.data
    names, ids = data.names, [record.id for record in data if record.id is not None]
    own = len(set(ids)) == len(data) and len(data.class_ids) == len(names)
    known = [found[np.isin(found.labels, names)] for found in judged.found]
    categories = dict(zip(names, data.class_ids if own else range(1, len(names) + 1), strict=True))
    results = interop.to_coco_results(known, ids if own else range(1, len(data) + 1), categories)
    files.write_text(out / "coco_results.json", json.dumps(results) + "\n")
    if not own:
        table = interop.to_coco_images(names_of(data), [record.size for record in data], names)
        files.write_text(out / "coco_images.json", json.dumps(table, ensure_ascii=False) + "\n")


def gallery(judged: Judged, find: Predictor, count: int, best: bool = False) -> list[sections.Picture]:
    """The worst photos (or the best), judged and drawn by what the model shows at its threshold."""
    places = {name: place for place, name in enumerate(judged.figures.photo_names)}
    pictures = []
    for name, score in judged.figures.worst_photos(count, threshold=find.limits, best=best):
        found, record = judged.found[places[name]], judged.data.records[places[name]]
        limits = np.array([find.limits.get(name, np.inf) for name in found.names])
        found = found[found.scores >= limits[found.classes]]  # type: ignore[operator]
        drawn = outlines.draw(find.open(record.photo), found, shown_in=CELL)
        if record.instances is not None and score.missed:
            missed = record.instances[np.array(score.missed)]
            words = [f"missed: {label}" for label in missed.labels]
            drawn = outlines.draw(drawn, missed, colours=[MISSED] * len(missed), labels=words, shown_in=CELL)
        pictures.append(
            sections.Picture(reduced(drawn, CELL), f"{name}: {len(score.missed)} missed, {len(score.false)} false")
        )
    return pictures
