"""Published datasets: fetched by name, unpacked with care. No test here uses the network."""

from __future__ import annotations

import contextlib
import io
import stat
import zipfile
from pathlib import Path

import pytest

from maskwright import fetch
from maskwright.curate.published import PUBLISHED, obtain
from maskwright.errors import DatasetError, FetchError, OutputError, UnknownName
from maskwright.formats.archives import unpack
from maskwright.formats.registry import FORMATS


def archive(file: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, data in members:
            zipped.writestr(name, data)
    return file


@pytest.fixture
def served(monkeypatch, tmp_path):
    """`fetch` answers with a small archive, or fails when asked to; the list of addresses that were asked for."""
    asked = []

    def answer(url, target, sha256=None, progress=None, size=None, offline=""):
        asked.append(url)
        if Path(target).is_file():
            return target
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        return archive(Path(target), ("balloon/train/a.txt", b"here"), ("__MACOSX/balloon/._a", b""))

    monkeypatch.setattr(fetch, "fetch", answer)
    return asked


def test_every_set_has_an_address_terms_and_a_known_format():
    for name, item in PUBLISHED.items():
        assert name.isidentifier() and item.license and item.page.startswith("https://")
        assert item.address.startswith("http") and item.address.endswith(".zip") and item.format in FORMATS


def test_an_unknown_name_offers_the_nearest(tmp_path):
    with pytest.raises(UnknownName, match='Did you mean "balloon"'):
        obtain("baloon", tmp_path)


def test_a_set_is_fetched_and_unpacked_once(served, tmp_path):
    folder = obtain("balloon", tmp_path)
    assert folder == tmp_path / "balloon" and (folder / "balloon/train/a.txt").read_bytes() == b"here"
    assert not (folder / "__MACOSX").exists()
    assert obtain("balloon", tmp_path) == folder and len(served) == 1


def test_without_a_network_the_way_by_hand_is_told(monkeypatch, tmp_path):
    def fail(url, *args, **kwargs):
        raise FetchError("no connection", file=url, fix="something else")

    monkeypatch.setattr(fetch, "fetch", fail)
    with pytest.raises(FetchError) as caught:
        obtain("welds", tmp_path)
    by_hand = "download it by hand from https://domingomery.ing.puc.cl/material/gdxray/ and save it as "
    assert caught.value.parts["fix"] == by_hand + str(tmp_path / "welds.zip")


def test_an_archive_saved_by_hand_is_taken(served, tmp_path):
    archive(tmp_path / "welds.zip", ("Welds/W0001/ground_truth.txt", b"1 1 2 1 2"))
    assert (obtain("welds", tmp_path) / "Welds/W0001/ground_truth.txt").is_file()


# --- hostile archives -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["../out.txt", "a/../../out.txt", "/out.txt", "..\\out.txt", "C:\\out.txt", "C:out.txt"]
)
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    file = archive(tmp_path / "a.zip", ("fine.txt", b""), (name, b"gotcha"))
    with pytest.raises(DatasetError, match="refused"):
        unpack(file, tmp_path / "deep" / "target")
    assert not (tmp_path / "deep" / "target").exists() and not (tmp_path / "deep" / "out.txt").exists()
    assert not (tmp_path / "out.txt").exists()


def test_a_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("images")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DatasetError) as caught:
        unpack(archive(tmp_path / "a.zip", (link, b"/etc")), tmp_path / "target")
    assert caught.value.parts["got"] == "a link"


def test_a_bomb_is_refused_and_leaves_nothing(tmp_path):
    file = archive(tmp_path / "a.zip", ("zeros", bytes(10_000)))
    with pytest.raises(DatasetError, match="refused"):
        unpack(file, tmp_path / "target", most_bytes=9_999)
    unpack(file, tmp_path / "enough", most_bytes=10_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "enough"]


def test_names_that_one_file_system_takes_for_one_are_refused(tmp_path):
    with pytest.raises(DatasetError, match="refused"):
        unpack(archive(tmp_path / "a.zip", ("A.txt", b""), ("a.txt", b"")), tmp_path / "target")


@pytest.mark.parametrize("data", [b"", b"<html>moved</html>", None])
def test_what_is_no_archive_or_half_of_one_says_so(tmp_path, data):
    file = archive(tmp_path / "a.zip", ("a.txt", bytes(range(256)) * 99))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if data is None else data)
    with pytest.raises(DatasetError, match="cannot be unpacked"):
        unpack(file, tmp_path / "target")


def test_a_damaged_file_in_an_archive_says_so(tmp_path):
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as zipped:
        zipped.writestr("a.txt", b"the content")
    (tmp_path / "a.zip").write_bytes(stored.getvalue().replace(b"the content", b"tha content"))
    with pytest.raises(DatasetError, match="cannot be unpacked"):
        unpack(tmp_path / "a.zip", tmp_path / "target")
    assert not (tmp_path / "target").exists()


# --- hostile archives: nothing but our own errors -----------------------------------------------
def test_a_member_without_a_name_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("x", b"content")
    data = (tmp_path / "a.zip").read_bytes()
    local, central = data.index(b"PK\3\4"), data.index(b"PK\1\2")
    nameless = bytearray(data[:30] + data[31:central] + data[central : central + 46] + data[central + 47 :])
    central -= 1
    nameless[local + 26 : local + 28] = b"\0\0"
    nameless[central + 28 : central + 30] = b"\0\0"
    end = nameless.index(b"PK\5\6")
    nameless[end + 12 : end + 16] = (46).to_bytes(4, "little")
    nameless[end + 16 : end + 20] = central.to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(nameless)
    with pytest.raises(DatasetError, match="this archive is refused"):
        unpack(tmp_path / "a.zip", tmp_path / "t")
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_flipped_byte_of_an_archive_lets_another_error_out(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as zipped:
        zipped.writestr("a/b.txt", bytes(range(256)) * 4)
        zipped.writestr("c.txt", b"second")
    data = (tmp_path / "a.zip").read_bytes()
    for index in range(0, len(data), 3):
        broken = bytearray(data)
        broken[index] ^= 0xFF
        (tmp_path / "b.zip").write_bytes(broken)
        with contextlib.suppress(DatasetError, OutputError):
            unpack(tmp_path / "b.zip", tmp_path / f"t{index}")


def test_an_archive_that_is_not_there_is_a_data_set_error(tmp_path):
    with pytest.raises(DatasetError, match="cannot be unpacked"):
        unpack(tmp_path / "none.zip", tmp_path / "t")
