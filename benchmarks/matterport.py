"""matterport's `detect` at CocoConfig defaults (1024×1024, ResNet-101, one photo), related to torchvision's R50 eager.

    python benchmarks/matterport.py mask_rcnn_coco.h5 photo.jpg
    python benchmarks/matterport.py coco.h5 photo.jpg --threads 1 --rounds 5
    python benchmarks/matterport.py --unmold                  full-size masks only: 100 objects on 12 megapixels

Each way in a process of its own, by turns; seconds are the median of the rounds, each after a warm-up; memory is the
process's peak resident size.

    f32          mrcnn.model.MaskRCNN.detect, the answers of docs/parity.md
    bf16         the same with the convolutions in bf16; beside it, how far the answers of f32 move
    torchvision  maskrcnn_resnet50_fpn at its defaults (800 px, random weights), where it loads
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

WAYS = ("f32", "bf16", "torchvision")


def ours(weights: str, photo: np.ndarray, precision: str) -> Callable[[], Any]:
    from mrcnn.config import Config
    from mrcnn.model import MaskRCNN

    class CocoConfig(Config):
        NAME, GPU_COUNT, IMAGES_PER_GPU, NUM_CLASSES = "coco", 1, 1, 81

    with tempfile.TemporaryDirectory() as logs:
        model = MaskRCNN("inference", CocoConfig(), logs)
    model.load_weights(weights, by_name=True)
    model.keras_model.network.precision = precision
    return lambda: model.detect([photo])[0]


def torchvision(photo: np.ndarray) -> Callable[[], Any]:
    if "MASKWRIGHT_SHARED" in os.environ:
        sys.path.insert(0, str(Path(os.environ["MASKWRIGHT_SHARED"]) / "tools"))
        import torchvision_cpu  # type: ignore[import-not-found]

        torchvision_cpu.ensure()
    import torch
    from torchvision.models.detection import maskrcnn_resnet50_fpn

    network = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    image = torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255

    def run() -> None:
        with torch.inference_mode():
            network([image])

    return run


def measure(way: str, weights: str, photo: np.ndarray, threads: int) -> dict[str, Any]:
    """One warm-up, one timed run, in this process."""
    import torch

    torch.set_num_threads(threads)
    run = torchvision(photo) if way == "torchvision" else ours(weights, photo, way)
    run()
    began = time.perf_counter()
    found = run()
    facts: dict[str, Any] = {"seconds": time.perf_counter() - began, "MiB": peak()}
    if found is not None:
        facts["found"] = [
            [*map(int, box), int(kind), float(score)]
            for box, kind, score in zip(found["rois"], found["class_ids"], found["scores"], strict=True)
        ]
    return facts


def peak() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 2**20 if sys.platform == "darwin" else used / 2**10


def moved(exact: list, near: list) -> str:
    """How many objects of one list have one of the same class within 2 px in the other, and how far scores move."""
    scores = []
    for *box, kind, score in exact:
        same = [
            abs(other[5] - score)
            for other in near
            if other[4] == kind and np.abs(np.subtract(other[:4], box)).max() <= 2
        ]
        scores += [min(same)] if same else []
    worst = f", scores within {max(scores):.3f}" if scores else ""
    return f"{len(scores)} of {len(exact)} objects again within 2 px, {len(near)} in all{worst}"


def unmolding(objects: int, size: tuple[int, int]) -> None:
    from mrcnn.masks import unmold_mask, unmold_masks

    random = np.random.default_rng(0)
    soft = random.random((objects, 28, 28)).astype(np.float32)
    low = random.uniform(0, 0.8, (objects, 2))
    boxes = (np.concatenate([low, low + random.uniform(0.02, 0.2, (objects, 2))], 1) * [*size, *size]).astype(np.int32)
    took = {}
    for name, way in (
        ("together", lambda: unmold_masks(soft, boxes, size)),
        ("in turn", lambda: np.stack([unmold_mask(m, b, size) for m, b in zip(soft, boxes, strict=True)], axis=-1)),
    ):
        began = time.perf_counter()
        result = way()
        took[name] = time.perf_counter() - began, result
    assert np.array_equal(took["together"][1], took["in turn"][1])
    print(f"{objects} masks on {size[0]}x{size[1]}: {took['together'][0]:.3f} s together, ", end="")
    print(f"{took['in turn'][0]:.2f} s in turn: {took['in turn'][0] / took['together'][0]:.0f} times as fast")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights", nargs="?")
    parser.add_argument("photo", nargs="?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--unmold", action="store_true", help="full-size masks only")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.unmold:
        unmolding(100, (3000, 4000))
        return
    if not args.weights:
        parser.error("name a weight file, or --unmold")
    if args.photo:
        from PIL import Image

        photo = np.asarray(Image.open(args.photo).convert("RGB"))
    else:
        photo = np.random.default_rng(0).integers(0, 255, (375, 500, 3), np.uint8)
    if args.way:
        print(json.dumps(measure(args.way, args.weights, photo, args.threads)))
        return
    told: dict[str, list[dict[str, Any]]] = {}
    for _ in range(args.rounds):
        for way in WAYS:
            done = subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--way", way], capture_output=True, text=True
            )
            if done.returncode == 0:
                told.setdefault(way, []).append(json.loads(done.stdout.splitlines()[-1]))
            else:
                print(f"{way} left out: {(done.stderr.splitlines() or ['?'])[-1]}", file=sys.stderr)
    base = statistics.median(each["seconds"] for each in told["torchvision"]) if "torchvision" in told else float("nan")
    print(f"{'':<12}{'seconds':>9}{'of torchvision':>16}{'peak MiB':>10}   all rounds")
    for way, rounds in told.items():
        seconds = statistics.median(each["seconds"] for each in rounds)
        every = ", ".join(f"{each['seconds']:.2f}" for each in rounds)
        print(f"{way:<12}{seconds:>9.2f}{seconds / base:>16.2f}{max(each['MiB'] for each in rounds):>10.0f}   {every}")
    if "f32" in told and "bf16" in told:
        print("bf16 against f32:", moved(told["f32"][0]["found"], told["bf16"][0]["found"]))


if __name__ == "__main__":
    main()
