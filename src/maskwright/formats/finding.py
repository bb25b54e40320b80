"""Where the photos lie that an annotation file names: beside it, in the usual sub-folders, then anywhere below."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from maskwright.errors import DatasetError, PhotoError
from maskwright.files import contained
from maskwright.formats.faults import Faults
from maskwright.photos.decode import measure

PHOTO_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp")
OTHER_ENDINGS = (".gif", ".avif", ".heic", ".jp2", ".ppm", ".pgm")  # found when named, then refused with a word
PHOTO_FOLDERS = ("images", "image", "imgs", "img", "photos", "photo", "pictures", "data", "JPEGImages", "PNGImages")
LABEL_FOLDERS = ("annotations", "annotation", "annots", "annot", "ann", "anns", "labels", "label", "json", "xml",
                 "xmls", "via", "coco", "csv", "bboxes")  # fmt: skip
SPLIT_FOLDERS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
                 "test": "test", "testing": "test"}  # fmt: skip
_MOST_FILES = 500_000


@dataclass(frozen=True)
class FoundPhoto:
    """A photo that is there and can be opened.

    name    as the annotation file calls it
    size    (height, width) after EXIF's turn
    turned  EXIF asked for a turn or a mirror
    """

    name: str
    path: Path
    size: tuple[int, int]
    turned: bool


class PhotoFinder:
    """Finds named photos below one folder, never outside it.

    In this order: the very path; the same name beside the annotations, in the usual sub-folders, then anywhere below;
    the same stem with another photo ending. Letters' case does not matter, backslashes are slashes, and of another
    machine's absolute path only the end counts. Of several the nearest is taken, and a remark says which.

    >>> PhotoFinder(Path("party/train"), faults).photo("C:\\\\Users\\\\me\\\\a.JPG")
    FoundPhoto(name='C:\\\\Users\\\\me\\\\a.JPG', path=Path('party/train/a.jpg'), size=(768, 1024), turned=False)
    """

    def __init__(self, folder: Path, faults: Faults, near: Path | None = None) -> None:
        """`near`: the annotation file's own folder, where it lies deeper than `folder` (party/annotations)."""
        self.folder = folder
        self.faults = faults
        self.near = near or folder
        self._levels: list[dict[str, list[Path]]] = []
        self._walks = self._plan()

    def photo(self, name: str, regions: int = 0) -> FoundPhoto | None:
        """Find and measure; None (and an entry in `faults`) where it is absent or broken.

        regions  how many regions of this photo are lost with it when it is broken
        """
        path = self.find(name)
        if path is None:
            self.faults.absent(name)
            return None
        self.faults.found()
        return measured(path, self.faults, name, regions)

    def find(self, name: str) -> Path | None:
        """The photo's path, or None; nothing is opened and no fault is noted."""
        parts = [part for part in re.split(r"[\\/]+", name.strip()) if part not in ("", ".")]
        if not parts or parts[-1] == ".." or "\0" in name:
            return None
        if ".." not in parts and not name.startswith(("/", "\\")):
            for folder in dict.fromkeys((self.near, self.folder)):
                exact = contained(folder, "/".join(parts))
                if exact is not None and _is_file(exact):
                    return exact
        for wanted in (_same_name, _same_stem):
            for level in self._each_level():
                candidates = wanted(level, parts[-1])
                if candidates:
                    return self._nearest(name, parts, candidates, unique=wanted is _same_stem)
        return None

    def _nearest(self, name: str, parts: list[str], candidates: list[Path], unique: bool) -> Path | None:
        folded = [part.casefold() for part in parts[:-1]]

        def agreement(path: Path) -> int:
            """How many folder names agree, counted from the end."""
            above = [part.casefold() for part in path.relative_to(self.folder).parts[:-1]]
            count = 0
            for mine, theirs in zip(reversed(above), reversed(folded), strict=False):
                if mine != theirs:
                    break
                count += 1
            return count

        best = max(agreement(path) for path in candidates)
        candidates = sorted(path for path in candidates if agreement(path) == best)
        if len(candidates) > 1:
            if unique:  # same stem, several endings: which one was annotated cannot be known
                return None
            others = ", ".join(path.relative_to(self.folder).as_posix() for path in candidates[1:3])
            taken = candidates[0].relative_to(self.folder).as_posix()
            self.faults.remark(f'"{name}" is there {len(candidates)} times: {taken} was taken, not {others}')
        return candidates[0]

    def _each_level(self) -> Iterator[dict[str, list[Path]]]:
        yield from self._levels
        for walk in self._walks:  # each folder is listed once, and only when the nearer ones did not have the photo
            self._levels.append(_index(walk))
            yield self._levels[-1]

    def _plan(self) -> Iterator[Iterable[Path]]:
        yield _listing(self.near)
        if self.near != self.folder:
            yield _listing(self.folder)
        usual = {name.casefold() for name in PHOTO_FOLDERS}
        for above in dict.fromkeys((self.near, self.folder)):
            yield [path for folder in _folders(above) if folder.name.casefold() in usual for path in _listing(folder)]
        yield _tree(self.folder)


