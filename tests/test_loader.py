"""Batches: every image once before any twice, and the same ones however they were made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_runs import party, records

from maskwright.errors import ImageError
from maskwright.training import loader as loading
from maskwright.training.loader import Batch, Loader, ViewOptions, input_size
from maskwright.transforms.augment import Augment
from maskwright.types import Dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return party(tmp_path_factory.mktemp("data") / "party", 7)


def load(
    data: Dataset, workers: int = 0, batch: int = 2, steps: int = 1, seed: int = 0, copy_paste: float = 0.5
) -> Loader:
    return Loader(data, ViewOptions(64, Augment(copy_paste=copy_paste)), batch, steps, seed, workers)


def alike(one: Batch, two: Batch) -> bool:
    return (
        one.names == two.names
        and np.array_equal(one.network_inputs, two.network_inputs)
        and all(
            torch.equal(a[key], b[key]) if isinstance(a[key], torch.Tensor) else a[key] == b[key]
            for a, b in zip(map(vars, one.targets), map(vars, two.targets), strict=True)
            for key in a
        )
    )


def same(one: list[Batch], two: list[Batch]) -> bool:
    return len(one) == len(two) and all(map(alike, one, two))


# --- which images -----------------------------------------------------------------------------------
@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 9), st.integers(0, 5))
def test_every_image_comes_once_before_any_comes_twice(images: int, batch: int, steps: int, epoch: int) -> None:
    """Cut the epoch into rounds as long as the data: each whole round has every image once."""
    made = Loader(Dataset("x", ("balloon",), records(images)), ViewOptions(64, Augment()), batch, steps)
    order = made._order(epoch).tolist()
    assert len(order) == made.steps * batch
    for start in range(0, len(order), images):
        assert max(Counter(order[start : start + images]).values()) == 1
    assert set(order) == set(range(images)), "an epoch sees every image"


def test_a_batch_may_be_larger_than_the_data(data: Dataset) -> None:
    batches = list(load(data.where(lambda record: record is data.records[0]), batch=3).epoch(0))
    assert [len(batch.network_inputs) for batch in batches] == [3]


def test_each_epoch_has_an_order_of_its_own(data: Dataset) -> None:
    made = load(data)
    assert made._order(0).tolist() != made._order(1).tolist()


def test_another_seed_is_another_order_and_the_same_seed_the_same(data: Dataset) -> None:
    assert same(list(load(data, seed=3).epoch(0)), list(load(data, seed=3).epoch(0)))
    assert not same(list(load(data, seed=3).epoch(0)), list(load(data, seed=4).epoch(0)))


# --- however they are made --------------------------------------------------------------------------
@pytest.mark.parametrize("workers", [1, 3])
def test_threads_do_not_change_the_batches(data: Dataset, workers: int) -> None:
    assert same(list(load(data, 0, steps=5).epoch(2)), list(load(data, workers, steps=5).epoch(2)))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("start", [1, 3, 4])
def test_a_start_in_the_middle_gives_the_rest_of_the_epoch(data: Dataset, workers: int, start: int) -> None:
    assert same(list(load(data, workers).epoch(1, start)), list(load(data).epoch(1))[start:])


def test_a_start_at_the_end_gives_nothing(data: Dataset) -> None:
    made = load(data, workers=1)
    assert list(made.epoch(0, made.steps)) == []


def test_images_that_do_not_fit_into_memory_are_read_again_to_the_same_batches(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list(load(data).epoch(0))
    monkeypatch.setattr(loading, "MEMORY", 100_000)
    tight = load(data)
    assert same(list(tight.epoch(0)), expected)
    assert len(tight._images) < len(data)


def test_an_image_twice_in_an_epoch_is_two_views(data: Dataset) -> None:
    one = load(data.where(lambda record: record is data.records[0]), batch=2, copy_paste=0.0)
    batch = next(iter(one.epoch(0)))
    assert batch.names[0] == batch.names[1]
    assert not np.array_equal(batch.network_inputs[0], batch.network_inputs[1])


def test_leaving_an_epoch_early_leaves_no_thread_behind(data: Dataset) -> None:
    import threading

    batches = load(data, workers=2, steps=50).epoch(0)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("maskwright-loader")]


# --- what is in them --------------------------------------------------------------------------------
@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_went_away_is_named(data: Dataset, tmp_path: Path, workers: int) -> None:
    gone = Dataset("gone", ("balloon",), records(2))
    with pytest.raises(ImageError, match=r"image_\d\.jpg"):
        list(load(gone, workers).epoch(0))


def test_boxes_alone_give_no_patches(data: Dataset) -> None:
    from dataclasses import replace

    bare = replace(
        data,
        records=tuple(
            replace(record, instances=replace(record.instances, masks=None)) if record.instances else record
            for record in data
        ),
    )
    targets = [target for batch in load(bare, copy_paste=0.0).epoch(0) for target in batch.targets]
    assert sum(len(target.boxes) for target in targets) and all(target.patches is None for target in targets)


def test_target_stays_on_the_input_and_in_step_with_its_classes(data: Dataset) -> None:
    made = load(data, steps=8)
    height, width = made.network_input
    for batch in made.epoch(0):
        assert batch.network_inputs.shape[1:] == (height, width, 3)
        for target in batch.targets:
            assert len(target.boxes) == len(target.classes)
            assert target.patches is None or len(target.patches) == len(target.boxes)
            assert (target.boxes[:, :2] >= 0).all() and (target.boxes[:, 2:] <= torch.tensor([width, height])).all()
            assert (target.boxes[:, 2:] > target.boxes[:, :2]).all()


@given(st.integers(32, 4000), st.integers(32, 4000), st.integers(1, 16))
def test_the_input_divides_by_64_whatever_the_images(height: int, width: int, wide: int) -> None:
    from dataclasses import replace

    data = Dataset("x", ("balloon",), tuple(replace(record, size=(height, width)) for record in records(3)))
    network_input = input_size(data, wide * 64)
    assert all(side % 64 == 0 and side >= 64 for side in network_input)
    assert max(network_input) == wide * 64


# --- tiles ------------------------------------------------------------------------------------------
def test_an_epoch_of_large_images_shows_as_many_views_as_they_have_tiles() -> None:
    several = Dataset("x", ("balloon",), records(6))  # 96×128 px each: six tiles of 48
    assert Loader(several, ViewOptions(64), 2).steps == 3
    assert Loader(several, ViewOptions(64, tile=48), 2).steps == 18
    assert Loader(several, ViewOptions(64, tile=1), 2).steps == loading.MAX_STEPS


def test_the_input_has_the_shape_of_a_tile() -> None:
    several = Dataset("x", ("balloon",), records(3))
    assert input_size(several, 256) == (192, 256)
    assert input_size(several, 256, tile=64) == (256, 256)
    assert input_size(several, 256, tile=96) == (256, 256)
    assert input_size(several, 256, tile=1000) == (192, 256)
