"""Split: one dataset into train, val and test, or into folds; near-duplicates on one side."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack

from maskwright import files, formats
from maskwright.api.reading import ReadOptions, dataset_of
from maskwright.curate import split as splitting
from maskwright.curate.copies import Placing, with_copies
from maskwright.errors import DatasetError, OutputError, RecipeError, UnknownName
from maskwright.escaping import harmless
from maskwright.formats.faults import summarized
from maskwright.issues import Issue, Kind, Log, warn
from maskwright.progress import Progress
from maskwright.reporting import automatic
from maskwright.types import Dataset

IMAGES_NOT_COPIED = Kind(
    "images_not_copied", "warning", "{count} unlabeled or skipped image was not copied",
    "{count:,} unlabeled or skipped images were not copied",
)  # fmt: skip
DIVIDED_ANEW = Kind("divided_anew", "warning", "the data came divided ({splits}) and were divided anew")

VAL = 0.2  # of the images, where nobody says
ANNOTATION_FILES = {  # how each format's own tools call it
    "coco": "annotations.json",
    "via": "via_region_data.json",
    "labels-csv": "labels.csv",
}

Parts = Mapping[str, Dataset]
Images = Literal["copy", "link", "move", "list"]


@dataclass(frozen=True)
class SplitResult:
    """dataset: every labeled record with its split; out: the folder that was written, None where none was.

    folds  of k folds {"train": ..., "val": ...} each; () where none were asked for, and `dataset` is then divided
    """

    dataset: Dataset
    out: Path | None
    folds: tuple[Parts, ...] = ()

    @property
    def parts(self) -> dict[str, Dataset]:
        """{"train": ..., "val": ..., perhaps "test": ...}; {} of folds."""
        return {} if self.folds else self.dataset.splits()

    def to_dict(self) -> dict[str, Any]:
        facts = {"out": self.out, "splits": _counts(self.parts)}
        return facts | ({"folds": [_counts(parts) for parts in self.folds]} if self.folds else {})


def _counts(parts: Parts) -> dict[str, Any]:
    return {name: {"images": len(part), "objects": part.class_counts()} for name, part in parts.items()}


def split(
    data: str | Path | Dataset,
    out: str | Path | None = None,
    *,
    val: float | None = None,
    test: float = 0.0,
    folds: int | None = None,
    group_by: splitting.Rule = "near-duplicate",
    seed: int = 0,
    format: str | None = None,
    images: Images = "copy",
    progress: Progress = automatic,
    log: Log = warn,
    **reading: Unpack[ReadOptions],
) -> SplitResult:
    """Divide a dataset so that near-identical images never end up on both sides.

    out        a new folder: images come into out/train, out/val (and out/test), each with its annotations; of folds
               into out/fold_1/train, ...; without it nothing is written
    val, test  fractions of the images, 0..1; val is 0.2 where nobody says
    folds      so many divisions instead: every image is in the val of one, and in the train of all others
    group_by   what is never divided: "near-duplicate", "folder", "series", "video" (frames by their names), a pattern
               for the path, or a function of the record
    format     of the annotations: coco, via or labels-csv; default coco, and for classes of whole images folders
    images     "copy"; "link": hard links, which take no space; "move": taken out of the data once all is written;
               "list": only train.txt, val.txt, ... with their paths within the data, one a line
    reading    as for maskwright.read

    >>> {name: len(part) for name, part in maskwright.split("party/", val=0.25).parts.items()}
    {'train': 9, 'val': 3}
    """
    _refuse_contradictions(val, test, folds, format, images)
    if out is not None:
        files.refuse_filled(Path(out))
    dataset = dataset_of(data, **reading)
    _refuse_unpacked(dataset, images)
    several, divided = {}, dataset
    if folds:
        several = _folds(splitting.k_fold(dataset, folds, 1, seed, group_by, progress))
    else:
        divided = splitting.split(dataset, VAL if val is None else val, test, seed, group_by, progress=progress)
        several[""] = divided.splits()
    issues = [*summarized(divided.issues), *_changes(dataset, next(iter(several.values())), copied=out is not None)]
    if out is not None and images == "list":
        _write_lists(several, Path(out), dataset)
    elif out is not None:
        issues += _write(several, Path(out), _format(dataset.usable(), format), images, progress)
    for issue in dict.fromkeys(issues):
        log(issue)
    return SplitResult(divided, None if out is None else Path(out), tuple(several.values()) if folds else ())


def _folds(pairs: list[tuple[Dataset, Dataset]]) -> dict[str, Parts]:
    return {f"fold_{number}": {"train": train, "val": held} for number, (train, held) in enumerate(pairs, 1)}


def _refuse_contradictions(val: float | None, test: float, folds: int | None, format: str | None, images: str) -> None:
    if format is not None and format.replace("_", "-") not in ANNOTATION_FILES:
        raise UnknownName("format that can be written", format, ANNOTATION_FILES)
    if folds is not None and (val is not None or test):
        raise RecipeError("folds divide the images evenly", field="folds, val, test", expected="folds alone",
                          got=f"folds={folds}, val={val}, test={test:g}")  # fmt: skip
    if folds is not None and images == "move":
        raise RecipeError("an image is in several folds and can be moved into one only", field="images",
                          expected="copy, link or list", got="move")  # fmt: skip
    if images == "list" and format is not None:
        raise RecipeError("lists have no annotations", field="format, images", expected="one of the two", got=format)


def _refuse_unpacked(dataset: Dataset, images: Images) -> None:
    """RecipeError where images to move lie in an archive: not they would leave it, but their unpacked copies."""
    from maskwright.fetch import cache_folder  # brings the network's modules

    cache = cache_folder()
    if images == "move" and any(cache in record.image.parents for record in dataset):
        raise RecipeError("images cannot be moved out of an archive, a TFRecord or a remote folder", field="images",
                          expected="copy, link or list", got="move", fix="unpack the data first, or copy")  # fmt: skip


# --- writing ------------------------------------------------------------------------------------
def _write(
    several: Mapping[str, Parts], out: Path, format: str | None, images: Images, progress: Progress
) -> list[Issue]:
    """The folders, and what their annotation files cannot hold."""
    issues = []
    written: list[tuple[Path, Path]] = []  # image, its place in the new folder
    with files.writing_folder(out) as temporary:
        for fold, parts in several.items():
            for name, part in parts.items():
                folder = temporary / fold / name
                placing = _placing(images, part, temporary)
                placed = with_copies(part, folder, progress, by_class=format is None, placing=placing)
                pairs = zip(part, placed, strict=True)
                written += [(record.image, out / copy.image.relative_to(temporary)) for record, copy in pairs]
                if format is not None:
                    lost = formats.write(placed, folder / ANNOTATION_FILES[format], format.replace("-", "_"))
                    issues += [issue.within(f"{fold}/{name}" if fold else name) for issue in lost]
    if images == "move":
        _remove(written)
    return issues


def _placing(images: Images, part: Dataset, folder: Path) -> Placing:
    """What is moved is first linked, or copied to another drive; the originals go when all is written."""
    if images == "move":
        here = folder.stat().st_dev
        return "link" if all(record.image.stat().st_dev == here for record in part) else "copy"
    return "link" if images == "link" else "copy"


def _remove(written: list[tuple[Path, Path]]) -> None:
    """The originals, each only where the new file is there and as long."""
    for image, new in written:
        if new.stat().st_size != image.stat().st_size:
            raise OutputError("the new file is not as long, so the image was not removed", file=new, got=str(image))
        image.unlink()


def _write_lists(several: Mapping[str, Parts], out: Path, dataset: Dataset) -> None:
    """out/train.txt, ...: the paths of the images from the folder that all of the data are in, with /."""
    root = Path(os.path.commonpath([record.image.parent for record in dataset])) if len(dataset) else Path()
    with files.writing_folder(out) as temporary:
        for fold, parts in several.items():
            for name, part in parts.items():
                lines = [_line(record.image.relative_to(root).as_posix()) for record in part]
                files.write_text(temporary / fold / f"{name}.txt", "".join(lines))


def _line(path: str) -> str:
    if len(path.splitlines()) > 1:
        raise DatasetError("this name has a line break, and a list has one name per line",
                           record=f'image "{harmless(path)}"', fix="rename it, or copy the images")  # fmt: skip
    return f"{path}\n"


def _format(dataset: Dataset, chosen: str | None) -> str | None:
    """The format of the annotations; None where folders called by the classes hold everything."""
    chosen = chosen and chosen.replace("_", "-")
    if chosen == "labels-csv" or any(record.instances is not None for record in dataset):
        return chosen or "coco"
    folders = all(re.fullmatch(r'(?!\.)[^<>:"/\\|?*\x00-\x1f]+', name) for name in dataset.names)
    return None if folders and all(len(record.labels or ()) == 1 for record in dataset) else "labels-csv"


def _changes(dataset: Dataset, parts: Parts, copied: bool) -> Iterator[Issue]:
    """What was left out, and which splits were given up."""
    left = len(dataset) - sum(map(len, parts.values()))
    if left and copied:
        yield IMAGES_NOT_COPIED(count=left)
    if dataset.splits():
        yield DIVIDED_ANEW(splits={name: len(part) for name, part in dataset.splits().items()})
