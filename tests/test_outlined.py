"""Images of large files: outlines packed without loss, masks filled when they are asked for."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from strategies import objects

from maskwright import formats
from maskwright.formats import coco
from maskwright.geometry.packed import PackedOutlines
from maskwright.geometry.ragged import Ragged
from maskwright.types import Instances, OutlinedAnnotations, OutlinedImages, OutlinedMasks, RleMasks, outlined

SIZE = (20, 30)
COORDINATES = st.integers(-50_000, 9_000_000).map(lambda number: number / 100) | st.floats(-1e7, 1e7)
PART = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=1, max_size=4).map(np.array)
DRAWN = st.lists(st.lists(PART, min_size=1, max_size=3), max_size=5)


def images_of(drawn: list[list[list[np.ndarray]]]) -> OutlinedImages:
    """Of each image its objects, taken in by turns: the first ones of all images, then the second ones, ..."""
    packed, numbers, count = PackedOutlines(), [[] for _ in drawn], 0
    for turn in range(max(map(len, drawn), default=0)):
        block = [image for image, own in enumerate(drawn) if len(own) > turn]
        packed.append(Ragged.of([drawn[image][turn] for image in block]))
        for image in block:
            numbers[image].append(count)
            count += 1
    order = np.array([number for own in numbers for number in own], np.int32)
    bounds = np.concatenate([[0], np.cumsum([*map(len, drawn)])]).astype(np.int64)
    return OutlinedImages(packed, order, bounds, np.tile(np.array(SIZE), (len(drawn), 1)))


@given(st.lists(DRAWN, max_size=3), st.randoms(use_true_random=False))
def test_outlines_come_out_of_the_pack_as_they_went_in(blocks, random):
    """Decimals, whole numbers and any others, in any order, whichever block they came in."""
    packed = PackedOutlines()
    for block in blocks:
        packed.append(Ragged.of(block))
    every = [drawn for block in blocks for drawn in block]
    numbers = random.sample(range(len(every)), len(every))
    rows = packed.rows(numbers).split()
    assert [[part.tolist() for part in parts] for parts in rows] == [
        [part.tolist() for part in every[number]] for number in numbers
    ]


def test_hundredths_of_a_pixel_are_packed_into_half():
    packed = PackedOutlines()
    packed.append(Ragged.of([[np.array([[1.23, 4.56], [7.89, 0.01], [3.33, 9.99]])]]))
    packed.append(Ragged.of([[np.array([[1 / 3, 4.56], [7.89, 0.01], [3.33, 9.99]])]]))
    assert [points.dtype for points in packed._points] == [np.int32, np.float64]


@given(DRAWN, st.data())
def test_taken_outlines_are_those_of_their_numbers(drawn, data):
    numbers = data.draw(st.lists(st.integers(0, len(drawn) - 1), max_size=6)) if drawn else []
    taken = Ragged.of(drawn).take(np.array(numbers, np.int64)).split()
    assert [[part.tolist() for part in parts] for parts in taken] == [
        [part.tolist() for part in drawn[number]] for number in numbers
    ]


@settings(max_examples=40)
@given(st.lists(objects(SIZE), min_size=1, max_size=6), st.lists(st.integers(0, 5), max_size=12))
def test_masks_made_when_asked_for_are_those_made_at_once(drawn, asked):
    """In whatever order the images are asked for, however few are kept, one by one or ahead."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outlined, "RECENT", 2)
        patch.setattr(outlined, "AHEAD", 3)
        images = images_of(drawn)
        for image in [*range(len(drawn)), *(number % len(drawn) for number in asked)]:
            masks, expected = OutlinedMasks(images, image), RleMasks.from_polygons(drawn[image], SIZE)
            assert len(masks) == len(drawn[image]) and masks.size == SIZE
            for found in (masks, pickle.loads(pickle.dumps(masks)), copy.deepcopy(masks), masks[:]):
                assert found.counts.tolist() == expected.counts.tolist()
                assert found.offsets.tolist() == expected.offsets.tolist()
            assert len(images._recent) <= 2


@given(st.lists(objects(SIZE), min_size=1, max_size=3))
def test_annotations_made_when_asked_for_hold_the_outlines_as_drawn(drawn):
    images = images_of(drawn)
    for image, own in enumerate(drawn):
        notes = OutlinedAnnotations(images, image, np.arange(len(own)) + 7)
        for found in (notes, pickle.loads(pickle.dumps(notes))):
            assert [note.id for note in found] == [*range(7, 7 + len(own))]
            outlines = [[part.tolist() for part in note.outlines] for note in found]
            assert outlines == [[part.tolist() for part in parts] for parts in own]
            for row in range(-len(own), len(own)):
                assert [part.tolist() for part in found[row].outlines] == outlines[row]
            assert [note.id for note in found[1:]] == [note.id for note in found][1:]


def test_nothing_is_filled_before_it_is_asked_for(monkeypatch):
    square = [np.array([[2.0, 2], [12, 2], [12, 12], [2, 12]])]
    images = images_of([[square], [square]])
    asked = []
    fill = outlined.filling.fill
    monkeypatch.setattr(outlined.filling, "fill", lambda *args: asked.append(args) or fill(*args))
    masks, notes = OutlinedMasks(images, 1), OutlinedAnnotations(images, 1, np.array([3]))
    drawn = Instances(np.array([[2, 2, 12, 12]]), np.array([0]), None, masks, ("rust",), annotations=notes)
    assert drawn.outlines()[0] is not None and len(masks) == 1 and not asked
    assert masks.area.tolist() == [100] and len(asked) == 1
    assert masks.area.tolist() == [100] and len(asked) == 1
    assert drawn[:0].outlines() == [] and drawn[[0]].outlines()[0] is not None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outlined")
    Image.new("RGB", (SIZE[1], SIZE[0])).save(folder / "a.png")
    return folder


@settings(max_examples=40)
@given(drawn=objects(SIZE).filter(bool))
def test_every_outline_that_is_not_filled_on_reading_has_an_area(folder, drawn):
    """What a file is read to is the same, whether its masks are made at once or when asked for."""
    rows = []
    for number, parts in enumerate(drawn, 1):
        points = np.concatenate(parts)
        rows.append({"id": number, "image_id": 1, "category_id": 1, "bbox": [*points.min(0), *np.ptp(points, 0)],
                     "segmentation": [part.reshape(-1).tolist() for part in parts]})  # fmt: skip
    path = folder / "annotations.json"
    images = [{"id": 1, "file_name": "a.png", "width": SIZE[1], "height": SIZE[0]}]
    path.write_text(json.dumps({"images": images, "categories": [{"id": 1, "name": "rust"}], "annotations": rows}))
    found = formats.read(path, allow_faulty=True).records[0].instances
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coco, "read_records", lambda *_: None)
        expected = formats.read(path, allow_faulty=True).records[0].instances
    assert (found is None) == (expected is None)
    if found is not None and expected is not None and found.masks is not None and expected.masks is not None:
        assert (found.masks.area > 0).all() and found.masks.counts.tolist() == expected.masks.counts.tolist()
