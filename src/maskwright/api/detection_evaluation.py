"""A detector evaluated: found objects against annotated ones, as metrics, as a page and as COCO results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maskwright import files, interop
from maskwright.api.data import Say, names_of, outlined
from maskwright.api.unreadable import Opened
from maskwright.drawing import outlines
from maskwright.drawing.sheet import fit as reduced
from maskwright.errors import DatasetError
from maskwright.evaluation import detection
from maskwright.evaluation.detection_metrics import KINDS, DetectionMetrics
from maskwright.prediction.predictor import Predictor
from maskwright.progress import Progress
from maskwright.report import page, sections
from maskwright.report.detection_sections import sections_of
from maskwright.types import Dataset, Instances

CELL = (560, 420)
MISSED = (214, 39, 40)
MOST_FINDS = 100  # of an image and class: COCO's rule


@dataclass(frozen=True)
class Evaluated:
    """metrics, the images they are about, and the objects of every score that were found on each.

    warnings  about images that could not be read
    """

    metrics: DetectionMetrics
    data: Dataset
    detections: list[Instances]
    warnings: tuple[str, ...] = ()


def evaluate(
    find: Predictor, data: Dataset, bootstrap: int, seed: int, progress: Progress, say: Say = lambda line: None
) -> Evaluated:
    """Every image looked at once.

    Masks are evaluated on the images whose objects have outlines; images with boxes only are then left out, so that
    masks and boxes are evaluated on the same ones. Where no image has outlines, boxes alone are evaluated.
    """
    if any(record.labels is not None for record in data):
        raise DatasetError(
            "these images carry a class each, and the model finds objects",
            file=data.name,
            expected="outlines or boxes, or a model trained with --task classify",
            got=f"{find.card.model}, trained for {find.card.task}",
        )
    drawn = outlined(data)
    if find.card.task == "segment" and drawn.instance_count and len(drawn) < len(data):
        bare = len(data) - len(drawn)
        say(f"{bare} of them {'has' if bare == 1 else 'have'} boxes and no outlines: left out, masks are evaluated")
        data = drawn
    every = Predictor(find.engine, threshold=0.0, size=find.size, tile=find.tile)
    opened = Opened(find, data)
    images = progress(opened, total=len(data), label="looking at images", unit="images")
    every_one = [said for _, said in every.batches(images, progress=progress)]
    data = opened.data
    detections = [record.evaluated(said) for record, said in zip(data, every_one, strict=True)]
    kinds = KINDS if find.card.task == "segment" else ("box",)
    return Evaluated(
        metrics_of([(data, detections)], data.names, bootstrap, seed, kinds),
        data,
        detections,
        tuple(map(str, opened.issues)),
    )


def doubts(data: Dataset) -> tuple[str, ...]:
    """What metrics of these images cannot say, one sentence each."""
    told = []
    if len({record.group or str(record.image) for record in data}) == 1:
        what = "one image" if len(data) == 1 else f"{len(data)} images of one group, such as a series,"
        told.append(f"metrics of {what} have no intervals")
    # COCO's limit of a hundred finds makes metrics small, however good the model.
    most = [np.bincount(record.instances.classes).max(initial=0) for record in data if record.instances is not None]
    beyond = sum(count > MOST_FINDS for count in most)
    if beyond:
        images = f"{beyond} {'image has' if beyond == 1 else 'images have'}"
        told.append(
            f"{images} more than {MOST_FINDS} objects of a class (at most {max(most)}); COCO's metrics count the "
            f"{MOST_FINDS} surest detections of each image and class, so the rest of them is missed by rule"
        )
    return tuple(told)


def metrics_of(
    parts: Sequence[tuple[Dataset, Sequence[Instances]]],
    names: tuple[str, ...],
    bootstrap: int,
    seed: int,
    kinds: Sequence[str] = KINDS,
) -> DetectionMetrics:
    """One evaluation of all images of all parts; images of one group, and one image evaluated twice, count together."""
    records = [record for data, _ in parts for record in data]
    return detection.evaluate(
        [record.instances for record in records if record.instances is not None],
        [instances for _, detections in parts for instances in detections],
        [record.size for record in records],
        names=names,
        image_names=[name for data, _ in parts for name in names_of(data)],
        bootstrap=bootstrap,
        seed=seed,
        groups=[record.group or str(record.image) for record in records],
        kinds=kinds,
    )


# --- the page -----------------------------------------------------------------------------------------
def write(
    evaluated: Evaluated, facts: dict[str, Any], out: Path, find: Predictor, which: str, warnings: list[str]
) -> None:
    """evaluation.json, evaluation.html and coco_results.json in the folder `out`."""
    files.write_text(out / "evaluation.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    _coco(evaluated, out)
    counts = f"{evaluated.metrics.images} images ({which}), {evaluated.metrics.ground_truths} objects"
    parts = sections_of(evaluated.metrics, find.limits, "; ".join([counts, "bootstrap over images", *warnings]))
    drawn = "; ".join(["lowest F1 at IoU 0.5 first", *(f"drawn are {threshold}" for threshold in find.thresholds)])
    parts.append(sections.Gallery("The images it does worst on", gallery(evaluated, find, 8), note=drawn))
    if (rest := len(evaluated.data) - 8) > 0:
        best = gallery(evaluated, find, min(rest, 6), best=True)
        parts.append(sections.Gallery("The images it does best on", best, note="highest F1 first"))
    files.write_text(
        out / "evaluation.html", page.render(evaluated.data.name, parts, f"evaluation of {facts['model']}")
    )


def _coco(evaluated: Evaluated, out: Path) -> None:
    """Everything found of the data's classes, under the data's own ids where it has them, each image its own."""
    data = evaluated.data
    names, ids = data.names, [record.id for record in data if record.id is not None]
    own = len(set(ids)) == len(data) and len(data.class_ids) == len(names)
    known = [detections[np.isin(detections.labels, names)] for detections in evaluated.detections]
    categories = dict(zip(names, data.class_ids if own else range(1, len(names) + 1), strict=True))
    results = interop.to_coco_results(known, ids if own else range(1, len(data) + 1), categories)
    files.write_text(out / "coco_results.json", json.dumps(results) + "\n")
    if not own:
        table = interop.to_coco_images(names_of(data), [record.size for record in data], names)
        files.write_text(out / "coco_images.json", json.dumps(table, ensure_ascii=False) + "\n")


def gallery(evaluated: Evaluated, find: Predictor, count: int, best: bool = False) -> list[sections.Picture]:
    """The worst images (or the best), evaluated and drawn by what the model shows at its threshold."""
    places = {name: index for index, name in enumerate(evaluated.metrics.image_names)}
    pictures = []
    for name, score in evaluated.metrics.worst_images(count, threshold=find.limits, best=best):
        detections, record = evaluated.detections[places[name]], evaluated.data.records[places[name]]
        limits = np.array([find.limits.get(name, np.inf) for name in detections.names])
        detections = detections[detections.scores >= limits[detections.classes]]  # type: ignore[operator]
        drawn = outlines.draw(find.open(record.image), detections, shown_in=CELL)
        if record.instances is not None and score.false_negatives:
            false_negatives = record.instances[np.array(score.false_negatives)]
            words = [f"missed: {label}" for label in false_negatives.labels]
            drawn = outlines.draw(
                drawn, false_negatives, colors=[MISSED] * len(false_negatives), labels=words, shown_in=CELL
            )
        pictures.append(
            sections.Picture(
                reduced(drawn, CELL), f"{name}: {len(score.false_negatives)} missed, {len(score.false_positives)} false"
            )
        )
    return pictures
