"""Where the images lie that an annotation file names: beside it, in the usual sub-folders, then anywhere below."""

from __future__ import annotations

import filecmp
import os
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from maskwright.errors import ImageError
from maskwright.formats.faults import Faults
from maskwright.formats.levels import RULES, Level, Same, in_masks, is_image_name, same_name
from maskwright.formats.links import stays
from maskwright.formats.listing import (
    IMAGE_FOLDERS,
    all_below,
    any_image_here,
    file_split,
    folder_split,
    folder_word,
    folders_in,
    images_here,
    is_label_folder,
)
from maskwright.formats.naming import Name, agreement, folded, read_names, told_apart_by
from maskwright.images.decode import LIMIT_PIXELS, measure
from maskwright.issues import Kind

FOUND_UNDER_ANOTHER_ENDING = Kind(
    "found_under_another_ending", "warning", "images found under another ending: {count} ({found:1})"
)
FOUND_IN_ANOTHER_FOLDER = Kind(
    "found_in_another_folder", "warning",
    "images found in another folder than the annotations name: {count} ({found:1})",
)  # fmt: skip


@dataclass(frozen=True)
class FoundImage:
    """An image that is there and can be opened.

    name    as the annotation file calls it
    size    (height, width) after EXIF's turn
    turned  EXIF asked for a turn or a mirror
    """

    name: str
    path: Path
    size: tuple[int, int]
    turned: bool


@dataclass(frozen=True)
class _Answer:
    """What a name was found to mean: one path, or the several that it may mean."""

    path: Path | None = None
    several: tuple[Path, ...] = ()


