"""Masks as pictures: one picture of object ids a photo, or one black-and-white picture an object.

Looks like   PNGImages/a.png with PedMasks/a_mask.png: 0 background, 1, 2, ... the objects (Penn-Fudan)
             <id>/images/<id>.png with <id>/masks/*.png: one file an object (Data Science Bowl 2018)
             a.png with masks/a_0.png, a_1.png, ..., or masks/a/*.png; more layouts in mask_pairs.py
             panoptic.json beside the folder panoptic/: colour ids R + 256 G + 65536 B (COCO panoptic)
Known by     a folder of masks beside the photos, or the words "segments_info" in a JSON file
Holds        masks with holes and parts; classes in the panoptic JSON, in folders of masks (masks/cat/a.png) and in
             names of masks (a_cat_0.png)
Cannot hold  scores, crowd; empty-versus-unlabelled. A photo without any mask file is unlabelled
In the wild  0 and 1 instead of 0 and 255 (any value but 0 belongs); RGB or palette masks; ids 100 and 200; a mask of
             another size (a fault, never stretched, refused by its header); masks that fit no photo (counted); a photo
             or a JPEG among the masks; semantic pictures that say what but not which: refused, unless each connected
             component is to be one object (`connected_components=True`)
Class        "pedestrian" for PedMasks; else the name of the data's folder
Source       Penn-Fudan's readme; the panoptic format as cocodataset/panopticapi describes it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from maskwright.errors import AnnotationError, DatasetError
from maskwright.formats import mask_files, mask_pairs
from maskwright.formats.mask_pairs import Mask, Pairs
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
    photos_below,
    read_json,
)
from maskwright.types import Dataset

IDS, BINARY, KINDS = "ids", "binary", "kinds"
LOOKED_AT = 40  # masks that tell what the values mean
NO_OBJECTS = "these masks say what each pixel is, but not which object it belongs to"

Pair = tuple[FoundPhoto, list[Mask], str | None]


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        panoptic = head.ending == ".json" and ('"segments_info"' in head.text or "panoptic" in head.path.stem.lower())
        if panoptic and head.path.with_suffix("").is_dir():
            return Evidence(0.95, f'it lists segments of the pictures in "{head.path.stem}"')
        return None
    pairs = mask_pairs.find(head)
    if pairs is None:
        return None
    if not pairs.fit:
        return Evidence(pairs.certainty, f"none of its {len(pairs.unfit)} masks is called like a photo", dataset=False)
    return Evidence(pairs.certainty, pairs.where)


def read(path: Path, faults: Faults, connected_components: bool = False) -> Dataset:
    """`connected_components`: the masks are semantic (or one for all objects), each component is one object."""
    head = Head(path)
    if not head.is_folder:
        return _read_panoptic(path, faults)
    found = mask_pairs.find(head)
    if found is None:
        raise DatasetError("no masks beside photos", file=path, wanted="a folder masks beside a folder images",
                           got=", ".join(head.folders[:8]) or "no sub-folders")  # fmt: skip
    _tell_unfit(found, path, faults)
    pairs: list[Pair] = []
    for picture, masks, split in found.photos:
        photo = measured(picture, faults, picture.relative_to(path).as_posix())
        if photo is not None:
            pairs.append((photo, masks, split))
    label = found.class_of or data_name(path)
    kind = BINARY if _one_file_an_object(found) else _kind(pairs, faults, path, connected_components)
    drafts = []
    for photo, masks, split in pairs:
        if not masks:
            regions = None
        elif kind == BINARY:
            regions = _from_files(photo, masks, label, faults, connected_components)
        else:
            regions = _from_ids(photo, masks, label, faults, connected_components)
        drafts.append(Draft(photo, regions, split=split))
    names = {each for draft in drafts if draft.regions for each in draft.regions.labels}
    classes = sorted(names) if kind == KINDS or found.told else [label]
    return assemble(data_name(path), classes, drafts, "mask_images", faults)


def _tell_unfit(found: Pairs, path: Path, faults: Faults) -> None:
    """Masks that fit no photo are counted by name; where none fits, it is an error."""
    names = ", ".join(mask.name for mask in found.unfit[:3]) + (", ..." if len(found.unfit) > 3 else "")
    if not found.fit:
        photo = found.photos[0][0]
        raise AnnotationError("none of the masks is called like a photo", file=path, field="masks",
                              wanted=f"a mask such as {photo.stem}.png or {photo.stem}_mask.png for {photo.name}",
                              got=names, fix="rename the masks as their photos are called")  # fmt: skip
    if found.unfit:
        many = len(found.unfit) > 1
        faults.remark(f"{len(found.unfit)} masks fit no photo and were left out: {names}" if many else
                      f"1 mask fits no photo and was left out: {names}")  # fmt: skip
    if len(found.mirrored) > 1:
        listed = ", ".join(sorted(found.mirrored)[:3]) + (", ..." if len(found.mirrored) > 3 else "")
        faults.remark(f"folders of photos and masks of equal names ({listed}) were not taken for classes")
    if found.told:
        faults.remark(found.told)


def _one_file_an_object(found: Pairs) -> bool:
    """A photo with two masks of one class shows it, even for photos with a single one."""
    return found.one_each or any(len({mask.label for mask in masks}) < len(masks) for _, masks, _ in found.photos)


# --- what the values mean ---------------------------------------------------------------------------
def _kind(pairs: list[Pair], faults: Faults, path: Path, connected_components: bool) -> str:
    """One mask a photo: does a value say which object (IDS), what kind of thing (KINDS), or that it is one (BINARY)?

    Values that fall apart into several parts are kinds, where most do, or where the values have gaps (48, 196) and
    come again on other photos. Kinds, and black and white with several parts, are refused unless every connected
    component is to be an object. A value in one part is one object, whatever its number.
    """
    count = several = gaps = 0
    shared: set[int] = set()
    example, noisy, soft = "", False, ""
    masks = [(photo, mask) for photo, masks, _ in pairs for mask in masks]
    looked_at = masks[:: max(1, len(masks) // LOOKED_AT)]
    for photo, mask in looked_at:
        ids = _ids(photo, mask, Faults(path))
        if ids is None:
            continue
        if (values := mask_files.count_values(ids)) > mask_files.MOST_VALUES or mask_files.noisy(ids):
            if faults.allow_faulty:  # put aside later, with its photo
                noisy = True
                continue
            raise AnnotationError(
                "this picture is no mask", file=mask.path, wanted="few values, in areas of many pixels",
                got=f"{values:,} values, as a photo or the noise of a JPEG has",
                fix="take it out of the folder of masks; masks are saved as PNG",
            )  # fmt: skip
        numbers, parts = mask_files.parts_of_ids(ids)
        shared.update(numbers)
        soft = soft or (mask.path.name if mask_files.soft_edged(ids) else "")
        count += len(numbers)
        apart = sum(number > 1 for number in parts)
        several += apart
        example = example or (mask.path.name if apart else "")
        gaps += bool(numbers) and numbers[-1] > 2 * len(numbers) + 2
    one_value = len(shared) <= 1
    # Colours or 16 bits, other values on each photo: numbers of objects, one of which may be in two parts.
    numbered_anew = len(looked_at) > 1 and max(shared, default=0) > 255 and len(shared) > 0.9 * count
    kinds = not one_value and (2 * several > count or bool(gaps and several and not numbered_anew))
    if kinds and soft:
        raise AnnotationError(
            "these masks have soft edges, whose greys are no objects and no classes", file=path,
            wanted="one value for each object, or black and white", got=f"many greys at the edges in {soft}",
            fix="save them without smoothing, as PNG and not as JPEG: white from half of the brightness on",
        )  # fmt: skip
    if (kinds or (one_value and several)) and not connected_components:
        raise AnnotationError(
            NO_OBJECTS,
            file=path,
            wanted="one value for each object (1, 2, 3, ...), or one file for each object",
            got=f"{example}: {'one value' if one_value else 'values that look like classes'}, in separate parts",
            fix="save one mask an object; or, where objects never touch, take each connected part for one: "
            "--connected-components (in Python connected_components=True)",
        )
    if gaps and not one_value and not kinds and not connected_components:
        told = ", ".join(map(str, sorted(shared)[:3])) + (", ..." if len(shared) > 3 else "")
        faults.remark(f"the values of the masks ({told}) were taken for the numbers of objects, not of classes")
    return BINARY if one_value and not noisy else KINDS if kinds or connected_components else IDS


def _ids(photo: FoundPhoto, mask: Mask, faults: Faults) -> np.ndarray | None:
    """The ids of a mask of its photo's size; others are not decoded."""
    size = mask_files.measured_mask(mask.path, faults, photo.name)
    return mask_files.read_ids(mask.path, faults, photo.name) if size in (photo.size, photo.size[::-1]) else None


