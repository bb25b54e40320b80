"""Classifiers of whole images: the networks, their losses, and where their weights come from."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from tiny_runs import generators
from torch import nn

from maskwright.api.start import start_weights
from maskwright.errors import MissingExtra, UnknownName
from maskwright.models import registry
from maskwright.models.base import Targets, choose_layers
from maskwright.models.classification.classifier import Classifier, SpreadHead, dropout
from maskwright.weights.transfer import transfer

LIGHT = ("small", "mobilenet_v2", "mobilenet_v3_large")


def build(model: str = "mobilenet_v2", classes: int = 3, size: int = 64, multi_label: bool = False) -> Classifier:
    torch.manual_seed(0)
    return registry.build("classify", model, None, classes, size, multi_label).eval()


def labeled(*labels: int) -> Targets:
    return Targets(torch.zeros(0, 4), torch.tensor(labels, dtype=torch.long), None, torch.zeros(0, 4))


class Given(Classifier):
    """Logits that a test knows, as a backbone's map."""

    def __init__(self, logits: list[list[float]], multi_label: bool = False) -> None:
        head = nn.Identity()
        super().__init__(nn.Identity(), head, len(logits[0]), multi_label)
        self.logits = torch.tensor(logits)
        self.head.forward = lambda maps, generators=None: self.logits  # type: ignore[method-assign]


def loss_of(network: Classifier, *targets: Targets) -> float:
    return float(network.losses_from_features([], [], list(targets))["cls"].mean)


# --- detect ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", LIGHT)
def test_the_scores_of_one_class_an_image_add_up_to_one(model: str) -> None:
    scores = build(model).predict(torch.randn(2, 3, 64, 64), [(64, 64)] * 2)
    assert scores.shape == (2, 3)
    torch.testing.assert_close(scores.sum(1), torch.ones(2))


def test_with_several_labels_each_score_stands_alone() -> None:
    torch.testing.assert_close(
        Given([[0.0, 10.0, 10.0]], multi_label=True).scores_of([]), torch.tensor([[0.5, 1.0, 1.0]]), atol=1e-4, rtol=0
    )


def test_the_head_of_small_tells_patchy_images_from_even_ones_of_the_same_mean() -> None:
    head = SpreadHead([1], 2).eval()
    even, patchy = torch.full((1, 1, 4, 4), 0.5), torch.tensor([0.0, 1.0]).repeat(8).view(1, 1, 4, 4)
    torch.testing.assert_close(head.summary([torch.cat([even, patchy])]), torch.tensor([[0.5, 0.0], [0.5, 0.5]]),
                               atol=2e-3, rtol=0)  # fmt: skip


def test_a_silent_channel_has_a_gradient() -> None:
    silent = torch.zeros(2, 1, 3, 3, requires_grad=True)
    SpreadHead([1], 2).summary([silent]).sum().backward()
    assert silent.grad is not None and silent.grad.isfinite().all()


def test_the_classic_head_sees_every_cell_of_the_last_map() -> None:
    assert build("vgg16", size=150).head.dense.in_features == 4 * 4 * 512  # type: ignore[union-attr]


def test_other_sizes_than_the_trained_one_are_averaged_to_it() -> None:
    assert build("vgg16", size=64).predict(torch.randn(1, 3, 100, 100), [(100, 100)]).shape == (1, 3)


# --- losses ---------------------------------------------------------------------------------------
def test_the_loss_is_cross_entropy() -> None:
    logits = [[2.0, -1.0, 0.5], [0.0, 1.0, 0.0]]
    expected = float(nn.functional.cross_entropy(torch.tensor(logits), torch.tensor([2, 1])))
    assert loss_of(Given(logits), labeled(2), labeled(1)) == pytest.approx(expected)


def test_with_several_labels_it_is_the_binary_one_and_no_label_is_an_answer() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.0, 1.0]])
    expected = nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    given = Given(logits.tolist(), multi_label=True)
    assert loss_of(given, labeled(0, 1), labeled()) == pytest.approx(float(expected))


