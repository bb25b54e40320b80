"""The same data as other programs, systems and people leave it: encodings, line ends, capitals, paths of elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from maskwright import formats
from maskwright.api.convert import convert
from maskwright.types import Annotation, Dataset, Instances, Record, RleMasks

SIZE, NAMES = (48, 64), ("rust", "dent")
DRAWN = [np.array([[4.5, 3], [30, 5], [28, 30.0]]), np.array([[34.0, 3], [50, 5], [58, 30]])]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))


def steel(folder: Path) -> Dataset:
    """Three images with a blank in their names and capital endings, an outline of each class on each."""
    masks = RleMasks.from_polygons([[points] for points in DRAWN], SIZE)
    notes = tuple(Annotation((points,)) for points in DRAWN)
    records = []
    for number, split in enumerate(("train", "train", "val")):
        path = folder / split / f"img {number}.JPG"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (*SIZE, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(path, "JPEG")
        drawn = Instances(masks.boxes, np.array([0, 1]), None, masks, NAMES, None, notes)
        records.append(Record(path, SIZE, drawn, split=split))
    return Dataset("steel", NAMES, tuple(records))


def edited(glob: str, change: Callable[[str], str | bytes]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        for path in folder.rglob(glob):
            text = change(path.read_text("utf-8"))
            path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return edit


def renamed(**names: str) -> Callable[[Path], None]:
    def rename(folder: Path) -> None:
        for old, new in names.items():
            (folder / old).rename(folder / new)

    return rename


def utf16(text: str) -> bytes:
    return text.encode("utf-16")


def marked(text: str) -> bytes:
    return text.encode("utf-8-sig")


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def pretty(text: str) -> str:
    return crlf(json.dumps(json.loads(text), indent=4))


def with_texts_as_ids(text: str) -> str:
    data: dict[str, list[dict[str, Any]]] = json.loads(text)
    for image in data["images"]:
        image["id"] = f"{image['id']}x"
    for annotation in data["annotations"]:
        ids = {"id": f"a{annotation['id']}", "image_id": f"{annotation['image_id']}x"}
        annotation.update(ids, category_id=float(annotation["category_id"]))
    return json.dumps(data)


def with_annotations_first(text: str) -> str:
    data = json.loads(text)
    order = {name: data[name] for name in ("annotations", "categories", "images")}
    return json.dumps(order | {"info": {"annotations": [{}]}})


def deeper(folder: Path) -> None:
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    for path in folder.glob("*.json"):
        shutil.move(path, below)


def without_yaml(folder: Path) -> None:
    (folder / "data.yaml").unlink()
    (folder / "classes.txt").write_text("rust\ndent\n")


def capital_xml(folder: Path) -> None:
    for path in [*folder.rglob("*.xml")]:
        path.rename(path.with_suffix(".XML"))


def photos(folder: Path) -> None:
    renamed(images="Photos")(folder)
    edited("*.json", lambda text: text.replace("images/", ""))(folder)


VARIANTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "coco in UTF-16": ("coco", edited("*.json", utf16)),
    "coco with a byte order mark": ("coco", edited("*.json", marked)),
    "coco in many lines": ("coco", edited("*.json", pretty)),
    "coco with paths of Windows": ("coco", edited("*.json", lambda text: text.replace(
        '"file_name": "images/', r'"file_name": "C:\\data\\images\\'))),
    "coco with endings in lower case": ("coco", edited("*.json", lambda text: text.replace(".JPG", ".jpg"))),
    "coco with texts as ids": ("coco", edited("*.json", with_texts_as_ids)),
    "coco with annotations first": ("coco", edited("*.json", with_annotations_first)),
    "coco with its images in Photos": ("coco", photos),
    "coco two folders down": ("coco", deeper),
    "via in UTF-16": ("via", edited("*.json", utf16)),
    "via with bare names": ("via", edited("*.json", lambda text: text.replace("images/", ""))),
    "via as a project": ("via", edited("*.json", lambda text: (
        f'{{"_via_settings": {{}}, "_via_img_metadata": {text}}}'))),
    "voc of labelImg on Windows": ("voc", edited("*.xml", lambda text: crlf(text.replace(
        "<filename>", "<folder>x</folder><path>D:\\p\\</path><filename>")))),
    "voc in UTF-16": ("voc", edited("*.xml", lambda text: utf16('<?xml version="1.0" encoding="utf-16"?>' + text))),
    "voc in other folders": ("voc", renamed(JPEGImages="images", Annotations="annotations")),
    "voc with capital endings": ("voc", capital_xml),
    "yolo with paths of Windows": ("yolo", edited("data.yaml", lambda text: re.sub(
        r"images/(\w+)", r"C:\\data\\images\\\1", text))),
    "yolo with tabs": ("yolo", edited("*.txt", lambda text: crlf(text.replace(" ", "\t")))),
    "yolo with classes.txt": ("yolo", without_yaml),
    "yolo in capital folders": ("yolo", renamed(labels="Labels", images="Images")),
    "csv with semicolons": ("boxes-csv", edited("*.csv", lambda text: text.replace(",", ";"))),
    "csv with tabs in UTF-16": ("boxes-csv", edited("*.csv", lambda text: utf16(text.replace(",", "\t")))),
    "csv with a header in capitals": ("boxes-csv", edited("*.csv", lambda text: "\n".join(
        [text.splitlines()[0].upper(), *text.splitlines()[1:]]))),
    "labelme with backslashes": ("labelme", edited("*.json", lambda text: text.replace(
        '"imagePath": "', r'"imagePath": "..\\x\\'))),
    "cvat with a byte order mark": ("cvat", edited("*.xml", marked)),
    "cvat with bare names": ("cvat", edited("*.xml", lambda text: text.replace("images/", ""))),
    "vott in UTF-16": ("vott", edited("*.json", utf16)),
    "datumaro in many lines": ("datumaro", edited("*.json", pretty)),
    "label studio with names of uploads": ("label-studio", edited("*.json", lambda text: re.sub(
        r"images/\w+/img ", "/data/upload/3/1a2b3c4d-img%20", text))),
    "kitti in capital folders": ("kitti", renamed(image_2="Image_2", label_2="LABEL_2")),
    "open images with a byte order mark": ("open-images", edited("*.csv", marked)),
}  # fmt: skip


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_reads_as_the_same_data(tmp_path, variant):
    to, change = VARIANTS[variant]
    folder = tmp_path / "data ünï"
    convert(steel(tmp_path / "images"), folder, to, copy_images=True, log=lambda _: None)  # type: ignore[arg-type]
    change(folder)
    read = formats.read(folder)
    assert {name: len(part) for name, part in read.splits().items()} == {"train": 2, "val": 1}
    assert read.class_counts() == {"rust": 3, "dent": 3}
    assert sorted(record.image.name for record in read) == ["img 0.JPG", "img 1.JPG", "img 2.JPG"]
