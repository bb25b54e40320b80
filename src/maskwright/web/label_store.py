"""The labels of a dataset while people change them: versions, the journal, and the annotation file behind it all.

An image has a version, which every change raises. Who changes an image names the version that was seen; if somebody
else was faster, nothing is changed and the page shows what is there now.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from maskwright.errors import MaskwrightError, OutputError
from maskwright.formats.losses import UNLABELED_IMAGES_LOST
from maskwright.issues import Issue, Kind, Log
from maskwright.types import Dataset, Instances, Record
from maskwright.web import label_objects
from maskwright.web.label_classes import ClassChange, LabelClasses
from maskwright.web.label_file import LabelFile
from maskwright.web.label_folder import LabelFolder
from maskwright.web.label_journal import Journal
from maskwright.web.label_objects import Drawn
from maskwright.web.labeled_image import LabeledImage
from maskwright.web.refusal import Refusal

LABELS_RECOVERED = Kind(
    "labels_recovered", "info",
    "{count} change of the last session was recovered", "{count} changes of the last session were recovered",
)  # fmt: skip
PAUSE = 0.4  # seconds without a change before the file is written; a large file: four times what the last writing took


@dataclass(eq=False)
class LabelStore:
    """
    masks  False: the data have boxes only
    """

    target: LabelFile | LabelFolder
    log: Log
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        dataset = self.target.dataset
        self.images = [LabeledImage(record) for record in dataset.records]
        self._numbers = {id(image): number for number, image in enumerate(self.images)}
        self.classes = LabelClasses(dataset, self.images, self.target.classes(), self.target.fixed_classes)
        self.masks = dataset.has_masks or not dataset.instance_count
        self.changes = self._written = 0
        self.problem: dict[str, str] | None = None
        self.losses: tuple[Issue, ...] = ()
        self._seconds = 0.0  # that the last writing took
        self._hurried = False  # somebody waits for the file
        self._unsaved: set[int] = set()  # images whose objects the file does not have yet
        self._journal = Journal(self.target.journal)
        self._wake, self._closed = threading.Condition(self._lock), False
        with self._lock:
            self._recover()
        self._thread = threading.Thread(target=self._run, name="save", daemon=True)
        self._thread.start()

    # --- asking -------------------------------------------------------------------------------------------------------
    def image(self, index: int) -> LabeledImage:
        if not 0 <= index < len(self.images):
            raise Refusal(404, "there is no such image")
        return self.images[index]

    def facts(self, index: int) -> dict[str, Any]:
        with self._lock:
            image = self.image(index)
            return {**image.summary(), "objects": [item.facts() for item in image.drawn()]}

    def status(self, since: int, classes: int = 0) -> dict[str, Any]:
        """What has changed after change number `since`, and whether everything is in the file.

        classes  the version of the classes that the page knows
        """
        with self._lock:
            changed = {index: image.summary() for index, image in enumerate(self.images) if image.changed > since}
            notes = [str(issue) for issue in self.losses if issue.code != UNLABELED_IMAGES_LOST.code]
            return {
                "changes": self.changes,
                "changed": changed,
                "saved": self._written == self.changes,
                "problem": self.problem,
                "notes": notes,
                **self._class_facts(classes),
            }

    def _class_facts(self, since: int) -> dict[str, Any]:
        return {"classes": self.classes.names, "class_version": self.classes.version,
                "renamed": self.classes.renamed_since(since)}  # fmt: skip

    def class_uses(self) -> dict[str, Any]:
        """The classes and how often each is used."""
        with self._lock:
            uses = [{"name": name, "objects": use.objects, "images": use.images, "used": bool(use.objects or use.whole)}
                    for name, use in self.classes.uses().items()]  # fmt: skip
            return {"version": self.classes.version, "uses": uses}

    # --- changing -----------------------------------------------------------------------------------------------------
    def put(
        self, index: int, version: object, rows: object, state: object, classes: int | None = None
    ) -> dict[str, Any]:
        """The objects of an image from now on.

        state    "labeled", "empty" (looked at, and there is nothing) or "unlabeled"; with objects always "labeled"
        classes  the version that the class names are of; None: the latest
        """
        with self._lock:
            image = self.image(index)
            if version != image.version:
                raise Refusal(409, "somebody else has changed this image meanwhile")
            objects = label_objects.parsed(rows, image.drawn(), image.record.size, self.masks)
            if state not in ("labeled", "empty", "unlabeled"):
                raise Refusal(422, "not a state", field="state", expected="labeled, empty or unlabeled")
            if classes is not None:
                objects = [replace(item, label=self.classes.current(item.label, classes)) for item in objects]
            known = self.classes.listed
            try:
                record = self._drawn(image, objects, str(state))
                self.target.check(index, record, dict(zip(self.classes.names, self.classes.ids(), strict=False)))
                shapes = [item.facts() for item in objects]
                self._journal.add({"image": str(image.record.image), "state": state, "objects": shapes})
            except (Refusal, OutputError):
                self.classes.listed = known
                raise
            self._apply(image, objects, record)
            return {**image.summary(), **self._class_facts(self.classes.version)}

    def _drawn(self, image: LabeledImage, objects: Sequence[Drawn], state: str) -> Record:
        """The record of an image with these objects; their classes are added to the others."""
        self.classes.add(item.label for item in objects)
        instances: Instances | None = None
        if objects or state != "unlabeled":
            instances = label_objects.to_instances(objects, self.classes.names, image.record.size, self.masks)
        return replace(image.record, instances=instances, skipped=False)

    def _apply(self, image: LabeledImage, objects: Sequence[Drawn], record: Record) -> None:
        image.record, image.objects = record, [*objects]
        self._changed(image)

    def _changed(self, *images: LabeledImage) -> None:
        self.changes += 1
        for image in images:
            image.version += 1
            image.changed = self.changes
            self._unsaved.add(self._numbers[id(image)])
        self._wake.notify_all()

    def add_class(self, name: object) -> dict[str, Any]:
        """A class that was named before any object has it; it is in the file once one has."""
        with self._lock:
            self.classes.add([label_objects.label_of(name)])
            return self._class_facts(self.classes.version)

    def change_classes(self, version: object, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Classes are renamed, merged, moved or removed, or such a change is undone: see LabelClasses.planned.

        version  of the classes that was seen
        """
        if isinstance(self.target, LabelFolder):
            self.flush()  # one change of the classes at a time: repeated after a kill, it finds some files done
        with self._lock:
            if version != self.classes.version:
                raise Refusal(409, "the classes were changed elsewhere meanwhile")
            change, undo = self.classes.planned(asked)
            self._journal.add({"classes": change.facts()})
            restored = self._apply_classes(change)
            self.classes.remember(change, undo)
            changed = {index: self.images[index].summary() for index in restored}
            return {**self._class_facts(self.classes.version - 1), "changed": changed, "restored": restored,
                    "label": change.label}  # fmt: skip

    def _apply_classes(self, change: ClassChange) -> dict[int, list[str]]:
        self._unsaved |= {number for number, image in enumerate(self.images) if image.record.instances is not None}
        restored = self.classes.apply(change)
        self._changed(*(self.images[index] for index in restored))
        return restored

    def _recover(self) -> None:
        """What the last session could not write to the file any more."""
        by_path = {str(image.record.image): image for image in self.images}
        count = 0
        for change in self._journal.changes():
            with contextlib.suppress(Refusal, KeyError, TypeError):
                if "classes" in change:
                    self._apply_classes(ClassChange.of(change["classes"]))
                else:
                    image = by_path[str(change.get("image"))]
                    rows = label_objects.parsed(change.get("objects"), image.drawn(), image.record.size, self.masks)
                    self._apply(image, rows, self._drawn(image, rows, str(change.get("state"))))
                count += 1
        if count:
            self.log(LABELS_RECOVERED(count=count))

    # --- the file -----------------------------------------------------------------------------------------------------
    def overwrite(self) -> None:
        """Write the file although another program has changed it."""
        with self._lock:
            self.target.overwrite()
            self.problem = None
            self._wake.notify_all()

    def flush(self, seconds: float = 120) -> Path:
        """The annotation file, once it has everything; OutputError where it cannot be written."""
        end = time.monotonic() + seconds
        with self._lock:
            if not self.target.file.exists():
                self._written = -1
            self._hurried = True
            self._wake.notify_all()
            while self._written != self.changes and self.problem is None and time.monotonic() < end:
                self._wake.wait(0.1)
            self._hurried = False
            if self._written != self.changes:
                problem = self.problem or {"message": "writing takes too long"}
                raise OutputError("the labels are not in the annotation file yet", file=self.target.file.name,
                                  got=problem["message"])  # fmt: skip
            if not self.target.file.exists():
                raise OutputError("nothing is labeled yet", fix="draw some objects first")
        return self.target.file

    def close(self) -> None:
        """Everything is in the file, or at least in the journal."""
        with self._lock:
            self._closed = True
            self._wake.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._closed and self._written == self.changes:
                    self._wake.wait()
                if self._written == self.changes:
                    return
                if not self._closed:
                    self._pause()
            self._save()
            with self._lock:
                if self._closed:
                    return
                if self.problem is not None:
                    self._wake.wait(5.0)

    def _pause(self) -> None:
        """Until nothing was changed for a moment: a stroke is many changes."""
        before = -1
        while before != self.changes and not (self._closed or self._hurried):
            before = self.changes
            self._wake.wait(min(max(PAUSE, 4 * self._seconds), 30))

    def _save(self) -> None:
        with self._lock:
            number, names, unsaved = self.changes, self.classes.names, frozenset(self._unsaved)
            records = tuple(image.named(names) for image in self.images)
            dataset: Dataset = replace(self.target.dataset, records=records, names=names, class_ids=self.classes.ids(),
                                       class_attributes=self.classes.attributes())  # fmt: skip
        start = time.monotonic()
        try:
            losses = self.target.save(dataset, unsaved)
        except MaskwrightError as error:
            with self._lock:
                self.problem = {**error.facts(), "file": error.facts().get("file", self.target.name)}
            return
        with self._lock:
            self.problem, self.losses = None, losses
            self._written, self._seconds = number, time.monotonic() - start
            if number == self.changes:
                self._unsaved.clear()
                self._journal.clear()
