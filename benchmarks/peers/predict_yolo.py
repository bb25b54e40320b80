"""The peer of benchmarks/predict.py, run by the Python of an environment of its own: YOLO networks of ultralytics.

    PYTHON benchmarks/peers/predict_yolo.py IMAGE --rounds 5 --objects 10      as `predict.py --peer PYTHON` calls it

Its own pipeline: an image file to masks at 480x640, in torch and in its own OpenVINO export, in which the precision is
what OpenVINO takes by itself (bf16 where the processor has it). Networks are built from their YAML with random weights,
scaled so that scores differ; the confidence threshold leaves the number of objects that is wanted. ultralytics is AGPL
and nothing of it is ever a dependency. One processor core, CPU milliseconds, medians; the ways take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

THREADS = int(os.environ.setdefault("OMP_NUM_THREADS", "1"))
os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false", OPENBLAS_NUM_THREADS="1")
if hasattr(os, "sched_setaffinity"):  # its OpenVINO takes every core that it sees
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
SIZE = (480, 640)


def load_ultralytics(folder: Path) -> Any:
    os.environ["YOLO_CONFIG_DIR"] = str(folder)
    shared = os.environ.get("MASKWRIGHT_SHARED") or Path(__file__).resolve().parents[3] / "shared"
    sys.path.insert(0, str(Path(shared) / "tools"))
    with contextlib.suppress(ImportError):  # beside a CPU torch torchvision needs it
        import torchvision_cpu  # type: ignore[import-not-found]

        torchvision_cpu.ensure()
    import torch

    torch.set_num_threads(THREADS)
    import ultralytics  # type: ignore[import-not-found]

    return ultralytics


def lively(yolo: Any, image: str) -> None:
    """Spread the class scores: of fresh weights all are nearly alike, and no threshold tells a hundred from none."""
    import numpy as np
    import torch
    from PIL import Image

    torch.manual_seed(0)
    network = yolo.model
    shown = Image.open(image).convert("RGB").resize(SIZE[::-1])
    pixels = torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None].float() / 255
    network.train()
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # the statistics of one pass
    with torch.no_grad():
        network(pixels)
        network.eval()
        head = network.model[-1]
        for name in ("cv3", "one2one_cv3"):
            for branch in getattr(head, name, None) or ():
                seen: list[Any] = []
                layer = branch[-1]
                handle = layer.register_forward_hook(lambda _, __, output, seen=seen: seen.append(output))
                network(pixels)
                handle.remove()
                if seen:
                    layer.weight.mul_(1.5 / seen[0].std().clamp(min=1e-6))
                    layer.bias.fill_(-3.0)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def way(yolo: Any, image: str, objects: int) -> Any:
    settings = {"imgsz": SIZE, "verbose": False, "device": "cpu", "save": False}
    scores = yolo.predict(image, conf=0.001, max_det=300, **settings)[0].boxes.conf.sort(descending=True).values
    for rank in range(objects, len(scores)):  # a detection whose mask is empty is no object

        def predict(limit: float = float(scores[rank - 1 : rank + 1].mean())) -> int:
            result = yolo.predict(image, conf=limit, max_det=300, **settings)[0]
            return 0 if result.masks is None else len(result.masks.xy)

        if predict() >= objects:
            return predict
    raise SystemExit(f"the network detects {len(scores)} objects, too few of them with a mask: {objects} are wanted")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("--models", default="yolo11n-seg,yolo26n-seg", help="separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--objects", type=int, default=10)
    args = parser.parse_args()
    image = str(Path(args.image).resolve())
    ways: dict[tuple[str, str], Any] = {}
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(sys.stderr):
        folder = Path(name)
        os.chdir(folder)
        ultralytics = load_ultralytics(folder)
        for model in args.models.split(","):
            yolo = ultralytics.YOLO(f"{model}.yaml", task="segment")
            lively(yolo, image)
            yolo.save(f"{model}.pt")
            ways[model, "torch"] = way(ultralytics.YOLO(f"{model}.pt", task="segment"), image, args.objects)
            exported = ultralytics.YOLO(f"{model}.pt", task="segment").export(format="openvino", imgsz=SIZE)
            ways[model, "openvino"] = way(ultralytics.YOLO(exported, task="segment"), image, args.objects)
        found = {key: predict() for key, predict in ways.items()}
        cpu: dict[tuple[str, str], list[float]] = {key: [] for key in ways}
        wall: dict[tuple[str, str], list[float]] = {key: [] for key in ways}
        for _ in range(args.rounds):
            for key, predict in ways.items():
                started, began = time.perf_counter(), time.process_time()
                predict()
                cpu[key].append(1e3 * (time.process_time() - began))
                wall[key].append(1e3 * (time.perf_counter() - started))
    rows = [
        {
            "name": model, "objects": found[model, engine], "engine": engine,
            "precision": "fp32" if engine == "torch" else "its default",
            "cpu_ms": round(statistics.median(cpu[model, engine]), 1),
            "wall_ms": round(statistics.median(wall[model, engine]), 1),
        }
        for model, engine in ways
    ]  # fmt: skip
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
