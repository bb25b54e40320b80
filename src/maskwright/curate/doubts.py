"""Labels that a trained model doubts: objects it finds that nobody drew, other classes, loose boxes, labels it misses.

The model need not be good. A doubt is only a place to look at first: the surest ones stand first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from maskwright.geometry import boxes
from maskwright.issues import Issue, Kind
from maskwright.types import ImageLabels, Instances, Record

APART, SAME, FITTING = 0.1, 0.5, 0.8  # intersection over union: of other objects, of one object, of a good box
UNSEEN = 0.5  # how much a label is doubted that the model does not see at all

OBJECT_UNDRAWN = Kind(
    "object_undrawn", "warning", "nobody drew the {detected} at {box} that the model finds (doubt {doubt:.2f})"
)
CLASS_DOUBTED = Kind(
    "class_doubted", "warning", "object {number}, {label}, looks like {detected} to the model (doubt {doubt:.2f})"
)
BOX_DOUBTED = Kind(
    "box_doubted", "warning",
    "the box of object {number}, {label}, at {drawn} is at {box} for the model (doubt {doubt:.2f})",
)  # fmt: skip
OBJECT_UNSEEN = Kind(
    "object_unseen", "warning", "the model does not see object {number}, {label}, at {drawn} (doubt {doubt:.2f})"
)
LABEL_DOUBTED = Kind(
    "label_doubted", "warning", "the image, {label}, looks like {detected} to the model (doubt {doubt:.2f})"
)


def of_objects(record: Record, found: Instances) -> list[Issue]:
    """The doubts about one image, 0 to 1 each; at most one about a label and one about a detection.

    found  what the model detects, down to a low score

    A label is compared with the detections of other classes that overlap it by half, then with those of its own class
    that overlap no other label more: the less they overlap, the more its box is doubted. A detection apart from all
    labels is an object that was forgotten, as sure as its score.
    """
    drawn = record.instances
    if drawn is None:
        return []
    found = record.of_labelled_classes(found)
    overlap = boxes.iou(drawn.boxes, found.boxes)
    same = np.array(drawn.labels, object)[:, None] == np.array(found.labels, object)[None, :]
    crowd = np.zeros(len(drawn), bool) if drawn.crowd is None else drawn.crowd
    nearest = (overlap * same).argmax(0) if len(drawn) else np.zeros(len(found), int)  # the label of each detection
    doubts = [issue for row in np.flatnonzero(~crowd).tolist()
              if (issue := _of_label(record, found, row, overlap[row], same[row], nearest == row))]  # fmt: skip
    return [*doubts, *_forgotten(record, found, overlap)]


def _of_label(
    record: Record, found: Instances, row: int, overlap: np.ndarray, same: np.ndarray, own_detections: np.ndarray
) -> Issue | None:
    """The doubt about one label, where there is one; of a class that the model does not know there is none.

    overlap         of each detection with the label
    same            is it of the label's class?
    own_detections  is there no other label of that class that it overlaps more?
    """
    drawn, scores = record.instances, _scores(found)
    assert drawn is not None
    if drawn.labels[row] not in found.names:
        return None
    here = {"number": row + 1, "label": drawn.labels[row], "drawn": _text(drawn.boxes[row])}
    own = float((scores * overlap * (same & (overlap >= SAME))).max(initial=0))
    others = scores * overlap * (~same & (overlap >= SAME))
    if others.max(initial=0) > own:
        index = int(others.argmax())
        doubt = float(others[index]) - own
        return CLASS_DOUBTED(
            record.image.name, images=[record.image], detected=found.labels[index], doubt=doubt, **here
        )
    touching = scores * (same & own_detections & (overlap > APART))
    if not touching.any():
        return OBJECT_UNSEEN(record.image.name, images=[record.image], doubt=UNSEEN, **here)
    best = int((touching * overlap).argmax())
    if overlap[best] >= FITTING:
        return None
    doubt = float(scores[best]) * min(1.0, (FITTING - float(overlap[best])) / (FITTING - SAME))
    return BOX_DOUBTED(record.image.name, images=[record.image], box=_text(found.boxes[best]), doubt=doubt, **here)


def _forgotten(record: Record, found: Instances, overlap: np.ndarray) -> Iterator[Issue]:
    """Detections apart from all labels, each place once."""
    scores = _scores(found)
    apart = np.flatnonzero(overlap.max(0, initial=0) <= APART)
    for index in apart[boxes.nms(found.boxes[apart], scores[apart], SAME)]:
        yield OBJECT_UNDRAWN(record.image.name, images=[record.image], detected=found.labels[index],
                             box=_text(found.boxes[index]), doubt=float(scores[index]))  # fmt: skip


def _scores(found: Instances) -> np.ndarray:
    return np.zeros(len(found), np.float32) if found.scores is None else found.scores


def of_image(record: Record, names: tuple[str, ...], found: ImageLabels) -> list[Issue]:
    """The doubt about the label of a whole image: by how much another class is more likely."""
    if record.labels is None or len(record.labels) != 1 or names[record.labels[0]] not in found.names:
        return []
    label = names[record.labels[0]]
    best = int(np.argmax(found.scores))
    doubt = float(found.scores[best] - found.scores[found.names.index(label)])
    if doubt <= 0:
        return []
    return [LABEL_DOUBTED(record.image.name, images=[record.image], label=label, detected=found.names[best],
                          doubt=doubt)]  # fmt: skip


def ranked(doubts: list[Issue]) -> tuple[Issue, ...]:
    """The surest first."""
    return tuple(sorted(doubts, key=lambda issue: -issue.values["doubt"]))


def _text(box: np.ndarray) -> str:
    return " ".join(f"{side:.0f}" for side in box)
