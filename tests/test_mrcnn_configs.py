"""Configurations beside the usual one, against the original's documented rules said again in plain numpy loops."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from maskwright.errors import DatasetError, RecipeError
from mrcnn import model as modellib
from mrcnn import utils
from mrcnn.config import Config


class Small(Config):
    NAME, BACKBONE, NUM_CLASSES = "small", "resnet50", 3
    IMAGES_PER_GPU = STEPS_PER_EPOCH = VALIDATION_STEPS = 1
    IMAGE_MIN_DIM, IMAGE_MAX_DIM = 64, 128
    TOP_DOWN_PYRAMID_SIZE, FPN_CLASSIF_FC_LAYERS_SIZE = 16, 32
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    DETECTION_MIN_CONFIDENCE = 0.0
    POST_NMS_ROIS_INFERENCE = POST_NMS_ROIS_TRAINING = 60
    TRAIN_ROIS_PER_IMAGE = 20


class Pad64(Small):
    IMAGE_RESIZE_MODE = "pad64"
    IMAGE_MIN_SCALE = 1.3


class Stride2(Small):
    """Odd maps: of 192 pixels P5 has 6 cells a side, P6 has 3."""

    IMAGE_MIN_DIM, IMAGE_MAX_DIM = 100, 192
    RPN_ANCHOR_STRIDE = 2
    RPN_ANCHOR_RATIOS = [0.25, 0.5, 1, 3]  # noqa: RUF012


class BatchOfCrops(Small):
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = 64
    IMAGES_PER_GPU = 2
    RPN_ANCHOR_RATIOS = [1]  # noqa: RUF012


class Untouched(Small):
    IMAGE_RESIZE_MODE = "none"


SIZES = {Pad64: (70, 150), Stride2: (81, 110), BatchOfCrops: (90, 75), Untouched: (64, 192)}


# --- the rules, slowly ------------------------------------------------------------------------------
def plain_anchors(config, height, width):
    boxes = []
    for scale, step in zip(config.RPN_ANCHOR_SCALES, config.BACKBONE_STRIDES, strict=True):
        for i in range(0, math.ceil(height / step), config.RPN_ANCHOR_STRIDE):
            for j in range(0, math.ceil(width / step), config.RPN_ANCHOR_STRIDE):
                for ratio in config.RPN_ANCHOR_RATIOS:
                    h, w = scale / math.sqrt(ratio), scale * math.sqrt(ratio)
                    boxes.append([i * step - h / 2, j * step - w / 2, i * step + h / 2, j * step + w / 2])
    frame = [height - 1, width - 1, height - 1, width - 1]
    return (np.array(boxes) - [0, 0, 1, 1]) / frame


def moved(boxes, deltas):
    size = boxes[:, 2:] - boxes[:, :2]
    center = boxes[:, :2] + size / 2 + deltas[:, :2] * size
    size = size * np.exp(deltas[:, 2:])
    return np.concatenate([center - size / 2, center + size / 2], 1)


def iou(a, b):
    height, width = (max(min(a[k + 2], b[k + 2]) - max(a[k], b[k]), 0) for k in (0, 1))
    whole = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - height * width
    return height * width / whole if height * width > 0 else 0.0


def greedy(boxes, threshold, most):
    kept = []
    for row, box in enumerate(boxes):
        if len(kept) < most and all(iou(box, boxes[other]) <= threshold for other in kept):
            kept.append(row)
    return kept


def pooled(maps, box, area, out):
    y1, x1, y2, x2 = box.astype(np.float64)
    side = math.sqrt(max((y2 - y1) * (x2 - x1), 0))
    level = 2 if side == 0 else min(max(4 + int(np.round(math.log2(side / (224 / math.sqrt(area))))), 2), 5)
    values = maps[level - 2]
    last = np.array(values.shape[:2]) - 1
    cells = np.zeros((out, out, values.shape[2]))
    for i in range(out):
        for j in range(out):
            y = y1 * last[0] + i * (y2 - y1) * last[0] / (out - 1)
            x = x1 * last[1] + j * (x2 - x1) * last[1] / (out - 1)
            if not (0 <= y <= last[0] and 0 <= x <= last[1]):
                continue
            top, left = int(y), int(x)
            bottom, right = min(top + 1, last[0]), min(left + 1, last[1])
            upper = values[top, left] * (1 - (x - left)) + values[top, right] * (x - left)
            lower = values[bottom, left] * (1 - (x - left)) + values[bottom, right] * (x - left)
            cells[i, j] = upper * (1 - (y - top)) + lower * (y - top)
    return cells


def found_again(config, rois, probs, deltas, window):
    rows = []
    for roi, prob, delta in zip(rois, probs, deltas, strict=True):
        kind = int(prob.argmax())
        box = moved(roi[None].astype(np.float64), delta[kind][None] * config.BBOX_STD_DEV)[0]
        box = np.clip(box, np.tile(window[:2], 2), np.tile(window[2:], 2))
        if kind > 0 and prob[kind] >= config.DETECTION_MIN_CONFIDENCE:
            rows.append([*box, kind, prob[kind]])
    rows = sorted(rows, key=lambda row: -row[5])
    kept = []
    for kind in range(1, config.NUM_CLASSES):
        own = [row for row in rows if row[4] == kind]
        kept += [own[index] for index in greedy(own, config.DETECTION_NMS_THRESHOLD, config.DETECTION_MAX_INSTANCES)]
    return np.array(sorted(kept, key=lambda row: -row[5])[: config.DETECTION_MAX_INSTANCES])


# --- detection --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A model of each configuration, made when it is first asked for; the weights are lively, so that much is found."""
    made = {}

    def get(kind):
        if kind not in made:
            torch.manual_seed(0)
            made[kind] = modellib.MaskRCNN("inference", kind(), str(tmp_path_factory.mktemp("logs")))
            with torch.no_grad():
                for name, weight in made[kind].keras_model.network.named_parameters():
                    if "rpn_class_raw.kernel" in name or "rpn_bbox" in name or "mrcnn_bbox_fc" in name:
                        weight.mul_(3)
        return made[kind]

    return get


