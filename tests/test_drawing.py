"""Pictures: what is drawn lies where the objects are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from maskwright.drawing import image_labels, outlines, sheet
from maskwright.drawing.colors import PALETTE, color_of, colors_of, ink_on
from maskwright.drawing.lettering import readable, shorten
from maskwright.drawing.splash import gray, side_by_side, splash
from maskwright.types import Image, ImageLabels, Instances, RleMasks

NAMES = ("balloon", "string")


@pytest.fixture
def image() -> Image:
    rng = np.random.default_rng(0)
    return Image(rng.integers(60, 200, (120, 160, 3), dtype=np.uint8))


def square(*, masks: bool = True, score: float | None = 0.98, names: tuple[str, ...] = NAMES) -> Instances:
    """One object: the square x 60..100, y 50..90 of a 160×120 image."""
    dense = np.zeros((1, 120, 160), bool)
    dense[0, 50:90, 60:100] = True
    return Instances(
        np.array([[60, 50, 100, 90]]), [0], None if score is None else [score],
        RleMasks.from_dense(dense) if masks else None, names,
    )  # fmt: skip


# --- what a classifier says ------------------------------------------------------------------------------------------
def test_every_label_has_a_plate_of_its_class_and_the_rest_is_left_alone(image):
    labels = ImageLabels.of(np.array([0.9, 0.8]), ("rust", "crack"), multi_label=True)
    drawn = image_labels.draw(image, labels)
    assert drawn.shape == image.pixels.shape and np.array_equal(drawn[60:], image.pixels[60:])
    assert [tuple(drawn[row, 1].tolist()) for row in (1, 18)] == [color_of(0), color_of(1)]


@pytest.mark.parametrize("names", [(), ("rust",), ("a class whose name is longer than the image is wide",) * 2])
def test_no_label_and_long_labels_are_drawn_too(image, names):
    labels = ImageLabels(np.full(len(names), 0.2, np.float32), names, ())
    drawn = image_labels.draw(image, labels)
    assert drawn.shape == image.pixels.shape and (len(names) > 0) == (not np.array_equal(drawn, image.pixels))


# --- outlines ---------------------------------------------------------------------------------------------------------
def test_no_objects_leave_the_image_as_it_is(image):
    drawn = outlines.draw(image, Instances.empty(NAMES, image.size, scored=True))
    assert np.array_equal(drawn, image.pixels)


def test_drawing_leaves_the_image_itself_alone(image):
    before = image.pixels.copy()
    drawn = outlines.draw(image, square())
    assert np.array_equal(image.pixels, before)
    assert drawn.shape == image.pixels.shape and drawn.dtype == np.uint8


def test_an_array_is_as_good_as_an_image(image):
    assert np.array_equal(outlines.draw(image.pixels, square()), outlines.draw(image, square()))


def test_the_outline_has_the_objects_color_and_the_inside_is_only_tinted(image):
    drawn = outlines.draw(image, square(), labels=[""], width=3).astype(int)
    for point in ((70, 60), (70, 99), (50, 80), (89, 80)):  # the middles of the four sides, (y, x)
        assert np.abs(drawn[point] - PALETTE[0]).max() <= 3
    inside, plain = drawn[60:80, 70:90], image.pixels[60:80, 70:90].astype(int)
    tinted = plain + (np.array(PALETTE[0]) - plain) * outlines.FILL
    assert np.abs(inside - tinted).max() <= 2


def test_nothing_is_drawn_far_from_the_object(image):
    changed = (outlines.draw(image, square(), labels=[""], width=3) != image.pixels).any(2)
    changed[43:97, 53:107] = False
    assert not changed.any()


@pytest.mark.parametrize("thickness", [1.8, 4, 9])
def test_lines_are_as_thick_as_asked_along_and_across(thickness):
    """Summed opacity across a line is its thickness, whatever its direction."""
    dense = np.zeros((1, 200, 200), bool)
    y, x = np.mgrid[:200, :200]
    dense[0] = (x + y < 200) & (y >= 60)  # a level edge and a slanted one
    masks = RleMasks.from_dense(dense)
    drawn = outlines.draw(
        np.zeros((200, 200, 3), np.uint8), Instances(masks.boxes, [0], None, masks, ("a",)),
        colors=[(250, 0, 0)], labels=[""], width=thickness,
    )[..., 0].astype(float)  # fmt: skip
    level = np.clip(drawn[45:75, 50] / 250 - outlines.FILL * dense[0, 45:75, 50], 0, 1)
    slanted = np.clip(drawn[120, 55:105] / 250 - outlines.FILL * dense[0, 120, 55:105], 0, 1) / np.sqrt(2)
    assert level.sum() == pytest.approx(thickness, rel=0.25, abs=0.6)
    assert slanted.sum() == pytest.approx(level.sum(), rel=0.2)


def test_a_hair_one_pixel_thin_is_still_seen():
    dense = np.zeros((1, 400, 400), bool)
    dense[0, 50:350, 200] = True
    masks = RleMasks.from_dense(dense)
    detections = Instances(masks.boxes, [0], None, masks, ("hair",))
    drawn = outlines.draw(np.zeros((400, 400, 3), np.uint8), detections, labels=[""])
    assert drawn[200].max() > 200


def test_without_masks_the_boxes_are_drawn(image):
    drawn = outlines.draw(image, square(masks=False), labels=[""], width=3)
    assert tuple(drawn[70, 60]) == PALETTE[0] and tuple(drawn[50, 80]) == PALETTE[0]
    assert np.array_equal(drawn[60:80, 70:90], image.pixels[60:80, 70:90])


def test_an_empty_mask_shows_its_box(image):
    detections = square()
    empty = Instances(
        detections.boxes, [0], detections.scores, RleMasks.from_dense(np.zeros((1, 120, 160), bool)), NAMES
    )
    assert tuple(outlines.draw(image, empty, labels=[""], width=3)[70, 60]) == PALETTE[0]


@pytest.mark.parametrize("box", [(-20, -20, 30, 30), (150, 110, 190, 150), (0, 0, 160, 120), (80, 60, 80, 60)])
def test_boxes_over_the_edge_or_without_area_do_no_harm(image, box):
    drawn = outlines.draw(image, Instances(np.array([box]), [0], [0.5], None, NAMES))
    assert drawn.shape == image.pixels.shape


def test_scores_are_written_only_when_asked_for(image):
    with_score = (outlines.draw(image, square()) != image.pixels).any(2).sum()
    without = (outlines.draw(image, square(), scores=False) != image.pixels).any(2).sum()
    drawn_by_hand = (outlines.draw(image, square(score=None)) != image.pixels).any(2).sum()
    assert with_score > without == drawn_by_hand


def test_labels_do_not_lie_on_each_other(image):
    boxes = np.tile([[60, 50, 100, 90]], (30, 1))
    taken: list[outlines.Rect] = []
    for box in boxes:
        rect = outlines._label_position((40, 14), box, 2.0, (160, 120), taken)
        if rect is not None:
            taken.append(rect)
    assert 3 <= len(taken) < 30
    assert not any(outlines._overlap(one, other) for i, one in enumerate(taken) for other in taken[:i])
    assert all(min(x1, y1) >= 0 and x2 <= 160 and y2 <= 120 for x1, y1, x2, y2 in taken)


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (24, 24)])
def test_any_image_size_can_be_drawn_on(size):
    masks = RleMasks.from_dense(np.ones((1, *size), bool))
    detections = Instances(masks.boxes, [0], [1.0], masks, ("a very long class name indeed",))
    assert outlines.draw(np.zeros((*size, 3), np.uint8), detections).shape == (*size, 3)


# --- colors and type -------------------------------------------------------------------------------------------------
def test_a_class_keeps_its_color_whatever_else_is_found():
    both = Instances(np.zeros((3, 4)), [1, 0, 1], None, None, NAMES)
    assert colors_of(both) == [PALETTE[1], PALETTE[0], PALETTE[1]]
    assert colors_of(both[1:]) == [PALETTE[0], PALETTE[1]]


def test_objects_of_a_single_class_differ_from_each_other():
    assert colors_of(Instances(np.zeros((3, 4)), [0, 0, 0], None, None, ("balloon",))) == list(PALETTE[:3])


def test_the_first_21_colors_are_all_different():
    assert len({color_of(index) for index in range(21)}) == 21


@pytest.mark.parametrize("index", range(21))
def test_ink_reads_on_every_color(index):
    """WCAG 2 asks for a contrast of 4.5 for text."""

    def luminance(color):
        c = np.array(color) / 255
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)

    light, dark = sorted((luminance(color_of(index)), luminance(ink_on(color_of(index)))), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_a_long_caption_keeps_both_ends():
    _, font = readable("", 14)
    short = shorten("corroded_bridge_pier_0001.jpg", font, 120)
    assert short.startswith("corro") and short.endswith(".jpg") and font.getlength(short) <= 120
    assert shorten("a.jpg", font, 120) == "a.jpg"


def test_letters_no_face_knows_become_plain_ones(monkeypatch):
    monkeypatch.setattr("maskwright.drawing.lettering._installed", lambda names, size: None)
    assert readable("Löcher 鉄", 12)[0] == "Locher ?"


# --- splash -----------------------------------------------------------------------------------------------------------
def test_without_objects_the_splash_is_gray(image):
    out = splash(image, Instances.empty(NAMES, image.size))
    assert np.array_equal(out, np.repeat(gray(image.pixels)[..., None], 3, 2))


@pytest.mark.parametrize("masks", [True, False])
def test_the_splash_keeps_color_inside_and_gray_outside(image, masks):
    out = splash(image, square(masks=masks))
    assert np.array_equal(out[53:87, 63:97], image.pixels[53:87, 63:97])
    assert np.array_equal(out[:46, :, 0], gray(image.pixels)[:46]) and np.array_equal(out[:46, :, 0], out[:46, :, 2])


def test_the_splash_has_an_edge_of_about_a_pixel():
    red = np.full((120, 160, 3), (255, 0, 0), np.uint8)
    row = splash(red, square())[70, 50:70, 0]
    between = (row > row.min()) & (row < 255)
    assert 1 <= between.sum() <= 6


def test_an_inverted_splash_is_the_other_half(image):
    straight, inverted = splash(image, square()).astype(int), splash(image, square(), invert=True).astype(int)
    both = image.pixels.astype(int) + gray(image.pixels)[..., None]
    assert np.abs(straight + inverted - both).max() <= 1


def test_gray_is_by_luminance():
    assert gray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).tolist() == [[127, 220, 76]]


def test_gray_leaves_gray_alone():
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    assert np.abs(gray(levels).astype(int) - levels[..., 0]).max() <= 1


def test_side_by_side_pictures_may_have_different_heights():
    page = side_by_side(np.zeros((10, 20, 3), np.uint8), np.zeros((30, 5, 3), np.uint8), gap=4)
    assert page.shape == (30, 29, 3) and (page[:, 20:24] == 255).all()


# --- sheet ------------------------------------------------------------------------------------------------------------
def test_a_sheet_of_nothing_is_one_empty_cell():
    page = sheet.sheet([], cell=(100, 80))
    assert page.ndim == 3 and 100 < page.shape[1] < 140


def test_margins_are_even():
    page = sheet.sheet([(np.zeros((80, 100, 3), np.uint8), "")] * 4, columns=2, cell=(100, 80))
    dark = (page == 0).all(2)
    columns, rows = np.flatnonzero(np.diff(dark.any(0).astype(int))) + 1, np.flatnonzero(np.diff(dark.any(1))) + 1
    gaps_x = columns[0], columns[2] - columns[1], page.shape[1] - columns[3]
    gaps_y = rows[0], rows[2] - rows[1], page.shape[0] - rows[3]
    assert len({*gaps_x, *gaps_y}) == 1


def test_a_legend_stands_below_the_pictures_in_the_colors_of_the_classes():
    plain = sheet.sheet([(np.zeros((80, 100, 3), np.uint8), "")], cell=(200, 80))
    legend = {f"class {n}": color_of(n) for n in range(9)}
    page = sheet.sheet([(np.zeros((80, 100, 3), np.uint8), "")], cell=(200, 80), legend=legend)
    below = page[len(plain) :]
    assert (page[: len(plain)] == plain).all() and page.shape[1] == plain.shape[1]
    assert all((below == color).all(-1).sum() > 50 for color in legend.values())


def test_a_long_picture_is_cut_into_strips_and_no_pixel_of_it_is_lost():
    long = np.arange(1600, dtype=np.uint16).astype(np.uint8)[None, :, None].repeat(100, 0).repeat(3, 2)
    made = sheet.stacked(long, (400, 400))
    assert made.shape == (3 * 2 + 400, 400, 3)
    assert (np.concatenate([made[n * 102 : n * 102 + 100] for n in range(4)], axis=1) == long).all()
    assert sheet.stacked(long[:, :300], (400, 400)).shape == (100, 300, 3)


def test_pictures_of_any_shape_fit_their_cells():
    items = [(np.zeros((h, w, 3), np.uint8), f"{w}×{h}") for h, w in ((1, 500), (500, 1), (3000, 2000), (5, 5))]
    page = sheet.sheet(iter(items), columns=3, cell=(120, 90))
    assert page.shape[1] < 3 * 120 + 4 * 12


def test_real_images_are_drawn_in_a_blink(shared):
    from PIL import Image as PilImage

    path = sorted((shared / "data" / "balloon" / "val").glob("*.jpg"))[0]
    with PilImage.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    masks = RleMasks.from_boxes(np.array([[100, 100, 300, 400], [200, 50, 600, 300]], float), pixels.shape[:2])
    drawn = outlines.draw(pixels, Instances(masks.boxes, [0, 0], [0.9, 0.8], masks, ("balloon",)))
    assert 0 < (drawn != pixels).any(2).mean() < 0.5


def test_labels_can_be_read_where_a_large_image_is_shown_small():
    """The plate of a label is as high in the small picture, whatever the image's size."""
    heights = []
    for side in (300, 3000):
        image = np.full((side, side, 3), 90, np.uint8)
        box = np.array([[0.3, 0.3, 0.7, 0.7]]) * side
        detections = Instances(box, np.zeros(1, int), None, None, ("rust", "dent"))
        drawn = sheet.fit(outlines.draw(image, detections, shown_in=(560, 420)), (560, 420))
        blue = (np.abs(drawn.astype(int) - color_of(0)).sum(2) < 40).sum(1)
        heights.append(int(((blue > 20) & (blue < 100)).sum()))
    assert abs(heights[0] - heights[1]) <= 4 and heights[0] > 20


def test_lines_and_letters_shrink_with_specks_on_a_large_image() -> None:
    image, size = np.full((900, 1600, 3), 90, np.uint8), (900, 1600)
    boxes = [800, 400, 812, 412], [600, 300, 1000, 600]
    specks, large = (RleMasks.from_boxes(np.array([box]), size) for box in boxes)
    touched = []
    for masks in (specks, large):
        detections = Instances(masks.boxes, np.zeros(1, int), None, masks, ("rust",))
        changed = (outlines.draw(image, detections) != image).any(2)
        changed &= ~masks.dense()[0]
        touched.append(np.count_nonzero(changed))
    assert touched[0] < touched[1] / 4
