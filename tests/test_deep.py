"""Color of 16 bits a channel gets a window as deep gray does, with every bit of it; no data do not count."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from attacks.images import png_by_hand, tiff_by_hand
from PIL import Image

from maskwright.api.data import common_window
from maskwright.curate.duplicates import find_duplicates
from maskwright.errors import ImageError
from maskwright.images.decode import decode, from_pil, is_deep, measure
from maskwright.types import Dataset, Record, Window


def twelve_bits(bands: int = 3, height: int = 30, width: int = 40) -> np.ndarray:
    """H×W×bands uint16 of 12-bit content: dark where only the upper byte is looked at."""
    y, x = np.mgrid[:height, :width]
    planes = [x * 90 + 100, y * 120 + 50, (x + y) * 50, np.full_like(x, 65535)][:bands]
    return np.stack(planes, axis=2).astype(np.uint16)


def png(samples: np.ndarray, color: int) -> bytes:
    height, width, _ = samples.shape
    lines = samples.astype(">u2").reshape(height, -1).view(np.uint8).reshape(height, -1)
    return png_by_hand(width, height, np.pad(lines, ((0, 0), (1, 0))).tobytes(), depth=16, color=color)


def shown(samples: np.ndarray, window: Window) -> np.ndarray:
    fraction = np.clip((samples[..., :3].astype(float) - window.low) / (window.high - window.low), 0, 1)
    return np.floor(fraction * 255 + 0.5).astype(np.uint8)


FILES = {
    "PNG": lambda s: png(s, 2),
    "TIFF": lambda s: tiff_by_hand(s),
    "big-endian TIFF": lambda s: tiff_by_hand(s, big_endian=True),
    "packed TIFF": lambda s: tiff_by_hand(s, packed=True),
    "packed big-endian TIFF": lambda s: tiff_by_hand(s, packed=True, big_endian=True),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("given", ["a path", "bytes"])
def test_deep_color_gets_one_window_for_all_channels_and_keeps_all_its_bits(tmp_path, kind, given):
    samples = twelve_bits()
    (tmp_path / "a").write_bytes(FILES[kind](samples))
    image = decode(tmp_path / "a" if given == "a path" else (tmp_path / "a").read_bytes())
    assert image.window is not None and 0 <= image.window.low < 200 < 3500 < image.window.high < 4096
    assert np.array_equal(image.pixels, shown(samples, image.window))
    assert is_deep(tmp_path / "a") and measure(tmp_path / "a") == (image.size, False)


def test_the_window_of_the_model_is_used(tmp_path):
    image = decode(png(twelve_bits(), 2), window=Window(300, 4095))
    assert image.window == Window(300, 4095) and np.array_equal(image.pixels, shown(twelve_bits(), image.window))


def test_the_test_above_would_notice_a_lost_lower_half():
    assert not np.array_equal(shown(twelve_bits() & 0xFF00, Window(300, 4095)), shown(twelve_bits(), Window(300, 4095)))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("packed", [True, False])
def test_deep_color_is_turned_as_it_asks(orientation, packed):
    turned = decode(tiff_by_hand(twelve_bits(), orientation=orientation, packed=packed))
    plain = Image.fromarray(decode(tiff_by_hand(twelve_bits())).pixels)
    exif = Image.Exif()
    exif[274] = orientation
    plain.info["exif"] = exif.tobytes()
    assert np.array_equal(turned.pixels, from_pil(plain).pixels) and turned.turned == (orientation > 1)


@pytest.mark.parametrize("make", [lambda s: png(s, 6), lambda s: tiff_by_hand(s, extra=2)], ids=["PNG", "TIFF"])
def test_deep_transparent_parts_are_white_and_do_not_count(make):
    samples = twelve_bits(4)
    samples[:10, :, :3], samples[:10, :, 3] = 60000, 0
    image = decode(make(samples))
    assert image.window is not None and image.window.high < 5000
    assert (image.pixels[:10] == 255).all()
    assert np.array_equal(image.pixels[10:], shown(samples[10:], image.window))


def test_deep_gray_with_transparency(tmp_path):
    samples = np.stack([twelve_bits(1)[..., 0], np.full((30, 40), 65535, np.uint16)], axis=2)
    samples[:5, :, 1] = 0
    image = decode(png(samples, 4))
    assert image.window is not None and (image.pixels[:5] == 255).all()
    assert np.array_equal(image.pixels[5:, :, 0], shown(samples[5:], image.window)[..., 0])


@pytest.mark.parametrize("extra", [None, 0], ids=["unnamed", "named as anything"])
def test_a_fourth_band_that_is_no_transparency_is_left_out(extra):
    """Satellites add infrared."""
    samples = twelve_bits(4)
    samples[..., 3] = 40
    image = decode(tiff_by_hand(samples, extra=extra))
    assert image.window is not None and np.array_equal(image.pixels, shown(samples, image.window))


def test_bands_that_lie_apart_are_named(tmp_path):
    for packed in (True, False):
        with pytest.raises(ImageError) as caught:
            decode(tiff_by_hand(twelve_bits(), apart=True, packed=packed))
        assert caught.value.headline == "this kind of TIFF is not read"
        assert caught.value.parts["got"] == "3 bands of 16 bits, whole numbers, one band after the other"


def test_a_pil_image_of_deep_color_gives_what_its_file_gives():
    for data in (png(twelve_bits(), 2), tiff_by_hand(twelve_bits(), packed=True)):
        with Image.open(io.BytesIO(data)) as image:
            assert np.array_equal(from_pil(image).pixels, decode(data).pixels)


def test_one_pixel_of_deep_color_is_an_image():
    assert decode(png(twelve_bits(3, 1, 1), 2)).size == (1, 1)


# --- no data ------------------------------------------------------------------------------------
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("dtype", "value"), [("f4", -9999), ("f4", -3.4028234663852886e38), ("u2", 65535), ("u2", 0), ("i4", -32768)]
)
def test_no_data_do_not_count_for_the_window_and_are_black(dtype, value, packed):
    samples = np.linspace(1000, 5000, 1200).reshape(30, 40).astype(dtype)
    samples[:10] = value
    image = decode(tiff_by_hand(samples, no_data=repr(value), packed=packed))
    assert image.window is not None and 2000 < image.window.low < 2500 and 4900 < image.window.high < 5000
    assert (image.pixels[:10] == 0).all() and image.pixels[10:].max() == 255


def test_no_data_of_deep_color_do_not_count_either():
    samples = twelve_bits()
    samples[:10] = 65535
    image = decode(tiff_by_hand(samples, no_data="65535"))
    assert image.window is not None and image.window.high < 4096 and (image.pixels[:10] == 0).all()


@pytest.mark.parametrize("word", ["nan", "none", "", "1e999", "70000"])
def test_a_word_on_no_data_that_says_nothing_changes_nothing(word):
    samples = np.linspace(1000, 5000, 1200).reshape(30, 40).astype(np.uint16)
    assert decode(tiff_by_hand(samples, no_data=word)).window == decode(tiff_by_hand(samples)).window


def test_where_nothing_but_no_data_is_the_image_is_black():
    assert decode(tiff_by_hand(np.full((3, 4), -9999, np.float32), no_data="-9999")).pixels.max() == 0


# --- kinds that are not read ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("samples", "got"),
    [
        (np.zeros((4, 5), np.float64), "1 band of 64 bits, floating point"),
        (np.zeros((4, 5, 3), np.float32), "3 bands of 32 bits, floating point"),
        (np.zeros((4, 5, 5), np.uint8), "5 bands of 8 bits, whole numbers"),
        (np.zeros((4, 5, 7), np.uint16), "7 bands of 16 bits, whole numbers"),
        (np.zeros((4, 5, 3), np.int16), "3 bands of 16 bits, signed whole numbers"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_a_sound_tiff_of_a_kind_that_is_not_read_is_named(samples, got, packed, tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff_by_hand(samples, packed=packed))
    for read in (decode, measure):
        with pytest.raises(ImageError) as caught:
            read(tmp_path / "a.tif")
        assert caught.value.headline == "this kind of TIFF is not read" and caught.value.parts["got"] == got
        assert "save it as 8 or 16 bit" in caught.value.parts["fix"]


# --- where deep images are used -------------------------------------------------------------------
def images(folder: Path, *contents: bytes) -> Dataset:
    records = []
    for number, data in enumerate(contents):
        (folder / f"{number}.png").write_bytes(data)
        records.append(Record(folder / f"{number}.png", (30, 40), None))
    return Dataset("deep", ("x",), tuple(records))


def test_deep_color_is_trained_on_with_one_window(tmp_path):
    low, high = common_window(images(tmp_path, *[png(twelve_bits() + shift, 2) for shift in (0, 10, 20)])) or (0, 0)
    assert 0 < low < 250 and 3500 < high < 4096


def test_beside_ordinary_images_each_deep_one_has_its_own_window(tmp_path):
    ordinary = io.BytesIO()
    Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(ordinary, "PNG")
    assert common_window(images(tmp_path, png(twelve_bits(), 2), ordinary.getvalue())) is None


def test_copies_of_deep_color_are_told_from_what_differs_in_the_lower_half(tmp_path):
    one, other = twelve_bits() % 256, (twelve_bits() + 3000) % 256  # equal in Pillow's eyes: black
    detections = find_duplicates(images(tmp_path, png(one, 2), png(one, 2), png(other[::-1], 2)))
    assert [(pair.first, pair.second) for pair in detections.exact] == [(0, 1)]
