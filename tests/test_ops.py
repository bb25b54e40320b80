"""Suppression, RoI Align and the depthwise convolution: each against its definition, written slowly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import boxes
from torch import Tensor, nn

from maskwright.geometry import boxes as duplicates
from maskwright.geometry import roi_align as in_numpy
from maskwright.models import ops
from maskwright.models.conv import DepthwiseConv

NONE = torch.zeros(0, 4)


def on_a_grid(table: np.ndarray) -> np.ndarray:
    """Corners moved to quarters of a pixel: areas far from rounding, exact ties as often as not."""
    return np.round(table * 4) / 4


def scores_for(data: st.DataObject, n: int) -> np.ndarray:
    """n float32, equal ones among them."""
    return np.array(data.draw(st.lists(st.sampled_from([0.1, 0.4, 0.5, 0.9]), min_size=n, max_size=n)), np.float32)


# --- overlap and suppression ----------------------------------------------------------------------
def test_no_boxes_overlap_nothing_and_none_is_kept():
    assert ops.box_iou(NONE, torch.ones(3, 4)).shape == (0, 3)
    assert ops.nms(NONE, torch.zeros(0), 0.5).tolist() == []
    kept = ops.nms_by_group(NONE, torch.zeros(0), torch.zeros(0, dtype=torch.long), 0.5)
    assert kept.tolist() == [] and kept.dtype == torch.long


def test_one_box_is_kept():
    assert ops.nms(torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([0.1]), 0.5).tolist() == [0]


@given(boxes().map(on_a_grid), boxes().map(on_a_grid))
def test_the_overlap_is_that_of_the_numpy_duplicate(a, b):
    np.testing.assert_allclose(ops.box_iou(torch.tensor(a), torch.tensor(b)).numpy(), duplicates.iou(a, b), rtol=1e-6)


def test_boxes_without_area_overlap_nothing():
    flat = torch.tensor([[2.0, 2, 2, 9], [3, 3, 3, 3]])
    assert ops.box_iou(flat, flat).tolist() == [[0, 0], [0, 0]]


@given(
    boxes(most=12).map(on_a_grid), st.data(), st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]), st.sampled_from([1, 2, 5, 99])
)
def test_suppression_is_the_greedy_one(table, data, threshold, at_once):
    """The best box stays and drops what overlaps it; so on with the rest. Also what the numpy twin keeps.

    However many are settled at once.
    """
    scores = scores_for(data, len(table))
    overlap = ops.box_iou(torch.tensor(table), torch.tensor(table)).numpy()
    greedy: list[int] = []
    for row in np.argsort(-scores, kind="stable"):
        if all(overlap[row, kept] <= threshold for kept in greedy):
            greedy.append(int(row))
    assert ops.nms(torch.tensor(table), torch.tensor(scores), threshold, at_once).tolist() == greedy
    assert duplicates.nms(table, scores, threshold).tolist() == greedy


def test_a_long_chain_of_overlaps_is_settled_box_by_box():
    """Each box drops the next and so saves the one after it: the slowest case of the fixed point."""
    left = torch.arange(40) * 10.0
    chain = torch.stack([left, torch.zeros(40), left + 16, torch.full((40,), 5.0)], 1)
    assert ops.nms(chain, torch.linspace(1, 0, 40), 0.2).tolist() == list(range(0, 40, 2))


@given(boxes(most=12).map(on_a_grid), st.data())
def test_groups_do_not_suppress_each_other(table, data):
    scores, groups = scores_for(data, len(table)), data.draw(
        st.lists(st.integers(0, 2), min_size=len(table), max_size=len(table))
    )  # fmt: skip
    numbers = torch.tensor(groups, dtype=torch.long)
    kept = ops.nms_by_group(torch.tensor(table), torch.tensor(scores), numbers, 0.3).tolist()
    alone = set()
    for group in range(3):
        rows = np.flatnonzero(numbers.numpy() == group)
        alone |= set(rows[duplicates.nms(table[rows], scores[rows], 0.3)].tolist())
    assert set(kept) == alone and len(kept) == len(alone)
    assert sorted(duplicates.nms(table, scores, 0.3, numbers.numpy(), at_once=5).tolist()) == sorted(kept)
    assert (np.diff(scores[kept]) <= 0).all()


def test_suppression_is_torchvisions(torchvision):
    random = torch.Generator().manual_seed(1)
    corners = torch.rand(300, 2, generator=random) * 80
    table = torch.cat([corners, corners + torch.rand(300, 2, generator=random) * 40], 1)
    scores = torch.rand(300, generator=random)
    for threshold in (0.3, 0.5, 0.7):
        kept = ops.nms(table, scores, threshold)
        assert torch.equal(kept, torchvision.ops.nms(table, scores, threshold)) and 1 < len(kept) < 300


# --- RoI Align ------------------------------------------------------------------------------------
def test_the_level_of_a_box_is_that_of_the_paper():
    """A 224-pixel box is level 4, half the side one level finer; beyond the pyramid the nearest level."""
    sides = torch.tensor([0.0, 1, 56, 111, 112, 223, 224, 448, 9000])
    square = torch.stack([sides * 0, sides * 0, sides, sides], 1)
    assert ops.pyramid_levels(square, 4).tolist() == [0, 0, 0, 0, 1, 1, 2, 3, 3]
    assert in_numpy.pyramid_levels(square.numpy(), 4).tolist() == [0, 0, 0, 0, 1, 1, 2, 3, 3]


@given(boxes(size=(96, 160), most=9), st.sampled_from([(7, 2), (14, 2), (3, 1)]))
def test_roi_align_in_numpy_is_that_in_torch(table, grid):
    """Boxes of every shape, those that end at the edge of the network input and those without area among them."""
    out, samples = grid
    random = torch.Generator().manual_seed(0)
    pyramid = [torch.randn(1, 5, 96 // stride, 160 // stride, generator=random) for stride in (4, 8, 16)]
    rois = torch.tensor(table)
    levels = ops.pyramid_levels(rois, 3)
    in_torch = ops.roi_align(pyramid, (4, 8, 16), rois, torch.zeros_like(levels), levels, out, samples)
    maps = [level[0].permute(1, 2, 0).numpy() for level in pyramid]
    pooled = in_numpy.roi_align(maps, (4, 8, 16), table, in_numpy.pyramid_levels(table, 3), out, samples)
    assert pooled.shape == (len(table), out, out, 5) and pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, in_torch.permute(0, 2, 3, 1).numpy(), atol=1e-4)


def aligned(level: Tensor, stride: int, box: Tensor, out: int, samples: int) -> Tensor:
    """RoI Align of one box on one C×H×W map, point by point."""
    channels, height, width = level.shape
    x1, y1, x2, y2 = (box / stride).tolist()
    cell_w, cell_h = max(x2 - x1, 1.0) / out, max(y2 - y1, 1.0) / out
    pooled = level.new_zeros(channels, out, out)
    for row in range(out):
        for column in range(out):
            for i in range(samples):
                for j in range(samples):
                    y = min(max(y1 + cell_h * (row + (i + 0.5) / samples), 0.0), height - 1.0)
                    x = min(max(x1 + cell_w * (column + (j + 0.5) / samples), 0.0), width - 1.0)
                    top, left = min(int(y), max(height - 2, 0)), min(int(x), max(width - 2, 0))
                    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
                    down, across = y - top, x - left
                    above = level[:, top, left] * (1 - across) + level[:, top, right] * across
                    below = level[:, bottom, left] * (1 - across) + level[:, bottom, right] * across
                    pooled[:, row, column] += (above * (1 - down) + below * down) / samples**2
    return pooled


def pyramid_of(shapes: list[tuple[int, int]], images: int = 2, channels: int = 3) -> list[Tensor]:
    random = torch.Generator().manual_seed(0)
    return [torch.randn(images, channels, *shape, generator=random, dtype=torch.float64) for shape in shapes]


def test_no_boxes_pool_to_no_rows():
    nothing = torch.zeros(0, dtype=torch.long)
    pooled = ops.roi_align(pyramid_of([(8, 8), (4, 4)]), [4, 8], NONE.double(), nothing, nothing, 7)
    assert pooled.shape == (0, 3, 7, 7)


@given(
    boxes(n=3, size=(32, 48)),
    st.sampled_from([1, 2, 3]),
    st.sampled_from([1, 2]),
    st.lists(st.integers(0, 1), min_size=6, max_size=6),
)
def test_roi_align_is_its_definition(table, out, samples, places):
    """Boxes over the edge, boxes without area, several images and levels in one call."""
    pyramid, strides = pyramid_of([(8, 12), (4, 6)]), [4, 8]
    rows, images, levels = torch.tensor(table).double(), torch.tensor(places[:3]), torch.tensor(places[3:])
    pooled = ops.roi_align(pyramid, strides, rows, images, levels, out, samples)
    for item, box, image, level in zip(pooled, rows, images.tolist(), levels.tolist(), strict=True):
        torch.testing.assert_close(item, aligned(pyramid[level][image], strides[level], box, out, samples))


def test_a_map_of_one_cell_is_its_value_everywhere():
    row, zeros = torch.tensor([[0.0, 0, 4, 4], [-9, -9, 99, 99]]).double(), torch.zeros(2, dtype=torch.long)
    pooled = ops.roi_align([torch.full((1, 1, 1, 1), 7.0).double()], [4], row, zeros, zeros, 2)
    torch.testing.assert_close(pooled, torch.full((2, 1, 2, 2), 7.0).double())


def test_roi_align_on_a_ramp_gives_the_middles_of_its_cells():
    """Where the features are the coordinates themselves, each output cell tells where it looked."""
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    zero = torch.zeros(1, dtype=torch.long)
    pooled = ops.roi_align([torch.stack([x, y])[None]], [4], torch.tensor([[8.0, 16, 40, 32]]), zero, zero, 2)
    torch.testing.assert_close(pooled[0], torch.tensor([[[4.0, 8], [4, 8]], [[5.0, 5], [7, 7]]]))


def test_the_gradient_of_roi_align_is_true():
    rows = torch.tensor([[3.0, 5, 20, 13], [0, 0, 30, 30], [9, 9, 9, 9]]).double()
    images, levels = torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0])

    def pool(fine: Tensor, coarse: Tensor) -> Tensor:
        return ops.roi_align([fine, coarse], [4, 8], rows, images, levels, 2)

    pyramid = [level.requires_grad_() for level in pyramid_of([(4, 6), (2, 3)], channels=1)]
    assert torch.autograd.gradcheck(pool, pyramid)


@pytest.mark.parametrize("out", [7, 14])
def test_roi_align_is_torchvisions(torchvision, out):
    """Boxes inside the network input of at least one feature cell, as proposals are."""
    random = torch.Generator().manual_seed(2)
    level = torch.randn(2, 5, 16, 24, generator=random)
    corners = torch.rand(60, 2, generator=random) * torch.tensor([60.0, 40.0])
    rows = torch.cat([corners, corners + 8 + torch.rand(60, 2, generator=random) * torch.tensor([28.0, 16.0])], 1)
    images = torch.arange(60) % 2
    theirs = torchvision.ops.roi_align(
        level, torch.cat([images[:, None].float(), rows], 1), out, spatial_scale=0.25, sampling_ratio=2
    )
    torch.testing.assert_close(ops.roi_align([level], [4], rows, images, images * 0, out), theirs, atol=1e-5, rtol=1e-5)


# --- the depthwise convolution --------------------------------------------------------------------
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (7, 8), (6, 5)])
def test_the_depthwise_convolution_and_its_gradients_are_torchs(kernel, stride, size):
    ours = DepthwiseConv(4, kernel, stride).double()
    theirs = nn.Conv2d(4, 4, kernel, stride, kernel // 2, groups=4, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    image = torch.randn(2, 4, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a, b = image.clone().requires_grad_(), image.clone().requires_grad_()
    out, expected = ours(a), theirs(b)
    torch.testing.assert_close(out, expected)
    push = torch.randn(out.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    out.backward(push)
    expected.backward(push)
    torch.testing.assert_close(a.grad, b.grad)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, atol=1e-5, rtol=1e-5)  # 5x5 are summed in float32


def test_a_frozen_depthwise_convolution_passes_gradients_through():
    conv = DepthwiseConv(3, 3).requires_grad_(False)
    image = torch.randn(1, 3, 6, 6, requires_grad=True)
    conv(image).sum().backward()
    assert image.grad is not None and conv.weight.grad is None


def test_without_gradients_it_is_the_plain_convolution():
    conv, image = DepthwiseConv(3, 5, 2), torch.randn(1, 3, 9, 9)
    with torch.no_grad():
        plain = conv(image)
    assert not plain.requires_grad
    torch.testing.assert_close(conv(image), plain)


def test_under_autocast_it_computes_in_bf16_and_learns_in_float32():
    conv = DepthwiseConv(3, 5, 2)
    image = torch.randn(1, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = conv(image)
    out.float().sum().backward()
    assert out.dtype == torch.bfloat16 and conv.weight.grad is not None and conv.weight.grad.dtype == torch.float32
    torch.testing.assert_close(out.float(), conv(image), atol=0.05, rtol=0.05)
