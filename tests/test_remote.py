"""Datasets at addresses of fsspec, tried with its file system in memory. No test here uses the network."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from attacks.annotations import SQUARE, via
from reported import sentences

from maskwright import formats
from maskwright.api.reading import dataset_of
from maskwright.errors import DatasetError, InputError, MissingExtra
from maskwright.formats import remote

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """A folder of a file system in memory with the files of a dataset; its address."""
    monkeypatch.setenv("MASKWRIGHT_CACHE", str(tmp_path / "cache"))
    via(tmp_path / "party" / "train", SQUARE)
    files = fsspec.filesystem("memory")
    files.put(str(tmp_path / "party"), "/bucket/party", recursive=True)
    yield "memory://bucket/party"
    files.rm("/bucket", recursive=True)


def test_a_folder_at_an_address_is_fetched_once_and_read(bucket, tmp_path):
    data = formats.read(bucket)
    assert (data.name, data.instance_count, [record.split for record in data]) == ("party", 1, ["train"])
    assert f"memory://bucket/party was fetched into {tmp_path / 'cache'}" in sentences(data)[-1]
    before = sorted((tmp_path / "cache").rglob("*"))
    assert dataset_of(Path(bucket)).instance_count == 1  # in a Path two slashes are one
    assert sorted((tmp_path / "cache").rglob("*")) == before
    fsspec.filesystem("memory").pipe("/bucket/party/more.txt", b"new")
    formats.read(bucket)
    assert len(sorted((tmp_path / "cache").rglob("via.json"))) == 2


def test_an_archive_at_an_address_is_unpacked(bucket, tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "party.zip", "w") as archive:
        for path in sorted((tmp_path / "party").rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    fsspec.filesystem("memory").put(str(tmp_path / "party.zip"), "/bucket/party.zip")
    assert formats.read("memory://bucket/party.zip").instance_count == 1


def test_an_address_with_nothing_or_too_much_is_an_error(bucket, monkeypatch, tmp_path):
    with pytest.raises(DatasetError, match=r"there is nothing at this address|cannot be looked into"):
        formats.read("memory://bucket/none")
    monkeypatch.setattr(remote, "MOST_BYTES", 10)
    with pytest.raises(DatasetError, match="more than a dataset holds"):
        formats.read(bucket)
    assert not list((tmp_path / "cache").rglob("*.json"))


def test_a_web_address_and_a_kind_that_nobody_knows_are_errors():
    with pytest.raises(DatasetError, match="folders of the web cannot be listed"):
        formats.read("https://example.com/party/")
    with pytest.raises(InputError, match="no kind of address"):
        formats.read("nothing://example.com/party/")


def test_without_fsspec_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtra, match="fsspec"):
        formats.read("s3://bucket/party")


@pytest.mark.parametrize("path", ["party", "C:/party", "C:\\party", "./a:/b", "/a/b"])
def test_paths_of_this_machine_are_no_addresses(path):
    assert remote.address_of(path) is None


def test_a_folder_that_is_called_like_an_address_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "party").mkdir(parents=True)
    assert remote.address_of("s3:/party") is None and remote.address_of("s3:/other") == "s3://other"
