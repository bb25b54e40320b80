"""How good found boxes and masks are: COCO's figures, with intervals over photos. Knows no model."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from maskwright.errors import DatasetError
from maskwright.evaluation import coco, intervals, resampling
from maskwright.evaluation.figures import KINDS, TWELVE, ClassFigures, Figures, Interval, KindFigures
from maskwright.types import Instances

NOT_ASKED = "not asked for"


def evaluate(
    truth: Sequence[Instances], found: Sequence[Instances], sizes: Sequence[tuple[int, int]], *,
    names: Sequence[str] | None = None, photo_names: Sequence[str] | None = None, bootstrap: int = 0, seed: int = 0,
    kinds: Sequence[str] = KINDS, groups: Sequence[Hashable] | None = None,
) -> Figures:  # fmt: skip
    """Judge what was found against what there is, photo by photo.

    truth, found  one Instances a photo, same order; found needs scores. Classes are compared by name
    sizes         (height, width) of each photo
    names         classes to judge; default: those of the truth
    bootstrap     resamples for the 95 % intervals (1000 is usual), 0 for none
    groups        photos of one group are resampled together (see intervals.draws)

    >>> import numpy as np
    >>> there = Instances(np.array([[0, 0, 40, 40]]), np.array([0]), None, None, ("cat",))
    >>> seen = Instances(np.array([[0, 0, 40, 30]]), np.array([0]), np.array([0.9]), None, ("cat",))
    >>> figures = evaluate([there], [seen], [(60, 80)])
    >>> figures.box.AP50, figures.box.APl, figures.reasons["mask"]
    (1.0, None, 'the truth has boxes only in 1 of 1 photos')
    """
    if not len(truth) == len(found) == len(sizes):
        raise DatasetError("truth, found and sizes must name the same photos",
                           wanted=f"{len(truth)} of each", got=f"{len(found)} found, {len(sizes)} sizes")  # fmt: skip
    if photo_names is not None and len(photo_names) != len(truth):
        raise DatasetError("not one name a photo", field="photo_names", wanted=len(truth), got=len(photo_names))
    labels = tuple(photo_names) if photo_names is not None else tuple(str(place) for place in range(len(truth)))
    known = tuple(names) if names is not None else (truth[0].names if truth else ())
    for label, there, here, size in zip(labels, truth, found, sizes, strict=True):
        _check(label, there, here, size)
    truth = [_renamed(each, known, label, strangers=False) for label, each in zip(labels, truth, strict=True)]
    before = sum(len(each) for each in found)
    found = [_renamed(each, known, label, strangers=True) for label, each in zip(labels, found, strict=True)]
    judged: dict[str, KindFigures | None] = dict.fromkeys(KINDS)
    reasons: dict[str, str] = {}
    for kind in KINDS:
        reason = _why_not(kind, truth, found) if kind in kinds else NOT_ASKED
        if reason:
            reasons[kind] = reason
        else:
            judged[kind] = _kind_figures(kind, truth, found, sizes, known, bootstrap, seed, groups)
    kept = sum(len(each) for each in found)
    truths = sum(
        len(each) if each.crowd is None else int(np.count_nonzero(~np.asarray(each.crowd, bool))) for each in truth
    )
    return Figures(known, len(truth), labels, truths, kept, before - kept, judged["box"], judged["mask"], reasons)


def difference(
    first: Figures, second: Figures, *, kind: str = "mask", figure: str = "AP", n: int = 1000, seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> intervals.Difference | None:  # fmt: skip
    """How much better the second model is on the same photos (paired bootstrap over photos).

    figure  "AP", "AP50", "AP75", "AR100", "AP <class>" or "AP50 <class>"
    None where that kind was not judged on both sides or there are fewer than two photos.
    """
    if (first.names, first.photo_names) != (second.names, second.photo_names):
        raise DatasetError("two evaluations can be compared only on the same photos and classes",
                           wanted=f"{first.photos} photos, {', '.join(first.names)}",
                           got=f"{second.photos} photos, {', '.join(second.names)}")  # fmt: skip
    one, two = first.kind(kind), second.kind(kind)
    if one is None or two is None or not intervals.enough(first.photos, groups):
        return None
    weights = intervals.draws(first.photos, n, seed, groups)
    weights = np.concatenate([np.ones((1, first.photos), np.int64), weights])
    values = [resampling.figures_of(each.matches, weights)[figure] for each in (one, two)]
    gaps = values[1] - values[0]
    return intervals.paired(float(gaps[0]), gaps[1:])


# --- inside -------------------------------------------------------------------------------------
def _kind_figures(kind, truth, found, sizes, names, n, seed, groups) -> KindFigures:
    judged = coco.judge(truth, found, sizes, names, kind)
    matches = judged.matches
    twelve = {name: _figure(judged, slice(None), *where) for name, where in TWELVE.items()}
    classes = []
    for index, name in enumerate(names):
        own = {figure: _figure(judged, index, *TWELVE[figure]) for figure in ("AP", "AP50", "AR100")}
        threshold, f1 = matches.best_threshold(index) or (None, None)
        count = sum(int(np.count_nonzero(each.classes == index)) for each in found)
        classes.append(ClassFigures(name, matches.truths_of(index), count, threshold=threshold, f1=f1, **own))
    pairs: dict[str, Interval | None] = {}
    if n > 0:
        resamples = resampling.samples(matches, n, seed, groups)
        enough = intervals.enough(len(truth), groups)
        pairs = {figure: intervals.percentiles(each) if enough else None for figure, each in resamples.items()}
    return KindFigures(kind, **twelve, classes=tuple(classes), intervals=pairs, matches=matches)


def _figure(judged: coco.Judged, which, precise: bool, iou: int | None, area: int, limit: int) -> float | None:
    """Mean over what exists; None where nothing does (the evaluator's -1)."""
    ious = slice(None) if iou is None else slice(iou, iou + 1)
    values = judged.precision[ious][:, :, which, area, limit] if precise else judged.recall[ious][:, which, area, limit]
    values = values[values > -1]
    return round(float(values.mean()), 12) if values.size else None  # the evaluator's epsilon leaves 0.9999999999999999


def _why_not(kind: str, truth: Sequence[Instances], found: Sequence[Instances]) -> str | None:
    """Why masks cannot be judged, in words."""
    if kind == "box":
        return None
    for side, photos in (("the truth has", truth), ("what was found has", found)):
        bare = sum(each.masks is None and len(each) > 0 for each in photos)
        if bare:
            return f"{side} boxes only in {bare} of {len(photos)} photos"
    return None


def _check(label: str, there: Instances, here: Instances, size: tuple[int, int]) -> None:
    if here.scores is None and len(here):
        raise DatasetError("found objects need scores", record=f'photo "{label}"', field="scores",
                           wanted=f"{len(here)} numbers 0..1", got="none")  # fmt: skip
    for side, each in (("truth", there), ("found", here)):
        numbers = [each.boxes] + ([] if each.scores is None else [each.scores])
        if not all(np.isfinite(column).all() for column in numbers):
            raise DatasetError("a box or score is not a number", record=f'photo "{label}"', field=side,
                               wanted="finite numbers", got="NaN or infinity")  # fmt: skip
        if each.masks is not None and len(each) and tuple(each.masks.size) != tuple(size):
            raise DatasetError("the masks are not of the photo's size", record=f'photo "{label}"', field=side,
                               wanted=f"(height, width) = {tuple(size)}", got=tuple(each.masks.size))  # fmt: skip


def _renamed(each: Instances, names: tuple[str, ...], label: str, *, strangers: bool) -> Instances:
    """Classes as indices into `names`; found objects of other classes are left out, in the truth they are an error."""
    if each.scores is None and strangers:
        each = replace(each, scores=np.zeros(len(each), np.float32))
    if each.names == names:
        return each
    place = {name: index for index, name in enumerate(names)}
    moved = np.array([place.get(name, -1) for name in each.names], np.int64)[each.classes]
    if not strangers and (moved < 0).any():
        stranger = each.names[int(each.classes[np.argmax(moved < 0)])]
        raise DatasetError(f'the truth holds the class "{stranger}", which is not among those to judge',
                           record=f'photo "{label}"', wanted=", ".join(names), got=stranger)  # fmt: skip
    return replace(each, classes=moved, names=names)[moved >= 0]
