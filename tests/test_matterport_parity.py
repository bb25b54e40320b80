"""The original's own numbers, by its own evaluate: check_parity.py on the smallest network of the reference files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("h5py")
pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def evaluate(shared, tmp_path_factory):
    """check_parity.py with our `mrcnn` and adapter; weights are made on first use, outside the repository."""
    script, weights = shared / "parity" / "check_parity.py", tmp_path_factory.mktemp("weights")
    if not script.is_file():
        pytest.skip("the reference numbers are not here")

    def run(only: str, mrcnn: Path = HERE.parent / "src") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), "--mrcnn", str(mrcnn), "--weights", str(weights), "--only", only]
        environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [*command, "--adapter", "parity_adapter"],
            cwd=HERE,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
        )

    return run


@pytest.mark.parametrize("only", ["layers", "r50_256_a", "training"])
def test_nothing_is_beyond_its_limit(evaluate, only):
    found = evaluate(only)
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-2000:]
    assert ", 0 beyond their limit, 0 cases could not be run" in found.stdout


def test_the_test_above_would_notice(evaluate, tmp_path):
    """A batch normalisation's epsilon that is 2 % off is seen."""
    changed = tmp_path / "src"
    (changed / "mrcnn").mkdir(parents=True)
    for file in (HERE.parent / "src" / "mrcnn").glob("*.py"):
        (changed / "mrcnn" / file.name).write_bytes(file.read_bytes())
    model = changed / "mrcnn" / "model.py"
    text = "\nimport maskwright.models.matterport.network as _network\n\n_network.EPSILON = 1.02e-3\n"
    model.write_text(model.read_text(encoding="utf-8") + text, encoding="utf-8")
    found = evaluate("r50_256_a", changed)
    assert found.returncode == 1, found.stdout[-2000:]
