"""TFRecord: TensorFlow's object detection examples, images and boxes in one file; read and written without TensorFlow.

Looks like   records of tf.Example, each with image/encoded (the image's bytes), image/filename, image/height and width,
             image/object/bbox/xmin ... ymax (0..1 of width and height), image/object/class/text and label
Known by     its first 12 bytes: a length and its checksum; else the ending .record or .tfrecord
Holds        images, boxes, class names or their numbers (a label map .pbtxt beside the file says which is which)
Cannot hold  masks (as read and written here), scores, unlabeled images, crowd marks: dropped and counted
Images       lie in the file. Where the same image lies beside it under its name, that one is used; otherwise it is
             unpacked into the cache folder, below tfrecord/<sha256 of the file>, and an issue says so
In the wild  image/format says jpg and the image is a PNG; image/encoded empty: then the image is looked for beside the
             file; label maps in either order of id and name; names with folders in them
Coordinates  fractions of width and height as float32; read back to a thousandth of a pixel
Source       tensorflow/models: object_detection/utils/dataset_util.py, create_pascal_tf_record.py; example.proto
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from maskwright import tfrecord_io
from maskwright.errors import AnnotationError
from maskwright.fetch import cache_folder
from maskwright.files import LFS_POINTER, contained, open_file, writing
from maskwright.formats import label_map, tf_example, unpacked
from maskwright.formats.losses import OUTLINES_LOST
from maskwright.formats.reading import (
    IMAGE_ENDINGS,
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    ImageFinder,
    Losses,
    Regions,
    assemble,
    data_name,
    data_root,
    measured,
    natural,
    written_name,
)
from maskwright.images.decode import decode, measure
from maskwright.issues import Kind
from maskwright.types import Dataset, Record

MASKS_UNUSED = Kind(
    "masks_unused", "warning", "{count} mask (image/object/mask) cannot be used here: left out",
    "{count} masks (image/object/mask) cannot be used here: left out",
)  # fmt: skip
IMAGES_RENAMED = Kind("images_renamed", "warning", "{count} of them could not keep their names: {renamed:1}")

ENDINGS = (".record", ".tfrecord", ".tfrecords", ".tfrec")
CORNERS = ("xmin", "ymin", "xmax", "ymax")
_BOX, _CLASS = "image/object/bbox/", "image/object/class/"
_UNFIT = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
"""What no name of a file may hold on one system or another."""


def sniff(head: Head) -> Evidence | None:
    if head.is_folder:
        return None
    try:
        with open_file(head.path) as stream:
            first = stream.read(64)
    except OSError:
        return None
    if first.startswith(LFS_POINTER):
        return None
    if tfrecord_io.begins_like_records(first):
        if b"brain.Event" in first:
            return Evidence(0.9, "TensorBoard's events, no images", dataset=False)
        return Evidence(0.95, "it begins with a TFRecord's length and checksum")
    return Evidence(0.6, f"its ending is {head.ending}") if head.ending in ENDINGS else None


# --- reading ----------------------------------------------------------------------------------------
def read(path: Path, faults: Faults) -> Dataset:
    labels = label_map.beside(path)
    root = data_root(path)
    images = _Images(path, root, faults)
    finder = ImageFinder(root, faults, near=path.parent)
    drafts: list[Draft] = []
    used: set[str] = set()
    number = 0
    for number, body in enumerate(tfrecord_io.read_records(path), 1):
        features = tf_example.read(path, number, body)
        boxes, named = _boxes(features), _labels(features, labels)
        named_as = (tf_example.text(features, f"image/{key}") for key in ("filename", "source_id"))
        name = next(filter(None, named_as), f"record_{number}")
        encoded = tf_example.first(features, "image/encoded")
        if isinstance(encoded, bytes) and encoded:
            found = images.unpacked(name, number, encoded, regions=len(named))
        else:
            found = finder.image(name, regions=len(named))
        if found is not None:
            drafts.append(Draft(found, _regions(found, boxes, named, tf_example.stated(features), faults)))
            used |= {label for label in named if label}
        faults.count(MASKS_UNUSED, len(features.get("image/object/mask", ())))
    if not number:
        raise AnnotationError("the file holds no records", file=path, got="0 bytes")
    images.report()
    names = [name for name in labels.values() if name in used] + sorted(used - {*labels.values()}, key=natural)
    return assemble(data_name(path), dict.fromkeys(names), drafts, "tfrecord", faults)


def _boxes(features: tf_example.Features) -> list[list[float | None]]:
    """Corners as shares 0..1, as many rows as the longest of the four lists; None where one is shorter."""
    columns = [features.get(_BOX + corner, []) for corner in CORNERS]
    count = max(map(len, columns))
    numbers = [[side if isinstance(side, int | float) else None for side in column] for column in columns]
    return [[column[row] if row < len(column) else None for column in numbers] for row in range(count)]


def _labels(features: tf_example.Features, labels: dict[int, str]) -> list[str]:
    """The class of each object by its text, else by its number in the label map; "" where neither says it."""
    texts, numbers = features.get(_CLASS + "text", []), features.get(_CLASS + "label", [])
    named = [item.decode("utf-8", errors="replace").strip() if isinstance(item, bytes) else "" for item in texts]
    known = [labels.get(number, "") if isinstance(number, int) else "" for number in numbers]
    count = max(len(named), len(known), *(len(features.get(_BOX + corner, [])) for corner in CORNERS))
    named, known = (item + [""] * (count - len(item)) for item in (named, known))
    return [text or label for text, label in zip(named, known, strict=True)]


def _regions(
    image: FoundImage,
    boxes: list[list[float | None]],
    labels: list[str],
    stated: tuple[int, int] | None,
    faults: Faults,
) -> Regions:
    regions = Regions(faults, image, stated=stated)
    height, width = stated or image.size
    for number, label in enumerate(labels):
        fractions = boxes[number] if number < len(boxes) else [None] * 4
        corners = [
            None if fraction is None else round(fraction * side, 3)
            for fraction, side in zip(fractions, (width, height) * 2, strict=True)
        ]
        if None in corners:
            expected = "four numbers xmin, ymin, xmax, ymax"
            regions.lacks(number, _BOX + "...", expected, ", ".join(map(str, fractions)), "make the file again")
        elif not label:
            fix = "put the label map (.pbtxt) beside the file"
            regions.lacks(number, _CLASS + "text", "a class name, or a number of the label map", "neither", fix)
        else:
            regions.box(number, label, *corners)
    return regions


@dataclass
class _Images:
    """The images of one file: those that lie beside it, the others unpacked into the cache."""

    path: Path
    root: Path
    faults: Faults
    unpacked_names: set[str] = field(default_factory=set)
    renamed: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        with open_file(self.path) as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
        self.folder = cache_folder() / "tfrecord" / digest

    def unpacked(self, name: str, number: int, data: bytes, regions: int) -> FoundImage | None:
        beside = contained(self.root, name) if "\0" not in name else None
        if beside is not None and unpacked.holds(beside, data):
            self.faults.found()
            return measured(beside, self.faults, name, regions)
        file = self.folder / self._own_name(name, number, data)
        unpacked.put(file, data)
        self.faults.found()
        return measured(file, self.faults, name, regions)

    def _own_name(self, name: str, number: int, data: bytes) -> str:
        """A file name that every system takes, and no other record has."""
        last = _UNFIT.sub("_", _last(name))[-100:].strip(". ")
        reserved = re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", last, re.IGNORECASE)
        if not last.lower().endswith(IMAGE_ENDINGS):
            ending = next((ending for magic, ending in unpacked.MAGIC.items() if data.startswith(magic)), ".jpg")
            last = (last or f"record_{number}") + ending
        while len(last.encode("utf-8", "replace")) > 200:
            last = last[1:]
        if reserved or last.casefold() in self.unpacked_names:
            last = f"{number}_{last}"
        self.unpacked_names.add(last.casefold())
        if last != _last(name):
            self.renamed.append((name, last))
        return last

    def report(self) -> None:
        if self.unpacked_names:
            self.faults.report(unpacked.IMAGES_UNPACKED(count=len(self.unpacked_names), folder=self.folder))
        if self.renamed:
            renamed = [f"{name} is {last}" for name, last in self.renamed]
            self.faults.report(IMAGES_RENAMED(count=len(renamed), renamed=renamed))


def _last(name: str) -> str:
    """A name without folders, of either kind of slash."""
    return re.split(r"[\\/]", name)[-1]


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """One file with the images in it, and its label map beside it (label_map.pbtxt; another one there stays)."""
    shared = path.with_name("label_map.pbtxt")
    own = shared if not shared.exists() else path.with_name(f"{path.stem}_label_map.pbtxt")
    if not (shared.exists() and tuple(label_map.read(shared).values()) == dataset.names):
        label_map.write(dataset.names, own)
    with writing(path) as temporary, temporary.open("wb") as stream:
        for record in dataset.records:
            if record.instances is None or record.skipped:
                losses.image(record)
                continue
            stream.write(tfrecord_io.frame(_example(record, written_name(record.image, path), losses)))


def _example(record: Record, name: str, losses: Losses) -> bytes:
    instances = record.instances
    assert instances is not None
    data, kind = _encoded(record.image)
    (height, width), named = record.size, name.encode()
    fractions = instances.boxes / np.array([width, height, width, height], np.float32)
    features = {
        "image/encoded": [data],
        "image/filename": [named],
        "image/format": [kind.encode()],
        "image/height": [height],
        "image/key/sha256": [hashlib.sha256(data).hexdigest().encode()],
        "image/object/class/label": (instances.classes + 1).tolist(),
        "image/object/class/text": [label.encode() for label in instances.labels],
        "image/source_id": [named],
        "image/width": [width],
    } | {_BOX + corner: fractions[:, index].astype("<f4") for index, corner in enumerate(CORNERS)}
    losses.attributes(instances)
    losses.add(OUTLINES_LOST, 0 if instances.masks is None else len(instances))
    losses.scores_and_crowds(instances)
    return tf_example.written(features)


def _encoded(image: Path) -> tuple[bytes, str]:
    """The image's own bytes; as PNG what TensorFlow would not read, or not turn."""
    _, turned = measure(image)
    data = image.read_bytes()
    if not turned and data.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        return data, "jpeg" if data.startswith(b"\xff") else "png"
    upright = io.BytesIO()
    Image.fromarray(decode(data, str(image)).pixels).save(upright, format="PNG")
    return upright.getvalue(), "png"
