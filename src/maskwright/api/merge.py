"""Merge: several datasets become one, in a new folder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

from maskwright.api.convert import ConvertResult, Format, convert
from maskwright.api.reading import ReadOptions, dataset_of
from maskwright.curate.check import shared
from maskwright.curate.duplicates import find_duplicates
from maskwright.errors import RecipeError
from maskwright.issues import Log, warn
from maskwright.progress import Progress
from maskwright.reporting import automatic
from maskwright.types import Dataset


def merge(
    data: Sequence[str | Path | Dataset],
    out: str | Path,
    *,
    to: Format = "coco",
    partial: bool = False,
    progress: Progress = automatic,
    log: Log = warn,
    **reading: Unpack[ReadOptions],
) -> ConvertResult:
    """All images of several datasets in one, copied into a new folder with their annotations.

    Classes of one name become one class, in the order in which they first occur. Images of one name get another one;
    images that are in two of the datasets stay, and are reported. Splits are kept.

    to       the format, as for `maskwright.convert`
    partial  on the images of each dataset only its own classes were looked for: kept where the format can
    reading  as for maskwright.read

    >>> maskwright.merge(["party/", "fair/"], "both/").images
    24
    """
    if len(data) < 2:
        raise RecipeError("there is nothing to merge", field="DATA", expected="two datasets or more", got=len(data))
    datasets = [dataset_of(item, **reading) for item in data]
    images = [record.image for dataset in datasets for record in dataset]
    duplicates = find_duplicates(images, progress=progress)
    starts = [sum(map(len, datasets[:index])) for index in range(len(datasets))]
    for (one, first), (other, second) in itertools.combinations(zip(datasets, starts, strict=True), 2):
        among = duplicates.among((first, len(one)), (second, len(other)))
        for issue in shared(one.records, other.records, (one.name, other.name), among):
            log(issue)
    merged = Dataset.join(Path(out).stem, datasets, partial=partial)
    return convert(merged, out, to, copy_images=True, progress=progress, log=log)
