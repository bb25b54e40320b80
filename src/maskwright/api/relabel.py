"""Relabel: the same objects under other classes, in a new folder or file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Unpack

from maskwright.api.convert import ConvertResult, Format, convert
from maskwright.api.reading import ReadOptions, dataset_of
from maskwright.curate.relabel import relabelled
from maskwright.issues import Log, warn
from maskwright.progress import Progress
from maskwright.reporting import automatic
from maskwright.types import Dataset


def relabel(
    data: str | Path | Dataset,
    out: str | Path,
    rename: Mapping[str, str] | None = None,
    drop: Collection[str] = (),
    *,
    to: Format = "coco",
    copy_images: bool = False,
    progress: Progress = automatic,
    log: Log = warn,
    **reading: Unpack[ReadOptions],
) -> ConvertResult:
    """Rename, join and drop classes, and write the result; the data stay as they are.

    rename   old name -> new name; classes that get one name are joined
    drop     classes whose objects are taken out; an image without others becomes an empty one
    out, to, copy_images  as for `maskwright.convert`
    reading  as for maskwright.read

    >>> maskwright.relabel("party/", "toys.json", {"balloon": "toy"}).objects
    83
    """
    dataset = relabelled(dataset_of(data, **reading), rename or {}, drop)
    return convert(dataset, out, to, copy_images=copy_images, progress=progress, log=log)
