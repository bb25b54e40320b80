"""COCO panoptic: a JSON file beside a folder of pictures whose colors number the segments.

Looks like   annotations/panoptic_val2017.json beside the folder annotations/panoptic_val2017 with 000000000009.png
             {"images": [{"id": 9, "file_name": "000000000009.jpg"}], "annotations": [{"image_id": 9, "file_name":
             "000000000009.png", "segments_info": [{"id": 8345037, "category_id": 51, "iscrowd": 0}]}],
             "categories": [{"id": 51, "name": "bowl", "isthing": 1}]}
Known by     a .json file with "segments_info" and a folder called like it, without .json
Holds        one mask for each thing, with holes and parts; crowds; the ids of images and classes
Cannot hold  masks that overlap, boxes alone, scores, attributes
Not used     stuff (sky, road), which no object detector learns: counted; segments of the picture that the file does
             not list: counted
In the wild  images listed without an annotation (which are unlabeled, not empty); a picture of another size than its
             image (a fault, never stretched); pictures that are missing; images absent where the pictures are not
Coordinates  the color R, G, B of a pixel is the segment R + 256 G + 65536 B; 0 is no segment
Source       cocodataset.org/#format-data, 4. Panoptic Segmentation; cocodataset/panopticapi, utils.py: rgb2id
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.formats import mask_files
from maskwright.formats.listing import is_label_folder
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    ImageFinder,
    Regions,
    assemble,
    data_name,
    read_json,
)
from maskwright.formats.shapes import STUFF_UNUSED
from maskwright.issues import Kind
from maskwright.types import Dataset

SEGMENTS_UNLISTED = Kind(
    "segments_unlisted", "warning", "{count} color of a picture is in no list of segments: left out",
    "{count} colors of pictures are in no list of segments: left out",
)  # fmt: skip

_EXPORT = "copy the file and its pictures again"


@dataclass(frozen=True)
class _Category:
    id: int
    name: str
    thing: bool


def sniff(head: Head) -> Evidence | None:
    listing = head.ending == ".json" and ('"segments_info"' in head.text or "panoptic" in head.path.stem.casefold())
    if listing and head.path.with_suffix("").is_dir():
        return Evidence(0.97, f'it lists segments of the pictures in "{head.path.stem}"')
    return None


def read(path: Path, faults: Faults) -> Dataset:
    data = read_json(path)
    listed, annotations, categories = (_list_of(path, data, key) for key in ("images", "annotations", "categories"))
    known = _categories(path, categories)
    images = {key: image for image in listed if (key := _key(image.get("id"))) is not None}
    folder = path.with_suffix("")
    # the pictures of the segments are no images: where those lie cannot be found out by where pictures lie
    root = path.parent.parent if is_label_folder(path.parent.name) else path.parent
    names = {key: str(image.get("file_name") or "") for key, image in images.items()}
    finder = ImageFinder(root, faults, near=path.parent, names=filter(None, names.values()), apart=folder)
    by_image = _by_image(annotations, names, faults)
    drafts: list[Draft] = []
    for key, name in names.items():
        mine = by_image.get(key, [])
        number = sum(len(item["segments_info"]) for item in mine if isinstance(item.get("segments_info"), list))
        image = finder.image(name, regions=number) if name else None
        if image is None:
            continue
        drafts += [Draft(image, _segments(item, folder, image, known, faults), id=key) for item in mine]
        drafts += [] if mine else [Draft(image, None, id=key)]
    used = {label for draft in drafts if draft.regions is not None for label in draft.regions.labels}
    ids = {item.name: item.id for item in known.values() if item.name in used}
    dataset = assemble(data_name(root), ids, drafts, "panoptic", faults)
    return replace(dataset, class_ids=tuple(ids.values()) if len(ids) == len(dataset.names) else ())


def _by_image(
    annotations: list[dict[str, Any]], names: dict[int, str], faults: Faults
) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for number, annotation in enumerate(annotations):
        key = _key(annotation.get("image_id"))
        if key is None or not names.get(key):
            faults.saw()
            faults.add(f"annotation {number}", "image_id", "the id of a listed image with a file name",
                       annotation.get("image_id"), _EXPORT)  # fmt: skip
        else:
            found.setdefault(key, []).append(annotation)
    return found


def _list_of(path: Path, data: Any, key: str) -> list[dict[str, Any]]:
    found = data.get(key) if isinstance(data, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise AnnotationError(
            "not a panoptic file", file=path, field=key, expected="a list of objects", got=type(found).__name__
        )
    return found


def _categories(path: Path, categories: list[dict[str, Any]]) -> dict[int, _Category]:
    known: dict[int, _Category] = {}
    for number, item in enumerate(categories):
        key, name = _key(item.get("id")), item.get("name")
        if key is None or not isinstance(name, str) or not name.strip() or key in known:
            raise AnnotationError("a category without id or name", file=path, record=f"category {number}",
                                  expected='an "id" of its own and a "name"', got=str(item)[:80])  # fmt: skip
        known[key] = _Category(key, name.strip(), item.get("isthing", 1) not in (0, False))
    return known


def _key(value: Any) -> int | None:
    return value if type(value) is int else None


def _segments(
    annotation: dict[str, Any], folder: Path, image: FoundImage, known: dict[int, _Category], faults: Faults
) -> Regions:
    mask = folder / (PurePosixPath(str(annotation.get("file_name") or "").replace("\\", "/")).name or "?")
    size = mask_files.measured_mask(mask, faults, image.name)
    regions = Regions(faults, image, stated=size)
    ids = mask_files.read_ids(mask, faults, image.name) if size in (image.size, image.size[::-1]) else None
    infos = annotation.get("segments_info")
    if ids is None or not isinstance(infos, list):
        regions.saw()
        if not isinstance(infos, list):
            regions.fault("all", "segments_info", "a list", infos, _EXPORT)
        return regions
    numbers, rows = mask_files.rows(ids)
    row_of = {number: row for row, number in enumerate(numbers)}
    listed = set()
    for number, info in enumerate(infos):
        info = info if isinstance(info, dict) else {}
        category, id = known.get(_key(info.get("category_id")) or 0), _key(info.get("id"))
        listed.add(id)
        if category is None or category.id != info.get("category_id"):
            regions.lacks(number, "category_id", "the id of a listed category", info.get("category_id"), _EXPORT)
        elif id not in row_of:
            regions.lacks(number, "id", f"a color in {mask.name}", info.get("id"), _EXPORT)
        elif not category.thing:
            faults.count(STUFF_UNUSED)
        else:
            regions.mask(number, category.name, rows[row_of[id]], crowd=info.get("iscrowd") in (1, True))
    faults.count(SEGMENTS_UNLISTED, len(row_of.keys() - listed))
    return regions
