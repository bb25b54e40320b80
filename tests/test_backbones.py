"""Backbones and the pyramid: shapes as promised, torchvision's answers from torchvision's weights."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from maskwright.models.backbones.fpn import FeaturePyramid
from maskwright.models.backbones.mobilenet import MobileNetV2, MobileNetV3Large
from maskwright.models.backbones.resnet import FrozenBatchNorm, ResNet, frozen_resnet
from maskwright.models.conv import SeparableConv
from maskwright.weights.transfer import transfer

SMALL = {
    "resnet": lambda: ResNet(FrozenBatchNorm, (1, 1, 1, 1)),
    "mobilenet_v2": MobileNetV2,
    "mobilenet_v3_large": MobileNetV3Large,
}


@pytest.fixture(scope="module", params=SMALL)
def backbone(request):
    torch.manual_seed(0)
    return SMALL[request.param]().eval()


def test_the_maps_have_the_strides_and_channels_that_are_promised(backbone):
    with torch.no_grad():
        maps = backbone(torch.randn(2, 3, 64, 128))
    expected = [
        (2, channels, 64 // stride, 128 // stride)
        for channels, stride in zip(backbone.channels, backbone.strides, strict=True)
    ]
    assert [tuple(level.shape) for level in maps] == expected
    assert all(level.isfinite().all() for level in maps)


def test_no_images_give_no_maps(backbone):
    with torch.no_grad():
        assert [len(level) for level in backbone(torch.zeros(0, 3, 64, 64))] == [0] * 4


def test_stages_are_1_then_3_4_5_in_the_order_of_the_layers(backbone):
    stages = [backbone.stage_of(name) for name, _ in backbone.named_parameters()]
    assert [stage for stage, _ in itertools.groupby(stages)] == [1, 3, 4, 5]


def test_a_stage_is_where_its_stride_begins(backbone):
    """Training from stage 4 on leaves the maps of strides 4 and 8 alone, and no others."""
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    state = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    with torch.no_grad():
        before = backbone(image)
        for name, parameter in backbone.named_parameters():
            if backbone.stage_of(name) >= 4:
                parameter.mul_(1.5)
        after = backbone(image)
        backbone.load_state_dict(state)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, True, False, False]


def test_a_frozen_batch_norm_is_a_batch_norm_that_has_stopped_learning():
    frozen, plain = FrozenBatchNorm(3), nn.BatchNorm2d(3)
    plain.weight.data, plain.bias.data = torch.randn(3), torch.randn(3)
    plain.running_mean, plain.running_var = torch.randn(3), torch.rand(3) + 0.5
    frozen.load_state_dict({name: value for name, value in plain.state_dict().items() if "tracked" not in name})
    image = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(frozen.train()(image), plain.eval()(image))
    assert not list(frozen.parameters())


@pytest.mark.parametrize("conv", ["plain", "separable"])
def test_a_pyramid_has_one_level_more_than_the_backbone_all_of_one_width(conv):
    kinds = {} if conv == "plain" else {"conv": SeparableConv}
    pyramid = FeaturePyramid((4, 6, 8), 5, None, **kinds)
    maps = [torch.randn(2, count, side, 2 * side) for count, side in ((4, 16), (6, 8), (8, 4))]
    assert [tuple(level.shape) for level in pyramid(maps)] == [
        (2, 5, 16, 32), (2, 5, 8, 16), (2, 5, 4, 8), (2, 5, 2, 4),
    ]  # fmt: skip


def test_coarse_levels_reach_the_fine_ones_and_not_the_other_way_round():
    pyramid = FeaturePyramid((3, 3), 4, None)
    fine, coarse = torch.randn(1, 3, 8, 8, requires_grad=True), torch.randn(1, 3, 4, 4, requires_grad=True)
    levels = pyramid([fine, coarse])
    (to_coarse,) = torch.autograd.grad(levels[0].sum(), coarse, retain_graph=True)
    assert to_coarse.any()
    (to_fine,) = torch.autograd.grad(levels[1].sum(), fine, allow_unused=True)
    assert to_fine is None


def enlivened(network: nn.Module) -> nn.Module:
    """Statistics and gains far from trivial."""
    random = torch.Generator().manual_seed(4)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(torch.rand(tensor.shape, generator=random) + 0.5)
        elif name.endswith(("running_mean", ".bias")):
            tensor.copy_(torch.randn(tensor.shape, generator=random) * 0.1)
    return network.eval()


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_large", "resnet50"])
def test_a_backbone_gives_torchvisions_maps_from_torchvisions_classifier(torchvision, name):
    theirs = enlivened(getattr(torchvision.models, name)(weights=None))
    ours = nn.ModuleDict({"backbone": {**SMALL, "resnet50": lambda: frozen_resnet("resnet50")}[name]().eval()})
    told = transfer(ours, theirs.state_dict(), (), ("rust",))
    assert not told.fresh
    taps = {"resnet50": ("layer1", "layer2", "layer3", "layer4")}.get(name)
    maps = []
    for tap in taps or [f"features.{row}" for row in ours["backbone"].taps]:  # type: ignore[union-attr]
        theirs.get_submodule(tap).register_forward_hook(lambda module, given, out: maps.append(out))
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        theirs(image)
        for mine, other in zip(ours["backbone"](image), maps, strict=True):
            torch.testing.assert_close(mine, other, atol=1e-3, rtol=1e-3)
