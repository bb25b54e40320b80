"""How far do colors alone get? Histograms and a logistic regression, evaluated exactly as `maskwright cross-validate`
evaluates.

    python benchmarks/rust_baseline.py rust/download
    python benchmarks/rust_baseline.py rust/download --k 5 --repeats 3

Each image becomes a histogram of its colors, 8 x 8 x 8 bins of RGB or of hue, saturation and value, as the square
roots of its shares; scikit-learn's logistic regression, balanced classes, learns from them. The folds are those of
`maskwright cross-validate DATA --task classify --k 5 --repeats 3`: copies of an image on one side, classes in equal
shares, the
same seed, so the same images in each. The metrics too: all images of all folds together, copies counted once.

Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import numpy as np
from PIL import Image

from maskwright import formats
from maskwright.curate import split
from maskwright.images.decode import decode
from maskwright.progress import silent
from maskwright.tasks.base import EvaluationOptions
from maskwright.tasks.classification.data import group_duplicates, prepare
from maskwright.tasks.classification.evaluation import pool
from maskwright.types import Dataset, ImageLabels

BINS = 8
LONGEST = 256  # pixels of the image that is counted: more change nothing


def histogram(pixels: np.ndarray, space: str) -> np.ndarray:
    """H×W×3 uint8 -> 512 float32, the square roots of the fractions of each cube of color; `space` RGB or HSV."""
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST, LONGEST))
    values = np.asarray(image.convert(space)).reshape(-1, 3).astype(int) * BINS // 256
    counts = np.bincount(values @ (BINS * BINS, BINS, 1), minlength=BINS**3)
    return np.sqrt(counts / counts.sum()).astype(np.float32)


def evaluated(data: Dataset, space: str, k: int, repeats: int, seed: int, strength: float) -> list:
    """(the fold's images, a prediction on each) of every fold."""
    from sklearn.linear_model import LogisticRegression

    features = {record.image: histogram(decode(record.image).pixels, space) for record in data}
    parts = []
    for kept, held in split.folds(data, k, repeats, seed, lambda record: None):
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
        model.fit([features[record.image] for record in kept], [record.labels[0] for record in kept])  # type: ignore[index]
        scores = model.predict_proba([features[record.image] for record in held])
        parts.append((held, [ImageLabels.of(row, data.names) for row in scores]))
    return parts


def main() -> None:
    reading = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reading.add_argument("data")
    reading.add_argument("--k", type=int, default=5)
    reading.add_argument("--repeats", type=int, default=3)
    reading.add_argument("--seed", type=int, default=0)
    reading.add_argument(
        "--strength", type=float, default=10.0, help="C of the regression: large trusts the images more"
    )
    reading.add_argument("--json", action="store_true")
    asked = reading.parse_args()
    try:
        import sklearn  # noqa: F401
    except ImportError:
        sys.exit("scikit-learn is not installed: nothing is measured (pip install scikit-learn)")
    data = group_duplicates(prepare(formats.read(asked.data)).usable(), silent)
    results = {}
    for space in ("RGB", "HSV"):
        began = time.perf_counter()
        parts = evaluated(data, space, asked.k, asked.repeats, asked.seed, asked.strength)
        metrics = pool(parts, EvaluationOptions(seed=asked.seed))
        seconds = time.perf_counter() - began
        shown = {"accuracy": metrics.accuracy, "AUC": metrics.auc, "AP": metrics.ap}
        shown |= {f"recall {per_class.name}": per_class.recall for per_class in metrics.classes}
        results[space] = {name: (value, metrics.intervals.get(name)) for name, value in shown.items()}
        if not asked.json:
            print(f"{space} {BINS}x{BINS}x{BINS}: {len(data)} images, {asked.k} folds, {asked.repeats} times, "
                  f"{seconds:.1f} s")  # fmt: skip
            for name, (value, pair) in results[space].items():
                print(f"  {name:<16}{value:.3f}" + (f"  ({pair[0]:.3f} to {pair[1]:.3f})" if pair else ""))
    if asked.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
