"""Outlines to run lengths and back: which pixels belong, what is clipped, what is connected."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import masks, objects, outlines

from maskwright.geometry import filling, polygons, rle, tracing

SIZE = (20, 30)
CENTERS = np.stack(np.meshgrid(np.arange(30) + 0.5, np.arange(20) + 0.5), axis=-1)


def filled(*parts: object, size: tuple[int, int] = SIZE) -> np.ndarray:
    """H×W bool of one object."""
    return rle.to_dense(*polygons.fill([[np.array(part, float) for part in parts]], size), size)[0]


def winding_parity(outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An independent even-odd test of every pixel's center: rays to the right; and how far each is from the outline."""
    inside = np.zeros(SIZE, bool)
    distance = np.full(SIZE, np.inf)
    x, y = CENTERS[..., 0], CENTERS[..., 1]
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if (y0 <= y).any() or (y1 <= y).any():
            crosses = (y0 <= y) != (y1 <= y)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        fraction = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0, 1) if length > 1e-12 else 0 * x
        distance = np.minimum(distance, np.hypot(x - x0 - fraction * (x1 - x0), y - y0 - fraction * (y1 - y0)))
    return inside, distance


# --- filling ----------------------------------------------------------------------------------------
def test_no_objects_give_no_masks():
    counts, offsets = polygons.fill([], SIZE)
    assert len(counts) == 0 and offsets.tolist() == [0]


def test_objects_without_parts_or_points_are_empty_masks():
    assert rle.area(*polygons.fill([[], [np.zeros((0, 2))]], SIZE)).tolist() == [0, 0]


@given(objects(SIZE))
def test_a_pixel_belongs_when_its_center_is_inside_any_part(detections):
    dense = rle.to_dense(*polygons.fill(detections, SIZE), SIZE)
    assert len(dense) == len(detections)
    for mask, parts in zip(dense, detections, strict=True):
        tests = [winding_parity(part) for part in parts]
        inside = np.any([inside for inside, _ in tests], axis=0)
        clear = np.min([distance for _, distance in tests], axis=0) > 1e-6  # on the line itself either is right
        if (inside & clear).any():
            assert np.array_equal(mask[clear], inside[clear])


@given(outlines(SIZE), st.integers(0, 7), st.booleans())
def test_where_an_outline_begins_and_which_way_it_goes_does_not_matter(outline, first, back):
    again = np.roll(outline, first, axis=0)[:: -1 if back else 1]
    inside, distance = winding_parity(outline)
    clear = distance > 1e-6
    if (inside & clear).any():  # where it passes along pixel edges, rounding decides for a thinner one
        assert np.array_equal(filled(outline)[clear], filled(again)[clear])


@given(outlines(SIZE))
def test_an_outline_that_reaches_the_image_is_never_lost(outline):
    """Its own points, or its inside, lie in the image: then at least one pixel belongs."""
    within = (outline >= 0).all(axis=1) & (outline <= [30, 20]).all(axis=1)
    if within.any():
        assert filled(outline).any()


def test_two_outlines_that_fraction_an_edge_fraction_no_pixel():
    left, right = [[0, 0], [9, 0], [4, 20], [0, 20]], [[9, 0], [30, 0], [30, 20], [4, 20]]
    assert np.array_equal(filled(left), ~filled(right))


def test_area_follows_the_outline():
    assert filled(polygons.rectangle(2, 3, 7, 5)).sum() == 35
    circle = polygons.circle(15.3, 10.1, 8)
    assert filled(circle).sum() == pytest.approx(np.pi * 64, rel=0.02)
    assert polygons.area(circle) == pytest.approx(np.pi * 64, rel=0.01)


def test_parts_are_united_and_an_outline_over_itself_is_even_odd():
    assert filled(polygons.rectangle(0, 0, 4, 4), polygons.rectangle(2, 2, 4, 4)).sum() == 28
    twice = np.concatenate([polygons.rectangle(0, 0, 4, 4)] * 2)
    assert filled([[0, 0], [8, 0], [8, 8], [0, 8], [0, 0], [2, 2], [2, 6], [6, 6], [6, 2], [2, 2]]).sum() == 48
    assert filled(twice, polygons.rectangle(10, 10, 1, 1)).sum() == 1


