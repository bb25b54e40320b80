"""How many labels that were spoiled on purpose stand among the first that a model doubts.

    python benchmarks/doubts.py ../shared/data/balloon --model balloons
    python benchmarks/doubts.py DATA --model RUN --spoil 10 --seeds 3 --json
    python benchmarks/doubts.py ../shared/data/rust/objDet --train 60 --folds 2 --seeds 1

The labels of a dataset are taken for right, and some are spoiled: removed, moved by half their size, or (where there
are several classes) given another class, by turns. Each seed spoils others. Printed is how many of them are named by
the first 10, 20 and 50 doubts; a label that was wrong before counts against the result.

Without a model, --train trains one for each fold on the other folds, spoiled labels included, for so many processor
seconds: each image is then doubted by a model that has not seen it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace

import numpy as np

import maskwright
from maskwright.api.doubts import LOWEST, doubted
from maskwright.curate.doubts import ranked
from maskwright.curate.split import k_fold
from maskwright.types import Dataset, Instances, Record

FIRST = (10, 20, 50)


def spoiled(dataset: Dataset, count: int, seed: int) -> tuple[Dataset, list[tuple[str, np.ndarray]]]:
    """The dataset with `count` spoiled labels, on an image each, and where these are: image name, box."""
    rng = np.random.default_rng(seed)
    kinds = ["removed", "moved", "renamed"] if len(dataset.names) > 1 else ["removed", "moved"]
    records = list(dataset.usable().records)
    several = [index for index, record in enumerate(records) if record.instances is not None and len(record.instances)]
    where = []
    for number, index in enumerate(rng.choice(several, count, replace=len(several) < count)):
        record = records[index]
        assert record.instances is not None
        row = int(rng.integers(len(record.instances)))
        where.append((record.image.name, record.instances.boxes[row]))
        records[index] = replace(record, instances=_spoiled(record, row, kinds[number % len(kinds)]))
    return replace(dataset, records=tuple(records)), where


def _spoiled(record: Record, row: int, kind: str) -> Instances:
    drawn = record.instances
    assert drawn is not None
    if kind == "removed":
        return drawn[np.arange(len(drawn)) != row]
    table, classes = drawn.boxes.copy(), drawn.classes.copy()
    if kind == "moved":
        side = (table[row, 2] - table[row, 0]) / 2
        table[row, [0, 2]] += side if table[row, 2] + side <= record.size[1] else -side
    else:
        classes[row] = (classes[row] + 1) % len(drawn.names)
    return Instances(table, classes, None, None, drawn.names, drawn.crowd)


def named(doubts: tuple[maskwright.Issue, ...], where: list[tuple[str, np.ndarray]]) -> list[int | None]:
    """Of each spoiled label the place of the first doubt about it, from 0; None where nobody doubts it."""
    places: list[int | None] = []
    for image, box in where:
        found = [place for place, doubt in enumerate(doubts) if doubt.subject == image and _near(doubt, box)]
        places.append(found[0] if found else None)
    return places


def _near(doubt: maskwright.Issue, box: np.ndarray) -> bool:
    texts = [doubt.values[name] for name in ("box", "drawn") if name in doubt.values]
    told = [np.array(text.split(), float) for text in texts]
    return any(np.abs(other - box).max() <= (box[2:] - box[:2]).max() * 0.6 for other in told)


def by_other_folds(dataset: Dataset, folds: int, seconds: float) -> tuple[maskwright.Issue, ...]:
    """The doubts about all images, each by a model of boxes that was trained on the other folds."""
    every: list[maskwright.Issue] = []
    with tempfile.TemporaryDirectory() as out:
        for number, (kept, held_back) in enumerate(k_fold(dataset.usable(), folds)):
            data = replace(dataset, records=kept.records, issues=())
            trained = maskwright.train(
                data, out=out, name=f"fold-{number}", task="detect", validate=False, time_budget=seconds,
                clock=time.process_time, log=maskwright.Issues(),
            )  # fmt: skip
            model = maskwright.load(trained.folder / "last", maskwright.InferenceOptions(threshold=LOWEST))
            every += doubted(held_back, model)
    return ranked(every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--model")
    parser.add_argument("--train", type=float, metavar="SECONDS", help="of the processor, for the model of each fold")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--spoil", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if (args.model is None) == (args.train is None):
        parser.error("either --model or --train")
    dataset = maskwright.read(args.data)
    options = maskwright.InferenceOptions(threshold=LOWEST)
    model = None if args.model is None else maskwright.load(args.model, options)
    rows = []
    for seed in range(args.seeds):
        data, where = spoiled(dataset, args.spoil, seed)
        doubts = by_other_folds(data, args.folds, args.train) if model is None else doubted(data, model)
        places = named(doubts, where)
        rows.append({str(first): sum(place is not None and place < first for place in places) for first in FIRST})
    if args.json:
        print(json.dumps({"spoiled": args.spoil, "named_by_the_first": rows}))
        return
    for seed, row in enumerate(rows):
        counts = ", ".join(f"{count} by the first {first}" for first, count in row.items())
        print(f"seed {seed}: of {args.spoil} spoiled labels are named {counts}")


if __name__ == "__main__":
    main()
