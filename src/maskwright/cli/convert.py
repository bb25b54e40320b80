"""maskwright convert: the same annotations in another format."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.cli.split import copies, copy_image
from maskwright.errors import DatasetError, RecipeError
from maskwright.issues import Kind

if TYPE_CHECKING:
    from maskwright.types import Dataset

PART_NOT_WRITTEN = Kind(
    "part_not_written", "warning", "{count} unlabeled or skipped images cannot be kept ({file} is not written)"
)
SPLITS_LOST = Kind(
    "splits_lost", "warning", "the division into {splits:&} cannot be kept in one file: {fix}", fix="name a folder"
)
IMAGES_STAY = Kind(
    "images_stay", "warning", "the images were not copied: {fix}",
    fix="put them beside OUT, or use --copy-images",
)  # fmt: skip

FILES = {  # as --to names a format -> its name in the table, a file's ending, its name in a folder, and for a split
    # ("" where the format names the splits itself)
    "voc": ("voc", ".xml", "", ""),
    "coco": ("coco", ".json", "annotations.json", "annotations_{}.json"),
    "via": ("via", ".json", "via_region_data.json", "via_region_data_{}.json"),
    "boxes-csv": ("boxes_csv", ".csv", "labels.csv", "{}_labels.csv"),
    "tfrecord": ("tfrecord", ".record", "data.record", "{}.record"),
    "labels-csv": ("labels_csv", ".csv", "labels.csv", ""),
}


class _Name(click.Choice):
    """Of a format, as the table of formats spells it or as options are spelt: boxes_csv and boxes-csv."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert(value.replace("_", "-"), param, ctx)


@click.command(options_metavar="[options]")
@options.data
@options.new_data
@click.option("--to", type=_Name(list(FILES)), required=True, help="The format to write.")
@click.option("--copy-images", is_flag=True, help="Copy the images beside what is written (a TFRecord holds them).")
@options.class_attribute
@options.connected_components
@options.annotations
@options.follow_links
@options.allow_faulty
@options.console
def command(
    data: Path,
    out: Path,
    to: str,
    copy_images: bool,
    class_attribute: str | None,
    connected_components: bool,
    annotations: str | None,
    follow_links: bool,
    allow_faulty: bool,
    console: Console,
) -> None:
    """Write the annotations of DATA in another format, and say what it cannot hold.

    OUT is a new folder, with one file for each of train, val and test (labels-csv: a column); or one file (.json,
    .csv, .record, .xml).
    DATA is left as it is.

    \b
      maskwright convert party/ party-boxes/ --to boxes-csv
      maskwright convert party/ party.json --to coco
      maskwright convert rust/ rust-table/ --to labels-csv --copy-images
    """
    from maskwright import formats
    from maskwright.formats.faults import summarized

    options.refuse_filled(out)
    dataset = formats.read(
        data,
        allow_faulty=allow_faulty,
        class_attribute=class_attribute,
        connected_components=connected_components,
        annotations=annotations,
        follow_links=follow_links,
    )
    if not _writable(dataset, to):
        raise _nothing(dataset, data, to)
    one = _is_file(out, to)
    images = (out.parent if one else out) / ("JPEGImages" if to == "voc" else "images")
    copy_images = copy_images and to != "tfrecord"
    if copy_images:
        options.refuse_filled(images)
    issues = summarized(dataset.issues)
    written: list[Path] = []
    with _whole(out, *[images] * copy_images):
        if copy_images and to != "voc":
            dataset = _with_copies(dataset, images, console)
        for file, part in _parts(dataset, out, to, one):
            if not _writable(part, to):
                issues.append(PART_NOT_WRITTEN(count=len(part), file=file.name))
                continue
            lost = formats.write(part, file, FILES[to][0])
            issues += lost if one else [issue.within(file.name) for issue in lost]
            written.append(file)
        if copy_images and to == "voc":  # which knows images by their stems only, and writes its folder anew
            for record in console.progress(dataset.records, label="copying images", unit="images"):
                copy_image(record.image, images / record.image.name)
    if one and FILES[to][3] and len(dataset.splits()) > 1:
        issues.append(SPLITS_LOST(splits=[*dataset.splits()]))
    if not copy_images and to != "tfrecord" and not _beside(dataset, out.parent if one else out):
        issues.append(IMAGES_STAY())
    for issue in issues:
        console.log(issue)
    objects, labels = dataset.instance_count, sum(len(record.labels or ()) for record in dataset)
    facts = {"files": written, "images": len(dataset), "objects": objects, "labels": labels}
    held = f"{objects:,} objects" if objects or not labels else f"{labels:,} labels"
    told = f"{len(dataset):,} images with {held}: {', '.join(str(file) for file in written)}"
    console.result(facts, told)


@contextlib.contextmanager
def _whole(*made: Path) -> Iterator[None]:
    """All of these new files and folders, or none of them."""
    try:
        yield
    except BaseException:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
            with contextlib.suppress(OSError):
                path.unlink()
        raise


def _writable(dataset: Dataset, to: str) -> bool:
    """The format can hold something of what is said about these images."""
    labels = to == "labels-csv"
    return any(record.instances is not None or (labels and record.labels is not None) for record in dataset)


def _nothing(dataset: Dataset, data: Path, to: str) -> DatasetError:
    if to == "labels-csv":
        return DatasetError(
            "there are no labels to write", file=data, expected="labeled images", got="unlabeled images"
        )
    labeled = any(record.labels is not None for record in dataset)
    return DatasetError(
        "there are no objects to write",
        file=data,
        expected="outlines or boxes",
        got="images with a class each" if labeled else "unlabeled images",
        fix="--to labels-csv" if labeled else None,
    )


def _is_file(out: Path, to: str) -> bool:
    """One file, by its ending; an ending of another format is a slip."""
    ending = FILES[to][1]
    if out.suffix.lower() == ending or (to == "tfrecord" and out.suffix.lower() == ".tfrecord"):
        return True
    if out.suffix.lower() in {item for _, item, _, _ in FILES.values()}:
        raise RecipeError(
            "OUT is a file of another format", field="OUT", expected=f"a folder, or *{ending}", got=out.name
        )
    return False


def _parts(dataset: Dataset, out: Path, to: str, one: bool) -> list[tuple[Path, Dataset]]:
    """What goes into which file."""
    _, _, whole, split = FILES[to]
    splits = dataset.splits()
    if one or not split:
        return [(out if one else out / whole, dataset)]
    parts = [(out / split.format(name), part) for name, part in splits.items()]
    rest = dataset.where(lambda record: record.split is None)
    if len(rest):
        parts.append((out / whole, rest))
    return parts


def _with_copies(dataset: Dataset, folder: Path, console: Console) -> Dataset:
    """The same records with their images in `folder`, by split."""
    copied = []
    for split in (*dataset.splits(), None):
        part = dataset.where(lambda record, split=split: record.split == split)
        if len(part):
            copied += copies(part, folder / split if split else folder, console).records
    return replace(dataset, records=tuple(copied))


def _beside(dataset: Dataset, folder: Path) -> bool:
    return all(folder.resolve() in record.image.resolve().parents for record in dataset)