def test_what_is_thinner_than_any_center_keeps_the_pixels_it_passes_through():
    line = filled([[2, 3.2], [12.5, 3.2]])
    assert line.sum() == 11 and line[3, 2:13].all()
    assert filled([[4.1, 5.1], [4.2, 5.1], [4.2, 5.2]])[5, 4]
    assert filled([[7, 7]]).sum() == 1
    assert filled([[0, 0], [29.9, 19.9], [0, 0]]).sum() >= 30
    assert filled([[30, 20], [30, 20], [30, 20]])[19, 29], "the far corner still touches the image"


def test_only_what_lies_wholly_outside_is_empty():
    assert not filled(polygons.rectangle(-9, 2, 5, 5)).any()
    assert not filled(polygons.rectangle(31, 2, 5, 5)).any()
    assert not filled([[-5, 1], [-1, 1]]).any()
    assert not filled([[-5, 5], [5, -9]]).any(), "passes by the corner"
    assert filled(polygons.rectangle(-99, -99, 999, 999)).all()
    assert filled([[-1e300, 5.5], [1e300, 5.5]]).sum() == 30


def test_an_image_without_pixels_holds_nothing():
    assert rle.area(*polygons.fill([[polygons.rectangle(0, 0, 4, 4)]], (0, 5))).tolist() == [0]


def test_a_coordinate_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="an outline has a coordinate that is not a finite number"):
        polygons.fill([[np.array([[0, 0], [np.nan, 1], [2, 2]])]], SIZE)


# --- shapes -----------------------------------------------------------------------------------------
def test_shapes_go_clockwise_and_have_their_area():
    assert polygons.area(polygons.rectangle(1, 1, 2, 3)) == 6
    assert polygons.area(polygons.rectangle(1, 1, 2, 3)[::-1]) == -6
    assert polygons.area(polygons.circle(50, 60, 40)) == pytest.approx(np.pi * 1600, rel=0.005)
    assert polygons.area(polygons.ellipse(50, 60, 40, 10, 0.7)) == pytest.approx(np.pi * 400, rel=0.01)
    assert polygons.area(np.zeros((0, 2))) == 0


def test_an_ellipse_is_turned_clockwise():
    turned = polygons.ellipse(0, 0, 10, 1, np.pi / 4, points=400)
    farthest = turned[np.argmax(np.hypot(*turned.T))]
    assert farthest[0] * farthest[1] > 0, "to the lower right, or to the upper left"
    assert len(polygons.circle(0, 0, 5, points=12)) == 12


# --- connected parts and outlines -------------------------------------------------------------------
def flooded(mask: np.ndarray, connectivity: int) -> list[np.ndarray]:
    """An independent labeling of connected pixels: grow from each pixel until nothing is added."""
    left, detections = mask.copy(), []
    while left.any():
        part = np.zeros_like(mask)
        x, y = np.argwhere(left.T)[0]
        part[y, x] = True
        while True:
            padded = np.pad(part, 1)
            grown = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
            if connectivity == 8:
                grown |= padded[:-2, :-2] | padded[2:, 2:] | padded[:-2, 2:] | padded[2:, :-2]
            grown = part | (grown & left)
            if np.array_equal(grown, part):
                break
            part = grown
        detections.append(part)
        left &= ~part
    return detections


@given(masks(n=1), st.sampled_from([4, 8]))
def test_parts_are_the_connected_pixels_from_left_to_right(dense, connectivity):
    size = dense.shape[1:]
    detections = rle.to_dense(*polygons.parts(rle.from_dense(dense)[0], size, connectivity), size)
    expected = flooded(dense[0], connectivity)
    assert np.array_equal(detections, np.array(expected).reshape(-1, *size))


def test_an_empty_mask_has_no_parts_and_no_outlines():
    counts, offsets = rle.from_dense(np.zeros((1, 3, 4)))
    assert polygons.parts(counts, (3, 4))[1].tolist() == [0]
    assert polygons.trace(counts, offsets, (3, 4)) == [[]]
    assert polygons.trace(np.zeros(0, np.int64), np.zeros(1, np.int64), (3, 4)) == []


