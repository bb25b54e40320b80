"""Instances to and from the formats of other programs: rows of dicts, CSV, pandas, supervision, COCO results.

supervision and pandas are imported when first used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maskwright import tables
from maskwright.errors import AnnotationError, MissingExtra, UnknownName
from maskwright.extras import how_to_install
from maskwright.geometry import boxes
from maskwright.types import ImageLabels, Instances, RleMasks

CSV_COLUMNS = ("image", "class", "score", "x1", "y1", "x2", "y2", "area", "crowd")


# --- rows of dicts ----------------------------------------------------------------------------------
def to_rows(instances: Instances) -> list[dict[str, Any]]:
    """One dict per object, for JSON; `from_rows` is the exact inverse.

    class         class name
    score         0..1; absent for annotations
    box           [x1, y1, x2, y2] in image pixels
    area          in pixels, of the mask, or of the box if there is no mask
    segmentation  COCO run lengths {"size": [h, w], "counts": text} of the mask; absent without masks
    crowd         true or false; absent if the instances have no crowd column

    >>> to_rows(Instances(np.array([[0, 0, 3, 2]]), np.array([0]), np.array([0.9]), None, ("cat",)))
    [{'class': 'cat', 'score': 0.9, 'box': [0.0, 0.0, 3.0, 2.0], 'area': 6.0}]
    """
    rows: list[dict[str, Any]] = [{"class": label} for label in instances.labels]
    if instances.scores is not None:
        _put(rows, "score", [_short(score) for score in instances.scores])
    _put(rows, "box", [[_short(edge) for edge in box] for box in instances.boxes])
    _put(rows, "area", _areas(instances))
    if instances.masks is not None:
        _put(rows, "segmentation", instances.masks.to_coco())
    if instances.crowd is not None:
        _put(rows, "crowd", [bool(item) for item in instances.crowd])
    return rows


def from_rows(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None, size: tuple[int, int] | None = None,
    *, file: object = None,
) -> Instances:  # fmt: skip
    """Instances from rows; `area` is not read. A key must be in all rows or in none.

    names  class names; default: the classes in order of first appearance
    size   (height, width) of the image: masks must have it, and without rows there is an empty masks column
    file   origin of the rows, for error messages

    AnnotationError names the row and key that cannot be read, UnknownName a class that is not in `names`.
    """
    expected = {"class": "a name", "box": "[x1, y1, x2, y2], four numbers", "score": "a number 0..1",
              "segmentation": '{"size": [h, w], "counts": ...}', "crowd": "true or false"}  # fmt: skip
    fits = {"class": _is_name, "box": _is_box, "score": _is_fraction, "segmentation": _is_mask, "crowd": _is_flag}
    present = {key for row in rows if isinstance(row, Mapping) for key in row} & set(expected) | {"class", "box"}
    for number, row in enumerate(rows, start=1):
        for key in sorted(present, key=list(expected).index):
            got = row.get(key, "nothing") if isinstance(row, Mapping) else row
            if not isinstance(row, Mapping) or key not in row or not fits[key](got):
                raise AnnotationError("a row cannot be read", file=file, record=f"row {number}", field=key,
                                      expected=expected[key], got=str(got)[:80])  # fmt: skip
    known = tuple(names) if names is not None else tuple(dict.fromkeys(row["class"] for row in rows))
    for row in rows:
        if row["class"] not in known:
            raise UnknownName("class", row["class"], known)
    if not rows:
        return Instances.empty(known, size)

    def column(key: str) -> np.ndarray | None:
        return np.array([row[key] for row in rows]) if key in present else None

    masks = _masks([row["segmentation"] for row in rows], size, file) if "segmentation" in present else None
    classes = np.array([known.index(row["class"]) for row in rows])
    return Instances(np.array([row["box"] for row in rows]), classes, column("score"), masks, known, column("crowd"))


# --- tables -----------------------------------------------------------------------------------------
def to_csv(images: Sequence[Instances], image_names: Sequence[str]) -> str:
    """All objects of all images as CSV text with a header, without masks (only their area).

    Lines end in a line feed. Names that a spreadsheet would take for a formula are prefixed with an apostrophe.
    """
    return tables.written(CSV_COLUMNS, ([row[key] for key in CSV_COLUMNS] for row in _flat_rows(images, image_names)))


def predictions_to_csv(predictions: Sequence[ImageLabels], image_names: Sequence[str]) -> str:
    """One line per image: image, label (several are joined by |), and one column of scores per class."""
    names = predictions[0].names if predictions else ()
    rows = (
        [image, tables.joined(image_labels.labels, "|"), *(f"{score:.5f}" for score in image_labels.scores)]
        for image, image_labels in zip(image_names, predictions, strict=True)
    )
    return tables.written(["image", "label", *(f"score_{name}" for name in names)], rows)


def to_frame(images: Sequence[Instances], image_names: Sequence[str]) -> Any:
    """The table of `to_csv` as a pandas DataFrame."""
    return frame(_flat_rows(images, image_names), CSV_COLUMNS)


def predictions_to_frame(predictions: Sequence[ImageLabels], image_names: Sequence[str]) -> Any:
    """The table of `predictions_to_csv` as a pandas DataFrame, with the scores as they are."""
    names = predictions[0].names if predictions else ()
    rows = [
        {"image": image, "label": "|".join(image_labels.labels)}
        | {f"score_{name}": float(score) for name, score in zip(names, image_labels.scores, strict=True)}
        for image, image_labels in zip(image_names, predictions, strict=True)
    ]
    return frame(rows, ["image", "label", *(f"score_{name}" for name in names)])


def frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> Any:
    """Rows as a pandas DataFrame; MissingExtra where pandas is not installed."""
    try:
        import pandas  # type: ignore[import-not-found]
    except ImportError as error:
        raise MissingExtra("pandas is not installed", fix=how_to_install("pandas")) from error
    return pandas.DataFrame(rows, columns=None if columns is None else list(columns))


# --- COCO -------------------------------------------------------------------------------------------
def to_coco_results(
    images: Sequence[Instances],
    image_ids: Sequence[int | str],
    category_ids: Mapping[str, int | str] | None = None,
) -> list[dict[str, Any]]:
    """COCO's results list: image_id, category_id, bbox [x, y, width, height], score, segmentation if there are masks.

    category_ids  class name -> id; default: index of the name, from 1
    """
    results = []
    for instances, image in zip(images, image_ids, strict=True):
        ids = category_ids or {name: index for index, name in enumerate(instances.names, start=1)}
        for row in to_rows(instances):
            if row["class"] not in ids:
                raise UnknownName("category", row["class"], ids)
            x1, y1, x2, y2 = row["box"]
            number = image if isinstance(image, str) else int(image)
            result = {"image_id": number, "category_id": ids[row["class"]], "bbox": [x1, y1, x2 - x1, y2 - y1],
                   "score": row.get("score", 1.0)}  # fmt: skip
            results.append({**result, "segmentation": row["segmentation"]} if "segmentation" in row else result)
    return results


def to_coco_images(
    image_names: Sequence[str], sizes: Sequence[tuple[int, int]], names: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """COCO's images and categories for a results list, with ids from 1.

    sizes  (height, width) of each image
    """
    images = [
        {"id": index, "file_name": name, "width": width, "height": height}
        for index, (name, (height, width)) in enumerate(zip(image_names, sizes, strict=True), start=1)
    ]
    return {"images": images, "categories": [{"id": index, "name": name} for index, name in enumerate(names, start=1)]}


# --- supervision ------------------------------------------------------------------------------------
def to_supervision(instances: Instances) -> Any:
    """To supervision.Detections, with class names in data["class_name"] and dense masks: n full images of bool."""
    try:
        import supervision  # type: ignore[import-not-found]
    except ImportError as error:
        raise MissingExtra("supervision is not installed", fix=how_to_install("supervision")) from error
    return supervision.Detections(
        xyxy=instances.boxes.copy(),
        mask=None if instances.masks is None else instances.masks.dense(),
        confidence=None if instances.scores is None else instances.scores.copy(),
        class_id=instances.classes.astype(int),
        data={"class_name": np.array(instances.labels, dtype=str)},
    )


def from_supervision(detections: Any, names: Sequence[str] | None = None) -> Instances:
    """From supervision.Detections; supervision itself need not be installed.

    names  class names; default: those in data["class_name"], indexed by class_id. A missing name becomes "class 3",
           and detections without class_id are of one class, "object"
    """
    number = len(detections.xyxy)
    classes = np.zeros(number, np.int64) if detections.class_id is None else np.asarray(detections.class_id, np.int64)
    if number and classes.min() < 0:
        raise AnnotationError("a class number is negative", field="class_id", expected="0 or more", got=classes.min())
    if names is None:
        count = int(classes.max()) + 1 if number else 0
        known = ["object"] if detections.class_id is None else [f"class {index}" for index in range(count)]
        given_names = (detections.data or {}).get("class_name", ())
        for class_index, name in zip(classes.tolist(), given_names, strict=False):
            known[class_index] = str(name)
        names = known
    elif number and classes.max() >= len(names):
        raise AnnotationError("a class number has no name", field="class_id", expected=f"below {len(names)}",
                              got=classes.max())  # fmt: skip
    mask = detections.mask
    masks = None if mask is None else RleMasks.from_dense(np.asarray(mask, bool))
    return Instances(detections.xyxy, classes, detections.confidence, masks, tuple(names))


# --- inside -----------------------------------------------------------------------------------------
def _flat_rows(images: Sequence[Instances], image_names: Sequence[str]) -> list[dict[str, Any]]:
    flat = []
    for name, instances in zip(image_names, images, strict=True):
        for row in to_rows(instances):
            edges = dict(zip(("x1", "y1", "x2", "y2"), row["box"], strict=True))
            optional = {"score": row.get("score"), "crowd": row.get("crowd")}
            flat.append({"image": str(name), "class": row["class"], "area": row["area"], **edges, **optional})
    return flat


def _put(rows: list[dict[str, Any]], key: str, values: Sequence[Any]) -> None:
    for row, value in zip(rows, values, strict=True):
        row[key] = value


def _areas(instances: Instances) -> list[Any]:
    if instances.masks is None:
        return [_short(item) for item in boxes.area(instances.boxes)]
    return [int(item) for item in instances.masks.area]


def _short(value: np.floating) -> float:
    """The shortest decimal that is this float32: 0.9, not 0.8999999761581421."""
    return float(str(value))


def _masks(segmentations: list[dict], size: tuple[int, int] | None, file: object) -> RleMasks:
    first = size if size is not None else tuple(segmentations[0]["size"])
    for number, segmentation in enumerate(segmentations, start=1):
        if tuple(segmentation["size"]) != tuple(first):
            raise AnnotationError("a mask does not have the size of the image", file=file, record=f"row {number}",
                                  field="segmentation", expected=list(first), got=segmentation["size"])  # fmt: skip
    try:
        return RleMasks.from_coco(segmentations)
    except (ValueError, TypeError) as error:
        raise AnnotationError("run lengths cannot be read", file=file, field="segmentation",
                              expected="COCO run lengths", got=error) from error  # fmt: skip


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e9


def _is_fraction(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_name(value: Any) -> bool:
    return isinstance(value, str)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_box(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 4 and all(_is_number(edge) for edge in value)


def _is_mask(value: Any) -> bool:
    """Checks the structure only; the run lengths are checked when they are read."""
    size = value.get("size") if isinstance(value, Mapping) else None
    is_size = isinstance(size, list | tuple) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)
    return is_size and isinstance(value.get("counts"), str | bytes | list)
