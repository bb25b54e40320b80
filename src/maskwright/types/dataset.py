"""Dataset: images and what people said about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from maskwright.issues import Issue, Kind
from maskwright.types.instances import Instances

ATTRIBUTES_DISAGREE = Kind(
    "attributes_disagree", "warning", "{names:&} differ between the files that were joined, and are left out"
)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One image of a dataset and its labels.

    image      path of the image file
    size       (height, width) after EXIF's turn: the frame of all coordinates
    instances  what was drawn; None where nobody has labeled it (n = 0 means: labeled, and there is nothing)
    skipped    somebody said "leave it out", or its record was faulty; never trained on, never evaluated
    labels     image-level classes, as indices into the dataset's names; None where there are none
    group      images that belong together (a series, one original's copies): never divided by a split
    split      "train", "val", "test" where the data say so
    labelled_classes     the classes that were looked for on this image, as indices into the dataset's names; None: all
                         of them.
               What was not looked for is never trained as background
    incomplete     objects of the sought classes may be undrawn too: only the surroundings of drawn ones are background
    id         the number (or text) by which the annotation file knows the image (COCO); None where it has none
    attributes  further facts of the image as JSON values: {"license": 3}. Kept so that writing can give them back
    source     the label file that speaks of this image alone; None where a file speaks of several, or of none
    """

    image: Path
    size: tuple[int, int]
    instances: Instances | None
    skipped: bool = False
    labels: tuple[int, ...] | None = None
    group: str | None = None
    split: str | None = None
    labelled_classes: tuple[int, ...] | None = None
    incomplete: bool = False
    id: int | str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    source: Path | None = None

    def of_labelled_classes(self, found: Instances) -> Instances:
        """Of what was found here, the objects of classes that were looked for: others may be right or wrong."""
        if self.labelled_classes is None or self.instances is None:
            return found
        names = [self.instances.names[index] for index in self.labelled_classes]
        return found[np.array([label in names for label in found.labels], bool)]

    @property
    def state(self) -> str:
        """labeled, empty, unlabeled or skipped: four different things."""
        if self.skipped:
            return "skipped"
        if self.labels is not None:
            return "labeled"
        if self.instances is None:
            return "unlabeled"
        return "labeled" if len(self.instances) else "empty"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images with labels; one split, or several when each record names its own.

    name     how people call it (the folder's name)
    names    class names; every record's instances use this very tuple
    records  in a stable order (the file's, or by image name)
    format   which reader read it, for messages
    issues   what was put aside, mended or is worth knowing ("13 outlines extended past the image edge: clipped")
    class_ids  by which number (or text) the annotation file knows each class (COCO), like `names`; () where it has none
    class_attributes  further facts of each class, like `names`: {"supercategory": "vehicle"}; () where there are none
    attributes  further facts of the whole as JSON values: {"licenses": [...]}. Kept so that writing can give them back
    """

    name: str
    names: tuple[str, ...]
    records: tuple[Record, ...]
    format: str = ""
    issues: tuple[Issue, ...] = ()
    class_ids: tuple[int | str, ...] = ()
    class_attributes: tuple[Mapping[str, Any], ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self.class_counts().items())
        return f"Dataset({self.name!r}, {len(self)} images; {counts or 'no classes'})"

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def where(self, keep: Callable[[Record], bool]) -> Dataset:
        """The same dataset with only the records for which `keep` is true."""
        return replace(self, records=tuple(record for record in self.records if keep(record)))

    def with_issues(self, *issues: Issue) -> Dataset:
        """The same dataset with these issues, too, each once."""
        return replace(self, issues=tuple(dict.fromkeys((*self.issues, *issues))))

    def usable(self) -> Dataset:
        """Only records one may train on or evaluate: labeled (or labeled as empty) and not skipped."""
        return self.where(lambda record: record.state in ("labeled", "empty"))

    def splits(self) -> dict[str, Dataset]:
        """By the records' own split, in the order train, val, test; {} where the data name none."""
        found = [name for name in ("train", "val", "test") if any(record.split == name for record in self.records)]
        return {name: self.where(lambda record, name=name: record.split == name) for name in found}

    @property
    def instance_count(self) -> int:
        return sum(len(record.instances) for record in self.records if record.instances is not None)

    @property
    def has_masks(self) -> bool:
        """At least one object has an outline."""
        return any(
            record.instances is not None and record.instances.masks is not None and len(record.instances)
            for record in self.records
        )

    def class_counts(self) -> dict[str, int]:
        """Instances (or labeled images, in a classification set) of each class, in the order of `names`."""
        counts: Counter[str] = Counter(dict.fromkeys(self.names, 0))
        for record in self.records:
            if record.instances is not None:
                counts.update(record.instances.labels)
            if record.labels is not None:
                counts.update(self.names[index] for index in record.labels)
        return dict(counts)

    def state_counts(self) -> dict[str, int]:
        """{"labeled": 61, "empty": 0, "unlabeled": 0, "skipped": 0}"""
        counts = {"labeled": 0, "empty": 0, "unlabeled": 0, "skipped": 0}
        for record in self.records:
            counts[record.state] += 1
        return counts

    def with_names(self, names: tuple[str, ...]) -> Dataset:
        """The same objects under another list of names that contains all of these (order may differ)."""
        new_index = np.array([names.index(name) for name in self.names], np.int64)

        def move(record: Record) -> Record:
            instances, labels, labelled_classes = record.instances, record.labels, record.labelled_classes
            if instances is not None:
                instances = replace(instances, classes=new_index[instances.classes], names=names)
            if labels is not None:
                labels = tuple(int(new_index[label]) for label in labels)
            if labelled_classes is not None:
                labelled_classes = tuple(int(new_index[label]) for label in labelled_classes)
            return replace(record, instances=instances, labels=labels, labelled_classes=labelled_classes)

        return replace(self, names=names, records=tuple(move(record) for record in self.records),
                       class_ids=_ids_of(names, [self]), class_attributes=_attributes_of(names, [self]))  # fmt: skip

    def partially_labelled(self) -> Dataset:
        """The same dataset, saying that nothing but its own classes was looked for."""
        own = tuple(range(len(self.names)))
        return replace(
            self,
            records=tuple(replace(record, labelled_classes=record.labelled_classes or own) for record in self.records),
        )

    @staticmethod
    def join(name: str, several: Iterable[Dataset], partial: bool = False) -> Dataset:
        """All records of several; class names united in order of first appearance.

        partial  on the images of each only its own classes were looked for (Record.labelled_classes)
        """
        several = [item.partially_labelled() if partial else item for item in several]
        names = tuple(dict.fromkeys(name for item in several for name in item.names))
        moved = [item.with_names(names) for item in several]
        attributes, disagreeing = _agreed(item.attributes for item in several)
        dataset = Dataset(
            name,
            names,
            tuple(record for item in moved for record in item.records),
            " + ".join(dict.fromkeys(item.format for item in several)),
            tuple(dict.fromkeys(issue for item in several for issue in item.issues)),
            _ids_of(names, several),
            _attributes_of(names, several),
            attributes,
        )
        return dataset.with_issues(ATTRIBUTES_DISAGREE(names=disagreeing)) if disagreeing else dataset


def _ids_of(names: tuple[str, ...], several: Iterable[Dataset]) -> tuple[int | str, ...]:
    """Each name's one id in the annotation files of several; () where one has none, or two."""
    known = {pair for item in several for pair in zip(item.names, item.class_ids, strict=False)}
    ids = dict(known)
    return tuple(ids[name] for name in names) if len(known) == len(ids) and ids.keys() >= set(names) else ()


def _attributes_of(names: tuple[str, ...], several: Sequence[Dataset]) -> tuple[Mapping[str, Any], ...]:
    """What several say of each class, the first one first; () where none says anything."""
    known: dict[str, dict[str, Any]] = {name: {} for name in names}
    for item in several:
        for name, facts in zip(item.names, item.class_attributes, strict=False):
            known[name] = dict(facts) | known[name]
    return tuple(known.values()) if any(known.values()) else ()


def _agreed(several: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """What all that say it say alike, and the names of what they do not."""
    found: dict[str, Any] = {}
    disagreeing: list[str] = []
    for facts in several:
        for name, value in facts.items():
            if found.setdefault(name, value) != value:
                disagreeing.append(name)
    return {name: value for name, value in found.items() if name not in disagreeing}, [*dict.fromkeys(disagreeing)]
