"""What predicting comes to: a record an image, and the files made of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PilImage

from maskwright import files, interop, tables
from maskwright.api.image_record import LINES, PARQUET
from maskwright.api.json_lines import encoded, write_lines
from maskwright.api.parquet import write_parquet
from maskwright.drawing import image_labels, outlines
from maskwright.drawing.pictures import Drawable, write_picture
from maskwright.drawing.sheet import fit
from maskwright.errors import MaskwrightError
from maskwright.images.sources import Source
from maskwright.prediction.results import ImageSource, opened
from maskwright.prediction.screening import Screened
from maskwright.prediction.threshold_origins import Threshold
from maskwright.text import counted, listed
from maskwright.types import Image, ImageLabels, Instances

SAVED = ("json", "jsonl", "csv", "coco", "parquet", "masks", "crops")
WHOLE = ("json", "jsonl", "csv", "parquet")  # what a classifier's predictions can be saved as
EACH = ("jsonl", "parquet", "masks", "crops")  # what can be written image by image


@dataclass(frozen=True, repr=False)
class Prediction(Drawable):
    """One image: what it is called, (height, width), its objects, and the files written for it.

    image_labels   what a classifier says of it; there are no objects then
    screened  what both models say, where a classifier screened for a detector
    sorted    where the image was put, where images are sorted by prediction
    thresholds  from which score on all this was said; see prediction.threshold_origins
    source    opens the image again, to draw it

    >>> maskwright.predict("balloons", "party.jpg").images[0].show()
    """

    image: str
    stem: str
    size: tuple[int, int]
    instances: Instances
    files: tuple[Path, ...] = ()
    image_labels: ImageLabels | None = None
    screened: Screened | None = None
    sorted: Path | None = None
    thresholds: tuple[Threshold, ...] = ()
    source: ImageSource | None = field(default=None, repr=False)

    def plot(self, shown_in: tuple[int, int] | None = None) -> PilImage.Image:
        """The image with its objects or labels, as a Pillow image, `shown_in` as in `draw_outlines`; of a splash the
        picture that was written."""
        if self.source is None and self.files:
            with PilImage.open(self.files[0]) as picture:
                return picture.convert("RGB")
        image, labels = self._open(), self.image_labels if self.screened is None else self.screened.image_labels
        if labels is not None and not len(self.instances):
            return PilImage.fromarray(image_labels.draw(image, labels, shown_in=shown_in))
        return PilImage.fromarray(outlines.draw(image, self.instances, shown_in=shown_in))

    def thumbnail(self, cell: tuple[int, int]) -> np.ndarray:
        """The image with its outlines, without letters, reduced to `cell` = (width, height)."""
        if self.source is None:
            return fit(np.asarray(self.plot()), cell)
        pixels = self._open().pixels
        reduced = max(pixels.shape[1] / cell[0], pixels.shape[0] / cell[1])
        blank = [""] * len(self.instances)
        return fit(outlines.draw(pixels, self.instances, labels=blank, width=2 * reduced), cell)

    def _open(self) -> Image:
        """The image, from where it lies now: it may have been sorted into another folder."""
        if self.source is None or self.sorted is None:
            return opened(self.source)
        return replace(self.source, source=Source(self.image, self.stem, self.sorted))()

    def to_pandas(self) -> Any:
        """A DataFrame with one row per object; of a classifier's prediction with one row."""
        return Predicted([self]).to_pandas()

    @property
    def summary(self) -> str:
        """What it shows, for a caption: "7 balloon, 1 cake"; of a classifier "rust"."""
        return self.called if self.image_labels is not None else listed(self.instances.counts(), self.called)

    def __repr__(self) -> str:
        return f"Prediction({self.image}: {self.summary})"

    @property
    def called(self) -> str:
        """The prediction in a word: the classes of a classifier or, without one, of the objects; "none", "nothing"."""
        said = self.image_labels if self.screened is None else self.screened.image_labels
        if said is not None:
            return "+".join(said.labels) or "none"
        return "+".join(sorted(self.instances.counts())) or "nothing"

    def counts(self) -> dict[str, int]:
        """Objects of each class; of a prediction, 1 for each class it names."""
        return self.instances.counts() if self.image_labels is None else dict.fromkeys(self.image_labels.labels, 1)

    def facts(self) -> dict[str, Any]:
        told: dict[str, Any] = {"file": self.image, "image": {"width": self.size[1], "height": self.size[0]}}
        if self.image_labels is not None:
            told |= self.image_labels.facts()
        else:
            if self.screened is not None:
                told["screen"] = self.screened.facts()
            told |= {"counts": self.instances.counts(), "detections": interop.to_rows(self.instances)}
        if self.thresholds:
            told["thresholds"] = [threshold.facts() for threshold in self.thresholds]
        told["files"] = [str(file) for file in self.files]
        return told if self.sorted is None else told | {"sorted": str(self.sorted)}