@pytest.mark.parametrize("kind", [Pad64, Stride2, BatchOfCrops, Untouched])
def test_each_step_of_detection_follows_the_rules(models, kind):
    model, config = models(kind), kind()
    draw = np.random.default_rng(1)
    images = [draw.integers(0, 255, (*SIZES[kind], 3), np.uint8) for _ in range(config.BATCH_SIZE)]
    random.seed(3)
    molded, metas, windows = model.mold_inputs(images)
    size = molded.shape[1:3]
    assert all(side % 64 == 0 for side in size)

    anchors = model.get_anchors(molded[0].shape)
    assert np.abs(anchors - plain_anchors(config, *size)).max() < 1e-6
    layers = ["rpn_class", "rpn_bbox", "ROI", "fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5", "roi_align_classifier"]
    layers += ["mrcnn_class", "mrcnn_bbox", "mrcnn_detection", "roi_align_mask", "mrcnn_mask"]
    every = np.broadcast_to(anchors, (len(molded), *anchors.shape))
    seen = model.keras_model.network.run(molded.astype(np.float32), metas, every, layers)

    for i, image in enumerate(images):
        scores, moves, rois = seen["rpn_class"][i, :, 1], seen["rpn_bbox"][i], seen["ROI"][i]
        assert len(scores) == len(anchors)
        best = np.argsort(-scores, kind="stable")[: config.PRE_NMS_LIMIT]
        boxes = np.clip(moved(anchors[best].astype(np.float64), moves[best] * config.RPN_BBOX_STD_DEV), 0, 1)
        expected = boxes[greedy(boxes, config.RPN_NMS_THRESHOLD, config.POST_NMS_ROIS_INFERENCE)]
        assert np.abs(rois[: len(expected)] - expected).max() < 1e-5
        assert not rois[len(expected) :].any()

        maps = [seen[f"fpn_p{level}"][i] for level in (2, 3, 4, 5)]
        inner = [row for row in range(0, len(rois), 7) if (rois[row, 2:] < 1).all()]  # on the edge a last bit decides
        for row in inner:
            expected = pooled(maps, rois[row], size[0] * size[1], config.POOL_SIZE)
            assert np.abs(seen["roi_align_classifier"][i, row] - expected).max() < 1e-3 * np.abs(maps[0]).max()

        frame = [size[0] - 1, size[1] - 1] * 2
        window = (np.array(windows[i]) - [0, 0, 1, 1]) / frame
        detections = seen["mrcnn_detection"][i]
        expected = found_again(config, rois, seen["mrcnn_class"][i], seen["mrcnn_bbox"][i], window)
        assert len(expected) > 2
        assert np.abs(detections[: len(expected)] - expected).max() < 1e-5
        assert not detections[len(expected) :].any()

        found = model.unmold_detections(detections, seen["mrcnn_mask"][i], image.shape, molded[i].shape, windows[i])
        span = np.tile(window[2:] - window[:2], 2)
        on_image = (expected[:, :4] - np.tile(window[:2], 2)) / span * ([image.shape[0] - 1, image.shape[1] - 1] * 2)
        on_image = np.around(on_image + np.array([0, 0, 1, 1]))
        on_image = on_image[((on_image[:, 2:] - on_image[:, :2]) > 0).all(1)]
        assert np.abs(found[0] - on_image).max() <= 1
        assert found[3].shape == (*image.shape[:2], len(found[0]))


