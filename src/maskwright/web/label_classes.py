"""The classes while people label: renamed, merged, moved, removed.

Every such change makes a version. Who sends objects says which version their class names are of: names that were
changed since then are translated, so that nobody's objects bring an old name back. Who changes classes names the
version that was seen, and is refused where somebody else was faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from maskwright.types import Dataset
from maskwright.web.label_objects import label_of
from maskwright.web.labeled_image import LabeledImage
from maskwright.web.refusal import Refusal


@dataclass(frozen=True)
class LabelClass:
    """A class, and what the annotation file says of it."""

    name: str
    id: int | str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassUse:
    """
    objects, images  how many objects have the class, on how many images
    whole            images that have it as their label, or say whether it was looked for there
    """

    objects: int
    images: int
    whole: int


@dataclass(frozen=True)
class ClassChange:
    """What is done to the classes, as it stands in the journal.

    names     all classes afterwards, in order
    renamed   old name -> new name
    restored  path of an image -> numbers of its objects that get the class `label`, from 0
    """

    names: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    restored: Mapping[str, Sequence[int]] = field(default_factory=dict)
    label: str = ""

    def facts(self) -> dict[str, Any]:
        return {"names": self.names, "renamed": self.renamed, "restored": self.restored, "label": self.label}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> ClassChange:
        return cls(tuple(facts["names"]), facts["renamed"], facts["restored"], facts["label"])


@dataclass(frozen=True)
class _Undo:
    """
    number   the version that the change made
    before   the classes before it
    renamed  the way back
    merged   number of an image -> keys of its objects that had the class `label`
    """

    number: int
    before: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    merged: Mapping[int, frozenset[str]] = field(default_factory=dict)
    label: str = ""


class LabelClasses:
    """
    further  classes without objects, and their numbers in the files
    fixed    the files know classes by their place among the others: none is moved or removed
    """

    def __init__(
        self,
        dataset: Dataset,
        images: Sequence[LabeledImage],
        further: Mapping[str, int] | None = None,
        fixed: bool = False,
    ) -> None:
        count = len(dataset.names)
        ids, attributes = dataset.class_ids or (None,) * count, dataset.class_attributes or ({},) * count
        self.listed = [LabelClass(*facts) for facts in zip(dataset.names, ids, attributes, strict=True)]
        self.listed += [LabelClass(name, id) for name, id in (further or {}).items() if name not in dataset.names]
        self._images, self._fixed = images, fixed
        self._gone: dict[str, LabelClass] = {}
        self._renames: list[Mapping[str, str]] = []  # of each version
        self._undo: list[_Undo] = []

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(item.name for item in self.listed)

    @property
    def version(self) -> int:
        return len(self._renames)

    def add(self, labels: Iterable[str]) -> None:
        """Those that are not there yet come last, so that the numbers of the others stay."""
        names = self.names
        new = [label for label in dict.fromkeys(labels) if label not in names]
        self.listed = [*self.listed, *(self._gone.get(label, LabelClass(label)) for label in new)]

    def renamed_since(self, version: int) -> list[Mapping[str, str]]:
        return self._renames[version:]

    def current(self, label: str, version: int) -> str:
        """What the class is called now that was called so in this version."""
        for renamed in self._renames[version:]:
            label = renamed.get(label, label)
        return label

    def ids(self) -> tuple[int | str, ...]:
        """By which the file knows the classes: new ones get the next numbers; () where it has none."""
        given = [item.id for item in self.listed]
        if None not in given:
            return tuple(id for id in given if id is not None)
        whole = [item.id for item in (*self.listed, *self._gone.values()) if isinstance(item.id, int)]
        if sum(isinstance(id, int) for id in given) + given.count(None) < len(given) or not (whole or self._fixed):
            return ()
        first = max(whole, default=-1) + 1
        following = iter(range(first, first + len(given)))
        return tuple(next(following) if id is None else id for id in given)

    def attributes(self) -> tuple[Mapping[str, Any], ...]:
        found = tuple(item.attributes for item in self.listed)
        return found if any(found) else ()

    def uses(self) -> dict[str, ClassUse]:
        names = self.names
        objects, images, whole = (np.zeros(len(names), np.int64) for _ in range(3))
        for image in self._images:
            record = image.record
            if record.instances is not None:
                counts = np.bincount(record.instances.classes, minlength=len(names))
                objects += counts
                images += counts > 0
            whole[[*{*(record.labels or ()), *(record.labelled_classes or ())}]] += 1
        return {name: ClassUse(*map(int, facts)) for name, *facts in zip(names, objects, images, whole, strict=True)}

    # --- what is asked for --------------------------------------------------------------------------------------------
    def planned(self, asked: Mapping[str, Any]) -> tuple[ClassChange, _Undo | None]:
        """The change that a page asks for; Refusal where it cannot be.

        asked  {"change": "rename", "name": ..., "to": another name}: where that class is there already both are merged,
               for which "merge" must be the number of objects that become it; {"change": "move", "name": ...,
               "to": its number from then on, from 0}; {"change": "remove", "name": ...}; {"change": "undo", "number":
               the version that the change made}
        """
        change, name, number = asked.get("change"), asked.get("name"), self.version + 1
        if change == "undo":
            return self._undone(asked.get("number")), None
        if name not in self.names or not isinstance(name, str):
            raise Refusal(409, "there is no such class", got=str(name)[:80])
        names, before = [*self.names], self.names
        if change == "rename":
            to = label_of(asked.get("to"))
            if to in names and to != name:
                return self._merged(name, to, asked.get("merge"))
            names[names.index(name)] = to
            return ClassChange(tuple(names), {name: to}), _Undo(number, before, {to: name})
        if self._fixed:
            raise Refusal(409, "the label files know each class by its place among the others",
                          fix="label with --out labels.json --format coco to move or remove classes")  # fmt: skip
        names.remove(name)
        if change == "move":
            to = asked.get("to")
            if not isinstance(to, int) or not 0 <= to <= len(names):
                raise Refusal(422, "not a place among the classes", field="to", expected=f"0 to {len(names)}",
                              got=str(to)[:40])  # fmt: skip
            names.insert(to, name)
        elif change == "remove":
            use = self.uses()[name]
            if use.objects or use.whole:
                raise Refusal(409, "this class is in use", got=f"{use.objects or use.whole} times",
                              fix="rename it to another class: both are merged")  # fmt: skip
        else:
            raise Refusal(422, "not a change of classes", expected="rename, move, remove or undo", got=str(change)[:40])
        return ClassChange(tuple(names)), _Undo(number, before)

    def _merged(self, name: str, to: str, confirmed: object) -> tuple[ClassChange, _Undo]:
        """Every object of one class gets another one."""
        use = self.uses()[name]
        if use.whole:
            raise Refusal(409, "this class is a label of whole images, too, and cannot be merged here", got=name,
                          fix="maskwright relabel merges it")  # fmt: skip
        if confirmed != use.objects:
            raise Refusal(409, f"{to} is there already", merge=use.objects, images=use.images, fix="merge both classes")
        merged = {}
        for index, image in enumerate(self._images):
            labels = () if image.record.instances is None else image.record.instances.labels
            keys = [key for key, label in zip(image.keys(), labels, strict=True) if label == name]
            if keys:
                merged[index] = frozenset(keys)
        names = tuple(label for label in self.names if label != name)
        return ClassChange(names, {name: to}), _Undo(self.version + 1, self.names, {}, merged, name)

    def _undone(self, number: object) -> ClassChange:
        last = self._undo[-1] if self._undo else None
        if last is None or last.number != number:
            raise Refusal(409, "the classes were changed elsewhere since then")
        taken = next((name for name in last.renamed.values() if name in self.names), None)
        if taken is not None:
            raise Refusal(409, f"{taken} is there already", fix="rename it first")
        current = [last.renamed.get(name, name) for name in self.names]
        names = (*last.before, *(name for name in current if name not in last.before))
        restored = {}
        for index, keys in last.merged.items():
            image = self._images[index]
            rows = [row for row, key in enumerate(image.keys()) if key in keys]
            if rows:
                restored[str(image.record.image)] = rows
        return ClassChange(names, last.renamed, restored, last.label)

    # --- carrying it out ----------------------------------------------------------------------------------------------
    def apply(self, change: ClassChange) -> dict[int, list[str]]:
        """To the list and to the objects of all images. Gives the numbers of images on which a class was restored, and
        the keys of these objects."""
        before = self.names
        for image in self._images:
            image.record = image.named(before)
        used = {change.renamed.get(name, name) for name, use in self.uses().items() if use.objects or use.whole}
        facts = {**self._gone, **{item.name: item for item in self.listed}}
        new = {to: replace(facts[name], name=to) for name, to in change.renamed.items() if name in facts}
        facts = {**new, **facts}
        names = [*change.names, *(name for name in sorted(used) if name not in change.names)]
        self._gone |= {name: item for name, item in facts.items() if name not in names}
        self.listed = [facts.get(name) or LabelClass(name) for name in names]
        positions = {name: index for index, name in enumerate(names)}
        index = np.array([positions.get(change.renamed.get(name, name), -1) for name in before], np.int64)
        restored = {}
        for number, image in enumerate(self._images):
            rows = change.restored.get(str(image.record.image), ())
            image.relabel(index, self.names, rows, change.label)
            if rows:
                keys = image.keys()
                restored[number] = [keys[row] for row in rows if row < len(keys)]
        return restored

    def remember(self, change: ClassChange, undo: _Undo | None) -> None:
        """A version more; the latest change can be undone, then the one before."""
        self._renames.append(change.renamed)
        if undo is None:
            self._undo.pop()
        else:
            self._undo.append(undo)