def _from_ids(photo: FoundPhoto, masks: list[Mask], label: str, faults: Faults, connected_components: bool) -> Regions:
    """Each value but 0 is one object; with `connected_components` it is a class, and each component one object."""
    sizes = {mask_files.measured_mask(mask.path, faults, photo.name) for mask in masks}
    regions = Regions(faults, photo, stated=sizes.pop() if len(sizes) == 1 else None)
    for mask in masks:
        ids = _ids(photo, mask, faults)
        if ids is None:
            regions.saw()
            if sizes:  # several, so that Regions could not compare them
                own = "{} x {}, the photo's own".format(*photo.size)
                regions.fault(f'mask "{mask.path.name}"', "height x width", own, "another size",
                              "export that mask again at the photo's size")  # fmt: skip
            continue
        if (values := mask_files.count_values(ids)) > mask_files.MOST_VALUES or mask_files.noisy(ids):
            regions.lacks(f'mask "{mask.path.name}"', "values", "few, in areas of many pixels", f"{values:,}",
                          "save masks as PNG, not as JPEG")  # fmt: skip
            continue
        numbers, rows = mask_files.rows(ids)
        for row, number in enumerate(numbers):
            if not connected_components:
                regions.mask(number, mask.label or label, rows[row])
                continue
            components = mask_files.parts(rows[row])
            for part in range(len(components)):
                regions.mask(f"{number} part {part}", mask.label or str(number), components[part])
    return regions


def _from_files(
    photo: FoundPhoto, masks: list[Mask], label: str, faults: Faults, connected_components: bool
) -> Regions:
    """Each file is one object; with `connected_components`, each component of the file. A black one is left out."""
    regions = Regions(faults, photo)
    for mask in masks:
        name, size = mask.path.name, mask_files.measured_mask(mask.path, faults, photo.name)
        if size is None:
            regions.saw()
        elif size != photo.size:
            regions.lacks(f'mask "{name}"', "height x width", "{} x {}, the photo's own".format(*photo.size),
                          "{} x {}".format(*size), "export that mask again at the photo's size")  # fmt: skip
        else:
            drawn = mask_files.read_binary(mask.path, faults, photo.name)
            if drawn is None:
                regions.saw()
            elif not drawn.area.any():
                if len(masks) > 1:
                    faults.unused("black mask file")
            else:
                each = mask_files.parts(drawn) if connected_components else drawn
                for row in range(len(each)):
                    part = f" part {row}" if connected_components else ""
                    regions.mask(f'mask "{name}"{part}', mask.label or label, each[row])
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
    photos = {photo.stem: photo for photo in reversed(photos_below(root)) if folder not in photo.parents}
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
