"""What is read from real and faulty datasets, beside what their descriptions state.

    python benchmarks/found.py                             ../shared/data: zoo, faults, and the datasets themselves
    python benchmarks/found.py zoo                         one of the three
    python benchmarks/found.py zoo coco_roboflow kitti     some of its folders
    python benchmarks/found.py --markdown

`zoo/counts.json` states images (those that are there + those that are only named) and objects; the README of a fault
says what is right. What is refused is shown with its error.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import maskwright
from maskwright.errors import MaskwrightError
from maskwright.formats.faults import FAULTY_RECORD, IMAGES_ABSENT
from maskwright.types import Dataset

WAYS: tuple[dict[str, Any], ...] = ({}, {"allow_faulty": True}, {"connected_components": True})
"""How a dataset is read: as it is, then with what an error proposes."""


def found(folder: Path) -> str:
    """What is read, or why nothing is."""
    refused = ""
    for way in WAYS:
        try:
            data = maskwright.read(folder, **way)
        except MaskwrightError as error:
            refused = refused or " ".join(str(error).split())
            continue
        except Exception as error:  # never right: what is wrong with data is said by an error of our own
            return f"FAILED: {type(error).__name__}: {error}"
        return counted(data) + "".join(f" (with {name})" for name in way) + (f"; first: {refused}" if way else "")
    return f"refused: {refused}"


def counted(data: Dataset) -> str:
    absent = sum(issue.values["count"] for issue in IMAGES_ABSENT.among(data.issues))
    faulty = len(FAULTY_RECORD.among(data.issues))
    classes = ", ".join(f"{name} {count}" for name, count in list(data.class_counts().items())[:6])
    labels = sum(len(record.labels or ()) for record in data)
    parts = [f"{len(data)}+{absent} images", f"{data.instance_count} objects", f"{labels} labels" * bool(labels),
             f"{faulty} faulty" * bool(faulty), classes]  # fmt: skip
    return f"{data.format}: " + ", ".join(part for part in parts if part)


def stated(folder: Path, counts: dict[str, Any]) -> str:
    if folder.name in counts:
        own = counts[folder.name]
        return f"{own['photos_present']}+{own['photos_named_but_absent']} images, {own['instances']} objects"
    for name in ("README.md", "README.txt", "README", "PROVENANCE.md"):
        if (folder / name).is_file():
            return " ".join((folder / name).read_text("utf-8", "replace").split())
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="?", choices=("zoo", "faults", "data"))
    parser.add_argument("names", nargs="*", help="folders; default: all")
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--markdown", action="store_true")
    args = parser.parse_args()
    aside = {"zoo", "faults", "videos", "weights", "matterport_images", "pretrain", "pretrain2"}
    for which in (args.which,) if args.which else ("zoo", "faults", "data"):
        above = args.data if which == "data" else args.data / which
        file = above / "counts.json"
        counts = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        for folder in sorted(path for path in above.iterdir() if path.is_dir()):
            if (args.names and folder.name not in args.names) or (which == "data" and folder.name in aside):
                continue
            inside = folder / "data" if which == "faults" and (folder / "data").exists() else folder
            row = folder.name, stated(folder, counts)[:300], found(inside)[:400]
            print("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" if args.markdown else
                  "{}\n   stated  {}\n   found   {}".format(*row), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