def test_a_rare_class_counts_as_much_as_a_common_one() -> None:
    network = Given([[0.0, 0.0]] * 4)
    network.weigh([3, 1], images=4)
    common, rare = (loss_of(network, *([labeled(label)] * 4)) for label in (0, 1))
    assert rare == pytest.approx(3 * common)


def test_a_class_without_images_weighs_no_infinity() -> None:
    network = Given([[0.0, 0.0]])
    network.weigh([4, 0], images=4)
    assert torch.isfinite(network.balance).all()


def test_dropout_is_drawn_by_each_image_s_generator_and_keeps_the_mean() -> None:
    x = torch.ones(100, 100)
    once, again = (dropout(x, 0.5, generators(*range(100))) for _ in range(2))
    assert torch.equal(once, again) and not torch.equal(once[0], once[1])
    assert float(once.mean()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(dropout(x, 0.5, None), x)


def test_only_the_head_is_trained_by_layers_heads() -> None:
    assert all(name.startswith("head.") for name in choose_layers(build(), "heads"))


# --- weights --------------------------------------------------------------------------------------
@pytest.mark.parametrize("model", ["mobilenet_v2", "mobilenet_v3_large", "resnet50", "vgg16"])
def test_the_features_are_torchvisions(model: str, torchvision) -> None:
    theirs = getattr(torchvision.models, model)(weights=None).eval()
    ours = build(model)
    told = transfer(ours, theirs.state_dict(), (), ())
    assert all(name.startswith("head.") for name in told.fresh)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        got = ours.backbone(x)[-1].mean((2, 3))
        cut = nn.Sequential(*list(theirs.children())[:-2]) if model == "resnet50" else theirs.features
        torch.testing.assert_close(got, cut(x).mean((2, 3)), atol=1e-4, rtol=1e-4)


def test_imagenets_mobilenet_fills_the_whole_backbone(shared, tmp_path) -> None:
    network = build("mobilenet_v2", classes=2)
    file = shared / "data" / "weights" / "mobilenet_v2_imagenet.pth"
    told = start_weights(network, str(file), "mobilenet_v2", "mobilenet_v2", ("norust", "rust"), tmp_path).told
    assert told.endswith("classes new: norust, rust; freshly initialized: head.norm, head.out")


def test_another_packages_network_serves_as_a_backbone(torchvision) -> None:
    network = registry.build("classify", "torchvision:shufflenet_v2_x0_5", None, 3, 64).eval()
    assert network.predict(torch.randn(2, 3, 64, 64), [(64, 64)] * 2).shape == (2, 3)
    with pytest.raises(UnknownName, match='Did you mean "shufflenet_v2_x0_5"'):
        registry.build("classify", "torchvision:shufflenet_v2_x05", None, 3, 64)


def test_a_package_that_does_not_load_says_so(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtra) as caught:
        registry.build("classify", "timm:resnet18", None, 2, 64)
    assert str(caught.value).startswith(f"MissingExtra: timm does not load beside torch {torch.__version__}")


def test_no_classifier_of_that_name() -> None:
    with pytest.raises(UnknownName, match=r'no model "resnet5O"\. Did you mean "resnet50"'):
        registry.find("resnet5O", "classify")


@pytest.mark.parametrize("several", [False, True])
def test_a_class_that_nobody_looked_for_is_taught_neither_way(several: bool) -> None:
    network = Given([[0.3, -0.2, 0.8], [0.1, 0.4, -0.6]], multi_label=several)
    network.logits.requires_grad_()
    partly = replace(labeled(0), labelled_classes=torch.tensor([0, 2]))
    network.losses_from_features([], [], [partly, labeled(1)])["cls"].mean.backward()
    gradient = network.logits.grad
    assert gradient is not None and torch.isfinite(gradient).all()
    assert (gradient != 0).tolist() == [[True, False, True], [True, True, True]]
