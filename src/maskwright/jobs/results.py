"""What predicting comes to: a record a photo, and the files made of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maskwright import files, interop, tables
from maskwright.errors import MaskwrightError
from maskwright.pictures import outlines
from maskwright.prediction.screening import Screened
from maskwright.prediction.thresholds import Threshold
from maskwright.types import Instances, Photo, Verdict

SAVED = ("json", "jsonl", "csv", "coco", "masks", "crops")
WHOLE = ("json", "jsonl", "csv")  # what a classifier's verdicts can be saved as


@dataclass(frozen=True)
class Prediction:
    """One photo: what it is called, (height, width), its objects, and the files written for it.

    verdict   what a classifier says of it; there are no objects then
    screened  what both models say, where a classifier screened for a detector
    sorted    where the photo was put, where photos are sorted by verdict
    thresholds  from which score on all this was said; see prediction.thresholds
    """

    photo: str
    stem: str
    size: tuple[int, int]
    instances: Instances
    files: tuple[Path, ...] = ()
    verdict: Verdict | None = None
    screened: Screened | None = None
    sorted: Path | None = None
    thresholds: tuple[Threshold, ...] = ()

    @property
    def called(self) -> str:
        """The verdict in a word: the classes of a classifier or, without one, of the objects; "none", "nothing"."""
        said = self.verdict if self.screened is None else self.screened.verdict
        if said is not None:
            return "+".join(said.labels) or "none"
        return "+".join(sorted(self.instances.counts())) or "nothing"

    def counts(self) -> dict[str, int]:
        """Objects of each class; of a verdict, 1 for each class it names."""
        return self.instances.counts() if self.verdict is None else dict.fromkeys(self.verdict.labels, 1)

    def facts(self) -> dict[str, Any]:
        told: dict[str, Any] = {"photo": self.photo, "height": self.size[0], "width": self.size[1]}
        if self.verdict is not None:
            told |= self.verdict.facts()
        else:
            if self.screened is not None:
                told["screen"] = self.screened.facts()
            told |= {"counts": self.instances.counts(), "objects": interop.to_rows(self.instances)}
        if self.thresholds:
            told["thresholds"] = [each.facts() for each in self.thresholds]
        told["files"] = [str(file) for file in self.files]
        return told if self.sorted is None else told | {"sorted": str(self.sorted)}


@dataclass(frozen=True)
class Predicted:
    """All photos, and those that could not be read, with the reason."""

    photos: list[Prediction]
    failed: list[MaskwrightError] = field(default_factory=list)
    files: tuple[Path, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many of each class on all photos."""
        total: Counter[str] = Counter()
        for each in self.photos:
            total.update(each.counts())
        return dict(total)

    @property
    def spared(self) -> int | None:
        """How many photos the detector did not have to look at; None where nothing was screened."""
        if not self.photos or self.photos[0].screened is None:
            return None
        return sum(each.screened is not None and not each.screened.looked for each in self.photos)

    def verdicts(self) -> dict[str, int]:
        """How many photos are called what."""
        return dict(Counter(each.called for each in self.photos))


# --- files ------------------------------------------------------------------------------------------
def write_each(photo: Photo, made: Prediction, out: Path, save: Sequence[str], pictures: bool) -> Iterator[Path]:
    """Picture, masks and crops of a photo's objects; nothing where no detector looked."""
    stem, found = made.stem, made.instances
    if made.verdict is not None or (made.screened is not None and not made.screened.looked):
        return
    if pictures:
        yield write_picture(outlines.draw(photo, found), out / f"{stem}.jpg")
    for row in range(len(found)) if {"masks", "crops"} & set(save) else ():
        mask, box = _cut(found, row, photo.size)
        name = f"{files.shortened(stem, 180)}_{row + 1}_{files.shortened(found.labels[row], 50)}.png"
        name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name)
        if "masks" in save:
            full = np.zeros(photo.size, np.uint8)
            full[box[1] : box[3], box[0] : box[2]] = mask * 255
            yield write_picture(full, out / "masks" / name)
        if "crops" in save and mask.size:
            cut = photo.pixels[box[1] : box[3], box[0] : box[2]]
            yield write_picture(np.dstack([cut, mask * np.uint8(255)]), out / "crops" / name)


def _cut(found: Instances, row: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The object's mask (h×w uint8 0/1) in its whole-pixel box."""
    height, width = size
    edges = found.boxes[row] if found.masks is None else found.masks[row].boxes[0]
    box = np.clip(
        np.concatenate([np.floor(edges[:2]), np.ceil(edges[2:])]).astype(int), 0, [width, height, width, height]
    )
    if found.masks is None:
        return np.ones((box[3] - box[1], box[2] - box[0]), np.uint8), box
    return found.masks[row].patches(box[None])[0].astype(np.uint8), box


def write_picture(pixels: np.ndarray, path: Path) -> Path:
    with files.writing(path) as temporary:
        Image.fromarray(pixels).save(temporary, quality=92)
    return path


def write_all(done: list[Prediction], out: Path, save: Sequence[str]) -> Iterator[Path]:
    names, every = [each.photo for each in done], [each.instances for each in done]
    if "json" in save:
        yield _write_text(
            out / "predictions.json", json.dumps([each.facts() for each in done], indent=2, ensure_ascii=False) + "\n"
        )
    if "jsonl" in save:
        lines = [json.dumps(each.facts(), ensure_ascii=False) for each in done]
        yield _write_text(out / "predictions.jsonl", "".join(f"{line}\n" for line in lines))
    if "csv" in save:
        yield from _write_tables(done, names, out)
    if "coco" in save:
        results = interop.to_coco_results(every, list(range(1, len(done) + 1)))
        yield _write_text(out / "coco_results.json", json.dumps(results) + "\n")
        table = interop.to_coco_images(names, [each.size for each in done], every[0].names if every else ())
        yield _write_text(out / "coco_images.json", json.dumps(table, ensure_ascii=False) + "\n")


def _write_tables(done: Sequence[Prediction], names: Sequence[str], out: Path) -> Iterator[Path]:
    verdicts = [each.verdict for each in done if each.verdict is not None]
    objects = interop.to_csv([each.instances for each in done], names)
    if any(each.screened for each in done):
        yield _write_text(out / "objects.csv", objects)
        yield _write_text(out / "predictions.csv", _screened_table(done))
    else:
        yield _write_text(out / "predictions.csv", interop.verdicts_to_csv(verdicts, names) if verdicts else objects)


def _screened_table(done: Sequence[Prediction]) -> str:
    """One line a photo: photo, verdict, the score that was screened by, whether the detector looked, what it found."""
    rows = []
    for each in done:
        if each.screened is not None:
            looked = "yes" if each.screened.looked else "no"
            rows.append([each.photo, each.called, f"{each.screened.score:.5f}", looked, len(each.instances)])
    return tables.written(["photo", "verdict", "score", "looked", "objects"], rows)


def _write_text(path: Path, text: str) -> Path:
    files.write_text(path, text)
    return path
