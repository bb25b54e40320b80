"""Grad-CAM: heat where the score comes from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from maskwright.errors import WeightsError
from maskwright.models.saliency import grad_cam


def test_a_score_that_nothing_speaks_for_has_no_saliency():
    maps = torch.zeros(1, 3, 4, 5, requires_grad=True)
    saliency = grad_cam(maps, maps.sum())
    assert saliency.shape == (4, 5) and (saliency == 0).all()


def test_the_saliency_is_where_the_class_is():
    """A linear head on the mean of each map: Grad-CAM is then the class activation map of Zhou et al. 2016."""
    torch.manual_seed(0)
    maps = torch.rand(1, 6, 3, 4, requires_grad=True)
    head = nn.Linear(6, 2)
    saliency = grad_cam(maps, head(maps.mean((2, 3)))[0, 1])
    expected = torch.einsum("c,chw->hw", head.weight[1], maps[0]).clamp(min=0)
    assert torch.allclose(saliency, expected / expected.max(), atol=1e-6)
    assert not saliency.requires_grad and saliency.max() == 1


def test_what_speaks_against_the_class_stays_cold():
    maps = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]], requires_grad=True)
    saliency = grad_cam(maps, maps[0].sum() - maps[1].sum())
    assert saliency.tolist() == [[1.0, 0.0], [0.0, 0.0]]


def test_two_scores_of_one_pass():
    maps = torch.rand(2, 3, 3, requires_grad=True)
    scores = maps.mean((1, 2))
    first = grad_cam(maps, scores[0], keep_graph=True)
    assert not torch.equal(first, grad_cam(maps, scores[1]))


def test_features_without_gradients_are_refused():
    with pytest.raises(WeightsError, match="carry no gradients"):
        grad_cam(torch.rand(1, 3, 4, 4), torch.tensor(1.0))
