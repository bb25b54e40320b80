"""The wheel, built and installed into an environment of its own outside the clone, starts and runs the demo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = "Scripts" if os.name == "nt" else "bin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built as a release is; skipped where the build backend cannot be had (no network, hatchling not installed)."""
    folder = tmp_path_factory.mktemp("dist")
    call = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode and "hatchling" in done.stderr:
        pytest.skip("the build backend, hatchling, cannot be installed here")
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("maskwright-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A new environment with the wheel. What the wheel depends on is borrowed from the one that runs the tests; a
    .pth file inside a borrowed folder is not read, so the editable install of the clone is not seen."""
    folder = tmp_path_factory.mktemp("user") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / BIN / Path(sys.executable).name
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    Path(own, "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True)
    return folder


def run(environment: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([environment / BIN / words[0], *words[1:]], cwd=cwd, env=settings, capture_output=True,
                          encoding="utf-8", check=False)  # fmt: skip


@pytest.mark.slow
def test_the_wheel_holds_what_runs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {"maskwright", "mrcnn"} <= top
    assert all(name in ("maskwright", "mrcnn") or name.endswith(".dist-info") for name in top)
    assert {"maskwright/py.typed", "mrcnn/py.typed", "maskwright/report/page.html"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_installed_package_is_the_wheels_own(environment, tmp_path):
    done = run(environment, "python", "-c", "import maskwright; print(maskwright.__file__)", cwd=tmp_path)
    assert Path(done.stdout.strip()).is_relative_to(environment)


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel(environment, tmp_path):
    done = run(environment, "maskwright", "demo", "--seconds", "5", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts
    assert (tmp_path / "runs" / "demo" / "report.html").is_file()


@pytest.mark.slow
def test_the_notebook_for_a_fresh_environment_runs_from_the_wheel(environment, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")  # what runs the cells collects pictures with it
    monkeypatch.setenv("EXAMPLE_IMAGES", "8")
    notebook = ROOT / "examples" / "from_a_wheel.ipynb"
    done = run(environment, "python", str(ROOT / "tests" / "notebook_cells.py"), str(notebook), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "mask_AP50" in done.stdout
        and "Evaluated(" in done.stdout
        and (tmp_path / "metrics" / "evaluation.html").is_file()
    )
