"""Rendered scenes: the ground truth beside each image is the ground truth of that image."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reported import put_aside

from maskwright import formats
from maskwright.errors import OutputError, RecipeError, UnknownName
from maskwright.synth import KINDS, render, render_set
from maskwright.synth.canvas import MIN_PIXELS, NOBODY, Canvas, ellipse
from maskwright.synth.noise import fractal, shifted

SIZE = (96, 128)
kinds = pytest.mark.parametrize("kind", sorted(KINDS))


# --- empty first ----------------------------------------------------------------------------------
@kinds
def test_an_empty_scene_has_no_objects(kind):
    scene = render(kind, 3, SIZE, empty=True)
    assert len(scene.instances) == 0
    assert scene.instances.masks is not None and scene.instances.masks.size == SIZE
    assert scene.image.shape == (*SIZE, 3)


@kinds
def test_an_empty_scene_is_the_same_place(kind):
    """Taking the objects away changes few pixels far from them: the same backdrop, things and camera."""
    full, empty = render(kind, 12, SIZE), render(kind, 12, SIZE, empty=True)
    nobody = ~full.instances.masks.dense().any(axis=0)
    far = np.abs(full.image.astype(int) - empty.image.astype(int)).max(axis=2)[nobody]
    assert np.median(far) <= 4


# --- the law of seeds -----------------------------------------------------------------------------
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 2**40), st.integers(32, 90), st.integers(32, 90))
@settings(max_examples=12)
def test_a_scene_depends_on_kind_seed_and_size_only(kind, seed, height, width):
    """render(a) == render(a), to the last byte, whatever was rendered in between."""
    first = render(kind, seed, (height, width))
    render(kind, seed + 1, (height, width))
    again = render(kind, seed, (height, width))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.instances.masks.counts.tolist() == again.instances.masks.counts.tolist()
    assert first.image.shape == (height, width, 3) and first.image.dtype == np.uint8


@kinds
def test_another_seed_is_another_scene(kind):
    images = {render(kind, seed, SIZE).image.tobytes() for seed in range(6)}
    assert len(images) == 6


def test_kinds_do_not_share_their_chances():
    assert render("rust", 1, SIZE).image.tobytes() != render("balloons", 1, SIZE).image.tobytes()


# --- the ground truth ------------------------------------------------------------------------------------
def contrast(kind, seed, move=0):
    """Mean change (0..255) that the objects make, inside and outside their masks moved by `move` pixels."""
    full, empty = render(kind, seed, (120, 160)), render(kind, seed, (120, 160), empty=True)
    change = np.abs(full.image.astype(float) - empty.image.astype(float)).mean(axis=2)
    mine = np.roll(full.instances.masks.dense().any(axis=0), move, axis=(0, 1))
    return change[mine].mean() if mine.any() else np.nan, change[~mine].mean()


@kinds
def test_masks_lie_where_the_objects_were_painted(kind):
    inside, outside = np.nanmean([contrast(kind, seed) for seed in range(12)], axis=0)
    assert inside > 6 * outside


@kinds
def test_the_test_above_would_notice(kind):
    inside, outside = np.nanmean([contrast(kind, seed, move=40) for seed in range(12)], axis=0)
    assert inside < 6 * outside


@kinds
def test_boxes_are_tight(kind):
    for seed in range(5):
        found = render(kind, seed, SIZE).instances
        for box, mask in zip(found.boxes, found.masks.dense(), strict=True):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@kinds
def test_no_pixel_belongs_to_two_objects_and_no_object_is_a_crumb(kind):
    for seed in range(5):
        found = render(kind, seed, SIZE).instances
        assert found.masks.dense().sum(axis=0).max(initial=0) <= 1
        assert (found.masks.area >= MIN_PIXELS).all()


def test_what_stands_before_an_object_is_cut_out_of_its_mask():
    canvas = Canvas((40, 40), np.random.default_rng(0))
    window = canvas.whole()
    canvas.paint(window, ellipse(window, 20, 20, 15, 15)[0], np.ones(3, np.float32), owner=0)
    canvas.paint(window, ellipse(window, 20, 20, 5, 30)[0], np.zeros(3, np.float32), owner=NOBODY)
    found = canvas.instances([0], ("balloon",))
    assert not found.masks.dense()[0, 20, 20] and found.masks.dense()[0, 20, 8]
    assert len(found) == 1  # two halves of one object, not two objects


def test_pieces_too_small_to_be_seen_are_left_out():
    canvas = Canvas((40, 40), np.random.default_rng(0))
    canvas.owner[2:4, 2:5] = 0  # six pixels: all there is of object 0
    canvas.owner[20:30, 20:30] = 1
    canvas.owner[5, 35] = 1  # one pixel away from the rest of object 1
    found = canvas.instances([0, 0], ("balloon",))
    assert found.masks.area.tolist() == [100]


def test_strings_and_shadows_belong_to_nobody():
    canvas = Canvas((40, 40), np.random.default_rng(0))
    canvas.lines([[(0, 0), (39, 39)]], 3.0, np.ones(3, np.float32), 1.0)
    canvas.darken(canvas.whole(), np.ones((40, 40), np.float32))
    assert (canvas.owner == NOBODY).all()


# --- variety --------------------------------------------------------------------------------------
def test_balloons_are_few_and_many_small_and_large():
    scenes = [render("balloons", seed, SIZE).instances for seed in range(60)]
    counts = [len(found) for found in scenes]
    shares = np.concatenate([found.masks.area for found in scenes]) / (SIZE[0] * SIZE[1])
    assert min(counts) <= 1 and max(counts) >= 12
    assert shares.min() < 0.004 and shares.max() > 0.2


def test_every_weld_fault_is_met():
    met = {label for seed in range(25) for label in render("welds", seed, (160, 200)).instances.labels}
    assert met == {"pore", "crack", "slag"}


def test_a_radiograph_is_gray():
    image = render("welds", 5, SIZE).image
    assert (image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all()


def test_real_images_can_stand_behind_the_balloons():
    green = np.zeros((50, 70, 3), np.uint8)
    green[..., 1] = 255
    scenes = [render("balloons", seed, SIZE, backgrounds=[green], empty=True).image for seed in range(12)]
    greenness = [np.mean(image[..., 1].astype(int) - image[..., 0]) for image in scenes]
    assert 2 <= sum(value > 100 for value in greenness) <= 11


# --- sets on disk ---------------------------------------------------------------------------------
@pytest.mark.parametrize("format", ["via", "coco"])
def test_a_set_reads_back_as_it_was_rendered(tmp_path, format):
    rendered = render_set("balloons", 10, tmp_path / "party", val=0.3, size=SIZE, format=format, empty_fraction=0.2)
    assert {name: len(part) for name, part in rendered.splits().items()} == {"train": 7, "val": 3}
    assert rendered.state_counts()["empty"] >= 2
    read = formats.read(tmp_path / "party")
    assert {name: len(part) for name, part in read.splits().items()} == {"train": 7, "val": 3}
    assert not put_aside(read)
    ground_truth = {record.image.name: record.instances for record in rendered}
    for record in read:
        mine, theirs = ground_truth[record.image.name], record.instances
        with Image.open(record.image) as image:
            assert record.size == image.size[::-1] == SIZE
        painted, drawn = mine.masks.dense().any(axis=0), theirs.masks.dense().any(axis=0)
        assert not (painted & ~drawn).any()
        if format == "coco":  # VIA cannot hold holes, nor objects in several parts
            assert np.array_equal(painted, drawn)
            assert mine.masks.area.tolist() == theirs.masks.area.tolist()


def test_a_set_is_the_same_again_from_the_same_seed(tmp_path):
    first, again = (render_set("rust", 3, tmp_path / name, size=SIZE, seed=4, format="coco") for name in "ab")
    images = [[record.image.read_bytes() for record in item] for item in (first, again)]
    assert images[0] == images[1]


def test_progress_is_told_of_every_scene(tmp_path):
    seen = []

    def watch(items, *, total=None, label="", unit="", limit=None):
        seen.append((total, label))
        yield from items

    render_set("welds", 2, tmp_path / "welds", size=SIZE, progress=watch)
    assert seen == [(2, "rendering welds")]


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="is not empty"):
        render_set("balloons", 1, tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_what_cannot_be_rendered_is_said():
    with pytest.raises(UnknownName, match=r'no kind of scene "baloons"\. Did you mean "balloons"\?'):
        render("baloons", 0)
    with pytest.raises(RecipeError, match="too small"):
        render("balloons", 0, (8, 640))
    with pytest.raises(RecipeError, match="negative"):
        render("balloons", -1)


def test_a_set_that_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="nothing to render"):
        render_set("balloons", 0, tmp_path / "x")
    with pytest.raises(RecipeError, match="between 0 and 1"):
        render_set("balloons", 1, tmp_path / "x", val=20)
    with pytest.raises(UnknownName, match="format"):
        render_set("balloons", 1, tmp_path / "x", format="voc")
    assert not (tmp_path / "x").exists()


# --- noise ----------------------------------------------------------------------------------------
@given(st.integers(2, 70), st.integers(2, 70), st.floats(0.05, 1), st.floats(0.3, 0.8))
def test_noise_has_mean_0_and_spread_1(height, width, cell, roughness):
    field = fractal(np.random.default_rng(0), (height, width), cell, roughness)
    assert field.shape == (height, width) and field.dtype == np.float32
    assert abs(float(field.mean())) < 1e-3 and (abs(float(field.std()) - 1) < 1e-2 or field.std() == 0)


def test_shifting_repeats_the_edge():
    rows = np.arange(4, dtype=np.float32)[:, None]
    assert shifted(rows, 1).ravel().tolist() == [0, 0, 1, 2]
    assert shifted(rows, -1).ravel().tolist() == [1, 2, 3, 3]
    assert shifted(rows, 0).ravel().tolist() == [0, 1, 2, 3]
