"""The weights a run starts from, beyond what test_transfer and the runs themselves show."""

from __future__ import annotations

import torch
from torch import nn

from maskwright.jobs.start import _without_eps
from maskwright.models.backbones import FrozenBatchNorm


def test_norms_that_added_nothing_to_the_variance_still_do_so_when_stored_and_loaded():
    norm = FrozenBatchNorm(3)
    norm.running_var.copy_(torch.tensor([0.5, 1e-3, 2.0]))
    exact = FrozenBatchNorm(3, eps=0.0)
    exact.load_state_dict(norm.state_dict())
    _without_eps(nn.Sequential(norm))
    loaded = FrozenBatchNorm(3)
    loaded.load_state_dict(norm.state_dict())
    photo = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loaded(photo), exact(photo))
    assert not torch.allclose(FrozenBatchNorm(3)(photo), exact(photo))
