"""Training throughput in images per second: maskwright's loop against torchvision's reference, alternating.

    python benchmarks/train.py                         all four pairs, one thread (about ten minutes)
    python benchmarks/train.py --pair body --rounds 3 --steps 1

What both sides share: the images (rendered balloons, 640x480), the view of them (mirrored half of the time, nothing
else), the network input of 512x384 pixels, the batch, random weights, nothing worked ahead of time.

    body    Mask R-CNN on ResNet-50, frozen batch norms, trained from stage 3 on; 512 RoIs an image; the same weights
    heads   the same network, its backbone held
    kept    as heads, and ours shows two looks an image whose features were computed before (`--cached-views 2`); what
            that
            took is not in the figure: it is one pass of the backbone a look, in a run of many rounds
    small   our network for laptops, all layers, against torchvision's Mask R-CNN on MobileNetV3-Large. These are two
            networks for one job: ours has a lighter pyramid, 128 RoIs an image and 400 proposals; theirs 512 and 2000

Ours is the step of `maskwright train`: loader, five losses, backward, clipping, AdamW, averaged weights. Theirs is
train_one_epoch of torchvision's references/detection: dense masks from the annotation, DataLoader, SGD with momentum
and warm-up, float32. Its rule is written here in a few lines.

CPU seconds are the process's, all threads together; medians over the rounds.
torchvision beside a CPU torch: set MASKWRIGHT_SHARED, whose tools make it load. Without it nothing is measured.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers.torchvision_peer import load_torchvision
from PIL import Image

from maskwright.engines.torch_engine import TorchEngine
from maskwright.models import registry
from maskwright.models.base import Network
from maskwright.synth import render_set
from maskwright.tasks.registry import find_task
from maskwright.training.recipe import Recipe, Stage
from maskwright.training.run_folder import RunFolder
from maskwright.training.trainer import Trainer
from maskwright.transforms.augment import Augment
from maskwright.types import Dataset, Record
from maskwright.weights.card import Card
from maskwright.weights.transfer import transfer

SIZE = 512
PAIRS = {
    "body": ("mask_rcnn_r50", "3+", 3),
    "heads": ("mask_rcnn_r50", "heads", 0),
    "kept": ("mask_rcnn_r50", "heads", 0),
    "small": ("small", "all", 6),
}
MIRRORED = Augment(0.5, 0.0, (1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0, 0)


# --- their side -----------------------------------------------------------------------------------
class Images(torch.utils.data.Dataset):
    """An item of the reference: the image as 3×H×W float, dense masks, boxes, labels from 1."""

    def __init__(self, data: Dataset) -> None:
        self.records = data.records

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        record: Record = self.records[row]
        pixels = torch.from_numpy(np.array(Image.open(record.image).convert("RGB"))).permute(2, 0, 1)
        assert record.instances is not None and record.instances.masks is not None
        masks = torch.from_numpy(record.instances.masks.dense().astype(np.uint8))
        boxes = torch.from_numpy(record.instances.boxes.copy())
        if torch.rand(1) < 0.5:
            pixels, masks = pixels.flip(-1), masks.flip(-1)
            boxes[:, [0, 2]] = pixels.shape[-1] - boxes[:, [2, 0]]
        labels = torch.from_numpy(record.instances.classes + 1)
        return pixels.contiguous().float() / 255, {"boxes": boxes, "labels": labels, "masks": masks}


def their_network(torchvision: Any, pair: str, classes: int) -> torch.nn.Module:
    detection = torchvision.models.detection
    _, _, trained = PAIRS[pair]
    network_input = {"min_size": SIZE, "max_size": SIZE}
    if pair == "small":
        body = detection.backbone_utils.mobilenet_backbone(
            backbone_name="mobilenet_v3_large", weights=None, fpn=True, trainable_layers=trained,
            norm_layer=torch.nn.BatchNorm2d,
        )  # fmt: skip
        sizes = ((32, 64, 128, 256, 512),) * 3  # those of fasterrcnn_mobilenet_v3_large_fpn
        anchors = detection.anchor_utils.AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 3)
        return detection.MaskRCNN(body, classes + 1, rpn_anchor_generator=anchors, **network_input)
    body = torchvision.models.resnet50(weights=None, norm_layer=torchvision.ops.misc.FrozenBatchNorm2d)
    for name, tensor in body.state_dict().items():
        if name.endswith("bn3.weight"):
            tensor.fill_(0.3)  # batch norms without effect: otherwise the residual sums overflow
    body = detection.backbone_utils._resnet_fpn_extractor(body, trained)
    return detection.MaskRCNN(body, classes + 1, **network_input)


def their_steps(network: torch.nn.Module, data: Dataset, batch: int) -> Iterator[None]:
    """train_one_epoch of the reference, one `next` a step."""
    chosen = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(chosen, lr=1e-3, momentum=0.9, weight_decay=1e-4)
    warmup_steps = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1e-3, total_iters=1000)
    loader = torch.utils.data.DataLoader(
        Images(data), batch, shuffle=True, drop_last=True, collate_fn=lambda items: tuple(zip(*items, strict=True))
    )
    network.train()
    while True:
        for images, ground_truths in loader:
            losses = torch.stack(list(network(list(images), list(ground_truths)).values())).sum()
            assert np.isfinite(losses.item())
            optimizer.zero_grad()
            losses.backward()
            optimizer.step()
            warmup_steps.step()
            yield


# --- our side -------------------------------------------------------------------------------------
def our_steps(network: Network, pair: str, precision: str, data: Dataset, batch: int, folder: Path) -> Iterator[None]:
    model, layers, _ = PAIRS[pair]
    views = 2 if pair == "kept" else 0
    recipe = Recipe(
        model=model, weights="none", size=SIZE, batch=batch, steps_per_epoch=1000, device="cpu", precision=precision,
        workers=0, stages=(Stage(layers, 1, 1e-4),), augment=MIRRORED, cached_views=views,
    )  # fmt: skip
    card = Card(model, registry.find(model).backbones[0], "segment", data.names, SIZE)
    parts = {"train": data, "val": data.where(lambda record: False)}
    engine = TorchEngine(network, card, recipe.device, recipe.precision)
    trainer = Trainer(recipe, engine, find_task("segment"), parts, RunFolder(folder))
    batches = trainer.stages.batches(trainer.loader, trainer.position)
    for look in range(views):
        for known in itertools.islice(trainer.loader.cached_epoch(look, 0, views, trainer.cache), len(data) // batch):
            trainer.objective(trainer.network, known, 0)
    for batch_of in batches:
        trainer._step(batch_of)
        yield


# --- by turns -------------------------------------------------------------------------------------
@dataclass
class Runner:
    name: str
    steps: Iterator[None]
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


def runners(torchvision: Any, pair: str, data: Dataset, batch: int, folder: Path) -> list[Runner]:
    model = PAIRS[pair][0]
    torch.manual_seed(0)
    theirs = their_network(torchvision, pair, len(data.names))
    detections = [Runner("torchvision fp32", their_steps(theirs, data, batch))]
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        network = registry.find(model).build(len(data.names))
        if pair != "small":
            loaded = transfer(network, theirs.state_dict(), data.names, data.names)
            assert not loaded.fresh, loaded
        steps = our_steps(network, pair, precision, data, batch, folder)
        detections.append(Runner(f"maskwright {precision}", steps))
    return detections


def measure(detections: list[Runner], rounds: int, steps: int, batch: int) -> None:
    """Images a second of each, first by CPU time, then by the clock; the first step of each does not count."""
    for runner in detections:
        next(runner.steps)
    for _ in range(rounds):
        for runner in detections:
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in range(steps):
                next(runner.steps)
            runner.cpu.append(batch * steps / (time.process_time() - cpu))
            runner.wall.append(batch * steps / (time.perf_counter() - wall))


def table(pair: str, detections: list[Runner]) -> None:
    model, layers, _ = PAIRS[pair]
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"\n{pair}: {model}, layers {layers}{load}")
    print(f"  {'':18}{'images / CPU second':>22}{'ratio':>8}{'images / second':>18}{'ratio':>8}")
    for runner in detections:
        line = f"  {runner.name:18}"
        for index, kind in (("cpu", 22), ("wall", 18)):
            own, first = getattr(runner, index), getattr(detections[0], index)
            ratio = statistics.median(a / b for a, b in zip(own, first, strict=True))  # round by round
            line += f"{statistics.median(own):>{kind}.3f}{ratio:>8.2f}"
        print(line)


def profiled(step: Callable[[], None], rows: int = 12) -> None:
    """Where one step of ours spends its time: operators by self CPU time."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as seen:
        step()
    every = sorted(seen.key_averages(), key=lambda row: -row.self_cpu_time_total)
    whole = sum(row.self_cpu_time_total for row in every)
    print(f"  a step of ours, {whole / 1e3:.0f} ms under the profiler")
    for row in every[:rows]:
        fraction = row.self_cpu_time_total / whole
        print(f"    {row.key:44}{row.self_cpu_time_total / 1e3:9.1f} ms{fraction:7.1%}{row.count:7} calls")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", choices=[*PAIRS, "all"], default="all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="steps of each in a round")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torchvision = load_torchvision()
    if torchvision is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        data = render_set("balloons", 16, Path(folder) / "images", size=(480, 640)).usable()
        print(
            f"torch {torch.__version__}, torchvision {torchvision.__version__}, {args.threads} thread(s), "
            f"{len(data)} images with {data.instance_count} balloons, batch {args.batch}, "
            f"{args.rounds} rounds of {args.steps} steps by turns"
        )
        for pair in PAIRS if args.pair == "all" else [args.pair]:
            detections = runners(torchvision, pair, data, args.batch, Path(folder) / "run")
            measure(detections, args.rounds, args.steps, args.batch)
            table(pair, detections)
            profiled(lambda: next(detections[-1].steps))  # noqa: B023 - called at once
            detections.clear()
            gc.collect()


if __name__ == "__main__":
    main()
