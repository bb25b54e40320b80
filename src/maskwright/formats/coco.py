"""COCO JSON: one file with lists of images, annotations and categories.

Looks like   {"images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}], "categories": [{"id": 1,
             "name": "rust"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [x, y, w, h],
             "segmentation": [[x1, y1, x2, y2, ...]], "iscrowd": 0}]}
Known by     a .json file with "images" and "annotations", or annotations with "image_id" and "category_id"
Holds        polygons (several parts), run lengths (plain and compressed), boxes, crowds, images without objects
Cannot hold  unlabeled beside empty images, image labels. On writing: unlabeled images and scores are left out and
             counted; what was drawn as outlines goes out with its points, other masks as compressed run lengths, which
             lose nothing (holes, parts, single pixels). Ids, licenses, super-categories and all further fields
             are kept; those of an annotation go out under "attributes" (key points and track_id beside it), "area" is
             counted anew
             What LVIS adds, which classes were looked for on an image, is read and written (lvis.py)
In the wild  ids as texts, ids with gaps, one category listed six times; one flat polygon instead of a list of them;
             no width, height, bbox, area or iscrowd; run lengths of another size than the image (a fault: never
             stretched); a super-category or _background_ without objects; results lists saved as datasets
Classes      those with at least one object, in the file's order; all that are listed where there is no object at all.
             Two categories of one name are one class
Source       cocodataset.org/#format-data (2017); pycocotools 2.0, coco.py and mask.py
"""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.files import write_text
from maskwright.formats import coco_annotations, lvis
from maskwright.formats.coco_annotations import facts_besides, key_of
from maskwright.formats.drafts import CATEGORIES_UNUSED
from maskwright.formats.json_records import Records, read_records
from maskwright.formats.losses import (
    ANNOTATION_IDS_LOST,
    CLASS_IDS_LOST,
    IMAGE_ATTRIBUTES_LOST,
    IMAGE_IDS_LOST,
    SCORES_LOST,
)
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    Head,
    ImageFinder,
    Losses,
    Regions,
    assemble,
    data_name,
    data_root,
    plain,
    read_json,
    written_names,
)
from maskwright.issues import Kind
from maskwright.types import Dataset, Instances

FEW = 3  # boxes that reach past the edge prove nothing
IMAGES_LISTED_TWICE = Kind(
    "images_listed_twice", "warning", "images listed under two ids, their objects joined: {count} ({images:1})"
)

_IMAGE = {"id", "file_name", "width", "height", lvis.NEGATIVE, lvis.NOT_EXHAUSTIVE}
_CLASS = {"id", "name"}
_LISTS = {"images", "annotations", "categories"}
_BESIDE = ("keypoints", "num_keypoints", "score", "ignore", "track_id")  # of an object, beside its "attributes"
_KEYS = ("images", "annotations", "categories", "file_name", "image_id", "category_id", "iscrowd")


def sniff(head: Head) -> Evidence | None:
    if head.ending != ".json":
        return None
    text = head.text
    keys = [key for key in _KEYS if re.search(rf'"{key}"\s*:', text)]
    if re.match(r"\s*\[", text):
        if "image_id" in keys and ("category_id" in keys or '"score"' in text):
            return Evidence(0.9, "a COCO results list: detections, no images and no class names", dataset=False)
        return None
    if '"segments_info"' in text or '"isthing"' in text:
        return Evidence(0.6, "a COCO panoptic file: its masks are PNG images", dataset=False)
    if '"caption"' in text and "category_id" not in keys:
        return Evidence(0.6, "COCO captions: texts, no objects", dataset=False)
    instances = head.path.with_name(head.path.name.replace("person_keypoints_", "instances_"))
    if instances != head.path and instances.is_file():
        return Evidence(0.6, f"key points of people, whom {instances.name} holds, too", dataset=False)
    if len(keys) >= 2:
        return Evidence(0.95, f"it has {', '.join(keys)}")
    return None


# --- reading ----------------------------------------------------------------------------------------
def read(path: Path, faults: Faults) -> Dataset:
    data: Any = read_records(path, "annotations", "image_id")
    if data is None:
        data = read_json(path)  # which knows what is wrong, and where
    images, annotations, categories = _lists(path, data)
    classes = _classes(path, categories)
    root = data_root(path)
    names = [image["file_name"] for image in images.values()]
    finder = ImageFinder(root, faults, near=path.parent, names=names)
    counts = _counts(annotations)
    drafts = []
    drawn: dict[Path, Regions] = {}
    said: dict[Path, dict[str, Any]] = {}
    regions_of: dict[str, Regions | None] = dict.fromkeys(images)  # None: the image is absent or broken
    joined = []
    for key, image in images.items():
        found = finder.image(image["file_name"], regions=counts.get(key, 0))
        if found is None:
            continue
        if annotations is None:  # a list of images only, as for COCO's test set
            drafts.append(Draft(found, None, id=image["id"], attributes=facts_besides(image, _IMAGE)))
            continue
        said.setdefault(found.path, image)
        if found.path in drawn:
            joined.append(image["file_name"])
        else:
            drawn[found.path] = Regions(faults, found, stated=_stated(image))
            drafts.append(Draft(found, drawn[found.path], id=image["id"], attributes=facts_besides(image, _IMAGE)))
        regions_of[key] = drawn[found.path]
    drawing = coco_annotations.Drawing(regions_of, classes, faults)
    drawing.draw(annotations or [])
    attributes = facts_besides(data, _LISTS)
    del data, annotations  # where the file was read as a whole, its memory is needed
    if joined:
        faults.report(IMAGES_LISTED_TWICE(images=joined, count=len(joined)))
    _refuse_corners(drawing.alone, path, faults)
    dataset = assemble(data_name(root), _names(classes, drawing.used, faults), drafts, "coco", faults)
    # of two, the first one's
    own = {classes[key_of(category["id"])]: category for category in reversed(categories)}
    facts = tuple(facts_besides(own[name], _CLASS) for name in dataset.names)
    dataset = replace(dataset, class_ids=tuple(own[name]["id"] for name in dataset.names),
                      class_attributes=facts if any(facts) else (), attributes=attributes)  # fmt: skip
    return lvis.with_labelled_classes(dataset, said, classes)


