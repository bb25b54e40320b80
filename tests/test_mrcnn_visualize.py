"""mrcnn.visualize: every picture is drawn, and shows what it says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from mrcnn import utils, visualize  # noqa: E402
from mrcnn.outlines import mask_outlines  # noqa: E402

NAMES = ["BG", "cat", "dog"]


@pytest.fixture(autouse=True)
def figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plt, "show", lambda: None)
    yield
    plt.close("all")


def scene(count: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(image, boxes, masks, class_ids) of squares side by side."""
    masks = np.zeros((40, 60, count), bool)
    for i in range(count):
        masks[5:15, 5 + 20 * i : 15 + 20 * i, i] = True
    return np.full((40, 60, 3), 100, np.uint8), utils.extract_bboxes(masks), masks, np.arange(count) % 2 + 1


def texts(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


# --- outlines and colors ---------------------------------------------------------------------------
def test_an_empty_mask_has_no_outline():
    assert mask_outlines(np.zeros((5, 6), bool)) == []


def test_an_outline_runs_half_a_pixel_outside_the_centers():
    mask = np.zeros((9, 9), bool)
    mask[0:3, 2:6] = True
    (line,) = mask_outlines(mask)
    assert line.min(axis=0).tolist() == [1.5, -0.5] and line.max(axis=0).tolist() == [5.5, 2.5]


def test_colors_differ_and_are_as_many_as_asked_for():
    assert visualize.random_colors(0) == []
    colors = visualize.random_colors(7)
    assert len(set(colors)) == 7 and all(0 <= part <= 1 for color in colors for part in color)


def test_a_mask_tints_half():
    image = visualize.apply_mask(np.full((2, 2, 3), 100, np.uint32), np.eye(2, dtype=bool), (1.0, 0.0, 0.5))
    assert image[0, 0].tolist() == [177, 50, 113] and image[0, 1].tolist() == [100, 100, 100]


def test_a_box_is_drawn_two_pixels_wide():
    image = visualize.draw_box(np.zeros((20, 20, 3), np.uint8), (2, 3, 10, 12), (255, 0, 0))
    assert image[2:4, 3:12, 0].min() == 255 and image[5, 5, 0] == 0


# --- instances --------------------------------------------------------------------------------------
def test_no_instances_are_said(capsys):
    image, boxes, masks, class_ids = scene(0)
    visualize.display_instances(image, boxes, masks, class_ids, NAMES)
    assert capsys.readouterr().out == "\n*** No instances to display *** \n\n"


def test_instances_have_a_box_an_outline_and_a_caption():
    ax = plt.subplots(1)[1]
    visualize.display_instances(*scene(), NAMES, np.array([0.987, 0.5]), ax=ax, title="two")
    assert texts(ax) == ["cat 0.987", "dog 0.500"]
    assert len(ax.patches) == 4 and ax.get_title() == "two"


def test_masks_boxes_and_captions_can_be_chosen():
    ax = plt.subplots(1)[1]
    image, *rest = scene()
    visualize.display_instances(
        image, *rest, NAMES, ax=ax, show_mask=False, show_bbox=False, colors=[(1, 0, 0)] * 2, captions=["a", "b"]
    )
    assert texts(ax) == ["a", "b"] and len(ax.patches) == 2
    assert (ax.images[0].get_array() == image).all(), "show_mask=False leaves the image as it is"


def test_differences_are_green_and_red():
    image, boxes, masks, class_ids = scene()
    ax = plt.subplots(1)[1]
    args = (boxes, class_ids, masks), (boxes[:1], class_ids[:1], np.array([0.75]), masks[..., :1])
    visualize.display_differences(image, *args[0], *args[1], NAMES, ax=ax)
    assert texts(ax) == ["", "", "0.75 / 1.00"]


def test_nothing_found_is_a_difference_too():
    image, boxes, masks, class_ids = scene()
    nothing = (boxes[:0], class_ids[:0], np.zeros(0), masks[..., :0])
    visualize.display_differences(image, boxes, class_ids, masks, *nothing, NAMES)
    visualize.display_differences(image, *nothing[:2], nothing[3], boxes, class_ids, np.ones(2), masks, NAMES)


# --- the others -------------------------------------------------------------------------------------
def test_images_stand_in_rows():
    visualize.display_images([scene()[0]] * 5, titles=list("abcde"), cols=2, cmap="Blues", interpolation="none")
    assert [ax.get_title() for ax in plt.gcf().axes] == list("abcde")


def test_the_largest_classes_come_first():
    image, _, masks, class_ids = scene(3)
    visualize.display_top_masks(image, masks, class_ids, NAMES, limit=3)
    assert [ax.get_title() for ax in plt.gcf().axes] == ["H x W=40x60", "cat", "dog", "-"]


def test_rois_are_counted(capsys):
    image, boxes, _, _ = scene()
    masks = np.ones((2, 28, 28))
    visualize.draw_rois(image, boxes, boxes, masks, np.array([1, 0]), NAMES)
    assert capsys.readouterr().out == "Positive ROIs:  1\nNegative ROIs:  1\nPositive Ratio: 0.50\n"


def test_boxes_and_what_became_of_them():
    image, boxes, masks, _ = scene()
    ax = plt.subplots(1)[1]
    visualize.draw_boxes(
        image, boxes=boxes, refined_boxes=boxes + 2.5, masks=masks, captions=["a", None], visibilities=[2, 1], ax=ax
    )
    assert texts(ax) == ["a"] and len(ax.patches) == 6
    visualize.draw_boxes(image, refined_boxes=boxes)


def test_precision_over_recall_and_the_table_of_overlaps():
    visualize.plot_precision_recall(0.5, np.array([1, 0.5]), np.array([0, 1]))
    assert plt.gca().get_title() == "Precision-Recall Curve. AP@50 = 0.500"
    visualize.plot_overlaps(np.array([1, 2]), np.array([1]), np.array([0.9]), np.array([[0.8, 0.6]]), NAMES)
    assert texts(plt.gca()) == ["0.800\nmatch", "0.600\nwrong"]


def test_weights_are_told_with_what_looks_dead(capsys):
    layer = SimpleNamespace(
        weights=[SimpleNamespace(name="a/kernel:0"), SimpleNamespace(name="a/bias:0")],
        get_weights=lambda: [np.ones((2, 3)), np.zeros(3)],
    )
    visualize.display_weight_stats(SimpleNamespace(get_trainable_layers=lambda: [layer]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["WEIGHT", "NAME", "SHAPE", "MIN", "MAX", "STD"]
    assert "*** dead?" in lines[1] and "dead" not in lines[2]


def test_importing_it_leaves_matplotlib_and_torch_alone():
    code = "import sys, mrcnn.visualize, mrcnn.model; print([m for m in ('matplotlib', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
