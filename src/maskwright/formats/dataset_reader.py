"""A file or a whole folder to one dataset, without a flag: who claims what lies there, and what belongs together."""

from __future__ import annotations

import fnmatch
import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from maskwright.errors import AnnotationError, DatasetError, MaskwrightError, NoAnnotations, UnknownName
from maskwright.escaping import percent_encoded
from maskwright.formats import folders, garbage, links, remote, unsupported, wrapped
from maskwright.formats.joining import Reading, completed, joined, undecided
from maskwright.formats.reading import (
    IMAGE_ENDINGS,
    Faults,
    Head,
    data_name,
    data_root,
    images_in,
    read_json,
    read_xml,
    readable,
)
from maskwright.formats.registry import FORMATS, Claim, annotation_files, identify, module_of
from maskwright.formats.shards import shards, shards_absent
from maskwright.issues import Kind
from maskwright.types import Dataset

FILE_AT_TOP_NOT_COUNTED = Kind(
    "file_at_top_not_counted", "warning",
    "{file} at the top was not counted: train, val or test have annotations of their own",
)  # fmt: skip
IMAGES_BESIDE_NOT_READ = Kind(
    "images_beside_not_read", "warning",
    "{count} image beside them was not read: only those in {folders} were",
    "{count} images beside them were not read: only those in {folders} were",
)  # fmt: skip
FILE_PASSED_OVER = Kind("file_passed_over", "warning", "{file} was passed over: {because}")
EXPORT_PASSED_OVER = Kind("export_passed_over", "warning", "{file} was passed over: {fix}", fix="name it to read it")


STRONG = 0.5
DEEPEST, MOST_FOLDERS = 3, 200  # so far below a folder without data a dataset is looked for
LOOKED_AT = 5  # files of a folder without data that are opened to see whether they are broken


@dataclass(frozen=True)
class _Asked:
    """What the caller of `read` asked for, on its way down to the format."""

    format: str | None
    allow_faulty: bool
    options: dict[str, str | bool]
    annotations: str | None
    class_location: Any = None  # where the class stands, as all files of the dataset show (`survey` of a format)

    def claims(self, path: Path) -> list[Claim]:
        """Who claims a folder; where annotation files were asked for by name, only those."""
        claims = identify(path, self.format)
        if self.annotations is None:
            return claims
        return [claim for claim in claims if claim.path != path and self.named(claim.path)]

    def named(self, path: Path) -> bool:
        expected = PurePosixPath(self.annotations or "").name.casefold()
        return fnmatch.fnmatchcase(path.name.casefold(), expected)


def read(
    path: Path | str,
    *,
    format: str | None = None,
    allow_faulty: bool = False,
    class_attribute: str | None = None,
    connected_components: bool = False,
    annotations: str | None = None,
    follow_links: bool = False,
) -> Dataset:
    """A dataset from an annotation file, or from a folder with images and annotations; the format is found out.

    A zip or tar archive is read as the folder that it holds; what lies at an address that fsspec knows
    ("s3://bucket/party") is fetched into the cache folder.

    format           only this one is tried ("via", "coco", ...)
    allow_faulty     put faulty regions aside even when they are more than 5 %
    class_attribute  which attribute of a region holds the class, where a region has several (VIA); None: found out
    connected_components  masks tell what each pixel is, but no objects apart: each connected part is one object

    annotations      of a folder: only annotation files of this name, in each of its splits ("via_region_data.json"; a
                     pattern "instances_*.json")
    follow_links     follow links that lead out of the folder, too; otherwise they are named in an issue

    Of a folder: sub-folders train, val (valid, validation), test are read as splits; list files (train.txt) too;
    images that nobody has labeled become unlabeled records. Several annotation files that speak of the same
    images are not guessed among, unless they say the same: the error lists them, and one is chosen by naming it.
    Labeled images that no split has, where others have one, are named in an issue.
    """
    path = Path(path).expanduser()
    if format is not None and format not in FORMATS:
        raise UnknownName("format", format, FORMATS)
    path, issues = remote.local(path)
    options = {"class_attribute": class_attribute, "connected_components": connected_components}
    asked = _Asked(format, allow_faulty, {name: value for name, value in options.items() if value}, annotations)
    whole = os.path.isdir(path)  # noqa: PTH112 (never raises)
    root = path if whole else data_root(path)
    with links.within(root, whole=whole, follow=follow_links) as scope, garbage.kept():
        try:
            dataset = _read_folder(path, asked) if whole else _read_file(path, asked)
        except DatasetError as error:
            raise _with_links(error, scope) from error
    if not len(dataset):
        raise DatasetError("it holds no images", file=path, expected="at least one image", got="none")
    issues += [] if scope.issue is None else [scope.issue]
    dataset = dataset.with_issues(*issues)
    # what folders and files call the data and their classes may be no text; it goes into cards and tables
    dataset = replace(dataset, name=percent_encoded(dataset.name), names=tuple(map(percent_encoded, dataset.names)))
    return folders.report_alike(folders.report_unsplit(dataset))


