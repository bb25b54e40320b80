"""Reading a large COCO JSON: processor time and memory, against the libraries people use.

    python benchmarks/intake.py                                        10,000 images, 100,000 outlines
    python benchmarks/intake.py --images 1000 --ways maskwright pycocotools
    python benchmarks/intake.py --others /tmp/others/bin/python        datumaro and supervision, in that environment
    python benchmarks/intake.py --images 42000 --ways maskwright masks                 a JSON of 300 MB

The JSON and its images (640 x 480, one file each) are made by this script, the same ones for all. Each way is a process
of its own, by turns; seconds are its processor time, start included, and memory is the peak of the process.

    maskwright    maskwright.read: images found and measured, every outline checked; what is plain is not filled
    masks         the same, then the areas of all masks, for which every outline is filled as run lengths
    pycocotools   COCO(file), then annToRLE of every annotation and its area; no image is looked at
    datumaro      Dataset.import_from(folder, "coco_instances"), all items loaded
    supervision   DetectionDataset.from_coco(images, file, force_masks=False): outlines are not filled

An outline has 6 to 60 points, a tenth of the objects has two parts. supervision fills masks as full frames: all of
them at once do not fit into memory, so it is timed without.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT, CLASSES = 640, 480, 8
OTHERS = ("datumaro", "supervision")

WAYS = {
    "maskwright": """
        import maskwright
        dataset = maskwright.read(folder)
        print(dataset.instance_count, "not filled")
    """,
    "masks": """
        import maskwright
        dataset = maskwright.read(folder)
        areas = [int(record.instances.masks.area.sum()) for record in dataset if record.instances]
        print(dataset.instance_count, sum(areas))
    """,
    "pycocotools": """
        import contextlib, io
        from pycocotools.coco import COCO
        from pycocotools import mask
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(file)
        runs = [coco.annToRLE(annotation) for annotation in coco.anns.values()]
        print(len(runs), sum(int(mask.area(run)) for run in runs))
    """,
    "datumaro": """
        from datumaro import Dataset
        dataset = Dataset.import_from(folder, "coco_instances")
        print(len({note.id for item in dataset for note in item.annotations}), "not filled")
    """,
    "supervision": """
        import supervision
        dataset = supervision.DetectionDataset.from_coco(folder + "/images/train", file, force_masks=False)
        print(sum(map(len, dataset.annotations.values())), "not filled")
    """,
}
CHILD = """
import resource, sys
folder, file = sys.argv[1:]
{way}
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def make(folder: Path, images: int, outlines: int) -> Path:
    """Images and annotations/instances_train.json, written piece by piece."""
    rng = np.random.default_rng(0)
    pictures = folder / "images" / "train"
    pictures.mkdir(parents=True)
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8)).resize((WIDTH, HEIGHT)).save(stream, "jpeg", quality=70)
    listed = []
    for number in range(1, images + 1):
        name = f"{number:012d}.jpg"
        (pictures / name).write_bytes(stream.getvalue())
        listed.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
    file = folder / "annotations" / "instances_train.json"
    file.parent.mkdir()
    categories = [{"id": number, "name": f"class {number}", "supercategory": ""} for number in range(1, CLASSES + 1)]
    with file.open("w") as out:
        out.write(f'{{"images": {json.dumps(listed)}, "categories": {json.dumps(categories)}, "annotations": [')
        for number in range(1, outlines + 1):
            out.write(", " * (number > 1) + json.dumps(annotation(rng, number, images)))
        out.write("]}")
    return file


def annotation(rng: np.random.Generator, number: int, images: int) -> dict[str, Any]:
    """One object with one part or two, its corners to a hundredth of a pixel."""
    parts = [ragged(rng) for _ in range(2 if rng.random() < 0.1 else 1)]
    every = np.concatenate(parts)
    (x1, y1), (x2, y2) = every.min(0).tolist(), every.max(0).tolist()
    box = [round(side, 2) for side in (x1, y1, x2 - x1, y2 - y1)]
    return {
        "id": number, "image_id": number % images + 1, "category_id": number % CLASSES + 1, "iscrowd": 0, "bbox": box,
        "area": round(box[2] * box[3] * 0.7, 2), "segmentation": [part.reshape(-1).tolist() for part in parts],
    }  # fmt: skip


def ragged(rng: np.random.Generator) -> np.ndarray:
    """6 to 60 points around a center."""
    count = int(rng.integers(6, 61))
    radius = rng.uniform(8, 80) * rng.uniform(0.6, 1, count)
    angle = np.sort(rng.uniform(0, 2 * np.pi, count))
    center = rng.uniform((80, 80), (WIDTH - 80, HEIGHT - 80))
    return (center + np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]).round(2)


def run(way: str, python: str, folder: Path, file: Path) -> dict[str, Any]:
    """One process: what it counted, its processor seconds and peak bytes; or why it does not run."""
    lines = [line[8:] for line in WAYS[way].strip("\n").splitlines()]
    code = CHILD.format(way="\n".join(lines))
    command = [python, "-W", "ignore", "-c", code, str(folder), str(file)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    counted, figures = done.stdout.strip().splitlines()[-2:]
    seconds, peak = map(float, figures.split())
    return {"counted": counted, "seconds": seconds, "bytes": int(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--outlines", type=int, default=None, help="default: ten an image")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--others", default=sys.executable, metavar="PYTHON", help="where datumaro and supervision are")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in args.ways}
    outlines = args.outlines or 10 * args.images
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "data"
        file = make(folder, args.images, outlines)
        size = file.stat().st_size
        for _ in range(args.rounds):
            for way in args.ways:
                python = args.others if way in OTHERS else sys.executable
                found[way].append(run(way, python, folder, file))
    rows = {way: summary(runs) for way, runs in found.items()}
    if args.json:
        print(json.dumps({"images": args.images, "outlines": outlines, "bytes": size, "ways": rows}, indent=2))
        return
    print(f"{args.images:,} images, {outlines:,} outlines, {size / 1e6:.0f} MB; median of {args.rounds}, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print(f"{'':14}{'CPU s':>8}{'peak MB':>9}   objects, area")
    for way, row in rows.items():
        if "error" in row:
            print(f"{way:14}   {row['error']}")
        else:
            print(f"{way:14}{row['seconds']:8.2f}{row['bytes'] / 1e6:9.0f}   {row['counted']}")


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, or the first error."""
    failed = [item for item in runs if "error" in item]
    if failed:
        return failed[0]
    middle = {key: statistics.median(item[key] for item in runs) for key in ("seconds", "bytes")}
    return {"counted": runs[0]["counted"], **middle}


if __name__ == "__main__":
    main()
