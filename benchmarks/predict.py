"""Prediction on a CPU: a 640x480 JPEG to run-length masks, every engine and precision, related to torchvision's.

    python benchmarks/predict.py
    python benchmarks/predict.py --rounds 5 --json
    python benchmarks/predict.py --models small --objects 10
    python benchmarks/predict.py --peer ../yolo/bin/python     with ultralytics in that environment, its own process

Processor milliseconds at one thread, medians; the ways take turns, and each ratio is the median of those of the rounds,
so a busy machine changes little. Weights are random, and spread so that the networks detect; the score threshold leaves
10 or 100 objects. `balloons` is the bundled model with its own weights, on a rendered image, as many objects as it
finds. torchvision is maskrcnn_resnet50_fpn in eager mode at its defaults (800 px), with torch.autocast for bf16; where
it does not load, ratios are to `mask_rcnn_r50` in torch. Beside a CPU torch it needs the tool beside the shared data
(MASKWRIGHT_SHARED, else ../shared).
"""

from __future__ import annotations

import argparse
import dataclasses
import io
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

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy and torch

import msgspec
import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from lively_networks import lively_model, spread  # noqa: E402

import maskwright  # noqa: E402
from maskwright.weights.card import read_card, write_card  # noqa: E402

NAMES = tuple(f"class{number}" for number in range(80))
SIZES = {"small": 640, "mask_rcnn_r50": 1067}  # long sides; torchvision makes 800x1067 of 480x640
ENGINES = (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
REFERENCE = ("torchvision", "torchvision", "fp32")

Way = Callable[[], int]  # predicts, and returns the number of objects


# --- the ways -------------------------------------------------------------------------------------------------------
def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(maskwright.render("balloons", 3, (480, 640)).image).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def limit(scores: np.ndarray, objects: int) -> float:
    """The score threshold that leaves so many objects."""
    ranked = np.sort(scores)[::-1]
    if len(ranked) < objects:
        raise SystemExit(f"the network detects {len(ranked)} objects where {objects} are wanted")
    return float(ranked[objects - 1 : objects + 1].mean()) if len(ranked) > objects else float(ranked[-1]) * 0.999


def ours(model: str | Path, engine: str, precision: str, objects: int | None, data: bytes) -> Way:
    """One of our models; `objects` None: at its own threshold."""
    options = maskwright.InferenceOptions(
        engine=engine, precision=precision, device="cpu", threshold=None if objects is None else 0.0
    )
    predictor: Any = maskwright.load(model, options)
    if objects is not None:
        threshold = limit(predictor(data).scores, objects)
        inner = predictor.engine
        if engine == "torch":
            inner.network.config = dataclasses.replace(inner.network.config, score_thresh=threshold)
        else:
            inner.network = msgspec.structs.replace(inner.network, score_thresh=threshold)
    return lambda: len(predictor(data).masks)


def torchvision_network() -> Any:
    """maskrcnn_resnet50_fpn that detects; None where torchvision does not load."""
    tools = Path(os.environ.get("MASKWRIGHT_SHARED") or ROOT.parent / "shared") / "tools"
    sys.path.insert(0, str(tools))
    try:
        if tools.is_dir():
            import torchvision_cpu  # type: ignore[import-not-found]

            torchvision_cpu.ensure()
        from torchvision.models.detection import maskrcnn_resnet50_fpn
    except Exception as error:
        print(f"torchvision does not load: {error}", file=sys.stderr)
        return None
    torch.manual_seed(0)
    network = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=len(NAMES) + 1).eval()
    seen: dict[str, torch.Tensor] = {}
    layers = {"rpn": (network.rpn.head.cls_logits, 2.0), "boxes": (network.roi_heads.box_predictor.cls_score, 3.0)}
    with torch.no_grad():
        for name, (layer, wanted) in layers.items():  # one after the other: the second sees what the first lets through
            handle = layer.register_forward_hook(lambda _, __, output, name=name: seen.__setitem__(name, output))
            network([torch.rand(3, 480, 640)])
            handle.remove()
            spread(layer, seen[name], wanted)
    return network


def torchvision_way(network: Any, precision: str, objects: int, data: bytes) -> Way:
    from maskwright.types import RleMasks

    def run() -> dict[str, torch.Tensor]:
        pixels = torch.from_numpy(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).copy())
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            return network([pixels.permute(2, 0, 1).float() / 255])[0]

    network.roi_heads.score_thresh = 0.05
    threshold = limit(run()["scores"].float().numpy(), objects)

    def predict() -> int:
        network.roi_heads.score_thresh = threshold
        return len(RleMasks.from_dense(run()["masks"][:, 0].float().numpy() >= 0.5))

    return predict


