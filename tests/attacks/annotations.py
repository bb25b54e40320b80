"""Malicious and corrupted annotation files: each function writes one, with its images, and returns its path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

SQUARE = {"name": "polygon", "all_points_x": [2, 12, 12, 2], "all_points_y": [2, 2, 12, 12]}


def image(path: Path, size: tuple[int, int] = (30, 40), orientation: int | None = None) -> Path:
    """A black image of (height, width) pixels in the file; with `orientation` EXIF asks for a turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size[::-1])
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path


def via(
    folder: Path, *regions: Any, name: str = "a.jpg", file: str = "via.json", size: tuple[int, int] = (30, 40)
) -> Path:
    """A VIA 2 export of one image; a region is a shape alone or (shape, attributes)."""
    whole = [region if isinstance(region, tuple) else (region, {}) for region in regions]
    listed = [{"shape_attributes": shape, "region_attributes": attributes} for shape, attributes in whole]
    image(folder / name, size)
    return written(folder / file, {f"{name}1": {"filename": name, "size": 1, "regions": listed, "file_attributes": {}}})


def coco(folder: Path, *annotations: dict[str, Any], size: tuple[int, int] = (30, 40), **parts: Any) -> Path:
    """COCO JSON of one image and the class "rust"; `parts` replace or add whole lists."""
    image(folder / "a.jpg", size)
    listed = [
        {"id": number, "image_id": 1, "category_id": 1, **annotation}
        for number, annotation in enumerate(annotations, 1)
    ]
    data = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": size[0], "width": size[1]}],
        "annotations": listed,
        "categories": [{"id": 1, "name": "rust"}],
    }
    return written(folder / "coco.json", {**data, **parts})


def written(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), "utf-8")
    return path


def half(path: Path) -> Path:
    """The first half of a file, like an interrupted copy."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def not_a_number(folder: Path, value: str = "NaN") -> Path:
    path = via(folder, SQUARE)
    path.write_text(path.read_text("utf-8").replace("[2, 12, 12, 2]", f"[2, {value}, 12, 2]"), "utf-8")
    return path


def deep(folder: Path, depth: int = 100_000) -> Path:
    """JSON nested so deeply that a recursive parser crashes the process."""
    path = folder / "deep.json"
    path.write_text('{"filename": "a.jpg", "regions": ' + "[" * depth + "]" * depth + "}", "utf-8")
    return path


def escaping(folder: Path, name: str = "../secret.jpg") -> Path:
    """Annotations inside `folder/data` that name an image outside of it."""
    image(folder / "secret.jpg")
    image(folder / "data" / "own.jpg")
    records = {"1": {"filename": name, "regions": []}, "2": {"filename": "own.jpg", "regions": []}}
    return written(folder / "data" / "via.json", records)


def entities(folder: Path) -> Path:
    """The billion laughs: XML entities that multiply."""
    path = folder / "laughs.xml"
    lines = [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10)]
    path.write_text('<!DOCTYPE a [<!ENTITY e0 "ha">' + "".join(lines) + "]><annotation>&e9;</annotation>", "utf-8")
    return path


def outside_entity(folder: Path) -> Path:
    """XML that asks for another file's contents."""
    path = folder / "outside.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation>&x;</annotation>', "utf-8")
    return path
