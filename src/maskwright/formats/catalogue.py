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
from maskwright.formats import folders, unsupported, wrapped
from maskwright.formats.reading import (
    LABEL_FOLDERS,
    PHOTO_ENDINGS,
    Evidence,
    Faults,
    Head,
    Losses,
    data_name,
    data_root,
    read_json,
    read_xml,
    readable,
)
from maskwright.types import Dataset


@dataclass(frozen=True)
class Format:
    """One line of the table.

    about       what it is, in a few words
    module      where its sniff, read and write live
    writes      it can be written, too
    export      it is made from photos and labels, and holds both
    endings     files that are looked at one by one in a folder; () where the format claims whole folders only
    options     what its `read` takes besides: class_attribute (a region has several, any of which may hold the class),
                connected_components (masks may tell no objects apart)
    """

    about: str
    module: str
    writes: bool = False
    export: bool = False
    endings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


FORMATS = {
    "boxes_csv": Format("boxes as a CSV table (TensorFlow tutorials)", "maskwright.formats.boxes_csv", writes=True,
                        endings=(".csv",)),
    "class_folders": Format("one sub-folder of photos a class", "maskwright.formats.class_folders"),
    "coco": Format("COCO JSON", "maskwright.formats.coco", writes=True, endings=(".json",)),
    "gdxray": Format("GDXray series (X-ray castings and welds)", "maskwright.formats.gdxray"),
    "labels_csv": Format("classes of whole photos as a CSV table", "maskwright.formats.labels_csv", writes=True,
                         endings=(".csv",)),
    "mask_images": Format("mask images beside the photos (ids, palette, one file an object)",
                          "maskwright.formats.mask_images", options=("connected_components",)),
    "tfrecord": Format("TFRecord of photos with boxes", "maskwright.formats.tfrecord", writes=True, export=True,
                       endings=(".record", ".tfrecord", ".tfrecords", ".tfrec")),
    "via": Format("VGG Image Annotator, JSON or CSV", "maskwright.formats.via", writes=True, endings=(".json", ".csv"),
                  options=("class_attribute",)),
    "voc": Format("Pascal VOC XML", "maskwright.formats.voc", writes=True),
}  # fmt: skip

STRONG = 0.5
LOOKED_AT = 5  # files of a folder without data that are opened to see whether they are broken


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
    for file in _annotation_files(Head(path)) if os.path.isdir(path) else ():  # noqa: PTH112 (never raises)
        readable(file)
        claims += _claims_of(Head(file), format)[:1]
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
@dataclass(frozen=True)
class _Asked:
    """What the caller of `read` asked for, on its way down to the format."""

    format: str | None
    allow_faulty: bool
    options: dict[str, str | bool]


def read(
    path: Path | str,
    *,
    format: str | None = None,
    allow_faulty: bool = False,
    class_attribute: str | None = None,
    connected_components: bool = False,
) -> Dataset:
    """A data set from an annotation file, or from a folder with photos and annotations; the format is found out.

    format           only this one is tried ("via", "coco", ...)
    allow_faulty     put faulty regions aside even when they are more than 5 %
    class_attribute  which attribute of a region holds the class, where a region has several (VIA); None: found out
    connected_components  masks tell what each pixel is, but no objects apart: each connected part is one object

    Of a folder: sub-folders train, val (valid, validation), test are read as splits; list files (train.txt) too;
    photos that nobody has labelled become unlabelled records. Several annotation files that speak of the same
    photos are not guessed among: the error lists them, and one is chosen by naming it.
    """
    path = Path(path).expanduser()
    if format is not None and format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    if not os.path.exists(path):  # noqa: PTH110 (never raises: not for rights, not for endless names)
        raise DatasetError("there is no such file or folder", file=path, fix=folders.nearest(path))
    options = {"class_attribute": class_attribute, "connected_components": connected_components}
    asked = _Asked(format, allow_faulty, {name: value for name, value in options.items() if value})
    if Head(path).is_folder:
        dataset = _read_folder(path, asked)
    else:
        claims = identify(path, format)
        if not claims:
            raise _unknown_file(path, format)
        dataset = _Reading.of(claims[0], asked).result()
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
    def of(cls, claim: Claim, asked: _Asked) -> _Reading:
        reading = cls(claim, Faults(claim.path, asked.allow_faulty))
        read = module_of(claim.format).read
        try:
            for name, value in asked.options.items():
                if name not in FORMATS[claim.format].options:
                    raise _no_option(claim, name, value)
            dataset = read(claim.path, reading.faults, **asked.options)
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


def _no_option(claim: Claim, name: str, value: object) -> DatasetError:
    able = ", ".join(format for format, each in FORMATS.items() if name in each.options)
    what = {"class_attribute": "attributes to choose the class from", "connected_components": "masks as pictures"}[name]
    option = "--" + name.replace("_", "-")
    got = claim.format if value is True else f"{claim.format}, and {value!r}"
    return DatasetError(f"this format has no {what}", file=claim.path, field=option, wanted=f"data of {able}", got=got,
                        fix=f"leave {option} out")  # fmt: skip


