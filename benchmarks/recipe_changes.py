"""What a small dataset gains from a change of the training recipe: one change at a time, from the default start.

    python benchmarks/recipe_changes.py RESULTS                              every cell that RESULTS does not hold yet
    python benchmarks/recipe_changes.py RESULTS --sets weapons --changes "lr 5e-4;ema 0.99" --minutes 2
    python benchmarks/recipe_changes.py RESULTS --minutes 2 --json changes.json
    python benchmarks/recipe_changes.py RESULTS --sets "balloon renamed"     under class names that the start has not

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
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from starts import SETS, SHARED, once
from torch import nn

import maskwright
from maskwright import formats
from maskwright.curate.relabel import relabelled
from maskwright.curate.split import k_fold
from maskwright.evaluation.detection import difference
from maskwright.evaluation.detection_metrics import DetectionMetrics
from maskwright.geometry.anchors import FINE_SIDES
from maskwright.models.detection import mask_rcnn
from maskwright.models.detection.mask_rcnn import MaskRCNNConfig
from maskwright.training import optimizer
from maskwright.training.recipe import Recipe, Stage
from maskwright.transforms.augment import Augment
from maskwright.types import Dataset

SEED = 11
BASE = "as it is"
RENAMED = " renamed"  # of a set's name: its classes get names that no start knows
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
    "new classes at the common rate": {"new_class_lr_scale": 1.0},
    "new classes at 30 times the rate": {"new_class_lr_scale": 30.0},
    "lr 5e-4": {"lr": 5e-4},
    "lr 2e-3": {"lr": 2e-3},
    "batch 2": {"batch": 2},
    "batch 8": {"batch": 8},
    "zoom 0.3 to 2": {"augment": Augment(zoom=(0.3, 2.0))},
    "zoom 0.8 to 1.25": {"augment": Augment(zoom=(0.8, 1.25))},
    "no copy-paste": {"augment": Augment(copy_paste=0.0)},
    "copy-paste 0.7": {"augment": Augment(copy_paste=0.7)},
    "color jitter 0.2": {"augment": Augment(color_jitter=0.2)},
    "backbone frozen, 8 cached views": {"stages": (Stage("heads", 30, 1e-3),), "cached_views": 8},
    "size 576": {"size": 576},
}
NETWORKS: dict[str, dict[str, Any]] = {  # changes of what `small` samples and proposes, as fields of its configuration
    "64 proposals trained": {"roi_batch_size_per_image": 64},
    "256 proposals trained": {"roi_batch_size_per_image": 256},
    "half of them positive": {"roi_positive_fraction": 0.5},
    "30 masks trained": {"masks_per_image": 30},
    "anchors 1:3 to 3:1": {"ratios": (1 / 3, 1.0, 3.0)},
    "anchors from 16 px": {"sizes": tuple((side * 2 / 3,) for side in FINE_SIDES)},
}

RATES = {  # layers whose name contains ..., and the factor on their rate
    "class scores at 10 times the rate": ("box_head.cls_score", 10.0),  # known classes, too
    "box head at 3 times the rate": ("box_head.", 3.0),
    "mask head at 3 times the rate": ("mask_head.", 3.0),
    "all heads at 3 times the rate": ("_head.", 3.0),
}


def divided(name: str) -> tuple[Dataset, Dataset]:
    """Two thirds to train on and one to evaluate by; splits that the data name do not count here."""
    data = formats.read(SHARED / "data" / SETS[name.removesuffix(RENAMED)][0]).usable()
    data = replace(data, records=tuple(replace(record, split=None) for record in data))
    if name.endswith(RENAMED):
        data = relabelled(data, {own: f"{own} by another name" for own in data.names}, ())
    return k_fold(data, 3, seed=SEED)[0]


def configured(fields: dict[str, Any]) -> Any:
    """MaskRCNNConfig with other fields than `small` gives it; those of its proposals for training and inference."""

    def make(**given: Any) -> MaskRCNNConfig:
        config = MaskRCNNConfig(**given)
        own = {key: value for key, value in fields.items() if hasattr(config, key)}
        rest = {key: value for key, value in fields.items() if key not in own}
        phases = {key: replace(getattr(config, key), **rest) for key in ("rpn_training", "rpn_inference")}
        return replace(config, **phases, **own)

    return make


def grouped(layers: str, factor: float) -> Any:
    """The optimizer's groups, with a group of their own for those of `layers`."""
    original = optimizer._groups

    def make(network: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
        faster = {parameter for name, parameter in network.named_parameters() if layers in name}
        groups = []
        for group in original(network, recipe):
            own = [parameter for parameter in group["params"] if parameter in faster]
            rest = [parameter for parameter in group["params"] if parameter not in faster]
            groups += [{**group, "params": rest}] if rest else []
            groups += [{**group, "params": own, "factor": factor * group["factor"]}] if own else []
        return groups

    return make


def measured(name: str, label: str, results: Path, minutes: float) -> DetectionMetrics:
    kept, held_back = divided(name)
    plan: dict[str, Any] = {
        "task": SETS[name.removesuffix(RENAMED)][1],
        "weights": "small",
        "size": 448,
        "seed": SEED,
        "workers": 0,
    }
    plan |= {"out": results / "runs", "name": f"{name}, {label}", "validate": False, "clock": time.process_time}
    with (
        mock.patch.object(mask_rcnn, "MaskRCNNConfig", configured(NETWORKS.get(label, {}))),
        mock.patch.object(optimizer, "_groups", grouped(*RATES.get(label, ("", 1.0)))),
    ):
        trained = maskwright.train(kept, time_budget=60 * minutes, **plan | CHANGES.get(label, {}))
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
    parser.add_argument(
        "--changes",
        default=";".join([*CHANGES, *NETWORKS, *RATES]),
        help="names of the table in this file, by semicolons",
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    chosen.results.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if unknown := {*chosen.changes.split(";")} - {*CHANGES, *NETWORKS, *RATES}:
        parser.error(f"no such change: {', '.join(sorted(unknown))}")
    rows = []
    for label in dict.fromkeys([BASE, *chosen.changes.split(";")]):
        for name in chosen.sets.split(","):
            file, before = (chosen.results / f"{name}, {item}.json" for item in (label, BASE))
            settings = {"cpu minutes a run": chosen.minutes}
            result = once(file, partial(measured, name, label, chosen.results, chosen.minutes), settings)
            rows.append({"set": name, "change": label, **result, "gained": gained(file, before)})
            told = "  ".join(f"{kind} {low:+.3f} to {high:+.3f} ({value:+.3f})"
                             for kind, (value, low, high) in rows[-1]["gained"].items())  # fmt: skip
            print(f"{label:<32} {name:<11} {told}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
