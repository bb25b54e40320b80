"""Masks as pictures: one picture of object ids a photo, or one black-and-white picture an object.

Looks like   PNGImages/a.png with PedMasks/a_mask.png: 0 background, 1, 2, ... the objects (Penn-Fudan)
             <id>/images/<id>.png with <id>/masks/*.png: one file an object (Data Science Bowl 2018)
             a.png with masks/a_0.png, a_1.png, ..., or masks/a/*.png
             panoptic.json beside the folder panoptic/: colour ids R + 256 G + 65536 B (COCO panoptic)
Known by     a folder of masks beside the photos, or the words "segments_info" in a JSON file
Holds        masks with holes and parts; classes only in the panoptic JSON
Cannot hold  scores, classes, crowd; empty-versus-unlabelled. A photo without any mask file is unlabelled
In the wild  0 and 1 instead of 0 and 255 (any value but 0 belongs); RGB or palette masks; a mask of another size (a
             fault, never stretched); semantic pictures that say what but not which: refused, unless each connected
             part is to be one object (`parts=True`)
Class        "pedestrian" for PedMasks; else the name of the data's folder
Source       Penn-Fudan's readme; the panoptic format as cocodataset/panopticapi describes it
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from maskwright.errors import AnnotationError
from maskwright.formats import mask_files
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundPhoto,
    Head,
    Regions,
    assemble,
    data_name,
    measured,
    photos_in,
    read_json,
)
from maskwright.types import Dataset

MASK_FOLDERS = {
    "pedmasks": "pedestrian", "masks": "", "mask": "", "instance_masks": "", "instances": "", "gt": "",
    "ground_truth": "", "groundtruth": "", "labels_masks": "", "segmentation": "", "segmentations": "",
}  # fmt: skip
"""Folders of masks, and the class of what is in them where the name tells it."""
MARKS = re.compile(r"[ _.-]?(mask|masks|gt|label|labels|instance|instances|seg)$", re.IGNORECASE)
NUMBER = re.compile(r"[ _.-](mask)?\d+$", re.IGNORECASE)
IDS, BINARY, KINDS = "ids", "binary", "kinds"


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        panoptic = head.ending == ".json" and ('"segments_info"' in head.text or "panoptic" in head.path.stem.lower())
        if panoptic and head.path.with_suffix("").is_dir():
            return Evidence(0.95, f'it lists segments of the pictures in "{head.path.stem}"')
        return None
    folder = _mask_folder(head)
    if folder is not None and _pictures(folder):
        if head.photos or any(_pictures(head.path / name) for name in head.folders if name != folder.name):
            return Evidence(0.8, f'masks lie in "{folder.name}" beside the photos')
        return None
    for name in head.folders[:3]:
        child = head.child(name)
        masks = _mask_folder(child)
        if masks is not None and photos_in(masks) and "images" in child.folders:
            return Evidence(0.9, "each photo has a folder with images and masks")
    return None


def read(path: Path, faults: Faults, parts: bool = False) -> Dataset:
    """`parts=True`: the masks are semantic (or one for all objects), and each connected part is one object."""
    head = Head(path)
    if not head.is_folder:
        return _read_panoptic(path, faults)
    folder = _mask_folder(head)
    pairs = list(_in_folders(head) if folder is None else _beside(head, folder))
    own_class = folder and MASK_FOLDERS[folder.name.casefold()]
    label = own_class or data_name(path)
    one_each = folder is None or any(
        len(masks) > 1 for _, masks in pairs
    )  # one file an object, even if it is the only one
    kind = BINARY if one_each else _kind([mask for _, masks in pairs for mask in masks], faults, path, parts)
    drafts = []
    for picture, masks in pairs:
        photo = measured(picture, faults, picture.relative_to(path).as_posix())
        if photo is None:
            continue
        if not masks:
            regions = None
        elif kind == BINARY:
            regions = _from_files(photo, masks, label, faults, parts)
        else:
            regions = _from_ids(photo, masks[0], label, faults, parts)
        drafts.append(Draft(photo, regions))
    names = {each for draft in drafts if draft.regions for each in draft.regions.labels}
    return assemble(data_name(path), [label] if kind != KINDS else sorted(names), drafts, "mask_images", faults)


# --- which mask belongs to which photo --------------------------------------------------------------
def _mask_folder(head: Head) -> Path | None:
    return next((head.path / name for name in head.folders if name.casefold() in MASK_FOLDERS), None)


def _pictures(folder: Path) -> list[Path]:
    """All pictures in a folder and the folders below, sorted."""
    below = sorted(path for path in folder.rglob("*") if path.is_dir() and not path.name.startswith("."))
    return [picture for each in (folder, *below) for picture in photos_in(each)]


def _in_folders(head: Head) -> Iterator[tuple[Path, list[Path]]]:
    """<id>/images and <id>/masks: one photo each."""
    for name in head.folders:
        child = head.child(name)
        masks = _mask_folder(child)
        for photo in photos_in(child.path / "images"):
            yield photo, [] if masks is None else photos_in(masks)


def _beside(head: Head, folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Photos in the folder and below (not in the masks' folder), with the masks whose names fit."""
    photos = [picture for picture in _pictures(head.path) if folder not in picture.parents]
    stems = {photo.stem.casefold() for photo in photos}
    found: dict[str, list[Path]] = defaultdict(list)
    for mask in _pictures(folder):
        stem = _photo_stem(mask, stems)
        if stem is not None:
            found[stem].append(mask)
    for photo in photos:
        masks = found[photo.stem.casefold()]
        same = [
            mask for mask in masks if mask.parent.name == photo.parent.name
        ]  # masks/train/a.png, images/train/a.jpg
        yield photo, sorted(same or masks, key=_by_number)


