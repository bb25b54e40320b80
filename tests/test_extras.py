"""The command that installs what is missing fits the way maskwright itself was installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

from maskwright import extras
from maskwright.extras import how_to_install, how_to_reinstall


class Distribution:
    def __init__(self, noted: str | None) -> None:
        self.noted = noted

    def read_text(self, name: str) -> str | None:
        return self.noted if name == "direct_url.json" else None


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """A copy of the package in an environment, with what pip noted of where it came from."""

    def install(facts: object) -> None:
        noted = facts if isinstance(facts, str) or facts is None else json.dumps(facts)
        monkeypatch.setattr(extras, "_clone", lambda: None)
        monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Distribution(noted))

    return install


@pytest.fixture(autouse=True)
def pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """An active environment with pip, whatever runs these tests."""
    monkeypatch.setattr(shutil, "which", lambda name: str(Path(sys.executable).with_name(name)))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


def test_an_environment_that_is_not_active_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    for python, shown in ((tmp_path / ".venv" / "bin" / "python", str(Path(".venv/bin/python"))),
                          (Path("/my envs/bin/python"), f'"{Path("/my envs/bin/python")}"')):  # fmt: skip
        monkeypatch.setattr(sys, "executable", str(python))
        for found in (None, "/usr/bin/pip"):
            monkeypatch.setattr(shutil, "which", lambda name, found=found: found)
            assert how_to_install("pandas") == f"{shown} -m pip install pandas"


def test_an_environment_without_pip_is_one_of_uvs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert how_to_install("pandas") == "uv pip install pandas"
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    assert how_to_install("pandas").startswith("uv pip install --python ")


def test_what_pipx_installed_is_pipxs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", str(Path("/home/me/.local/share/pipx/venvs/maskwright/bin/python")))
    assert how_to_install("pandas") == "pipx runpip maskwright install pandas"


def test_other_packages_are_installed_by_their_name():
    assert how_to_install("pandas") == "pip install pandas"


def test_a_clone_gets_its_extras_from_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(extras, "_clone", lambda: tmp_path)
    assert how_to_install("maskwright[video]") == f'pip install -e "{tmp_path}[video]"'
    assert how_to_reinstall() == f'git -C "{tmp_path}" checkout -- src/maskwright'
    monkeypatch.chdir(tmp_path)
    assert how_to_install("maskwright[video]") == 'pip install -e ".[video]"'


def test_the_code_of_these_tests_is_a_clone_or_installed():
    """Whatever this is, the hint names the extra."""
    assert "[video]" in how_to_install("maskwright[video]")


def test_a_package_from_an_index_gets_its_extras_from_there(installed):
    for noted in (None, "", "no JSON", "[]"):
        installed(noted)
        assert how_to_install("maskwright[urls]") == 'pip install "maskwright[urls]"'
        assert how_to_reinstall() == 'pip install --force-reinstall --no-deps "maskwright"'


def test_a_package_that_no_one_installed_gets_them_from_an_index(installed, monkeypatch: pytest.MonkeyPatch):
    def absent(name: str) -> Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    installed(None)
    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    assert how_to_install("maskwright[urls]") == 'pip install "maskwright[urls]"'


def test_a_package_from_a_folder_gets_them_from_that_folder(installed, tmp_path: Path):
    folder = tmp_path / "my clone"
    folder.mkdir()
    installed({"url": folder.as_uri(), "dir_info": {}})
    assert how_to_install("maskwright[video]") == f'pip install "{folder}[video]"'
    installed({"url": folder.as_uri(), "dir_info": {"editable": True}})
    assert how_to_install("maskwright[video]") == f'pip install -e "{folder}[video]"'
    folder.rmdir()
    assert how_to_install("maskwright[video]") == 'pip install "maskwright[video]"'


def test_a_package_from_a_repository_or_an_archive_gets_them_from_there(installed):
    installed({"url": "https://example.org/m.git", "vcs_info": {"vcs": "git", "commit_id": "1"}})
    assert how_to_install("maskwright[video]") == 'pip install "maskwright[video] @ git+https://example.org/m.git"'
    installed({"url": "file:///tmp/m.whl", "archive_info": {}})
    assert how_to_install("maskwright[video]") == 'pip install "maskwright[video] @ file:///tmp/m.whl"'