def _with_links(error: DatasetError, scope: links.Scope) -> DatasetError:
    """The same error, with the links that were not followed where there were any: perhaps they are why."""
    if scope.issue is None:
        return error
    parts = {**error.parts, "fix": "; ".join(filter(None, (str(scope.issue), error.parts.get("fix"))))}
    return type(error)(error.headline, **parts)


def _read_file(path: Path, asked: _Asked) -> Dataset:
    if asked.annotations is not None and not asked.named(path):
        raise DatasetError("one annotation file is named already", file=path, field="annotations",
                           expected="a folder, to choose files in", got=asked.annotations)  # fmt: skip
    paths = shards(path)
    claims = [claim for item in paths for claim in identify(item, asked.format)[:1]]
    if not claims:
        raise _unknown_file(path, asked.format)
    root = data_root(path)
    if len(claims) > 1:
        dataset, unclear = joined(root, _readings(claims, asked))
        if dataset is None:
            raise undecided(root, unclear)
    else:
        dataset = _reading(claims[0], asked).result()
    dataset = dataset.with_issues(*shards_absent(paths))
    many = bool(FORMATS[claims[0].format].endings)  # such a file speaks of a whole folder, not of one image
    return folders.complete(dataset, root, everywhere=False, unlabeled=many)


def _reading(claim: Claim, asked: _Asked) -> Reading:
    reading = Reading(claim.path, claim.format, Faults(claim.path, asked.allow_faulty))
    read = module_of(claim.format).read
    try:
        for name, value in asked.options.items():
            if name not in FORMATS[claim.format].options:
                raise _no_option(claim, name, value)
        surveyed = (
            {} if asked.class_location is None or not _has_attributes(claim) else {"location": asked.class_location}
        )
        dataset = read(claim.path, reading.faults, **asked.options, **surveyed)
        reading.dataset = dataset if dataset.format else replace(dataset, format=claim.format)
    except MaskwrightError as error:
        reading.error = error
    return reading


def _has_attributes(claim: Claim) -> bool:
    return "class_attribute" in FORMATS[claim.format].options


def _surveyed(claims: list[Claim], asked: _Asked) -> _Asked:
    """Several files with attributes are one dataset: the class stands in the same one in all of them."""
    able = [claim for claim in claims if _has_attributes(claim)]
    if len(able) < 2:
        return asked
    survey = module_of(able[0].format).survey
    return replace(asked, class_location=survey([claim.path for claim in able], asked.options.get("class_attribute")))


def _no_option(claim: Claim, name: str, value: object) -> DatasetError:
    able = ", ".join(format for format, item in FORMATS.items() if name in item.options)
    what = {"class_attribute": "attributes to choose the class from", "connected_components": "masks as pictures"}[name]
    option = "--" + name.replace("_", "-")
    got = claim.format if value is True else f"{claim.format}, and {value!r}"
    return DatasetError(
        f"this format has no {what}",
        file=claim.path,
        field=option,
        expected=f"data of {able}",
        got=got,
        fix=f"leave {option} out",
    )


def _read_folder(folder: Path, asked: _Asked) -> Dataset:
    claims = asked.claims(folder)
    found = _datasets(claims)
    parts = [(split, path, _datasets(asked.claims(path))) for split, path in folders.splits(Head(folder))]
    below = [claim for _, _, inside in parts for claim in inside]
    asked = _surveyed(below or found, asked)
    sure = any(claim.evidence.certainty >= STRONG for claim in below)
    if below and (sure or not any(claim.evidence.certainty >= STRONG for claim in found)):
        _no_guess(folder, below, asked)
        dataset = _read_splits(folder, parts, asked)
        for claim in found:
            if claim.path != folder:
                dataset = dataset.with_issues(FILE_AT_TOP_NOT_COUNTED(file=claim.path.name))
        if beside := sorted({*images_in(folder)} - {record.image for record in dataset}):
            names = [path.name for _, path, _ in parts]
            dataset = dataset.with_issues(IMAGES_BESIDE_NOT_READ(images=beside, count=len(beside), folders=names))
    elif found:
        _no_guess(folder, found, asked)
        readings = _readings(found, asked)
        dataset, unclear = joined(folder, readings)
        if dataset is None:
            raise undecided(folder, unclear)
        dataset = completed(dataset, folder, readings)
        dataset = dataset.with_issues(*shards_absent(claim.path for claim in found))
    else:
        return _read_below(folder, claims, asked)
    for claim in claims:
        if not claim.evidence.dataset and claim.path != folder and claim.evidence.certainty >= STRONG:
            dataset = dataset.with_issues(FILE_PASSED_OVER(file=claim.path.name, because=claim.evidence.because))
        elif FORMATS[claim.format].export and claim not in found:
            dataset = dataset.with_issues(EXPORT_PASSED_OVER(file=claim.path.name))
    return replace(dataset, name=data_name(folder))


