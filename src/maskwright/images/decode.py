"""An image file becomes an Image: 8-bit RGB, turned as EXIF asks, or an ImageError that says what to do.

Reads        JPEG, PNG, WebP, BMP, TIFF; what a file is, its first bytes say, not its ending
Turns        once, by EXIF's orientation (TIFF: its own tag); an orientation that stands only in XMP is left alone,
             as browsers and OpenCV do
Becomes RGB  gray, 1-bit, palette, CMYK; transparent parts are laid over white; of several frames the first is taken;
             16-bit, 32-bit and float gray and 16-bit color go through a window (window.py)
Refuses      what is truncated, something else under an image's name, or of more pixels than `limit_pixels`;
             a JPEG that lacks only its last two bytes is whole
Memory       7 bytes a pixel while it decodes, 3 afterwards; what needs more is refused earlier (limits.py)

Pillow's own opener guards against giant images by one number for the whole process and warns below it.
Here its readers are called directly, and the limit is an argument.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import BmpImagePlugin, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL import Image as PilImage

from maskwright import files
from maskwright.errors import ImageError
from maskwright.images import deep, headers, jpeg, limits, strips, tiff
from maskwright.images import window as gray
from maskwright.images.limits import LIMIT_PIXELS
from maskwright.types.image import Image, Window

READABLE = "a JPEG, PNG, WebP, BMP or TIFF image"

# where, which bytes -> who reads it
_READERS: tuple[tuple[int, bytes, Callable[..., ImageFile.ImageFile]], ...] = (
    (0, b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (0, b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (8, b"WEBP", WebPImagePlugin.WebPImageFile),
    (0, b"BM", BmpImagePlugin.BmpImageFile),
    (0, b"II*\0", TiffImagePlugin.TiffImageFile),
    (0, b"MM\0*", TiffImagePlugin.TiffImageFile),
    (0, b"II+\0", TiffImagePlugin.TiffImageFile),  # BigTIFF
    (0, b"MM\0+", TiffImagePlugin.TiffImageFile),
)
_UNKNOWN_CLASSES = (  # where, which bytes -> what to call it; met under image names, and not read here
    (4, b"ftyphei", "a HEIC image, as phones save them"),
    (4, b"ftypmif1", "a HEIC image, as phones save them"),
    (4, b"ftypavif", "an AVIF image"),
    (4, b"ftyp", "a video (MP4 or MOV)"),
    (0, b"GIF8", "a GIF"),
    (0, b"\0\0\0\x0cjP", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "XML text"),
)

_LYING = (5, 6, 7, 8)  # these exchange height and width
_TURNS = range(2, 9)  # EXIF's orientations other than upright; others do not exist
_ORIENTATION = 274  # tag of EXIF and TIFF
_WIDE_GRAY = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")


def decode(
    data: bytes | str | Path,
    name: str | None = None,
    window: Window | None = None,
    limit_pixels: int = LIMIT_PIXELS,
) -> Image:
    """A file (path) or its bytes -> Image.

    name          what messages call it; the path, where there is one
    window        gray values window.low..window.high become 0..255, in images of any depth; without it
                  images of more than 8 bits get a window of their own (0.5 % to 99.5 %), others none
    limit_pixels  more pixels than these are refused before any is decoded

    The pixels are read-only: who wants to draw on them copies them first.

    >>> image = decode("party_07.jpg")
    >>> image.size, image.turned
    ((768, 1024), False)
    """
    name = name or ("image" if isinstance(data, bytes) else str(data))
    try:
        return _decoded(data, name, window, limit_pixels)
    except ImageError as error:
        if (whole := _completed(data, error.__cause__)) is None:
            raise
        return _decoded(whole, name, window, limit_pixels)


def _completed(data: bytes | str | Path, reason: BaseException | None) -> bytes | None:
    """A JPEG that was refused as cut off, with the end that is all it lacks."""
    if not isinstance(reason, OSError) or "truncated" not in str(reason):
        return None
    whole = data if isinstance(data, bytes) else Path(data).read_bytes()
    return jpeg.completed(whole) if whole.startswith(jpeg.BEGINNING) else None


def _decoded(data: bytes | str | Path, name: str, window: Window | None, limit_pixels: int) -> Image:
    with _opened(data, name) as (image, stream):
        orientation = _orientation(image, stream)
        deep_color = deep.is_deep(image)
        limits.check(image, stream, _size(image, orientation), name, limit_pixels)
        if window is not None and window.low >= 255 and image.mode not in _WIDE_GRAY and not deep_color:
            raise ImageError(
                "this image has 8 bits, and the gray window begins above them",
                file=name,
                expected=f"an image of more than 8 bits, for the window {window.low:g} to {window.high:g}",
                got=image.mode,
                fix="use images like those the model was trained on",
            )
        turn = 1 if _is_tiff(image) else orientation  # Pillow turns a TIFF, and only a TIFF, while loading
        if deep_color:
            pixels, window = _deep(image, stream, turn, window, name)
        else:
            _load(image)
            pixels, window = _pixels(image, turn, window)
        pixels.setflags(write=False)
        return Image(pixels, name, orientation in _TURNS, window)


def _deep(
    image: ImageFile.ImageFile, stream: BinaryIO, turn: int, window: Window | None, name: str
) -> tuple[np.ndarray, Window]:
    if deep.apart(image):
        raise _unread(stream, name)

    def again() -> ImageFile.ImageFile:
        stream.seek(0)
        return type(image)(stream)

    return deep.read(image, again, _load, lambda: turn, window)


def from_pil(image: PilImage.Image, name: str = "image", window: Window | None = None) -> Image:
    """A PIL image -> the Image its file would give (so one opened from a phone's image is turned)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(image, ImageFile.ImageFile) and deep.is_deep(image) and image.fp is not None:
                image.fp.seek(0)
                return replace(decode(image.fp.read(), name, window), name=name)
            image.load()  # a TIFF is turned by this, and forgets that it was not
            orientation = 1 if _is_tiff(image) else _exif_orientation(image.info.get("exif"))
            pixels, window = _pixels(image, orientation, window)
            pixels.setflags(write=False)
            return Image(pixels, name, orientation in _TURNS, window)
    except Exception as error:  # what was opened lazily may turn out broken only here
        raise _explain(error, b"", name) from error


def measure(path: str | Path) -> tuple[tuple[int, int], bool]:
    """(height, width) after EXIF's turn, and whether EXIF asks for one; from the header alone, in a tenth of a ms.

    It says what `decode` would give, but a file whose header is whole may still be truncated.

    >>> measure("party_07.jpg")
    ((768, 1024), False)
    """
    quick = _measured(path)
    if quick is not None:
        return quick
    with _opened(path, str(path)) as (image, stream):
        orientation = _orientation(image, stream)
        return _size(image, orientation), orientation in _TURNS


def _measured(path: str | Path) -> tuple[tuple[int, int], bool] | None:
    """`measure` of an ordinary JPEG or PNG; None of others."""
    try:
        with files.open_file(path) as stream:
            found = headers.read(stream)
            if found is None:
                return None
            height, width, exif = found
            orientation = _exif_orientation(exif)
    except (OSError, ValueError):
        return None
    return ((width, height) if orientation in _LYING else (height, width)), orientation in _TURNS


def orientation_of(path: str | Path) -> int:
    """EXIF's orientation, 1..8; 1 where there is none or the image cannot be read."""
    try:
        with _opened(path, str(path)) as (image, stream):
            return _orientation(image, stream)
    except ImageError:
        return 1


def is_deep(path: str | Path) -> bool:
    """It has more than 8 bits a channel, and so gets a window; from the header alone. False where it cannot be read."""
    try:
        with _opened(path, str(path)) as (image, _):
            return image.mode in _WIDE_GRAY or deep.is_deep(image)
    except ImageError:
        return False


@contextlib.contextmanager
def _opened(data: bytes | str | Path, name: str) -> Iterator[tuple[ImageFile.ImageFile, BinaryIO]]:
    """The image with its header read, pixels not yet; whatever goes wrong inside leaves as ImageError."""
    try:
        with (
            warnings.catch_warnings(),
            io.BytesIO(data) if isinstance(data, bytes) else files.open_file(data) as stream,
        ):
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
            reader = _reader(stream.read(64), name)
            stream.seek(0)
            if reader is TiffImagePlugin.TiffImageFile:
                tiff.hush()
            try:
                image = reader(stream)
            except SyntaxError as error:
                if reader is TiffImagePlugin.TiffImageFile and tiff.is_unknown_kind(error):
                    raise _unread(stream, name) from error
                raise
            with image:
                yield image, stream
    except ImageError:
        raise
    except Exception as error:  # a broken file can make Pillow raise nearly anything
        raise _explain(error, data, name) from error


def _reader(head: bytes, name: str) -> Callable[..., ImageFile.ImageFile]:
    for start, magic, reader in _READERS:
        if head[start : start + len(magic)] == magic:
            return reader
    if not head:
        raise ImageError("this file is empty", file=name, expected=READABLE, got="0 bytes", fix="copy the image again")
    if head.startswith(b"version https://git-lfs"):
        raise ImageError("a Git LFS pointer, not the image itself", file=name, fix="fetch the content: git lfs pull")
    named = (what for start, magic, what in _UNKNOWN_CLASSES if head[start:].lower().startswith(magic.lower()))
    if (what := next(named, None)) is None:
        text = all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head)
        what = (
            f'text that begins "{" ".join(head.decode("ascii").split())[:30]}"' if text else "a file of some other kind"
        )
    raise ImageError(
        "this is not an image that can be read", file=name, expected=READABLE, got=what, fix="save it as JPEG or PNG"
    )


