"""`maskwright train --weights x.h5`: matterport's network in our own loop."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from reported import Lines
from tiny_runs import generators, means, party

import maskwright
from maskwright.api.matterport import network_for, save_h5, start_from_h5
from maskwright.errors import RecipeError, WeightsError
from maskwright.models import registry
from maskwright.models.base import Targets, choose_layers
from maskwright.models.matterport import detector
from maskwright.models.matterport.detector import Matterport, group_of
from maskwright.models.matterport.model import MatterportMaskRCNN, Settings
from maskwright.training.defaults import from_options
from maskwright.weights.matterport_h5 import read_h5, write_h5

pytest.importorskip("h5py")
SMALL = {"top_down_pyramid_size": 16, "fpn_classif_fc_layers_size": 32}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(detector, "Settings", partial(Settings, **SMALL))


def written(path, classes: int, seed: int = 1):
    torch.manual_seed(seed)
    write_h5(MatterportMaskRCNN(Settings("resnet50", classes, **SMALL)), path)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return written(tmp_path_factory.mktemp("h5") / "two.h5", 3)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return registry.find("matterport").build(2, "resnet50")


def ground_truth(boxes: list, classes: list, **more) -> Targets:
    return Targets(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(classes, dtype=torch.long),
        **{"patches": torch.ones(len(boxes), 56, 56), "crowd": torch.zeros(0, 4)} | more,
    )


GROUND_TRUTHS = {
    "objects": ground_truth([[10, 12, 60, 58], [70, 8, 120, 60]], [0, 1]),
    "nothing": ground_truth([], []),
    "boxes alone": ground_truth([[10, 12, 60, 58]], [0], patches=None),
    "a crowd": ground_truth([[10, 12, 60, 58]], [1], crowd=torch.tensor([[64.0, 0, 128, 64]])),
    "one class sought": ground_truth([[10, 12, 60, 58]], [1], labelled_classes=torch.tensor([1])),
    "perhaps more": ground_truth([[10, 12, 60, 58]], [0], incomplete=True),
    "nothing, perhaps more": ground_truth([], [], incomplete=True),
}


# --- the verbs --------------------------------------------------------------------------------------
@pytest.mark.parametrize("what", GROUND_TRUTHS)
def test_every_kind_of_image_gives_five_numbers_and_a_gradient(network, what):
    network_input = torch.randn(2, 3, 64, 128, generator=torch.Generator().manual_seed(1)) * 50
    choose_layers(network, "5+")
    targets = [GROUND_TRUTHS[what], GROUND_TRUTHS["objects"]]
    losses = means(network.losses(network_input, [(64, 128)] * 2, targets, generators(0, 1)))
    assert list(losses) == ["rpn_cls", "rpn_box", "cls", "box", "mask"]
    torch.stack(list(losses.values())).sum().backward()
    assert torch.isfinite(torch.stack(list(losses.values()))).all()
    assert network.backbone["res5a_branch2a"].kernel.grad.abs().sum() > 0


@pytest.mark.slow
def test_losses_fall_on_one_batch(network):
    network_input = torch.randn(1, 3, 64, 128, generator=torch.Generator().manual_seed(1)) * 50
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    told = []
    for _ in range(12):
        losses = means(network.losses(network_input, [(64, 128)], [GROUND_TRUTHS["objects"]], generators(2)))
        told.append(sum(losses.values()))
        optimizer.zero_grad()
        told[-1].backward()
        optimizer.step()
    assert told[-1] < 0.8 * told[0]


def test_what_is_found_lies_on_the_image(network):
    network_input = torch.randn(2, 3, 64, 128, generator=torch.Generator().manual_seed(1)) * 50
    one, other = network.predict(network_input, [(50, 100), (64, 128)])
    for found, (height, width) in ((one, (50, 100)), (other, (64, 128))):
        assert len(found.boxes) == len(found.scores) == len(found.classes) == len(found.mask_probs) > 0
        assert (found.boxes >= 0).all() and (found.boxes <= torch.tensor([width, height] * 2)).all()
        assert found.mask_probs.shape[1:] == (28, 28)
        assert set(found.classes.tolist()) <= {0, 1}


def test_answers_follow_the_weights(network):
    """What detection prepares from the weights is made anew when these change, however they change."""
    network_input = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 50
    before = network.predict(network_input, [(64, 64)])[0].scores
    torch.testing.assert_close(network.predict(network_input, [(64, 64)])[0].scores, before, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch._foreach_lerp_([network.backbone["res2a_branch2a"].kernel], [torch.zeros(64, 64, 1, 1)], 0.9)
        network.box_head["mrcnn_class_logits"].bias.add_(torch.tensor([0.0, 9.0, 0.0]))
    after = network.predict(network_input, [(64, 64)])[0].scores
    assert not torch.equal(after, before) and after.max() > 0.99


def test_layers_are_chosen_as_in_our_other_networks(network):
    heads = choose_layers(network, "heads")
    assert all(not name.startswith("backbone.") for name in heads)
    assert "backbone.res4a_branch2a.kernel" in choose_layers(network, "4+")
    assert "backbone.res3a_branch2a.kernel" not in choose_layers(network, "4+")
    assert set(choose_layers(network, "all")) == {name for name, _ in network.named_parameters()}


def test_each_layer_has_one_place():
    places = {"conv1": "backbone", "bn5c_branch2c": "backbone", "fpn_p2": "fpn", "rpn_class_raw": "rpn"}
    places |= {"mrcnn_bbox_fc": "box_head", "mrcnn_class_bn1": "box_head", "mrcnn_mask_bn1": "mask_head"}
    assert {name: group_of(name) for name in places} == places


def test_boxes_alone_are_no_task_for_it():
    with pytest.raises(RecipeError, match="always draws outlines"):
        registry.find("matterport").build(2, "resnet50", masks=False)


# --- starting from a .h5 ----------------------------------------------------------------------------
def test_a_file_names_its_network(file):
    assert network_for(file) == {"model": "matterport", "backbone": "resnet50"}


def test_as_many_classes_keep_their_heads(file, network):
    told = start_from_h5(network, file, ("sword", "gun"))
    held = read_h5(file).layers
    for name in ("conv1", "mrcnn_class_logits", "mrcnn_mask"):
        assert np.array_equal(network.keras.get_weight(f"{name}/kernel:0"), held[name][0][1])
    assert network.keras.get_weight("rpn_class_raw/bias:0").shape == (6,)
    assert np.array_equal(network.keras.get_weight("rpn_class_raw/kernel:0"), held["rpn_model"][2][1])
    assert "classes kept: sword, gun" in told and "3 classes including background" in told


def test_other_classes_start_anew(file):
    network = registry.find("matterport").build(1, "resnet50")
    fresh = network.keras.get_weight("mrcnn_class_logits/kernel:0")
    told = start_from_h5(network, file, ("balloon",))
    assert "classes new: balloon" in told and "freshly initialized" not in told
    assert np.array_equal(network.keras.get_weight("mrcnn_class_logits/kernel:0"), fresh)
    assert np.array_equal(network.keras.get_weight("fpn_p2/kernel:0"), read_h5(file).layers["fpn_p2"][0][1])


def test_classes_that_coco_has_keep_their_rows(tmp_path, network):
    coco = written(tmp_path / "coco.h5", 81)
    told = start_from_h5(network, coco, ("car", "balloon"))
    assert "classes kept: car" in told and "classes new: balloon" in told
    rows = read_h5(coco).layers["mrcnn_class_logits"][0][1]
    assert np.array_equal(network.keras.get_weight("mrcnn_class_logits/kernel:0")[:, 1], rows[:, 3])


def test_other_networks_refuse_a_h5(file):
    small = registry.find("small").build(2)
    with pytest.raises(WeightsError, match="weights of matterport's network"):
        start_from_h5(small, file, ("a", "b"))
    other = registry.find("matterport").build(2, "resnet101")
    with pytest.raises(WeightsError, match="belong to another backbone"):
        start_from_h5(other, file, ("a", "b"))


def test_without_weights_it_starts_at_random():
    recipe = from_options(None, model="matterport")
    assert (recipe.weights, [stage.layers for stage in recipe.stages]) == ("none", ["all"])


# --- a whole run ------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_run_starts_from_a_h5_and_is_saved_as_one(file, tmp_path):
    party(tmp_path / "party", 4)
    lines = Lines()
    trained = maskwright.train(
        tmp_path / "party",
        weights=file,
        epochs=1,
        steps_per_epoch=1,
        batch=1,
        size=64,
        workers=0,
        device="cpu",
        precision="fp32",
        out=tmp_path / "runs",
        log=lines,
    )
    assert "--weights is matterport's file, so --model matterport --backbone resnet50" in lines
    predictor = maskwright.load(
        trained.folder, maskwright.InferenceOptions(threshold=0.0, device="cpu", precision="fp32")
    )
    assert (predictor.card.model, predictor.card.backbone) == ("matterport", "resnet50")
    assert predictor.card.std == (1.0, 1.0, 1.0)

    saved = save_h5(trained.folder, tmp_path / "party.h5")
    held = read_h5(saved)
    assert (held.backbone, held.classes, held.mode) == ("resnet50", 2, "training")
    network = predictor.engine.network
    assert isinstance(network, Matterport)
    for name, weights in held.layers.items():
        for weight, value in weights:
            assert np.array_equal(value, network.keras.get_weight(weight)), name


def test_only_its_network_is_saved_as_h5(tmp_path):
    with pytest.raises(WeightsError, match="only matterport's network"):
        save_h5("balloons", tmp_path / "x.h5")
