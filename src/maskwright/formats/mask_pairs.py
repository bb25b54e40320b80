"""Which mask belongs to which image, by folders and names; and the class, where a folder or a name tells it.

Beside       images/a.jpg with masks/a.png, a_mask.png, a_0.png or a/0.png; train_images/ with train_masks/
Own folder   a/images/a.png with a/masks/*.png
Side by side a.jpg with a_mask.png in one folder, or a.jpg with a.png
Classes      masks/cat/a.png, or masks/a_cat_0.png where every such class is on two images or more

A mask is never given to an image on a guess: where several images have the name, the folders above must agree; a
folder of masks that is called like a folder of images (masks/train, images/train) belongs to that one alone; and where
one is called so, the others are no classes, but masks of images that are not there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from maskwright.formats import mask_files
from maskwright.formats.listing import IMAGE_ENDINGS, all_below, images_here
from maskwright.formats.naming import folded
from maskwright.formats.reading import SPLIT_FOLDERS, Head, images_below, images_in
from maskwright.issues import Issue, Kind

CLASSES_FROM_MASK_NAMES = Kind("classes_from_mask_names", "info", "the classes were taken from the names of the masks")
CLASSES_FROM_MASK_FOLDERS = Kind(
    "classes_from_mask_folders", "info", "the classes were taken from the folders of the masks"
)
CLASSES_FROM_FOLDERS = Kind("classes_from_folders", "info", "the classes were taken from the folders")

MASK_FOLDERS = {
    "pedmasks": "pedestrian", "masks": "", "mask": "", "instance_masks": "", "instances": "", "gt": "",
    "ground_truth": "", "groundtruth": "", "labels_masks": "", "segmentation": "", "segmentations": "",
}  # fmt: skip
"""Folders of masks, and the class of what is in them where the name tells it."""
MASK_WORDS = {"mask", "masks", "gt", "seg", "segmentation", "segmentations", "groundtruth"}
LABEL_WORDS = {"label", "labels", "annotation", "annotations", "ann", "anns", "annot", "annots"}
"""Folders of masks only if nothing but pictures is in them: text there is of another format."""
IMAGE_WORDS = {"image", "images", "img", "imgs", "photo", "photos", "pic", "pics", "picture", "pictures",
               "input", "inputs"}  # fmt: skip
NO_CLASS = {"png", "all", "masks", "mask", "instances", "instance", "images", "imgs", "img", "labels", "label", "gt",
            "output", "ids", "binary"}  # fmt: skip
MARKS = re.compile(r"[ _.-]?(mask|masks|gt|label|labels|instance|instances|seg|segmentation)$", re.IGNORECASE)
NUMBER = re.compile(r"[ _.-](mask)?\d+$", re.IGNORECASE)
CLASS_IN_NAME = re.compile(r"[ _.-](?P<label>[^\W\d_][^\d_.]*)[ _.-]\d+$")
TEXTS = (".json", ".xml", ".csv", ".txt")
TAKEN = (".jpg", ".jpeg", ".jpe", ".jfif")  # endings of images in pairs of one name; the mask has another


@dataclass(frozen=True)
class Mask:
    """label: the class that its folder or name tells, or ""."""

    path: Path
    label: str = ""


@dataclass
class Pairs:
    """images     (path, masks, split) of each image; no masks: nobody has drawn on it
    unfit      masks that fit no image
    aside      folders of images for which there is no folder of masks
    where      half a sentence: where the masks lie
    class_of   the class that the folder's name tells, or ""
    one_each   one file an object, even where an image has a single one
    mirrored   sub-folders of masks that are called like those of the images, and were not taken for classes
    classes_from  how classes were found, as an issue; or None
    certainty  how sure the layout is
    """

    where: str
    images: list[tuple[Path, list[Mask], str | None]] = field(default_factory=list)
    unfit: list[Path] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    class_of: str = ""
    one_each: bool = False
    mirrored: set[str] = field(default_factory=set)
    classes_from: Issue | None = None
    certainty: float = 0.8

    @property
    def fit(self) -> int:
        """How many masks have an image."""
        return sum(len(masks) for _, masks, _ in self.images)


def find(head: Head) -> Pairs | None:
    """The images of a folder with their masks; None where no masks are recognized."""
    if "labelme_json" in head.folders:  # what labelme_json_to_dataset leaves: classes stand in its YAML files
        return None
    folders = _mask_folders(head)
    if folders:
        return _beside(head, folders)
    return _own_folders(head) or _side_by_side(head)


# --- folders of masks -------------------------------------------------------------------------------
def _words(name: str) -> list[str]:
    """ "train_masks", "TrainMasks" -> ["train", "masks"]."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    joined = re.sub(r"ground[\W_]*truth", "groundtruth", apart, flags=re.IGNORECASE)
    return [word.casefold() for word in re.split(r"[\W_]+", joined) if word]


