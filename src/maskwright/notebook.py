"""How results look in a notebook: pictures as pictures, datasets as contact sheets, metrics as tables.

No type knows anything of notebooks: IPython is told once what to call for which type. That happens when a name of
`maskwright` is first used in IPython (`connect`). `%load_ext maskwright` moreover runs scripts written for matterport
in the cells below.
"""

from __future__ import annotations

import base64
import importlib
import io
import sys
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path
from typing import Any

from maskwright.errors import InputError, MaskwrightError
from maskwright.kernel import ipython

LONGEST = 640  # pixels: the side of a picture in a cell; a notebook keeps all its pictures
QUALITY = 75  # of their JPEG, 0..100
SHEET = 8  # images on a contact sheet
CELL = (200, 150)  # width and height of one of them


def connect(shell: Any | None = None) -> None:
    """Tell IPython how our types look; again and again without harm. Nothing is imported before it is shown."""
    shell = shell or ipython()
    if shell is None:
        return
    formatters = shell.display_formatter.formatters
    for name, function in HTML.items():
        formatters["text/html"].for_type_by_name(*_parted(name), function)
    for name, function in JPEG.items():
        formatters["image/jpeg"].for_type_by_name(*_parted(name), function)
    formatters["image/png"].for_type_by_name("matplotlib.figure", "Figure", figure_png)


def load_ipython_extension(shell: Any) -> None:
    """What IPython calls for `%load_ext maskwright`; a second time changes nothing.

    From then on `import mrcnn` means ours, with stand-ins for what is absent around it, as under `maskwright run`.
    """
    ours_first()
    from mrcnn import runner

    runner.prepare()
    connect(shell)


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


# --- pictures ---------------------------------------------------------------------------------------------------------
def drawable_jpeg(shown: Any) -> bytes | None:
    """Detections, labels or a prediction on their image; None (then it is shown as text) where that is gone."""
    try:
        whole = shown.plot(shown_in=(LONGEST, LONGEST))
    except MaskwrightError:
        return None
    return jpeg(whole)


def record_jpeg(record: Any) -> bytes | None:
    """An image of a dataset with what was drawn on it."""
    from PIL import Image

    from maskwright.drawing import outlines
    from maskwright.images.decode import decode

    try:
        image = decode(record.image)
    except MaskwrightError:
        return None
    if record.instances is None:
        return jpeg(Image.fromarray(image.pixels))
    return jpeg(Image.fromarray(outlines.draw(image, record.instances, shown_in=(LONGEST, LONGEST))))


def jpeg(picture: Any) -> bytes:
    """A Pillow image, reduced to what a cell shows."""
    file = io.BytesIO()
    picture = picture.convert("RGB")
    picture.thumbnail((LONGEST, LONGEST))
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return file.getvalue()


def figure_png(figure: Any) -> bytes:
    """A matplotlib figure, also one that pyplot does not know."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=72)
    return file.getvalue()


def _sheet(items: Iterable[Any], columns: int = 4, legend: Any = None) -> str:
    from PIL import Image

    from maskwright.drawing.sheet import sheet

    drawn = list(items)
    if not drawn:
        return ""
    file = io.BytesIO()
    Image.fromarray(sheet(drawn, columns, CELL, legend=legend)).save(file, "JPEG", quality=QUALITY, optimize=True)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="contact sheet" style="max-width:100%">'


# --- tables -----------------------------------------------------------------------------------------------------------
def instances_table(detections: Any) -> str | None:
    """The objects of one image: a row a class, how many, and how sure. None where they are shown on their image.

    >>> instances_table(Instances.empty(("balloon",)))
    '<p>no objects</p>'
    """
    if getattr(detections, "source", None) is not None:
        return None
    if not len(detections):
        return "<p>no objects</p>"
    rows = []
    for name, count in detections.counts().items():
        scores = (
            None if detections.scores is None else detections.scores[detections.classes == detections.names.index(name)]
        )
        rows.append((name, count, "drawn" if scores is None else _span(float(scores.min()), float(scores.max()))))
    return _table(("class", "objects", "score"), rows)


def dataset_html(dataset: Any) -> str:
    """A dataset as a table and a contact sheet."""
    from maskwright.api.show import class_legend, drawn_records
    from maskwright.issues import Issues

    records = drawn_records(dataset, SHEET, CELL, log=Issues())
    return dataset_table(dataset) + _sheet(records, legend=class_legend(dataset, SHEET))


def dataset_table(dataset: Any) -> str:
    """A row a class, and its objects in every split; images in the last row."""
    parts = dataset.splits() or {"all": dataset}
    counts = [part.class_counts() for part in parts.values()]
    rows: list[tuple[object, ...]] = [(name, *(count[name] for count in counts)) for name in dataset.names]
    rows.append(("images", *(len(part) for part in parts.values())))
    return _table((dataset.name, *parts), rows)


def predicted_html(predicted: Any) -> str:
    """Many predictions: how many of each class, and a contact sheet of the first."""

    def drawn() -> Iterable[tuple[Any, str]]:
        for prediction in predicted.images[:SHEET]:
            try:
                picture = prediction.thumbnail(CELL)
            except MaskwrightError:
                continue
            yield picture, f"{Path(prediction.image).name}: {prediction.summary}"

    rows = [*predicted.counts().items(), ("images", len(predicted.images))]
    if predicted.failed:
        rows.append(("images that could not be read", len(predicted.failed)))
    return _table(("class", "predicted"), rows) + _sheet(drawn())


def detection_table(metrics: Any) -> str:
    """COCO's metrics with their intervals, of masks and of boxes, class by class."""
    tables = []
    for kind in (metrics.mask, metrics.box):
        if kind is not None:
            rows = [
                (
                    row["class"],
                    row["ground_truths"],
                    _metric(row["AP"], row["AP_interval"]),
                    _metric(row["AP50"], row["AP50_interval"]),
                    _metric(row["AR100"]),
                )
                for row in kind.rows()
            ]
            shown = rows if len(rows) > 2 else rows[-1:]
            head = (f"{kind.kind}, {metrics.images} images", "objects", "AP", "AP50", "AR100")
            tables.append(_table(head, shown))
    return "".join(tables) or "<p>nothing could be evaluated</p>"