@dataclass(frozen=True, repr=False)
class Predicted:
    """All images, and those that could not be read, with the reason."""

    images: list[Prediction]
    failed: list[MaskwrightError] = field(default_factory=list)
    files: tuple[Path, ...] = ()

    def __repr__(self) -> str:
        return f"Predicted({counted(len(self.images), 'image')}; {listed(self.counts(), 'nothing')})"

    def counts(self) -> dict[str, int]:
        """How many of each class on all images."""
        total: Counter[str] = Counter()
        for image in self.images:
            total.update(image.counts())
        return dict(total)

    @property
    def spared(self) -> int | None:
        """How many images the detector did not have to look at; None where nothing was screened."""
        if not self.images or self.images[0].screened is None:
            return None
        return sum(image.screened is not None and not image.screened.looked for image in self.images)

    def predictions(self) -> dict[str, int]:
        """How many images are called what."""
        return dict(Counter(image.called for image in self.images))

    def to_pandas(self) -> Any:
        """A DataFrame with one row per object; of a classifier's predictions with one row per image."""
        names = [image.image for image in self.images]
        labels = [image.image_labels for image in self.images if image.image_labels is not None]
        if labels:
            return interop.predictions_to_frame(labels, names)
        return interop.to_frame([image.instances for image in self.images], names)

    def to_dict(self) -> dict[str, Any]:
        """The document of `--json`."""
        document: dict[str, Any] = {
            "images": [image.facts() for image in self.images],
            "counts": self.counts(),
            "failed": [error.facts() for error in self.failed],
            "files": list(self.files),
        }
        if self.spared is not None:
            document["screening"] = {"looked": len(self.images) - self.spared, "spared": self.spared}
        return document


# --- files ------------------------------------------------------------------------------------------
def write_each(image: Image, made: Prediction, out: Path, save: Sequence[str], pictures: bool) -> Iterator[Path]:
    """Picture, masks and crops of an image's objects; of a classifier's the picture with its labels; nothing where no
    detector looked."""
    stem, detections = made.stem, made.instances
    if made.screened is not None and not made.screened.looked:
        return
    if pictures:
        labeled = made.image_labels
        drawn = outlines.draw(image, detections) if labeled is None else image_labels.draw(image, labeled)
        yield write_picture(drawn, out / f"{stem}.jpg")
    folder, _, stem = stem.rpartition("/")
    for row in range(len(detections)) if {"masks", "crops"} & set(save) else ():
        mask, box = _cut(detections, row, image.size)
        name = f"{files.shortened(stem, 180)}_{row + 1}_{files.shortened(detections.labels[row], 50)}.png"
        name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name)
        if "masks" in save:
            full = np.zeros(image.size, np.uint8)
            full[box[1] : box[3], box[0] : box[2]] = mask * 255
            yield write_picture(full, out / "masks" / folder / name)
        if "crops" in save and mask.size:
            cut = image.pixels[box[1] : box[3], box[0] : box[2]]
            yield write_picture(np.dstack([cut, mask * np.uint8(255)]), out / "crops" / folder / name)


def _cut(detections: Instances, row: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The object's mask (h×w uint8 0/1) in its whole-pixel box."""
    height, width = size
    edges = detections.boxes[row] if detections.masks is None else detections.masks[row].boxes[0]
    box = np.clip(
        np.concatenate([np.floor(edges[:2]), np.ceil(edges[2:])]).astype(int), 0, [width, height, width, height]
    )
    if detections.masks is None:
        return np.ones((box[3] - box[1], box[2] - box[0]), np.uint8), box
    return detections.masks[row].patches(box[None])[0].astype(np.uint8), box


def write_all(done: list[Prediction], out: Path, save: Sequence[str]) -> Iterator[Path]:
    names, every = [item.image for item in done], [item.instances for item in done]
    if "json" in save:
        yield _write_text(
            out / "predictions.json", json.dumps([item.facts() for item in done], indent=2, ensure_ascii=False) + "\n"
        )
    if "jsonl" in save:
        yield write_lines(out / LINES, (item.facts() for item in done))
    if "parquet" in save:
        yield from write_parquet((encoded(item.facts()) for item in done), out / PARQUET)
    if "csv" in save:
        yield from _write_tables(done, names, out)
    if "coco" in save:
        results = interop.to_coco_results(every, list(range(1, len(done) + 1)))
        yield _write_text(out / "coco_results.json", json.dumps(results) + "\n")
        table = interop.to_coco_images(names, [item.size for item in done], every[0].names if every else ())
        yield _write_text(out / "coco_images.json", json.dumps(table, ensure_ascii=False) + "\n")


def _write_tables(done: Sequence[Prediction], names: Sequence[str], out: Path) -> Iterator[Path]:
    predictions = [item.image_labels for item in done if item.image_labels is not None]
    objects = interop.to_csv([item.instances for item in done], names)
    if any(item.screened for item in done):
        yield _write_text(out / "objects.csv", objects)
        yield _write_text(out / "predictions.csv", _screened_table(done))
    else:
        yield _write_text(
            out / "predictions.csv", interop.predictions_to_csv(predictions, names) if predictions else objects
        )


def _screened_table(done: Sequence[Prediction]) -> str:
    """One line an image: image, prediction, the score that was screened by, whether the detector looked, what it
    found."""
    rows = []
    for item in done:
        if item.screened is not None:
            looked = "yes" if item.screened.looked else "no"
            rows.append([item.image, item.called, f"{item.screened.score:.5f}", looked, len(item.instances)])
    return tables.written(["image", "label", "score", "looked", "objects"], rows)


def _write_text(path: Path, text: str) -> Path:
    files.write_text(path, text)
    return path
