"""What trained models find on images that none of them saw, side by side: the ground truth, then a column a model.

    python benchmarks/start_pictures.py ../shared/data/weapons swords.png \\
        "RESULTS/runs/weapons, mobilenet/weapons-folds-1" "RESULTS/runs/weapons, bundled/weapons-folds-1"
    python benchmarks/start_pictures.py ../shared/data/rust/objDet rust.png RUN RUN --task detect --white

The runs are those that `benchmarks/starts.py` and `benchmarks/tiles.py` leave; their last weights are looked at. The
first images by name that no run was trained on, whatever is found. `--white` draws on white instead of the image: for
images that must not be published.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import maskwright
from maskwright import formats
from maskwright.drawing.outlines import draw
from maskwright.drawing.sheet import sheet
from maskwright.training.run_folder import RunFolder
from maskwright.types import Instances


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--white", action="store_true")
    chosen = parser.parse_args()
    runs = [RunFolder.existing(run) for run in chosen.runs]
    models = [
        maskwright.load(run.path / "last", maskwright.InferenceOptions(threshold=chosen.threshold)) for run in runs
    ]
    trained = {Path(name).name for run in runs for name in run.facts()["images"]["train"]}
    labeled = (record for record in formats.read(chosen.data).usable() if record.instances)
    unseen = sorted((record for record in labeled if record.image.name not in trained), key=lambda record: record.image)
    cells: list[tuple[np.ndarray, str]] = []

    def show(pixels: np.ndarray, instances: Instances, caption: str) -> None:
        ground = np.full_like(pixels, 255) if chosen.white else pixels
        cells.append((draw(ground, instances, shown_in=(640, 480)), caption))  # shown in 400 x 300: smaller lettering

    for record in unseen[: chosen.count]:
        assert record.instances is not None
        name = record.image.name
        image = models[0].open(record.image)
        show(image.pixels, record.instances, f"{name}: {len(record.instances)}")
        for run, model in zip(runs, models, strict=True):
            found = model(image)
            show(image.pixels, found, f"{run.recipe().weights}: {len(found)}")
            print(name, run.recipe().weights, ", ".join(found.labels), sep="\t")
    page = Image.fromarray(sheet(cells, columns=1 + len(runs), cell=(400, 300)))
    (page.quantize(64) if chosen.white else page).save(chosen.picture, optimize=True)


if __name__ == "__main__":
    main()
