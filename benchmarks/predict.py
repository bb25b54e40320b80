"""Prediction on a CPU: a 640x480 JPEG to run-length masks, every engine and precision, related to torchvision's.

    python benchmarks/predict.py
    python benchmarks/predict.py --rounds 5 --json
    python benchmarks/predict.py --models small --objects 10
    python benchmarks/predict.py --models matterport           matterport's network, ResNet-101 at 1024 px
    python benchmarks/predict.py --models small --classes 1 --peer ../yolo/bin/python
    python benchmarks/predict.py --models mask_rcnn_r50 --int8
    OMP_NUM_THREADS=2 python benchmarks/predict.py             wall milliseconds of two threads

--peer: YOLO networks, by the Python of an environment with ultralytics (benchmarks/peers/predict_yolo.py). Processor
milliseconds at one thread, medians; the ways take turns, and each ratio is the median of those of the rounds,
so a busy machine changes little. Weights are random, and spread so that the networks detect; the score threshold leaves
10 or 100 objects. `balloons` is the bundled model with its own weights, on a rendered image, as many objects as it
finds. torchvision is maskrcnn_resnet50_fpn in eager mode at its defaults (800 px), with torch.autocast for bf16; where
it does not load, ratios are to `mask_rcnn_r50` in torch. Beside a CPU torch it needs the tool beside the shared data
(MASKWRIGHT_SHARED, else ../shared).
--int8: also OpenVINO in int8, calibrated on rendered images; of random weights only the time means something.
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

os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")  # before numpy and torch
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import msgspec
import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from lively_networks import lively_model, spread  # noqa: E402
from peers.torchvision_peer import load_torchvision  # noqa: E402

import maskwright  # noqa: E402
from maskwright.engines.matterport_kinds import MatterportTwoStage  # noqa: E402
from maskwright.exporting import parity  # noqa: E402
from maskwright.models.matterport.detector import Matterport  # noqa: E402
from maskwright.weights.card import read_card, write_card  # noqa: E402

NAMES = tuple(f"class{number}" for number in range(80))
SIZES = {"small": 640, "mask_rcnn_r50": 1067, "matterport": 1024}  # long sides; torchvision makes 800x1067 of 480x640
ENGINES = (("torch", "fp32"), ("torch", "bf16"), ("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
CALIBRATED = 16  # images, half of which are only measured on
REFERENCE = ("torchvision", "torchvision", "fp32")

Key = tuple[str, str, str]  # network, engine, precision
Way = Callable[[], int]  # predicts, and returns the number of objects


# --- the ways -------------------------------------------------------------------------------------------------------
def jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(maskwright.render("balloons", 3, (480, 640)).image).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def limit(scores: np.ndarray, objects: int) -> float:
    """The score threshold that leaves so many objects, or all where there are fewer."""
    ranked = np.sort(scores)[::-1]
    if not len(ranked):
        raise SystemExit("the network detects nothing")
    return float(ranked[objects - 1 : objects + 1].mean()) if len(ranked) > objects else float(ranked[-1]) * 0.999


def set_limit(engine: Any, threshold: float) -> None:
    """The score threshold of the network itself, so that no masks are computed below."""
    network = engine.network
    if isinstance(network, Matterport):
        network.keras.settings = dataclasses.replace(network.keras.settings, detection_min_confidence=threshold)
    elif isinstance(network, torch.nn.Module):
        network.config = dataclasses.replace(network.config, score_thresh=threshold)  # type: ignore[arg-type]
    else:
        name = "detection_min_confidence" if isinstance(network, MatterportTwoStage) else "score_thresh"
        engine.network = msgspec.structs.replace(network, **{name: threshold})


def ours(model: str | Path, engine: str, precision: str, objects: int | None, data: bytes) -> Way:
    """One of our models; `objects` None: at its own threshold."""
    options = maskwright.InferenceOptions(
        engine=engine, precision=precision, device="cpu", threshold=None if objects is None else 0.0
    )
    predictor: Any = maskwright.load(model, options)
    if objects is not None:
        set_limit(predictor.engine, limit(predictor(data).scores, objects))
    return lambda: len(predictor(data).masks)


def torchvision_network() -> Any:
    """maskrcnn_resnet50_fpn that detects; None where torchvision does not load."""
    torchvision = load_torchvision()
    if torchvision is None:
        return None
    torch.manual_seed(0)
    network = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=len(NAMES) + 1
    ).eval()
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


def quantized(model: Path) -> Path:
    """The model for OpenVINO in int8, in a folder beside it. How far it is from the original is not asked."""
    parity.BOUNDS["int8"] = parity.Bounds(unmatched=1.0, box=None, score=None, mask_iou=0.0, ap=None)
    folder = model.with_name(f"{model.name}-images")
    folder.mkdir()
    images, annotations = [], []
    for number in range(CALIBRATED):
        name = f"{number}.jpg"
        Image.fromarray(maskwright.render("balloons", number, (480, 640)).image).save(folder / name, quality=90)
        images.append({"id": number, "file_name": name, "width": 640, "height": 480})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [200, 100, 200, 200],
                            "segmentation": [[200, 100, 400, 100, 400, 300]], "area": 20000, "iscrowd": 0})  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(read_card(model).classes, 1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(document))
    out = model.with_name(f"{model.name}-int8")
    maskwright.export(model, "openvino", out=out, precision="int8", calibrate=folder, max_drop=1.0, verbose=False,
                      log=lambda issue: None)  # fmt: skip
    return out


def ways(models: list[str], objects: int, folder: Path, network: Any, data: bytes) -> dict[Key, Way]:
    made: dict[Key, Way] = {}
    if network is not None:
        for precision in ("fp32", "bf16"):
            made["torchvision", "torchvision", precision] = torchvision_way(network, precision, objects, data)
    for model in models:
        for engine, precision in ENGINES:
            try:
                made[model, engine, precision] = ours(folder / model, engine, precision, objects, data)
            except maskwright.MaskwrightError as error:
                print(f"{model}, {engine}, {precision}: {error}", file=sys.stderr)
        if (folder / f"{model}-int8").is_dir():
            made[model, "openvino", "int8"] = ours(folder / f"{model}-int8", "auto", "auto", objects, data)
    return made


# --- the peer: its process sets threads for all, so it is never this one ----------------------------------------------
def peer_rows(python: str, rounds: int, objects: int, data: bytes) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.jpg"
        image.write_bytes(data)
        script = str(Path(__file__).parent / "peers" / "predict_yolo.py")
        command = [python, script, str(image), "--rounds", str(rounds), "--objects", str(objects)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the peer failed: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


# --- measuring --------------------------------------------------------------------------------------------------------
def measure(made: dict[Key, Way], rounds: int) -> tuple[dict[Key, list[tuple[float, float]]], dict[Key, int]]:
    """CPU and wall milliseconds of each way in each round, and the objects that it finds; every way once before."""
    found = {key: way() for key, way in made.items()}
    times: dict[Key, list[tuple[float, float]]] = {key: [] for key in made}
    for _ in range(rounds):
        for key, way in made.items():
            started, began = time.perf_counter(), time.process_time()
            way()
            cpu = time.process_time() - began
            times[key].append((1e3 * cpu, 1e3 * (time.perf_counter() - started)))
    return times, found


def rows_of(times: dict[Key, list[tuple[float, float]]], found: dict[Key, int], reference: Key) -> list[dict[str, Any]]:
    rows = []
    for key, spent in times.items():
        ratios = [mine / theirs for (mine, _), (theirs, _) in zip(spent, times[reference], strict=True)]
        cpu, wall = (statistics.median(values) for values in zip(*spent, strict=True))
        rows.append({
            "name": key[0], "objects": found[key], "engine": key[1], "precision": key[2], "cpu_ms": round(cpu, 1),
            "wall_ms": round(wall, 1), "ratio": round(statistics.median(ratios), 3),
            "against": " ".join(dict.fromkeys(reference)),
        })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", default="small,matterport,mask_rcnn_r50", help="separated by commas")
    parser.add_argument("--objects", default="10,100", help="separated by commas")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--peer", metavar="PYTHON", help="the Python of an environment with ultralytics")
    parser.add_argument("--int8", action="store_true", help="needs the extra int8")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    models, data = args.models.split(","), jpeg()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for model in models:
            lively_model(folder / model, model, "segment", NAMES[: args.classes], 512)
            write_card(msgspec.structs.replace(read_card(folder / model), size=SIZES.get(model, 640)), folder / model)
            if args.int8:
                quantized(folder / model)
        network = torchvision_network()
        for objects in map(int, args.objects.split(",")):
            made = ways(models, objects, folder, network, data)
            for engine, precision in ENGINES:
                made["balloons", engine, precision] = ours("balloons", engine, precision, None, data)
            reference = REFERENCE if REFERENCE in made else (models[-1], "torch", "fp32")
            rows += rows_of(*measure(made, args.rounds), reference)
            if args.peer:
                peers = peer_rows(args.peer, args.rounds, objects, data)
                ends = [row for row in rows[::-1] if (row["name"], row["engine"], row["precision"]) == reference]
                against = " ".join(dict.fromkeys(reference))
                rows += [{**row, "ratio": round(row["cpu_ms"] / ends[0]["cpu_ms"], 3), "against": against}
                         for row in peers]  # fmt: skip
    if args.json:
        print(json.dumps({"rows": rows}, indent=1))
        return
    print(f"{'':<26}{'engine':<13}{'precision':<11}{'objects':>8}{'CPU ms':>9}{'wall ms':>9}{'ratio':>8}")
    for row in rows:
        print(f"{row['name']:<26}{row['engine']:<13}{row['precision']:<11}{row['objects']:>8}{row['cpu_ms']:>9.1f}{row['wall_ms']:>9.1f}"
              f"{row['ratio']:>8.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
