"""The records of a VIA file as it has them, JSON or CSV: images, their regions, what is said of both.

Nothing is understood yet: which attribute holds the class, and what a shape is, stands in via.py and via_classes.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.formats.reading import Faults, parse_json, read_json, read_table

_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")


@dataclass
class ViaRegion:
    """One region as the file has it. `attributes` None: not readable."""

    number: object
    shape: Any
    attributes: dict[str, Any] | None


@dataclass
class ViaImage:
    """bytes: the size of the image's file, by which VIA tells images of one name apart; 0 where it is not said.

    attributes  of the whole image
    """

    filename: str
    regions: list[ViaRegion]
    bytes: int = 0
    attributes: Mapping[str, Any] | None = None


def read_records(path: Path, faults: Faults) -> tuple[list[ViaImage], dict[str, list[str]]]:
    """The images of a file, and the declared options of each attribute (of a project)."""
    if path.suffix.lower() == ".csv":
        return _from_csv(path), {}
    metadata, options = _metadata(path)
    return list(_from_json(metadata, faults)), options


def attributes_of(images: Iterable[ViaImage]) -> list[Mapping[str, Any] | None]:
    return [region.attributes for image in images for region in image.regions]


def _metadata(path: Path) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The records, and the declared options of each attribute (of a project)."""
    data = read_json(path)
    options: dict[str, list[str]] = {}
    if isinstance(data, dict) and "_via_img_metadata" in data:
        declared = data.get("_via_attributes")
        declared = declared.get("region") if isinstance(declared, dict) else None
        for name, item in (declared if isinstance(declared, dict) else {}).items():
            if isinstance(item, dict) and isinstance(item.get("options"), dict):
                options[name] = [option.strip() for option in item["options"]]
        data = data["_via_img_metadata"]
    if isinstance(data, list):  # some scripts write the records as a list
        data = {str(number): record for number, record in enumerate(data)}
    if not isinstance(data, dict):
        raise AnnotationError("not a VIA file", file=path, expected="an object of records", got=type(data).__name__)
    if {"project", "config", "metadata"} <= set(data):
        raise AnnotationError("a VIA 3 project, which is another format", file=path, expected="a file of VIA 1 or 2",
                              got=", ".join(list(data)[:6]), fix="leave the name of the format out")  # fmt: skip
    if data and set(data) <= {"region", "file"} and all(isinstance(item, dict) for item in data.values()):
        raise AnnotationError(
            "VIA's attribute definitions, not annotations", file=path, expected='records with "filename" and "regions"',
            got="definitions of " + ", ".join(name for item in data.values() for name in item or ()),
            fix="name the file that VIA writes by Annotation, Export, or the project itself",
        )  # fmt: skip
    return data, options


def _from_json(metadata: dict[str, Any], faults: Faults) -> Iterator[ViaImage]:
    for key, record in metadata.items():
        if not isinstance(record, dict) or not isinstance(record.get("filename"), str):
            faults.saw()
            faults.add(f'record "{key}"', "filename", "a record with a file name", record)
            continue
        regions = record.get("regions", [])
        if isinstance(regions, dict):  # VIA 1
            numbered = list(regions.items())
        elif isinstance(regions, list):
            numbered = list(enumerate(regions))
        else:
            faults.saw()
            faults.add(f'image "{record["filename"]}"', "regions", "a list or an object of regions", regions)
            continue
        read = [ViaRegion(number, *_parts(region)) for number, region in numbered]
        attributes = record.get("file_attributes")
        yield ViaImage(record["filename"], read, _size_of(record.get("size")),
                     attributes if isinstance(attributes, dict) else None)  # fmt: skip


def _size_of(value: Any) -> int:
    """VIA writes -1 for an image that it knows by its address."""
    whole = isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdecimal()
    return int(value) if whole and len(str(value)) < 16 else 0


def _parts(region: Any) -> tuple[Any, dict[str, Any] | None]:
    if not isinstance(region, dict):
        return None, None
    attributes = region.get("region_attributes", {})
    return region.get("shape_attributes"), attributes if isinstance(attributes, dict) else None


def _from_csv(path: Path) -> list[ViaImage]:
    """One row a region; an image without regions has one row with an empty shape."""
    images: dict[tuple[str, int], ViaImage] = {}
    for row in read_table(path, _COLUMNS, ("file_size", "file_attributes", "region_count", "region_id")).rows:
        name, size = row["filename"], _size_of(row.get("file_size", "").strip())
        image = images.get((name, size))
        if image is None:
            of_image = _cell(row.get("file_attributes", ""))
            images[name, size] = image = ViaImage(name, [], size, of_image if isinstance(of_image, dict) else None)
        shape, attributes = _cell(row["region_shape_attributes"]), _cell(row["region_attributes"])
        if shape == {} and row.get("region_count", "0") in ("", "0"):
            continue
        number = row.get("region_id", len(image.regions))
        image.regions.append(ViaRegion(number, shape, attributes if isinstance(attributes, dict) else None))
    return list(images.values())


def _cell(text: str) -> Any:
    """JSON, or what VIA writes for it: an attribute never set is `undefined`."""
    try:
        return parse_json(text)
    except ValueError:
        pass
    try:
        return parse_json(re.sub(r":\s*undefined(?=\s*[,}])", ":null", text))
    except ValueError:
        return text
