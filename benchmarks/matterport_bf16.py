"""Accuracy of matterport's network in bf16: one trained network detects the same images in fp32 and in bf16.

    python benchmarks/matterport_bf16.py                     trains for 4 minutes of one core, then compares
    python benchmarks/matterport_bf16.py --minutes 10 --keep shapes.h5
    python benchmarks/matterport_bf16.py --weights shapes.h5

Weights that were drawn at random say nothing here: their scores are nearly equal, and a last bit chooses among them.
So the heads are trained first, on shapes that are made as needed: a random ResNet-50 whose normalisations are set by
its own activations, its maps computed once. Compared on pictures it never saw: how many objects of fp32 (score 0.7 and
more) bf16 finds again (same class, IoU 0.5, one to one), how far these move, and the AP50 of both.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from maskwright.engines.hardware import choose_precision
from maskwright.models.matterport import network as matterport_network
from mrcnn import utils
from mrcnn.model import MaskRCNN, data_generator, load_image_gt
from mrcnn.samples.shapes import ShapesConfig, ShapesDataset

SURE = 0.7  # score threshold of the objects that are compared


class Trained(ShapesConfig):
    BACKBONE = "resnet50"
    IMAGES_PER_GPU = 2
    RPN_TRAIN_ANCHORS_PER_IMAGE = 128
    PRE_NMS_LIMIT = 1000
    POST_NMS_ROIS_TRAINING = 200


class Detecting(Trained):
    IMAGES_PER_GPU = 1
    POST_NMS_ROIS_INFERENCE = 300
    DETECTION_MIN_CONFIDENCE = 0.05


def shapes(count: int, seed: int) -> ShapesDataset:
    np.random.seed(seed)
    random.seed(seed)
    dataset = ShapesDataset()
    dataset.load_shapes(count, 128, 128)
    dataset.prepare()
    return dataset


def train(path: Path, minutes: float, pictures: int = 160) -> None:
    """Writes a .h5 whose heads were trained on shapes for this many minutes of CPU time."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as logs:
        model = MaskRCNN("training", Trained(), logs)
    network = model.keras_model.network
    draw = data_generator(shapes(pictures, seed=0), Trained(), batch_size=2)
    batches = [next(draw)[0] for _ in range(pictures // 2)]
    settle(network, np.concatenate([batch[0] for batch in batches[:4]]))
    with torch.no_grad():
        maps = [[level.clone() for level in network.maps(network._images(batch[0]))] for batch in batches]
    network.select_layers("heads")
    weights = list(network.trained_weights().values())
    descent = torch.optim.AdamW(weights, weight_decay=1e-4, fused=True)
    quick = choose_precision("auto", torch.device("cpu")) == "bf16"
    began, step, mean = time.process_time(), 0, float("nan")
    while (done := (time.process_time() - began) / (60 * minutes)) < 1:
        descent.param_groups[0]["lr"] = 3e-4 * min(1, (step + 1) / 20) * (1 if done < 0.7 else 0.2)
        chosen = np.random.randint(len(batches))
        network.maps = lambda images, taps=None, at=chosen: list(maps[at])
        with torch.autocast("cpu", torch.bfloat16, enabled=quick):
            loss = network.training_losses(batches[chosen])["loss"]
        descent.zero_grad()
        loss.backward()
        if not torch.nn.utils.clip_grad_norm_(weights, 5.0).isfinite():
            continue  # a proposal of no area: the original's box loss runs through the proposals
        descent.step()
        mean = loss.item() if step == 0 else 0.95 * mean + 0.05 * loss.item()
        step += 1
        if step % 25 == 0:
            print(f"step {step}: loss {mean:.3f}, {100 * done:.0f} % of the time", flush=True)
            model.keras_model.save_weights(str(path))  # so that an interrupted run is not lost
    del network.maps
    model.keras_model.save_weights(str(path))


def settle(network: Any, images: np.ndarray) -> None:
    """Sets the statistics of the normalization layers of a random backbone to those of its activations."""
    settings, momentum = network.settings, matterport_network.MOMENTUM
    network.settings, matterport_network.MOMENTUM = dataclasses.replace(settings, train_bn=None), 0.0
    network.requires_grad_(False)
    network.maps(network._images(images))
    network.settings, matterport_network.MOMENTUM = settings, momentum


def compare(path: Path, pictures: int) -> None:
    """Prints how many fp32 detections bf16 reproduces, and the AP50 of both."""
    with tempfile.TemporaryDirectory() as logs:
        model = MaskRCNN("inference", Detecting(), logs)
    model.load_weights(str(path), by_name=True)
    dataset = shapes(pictures, seed=7)
    ap: dict[str, list[float]] = {"fp32": [], "bf16": []}
    sure, drawn = {"fp32": 0, "bf16": 0}, 0
    pairs: list[tuple[float, float, float, float]] = []  # IoU of boxes, largest move, change of score, IoU of masks
    for number in dataset.image_ids:
        image, _, ids, boxes, masks = load_image_gt(dataset, Detecting(), number, use_mini_mask=False)
        drawn += len(ids)
        detections: dict[str, dict[str, np.ndarray]] = {}
        for precision in ap:
            model.keras_model.network.precision = precision
            own = detections[precision] = model.detect([image])[0]
            sure[precision] += int((own["scores"] >= SURE).sum())
            answer = (own["rois"], own["class_ids"], own["scores"], own["masks"])
            ap[precision].append(utils.compute_ap(boxes, ids, masks, *answer)[0] if len(own["rois"]) else 0.0)
        pairs += again(detections["fp32"], detections["bf16"])
    if not pairs:
        return
    _, moves, scores, areas = np.array(pairs).reshape(-1, 4).T
    print(f"{len(dataset.image_ids)} pictures of 128 px, {drawn} shapes; objects of score {SURE} and more: {sure}")
    print(f"of those of fp32, bf16 finds again: {len(pairs)} of {sure['fp32']}")
    for what, values in (("box moves, px", moves), ("score changes", scores), ("mask IoU", areas)):
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
        print(
            f"  {what:<15} mean {values.mean():.4f}, median {middle:.4f}, 5 to 95 %: {low:.4f} to {high:.4f}, "
            f"all: {values.min():.4f} to {values.max():.4f}"
        )
    print("mask AP50: " + ", ".join(f"{precision} {np.mean(values):.4f}" for precision, values in ap.items()))


def again(exact: dict[str, np.ndarray], near: dict[str, np.ndarray]) -> list[tuple[float, float, float, float]]:
    """Detections above SURE of one result that match one of the other, by descending IoU."""
    if not len(exact["rois"]) or not len(near["rois"]):
        return []
    overlap = utils.compute_overlaps(exact["rois"].astype(float), near["rois"].astype(float))
    overlap *= (exact["class_ids"][:, None] == near["class_ids"]) & (exact["scores"] >= SURE)[:, None]
    pairs = []
    while overlap.max() >= 0.5:
        i, k = np.unravel_index(overlap.argmax(), overlap.shape)
        one, other = exact["masks"][..., i], near["masks"][..., k]
        pairs.append(
            (
                float(overlap[i, k]),
                float(np.abs(exact["rois"][i] - near["rois"][k]).max()),
                float(abs(exact["scores"][i] - near["scores"][k])),
                float((one & other).sum() / max((one | other).sum(), 1)),
            )
        )
        overlap[i, :] = overlap[:, k] = 0
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--weights", type=Path, help="a .h5 that this wrote; none: train first")
    parser.add_argument("--keep", type=Path, help="write what was trained to this file")
    parser.add_argument("--minutes", type=float, default=4.0, help="of processor time, to train")
    parser.add_argument("--pictures", type=int, default=60, help="to compare on")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = args.weights or args.keep or Path(folder) / "shapes.h5"
        if not args.weights:
            train(path, args.minutes)
        compare(path, args.pictures)


if __name__ == "__main__":
    main()