def measured(path: Path, faults: Faults, name: str | None = None, regions: int = 0) -> FoundPhoto | None:
    """The photo with its size; None and a fault where it cannot be opened."""
    name = name or path.name
    try:
        size, turned = measure(path)
    except PhotoError as error:
        faults.saw(regions)
        faults.add(f'photo "{name}"', "photo", "a photo that can be opened", error.headline,
                   "git lfs pull" if "LFS" in error.headline else "copy the photo again, or take it out",
                   regions=regions)  # fmt: skip
        return None
    return FoundPhoto(name, path, size, turned)


def photos_in(folder: Path) -> list[Path]:
    """Photos directly in the folder, by name; hidden files and links that lead out of the folder are left out."""
    return sorted(path for path in _listing(folder) if path.name.lower().endswith(PHOTO_ENDINGS))


def photos_below(folder: Path) -> list[Path]:
    """Photos in the folder and in all folders below it, by path."""
    return sorted(path for path in _tree(folder) if path.name.lower().endswith(PHOTO_ENDINGS))


def data_root(path: Path) -> Path:
    """The folder in which an annotation file's photos may lie: its own, or the one above a folder of annotations.

    party/via.json -> party; party/annotations/instances.json -> party
    """
    folder = path if path.is_dir() else path.parent
    if folder.name.casefold() in LABEL_FOLDERS and not _listing(folder) and folder.parent != folder:
        return folder.parent
    return folder


def written_name(photo: Path, path: Path) -> str:
    """How a written annotation file names a photo: the way down from its own folder, or the bare name."""
    try:
        return photo.resolve().relative_to(path.parent.resolve()).as_posix()
    except ValueError:
        return photo.name


def written_names(photos: Sequence[Path], path: Path) -> list[str]:
    """The same for all photos of a table; DatasetError where two of them would share one name."""
    named: dict[str, Path] = {}
    for photo in photos:
        name = written_name(photo, path)
        if named.setdefault(name, photo) != photo:
            raise DatasetError("two photos of one name", file=photo, wanted="names that differ", got=name,
                               fix="write it into the folder above both, or copy the photos beside it")  # fmt: skip
    return [written_name(photo, path) for photo in photos]


_NO_NAMES = {*SPLIT_FOLDERS, *LABEL_FOLDERS, *(name.casefold() for name in PHOTO_FOLDERS), "dataset", "datasets"}


def data_name(path: Path) -> str:
    """How people call the data: the nearest folder with a name of its own, without "_via", "-dataset" and the like.

    data/balloon/train -> balloon; corrosion_via/via_region_data.json -> corrosion; nothing fit -> object
    """
    path = path.absolute()
    for folder in [path, *path.parents] if path.is_dir() else path.parents:
        if folder.name.casefold() in _NO_NAMES:
            continue
        bare = re.sub(r"([ _-]+(via\d?|coco|voc|dataset|data ?set|data|annotations?|images|photos))+$", "", folder.name,
                      flags=re.IGNORECASE)  # fmt: skip
        return bare or folder.name or "object"
    return "object"


def _same_name(level: dict[str, list[Path]], name: str) -> list[Path]:
    return level.get(_folded(name), [])


def _same_stem(level: dict[str, list[Path]], name: str) -> list[Path]:
    name = _folded(name)
    stem = PurePosixPath(name).stem if name.endswith(PHOTO_ENDINGS + OTHER_ENDINGS) else name
    return [path for ending in PHOTO_ENDINGS for path in level.get(stem + ending, [])]


def _folded(name: str) -> str:
    """Without case; accents composed (macOS takes them apart: "é" is two characters in its file names)."""
    return unicodedata.normalize("NFC", name).casefold()


def _index(paths: Iterable[Path]) -> dict[str, list[Path]]:
    index: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        index[_folded(path.name)].append(path)
    return dict(index)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long for the disk, or not a name at all
        return False


def _listing(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if _is_photo(entry, folder)]
    except OSError:
        return []


def _is_photo(entry: os.DirEntry[str], folder: Path) -> bool:
    if (
        entry.name.startswith(".")
        or not entry.name.lower().endswith(PHOTO_ENDINGS + OTHER_ENDINGS)
        or not entry.is_file()
    ):
        return False
    return not entry.is_symlink() or contained(folder, entry.name) is not None


def _folders(above: Path) -> list[Path]:
    try:
        return sorted(path for path in above.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _tree(folder: Path) -> Iterator[Path]:
    seen = 0
    for above, folders, _ in os.walk(folder):  # links to folders are not followed
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in _listing(Path(above)):
            seen += 1
            if seen > _MOST_FILES:
                return
            yield path
