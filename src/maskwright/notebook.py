"""`%load_ext maskwright`: scripts written for matterport run in the cells below, and results are shown as tables.

The types know nothing of notebooks: what they look like there is said here, and only once the extension is loaded.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from maskwright.errors import InputError
from maskwright.types import Dataset, Instances


def load_ipython_extension(shell: Any) -> None:
    """What IPython calls for `%load_ext maskwright`; a second time changes nothing.

    From then on `import mrcnn` means ours, with stand-ins for what is absent around it, as under `maskwright run`.
    """
    ours_first()
    from mrcnn import runner

    runner.prepare()
    html = shell.display_formatter.formatters["text/html"]
    html.for_type(Instances, instances_table)
    html.for_type(Dataset, dataset_table)


def ours_first() -> None:
    """Imports the mrcnn that lies beside maskwright: a notebook mostly lies in a clone of the original.

    `maskwright run` does the same: PYTHONPATH may name a clone.
    """
    home = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(home))
    try:
        mrcnn = importlib.import_module("mrcnn")
    finally:
        sys.path.remove(str(home))
    if mrcnn.__file__ is None or Path(mrcnn.__file__).resolve().parent != home / "mrcnn":
        raise InputError(
            "another mrcnn is imported already",
            file=mrcnn.__file__ or "mrcnn",
            fix="restart the kernel, and begin with %load_ext maskwright",
        )


def instances_table(detections: Instances) -> str:
    """The objects of one image: a row a class, how many, and how sure.

    >>> instances_table(Instances.empty(("balloon",)))
    '<p>no objects</p>'
    """
    if not len(detections):
        return "<p>no objects</p>"
    rows = []
    for name, count in detections.counts().items():
        scores = (
            None if detections.scores is None else detections.scores[detections.classes == detections.names.index(name)]
        )
        rows.append((name, count, "drawn" if scores is None else _span(float(scores.min()), float(scores.max()))))
    return _table(("class", "objects", "score"), rows)


def dataset_table(dataset: Dataset) -> str:
    """A dataset: a row a class, and its objects in every split; images in the last row."""
    parts = dataset.splits() or {"all": dataset}
    counts = [part.class_counts() for part in parts.values()]
    rows: list[tuple[object, ...]] = [(name, *(count[name] for count in counts)) for name in dataset.names]
    rows.append(("images", *(len(part) for part in parts.values())))
    return _table((dataset.name, *parts), rows)


def _span(low: float, high: float) -> str:
    return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Class names come from outside, so every cell is escaped."""
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{_cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _cells(tag: str, values: Iterable[object]) -> str:
    return "".join(f"<{tag}>{escape(str(value))}</{tag}>" for value in values)
