"""Whatever a user calls images: found, named, opened."""

from __future__ import annotations

import io
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PilImage

from maskwright.errors import DatasetError, FetchError, ImageError, InputError, MissingExtra
from maskwright.extras import how_to_install
from maskwright.images.sources import Source, _distinct, expand, naturally, only, open_source
from maskwright.types import Image, Window

RED = np.full((4, 6, 3), (255, 0, 0), np.uint8)


def png() -> bytes:
    data = io.BytesIO()
    PilImage.fromarray(RED).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def party(tmp_path) -> Path:
    folder = tmp_path / "party"
    (folder / "deeper").mkdir(parents=True)
    for name in ("image_10.png", "image_2.PNG", "Image_1.png", ".hidden.png", "deeper/image_3.png"):
        (folder / name).write_bytes(png())
    (folder / "notes.txt").write_text("no image")
    (folder / "folder.png").mkdir()
    return folder


def names(found: list[Source]) -> list[str]:
    return [Path(source.name).name for source in found]


# --- finding ------------------------------------------------------------------------------------
def test_naming_nothing_is_an_error():
    with pytest.raises(DatasetError, match="no images were named"):
        expand([])


def test_a_folder_gives_its_images_as_people_count(party):
    assert names(expand([party])) == ["Image_1.png", "image_2.PNG", "image_10.png"]
    assert names(expand(str(party))) == ["Image_1.png", "image_2.PNG", "image_10.png"]


def test_recursive_takes_the_folders_in_a_folder_and_keeps_them_in_the_stem(party):
    (party / "deeper" / "again").mkdir()
    (party / "deeper" / "again" / "image_3.png").write_bytes(png())
    (party / ".cache").mkdir()
    (party / ".cache" / "small.png").write_bytes(png())
    found = expand([party], recursive=True)
    assert [source.stem for source in found] == [
        "deeper/again/image_3", "deeper/image_3", "Image_1", "image_2", "image_10",
    ]  # fmt: skip
    assert all(open_source(source).size == (4, 6) for source in found)
    twice = expand([party / "deeper", party / "deeper"], recursive=True)
    assert [source.stem for source in twice] == ["again/image_3", "image_3", "again/image_3_2", "image_3_2"]


def test_recursive_finds_an_image_by_its_own_name_and_says_where_there_is_none(party, tmp_path):
    assert [source.stem for source in expand([party / "image_10.png"], recursive=True)] == ["image_10"]
    with pytest.raises(DatasetError, match="nor in those in it"):
        expand([party / "folder.png"], recursive=True)


def test_recursive_enters_each_folder_once_and_opens_nothing_outside(party, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(png())
    try:
        (party / "deeper" / "back").symlink_to(party, target_is_directory=True)
        (party / "deeper" / "away").symlink_to(outside, target_is_directory=True)
    except OSError:
        pytest.skip("no links here")
    found = {source.stem: source for source in expand([party], recursive=True)}
    assert sorted(found) == ["Image_1", "deeper/away/secret", "deeper/image_3", "image_10", "image_2"]
    with pytest.raises(ImageError, match="leads out of its folder"):
        open_source(found["deeper/away/secret"])
    followed = {source.stem: source for source in expand([party], follow_links=True, recursive=True)}
    assert open_source(followed["deeper/away/secret"]).size == (4, 6)


def test_a_pattern_gives_images_only(party):
    assert names(expand([f"{party}/*"])) == ["Image_1.png", "image_2.PNG", "image_10.png"]
    deep = names(expand([f"{party}/**/*.png"]))
    assert sorted(deep) == ["Image_1.png", "image_10.png", "image_3.png"]


def test_a_file_is_taken_whatever_its_ending(party):
    (party / "scan.dat").write_bytes(png())
    (source,) = expand([party / "scan.dat"])
    assert open_source(source).size == (4, 6)


def test_a_name_that_looks_like_a_pattern_but_exists_is_a_file(party):
    (party / "image[1].png").write_bytes(png())
    assert names(expand([party / "image[1].png"])) == ["image[1].png"]


def test_the_order_of_the_user_is_kept(party):
    assert names(expand([party / "image_10.png", party / "Image_1.png"])) == ["image_10.png", "Image_1.png"]


def test_no_such_file(tmp_path):
    with pytest.raises(DatasetError) as caught:
        expand([tmp_path / "none.jpg"])
    assert str(caught.value) == (
        f"DatasetError: {tmp_path / 'none.jpg'}: there is no such file or folder\n"
        "  expected  an image, a folder, a pattern or an address\n"
        "  got       nothing\n"
        f"  fix       check the path (looked for from {Path.cwd()})"
    )


def test_a_folder_without_images_says_where_there_are_some(tmp_path, party):
    with pytest.raises(DatasetError) as caught:
        expand([tmp_path])
    assert caught.value.parts["got"] == "images only in folders of it, as party/Image_1.png"
    assert caught.value.parts["fix"].startswith("--recursive")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DatasetError, match="no images in this folder"):
        expand([tmp_path / "bare"])


