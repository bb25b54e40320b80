"""Clicks and keys an object on the label page, with and without its help: the ground truth is the annotator.

    python benchmarks/label_effort.py ../shared/data/balloon/val ../shared/data/weapons --objects 60 --json effort.json

`maskwright label` runs in a process of its own on a copy of the images without labels; this script asks what the page
asks. Each object is labeled in two ways, until it overlaps its hand-drawn outline by `--iou` (intersection over union):

by hand   a click for each corner that people drew, and Enter; `fewest`: for as few corners as reach that overlap
assisted  a box (press and release: two), then clicks in the middle of the largest part that is wrong, and Enter; where
          ten of them are not enough, the object is given up (Escape) and its outline is drawn by hand

Choosing the class costs the same in both ways and is not counted. Medians and means are over objects.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import maskwright
from maskwright.geometry.simplify import simplify
from maskwright.types import Dataset, RleMasks
from maskwright.web import label_shapes

MOST_CLICKS = 10  # after a box


@dataclass(frozen=True)
class Effort:
    """Clicks and keys of one object.

    clicks   of the assisted way, beside the box
    reached  the assisted mask was good enough; its overlap is iou
    """

    image: str
    by_hand: int
    fewest: int
    assisted: int
    clicks: int
    reached: bool
    iou: float


class Page:
    """What the page asks of the server."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._token = token

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, sent, {"Authorization": f"Bearer {self._token}"})
        response = self._connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise SystemExit(f"{method} {path}: {response.status} {answer[:200]!r}")
        return json.loads(answer) if answer else None


@contextlib.contextmanager
def labeling(images: Path, out: Path) -> Iterator[Page]:
    command = [sys.executable, "-m", "maskwright", "label", str(images), "--out", str(out), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+?);", line):
                yield Page(int(found[1]), found[2])
                break
        else:
            raise SystemExit("maskwright label has ended")
    finally:
        process.terminate()
        process.wait()


def overlap(rings: Sequence[Sequence[Sequence[float]]], wanted: RleMasks) -> tuple[float, RleMasks]:
    """With the object that was drawn by hand; and the mask of the rings."""
    if not rings:
        return 0.0, RleMasks.from_boxes(np.zeros((1, 4)), wanted.size)
    mask = label_shapes.fill([np.array(ring, np.float64) for ring in rings], wanted.size)
    return (float(mask.iou(wanted)[0, 0]) if mask.area[0] else 0.0), mask


