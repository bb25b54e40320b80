"""Other classes for the same objects: renamed, joined or dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from maskwright.errors import RecipeError, UnknownName
from maskwright.types import Dataset, Record


def relabelled(dataset: Dataset, rename: Mapping[str, str], drop: Collection[str] = ()) -> Dataset:
    """The dataset with `rename[name]` for each class name; classes that get one name are joined.

    drop  classes whose objects (or image labels) are taken out; an image without others becomes an empty one

    >>> relabelled(dataset, {"corrosion": "rust", "Rust": "rust"}, drop=["unsure"]).names
    ('rust', 'dent')
    """
    for name in (*rename, *drop):
        if name not in dataset.names:
            raise UnknownName("class", name, dataset.names)
    both = sorted({*rename} & {*drop})
    if both:
        raise RecipeError("a class is renamed and dropped", field="rename, drop", expected="one of both", got=both[0])
    new = [None if name in drop else rename.get(name, name).strip() for name in dataset.names]
    names = tuple(dict.fromkeys(name for name in new if name is not None))
    if not all(names):
        raise RecipeError("a class needs a name", field="rename", expected="OLD=NEW", got="an empty name")
    index = np.array([-1 if name is None else names.index(name) for name in new], np.int64)
    first = [new.index(name) for name in names]  # of classes that are joined the first one's id and facts are kept
    return replace(
        dataset,
        names=names,
        records=tuple(moved(record, index, names) for record in dataset.records),
        class_ids=tuple(dataset.class_ids[index] for index in first) if dataset.class_ids else (),
        class_attributes=tuple(dataset.class_attributes[index] for index in first) if dataset.class_attributes else (),
    )


def moved(record: Record, index: np.ndarray, names: tuple[str, ...]) -> Record:
    """The record under other names: `index` has the new number of each class, -1 where its objects are taken out."""
    instances = record.instances
    if instances is not None:
        keep = index[instances.classes] >= 0
        kept = instances if keep.all() else instances[keep]
        instances = replace(kept, classes=index[kept.classes], names=names)
    return replace(record, instances=instances, labels=_chosen(record.labels, index),
                   labelled_classes=_chosen(record.labelled_classes, index))  # fmt: skip


def _chosen(labels: tuple[int, ...] | None, index: np.ndarray) -> tuple[int, ...] | None:
    return None if labels is None else tuple(dict.fromkeys(int(new) for label in labels if (new := index[label]) >= 0))
