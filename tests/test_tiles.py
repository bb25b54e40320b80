"""Large images in tiles: a finder that sees perfectly must find every object once, wherever the seams run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import masks
from tiny_runs import party

import maskwright
from maskwright.errors import RecipeError
from maskwright.prediction import tiles
from maskwright.prediction.detector import Detector
from maskwright.prediction.image_classifier import ImageClassifier
from maskwright.training.recipe import Recipe
from maskwright.transforms.preprocess import preprocess
from maskwright.types import Image, Instances, RawDetections, RleMasks
from maskwright.weights.card import Card

NAMES = ("rust", "dent")
SIDE = 128


class Finder:
    """Finds each rectangle of a color of its own: red + number; odd numbers are of class 1. Knows nothing of tiles."""

    def __init__(self, masks: bool = True, tile: int = 0) -> None:
        self.card = Card("small", "none", "segment" if masks else "detect", NAMES, SIDE, tile=tile)
        self.masks = masks
        self.seen: list[tuple[int, int]] = []

    fit = staticmethod(preprocess)

    def run(self, network_inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[RawDetections]:
        self.seen += sizes
        return [
            self._look(network_input[: size[0], : size[1], 0])
            for network_input, size in zip(network_inputs, sizes, strict=True)
        ]

    def _look(self, red: np.ndarray) -> RawDetections:
        values = [value for value in np.unique(red) if value]
        where = [np.nonzero(red == value) for value in values]
        boxes = [(x.min(), y.min(), x.max() + 1, y.max() + 1) for y, x in where]
        mask_probs = np.ones((len(boxes), 28, 28), np.float32) if self.masks else None
        scores = np.full(len(boxes), 0.9, np.float32)
        return RawDetections(
            np.array(boxes, np.float32).reshape(-1, 4), scores, np.array(values, int) % 2, mask_probs, "matterport"
        )


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Image, np.ndarray]:
    """An image larger than a tile with up to eight rectangles in cells of their own; and their boxes."""
    height, width = draw(st.integers(100, 400)), draw(st.integers(SIDE + 1, 500))
    cells = [(x, y) for y in range(0, height - 60, 100) for x in range(0, width - 60, 100)]
    placed = []
    for x, y in draw(st.lists(st.sampled_from(cells), max_size=8, unique=True)):
        left, top = x + draw(st.integers(2, 30)), y + draw(st.integers(2, 30))
        right, bottom = left + draw(st.integers(12, 60)), top + draw(st.integers(12, 60))
        placed.append((left, top, min(right, width), min(bottom, height)))
    return drawn((height, width), *placed)


def drawn(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> tuple[Image, np.ndarray]:
    pixels = np.zeros((*size, 3), np.uint8)
    for number, (left, top, right, bottom) in enumerate(boxes, start=1):
        pixels[top:bottom, left:right, 0] = number
    return Image(pixels), np.array(boxes, np.float32).reshape(-1, 4)


def clear_of_seams(box: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether some tile shows all of it, away from the tile's own borders."""
    near = tiles.EDGE * SIDE
    for x1, y1, x2, y2 in tiles.cut(size, SIDE):
        low = np.where(np.array([x1, y1]) > 0, np.array([x1, y1]) + near, 0)
        high = np.where(np.array([x2, y2]) < size[::-1], np.array([x2, y2]) - near, size[::-1])
        if (box[:2] >= low).all() and (box[2:] <= high).all():
            return True
    return False


@given(st.tuples(st.integers(1, 900), st.integers(1, 900)), st.integers(64, 300))
def test_tiles_cover_the_image_and_overlap_by_a_quarter(size: tuple[int, int], side: int) -> None:
    made = tiles.cut(size, side)
    seen = np.zeros(size, int)
    for x1, y1, x2, y2 in made:
        assert (y2 - y1, x2 - x1) == (min(size[0], side), min(size[1], side))
        seen[y1:y2, x1:x2] += 1
    assert seen.min() >= 1
    starts = sorted({x for x, *_ in made})
    assert all(b - a <= side - int(side * tiles.OVERLAP) + 1 for a, b in pairwise(starts))


@given(masks(size=(9, 7)), st.integers(0, 5), st.integers(0, 5))
def test_a_mask_placed_in_a_larger_image_is_cropped_back(dense: np.ndarray, left: int, top: int) -> None:
    own = RleMasks.from_dense(dense)
    placed = own.place((left, top), (15, 13))
    frame = np.zeros((len(dense), 15, 13), bool)
    frame[:, top : top + 9, left : left + 7] = dense
    assert np.array_equal(placed.dense(), frame)
    assert np.array_equal(placed.crop((left, top, left + 7, top + 9)).dense(), dense)


