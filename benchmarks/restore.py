"""Pasting mask probabilities into a large image as run lengths: from knots, against dense full-image masks.

    python benchmarks/restore.py                              100 objects on 12 megapixels (needs 12 GB of memory)
    python benchmarks/restore.py --objects 10 --size 480 640

Three ways from the same soft masks to the same COCO run lengths, each in a process of its own, by turns, one thread:

    runs     maskwright.geometry.paste, then to_coco
    frames   torchvision's way: paste all full frames, cut at the threshold, encode with pycocotools
    in turn  the same with one frame at a time, which nobody's API does but which needs no memory

The frames are painted by torchvision's own paste_masks_in_image where it loads (with MASKWRIGHT_SHARED set also beside
a CPU torch), else by the same rule written here. Peak memory is what the way adds to its process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from peers.torchvision_peer import load_torchvision

WAYS = ("runs", "frames", "in turn")


def inputs(objects: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Round, slightly ragged masks in boxes of up to half the image's shorter side."""
    rng = np.random.default_rng(0)
    height, width = size
    away = np.hypot(*(np.mgrid[0:28, 0:28] - 13.5))
    steep = away - rng.uniform(8, 14, (objects, 1, 1)) + rng.normal(0, 0.5, (objects, 28, 28))
    sides = rng.uniform(min(size) / 30, min(size) / 2, (objects, 2))
    centers = rng.uniform([0, 0], [width, height], (objects, 2))
    boxes = np.concatenate([centers - sides / 2, centers + sides / 2], axis=1)
    return (1 / (1 + np.exp(steep))).astype(np.float32), boxes.clip(0, [width, height] * 2).astype(np.float32)


def painter() -> tuple[str, Callable[[Any, Any, tuple[int, int]], Any]]:
    """(its name, function that gives n×H×W dense masks)."""
    torchvision = load_torchvision()
    if torchvision is None:
        return "our own restatement of torchvision's rule", painted_here
    paste = torchvision.models.detection.roi_heads.paste_masks_in_image
    return f"torchvision {torchvision.__version__}", lambda mask_probs, boxes, size: paste(
        mask_probs[:, None], boxes, size
    )[:, 0]


def painted_here(mask_probs: Any, boxes: Any, size: tuple[int, int]) -> Any:
    import torch

    height, width = size
    rim = torch.nn.functional.pad(mask_probs, (1, 1, 1, 1))
    center = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * (rim.shape[-1] / mask_probs.shape[-1])
    corners = torch.cat([center - half, center + half], dim=1).to(torch.int64).tolist()
    frames = []
    for mask, (x1, y1, x2, y2) in zip(rim, corners, strict=True):
        frame = torch.zeros(height, width)
        sides = (max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1))
        large = torch.nn.functional.interpolate(mask[None, None], size=sides, mode="bilinear", align_corners=False)[
            0, 0
        ]
        top, left, foot, end = max(y1, 0), max(x1, 0), min(y2 + 1, height), min(x2 + 1, width)
        frame[top:foot, left:end] = large[top - y1 : foot - y1, left - x1 : end - x1]
        frames.append(frame)
    return torch.stack(frames)


def one_way(way: str, objects: int, size: tuple[int, int]) -> dict[str, Any]:
    """Time, memory and run lengths of one method, in this process."""
    mask_probs, boxes = inputs(objects, size)
    if way == "runs":
        from maskwright.geometry import paste, rle

        name = "maskwright"
        rle.to_coco(*paste.paste_masks(mask_probs[:1], boxes[:1], size), size)  # loads what is loaded on first use

        def work() -> list[dict]:
            return rle.to_coco(*paste.paste_masks(mask_probs, boxes, size), size)
    else:
        import torch
        from pycocotools import mask as coco

        torch.set_num_threads(1)
        name, paint = painter()

        def encoded(rows: slice) -> list[dict]:
            frames = paint(torch.tensor(mask_probs[rows]), torch.tensor(boxes[rows]), size) >= 0.5
            return [coco.encode(np.asfortranarray(frame.numpy().astype(np.uint8))) for frame in frames]

        encoded(slice(0, 1))  # the same for the others

        def work() -> list[dict]:
            if way == "frames":
                return encoded(slice(None))
            return [encoded(slice(row, row + 1))[0] for row in range(objects)]

    before = peak()
    begin, cpu = time.perf_counter(), time.process_time()
    detections = work()
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    text = [record["counts"] if way == "runs" else record["counts"].decode() for record in detections]
    return {"name": name, "wall": wall, "cpu": cpu, "megabytes": peak() - before, "counts": text}


def peak() -> float:
    """The most memory this process has held, in MB; not a number where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=100)
    parser.add_argument("--size", type=int, nargs=2, default=(3000, 4000), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    size = tuple(args.size)
    if args.way:
        print(json.dumps(one_way(args.way, args.objects, size)))
        return

    from pycocotools import mask as coco

    command = [sys.executable, __file__, "--objects", str(args.objects), "--size", *map(str, size), "--way"]
    single = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    detections: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(args.rounds):
        for way in WAYS:
            done = subprocess.run([*command, way], env=single, capture_output=True, text=True, check=True)
            detections[way].append(json.loads(done.stdout))
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{args.objects} objects, {size[1]}x{size[0]} pixels, median of {args.rounds} rounds by turns{load}")
    middle = {
        way: {
            key: statistics.median(detection[key] for detection in detections[way])
            for key in ("wall", "cpu", "megabytes")
        }
        for way in WAYS
    }
    as_runs = [{"size": list(size), "counts": text} for text in detections["runs"][0]["counts"]]
    for way in WAYS:
        theirs = [{"size": list(size), "counts": text} for text in detections[way][0]["counts"]]
        alike = min(float(coco.iou([a], [b], [0])[0, 0]) for a, b in zip(as_runs, theirs, strict=True))
        metrics, ours = middle[way], middle["runs"]
        print(
            f"{way:8} wall {metrics['wall'] * 1e3:9.1f} ms   cpu {metrics['cpu'] * 1e3:9.1f} ms"
            f" ({metrics['cpu'] / ours['cpu']:6.1f} x)   memory {metrics['megabytes']:8.1f} MB"
            f"   least IoU with runs {alike:.6f}   [{detections[way][0]['name']}]"
        )


if __name__ == "__main__":
    main()
