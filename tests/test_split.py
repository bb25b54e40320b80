"""Splitting: groups stay whole, classes are spread, the same seed gives the same split."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.curate.split import folds, split
from maskwright.errors import DatasetError, RecipeError, UnknownName
from maskwright.types import Dataset, Instances, Record

NAMES = ("rust", "dent", "crack")


def record(name: str, classes: list[int] | None = (), group: str | None = None, skipped: bool = False) -> Record:
    """A labelled photo that holds one object of each class given; `classes=None`: nobody has labelled it."""
    instances = None
    if classes is not None:
        instances = Instances(np.tile([0, 0, 5, 5], (len(classes), 1)), np.array(classes), None, None, NAMES)
    return Record(Path("photos") / name, (10, 10), instances, skipped, group=group)


def dataset(*records: Record) -> Dataset:
    return Dataset("party", NAMES, records)


def parts(data: Dataset) -> dict[str, str | None]:
    return {each.photo.name: each.split for each in data}


@st.composite
def datasets(draw) -> Dataset:
    """4 to 40 photos in groups of several sizes, 0 to 3 classes each, some unlabelled or skipped."""
    count = draw(st.integers(4, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    records = [
        record(
            f"{place}.jpg",
            None if rng.random() < 0.1 else rng.choice(3, rng.integers(0, 4), replace=False).tolist(),
            None if rng.random() < 0.5 else f"g{rng.integers(0, 1 + count // 3)}",
            bool(rng.random() < 0.1),
        )
        for place in range(count)
    ]
    return dataset(*records)


def keys(data: Dataset) -> set[str]:
    return {each.group or each.photo.name for each in data.usable()}


def test_no_photos_are_an_error_with_the_reason():
    with pytest.raises(DatasetError) as caught:
        split(dataset())
    assert str(caught.value) == (
        "DatasetError: party: too few groups of photos to divide\n"
        "  wanted  at least 2 groups that need not stay together, for train and val\n"
        "  got     0 (photos: none)\n"
        "  fix     label more photos"
    )


def test_one_series_alone_cannot_be_divided():
    with pytest.raises(DatasetError, match="choose another --group-by"):
        split(dataset(*(record(f"{place}.jpg", [0], "W0001") for place in range(9))))


def test_two_photos_go_one_to_each_side():
    assert sorted(parts(split(dataset(record("a.jpg", [0]), record("b.jpg", [0])))).values()) == ["train", "val"]


def test_the_share_of_equal_photos_is_exact():
    data = split(dataset(*(record(f"{place}.jpg", [0]) for place in range(50))), val=0.2, test=0.1)
    assert {name: len(part) for name, part in data.splits().items()} == {"train": 35, "val": 10, "test": 5}


def test_nothing_held_back_is_all_train():
    assert set(parts(split(dataset(record("a.jpg", [0])), val=0)).values()) == {"train"}


@given(datasets(), st.integers(0, 5), st.sampled_from([(0.2, 0.0), (0.3, 0.2), (0.5, 0.0)]))
def test_no_group_stands_on_both_sides_and_nothing_is_lost(data, seed, shares):
    """Every usable photo has one part, a group one and the same; unlabelled and skipped photos have none."""
    wanted = 2 + bool(shares[1])
    if len(keys(data)) < wanted:
        with pytest.raises(DatasetError):
            split(data, *shares, seed=seed)
        return
    divided = split(data, *shares, seed=seed)
    assert [each.photo for each in divided] == [each.photo for each in data]
    sides = defaultdict(set)
    for each in divided:
        assert (each.split is not None) == (each.state in ("labelled", "empty"))
        if each.split:
            sides[each.group or each.photo.name].add(each.split)
    assert all(len(found) == 1 for found in sides.values())
    assert set().union(*sides.values()) == {"train", "val", "test"} - (set() if shares[1] else {"test"})


@given(datasets(), st.randoms(use_true_random=False))
def test_the_same_seed_gives_the_same_split_whatever_the_order(data, random):
    if len(keys(data)) < 2:
        return
    shuffled = list(data.records)
    random.shuffle(shuffled)
    assert parts(split(data, seed=3)) == parts(split(replace(data, records=tuple(shuffled)), seed=3))


def test_the_place_on_the_disk_does_not_matter():
    data = dataset(*(record(f"{place}.jpg", [place % 3]) for place in range(20)))
    moved = [replace(each, photo=Path("elsewhere/far") / each.photo.name) for each in data]
    assert parts(split(data)) == parts(split(dataset(*moved)))


def test_another_seed_gives_another_split():
    data = dataset(*(record(f"{place}.jpg", [0]) for place in range(20)))
    assert len({str(parts(split(data, seed=seed))) for seed in range(5)}) == 5


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), min_size=2, max_size=25), st.integers(0, 3))
def test_a_class_with_two_groups_is_in_train_and_val(sizes, seed):
    """One class a group, groups of any size: the case in which it can always be kept."""
    records = [
        record(f"{place}_{copy}.jpg", [label], f"g{place}")
        for place, (label, size) in enumerate(sizes)
        for copy in range(size)
    ]
    divided = split(dataset(*records), seed=seed)
    labels = [label for label, _ in sizes]
    for label in range(3):
        sides = {each.split for each in divided if label in each.instances.classes}
        if labels.count(label) >= 2:
            assert sides == {"train", "val"}
    rare = {name for place, name in enumerate(NAMES) if labels.count(place) == 1}
    assert {name for name in rare if any(name in remark for remark in divided.remarks)} == rare


def test_a_class_of_one_group_is_trained_on():
    data = dataset(*(record(f"{place}.jpg", [0]) for place in range(9)), record("only.jpg", [1]))
    for seed in range(5):
        divided = split(data, val=0.5, seed=seed)
        assert parts(divided)["only.jpg"] == "train"
        assert divided.remarks == ("val has no dent: too few groups of photos show it",)


def test_classes_are_spread_by_their_shares():
    data = dataset(*(record(f"{place}.jpg", [0] if place < 80 else [1]) for place in range(100)))
    for seed in range(3):
        val = split(data, val=0.25, seed=seed).splits()["val"]
        assert val.class_counts() == {"rust": 20, "dent": 5, "crack": 0}


def test_photos_without_objects_are_spread_too():
    data = dataset(*(record(f"{place}.jpg", [0] if place % 2 else []) for place in range(40)))
    assert split(data, val=0.25).splits()["val"].state_counts() == {
        "labelled": 5,
        "empty": 5,
        "unlabelled": 0,
        "skipped": 0,
    }


def test_a_classification_set_is_spread_by_its_labels():
    records = [Record(Path(f"{place}.jpg"), (9, 9), None, labels=(place % 2,)) for place in range(40)]
    assert split(dataset(*records), val=0.25).splits()["val"].class_counts() == {"rust": 5, "dent": 5, "crack": 0}


SERIES = [record(f"C{series}_{view:04}.jpg", [0]) for series in range(6) for view in range(5)]


@pytest.mark.parametrize(
    "rule",
    ["series", r"C\d", re.compile(r"(C\d)_"), lambda each: each.photo.name[:2]],
    ids=["series", "text", "pattern", "callable"],
)  # fmt: skip
def test_a_series_is_kept_whole_by_every_kind_of_rule(rule):
    divided = split(dataset(*SERIES), val=1 / 3, group_by=rule)
    val = {each.photo.name[:2] for each in divided.splits()["val"]}
    train = {each.photo.name[:2] for each in divided.splits()["train"]}
    assert len(val) == 2 and len(train) == 4 and not val & train


def test_a_folder_is_kept_whole():
    records = [
        Record(Path(f"car{car}") / f"{view}.jpg", (9, 9), record("", [0]).instances)
        for car in range(4)
        for view in range(3)
    ]
    divided = split(dataset(*records), val=0.25, group_by="folder")
    assert len({each.photo.parent for each in divided.splits()["val"]}) == 1


def test_a_rule_that_does_not_exist_is_named():
    with pytest.raises(UnknownName, match='Did you mean "series"'):
        split(dataset(*SERIES), group_by="serie")
    with pytest.raises(RecipeError, match="not a regex"):
        split(dataset(*SERIES), group_by="(C")


@pytest.mark.parametrize("shares", [{"val": 1.0}, {"val": -0.1}, {"val": 0.5, "test": 0.5}])
def test_shares_that_leave_nothing_are_refused(shares):
    with pytest.raises(RecipeError):
        split(dataset(*SERIES), **shares)


@given(datasets(), st.integers(2, 4), st.integers(1, 2))
def test_every_photo_is_judged_once_in_each_repeat(data, k, repeats):
    """The vals of one repeat are disjoint and their union is all; train and val share no group."""
    if len(keys(data)) < k:
        with pytest.raises(DatasetError):
            folds(data, k)
        return
    pairs = folds(data, k, repeats)
    assert len(pairs) == k * repeats
    everything = sorted(each.photo for each in data.usable())
    for repeat in range(repeats):
        judged = [each.photo for _, val in pairs[repeat * k : (repeat + 1) * k] for each in val]
        assert sorted(judged) == everything
    for train, val in pairs:
        assert len(train) and len(val) and not keys(train) & keys(val)
        assert sorted([each.photo for each in train] + [each.photo for each in val]) == everything


def test_another_repeat_is_another_division():
    data = dataset(*(record(f"{place}.jpg", [0]) for place in range(12)))
    vals = [frozenset(each.photo for each in val) for _, val in folds(data, k=3, repeats=2)]
    assert len(set(vals)) == 6


def test_rotated_copies_are_never_divided(shared):
    """The sixteen originals of corrosion_via lie in train with three rotations each."""
    photos = sorted(shared.glob("data/corrosion_via/train/*.jpg"))
    data = dataset(*(replace(record("", [0]), photo=photo) for photo in photos))
    divided = split(data, val=0.25)
    sides = defaultdict(list)
    for each in divided:
        sides[each.photo.stem.split("_")[0]].append(each.split)
    assert len(sides) == 16 and all(len(found) == 4 and len(set(found)) == 1 for found in sides.values())
    assert len(divided.splits()["val"]) == 16


def test_photos_of_rust_that_are_equal_stay_together(shared):
    photos = sorted(shared.glob("data/rust/download/*/*.jpg"))
    records = [Record(photo, (9, 9), None, labels=(int(photo.parent.name == "rust"),)) for photo in photos]
    place = parts(split(Dataset("rust", ("norust", "rust"), tuple(records))))
    assert place["rust.29.jpg"] == place["rust.76.jpg"] and place["norust.1.jpg"] == place["norust.56.jpg"]