@given(scenes(), st.booleans())
def test_every_object_is_found_once_whatever_seam_it_lies_on(scene: tuple[Image, np.ndarray], with_masks: bool) -> None:
    image, boxes = scene
    detections = Detector(Finder(with_masks, tile=SIDE))(image)
    order, expected = np.lexsort(detections.boxes.T), np.lexsort(boxes.T)
    assert np.array_equal(detections.boxes[order], boxes[expected])
    if detections.masks is not None:
        assert np.array_equal(detections.masks.boxes[order], boxes[expected])


THIRD_LOST = drawn(
    (443, 161), (103, 25, 118, 41), (106, 128, 125, 150), (22, 124, 38, 143), (14, 208, 34, 220), (24, 310, 45, 324)
)
TWO_LOST = drawn(
    (161, 443), (305, 112, 327, 133), (222, 128, 245, 151), (219, 13, 237, 31), (309, 24, 330, 38),
    (6, 112, 26, 129), (105, 28, 124, 44), (120, 110, 136, 126), (3, 3, 17, 16),
)  # fmt: skip
ACROSS_A_SEAM = drawn(
    (330, 428), (330, 124, 343, 148), (10, 10, 68, 64), (13, 221, 42, 259), (302, 214, 357, 238), (106, 108, 120, 123),
    (221, 207, 234, 238),
)  # fmt: skip


@given(scenes(), st.booleans())
@example(THIRD_LOST, True)
@example(THIRD_LOST, False)
@example(TWO_LOST, True)
@example(TWO_LOST, False)
@example(ACROSS_A_SEAM, True)
def test_a_look_at_the_whole_image_takes_nothing_away(scene: tuple[Image, np.ndarray], with_masks: bool) -> None:
    """Shrunk onto a network input colors mix, so this finder sees things there that are none: some reach from one
    object to
    another. What a tile shows whole stays; what every tile cuts may be taken for a piece of such a thing."""
    image, boxes = scene
    detections = Detector(Finder(with_masks), tile=SIDE)(image)
    for box in boxes:
        if clear_of_seams(box, image.size):
            assert (np.abs(detections.boxes - box).max(1) <= 4).any()


def test_a_large_find_of_the_whole_image_takes_no_small_object_by_way_of_its_piece_at_a_seam() -> None:
    """The left tile cuts the small object and agrees with the large find by chance; the right tile shows it whole."""
    boxes = [(0, 0, 128, 128), (96, 0, 224, 128), (0, 0, 224, 128)]
    piece = Instances(np.array([[120, 20, 128, 40]]), np.array([0]), np.array([0.9]), None, NAMES)
    whole = Instances(np.array([[24, 20, 44, 40]]), np.array([0]), np.array([0.8]), None, NAMES)
    large = Instances(np.array([[118, 18, 220, 42]]), np.array([0]), np.array([0.7]), None, NAMES)
    detections = tiles.join([piece, whole, large], boxes, (128, 224))
    assert detections.boxes.tolist() == [[120, 20, 140, 40], [118, 18, 220, 42]]


def test_an_object_larger_than_a_tile_is_joined_from_its_parts() -> None:
    pixels = np.zeros((300, 600, 3), np.uint8)
    pixels[40:260, 30:570, 0] = 1
    detections = Detector(Finder(tile=SIDE))(Image(pixels))
    assert detections.boxes.tolist() == [[30, 40, 570, 260]]
    assert detections.masks is not None and detections.masks.area.tolist() == [220 * 540]


def test_two_objects_that_touch_at_a_seam_stay_two() -> None:
    pixels = np.zeros((128, 300, 3), np.uint8)
    pixels[30:90, 60:110, 0], pixels[30:90, 110:160, 0] = 1, 3
    detections = Detector(Finder(tile=SIDE))(Image(pixels))
    assert sorted(detections.boxes.tolist()) == [[60, 30, 110, 90], [110, 30, 160, 90]]


