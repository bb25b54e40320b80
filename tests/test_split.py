"""Splitting: groups stay whole, classes are spread, the same seed gives the same split."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reported import sentences

from maskwright.curate.split import k_fold, split
from maskwright.errors import DatasetError, RecipeError, UnknownName
from maskwright.types import Dataset, Instances, Record

NAMES = ("rust", "dent", "crack")


def record(name: str, classes: list[int] | None = (), group: str | None = None, skipped: bool = False) -> Record:
    """A labeled image that holds one object of each class given; `classes=None`: nobody has labeled it."""
    instances = None
    if classes is not None:
        instances = Instances(np.tile([0, 0, 5, 5], (len(classes), 1)), np.array(classes), None, None, NAMES)
    return Record(Path("images") / name, (10, 10), instances, skipped, group=group)


def dataset(*records: Record) -> Dataset:
    return Dataset("party", NAMES, records)


def parts(data: Dataset) -> dict[str, str | None]:
    return {item.image.name: item.split for item in data}


@st.composite
def datasets(draw) -> Dataset:
    """4 to 40 images in groups of several sizes, 0 to 3 classes each, some unlabeled or skipped."""
    count = draw(st.integers(4, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    records = [
        record(
            f"{index}.jpg",
            None if rng.random() < 0.1 else rng.choice(3, rng.integers(0, 4), replace=False).tolist(),
            None if rng.random() < 0.5 else f"g{rng.integers(0, 1 + count // 3)}",
            bool(rng.random() < 0.1),
        )
        for index in range(count)
    ]
    return dataset(*records)


def keys(data: Dataset) -> set[str]:
    return {item.group or item.image.name for item in data.usable()}


def test_no_images_are_an_error_with_the_reason():
    with pytest.raises(DatasetError) as caught:
        split(dataset())
    assert str(caught.value) == (
        "DatasetError: party: too few groups of images to divide\n"
        "  expected  at least 2 groups that need not stay together, for train and val\n"
        "  got       0 (images: none)\n"
        "  fix       label more images"
    )


def test_one_series_alone_cannot_be_divided():
    with pytest.raises(DatasetError, match="choose another --group-by"):
        split(dataset(*(record(f"{index}.jpg", [0], "W0001") for index in range(9))))


def test_two_images_go_one_to_each_side():
    assert sorted(parts(split(dataset(record("a.jpg", [0]), record("b.jpg", [0])))).values()) == ["train", "val"]


def test_the_fraction_of_equal_images_is_exact():
    data = split(dataset(*(record(f"{index}.jpg", [0]) for index in range(50))), val=0.2, test=0.1)
    assert {name: len(part) for name, part in data.splits().items()} == {"train": 35, "val": 10, "test": 5}


def test_nothing_held_back_is_all_train():
    assert set(parts(split(dataset(record("a.jpg", [0])), val=0)).values()) == {"train"}


@given(datasets(), st.integers(0, 5), st.sampled_from([(0.2, 0.0), (0.3, 0.2), (0.5, 0.0)]))
def test_no_group_stands_on_both_sides_and_nothing_is_lost(data, seed, fractions):
    """Every usable image has one part, a group one and the same; unlabeled and skipped images have none."""
    expected = 2 + bool(fractions[1])
    if len(keys(data)) < expected:
        with pytest.raises(DatasetError):
            split(data, *fractions, seed=seed)
        return
    divided = split(data, *fractions, seed=seed)
    assert [item.image for item in divided] == [item.image for item in data]
    sides = defaultdict(set)
    for item in divided:
        assert (item.split is not None) == (item.state in ("labeled", "empty"))
        if item.split:
            sides[item.group or item.image.name].add(item.split)
    assert all(len(found) == 1 for found in sides.values())
    assert set().union(*sides.values()) == {"train", "val", "test"} - (set() if fractions[1] else {"test"})


@given(datasets(), st.randoms(use_true_random=False))
def test_the_same_seed_gives_the_same_split_whatever_the_order(data, random):
    if len(keys(data)) < 2:
        return
    shuffled = list(data.records)
    random.shuffle(shuffled)
    assert parts(split(data, seed=3)) == parts(split(replace(data, records=tuple(shuffled)), seed=3))


def test_the_place_on_the_disk_does_not_matter():
    data = dataset(*(record(f"{index}.jpg", [index % 3]) for index in range(20)))
    moved = [replace(item, image=Path("elsewhere/far") / item.image.name) for item in data]
    assert parts(split(data)) == parts(split(dataset(*moved)))


def test_another_seed_gives_another_split():
    data = dataset(*(record(f"{index}.jpg", [0]) for index in range(20)))
    assert len({str(parts(split(data, seed=seed))) for seed in range(5)}) == 5


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), min_size=2, max_size=25), st.integers(0, 3))
def test_a_class_with_two_groups_is_in_train_and_val(sizes, seed):
    """One class a group, groups of any size: the case in which it can always be kept."""
    records = [
        record(f"{index}_{copy}.jpg", [label], f"g{index}")
        for index, (label, size) in enumerate(sizes)
        for copy in range(size)
    ]
    divided = split(dataset(*records), seed=seed)
    labels = [label for label, _ in sizes]
    for label in range(3):
        sides = {item.split for item in divided if label in item.instances.classes}
        if labels.count(label) >= 2:
            assert sides == {"train", "val"}
    rare = {name for index, name in enumerate(NAMES) if labels.count(index) == 1}
    assert {name for name in rare if any(name in remark for remark in sentences(divided))} == rare


def test_a_class_of_one_group_is_trained_on():
    data = dataset(*(record(f"{index}.jpg", [0]) for index in range(9)), record("only.jpg", [1]))
    for seed in range(5):
        divided = split(data, val=0.5, seed=seed)
        assert parts(divided)["only.jpg"] == "train"
        assert sentences(divided) == ("val has no dent: too few groups of images show it",)


def test_classes_are_spread_by_their_fractions():
    data = dataset(*(record(f"{index}.jpg", [0] if index < 80 else [1]) for index in range(100)))
    for seed in range(3):
        val = split(data, val=0.25, seed=seed).splits()["val"]
        assert val.class_counts() == {"rust": 20, "dent": 5, "crack": 0}


def test_images_without_objects_are_spread_too():
    data = dataset(*(record(f"{index}.jpg", [0] if index % 2 else []) for index in range(40)))
    assert split(data, val=0.25).splits()["val"].state_counts() == {
        "labeled": 5,
        "empty": 5,
        "unlabeled": 0,
        "skipped": 0,
    }


def test_a_classification_set_is_spread_by_its_labels():
    records = [Record(Path(f"{index}.jpg"), (9, 9), None, labels=(index % 2,)) for index in range(40)]
    assert split(dataset(*records), val=0.25).splits()["val"].class_counts() == {"rust": 5, "dent": 5, "crack": 0}


SERIES = [record(f"C{series}_{view:04}.jpg", [0]) for series in range(6) for view in range(5)]


@pytest.mark.parametrize(
    "rule",
    ["series", r"C\d", re.compile(r"(C\d)_"), lambda item: item.image.name[:2]],
    ids=["series", "text", "pattern", "callable"],
)  # fmt: skip
def test_a_series_is_kept_whole_by_every_kind_of_rule(rule):
    divided = split(dataset(*SERIES), val=1 / 3, group_by=rule)
    val = {item.image.name[:2] for item in divided.splits()["val"]}
    train = {item.image.name[:2] for item in divided.splits()["train"]}
    assert len(val) == 2 and len(train) == 4 and not val & train


def test_a_folder_is_kept_whole():
    records = [
        Record(Path(f"car{car}") / f"{view}.jpg", (9, 9), record("", [0]).instances)
        for car in range(4)
        for view in range(3)
    ]
    divided = split(dataset(*records), val=0.25, group_by="folder")
    assert len({item.image.parent for item in divided.splits()["val"]}) == 1


def test_a_rule_that_does_not_exist_is_named():
    with pytest.raises(UnknownName, match='Did you mean "series"'):
        split(dataset(*SERIES), group_by="serie")
    with pytest.raises(RecipeError, match="not a regex"):
        split(dataset(*SERIES), group_by="(C")


@pytest.mark.parametrize("fractions", [{"val": 1.0}, {"val": -0.1}, {"val": 0.5, "test": 0.5}])
def test_fractions_that_leave_nothing_are_refused(fractions):
    with pytest.raises(RecipeError):
        split(dataset(*SERIES), **fractions)


@given(datasets(), st.integers(2, 4), st.integers(1, 2))
def test_every_image_is_evaluated_once_in_each_repeat(data, k, repeats):
    """The vals of one repeat are disjoint and their union is all; train and val share no group."""
    if len(keys(data)) < k:
        with pytest.raises(DatasetError):
            k_fold(data, k)
        return
    pairs = k_fold(data, k, repeats)
    assert len(pairs) == k * repeats
    everything = sorted(item.image for item in data.usable())
    for repeat in range(repeats):
        evaluated = [item.image for _, val in pairs[repeat * k : (repeat + 1) * k] for item in val]
        assert sorted(evaluated) == everything
    for train, val in pairs:
        assert len(train) and len(val) and not keys(train) & keys(val)
        assert sorted([item.image for item in train] + [item.image for item in val]) == everything


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([(), (0,), (1,), (2,), (0, 1), (0, 1, 2)]), min_size=3, max_size=7, unique=True)
    | st.lists(st.sampled_from([(), (0,), (1,), (1, 2)]), min_size=3, max_size=7),
    st.integers(2, 3),
)
def test_folds_differ_in_size_by_no_more_than_the_classes_force(shown, k):
    """Of all divisions into k folds those that spread the classes best are looked at, and no one is more even."""
    held = [min(k, sum(label in labels for labels in shown)) for label in range(3)]

    def cost(folds: list[list[int]]) -> tuple[int, int]:
        """(classes that folds lack and could have, difference of the sizes)"""
        has = [sum(any(label in shown[image] for image in fold) for fold in folds) for label in range(3)]
        sizes = [len(fold) for fold in folds]
        return sum(held) - sum(has), max(sizes) - min(sizes)

    every = ([[image for image, fold in enumerate(division) if fold == number] for number in range(k)]
             for division in itertools.product(range(k), repeat=len(shown)))  # fmt: skip
    least = min(cost(folds) for folds in every if all(folds))
    data = dataset(*(record(f"{image}.jpg", sorted(labels)) for image, labels in enumerate(shown)))
    pairs = k_fold(data, k, group_by=lambda item: item.image)
    assert cost([[int(item.image.stem) for item in val] for _, val in pairs]) == least


def test_classes_of_one_image_each_do_not_gather_in_one_fold():
    data = dataset(*(record(f"{image}.jpg", labels) for image, labels in enumerate([[0], [1], [2], []])))
    for seed in range(4):
        assert [len(val) for _, val in k_fold(data, 2, seed=seed, group_by=lambda item: item.image)] == [2, 2]


def test_another_repeat_is_another_division():
    data = dataset(*(record(f"{index}.jpg", [0]) for index in range(12)))
    vals = [frozenset(item.image for item in val) for _, val in k_fold(data, k=3, repeats=2)]
    assert len(set(vals)) == 6


def test_rotated_copies_are_never_divided(shared):
    """The sixteen originals of corrosion_via lie in train with three rotations each."""
    images = sorted(shared.glob("data/corrosion_via/train/*.jpg"))
    data = dataset(*(replace(record("", [0]), image=image) for image in images))
    divided = split(data, val=0.25)
    sides = defaultdict(list)
    for item in divided:
        sides[item.image.stem.split("_")[0]].append(item.split)
    assert len(sides) == 16 and all(len(found) == 4 and len(set(found)) == 1 for found in sides.values())
    assert len(divided.splits()["val"]) == 16


def test_images_of_rust_that_are_equal_stay_together(shared):
    images = sorted(shared.glob("data/rust/download/*/*.jpg"))
    records = [Record(image, (9, 9), None, labels=(int(image.parent.name == "rust"),)) for image in images]
    place = parts(split(Dataset("rust", ("norust", "rust"), tuple(records))))
    assert place["rust.29.jpg"] == place["rust.76.jpg"] and place["norust.1.jpg"] == place["norust.56.jpg"]
