"""A cleaned copy of a checked dataset in a new folder, with a log of every change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from maskwright import files
from maskwright.api.convert import TARGETS, Format, convert
from maskwright.curate.copies import Placing
from maskwright.curate.duplicates import Duplicates
from maskwright.curate.fix import Change, fixed
from maskwright.errors import DatasetError, RecipeError
from maskwright.issues import Issue, Issues
from maskwright.progress import Progress
from maskwright.types import Dataset

LOG = "changes.jsonl"  # in the new folder; no reader takes it for annotations


def refuse_out(out: Path, data: Path | None) -> None:
    """OutputError for a folder that is there already, RecipeError for one within the data."""
    files.refuse_filled(out)
    if data is None:
        return
    home, target = data.resolve(), out.resolve()
    home = home if home.is_dir() else home.parent
    if home == target or home in target.parents:
        raise RecipeError("the copy would be written into the data", field="--fix", expected="a folder elsewhere",
                          got=str(out))  # fmt: skip


def write_fixed(
    dataset: Dataset, issues: Iterable[Issue], duplicates: Duplicates, out: Path, images: Placing, progress: Progress
) -> tuple[Change, ...]:
    """Write the cleaned copy to `out`, and its log; gives what the log says. The data stay as they are.

    In the format of the data where that can be written, else in COCO; class folders stay class folders.
    """
    cleaned, changes = fixed(dataset, issues, duplicates)
    if not len(cleaned.usable()):
        raise DatasetError("nothing would be left", file=dataset.name, expected="labeled images",
                           got=f"{len(dataset)} images that cannot be used")  # fmt: skip
    to = _format(cleaned)
    lost = Issues()
    convert(cleaned, out, to, copy_images=True if images == "copy" else images, progress=progress, log=lost)
    changes += tuple(Change("changed", issue.code, "", None, str(issue)) for issue in lost)
    lines = (json.dumps(change.to_dict(), ensure_ascii=False) for change in changes)
    files.write_text(out / LOG, "".join(f"{line}\n" for line in lines))
    return changes


def _format(dataset: Dataset) -> Format:
    labels = all(record.instances is None for record in dataset)
    if labels:
        plain = all(re.fullmatch(r'(?!\.)[^<>:"/\\|?*\x00-\x1f]+', name) for name in dataset.names)
        single = all(len(record.labels or ()) == 1 for record in dataset.usable())
        return "class-folders" if dataset.format == "class_folders" and plain and single else "labels-csv"
    able: dict[str, Format] = {name: name for name in TARGETS if name != "labels-csv"}
    return able.get(dataset.format.replace("_", "-"), "coco")