def _no_guess(folder: Path, claims: list[Claim], asked: _Asked) -> None:
    """Nobody is sure, and what lies there is known as another tool's format: its error instead of a guess."""
    if asked.format is None and all(claim.evidence.certainty < STRONG for claim in claims):
        error = unsupported.error(folder)
        if error is not None:
            raise error


def _datasets(claims: list[Claim]) -> list[Claim]:
    """Claims to a dataset; weak ones only where there is no strong one, and then only the surest.

    What was exported from images (TFRecord) counts only where no images with labels of their own lie beside it.
    """
    claims = [claim for claim in claims if claim.evidence.dataset]
    claims = [claim for claim in claims if not FORMATS[claim.format].export] or claims
    strong = [claim for claim in claims if claim.evidence.certainty >= STRONG]
    return strong or claims[:1]


def _readings(claims: list[Claim], asked: _Asked) -> list[Reading]:
    """Each claim, read; how much is faulty is asked of all of them together."""
    readings = [_reading(claim, asked) for claim in sorted(claims, key=lambda claim: claim.path.as_posix())]
    Faults.settle([reading.faults for reading in readings])
    return readings


def _read_splits(folder: Path, parts: list[tuple[str, Path, list[Claim]]], asked: _Asked) -> Dataset:
    """Each split folder by itself; one without annotations gives unlabeled images."""
    datasets: list[Dataset] = []
    unclear: list[Reading] = []
    readings = {path: _readings(claims, asked) for _, path, claims in parts}
    Faults.settle([item.faults for several in readings.values() for item in several])
    for split, path, claims in parts:
        if claims:
            dataset, several = joined(path, readings[path])
            dataset = dataset and completed(dataset, path, several)
        else:
            _no_dataset(path, asked.claims(path), asked)
            dataset, several = folders.unlabeled(path), []
        if dataset is None:
            unclear += several
        else:
            datasets.append(folders.with_split(folders.marked(dataset, split), split))
    if unclear:
        raise undecided(folder, unclear)
    return Dataset.join(data_name(folder), datasets)


def _read_below(folder: Path, claims: list[Claim], asked: _Asked) -> Dataset:
    """Nothing in the folder itself: an unpacked archive often holds one more folder with everything."""
    head = Head(folder)
    for path in (folder, *(path for _, path in folders.splits(head))):
        _no_dataset(path, claims if path == folder else asked.claims(path), asked)
    inside, level = [], [head]
    for _ in range(DEEPEST):
        level = [above.child(name) for above in level for name in above.folders][:MOST_FOLDERS]
        inside = [child.path for child in level if _holds(child, asked)]
        if inside:
            break
    if not inside:
        _no_guess(folder, [], asked)
    if len(inside) == 1:
        return _read_folder(inside[0], asked)
    if inside:
        raise DatasetError("several datasets in one folder", file=folder, expected="one",
                           got=", ".join(item.relative_to(folder).as_posix() for item in inside[:8]),
                           fix=f"name one: {inside[0]}")  # fmt: skip
    readable(folder)
    for file in annotation_files(head)[:LOOKED_AT]:  # not claimed by any format: perhaps because little is left of it
        error = _broken(Head(file))
        if error is not None:
            raise error
    if (error := wrapped.archive_in(head)) is not None:
        raise error
    holds = "; ".join([folders.inventory(head), *(f"{item.path.name}: {item.evidence.because}" for item in claims)])
    expected = f"the format {asked.format}" if asked.format else f"one of the formats {', '.join(FORMATS)}"
    if asked.annotations is not None:
        expected = f"annotation files called {asked.annotations}"
    raise NoAnnotations("no annotations found", file=folder, got=holds, expected=expected,
                        fix="name the folder (or the file) with the annotations; where there are none yet: draw "
                        "outlines in VIA, or put the images into one folder a class")  # fmt: skip


def _no_dataset(folder: Path, claims: list[Claim], asked: _Asked) -> None:
    """What is known and yet no dataset has an error of its own: masks that fit no image, say."""
    for claim in claims:
        if claim.path == folder:
            _no_guess(folder, [], asked)
            _reading(claim, asked).result()


def _holds(head: Head, asked: _Asked) -> bool:
    """A dataset stands in this folder, or in its train, val or test."""
    return any(_datasets(asked.claims(path)) for path in (head.path, *(path for _, path in folders.splits(head))))


def _unknown_file(path: Path, format: str | None) -> MaskwrightError:
    if path.suffix.lower() in IMAGE_ENDINGS:
        return DatasetError("this is an image, not a dataset", file=path, fix=f"name its folder: {path.parent}")
    readable(path)
    head = Head(path)
    if not head.text.strip("\0 \t\r\n"):
        return AnnotationError("the file is empty", file=path)
    error = unsupported.error(path) or _broken(head)
    if error is not None:
        return error
    start = " ".join(head.text[:60].split())
    return AnnotationError("no known annotation format", file=path,
                           expected=f"one of {', '.join(FORMATS)}" if format is None else f"the format {format}",
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