def ways(models: list[str], objects: int, folder: Path, network: Any, data: bytes) -> dict[tuple[str, str, str], Way]:
    made: dict[tuple[str, str, str], Way] = {}
    if network is not None:
        for precision in ("fp32", "bf16"):
            made["torchvision", "torchvision", precision] = torchvision_way(network, precision, objects, data)
    for model in models:
        for engine, precision in ENGINES:
            try:
                made[model, engine, precision] = ours(folder / model, engine, precision, objects, data)
            except maskwright.MaskwrightError as error:
                print(f"{model}, {engine}, {precision}: {error}", file=sys.stderr)
    return made


# --- the peer: its process sets threads for all, so it is never this one ----------------------------------------------
PEER = """
import io, json, os, sys, time
os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np, torch
torch.set_num_threads(1)
from PIL import Image
from ultralytics import YOLO
file, rounds, objects = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
try:
    model, weights = YOLO("yolo11n-seg.pt"), "published"
except Exception:
    model, weights = YOLO("yolo11n-seg.yaml"), "random"
image = np.asarray(Image.open(file).convert("RGB"))[:, :, ::-1]
conf = 0.0 if weights == "random" else 1e-4
settings = dict(imgsz=(480, 640), verbose=False, max_det=objects, conf=conf, device="cpu")
times = []
for _ in range(rounds + 1):
    began = time.process_time()
    image = np.asarray(Image.open(file).convert("RGB"))[:, :, ::-1]
    result = model.predict(image, **settings)[0]
    found = 0 if result.masks is None else len(result.masks.xy)
    times.append(1e3 * (time.process_time() - began))
print(json.dumps({"cpu_ms": sorted(times[1:])[rounds // 2], "found": found, "weights": weights}))
"""


def peer_row(python: str, rounds: int, objects: int, data: bytes) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.jpg"
        image.write_bytes(data)
        command = [python, "-c", PEER, str(image), str(rounds), str(objects)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise SystemExit(f"the peer failed: {done.stderr[-2000:]}")
    facts = json.loads(done.stdout.splitlines()[-1])
    return {"name": f"yolo11n-seg, {facts['weights']} weights", "objects": facts["found"], "engine": "torch",
            "precision": "fp32", "cpu_ms": round(facts["cpu_ms"], 1)}  # fmt: skip


# --- measuring --------------------------------------------------------------------------------------------------------
def measure(made: dict[tuple[str, str, str], Way], rounds: int) -> tuple[dict[Any, list[float]], dict[Any, int]]:
    """CPU milliseconds of each way in each round, and the objects that it finds; every way once before."""
    found = {key: way() for key, way in made.items()}
    times: dict[Any, list[float]] = {key: [] for key in made}
    for _ in range(rounds):
        for key, way in made.items():
            began = time.process_time()
            way()
            times[key].append(1e3 * (time.process_time() - began))
    return times, found


def rows_of(times: dict[Any, list[float]], found: dict[Any, int], reference: Any) -> list[dict[str, Any]]:
    rows = []
    for key, spent in times.items():
        ratios = [mine / theirs for mine, theirs in zip(spent, times[reference], strict=True)]
        rows.append({
            "name": key[0], "objects": found[key], "engine": key[1], "precision": key[2],
            "cpu_ms": round(statistics.median(spent), 1), "ratio": round(statistics.median(ratios), 3),
            "against": " ".join(dict.fromkeys(reference)),
        })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", default="small,mask_rcnn_r50", help="separated by commas")
    parser.add_argument("--objects", default="10,100", help="separated by commas")
    parser.add_argument("--peer", metavar="PYTHON", help="the Python of an environment with ultralytics")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    models, data = args.models.split(","), jpeg()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in models:
            lively_model(folder / model, model, "segment", NAMES, 512)
            write_card(msgspec.structs.replace(read_card(folder / model), size=SIZES.get(model, 640)), folder / model)
        network = torchvision_network()
        for objects in map(int, args.objects.split(",")):
            made = ways(models, objects, folder, network, data)
            for engine, precision in ENGINES:
                made["balloons", engine, precision] = ours("balloons", engine, precision, None, data)
            reference = REFERENCE if REFERENCE in made else (models[-1], "torch", "fp32")
            rows += rows_of(*measure(made, args.rounds), reference)
            if args.peer:
                row = peer_row(args.peer, args.rounds, objects, data)
                base = next(
                    item["cpu_ms"]
                    for item in rows[::-1]
                    if (item["name"], item["engine"], item["precision"]) == reference
                )
                rows.append(
                    {**row, "ratio": round(row["cpu_ms"] / base, 3), "against": " ".join(dict.fromkeys(reference))}
                )
    if args.json:
        print(json.dumps({"rows": rows}, indent=1))
        return
    print(f"{'':<26}{'engine':<13}{'precision':<11}{'objects':>8}{'CPU ms':>9}{'ratio':>8}")
    for row in rows:
        print(f"{row['name']:<26}{row['engine']:<13}{row['precision']:<11}{row['objects']:>8}{row['cpu_ms']:>9.1f}"
              f"{row['ratio']:>8.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
