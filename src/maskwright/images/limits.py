"""What an image may ask of the computer, decided by its header: pixels, memory, work."""

from __future__ import annotations

from typing import BinaryIO

from PIL import ImageFile, JpegImagePlugin, TiffImagePlugin, WebPImagePlugin

from maskwright.errors import ImageError
from maskwright.images import deep, jpeg, tiff

LIMIT_PIXELS = 300_000_000
"""More than this many pixels (height times width) are taken for a decompression bomb unless the user says otherwise."""

BYTES_A_PIXEL = 7
"""Of memory: an image of `limit_pixels` that needs more for each while it is decoded must have fewer pixels."""
_ALWAYS = 1 << 26  # bytes that are there whatever the limit


def check(image: ImageFile.ImageFile, stream: BinaryIO, size: tuple[int, int], name: str, limit_pixels: int) -> None:
    """ImageError where it asks too much; before a pixel is decoded.

    size  (height, width), upright
    """
    height, width = size
    pixels, allowed = height * width, max(BYTES_A_PIXEL * limit_pixels, _ALWAYS)
    fix = "make it smaller, cut it into parts, or raise limit_pixels if memory allows (7 bytes a pixel)"
    if pixels > limit_pixels:
        raise ImageError("this image has too many pixels", file=name,
                         expected=f"at most {limit_pixels / 1e6:g} megapixels",
                         got=f"{width} × {height}, {pixels / 1e6:.0f} megapixels", fix=fix)  # fmt: skip
    if pixels * (pixel_bytes := bytes_a_pixel(image)) > allowed:
        raise ImageError(
            "this image needs too much memory",
            file=name,
            expected=f"at most {allowed / 1e9:.1f} GB while it is decoded",
            got=f"{width} × {height} of {pixel_bytes:.0f} bytes a pixel, {pixels * pixel_bytes / 1e9:.1f} GB",
            fix=fix,
        )
    if "progressive" in image.info:
        stream.seek(0)
        scans = jpeg.layout(stream.read()).scans
        if scans > jpeg.MOST_SCANS:
            raise ImageError("this JPEG has more scans than any program writes", file=name,
                             expected=f"at most {jpeg.MOST_SCANS}", got=scans, fix="save it anew")  # fmt: skip


def bytes_a_pixel(image: ImageFile.ImageFile) -> float:
    """Of memory while it is decoded: Pillow's frame, ours of 3, and what its decoders hold beside them."""
    held = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;16") else 4
    beside = 0.0
    if isinstance(image, WebPImagePlugin.WebPImageFile):
        beside = 8  # libwebp's own frame, and a copy of it
    elif isinstance(image, JpegImagePlugin.JpegImageFile) and "progressive" in image.info:
        samples = [across * down for _, across, down, *_ in image.layer]
        beside = 2 * sum(samples) / max(samples)  # the coefficients of all scans
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        height = max(image.size[1], 1)
        samples = image.tag_v2.get(tiff.BANDS, 1) * max(image.tag_v2.get(tiff.BITS, (1,))) / 8
        beside = samples * min(image.tag_v2.get(TiffImagePlugin.ROWSPERSTRIP, height), height) / height  # its strip
        if image.tag_v2.get(274, 1) != 1:  # Pillow turns it into a second frame
            beside = max(beside, held)
    first_half = 3 if deep.is_deep(image) else 0
    return max(held + beside + first_half, held + 3)
