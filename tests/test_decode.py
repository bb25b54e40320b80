"""An image file becomes 8-bit RGB, upright; anything else becomes an ImageError."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from attacks import images as attacks
from PIL import Image, ImageFile, ImageOps

from maskwright.errors import ImageError
from maskwright.images.decode import _opened, decode, from_pil, measure
from maskwright.images.limits import bytes_a_pixel
from maskwright.types import Window

WRITABLE = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}


def gradient(height: int = 12, width: int = 20) -> np.ndarray:
    """Every pixel differs from its neighbors, so no turn goes unnoticed."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 4], axis=2).astype(np.uint8)


def saved(path: Path, image: Image.Image | np.ndarray, **options) -> Path:
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
    return path


# --- kinds of file and of pixel ------------------------------------------------------------------
@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif"])
def test_lossless_files_give_their_pixels_back(tmp_path, ending):
    image = decode(saved(tmp_path / f"a{ending}", gradient()))
    assert np.array_equal(image.pixels, gradient())
    assert (image.turned, image.window, image.size) == (False, None, (12, 20))
    assert image.name == str(tmp_path / f"a{ending}")


@pytest.mark.parametrize("ending", [".jpg", ".webp"])
def test_lossy_files_come_near(tmp_path, ending):
    image = decode(saved(tmp_path / f"a{ending}", gradient(), quality=95))
    assert np.abs(image.pixels.astype(int) - gradient()).mean() < 6


def test_bytes_and_path_give_the_same(tmp_path):
    path = saved(tmp_path / "a.jpg", gradient())
    assert np.array_equal(decode(path.read_bytes()).pixels, decode(str(path)).pixels)
    assert decode(path.read_bytes()).name == "image"
    assert decode(path.read_bytes(), "stdin").name == "stdin"


def test_the_ending_may_lie(tmp_path):
    png = saved(tmp_path / "a.png", gradient()).rename(tmp_path / "really_png.jpg")
    assert np.array_equal(decode(png).pixels, gradient())


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path, mode):
    pil_image = Image.fromarray(gradient()).convert(mode)
    image = decode(saved(tmp_path / "a.tif", pil_image))
    assert np.array_equal(image.pixels, np.asarray(pil_image.convert("RGB")))


def test_gray_becomes_three_equal_channels(tmp_path):
    gray = gradient()[:, :, 0]
    image = decode(saved(tmp_path / "a.png", gray))
    assert all(np.array_equal(image.pixels[:, :, channel], gray) for channel in range(3))


def test_transparent_parts_are_white(tmp_path):
    red = np.zeros((1, 3, 4), np.uint8)
    red[..., 0], red[0, :, 3] = 255, (0, 128, 255)
    pixels = decode(saved(tmp_path / "a.png", red)).pixels
    assert pixels[0].tolist() == [[255, 255, 255], [255, 127, 127], [255, 0, 0]]


def test_a_transparent_palette_entry_is_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putdata([0, 1])
    pixels = decode(saved(tmp_path / "a.png", image, transparency=bytes([0, 255]))).pixels
    assert pixels[0].tolist() == [[255, 255, 255], [10, 20, 30]]


def test_of_several_frames_the_first_is_taken(tmp_path):
    first, second = Image.fromarray(gradient()), Image.new("RGB", (5, 5))
    path = saved(tmp_path / "pages.tif", first, save_all=True, append_images=[second])
    assert np.array_equal(decode(path).pixels, gradient())
    assert measure(path) == ((12, 20), False)


# --- deep gray -----------------------------------------------------------------------------------
DEEP = np.linspace(1000, 5000, 12 * 20).reshape(12, 20)


@pytest.mark.parametrize(("ending", "dtype"), [(".png", "<u2"), (".tif", "<u2"), (".tif", "<i4"), (".tif", "<f4")])
def test_deep_gray_gets_a_window_of_its_own(tmp_path, ending, dtype):
    image = decode(saved(tmp_path / f"a{ending}", DEEP.astype(dtype)))
    assert image.window is not None and 1000 < image.window.low < image.window.high < 5000
    assert (image.pixels.min(), image.pixels.max()) == (0, 255)
    assert np.array_equal(image.pixels[:, :, 0], image.pixels[:, :, 2])


def test_the_users_window_is_used(tmp_path):
    deep = decode(saved(tmp_path / "deep.png", DEEP.astype("<u2")), window=Window(0, 65535))
    assert deep.window == Window(0, 65535) and deep.pixels.max() == round(5000 / 257)
    plain = decode(saved(tmp_path / "plain.png", gradient()), window=Window(0, 100))
    assert plain.window == Window(0, 100) and (plain.pixels[gradient() >= 100] == 255).all()


