"""matterport's `detect` at CocoConfig defaults (1024×1024, ResNet-101, one image), related to torchvision's R50 eager.

    python benchmarks/matterport.py mask_rcnn_coco.h5 image.jpg
    python benchmarks/matterport.py coco.h5 image.jpg --threads 1 --rounds 5
    python benchmarks/matterport.py --unmold                  full-size masks only: 100 objects on 12 megapixels

Each way in a process of its own, by turns; metrics are the median of the rounds, each after a warm-up. On a busy
machine go by the processor seconds of one thread, which other programs disturb least. Memory is the process's peak
resident size.

    fp32          mrcnn.model.MaskRCNN.detect, the answers of docs/parity.md
    bf16         the same with the convolutions in bf16; beside it, how far the answers of fp32 move
    torchvision  maskrcnn_resnet50_fpn at its defaults (800 px, random weights), where it loads
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from peers.torchvision_peer import load_torchvision

WAYS = ("fp32", "bf16", "torchvision")


def ours(weights: str, image: np.ndarray, precision: str) -> Callable[[], Any]:
    from mrcnn.config import Config
    from mrcnn.model import MaskRCNN

    class CocoConfig(Config):
        NAME, GPU_COUNT, IMAGES_PER_GPU, NUM_CLASSES = "coco", 1, 1, 81

    with tempfile.TemporaryDirectory() as logs:
        model = MaskRCNN("inference", CocoConfig(), logs)
    model.load_weights(weights, by_name=True)
    model.keras_model.network.precision = precision
    return lambda: model.detect([image])[0]


def torchvision(image: np.ndarray) -> Callable[[], Any]:
    import torch

    library = load_torchvision()
    if library is None:
        raise SystemExit(1)
    network = library.models.detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    pil_image = torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255

    def run() -> None:
        with torch.inference_mode():
            network([pil_image])

    return run


def measure(way: str, weights: str, image: np.ndarray, threads: int) -> dict[str, Any]:
    """One warm-up, one timed run, in this process."""
    import torch

    torch.set_num_threads(threads)
    run = torchvision(image) if way == "torchvision" else ours(weights, image, way)
    run()
    began, busy = time.perf_counter(), time.process_time()
    detections = run()
    facts: dict[str, Any] = {
        "seconds": time.perf_counter() - began,
        "processor": time.process_time() - busy,
        "MiB": peak(),
    }
    if detections is not None:
        facts["detections"] = [
            [*map(int, box), int(kind), float(score)]
            for box, kind, score in zip(detections["rois"], detections["class_ids"], detections["scores"], strict=True)
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


def unmolding(objects: int, size: tuple[int, int], rounds: int) -> None:
    """Ours against one dense mask after the other: the original's loop, and the same without its last copy.

    All have the same answer, bit for bit. By turns in this process after a warm-up, in seconds of processor time.
    """
    from maskwright.geometry.bilinear import resize
    from mrcnn.masks import unmold_masks

    random = np.random.default_rng(0)
    coarse = random.random((objects, 7, 7))
    mask_probs = np.stack([resize(item, (28, 28)) for item in coarse]).astype(np.float32)  # blobs, as masks are
    low = random.uniform(0, 0.8, (objects, 2))
    boxes = (np.concatenate([low, low + random.uniform(0.02, 0.2, (objects, 2))], 1) * [*size, *size]).astype(np.int32)

    def one(mask: np.ndarray, box: list[int]) -> np.ndarray:
        y1, x1, y2, x2 = box
        whole = np.zeros(size, bool)
        whole[y1:y2, x1:x2] = np.where(resize(mask, (y2 - y1, x2 - x1)) >= 0.5, 1, 0).astype(bool)
        return whole

    ways = {
        "ours": lambda: unmold_masks(mask_probs, boxes, size),
        "one after the other": lambda: np.stack(
            [one(*item) for item in zip(mask_probs, boxes.tolist(), strict=True)], -1
        ),
        "the same, not stacked": lambda: [one(*item) for item in zip(mask_probs, boxes.tolist(), strict=True)],
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    exact: Any = None
    for _ in range(rounds + 1):
        for name, way in ways.items():
            began = time.process_time()
            result = way()
            took[name].append(time.process_time() - began)
            if name == "ours":
                exact = result
            elif name == "one after the other":
                assert np.array_equal(exact, result)
                exact = None
            del result
    base = statistics.median(took["ours"][1:])
    print(f"{objects} masks on {size[0]}x{size[1]}, processor seconds, median of {rounds}")
    for name, every in took.items():
        middle = statistics.median(every[1:])
        print(f"{name:<24}{middle:>8.3f}{middle / base:>8.1f} times ours   {', '.join(f'{t:.3f}' for t in every[1:])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights", nargs="?")
    parser.add_argument("image", nargs="?")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--unmold", action="store_true", help="full-size masks only")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.unmold:
        unmolding(100, (3000, 4000), args.rounds)
        return
    if not args.weights:
        parser.error("name a weight file, or --unmold")
    if args.image:
        from PIL import Image

        image = np.asarray(Image.open(args.image).convert("RGB"))
    else:
        image = np.random.default_rng(0).integers(0, 255, (375, 500, 3), np.uint8)
    if args.way:
        print(json.dumps(measure(args.way, args.weights, image, args.threads)))
        return
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(args.rounds):
        for way in WAYS:
            done = subprocess.run(
                [sys.executable, __file__, *sys.argv[1:], "--way", way], capture_output=True, text=True
            )
            if done.returncode == 0:
                runs.setdefault(way, []).append(json.loads(done.stdout.splitlines()[-1]))
            else:
                print(f"{way} left out: {(done.stderr.splitlines() or ['?'])[-1]}", file=sys.stderr)

    def middle(way: str, what: str) -> float:
        return statistics.median(item[what] for item in runs[way]) if way in runs else float("nan")

    print(
        f"{'':<12}{'seconds':>9}{'ratio':>7}{'processor s':>13}{'ratio':>7}{'peak MiB':>10}   processor s of all rounds"
    )
    for way, rounds in runs.items():
        row = f"{way:<12}"
        for what, width in (("seconds", 9), ("processor", 13)):
            row += f"{middle(way, what):>{width}.2f}{middle(way, what) / middle('torchvision', what):>7.2f}"
        every = ", ".join(f"{item['processor']:.2f}" for item in rounds)
        print(f"{row}{max(item['MiB'] for item in rounds):>10.0f}   {every}")
    if "fp32" in runs and "bf16" in runs:
        print("bf16 against fp32:", moved(runs["fp32"][0]["detections"], runs["bf16"][0]["detections"]))


if __name__ == "__main__":
    main()