def _rest(name: str, kind: set[str]) -> str | None:
    """What is left of a folder's name without its words of this kind: train_masks -> "train"; None without any."""
    words = _words(name)
    left = [word for word in words if word not in kind]
    return " ".join(left) if len(left) < len(words) else None


def _mask_folders(head: Head) -> dict[str, tuple[str, float]]:
    """Name of each folder of masks -> (the rest of its name, how sure that is)."""
    plain = {name: ("", 0.8) for name in head.folders if name.casefold() in MASK_FOLDERS}
    if plain:
        return dict(list(plain.items())[:1])
    found = {}
    for kind, certainty in ((MASK_WORDS, 0.8), (LABEL_WORDS, 0.45)):
        for name in head.folders:
            rest = _rest(name, kind)
            if rest is not None and (not rest or _image_folders(head, rest)) and not _texts(head.child(name)):
                found[name] = (rest, certainty)
        if found:
            return found
    return {}


def _texts(head: Head) -> bool:
    return bool(head.files(*TEXTS)) or any(head.child(name).files(*TEXTS) for name in head.folders[:3])


def _image_folders(head: Head, rest: str) -> list[Path]:
    """train_images for the rest "train"; every folder of images for ""."""
    own = [head.path / name for name in head.folders if _rest(name, IMAGE_WORDS) == rest]
    return own or [head.path / name for name in head.folders if rest and " ".join(_words(name)) == rest]


def _beside(head: Head, folders: dict[str, tuple[str, float]]) -> Pairs | None:
    listed = " and ".join(f'"{name}"' for name in folders)
    pairs = Pairs(f"masks lie in {listed} beside the images", certainty=min(sure for _, sure in folders.values()))
    every = {name: _masks_below(head.path / name, head.path) for name in folders}
    taken = {mask for masks in every.values() for mask in masks}
    for name, (rest, _) in folders.items():
        roots = _image_folders(head, rest) if rest else [head.path]
        images = [image for root in roots for image in images_below(root) if image not in taken]
        if rest == "" and len(folders) > 1:
            continue
        _join(pairs, images, every[name], head.path / name, SPLIT_FOLDERS.get(rest))
    pairs.class_of = MASK_FOLDERS.get(next(iter(folders)).casefold(), "")
    seen = {image for image, _, _ in pairs.images} | taken
    pairs.aside = [name for name in head.folders if name not in folders and (images := images_below(head.path / name))
                   and seen.isdisjoint(images)]  # fmt: skip
    if not pairs.images or not (pairs.fit or pairs.unfit):
        return None
    return pairs


def _masks_below(folder: Path, data: Path) -> list[Path]:
    """Pictures in a folder of masks and below; not those to which a link leads elsewhere in the data: images."""
    pictures = _pictures_below(folder)
    own, whole = folder.resolve(), data.resolve()
    where = {above: above.resolve() for above in {picture.parent for picture in pictures}}
    strange = {above for above, real in where.items() if real.is_relative_to(whole) and not real.is_relative_to(own)}
    return [picture for picture in pictures if picture.parent not in strange]


