"""Choose the score threshold of a bundled model on its training images, by cross-validation.

    python recipes/thresholds.py DATA MODEL --recipe recipes/balloons.toml --weights small --k 4 --minutes 3.5

The model itself has seen those images and is too sure of them. So short trainings from the same recipe each leave a
part out, look at that part, and the detections of all parts together choose the thresholds
(evaluation.class_thresholds),
which go into the card of MODEL. Minutes are those of the processor, for each part, at one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import msgspec
import torch

import maskwright
from maskwright.evaluation.class_thresholds import choose_for_classes, count_detections
from maskwright.weights.card import read_card, write_card


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--weights", default="small")
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=3.5)
    parser.add_argument("--out", type=Path, default=Path("build/runs"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    folded = maskwright.cross_validate(
        chosen.data, k=chosen.k, recipe=chosen.recipe, weights=chosen.weights, time_budget=60 * chosen.minutes,
        workers=0, bootstrap=0, clock=time.process_time, out=chosen.out, log=print,
    )  # fmt: skip
    kind = folded.pooled.best_kind
    assert kind is not None
    common, classes = choose_for_classes(kind.matches)
    own = {per_class.name: per_class.threshold for per_class in classes}
    print(f"{kind.kind} AP50 {kind.AP50:.3f}; {own}; {count_detections(kind.matches, own)}")
    print(f"at 0.5 {count_detections(kind.matches, 0.5)}")
    about = f"{kind.matches.images} training images, each by a short training without it, for the best F1"
    card = read_card(chosen.model)
    write_card(
        msgspec.structs.replace(card, threshold=common, thresholds=own, thresholds_chosen_on=about), chosen.model
    )


if __name__ == "__main__":
    main()
