"""What a threshold is worth on images that did not choose it: one for all classes, and one a class chosen robustly.

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
    "found_image",
    "found_class",
    "found_score",
)
Limits = dict[str, float]


def columns(matches: Matches) -> dict[str, Any]:
    """What of the matching a threshold depends on, at IoU 0.5."""
    told: dict[str, Any] = {name: getattr(matches, name).tolist() for name in COLUMNS}
    single = {"hit": matches.hit[0].tolist(), "ignored": matches.ignored[0].tolist(), "images": matches.images}
    return told | single | {"names": list(matches.names)}


def matches_of(told: dict[str, Any], images: np.ndarray | None = None) -> Matches:
    """The same again, of these images or of all."""
    images = np.arange(told["images"]) if images is None else images
    place = np.full(told["images"], -1)
    place[images] = np.arange(len(images))
    ground_truth = place[np.array(told["ground_truth_image"], int)] >= 0
    detections = place[np.array(told["found_image"], int)] >= 0
    ground_truth_class, found_class = (
        np.array(told["ground_truth_class"], int)[ground_truth],
        np.array(told["found_class"], int)[detections],
    )
    return Matches(
        kind="",
        names=tuple(told["names"]),
        ground_truth=[None] * len(images),  # type: ignore[list-item] - only counted
        detections=(),
        ground_truth_image=place[np.array(told["ground_truth_image"], int)[ground_truth]],
        ground_truth_row=np.zeros(len(ground_truth_class), int),
        ground_truth_class=ground_truth_class,
        ground_truth_counted=np.array(told["ground_truth_counted"], bool)[ground_truth],
        found_image=place[np.array(told["found_image"], int)[detections]],
        found_row=np.zeros(len(found_class), int),
        found_class=found_class,
        found_score=np.array(told["found_score"], float)[detections],
        hit=np.array(told["hit"], bool)[None, detections],
        ignored=np.array(told["ignored"], bool)[None, detections],
        matched_ground_truth=np.full(len(found_class), -1),
    )


def half(matches: Matches) -> Limits:
    return dict.fromkeys(matches.names, 0.5)


def old(matches: Matches) -> Limits:
    """As validation chose until now."""
    best = [each[0] for index in range(len(matches.names)) if (each := matches.best_threshold(index)) is not None]
    return dict.fromkeys(matches.names, float(np.clip(np.median(best), 0.1, 0.9)) if best else 0.5)


def new(matches: Matches) -> Limits:
    return {
        choose_for_class_index.name: choose_for_class_index.threshold
        for choose_for_class_index in choose_for_classes(matches)[1]
    }


RULES: dict[str, Callable[[Matches], Limits]] = {"0.5": half, "old": old, "new": new}


def detections(name: str, chosen: argparse.Namespace) -> dict[str, Any]:
    """Columns of the validation images and of the held-out third."""
    place, task = SETS[name]
    whole = find_task(task).prepare(formats.read(SHARED / "data" / place)).usable()
    kept, held = next(iter(dividing.k_fold(whole, 3, 1, 0, "near-duplicate", silent)))
    rest = replace(whole, records=tuple(replace(record, split=None) for record in kept.records))
    parts = open_data(rest, task, seed=0)
    trained = maskwright.train(
        rest, task=task, weights="small", size=chosen.size, time_budget=60 * chosen.minutes, workers=0,
        out=chosen.results / "runs", name=name.replace(" ", "-"), clock=time.process_time,
    )  # fmt: skip
    find = load(trained.model)
    told = {}
    for which, part in (("val", parts["val"]), ("held out", held)):
        kind = find_task(task).evaluate(find, part, EvaluationOptions(bootstrap=0)).metrics.best_kind
        assert kind is not None
        told[which] = columns(kind.matches)
    return told | {"cpu minutes": chosen.minutes}


def joined(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    assert one["names"] == two["names"]
    later = {key: [index + one["images"] for index in two[key]] for key in ("ground_truth_image", "found_image")}
    lists = {key: one[key] + (later | two)[key] if key not in later else one[key] + later[key]
             for key in (*COLUMNS, "hit", "ignored")}  # fmt: skip
    return lists | {"names": one["names"], "images": one["images"] + two["images"]}


def evaluated(matches: Matches, limits: Limits) -> dict[str, Any]:
    classes = {
        name: count_detections(matches, limits, name).facts() | {"threshold": limits[name]} for name in matches.names
    }
    scores = [facts["F1"] for facts in classes.values() if facts["F1"] is not None and facts["recall"] is not None]
    return count_detections(matches, limits).facts() | {"F1 of the classes": float(np.mean(scores)), "classes": classes}


def halves(told: dict[str, Any], choosing: int, repeats: int = 300) -> dict[str, Any]:
    """Mean recall and F1 (and its lowest tenth) on random other images, for thresholds chosen on `choosing` images."""
    random, made = np.random.default_rng(0), {rule: [] for rule in RULES}
    for _ in range(repeats):
        order = random.permutation(told["images"])
        few, others = matches_of(told, order[:choosing]), matches_of(told, order[choosing:])
        if few.ground_truth_counted.any() and others.ground_truth_counted.any():
            for rule, choose in RULES.items():
                facts = evaluated(others, choose(few))
                made[rule].append((facts["recall"], facts["F1"], facts["F1 of the classes"]))
    return {
        rule: {
            "recall": float(np.mean(values, 0)[0]),
            "F1": float(np.mean(values, 0)[1]),
            "F1, lowest tenth": float(np.quantile(np.array(values)[:, 1], 0.1)),
            "F1 of the classes": float(np.mean(values, 0)[2]),
        }
        for rule, values in made.items()
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
        told = json.loads(file.read_text(encoding="utf-8"))
        val, held = matches_of(told["val"]), matches_of(told["held out"])
        once = {rule: evaluated(held, choose(val)) for rule, choose in RULES.items()}
        unseen = joined(told["val"], told["held out"])
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
