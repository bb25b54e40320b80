"""The whole network: no objects first, then losses, detection, what is trained, and that it learns."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace

import pytest
import torch
from tiny_runs import generators, means

from maskwright.errors import RecipeError, UnknownName
from maskwright.models import registry
from maskwright.models.base import Targets, choose_layers, training_mode
from maskwright.models.detection.mask_rcnn import MaskRCNN
from maskwright.models.ops import box_iou

SIZE = (128, 128)
LOSSES = {"rpn_cls", "rpn_box", "cls", "box", "mask"}


def built(masks: bool = True) -> MaskRCNN:
    """The small network with fresh weights, looking at fewer boxes than it would, to be quick."""
    torch.manual_seed(0)
    network = registry.find("small").build(2, masks=masks).eval()
    few = replace(network.config.rpn_inference, pre_nms_top_n=30, post_nms_top_n=20)
    network.config = replace(
        network.config, rpn_training=few, rpn_inference=few, roi_batch_size_per_image=16, detections_per_image=8
    )
    return network


@pytest.fixture(scope="module")
def fresh() -> MaskRCNN:
    """Shared: tests must not change it."""
    return built()


@pytest.fixture
def network(fresh) -> MaskRCNN:
    return copy.deepcopy(fresh)


def network_input(images: int = 1) -> torch.Tensor:
    return torch.randn(images, 3, *SIZE, generator=torch.Generator().manual_seed(images))


def target(rows=(), masks: bool = True, crowd=()) -> Targets:
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
    patches = torch.ones(len(table), 56, 56) if masks and len(table) else None
    return Targets(
        table,
        torch.arange(len(table)) % 2,
        patches,
        torch.tensor(crowd, dtype=torch.float32).reshape(-1, 4),
    )


NOTHING = target()
OBJECTS = target([[10, 10, 60, 50], [70, 30, 120, 100]])
ONLY_BOXES = target([[10, 10, 60, 50]], masks=False)
A_CROWD = target(crowd=[[0, 0, 128, 128]])
ALL_CROWD = target(crowd=[[-900, -900, 900, 900]])  # large anchors reach far over the network input
A_FLAT_ONE = target([[20, 20, 21, 21]])


def losses(network: MaskRCNN, *targets: Targets) -> dict[str, torch.Tensor]:
    draws = generators(*range(len(targets)))
    return means(network.losses(network_input(len(targets)), [SIZE] * len(targets), list(targets), draws))


# --- use: nothing first ---------------------------------------------------------------------------
def test_where_all_is_background_there_are_0_rows_of_the_right_shapes(network):
    network.box_head.cls_score.bias.data[0] = 50.0
    for detections in network.predict(torch.zeros(2, 3, *SIZE), [SIZE, (50, 128)]):
        assert detections.boxes.shape == (0, 4) and detections.scores.shape == (0,)
        assert detections.classes.shape == (0,) and detections.classes.dtype == torch.long
        assert detections.mask_probs is not None and detections.mask_probs.shape == (0, 28, 28)


def test_where_nothing_is_even_proposed_there_are_0_rows_too(network):
    """As with weights that are not numbers: no anchor survives."""
    network.rpn.bbox_pred.bias.data.fill_(torch.nan)
    (detections,) = network.predict(network_input(), [SIZE])
    assert (
        detections.boxes.shape == (0, 4)
        and detections.mask_probs is not None
        and detections.mask_probs.shape == (0, 28, 28)
    )


def test_a_network_without_mask_head_draws_nothing():
    network = built(masks=False)
    (detections,) = network.predict(network_input(), [SIZE])
    assert len(detections.boxes) and detections.mask_probs is None
    assert set(losses(network, OBJECTS)) == LOSSES - {"mask"}


def test_what_is_found_lies_on_the_image_best_first(fresh):
    sizes = [SIZE, (40, 128), (128, 1)]
    for detections, (height, width) in zip(fresh.predict(network_input(3), sizes), sizes, strict=True):
        assert 0 < len(detections.boxes) <= fresh.config.detections_per_image
        assert (detections.boxes >= 0).all()
        assert (detections.boxes[:, 2] <= width).all() and (detections.boxes[:, 3] <= height).all()
        assert (detections.scores.diff() <= 0).all() and detections.scores[-1] > fresh.config.score_thresh
        assert set(detections.classes.tolist()) <= {0, 1}
        assert detections.mask_probs is not None and detections.mask_probs.shape == (len(detections.boxes), 28, 28)
        assert ((detections.mask_probs >= 0) & (detections.mask_probs <= 1)).all()


def test_each_image_of_a_batch_gets_what_it_gets_alone(fresh):
    images, sizes = network_input(2), [SIZE, (64, 100)]
    for row, together in enumerate(fresh.predict(images, sizes)):
        (alone,) = fresh.predict(images[row : row + 1], sizes[row : row + 1])
        assert len(alone.boxes) == len(together.boxes)
        torch.testing.assert_close(alone.scores, together.scores, atol=1e-4, rtol=1e-4)


def test_a_network_from_the_state_of_another_finds_the_same(fresh):
    other = copy.deepcopy(fresh)
    other.box_head.cls_score.weight.data.neg_()
    assert not torch.equal(
        other.predict(network_input(), [SIZE])[0].scores, fresh.predict(network_input(), [SIZE])[0].scores
    )
    other.load_state_dict(fresh.state_dict())
    (mine,), (theirs,) = fresh.predict(network_input(), [SIZE]), other.predict(network_input(), [SIZE])
    torch.testing.assert_close(mine.boxes, theirs.boxes, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(mine.scores, theirs.scores, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mine.mask_probs, theirs.mask_probs, rtol=1e-4, atol=1e-4)


# --- training -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "targets",
    [(NOTHING,), (A_CROWD,), (ONLY_BOXES,), (A_FLAT_ONE,), (OBJECTS,), (NOTHING, OBJECTS), (ONLY_BOXES, OBJECTS)],
    ids=["nothing", "crowd", "boxes", "flat", "objects", "nothing and objects", "boxes and objects"],
)
def test_losses_are_finite_and_differentiable(network, targets):
    told = losses(network.requires_grad_(True), *targets)
    assert set(told) == LOSSES
    assert all(loss.shape == () and loss.isfinite() and loss >= 0 for loss in told.values())
    sum(told.values()).backward()  # type: ignore[union-attr]
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_without_objects_boxes_and_masks_have_no_loss(fresh):
    told = losses(fresh, NOTHING)
    assert told["box"] == told["mask"] == told["rpn_box"] == 0
    assert told["rpn_cls"] > 0 and told["cls"] > 0


def test_objects_known_by_their_boxes_do_not_teach_the_mask_head(fresh):
    told = losses(fresh, ONLY_BOXES)
    assert told["mask"] == 0 and told["box"] > 0


def test_where_all_is_a_crowd_nothing_is_background(fresh):
    assert all(loss == 0 for loss in losses(fresh, ALL_CROWD).values())
    assert losses(fresh, A_CROWD)["cls"] == 0


def test_the_same_seed_gives_the_same_losses(fresh):
    assert losses(fresh, OBJECTS) == losses(fresh, OBJECTS)


def test_the_losses_of_a_batch_are_those_of_its_images_totals_and_counts_added(fresh):
    """What several processes, or the parts of an accumulated step, come to is what one batch comes to."""
    images, targets, fresh = network_input(2), [OBJECTS, target([[30, 20, 90, 70]])], copy.deepcopy(fresh).eval()
    together = fresh.losses(images, [SIZE] * 2, targets, generators(3, 4))
    parts = [fresh.losses(images[row : row + 1], [SIZE], [targets[row]], generators(3 + row)) for row in range(2)]
    for name, whole in together.items():
        assert int(whole.count) == sum(int(part[name].count) for part in parts)
        torch.testing.assert_close(whole.total, parts[0][name].total + parts[1][name].total, rtol=1e-4, atol=1e-4)


def test_an_object_s_sampled_boxes_name_its_class(fresh):
    """The network that already says "class 1" everywhere has a smaller label loss where all objects are of class 1."""
    leaning = copy.deepcopy(fresh)
    leaning.box_head.cls_score.bias.data[2] += 1.0
    one = Targets(OBJECTS.boxes, torch.ones(2, dtype=torch.long), OBJECTS.patches, OBJECTS.crowd)
    zero = Targets(OBJECTS.boxes, torch.zeros(2, dtype=torch.long), OBJECTS.patches, OBJECTS.crowd)
    assert losses(leaning, one)["cls"] < losses(leaning, zero)["cls"]


@pytest.mark.slow
def test_training_on_one_image_lowers_the_loss_and_finds_its_object(network):
    image = torch.zeros(1, 3, *SIZE)
    image[:, :, 30:90, 40:100] = 2.0
    told = target([[40, 30, 100, 90]])
    choose_layers(network, "all")
    training_mode(network, train_bn=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    slower = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, 150)
    course = []
    for step in range(150):
        total = torch.stack([*means(network.losses(image, [SIZE], [told], generators(step))).values()]).sum()
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        slower.step()
        course.append(total.item())
    assert sum(course[-5:]) < 0.5 * sum(course[:5])
    (detections,) = network.eval().predict(image, [SIZE])
    assert detections.classes[0] == 0 and detections.scores[0] > 0.5
    assert box_iou(detections.boxes[:1], told.boxes) > 0.6


# --- which layers learn ---------------------------------------------------------------------------
def test_heads_leave_the_backbone_alone(network):
    chosen = choose_layers(network, "heads")
    assert {name.split(".")[0] for name in chosen} == {"fpn", "rpn", "box_head", "mask_head"}
    assert {name for name, parameter in network.named_parameters() if parameter.requires_grad} == set(chosen)


def test_each_name_trains_what_the_next_one_trains_and_more(network):
    names = [set(choose_layers(network, layers)) for layers in ("heads", "5+", "4+", "3+", "all")]
    assert all(fewer < more for fewer, more in itertools.pairwise(names))
    assert len(names[-1]) == len(list(network.parameters()))


def test_layers_may_be_a_regular_expression_of_whole_names(network):
    assert choose_layers(network, r"mask_head\.mask_fcn_logits\.(weight|bias)") == [
        "mask_head.mask_fcn_logits.weight",
        "mask_head.mask_fcn_logits.bias",
    ]


@pytest.mark.parametrize("layers", ["(", "mask_head", "2+"])
def test_layers_that_name_nothing_are_refused(network, layers):
    with pytest.raises(RecipeError, match="layer"):
        choose_layers(network, layers)


def test_norms_that_are_not_trained_keep_their_statistics(network):
    choose_layers(network, "heads")
    for live, learning in ((True, {"fpn"}), (False, set())):
        training_mode(network, train_bn=live)
        norms = {
            n.split(".")[0] for n, m in network.named_modules() if isinstance(m, torch.nn.BatchNorm2d) and m.training
        }
        assert norms == learning and network.box_head.training


# --- the catalogue --------------------------------------------------------------------------------
def test_a_wrong_name_offers_the_nearest():
    with pytest.raises(UnknownName, match='Did you mean "mask_rcnn_r50"'):
        registry.find("mask_rcnn_r5O")
    with pytest.raises(UnknownName, match="no backbone"):
        registry.find("small").build(2, "resnet50")


def test_the_small_network_is_small(fresh):
    assert sum(parameter.numel() for parameter in fresh.parameters()) < 7_000_000
