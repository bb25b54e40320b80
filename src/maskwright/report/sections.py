"""The sections of a report: plain records, rendered by `page`.

Every section has a heading and a `note`, one or two sentences below it. Sections may be empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric, with its interval if there is one.

    >>> MetricRow("mask AP", 0.612, (0.544, 0.671), "13 images, 50 objects")
    """

    name: str
    value: float | None
    interval: Interval | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A line of a chart: x and y of the same length; non-finite y leaves a gap."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """An image, H×W×3 uint8, with a caption. wrong: what it shows is a mistake of the model; it gets a frame."""

    pixels: np.ndarray
    caption: str = ""
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, such as those of the data, the recipe, the computer."""

    heading: str
    facts: Mapping[str, object]
    note: str = ""


@dataclass(frozen=True, slots=True)
class MetricTable:
    """Metrics between 0 and `most`, each with its interval drawn."""

    heading: str
    metrics: Sequence[MetricRow]
    most: float = 1.0
    interval_label: str = "95 % interval"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of any values: numbers are right-aligned, None is empty."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Losses or metrics by epoch.

    range_y  the range of the y axis (AP: 0..1); default: that of the data
    points   {name of a series: (x, y)} of an operating point on it
    """

    heading: str
    series: Sequence[Series]
    label_x: str = "epoch"
    label_y: str = ""
    range_y: Interval | None = None
    points: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """Precision (y) over recall (x), 0..1, one series per class; `points` marks an operating point on each."""

    heading: str
    curves: Sequence[Series]
    points: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """One bar per name, from 0; None if undefined."""

    heading: str
    values: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    unit: str = ""
    most: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """Confusion matrix, K×K counts: row = ground truth, column = predicted."""

    heading: str
    names: Sequence[str]
    counts: np.ndarray
    unit: str = "images"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Roc:
    """Recall (y) over false positive rate (x), 0..1, one series per class; `points` as for PrecisionRecall."""

    heading: str
    curves: Sequence[Series]
    points: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Reliability diagram: for each bin mean score (x), fraction of correct predictions (y) with interval, and count.

    NaN and None for empty bins.
    """

    heading: str
    edges: np.ndarray
    count: np.ndarray
    score: np.ndarray
    fraction: np.ndarray
    intervals: Sequence[Interval | None]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Two histograms of scores over 0..1, one upward, one downward, with the score threshold.

    up, down  (name, scores)
    """

    heading: str
    up: tuple[str, Sequence[float] | np.ndarray]
    down: tuple[str, Sequence[float] | np.ndarray]
    threshold: float | None = None
    bins: int = 20
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """How many values lie between two edges each; bins are drawn equally wide, so edges may grow.

    edges   n + 1 of them
    counts  n
    """

    heading: str
    edges: Sequence[float] | np.ndarray
    counts: Sequence[int] | np.ndarray
    label_x: str
    label_y: str = "objects"
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """How many values lie in each cell of a map of two measures.

    x_edges, y_edges  columns + 1 and rows + 1 of them
    counts            rows × columns
    downward          y grows downward, as in images
    """

    heading: str
    x_edges: Sequence[float] | np.ndarray
    y_edges: Sequence[float] | np.ndarray
    counts: np.ndarray
    label_x: str
    label_y: str
    downward: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """Images with captions. `pairs`: each picture is two images side by side."""

    heading: str
    pictures: Sequence[Picture]
    note: str = ""
    pairs: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ViewerImage:
    """One image of a Viewer; `report.viewer` makes it.

    picture       a data URI: the image without anything drawn on it
    size          width and height that boxes and paths refer to
    ground_truth  {"class", "box", "path", "crowd"} of each object; None where nobody labeled the image
    detections    {"class", "box", "path", "score", "matched", "error"} of each, highest score first
    """

    name: str
    picture: str
    size: tuple[int, int]
    ground_truth: list[dict[str, Any]] | None
    detections: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Viewer:
    """Images with ground truth and detections, drawn by the page's script as the reader moves the score threshold.

    thresholds  {class name: score} from which the model itself shows a detection; its order gives class indices
    order       of the images at first: "worst" or "best" F1 first, or by "name"
    floor       the lowest score that a detection here may have
    """

    heading: str
    images: Sequence[ViewerImage]
    thresholds: Mapping[str, float]
    note: str = ""
    order: str = "worst"
    floor: float = 0.05


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs."""

    heading: str
    paragraphs: Sequence[str]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Warnings:
    """Warnings about the data and the metrics."""

    warnings: Sequence[str]
    heading: str = "Worth knowing"
    note: str = ""


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """Something that is there from begin to end, in seconds, perhaps several times; hue: its color; note: a tooltip."""

    name: str
    spans: Sequence[tuple[float, float]]
    hue: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows over one axis of time, from 0 to `end` seconds."""

    heading: str
    rows: Sequence[TimelineRow]
    end: float
    note: str = ""


Section = (
    Facts
    | Timeline
    | MetricTable
    | Table
    | Lines
    | PrecisionRecall
    | Bars
    | Matrix
    | Roc
    | Calibration
    | Scores
    | Histogram
    | Density
    | Gallery
    | Viewer
    | Text
    | Warnings
)
