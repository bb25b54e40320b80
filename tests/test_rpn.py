"""Boxes and their deltas, anchors, and which of them become proposals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import boxes, solid_boxes

from maskwright.geometry import boxes as duplicates
from maskwright.geometry.anchors import make_anchors
from maskwright.models import ops
from maskwright.models.detection import box_coder, rpn
from maskwright.models.detection.rpn import ProposalConfig, ProposalHead

NONE = torch.zeros(0, 4)
PLAIN = (1.0, 1.0, 1.0, 1.0)
WEIGHTS = st.sampled_from([PLAIN, (10.0, 10.0, 5.0, 5.0)])
RULES = ProposalConfig(sizes=((16.0,), (32.0,)), pre_nms_top_n=50, post_nms_top_n=20)
SHAPES, INPUT = [(16, 16), (8, 8)], (64, 64)


# --- deltas ---------------------------------------------------------------------------------------
def test_no_boxes_have_no_deltas():
    assert box_coder.encode(NONE, NONE, PLAIN).shape == box_coder.decode(NONE, NONE, PLAIN).shape == (0, 4)
    assert box_coder.clip(NONE, (5, 5)).shape == (0, 4)


@given(solid_boxes(n=4), solid_boxes(n=4), WEIGHTS)
def test_decode_is_encode_the_other_way_round(reference, table, weights):
    a, b = torch.tensor(reference).double(), torch.tensor(table).double()
    again = box_coder.decode(a, box_coder.encode(a, b, weights), weights)
    possible = ((b[:, 2:] - b[:, :2]) < 62 * (a[:, 2:] - a[:, :2])).all(1)
    torch.testing.assert_close(again[possible], b[possible])


@given(solid_boxes(n=4), solid_boxes(n=4), WEIGHTS)
def test_deltas_and_boxes_are_those_of_the_numpy_duplicates(reference, table, weights):
    a, b = torch.tensor(reference), torch.tensor(table)
    deltas = box_coder.encode(a, b, weights)
    np.testing.assert_allclose(deltas.numpy(), duplicates.encode(reference, table, weights), rtol=1e-4, atol=1e-5)
    decoded = box_coder.decode(a, deltas, weights).numpy()
    np.testing.assert_allclose(decoded, duplicates.decode(reference, deltas.numpy(), weights), rtol=1e-4, atol=1e-3)


@given(boxes())
def test_clipping_is_that_of_the_numpy_duplicate(table):
    assert np.array_equal(box_coder.clip(torch.tensor(table), (20, 50)).numpy(), duplicates.clip(table, (20, 50)))


def test_one_step_grows_a_box_at_most_62_times():
    grown = box_coder.decode(
        torch.tensor([[0.0, 0, 16, 16]]), torch.full((1, 4), 99.0) * torch.tensor([0, 0, 1, 1]), PLAIN
    )
    torch.testing.assert_close(grown, torch.tensor([[-492.0, -492, 508, 508]]))


def test_several_classes_of_deltas_move_one_box_each():
    """n×1×4 boxes with n×c×4 deltas give n×c×4: the box head's use."""
    reference = torch.tensor([[[0.0, 0, 10, 10]]])
    moved = box_coder.decode(reference, torch.tensor([[[0.0, 0, 0, 0], [1, 0, 0, 0]]]), PLAIN)
    assert moved.tolist() == [[[0, 0, 10, 10], [10, 0, 20, 10]]]


# --- anchors --------------------------------------------------------------------------------------
def test_anchors_go_line_by_line_and_are_centered_on_their_cells():
    (level,) = make_anchors((32, 64), [(2, 4)], ((16.0,),), (0.5, 1.0, 2.0))
    assert level.shape == (2 * 4 * 3, 4) and level.dtype == np.float32
    middles = (level[:, :2] + level[:, 2:]) / 2
    assert middles[::3].tolist() == [[x, y] for y in (0, 16) for x in (0, 16, 32, 48)]
    assert level[:3].tolist() == [[-11, -6, 11, 6], [-8, -8, 8, 8], [-6, -11, 6, 11]]


def test_anchors_are_torchvisions(torchvision):
    sizes, ratios, network_input = ((24.0,), (48.0,), (96.0,)), (0.5, 1.0, 2.0), (192, 320)
    shapes = [(48, 80), (24, 40), (12, 20)]
    make = torchvision.models.detection.anchor_utils.AnchorGenerator(sizes, (ratios,) * 3)
    images = torchvision.models.detection.image_list.ImageList(torch.zeros(1, 3, *network_input), [network_input])
    theirs = make(images, [torch.zeros(1, 1, *shape) for shape in shapes])[0]
    assert np.array_equal(np.concatenate(make_anchors(network_input, shapes, sizes, ratios)), theirs.numpy())