def _photo_stem(mask: Path, stems: set[str]) -> str | None:
    """a.png, a_mask.png, a_3.png, a/3.png -> "a", where there is a photo of this stem; the longest fit first."""
    stem = mask.stem.casefold()
    bare = MARKS.sub("", stem)
    for name in (stem, bare, NUMBER.sub("", stem), MARKS.sub("", NUMBER.sub("", stem)), NUMBER.sub("", bare)):
        if name in stems:
            return name
    above = mask.parent.name.casefold()
    return above if above in stems else None


def _by_number(path: Path) -> tuple[int, str]:
    """a_2.png before a_10.png."""
    digits = re.search(r"(\d+)$", path.stem)
    return (int(digits[1]) if digits and len(digits[1]) < 10 else 0, path.name)


# --- what the values mean ---------------------------------------------------------------------------
def _kind(masks: list[Path], faults: Faults, path: Path, parts: bool) -> str:
    """One mask a photo: does a value say which object (IDS), what kind of thing (KINDS), or that it is one (BINARY)?

    Kinds are recognised by gaps between the values or by values that fall apart into several regions; they, and black
    and white with several regions, are refused unless every connected part is to be an object.
    """
    count = several = gaps = 0
    shared: set[int] = set()
    for mask in masks[:: max(1, len(masks) // 40)]:  # some forty of them tell it
        ids = mask_files.read_ids(mask, Faults(path), mask.stem)
        if ids is None:
            continue
        numbers, rows = mask_files.rows(ids)
        shared.update(numbers)
        count += len(numbers)
        several += sum(len(mask_files.parts(rows[row])) > 1 for row in range(len(numbers)))
        gaps += len(numbers) > 1 and numbers[-1] > 2 * len(numbers) + 2
    one_value = len(shared) <= 1
    kinds = not one_value and (gaps > 0 or 2 * several > count)
    if (kinds or (one_value and several)) and not parts:
        raise AnnotationError(
            "these masks say what each pixel is, but not which object it belongs to",
            file=path,
            wanted="one value for each object (1, 2, 3, ...), or one file for each object",
            got=f"{masks[0].name}: {'one value' if one_value else 'values that look like classes'}, in separate parts",
            fix="save one mask an object; or, where objects never touch, take each connected part for one: "
            "mask_images.read(folder, faults, parts=True)",
        )
    return BINARY if one_value else KINDS if kinds else IDS


def _from_ids(photo: FoundPhoto, mask: Path, label: str, faults: Faults, parts: bool) -> Regions:
    """Each value but 0 is one object; with `parts` it is a class, and each connected part of it one object."""
    size = mask_files.measured_mask(mask, faults, photo.name)
    regions = Regions(faults, photo, stated=size)
    ids = mask_files.read_ids(mask, faults, photo.name) if size in (photo.size, photo.size[::-1]) else None
    if ids is None:
        regions.saw()
        return regions
    numbers, rows = mask_files.rows(ids)
    for row, number in enumerate(numbers):
        if not parts:
            regions.mask(number, label, rows[row])
            continue
        each = mask_files.parts(rows[row])
        for part in range(len(each)):
            regions.mask(f"{number} part {part}", str(number), each[part])
    return regions


def _from_files(photo: FoundPhoto, masks: list[Path], label: str, faults: Faults, parts: bool) -> Regions:
    """Each file is one object; with `parts`, each connected part of the one file. A black file is told and left out."""
    regions = Regions(faults, photo)
    for mask in masks:
        size = mask_files.measured_mask(mask, faults, photo.name)
        if size is None:
            regions.saw()
        elif size != photo.size:
            regions.lacks(f'mask "{mask.name}"', "height x width", "{} x {}, the photo's own".format(*photo.size),
                          "{} x {}".format(*size), "export that mask again at the photo's size")  # fmt: skip
        else:
            drawn = mask_files.read_binary(mask, faults, photo.name)
            if drawn is None:
                regions.saw()
            elif not drawn.area.any():
                if len(masks) > 1:
                    faults.unused("black mask file")
            else:
                each = mask_files.parts(drawn) if parts else drawn
                for row in range(len(each)):
                    regions.mask(f'mask "{mask.name}"' + (f" part {row}" if parts else ""), label, each[row])
    return regions


# --- panoptic ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Category:
    name: str
    thing: bool


def _read_panoptic(path: Path, faults: Faults) -> Dataset:
    """Things are objects; stuff (sky, road) is what no object detector learns, and is counted and left out."""
    data = read_json(path)
    images, annotations, categories = (_list_of(path, data, key) for key in ("images", "annotations", "categories"))
    known = {each["id"]: _Category(str(each.get("name", each["id"])), bool(each.get("isthing", 1)))
             for each in categories if isinstance(each.get("id"), int)}  # fmt: skip
    named = {each.get("id"): str(each.get("file_name", "")) for each in images if _hashable(each.get("id"))}
    folder = path.with_suffix("")
    root = path.parent.parent if path.parent.name.casefold() == "annotations" else path.parent
    photos = {photo.stem: photo for photo in reversed(_pictures(root)) if folder not in photo.parents}
    drafts = []
    for each in annotations:
        mask = folder / PurePosixPath(str(each.get("file_name", "")).replace("\\", "/")).name
        name = named.get(each.get("image_id")) if _hashable(each.get("image_id")) else None
        stem = PurePosixPath(name or mask.name).stem
        if stem not in photos:
            faults.absent(name or mask.name)
            continue
        faults.found()
        photo = measured(photos[stem], faults, name or mask.name)
        if photo is not None:
            drafts.append(Draft(photo, _segments(photo, mask, each.get("segments_info"), known, faults)))
    names = [category.name for category in known.values() if category.thing]
    return assemble(data_name(path), dict.fromkeys(names), drafts, "mask_images", faults)


def _segments(photo: FoundPhoto, mask: Path, infos: Any, known: dict[int, _Category], faults: Faults) -> Regions:
    size = mask_files.measured_mask(mask, faults, photo.name)
    regions = Regions(faults, photo, stated=size)
    ids = mask_files.read_ids(mask, faults, photo.name) if size in (photo.size, photo.size[::-1]) else None
    if ids is None or not isinstance(infos, list):
        regions.saw()
        if not isinstance(infos, list):
            regions.fault("all", "segments_info", "a list", infos)
        return regions
    numbers, rows = mask_files.rows(ids)
    place = {number: row for row, number in enumerate(numbers)}
    for number, info in enumerate(infos):
        info = info if isinstance(info, dict) else {}
        category = (
            known.get(info["category_id"]) if _hashable(info.get("category_id")) and "category_id" in info else None
        )
        row = place.get(info["id"]) if _hashable(info.get("id")) and "id" in info else None
        if category is None:
            regions.lacks(number, "category_id", "one of the categories", info.get("category_id"))
        elif row is None:
            regions.lacks(number, "id", "a colour in the picture", info.get("id"))
        elif not category.thing:
            faults.unused("stuff segment")
        else:
            regions.mask(number, category.name, rows[row], crowd=bool(info.get("iscrowd")))
    return regions


def _list_of(path: Path, data: Any, key: str) -> list[dict[str, Any]]:
    found = data.get(key) if isinstance(data, dict) else None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise AnnotationError(
            "not a panoptic file", file=path, field=key, wanted="a list of objects", got=type(found).__name__
        )
    return found


def _hashable(value: Any) -> bool:
    return isinstance(value, int | str)