def test_a_pattern_without_images_says_what_it_met(party):
    with pytest.raises(DatasetError) as caught:
        expand([f"{party}/*.txt"])
    assert caught.value.parts["got"] == "1 other files"


@pytest.mark.parametrize("path", ["a\0b.jpg", "x" * 5000, "~nobody-of-this-name/a.jpg"])
def test_an_impossible_name_is_our_error(path):
    with pytest.raises(DatasetError):
        expand([path])


def test_what_is_no_source_is_said(party):
    with pytest.raises(InputError, match="cannot be opened as an image"):
        expand([3.5])  # type: ignore[list-item]


@given(st.lists(st.text("aB12_.", max_size=6), max_size=8))
def test_natural_order_is_an_order(paths):
    """Any names can be sorted, and the order they came in does not matter."""
    once = sorted(paths, key=naturally)
    paths.reverse()
    assert sorted(paths, key=naturally) == once


# --- naming --------------------------------------------------------------------------------------
@given(st.lists(st.sampled_from(["a", "A", "a_2", "a_2_2", "b"]), max_size=12))
def test_no_two_stems_are_the_same(stems):
    """Whatever the case, for some file systems ignore it; and the first keeps its name."""
    given_out = [source.stem for source in _distinct(Source(stem, stem, b"") for stem in stems)]
    assert len({stem.casefold() for stem in given_out}) == len(stems)
    assert given_out[:1] == stems[:1]


def test_the_second_of_a_name_is_numbered(party):
    found = expand([party / "image_10.png", party / "deeper" / "image_3.png", party / "image_10.png"])
    assert [source.stem for source in found] == ["image_10", "image_3", "image_10_2"]


def test_stems_can_be_file_names_everywhere():
    (source,) = expand(["https://example.org/photos/caf%C3%A9%3A1.jpg?size=large"])
    assert source.stem == "café_1"
    assert source.name == "https://example.org/photos/caf%C3%A9%3A1.jpg?size=large"


# --- arrays and images ---------------------------------------------------------------------------
def test_arrays_bytes_images_and_images_are_sources():
    image = Image(RED, "mine.jpg")
    found = expand([RED, png(), PilImage.fromarray(RED), image])
    assert [source.stem for source in found] == ["image_1", "image_2", "image_3", "mine"]
    assert all(np.array_equal(open_source(source).pixels, RED) for source in found)
    assert open_source(found[3]) is image


def test_one_array_is_one_image_and_not_a_list_of_rows():
    assert len(expand(RED)) == 1


def test_a_gray_array_gets_three_channels():
    gray = RED[:, :, 0]
    for array in (gray, gray[:, :, None]):
        image = open_source(expand(array)[0])
        assert image.pixels.shape == (4, 6, 3) and image.window is None


def test_a_deep_gray_array_gets_a_window():
    image = open_source(expand(np.arange(24.0).reshape(4, 6))[0])
    assert image.window is not None and image.pixels.max() == 255
    assert open_source(expand(RED)[0], window=Window(0, 510)).pixels.max() == 128


@pytest.mark.parametrize(
    "array",
    [RED / 255, RED.transpose(2, 0, 1), RED[None], np.zeros((0, 5), np.uint8), np.array(["a"]), np.array(5)],
    ids=["floats", "channels first", "batch", "no rows", "text", "one number"],
)
def test_an_array_that_is_no_image_is_refused(array):
    with pytest.raises(ImageError, match="this array is no image"):
        open_source(expand(array)[0])


# --- standard input ------------------------------------------------------------------------------
class Stdin:
    def __init__(self, data: bytes, terminal: bool = False) -> None:
        self.buffer, self.isatty = io.BytesIO(data), lambda: terminal


def test_standard_input_is_an_image(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(png()))
    image = open_source(expand("-")[0])
    assert (image.name, image.size) == ("stdin", (4, 6))


@pytest.mark.parametrize("stdin", [Stdin(b""), Stdin(b"", terminal=True)], ids=["empty", "terminal"])
def test_nothing_on_standard_input_is_an_error_and_no_waiting(monkeypatch, stdin):
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(ImageError):
        open_source(expand("-")[0])


# --- addresses -----------------------------------------------------------------------------------
@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = png() if self.path == "/red%20one.png" else b""
            self.send_response(200 if data else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format, *args) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_web_address_is_an_image(server):
    (source,) = expand([f"{server}/red one.png"])
    image = open_source(source)
    assert (image.name, source.stem, image.size) == (f"{server}/red one.png", "red one", (4, 6))


def test_a_web_address_that_is_not_there_is_a_fetch_error(server):
    with pytest.raises(FetchError) as caught:
        open_source(expand([f"{server}/none.png"])[0])
    assert caught.value.parts["got"] == "the server responds 404 Not Found"


