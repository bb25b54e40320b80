"""Public constructors raise errors that name the expected and the actual shape, and change no shape silently."""

from __future__ import annotations

import numpy as np
import pytest

from maskwright.errors import MaskwrightError, ShapeError
from maskwright.types import Image, ImageLabels, Instances, ResizeTransform, RleMasks

BOXES = np.array([[0, 0, 4, 4], [1, 1, 3, 3]], np.float32)
MASKS = RleMasks.from_boxes(BOXES, (6, 8))
NAMES = ("rust", "dent")


def instances(**changes: object) -> Instances:
    fields = {"boxes": BOXES, "classes": [0, 1], "scores": [0.9, 0.5], "masks": MASKS, "names": NAMES, **changes}
    return Instances(**fields)  # type: ignore[arg-type]


# --- empty is ordinary ------------------------------------------------------------------------------
@pytest.mark.parametrize("boxes", [[], np.zeros((0, 4)), np.zeros(0)])
def test_no_objects_are_ordinary(boxes) -> None:
    nothing = Instances(boxes, [], [], None, NAMES)  # type: ignore[arg-type]
    assert (nothing.boxes.shape, len(nothing), nothing.counts()) == ((0, 4), 0, {})
    assert nothing.boxes.dtype == np.float32 and nothing.classes.dtype == np.int64


def test_sound_values_raise_nothing() -> None:
    assert len(instances()) == 2
    assert Image(np.zeros((1, 1, 3), np.uint8)).size == (1, 1)
    assert ImageLabels(np.zeros(2, np.float32), NAMES, ()).labels == ()


# --- what raises ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "field", "expected", "got"),
    [
        ({"boxes": BOXES.reshape(-1)}, "boxes", "shape (n, 4)", "shape (8,)"),
        ({"boxes": BOXES.reshape(4, 2)}, "boxes", "shape (n, 4)", "shape (4, 2)"),
        ({"boxes": np.zeros((0, 5))}, "boxes", "shape (n, 4)", "shape (0, 5)"),
        ({"boxes": BOXES[None]}, "boxes", "shape (n, 4)", "shape (1, 2, 4)"),
        ({"classes": [0]}, "classes", "shape (2,), as many as boxes", "shape (1,)"),
        ({"classes": [[0, 1]]}, "classes", "shape (2,), as many as boxes", "shape (1, 2)"),
        ({"scores": [[0.9], [0.5]]}, "scores", "shape (2,), as many as boxes", "shape (2, 1)"),
        ({"scores": 0.5}, "scores", "shape (2,), as many as boxes", "shape ()"),
        ({"crowd": np.zeros(3, bool)}, "crowd", "shape (2,), as many as boxes", "shape (3,)"),
        ({"masks": MASKS[:1]}, "masks", "2, as many as boxes", "1"),
        ({"annotations": ()}, "annotations", "2, as many as boxes", "0"),
    ],
)
def test_instances_of_wrong_shapes_name_the_field(changes, field, expected, got) -> None:
    with pytest.raises(ShapeError) as caught:
        instances(**changes)
    parts = caught.value.parts
    assert (parts["field"], parts["expected"], parts["got"]) == (field, expected, got)


@pytest.mark.parametrize(
    ("pixels", "got"),
    [
        (np.zeros((4, 4), np.uint8), "shape (4, 4), uint8"),
        (np.zeros((4, 4, 4), np.uint8), "shape (4, 4, 4), uint8"),
        (np.zeros((4, 4, 3), np.float32), "shape (4, 4, 3), float32"),
        (np.zeros((0, 4, 3), np.uint8), "shape (0, 4, 3), uint8"),
        ([[[0, 0, 0]]], "list"),
    ],
)
def test_pixels_that_are_no_image_are_named(pixels, got) -> None:
    with pytest.raises(ShapeError) as caught:
        Image(pixels)
    assert caught.value.parts["got"] == got


@pytest.mark.parametrize(
    ("counts", "offsets", "field"),
    [
        ([48], [[0, 1]], "counts, offsets"),
        ([[48]], [0, 1], "counts, offsets"),
        ([], [], "counts, offsets"),
        ([48], [1, 1], "offsets"),
        ([48], [0, 2], "offsets"),
    ],
)
def test_run_lengths_that_do_not_fit_are_named(counts, offsets, field) -> None:
    with pytest.raises(ShapeError) as caught:
        RleMasks((6, 8), np.array(counts, np.int64), np.array(offsets, np.int64))
    assert caught.value.parts["field"] == field


def test_masks_say_what_they_need() -> None:
    with pytest.raises(ShapeError, match="masks need three axes"):
        RleMasks.from_dense(np.zeros((6, 8), bool))
    with pytest.raises(ShapeError, match="masks of different images"):
        RleMasks.join([MASKS, RleMasks.empty((8, 6))])


def test_image_labels_need_a_score_per_class() -> None:
    with pytest.raises(ShapeError, match="do not match the class names"):
        ImageLabels(np.zeros(3, np.float32), NAMES, ())
    with pytest.raises(ShapeError, match="not the index of a class"):
        ImageLabels(np.zeros(2, np.float32), NAMES, (2,))


@pytest.mark.parametrize(
    "changes", [{"image_size": (4, 4, 3)}, {"input_size": (0, 64)}, {"scale_x": 0.0}, {"scale_y": float("nan")}]
)
def test_a_transform_of_nothing_raises(changes) -> None:
    fields = {"image_size": (4, 4), "input_size": (64, 64), "scale_y": 16.0, "scale_x": 16.0, **changes}
    with pytest.raises(ShapeError) as caught:
        ResizeTransform(**fields)  # type: ignore[arg-type]
    assert caught.value.parts["field"] == next(iter(changes))


def test_a_wrong_shape_is_a_value_error_and_one_of_ours() -> None:
    assert issubclass(ShapeError, ValueError) and issubclass(ShapeError, MaskwrightError)
