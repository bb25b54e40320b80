"""What a user may call "images": files, folders, patterns, addresses, standard input, arrays."""

from __future__ import annotations

import glob
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image as PilImage

from maskwright import fetch
from maskwright.errors import DatasetError, ImageError, InputError, MissingExtra
from maskwright.files import numbered, shortened
from maskwright.images import window as gray
from maskwright.images.addresses import filesystem
from maskwright.images.decode import LIMIT_PIXELS, READABLE, decode, from_pil, rgb_array
from maskwright.types.image import Image, Window

IMAGE_ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff")
"""By these an image is known in a folder (upper or lower case). A file named by itself may have any ending."""

LIMIT_BYTES = 500_000_000
"""An image from the network or from standard input may have at most this many bytes."""

LONGEST_STEM = 250  # bytes: with an ending it is a name that a disk can hold

Origin = str | Path | bytes | np.ndarray | Image | PilImage.Image


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One image that can be opened.

    name    what messages and results call it: the path or address as given, "stdin", "image 3"
    within  the folder it was found in: a link that leads out of it is not followed
    stem    for the names of output files; no two of one list have the same, whatever the case. It may begin with
            folders, "/" between them
    origin  a Path, an address (str), "-" for standard input, bytes, an array, a PIL image or an Image
    """

    name: str
    stem: str
    origin: Origin
    within: Path | None = None


def is_image_name(name: str | Path) -> bool:
    """It ends like an image and is not hidden."""
    name = Path(name).name
    return not name.startswith(".") and name.lower().endswith(IMAGE_ENDINGS)


def naturally(path: str | Path) -> tuple:
    """A key for sorting as people count: photo2 before photo10, case ignored."""
    parts = re.split(r"(\d+)", str(path).casefold())
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts)), str(path)


def expand(sources: Sequence[Origin] | Origin, follow_links: bool = False, recursive: bool = False) -> list[Source]:
    """Everything the user named, image by image, in the order given (inside a folder or pattern: naturally sorted).

    A source is a file; a folder (its own images; `recursive`: also those of all folders in it); a pattern
    ("scans/**/*.png"); an address (http, https, or what fsspec knows: s3://..., also with a pattern); "-" for
    standard input; bytes of an image file; an array; a PIL image; an Image. Nothing is opened yet.

    follow_links  links that lead out of a folder are opened, too; otherwise they are images that cannot be read
    recursive     an image in a folder of a folder has a stem with its path in the named folder: "pier_2/img_001"

    >>> [source.stem for source in expand(["party/", "extra/party_2.jpg"])]
    ['party_1', 'party_2', 'party_10', 'party_2_2']
    """
    if isinstance(sources, str | Path | bytes | np.ndarray | Image | PilImage.Image):
        several: list[Origin] = [sources]
    else:
        several = list(sources) if isinstance(sources, Iterable) else [sources]
    found = [
        item
        for index, source in enumerate(several, start=1)
        for item in _expand_one(source, index, follow_links, recursive)
    ]
    if not found:
        raise DatasetError(
            "no images were named", expected="an image, a folder, a pattern or an address", got="nothing"
        )
    return list(_distinct(found))


def only(source: Origin) -> Source:
    """The one image that is meant; DatasetError where a folder, a pattern or a list holds several."""
    found = expand(source)
    if len(found) > 1:
        raise DatasetError("several images where one is expected", expected="one image", got=f"{len(found)} images",
                           fix="maskwright.predict(model, images) takes several")  # fmt: skip
    return found[0]


def open_source(source: Source, window: Window | None = None, limit_pixels: int = LIMIT_PIXELS) -> Image:
    """Read and decode it; `window` and `limit_pixels` as in decode."""
    origin = source.origin
    if isinstance(origin, Image):
        return origin
    if isinstance(origin, np.ndarray):
        return _from_array(origin, source.name, window)
    if isinstance(origin, PilImage.Image):
        return from_pil(origin, source.name, window)
    if source.within is not None and isinstance(origin, Path):
        _stay(origin, source.within)
    if isinstance(origin, str):
        origin = _read_stdin() if origin == "-" else _read_address(origin)
    return decode(origin, source.name, window, limit_pixels)


def reopenable(source: Source, image: Image) -> Source:
    """A source that opens the same image again: a file as it is; else the decoded image, for standard input cannot be
    read twice and an address costs another download."""
    return source if isinstance(source.origin, Path) else replace(source, origin=image)


# --- finding ------------------------------------------------------------------------------------
def _expand_one(source: Origin, number: int, follow_links: bool, recursive: bool) -> list[Source]:
    if isinstance(source, Image):
        return [Source(source.name, _stem(source.name), source)]
    if isinstance(source, bytes | np.ndarray | PilImage.Image):
        return [Source(f"image {number}", f"image_{number}", source)]
    if not isinstance(source, str | Path):
        raise InputError(
            "this cannot be opened as an image",
            record=f"source {number}",
            expected="a path, an address, bytes, an array, a PIL image or an Image",
            got=type(source).__name__,
        )
    if source == "-":
        return [Source("stdin", "stdin", "-")]
    if isinstance(source, str) and "://" in source:
        web = source.lower().startswith(("http://", "https://"))
        addresses = [source] if web else _expand_fsspec(source)
        return [Source(address, _stem(unquote(urlsplit(address).path)), address) for address in addresses]
    found, folder = _expand_path(str(source), _images_below if recursive else _images_of)
    within = None if follow_links else folder
    return [Source(str(path), _stem_within(path, folder if recursive else None), path, within) for path in found]


def _stay(path: Path, folder: Path) -> None:
    """Who names a folder means what lies in it: a link in it may lead to an image of somebody else, or to no image."""
    if path.is_symlink() or path.parent != folder:  # a pattern may have come by a folder that is a link
        try:
            if path.resolve().is_relative_to(folder.resolve()):
                return
        except (OSError, RuntimeError):  # in a circle
            pass
        raise ImageError("this link leads out of its folder", file=path, expected=READABLE, got="a link",
                         fix="name the image itself, if it is meant; --follow-links follows all")  # fmt: skip


def _expand_path(text: str, images_in: Callable[[Path], list[Path]]) -> tuple[list[Path], Path | None]:
    """The images that are meant, and the folder in which they were found, where they were not named themselves."""
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return images_in(path), path
        if not path.exists() and glob.has_magic(text):
            found = _matches(text, (Path(name) for name in glob.iglob(str(path), recursive=True)))  # noqa: PTH207
            plain = itertools.takewhile(lambda part: not glob.has_magic(part), path.parts)
            return found, Path(*plain)
        if path.exists() or _leads_nowhere(path):
            return [path], None
    except (OSError, ValueError, RuntimeError) as error:  # no right to look, a name no file can have, an unknown ~user
        raise DatasetError("this cannot be looked into", file=text, got=error) from error
    raise DatasetError(
        "there is no such file or folder",
        file=text,
        expected="an image, a folder, a pattern or an address",
        got="nothing",
        fix=f"check the path (looked for from {Path.cwd()})",
    )


def _leads_nowhere(path: Path) -> bool:
    """A link whose image is gone: an image that cannot be read, and no wrong name."""
    return path.is_symlink() and not path.exists()


def _own_images(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if is_image_name(path) and (path.is_file() or _leads_nowhere(path)))


def _images_of(folder: Path) -> list[Path]:
    found = sorted(_own_images(folder), key=naturally)
    if found:
        return found
    deeper = next((path for path in sorted(folder.glob("*/*")) if is_image_name(path)), None)
    raise DatasetError(
        "there are no images in this folder",
        file=folder,
        expected="files that end in " + " ".join(IMAGE_ENDINGS),
        got=f"images only in folders of it, as {deeper.relative_to(folder).as_posix()}" if deeper else "none",
        fix="--recursive takes the images of all folders in it, or name one of them" if deeper else None,
    )


def _images_below(folder: Path) -> list[Path]:
    """The images of a folder and of all folders in it, but for hidden ones; each folder once, whatever leads to it."""
    found: list[Path] = []
    todo, entered = [folder], {folder.resolve()}
    while todo:
        entering = todo.pop()
        found += _own_images(entering)
        for path in entering.iterdir():
            if path.is_dir() and not path.name.startswith(".") and path.resolve() not in entered:
                entered.add(path.resolve())
                todo.append(path)
    if found:
        return sorted(found, key=naturally)
    raise DatasetError(
        "there are no images in this folder, nor in those in it",
        file=folder,
        expected="files that end in " + " ".join(IMAGE_ENDINGS),
        got="none",
    )


def _matches(pattern: str, names: Iterable[Path]) -> list[Path]:
    names = [path for path in names if path.is_file()]
    found = sorted(filter(is_image_name, names), key=naturally)
    if not found:
        raise DatasetError(
            "no image matches this pattern",
            file=pattern,
            expected="files that end in " + " ".join(IMAGE_ENDINGS),
            got=f"{len(names)} other files" if names else "no file at all",
            fix=f"check the pattern (looked for from {Path.cwd()})",
        )
    return found


def _expand_fsspec(address: str) -> list[str]:
    """One address, or the images of a folder or pattern there."""
    try:
        files, path = filesystem(address)
        if glob.has_magic(path):
            names = files.glob(path)
        elif files.isdir(path):
            names = files.ls(path, detail=False)
        else:
            return [address]
        found = sorted(filter(is_image_name, (str(name) for name in names)), key=naturally)
    except (InputError, MissingExtra):
        raise
    except Exception as error:  # each file system has errors of its own
        raise DatasetError("this address cannot be looked into", file=address, got=error) from error
    if not found:
        raise DatasetError(
            "there are no images at this address",
            file=address,
            expected="files that end in " + " ".join(IMAGE_ENDINGS),
            got=f"{len(names)} other files",
        )
    return [files.unstrip_protocol(name) for name in found]


# --- naming -------------------------------------------------------------------------------------
def _stem(name: str) -> str:
    """The last part without its ending, and without what some system cannot have in a file name."""
    stem = Path(name.replace("\\", "/")).stem
    return shortened(re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", stem).strip(" .") or "image", LONGEST_STEM)


def _stem_within(path: Path, folder: Path | None) -> str:
    """With the folders between `folder` and the image before it, "/" between them."""
    if folder is None or not path.is_relative_to(folder):
        return _stem(path.name)
    *between, name = path.relative_to(folder).parts
    return "/".join([*(_stem(f"{part}.") for part in between), _stem(name)])


def _distinct(sources: Iterable[Source]) -> Iterable[Source]:
    """The second "a" becomes "a_2", in the order of the list."""
    taken: set[str] = set()
    for source in sources:
        stem = free_stem(source.stem, lambda stem: stem.casefold() in taken)
        taken.add(stem.casefold())
        yield replace(source, stem=stem)


def free_stem(stem: str, is_taken: Callable[[str], bool]) -> str:
    """The stem, or the first of stem_2, stem_3, ... that is free; its folders stay."""
    folder, slash, name = stem.rpartition("/")
    stems = (folder + slash + numbered_name for numbered_name in numbered(name, LONGEST_STEM))
    return next(stem for stem in stems if not is_taken(stem))


# --- opening ------------------------------------------------------------------------------------
def _read_stdin() -> bytes:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or sys.stdin.isatty():
        raise ImageError(
            "nothing comes in", file="stdin", expected="an image file", fix="maskwright predict - < image.jpg"
        )
    return _bounded(stream.read(LIMIT_BYTES + 1), "stdin")


def _read_address(address: str) -> bytes:
    if address.lower().startswith(("http://", "https://")):
        return fetch.read_bytes(address, limit=LIMIT_BYTES)
    try:
        files, path = filesystem(address)
        with files.open(path, "rb") as stream:
            return _bounded(stream.read(LIMIT_BYTES + 1), address)
    except (InputError, MissingExtra):
        raise
    except FileNotFoundError as error:
        raise ImageError("there is no such image", file=address, fix="check the address") from error
    except Exception as error:  # each file system has errors of its own
        raise ImageError("this address cannot be read", file=address, got=error) from error


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > LIMIT_BYTES:
        raise ImageError("this is too long for an image", file=name, expected=f"at most {LIMIT_BYTES // 1_000_000} MB")
    return data


def _from_array(array: np.ndarray, name: str, window: Window | None) -> Image:
    """H×W×3 uint8 as it is; H×W of any real numbers is gray, with a window of its own unless it is uint8."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    color = array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8
    plain = array.ndim == 2 and array.dtype.kind in "uif"
    if not (color or plain) or 0 in array.shape:
        raise ImageError(
            "this array is no image",
            file=name,
            expected="height × width × 3 uint8 (RGB, 0..255), or height × width (gray)",
            got=f"{' × '.join(map(str, array.shape)) or 'a single number'} {array.dtype}",
            fix="colors of 0..1: (255 * a).round().astype(np.uint8); channels first: a.transpose(1, 2, 0)",
        )
    if plain and array.dtype != np.uint8:
        window = window or gray.find_window(array)
    pixels = array if window is None else gray.apply(array, window)
    return Image(rgb_array(pixels), name, window=window)
