"""Masks as pictures: one picture of object ids an image, or one black-and-white picture an object.

Looks like   PNGImages/a.png with PedMasks/a_mask.png: 0 background, 1, 2, ... the objects (Penn-Fudan)
             <id>/images/<id>.png with <id>/masks/*.png: one file an object (Data Science Bowl 2018)
             a.png with masks/a_0.png, a_1.png, ..., or masks/a/*.png; more layouts in mask_pairs.py
Known by     a folder of masks beside the images
Holds        masks with holes and parts; classes in folders of masks (masks/cat/a.png) and in names of masks
             (a_cat_0.png)
Cannot hold  scores, crowd; empty-versus-unlabeled. An image without any mask file is unlabeled
In the wild  0 and 1 instead of 0 and 255 (any value but 0 belongs); RGB or palette masks; ids 100 and 200; objects in
             black on white (refused); GIFs; several frames or pages, 16-bit color (faults); a mask of
             another size (a fault, never stretched, refused by its header); masks that fit no image (counted); an image
             or a JPEG among the masks; semantic pictures that say what but not which: refused, unless each connected
             component is to be one object (`connected_components=True`; their classes by mask_names.py)
Class        "pedestrian" for PedMasks; else the name of the data's folder
Source       Penn-Fudan's readme; the pages of the Data Science Bowl 2018
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maskwright.errors import AnnotationError, DatasetError
from maskwright.formats import mask_files, mask_names, mask_pairs
from maskwright.formats.mask_names import MaskNames
from maskwright.formats.mask_pairs import Mask, Pairs
from maskwright.formats.reading import (
    Draft,
    Evidence,
    Faults,
    FoundImage,
    Head,
    Regions,
    assemble,
    data_name,
    measured,
    natural,
)
from maskwright.formats.shapes import STUFF_UNUSED
from maskwright.issues import Kind
from maskwright.types import Dataset

MASKS_UNFIT = Kind(
    "masks_unfit", "warning", "{count} mask fits no image and was left out: {files:3}",
    "{count} masks fit no image and were left out: {files:3}",
)  # fmt: skip
FOLDERS_WITHOUT_MASKS = Kind(
    "folders_without_masks", "warning",
    "folders of images without a folder of masks were not read: {folders:3}",
)  # fmt: skip
FOLDERS_ARE_NO_CLASSES = Kind(
    "folders_are_no_classes", "warning",
    "folders of images and masks of equal names ({folders:3}) were not taken for classes",
)  # fmt: skip
VALUES_ARE_OBJECTS = Kind(
    "values_are_objects", "warning",
    "the values of the masks ({values:3}) were taken for the numbers of objects, not of classes",
)  # fmt: skip
BLACK_MASKS_UNUSED = Kind(
    "black_masks_unused", "warning", "{count} black mask file cannot be used here: left out",
    "{count} black mask files cannot be used here: left out",
)  # fmt: skip
MASKS_NOT_ON_BLACK = Kind(
    "masks_not_on_black", "warning",
    "{count} mask has one value but black nearly all around the edge, which was taken for an object: {files:3}",
    "{count} masks have one value but black nearly all around the edge, which was taken for an object: {files:3}",
)  # fmt: skip

IDS, BINARY, KINDS = "ids", "binary", "kinds"
LOOKED_AT = 40  # masks that tell what the values mean
NO_OBJECTS = "these masks say what each pixel is, but not which object it belongs to"

Pair = tuple[FoundImage, list[Mask], str | None]


def sniff(head: Head) -> Evidence | None:
    if not head.is_folder:
        return None
    pairs = mask_pairs.find(head)
    if pairs is None or _tracks(pairs):
        return None
    if not pairs.fit:
        return Evidence(pairs.certainty, f"none of its {len(pairs.unfit)} masks is called like an image", dataset=False)
    return Evidence(pairs.certainty, pairs.where)


def _tracks(pairs: Pairs) -> bool:
    """Masks of KITTI MOTS, whose values are classes and numbers of objects."""
    masks = [mask.path for _, several, _ in pairs.images for mask in several]
    return all("instances" in mask.parts for mask in masks[:1]) and mask_files.numbers_tracks(masks[:5])


def read(path: Path, faults: Faults, connected_components: bool = False) -> Dataset:
    """`connected_components`: the masks are semantic (or one for all objects), each component is one object."""
    head = Head(path)
    found = mask_pairs.find(head)
    if found is None:
        raise DatasetError("no masks beside images", file=path, expected="a folder masks beside a folder images",
                           got=", ".join(head.folders[:8]) or "no sub-folders")  # fmt: skip
    _report_unfit(found, path, faults)
    pairs: list[Pair] = []
    for picture, masks, split in found.images:
        image = measured(picture, faults, picture.relative_to(path).as_posix())
        if image is not None:
            pairs.append((image, masks, split))
    _refuse_exchanged(pairs, path)
    label = found.class_of or data_name(path)
    kind = BINARY if _one_file_an_object(found) else _kind(pairs, faults, path, connected_components)
    drafts = []
    kinds = mask_names.find(path) if connected_components and kind == KINDS else None
    grounds: dict[Path, int] = {}
    for image, masks, split in pairs:
        if not masks:
            regions = None
        elif kind == BINARY:
            regions = _from_files(image, masks, label, faults, connected_components, grounds)
        else:
            regions = _from_ids(image, masks, label, faults, kinds, grounds)
        drafts.append(Draft(image, regions, split=split))
    _report_grounds(grounds, path, faults)
    if kinds is not None:
        _report_names(kinds, drafts, faults)
    names = {item for draft in drafts if draft.regions for item in draft.regions.labels}
    classes = sorted(names) if kind == KINDS or found.classes_from else [label]
    return assemble(data_name(path), classes, drafts, "mask_images", faults)


def _report_unfit(found: Pairs, path: Path, faults: Faults) -> None:
    """Masks that fit no image are counted by name; where none fits, it is an error."""
    names = ", ".join(mask.name for mask in found.unfit[:3]) + (", ..." if len(found.unfit) > 3 else "")
    if not found.fit:
        image = found.images[0][0]
        duplicates = [
            item.relative_to(path).as_posix() for item, _, _ in found.images if item.stem == found.unfit[0].stem
        ]
        if len(duplicates) > 1:
            raise AnnotationError("a mask may belong to several images", file=found.unfit[0], field="masks",
                                  expected="one image of its name", got=", ".join(duplicates),
                                  fix="rename them, or put their masks into folders called as theirs")  # fmt: skip
        raise AnnotationError("none of the masks is called like an image", file=path, field="masks",
                              expected=f"a mask such as {image.stem}.png or {image.stem}_mask.png for {image.name}",
                              got=names, fix="rename the masks as their images are called")  # fmt: skip
    if found.unfit:
        faults.report(MASKS_UNFIT(count=len(found.unfit), files=[mask.name for mask in found.unfit]))
    if found.aside:
        faults.report(FOLDERS_WITHOUT_MASKS(folders=found.aside))
    if len(found.mirrored) > 1:
        faults.report(FOLDERS_ARE_NO_CLASSES(folders=sorted(found.mirrored)))
    if found.classes_from is not None:
        faults.report(found.classes_from)


def _report_grounds(grounds: dict[Path, int], path: Path, faults: Faults) -> None:
    """Masks drawn on another value than 0, white most often: refused where most are, named where some are.

    grounds  for each mask that was read the value on which it is drawn (mask_files.ground)
    """
    inverted = [mask for mask, value in grounds.items() if value]
    if not inverted:
        return
    names = ", ".join(mask.name for mask in inverted[:3]) + (", ..." if len(inverted) > 3 else "")
    if 2 * len(inverted) > len(grounds) and not faults.allow_faulty:
        raise AnnotationError(
            "these masks are not drawn on black", file=path, field="masks", expected="0 (black) where no object is",
            got=f"another value nearly all around the edge of {len(inverted)} of {len(grounds)}: {names}",
            fix="make what is no object black (exchange black and white); where an object does fill the image to its "
            "edges, --allow-faulty",
        )  # fmt: skip
    faults.report(MASKS_NOT_ON_BLACK(count=len(inverted), files=[mask.name for mask in inverted]))


def _refuse_exchanged(pairs: list[Pair], path: Path) -> None:
    """The images are drawn, and the masks are not: small images would give thousands of objects."""
    several = [(image, masks[0].path) for image, masks, _ in pairs if masks]
    several = several[:: max(1, len(several) // 3)][:3]
    sized = [mask for image, mask in several if mask_files.measured_mask(mask, Faults(path), image.name) == image.size]
    taken = [mask_files.value_fractions(mask) for mask in sized]
    if not sized or any(fractions is None or fractions[:8].sum() > 0.5 for fractions in taken):
        return
    drawn = [mask_files.value_fractions(image.path) for image, _ in several]
    if all(fractions is not None and len(fractions) > 1 and fractions[:8].sum() > 0.9 for fractions in drawn):
        image, mask = several[0]
        raise AnnotationError("images and masks are exchanged", file=path, field="masks",
                              expected="masks of few colors, images of many",
                              got=f"{mask.name} of many colors, as the mask of {image.name}, which is of few",
                              fix="exchange the names of their folders")  # fmt: skip


def _one_file_an_object(found: Pairs) -> bool:
    """An image with two masks of one class shows it, even for images with a single one."""
    return found.one_each or any(len({mask.label for mask in masks}) < len(masks) for _, masks, _ in found.images)


# --- what the values mean ---------------------------------------------------------------------------
def _kind(pairs: list[Pair], faults: Faults, path: Path, connected_components: bool) -> str:
    """One mask an image: does a value say which object (IDS), what kind of thing (KINDS), or that it is one (BINARY)?

    Values that fall apart into several parts are kinds, where most do, or where the values have gaps (48, 196) and
    come again on other images. Kinds, and black and white with several parts, are refused unless every connected
    component is to be an object. A value in one part is one object, whatever its number.
    """
    count = several = gaps = 0
    shared: set[int] = set()
    example, noisy, mask_probs = "", False, ""
    masks = [(image, mask) for image, masks, _ in pairs for mask in masks]
    looked_at = masks[:: max(1, len(masks) // LOOKED_AT)]
    for image, mask in looked_at:
        ids = _ids(image, mask, Faults(path))
        if ids is None:
            continue
        if (values := mask_files.count_values(ids)) > mask_files.MOST_VALUES or mask_files.noisy(ids):
            if faults.allow_faulty:  # put aside later, with its image
                noisy = True
                continue
            raise AnnotationError(
                "this picture is no mask", file=mask.path, expected="few values, in areas of many pixels",
                got=f"{values:,} values, as an image or the noise of a JPEG has",
                fix="take it out of the folder of masks; masks are saved as PNG",
            )  # fmt: skip
        numbers, parts = mask_files.parts_of_ids(ids)
        shared.update(numbers)
        mask_probs = mask_probs or (mask.path.name if mask_files.soft_edged(ids) else "")
        count += len(numbers)
        apart = sum(number > 1 for number in parts)
        several += apart
        example = example or (mask.path.name if apart else "")
        gaps += bool(numbers) and numbers[-1] > 2 * len(numbers) + 2
    one_value = len(shared) <= 1
    # Colors or 16 bits, other values on each image: numbers of objects, one of which may be in two parts.
    numbered_anew = len(looked_at) > 1 and max(shared, default=0) > 255 and len(shared) > 0.9 * count
    kinds = not one_value and (2 * several > count or bool(gaps and several and not numbered_anew))
    if kinds and mask_probs:
        raise AnnotationError(
            "these masks have soft edges, whose grays are no objects and no classes", file=path,
            expected="one value for each object, or black and white", got=f"many grays at the edges in {mask_probs}",
            fix="save them without smoothing, as PNG and not as JPEG: white from half of the brightness on",
        )  # fmt: skip
    if (kinds or (one_value and several)) and not connected_components:
        raise AnnotationError(
            NO_OBJECTS,
            file=path,
            expected="one value for each object (1, 2, 3, ...), or one file for each object",
            got=f"{example}: {'one value' if one_value else 'values that look like classes'}, in separate parts",
            fix="save one mask an object; or, where objects never touch, take each connected part for one: "
            "--connected-components (in Python connected_components=True)",
        )
    if gaps and not one_value and not kinds and not connected_components:
        faults.report(VALUES_ARE_OBJECTS(values=sorted(shared)))
    return BINARY if one_value and not noisy else KINDS if kinds or connected_components else IDS


def _ids(image: FoundImage, mask: Mask, faults: Faults) -> np.ndarray | None:
    """The ids of a mask of its image's size; others are not decoded."""
    size = mask_files.measured_mask(mask.path, faults, image.name)
    return mask_files.read_ids(mask.path, faults, image.name) if size in (image.size, image.size[::-1]) else None


