"""Score thresholds evaluated on other images than they were chosen on: one for all classes, or one per class.

    python benchmarks/thresholds.py RESULTS                          trains what RESULTS does not hold yet
    python benchmarks/thresholds.py RESULTS --sets weapons --minutes 2 --json table.json

A third of each set (near-duplicates together) is held out. On the rest a short training takes its own validation
images, and its detections on those choose the thresholds: 0.5; the old rule (the median of the classes' best F1, one
for all); the new rule (evaluation.class_thresholds). Each is evaluated on the held-out third. Since one choice on a few
images is luck, the same is repeated on 300 random halves of all images that the run did not train on: one half chooses,
the other evaluates.

Minutes are those of the processor, at one thread. Detections lie in RESULTS as JSON, and are made once.
Data: MASKWRIGHT_SHARED, or ../shared.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import maskwright
from maskwright import formats
from maskwright.api.data import open_data
from maskwright.curate import split as dividing
from maskwright.evaluation.class_thresholds import choose_for_classes, count_detections
from maskwright.evaluation.matching import Matches
from maskwright.prediction.loading import load
from maskwright.progress import silent
from maskwright.tasks.base import EvaluationOptions
from maskwright.tasks.registry import find_task

SHARED = Path(os.environ.get("MASKWRIGHT_SHARED", "../shared"))
SETS = {
    "balloon": ("balloon/train", "segment"),
    "rust boxes": ("rust/objDet", "detect"),
    "weapons": ("weapons", "segment"),
}
COLUMNS = (
    "ground_truth_image",
    "ground_truth_class",
    "ground_truth_counted",
    "detection_image",
    "detection_class",
    "detection_score",
)
Limits = dict[str, float]


def columns(matches: Matches) -> dict[str, Any]:
    """The columns of the matching at IoU 0.5 that thresholds are chosen from, for JSON."""
    stored: dict[str, Any] = {name: getattr(matches, name).tolist() for name in COLUMNS}
    single = {"hit": matches.hit[0].tolist(), "ignored": matches.ignored[0].tolist(), "images": matches.images}
    return stored | single | {"names": list(matches.names)}


def matches_of(stored: dict[str, Any], images: np.ndarray | None = None) -> Matches:
    """Matches from stored columns, of the images with these indices or of all."""
    images = np.arange(stored["images"]) if images is None else images
    position = np.full(stored["images"], -1)
    position[images] = np.arange(len(images))
    ground_truth = position[np.array(stored["ground_truth_image"], int)] >= 0
    detections = position[np.array(stored["detection_image"], int)] >= 0
    ground_truth_class, detection_class = (
        np.array(stored["ground_truth_class"], int)[ground_truth],
        np.array(stored["detection_class"], int)[detections],
    )
    return Matches(
        kind="",
        names=tuple(stored["names"]),
        ground_truth=[None] * len(images),  # type: ignore[list-item] - only counted
        detections=(),
        ground_truth_image=position[np.array(stored["ground_truth_image"], int)[ground_truth]],
        ground_truth_row=np.zeros(len(ground_truth_class), int),
        ground_truth_class=ground_truth_class,
        ground_truth_counted=np.array(stored["ground_truth_counted"], bool)[ground_truth],
        detection_image=position[np.array(stored["detection_image"], int)[detections]],
        detection_row=np.zeros(len(detection_class), int),
        detection_class=detection_class,
        detection_score=np.array(stored["detection_score"], float)[detections],
        hit=np.array(stored["hit"], bool)[None, detections],
        ignored=np.array(stored["ignored"], bool)[None, detections],
        matched_ground_truth=np.full(len(detection_class), -1),
    )


def half(matches: Matches) -> Limits:
    return dict.fromkeys(matches.names, 0.5)


def old(matches: Matches) -> Limits:
    """One threshold for all classes: the median of the best of each."""
    best = [best[0] for index in range(len(matches.names)) if (best := matches.best_threshold(index)) is not None]
    return dict.fromkeys(matches.names, float(np.clip(np.median(best), 0.1, 0.9)) if best else 0.5)


def new(matches: Matches) -> Limits:
    return {item.name: item.threshold for item in choose_for_classes(matches)[1]}


RULES: dict[str, Callable[[Matches], Limits]] = {"0.5": half, "old": old, "new": new}


def detections(name: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Columns of the validation images and of the held-out third."""
    folder, task = SETS[name]
    whole = find_task(task).prepare(formats.read(SHARED / "data" / folder)).usable()
    kept, held = next(iter(dividing.k_fold(whole, 3, 1, 0, "near-duplicate", silent)))
    rest = replace(whole, records=tuple(replace(record, split=None) for record in kept.records))
    parts = open_data(rest, task, seed=0)
    trained = maskwright.train(
        rest, task=task, weights="small", size=chosen.size, time_budget=60 * chosen.minutes, workers=0,
        out=chosen.results / "runs", name=name.replace(" ", "-"), clock=time.process_time,
    )  # fmt: skip
    find = load(trained.model)
    stored = {}
    for which, part in (("val", parts["val"]), ("held out", held)):
        kind = find_task(task).evaluate(find, part, EvaluationOptions(bootstrap=0)).metrics.best_kind
        assert kind is not None
        stored[which] = columns(kind.matches)
    return stored | {"cpu minutes": chosen.minutes}