def _unread(stream: BinaryIO, name: str) -> ImageError:
    return ImageError("this kind of TIFF is not read", file=name, expected=tiff.READ, got=tiff.kind_of(stream),
                      fix="save it as 8 or 16 bit, in 1 or 3 bands, the bands of a pixel together")  # fmt: skip


def _explain(error: Exception, data: object, name: str) -> ImageError:
    if isinstance(error, files.NotAFile):
        return ImageError("this is a device, a pipe or a socket", file=name, expected=READABLE, got="no file",
                          fix="save the image in a file; - is standard input")  # fmt: skip
    if isinstance(error, FileNotFoundError):
        return ImageError("there is no such file", file=name, expected=READABLE, got="nothing", fix="check the path")
    if not isinstance(data, bytes) and isinstance(error, OSError | ValueError) and _is_folder(data):
        return ImageError("this is a folder", file=name, expected=READABLE, got="a folder", fix="name an image in it")
    if isinstance(error, PermissionError):
        return ImageError("no right to read this file", file=name, expected=READABLE, fix="ask its owner for the right")
    if isinstance(error, MemoryError):
        return ImageError("there is not enough memory for this image", file=name, fix="make it smaller, or cut it up")
    if isinstance(error, PilImage.DecompressionBombError):
        return ImageError("this image has too many pixels to be read", file=name, got=error, fix="save it as TIFF")
    return ImageError(
        "this image is damaged or incomplete",
        file=name,
        expected=READABLE + ", whole",
        got=str(error) or type(error).__name__,
        fix="copy it again from where it came; or open it in another program and save it anew",
    )