def test_deep_gray_that_counts_from_white_is_inverted(tmp_path):
    """TIFF's PhotometricInterpretation 0: the greatest value is black."""
    path = saved(tmp_path / "a.tif", DEEP.astype("<u2"))
    data = path.read_bytes()
    entry = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00")  # tag 262, SHORT, one value: 1
    path.write_bytes(data[: entry + 8] + b"\0" + data[entry + 9 :])
    pixels = decode(path).pixels[:, :, 0]
    assert pixels[0, 0] == 255 and pixels[-1, -1] == 0


# --- EXIF ----------------------------------------------------------------------------------------
def oriented(path: Path, orientation: int) -> Path:
    exif = Image.Exif()
    exif[274] = orientation
    return saved(path, gradient(), exif=exif, **({"quality": 95} if path.suffix in (".jpg", ".webp") else {}))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turn_asked_for_is_done_once(tmp_path, ending, orientation):
    path = oriented(tmp_path / f"a{ending}", orientation)
    image = decode(path)
    with Image.open(path) as pil_image:
        assert np.array_equal(image.pixels, np.asarray(ImageOps.exif_transpose(pil_image)))
    assert image.turned == (orientation > 1)
    assert image.size == ((20, 12) if orientation > 4 else (12, 20))
    assert measure(path) == (image.size, image.turned)


def test_the_test_above_would_notice_a_missing_turn(tmp_path):
    upright, lying = (decode(oriented(tmp_path / f"{value}.png", value)).pixels for value in (1, 3))
    assert not np.array_equal(upright, lying)
    assert np.array_equal(upright, lying[::-1, ::-1])


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_a_turn_that_does_not_exist_is_none(tmp_path, orientation):
    path = oriented(tmp_path / "a.png", orientation)
    assert np.array_equal(decode(path).pixels, gradient()) and not decode(path).turned


def test_a_turn_asked_for_behind_the_pixels_counts_too(tmp_path):
    path = attacks.exif_behind_the_pixels(tmp_path, 6)
    assert measure(path) == ((6, 4), True)
    assert decode(path).size == (6, 4)


def test_a_turn_in_xmp_alone_is_left_alone(tmp_path):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    for ending in (".jpg", ".tif"):
        options = {"tiffinfo": {700: xmp}} if ending == ".tif" else {"xmp": xmp}
        path = saved(tmp_path / f"a{ending}", gradient(), **options)
        assert measure(path) == ((12, 20), False)
        assert decode(path).size == (12, 20) and not decode(path).turned


def test_broken_exif_turns_nothing(tmp_path):
    path = attacks.broken_exif(tmp_path)
    assert measure(path) == ((4, 8), False)
    assert decode(path).size == (4, 8)


# --- PIL images ----------------------------------------------------------------------------------
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_pil_image_gives_what_its_file_gives(tmp_path, ending, orientation):
    path = oriented(tmp_path / f"a{ending}", orientation)
    with Image.open(path) as pil_image:
        image = from_pil(pil_image)
    assert np.array_equal(image.pixels, decode(path).pixels)


def test_pixels_are_read_only(tmp_path):
    for image in (gradient(), gradient()[:, :, 0]):
        with pytest.raises(ValueError):
            decode(saved(tmp_path / "a.png", image)).pixels[0] = 0


def test_a_pil_image_turned_already_is_not_turned_again(tmp_path):
    with Image.open(oriented(tmp_path / "a.jpg", 6)) as image:
        upright = ImageOps.exif_transpose(image)
    assert np.array_equal(from_pil(upright).pixels, np.asarray(upright))


def test_a_broken_pil_image_is_an_image_error(tmp_path):
    with Image.open(attacks.truncated(tmp_path)) as image, pytest.raises(ImageError, match="damaged"):
        from_pil(image)


# --- what is refused -----------------------------------------------------------------------------
def test_every_attack_ends_in_an_image_error_that_names_the_file(tmp_path):
    for path in attacks.all_refused(tmp_path):
        with pytest.raises(ImageError) as caught:
            decode(path)
        assert caught.value.parts["file"] == str(path)
        assert caught.value.parts.get("fix")


