"""Comparison of initial weights: the same recipe and training time on several datasets.

    python benchmarks/starts.py RESULTS                               every cell that RESULTS does not hold yet
    python benchmarks/starts.py RESULTS --sets balloon,weapons --starts bundled,none --minutes 10
    python benchmarks/starts.py RESULTS --pairs lite0:bundled         differences on the same images, of what is there
    python benchmarks/starts.py RESULTS --curve 8,16,32,61 --sets balloon,weapons    AP against the number of images
    python benchmarks/starts.py RESULTS --curve 8,16,32,61 --sets balloon --picture curve.png      the same, drawn

Each cell is a k-fold cross-validation (`maskwright.cross_validate`): every image is evaluated once, by the last
weights of a run
that saw neither it nor its near-duplicates; all images pooled, 95 % bootstrap over groups of images. The curve trains
on the first N images (of a fixed shuffle) of balloon/train and evaluates by the 13 of balloon/val; of another set two
thirds are trained on (all of them, where N is more) and one third is evaluated by.

Minutes are those of the processor, at one thread. A cell is one JSON file, with its matches beside it; cells that
exist are not computed again. `--pairs FIRST:SECOND` resamples the images of both cells together: how much AP50 the
second start gains, with the 95 % interval of the difference.

bundled is the default start, lite0 its backbone with random pyramid and heads, mobilenet the bundled start that needs
no package, imagenet the real MobileNetV2 of the data.

Data: MASKWRIGHT_SHARED, or ../shared.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pickle
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

import maskwright
from maskwright import formats
from maskwright.curate.split import k_fold
from maskwright.evaluation.detection import difference
from maskwright.evaluation.detection_metrics import DetectionMetrics

SHARED = Path(os.environ.get("MASKWRIGHT_SHARED", "../shared"))
SETS = {
    "weapons": ("weapons", "segment"),
    "pennfudan": ("pennfudan", "segment"),
    "rust boxes": ("rust/objDet", "detect"),
    "balloon": ("balloon", "segment"),
    "castings": ("gdxray/Castings", "detect"),
}
STARTS: dict[str, dict[str, Any]] = {
    "bundled": {"weights": "small"},  # by name: `bundled` would take `balloons` for balloons
    "lite0": {"weights": "imagenet", "backbone": "efficientnet_lite0"},
    "mobilenet": {"weights": "small_mobilenet", "backbone": "mobilenet_v3_large"},
    "imagenet": {
        "weights": str(SHARED / "data/weights/mobilenet_v2_imagenet.pth"),
        "backbone": "mobilenet_v2",
    },
    "none": {"weights": "none"},
    "ssd": {"model": "ssd300_vgg16", "weights": "none", "size": 320},  # boxes only; asked for by name
}


def facts(metrics: DetectionMetrics) -> dict[str, Any]:
    result: dict[str, Any] = {"images": metrics.images, "objects": metrics.ground_truths}
    for kind in (metrics.mask, metrics.box):
        for name in ("AP", "AP50") if kind else ():
            result[f"{kind.kind} {name}"] = [getattr(kind, name), *(kind.intervals[name] or (None, None))]  # type: ignore[union-attr]
    return result


def cell(name: str, start: str, chosen: argparse.Namespace) -> DetectionMetrics:
    folder, task = SETS[name]
    folded = maskwright.cross_validate(
        SHARED / "data" / folder,
        k=chosen.k,
        task=task,
        out=chosen.results / "runs" / f"{name}, {start}",
        **plan(start, chosen),
    )
    return folded.pooled


def curve(name: str, count: int, start: str, chosen: argparse.Namespace) -> DetectionMetrics:
    folder, task = SETS[name]
    data = SHARED / "data" / folder
    if name == "balloon":
        whole, held_back = formats.read(data / "train"), formats.read(data / "val")
    else:
        whole, held_back = k_fold(formats.read(data), 3)[0]
    picked = np.random.default_rng(0).permutation(len(whole))[:count]
    few = whole.where(lambda record: record in [whole.records[index] for index in picked])
    out = chosen.results / "runs" / f"{count} images of {name}, {start}"
    trained = maskwright.train(few, task=task, out=out, validate=False, **plan(start, chosen))
    return maskwright.evaluate(trained.folder / "last", held_back, split="all").metrics


def plan(start: str, chosen: argparse.Namespace) -> dict[str, Any]:
    return {
        "size": chosen.size,
        "time_budget": 60 * chosen.minutes,
        "workers": 0,
        "clock": time.process_time,
        **STARTS[start],
    }


def once(file: Path, compute: Callable[[], DetectionMetrics], settings: dict[str, float]) -> dict[str, Any]:
    """The result in `file`, computed if it does not exist; an error if it has other settings."""
    if not file.is_file():
        shutil.rmtree(file.parent / "runs" / file.stem, ignore_errors=True)  # of a run that was stopped
        began = time.monotonic()
        metrics = compute()
        file.with_suffix(".pickle").write_bytes(pickle.dumps(metrics))
        result = facts(metrics) | settings | {"seconds in all": round(time.monotonic() - began)}
        file.write_text(json.dumps(result, indent=1), encoding="utf-8")
    result = json.loads(file.read_text(encoding="utf-8"))
    other = {name: result[name] for name, value in settings.items() if result.get(name, value) != value}
    if other:
        raise SystemExit(f"{file} was made with {other}: name another folder of results")
    return result


def shown(result: dict[str, Any]) -> str:
    return "  ".join(
        f"{key} {value[0]:.3f} ({value[1]:.2f} to {value[2]:.2f})"
        for key, value in result.items()
        if isinstance(value, list) and None not in value
    )


def pair(results: Path, name: str, first: str, second: str) -> str | None:
    """How much AP50 of masks (else of boxes) the second start gains on the same images; None if a cell is missing."""
    files = [results / f"{name}, {start}.pickle" for start in (first, second)]
    if not all(file.is_file() for file in files):
        return None
    one, two = (pickle.loads(file.read_bytes()) for file in files)
    kind = "mask" if one.mask and two.mask else "box"
    gain = difference(one, two, kind=kind, metric="AP50")
    return gain and f"{kind} AP50 {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"


def draw(results: Path, name: str, counts: list[int], starts: list[str], picture: Path) -> None:
    """Mask AP50 against the number of images of a set, one line per initial weights, with 95 % intervals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    words = {"bundled": "small", "lite0": "its backbone alone", "mobilenet": "small_mobilenet",
             "imagenet": "ImageNet's MobileNetV2", "none": "random weights"}  # fmt: skip
    metric, axes = plt.subplots(figsize=(6.4, 3.6), dpi=150, layout="constrained")
    for start in starts:
        files = [results / f"{count} images of {name}, {start}.json" for count in counts]
        result = np.array([json.loads(file.read_text(encoding="utf-8"))["mask AP50"] for file in files], float)
        (line,) = axes.plot(counts, result[:, 0], marker="o", markersize=4)
        axes.fill_between(counts, result[:, 1], result[:, 2], color=line.get_color(), alpha=0.12, linewidth=0)
        axes.annotate(words.get(start, start), (counts[-1], result[-1, 0]), (6, 0), textcoords="offset points",
                      color=line.get_color(), va="center", fontsize=9)  # fmt: skip
    axes.set(
        xlabel="images to train on",
        ylabel=f"mask AP50 on other images of {name}",
        ylim=(0, 1),
        xlim=(0, counts[-1] * 1.5),
    )
    axes.set_xticks([0, *counts])
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    metric.savefig(picture)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--starts", default="bundled,imagenet,none")
    parser.add_argument("--pairs", default="", help="FIRST:SECOND,... of cells that are there")
    parser.add_argument("--curve", default="")
    parser.add_argument("--picture", type=Path, help="draw the curve into this file (needs matplotlib)")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--size", type=int, default=448)
    parser.add_argument("--k", type=int, default=3)
    chosen = parser.parse_args()
    chosen.results.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    starts, counts = chosen.starts.split(","), [int(count) for count in chosen.curve.split(",") if count]
    sets = chosen.sets.split(",")
    cells = [(f"{count} images of {name}", start, partial(curve, name, count)) for name, count, start in
             itertools.product(sets, counts, starts)]  # fmt: skip
    if not counts:
        cells = [(name, start, partial(cell, name)) for name, start in itertools.product(sets, starts)]
    pairs = [tuple(item.split(":")) for item in chosen.pairs.split(",") if item]
    for (first, second), name in itertools.product(pairs, sets):
        print(f"{name:<20} {first} to {second}: {pair(chosen.results, name, first, second) or 'not measured'}")
    for name, start, compute in () if pairs else cells:
        file = chosen.results / f"{name}, {start}.json"
        settings = {"cpu minutes a run": chosen.minutes, "size": chosen.size, "folds": 1 if counts else chosen.k}
        result = once(file, partial(compute, start, chosen), settings)
        print(f"{name:<20} {start:<9} n = {result['images']}, {result['objects']}: {shown(result)}", flush=True)
    if chosen.picture and counts:
        draw(chosen.results, sets[0], counts, starts, chosen.picture)


if __name__ == "__main__":
    main()
