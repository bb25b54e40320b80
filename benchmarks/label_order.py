"""AP by the number of labeled images: in the order that the label page proposes, and in a random one.

    python benchmarks/label_order.py ../shared/data/balloon/train --test ../shared/data/balloon/val
    python benchmarks/label_order.py ../shared/data/weapons --counts 10,20,40,80 --seconds 180 --json order.json

Both orders begin with the same images, drawn at random. After each training of `--seconds` the model is evaluated on
the test images (without `--test` a fifth of the images), and in the proposed order it chooses the images to label
next, one after the other, as the page does. Seeds differ in the first images and in the training. Seconds are those
of the processor.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import maskwright
from maskwright.images.decode import decode
from maskwright.prediction.options import InferenceOptions
from maskwright.types import Dataset, Instances
from maskwright.web.label_next import describe, most_informative, uncertainty

LOWEST = 0.05


def chosen_by(model: Path, data: Dataset, labeled: Sequence[int], count: int, described: dict[int, Any]) -> list[int]:
    """The images to label next, `count` of them."""
    predictor = maskwright.load(str(model), InferenceOptions(threshold=LOWEST))
    left = [index for index in range(len(data)) if index not in labeled]
    unsure: dict[int, float] = {}
    for index in left:
        ((_, found),) = predictor.batches([decode(data.records[index].image, window=predictor.window)], 1)
        assert isinstance(found, Instances)
        unsure[index] = uncertainty(found)
    known = list(labeled)
    for _ in range(min(count, len(left))):
        best = most_informative(described, known, [index for index in left if index not in known], unsure)
        known.append(best)
    return known[len(labeled) :]


def curve(
    data: Dataset, test: Dataset, counts: Sequence[int], proposed: bool, seed: int, seconds: float
) -> list[float]:
    """Mask AP at each count of labeled images."""
    order = np.random.default_rng(seed).permutation(len(data)).tolist()
    described = {index: describe(record.image) for index, record in enumerate(data.records)}
    labeled, found = order[: counts[0]], []
    for count, following in zip(counts, [*counts[1:], 0], strict=True):
        part = replace(data, records=tuple(replace(data.records[index], split="train") for index in labeled))
        with tempfile.TemporaryDirectory() as runs:
            trained = maskwright.train(
                part, out=runs, time_budget=seconds, seed=seed, validate=False, verbose=False, workers=0,
                clock=time.process_time,
            )  # fmt: skip
            metrics = maskwright.evaluate(trained.model, test, bootstrap=0, split="all", verbose=False).metrics
            found.append(round(float((metrics.mask or metrics.box).AP or 0), 4))
            print(
                f"{'proposed' if proposed else 'random':>8}  seed {seed}  {count:4} images  AP {found[-1]:.3f}",
                flush=True,
            )
            if following and proposed:
                labeled = labeled + chosen_by(trained.model, data, labeled, following - count, described)
            elif following:
                labeled = order[:following]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--counts", default="6,12,24,48")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    data = maskwright.read(chosen.data).usable()
    if chosen.test is None:
        order = np.random.default_rng(0).permutation(len(data))
        held = set(order[: len(data) // 5].tolist())
        test = replace(data, records=tuple(record for at, record in enumerate(data.records) if at in held))
        data = replace(data, records=tuple(record for at, record in enumerate(data.records) if at not in held))
    else:
        test = maskwright.read(chosen.test).usable()
    counts = [count for part in chosen.counts.split(",") if (count := int(part)) <= len(data)]
    results = {
        name: [curve(data, test, counts, name == "proposed", seed, chosen.seconds) for seed in range(chosen.seeds)]
        for name in ("proposed", "random")
    }
    for name, curves in results.items():
        means = ", ".join(f"{count}: {mean:.3f}" for count, mean in zip(counts, np.mean(curves, 0), strict=True))
        print(f"{name:>8}  mean AP of {chosen.seeds} seeds by images  {means}")
    if chosen.json is not None:
        facts = {"data": str(chosen.data), "seconds": chosen.seconds, "counts": counts, "mask_AP": results}
        chosen.json.write_text(json.dumps(facts, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
