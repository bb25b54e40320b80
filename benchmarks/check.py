"""Checking a large dataset: seconds of `maskwright check`, with and without its page.

    python benchmarks/check.py
    python benchmarks/check.py --images 10000 --rounds 3 --json check.json

The data are made by this script: images of 640 x 480 (JPEG, no two alike), ten outlines each as COCO JSON. Each round
is a process of its own, start included; seconds are wall time, processor seconds stand beside them. The limit is 60 s
for 10,000 images on two cores.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT, CLASSES, OUTLINES, POINTS = 640, 480, 8, 10, 24
LIMIT = 60.0  # seconds


def make(folder: Path, images: int) -> None:
    """Images of large blocks with noise, as heavy to decode as photos, and their outlines."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    noise = rng.integers(0, 40, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    listed, notes = [], []
    angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    for number in range(images):
        blocks = rng.integers(0, 215, (12, 16, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(blocks).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)) // 2 + noise
        stream = io.BytesIO()
        Image.fromarray(image.astype(np.uint8)).save(stream, "JPEG", quality=85)
        (folder / "images" / f"{number:05}.jpg").write_bytes(stream.getvalue())
        listed.append({"id": number, "file_name": f"{number:05}.jpg", "width": WIDTH, "height": HEIGHT})
        for row in range(OUTLINES):
            radius = rng.uniform(8, 60) * rng.uniform(0.7, 1.3, POINTS)
            center = rng.uniform(60, 420, 2)
            points = center + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
            outline = points.clip(0, HEIGHT).round(1).reshape(-1).tolist()
            notes.append({"id": number * OUTLINES + row, "image_id": number, "category_id": row % CLASSES + 1,
                          "segmentation": [outline], "iscrowd": 0})  # fmt: skip
    categories = [{"id": number + 1, "name": f"class {number}"} for number in range(CLASSES)]
    content = {"images": listed, "annotations": notes, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content), "utf-8")


def timed(data: Path, out: Path | None) -> tuple[float, float]:
    """Wall seconds and processor seconds of one check."""
    command = [sys.executable, "-m", "maskwright", "check", str(data), "--quiet", "--json"]
    command += [] if out is None else ["--out", str(out)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    facts = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert not facts["serious"] and facts["data"][0]["images"]
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="keep the data here, and use them where they are there")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = chosen.data or Path(folder) / "data"
        if not data.is_dir():
            make(data, chosen.images)
        page = Path(folder) / "check.html"
        rows: dict[str, list[tuple[float, float]]] = {"check": [], "with page": []}
        for _ in range(chosen.rounds):
            for name in rows:
                rows[name].append(timed(data, page if name == "with page" else None))
        facts: dict[str, object] = {"images": chosen.images, "cores": os.cpu_count(), "limit_seconds": LIMIT,
                                    "load": os.getloadavg()[0], "page_bytes": page.stat().st_size}  # fmt: skip
    for name, several in rows.items():
        wall, processor = ([pair[index] for pair in several] for index in (0, 1))
        facts[name] = {"seconds": wall, "processor_seconds": processor}
        print(f"{name}: median {statistics.median(wall):.1f} s of {len(wall)}, {statistics.median(processor):.1f} s of "
              f"processor (limit {LIMIT:.0f} s for 10,000 images on two cores)")  # fmt: skip
    print(f"page: {facts['page_bytes']:,} bytes")
    if chosen.json:
        chosen.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
