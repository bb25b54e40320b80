"""The sections that show what is in a dataset: classes, sizes, shapes, places, crowding, and how anchors fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maskwright.curate.stats import AnchorFit, Spread, Stats
from maskwright.report.sections import Bars, Density, Histogram, Section, Table

MOST_BARS = 30  # classes that have a bar; a table names up to MOST_ROWS
MOST_ROWS = 200
CELLS = 20  # of a map, along each side


def sections_of(stats: Stats, fits: Sequence[AnchorFit] = ()) -> list[Section]:
    """Of a dataset without objects only what its images show.

    >>> page.render("party", sections_of(Stats.of(dataset)))
    """
    made = _of_classes(stats)
    if len(stats.sizes):
        made.append(_image_sizes(stats))
    if not len(stats):
        return made
    made += [_object_sizes(stats), _shapes(stats), _places(stats), _crowding(stats)]
    if fits:
        made.append(_anchors(fits))
    return made


def _of_classes(stats: Stats) -> list[Section]:
    counts = np.bincount(stats.classes, minlength=len(stats.names)) + stats.image_labels
    unit = "objects" if len(stats) else "images"
    order = np.argsort(-counts, kind="stable").tolist()
    left_out = len(order) - MOST_BARS
    bars = {stats.names[index]: int(counts[index]) for index in order[:MOST_BARS]}
    note = f"the {MOST_BARS} most frequent of {len(order)} classes" if left_out > 0 else ""
    made: list[Section] = [Bars("Classes", bars, note="; ".join(filter(None, [f"{unit} of each class", note])))]
    if not len(stats):
        return made
    rows = [_row(stats, index) for index in order[:MOST_ROWS]]
    splits = [split for split in ("train", "val", "test") if (stats.splits == split).any()]
    columns = ["class", "objects", "images", *splits, "side (px)", "10 % to 90 %", "width / height", "box filled"]
    note = "side: of the square of the box's area, median; the other two are medians"
    return [*made, Table("Objects by class", columns, rows, note=note)]


def _row(stats: Stats, index: int) -> list[object]:
    facts = stats.of_class(index)
    side, ratio, filled = facts["side"], facts["width_by_height"], facts["fraction_of_box"]
    splits = [facts["splits"].get(split, 0) for split in ("train", "val", "test") if (stats.splits == split).any()]
    spread = "" if side is None else f"{side.p10:,.0f} to {side.p90:,.0f}"
    return [stats.names[index], facts["objects"], facts["images"], *splits, _median(side, 1), spread, _median(ratio, 2),
            _median(filled, 2)]  # fmt: skip


def _median(spread: Spread | None, digits: int) -> float | None:
    return None if spread is None else round(spread.median, digits)


def _image_sizes(stats: Stats) -> Section:
    counts, x, y = _map(stats.sizes[:, 0], stats.sizes[:, 1])
    return Density("Sizes of the images", x, y, counts, "width (px)", "height (px)")


def _object_sizes(stats: Stats) -> Section:
    side = np.maximum(stats.sides, 0.5)
    edges = np.sqrt(2.0) ** np.arange(np.floor(2 * np.log2(side.min())), np.floor(2 * np.log2(side.max())) + 2)
    return Histogram("Sizes of the objects", edges, np.histogram(side, edges)[0], "side (px of the image)",
                     note="the side of the square of the box's area; bins grow by 1.4 each")  # fmt: skip


def _shapes(stats: Stats) -> Section:
    counts, x, y = _map(*(stats.fractions.clip(0, 1) * 100).T, limits=(0, 100))
    return Density("Shapes of the objects", x, y, counts, "width (% of the image)", "height (% of the image)")


def _places(stats: Stats) -> Section:
    counts, x, y = _map(*(stats.centers.clip(0, 1) * 100).T, limits=(0, 100))
    return Density("Where the objects are", x, y, counts, "x of the center (%)", "y of the center (%)", downward=True)


def _crowding(stats: Stats) -> Section:
    step = max(1, -(-int(stats.per_image.max(initial=0) + 1) // CELLS))
    edges = np.arange(0, stats.per_image.max(initial=0) + step + 1, step)
    overlapped = int(stats.overlapped.sum())
    note = f"{overlapped:,} objects overlap another one by half or more: a detector may take two of them for one"
    return Histogram("Objects per image", edges, np.histogram(stats.per_image, edges)[0], "objects", "images",
                     note=note if overlapped else "")  # fmt: skip


def _anchors(fits: Sequence[AnchorFit]) -> Section:
    rows = [[fit.model, fit.size, ", ".join(f"{side:g}" for side in fit.sides), fit.median, f"{fit.above_half:.1%}",
             f"{fit.smaller:.1%}", f"{fit.larger:.1%}"] for fit in fits]  # fmt: skip
    columns = ["model", "input (px)", "anchors (px)", "median IoU", "IoU ≥ 0.5", "too small", "too large"]
    note = (
        "best overlap of an object's box with an anchor at its center; too small: less than half of the smallest "
        "anchor, where `--tile` or a larger `--size` helps; too large: more than twice the largest"
    )
    return Table("Anchors", columns, rows, note=note)


def _map(
    across: np.ndarray, up: np.ndarray, limits: tuple[float, float] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts by cell (rows are `up`), and the edges of columns and rows."""
    x, y = (_edges(values) if limits is None else np.linspace(*limits, CELLS + 1) for values in (across, up))
    return np.histogram2d(up, across, bins=(y, x))[0].astype(np.int64), x, y


def _edges(values: np.ndarray) -> np.ndarray:
    """CELLS + 1 round numbers around values of 0 and more."""
    low, high = float(values.min()), float(values.max())
    power = 10.0 ** np.floor(np.log10(max(high - low, CELLS) / (CELLS - 1)))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10, 20) if factor * power * (CELLS - 1) >= high - low)
    first = max(0.0, np.floor((low + high - CELLS * step) / 2 / step) * step)
    return first + step * np.arange(CELLS + 1)
