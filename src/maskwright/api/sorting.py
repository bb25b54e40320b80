"""Images put into folders by what was said of them. Nothing is ever replaced, and none gets lost on the way."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from maskwright import files
from maskwright.errors import OutputError
from maskwright.images.sources import Source

UNREADABLE = "unreadable"
"""The folder of images that could not be read."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Sorter:
    """Copies images into `folder`/PREDICTION; with `move` the image is removed once its copy is compared, byte by byte.

    >>> Sorter("sorted", move=True).sort(Path("belt/part_7.jpg"), "rust")
    PosixPath('sorted/rust/part_7.jpg')
    """

    def __init__(self, folder: str | Path, move: bool = False) -> None:
        self.folder, self.move = Path(folder), move

    def check(self, sources: Sequence[Source]) -> None:
        """Only images in files can be sorted."""
        for source in sources:
            if not isinstance(source.origin, Path):
                raise OutputError(
                    "only images in files can be sorted into folders",
                    field="--sort-into",
                    expected="files",
                    got=source.name,
                )

    def sort(self, image: Path, called: str) -> Path:
        """Copy, and leave nothing behind where images are moved; where it lies now."""
        target = self.copy(image, called)
        self.leave(image, target)
        return target

    def set_aside(self, image: Path) -> Path | None:
        """The same for an image that could not be read; None where there is no such file, or a link: what it leads to
        may be no image, and nobody's business."""
        return self.sort(image, UNREADABLE) if image.is_file() and not image.is_symlink() else None

    def copy(self, image: Path, called: str) -> Path:
        """A name that is taken gets a number (part_2.jpg). A copy that is there already is not made again."""
        folder = self.folder / folder_name(called)
        for stem in files.numbered(image.stem, 255 - len(os.fsencode(image.suffix))):
            target = folder / f"{stem}{image.suffix}"
            try:
                if target.exists():
                    if image.samefile(target) or (not self.move and _same(image, target)):
                        return target
                    continue
                folder.mkdir(parents=True, exist_ok=True)
                target.open("xb").close()  # ours from here on, whoever else sorts into this folder
            except FileExistsError:
                if not folder.is_dir():
                    raise OutputError("there is a file where a folder is needed", file=folder) from None
                continue
            except OSError as error:
                raise OutputError("cannot be written", file=target, got=error.strerror or error) from error
            try:
                with files.writing(target) as temporary:
                    shutil.copyfile(image, temporary)
                    shutil.copystat(image, temporary)
            except BaseException:
                target.unlink(missing_ok=True)
                raise
            return target
        raise AssertionError

    def leave(self, image: Path, target: Path) -> None:
        """Remove an image that is moved, when `target` holds all of it."""
        if not self.move or not image.is_file() or not target.is_file() or image.samefile(target):
            return
        if _same(image, target):
            try:
                image.unlink()
            except OSError as error:
                raise OutputError(
                    "this image cannot be moved; its copy is made", file=image, got=error.strerror or error
                ) from error


def _same(one: Path, other: Path) -> bool:
    """Byte for byte; `filecmp` would remember an answer by size and time, and two images may share both."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as first, other.open("rb") as second:
        while part := first.read(1 << 20):
            if part != second.read(1 << 20):
                return False
    return True


def folder_name(called: str) -> str:
    """A prediction as the name of a folder, on every system.

    >>> folder_name("rust/heavy"), folder_name("NUL")
    ('rust_heavy', '_NUL')
    """
    name = files.shortened(re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", called).strip(" .") or "_", 250)
    return f"_{name}" if _RESERVED.fullmatch(name) else name
