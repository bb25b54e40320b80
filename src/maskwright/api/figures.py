"""Results of training and evaluation as figures and tables: matplotlib and pandas, imported when they are asked for."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PilImage

from maskwright import files
from maskwright.errors import MissingExtra, OutputError
from maskwright.evaluation.classification_metrics import ClassificationMetrics
from maskwright.evaluation.detection_metrics import DetectionMetrics
from maskwright.evaluation.ranking import roc
from maskwright.extras import how_to_install
from maskwright.kernel import display, in_notebook

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = 8  # classes with a curve of their own
MOST_CLASSES = 12  # in a matrix with numbers
ENDINGS = (".png", ".svg", ".pdf")
DPI = 144  # of a figure that is shown as pixels


class Plotted:
    """A result with a figure: `plot` makes it, `show` and `save` are the same for all."""

    def plot(self) -> Figure:
        """A matplotlib Figure, which belongs to nobody else; MissingExtra without matplotlib."""
        raise NotImplementedError

    def show(self) -> None:
        """Show the figure: below the cell in a notebook, elsewhere in the viewer of the system."""
        figure = self.plot()
        if in_notebook():
            display(figure)
        else:
            PilImage.open(io.BytesIO(png(figure))).show()

    def save(self, path: str | Path) -> Path:
        """Write the figure; the ending of the name decides on the format (.png, .svg, .pdf)."""
        figure, path = self.plot(), Path(path)
        if path.suffix.lower() not in ENDINGS:
            raise OutputError("not a kind of figure we write", file=path, expected=" ".join(ENDINGS),
                              got=path.suffix or "no ending")  # fmt: skip
        with files.writing(path) as temporary:
            figure.savefig(temporary, dpi=DPI, format=path.suffix[1:].lower())
        return path


def png(figure: Figure, dpi: int = DPI) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


# --- figures ----------------------------------------------------------------------------------------------------------
def learning_curves(history: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> Figure:
    """Losses at the left, validation metrics at the right."""
    figure, (left, right) = _two()
    losses = {"loss": "training", "val_loss": "validation"}
    for axes, columns in ((left, losses), (right, {name: name.replace("_", " ") for name in metrics})):
        for column, name in columns.items():
            rows = [row for row in history if column in row]
            if rows:
                axes.plot([row["epoch"] for row in rows], [row[column] for row in rows], ".-", label=name)
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("epoch")
        if axes.lines:
            axes.legend(frameon=False)
    left.set(title="loss", ylim=(0, None))
    right.set(title="validation", ylim=(0, 1))
    return figure


def evaluation_figure(metrics: DetectionMetrics | ClassificationMetrics) -> Figure:
    """Precision and recall (of a classifier the ROC curve) at the left, the confusion matrix at the right."""
    figure, (left, right) = _two()
    if isinstance(metrics, ClassificationMetrics):
        _roc_curves(left, metrics)
        if metrics.confusion is not None:
            _matrix(right, metrics.names, metrics.confusion, "images")
    elif (kind := metrics.best_kind) is not None:
        for index, name in enumerate(kind.matches.names[:MOST_CURVES]):
            curve = kind.matches.curve(index)
            left.plot(curve.recall, curve.precision, label=name)
        left.set(title=f"{kind.kind}, IoU 0.5", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        _matrix(right, *kind.confusion(), "objects")
    if left.lines:
        left.legend(frameon=False, loc="best")
    if not right.has_data():
        right.set_visible(False)
    return figure


def _roc_curves(axes: Axes, metrics: ClassificationMetrics) -> None:
    alone = len(metrics.names) == 2 and not metrics.multi_label  # the curve of the other is the same, turned round
    for index, name in list(enumerate(metrics.names))[alone : MOST_CURVES + alone]:
        curve = roc(metrics.scores[:, index], metrics.ground_truth[:, index])
        if curve is not None:
            axes.step(curve.false_positive_rate, curve.recall, where="post", label=name)
    axes.plot([0, 1], [0, 1], ":", color="gray")
    axes.set(title="ROC", xlabel="false positive rate", ylabel="recall", xlim=(0, 1), ylim=(0, 1.02))


def _matrix(axes: Axes, names: Sequence[str], counts: np.ndarray, unit: str) -> None:
    if len(names) > MOST_CLASSES:
        return
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{counts[row, column]}", ha="center", va="center", color=color)
    axes.set(title=f"confusion matrix ({unit})", xlabel="predicted", ylabel="ground truth")
    axes.set_xticks(range(len(names)), names, rotation=0 if len(names) < 4 else 45)
    axes.set_yticks(range(len(names)), names)


def _two() -> tuple[Figure, tuple[Axes, Axes]]:
    """A figure without pyplot: no window, no state, and no front end is chosen."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib is not installed", fix=how_to_install("maskwright[plot]")) from error
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    return figure, (left, right)


# --- tables -----------------------------------------------------------------------------------------------------------
def metric_rows(metrics: DetectionMetrics | ClassificationMetrics) -> list[dict[str, Any]]:
    """One row per class and average, of masks and of boxes; an interval becomes two columns, AP_low and AP_high."""
    if isinstance(metrics, ClassificationMetrics):
        return [_flat(row) for row in metrics.rows()]
    kinds = [kind for kind in (metrics.mask, metrics.box) if kind is not None]
    return [{"kind": kind.kind, **_flat(row)} for kind in kinds for row in kind.rows()]


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for key, cell in row.items():
        if key.endswith("_interval"):
            name = key.removesuffix("_interval")
            cells[f"{name}_low"], cells[f"{name}_high"] = cell or (None, None)
        else:
            cells[key] = cell
    return cells
