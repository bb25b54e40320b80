"""Other weights into a network: torchvision's names, and class heads by class name."""

from __future__ import annotations

import copy
import re

import pytest
import torch

from maskwright.models import registry
from maskwright.weights.transfer import COCO_NAMES, rename, scores_classes, transfer

ROWS = {"box_head.cls_score": 1, "box_head.bbox_pred": 4, "mask_head.mask_fcn_logits": 1}


def built(classes: int, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    network = registry.find("small").build(classes)
    for name, tensor in network.state_dict().items():
        if name.rsplit(".", 1)[0] in ROWS:
            tensor.copy_(torch.randn(tensor.shape))
    return network


@pytest.fixture(scope="module")
def source() -> dict[str, torch.Tensor]:
    """Of a network that knows bolts, nuts and rust."""
    return built(3, seed=1).state_dict()


@pytest.fixture(scope="module")
def fresh() -> torch.nn.Module:
    return built(2, seed=2)


@pytest.fixture
def network(fresh) -> torch.nn.Module:
    return copy.deepcopy(fresh)


def test_nothing_given_keeps_nothing(network, fresh):
    told = transfer(network, {}, ("rust",), ("rust", "dent"))
    assert told.kept == 0 and told.classes_kept == [] and told.classes_fresh == ["rust", "dent"]
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), fresh.parameters(), strict=True))


def test_a_network_s_own_state_is_kept_whole(network):
    other = built(2, seed=5)
    told = transfer(network, other.state_dict(), ("a", "b"), ("a", "b"))
    assert not told.fresh and not told.unused and told.classes_kept == ["a", "b"]
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))


def test_class_heads_go_by_name_and_a_new_class_starts_with_the_average_box_and_mask(network, fresh, source):
    told = transfer(network, source, ("bolt", "nut", "rust"), ("rust", "dent"))
    assert told.classes_kept == ["rust"] and told.classes_fresh == ["dent"] and not told.fresh
    state, before = network.state_dict(), fresh.state_dict()
    for head, item in ROWS.items():
        for name in (f"{head}.weight", f"{head}.bias"):
            background, rust, dent = state[name].split(item)
            given = source[name].split(item)
            assert torch.equal(background, given[0])
            assert torch.equal(rust, given[3])
            if head == "box_head.cls_score":
                assert torch.equal(dent, before[name].split(item)[2])
            else:
                torch.testing.assert_close(dent, torch.stack(given[1:]).mean(0))


def test_the_same_classes_in_another_order_are_put_in_order(network):
    other = built(2, seed=5).state_dict()
    transfer(network, other, ("a", "b"), ("b", "a"))
    for head, item in ROWS.items():
        rows, given = network.state_dict()[f"{head}.weight"].split(item), other[f"{head}.weight"].split(item)
        assert [torch.equal(rows[i], given[j]) for i, j in ((0, 0), (1, 2), (2, 1))] == [True] * 3


def test_one_class_on_each_side_keeps_its_row_whatever_its_name():
    network, other = built(1, seed=1), built(1, seed=2).state_dict()
    told = transfer(network, other, ("balloon",), ("gun",))
    assert told.classes_kept == ["gun (from balloon)"]
    assert torch.equal(network.state_dict()["box_head.cls_score.weight"], other["box_head.cls_score.weight"])


def test_shapes_that_do_not_fit_stay_as_initialized_and_are_named(network, fresh, source):
    wrong = {**source, "fpn.inner_blocks.0.0.weight": torch.ones(1), "rpn.cls_logits.bias": torch.ones(7)}
    told = transfer(network, wrong, ("bolt", "nut", "rust"), ("rust", "dent"))
    assert told.fresh == ["fpn.inner_blocks.0.0.weight", "rpn.cls_logits.bias"]
    for name in told.fresh:
        assert torch.equal(network.state_dict()[name], fresh.state_dict()[name])


@pytest.mark.parametrize("shape", [(2, 256), (256,), (), (0, 256), (4, 255)])
def test_a_head_of_fewer_rows_than_the_card_has_classes_stays_fresh(network, source, shape):
    """The card says three classes; its weights were made for others."""
    wrong = {**source, "box_head.cls_score.weight": torch.ones(shape)}
    told = transfer(network, wrong, ("bolt", "nut", "rust"), ("rust", "dent"))
    assert told.fresh == ["box_head.cls_score.weight"]


def test_where_no_head_fits_no_class_is_said_to_be_kept(network, source):
    body = {name: tensor for name, tensor in source.items() if name.startswith("backbone.")}
    told = transfer(network, body, ("rust",), ("rust", "dent"))
    assert told.classes_kept == [] and told.classes_fresh == ["rust", "dent"]
    assert str(told) == (
        f"{told.kept} tensors kept; classes new: rust, dent; freshly initialized: box_head.dense, fpn.inner_blocks, "
        "fpn.layer_blocks, mask_head.conv5_mask, mask_head.convs, rpn.bbox_pred ... (8 in all)"
    )