def _read_folder(folder: Path, asked: _Asked) -> Dataset:
    claims = identify(folder, asked.format)
    found = _datasets(claims)
    parts = [(split, path, _datasets(identify(path, asked.format))) for split, path in folders.splits(Head(folder))]
    below = [claim for _, _, inside in parts for claim in inside]
    sure = any(claim.evidence.certainty >= STRONG for claim in below)
    if below and (sure or not any(claim.evidence.certainty >= STRONG for claim in found)):
        _no_guess(folder, below, asked)
        dataset = _read_splits(folder, parts, asked)
        for claim in found:
            if claim.path != folder:
                what = f"{claim.path.name} at the top was not counted: train, val or test have annotations of their own"
                dataset = folders.remark(dataset, what)
    elif found:
        _no_guess(folder, found, asked)
        dataset, unclear = _read_claims(folder, found, asked)
        if dataset is None:
            raise _several(folder, unclear)
    else:
        return _read_below(folder, claims, asked)
    for claim in claims:
        if not claim.evidence.dataset:
            dataset = folders.remark(dataset, f"{claim.path.name} was passed over: {claim.evidence.because}")
        elif FORMATS[claim.format].export and claim not in found:
            dataset = folders.remark(dataset, f"{claim.path.name} was passed over: name it to read it")
    return replace(dataset, name=data_name(folder))


def _no_guess(folder: Path, claims: list[Claim], asked: _Asked) -> None:
    """Nobody is sure, and what lies there is known as another tool's format: its error instead of a guess."""
    if asked.format is None and all(claim.evidence.certainty < STRONG for claim in claims):
        error = unsupported.error(folder)
        if error is not None:
            raise error


def _datasets(claims: list[Claim]) -> list[Claim]:
    """Claims to a data set; weak ones only where there is no strong one, and then only the surest.

    What was exported from photos (TFRecord) counts only where no photos with labels of their own lie beside it.
    """
    claims = [claim for claim in claims if claim.evidence.dataset]
    claims = [claim for claim in claims if not FORMATS[claim.format].export] or claims
    strong = [claim for claim in claims if claim.evidence.certainty >= STRONG]
    return strong or claims[:1]


def _read_claims(folder: Path, claims: list[Claim], asked: _Asked) -> tuple[Dataset | None, list[_Reading]]:
    """The data set of these claims, with what its folder adds; None where several speak of the same photos."""
    readings = [_Reading.of(claim, asked) for claim in sorted(claims, key=lambda claim: claim.path.as_posix())]
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


def _read_splits(folder: Path, parts: list[tuple[str, Path, list[Claim]]], asked: _Asked) -> Dataset:
    """Each split folder by itself; one without annotations gives unlabelled photos."""
    datasets: list[Dataset] = []
    unclear: list[_Reading] = []
    for split, path, claims in parts:
        if claims:
            dataset, readings = _read_claims(path, claims, asked)
        else:
            dataset, readings = folders.unlabelled(path), []
        if dataset is None:
            unclear += readings
        else:
            datasets.append(folders.with_split(folders.marked(dataset, split), split))
    if unclear:
        raise _several(folder, unclear)
    return Dataset.join(data_name(folder), datasets)


def _read_below(folder: Path, claims: list[Claim], asked: _Asked) -> Dataset:
    """Nothing in the folder itself: an unpacked archive often holds one more folder with everything."""
    head = Head(folder)
    for claim in claims:
        if claim.path == folder:  # known, and no data set: masks that fit no photo, say
            _no_guess(folder, [], asked)
            _Reading.of(claim, asked).result()
    inside = []
    for name in head.folders:
        child = head.child(name)
        places = [child.path, *(path for _, path in folders.splits(child))]
        if any(_datasets(identify(path, asked.format)) for path in places):
            inside.append(child.path)
    if not inside:
        _no_guess(folder, [], asked)
    if len(inside) == 1:
        return _read_folder(inside[0], asked)
    if inside:
        raise DatasetError("several data sets in one folder", file=folder, wanted="one",
                           got=", ".join(each.name for each in inside), fix=f"name one: {inside[0]}")  # fmt: skip
    readable(folder)
    for file in _annotation_files(head)[:LOOKED_AT]:  # not claimed by any format: perhaps because little is left of it
        error = _broken(Head(file))
        if error is not None:
            raise error
    if (error := wrapped.archive_in(head)) is not None:
        raise error
    holds = "; ".join([folders.inventory(head), *(f"{each.path.name}: {each.evidence.because}" for each in claims)])
    wanted = f"the format {asked.format}" if asked.format else f"one of the formats {', '.join(FORMATS)}"
    raise DatasetError("no annotations found", file=folder, got=holds, wanted=wanted,
                       fix="name the folder (or the file) with the annotations; where there are none yet: draw "
                       "outlines in VIA, or put the photos into one folder a class")  # fmt: skip


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
    readable(path)
    head = Head(path)
    if not head.text.strip("\0 \t\r\n"):
        return AnnotationError("the file is empty", file=path)
    error = unsupported.error(path) or _broken(head)
    if error is not None:
        return error
    start = " ".join(head.text[:60].split())
    return AnnotationError("no known annotation format", file=path,
                           wanted=f"one of {', '.join(FORMATS)}" if format is None else f"the format {format}",
                           got=f"a file that begins with {start!r}")  # fmt: skip


def _broken(head: Head) -> MaskwrightError | None:
    """Why a file that no format knows is not even sound JSON or XML: half of one is not taken for a strange one."""
    read = {".json": read_json, ".xml": read_xml}.get(head.ending)
    try:
        if read is not None:
            read(head.path)
    except AnnotationError as error:
        return error
    return None


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
