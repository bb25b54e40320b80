"""Images in folders, and what the names of folders and files say: split, annotations, the data's own name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from maskwright.formats.links import scope, stays

IMAGE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp")
OTHER_ENDINGS = (".gif", ".avif", ".heic", ".jp2", ".ppm", ".pgm")  # found when named, then refused with a word
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "photos", "photo", "pictures", "data", "JPEGImages", "PNGImages")
LABEL_FOLDERS = ("annotations", "annotation", "annots", "annot", "ann", "anns", "labels", "label", "json", "xml",
                 "xmls", "via", "coco", "csv", "bboxes")  # fmt: skip
SPLIT_FOLDERS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
                 "test": "test", "testing": "test"}  # fmt: skip
MASK_FOLDERS = ("masks", "mask", "pedmasks", "instance_masks", "labels_masks", "gt", "ground_truth", "groundtruth",
                "segmentation", "segmentations", "segmentationclass", "segmentationobject")  # fmt: skip
_SPLIT_WORD = re.compile(r"(?<![a-z])(train|training|val|valid|validation|test|testing)(?![a-z])", re.IGNORECASE)
_PLAIN = {name.casefold() for name in IMAGE_FOLDERS} | {"set", "dataset", "split", "jpg", "png", "coco", "voc"}
_MOST_FILES = 500_000


def images_in(folder: Path) -> list[Path]:
    """Images directly in the folder, by name; hidden files and links that lead out of the folder are left out."""
    images = (path for path in images_here(folder) if path.name.lower().endswith(IMAGE_ENDINGS))
    return sorted(images, key=lambda path: path.name)


def images_below(folder: Path) -> list[Path]:
    """Images in the folder and in all folders below it, by path."""
    return sorted(path for path in all_below(folder) if path.name.lower().endswith(IMAGE_ENDINGS))


def data_root(path: Path) -> Path:
    """The folder in which an annotation file's images may lie: its own, or one above where that holds no images.

    The way up goes through folders of annotations only; of a folder that was named as a whole, no further than there.

    party/via.json -> party; party/annotations/train/instances.json -> party
    """
    folder = path if path.is_dir() else path.parent
    current = scope()
    top = current.folder if current and current.whole and current.folder in (folder, *folder.parents) else None
    root = folder
    while next(all_below(root), None) is None and root.parent != root and root != top:
        labels = is_label_folder(root.name) or is_label_folder(root.parent.name)
        if not labels and (top is None or folder_word(root.name)):
            return folder
        root = root.parent
    return root


_NO_NAMES = {*SPLIT_FOLDERS, *LABEL_FOLDERS, *(name.casefold() for name in IMAGE_FOLDERS), "dataset", "datasets"}


def data_name(path: Path) -> str:
    """How people call the data: the nearest folder with a name of its own, without "_via", "-dataset" and the like.

    data/balloon/train -> balloon; corrosion_via/via_region_data.json -> corrosion; nothing fit -> object
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 (pathlib keeps "..", which is no name)
    for folder in [path, *path.parents] if path.is_dir() else path.parents:
        if folder.name.casefold() in _NO_NAMES:
            continue
        bare = re.sub(r"([ _-]+(via\d?|coco|voc|dataset|data ?set|data|annotations?|images|photos))+$", "", folder.name,
                      flags=re.IGNORECASE)  # fmt: skip
        return bare or folder.name or "object"
    return "object"


# --- words in names of folders and files --------------------------------------------------------------
@lru_cache(maxsize=1024)
def folder_word(name: str) -> str | None:
    """The split that a folder's name says by itself: "train2017" and "Test_Images" do, "my_test_stand" does not."""
    words = re.findall(r"[^\W\d_]+", name.casefold())
    splits = {SPLIT_FOLDERS[word] for word in words if word in SPLIT_FOLDERS}
    others = [word for word in words if word not in SPLIT_FOLDERS and word not in _PLAIN]
    return splits.pop() if len(splits) == 1 and not others else None


def folder_split(path: Path, root: Path) -> str | None:
    """The split of the first folder below `root` on the way to `path` that names one."""
    return _split_of(path.parent, root)


@lru_cache(maxsize=1024)  # asked for every image, and many lie in one folder
def _split_of(folder: Path, root: Path) -> str | None:
    try:
        above = folder.relative_to(root).parts
    except ValueError:
        return None
    return next((word for part in above if (word := folder_word(part))), None)


def split_word(path: Path) -> str | None:
    """instances_val2017.json -> "val"; None where the name holds none of the words, or several."""
    words = {SPLIT_FOLDERS[word.lower()] for word in _SPLIT_WORD.findall(path.stem)}
    return words.pop() if len(words) == 1 else None


def file_split(path: Path, root: Path, near: Path) -> str | None:
    """The split that an annotation file speaks of, by its own name or by a folder between it and `root`."""
    own = split_word(path) if path != root and path != near else None
    return own or folder_split(near / "any", root)


def is_label_folder(name: str) -> bool:
    """A folder of annotations by one of the words in its name: "Annotations", "coco_annotations"."""
    return any(word in LABEL_FOLDERS for word in re.findall(r"[^\W\d_]+", name.casefold()))


def images_here(folder: Path) -> list[Path]:
    """Images directly in the folder, those that are only found when named (.gif, .heic) among them; unsorted."""
    return list(_images(folder))


def any_image_here(folder: Path) -> Path | None:
    """Any one of them; None where there is none."""
    return next(_images(folder), None)


def _images(folder: Path) -> Iterator[Path]:
    try:
        if not stays(folder, folder):
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if _is_image(entry, folder):
                    yield Path(entry.path)
    except OSError:
        return


def _is_image(entry: os.DirEntry[str], folder: Path) -> bool:
    if entry.name.startswith(".") or not entry.name.lower().endswith(IMAGE_ENDINGS + OTHER_ENDINGS):
        return False
    try:
        return entry.is_file() and (not entry.is_symlink() or stays(Path(entry.path), folder))
    except OSError:  # a link that leads in a circle
        return False


def folders_in(above: Path) -> list[Path]:
    """Sub-folders by name, without hidden ones and links that lead out."""
    try:
        with os.scandir(above) as entries:
            inside = sorted(
                Path(entry.path) for entry in entries if not entry.name.startswith(".") and is_folder(entry)
            )
    except OSError:
        return []
    return [path for path in inside if not os.path.islink(path) or stays(path, above)]  # noqa: PTH114 (never raises)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """A folder, or a link to one; of nearly all entries the listing itself says so."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def all_below(folder: Path) -> Iterator[Path]:
    """Images of the folder and all folders below, each folder once, however many links lead to it."""
    seen, number, waiting = set(), 0, [folder]
    whole = os.path.realpath(folder)
    while waiting:
        above = waiting.pop()
        real = os.path.realpath(above)
        linked = above != folder and os.path.islink(above)  # noqa: PTH114
        if real in seen or (linked and (real + os.sep).startswith(whole + os.sep)):  # comes, or came, by its own way
            continue
        seen.add(real)
        for path in images_here(above):
            number += 1
            if number > _MOST_FILES:
                return
            yield path
        waiting += reversed(folders_in(above))
