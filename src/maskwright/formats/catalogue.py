"""Which format is this, and why; reading a file or a whole folder without a flag; writing.

A new format: one module here, one line in FORMATS, one test file.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from maskwright.errors import AnnotationError, DatasetError, MaskwrightError, UnknownName
from maskwright.formats import folders
from maskwright.formats.reading import (
    LABEL_FOLDERS,
    PHOTO_ENDINGS,
    Evidence,
    Faults,
    Head,
    Losses,
    data_name,
    data_root,
)
from maskwright.types import Dataset


@dataclass(frozen=True)
class Format:
    """One line of the table.

    about    what it is, in a few words
    module   where its sniff, read and write live
    writes   it can be written, too
    export   it is made from photos and labels, and holds both
    endings  files that are looked at one by one in a folder; () where the format claims whole folders only
    """

    about: str
    module: str
    writes: bool = False
    export: bool = False
    endings: tuple[str, ...] = ()


FORMATS = {
    "boxes_csv": Format("boxes as a CSV table (TensorFlow tutorials)", "maskwright.formats.boxes_csv", writes=True,
                        endings=(".csv",)),
    "class_folders": Format("one sub-folder of photos a class", "maskwright.formats.class_folders"),
    "coco": Format("COCO JSON", "maskwright.formats.coco", writes=True, endings=(".json",)),
    "gdxray": Format("GDXray series (X-ray castings and welds)", "maskwright.formats.gdxray"),
    "mask_images": Format("mask images beside the photos (ids, palette, one file an object)",
                          "maskwright.formats.mask_images"),
    "tfrecord": Format("TFRecord of photos with boxes", "maskwright.formats.tfrecord", writes=True, export=True,
                       endings=(".record", ".tfrecord", ".tfrecords", ".tfrec")),
    "via": Format("VGG Image Annotator, JSON or CSV", "maskwright.formats.via", writes=True, endings=(".json", ".csv")),
    "voc": Format("Pascal VOC XML", "maskwright.formats.voc", writes=True),
}  # fmt: skip

STRONG = 0.5


@dataclass(frozen=True)
class Claim:
    """`format` believes that `path` (a file, or a folder as a whole) is its own."""

    format: str
    path: Path
    evidence: Evidence


def module_of(format: str) -> ModuleType:
    return importlib.import_module(FORMATS[format].module)


# --- which format -----------------------------------------------------------------------------------
def identify(path: Path | str, format: str | None = None) -> list[Claim]:
    """Who claims this file, or this folder and the files in it; the surest first, [] when nobody does.

    >>> claim = identify("balloon/train/via_region_data.json")[0]
    >>> claim.format, claim.evidence.because
    ('via', 'its records have "filename" and "regions"')
    """
    path = Path(path)
    claims = _claims_of(Head(path), format)
    if path.is_dir():
        claims += [claim for file in _annotation_files(Head(path)) for claim in _claims_of(Head(file), format)[:1]]
    return sorted(claims, key=lambda claim: (-claim.evidence.certainty, claim.path.as_posix()))


def _claims_of(head: Head, format: str | None) -> list[Claim]:
    claims = []
    for name in FORMATS if format is None else (format,):
        evidence = module_of(name).sniff(head)
        if evidence is not None:
            claims.append(Claim(name, head.path, evidence))
    return sorted(claims, key=lambda claim: -claim.evidence.certainty)


def _annotation_files(head: Head) -> list[Path]:
    """Files that one format or another reads one by one: in the folder, and in its folders of annotations."""
    endings = tuple(ending for each in FORMATS.values() for ending in each.endings)
    files = [head.path / name for name in head.files(*endings)]
    for name in head.folders:
        if name.casefold() in LABEL_FOLDERS:
            files += [head.path / name / file for file in head.child(name).files(*endings)]
    return files


# --- reading ----------------------------------------------------------------------------------------
def read(path: Path | str, *, format: str | None = None, allow_faulty: bool = False) -> Dataset:
    """A data set from an annotation file, or from a folder with photos and annotations; the format is found out.

    format        only this one is tried ("via", "coco", ...)
    allow_faulty  put faulty regions aside even when they are more than 5 %

    Of a folder: sub-folders train, val (valid, validation), test are read as splits; list files (train.txt) too;
    photos that nobody has labelled become unlabelled records. Several annotation files that speak of the same
    photos are not guessed among: the error lists them, and one is chosen by naming it.
    """
    path = Path(path).expanduser()
    if format is not None and format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    if not os.path.exists(path):  # noqa: PTH110 (never raises: not for rights, not for endless names)
        raise DatasetError("there is no such file or folder", file=path, fix=folders.nearest(path))
    if Head(path).is_folder:
        dataset = _read_folder(path, format, allow_faulty)
    else:
        claims = identify(path, format)
        if not claims:
            raise _unknown_file(path, format)
        dataset = _Reading.of(claims[0], allow_faulty).result()
        many = bool(FORMATS[claims[0].format].endings)  # such a file speaks of a whole folder, not of one photo
        dataset = folders.complete(dataset, data_root(path), everywhere=False, unlabelled=many)
    if not len(dataset):
        raise DatasetError("it holds no photos", file=path, wanted="at least one photo", got="none")
    return dataset


@dataclass
class _Reading:
    """One claim, read: a data set with its faults, or the error."""

    claim: Claim
    faults: Faults
    dataset: Dataset | None = None
    error: MaskwrightError | None = None

    @classmethod
    def of(cls, claim: Claim, allow_faulty: bool) -> _Reading:
        reading = cls(claim, Faults(claim.path, allow_faulty))
        try:
            dataset = module_of(claim.format).read(claim.path, reading.faults)
            reading.dataset = dataset if dataset.format else replace(dataset, format=claim.format)
        except MaskwrightError as error:
            reading.error = error
        return reading

    def result(self) -> Dataset:
        if self.dataset is None:
            assert self.error is not None
            raise self.error
        return self.faults.into(self.dataset)

    def told(self, root: Path) -> str:
        """One line for people: which file, which format, what is in it."""
        try:
            name = self.claim.path.relative_to(root).as_posix()
        except ValueError:
            name = str(self.claim.path)
        if self.dataset is None:
            return f"{name}  ({self.claim.format}: {self.error.headline if self.error else ''})"
        classes = ", ".join(f"{label} {count}" for label, count in self.dataset.class_counts().items() if count)
        return (
            f"{name}  ({self.claim.format}: {len(self.dataset)} photos, {self.dataset.instance_count} instances; "
            f"{classes or 'no classes'})"
        )


def _read_folder(folder: Path, format: str | None, allow_faulty: bool) -> Dataset:
    claims = identify(folder, format)
    found = _datasets(claims)
    parts = [(split, path, _datasets(identify(path, format))) for split, path in folders.splits(Head(folder))]
    if any(inside for _, _, inside in parts):
        dataset = _read_splits(folder, parts, allow_faulty)
        for claim in found:
            if claim.path != folder:
                what = f"{claim.path.name} at the top was not counted: train, val or test have annotations of their own"
                dataset = folders.remark(dataset, what)
    elif found:
        dataset, unclear = _read_claims(folder, found, allow_faulty)
        if dataset is None:
            raise _several(folder, unclear)
    else:
        return _read_below(folder, claims, format, allow_faulty)
    for claim in claims:
        if not claim.evidence.dataset:
            dataset = folders.remark(dataset, f"{claim.path.name} was passed over: {claim.evidence.because}")
        elif FORMATS[claim.format].export and claim not in found:
            dataset = folders.remark(dataset, f"{claim.path.name} was passed over: name it to read it")
    return replace(dataset, name=data_name(folder))


def _datasets(claims: list[Claim]) -> list[Claim]:
    """Claims to a data set; weak ones only where there is no strong one, and then only the surest.

    What was exported from photos (TFRecord) counts only where no photos with labels of their own lie beside it.
    """
    claims = [claim for claim in claims if claim.evidence.dataset]
    claims = [claim for claim in claims if not FORMATS[claim.format].export] or claims
    strong = [claim for claim in claims if claim.evidence.certainty >= STRONG]
    return strong or claims[:1]


def _read_claims(folder: Path, claims: list[Claim], allow_faulty: bool) -> tuple[Dataset | None, list[_Reading]]:
    """The data set of these claims, with what its folder adds; None where several speak of the same photos."""
    readings = [_Reading.of(claim, allow_faulty) for claim in sorted(claims, key=lambda claim: claim.path.as_posix())]
    if len(readings) > 1 and not folders.joinable([each.dataset for each in readings]):
        return None, readings
    datasets = [each.result() for each in readings]
    if len(readings) == 1:
        dataset = datasets[0]
    else:
        words = [folders.split_word(each.claim.path) for each in readings]
        marked = zip(datasets, words, strict=True)  # instances_val.json holds the split "val"
        datasets = [folders.with_split(each, word) if word else each for each, word in marked]
        datasets = [folders.marked(each, read.claim.path.name) for each, read in zip(datasets, readings, strict=True)]
        dataset = Dataset.join(data_name(folder), datasets)
        told = ", ".join(each.claim.path.name for each in readings[:3]) + (", ..." if len(readings) > 3 else "")
        dataset = folders.remark(dataset, f"{len(readings)} annotation files of different photos were joined: {told}")
    as_files = all(each.claim.path.is_file() for each in readings)
    return folders.complete(dataset, folder, everywhere=True, unlabelled=as_files), readings


def _read_splits(folder: Path, parts: list[tuple[str, Path, list[Claim]]], allow_faulty: bool) -> Dataset:
    """Each split folder by itself; one without annotations gives unlabelled photos."""
    datasets: list[Dataset] = []
    unclear: list[_Reading] = []
    for split, path, claims in parts:
        if claims:
            dataset, readings = _read_claims(path, claims, allow_faulty)
        else:
            dataset, readings = folders.unlabelled(path), []
        if dataset is None:
            unclear += readings
        else:
            datasets.append(folders.with_split(folders.marked(dataset, split), split))
    if unclear:
        raise _several(folder, unclear)
    return Dataset.join(data_name(folder), datasets)


def _read_below(folder: Path, claims: list[Claim], format: str | None, allow_faulty: bool) -> Dataset:
    """Nothing in the folder itself: an unpacked archive often holds one more folder with everything."""
    head = Head(folder)
    inside = []
    for name in head.folders:
        child = head.child(name)
        places = [child.path, *(path for _, path in folders.splits(child))]
        if any(_datasets(identify(path, format)) for path in places):
            inside.append(child.path)
    if len(inside) == 1:
        return _read_folder(inside[0], format, allow_faulty)
    if inside:
        raise DatasetError("several data sets in one folder", file=folder, wanted="one",
                           got=", ".join(each.name for each in inside), fix=f"name one: {inside[0]}")  # fmt: skip
    holds = "; ".join([folders.inventory(head), *(f"{each.path.name}: {each.evidence.because}" for each in claims)])
    raise DatasetError("no annotations found", file=folder, got=holds,
                       wanted=f"one of the formats {', '.join(FORMATS)}" if format is None else f"the format {format}",
                       fix="name the folder (or the file) with the annotations")  # fmt: skip


def _several(folder: Path, readings: list[_Reading]) -> DatasetError:
    listed = "".join(f"\n          {each.told(folder)}" for each in readings)
    example = next((each for each in readings if each.dataset is not None), readings[0])
    fix = f"name the one to use, for example {example.claim.path}"
    return DatasetError(
        "several annotation files for the same photos",
        file=folder,
        wanted="one",
        got=f"{len(readings)}:{listed}",
        fix=fix,
    )


def _unknown_file(path: Path, format: str | None) -> MaskwrightError:
    if path.suffix.lower() in PHOTO_ENDINGS:
        return DatasetError("this is a photo, not a data set", file=path, fix=f"name its folder: {path.parent}")
    head = Head(path)
    if not head.text.strip("\0 \t\r\n"):
        return AnnotationError("the file is empty", file=path)
    start = " ".join(head.text[:60].split())
    return AnnotationError("no known annotation format", file=path,
                           wanted=f"one of {', '.join(FORMATS)}" if format is None else f"the format {format}",
                           got=f"a file that begins with {start!r}")  # fmt: skip


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path | str, format: str) -> tuple[str, ...]:
    """Write in that format; gives what could not be kept, one sentence each ("3 scores cannot be kept")."""
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    if not FORMATS[format].writes:
        able = ", ".join(name for name, each in FORMATS.items() if each.writes)
        raise DatasetError(f"{format} is only read, not written", wanted=f"one of {able}", got=format)
    losses = Losses()
    module_of(format).write(dataset, Path(path), losses)
    return losses.told()
