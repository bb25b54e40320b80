"""The page of a check: what was found, with small pictures of what each issue is about, and what is in the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from maskwright.api.stats import anchor_fits
from maskwright.curate.check import PAIRS
from maskwright.curate.objects import ROWS
from maskwright.curate.stats import Stats
from maskwright.drawing import outlines
from maskwright.drawing.sheet import fit, stacked
from maskwright.errors import ImageError
from maskwright.formats.faults import FAULTY_RECORD
from maskwright.images.decode import decode
from maskwright.issues import Issue
from maskwright.progress import Progress
from maskwright.report import page
from maskwright.report.dataset_sections import sections_of
from maskwright.report.sections import Facts, Gallery, Picture, Section, Table
from maskwright.text import counted
from maskwright.types import Dataset, Instances, Record

CELL = (360, 270)  # (width, height) of a small picture at most
MOST = 8  # pictures of an issue
MOST_PICTURES = 240  # of a page, so that it opens in a browser whatever the data
MOST_DOUBTS = 24
MARGIN = 0.6  # of an object's longer side, shown around it
SMALLEST = 64  # pixels of the image that a picture of one object shows at least

MARKED, OTHER = (213, 94, 0), (120, 130, 136)  # the object that an issue is about, and those around it


def render(
    datasets: Sequence[Dataset], issues: dict[str, tuple[Issue, ...]], doubts: dict[str, tuple[Issue, ...]],
    because: dict[str, str], progress: Progress,
) -> str:  # fmt: skip
    """One self-contained page. Of each issue it shows MOST pictures, of all together MOST_PICTURES."""
    made: list[Section] = []
    pictures = _Pictures(datasets, progress)
    several = len(datasets) > 1
    for dataset in datasets:
        name = f"{dataset.name}: " if several else ""
        made.append(Facts(f"{name}Data", _facts(dataset, because.get(dataset.name, ""))))
        made.append(_findings(f"{name}Findings", issues[dataset.name]))
        made += pictures.galleries(name, issues[dataset.name])
        if doubts:
            made += pictures.doubts(name, dataset, doubts[dataset.name])
        found = Stats.of(dataset)
        for section in sections_of(found, anchor_fits(found)):
            made.append(_renamed(section, name))
    if several:
        made.append(_findings("Together", issues[""]))
        made += pictures.galleries("", issues[""])
    title = "Check of " + " and ".join(dataset.name for dataset in datasets)
    total = sum(map(len, datasets))
    serious = sum(issue.severity == "error" for several in issues.values() for issue in several)
    return page.render(title, made, f"{counted(total, 'image')}, {counted(serious, 'problem')}")


def _facts(dataset: Dataset, because: str) -> dict[str, object]:
    states = {state: count for state, count in dataset.state_counts().items() if count}
    splits = {name: len(part) for name, part in dataset.splits().items()}
    return {
        "format": f"{dataset.format}{f', for {because}' if because else ''}",
        "images": len(dataset),
        **{f"images, {state}": count for state, count in states.items() if len(states) > 1 or state != "labeled"},
        **{f"images, {name}": count for name, count in splits.items()},
        "objects": dataset.instance_count,
        "classes": len(dataset.names),
    }


def _findings(heading: str, issues: Sequence[Issue]) -> Table:
    listed = [issue for issue in issues if issue.code != FAULTY_RECORD.code]
    records = FAULTY_RECORD.among(issues)[: 3 * MOST]
    rows = [["problem" if issue.severity == "error" else "note", str(issue), issue.code]
            for issue in (*listed, *records)]  # fmt: skip
    note = "" if rows else "nothing found"
    return Table(heading, ["", "what", "code"], rows, note=note)


def _renamed(section: Section, name: str) -> Section:
    return replace(section, heading=name + section.heading) if name else section


class _Pictures:
    """Small pictures of what issues are about, until the page is full."""

    def __init__(self, datasets: Sequence[Dataset], progress: Progress) -> None:
        self._records = {record.image: record for dataset in datasets for record in dataset}
        self._datasets = datasets
        self._progress = progress
        self._left = MOST_PICTURES

    def galleries(self, name: str, issues: Sequence[Issue]) -> Iterator[Gallery]:
        shown = [issue for issue in issues if any(isinstance(image, Path) for image in issue.images)]
        for issue in self._progress(shown, total=len(shown), label="drawing", unit="issues"):
            pictures = list(self._of(issue))
            if pictures:
                total = issue.values.get("count", len(issue.images))
                more = f"{len(pictures)} of {total:,}" if isinstance(total, int) and total > len(pictures) else ""
                heading = name + issue.code.replace("_", " ").capitalize()
                yield Gallery(heading, pictures, pairs=issue.code in PAIRS, note=more)

    def doubts(self, name: str, dataset: Dataset, doubts: Sequence[Issue]) -> Iterator[Gallery]:
        """The surest ones; the label and what the model sees, each framed."""
        pictures = [picture for issue in doubts[:MOST_DOUBTS] if (picture := self._doubt(issue)) is not None]
        note = f"{len(pictures)} of {len(doubts):,}, the surest first" if len(doubts) > len(pictures) else ""
        yield Gallery(f"{name}Labels that the model doubts", pictures, note=note)

    # --- pictures -------------------------------------------------------------------------------
    def _of(self, issue: Issue) -> Iterator[Picture]:
        images = [image for image in issue.images if isinstance(image, Path)]
        if issue.code in PAIRS:
            texts = issue.values.get("pairs", [])
            for index in range(0, min(len(images), 2 * MOST), 2):
                two = images[index : index + 2]
                caption = texts[index // 2] if index // 2 < len(texts) else " = ".join(image.name for image in two)
                yield from self._taken(self._pair(two), caption)
        elif issue.code in ROWS:
            for number, (index, row) in enumerate(issue.values["rows"][:MOST]):
                record = self._record(issue, index)
                if record is not None and record.instances is not None:
                    caption = f"{record.image.name}, object {row + 1} ({record.instances.labels[row]})"
                    point = issue.values["places"][number] if "places" in issue.values else None
                    yield from self._taken(self._object(record, row, point), caption)
        else:
            for image in images[:MOST]:
                yield from self._taken(self._whole(image), image.name)

    def _taken(self, pixels: np.ndarray | None, caption: str) -> Iterator[Picture]:
        if pixels is not None and self._left > 0:
            self._left -= 1
            yield Picture(pixels, caption)

    def _record(self, issue: Issue, index: int) -> Record | None:
        for dataset in self._datasets:
            if index < len(dataset) and dataset.records[index].image in issue.images:
                return dataset.records[index]
        return None

    def _whole(self, image: Path) -> np.ndarray | None:
        """An image with its objects, reduced; None where it cannot be read."""
        pixels = _pixels(image)
        if pixels is None:
            return None
        record = self._records.get(image)
        if record is not None and record.instances is not None and len(record.instances):
            texts = [""] * len(record.instances)
            pixels = outlines.draw(pixels, record.instances, labels=texts, width=_line(pixels, CELL))
        return fit(stacked(pixels, CELL), CELL)

    def _pair(self, images: Sequence[Path]) -> np.ndarray | None:
        two = [picture for image in images if (picture := self._whole(image)) is not None]
        if not two:
            return None
        high = max(picture.shape[0] for picture in two)
        made = np.full((high, sum(picture.shape[1] for picture in two) + 8 * (len(two) - 1), 3), 242, np.uint8)
        left = 0
        for picture in two:
            made[: picture.shape[0], left : left + picture.shape[1]] = picture
            left += picture.shape[1] + 8
        return made

    def _object(self, record: Record, row: int, point: list[float] | None) -> np.ndarray | None:
        """The surroundings of one object, marked among the others; or of one point on it."""
        pixels = _pixels(record.image)
        if pixels is None or record.instances is None:
            return None
        box = record.instances.boxes[row].astype(np.float64)
        if point is not None:
            half = (box[2:] - box[:2]).max() / 12
            box = np.concatenate([np.array(point) - half, np.array(point) + half])
        left, top, right, bottom = _around(box, record.size)
        colors = [MARKED if index == row else OTHER for index in range(len(record.instances))]
        width = 2 * max((right - left) / CELL[0], (bottom - top) / CELL[1])
        drawn = outlines.draw(pixels, record.instances, labels=[""] * len(colors), colors=colors, width=max(width, 0.6))
        return fit(drawn[top:bottom, left:right], CELL)

    def _doubt(self, issue: Issue) -> Picture | None:
        record = self._records.get(issue.images[0]) if isinstance(issue.images[0], Path) else None
        pixels = None if record is None else _pixels(record.image)
        if record is None or pixels is None or self._left <= 0:
            return None
        self._left -= 1
        texts = [issue.values[name] for name in ("drawn", "box") if name in issue.values]
        boxes = np.array([text.split() for text in texts], np.float64).reshape(-1, 4)
        if not len(boxes):
            return Picture(fit(stacked(pixels, CELL), CELL), str(issue))
        frame = np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)])
        left, top, right, bottom = _around(frame, record.size)
        shown = Instances(boxes.astype(np.float32), np.arange(len(boxes)), None, None, ("label", "model"))
        colors = [OTHER if name == "drawn" else MARKED for name in ("drawn", "box") if name in issue.values]
        width = 2 * max((right - left) / CELL[0], (bottom - top) / CELL[1])
        drawn = outlines.draw(pixels, shown, labels=[""] * len(boxes), colors=colors, width=max(width, 0.6))
        return Picture(fit(drawn[top:bottom, left:right], CELL), str(issue))


def _pixels(image: Path) -> np.ndarray | None:
    try:
        return decode(image).pixels
    except ImageError:
        return None


def _line(pixels: np.ndarray, cell: tuple[int, int]) -> float:
    """A line of two pixels on the small picture, whatever the image's size."""
    high, wide = stacked(pixels, cell).shape[:2]
    return 2 * max(wide / cell[0], high / cell[1])


def _around(box: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the part of an image that shows a box and what is around it."""
    height, width = size
    center_x, center_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    half = max(max(box[2] - box[0], box[3] - box[1]) * (0.5 + MARGIN), SMALLEST / 2)
    left, top = max(0, round(center_x - half)), max(0, round(center_y - half))
    right, bottom = min(width, round(center_x + half)), min(height, round(center_y + half))
    return left, top, max(left + 1, right), max(top + 1, bottom)