def test_classes_are_never_joined() -> None:
    size, boxes = (128, 200), [(0, 0, 128, 128), (72, 0, 200, 128)]
    one = Instances(np.array([[90, 10, 128, 60]]), np.array([0]), np.array([0.9]), None, NAMES)
    other = Instances(np.array([[0, 10, 60, 60]]), np.array([1]), np.array([0.8]), None, NAMES)
    assert tiles.join([one, other], boxes, size).labels == ["rust", "dent"]
    same = tiles.join([one, replace(other, classes=np.array([0]))], boxes, size)
    assert same.boxes.tolist() == [[72, 10, 132, 60]], "a seam cuts both: joined"


def test_the_best_uncut_find_is_taken_and_the_best_score_kept() -> None:
    """In the left tile the object is whole at 0.6, in the right one a seam cuts it at 0.9."""
    boxes = [(0, 0, 128, 128), (96, 0, 224, 128)]
    left = Instances(np.array([[70, 40, 118, 80]]), np.array([0]), np.array([0.6]), None, NAMES)
    right = Instances(np.array([[0, 41, 23, 80]]), np.array([0]), np.array([0.9]), None, NAMES)
    detections = tiles.join([left, right], boxes, (128, 224))
    assert detections.boxes.tolist() == [[70, 40, 118, 80]] and detections.scores is not None
    assert detections.scores.tolist() == pytest.approx([0.9])


def test_what_is_hardly_believed_changes_nothing_about_a_sure_find() -> None:
    """So what is found at 0.5 is the same whether tiles are joined at 0, as for AP, or at 0.5, as for pictures."""
    boxes = [(0, 0, 128, 128), (96, 0, 224, 128)]
    table, scores = np.array([[80, 40, 128, 80], [20, 0, 128, 128]]), np.array([0.95, 0.01])
    left = Instances(table, np.zeros(2, int), scores, None, NAMES)
    detections = tiles.join([left, Instances.empty(NAMES, scored=True)], boxes, (128, 224))
    assert detections.boxes[0].tolist() == [80, 40, 128, 80]


def test_a_part_that_ends_before_the_seam_is_joined_where_another_goes_on() -> None:
    boxes = [(0, 0, 128, 128), (96, 0, 224, 128)]
    left = Instances(np.array([[30, 40, 124, 80]]), np.array([0]), np.array([0.9]), None, NAMES)
    right = Instances(np.array([[0, 40, 104, 80]]), np.array([0]), np.array([0.8]), None, NAMES)
    detections = tiles.join([left, right], boxes, (128, 224))
    assert detections.boxes.tolist() == [[30, 40, 200, 80]]


def test_a_model_trained_on_whole_images_sees_the_whole_image_too() -> None:
    image = Image(np.zeros((200, 400, 3), np.uint8))
    whole, trained = Finder(), Finder(tile=SIDE)
    Detector(whole, tile=SIDE)(image)
    Detector(trained)(image)
    assert (64, 128) in whole.seen and (64, 128) not in trained.seen


def test_an_image_no_larger_than_a_tile_is_looked_at_once_and_0_asks_for_the_whole() -> None:
    small, large = Image(np.zeros((SIDE, SIDE, 3), np.uint8)), Image(np.zeros((300, 300, 3), np.uint8))
    finder = Finder(tile=SIDE)
    Detector(finder)(small)
    Detector(finder, tile=0)(large)
    assert finder.seen == [(SIDE, SIDE)] * 2
    assert len(Detector(finder)(large)) == 0


def test_tiles_that_make_no_sense_are_refused() -> None:
    with pytest.raises(RecipeError, match="such small tiles show nothing"):
        Detector(Finder(), tile=10)
    with pytest.raises(RecipeError, match="a tile's side is in whole pixels"):
        Detector(Finder(), tile="256")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="cover too few of its tiles"):
        Recipe(tile=256, cached_views=2)
    evaluate = Finder()
    evaluate.card = Card("small", "none", "classify", NAMES, SIDE)
    with pytest.raises(RecipeError, match="a classifier takes whole images"):
        ImageClassifier(evaluate, tile=256)


def test_a_model_trained_on_tiles_looks_at_larger_images_in_tiles(tmp_path: Path) -> None:
    data = party(tmp_path / "party", 5)  # 96×128 px
    done = maskwright.train(data, out=tmp_path, model="small", weights="none", size=64, tile=64, batch=2, epochs=1,
                            steps_per_epoch=1, precision="fp32", device="cpu", workers=0)  # fmt: skip
    find = maskwright.load(done.model)
    assert find.tile == find.card.tile == 64
    assert maskwright.load(done.model, maskwright.InferenceOptions(tile=0)).tile == 0