def classification_table(metrics: Any) -> str:
    """Accuracy and AUC with their intervals, then the classes and the averages over them."""
    columns = ("precision", "recall", "f1", "auc")
    rows = [
        (row["class"], row["support"], *(_metric(row[name], row[f"{name}_interval"]) for name in columns))
        for row in metrics.rows()
        if row["class"] != "micro avg" or metrics.multi_label
    ]
    whole = f"accuracy {_metric(metrics.accuracy, metrics.intervals.get('accuracy'))}"
    whole += f", AUC {_metric(metrics.auc, metrics.intervals.get('AUC'))}"
    return f"<p>{whole}</p>" + _table((f"{metrics.images} images", "images", "precision", "recall", "F1", "AUC"), rows)


def _metrics_table(metrics: Any) -> str:
    return classification_table(metrics) if hasattr(metrics, "accuracy") else detection_table(metrics)


def evaluated_html(evaluated: Any) -> str:
    """What was evaluated, and its metrics."""
    about = f"{evaluated.model} on {evaluated.data.name} ({evaluated.split})"
    return f"<p>{escape(about)}</p>{_metrics_table(evaluated.metrics)}"


def cross_validated_html(result: Any) -> str:
    return f"<p>{len(result.folds)} folds, all images together</p>{_metrics_table(result.pooled)}"


def trained_html(trained: Any) -> str:
    """Where the model is, and the validation metrics of its best epoch."""
    kept = f"epoch {trained.best_epoch} of {trained.epochs} is kept in {trained.model}, {trained.seconds:.0f} s"
    rows = [[_metric(value) for value in trained.metrics.values()]]
    return f"<p>{escape(kept)}</p>" + (_table((name.replace("_", " ") for name in trained.metrics), rows))


def _metric(value: float | None, interval: tuple[float, float] | None = None) -> str:
    if value is None:
        return "n/a"
    return f"{value:.3f}" + ("" if interval is None else f" ({interval[0]:.2f} to {interval[1]:.2f})")


def _span(low: float, high: float) -> str:
    return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """Class names come from outside, so every cell is escaped."""
    body = "".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{_cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _cells(tag: str, values: Iterable[object]) -> str:
    return "".join(f"<{tag}>{escape(str(value))}</{tag}>" for value in values)


def _parted(name: str) -> tuple[str, str]:
    """ "types.dataset:Dataset" as IPython wants it."""
    module, _, type_name = name.partition(":")
    return f"maskwright.{module}", type_name


HTML: dict[str, Callable[[Any], str | None]] = {
    "types.instances:Instances": instances_table,
    "types.dataset:Dataset": dataset_html,
    "api.results:Predicted": predicted_html,
    "api.train:Trained": trained_html,
    "api.evaluate:Evaluated": evaluated_html,
    "api.cross_validate:CrossValidated": cross_validated_html,
    "evaluation.detection_metrics:DetectionMetrics": detection_table,
    "evaluation.classification_metrics:ClassificationMetrics": classification_table,
}
JPEG: dict[str, Callable[[Any], bytes | None]] = {
    "types.dataset:Record": record_jpeg,
    "prediction.results:ImageDetections": drawable_jpeg,
    "prediction.results:ImageClassification": drawable_jpeg,
    "api.results:Prediction": drawable_jpeg,
}