def _names(classes: dict[str | None, str], used: set[str], faults: Faults) -> list[str]:
    """The classes that have objects, in the file's order; all where there is no object at all."""
    listed = dict.fromkeys(classes.values())
    names = [name for name in listed if name in used or not used]
    unused = [name for name in listed if name not in names]
    if unused:
        faults.report(CATEGORIES_UNUSED(count=len(unused), names=unused))
    return names


def _counts(annotations: Records | list[Any] | None) -> Counter[str | None]:
    """How many annotations each image has, by its id as a text."""
    if isinstance(annotations, Records):
        values = annotations.counts
    else:
        values = Counter(item.get("image_id") for item in annotations or () if isinstance(item, dict)
                         and isinstance(item.get("image_id"), Hashable))  # fmt: skip
    counts: Counter[str | None] = Counter()
    for value, count in values.items():
        counts[key_of(value)] += count
    return counts


def _lists(path: Path, data: Any) -> tuple[dict[str, dict[str, Any]], Records | list[Any] | None, list[Any]]:
    """Images by id, annotations (None where the file has no such list), categories."""
    if isinstance(data, list):
        raise AnnotationError(
            "a COCO results list, not a dataset", file=path, expected="images, annotations and categories",
            got=f"a list of {len(data)} detections: no images, no class names",
            fix="name the ground truth file that these results belong to",
        )  # fmt: skip
    if not isinstance(data, dict):
        raise AnnotationError("not a COCO file", file=path, expected="an object", got=type(data).__name__)
    for name in ("images", "annotations", "categories"):
        if not isinstance(data.get(name, []), list | Records):
            got = type(data[name]).__name__
            raise AnnotationError("not a COCO file", file=path, field=name, expected="a list", got=got)
    if "images" not in data:
        got = ", ".join(list(data)[:8]) or "nothing"
        raise AnnotationError("not a COCO file", file=path, expected='a list "images"', got=got)
    annotations = data.get("annotations")
    first = annotations.first if isinstance(annotations, Records) else annotations[0] if annotations else None
    if isinstance(first, dict) and "segments_info" in first:
        raise AnnotationError("a COCO panoptic file, not instances", file=path, expected="annotations with image_id",
                              got="annotations with segments_info", fix="name the folder of its masks")  # fmt: skip
    images: dict[str, dict[str, Any]] = {}
    for index, image in enumerate(data["images"]):
        key = key_of(image.get("id")) if isinstance(image, dict) else None
        if key is None or not isinstance(lvis.file_name(image), str):
            raise AnnotationError("an image without id or file name", file=path, record=f"image {index}",
                                  expected='"id" and "file_name"', got=str(image)[:80])  # fmt: skip
        if key in images:
            other = images[key]["file_name"]
            raise AnnotationError("two images with one id", file=path, record=f"image {index}", field="id",
                                  expected="an id of its own", got=f'{key}, as "{other}" has')  # fmt: skip
        images[key] = image if "file_name" in image else {**image, "file_name": lvis.file_name(image)}
    return images, annotations, data.get("categories", [])


def _classes(path: Path, categories: list[Any]) -> dict[str | None, str]:
    """Category id -> class name."""
    classes: dict[str | None, str] = {}
    for index, category in enumerate(categories):
        key = key_of(category.get("id")) if isinstance(category, dict) else None
        name = category.get("name") if isinstance(category, dict) else None
        if key is None or not isinstance(name, str) or not name.strip():
            raise AnnotationError("a category without id or name", file=path, record=f"category {index}",
                                  expected='"id" and "name"', got=str(category)[:80])  # fmt: skip
        name = unicodedata.normalize("NFC", name.strip())
        if classes.setdefault(key, name) != name:
            raise AnnotationError("two categories with one id", file=path, record=f"category {index}", field="id",
                                  expected="an id of its own", got=f"{key}, as {classes[key]} has")  # fmt: skip
    return classes