def test_images_of_several_sizes_are_one_batch_where_resizing_makes_them_so(models):
    model = models(BatchOfCrops)
    images = [np.full((70, 90, 3), 9, np.uint8), np.full((200, 66, 3), 99, np.uint8)]
    assert [result["masks"].shape[:2] for result in model.detect(images)] == [(70, 90), (200, 66)]


def test_images_of_several_sizes_are_refused_where_it_does_not(models):
    config = Pad64()
    with pytest.raises(AssertionError, match="all images must have the same size"):
        modellib.molding.mold_inputs([np.zeros((70, 150, 3), np.uint8), np.zeros((150, 70, 3), np.uint8)], config)


# --- training ---------------------------------------------------------------------------------------
class Squares(utils.Dataset):
    """Two images: squares of two classes, and in the first one a crowd."""

    def __init__(self, size: tuple[int, int], other: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.add_class("squares", 1, "small")
        self.add_class("squares", 2, "large")
        for number, item in enumerate((size, other or size)):
            self.add_image("squares", number, path=None, size=item)
        self.prepare()

    def load_image(self, image_id):
        return np.random.default_rng(image_id).integers(0, 255, (*self.image_info[image_id]["size"], 3), np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros((*self.image_info[image_id]["size"], 3), bool)
        masks[8:28, 5:25, 0] = masks[14:58, 22:62, 1] = True
        masks[:6, 30:60, 2] = True
        return masks, np.array([1, 2, -2 if image_id == 0 else 1], np.int32)


@pytest.mark.parametrize("mini", [True, False])
def test_roi_targets_follow_the_rules(mini):
    """Of given proposals: who is positive, its class, deltas and mask, and that background keeps off the crowd."""
    from maskwright.models.matterport.layers import detection_targets

    config = Small()
    config.USE_MINI_MASK = mini
    image, _, ids, boxes, masks = modellib.load_image_gt(Squares((64, 64)), config, 0, use_mini_mask=mini)
    size = np.array(image.shape[:2] * 2)
    ground_truth = (boxes - [0, 0, 1, 1]) / (size - 1)
    draw = np.random.default_rng(5)
    rois = np.concatenate(
        [ground_truth[:2].repeat(30, 0) + draw.normal(0, 0.03, (60, 4)), draw.uniform(0, 0.5, (60, 4))]
    )
    rois[60:, 2:] += rois[60:, :2]
    rois = np.clip(rois, 0, 1).astype(np.float32)

    def tensor(values):
        return torch.tensor(np.asarray(values)[None])

    found = detection_targets(
        tensor(rois),
        tensor(ids),
        tensor(ground_truth.astype(np.float32)),
        tensor(masks.astype(np.float32)),
        count=30,
        positive_fraction=0.33,
        std=torch.tensor(config.BBOX_STD_DEV, dtype=torch.float32),
        mask_side=28,
        mini=mini,
        generators=[torch.Generator().manual_seed(1)],
    )
    chosen, classes = found.rois[0].numpy(), found.class_ids[0].numpy()
    objects, crowds = ground_truth[ids > 0], ground_truth[ids < 0]
    assert (classes > 0).sum() == int(30 * 0.33)
    assert (chosen.any(1)).sum() == int(int(30 * 0.33) / 0.33)
    for roi, kind, delta, mask in zip(chosen, classes, found.deltas[0].numpy(), found.masks[0].numpy(), strict=True):
        overlaps = [iou(roi, box) for box in objects]
        if not roi.any():
            continue
        if kind == 0:
            assert max(overlaps) < 0.5 and all(iou(roi, box) < 0.001 for box in crowds)
            continue
        own = int(np.argmax(overlaps))
        assert overlaps[own] >= 0.5 and kind == ids[ids > 0][own]
        assert (
            np.abs(moved(roi[None].astype(np.float64), delta[None] * config.BBOX_STD_DEV)[0] - objects[own]).max()
            < 1e-5
        )
        # what the roi sees: the object's box is full, so a cell belongs when its sample lies in the box
        y, x = (roi[k] + (roi[k + 2] - roi[k]) * np.arange(28) / 27 for k in (0, 1))
        box = objects[own]
        inside = ((y >= box[0]) & (y <= box[2]))[:, None] & ((x >= box[1]) & (x <= box[3]))[None]
        assert (inside == mask.astype(bool)).mean() > 0.93  # half a pixel of the mask at its rim
        assert mask[inside].mean() > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {"IMAGE_RESIZE_MODE": "crop", "IMAGES_PER_GPU": 2, "USE_MINI_MASK": False},
        {"RPN_ANCHOR_STRIDE": 2, "IMAGE_MAX_DIM": 192, "IMAGE_MIN_DIM": 192, "RPN_ANCHOR_RATIOS": [0.5, 2]},
        {"USE_RPN_ROIS": False, "MINI_MASK_SHAPE": (40, 56)},
    ],
)
@pytest.mark.slow
def test_a_step_is_trained(tmp_path, changes):
    config = type("Changed", (Small,), changes)()
    model = modellib.MaskRCNN("training", config, str(tmp_path))
    data = Squares((80, 72))
    model.train(data, data, 0.001, epochs=1, layers="all")
    history = model.keras_model.history.history
    assert all(np.isfinite(values).all() for values in history.values())
    assert (tmp_path / model.log_dir / "mask_rcnn_small_0001.h5").exists()


def test_training_images_that_are_not_of_image_shape_are_named(tmp_path):
    model = modellib.MaskRCNN("training", Pad64(), str(tmp_path))
    with pytest.raises(RecipeError) as caught:
        model.train(Squares((70, 100)), None, 0.001, epochs=1, layers="heads")
    assert caught.value.parts["got"].startswith("128 x 192, which has 6138 anchors instead of 4092")


def test_a_batch_of_several_sizes_is_named():
    config = type("Two", (Pad64,), {"IMAGES_PER_GPU": 2})()
    batches = modellib.data_generator(Squares((70, 150), (150, 70)), config, shuffle=False, batch_size=2)
    with pytest.raises(DatasetError, match="must be of one size"):
        next(batches)
