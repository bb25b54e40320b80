"""Weight of an evaluation page, and how soon Chromium has drawn it.

    python benchmarks/page.py
    python benchmarks/page.py --images 200 --rounds 3 --out evaluation.html --json page.json

Rendered party images with detections made from the ground truth: some missing, some of another image. Drawn: the
first frame with the outlines of the images in the window; seconds from the start of the navigation. Without
Chromium only the bytes are reported.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from maskwright.evaluation import detection
from maskwright.evaluation.error_types import error_types
from maskwright.report import page
from maskwright.report.viewer import Compared, viewer
from maskwright.synth.scene import Scene, render
from maskwright.tasks.detection.report import sections_of
from maskwright.types import Instances, RleMasks

BYTES, SECONDS = 15_000_000, 2.0  # of 200 images, the documented limits
THRESHOLD = 0.5
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# The frame after the one with the first outlines: it has been painted by then.
CLOCK = """
function look(drawn) {
  const outlines = document.querySelectorAll(".object").length;
  if (drawn) console.log(`drawn ${outlines} in ${performance.now().toFixed(0)} ms`);
  else requestAnimationFrame(() => look(outlines > 0));
}
addEventListener("load", () => look(false));
"""


def detections(scene: Scene, other: Scene, rng: np.random.Generator) -> Instances:
    """Nine in ten of the objects, and a third of another image's: false ones, mostly."""
    kept = scene.instances[rng.random(len(scene.instances)) < 0.9]
    wrong = other.instances[rng.random(len(other.instances)) < 0.33]
    masks = RleMasks.join([part.masks for part in (kept, wrong) if part.masks is not None])
    scores = np.concatenate([rng.uniform(0.4, 1, len(kept)), rng.uniform(0.1, 0.8, len(wrong))])
    boxes = np.concatenate([kept.boxes, wrong.boxes])
    return Instances(boxes, np.concatenate([kept.classes, wrong.classes]), scores, masks, scene.instances.names)


def evaluation_page(images: int) -> str:
    rng = np.random.default_rng(0)
    scenes = [render("balloons", seed=seed) for seed in range(images)]
    seen = [detections(scene, scenes[number - 1], rng) for number, scene in enumerate(scenes)]
    truth, sizes = [scene.instances for scene in scenes], [scene.image.shape[:2] for scene in scenes]
    metrics = detection.evaluate(truth, seen, sizes, image_names=[f"{number}.jpg" for number in range(images)])
    kind = metrics.best_kind
    assert kind is not None

    def compared() -> Iterator[Compared]:
        for number, scene in enumerate(scenes):
            rows = kind.matches.matched_rows(number).tolist()
            types = error_types(seen[number], truth[number], rows)
            name, size = metrics.image_names[number], sizes[number]
            yield Compared(name, scene.image, size, seen[number], truth[number], rows, types)

    limits = dict.fromkeys(metrics.names, THRESHOLD)
    parts = sections_of(metrics, limits)
    parts.insert(2, viewer("Images", compared(), images, limits))
    return page.render("Evaluation of rendered detections", parts, f"{images} rendered images")


def timed(text: str) -> str:
    """The page with a clock, which its content security policy then allows."""
    digest = base64.b64encode(hashlib.sha256(CLOCK.encode()).digest()).decode()
    text = text.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    return text.replace("</head>", f"<script>{CLOCK}</script></head>", 1)


def drawn(browser: str, file: Path, folder: Path, limit: float = 120) -> tuple[int, float] | None:
    """(outlines, seconds) as the page itself logs them; None where it does not within `limit` seconds."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0"]
    command += ["--remote-debugging-port=0", "--window-size=1280,900", f"--user-data-dir={folder}", file.as_uri()]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    watch = threading.Timer(limit, process.kill)
    watch.start()
    try:
        for line in process.stderr or ():
            if found := re.search(r"drawn (\d+) in (\d+) ms", line):
                return int(found[1]), int(found[2]) / 1000
        return None
    finally:
        watch.cancel()
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="keep the page here")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    text = evaluation_page(chosen.images)
    facts: dict[str, object] = {"images": chosen.images, "bytes": len(text.encode()), "most_bytes": BYTES}
    print(f"{chosen.images} images: {len(text.encode()) / 1e6:.1f} MB (limit {BYTES / 1e6:.0f} MB)")
    if chosen.out:
        chosen.out.write_text(text, encoding="utf-8")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("time until drawn: not measured, no Chromium on this machine")
    else:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            file = Path(folder) / "page.html"
            file.write_text(timed(text), encoding="utf-8")
            took = [drawn(browser, file, Path(folder) / f"profile{number}") for number in range(chosen.rounds)]
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        seconds = [item[1] for item in took if item is not None]
        facts |= {"seconds": seconds, "most_seconds": SECONDS, "load": load}
        if seconds:
            outlines = next(item[0] for item in took if item is not None)
            facts |= {"outlines_drawn": outlines, "median_seconds": statistics.median(seconds)}
            print(f"drawn with {outlines} outlines: median {statistics.median(seconds):.2f} s of {len(seconds)} "
                  f"(limit {SECONDS:.0f} s; load {load})")  # fmt: skip
        else:
            print("time until drawn: Chromium did not say")
    if chosen.json:
        chosen.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