def middle(wrong: np.ndarray) -> list[float]:
    """(x, y) in the middle of the thickest part of a map: what is left when its rim is taken off again and again."""
    left = np.pad(wrong, 1)
    while True:
        inner = left.copy()
        for axis in (0, 1):
            inner &= np.roll(left, 1, axis) & np.roll(left, -1, axis)
        if not inner.any():
            y, x = np.argwhere(left)[np.count_nonzero(left) // 2] - 1
            return [float(x) + 0.5, float(y) + 0.5]
        left = inner


def assisted(page: Page, index: int, wanted: RleMasks, goal: float) -> tuple[int, bool, float, list[Any]]:
    """Clicks beside the box, whether the goal was reached, the overlap, and the rings."""
    box, positive, negative = wanted.boxes[0].astype(float).tolist(), [], []
    target = wanted.dense()[0]
    for count in range(MOST_CLICKS + 1):
        asked = {"box": box, "positive": positive, "negative": negative}
        rings = page.ask("POST", f"/api/images/{index}/clicks", asked)["rings"]
        found, mask = overlap(rings, wanted)
        if found >= goal or count == MOST_CLICKS:
            return count, found >= goal, found, rings
        where = middle(mask.dense()[0] != target)
        (positive if target[int(where[1]), int(where[0])] else negative).append(where)
    raise AssertionError


def fewest_corners(rings: Sequence[np.ndarray], wanted: RleMasks, goal: float) -> int:
    """Corners of the coarsest of the simplified outlines that is still good enough."""
    best = sum(map(len, rings))
    for tolerance in np.geomspace(0.5, 200, 40):
        coarse = [simplify(ring, float(tolerance)) for ring in rings]
        if min(map(len, coarse)) < 3 or overlap([ring.tolist() for ring in coarse], wanted)[0] < goal:
            break
        best = min(best, sum(map(len, coarse)))
    return best


def labeled(page: Page, data: Dataset, chosen: set[tuple[int, int]], goal: float) -> list[Effort]:
    """Every chosen object (record, row) of the data, and what it took."""
    numbers = {image["name"]: index for index, image in enumerate(page.ask("GET", "/api/images")["images"])}
    efforts = []
    for at, record in enumerate(data.records):
        rows = [row for number, row in sorted(chosen) if number == at]
        if not rows or record.instances is None or record.instances.masks is None:
            continue
        index, objects = numbers[f"{at:05d}_{record.image.name}"], []
        page.ask("POST", f"/api/images/{index}/features")
        for row in rows:
            wanted = record.instances.masks[[row]]
            outline = record.instances.outlines()[row]
            drawn = [np.asarray(part, np.float64) for part in outline or label_shapes.trace(wanted)]
            by_hand = sum(map(len, drawn)) + 1
            clicks, reached, found, rings = assisted(page, index, wanted, goal)
            cost = 2 + clicks + (1 if reached else 1 + by_hand)
            fewest = fewest_corners(drawn, wanted, goal) + 1
            efforts.append(Effort(record.image.name, by_hand, fewest, cost, clicks, reached, round(found, 4)))
            rings = rings if reached else [ring.tolist() for ring in drawn]
            objects.append({"key": f"n{row}", "class": record.instances.labels[row], "rings": rings})
        page.ask("PUT", f"/api/images/{index}", {"version": 0, "state": "labeled", "objects": objects})
        assert len(page.ask("GET", f"/api/images/{index}")["objects"]) == len(rows)
    return efforts


def measured(data: Path, count: int, goal: float) -> list[Effort]:
    dataset = maskwright.read(data).usable()
    rows = [(at, row) for at, record in enumerate(dataset.records) if record.instances is not None
            for row in range(len(record.instances))]  # fmt: skip
    drawn = np.random.default_rng(0).permutation(len(rows))[: count or len(rows)]
    chosen = {rows[index] for index in drawn}
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        images.mkdir()
        for at in {number for number, _ in chosen}:
            shutil.copy(dataset.records[at].image, images / f"{at:05d}_{dataset.records[at].image.name}")
        with labeling(images, Path(folder, "labels.json")) as page:
            if not page.ask("GET", "/api/images")["clicks"]:
                raise SystemExit("the page has no Assist here: what makes masks from clicks is not installed")
            return labeled(page, dataset, chosen, goal)


def summary(efforts: Sequence[Effort]) -> dict[str, Any]:
    columns = {name: [getattr(effort, name) for effort in efforts] for name in ("by_hand", "fewest", "assisted")}
    made: dict[str, Any] = {name: {"median": statistics.median(values), "mean": round(statistics.mean(values), 2)}
                            for name, values in columns.items()}  # fmt: skip
    made["assisted_to_by_hand"] = round(sum(columns["assisted"]) / sum(columns["by_hand"]), 3)
    made["assisted_to_fewest"] = round(sum(columns["assisted"]) / sum(columns["fewest"]), 3)
    made["reached"] = round(sum(effort.reached for effort in efforts) / len(efforts), 3)
    return {"objects": len(efforts), **made}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--objects", type=int, default=60, help="of each dataset, drawn at random; 0: all")
    parser.add_argument("--iou", type=float, default=0.85)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    found = {str(data): measured(data, chosen.objects, chosen.iou) for data in chosen.data}
    results = {data: summary(efforts) for data, efforts in found.items()}
    for data, result in results.items():
        print(data, json.dumps(result))
    if chosen.json is not None:
        objects = {data: [asdict(effort) for effort in efforts] for data, efforts in found.items()}
        chosen.json.write_text(json.dumps({"datasets": results, "objects": objects}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
