"""The adapter for `check_parity.py --adapter parity_adapter`: graph functions and training steps on arrays."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maskwright.models import ops
from maskwright.models.detection import box_coder
from maskwright.models.matterport import layers as tf
from maskwright.models.matterport.model import MatterportMaskRCNN, Settings
from maskwright.models.matterport.network import Taps
from maskwright.training.keras_sgd import KerasSGD
from maskwright.weights.matterport_h5 import load_into, read_h5


def make_settings(values: dict[str, Any]) -> Settings:
    """Settings of Config attributes in capitals; IMAGE_SHAPE follows from the sides as in the original."""
    names = {field.name for field in dataclasses.fields(Settings)}
    known = {name.lower(): value for name, value in values.items() if name.lower() in names}
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
    side = known.get("image_min_dim" if known.get("image_resize_mode") == "crop" else "image_max_dim", 1024)
    return Settings(**{"image_shape": (side, side, 3), **known})


def run_layer(name: str, inputs: dict[str, np.ndarray], settings: dict) -> dict[str, np.ndarray]:
    """One graph function of the original on given arrays; `grad_x` is the gradient for the input x."""
    given = {key: torch.from_numpy(np.array(value)) for key, value in inputs.items()}
    detections = GRAPHS[name](given, settings, make_settings(settings))
    return {key: value.detach().numpy() for key, value in detections.items()}


def _proposal(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    rois = tf.propose(
        x["probs"],
        x["deltas"],
        x["anchors"],
        torch.tensor(s.rpn_bbox_std_dev),
        s.pre_nms_limit,
        given["proposal_count"],
        given["nms_threshold"],
    )
    return {"rois": rois}


def _roi_align(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    levels = [x[f"p{level}"].permute(0, 3, 1, 2).requires_grad_() for level in (2, 3, 4, 5)]
    height, width = x["molded_shape"][:2].tolist()
    pooled = tf.pool(*ops.feature_table(levels), x["boxes"], float(height * width), given["pool"])
    pooled = pooled.permute(0, 2, 3, 1).unflatten(0, x["boxes"].shape[:2])
    grads = torch.autograd.grad((pooled * x["upstream"]).sum(), levels)
    return {"pooled": pooled, **{f"grad_p{k}": grad.permute(0, 2, 3, 1) for k, grad in enumerate(grads, start=2)}}


def _detection(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    detections = tf.detect(
        x["rois"],
        x["probs"],
        x["deltas"],
        tf.norm_boxes(x["windows"], tuple(x["molded_shape"][:2].tolist())),
        torch.tensor(s.bbox_std_dev),
        s.detection_min_confidence,
        s.detection_nms_threshold,
        s.detection_max_instances,
    )
    return {"detections": detections}


def _detection_targets(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    detections = tf.detection_targets(
        x["proposals"],
        x["gt_class_ids"],
        x["gt_boxes"],
        x["gt_masks"],
        count=s.train_rois_per_image,
        positive_fraction=s.roi_positive_ratio,
        std=torch.tensor(s.bbox_std_dev),
        mask_side=s.mask_shape[0],
        mini=s.use_mini_mask,
    )
    return detections._asdict()


def _trim_zeros(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    boxes, keep = tf.trim_zeros(x["boxes"])
    return {"boxes": boxes, "keep": keep}


def _with_gradient(loss: Tensor, name: str, x: Tensor) -> dict[str, Tensor]:
    return {"loss": loss, f"grad_{name}": torch.autograd.grad(loss.sum(), x)[0]}


def _smooth_l1(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    return _with_gradient(tf.smooth_l1(x["target"], x["pred"].requires_grad_()), "pred", x["pred"])


def _rpn_class_loss(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    logits = x["logits"].requires_grad_()
    return _with_gradient(tf.rpn_class_loss(x["rpn_match"][..., 0], logits), "logits", logits)


def _rpn_bbox_loss(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    moves = x["rpn_bbox"].requires_grad_()
    return _with_gradient(tf.rpn_bbox_loss(x["target_bbox"], x["rpn_match"][..., 0], moves), "rpn_bbox", moves)


def _mrcnn_class_loss(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    logits = x["logits"].requires_grad_()
    loss = tf.mrcnn_class_loss(x["target_class_ids"], logits, x["active_class_ids"][0])
    return _with_gradient(loss, "logits", logits)


def _mrcnn_bbox_loss(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    moves = x["pred_bbox"].requires_grad_()
    return _with_gradient(tf.mrcnn_bbox_loss(x["target_bbox"], x["target_class_ids"], moves), "pred_bbox", moves)


def _mrcnn_mask_loss(x: dict, given: dict, s: Settings) -> dict[str, Tensor]:
    mask_probs = x["pred_masks"].requires_grad_()
    rows = mask_probs.flatten(0, 1).permute(0, 3, 1, 2)
    loss = tf.mrcnn_mask_loss(x["target_masks"].flatten(0, 1), x["target_class_ids"].flatten(), rows)
    return _with_gradient(loss, "pred_masks", mask_probs)


GRAPHS = {
    "proposal": _proposal,
    "roi_align": _roi_align,
    "detection": _detection,
    "detection_targets": _detection_targets,
    "apply_box_deltas": lambda x, given, s: {"boxes": tf.apply_deltas(x["boxes"], x["deltas"])},
    "clip_boxes": lambda x, given, s: {"boxes": tf.clip(x["boxes"], x["window"])},
    "overlaps": lambda x, given, s: {"iou": ops.box_iou(x["boxes1"], x["boxes2"])},
    "box_refinement": lambda x, given, s: {"deltas": box_coder.encode(x["box"], x["gt_box"], box_coder.UNIT)},
    "norm_boxes": lambda x, given, s: {"boxes": tf.norm_boxes(x["boxes"], x["shape"].tolist())},
    "denorm_boxes": lambda x, given, s: {"boxes": tf.denorm_boxes(x["boxes"], x["shape"].tolist())},
    "trim_zeros": _trim_zeros,
    "batch_pack": lambda x, given, s: {"packed": tf.packed(x["x"], x["counts"])},
    "smooth_l1": _smooth_l1,
    "rpn_class_loss": _rpn_class_loss,
    "rpn_bbox_loss": _rpn_bbox_loss,
    "mrcnn_class_loss": _mrcnn_class_loss,
    "mrcnn_bbox_loss": _mrcnn_bbox_loss,
    "mrcnn_mask_loss": _mrcnn_mask_loss,
}


def run_training(
    settings: dict, weights: str, batch: list[np.ndarray], layers: str, learning_rate: float, steps: int
) -> dict[str, np.ndarray | list[str]]:
    """`steps` SGD steps on one batch, and the change of each trained weight."""
    network = MatterportMaskRCNN(make_settings(settings), "training")
    load_into(network, read_h5(weights))
    network.select_layers(layers)
    names, sgd = list(network.trained_weights()), KerasSGD(network)
    before = {name: network.get_weight(name) for name in names}
    taps = Taps(["rpn_class_logits", "rpn_bbox", "output_rois", "target_class_ids"])
    change: list[np.ndarray] = []
    detections: dict[str, Any] = {"names": names, "losses": [], "change_norm": []}
    for step in range(steps):
        values, grads = network.gradients(batch, taps if step == 0 else Taps())
        if step == 0:
            detections["grad_norm"] = np.array([float(grads[name].double().norm()) for name in names])
        detections["losses"].append([value.item() for value in values.values()])
        sgd.descend(grads, learning_rate)
        change = [network.get_weight(name) - before[name] for name in names]
        detections["change_norm"].append([np.linalg.norm(item) for item in change])
    detections["change"] = np.stack([np.pad(item.ravel()[:8], (0, max(8 - item.size, 0))) for item in change])
    renamed = {"output_rois": "rois"}
    detections.update({renamed.get(name, name): value.numpy() for name, value in taps.outputs.items()})
    return {key: np.array(value) if key in ("losses", "change_norm") else value for key, value in detections.items()}
