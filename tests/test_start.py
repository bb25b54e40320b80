"""The weights a run starts from, beyond what test_transfer and the runs themselves show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_runs import model_folder
from torch import nn

from maskwright.api.start import _folder, check_weights
from maskwright.errors import UnknownName, WeightsError
from maskwright.models.backbones.resnet import FrozenBatchNorm
from maskwright.models.published import without_eps
from maskwright.weights.card import WEIGHTS


def test_norms_that_added_nothing_to_the_variance_still_do_so_when_stored_and_loaded():
    norm = FrozenBatchNorm(3)
    norm.running_var.copy_(torch.tensor([0.5, 1e-3, 2.0]))
    exact = FrozenBatchNorm(3, eps=0.0)
    exact.load_state_dict(norm.state_dict())
    without_eps(nn.Sequential(norm))
    loaded = FrozenBatchNorm(3)
    loaded.load_state_dict(norm.state_dict())
    image = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loaded(image), exact(image))
    assert not torch.allclose(FrozenBatchNorm(3)(image), exact(image))


def test_a_file_of_weights_beside_its_card_is_the_model_with_its_classes(tmp_path: Path):
    folder = model_folder(tmp_path / "best", ("cat", "dog"), "detect")
    assert _folder(str(folder / WEIGHTS), "small", "mobilenet_v3_large", ("dog", "cat"), tmp_path, "detect") == folder
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((folder / WEIGHTS).read_bytes())
    assert _folder(str(alone), "small", "mobilenet_v3_large", ("dog", "cat"), tmp_path, "detect") is None


def test_misspelt_weights_get_the_nearest_name_and_a_lost_run_is_said(tmp_path: Path):
    with pytest.raises(UnknownName, match=r'no weights "bundeld". Did you mean "bundled"'):
        check_weights("bundeld", tmp_path)
    with pytest.raises(WeightsError, match="no run to take the last weights of"):
        check_weights("last", tmp_path)
    check_weights("coco", tmp_path, "mask_rcnn_r50")
    for known in ("none", "bundled", "balloons", str(model_folder(tmp_path / "run" / "best"))):
        check_weights(known, tmp_path)
