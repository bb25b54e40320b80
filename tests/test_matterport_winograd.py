"""3×3 convolutions with fewer products."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from maskwright.models.matterport import winograd as winograd


def lively(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain(x, kernel, bias):
    return F.conv2d(x.double(), kernel.double(), bias.double(), padding=1)


def test_no_images_give_no_maps():
    assert winograd.convolve(lively(0, 2, 4, 4), winograd.prepare(lively(3, 2, 3, 3)), lively(3)).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("band", [1, 500, 2**18])
@given(size=st.tuples(*[st.integers(1, top) for top in (2, 4, 9, 9)]), depth=st.integers(1, 5), seed=st.integers(0, 99))
def test_agrees_with_torch_on_even_and_odd_maps(band, size, depth, seed):
    x, kernel, bias = lively(*size, seed=seed), lively(depth, size[1], 3, 3, seed=seed + 1), lively(depth)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "BAND", band)
        found = winograd.convolve(x, winograd.prepare(kernel), bias)
    assert torch.allclose(found.double(), plain(x, kernel, bias), atol=1e-5)


def test_is_no_less_exact_than_the_usual_way():
    x, kernel, bias = lively(1, 256, 16, 16).relu_(), lively(64, 256, 3, 3), torch.zeros(64)
    x = x.contiguous(memory_format=torch.channels_last)
    found, expected = winograd.convolve(x, winograd.prepare(kernel), bias), plain(x, kernel, bias)
    assert (found - expected).std() < 8e-7 * expected.std()