@pytest.mark.parametrize("ending", WRITABLE)
def test_no_length_of_a_truncated_file_lets_another_error_out(tmp_path, ending):
    whole = io.BytesIO()
    Image.fromarray(gradient(40, 60)).save(whole, WRITABLE[ending])
    data = whole.getvalue()
    for length in range(0, len(data), max(1, len(data) // 150)):
        try:
            decode(data[:length])
        except ImageError:
            continue
        assert length > len(data) * 0.5  # some files end in bytes that are not needed


@pytest.mark.parametrize("ending", WRITABLE)
def test_no_flipped_byte_lets_another_error_out(tmp_path, ending):
    whole = io.BytesIO()
    Image.fromarray(gradient(8, 8)).save(whole, WRITABLE[ending])
    random = np.random.default_rng(0)
    for integer in random.integers(0, len(whole.getvalue()), 150):
        data = bytearray(whole.getvalue())
        data[integer] ^= int(random.integers(1, 256))
        try:
            decode(bytes(data), limit_pixels=1_000_000)
        except ImageError as error:
            assert error.parts["file"] == "image"


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    with pytest.raises(ImageError) as caught:
        decode(attacks.bomb(tmp_path), "bomb.png")
    assert str(caught.value) == (
        "ImageError: bomb.png: this image has too many pixels\n"
        "  expected  at most 300 megapixels\n"
        "  got       60000 × 60000, 3600 megapixels\n"
        "  fix       make it smaller, cut it into parts, or raise limit_pixels if memory allows (7 bytes a pixel)"
    )
    assert measure(attacks.bomb(tmp_path)) == ((60_000, 60_000), False)


def test_the_limit_is_the_users(tmp_path):
    path = saved(tmp_path / "a.png", gradient())
    assert decode(path, limit_pixels=240).size == (12, 20)
    with pytest.raises(ImageError, match="too many pixels"):
        decode(path, limit_pixels=239)


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_large_images_are_read_though_pillow_has_its_own_limit(tmp_path, ending, monkeypatch):
    """Pillow refuses twice MAX_IMAGE_PIXELS and warns above it; the number is for the whole process, and stays."""
    path = saved(tmp_path / f"a{ending}", gradient())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    assert np.array_equal(decode(path).pixels, gradient())
    assert Image.MAX_IMAGE_PIXELS == 50


def test_a_text_under_an_images_name_is_called_text(tmp_path):
    with pytest.raises(ImageError) as caught:
        decode(attacks.text_named_jpg(tmp_path), "notes.jpg")
    assert str(caught.value) == (
        "ImageError: notes.jpg: this is not an image that can be read\n"
        "  expected  a JPEG, PNG, WebP, BMP or TIFF image\n"
        '  got       text that begins "Dear colleague, the images are"\n'
        "  fix       save it as JPEG or PNG"
    )


@pytest.mark.parametrize(
    ("make", "got"),
    [(attacks.empty, "0 bytes"), (attacks.heic, "a HEIC image, as phones save them")],
)
def test_what_came_instead_is_named(tmp_path, make, got):
    with pytest.raises(ImageError) as caught:
        measure(make(tmp_path))
    assert caught.value.parts["got"] == got


def test_no_file_a_folder_and_an_impossible_name_are_told_apart(tmp_path):
    for path, headline in [
        (tmp_path / "none.jpg", "there is no such file"),
        (tmp_path, "this is a folder"),
        ("a\0b.jpg", "this image is damaged or incomplete"),
    ]:
        with pytest.raises(ImageError, match=headline):
            decode(path)


# --- unusual but sound ---------------------------------------------------------------------------
@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".jpg", ".webp"])
def test_one_pixel_is_an_image(tmp_path, ending):
    assert decode(attacks.one_pixel(tmp_path, ending)).size == (1, 1)


def test_thirty_thousand_pixels_wide_is_an_image(tmp_path):
    image = decode(attacks.wide(tmp_path))
    assert image.size == (20, 30_000)
    assert image.pixels[0, 0, 0] == 0 and image.pixels[-1, -1, 0] == 255


# --- in use --------------------------------------------------------------------------------------
def test_several_threads_decode_at_once(tmp_path):
    paths = [oriented(tmp_path / f"{value}.tif", value) for value in range(1, 9)]
    alone = [decode(path).pixels for path in paths]
    together: dict[int, np.ndarray] = {}

    def work(start: int) -> None:
        for index in range(start, 8, 2):
            together[index] = decode(paths[index]).pixels

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(alone[index], together[index]) for index in range(8))


def test_measuring_decodes_nothing(tmp_path, monkeypatch):
    """Whoever only wants the size of a 20-megapixel image reads its header."""
    path = saved(tmp_path / "large.jpg", np.zeros((4000, 5000, 3), np.uint8))
    loaded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: loaded.append(image.size))
    assert measure(path) == ((4000, 5000), False)
    assert loaded == []
    with pytest.raises(Exception):  # noqa: B017 - what an image without pixels ends in is another test's matter
        decode(path)
    assert loaded, "the same watch sees that decoding loads the pixels"


