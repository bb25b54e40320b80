"""Sizes from headers: always what Pillow says, or left to Pillow."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from maskwright.images import decode, headers


def encoded(format: str, mode: str = "RGB", size: tuple[int, int] = (7, 5), **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, format, **options)
    return stream.getvalue()


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[274] = orientation
    return found


def text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "a" * 50)
    return info


KINDS = {
    "jpeg": encoded("jpeg"),
    "gray jpeg": encoded("jpeg", "L"),
    "cmyk jpeg": encoded("jpeg", "CMYK"),
    "progressive jpeg": encoded("jpeg", progressive=True),
    "turned jpeg": encoded("jpeg", exif=exif(6)),
    "jpeg with a long preview": encoded("jpeg", exif=exif(8), comment=b"a" * 60000),
    "png": encoded("png"),
    "palette png": encoded("png", "P"),
    "deep png": encoded("png", "I;16"),
    "turned png": encoded("png", exif=exif(5)),
    "png with text": encoded("png", pnginfo=text()),
    "bmp": encoded("bmp"),
    "webp": encoded("webp"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_from_the_header_is_the_size_of_the_image(tmp_path: Path, kind: str):
    file = tmp_path / "a.img"
    file.write_bytes(KINDS[kind])
    image = decode.decode(file)
    assert decode.measure(file) == (image.size, image.turned)


@pytest.mark.parametrize("kind", ["jpeg", "gray jpeg", "turned jpeg", "progressive jpeg", "png", "deep png"])
def test_ordinary_files_do_not_need_pillow(kind: str):
    assert headers.read(io.BytesIO(KINDS[kind])) is not None


@given(st.sampled_from([*KINDS]), st.data())
def test_a_damaged_header_is_never_read_otherwise_than_by_pillow(kind: str, data: st.DataObject):
    """A byte changed or the end cut off: the same size, or left to Pillow, which refuses it."""
    damaged = bytearray(KINDS[kind][:2000])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(0, len(damaged)))]
    found = headers.read(io.BytesIO(bytes(damaged)))
    if found is not None:
        with decode._opened(bytes(damaged), "a") as (image, stream):
            assert image.size == found[1::-1]
            assert decode._exif_orientation(found[2]) == decode._orientation(image, stream)


def test_an_empty_file_is_left_to_pillow():
    assert headers.read(io.BytesIO()) is None