def _stated(image: dict[str, Any]) -> tuple[int, int] | None:
    """(height, width) where the file gives both as whole numbers above 0."""
    height, width = (_side(image.get(key)) for key in ("height", "width"))
    return None if height is None or width is None else (height, width)


def _side(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value < 1e9 else None


def _refuse_corners(boxes: list[tuple[list[float], tuple[int, int]]], path: Path, faults: Faults) -> None:
    """AnnotationError where most boxes would reach far past their image's edge, and all are sound as corners.

    boxes  as they are in the file, of annotations without a segmentation; (height, width) of the image
    """
    past = [box for box, (height, width) in boxes
            if box[0] + box[2] > 1.05 * width + 1 or box[1] + box[3] > 1.05 * height + 1]  # fmt: skip
    sound = all(x1 < x2 <= width + 1 and y1 < y2 <= height + 1 for (x1, y1, x2, y2), (height, width) in boxes)
    if len(past) < FEW or 2 * len(past) <= len(boxes) or not sound or faults.allow_faulty:
        return
    raise AnnotationError(
        "the boxes are corners, not COCO's x, y, width, height", file=path, field="bbox",
        expected="[x, y, width, height], inside the image",
        got=f"{past[0]}; so read, {len(past)} of {len(boxes)} boxes reach past the edge of their image",
        fix="write width = x2 - x1 and height = y2 - y1",
    )  # fmt: skip


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """Outlines with the points that were drawn, other masks as compressed run lengths, else boxes.

    Ids are kept where all have one of their own; otherwise (and where there are none) they count from 1.
    """
    records = []
    for record in dataset.records:
        if record.instances is None:
            losses.image(record)
        else:
            records.append((record, record.instances))
    classes = _ids(dataset.class_ids or [None] * len(dataset.names), losses, CLASS_IDS_LOST)
    numbers = _ids([record.id for record, _ in records], losses, IMAGE_IDS_LOST)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names = written_names([record.image for record, _ in records], path)
    for (record, instances), name, number in zip(records, names, numbers, strict=True):
        height, width = record.size
        image = {"id": number, "file_name": name, "width": width, "height": height}
        images.append({**record.attributes} | image | lvis.written(record, classes, losses))
        losses.add(IMAGE_ATTRIBUTES_LOST, len(record.attributes.keys() & _IMAGE))
        annotations += [{"id": None, "image_id": number} | row for row in _rows(instances, classes, losses)]
    own = _ids([annotation["id"] for annotation in annotations], losses, ANNOTATION_IDS_LOST)
    for annotation, number in zip(annotations, own, strict=True):
        annotation["id"] = number
    facts = dataset.class_attributes or [{}] * len(dataset.names)
    categories = [{"supercategory": ""} | {**more} | {"id": id, "name": name}
                  for id, name, more in zip(classes, dataset.names, facts, strict=True)]  # fmt: skip
    lists = {"images": images, "annotations": annotations, "categories": categories}
    written = {"info": {}, "licenses": []} | {**dataset.attributes} | lists
    write_text(path, json.dumps(written, ensure_ascii=False))


def _ids(given: Sequence[int | str | None], losses: Losses, kind: Kind) -> list[int | str]:
    """As the file had them, and free numbers for what has none; from 1, and counted as lost, where two are the same."""
    known = [key_of(id) for id in given if id is not None]
    if len(set(known)) < len(known):
        losses.add(kind, len(known))
        known, given = [], [None] * len(given)
    taken = set(known)
    free = (number for number in itertools.count(1) if str(number) not in taken)
    return [next(free) if id is None else id for id in given]


def _rows(instances: Instances, classes: Sequence[int | str], losses: Losses) -> list[dict[str, Any]]:
    losses.add(SCORES_LOST, 0 if instances.scores is None else len(instances))
    areas = None if instances.masks is None else instances.masks.area
    outlines, notes = instances.outlines(), list(instances.annotations or [None] * len(instances))
    crowd = [False] * len(instances) if instances.crowd is None else instances.crowd.tolist()
    drawn = [bool(parts) and not together for parts, together in zip(outlines, crowd, strict=True)]
    runs = [] if instances.masks is None or all(drawn) else instances.masks.to_coco()
    rows = []
    for index, box in enumerate(instances.boxes.tolist()):
        x1, y1, x2, y2 = box
        x, y, width, height = (round(side, 3) for side in (x1, y1, x2 - x1, y2 - y1))
        parts, note = outlines[index], notes[index]
        row = {
            "id": None if note is None else note.id,
            "category_id": classes[instances.classes[index]],
            "bbox": [x, y, width, height],
            "area": round(width * height, 3) if areas is None else int(areas[index]),
            "iscrowd": int(crowd[index]),
            "segmentation": [plain(part.reshape(-1)) for part in parts] if parts and drawn[index]
            else runs[index] if runs else [],
        }  # fmt: skip
        rows.append(row if note is None or not note.attributes else row | _written_note(note.attributes))
    return rows


def _written_note(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Key points and their like beside the others, as the tools that know them look for them."""
    beside = {name: value for name, value in attributes.items() if name in _BESIDE}
    others = {name: value for name, value in attributes.items() if name not in _BESIDE}
    return beside | ({"attributes": others} if others else {})
