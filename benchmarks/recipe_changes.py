"""What a small dataset gains from a change of the training recipe: one change at a time, from the default start.

    python benchmarks/recipe_changes.py RESULTS                              every cell that RESULTS does not hold yet
    python benchmarks/recipe_changes.py RESULTS --sets weapons --changes "lr 5e-4,ema 0.99" --minutes 2
    python benchmarks/recipe_changes.py RESULTS --minutes 2 --json changes.json

Each set is divided into three once, by a seed that no reported cross-validation uses: two thirds are trained on, the
last weights evaluated by the other. Differences are paired over its images: 95 % bootstrap. Training draws by that
seed, too; "as it is, seed 2" shows how much chance alone brings. Minutes are those of the processor, at one thread.

Data: MASKWRIGHT_SHARED, or ../shared.
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from starts import SETS, SHARED, once

import maskwright
from maskwright import formats
from maskwright.curate.split import k_fold
from maskwright.evaluation.detection import difference
from maskwright.evaluation.detection_metrics import DetectionMetrics
from maskwright.training.recipe import Stage
from maskwright.transforms.augment import Augment

SEED = 11
BASE = "as it is"
CHANGES: dict[str, dict[str, Any]] = {
    BASE: {},
    "as it is, seed 2": {"seed": 2},
    "backbone rate 0.1": {"backbone_lr_scale": 0.1},
    "backbone rate 1": {"backbone_lr_scale": 1.0},
    "all layers from the first step": {"stages": (Stage("all", 30, 1e-3),)},
    "stem and first stages frozen": {"stages": (Stage("heads", 4, 1e-3), Stage("4+", 26, 1e-3))},
    "backbone frozen": {"stages": (Stage("heads", 30, 1e-3),)},
    "batch norms kept": {"train_bn": False},
    "ema 0.99": {"ema": 0.99},
    "no ema": {"ema": 0.0},
    "constant rate": {"schedule": "constant"},
    "lr 5e-4": {"lr": 5e-4},
    "lr 2e-3": {"lr": 2e-3},
    "batch 2": {"batch": 2},
    "batch 8": {"batch": 8},
    "zoom 0.3 to 2": {"augment": Augment(zoom=(0.3, 2.0))},
    "zoom 0.8 to 1.25": {"augment": Augment(zoom=(0.8, 1.25))},
    "no copy-paste": {"augment": Augment(copy_paste=0.0)},
    "copy-paste 0.7": {"augment": Augment(copy_paste=0.7)},
    "color jitter 0.2": {"augment": Augment(color_jitter=0.2)},
    "size 576": {"size": 576},
}


def measured(name: str, change: dict[str, Any], chosen: argparse.Namespace) -> DetectionMetrics:
    folder, task = SETS[name]
    data = formats.read(SHARED / "data" / folder).usable()
    data = replace(data, records=tuple(replace(record, split=None) for record in data))
    kept, held_back = k_fold(data, 3, seed=SEED)[0]
    plan = {"task": task, "weights": "small", "size": 448, "seed": SEED, "workers": 0, "clock": time.process_time}
    trained = maskwright.train(
        kept,
        out=chosen.results / "runs",
        name=f"{name}, {chosen.label}",
        validate=False,
        time_budget=60 * chosen.minutes,
        **plan | change,
    )
    return maskwright.evaluate(trained.folder / "last", held_back, split="all", seed=SEED).metrics


def gained(file: Path, before: Path) -> dict[str, list[float]]:
    """The differences of AP50 and AP of masks, else of boxes, on the same images."""
    one, two = (pickle.loads(path.with_suffix(".pickle").read_bytes()) for path in (before, file))
    kind = "mask" if one.mask and two.mask else "box"
    found = {metric: difference(one, two, kind=kind, metric=metric) for metric in ("AP50", "AP")}
    return {f"{kind} {metric}": [gain.value, gain.low, gain.high] for metric, gain in found.items() if gain}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sets", default="weapons,rust boxes,balloon")
    parser.add_argument("--changes", default=";".join(CHANGES), help="names of the table in this file, by semicolons")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    chosen.results.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    rows = []
    for label in dict.fromkeys([BASE, *chosen.changes.split(";")]):
        for name in chosen.sets.split(","):
            chosen.label = label
            file, before = (chosen.results / f"{name}, {item}.json" for item in (label, BASE))
            settings = {"cpu minutes a run": chosen.minutes}
            result = once(file, lambda: measured(name, CHANGES[label], chosen), settings)  # noqa: B023
            rows.append({"set": name, "change": label, **result, "gained": gained(file, before)})
            told = "  ".join(f"{kind} {low:+.3f} to {high:+.3f} ({value:+.3f})"
                             for kind, (value, low, high) in rows[-1]["gained"].items())  # fmt: skip
            print(f"{label:<32} {name:<11} {told}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