class ImageFinder:
    """Finds named images below one folder, never outside it, and rather none than another one.

    First every name is looked for by its very path. What is left is looked for by its last part, rule by rule (as
    written, with %20 decoded, in other case, with another image ending): beside the annotations, in the usual
    sub-folders, then anywhere below. The folders of a name count:

    - those of a path in this dataset must all agree. Only where they agree for none of the file's names may the first
      ones be dropped, the same number for all of them
    - of another machine's absolute path the longest end that agrees; as much of it as tells the file's names apart
    - a file that stands in (or belongs to) one split is not given an image in the folder of another

    An image that one name means is not given to another, and of several that are as good none is taken.

    >>> ImageFinder(Path("party/train"), faults).image("C:\\\\Users\\\\me\\\\a.JPG")
    FoundImage(name='C:\\\\Users\\\\me\\\\a.JPG', path=Path('party/train/a.jpg'), size=(768, 1024), turned=False)
    """

    def __init__(
        self, folder: Path, faults: Faults, near: Path | None = None, names: Iterable[str] = (),
        apart: Path | None = None,
    ) -> None:  # fmt: skip
        """`near`: the annotation file's own folder, where it lies deeper than `folder` (party/annotations).

        names  all that the file holds: only who knows them all can tell which may be confused
        apart  a folder of masks, called as it may be: what lies in it is no image
        """
        self.apart = apart
        self.folder = folder
        self.faults = faults
        self.near = near or folder
        self.split = file_split(Path(faults.file), folder, self.near)
        self._answers: dict[str, _Answer] = {}
        self._taken: dict[Path, None] = {}
        self._kept = False  # some name's folders agree with those of its image
        self._dropped: int | None = None  # so many first folders of the names are none of this dataset
        self._levels: list[Level] = []
        self._walks = self._plan()
        self._names = tuple(names)

    def image(self, name: str, regions: int = 0) -> FoundImage | None:
        """Find and measure; None (and an entry in `faults`) where it is absent, unclear or broken.

        regions  how many regions of this image are lost with it when it is broken
        """
        answer = self._answer(name)
        if answer.several:
            self.faults.saw(regions)
            self.faults.add(f'image "{name}"', "image", "one image", self._listed(answer.several),
                            "name it with its folder, or take the other away", regions=regions, image=name)  # fmt: skip
            return None
        if answer.path is None:
            self.faults.absent(name, self._listed(self._alike(name)))
            return None
        self.faults.found()
        return measured(answer.path, self.faults, name, regions)

    def find(self, name: str) -> Path | None:
        """The image's path, or None where it is absent or unclear; nothing is opened and no fault is noted."""
        return self._answer(name).path

    def several(self, name: str) -> tuple[Path, ...]:
        """The images among which nobody can tell which one is meant; () where it is clear, or there is none."""
        return self._answer(name).several

    # --- names to paths -------------------------------------------------------------------------
    def _answer(self, text: str) -> _Answer:
        if text not in self._answers:
            self._resolve({**dict.fromkeys(self._names), text: None})
        return self._answers[text]

    def _resolve(self, texts: Collection[str]) -> None:
        """Answer all names at once: what is sure comes before what is likely, whatever their order."""
        read = {text: read_names(text) for text in texts}
        expected = {text: names for text, names in read.items() if text not in self._answers}
        every = [name for names in read.values() for name in names]
        self._needed, self._lasts = told_apart_by(every), {name.last for name in every}
        for index in (0, 1):
            exact = {text: path for text, names in expected.items() if text not in self._answers
                     and names[index:] and (path := self._exact(text, names[index])) is not None}  # fmt: skip
            for text, path in exact.items():
                self._answers[text] = _Answer(path)
                if expected[text][index].folders:
                    self._kept, self._dropped = True, 0
            self._taken |= dict.fromkeys(exact.values())
        loose: dict[Kind, list[str]] = {}
        for index, same in RULES:
            left = {text: names[index] for text, names in expected.items()
                    if text not in self._answers and len(names) > index}  # fmt: skip
            if left:
                self._by_rule(left, same, loose)
        for text in expected:
            self._answers.setdefault(text, _Answer())
        for kind, images in loose.items():
            self.faults.report(kind(count=len(images), found=images))

    def _exact(self, text: str, name: Name) -> Path | None:
        """The very path: beside the annotation file, and where it has folders also from the data's own folder."""
        if name.absolute:
            return None
        ways = dict.fromkeys((text, "/".join([*[".."] * name.above, *name.folders, name.last])))
        for base in (self.near,) if name.bare else dict.fromkeys((self.near, self.folder)):
            for way in ways:
                text = os.path.normpath(os.path.join(base, way))  # noqa: PTH118 (most are not there: no Path for those)
                if not os.path.isfile(text):  # noqa: PTH113 (never raises, whatever the name)
                    continue
                path = Path(text)
                inside = self.folder in path.parents and path not in self._taken
                if inside and self.apart not in path.parents and stays(path, self.folder):
                    return path
        return None

    def _by_rule(self, left: dict[str, Name], same: Same, loose: dict[Kind, list[str]]) -> None:
        """One rule for all names that are left; what it finds is taken before the next rule is tried."""
        found = {text: self._candidates(name, same) for text, name in left.items()}
        best = {text: max((agreement(left[text], path) for path in paths), default=0) for text, paths in found.items()}
        accepted: dict[str, list[Path]] = {}
        for text in sorted(found, key=lambda text: -best[text]):
            paths = self._acceptable(left[text], found[text], best[text])
            if paths:
                accepted[text] = paths
        self._drop_alike(accepted, left, best)
        meant: dict[Path, list[str]] = {}
        for text, paths in accepted.items():
            paths = self._nearest(left[text], paths)
            self._answers[text] = _Answer(paths[0]) if _one(paths) else _Answer(None, tuple(paths))
            if _one(paths):
                meant.setdefault(paths[0], []).append(text)
        for path, texts in meant.items():
            if len({(left[text].folders, left[text].last) for text in texts}) > 1:  # two names, and one image
                self._answers |= dict.fromkeys(texts, _Answer())
                continue
            self._taken[path] = None
            for text in texts:
                self._loosely(text, left[text], path, best[text], loose)

    def _acceptable(self, name: Name, paths: list[Path], best: int) -> list[Path]:
        """Of the candidates those whose folders are near enough to the name's."""
        if name.bare:
            return paths
        paths = [path for path in paths if agreement(name, path) == best]
        if not paths or not self._agrees(name, best):
            return []
        if not name.external and best < len(name.folders):
            paths = [path for path in paths if self._at_home(path, best)]
        self._kept |= bool(paths) and best > 0
        return paths

    def _candidates(self, name: Name, same: Same) -> list[Path]:
        """Images that this name may mean: of the nearest level that has any; of all where its folders say which."""
        all: dict[Path, None] = {}
        for level in self._each_level():
            paths = [path for path in same(level, name.last) if path not in self._taken and self._own(path, name)]
            if paths and name.bare:
                return paths
            all |= dict.fromkeys(paths)
        return list(all)

    def _own(self, path: Path, name: Name) -> bool:
        """Neither a mask beside images, nor another name's image, nor in the folder of another split."""
        if (in_masks(path) and self._masks_apart) or (self.apart is not None and self.apart in path.parents):
            return False
        own = unicodedata.normalize("NFC", path.name)
        if own != name.last and own in self._lasts:  # another name of the file is written so
            return False
        if self.split is None or any(folder_word(folder) for folder in name.folders):
            return True
        return folder_split(path, self.folder) in (None, self.split)

    @property
    def _masks_apart(self) -> bool:
        """Images lie outside of folders of masks: then what lies in one is a mask."""
        return any(not in_masks(path) for path in (*self._images_at_home, *self._taken))

    @cached_property
    def _images_at_home(self) -> list[Path]:
        homes = self.near, self.folder, *self._usual
        return [path for folder in homes if (path := any_image_here(folder)) is not None]

    def _agrees(self, name: Name, best: int) -> bool:
        """So many folders are enough for this name."""
        if not name.external:
            if best == len(name.folders):
                self._dropped = 0
                return True
            first = name.folders[0]
            if self._dropped == 0 or any(os.path.isdir(above / first) for above in (self.near, self.folder)):  # noqa: PTH112
                return False
        elif not name.folders:
            return True
        return best >= self._needed.get(name, 0) and (best > 0 or not self._kept)

    def _drop_alike(self, accepted: dict[str, list[Path]], left: dict[str, Name], agreeing: dict[str, int]) -> None:
        """Of names that begin with foreign folders only those stay that have the same number of them."""
        external = {text: len(left[text].folders) - agreeing[text] for text in accepted
                   if left[text].folders and not left[text].external}  # fmt: skip
        if self._dropped is None and external:
            self._dropped = min(external.values())
        for text, dropped in external.items():
            if dropped != self._dropped:
                del accepted[text]

    def _at_home(self, path: Path, agreeing: int) -> bool:
        """Above the folders that agree there is no other folder with a name of its own."""
        return path.parents[agreeing] in self._homes

    @cached_property
    def _homes(self) -> set[Path]:
        homes = {self.near, self.folder, *self._beside, *self._usual}
        return homes | {
            path for home in (self.folder, *self._usual) for path in folders_in(home) if folder_word(path.name)
        }

    def _nearest(self, name: Name, paths: list[Path]) -> list[Path]:
        """Those of the file's own split where there are any; of those at the very place that the name says."""
        if len(paths) == 1:
            return paths
        own = [path for path in paths if self.split and folder_split(path, self.folder) == self.split] or paths
        count = len(name.folders)
        there = [path for path in own if not name.bare and not name.external and agreement(name, path) == count
                 and path.parents[count] in (self.near, self.folder)]  # fmt: skip
        return sorted(there or own)

    def _loosely(self, text: str, name: Name, path: Path, best: int, loose: dict[Kind, list[str]]) -> None:
        kind = None
        if folded(name.last) != folded(path.name) and is_image_name(name.last):
            kind = FOUND_UNDER_ANOTHER_ENDING
        elif name.folders and best < (1 if name.external else len(name.folders)):
            kind = FOUND_IN_ANOTHER_FOLDER
        if kind is not None:
            loose.setdefault(kind, []).append(f'"{text}" is {path.relative_to(self.folder).as_posix()}')

    # --- words ----------------------------------------------------------------------------------
    def _alike(self, text: str) -> list[Path]:
        """Images of that last name which were not taken for it."""
        lasts = [name.last for name in read_names(text)]
        return sorted({path for level in self._levels for last in lasts for path in same_name(level, last)})

    def _listed(self, paths: Sequence[Path]) -> str:
        ways = [path.relative_to(self.folder).as_posix() for path in paths[:3]]
        return ", ".join(ways) + (", ..." if len(paths) > 3 else "")

    # --- where to look --------------------------------------------------------------------------
    @cached_property
    def _usual(self) -> list[Path]:
        """The usual sub-folders of the annotations' folder and of the data's."""
        usual = {name.casefold() for name in IMAGE_FOLDERS}
        return [folder for above in dict.fromkeys((self.near, self.folder)) for folder in folders_in(above)
                if folder.name.casefold() in usual]  # fmt: skip

    @cached_property
    def _beside(self) -> list[Path]:
        """Folders of images that lie as the annotation file's own: annotations/north/a.xml, images/north/a.jpg."""
        way = [part for part in self.near.relative_to(self.folder).parts if not is_label_folder(part)]
        found = [self.folder, *self._usual] if way else []
        for part in way:
            found = [folder for above in found for folder in folders_in(above) if folded(folder.name) == folded(part)]
        return [folder for folder in found if folder != self.near and self.near not in folder.parents]

    def _each_level(self) -> Iterator[Level]:
        yield from self._levels
        for walk in self._walks:  # each folder is listed once, and only when the nearer ones did not have the image
            self._levels.append(Level(walk))
            yield self._levels[-1]

    def _plan(self) -> Iterator[Iterable[Path]]:
        yield images_here(self.near)
        if self._beside:  # then nowhere else: another folder's image of that name is another image
            for folder in self._beside:
                yield all_below(folder)
            return
        if self.split is not None:
            yield [path for home in (self.folder, *self._usual) for folder in folders_in(home)
                   if folder_word(folder.name) == self.split for path in images_here(folder)]  # fmt: skip
        if self.near != self.folder:
            yield images_here(self.folder)
        yield [path for folder in self._usual for path in images_here(folder)]
        yield all_below(self.folder)