def _from_ids(
    image: FoundImage,
    masks: list[Mask],
    label: str,
    faults: Faults,
    kinds: MaskNames | None,
    grounds: dict[Path, int],
) -> Regions:
    """Each value but 0 is one object; with `kinds` it is a class, and each connected component one object."""
    sizes = {mask_files.measured_mask(mask.path, faults, image.name) for mask in masks}
    regions = Regions(faults, image, stated=sizes.pop() if len(sizes) == 1 else None)
    for mask in masks:
        ids = _ids(image, mask, faults)
        if ids is None:
            regions.saw()
            if sizes:  # several, so that Regions could not compare them
                own = "{} x {}, the image's own".format(*image.size)
                regions.fault(f'mask "{mask.path.name}"', "height x width", own, "another size",
                              "export that mask again at the image's size")  # fmt: skip
            continue
        if (values := mask_files.count_values(ids)) > mask_files.MOST_VALUES or mask_files.noisy(ids):
            regions.lacks(f'mask "{mask.path.name}"', "values", "few, in areas of many pixels", f"{values:,}",
                          "save masks as PNG, not as JPEG")  # fmt: skip
            continue
        grounds[mask.path] = mask_files.ground(ids)
        numbers, rows = mask_files.rows(ids)
        for row, number in enumerate(numbers):
            if kinds is None:
                regions.mask(number, mask.label or label, rows[row])
                continue
            components = mask_files.parts(rows[row])
            if number in kinds.left_out:
                faults.count(STUFF_UNUSED, len(components))
                continue
            for part in range(len(components)):
                kind = mask.label or kinds.names.get(number, str(number))
                regions.mask(f"{number} part {part}", kind, components[part])
    return regions


