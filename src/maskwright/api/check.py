"""Check: every dataset below a folder, each by itself and against the others."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from maskwright import files, formats
from maskwright.api import check_page
from maskwright.api.fix import refuse_out, write_fixed
from maskwright.api.reading import ReadOptions, dataset_of
from maskwright.api.stats import page_path
from maskwright.curate import check as checks
from maskwright.curate.copies import Placing
from maskwright.curate.duplicates import Duplicates, ThumbnailsOf, find_duplicates, thumbnails_of
from maskwright.curate.fix import Change
from maskwright.errors import AnnotationError, DatasetError, RecipeError
from maskwright.formats.listing import IMAGE_FOLDERS
from maskwright.formats.reading import LABEL_FOLDERS, SPLIT_FOLDERS, Head
from maskwright.issues import Issue, Kind, Log, as_json, warn
from maskwright.progress import Progress
from maskwright.reporting import automatic
from maskwright.types import Dataset

if TYPE_CHECKING:
    from maskwright.cluster.cluster import Cluster
    from maskwright.prediction.predictor import Predictor

TOO_MANY_FAULTS = Kind(
    "too_many_faults", "warning", "is not read without --allow-faulty: {reason}", fix="correct the records named below"
)


@dataclass(frozen=True)
class CheckResult:
    """data: the datasets that were read; issues: those of each by its name, and under "" what several share.

    doubts   the labels of each dataset that the model doubts, the surest first; {} without a model
    page     what was written, None where none was
    changes  what the log of the cleaned copy says; None where none was written
    because  why each dataset was read in its format; nothing of one that was given as a Dataset
    """

    data: tuple[Dataset, ...]
    issues: dict[str, tuple[Issue, ...]]
    doubts: dict[str, tuple[Issue, ...]] = field(default_factory=dict)
    because: dict[str, str] = field(default_factory=dict)
    page: Path | None = None
    changes: tuple[Change, ...] | None = None

    @property
    def serious(self) -> bool:
        """A metric measured on these data would be wrong."""
        return any(issue.severity == "error" for issues in self.issues.values() for issue in issues)

    def to_dict(self) -> dict[str, Any]:
        return {
            "serious": self.serious,
            "data": [
                {
                    "name": dataset.name,
                    "format": dataset.format,
                    "because": self.because.get(dataset.name),
                    "images": len(dataset),
                    "states": dataset.state_counts(),
                    "splits": {name: len(part) for name, part in dataset.splits().items()},
                    "classes": dataset.class_counts(),
                    "sizes": sizes(dataset),
                    "issues": [as_json(issue) for issue in self.issues[dataset.name]],
                    "doubts": [as_json(issue) for issue in self.doubts.get(dataset.name, ())],
                }
                for dataset in self.data
            ],
            "shared": [as_json(issue) for issue in self.issues.get("", ())],
            "page": self.page,
            "changes": None if self.changes is None else [change.to_dict() for change in self.changes],
        }


def check(
    data: str | Path | Dataset,
    *,
    model: str | Path | Predictor | None = None,
    out: str | Path | None = None,
    fix: str | Path | None = None,
    images: Placing = "copy",
    cluster: Cluster | None = None,
    progress: Progress = automatic,
    log: Log = warn,
    **reading: Unpack[ReadOptions],
) -> CheckResult:
    """Everything that is wrong or worth knowing, in one dataset or in several below one folder.

    A folder may hold several (class folders, boxes, a TFRecord of the same images): each is checked, and images that
    two of them share are named. Faulty regions are issues here, however many they are. Nothing is changed.

    model    its predictions are compared with the labels, and what it doubts is ranked
    out      a page (.html) that shows what was found, with pictures; one file that loads nothing
    fix      a new folder for a cleaned copy, with a log of every change in changes.jsonl: what can be put right
             without a guess is, the rest is left and named
    images   of that copy: "copy", or "link" for hard links
    cluster  a Ray cluster whose workers open the images to find duplicates; None: this process does
    reading  as for maskwright.read

    >>> maskwright.check("rust/").serious
    False
    """
    page = None if out is None else page_path(out)
    if fix is not None:
        refuse_out(Path(fix), None if isinstance(data, Dataset) else Path(data).expanduser())
    if isinstance(data, Dataset):
        datasets, because = [dataset_of(data, **reading)], {}
    else:
        datasets, because = _datasets(Path(data).expanduser(), reading)
    if fix is not None and len(datasets) > 1:
        names = ", ".join(dataset.name for dataset in datasets)
        raise RecipeError("one dataset at a time can be fixed", field="--fix", expected="a folder with one dataset",
                          got=names, fix="name the folder of one of them")  # fmt: skip
    paths = [record.image for dataset in datasets for record in dataset]
    duplicates = find_duplicates(paths, progress=progress, make_thumbnails=_thumbnails_on(cluster, log))
    issues = _issues(datasets, duplicates)
    doubts = {} if model is None else {dataset.name: _doubted(dataset, model, progress) for dataset in datasets}
    changes = None
    if fix is not None:
        (dataset,) = datasets
        changes = write_fixed(dataset, issues[dataset.name], duplicates, Path(fix), images, progress)
    if page is not None:
        files.write_text(page, check_page.render(datasets, issues, doubts, because, progress))
    return CheckResult(tuple(datasets), issues, doubts, because, page, changes)


def _issues(datasets: list[Dataset], duplicates: Duplicates) -> dict[str, tuple[Issue, ...]]:
    """Of each dataset by its name, and under "" what several share; `duplicates` of all records, one after another."""
    starts = [sum(map(len, datasets[:index])) for index in range(len(datasets))]
    located = list(zip(datasets, starts, strict=True))
    issues: dict[str, tuple[Issue, ...]] = {}
    for dataset, start in located:
        issues[dataset.name] = checks.check(dataset, duplicates.among((start, len(dataset))))
    if len(datasets) > 1:
        issues[""] = tuple(
            issue
            for (one, first), (other, second) in itertools.combinations(located, 2)
            for issue in checks.shared(
                one.records,
                other.records,
                (one.name, other.name),
                duplicates.among((first, len(one)), (second, len(other))),
            )
        )
    return issues


def _thumbnails_on(cluster: Cluster | None, log: Log) -> ThumbnailsOf:
    if cluster is None:
        return thumbnails_of
    from maskwright.api.cluster_work import thumbnails_on  # brings the engines

    return thumbnails_on(cluster, log)


def sizes(dataset: Dataset) -> dict[str, list[int]]:
    """Width and height of the smallest and of the largest image by its pixels; {} without images.

    >>> sizes(maskwright.read("party/"))
    {'smallest': [480, 640], 'largest': [640, 480]}
    """
    every = sorted((height * width, width, height) for height, width in (record.size for record in dataset))
    return {"smallest": [*every[0][1:]], "largest": [*every[-1][1:]]} if every else {}


def _doubted(dataset: Dataset, model: str | Path | Predictor, progress: Progress) -> tuple[Issue, ...]:
    from maskwright.api.doubts import doubted  # brings torch

    return doubted(dataset, model, progress)


# --- reading ------------------------------------------------------------------------------------
def _datasets(path: Path, options: ReadOptions) -> tuple[list[Dataset], dict[str, str]]:
    """What the folder itself is read as, then each folder in it that holds a dataset of its own; and why."""
    if not Head(path).is_folder:
        dataset = _read(path, options)
        return [dataset], {dataset.name: _because(path, dataset)}
    found: list[Dataset] = []
    below: dict[str, str] = {}
    error = None
    try:
        found.append(_read(path, options))
    except DatasetError as caught:
        error = caught  # perhaps because there are several
    taken = {record.image for item in found for record in item}
    for name in () if options.get("annotations") else Head(path).folders:
        ordinary = {*SPLIT_FOLDERS, *LABEL_FOLDERS, *(item.casefold() for item in IMAGE_FOLDERS)}
        inside = path / name
        if name.casefold() in ordinary or any(inside in image.parents for image in taken) or not _holds(inside):
            continue
        found.append(replace(_read(inside, options), name=name))
        below[name] = _because(inside, found[-1])
    if error is not None and len(found) < 2:
        raise error
    if error is None and len(found) > 1:  # "rust" alone would be everything
        found[0] = replace(found[0], name=f"{found[0].name} ({found[0].format})")
    whole = {found[0].name: _because(path, found[0])} if error is None else {}
    return found, whole | below


def _because(path: Path, dataset: Dataset) -> str:
    """Why it was read in its format, as the surest file says, at the top or in one of its splits."""
    head = Head(path)
    folders = [path, *(path / name for name in head.folders if name.casefold() in SPLIT_FOLDERS)]
    claims = [claim for folder in folders for claim in formats.identify(folder) if claim.format in dataset.format]
    return max(claims, key=lambda claim: claim.evidence.certainty).evidence.because if claims else ""


def _holds(folder: Path) -> bool:
    """A dataset stands here, or in its train and test."""
    folders = [folder, *(folder / name for name in Head(folder).folders if name.casefold() in SPLIT_FOLDERS)]
    return any(claim.evidence.dataset for path in folders for claim in formats.identify(path))


def _read(path: Path, options: ReadOptions) -> Dataset:
    """With all its faults; that there are too many of them is an issue."""
    try:
        return formats.read(path, **options)
    except AnnotationError as error:
        try:
            dataset = formats.read(path, **{**options, "allow_faulty": True})
        except AnnotationError:
            raise error from None  # not a matter of single records
        return replace(dataset, issues=(TOO_MANY_FAULTS(reason=error.headline), *dataset.issues))
