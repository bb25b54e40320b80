"""Start-up times: help, import, and the first color splash from a cold start.

    python benchmarks/startup.py
    python benchmarks/startup.py --rounds 10

Each line is a fresh Python process, by turns; wall and CPU seconds, medians. `import torch` is there to compare with.
The splash of a first image needs a model that comes with the package; without one the line says so. `predict` of an
exported model fails if torch is imported.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

import maskwright
from maskwright.synth import render
from maskwright.weights import sources

HELP, FIRST, EXPORTED = 0.4, 5.0, 2.0  # seconds, the documented limits


def spent(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a child process (CPU is not a number where the system does not tell)."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu or float("nan")


def exported(folder: Path, model: str, image: Path) -> dict[str, tuple[list[str], float | None]]:
    """`predict` by an exported model, for each runtime that is installed; it must not import torch."""
    code = (
        "import sys; from maskwright.cli.main import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as done: code = done.code\n"
        "sys.exit(code or ('torch was imported' if 'torch' in sys.modules else 0))"
    )
    commands: dict[str, tuple[list[str], float | None]] = {}
    for runtime in ("onnx", "openvino"):
        try:
            maskwright.export(model, runtime, out=folder / runtime, precision="fp32", images=image)
        except maskwright.MaskwrightError as error:
            print(f"{runtime}: {error}", file=sys.stderr)
            continue
        command = ["predict", str(folder / runtime), str(image), "--out", str(folder / "predicted"), "--no-pictures"]
        commands[f"predict, {runtime}"] = ([sys.executable, "-c", code, *command], EXPORTED)
    return commands


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    python = sys.executable
    check = "import sys, maskwright; sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    commands = {
        "python": ([python, "-c", "pass"], None),
        "maskwright --help": ([python, "-m", "maskwright", "--help"], HELP),
        "import maskwright": ([python, "-c", check], HELP),
        "import torch": ([python, "-c", "import torch"], None),
    }
    with tempfile.TemporaryDirectory() as folder:
        names = sources.bundled_names()
        if names:
            image = Path(folder) / "party.jpg"
            Image.fromarray(render("balloons", seed=7).image).save(image)
            splash = [python, "-m", "maskwright", "splash", names[0], str(image), "--out", str(Path(folder) / "out")]
            commands["first splash, cold"] = (splash, FIRST)
            commands |= exported(Path(folder), names[0], image)
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(args.rounds + 1):
            for name, (command, _) in commands.items():
                times = spent(command)
                if turn:  # the first round fills the file cache
                    took[name].append(times)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"Python {sys.version.split()[0]}, median of {args.rounds} rounds by turns{load}")
    print(f"{'':22}{'wall s':>8}{'CPU s':>8}   promised")
    for name, (_, promised) in commands.items():
        wall, cpu = (statistics.median(item[index] for item in took[name]) for index in (0, 1))
        held = "" if promised is None else f"   below {promised} s: {'yes' if wall < promised else 'NO'}"
        print(f"{name:22}{wall:8.2f}{cpu:8.2f}{held}")
    if not names:
        print("first splash, cold: skipped, no model comes with this installation")


if __name__ == "__main__":
    main()
