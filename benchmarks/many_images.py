"""Predict over many small images: memory on the way, time against the number of images, a kill in the middle.

    python benchmarks/many_images.py --count 5000
    python benchmarks/many_images.py --count 100000 --json

Rendered JPEGs of 64 pixels, some of which cannot be read, and the bundled model `balloons` at 64 pixels. The process
is killed in the middle and resumed: no image twice, none missing, and the same bytes as of a run that nobody killed.
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
COMPARED = 10_000  # images up to which they are all predicted once more without a kill, and compared byte by byte
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
    if done % int(every) == 0 or done == 1:
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


def measure(count: int, side: int, model: str, folder: Path) -> dict[str, object]:
    source, cut = folder / "images", folder / "cut"
    broken = render(source, count, side)
    every = str(max(1, count // 20))
    reports = [folder / f"points_{number}.json" for number in range(3)]
    at = killed([model, str(source), str(cut), str(reports[0]), every, str(side)], cut, count // 2)
    done = run([model, str(source), str(cut), str(reports[1]), every, str(side)])
    lines = (cut / "predictions.jsonl").read_bytes()
    names = [json.loads(line)["file"] for line in lines.splitlines()]
    facts: dict[str, object] = {
        "images": count,
        "predicted": done["images"],
        "unreadable": done["failed"],
        "unreadable_expected": broken,
        "killed_after": at,
        "twice": len(names) - len(set(names)),
        "missing": count - broken - len(set(names)),
    }
    if count <= COMPARED:
        run([model, str(source), str(folder / "whole"), str(reports[2]), every, str(side)])
        facts["same_bytes_as_a_run_nobody_killed"] = lines == (folder / "whole" / "predictions.jsonl").read_bytes()
    for name, report in zip(("until_the_kill", "after_it", "whole"), reports, strict=True):
        if report.exists():
            facts[name] = summary(json.loads(report.read_text()))
    return facts | {"load": round(os.getloadavg()[0], 1)}


def summary(points: list[dict[str, float]]) -> dict[str, object]:
    """Of one process: memory at its points, and seconds an image in its second half over those in its first."""
    middle, last = points[len(points) // 2], points[-1]
    per_image = [(middle["seconds"] - points[0]["seconds"]) / (middle["images"] - points[0]["images"]),
                 (last["seconds"] - middle["seconds"]) / (last["images"] - middle["images"])]  # fmt: skip
    return {
        "images_per_second": round(1 / per_image[1], 1),
        "time_second_half_to_first": round(per_image[1] / per_image[0], 3),
        "megabytes": {f"{point['images']:.0f}": point["megabytes"] for point in points},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument(
        "--size", type=int, default=64, help="side of the images, and of the network's input, in pixels"
    )
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
