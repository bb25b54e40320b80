"""Memory of each engine over many image sizes: 200 images of 200 sizes, resident megabytes in a process of its own.

    python benchmarks/predict_memory.py
    python benchmarks/predict_memory.py --models small,mask_rcnn_r50 --sizes 200 --engines openvino

Flat means: the last quarter of the images takes no more than the one before. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

ENGINES = ("torch", "onnx", "openvino")


def resident() -> float:
    """Megabytes."""
    line = next(line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1e3


def predict_all(folder: str, engine: str, count: int) -> None:
    """In a process of its own: the memory after each quarter of the images, and the peak."""
    import maskwright
    from maskwright.synth import render
    from maskwright.types import Image

    options = maskwright.InferenceOptions(engine=engine, precision="fp32", device="cpu", threshold=0.5)
    predictor = maskwright.load(folder, options)
    sides = random.Random(0)
    sizes = [(240 + number, sides.randrange(240, 640)) for number in range(count)]
    sides.shuffle(sizes)
    largest, taken = 0.0, []
    for number, size in enumerate(sizes, start=1):
        predictor(Image(render("balloons", number % 7, size).image))
        largest = max(largest, resident())
        if number % (count // 4) == 0:
            taken.append(resident())
    print(*(f"{value:.0f}" for value in (*taken, largest)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="small", help="separated by commas")
    parser.add_argument("--engines", default=",".join(ENGINES), help="separated by commas")
    parser.add_argument("--sizes", type=int, default=200)
    parser.add_argument("--one", nargs=2, metavar=("FOLDER", "ENGINE"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        predict_all(*args.one, args.sizes)
        return
    from lively_networks import lively_model

    print(f"{'':<28}{'25 %':>7}{'50 %':>7}{'75 %':>7}{'100 %':>7}{'peak':>7}  MB, {args.sizes} sizes")
    with tempfile.TemporaryDirectory() as name:
        for model in args.models.split(","):
            folder = lively_model(Path(name) / model, model, "segment", ("a", "b"), 512)
            for engine in args.engines.split(","):
                command = [sys.executable, __file__, "--sizes", str(args.sizes), "--one", str(folder), engine]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    print(f"{model + ', ' + engine:<28}{done.stderr.strip().splitlines()[-1]}")
                    continue
                values = done.stdout.splitlines()[-1].split()
                print(f"{model + ', ' + engine:<28}" + "".join(f"{value:>7}" for value in values), flush=True)


if __name__ == "__main__":
    main()
