"""Parity of every architecture in every engine, compared as `maskwright export` does it: a Markdown table.

    python benchmarks/export_parity.py
    python benchmarks/export_parity.py --models small,matterport --images 8 --size 256

Weights are random, and spread so that the networks detect (tests/lively_networks.py), but for `balloons`, the bundled
model. Detections from a score of 0.5 on are compared. RetinaNet and FCOS need torchvision; beside a CPU torch it loads
with the tool beside the shared data (MASKWRIGHT_SHARED, else ../shared).
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from lively_networks import lively_model  # noqa: E402
from peers.torchvision_peer import load_torchvision  # noqa: E402

import maskwright  # noqa: E402
from maskwright.exporting.parity import Parity, compare, rendered  # noqa: E402
from maskwright.models.registry import MODELS  # noqa: E402
from maskwright.prediction.detector import Detector  # noqa: E402

ENGINES = (("onnx", "fp32"), ("openvino", "fp32"), ("openvino", "bf16"))
CLASSIFIERS = ("mobilenet_v2", "vgg16")
NAMES = ("a", "b", "c")
VALUES = {"unmatched": "{:.2%}", "box": "{:.3f}", "score": "{:.5f}", "mask_iou": "{:.4f}", "ap": "{:.4f}"}


def model_of(name: str, folder: Path, size: int) -> str | Path:
    if name == "balloons":
        return name
    task = "classify" if name in CLASSIFIERS else MODELS[name].task
    return lively_model(folder / name.replace(":", "_"), name, task, NAMES, max(size, 320) if "ssd" in name else size)


def parity_of(model: str | Path, engine: str, precision: str, images: list[bytes]) -> Parity:
    options = maskwright.InferenceOptions(device="cpu", precision="fp32")
    original: Any = maskwright.load(model, options, engine="torch")
    exported: Any = maskwright.load(model, maskwright.InferenceOptions(precision=precision), engine=engine)
    card = original.card
    if card.kind.objects:
        original, exported = (Detector(one.engine, 0.0, one.size, tile=0) for one in (original, exported))
    return compare(original, exported, images, precision, [0.5] * len(card.classes), card.size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(["balloons", *MODELS, *CLASSIFIERS]), help="separated by commas")
    parser.add_argument("--images", type=int, default=16, help="of the 32 that are rendered")
    parser.add_argument("--size", type=int, default=256, help="long side of the network input")
    args = parser.parse_args()
    images = list(itertools.islice(rendered(), args.images))
    print(f"| network | engine | detections | {' | '.join(VALUES)} |")
    print("|---" * (3 + len(VALUES)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MASKWRIGHT_CACHE"] = str(Path(folder) / "cache")
        for name in args.models.split(","):
            if name.startswith("torchvision:") and load_torchvision() is None:
                continue
            model = model_of(name, Path(folder), args.size)
            for engine, precision in ENGINES:
                parity = parity_of(model, engine, precision, images)
                values = ((getattr(parity, value), form) for value, form in VALUES.items())
                cells = " | ".join("-" if value is None else form.format(value) for value, form in values)
                print(f"| `{name}` | {engine}, {precision} | {parity.detections} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