@pytest.mark.parametrize(
    ("known", "names", "new"),
    [
        (("bolt", "nut", "rust"), ("rust", "dent"), ("dent",)),
        (("bolt", "nut", "rust"), ("gap", "dent"), ("gap", "dent")),
        (("bolt", "nut", "rust"), ("rust", "nut"), ()),
        ((), ("rust", "dent"), ()),  # the heads start at random
    ],
)
def test_new_classes_are_those_that_trained_heads_do_not_know(network, source, known, names, new):
    given = source if known else {name: value for name, value in source.items() if name.startswith("backbone.")}
    assert transfer(network, given, known, names).new_classes == new


def test_the_layer_of_class_scores_is_known_in_every_detector():
    for model in ("small", "mask_rcnn_r50", "ssd300_vgg16", "matterport"):
        network = registry.find(model, registry.task_of(model)).build(2)
        names = [name for name, _ in network.named_parameters() if scores_classes(name)]
        assert names and not any("bbox" in name or "rpn" in name for name in names), model


def test_names_nobody_knows_are_listed(network):
    assert transfer(network, {"roi_heads.new.weight": torch.ones(1)}, (), ()).unused == ["roi_heads.new.weight"]


# --- torchvision's names --------------------------------------------------------------------------
def test_a_classifier_gives_its_body_and_leaves_its_head():
    state = {"features.0.0.weight": torch.ones(1), "classifier.1.weight": torch.ones(1)}
    assert list(rename(state)) == ["backbone.features.0.0.weight"]
    assert list(rename({"layer1.0.conv1.weight": torch.ones(1), "fc.weight": torch.ones(1)})) == [
        "backbone.layer1.0.conv1.weight"
    ]
    assert rename({}) == {}


def old_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As torchvision's detection models before 0.13 were saved: convolutions of pyramid and heads without `.0`."""
    rules = (
        (r"(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.0\.", r"\1."),
        (r"rpn\.head\.conv\.0\.0\.", "rpn.head.conv."),
        (r"roi_heads\.mask_head\.(\d)\.0\.", lambda m: f"roi_heads.mask_head.mask_fcn{int(m[1]) + 1}."),
    )
    for pattern, old in rules:
        state = {re.sub(pattern, old, name): tensor for name, tensor in state.items()}
    return state


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
def test_all_of_torchvisions_detector_finds_its_place(torchvision, old):
    """Also from the names of its COCO weights of 2019."""
    make = torchvision.models.detection.maskrcnn_resnet50_fpn
    theirs = make(weights=None, weights_backbone=None, num_classes=91)
    state = theirs.state_dict()
    if old:
        state = old_names(state)
        assert "backbone.fpn.inner_blocks.0.weight" in state and "roi_heads.mask_head.mask_fcn1.weight" in state
        theirs.load_state_dict(state)  # torchvision itself knows these names
    network = registry.find("mask_rcnn_r50").build(2)
    told = transfer(network, state, COCO_NAMES, ("dog", "rust"))
    assert told.classes_kept == ["dog"] and not told.fresh
    assert all(name.endswith("num_batches_tracked") for name in told.unused)


def test_old_names_of_pyramid_and_heads_are_known():
    new = {
        "backbone.fpn.inner_blocks.2.0.weight": "fpn.inner_blocks.2.0.weight",
        "backbone.fpn.layer_blocks.3.0.bias": "fpn.layer_blocks.3.0.bias",
        "backbone.fpn.inner_blocks.0.1.running_mean": "fpn.inner_blocks.0.1.running_mean",
        "rpn.head.conv.0.0.weight": "rpn.conv.0.0.weight",
        "roi_heads.mask_head.3.0.bias": "mask_head.convs.3.0.bias",
        "roi_heads.box_head.fc6.weight": "box_head.dense.0.weight",
    }
    state = {name: torch.ones(1) for name in new}
    assert list(rename(state)) == list(rename(old_names(state))) == list(new.values())


def test_coco_has_90_places_of_which_80_are_used():
    assert len(COCO_NAMES) == 90 and len(set(COCO_NAMES) - {"-"}) == 80
    assert (COCO_NAMES[0], COCO_NAMES[17], COCO_NAMES[38], COCO_NAMES[89]) == (
        "person",
        "dog",
        "baseball bat",
        "toothbrush",
    )
    assert all(name == " ".join(name.split()) for name in COCO_NAMES)


def test_rows_of_a_network_laid_out_channels_last_are_found_too():
    """As training has it; SSD's class heads are 3x3 kernels over several default boxes."""
    network = registry.find("ssd300_vgg16", "detect").build(2).to(memory_format=torch.channels_last)
    given = registry.find("ssd300_vgg16", "detect").build(3).state_dict()
    told = transfer(network, given, ("bolt", "nut", "rust"), ("rust", "dent"))
    assert told.classes_kept == ["rust"] and not told.fresh
    name = "box_head.cls_score.0.weight"
    boxes = len(given[name]) // 4
    mine, theirs = network.state_dict()[name].unflatten(0, (boxes, 3)), given[name].unflatten(0, (boxes, 4))
    assert torch.equal(mine[:, 1], theirs[:, 3]) and torch.equal(mine[:, 0], theirs[:, 0])
