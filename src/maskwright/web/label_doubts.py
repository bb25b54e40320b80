"""Labels to look at again: where the assistant finds something else, and copies of one image labeled differently."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from maskwright.curate import doubts
from maskwright.curate.duplicates import Duplicates, find_duplicates
from maskwright.issues import Issue
from maskwright.types import Record
from maskwright.web.label_assistant import Assistant
from maskwright.web.label_store import LabelStore

MOST = 500  # doubts that the page gets, the surest first
LEAST = 0.3  # smaller ones are left out
TEXTS = {
    doubts.OBJECT_UNDRAWN.code: "not drawn: {detected}",
    doubts.CLASS_DOUBTED.code: "{label} looks like {detected}",
    doubts.BOX_DOUBTED.code: "{label}: its outline does not fit",
    doubts.OBJECT_UNSEEN.code: "{label}: not found by the model",
}


@dataclass(frozen=True)
class Doubt:
    """
    key     tells it from the others of its image, for as long as the labels of the image stay the same
    doubt   0..1
    number  of the object of the image, from 0; None where it is about something that nobody drew, or the whole image
    """

    key: str
    image: int
    text: str
    doubt: float
    number: int | None = None
    box: list[float] | None = None

    def facts(self) -> dict[str, Any]:
        return {"key": self.key, "image": self.image, "text": self.text, "doubt": round(self.doubt, 3),
                "object": self.number, "box": self.box}  # fmt: skip


class Doubts:
    """The doubts about the labels as they are now. Those of an image are found again when it or the model changes."""

    def __init__(self, store: LabelStore, assistant: Assistant) -> None:
        self.store, self.assistant = store, assistant
        self._known: dict[int, tuple[object, list[Doubt]]] = {}  # image -> what its doubts were found with
        self._settled: set[tuple[int, int, str]] = set()  # image, its version, key
        self._duplicates: Duplicates | None = None
        self._comparing: threading.Thread | None = None
        self._lock = threading.Lock()

    def all(self) -> list[Doubt]:
        """Those that nobody has settled, the surest first; copies that disagree before all others."""
        with self._lock:
            found = [doubt for index in sorted(self.assistant.found) for doubt in self._of_image(index)]
        found.sort(key=lambda doubt: -doubt.doubt)
        return [doubt for doubt in [*self._disagreeing(), *found] if not self._is_settled(doubt)][:MOST]

    def settle(self, image: int, key: str) -> None:
        """The label is right as it is."""
        self._settled.add((image, self.store.image(image).version, key))

    def compare(self) -> None:
        """Looks for copies among the images, once, in a thread."""
        if self._comparing is None:
            self._comparing = threading.Thread(target=self._compare, name="compare", daemon=True)
            self._comparing.start()

    def _compare(self) -> None:
        self._duplicates = find_duplicates([image.record.image for image in self.store.images])

    def _is_settled(self, doubt: Doubt) -> bool:
        return (doubt.image, self.store.images[doubt.image].version, doubt.key) in self._settled

    def _of_image(self, index: int) -> list[Doubt]:
        image, found = self.store.images[index], self.assistant.found[index]
        record = image.record
        state = (image.version, id(found), record.state, self.store.classes.version)
        known = self._known.get(index)
        if known is None or known[0] != state:
            found = self.assistant.under_current_names(found)
            issues = doubts.of_objects(record, found) if record.state in ("labeled", "empty") else []
            kept = [issue for issue in issues if issue.values["doubt"] >= LEAST]
            self._known[index] = known = state, [_doubt(index, issue) for issue in kept]
        return known[1]

    def _disagreeing(self) -> list[Doubt]:
        if self._duplicates is None:
            return []
        images = self.store.images
        classes = [_classes(image.record) for image in images]
        return [
            Doubt(
                f"copy {pair.second}",
                pair.first,
                f"other classes than its copy, {images[pair.second].record.image.name}",
                1.0,
            )
            for pair in self._duplicates.pairs
            if None not in (classes[pair.first], classes[pair.second]) and classes[pair.first] != classes[pair.second]
        ]


def _classes(record: Record) -> tuple[str, ...] | None:
    """Those on an image; None where it is not labeled."""
    return None if record.skipped or record.instances is None else tuple(sorted(record.instances.counts()))


def _doubt(index: int, issue: Issue) -> Doubt:
    values, number = issue.values, issue.values.get("number")
    box = [float(side) for side in values["box"].split()] if "box" in values else None
    text = TEXTS[issue.code].format(detected=values.get("detected"), label=values.get("label"))
    key = f"{issue.code} {number} {values.get('box', '')}"
    return Doubt(key, index, text, values["doubt"], None if number is None else number - 1, box)
