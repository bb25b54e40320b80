"""What anchors and proposals should have said: matching, sampling, mask targets."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import boxes, solid_boxes

from maskwright.geometry.anchors import make_anchors
from maskwright.models import ops
from maskwright.models.base import Targets
from maskwright.models.detection import matcher
from maskwright.models.detection.box_coder import decode, encode_matched

PLAIN = (1.0, 1.0, 1.0, 1.0)
ANCHORS = torch.from_numpy(
    np.concatenate(make_anchors((64, 64), [(16, 16), (8, 8)], ((16.0,), (32.0,)), (0.5, 1.0, 2.0)))
)


def target(rows=(), patches: torch.Tensor | None = None, crowd=()) -> Targets:
    table = torch.tensor(np.array(rows, np.float32)).reshape(-1, 4)
    return Targets(
        table,
        torch.zeros(len(table), dtype=torch.long),
        patches,
        torch.tensor(np.array(crowd, np.float32)).reshape(-1, 4),
    )


# --- matching -------------------------------------------------------------------------------------
def test_where_nothing_was_drawn_everything_is_background():
    matched_idxs, labels = matcher.match(ANCHORS, target(), 0.3, 0.7, allow_low_quality_matches=True)
    assert not labels.any() and not matched_idxs.any() and len(labels) == len(ANCHORS)
    assert not encode_matched(ANCHORS, target().boxes, matched_idxs, PLAIN).any()


def test_no_boxes_match_nothing():
    matched_idxs, labels = matcher.match(
        torch.zeros(0, 4), target([[0, 0, 9, 9]], crowd=[[0, 0, 5, 5]]), 0.5, 0.5, False
    )
    assert len(matched_idxs) == len(labels) == 0


@given(boxes(n=5, size=(64, 64)), solid_boxes(size=(64, 64)))
def test_labels_follow_the_best_overlap(table, drawn):
    rows, told = torch.tensor(table), target(drawn)
    matched_idxs, labels = matcher.match(rows, told, 0.3, 0.7, allow_low_quality_matches=False)
    for row, index, label in zip(rows, matched_idxs.tolist(), labels.tolist(), strict=True):
        overlaps = ops.box_iou(row[None], told.boxes)[0].tolist()
        best = max(overlaps, default=0.0)
        assert label == (1 if best >= 0.7 else -1 if best >= 0.3 else 0)
        assert not overlaps or overlaps[index] == best


@given(st.tuples(st.integers(0, 60), st.integers(0, 60)), st.tuples(st.integers(1, 64), st.integers(1, 64)))
def test_a_target_that_no_anchor_reaches_still_gets_one(corner, side):
    box = [*corner, min(corner[0] + side[0], 64), min(corner[1] + side[1], 64)]
    _, labels = matcher.match(ANCHORS, target([box]), 0.3, 0.7, allow_low_quality_matches=True)
    overlap = ops.box_iou(ANCHORS, torch.tensor([box], dtype=torch.float32))[:, 0]
    assert (labels[overlap == overlap.max()] == 1).all()
    assert (labels == 1).any()


def test_without_low_quality_matches_it_would_get_none():
    assert not (
        matcher.match(ANCHORS, target([[30, 30, 33, 33]]), 0.3, 0.7, allow_low_quality_matches=False)[1] == 1
    ).any()


def test_a_target_beyond_all_anchors_is_matched_by_none():
    """All overlaps are 0 then, and equal: nothing is best."""
    _, labels = matcher.match(ANCHORS, target([[500, 500, 520, 520]]), 0.3, 0.7, allow_low_quality_matches=True)
    assert not labels.any()


# --- crowds ---------------------------------------------------------------------------------------
@given(solid_boxes(size=(64, 64)), solid_boxes(size=(64, 64)))
def test_a_crowd_is_never_background(drawn, crowd):
    _, labels = matcher.match(ANCHORS, target(drawn, crowd=crowd), 0.3, 0.7, allow_low_quality_matches=True)
    background = ANCHORS[labels == 0]
    for region in torch.tensor(crowd):
        sides = torch.minimum(background[:, 2:], region[2:]) - torch.maximum(background[:, :2], region[:2])
        inside = sides.clamp(min=0).prod(1) / (background[:, 2:] - background[:, :2]).prod(1)
        assert (inside < 0.5).all()


def test_an_object_in_a_crowd_is_still_an_object():
    rows = torch.tensor([[10.0, 10, 20, 20], [30, 30, 40, 40], [90, 90, 99, 99]])
    _, labels = matcher.match(
        rows, target([[10, 10, 20, 20]], crowd=[[0, 0, 50, 50]]), 0.5, 0.5, allow_low_quality_matches=False
    )
    assert labels.tolist() == [1, -1, 0]


# --- sampling -------------------------------------------------------------------------------------
@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=60), st.integers(0, 30), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_a_sample_respects_its_counts(given_labels, count, fraction):
    """As many objects as allowed and there, the rest background; nothing changes its meaning."""
    labels = torch.tensor(given_labels, dtype=torch.long)
    chosen = matcher.sample(labels, count, fraction, torch.Generator().manual_seed(0))
    objects = min(int((labels == 1).sum()), int(count * fraction))
    assert int((chosen == 1).sum()) == objects
    assert int((chosen == 0).sum()) == min(int((labels == 0).sum()), count - objects)
    assert torch.equal(chosen[chosen >= 0], labels[chosen >= 0])


def test_the_same_seed_draws_the_same_sample_and_another_seed_another():
    labels = torch.arange(200) % 2

    def drawn(seed: int) -> list[int]:
        return matcher.sample(labels, 40, 0.5, torch.Generator().manual_seed(seed)).tolist()

    assert drawn(1) == drawn(1) != drawn(2)


# --- deltas and masks -----------------------------------------------------------------------------
def test_deltas_lead_from_each_box_to_its_own_target():
    told = target([[0, 0, 10, 10], [20, 20, 60, 40]])
    rows, matched_idxs = torch.tensor([[18.0, 22, 50, 44], [1, 1, 9, 9]]), torch.tensor([1, 0])
    deltas = encode_matched(rows, told.boxes, matched_idxs, PLAIN)
    torch.testing.assert_close(decode(rows, deltas, PLAIN), told.boxes[matched_idxs])


def looked_at(patch: torch.Tensor, frame, box, side: int = 28) -> torch.Tensor:
    told = target([frame], patch[None])
    rows = torch.tensor(np.array([box], np.float32))
    return matcher.mask_targets(rows, told, torch.zeros(1, dtype=torch.long), side)[0]


def test_no_boxes_have_no_masks():
    nothing = torch.zeros(0, dtype=torch.long)
    assert matcher.mask_targets(torch.zeros(0, 4), target([[0, 0, 9, 9]], torch.ones(1, 56, 56)), nothing).shape == (
        0,
        28,
        28,
    )


@given(solid_boxes(n=1, size=(40, 60)), st.sampled_from([7, 28, 56]))
def test_a_full_mask_seen_through_its_own_box_is_all_ones(frame, side):
    assert looked_at(torch.ones(56, 56), frame[0], frame[0], side).all()


def test_a_box_inside_a_full_mask_sees_ones_only_and_one_beside_it_none():
    assert looked_at(torch.ones(56, 56), [10, 10, 40, 40], [20, 15, 35, 39]).all()
    assert not looked_at(torch.ones(56, 56), [10, 10, 40, 40], [41, 10, 70, 40]).any()


@pytest.mark.parametrize("box", [[10, 10, 38, 38], [3, 10, 45, 30], [-8, -8, 60, 60], [20, 20, 24, 24]])
def test_a_mask_target_is_the_mask_at_the_middles_of_its_cells(box):
    """A disc of radius 14 around (24, 24), asked point by point; cells within a pixel of its rim are left out."""
    y, x = torch.meshgrid(*[(torch.arange(56) + 0.5) / 56 * 28 + 10] * 2, indexing="ij")
    disc = (torch.hypot(x - 24, y - 24) < 14).float()
    seen = looked_at(disc, [10, 10, 38, 38], box)
    middle_y, middle_x = (
        low + (high - low) * (torch.arange(28) + 0.5) / 28 for low, high in ((box[1], box[3]), (box[0], box[2]))
    )
    away = torch.hypot(middle_x[None, :] - 24, middle_y[:, None] - 24)
    clear = (away - 14).abs() > 1
    assert torch.equal(seen[clear], (away < 14).float()[clear])
    assert set(seen.unique().tolist()) <= {0.0, 1.0}


# --- what was not looked for ------------------------------------------------------------------------
def test_where_everything_was_looked_for_the_scores_stay_as_they_are():
    logits = torch.randn(3, 5)
    assert (
        matcher.among_labelled_classes(logits, torch.tensor([0, 1, 4]), torch.tensor([0, 0, 1]), [target(), target()])
        is logits
    )


def test_a_class_that_was_not_looked_for_learns_nothing_from_the_image():
    told = [dataclasses.replace(target(), labelled_classes=torch.tensor([1])), target()]
    logits = torch.zeros(4, 4, requires_grad=True)
    classes, images = torch.tensor([0, 2, 3, 0]), torch.tensor([0, 0, 0, 1])
    torch.nn.functional.cross_entropy(matcher.among_labelled_classes(logits, classes, images, told), classes).backward()
    taught = logits.grad != 0
    assert taught.tolist() == [
        [True, False, True, False],  # background against the one class that was sought
        [True, False, True, False],
        [True, False, True, True],  # an object pasted from another image: its own class counts too
        [True, True, True, True],  # on an image where all was looked for
    ]


def test_where_objects_may_be_undrawn_only_their_surroundings_are_background():
    told = dataclasses.replace(target([[10, 10, 30, 30]]), incomplete=True)
    rows = torch.tensor([[10.0, 10, 30, 30], [18, 18, 38, 38], [40, 40, 60, 60]])
    assert matcher.match(rows, told, 0.3, 0.7, allow_low_quality_matches=False)[1].tolist() == [1, 0, -1]
    nothing_drawn = dataclasses.replace(target(), incomplete=True)
    assert (matcher.match(rows, nothing_drawn, 0.3, 0.7, allow_low_quality_matches=True)[1] == -1).all()
