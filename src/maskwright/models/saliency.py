"""The parts of an image that a class score comes from: Grad-CAM (Selvaraju et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor

from maskwright.errors import WeightsError


def grad_cam(features: Tensor, score: Tensor, keep_graph: bool = False) -> Tensor:
    """How much each cell of a map contributes to a score: (h, w) float32, 0..1; all 0 where none does.

    features    1×C×h×w or C×h×w, a map of the network that `score` was computed from, with gradients on
    score       one number: the logit of a class (before softmax or sigmoid, where gradients do not fade)
    keep_graph  True to ask for another score of the same pass

    >>> maps = network.backbone(network_input)[-1]          # not under torch.no_grad or inference_mode
    >>> saliency = grad_cam(maps, network.head(maps)[0, rust])
    """
    if not features.requires_grad:
        raise WeightsError("these features carry no gradients", field="features",
                           fix="features.requires_grad_() before the head, outside torch.no_grad")  # fmt: skip
    assert score.numel() == 1, f"one score, not {score.numel()}"
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(score.sum(), features, retain_graph=keep_graph)
    maps, slopes = (item.detach().float() for item in (features, slopes))
    if maps.dim() == 4:
        assert len(maps) == 1, f"one image, not {len(maps)}"
        maps, slopes = maps[0], slopes[0]
    weights = slopes.mean(dim=(1, 2))  # alpha, equation 1
    saliency = torch.einsum("c,chw->hw", weights, maps).clamp(min=0)  # equation 2
    return saliency / saliency.max() if saliency.max() > 0 else saliency