def _pictures_below(folder: Path) -> list[Path]:
    """Images and other pictures, such as GIF: a mask of a kind that is not read is a fault, not an absent mask."""
    return sorted(all_below(folder))


def _join(pairs: Pairs, images: list[Path], masks: list[Path], folder: Path, split: str | None) -> None:
    """Give each mask to its image."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for image in images:
        by_stem[folded(image.stem)].append(image)
    parents = {image.parent.name.casefold() for image in images}
    tops = {way.parts[0].casefold() for mask in masks if len((way := mask.relative_to(folder)).parts) > 1}
    mirrors = {top for top in tops & parents if top not in SPLIT_FOLDERS and top not in NO_CLASS}
    given: dict[Path, list[Mask]] = defaultdict(list)
    left = []
    for mask in masks:
        stem = _image_stem(mask, by_stem.keys())
        image = None if stem is None else _one_image(mask, by_stem[stem], folder, parents, mirrors)
        if image is None:
            left.append(mask)
        else:
            given[image].append(Mask(mask, _folder_class(mask, folder, by_stem.keys(), parents)))
    for mask, image, label in _named_classes(left, by_stem):
        left.remove(mask)
        given[image].append(Mask(mask, label))
        pairs.one_each = True
        pairs.classes_from = CLASSES_FROM_MASK_NAMES()
    if any(mask.label for several in given.values() for mask in several) and pairs.classes_from is None:
        pairs.classes_from = CLASSES_FROM_MASK_FOLDERS()
    above = {mask.path.parent.name for several in given.values() for mask in several if mask.path.parent != folder}
    pairs.mirrored |= {name for name in above if name.casefold() in parents and name.casefold() not in SPLIT_FOLDERS}
    pairs.unfit += left
    pairs.images += [(image, sorted(given[image], key=_by_number), split) for image in images]


def _image_stem(mask: Path, stems: Iterable[str]) -> str | None:
    """a.png, a_mask.png, a_3.png, a.jpg.png, a/3.png -> "a", where there is an image of this stem; the longest fit
    first."""
    stems = set(stems) if not isinstance(stems, set | dict) and not hasattr(stems, "isdisjoint") else stems
    stem = folded(mask.stem)
    bare = MARKS.sub("", stem)
    whole = next((stem.removesuffix(ending) for ending in IMAGE_ENDINGS if stem.endswith(ending)), stem)
    for name in (stem, whole, bare, NUMBER.sub("", stem), MARKS.sub("", NUMBER.sub("", stem)), NUMBER.sub("", bare)):
        if name in stems:
            return name
    above = folded(mask.parent.name)
    return above if above in stems else None


def _one_image(mask: Path, images: list[Path], folder: Path, parents: set[str], mirrors: set[str]) -> Path | None:
    """The one image of this name that the folders allow; None where that is nobody, or several."""
    above = [part.casefold() for part in mask.relative_to(folder).parts[:-1]]
    if mirrors and (not above or above[0] not in mirrors | SPLIT_FOLDERS.keys()):
        return None
    bound = {part for part in above if part in parents or part in SPLIT_FOLDERS}

    def agrees(image: Path) -> bool:
        theirs = {part.casefold() for part in image.parts[-4:-1]}
        return all(part in theirs for part in bound)

    fitting = [image for image in images if agrees(image)]
    return fitting[0] if len(fitting) == 1 else None


def _folder_class(mask: Path, folder: Path, stems: Iterable[str], parents: set[str]) -> str:
    """masks/cat/a.png -> "cat"; "" where the folder is one of an image, of a split, or called like one of images."""
    name = mask.parent.name
    folded = name.casefold()
    ordinary = folded in stems or folded in parents or folded in SPLIT_FOLDERS or folded in NO_CLASS
    return "" if mask.parent == folder or ordinary or not any(map(str.isalpha, name)) else name.strip()


def _named_classes(masks: list[Path], by_stem: dict[str, list[Path]]) -> list[tuple[Path, Path, str]]:
    """p1_dog_0.png -> (the mask, p1.jpg, "dog"); [] where not every class is on two images or more."""
    found = []
    for mask in masks:
        match = CLASS_IN_NAME.search(mask.stem)
        images = by_stem.get(folded(mask.stem[: match.start()]), []) if match else []
        if match and len(images) == 1:
            found.append((mask, images[0], match["label"].strip()))
    where: dict[str, set[Path]] = defaultdict(set)
    for _, image, label in found:
        where[label].add(image)
    return found if found and min(map(len, where.values())) > 1 else []


def _by_number(mask: Mask) -> tuple[int, str]:
    """a_2.png before a_10.png."""
    digits = re.search(r"(\d+)$", mask.path.stem)
    return (int(digits[1]) if digits and len(digits[1]) < 10 else 0, mask.path.name)


# --- a folder an image, or no folder at all ----------------------------------------------------------
def _own_folders(head: Head) -> Pairs | None:
    """<id>/images and <id>/masks: one image each."""
    pairs = Pairs("each image has a folder with images and masks", one_each=True, certainty=0.9)
    if not any("images" in head.child(name).folders for name in head.folders[:3]):
        return None
    for name in head.folders:
        child = head.child(name)
        masks = next((folder for folder in child.folders if folder.casefold() in MASK_FOLDERS), None)
        drawn = [] if masks is None else [Mask(mask) for mask in sorted(images_here(child.path / masks))]
        images = images_in(child.path / "images")
        if len(images) > 1 and drawn:  # a dataset of its own, such as train/images and train/masks
            return None
        if name.casefold() in SPLIT_FOLDERS and not any(folded(image.stem) == name.casefold() for image in images):
            return None
        pairs.images += [(image, drawn, None) for image in images]
    return pairs if pairs.fit else None


def _side_by_side(head: Head) -> Pairs | None:
    """a.jpg with a_mask.png, or with a.png, in the folder itself or in folders that are classes."""
    pairs = Pairs("masks lie beside their images, in one folder", certainty=0.45)
    inside = {}
    if not head.images:
        for name in head.folders:
            if name.casefold() not in SPLIT_FOLDERS:
                child = head.child(name)
                deeper = next((folder for folder in child.folders if _rest(folder, IMAGE_WORDS) == ""), None)
                inside[name] = child.path if child.images or deeper is None else child.path / deeper
    labels = {path: name for name, path in inside.items() if images_in(path)} or {head.path: ""}
    for path, label in labels.items():
        pictures = sorted(images_here(path))
        stems = {folded(picture.stem) for picture in pictures if picture.suffix.lower() in TAKEN}
        every = {folded(picture.stem) for picture in pictures}
        given: dict[str, list[Mask]] = defaultdict(list)
        for picture in pictures:
            bare = MARKS.sub("", NUMBER.sub("", folded(picture.stem)))
            if bare != NUMBER.sub("", folded(picture.stem)) and bare in every:
                given[bare].append(Mask(picture, label if len(labels) > 1 else ""))
            elif picture.suffix.lower() not in TAKEN and folded(picture.stem) in stems:
                given[folded(picture.stem)].append(Mask(picture, label if len(labels) > 1 else ""))
        masks = {mask.path for several in given.values() for mask in several}
        images = [picture for picture in images_in(path) if picture not in masks]
        pairs.images += [(image, sorted(given[folded(image.stem)], key=_by_number), None) for image in images]
    drawn = [mask.path for _, masks, _ in pairs.images for mask in masks]
    if 2 * sum(bool(masks) for _, masks, _ in pairs.images) < len(pairs.images) or not drawn:
        return None
    if not all(map(mask_files.drawn, drawn[:: max(1, len(drawn) // 3)][:3])):
        return None
    pairs.classes_from = CLASSES_FROM_FOLDERS() if len(labels) > 1 else None
    return pairs