def _report_names(kinds: MaskNames, drafts: list[Draft], faults: Faults) -> None:
    """Where the names of the values come from, and which values have none."""
    if not kinds.file:
        return
    used = {label for draft in drafts if draft.regions is not None for label in draft.regions.labels}
    faults.report(mask_names.NAMES_OF_VALUES(file=kinds.file))
    unnamed = sorted(used - {*kinds.names.values()}, key=natural)
    if unnamed:
        faults.report(mask_names.VALUES_UNNAMED(file=kinds.file, count=len(unnamed), values=unnamed))


def _from_files(
    image: FoundImage,
    masks: list[Mask],
    label: str,
    faults: Faults,
    connected_components: bool,
    grounds: dict[Path, int],
) -> Regions:
    """Each file is one object; with `connected_components`, each component of the file. A black one is left out."""
    regions = Regions(faults, image)
    for mask in masks:
        name, size = mask.path.name, mask_files.measured_mask(mask.path, faults, image.name)
        if size is None:
            regions.saw()
        elif size != image.size:
            regions.lacks(f'mask "{name}"', "height x width", "{} x {}, the image's own".format(*image.size),
                          "{} x {}".format(*size), "export that mask again at the image's size")  # fmt: skip
        else:
            drawn = mask_files.read_binary(mask.path, faults, image.name)
            if drawn is None:
                regions.saw()
            elif not drawn.area.any():
                if len(masks) > 1:
                    faults.count(BLACK_MASKS_UNUSED)
            else:
                full = bool(drawn.area[0] == size[0] * size[1])  # white all over, or gray objects on white
                ids = mask_files.read_ids(mask.path, faults, image.name) if full else drawn.dense()[0]
                grounds[mask.path] = 0 if ids is None else mask_files.ground(ids)
                objects = mask_files.parts(drawn) if connected_components else drawn
                for row in range(len(objects)):
                    part = f" part {row}" if connected_components else ""
                    regions.mask(f'mask "{name}"{part}', mask.label or label, objects[row])
    return regions