@pytest.mark.parametrize("mirrored", [False, True])
def test_pixels_that_meet_at_a_corner_are_one_part_of_8_and_two_of_4(mirrored):
    dense = np.zeros((1, 4, 4), bool)
    dense[0, [1, 2], [2, 1] if mirrored else [1, 2]] = True
    counts, offsets = rle.from_dense(dense)
    for connectivity, number in ((8, 1), (4, 2)):
        assert len(polygons.parts(counts, (4, 4), connectivity)[1]) - 1 == number
        detections = polygons.trace(counts, offsets, (4, 4), connectivity)[0]
        assert [(len(outline.points), outline.hole) for outline in detections] == [(8 // number, False)] * number


def test_a_ring_has_one_hole_and_goes_the_other_way_around_it():
    ring = np.ones((1, 5, 6), bool)
    ring[0, 2:4, 2:4] = False
    outer, hole = polygons.trace(*rle.from_dense(ring), (5, 6))[0]
    assert not outer.hole and polygons.area(outer.points) == 30
    assert hole.hole and polygons.area(hole.points) == -4


@given(objects(SIZE))
def test_what_is_computed_in_portions_is_the_same(several):
    """However few crossings are computed at once: objects by themselves, one object some columns after others."""
    whole = polygons.fill(several, SIZE)
    for portion in (1, 40):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(filling, "CROSSINGS_AT_ONCE", portion)
            counts, offsets = polygons.fill(several, SIZE)
        assert np.array_equal(counts, whole[0]) and np.array_equal(offsets, whole[1])


@given(masks(n=1))
def test_no_outline_around_pixels_is_longer_than_four_times_their_number(dense):
    size = dense.shape[1:]
    traced = polygons.trace(*rle.from_dense(dense), size)[0]
    assert polygons.length([outline.points for outline in traced], size) <= 4 * size[0] * size[1]


def test_a_long_spiral_is_one_part():
    spiral = np.zeros((41, 41), bool)
    for ring in range(0, 20, 2):
        spiral[ring, max(ring - 2, 0) : 41 - ring] = True
        spiral[ring : 41 - ring, 40 - ring] = True
        spiral[40 - ring, ring : 41 - ring] = True
        spiral[ring + 2 : 41 - ring, ring] = True
    assert len(flooded(spiral, 4)) == 1
    assert len(polygons.parts(rle.from_dense(spiral[None])[0], (41, 41), 4)[1]) == 2


@given(masks(), st.sampled_from([4, 8]))
def test_a_pixel_belongs_when_it_lies_in_an_odd_number_of_outlines(dense, connectivity):
    size = dense.shape[1:]
    counts, offsets = rle.from_dense(dense)
    traced = polygons.trace(counts, offsets, size, connectivity)
    assert len(traced) == len(dense)
    for mask, detections in zip(dense, traced, strict=True):
        holes = sum(outline.hole for outline in detections)
        assert len(detections) - holes == len(flooded(mask, connectivity))
        assert holes == len(flooded(~np.pad(mask, 1), 12 - connectivity)) - 1
        assert sum(polygons.area(outline.points) for outline in detections) == mask.sum()
        each_filled = rle.to_dense(*polygons.fill([[outline.points] for outline in detections], size), size)
        assert np.array_equal(np.logical_xor.reduce(each_filled, axis=0), mask)


@given(masks(n=1))
def test_outlines_have_only_corners(dense):
    for outline in polygons.trace(*rle.from_dense(dense), dense.shape[1:])[0]:
        steps = np.diff(outline.points, axis=0, append=outline.points[:1])
        assert ((steps == 0).sum(axis=1) == 1).all(), "each along one axis"
        level = steps[:, 1] == 0
        assert (level != np.roll(level, 1)).all(), "turning at every corner"


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(polygons).failed == 0 < doctest.testmod(polygons).attempted
    assert doctest.testmod(tracing).failed == 0 < doctest.testmod(tracing).attempted


def test_edges_that_lie_close_together_are_filled_in_blocks_of_few_crossings(monkeypatch):
    """All edges of a winding outline lie in a sixth of the columns: no block holds many more crossings than asked."""
    turns = np.linspace(0, 2 * np.pi * 41, 2000)
    points = np.stack([300 + 50 * np.cos(turns), 40 + 30 * np.sin(turns * 1.01)], 1)
    whole = polygons.fill([[points]], (80, 600))
    blocks = []
    crossed = filling._crossed
    monkeypatch.setattr(filling, "_crossed", lambda *args: blocks.append(crossed(*args)) or blocks[-1])
    monkeypatch.setattr(filling, "CROSSINGS_AT_ONCE", 1000)
    assert all(map(np.array_equal, polygons.fill([[points]], (80, 600)), whole))
    assert len(blocks) > 5 and max(len(edge) for edge, _, _ in blocks) <= 1000