def test_a_web_image_has_a_limit(server, monkeypatch):
    monkeypatch.setattr("maskwright.images.sources.LIMIT_BYTES", 50)
    with pytest.raises(FetchError, match="cannot be downloaded"):
        open_source(expand([f"{server}/red one.png"])[0])


def test_addresses_of_other_kinds_go_through_fsspec():
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    for name in ("/bucket/b_10.png", "/bucket/b_9.png", "/bucket/notes.txt"):
        files.pipe(name, png())
    for address in ("memory://bucket/", "memory://bucket/*.png"):
        found = expand([address])
        assert [source.stem for source in found] == ["b_9", "b_10"]
        assert open_source(found[0]).size == (4, 6)
    assert open_source(expand(["memory://bucket/b_9.png"])[0]).name == "memory://bucket/b_9.png"
    with pytest.raises(ImageError, match="no such image"):
        open_source(expand(["memory://bucket/none.png"])[0])
    with pytest.raises(DatasetError, match="no images at this address"):
        expand(["memory://bucket/*.txt"])


def test_an_unknown_kind_of_address_is_said():
    pytest.importorskip("fsspec")
    with pytest.raises(InputError, match='"gopher" is no kind of address'):
        expand(["gopher://example.org/a.png"])


def test_without_fsspec_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtra) as caught:
        expand(["s3://bucket/a.png"])
    assert str(caught.value) == (
        "MissingExtra: addresses of this kind need the package fsspec\n"
        "  got       s3://bucket/a.png\n"
        f"  fix       {how_to_install('maskwright[urls]')}"
    )


# --- links out of the folder that was named ---------------------------------------------------------
@pytest.fixture
def linked(tmp_path):
    """A folder with an image, a link to it, and one to an image outside."""
    (tmp_path / "ph").mkdir()
    for path in (tmp_path / "ph" / "a.png", tmp_path / "secret.png"):
        PilImage.new("RGB", (4, 3)).save(path)
    try:
        (tmp_path / "ph" / "inside.png").symlink_to(tmp_path / "ph" / "a.png")
        (tmp_path / "ph" / "outside.png").symlink_to(tmp_path / "secret.png")
        (tmp_path / "ph" / "circle.png").symlink_to(tmp_path / "ph" / "circle.png")
    except OSError:
        pytest.skip("no links here")
    return tmp_path


def opened(source):
    try:
        return open_source(source).size
    except ImageError as error:
        return error.headline


@pytest.mark.parametrize("named", ["ph", "ph/*.png", "**/*e.png"])
def test_a_link_in_a_folder_that_leads_out_of_it_is_not_followed(linked, monkeypatch, named):
    monkeypatch.chdir(linked / "ph" if named.startswith("**") else linked)
    found = {Path(source.name).name: opened(source) for source in expand(named)}
    assert found["outside.png"] == "this link leads out of its folder"
    assert found["inside.png"] == (3, 4) and found.get("a.png", (3, 4)) == (3, 4)


def test_links_that_lead_out_are_followed_where_that_is_asked_for(linked):
    found = {Path(source.name).name: opened(source) for source in expand(linked / "ph", follow_links=True)}
    assert found["outside.png"] == found["inside.png"] == (3, 4)


def test_a_link_that_is_named_itself_is_followed(linked):
    assert [opened(source) for source in expand(linked / "ph" / "outside.png")] == [(3, 4)]


def test_a_folder_that_is_a_link_may_be_named(linked):
    (linked / "other").symlink_to(linked / "ph", target_is_directory=True)
    assert opened(expand(linked / "other")[0]) == (3, 4)


def test_the_longest_names_get_stems_that_fit_and_stay_apart():
    stems = [source.stem for source in expand([np.zeros((1, 1, 3), np.uint8)])]
    names = [Image(np.zeros((1, 1, 3), np.uint8), "照" * 90 + end) for end in "ab"]
    stems = [source.stem for source in expand([names[0]]) + expand([names[1]])]
    assert len(set(stems)) == 2 and all(len(stem.encode()) <= 250 for stem in stems)


def test_one_image_is_not_the_first_of_several(tmp_path):
    for name in ("a.png", "b.png"):
        PilImage.new("RGB", (4, 3)).save(tmp_path / name)
    assert only(tmp_path / "a.png").stem == only(str(tmp_path / "a*")).stem == "a"
    for several in (tmp_path, str(tmp_path / "*.png"), [tmp_path / "a.png", tmp_path / "b.png"]):
        with pytest.raises(DatasetError, match="several images where one is expected"):
            only(several)


@pytest.mark.parametrize("source", [None, 5, [None]])
def test_what_is_no_source_is_refused_by_its_kind(source):
    with pytest.raises(InputError, match="this cannot be opened as an image"):
        expand(source)
