"""maskwright split: one dataset into train, val and test folders."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskwright.cli import options
from maskwright.cli.console import Console
from maskwright.errors import DatasetError, UnknownName
from maskwright.issues import Issue, Kind

if TYPE_CHECKING:
    from maskwright.types import Dataset, Record

IMAGES_NOT_COPIED = Kind("images_not_copied", "warning", "{count} unlabeled or skipped images were not copied")
DIVIDED_ANEW = Kind("divided_anew", "warning", "the data came divided ({splits}) and were divided anew")

ANNOTATION_FILES = {  # how each format's own tools call it
    "coco": "annotations.json",
    "via": "via_region_data.json",
    "labels-csv": "labels.csv",
}


@click.command(options_metavar="[options]")
@options.data
@options.new_data
@click.option(
    "--val",
    type=float,
    default=0.2,
    show_default=True,
    metavar="FRACTION",
    help="Fraction of images held back for validation, 0..1.",
)
@click.option(
    "--test",
    type=float,
    default=0.0,
    show_default=True,
    metavar="FRACTION",
    help="Fraction of images held back for a final evaluation, 0..1.",
)
@click.option(
    "--group-by",
    default="near-duplicate",
    show_default=True,
    metavar="RULE",
    help="What is never divided: near-duplicate, folder, series, or a regex on the path.",
)
@click.option(
    "--format",
    metavar="NAME",
    help="Of the annotations written: coco keeps holes and parts, via is for drawing on in VIA, labels-csv holds "
    "classes of whole images.  [default: coco; of classes, folders, or labels-csv where images have none or several]",
)
@options.seed
@options.class_attribute
@options.connected_components
@options.annotations
@options.follow_links
@options.allow_faulty
@options.console
def command(
    data: Path,
    out: Path,
    val: float,
    test: float,
    group_by: str,
    format: str | None,
    seed: int,
    class_attribute: str | None,
    connected_components: bool,
    annotations: str | None,
    follow_links: bool,
    allow_faulty: bool,
    console: Console,
) -> None:
    """Divide a dataset so that near-identical images never end up on both sides.

    Images are copied into OUT/train, OUT/val (and OUT/test), each with its annotations. DATA is left as it is.

    \b
      maskwright split party/ party-split/ --val 0.2
    """
    from maskwright import formats
    from maskwright.curate.split import split
    from maskwright.files import writing_folder
    from maskwright.formats.faults import summarized

    if format is not None and format.replace("_", "-") not in ANNOTATION_FILES:
        raise UnknownName("format that can be written", format, ANNOTATION_FILES)
    options.refuse_filled(out)
    dataset = formats.read(
        data,
        allow_faulty=allow_faulty,
        class_attribute=class_attribute,
        connected_components=connected_components,
        annotations=annotations,
        follow_links=follow_links,
    )
    parts = split(dataset, val, test, seed, group_by, progress=console.progress).splits()
    issues = [*summarized(dataset.issues), *summarized(next(iter(parts.values())).issues), *_left_out(dataset, parts)]
    written = _written(dataset.usable(), format)
    with writing_folder(out) as temporary:
        for name, part in parts.items():
            copied = copies(part, temporary / name, console, by_class=written is None)
            if written is not None:
                file = temporary / name / ANNOTATION_FILES[written]
                lost = formats.write(copied, file, written.replace("-", "_"))
                issues += [issue.within(name) for issue in lost]
    facts = {name: {"images": len(part), "objects": part.class_counts()} for name, part in parts.items()}
    for issue in dict.fromkeys(issues):
        console.log(issue)
    console.result({"out": out, "splits": facts}, lambda: _tell(parts, console))


def _written(dataset: Dataset, asked: str | None) -> str | None:
    """The format of the annotations; None where folders called by the classes say it all."""
    asked = asked and asked.replace("_", "-")
    if asked == "labels-csv" or any(record.instances is not None for record in dataset):
        return asked or "coco"
    folders = all(re.fullmatch(r'(?!\.)[^<>:"/\\|?*\x00-\x1f]+', name) for name in dataset.names)
    return None if folders and all(len(record.labels or ()) == 1 for record in dataset) else "labels-csv"


def copies(part: Dataset, folder: Path, console: Console, by_class: bool = False) -> Dataset:
    """The same records with their images in `folder`, or in a folder below it that is called by their class."""
    taken: set[str] = set()
    records = []
    for record in console.progress(part.records, label=f"copying {folder.name}", unit="images"):
        place = folder / _free_name(record, part.names if by_class else (), taken)
        copy_image(record.image, place)
        records.append(replace(record, image=place))
    return replace(part, records=tuple(records))


def copy_image(image: Path, place: Path) -> None:
    from maskwright.files import writing

    with writing(place) as temporary:
        try:
            shutil.copy2(image, temporary)
        except (FileNotFoundError, PermissionError) as error:
            if error.filename != str(image):
                raise
            what = "is no longer there" if isinstance(error, FileNotFoundError) else "may not be read"
            raise DatasetError(f"this image {what}", file=image) from error


def _free_name(record: Record, names: tuple[str, ...], taken: set[str]) -> str:
    """A file name no other image of this part has: images of different folders may share one."""
    from maskwright.files import shortened

    below = f"{names[record.labels[0]]}/" if names and record.labels else ""
    name = below + record.image.name
    number = 2
    while name.casefold() in taken:  # some file systems hold A.jpg and a.jpg for the same
        stem = shortened(f"{record.image.parent.name}_{record.image.stem}_{number}", 230)
        name = f"{below}{stem}{record.image.suffix}"
        number += 1
    taken.add(name.casefold())
    return name


def _left_out(dataset: Dataset, parts: dict[str, Dataset]) -> list[Issue]:
    issues = []
    left = len(dataset) - sum(len(part) for part in parts.values())
    if left:
        issues.append(IMAGES_NOT_COPIED(count=left))
    if dataset.splits():
        issues.append(DIVIDED_ANEW(splits={name: len(part) for name, part in dataset.splits().items()}))
    return issues


def _tell(parts: dict[str, Dataset], console: Console) -> None:
    names = next(iter(parts.values())).names
    counts = {name: part.class_counts() for name, part in parts.items()}
    console.table(["", "images", *names], [[name, len(part), *counts[name].values()] for name, part in parts.items()])
