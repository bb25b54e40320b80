"""Label Studio's tasks: one image each, and the annotation that counts, whether exported as JSON or as JSON-MIN."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.formats.reading import IMAGE_ENDINGS, Faults
from maskwright.issues import Kind

PREDICTIONS_UNUSED = Kind(
    "predictions_unused", "info", "{count} prediction beside the annotations was not read",
    "{count} predictions beside the annotations were not read",
)  # fmt: skip
ANSWERS_UNUSED = Kind(
    "answers_unused", "warning", "{count} answer is neither an object nor a class: left out",
    "{count} answers are neither objects nor classes: left out",
)  # fmt: skip

ANSWERS_REPEATED = Kind(
    "answers_repeated", "info", "{count} annotation that says the same as another of its task counts once",
    "{count} annotations that say the same as others of their tasks count once",
)  # fmt: skip

_OWN = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "inner_id")
_CHOICES = ("choice", "choices", "class", "label", "labels")
_ADDRESS = re.compile(r"^([a-z][a-z0-9+.-]{1,20}://|/data/|data:image/)", re.IGNORECASE)
_MOST_SHOWN = 60


@dataclass
class Shape:
    """One region. value: its geometry in percent, or runs; item: the record it stands in."""

    number: object
    value: dict[str, Any]
    item: dict[str, Any]
    labels: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Answer:
    """One annotation of a task: the shapes, and the classes of the whole image."""

    shapes: list[Shape] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    unused: int = 0
    ground_truth: bool = False
    cancelled: bool = False

    def says(self) -> list[str]:
        """The same for two annotations that say the same."""
        shapes = (repr((sorted(shape.value.items()), sorted(shape.labels))) for shape in self.shapes)
        return sorted(shapes) + sorted(self.choices)


@dataclass
class LabelingTask:
    """number: its id, or its place in the file; image: as the file calls it, None where it does not."""

    number: object
    image: str | None
    answers: list[Answer] = field(default_factory=list)

    def valid(self) -> list[Answer]:
        """Those marked as ground truth, else all that were not cancelled."""
        valid = [answer for answer in self.answers if not answer.cancelled]
        return [answer for answer in valid if answer.ground_truth] or valid

    def counted(self) -> list[Answer]:
        """The valid ones, equal ones once."""
        return list({repr(answer.says()): answer for answer in self.valid()}.values())

    @property
    def cancelled(self) -> bool:
        return bool(self.answers) and all(answer.cancelled for answer in self.answers)


def tasks(path: Path, data: Any, faults: Faults) -> list[LabelingTask]:
    if (
        isinstance(data, dict) and isinstance(data.get("task"), dict) and "result" in data
    ):  # one annotation of a storage
        data = {**data["task"], "annotations": [data]}
    listed = [data] if isinstance(data, dict) else data
    if not isinstance(listed, list):
        raise AnnotationError("not Label Studio JSON", file=path, expected="a list of tasks", got=type(data).__name__)
    found: dict[object, LabelingTask] = {}
    for index, record in enumerate(listed):
        if not isinstance(record, dict):
            faults.saw()
            faults.add(f"task {index}", "task", "an object", _short(record), "export the project again")
            continue
        whole = isinstance(record.get("data"), dict)
        fields = record["data"] if whole else record
        task = LabelingTask(record.get("id", index), image_of(fields))
        if whole:
            task.answers += _answers(record, faults)
            predictions = record.get("predictions")
            faults.count(PREDICTIONS_UNUSED, len(predictions) if isinstance(predictions, list) else 0)
        elif "annotation_id" in record or "annotator" in record or set(fields) - {"id", "image"}:
            task.answers.append(_least(record))
        # JSON-MIN has one record an annotation: several of one task say so by its id
        key = (repr(record["id"]), task.image) if "id" in record and not whole else index
        found.setdefault(key, task)
        if found[key] is not task:
            found[key].answers += task.answers
    for task in found.values():
        counted = task.counted()
        faults.count(ANSWERS_UNUSED, sum(answer.unused for answer in counted))
        faults.count(ANSWERS_REPEATED, len(task.valid()) - len(counted))
    return list(found.values())


def image_of(fields: dict[str, Any]) -> str | None:
    """The one value that is the address of an image; None where there is none, or where several may be meant."""
    texts = {key: value.strip() for key, value in fields.items() if isinstance(value, str) and value.strip()}
    if "image" in texts:
        return texts["image"]
    likely = {value for key, value in texts.items() if key not in _OWN and (
        value.lower().split("?")[0].endswith(IMAGE_ENDINGS) or _ADDRESS.match(value))}  # fmt: skip
    return likely.pop() if len(likely) == 1 else None


# --- JSON -------------------------------------------------------------------------------------------
def _answers(record: dict[str, Any], faults: Faults) -> Iterator[Answer]:
    listed = record.get("annotations", record.get("completions")) or []
    for annotation in listed if isinstance(listed, list) else [listed]:
        result = annotation.get("result") if isinstance(annotation, dict) else None
        if not isinstance(annotation, dict) or not isinstance(result, list | None):
            faults.saw()
            faults.add(f"task {record.get('id')}", "annotations.result", "a list of regions", _short(annotation))
            continue
        answer = Answer(ground_truth=annotation.get("ground_truth") is True,
                        cancelled=annotation.get("was_cancelled") is True)  # fmt: skip
        items = [item if isinstance(item, dict) else {"value": item} for item in result or []]
        _collect(answer, ((item.get("id", number), item.get("from_name"), item) for number, item in enumerate(items)))
        yield answer


def _collect(answer: Answer, items: Iterable[tuple[object, object, dict[str, Any]]]) -> None:
    """(region, which question it answers, its record): one region may stand in several, with its geometry in each."""
    shapes: dict[str, Shape] = {}
    for number, question, item in items:
        value = item.get("value")
        if not isinstance(value, dict):
            answer.unused += 1
            continue
        geometry = {name: part for name, part in value.items() if name in GEOMETRY}
        if not geometry and repr(number) not in shapes:
            if isinstance(value.get("choices"), list):
                answer.choices += map(str, value["choices"])
            else:
                answer.unused += 1
            continue
        shape = shapes.setdefault(repr(number), Shape(number, geometry, item))
        shape.value = shape.value or geometry
        for name, part in value.items():
            if name.endswith("labels") and isinstance(part, list):
                shape.labels += [str(label) for label in part if str(label) not in shape.labels]
            elif name == "choices" and isinstance(part, list):
                shape.attributes[str(question)] = ", ".join(map(str, part))
    answer.shapes += shapes.values()


GEOMETRY = ("x", "y", "width", "height", "rotation", "points", "closed", "radiusX", "radiusY", "format", "rle",
            "vertices")  # fmt: skip


# --- JSON-MIN ---------------------------------------------------------------------------------------
def _least(record: dict[str, Any]) -> Answer:
    """A record of JSON-MIN: the answers stand under the names of their questions, regions without an id."""
    answer, items = Answer(), []
    for name, value in record.items():
        several = value if isinstance(value, list) else [value]
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            answer.choices += map(str, value["choices"])
        elif name in _CHOICES and value and all(isinstance(item, str) for item in several):
            answer.choices += several
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            seen: Counter[str] = Counter()
            for item in value:
                geometry = repr([(part, item[part]) for part in GEOMETRY if part in item])
                seen[geometry] += 1
                items.append(((geometry, seen[geometry]), name, {**item, "value": item}))
    _collect(answer, items)
    for number, shape in enumerate(answer.shapes):
        shape.number = number
    return answer


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."
