"""The scripts of our pages: their types, which are comments."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parent.parent / "tools"
TSC = shutil.which("tsc")


@pytest.mark.skipif(TSC is None, reason="TypeScript is not installed: npm install -g typescript")
@pytest.mark.slow
def test_the_types_of_the_scripts_agree():
    checked = subprocess.run([str(TSC), "--pretty", "false", "-p", str(TOOLS)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.skipif(TSC is None, reason="TypeScript is not installed: npm install -g typescript")
@pytest.mark.slow
def test_a_wrong_type_is_noticed(tmp_path):
    (tmp_path / "wrong.js").write_text(
        "/** @param {number} count */ export const half = (count) => count.length / 2;\n"
    )
    options = ["--allowJs", "--checkJs", "--noEmit", "--strict"]
    checked = subprocess.run([str(TSC), *options, str(tmp_path / "wrong.js")], capture_output=True, text=True)
    assert checked.returncode != 0 and "length" in checked.stdout
