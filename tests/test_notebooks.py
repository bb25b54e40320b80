"""The notebooks of examples/: what is stored in them, and every cell runs, on small data and for a step or two."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from notebook_cells import cells

pytest.importorskip("matplotlib")
pytest.importorskip("h5py")

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
SMALL = {
    "EXAMPLE_IMAGES": "8",
    "EXAMPLE_STEPS": "1",
    "EXAMPLE_SIDE": "128",
    "EXAMPLE_EPOCHS": "2",
    "MPLBACKEND": "Agg",
    "OMP_NUM_THREADS": "1",
}
PRINTED = {  # what each must come to, at the least
    "balloons": ["Dataset('party', 8 images", "cover", "Predicted(", "Evaluated(", "epoch", "Instances("],
    "balloon_splash": ["train: 6 images of ['BG', 'balloon']", "of the image is in color"],
    "batches_of_frames": ["BATCH_SIZE 3", "7 frames in frames"],
    "coco_demo": ["NUM_CLASSES                    81", "objects: 5"],
    "from_a_wheel": ["8 images", "Trained(", "Evaluated(runs/party-model/best on party", "Instances("],
    "guns_and_swords": ["6 images to train on, 2 held back", "events.out.tfevents", "mask_rcnn_weapons_0001.h5"],
    "rust": [
        "rust.0.jpg = rust.8.jpg",
        "images, {'norust': 8, 'rust': 9}",
        "Evaluated(runs/rust",
        "with 95 % confidence the recall is at least",
        "ImageLabels(",
        "17 images: {",
        "the detector was spared",
        "sorted/",
    ],
    "weld_defects": [
        "Re-starting from epoch 1",
        "mask_rcnn_gdxray_0002.h5",
        "mAP @ IoU 0.5: ",
        "recall of the proposals",
    ],
}

every = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def empty() -> Iterator[Path]:
    """A folder that is gone afterwards: weights are large."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def ran(notebook: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, str(ROOT / "tests" / "notebook_cells.py"), str(notebook)]
    return subprocess.run(call, capture_output=True, text=True, cwd=folder, env={**os.environ, **SMALL}, check=False)


def test_every_notebook_is_expected_to_come_to_something():
    assert [path.stem for path in NOTEBOOKS] == sorted(PRINTED)


@every
def test_what_a_notebook_stores_is_one_run_from_top_to_bottom_without_an_error(notebook):
    code = [cell for cell in json.loads(notebook.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in code]
    assert counts in ([None] * len(code), list(range(1, len(code) + 1)))
    assert [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"] == []
    assert all(cell["metadata"] == {} for cell in code)


@every
def test_a_notebook_is_small_and_names_no_folder_of_the_computer_it_ran_on(notebook):
    text = notebook.read_text("utf-8")
    assert len(text) < 400_000
    assert not re.search(r"/(home|root|tmp|mnt|Users)/", text)


def test_notebooks_of_our_own_store_pictures():
    for name in ("balloons", "from_a_wheel", "rust"):
        text = (ROOT / "examples" / f"{name}.ipynb").read_text("utf-8")
        assert '"image/jpeg": "' in text and "data:image/jpeg;base64," in text, name


@every
def test_a_notebook_of_matterports_begins_with_the_extension_and_all_are_python(notebook):
    first, *rest = cells(notebook)
    ports = any("from mrcnn" in code or "import mrcnn" in code for code in rest)
    assert first.startswith("%load_ext maskwright") == ports, "needed for scripts of matterport's, and for nothing else"
    for code in rest:
        ast.parse(code)


@pytest.mark.slow
@every
def test_every_cell_runs(notebook, empty):
    done = ran(notebook, empty)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [words for words in PRINTED[notebook.stem] if words not in done.stdout] == [], done.stdout[-3000:]
    if any("plt." in code for code in cells(notebook)):
        assert list(empty.glob("cell_*.png")), "it shows something"


@pytest.mark.slow
def test_a_cell_that_fails_would_be_noticed(empty):
    broken = {"cell_type": "code", "source": ["%matplotlib inline\n", "1 / 0"]}
    (empty / "broken.ipynb").write_text(json.dumps({"cells": [broken]}))
    done = ran(empty / "broken.ipynb", empty)
    assert done.returncode == 1 and 'File "broken.ipynb, code cell 1", line 2' in done.stderr
