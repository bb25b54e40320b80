"""The original's own numbers: unit functions, training data and texts, by the checker beside them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mrcnn.config
import mrcnn.model
import mrcnn.utils

MODULES = {"config": mrcnn.config, "model": mrcnn.model, "utils": mrcnn.utils}


@pytest.fixture
def checker(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = shared / "parity"
    if not (folder / "check_parity.py").is_file():
        pytest.skip("the reference numbers are not here")
    monkeypatch.syspath_prepend(str(folder))
    yield SimpleNamespace(module=importlib.import_module("check_parity"), folder=folder)
    sys.modules.pop("check_parity", None)


def beyond(report: Any) -> list[Any]:
    """The items beyond their limit, and how many there were."""
    assert report.rows
    return [row for row in report.rows if not row[4]] + ["could not be run"] * report.errors


def test_the_unit_functions_agree(checker):
    report = checker.module.Report()
    data = checker.module.load(str(checker.folder / "ref_utils.npz"))
    checker.module.check_utils(report, "utils", data, MODULES)
    assert beyond(report) == []


def test_the_training_data_agree(checker):
    report = checker.module.Report()
    data = checker.module.load(str(checker.folder / "ref_training.npz"))
    checker.module.check_training(report, "training", data, MODULES, None, "")
    assert beyond(report) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the checker leaves a file open
def test_the_texts_agree(checker, monkeypatch):
    monkeypatch.setattr(mrcnn.model.MaskRCNN, "build", lambda self, mode, config: None)
    report = checker.module.Report()
    checker.module.check_text(report, MODULES)
    assert beyond(report) == []


def test_the_tests_above_would_notice(checker, monkeypatch):
    monkeypatch.setattr(mrcnn.utils, "trim_zeros", lambda x: x)
    report = checker.module.Report()
    data = checker.module.load(str(checker.folder / "ref_utils.npz"))
    checker.module.check_utils(report, "utils", data, MODULES)
    assert beyond(report) != []