def test_the_heads_answers_stand_in_the_anchors_order():
    head = ProposalHead(8, anchors=3)
    torch.nn.init.zeros_(head.cls_logits.weight)
    torch.nn.init.zeros_(head.bbox_pred.weight)
    with torch.no_grad():
        head.cls_logits.bias.copy_(torch.tensor([1.0, 2, 3]))  # type: ignore[union-attr]
        head.bbox_pred.bias.copy_(torch.arange(12.0))  # type: ignore[union-attr]
    logits, deltas = head([torch.randn(2, 8, 4, 5), torch.randn(2, 8, 2, 3)])
    assert [level.shape for level in deltas] == [(2, 60, 4), (2, 18, 4)]
    assert logits[0].tolist() == [[1, 2, 3] * 20] * 2
    assert deltas[1][1].tolist() == torch.arange(12.0).view(3, 4).repeat(6, 1).tolist()


# --- proposals ------------------------------------------------------------------------------------
def answers(images: int = 1, seed: int = 0):
    """Anchors of two levels, and random answers of a proposal head."""
    anchors = [torch.from_numpy(level) for level in make_anchors(INPUT, SHAPES, RULES.sizes, RULES.ratios)]
    random = torch.Generator().manual_seed(seed)
    logits = [torch.randn(images, len(level), generator=random) for level in anchors]
    return anchors, logits, [torch.randn(images, len(level), 4, generator=random) * 0.3 for level in anchors]


def test_a_head_gone_mad_proposes_nothing():
    anchors, logits, deltas = answers(images=2)
    detections = rpn.propose(anchors, logits, [delta * torch.nan for delta in deltas], [INPUT] * 2, RULES)
    assert [detection.shape for detection in detections] == [(0, 4), (0, 4)]


def test_proposals_lie_on_the_images_part_of_the_input_and_have_some_area():
    sizes = [(64, 64), (20, 64), (64, 1), (1, 1)]
    for detections, (height, width) in zip(rpn.propose(*answers(images=4), sizes, RULES), sizes, strict=True):
        assert 0 < len(detections) <= RULES.post_nms_top_n
        assert (detections >= 0).all() and (detections[:, 2] <= width).all() and (detections[:, 3] <= height).all()
        assert (detections[:, 2:] - detections[:, :2] >= 1e-3).all()


def test_each_image_of_a_batch_gets_what_it_gets_alone():
    anchors, logits, deltas = answers(images=3)
    together = rpn.propose(anchors, logits, deltas, [(64, 64), (30, 64), (64, 30)], RULES)
    for row, size in enumerate([(64, 64), (30, 64), (64, 30)]):
        one = slice(row, row + 1)
        alone = rpn.propose(anchors, [logit[one] for logit in logits], [delta[one] for delta in deltas], [size], RULES)
        torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-3)


def test_the_best_anchor_comes_first_and_its_neighbors_on_its_level_are_suppressed():
    anchors, logits, deltas = answers()
    logits, deltas = [logit * 0 for logit in logits], [delta * 0 for delta in deltas]
    middle = int((anchors[0] == torch.tensor([24.0, 24, 40, 40])).all(1).nonzero())
    logits[0][0, middle] = 5.0
    (detections,) = rpn.propose(anchors, logits, deltas, [INPUT], RULES)
    assert detections[0].tolist() == [24, 24, 40, 40]
    level = detections[(detections[:, 2:] - detections[:, :2]).prod(1) <= 16 * 16 + 20]
    overlap = ops.box_iou(level, level).fill_diagonal_(0)
    assert overlap.max() <= RULES.nms_thresh


@pytest.mark.parametrize(("pre_nms_top_n", "post_nms_top_n"), [(1, 20), (50, 1), (3, 4)])
def test_no_more_are_kept_than_the_config_says(pre_nms_top_n, post_nms_top_n):
    rules = ProposalConfig(RULES.sizes, pre_nms_top_n=pre_nms_top_n, post_nms_top_n=post_nms_top_n, nms_thresh=1.0)
    (detections,) = rpn.propose(*answers(), [INPUT], rules)
    assert len(detections) == min(post_nms_top_n, 2 * pre_nms_top_n)


# --- losses ---------------------------------------------------------------------------------------
def test_where_nothing_was_sampled_the_losses_are_0_and_differentiable():
    logits, deltas = torch.randn(5, requires_grad=True), torch.randn(5, 4, requires_grad=True)
    losses = rpn.proposal_losses(logits, deltas, torch.full((5,), -1), torch.zeros(5, 4))
    assert [loss.item() for loss in losses] == [0, 0, 0]
    sum(losses[:2]).backward()  # type: ignore[union-attr]
    assert logits.grad is not None and not logits.grad.any()


def test_only_sampled_anchors_count_and_only_objects_have_deltas():
    logits = torch.tensor([0.0, 0.0, 50.0])
    deltas = torch.tensor([[1.0, 0, 0, 0], [9, 9, 9, 9], [9, 9, 9, 9]])
    objectness, box, count = rpn.proposal_losses(logits, deltas, torch.tensor([1, 0, -1]), torch.zeros(3, 4))
    assert count == 2 and objectness.item() / 2 == pytest.approx(np.log(2))
    assert box.item() / 2 == pytest.approx((1 - 0.5 / 9) / 2)  # smooth L1 beyond beta, over two sampled anchors
