"""Predict over many small images: memory on the way, time against the number of images, a kill in the middle.

    python benchmarks/many_images.py --count 5000
    python benchmarks/many_images.py --count 100000 --json

Rendered JPEGs of 64 pixels, some of which cannot be read, and the bundled model `balloons` at 64 pixels. One process
does all images; another is killed in the middle and resumed, and must leave the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

DIFFERENT = 100  # rendered images; the others are copies under names of their own
BROKEN_EVERY = 1000
PART = """
import json, resource, sys, time
from pathlib import Path
from maskwright.api.many_images import predict_many
from maskwright.prediction.options import InferenceOptions
model, source, out, report, every, size = sys.argv[1:7]
begin, points, done = time.monotonic(), [], 0
def memory():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6, 1)
def watch(prediction):
    global done
    done += 1
    if done % int(every) == 0:
        points.append({"images": done, "seconds": round(time.monotonic() - begin, 2), "megabytes": memory()})
        Path(report).write_text(json.dumps(points))
options = InferenceOptions(size=int(size), precision="fp32")
result = predict_many(model, source, out=out, resume=True, on_prediction=watch, options=options, log=lambda issue: None)
Path(report).write_text(json.dumps(points))
print(json.dumps({"images": result.images, "failed": len(result.failed)}))
"""


def render(folder: Path, count: int, side: int) -> int:
    """Images named by number; how many of them cannot be read."""
    from maskwright.synth import render as rendered

    folder.mkdir()
    kinds = []
    for number in range(min(DIFFERENT, count)):
        file = folder.parent / f"kind_{number}.jpg"
        Image.fromarray(rendered("balloons", number, (side, side)).image).save(file, quality=90)
        kinds.append(file.read_bytes())
    for number in range(count):
        broken = number % BROKEN_EVERY == BROKEN_EVERY // 2
        (folder / f"{number:07}.jpg").write_bytes(b"no image" if broken else kinds[number % len(kinds)])
    return sum(number % BROKEN_EVERY == BROKEN_EVERY // 2 for number in range(count))


def run(arguments: list[str]) -> dict[str, int]:
    done = subprocess.run([sys.executable, "-c", PART, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def killed(arguments: list[str], out: Path, lines: int) -> int:
    """Kill a run once so many lines are written; how many there were then."""
    part = out / "predictions.part.jsonl"
    process = subprocess.Popen([sys.executable, "-c", PART, *arguments], stdout=subprocess.DEVNULL)
    while process.poll() is None and (not part.exists() or _lines(part) < lines):
        time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return _lines(part)


def _lines(file: Path) -> int:
    with file.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))


def linear(points: list[dict[str, float]]) -> float:
    """Seconds an image in the second half, over those in the first."""
    middle, last = points[len(points) // 2 - 1], points[-1]
    first = middle["seconds"] / middle["images"]
    return (last["seconds"] - middle["seconds"]) / (last["images"] - middle["images"]) / first


def measure(count: int, side: int, model: str, folder: Path) -> dict[str, object]:
    source, every = folder / "images", max(1, count // 10)
    broken = render(source, count, side)
    common = [model, str(source)]
    rest = [str(every), str(side)]
    whole = run([*common, str(folder / "whole"), str(folder / "points.json"), *rest])
    points = json.loads((folder / "points.json").read_text())
    at = killed([*common, str(folder / "cut"), str(folder / "cut.json"), *rest], folder / "cut", count // 2)
    run([*common, str(folder / "cut"), str(folder / "cut.json"), *rest])
    one, other = ((folder / name / "predictions.jsonl").read_bytes() for name in ("whole", "cut"))
    names = [json.loads(line)["file"] for line in other.splitlines()]
    return {
        "images": count,
        "predicted": whole["images"],
        "unreadable": whole["failed"],
        "unreadable_expected": broken,
        "images_per_second": round(count / points[-1]["seconds"], 1),
        "points": points,
        "memory_last_to_first": round(points[-1]["megabytes"] / points[0]["megabytes"], 3),
        "time_second_half_to_first": round(linear(points), 3),
        "killed_after": at,
        "same_bytes_after_the_kill": one == other,
        "twice": len(names) - len(set(names)),
        "missing": count - broken - len(set(names)),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--size", type=int, default=64, help="side of the images, and of the network's input, in pixels")
    parser.add_argument("--model", default="balloons")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        facts = measure(arguments.count, arguments.size, arguments.model, Path(folder))
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        for name, value in facts.items():
            print(f"{name:<28}{value}")


if __name__ == "__main__":
    main()
