"""What is labeled, and where labels are saved: in the files that were read, or in a new one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from maskwright.errors import DatasetError, NoAnnotations, UnknownName
from maskwright.formats import folders
from maskwright.formats.dataset_reader import read
from maskwright.formats.registry import Claim, identify
from maskwright.types import Dataset
from maskwright.web.label_file import LabelFile
from maskwright.web.label_folder import LabelFolder, saved_in_place

WRITTEN: Mapping[str, str] = {"via": ".json", "coco": ".json", "datumaro": ".json", "cvat": ".xml"}
"""Formats of one file for all images -> its ending: these can be saved after every change."""
DEFAULT = "labels.json"


def open_labels(data: Path, out: Path | None, format: str | None) -> LabelFile | LabelFolder:
    """What to label, and where to save.

    data    a folder of images with or without annotations, or an annotation file
    out     where to save instead; labels that it has already are continued
    format  of a file that is new; default: VIA

    DatasetError where labels can be saved neither to the one file that was read nor to a file an image: `out` is
    needed then.
    """
    if format is not None and format not in WRITTEN:
        raise UnknownName("format that labels are saved in", format, WRITTEN)
    claims = [claim for claim in identify(data) if claim.evidence.dataset] if data.exists() else []
    claims = claims if data.is_dir() else claims[:1]  # of a file the surest
    dataset = _read(data, claims)
    if out is None and dataset.records and any(record.state != "unlabeled" for record in dataset):
        return _same_file(data, dataset, claims, format)
    file = out or _default(data)
    if not file.is_file():
        return LabelFile(dataset, file, format or _by_ending(file))
    continued = read(file)
    if format is not None and continued.format != format:
        raise DatasetError("the file has another format", file=file, expected=format, got=continued.format)
    return LabelFile(_overlaid(dataset, continued), file, continued.format)


def _read(data: Path, claims: list[Claim]) -> Dataset:
    """The data; a folder without annotations is a dataset of unlabeled images."""
    if not data.is_dir() or claims:
        return read(data)
    try:
        return read(data)
    except NoAnnotations:
        dataset = folders.unlabeled(data)
    if not len(dataset):
        raise DatasetError("there are no images in this folder", file=data, expected="images to label", got="none")
    return dataset


def _same_file(data: Path, dataset: Dataset, claims: list[Claim], format: str | None) -> LabelFile | LabelFolder:
    """Back to the annotation files that were read."""
    if format is None and saved_in_place(dataset, data):
        return LabelFolder(dataset, data, dataset.format)
    if len(claims) == 1 and claims[0].path.is_file() and claims[0].path.suffix.lower() == WRITTEN.get(claims[0].format):
        claim = claims[0]
        if format is not None and format != claim.format:
            raise DatasetError("the annotation file has another format", file=claim.path, field="--format",
                               expected=claim.format, got=format, fix="name a new file with --out")  # fmt: skip
        return LabelFile(dataset, claim.path, claim.format)
    got = f"{dataset.format}, {len(claims) or 'several'} files" if len(claims) != 1 else dataset.format
    raise DatasetError(
        "these annotations are not one file that can be saved after every change", file=data,
        expected=f"one file of {', '.join(WRITTEN)}", got=got, fix="name a new file with --out, or one annotation file",
    )  # fmt: skip


def _default(data: Path) -> Path:
    """labels.json in the current folder; beside the images where they lie elsewhere, or no reader would find them."""
    folder = data if data.is_dir() else data.parent
    here = Path.cwd()
    return (here if folder.resolve().is_relative_to(here.resolve()) else folder) / DEFAULT


def _by_ending(file: Path) -> str:
    found = next((name for name, ending in WRITTEN.items() if ending == file.suffix.lower()), None)
    if found is None:
        raise DatasetError("not a file that labels are saved in", file=file, field="--out",
                           expected="a name that ends in .json or .xml", got=file.name)  # fmt: skip
    return found


def _overlaid(dataset: Dataset, continued: Dataset) -> Dataset:
    """The images of the data with the labels of the file; images that only the file has stay in it."""
    joined = Dataset.join(dataset.name, [replace(continued, records=()), dataset])
    labels = continued.with_names(joined.names)
    saved = {_real(record.image): record for record in labels if record.state != "unlabeled"}
    records = [saved.pop(_real(record.image), record) for record in joined.records]
    return replace(joined, records=(*records, *saved.values()), class_ids=(), issues=continued.issues)


def _real(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))
