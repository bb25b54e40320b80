"""LabelMe JSON: one file beside each image.

Looks like   {"version": "5.5.0", "flags": {}, "shapes": [{"label": "rust", "points": [[x, y], ...], "group_id": null,
             "shape_type": "polygon", "flags": {}}], "imagePath": "a.jpg", "imageData": null, "imageHeight": 480,
             "imageWidth": 640}
Known by     .json files with "shapes" and "points" (or "imagePath"); with "imagePath" and "flags"
Holds        polygons, rectangles (two corners), oriented rectangles, circles (center, a point of the rim), masks (a
             PNG and its place); shapes of one label and one group_id are one object; flags and a description of
             each; flags of the whole image, which are its classes where nothing is drawn; the image itself (imageData)
Cannot hold  scores, crowds, unlabeled images, attributes that are not true or false. On writing they are dropped and
             counted; what was drawn as outlines goes out as polygons, another mask as a mask, which loses nothing
Left out     points, lines and linestrips, and what is labeled __ignore__: counted
The image    is the one of the JSON's own name where that is there (LabelMe calls them alike; imagePath stays behind
             when both are renamed), else the one of imagePath, else imageData, unpacked into the cache folder
In the wild  imagePath of Windows and of other folders; no shape_type (polygon); rectangles of four corners and
             "rotation" (X-AnyLabeling); shapes past the edge; colors as lineColor; imageHeight null
Source       labelme 5.5: label_file.py, utils/shape.py, examples/instance_segmentation/labelme2coco.py
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any

from maskwright.errors import AnnotationError, DatasetError
from maskwright.escaping import percent_encoded
from maskwright.files import write_text
from maskwright.formats import labelme_shapes, unpacked
from maskwright.formats.drafts import labels_of
from maskwright.formats.image_classes import classified
from maskwright.formats.labelme_shapes import IGNORE
from maskwright.formats.listing import is_label_folder
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    ImageFinder,
    Losses,
    Regions,
    data_name,
    data_root,
    images_in,
    measured,
    read_json,
    written_name,
)
from maskwright.issues import Kind
from maskwright.types import Dataset, Instances, Record

JSON_NAMES_ANOTHER_IMAGE = Kind(
    "json_names_another_image", "warning",
    "JSON files that name another image, where the one of the JSON's own name was taken: {count} ({records:1})",
)  # fmt: skip


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        return Evidence(0.9, 'it has "shapes" with "points"') if head.ending == ".json" and _is_labelme(head) else None
    for folder in _json_folders(head):
        if any(_is_labelme(folder.child(name)) for name in folder.files(".json")[:5]):
            return Evidence(0.9, 'it holds .json files with "shapes" and "points"')
    return None


def _is_labelme(head: Head) -> bool:
    keys = {key for key in ("shapes", "points", "imagePath", "imageData", "flags") if f'"{key}"' in head.text}
    if not head.text.lstrip("\ufeff \t\r\n").startswith("{"):
        return False
    return ("shapes" in keys and bool(keys & {"points", "imagePath"})) or {"imagePath", "flags"} <= keys


def _json_folders(head: Head) -> Iterator[Head]:
    """The folder itself and its folders of annotations, those with JSON."""
    below = [head.child(name) for name in head.folders if is_label_folder(name)]
    deeper = [folder.child(name) for folder in below for name in folder.folders]  # annotations/train
    return (folder for folder in (head, *below, *deeper) if folder.files(".json"))


# --- reading ----------------------------------------------------------------------------------------
def read(path: Path, faults: Faults) -> Dataset:
    head, root = Head(path), data_root(path)
    if head.is_folder:
        files = [folder.path / name for folder in _json_folders(head) for name in folder.files(".json")]
        pages = [page for file in files if _is_labelme(Head(file)) and (page := _page(file, faults)) is not None]
    else:
        pages = [_Page.of(path)]  # of many, a broken one is put aside; the only one must be sound
    stems = {page.file.stem for page in pages}
    named: dict[Path, list[str]] = {}
    for page in pages:
        named.setdefault(page.file.parent, []).append(page.image_name if page.names_its_own else page.file.stem)
    finders = {folder: ImageFinder(root, faults, near=folder, names=names) for folder, names in named.items()}
    images = _Images(stems, faults)
    drafts, labels = [], {}
    for page in pages:
        found = images.of(page, finders[page.file.parent])
        if found is None:
            continue
        flags = page.flags
        regions = None if IGNORE in flags else _regions(page, found, faults)
        drafts.append(Draft(found, regions, source=page.file))
        if flags and IGNORE not in flags:
            labels[found.path] = flags
    images.report()
    names = labels_of(drafts)
    dataset = classified(data_name(path), sorted(names), drafts, labels, "labelme", faults)
    return _with_unlabeled(root, dataset, faults) if head.is_folder else dataset


@dataclass(frozen=True)
class _Page:
    """One JSON file, without the image in it: of many files those would fill the memory."""

    file: Path
    data: dict[str, Any]
    embeds: bool

    @classmethod
    def of(cls, file: Path) -> _Page:
        data = read_json(file)
        if not isinstance(data, dict):
            raise AnnotationError("not a LabelMe file", file=file, expected="an object", got=type(data).__name__)
        shapes = data.get("shapes")
        if not isinstance(shapes, list | None):
            raise AnnotationError("not a LabelMe file", file=file, field="shapes", expected="a list",
                                  got=type(shapes).__name__)  # fmt: skip
        embeds = isinstance(data.pop("imageData", None), str)
        return cls(file, data, embeds)

    @property
    def image_name(self) -> str:
        """imagePath as it stands; the JSON's own stem where it says nothing, or names a JSON file."""
        named = self.data.get("imagePath")
        last = PureWindowsPath(named).name if isinstance(named, str) else ""  # knows both kinds of slashes
        return str(named) if last and not last.lower().endswith(".json") else self.file.stem

    @property
    def names_its_own(self) -> bool:
        """The image is called like the JSON file."""
        last = PureWindowsPath(self.image_name).name
        own = self.file.stem.casefold()
        return own in (last.casefold(), PureWindowsPath(last).stem.casefold())

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) as stated, None where it is absent or nonsense."""
        height, width = self.data.get("imageHeight"), self.data.get("imageWidth")
        whole = [side for side in (height, width) if isinstance(side, int) and not isinstance(side, bool)]
        return (whole[0], whole[1]) if len(whole) == 2 and min(whole) > 0 and max(whole) < 10**6 else None

    @property
    def flags(self) -> tuple[str, ...]:
        """Those of the whole image that are set."""
        flags = self.data.get("flags")
        flags = flags if isinstance(flags, dict) else {}
        return tuple(name.strip() for name, value in flags.items() if value is True and name.strip())


def _page(file: Path, faults: Faults) -> _Page | None:
    try:
        return _Page.of(file)
    except AnnotationError as error:
        faults.saw()
        faults.add(f'file "{file.name}"', "JSON", "a complete LabelMe file", error.parts.get("got", error.headline),
                   "copy or export the file again", image=f"{file.stem}.json")  # fmt: skip
        return None


class _Images:
    """Which image each JSON file speaks of."""

    def __init__(self, stems: set[str], faults: Faults) -> None:
        self.stems = stems  # of all JSON files
        self.faults = faults
        self.mended: list[str] = []
        self.unpacked: list[Path] = []

    def of(self, page: _Page, finder: ImageFinder) -> FoundImage | None:
        named, regions = page.image_name, len(page.data.get("shapes") or ())
        if not page.names_its_own:
            own = finder.find(page.file.stem)
            other = None if own is None else finder.find(named)
            if own is not None and other is not None and other != own and other.stem not in self.stems:
                self.faults.saw(regions)
                self.faults.add(f'file "{page.file.name}"', "imagePath",
                                f'one image, "{own.name}" by the name of the file',
                                f'"{named}", which is there too and has no JSON file of its own',
                                "correct imagePath, or rename the JSON file", regions=regions)  # fmt: skip
                return None
            if own is not None:
                self.mended.append(f'"{page.file.name}" names "{PureWindowsPath(named).name}"')
                named = page.file.stem
        if page.embeds and finder.find(named) is None and not finder.several(named):
            return self._embedded(page, read_json(page.file)["imageData"], regions)
        return finder.image(named, regions=regions)

    def _embedded(self, page: _Page, text: str, regions: int) -> FoundImage | None:
        """The image in imageData, as a file in the cache folder."""
        try:
            data = base64.b64decode(text.partition("base64,")[2] or text, validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if not data:
            self.faults.saw(regions)
            self.faults.add(f'image "{page.image_name}"', "imageData", "an image in base64", text[:20],
                            "put the image beside the JSON file", regions=regions)  # fmt: skip
            return None
        file = unpacked.file_of(data, "labelme", page.file.stem)
        self.unpacked.append(file)
        self.faults.found()
        return measured(file, self.faults, page.file.stem, regions)

    def report(self) -> None:
        if self.mended:
            self.faults.report(JSON_NAMES_ANOTHER_IMAGE(count=len(self.mended), records=self.mended))
        if self.unpacked:
            folder = self.unpacked[0].parent.parent
            self.faults.report(unpacked.IMAGES_UNPACKED(count=len(self.unpacked), folder=folder))


def _regions(page: _Page, image: FoundImage, faults: Faults) -> Regions:
    regions = Regions(faults, image, stated=page.size)
    for group in labelme_shapes.groups(page.data.get("shapes") or [], regions):
        labelme_shapes.draw(group, regions)
    return regions


def _with_unlabeled(root: Path, dataset: Dataset, faults: Faults) -> Dataset:
    """Images in the same folders that no JSON file speaks of."""
    known = {record.image for record in dataset.records}
    put_aside = {Path(str(name)).stem for record in faults.records for name in record.images}
    folders = sorted({image.parent for image in known if image.is_relative_to(root)} | {root})
    others = [path for folder in folders for path in images_in(folder)
              if path not in known and path.stem not in put_aside]  # fmt: skip
    found = (measured(path, faults, path.relative_to(root).as_posix()) for path in others)
    records = tuple(Record(image.path, image.size, None) for image in found if image is not None)
    return replace(dataset, records=dataset.records + records)


# --- writing ----------------------------------------------------------------------------------------
def write(dataset: Dataset, path: Path, losses: Losses) -> None:
    """A folder: a JSON file beside each image that lies in it, else <split>/<stem>.json, which names the image.

    Images are not copied. A path that ends in .json takes a dataset of one image.
    """
    losses.class_order(dataset)
    pages: dict[Path, Record] = {}
    single = path.suffix.lower() == ".json"
    for record in dataset.records:
        if record.skipped or (record.instances is None and record.labels is None):
            losses.image(record)
            continue
        beside = not single and record.image.is_relative_to(path)
        page = record.image if beside else path / (record.split or "") / record.image.name
        page = path if single else page.with_name(f"{percent_encoded(page.stem)}.json")
        if pages.setdefault(page, record) is not record:
            what = "one JSON file holds one image" if single else "two images would share one JSON file"
            raise DatasetError(what, file=page, record=f'image "{percent_encoded(record.image.name)}"',
                               expected="different names, folder and ending apart",
                               fix="name a folder" if single else "rename one of them")  # fmt: skip
    for page, record in pages.items():
        write_text(page, _document(record, dataset.names, written_name(record.image, page), losses))


def edited(file: Path, record: Record, before: Instances | None, ids: Mapping[str, int | str], losses: Losses) -> bytes:
    """The JSON of one image as it is to be: shapes of objects that stay the same, shapes that are no objects and all
    else in the file stay as they stand; `ids` mean nothing here.

    before  what the file holds
    """
    instances, (height, width) = record.instances, record.size
    assert instances is not None
    if not file.is_file():
        return _document(record, instances.names, written_name(record.image, file), losses).encode()
    data = read_json(file)
    same_frame = _Page(file, data, False).size in (None, record.size)
    shapes = labelme_shapes.edited(data.get("shapes") or [], before if same_frame else None, instances, losses)
    flags = data.get("flags")
    if isinstance(flags, dict):
        flags.pop(IGNORE, None)
    data |= {"shapes": shapes, "imageHeight": height, "imageWidth": width}
    return json.dumps(data, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")


def _document(record: Record, names: tuple[str, ...], name: str, losses: Losses) -> str:
    """The text of one JSON file."""
    flags = {names[label]: True for label in record.labels or ()}
    shapes = [] if record.instances is None else list(labelme_shapes.shapes(record.instances, losses))
    height, width = record.size
    return json.dumps({"version": "5.5.0", "flags": flags, "shapes": shapes, "imagePath": name, "imageData": None,
                       "imageHeight": height, "imageWidth": width}, ensure_ascii=False, indent=1)  # fmt: skip
