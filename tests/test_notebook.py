"""%load_ext maskwright, with a shell that only remembers what it is told: IPython is not needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from notebook_standin import notebook

import maskwright
from maskwright.errors import InputError
from maskwright.notebook import dataset_table, instances_table
from maskwright.types import Dataset, Instances, Record
from mrcnn import finders


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    yield notebook(monkeypatch)[0]
    finders.remove()


def detections(classes: list[int], scores: list[float] | None, names: tuple[str, ...] = ("gun", "sword")) -> Instances:
    return Instances(np.zeros((len(classes), 4)), np.array(classes), scores, None, names)  # type: ignore[arg-type]


# --- loading ----------------------------------------------------------------------------------------
def test_the_extension_shows_objects_as_a_table(shell):
    maskwright.load_ipython_extension(shell)
    html = shell.display_formatter.formatters["text/html"]
    assert html(detections([0], [0.9])).startswith("<table>")


def test_loading_it_twice_is_loading_it_once(shell):
    maskwright.load_ipython_extension(shell)
    maskwright.load_ipython_extension(shell)
    assert sum(isinstance(finder, finders.Flat) for finder in sys.meta_path) == 1


CELLS = """
import sys
from types import SimpleNamespace
sys.path.insert(0, "clone")
import maskwright
html = SimpleNamespace(for_type_by_name=lambda *_: None)
formatters = {"text/html": html, "image/png": html, "image/jpeg": html}
maskwright.load_ipython_extension(SimpleNamespace(display_formatter=SimpleNamespace(formatters=formatters)))
from mrcnn.config import Config
import utils
print(Config().BATCH_SIZE, utils.__name__)
"""


def test_cells_below_import_ours_where_an_old_clone_lies(tmp_path: Path):
    package = tmp_path / "clone" / "mrcnn"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('the old one')")
    done = subprocess.run([sys.executable, "-c", CELLS], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout == "2 mrcnn.utils\n", done.stderr


def test_a_script_gets_ours_where_pythonpath_names_an_old_clone(tmp_path: Path):
    package = tmp_path / "clone" / "mrcnn"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('the old one')")
    (tmp_path / "a.py").write_text("from mrcnn.config import Config; print(Config().BATCH_SIZE)")
    call = [sys.executable, "-m", "maskwright", "run", "a.py"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "clone")}
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path, env=env, check=False)
    assert done.stdout == "2\n", done.stderr


def test_an_old_mrcnn_that_is_imported_already_is_named(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "mrcnn", SimpleNamespace(__file__="clone/mrcnn/__init__.py"))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="restart the kernel"):
        maskwright.load_ipython_extension(shell)


# --- tables -----------------------------------------------------------------------------------------
def test_no_objects_are_said_in_words():
    assert instances_table(detections([], [])) == "<p>no objects</p>"


def test_objects_are_counted_by_class_with_the_span_of_their_scores():
    table = instances_table(detections([1, 0, 1], [0.5, 0.75, 0.9]))
    assert "<tr><td>gun</td><td>1</td><td>0.75</td></tr>" in table
    assert "<tr><td>sword</td><td>2</td><td>0.50 to 0.90</td></tr>" in table


def test_what_a_person_drew_has_no_score():
    assert "<td>drawn</td>" in instances_table(detections([0], None))


def test_names_of_classes_cannot_bring_markup_along():
    table = instances_table(detections([0], [1.0], names=("<script>",)))
    assert "<script>" not in table and "&lt;script&gt;" in table


def test_a_data_set_is_counted_by_class_and_split():
    names = ("gun", "sword")
    splits = ("train", "train", "val")
    records = tuple(
        Record(Path(f"{i}.jpg"), (4, 4), detections([0], None), split=split) for i, split in enumerate(splits)
    )
    table = dataset_table(Dataset("weapons", names, records))
    assert "<th>weapons</th><th>train</th><th>val</th>" in table
    assert "<tr><td>gun</td><td>2</td><td>1</td></tr><tr><td>sword</td><td>0</td><td>0</td></tr>" in table
    assert "<tr><td>images</td><td>2</td><td>1</td></tr>" in table


def test_a_data_set_without_splits_has_one_column():
    assert "<tr><td>images</td><td>0</td></tr>" in dataset_table(Dataset("none", ("gun",), ()))