def joined(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    assert one["names"] == two["names"]
    later = {key: [index + one["images"] for index in two[key]] for key in ("ground_truth_image", "detection_image")}
    lists = {key: one[key] + (later | two)[key] if key not in later else one[key] + later[key]
             for key in (*COLUMNS, "hit", "ignored")}  # fmt: skip
    return lists | {"names": one["names"], "images": one["images"] + two["images"]}


def evaluated(matches: Matches, limits: Limits) -> dict[str, Any]:
    classes = {
        name: count_detections(matches, limits, name).facts() | {"threshold": limits[name]} for name in matches.names
    }
    scores = [facts["F1"] for facts in classes.values() if facts["F1"] is not None and facts["recall"] is not None]
    return count_detections(matches, limits).facts() | {"F1 of the classes": float(np.mean(scores)), "classes": classes}


def halves(stored: dict[str, Any], choosing: int, repeats: int = 300) -> dict[str, Any]:
    """Mean recall and F1 (and its lowest tenth) on random other images, for thresholds chosen on `choosing` images."""
    random, figures = np.random.default_rng(0), {rule: [] for rule in RULES}
    for _ in range(repeats):
        order = random.permutation(stored["images"])
        few, others = matches_of(stored, order[:choosing]), matches_of(stored, order[choosing:])
        if few.ground_truth_counted.any() and others.ground_truth_counted.any():
            for rule, choose in RULES.items():
                facts = evaluated(others, choose(few))
                figures[rule].append((facts["recall"], facts["F1"], facts["F1 of the classes"]))
    return {
        rule: {
            "recall": float(np.mean(values, 0)[0]),
            "F1": float(np.mean(values, 0)[1]),
            "F1, lowest tenth": float(np.quantile(np.array(values)[:, 1], 0.1)),
            "F1 of the classes": float(np.mean(values, 0)[2]),
        }
        for rule, values in figures.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--size", type=int, default=448)
    parser.add_argument("--json", type=Path, help="the table, as one document")
    chosen = parser.parse_args()
    chosen.results.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    table: dict[str, Any] = {}
    for name in chosen.sets.split(","):
        file = chosen.results / f"{name}.json"
        if not file.is_file():
            file.write_text(json.dumps(detections(name, chosen)), encoding="utf-8")
        stored = json.loads(file.read_text(encoding="utf-8"))
        val, held = matches_of(stored["val"]), matches_of(stored["held out"])
        once = {rule: evaluated(held, choose(val)) for rule, choose in RULES.items()}
        unseen = joined(stored["val"], stored["held out"])
        many = halves(unseen, unseen["images"] // 2)
        table[name] = {
            "chosen_on": val.images, "evaluated_on": held.images, "objects": int(held.ground_truth_counted.sum()),
            "once": once, "on random halves": many,
        }  # fmt: skip
        print(f"{name}: chosen on {val.images} images, evaluated on {held.images} others")
        for rule in RULES:
            facts, mean = once[rule], many[rule]
            classes = ", ".join(f"{item} {one['threshold']:.3f} (recall {one['recall'] or 0:.2f})"
                                for item, one in facts["classes"].items() if one["recall"] is not None)  # fmt: skip
            print(f"  {rule:<4} recall {facts['recall']:.3f} F1 {facts['F1']:.3f}; on random halves recall "
                  f"{mean['recall']:.3f} F1 {mean['F1']:.3f}, lowest tenth {mean['F1, lowest tenth']:.3f}, "
                  f"of the classes {mean['F1 of the classes']:.3f}; {classes}", flush=True)  # fmt: skip
    if chosen.json:
        chosen.json.write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
