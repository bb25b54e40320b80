"""maskwright-runtime: the same sources without torch; it predicts by an exported model."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from lively_networks import lively_model, picture
from PIL import Image as PilImage

ROOT = Path(__file__).resolve().parents[1]
PREDICTED = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "safetensors", "hotcoco"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoTorch())
sys.path.insert(0, sys.argv[1])
import maskwright
print(maskwright.__file__)
print(maskwright.load(sys.argv[2])(sys.argv[3]))
"""


def builder():
    spec = importlib.util.spec_from_file_location("build_runtime", ROOT / "tools" / "build_runtime.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_runtime_is_the_same_project_without_torch():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    whole, runtime = tomllib.loads(text)["project"], tomllib.loads(builder().runtime_project(text))["project"]
    assert runtime["name"] == "maskwright-runtime" and runtime["license"] == whole["license"]
    names = {requirement.split(">=")[0] for requirement in runtime["dependencies"]}
    assert names >= {"click", "numpy", "pillow", "msgspec", "onnxruntime"} and "torch" not in names
    assert any(requirement.startswith("torch") for requirement in whole["dependencies"])
    assert set(runtime["optional-dependencies"]) == {"openvino"}


@pytest.mark.slow
def test_the_runtime_predicts_by_an_exported_model_without_torch(tmp_path):
    pytest.importorskip("onnxruntime")
    from maskwright.api.export import export

    try:
        wheel = builder().build(tmp_path / "dist")
    except subprocess.CalledProcessError:
        pytest.skip("the build backend, hatchling, cannot be installed here")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    assert not (tmp_path / "installed" / "mrcnn").exists()
    image = tmp_path / "image.png"
    PilImage.fromarray(picture((64, 64)).pixels).save(image)
    model = lively_model(tmp_path / "model", "small", "classify", ("rust", "fine"), 64)
    export(model, "onnx", out=tmp_path / "out", images=image)
    command = [sys.executable, "-I", "-c", PREDICTED, *map(str, (tmp_path / "installed", tmp_path / "out", image))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    location, labels = done.stdout.splitlines()
    assert Path(location).is_relative_to(tmp_path) and labels.split()[0] in ("rust", "fine")
