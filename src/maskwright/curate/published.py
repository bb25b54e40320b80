"""Published datasets: where they are, under which terms, and how to get one.

    balloon     Mask R-CNN's balloons, VIA outlines             fetched
    pennfudan   pedestrians, id masks                           fetched
    castings    GDXray, X-rays of castings, boxes               fetched; research and education only
    welds       GDXray, X-rays of welds, masks                  fetched; research and education only

Nothing of these is part of this package, and nothing is fetched unless somebody asks for it by name.
"""

from __future__ import annotations

import contextlib
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from maskwright import fetch
from maskwright.errors import DatasetError, FetchError, UnknownName
from maskwright.files import contained, writing_folder
from maskwright.progress import Progress, silent

MOST_BYTES = 8 * 2**30
"""Unpacked, together; the largest set here has less than a quarter of that."""
MOST_FILES = 100_000


@dataclass(frozen=True, slots=True)
class PublishedDataset:
    """One dataset that can be downloaded.

    about    half a sentence
    address  of the archive
    page     where people read about it, and get it by hand should the address have moved
    license  what its authors allow
    format   what it reads as
    sha256   of the archive, None where nobody has noted it
    """

    about: str
    address: str
    page: str
    license: str
    format: str
    sha256: str | None = None


_GDXRAY = "https://domingomery.ing.puc.cl/material/gdxray/"
_GDXRAY_TERMS = "research and education only; no redistribution, no commercial use; cite Mery et al. 2015"

PUBLISHED = {
    "balloon": PublishedDataset(
        "61 + 13 images of balloons, outlines",
        "https://github.com/matterport/Mask_RCNN/releases/download/v2.1/balloon_dataset.zip",
        "https://github.com/matterport/Mask_RCNN/tree/master/samples/balloon",
        "images from Flickr under licenses that allow commercial use; the annotations are part of an MIT repository",
        "via",
    ),
    "castings": PublishedDataset(
        "GDXray: X-rays of castings, boxes around defects",
        "http://dmery.sitios.ing.uc.cl/images/GDXray/Castings.zip",
        _GDXRAY,
        _GDXRAY_TERMS,
        "gdxray",
    ),
    "pennfudan": PublishedDataset(
        "170 images of pedestrians, 423 masks",
        "https://www.cis.upenn.edu/~jshi/ped_html/PennFudanPed.zip",
        "https://www.cis.upenn.edu/~jshi/ped_html/",
        "copyright of its authors; may not be posted again without their permission",
        "mask_images",
    ),
    "welds": PublishedDataset(
        "GDXray: X-rays of welds, masks of defects",
        "http://dmery.sitios.ing.uc.cl/images/GDXray/Welds.zip",
        _GDXRAY,
        _GDXRAY_TERMS,
        "gdxray",
    ),
}


def obtain(name: str, folder: Path | str, progress: Progress = silent) -> Path:
    """Fetch the dataset `name` and unpack it as `folder/name`; the folder itself when it is there already.

    The archive is kept beside it (`folder/name.zip`) and not fetched again.

    >>> maskwright.read(obtain("balloon", "data"))
    """
    if name not in PUBLISHED:
        raise UnknownName("published dataset", name, PUBLISHED)
    chosen = PUBLISHED[name]
    target = Path(folder) / name
    if target.is_dir():
        return target
    archive = Path(folder) / f"{name}.zip"
    by_hand = f"download it by hand from {chosen.page} and save it as {archive}"
    try:
        fetch.fetch(chosen.address, archive, chosen.sha256, progress, offline=by_hand)
    except FetchError as error:
        parts = {part: text for part, text in error.parts.items() if part != "fix"}
        raise FetchError(error.headline, **parts, fix=by_hand) from error
    unpack(archive, target, progress)
    return target


def unpack(archive: Path, target: Path, progress: Progress = silent, most_bytes: int = MOST_BYTES) -> None:
    """A zip archive as the folder `target`: whole, or not at all.

    Refused: names that lead out of the folder, links, more than `most_bytes` unpacked, names that differ only by case.
    What macOS adds (__MACOSX, .DS_Store) is left out.
    """
    with _reading(archive):
        opened = zipfile.ZipFile(archive)
    with opened as zipped, writing_folder(target) as temporary:
        # (folders not by their `is_dir`, which stumbles over an empty name)
        files = [item for item in zipped.infolist() if not item.filename.endswith("/")]
        members = [file for file in files if not _rubbish(file.filename)]
        _check(archive, members, temporary, most_bytes)
        left = most_bytes
        for member in progress(members, total=len(members), label="unpacking"):
            target = temporary / PurePosixPath(member.filename)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as sink:
                # what the archive says of its sizes may be untrue: count what really comes
                for chunk in _chunks(archive, zipped, member):
                    left -= len(chunk)
                    if left < 0:
                        raise _too_big(archive, most_bytes)
                    sink.write(chunk)


def _chunks(archive: Path, zipped: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with _reading(archive):
        source = zipped.open(member)
    with source:
        while True:
            with _reading(archive):
                chunk = source.read(1 << 20)
            if not chunk:
                return
            yield chunk


@contextlib.contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """A broken archive can make zipfile and its decompressors raise nearly anything, OSError too."""
    try:
        yield
    except Exception as error:
        raise DatasetError(
            "this archive cannot be unpacked",
            file=archive,
            expected="a whole zip archive",
            got=str(error) or type(error).__name__,
            fix="delete it and fetch it again",
        ) from error


def _check(archive: Path, members: list[zipfile.ZipInfo], folder: Path, most_bytes: int) -> None:
    if len(members) > MOST_FILES or sum(member.file_size for member in members) > most_bytes:
        raise _too_big(archive, most_bytes)
    seen: set[str] = set()
    for member in members:
        name = member.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if ".." in parts or not parts or parts[0] == "/" or ":" in name or contained(folder, name) is None:
            problem = "a name that leads out of the folder"
        elif stat.S_ISLNK(member.external_attr >> 16):
            problem = "a link"
        elif name.casefold() in seen:
            problem = "a name that is there twice"
        else:
            seen.add(name.casefold())
            continue
        raise DatasetError("this archive is refused", file=archive, record=name, expected="plain files", got=problem)


def _too_big(archive: Path, most_bytes: int) -> DatasetError:
    return DatasetError("this archive is refused", file=archive, got="more than a dataset holds",
                        expected=f"at most {most_bytes:,} bytes and {MOST_FILES:,} files unpacked")  # fmt: skip


def _rubbish(name: str) -> bool:
    return name.startswith("__MACOSX/") or PurePosixPath(name).name in (".DS_Store", "Thumbs.db")