def _one(paths: Sequence[Path]) -> bool:
    """One image, perhaps in copies that are the same to the last byte."""
    try:
        return all(filecmp.cmp(paths[0], other, shallow=False) for other in paths[1:])
    except OSError:
        return False


def measured(path: Path, faults: Faults, name: str | None = None, regions: int = 0) -> FoundImage | None:
    """The image with its size; None and a fault where it cannot be opened."""
    name = name or path.name
    try:
        size, turned = measure(path)
    except ImageError as error:
        faults.saw(regions)
        got = error.headline + (f": {error.parts['got']}" if "got" in error.parts else "")
        fix, cause = "copy the image again, or take it out", "unreadable"
        if "LFS" in error.headline:
            fix, cause = "git lfs pull", "lfs_pointer"
        elif error.headline.startswith(("this is not an image", "this kind of TIFF")):
            fix, cause = error.parts["fix"], "not_an_image"
        faults.add(f'image "{name}"', "image", "an image that can be opened", got, fix, regions=regions, image=name,
                   cause=cause)  # fmt: skip
        return None
    if size[0] * size[1] > LIMIT_PIXELS:
        faults.saw(regions)
        faults.add(f'image "{name}"', "image", f"at most {LIMIT_PIXELS / 1e6:g} megapixels",
                   f"{size[1]} x {size[0]}", "make it smaller, or cut it into parts", regions=regions,
                   image=name, cause="too_large")  # fmt: skip
        return None
    return FoundImage(name, path, size, turned)
