"""Convert: the same annotations in another format."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Unpack

from maskwright import files, formats
from maskwright.api.reading import ReadOptions, dataset_of
from maskwright.curate import read_back
from maskwright.curate.copies import Placing, place_image, with_copies
from maskwright.errors import DatasetError, RecipeError, UnknownName
from maskwright.formats.faults import summarized
from maskwright.issues import Issue, Kind, Log, as_json, warn
from maskwright.progress import Progress
from maskwright.reporting import automatic
from maskwright.types import Dataset, Record

PART_NOT_WRITTEN = Kind(
    "part_not_written", "warning", "{count:unlabeled or skipped image} cannot be kept ({file} is not written)"
)
SPLITS_LOST = Kind(
    "splits_lost", "warning", "the division into {splits:&} cannot be kept in one file: {fix}", fix="name a folder"
)
COPIES_RENAMED = Kind(
    "copies_renamed", "warning", "{count} image was renamed, as another has the same name: {names:3}",
    "{count} images were renamed, as others have the same names: {names:3}",
)  # fmt: skip
IMAGES_STAY = Kind(
    "images_stay", "warning", "the images were not copied: {fix}",
    fix="put them beside OUT, or use --copy-images",
)  # fmt: skip

Format = Literal[
    "voc", "coco", "via", "boxes-csv", "tfrecord", "labels-csv", "class-folders", "labelme", "yolo", "cvat",
    "datumaro", "label-studio", "supervisely", "create-ml", "vott", "open-images", "kitti",
]  # fmt: skip


class Target(NamedTuple):
    """How a format is written.

    name    in the registry of formats
    ending  of a file
    whole   the name of its file in a folder
    split   the name of the file of one split; "" where the format names the splits itself
    images  the folder of copied images, in folders of splits; with {} the folder of the images of one split
    flat    copied images lie in that very folder, whatever their split
    apart   copied images lie in folders that are called by their class, and nothing else is written
    """

    name: str
    ending: str
    whole: str
    split: str
    images: str = "images"
    flat: bool = False
    apart: bool = False

    def holds(self, record: Record) -> bool:
        """Something of what is said of this image."""
        labels = record.labels is not None and "image_labels" in formats.FORMATS[self.name].holds
        return labels or (record.instances is not None and not self.apart)


TARGETS: dict[Format, Target] = {
    "voc": Target("voc", ".xml", "", "", "JPEGImages", flat=True),
    "coco": Target("coco", ".json", "annotations.json", "annotations_{}.json"),
    "via": Target("via", ".json", "via_region_data.json", "via_region_data_{}.json"),
    "boxes-csv": Target("boxes_csv", ".csv", "labels.csv", "{}_labels.csv"),
    "tfrecord": Target("tfrecord", ".record", "data.record", "{}.record"),
    "labels-csv": Target("labels_csv", ".csv", "labels.csv", ""),
    "class-folders": Target("class_folders", "", "", "", "{}", apart=True),
    "labelme": Target("labelme", ".json", "", ""),
    "yolo": Target("yolo", ".txt", "", ""),
    "cvat": Target("cvat", ".xml", "annotations.xml", ""),
    "datumaro": Target("datumaro", ".json", "annotations/default.json", "annotations/{}.json"),
    "label-studio": Target("label_studio", ".json", "project.json", "project_{}.json"),
    "supervisely": Target("supervisely", ".json", "", "", "{}/img"),
    "create-ml": Target("create_ml", ".json", "annotations.createml.json", "annotations_{}.createml.json"),
    "vott": Target("vott", ".json", "vott-export.json", "vott-export_{}.json"),
    "open-images": Target("open_images", ".csv", "annotations-bbox.csv", "{}-annotations-bbox.csv"),
    "kitti": Target("kitti", ".txt", "", "", "image_2", flat=True),
}


@dataclass(frozen=True)
class ConvertResult:
    """The files written, and how much is in them.

    differences  what was not read back as it was written, and no loss accounts for; None where nobody asked (`verify`)
    """

    files: tuple[Path, ...]
    images: int
    objects: int
    labels: int
    differences: tuple[Issue, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        facts = {"files": self.files, "images": self.images, "objects": self.objects, "labels": self.labels}
        differences = None if self.differences is None else [as_json(issue) for issue in self.differences]
        return facts | {"differences": differences}


def convert(
    data: str | Path | Dataset,
    out: str | Path,
    to: Format,
    *,
    copy_images: bool | Literal["link"] = False,
    verify: bool = False,
    progress: Progress = automatic,
    log: Log = warn,
    **reading: Unpack[ReadOptions],
) -> ConvertResult:
    """Write the annotations in another format, and report what it cannot hold.

    out      a new folder, with one file for each of train, val and test (labels-csv: a column; cvat: subsets); or one
             file (.json, .csv, .record, .xml)
    to       voc, coco, via, boxes-csv, tfrecord, labels-csv, class-folders (with copy_images: the images are all that
             is written), labelme, yolo, cvat, datumaro, label-studio, supervisely, create-ml, vott, open-images, kitti
    copy_images  copy the images beside what is written (a TFRecord holds them); "link": as hard links
    verify   read what was written, and compare; that needs the images beside it
    reading  as for maskwright.read

    >>> maskwright.convert("party/", "party.json", "coco").objects
    83
    """
    out = Path(out)
    if to not in TARGETS:
        raise UnknownName("format that can be written", to, TARGETS)
    files.refuse_filled(out)
    dataset = dataset_of(data, **reading)
    if not any(map(TARGETS[to].holds, dataset)):
        raise _nothing_to_write(dataset, data, to)
    single = _is_file(out, to)
    target, beside = TARGETS[to], out.parent if single else out
    images = beside / target.images.partition("{}")[0]
    placing: Placing = "link" if copy_images == "link" else "copy"
    copy_images = bool(copy_images) and to != "tfrecord"
    if target.apart and not copy_images:
        raise RecipeError("class folders are the images, in folders", field="copy_images", expected="copies of them",
                          got="--to class-folders alone", fix="--copy-images")  # fmt: skip
    if verify and not copy_images and to != "tfrecord":
        _need_images(dataset, beside)
    if copy_images:
        files.refuse_filled(images)
    issues = summarized(dataset.issues)
    written: list[Path] = []
    with _all_or_none(out, *[images] * copy_images):
        if copy_images and not target.flat:
            dataset, renamed = _copied_by_split(dataset, beside, target, placing, progress)
            issues += renamed
        for file, part in _parts(dataset, out, to, single):
            if not any(map(target.holds, part)):
                issues.append(PART_NOT_WRITTEN(count=len(part), file=file.name))
                continue
            lost = formats.write(part, file, TARGETS[to].name)
            issues += lost if single else [issue.within(file.name) for issue in lost]
            written.append(file)
        if copy_images and target.flat:  # images are known by their stems only, and VOC writes its folder anew
            for record in progress(dataset.records, total=len(dataset), label="copying images", unit="images"):
                place_image(record.image, images / record.image.name, placing)
    issues += _left_behind(dataset, beside, to, single, copy_images)
    differing = read_back.differences(dataset, formats.read(out)) if verify else ()
    for issue in (*issues, *differing):
        log(issue)
    labels = sum(len(record.labels or ()) for record in dataset)
    unexplained = read_back.unexplained(differing, issues) if verify else None
    return ConvertResult(tuple(written), len(dataset), dataset.instance_count, labels, unexplained)


def _need_images(dataset: Dataset, folder: Path) -> None:
    if not all(folder.resolve() in record.image.resolve().parents for record in dataset):
        raise RecipeError("what is written is read again, and that needs the images beside it", field="verify",
                          expected="images below the folder of OUT", got="images elsewhere",
                          fix="--copy-images copies them there")  # fmt: skip


def _left_behind(dataset: Dataset, folder: Path, to: Format, single: bool, copied: bool) -> Iterator[Issue]:
    if single and TARGETS[to].split and len(dataset.splits()) > 1:
        yield SPLITS_LOST(splits=[*dataset.splits()])
    beside = all(folder.resolve() in record.image.resolve().parents for record in dataset)
    if not copied and to != "tfrecord" and not beside:
        yield IMAGES_STAY()


@contextlib.contextmanager
def _all_or_none(*paths: Path) -> Iterator[None]:
    """All of these new files and folders, or none of them."""
    try:
        yield
    except BaseException:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()
        raise


def _nothing_to_write(dataset: Dataset, data: str | Path | Dataset, to: Format) -> DatasetError:
    file = dataset.name if isinstance(data, Dataset) else data
    if to in ("labels-csv", "class-folders"):
        drawn = any(record.instances is not None for record in dataset)
        return DatasetError("there are no labels to write", file=file, expected="labeled images",
                            got="images with objects" if drawn else "unlabeled images",
                            fix="--to labels-csv" if drawn else None)  # fmt: skip
    labeled = any(record.labels is not None for record in dataset)
    return DatasetError(
        "there are no objects to write",
        file=file,
        expected="outlines or boxes",
        got="images with a class each" if labeled else "unlabeled images",
        fix="--to labels-csv" if labeled else None,
    )


def _is_file(out: Path, to: Format) -> bool:
    """One file, by its ending; an ending of another format is a mistake."""
    ending = TARGETS[to].ending
    if not out.suffix or not ending:
        return False
    if out.suffix.lower() == ending or (to == "tfrecord" and out.suffix.lower() == ".tfrecord"):
        return True
    if out.suffix.lower() in {target.ending for target in TARGETS.values()}:
        raise RecipeError(
            "OUT is a file of another format", field="OUT", expected=f"a folder, or *{ending}", got=out.name
        )
    return False


def _parts(dataset: Dataset, out: Path, to: Format, single: bool) -> list[tuple[Path, Dataset]]:
    """What goes into which file."""
    target = TARGETS[to]
    if single or not target.split:
        return [(out if single else out / target.whole, dataset)]
    parts = [(out / target.split.format(name), part) for name, part in dataset.splits().items()]
    rest = dataset.where(lambda record: record.split is None)
    if len(rest):
        parts.append((out / target.whole, rest))
    return parts


def _copied_by_split(
    dataset: Dataset, beside: Path, target: Target, placing: Placing, progress: Progress
) -> tuple[Dataset, list[Issue]]:
    """The same records with their images in the target's folder, by split; and which are called otherwise now.

    What class folders have no place for is not copied: it would lie beside them, as if of no class.
    """
    copied: list[Record] = []
    renamed: list[str] = []
    for split in (*dataset.splits(), None):
        part = dataset.where(lambda record, split=split: record.split == split)
        left = part.where(lambda record: target.apart and not record.labels)
        part = part.where(lambda record: not target.apart or bool(record.labels))
        if len(part):
            rest = "" if target.apart else "data"
            way = target.images.format(split or rest) if "{}" in target.images else f"{target.images}/{split or ''}"
            copies = with_copies(part, beside / way, progress, by_class=target.apart, placing=placing)
            names = [(old.image.name, new.image.name) for old, new in zip(part, copies, strict=True)]
            renamed += [f"{old} is {new}" for old, new in names if old != new]
            copied += copies.records
        copied += left.records
    issues = [COPIES_RENAMED(names=renamed, count=len(renamed))] if renamed else []
    return replace(dataset, records=tuple(copied)), issues