def test_what_measure_says_decode_gives(shared):
    """On every hundredth image of the real data."""
    paths = sorted(path for path in (shared / "data").rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    assert paths
    for path in paths[::100]:
        image = decode(path)
        assert (image.size, image.turned) == measure(path)


# --- a JPEG without its last two bytes ---------------------------------------------------------------
def noise(height: int = 48, width: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


JPEGS = {
    "baseline": {}, "progressive": {"progressive": True}, "gray": {"gray": True}, "4:4:4": {"subsampling": 0},
    "restart marks": {"restart_marker_rows": 1},
}  # fmt: skip


def jpeg(gray: bool = False, **options) -> bytes:
    data = io.BytesIO()
    Image.fromarray(noise()).convert("L" if gray else "RGB").save(data, "JPEG", quality=90, **options)
    return data.getvalue()


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("lost", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_is_read(tmp_path, kind, lost):
    whole = jpeg(**JPEGS[kind])
    (tmp_path / "a.jpg").write_bytes(whole[:-lost])
    for given in (tmp_path / "a.jpg", whole[:-lost]):
        assert np.array_equal(decode(given).pixels, decode(whole).pixels)


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_pixels_is_refused(kind):
    whole = jpeg(**JPEGS[kind])
    for kept in (0.3, 0.6, 0.9, 0.99):
        with pytest.raises(ImageError, match="damaged or incomplete"):
            decode(whole[: int(len(whole) * kept)])


def test_a_progressive_jpeg_cut_between_two_scans_is_refused():
    """All its pixels are there, but blurred."""
    whole = jpeg(progressive=True)
    last = whole.rindex(b"\xff\xda")
    start = max(whole.rfind(b"\xff\xc4", 0, last), 0)
    with pytest.raises(ImageError, match="damaged or incomplete"):
        decode(whole[: start if start > whole.rindex(b"\xff\xda", 0, last) else last])


# --- what an image may ask for -------------------------------------------------------------------------
def test_a_jpeg_of_hundreds_of_scans_is_refused():
    assert decode(attacks.progressive_by_hand(64, 48, 20)).size == (48, 64)
    with pytest.raises(ImageError, match="more scans than any program writes"):
        decode(attacks.progressive_by_hand(17300, 17300, 700))


MEMORY = """
import resource, sys
from maskwright.images.decode import decode
decode(sys.argv[1], limit_pixels=10**9)
small = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode(sys.argv[2], limit_pixels=10**9)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - small)
"""

SIDE = 3000
KINDS = {
    "gray PNG": ("L", ".png", {}), "RGB JPEG": ("RGB", ".jpg", {}), "RGBA PNG": ("RGBA", ".png", {}),
    "LA PNG": ("LA", ".png", {}), "palette PNG": ("P", ".png", {"transparency": 0}), "1-bit PNG": ("1", ".png", {}),
    "16-bit PNG": ("I;16", ".png", {}), "float TIFF": ("F", ".tif", {"compression": "tiff_adobe_deflate"}),
    "32-bit TIFF": ("I", ".tif", {"compression": "tiff_adobe_deflate"}), "CMYK JPEG": ("CMYK", ".jpg", {}),
    "turned JPEG": ("RGB", ".jpg", {"exif": True}), "WebP": ("RGB", ".webp", {"lossless": True, "method": 0}),
    "progressive JPEG": ("RGB", ".jpg", {"progressive": True, "subsampling": 0}),
}  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in other units there")
@pytest.mark.parametrize("kind", KINDS)
def test_memory_stays_within_what_the_header_was_found_to_ask_for(tmp_path, kind):
    mode, ending, options = KINDS[kind]
    if options.get("exif"):
        options = {"exif": Image.Exif()}
        options["exif"][274] = 6
    for name, side in (("small", 50), ("large", SIDE)):
        saved(tmp_path / f"{name}{ending}", Image.new(mode, (side, side)), **options)
    large = tmp_path / f"large{ending}"
    paths = [str(tmp_path / f"small{ending}"), str(large)]
    told = subprocess.run([sys.executable, "-c", MEMORY, *paths], capture_output=True, text=True, check=True).stdout
    with _opened(large, "large") as (image, _):
        asked = bytes_a_pixel(image)
    assert int(told) * 1024 / SIDE**2 < asked + 1.5  # strips of a megapixel come on top
    if asked > 7:  # such an image must be smaller than the limit by as much
        with pytest.raises(ImageError, match="needs too much memory"):
            decode(large, limit_pixels=int(SIDE**2 * asked / 7) - 100_000)


# --- what libtiff would say itself ---------------------------------------------------------------------
def test_a_broken_tiff_writes_nothing_of_its_own(tmp_path, capfd):
    path = saved(tmp_path / "a.tif", noise(), compression="tiff_adobe_deflate")
    data = bytearray(path.read_bytes())
    data[2000:2600] = bytes(600)
    path.write_bytes(data)
    with pytest.raises(ImageError):
        decode(path)
    if sys.platform != "win32":
        assert capfd.readouterr().err == ""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_and_a_device_are_no_images(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    for name in ("pipe.jpg", "zero.jpg"):
        for read in (decode, measure):
            with pytest.raises(ImageError, match="this is a device, a pipe or a socket"):
                read(tmp_path / name)
