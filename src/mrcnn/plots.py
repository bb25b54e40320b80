"""Plots and tables: precision-recall curve, IoU, statistics of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from maskwright.errors import MissingExtra
from maskwright.extras import how_to_install


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtra("pictures need matplotlib", fix=how_to_install("maskwright[matterport]")) from error
    return plt


def plot_precision_recall(AP: float, precisions: np.ndarray, recalls: np.ndarray) -> None:
    """The precision-recall curve."""
    _, ax = _pyplot().subplots(1)
    ax.set_title(f"Precision-Recall Curve. AP@50 = {AP:.3f}")
    ax.set_ylim(0, 1.1)
    ax.set_xlim(0, 1.1)
    ax.plot(recalls, precisions)


def plot_overlaps(
    gt_class_ids: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    overlaps: np.ndarray,
    class_names: Sequence[str],
    threshold: float = 0.5,
) -> None:
    """The IoU matrix, predictions as rows and objects as columns; matches of the correct class are marked."""
    plt = _pyplot()
    gt_class_ids = gt_class_ids[gt_class_ids != 0]
    pred_class_ids = pred_class_ids[pred_class_ids != 0]
    plt.figure(figsize=(12, 10))
    plt.imshow(overlaps, interpolation="nearest", cmap="Blues")
    rows = [f"{class_names[int(each)]} ({pred_scores[i]:.2f})" for i, each in enumerate(pred_class_ids)]
    plt.yticks(np.arange(len(pred_class_ids)), rows)
    plt.xticks(np.arange(len(gt_class_ids)), [class_names[int(each)] for each in gt_class_ids], rotation=90)
    half = overlaps.max() / 2.0 if overlaps.size else 0.0
    for i in range(overlaps.shape[0]):
        for j in range(overlaps.shape[1]):
            word = ""
            if overlaps[i, j] > threshold:
                word = "match" if gt_class_ids[j] == pred_class_ids[i] else "wrong"
            color = "white" if overlaps[i, j] > half else "black"
            text = f"{overlaps[i, j]:.3f}\n{word}"
            plt.text(j, i, text, horizontalalignment="center", verticalalignment="center", fontsize=9, color=color)
    plt.tight_layout()
    plt.xlabel("Ground Targets")
    plt.ylabel("Predictions")


def display_table(table: Sequence[Sequence[Any]]) -> None:
    """Rows of cells as HTML in a notebook, as plain text elsewhere."""
    rows = [[str(cell) for cell in row] for row in table]
    try:
        from IPython import get_ipython  # pyright: ignore[reportMissingImports]
        from IPython.display import HTML, display  # pyright: ignore[reportMissingImports]
    except ImportError:
        get_ipython = None
    if get_ipython is not None and get_ipython() is not None:
        html = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        display(HTML(f"<table>{html}</table>"))  # pyright: ignore[reportPossiblyUnboundVariable]
        return
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(max(map(len, rows), default=0))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip())


def display_weight_stats(model: Any) -> None:
    """A table of every weight: shape, smallest, largest, deviation; what looks dead is marked."""
    table = [["WEIGHT NAME", "SHAPE", "MIN", "MAX", "STD"]]
    for layer in model.get_trainable_layers():
        for weight, values in zip(layer.weights, layer.get_weights(), strict=True):
            name = weight.name
            is_bias = name.endswith("bias:0")
            alert = ""
            if values.min() == values.max() and not (is_bias and values.max() == 0):
                alert += " *** dead?"
            if np.abs(values.min()) > 1000 or np.abs(values.max()) > 1000:
                alert += " *** Overflow?"
            numbers = (values.min(), values.max(), values.std())
            table.append([name + alert, str(values.shape), *(f"{number:+9.4f}" for number in numbers)])
    display_table(table)
