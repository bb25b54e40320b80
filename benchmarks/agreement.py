"""Do the readers that people use count the same objects in the same files?

    python benchmarks/agreement.py ../shared/data/balloon --others /tmp/others/bin/python
    python benchmarks/agreement.py --coco a.json images/ --others /tmp/others/bin/python

DATA is converted to COCO, Pascal VOC, YOLO, CVAT and Datumaro, and each result is read by maskwright and by every
library that reads that format: pycocotools, supervision, datumaro, and ultralytics' own converter from COCO to YOLO.
With --coco a COCO file as it is. The libraries are looked for in the environment of --others (pip install supervision
datumaro ultralytics); one that is not there is left out and said so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import maskwright

READERS = {  # format -> library -> a program that prints images and objects of `folder`, `file` and `images`
    "coco": {
        "pycocotools": """
            import contextlib, io
            from pycocotools.coco import COCO
            with contextlib.redirect_stdout(io.StringIO()):
                coco = COCO(file)
            print(len(coco.imgs), len(coco.anns))
        """,
        "supervision": """
            import supervision
            data = supervision.DetectionDataset.from_coco(images, file)
            print(len(data), sum(map(len, data.annotations.values())))
        """,
        "datumaro": """
            import pathlib, shutil, tempfile
            from datumaro import Dataset
            above = pathlib.Path(tempfile.mkdtemp())
            for name in ("annotations", "images"):  # where it looks for them
                (above / name).mkdir()
            shutil.copy(file, above / "annotations" / "instances_train.json")
            data = Dataset.import_from(str(above), "coco_instances")
            print(len(data), len({(item.id, note.id) for item in data for note in item.annotations}))
            shutil.rmtree(above)
        """,
        "ultralytics": """
            import contextlib, io, pathlib, shutil, tempfile
            from ultralytics.data.converter import convert_coco
            above = pathlib.Path(tempfile.mkdtemp())
            (above / "in").mkdir()
            shutil.copy(file, above / "in" / "instances_train.json")
            with contextlib.redirect_stdout(io.StringIO()):
                convert_coco(above / "in", above / "out", use_segments=True, cls91to80=False)
            texts = list((above / "out").rglob("*.txt"))
            lines = sum(len([line for line in text.read_text().splitlines() if line.strip()]) for text in texts
                        if text.parent.name != "out")
            print(len(texts), lines, "texts and lines, images without objects left out")
            shutil.rmtree(above)
        """,
    },
    "voc": {
        "supervision": """
            import supervision
            data = supervision.DetectionDataset.from_pascal_voc(images, folder + "/Annotations")
            print(len(data), sum(map(len, data.annotations.values())))
        """,
    },
    "yolo": {
        "supervision": """
            import pathlib, supervision
            count = objects = 0
            for split in sorted(pathlib.Path(folder, "images").iterdir()):
                labels = str(pathlib.Path(folder, "labels", split.name))
                data = supervision.DetectionDataset.from_yolo(str(split), labels, folder + "/data.yaml")
                count, objects = count + len(data), objects + sum(map(len, data.annotations.values()))
            print(count, objects)
        """,
        "ultralytics": """
            import contextlib, io, logging
            logging.disable(logging.CRITICAL)
            from ultralytics.data import YOLODataset
            from ultralytics.data.utils import check_det_dataset
            with contextlib.redirect_stdout(io.StringIO()):
                about = check_det_dataset(folder + "/data.yaml", autodownload=False)
                parts = [YOLODataset(img_path=about[split], data=about, task="detect", augment=False)
                         for split in ("train", "val", "test") if about.get(split)]
            print(sum(map(len, parts)), sum(len(label["cls"]) for part in parts for label in part.labels))
        """,
    },
    "cvat": {
        "datumaro": """
            import pathlib, shutil, tempfile
            from datumaro import Dataset
            above = pathlib.Path(tempfile.mkdtemp())
            shutil.copy(folder + "/annotations.xml", above)
            # what the file calls images/a.jpg is looked for below images
            (above / "images").mkdir()
            (above / "images" / "images").symlink_to(folder + "/images")
            parts = [Dataset.import_from(str(above), "cvat", subset=name) for name in ("Train", "Validation", "Test")]
            print(sum(map(len, parts)), sum(len(item.annotations) for part in parts for item in part))
            shutil.rmtree(above)
        """,
    },
    "datumaro": {
        "datumaro": """
            from datumaro import Dataset
            data = Dataset.import_from(folder, "datumaro")
            groups = {(item.id, item.subset, note.group or (index, "alone")) for item in data
                      for index, note in enumerate(item.annotations)}
            print(len(data), len(groups))
        """,
    },
}  # fmt: skip


def run(python: str, code: str, folder: Path, file: Path, images: Path) -> str:
    lines = "\n".join(line[12:] for line in code.strip("\n").splitlines())
    head = "import sys\nfolder, file, images = sys.argv[1:]\n"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([python, "-W", "ignore", "-c", head + lines, str(folder), str(file), str(images)],
                          capture_output=True, text=True, env=environment, timeout=600)  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1]
        return "not installed" if last.startswith("ModuleNotFoundError") else last[:120]
    return done.stdout.strip().splitlines()[-1]


def show(format: str, library: str, counts: str) -> None:
    print(f"{format:10}{library:14}{counts}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", help="a dataset of any format")
    parser.add_argument("--coco", nargs=2, type=Path, metavar=("FILE", "IMAGES"))
    parser.add_argument("--others", default=sys.executable, metavar="PYTHON", help="where the libraries are installed")
    args = parser.parse_args()
    print(f"{'format':10}{'read by':14}images, objects")
    if args.coco:
        file, images = args.coco
        data = maskwright.read(file, allow_faulty=True)
        show("coco", "maskwright", f"{len(data)} {data.instance_count}")
        for library, code in READERS["coco"].items():
            show("coco", library, run(args.others, code, file.parent, file, images))
    if args.data is None:
        return
    whole = maskwright.read(args.data)
    for format, readers in READERS.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / format
            single = format == "coco"
            out = folder / "annotations.json" if single else folder
            maskwright.convert(whole, out, format, copy_images=True, log=lambda _: None)  # type: ignore[arg-type]
            data = maskwright.read(folder)
            show(format, "maskwright", f"{len(data)} {data.instance_count}")
            images = {"voc": folder / "JPEGImages"}.get(format, folder)  # names in COCO begin with images/
            for library, code in readers.items():
                show(format, library, run(args.others, code, folder, out, images))


if __name__ == "__main__":
    main()