def _is_folder(path: object) -> bool:
    try:
        return Path(str(path)).is_dir()
    except (OSError, ValueError):
        return False


def _is_tiff(image: PilImage.Image) -> bool:
    return isinstance(image, TiffImagePlugin.TiffImageFile)


def _orientation(image: ImageFile.ImageFile, stream: BinaryIO) -> int:
    """EXIF's orientation, 1..8; 1 where there is none or it cannot be read."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        found = image.tag_v2.get(_ORIENTATION)
        return found if isinstance(found, int) and found in _TURNS else 1
    raw = image.info.get("exif")
    if raw is None and isinstance(image, PngImagePlugin.PngImageFile):
        raw = headers.exif_at_the_end(stream)
    return _exif_orientation(raw)


def _exif_orientation(raw: bytes | None) -> int:
    if not raw:
        return 1
    exif = PilImage.Exif()
    try:
        exif.load(raw)
        found = exif.get(_ORIENTATION)
    except Exception:  # broken EXIF in a sound image: then nobody else turns it either
        return 1
    return found if isinstance(found, int) and found in _TURNS else 1


def _size(image: ImageFile.ImageFile, orientation: int) -> tuple[int, int]:
    width, height = image.size
    if orientation in _LYING and not _is_tiff(image):  # a TIFF's size is said upright already
        width, height = height, width
    return height, width


_GIANTS = threading.Lock()


def _load(image: ImageFile.ImageFile) -> None:
    """Decode. Pillow's TIFF reader asks its process-wide limit once more: lifted for what it would stop, one by one."""
    if _is_tiff(image):
        image.info.pop("xmp", None)  # or Pillow turns it by that while loading
    width, height = image.size
    if not _is_tiff(image) or width * height <= (PilImage.MAX_IMAGE_PIXELS or LIMIT_PIXELS):
        image.load()
        return
    with _GIANTS:
        usual, PilImage.MAX_IMAGE_PIXELS = PilImage.MAX_IMAGE_PIXELS, None
        try:
            image.load()
        finally:
            PilImage.MAX_IMAGE_PIXELS = usual


def _pixels(image: PilImage.Image, orientation: int, window: Window | None) -> tuple[np.ndarray, Window | None]:
    """A loaded image of any kind but 16-bit color -> H×W×3 uint8, upright, and the window that was used."""
    upright, lying = strips.frame(image, orientation)
    if image.mode not in _WIDE_GRAY:
        for rows, part in strips.of(image):
            pixels = np.asarray(_rgb(part))
            lying[rows] = pixels if window is None else gray.apply(pixels, window)
        return upright, window
    whites = _is_tiff(image) and image.tag_v2.get(tiff.PHOTOMETRIC) == 0  # type: ignore[attr-defined]

    def parts() -> Iterator[tuple[slice, np.ndarray, np.ndarray | None]]:
        """Rows, their gray values, and where no data are."""
        for rows, part in strips.of(image):
            values = np.asarray(part)
            values = values.astype(values.dtype.newbyteorder("="), copy=False)
            nothing = tiff.no_data(image, values.dtype)
            empty = None if nothing is None else values == nothing
            if whites:  # small values are white here
                values = (65535 if image.mode.startswith("I;16") else 0) - values
            yield rows, values, empty

    window = window or gray.window_of(
        lambda: ((values if empty is None else values[~empty]).reshape(-1) for _, values, empty in parts())
    )
    for rows, values, empty in parts():
        shown = gray.apply(values, window)
        if empty is not None:
            shown[empty] = 0  # as what is not a number
        lying[rows] = shown[..., None]
    return upright, window


def rgb_array(pixels: np.ndarray) -> np.ndarray:
    """H×W or H×W×3 uint8 -> H×W×3."""
    return np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels


def _rgb(image: PilImage.Image) -> PilImage.Image:
    """Any 8-bit image -> RGB, transparent parts over white."""
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    image = image.convert("RGBA")
    return PilImage.alpha_composite(PilImage.new("RGBA", image.size, "white"), image).convert("RGB")
