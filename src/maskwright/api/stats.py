"""Stats: sizes and shapes of a dataset's images and objects, as numbers and as a page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

from maskwright import files
from maskwright.api.reading import ReadOptions, dataset_of
from maskwright.curate.stats import AnchorFit, Stats
from maskwright.errors import RecipeError
from maskwright.geometry.anchors import FINE_SIDES, RATIOS, SIDES
from maskwright.models.registry import MODELS
from maskwright.report import page
from maskwright.report.dataset_sections import sections_of
from maskwright.text import counted
from maskwright.types import Dataset

ANCHORS = {"small": FINE_SIDES, "mask_rcnn_r50": SIDES}  # the networks whose anchors are compared with the objects


@dataclass(frozen=True)
class StatsResult:
    """dataset: what was read; stats: its images and objects as columns; fits: of anchors; page: what was written."""

    dataset: Dataset
    stats: Stats
    fits: tuple[AnchorFit, ...]
    page: Path | None

    def to_dict(self) -> dict[str, Any]:
        facts = {"name": self.dataset.name, "format": self.dataset.format, **self.stats.to_dict()}
        return facts | {"anchors": [asdict(fit) for fit in self.fits], "page": self.page}


def stats(data: str | Path | Dataset, *, out: str | Path | None = None, **reading: Unpack[ReadOptions]) -> StatsResult:
    """Sizes and shapes of images and objects, crowding, classes, and how the anchors of our networks fit.

    out      a page (.html) that shows them; one file that loads nothing
    reading  as for maskwright.read

    >>> maskwright.stats("party/").to_dict()["objects"]["count"]
    83
    """
    path = None if out is None else page_path(out)
    dataset = dataset_of(data, **reading)
    found = Stats.of(dataset)
    fits = anchor_fits(found)
    if path is not None:
        about = f"{counted(len(dataset), 'image')}, {counted(len(found), 'object')}; read as {dataset.format}"
        files.write_text(path, page.render(f"Statistics of {dataset.name}", sections_of(found, fits), about))
    return StatsResult(dataset, found, fits, path)


def anchor_fits(found: Stats) -> tuple[AnchorFit, ...]:
    """Of each network in ANCHORS, at the size of its network input; () without objects."""
    fits = (found.fit(model, MODELS[model].size, sides, RATIOS) for model, sides in ANCHORS.items())
    return tuple(fit for fit in fits if fit is not None)


def page_path(out: str | Path) -> Path:
    """RecipeError where a page would get another ending than a browser knows."""
    path = Path(out)
    if path.suffix.lower() not in (".html", ".htm"):
        raise RecipeError("the name of a page ends in .html", field="--out", expected="*.html",
                          got=path.name)  # fmt: skip
    return path
