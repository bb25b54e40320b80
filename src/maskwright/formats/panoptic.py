"""COCO's panoptic format: a JSON file beside a folder of pictures whose colors number the segments.

The number of a segment is R + 256 G + 65536 B, as cocodataset/panopticapi describes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.formats import mask_files
from maskwright.formats.reading import (
    Draft,
    Faults,
    FoundImage,
    Regions,
    assemble,
    data_name,
    images_below,
    measured,
    read_json,
)
from maskwright.issues import Kind
from maskwright.types import Dataset

STUFF_UNUSED = Kind(
    "stuff_unused", "warning", "{count} stuff segment cannot be used here: left out",
    "{count} stuff segments cannot be used here: left out",
)  # fmt: skip


@dataclass(frozen=True)
class _Category:
    name: str
    thing: bool


def read_panoptic(path: Path, faults: Faults) -> Dataset:
    """Things are objects; stuff (sky, road) is what no object detector learns, and is counted and left out."""
    data = read_json(path)
    listed_images, annotations, categories = (
        _list_of(path, data, key) for key in ("images", "annotations", "categories")
    )
    known = {item["id"]: _Category(str(item.get("name", item["id"])), bool(item.get("isthing", 1)))
             for item in categories if isinstance(item.get("id"), int)}  # fmt: skip
    named = {
        listed_image.get("id"): str(listed_image.get("file_name", ""))
        for listed_image in listed_images
        if _hashable(listed_image.get("id"))
    }
    folder = path.with_suffix("")
    root = path.parent.parent if path.parent.name.casefold() == "annotations" else path.parent
    images = {image.stem: image for image in reversed(images_below(root)) if folder not in image.parents}
    drafts = []
    for annotation in annotations:
        mask = folder / PurePosixPath(str(annotation.get("file_name", "")).replace("\\", "/")).name
        name = named.get(annotation.get("image_id")) if _hashable(annotation.get("image_id")) else None
        stem = PurePosixPath(name or mask.name).stem
        if stem not in images:
            faults.absent(name or mask.name)
            continue
        faults.found()
        image = measured(images[stem], faults, name or mask.name)
        if image is not None:
            drafts.append(Draft(image, _segments(image, mask, annotation.get("segments_info"), known, faults)))
    names = [category.name for category in known.values() if category.thing]
    return assemble(data_name(path), dict.fromkeys(names), drafts, "mask_images", faults)


def _segments(image: FoundImage, mask: Path, infos: Any, known: dict[int, _Category], faults: Faults) -> Regions:
    size = mask_files.measured_mask(mask, faults, image.name)
    regions = Regions(faults, image, stated=size)
    ids = mask_files.read_ids(mask, faults, image.name) if size in (image.size, image.size[::-1]) else None
    if ids is None or not isinstance(infos, list):
        regions.saw()
        if not isinstance(infos, list):
            regions.fault("all", "segments_info", "a list", infos)
        return regions
    numbers, rows = mask_files.rows(ids)
    row_of = {number: row for row, number in enumerate(numbers)}
    for number, info in enumerate(infos):
        info = info if isinstance(info, dict) else {}
        category = (
            known.get(info["category_id"]) if _hashable(info.get("category_id")) and "category_id" in info else None
        )
        row = row_of.get(info["id"]) if _hashable(info.get("id")) and "id" in info else None
        if category is None:
            regions.lacks(number, "category_id", "one of the categories", info.get("category_id"))
        elif row is None:
            regions.lacks(number, "id", "a color in the picture", info.get("id"))
        elif not category.thing:
            faults.count(STUFF_UNUSED)
        else:
            regions.mask(number, category.name, rows[row], crowd=bool(info.get("iscrowd")))
    return regions


def _list_of(path: Path, data: Any, key: str) -> list[dict[str, Any]]:
    found = data.get(key) if isinstance(data, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise AnnotationError(
            "not a panoptic file", file=path, field=key, expected="a list of objects", got=type(found).__name__
        )
    return found


def _hashable(value: Any) -> bool:
    return isinstance(value, int | str)
