"""Convolutions by bands of matrix products."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from maskwright.models.matterport import bands as bands


def lively(*shape: int, seed: int = 0) -> torch.Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values


def plain(x, kernel, shift, scale=None, onto=None, *, stride=1, relu=False):
    """The same in float64, by torch's own convolution."""
    found = F.conv2d(x.double(), kernel.double(), None, stride, kernel.shape[2] // 2)
    found = found * (1 if scale is None else scale.double()[:, None, None]) + shift.double()[:, None, None]
    found = found if onto is None else found + onto.double()
    return found.relu() if relu else found


def test_no_images_give_no_maps():
    found = bands.convolve(lively(0, 2, 4, 4), lively(3, 2, 3, 3), lively(3))
    assert found.shape == (0, 3, 4, 4)


@pytest.mark.parametrize("band", [1, 60, 2**18])
@given(
    size=st.tuples(*[st.integers(1, top) for top in (2, 4, 9, 9)]),
    depth=st.integers(1, 5),
    side=st.sampled_from([1, 3]),
    scaled=st.booleans(),
    added=st.booleans(),
    relu=st.booleans(),
    seed=st.integers(0, 99),
)
def test_agrees_with_torch_however_high_the_bands_are(band, size, depth, side, scaled, added, relu, seed):
    x, kernel = lively(*size, seed=seed), lively(depth, size[1], side, side, seed=seed + 1)
    shift, scale = lively(depth, seed=seed + 2), lively(depth, seed=seed + 3) if scaled else None
    onto = lively(size[0], depth, *size[2:], seed=seed + 4) if added else None
    expected = plain(x, kernel, shift, scale, onto, relu=relu)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, "BAND", band)
        found = bands.convolve(x, kernel, shift, scale, onto, relu=relu)
    assert torch.allclose(found.double(), expected, atol=1e-5)


@pytest.mark.parametrize("height", [7, 8])
def test_a_stride_takes_every_second_cell(height):
    x, kernel, shift = lively(2, 3, height, 6), lively(4, 3, 1, 1), lively(4)
    found = bands.convolve(x, kernel, shift, stride=2)
    assert torch.allclose(found.double(), plain(x, kernel, shift, stride=2), atol=1e-5)


def test_the_shortcut_takes_the_result():
    onto = lively(1, 4, 5, 5)
    found = bands.convolve(lively(1, 3, 5, 5), lively(4, 3, 1, 1), lively(4), None, onto)
    assert found.data_ptr() == onto.data_ptr() and torch.equal(found, onto)


@pytest.mark.parametrize("kept", ["as torch", "as Keras", "channels last"])
def test_any_order_in_memory_will_do(kept):
    x, kernel, shift = lively(1, 3, 6, 5).contiguous(), lively(4, 3, 3, 3).contiguous(), lively(4)
    expected = plain(x, kernel, shift)
    if kept == "as Keras":
        kernel = kernel.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)
    elif kept == "channels last":
        kernel = kernel.contiguous(memory_format=torch.channels_last)
    assert torch.allclose(bands.convolve(x, kernel, shift).double(), expected, atol=1e-5)


def test_sums_come_nearer_than_in_one_chain():
    x, kernel = lively(1, 256, 16, 16).relu_().contiguous(memory_format=torch.channels_last), lively(256, 256, 3, 3)
    found = bands.convolve(x, kernel, torch.zeros(256))
    expected = plain(x, kernel, torch.zeros(256))
    assert (found - expected).std() < 4e-7 * expected.std()
